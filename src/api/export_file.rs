//! `spec.destination.file` of an export, and what its status says of the file.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    NameReference, STORE_SECRET_MESSAGE, STORE_SECRET_PATH, STORE_SECRET_RULE, STORE_URL_MESSAGE,
    STORE_URL_RULE,
};

const PLACEHOLDER_RULE: &str =
    "self.matches('^([^{}]|[{](namespace|export|date|run|record)[}])+$')";
const PLACEHOLDER_MESSAGE: &str =
    "braces are for {namespace}, {export}, {date}, {run} and {record} only";
const CSV_RULE: &str = "self.format == 'CSV' || \
    !self.to.url.matches('[.][cC][sS][vV]([.][gG][zZ])?$')";
const CSV_MESSAGE: &str = "a name that ends in .csv is for format CSV";
const NDJSON_RULE: &str = "self.format == 'NDJSON' || \
    !self.to.url.matches('[.]([nN][dD][jJ][sS][oO][nN]|[jJ][sS][oO][nN][lL]?)([.][gG][zZ])?$')";
const NDJSON_MESSAGE: &str = "a name that ends in .ndjson, .jsonl or .json is for format NDJSON";
const PDF_RULE: &str = "self.format == 'PDF' || \
    !self.to.url.matches('[.][pP][dD][fF]([.][gG][zZ])?$')";
const PDF_MESSAGE: &str = "a name that ends in .pdf is for format PDF";
const SEPARATE_RULE: &str = "self.to.url.contains('{record}') == \
    (has(self.pdf) && self.pdf.layout == 'PerCandidate')";
const SEPARATE_MESSAGE: &str = "{record} is required by, and only for, pdf.layout PerCandidate";
const RECORD_RULE: &str = "!self.to.url.matches('[{]record[}].*(/|[{]record[}])')";
const RECORD_MESSAGE: &str = "{record} must be in the last part of the URL, once";
const LASTING_RULE: &str = "!self.to.url.contains('{record}') || \
    !self.to.url.matches('[{](date|run)[}]')";
const LASTING_MESSAGE: &str =
    "with {record}, the URL must not contain {date} or {run}: the files are kept up to date";
const SAME_FILES_RULE: &str =
    "!oldSelf.to.url.contains('{record}') || self.to.url == oldSelf.to.url";
const SAME_FILES_MESSAGE: &str = "is immutable with {record}; create another export instead: its files would \
    be left behind";

/// A file of people, or one for each of them. A file appears complete or not at all, in place of one of
/// the same name.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = Rule::new("!has(self.csv) || self.format == 'CSV'")
    .message("applies to format CSV only")
    .field_path(".csv")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.pdf) || self.format == 'PDF'")
    .message("applies to format PDF only")
    .field_path(".pdf")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("self.format != 'PDF' || !self.to.url.matches('[.][gG][zZ]$')")
    .message("a PDF file is not compressed: its name must not end in .gz")
    .field_path(".to.url")
    .reason(kube::core::Reason::FieldValueInvalid))]
#[x_kube(validation = Rule::new(CSV_RULE).message(CSV_MESSAGE).field_path(".to.url")
    .reason(kube::core::Reason::FieldValueInvalid))]
#[x_kube(validation = Rule::new(NDJSON_RULE).message(NDJSON_MESSAGE).field_path(".to.url")
    .reason(kube::core::Reason::FieldValueInvalid))]
#[x_kube(validation = Rule::new(PDF_RULE).message(PDF_MESSAGE).field_path(".to.url")
    .reason(kube::core::Reason::FieldValueInvalid))]
#[x_kube(validation = Rule::new(SEPARATE_RULE).message(SEPARATE_MESSAGE).field_path(".to.url")
    .reason(kube::core::Reason::FieldValueInvalid))]
#[x_kube(validation = Rule::new(RECORD_RULE).message(RECORD_MESSAGE).field_path(".to.url")
    .reason(kube::core::Reason::FieldValueInvalid))]
#[x_kube(validation = Rule::new(LASTING_RULE).message(LASTING_MESSAGE).field_path(".to.url")
    .reason(kube::core::Reason::FieldValueInvalid))]
