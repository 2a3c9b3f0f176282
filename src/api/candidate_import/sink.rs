//! Where people are written, or sent.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{
    NameReference, STORE_SECRET_MESSAGE, STORE_SECRET_PATH, STORE_SECRET_RULE, STORE_URL_MESSAGE,
    STORE_URL_RULE,
};

const FOLDER_RULE: &str = "self.matches('^[^{}*?\\\\[\\\\]]+/$')";
const FOLDER_MESSAGE: &str =
    "must name a folder: it ends with a slash, and holds none of * ? [ ] { }";

/// Where people are written, or sent; exactly one of `objectStore` and `http`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(
    validation = Rule::new("has(self.objectStore) != has(self.http)")
        .message("exactly one of objectStore and http must be set")
        .reason(kube::core::Reason::FieldValueInvalid),
    validation = Rule::new("has(self.objectStore) == has(oldSelf.objectStore)")
        .message("the kind of sink is immutable; create another import instead")
        .reason(kube::core::Reason::FieldValueInvalid)
)]
#[serde(rename_all = "camelCase")]
pub struct ImportSink {
    /// Into a folder of an object store, or of a file system that the operator may write. Exactly one
    /// of `objectStore` and `http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_store: Option<ImportStore>,
    /// To an HTTP endpoint, as signed batches. Exactly one of `objectStore` and `http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<ImportEndpoint>,
}

/// A folder; the integration's `spec.readPermission` and the operator's `--allowed-destinations`
/// decide which may be used.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = Rule::new(STORE_SECRET_RULE)
    .message(STORE_SECRET_MESSAGE)
    .field_path(STORE_SECRET_PATH)
    .reason(kube::core::Reason::FieldValueForbidden))]
#[serde(rename_all = "camelCase")]
pub struct ImportStore {
    /// `s3://BUCKET/FOLDER/`, `gs://BUCKET/FOLDER/`, `az://CONTAINER/FOLDER/` or `file:///FOLDER/`.
    /// The import writes below it, into a folder named after its UID.
    #[x_kube(validation = Rule::new(STORE_URL_RULE).message(STORE_URL_MESSAGE)
        .reason(kube::core::Reason::FieldValueInvalid))]
    #[x_kube(validation = Rule::new(FOLDER_RULE).message(FOLDER_MESSAGE)
        .reason(kube::core::Reason::FieldValueInvalid))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("is immutable; create another import instead")
        .reason(kube::core::Reason::FieldValueInvalid))]
    #[schemars(length(min = 8, max = 1024))]
    pub url: String,
    /// A Secret in the import's namespace with credentials, labelled
    /// `clinch.hireez.dev/use: destination` and annotated
    /// `clinch.hireez.dev/allowed-origin: s3://BUCKET`. Absent: the operator's own identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<NameReference>,
    /// Format of the parts.
    #[serde(default)]
    pub format: ImportFormat,
    /// The most records of a part.
    #[serde(default = "default_part")]
    #[schemars(range(min = 100, max = 8000))]
    pub max_records_per_file: i32,
}

impl ImportStore {
    /// The name of the Secret that it is written with.
    pub fn secret(&self) -> Option<&str> {
        self.credentials_secret_ref.as_ref().map(|reference| reference.name.as_str())
    }
}

const fn default_part() -> i32 {
    5000
}

/// An HTTP endpoint; the integration's `spec.readPermission` and the operator's
/// `--allowed-destinations` decide which may be used.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ImportEndpoint {
    /// The URL that batches are sent to with POST. Redirects are not followed.
    #[x_kube(validation = Rule::new("self.startsWith('https://') || self.startsWith('http://')")
        .message("must begin with https:// or http://")
        .reason(kube::core::Reason::FieldValueInvalid))]
    #[schemars(length(min = 8, max = 2048))]
    pub url: String,
    /// A Secret in the import's namespace whose fields are sent as headers, labelled
    /// `clinch.hireez.dev/use: destination` and annotated
    /// `clinch.hireez.dev/allowed-origin: https://HOST`. Absent: no headers are added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers_secret_ref: Option<NameReference>,
    /// A Secret in the import's namespace, labelled and annotated as for the headers. `key` signs every
    /// batch as Standard Webhooks 1.0 defines it; `previousKey`, if there is one, too.
    pub signing_secret_ref: NameReference,
    /// The most records of a batch.
    #[serde(default = "default_batch")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_records: i32,
    /// The most bytes of a batch, e.g. `512Ki` or `1Mi`: from `64Ki` to `8Mi`. A single record may be
    /// larger.
    #[serde(default = "default_batch_bytes")]
    #[schemars(
        length(min = 3, max = 6),
        regex(pattern = r"^((6[4-9]|[7-9][0-9]|[1-9][0-9]{2,3})Ki|[1-8]Mi)$")
    )]
    pub max_bytes: String,
}

impl ImportEndpoint {
    /// The names of the Secrets that it refers to.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let references = self.headers_secret_ref.iter().chain([&self.signing_secret_ref]);
        references.map(|reference| reference.name.as_str())
    }

    /// The most bytes of a batch. The schema admits nothing that cannot be read.
    pub fn max_bytes(&self) -> usize {
        let of = |unit: &str, bytes: usize| {
            let count: usize = self.max_bytes.strip_suffix(unit)?.parse().ok()?;
            Some(count.saturating_mul(bytes))
        };
        of("Ki", 1 << 10).or_else(|| of("Mi", 1 << 20)).unwrap_or(1 << 20)
    }
}

const fn default_batch() -> i32 {
    100
}

fn default_batch_bytes() -> String {
    "1Mi".to_owned()
}

/// Format of the parts of an import.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ImportFormat {
    /// One JSON object per line; the source of an export can read it.
    #[default]
    Ndjson,
    /// A header line, then one person per row, in the columns of CSV files of exports behind `Clinch Id`,
    /// `Clinch Op`, `Clinch Revision` and `Clinch Updated At`. Cells are escaped against spreadsheets.
    Csv,
}