#[x_kube(validation = Rule::new(SAME_FILES_RULE).message(SAME_FILES_MESSAGE).field_path(".to.url")
    .reason(kube::core::Reason::FieldValueInvalid))]
#[serde(rename_all = "camelCase")]
pub struct FileDestination {
    /// Format of the file: CSV, NDJSON, or PDF: one document with pages for each person, at most 5,000
    /// people and 6,000 pages, or with `pdf.layout: PerCandidate` a document for each person. A mapping in
    /// use must permit it by its `resume.from`.
    pub format: FileFormat,
    /// Where the file is written.
    pub to: FileTarget,
    /// How CSV is written. Absent: with the defaults of its fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csv: Option<CsvOutput>,
    /// How PDF is written. Absent: with the defaults of its fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pdf: Option<PdfOutput>,
}

/// The format of a file.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum FileFormat {
    /// A header line, then one person per row.
    Csv,
    /// One JSON object per line.
    Ndjson,
    /// Documents: one with pages for each person, or one for each person.
    Pdf,
}

impl FileFormat {
    /// The spelling in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Ndjson => "NDJSON",
            Self::Pdf => "PDF",
        }
    }
}

/// Where a file is written; the operator's `--allowed-destinations` decides which places may be used.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = Rule::new(STORE_SECRET_RULE)
    .message(STORE_SECRET_MESSAGE)
    .field_path(STORE_SECRET_PATH)
    .reason(kube::core::Reason::FieldValueForbidden))]
#[serde(rename_all = "camelCase")]
pub struct FileTarget {
    /// `s3://BUCKET/KEY`, `gs://BUCKET/KEY`, `az://CONTAINER/KEY` or `file:///PATH`, with
    /// `{namespace}`, `{export}`, `{date}` (of the run, as 2026-11-26) and `{run}` (its start, as
    /// 20261126T093000Z). Without `{date}` and `{run}` each run replaces the file. A name that ends
    /// in `.gz` is compressed with gzip. `{record}`, an opaque id of the person, is for
    /// `pdf.layout: PerCandidate`.
    #[x_kube(validation = Rule::new(STORE_URL_RULE).message(STORE_URL_MESSAGE)
        .reason(kube::core::Reason::FieldValueInvalid))]
    #[x_kube(validation = Rule::new(PLACEHOLDER_RULE).message(PLACEHOLDER_MESSAGE)
        .reason(kube::core::Reason::FieldValueInvalid))]
    #[schemars(length(min = 8, max = 1024))]
    pub url: String,
    /// A Secret in the export's namespace with credentials, labelled
    /// `clinch.hireez.dev/use: destination` and annotated
    /// `clinch.hireez.dev/allowed-origin: s3://BUCKET`. Absent: the operator's own identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<NameReference>,
}

impl FileDestination {
    /// Whether each person has a file of their own.
    pub fn is_per_candidate(&self) -> bool {
        self.pdf.as_ref().is_some_and(|pdf| pdf.layout == PdfLayout::PerCandidate)
    }
}

impl FileTarget {
    /// The name of the Secret that it is written with.
    pub fn secret(&self) -> Option<&str> {
        self.credentials_secret_ref.as_ref().map(|reference| reference.name.as_str())
    }
}

/// How CSV is written.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CsvOutput {
    /// The first line.
    #[serde(default)]
    pub header: CsvHeader,
    /// What happens to values that a spreadsheet takes for formulas.
    #[serde(default)]
    pub formulas: FormulaCells,
    /// Whether the file begins with a byte order mark, which Excel needs and pipelines dislike.
    #[serde(default)]
    pub bom: bool,
    /// Compression, whatever the name ends in.
    #[serde(default)]
    pub compress: FileCompression,
}

/// The first line of a CSV file.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum CsvHeader {
    /// Names that people read. With a mapping: its attributes.
    #[default]
    Names,
    /// Paths of the profile. With a mapping: its attributes.
    Paths,
    /// No header.
    None,
}

/// What happens to values that a spreadsheet takes for formulas.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum FormulaCells {
    /// A `'` is put in front of them, and of values that begin with one.
    #[default]
    Escape,
    /// They are written as they are: for programs.
    Keep,
}

/// How a file is compressed.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum FileCompression {
    /// Not, unless its name ends in `.gz`.
    #[default]
    None,
    /// With gzip.
    Gzip,
}

/// How PDF is written.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PdfOutput {
    /// Whether all people are in one document.
    #[serde(default)]
    pub layout: PdfLayout,
    /// Size of the paper.
    #[serde(default)]
    pub page_size: PdfPageSize,
    /// Language of headings (de, en, es or fr; else English), as a BCP 47 tag. Also decides the form of
    /// Chinese characters of people whose profile does not show it, e.g. `zh-TW`.
    #[serde(default = "english")]
    #[schemars(length(min = 2, max = 35), regex(pattern = r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$"))]
    pub locale: String,
}

impl Default for PdfOutput {
    fn default() -> Self {
        Self { layout: PdfLayout::Combined, page_size: PdfPageSize::A4, locale: english() }
    }
}

fn english() -> String {
    "en".to_owned()
}

/// Whether all people are in one document.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum PdfLayout {
    /// One document about everybody.
    #[default]
    Combined,
    /// A document for each person. A run writes those that differ, and deletes those of people who left.
    PerCandidate,
}

/// Size of the paper.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum PdfPageSize {
    /// 210 mm by 297 mm.
    #[default]
    A4,
    /// 8.5 inches by 11 inches.
    Letter,
}

/// A file with a line for each record: position, record, outcome, reason, place, message and class; where
/// the integration's `readPermission.candidates` is Allowed also clinchId, matchedBy, changed,
/// clinchUpdatedAt and hireezId.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = Rule::new("self.to.url.matches('[.](csv|ndjson)([.]gz)?$')")
    .message("the name of a report must end in .csv, .ndjson, .csv.gz or .ndjson.gz")
    .field_path(".to.url")
    .reason(kube::core::Reason::FieldValueInvalid))]
#[x_kube(validation = Rule::new("!self.to.url.contains('{record}')")
    .message("{record} is not for reports: there is one for all records")
    .field_path(".to.url")
    .reason(kube::core::Reason::FieldValueInvalid))]
#[serde(rename_all = "camelCase")]
pub struct ReportOutput {
    /// Where it is written. Its name says whether it is CSV or NDJSON.
    pub to: FileTarget,
    /// Which records have a line.
    #[serde(default)]
    pub include: ReportInclude,
}

/// Which records have a line in a report.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum ReportInclude {
    /// All that are selected.
    #[default]
    All,
    /// Those that are rejected or suppressed, could not be decided, or were delivered with a warning.
    Rejected,
}

/// A report that was written.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ReportSeen {
    /// Where it is.
    #[schemars(length(max = 1280))]
    pub url: String,
    /// Number of its lines.
    pub lines: i64,
    /// Its size.
    pub bytes: i64,
    /// SHA-256 of its bytes, in hexadecimal.
    #[schemars(length(max = 64))]
    pub sha256: String,
    /// When it was complete.
    pub written_at: Time,
}

/// A list of the people whom an export wrote to Clinch, or why there is none. Holds no candidate value.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct WrittenSeen {
    /// When it was complete, or was refused.
    pub listed_at: Time,
    /// The file, with a line for each person. Absent: none was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportSeen>,
    /// People whom the export created.
    pub created: i64,
    /// People who were there, and whom it has changed.
    pub updated: i64,
    /// People who were there, and of whom it has changed nothing.
    pub unchanged: i64,
    /// People of whom it is not recorded.
    pub unknown: i64,
    /// Why there is no list, or why it may lack people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

/// The file, or the files, that were written.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FileSeen {
    /// Where it is; of several, with `{record}` for the part of the name that differs.
    #[schemars(length(max = 1280))]
    pub url: String,
    /// Its format.
    pub format: FileFormat,
    /// Number of people in it.
    pub rows: i64,
    /// Its size, or that of all files.
    pub bytes: i64,
    /// SHA-256 of its bytes, in hexadecimal. Of one file only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub sha256: Option<String>,
    /// Number of files.
    pub files: i64,
    /// Files of people who left, deleted by the last run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<i64>,
    /// Items of lists in which a `;` was written as `,`, because `;` separates the items of a cell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altered: Option<i64>,
    /// Its version at the destination. The file is written again if it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version: Option<String>,
    /// When it was complete.
    pub written_at: Time,
}
