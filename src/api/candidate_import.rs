//! `CandidateImport`: which people come back from Clinch, where they are written or sent, and the result.

use k8s_openapi::apimachinery::pkg::{
    apis::meta::v1::{Condition, Time},
    util::intstr::IntOrString,
};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Duration, ExportSchedule, ExportSource, Handled, IntegrationReference, MappingReference,
    NameReference, Notified, RediscoveryCounts, ReportInclude, ReportSeen, STORE_SECRET_MESSAGE,
    STORE_SECRET_PATH, STORE_SECRET_RULE, STORE_URL_MESSAGE, STORE_URL_RULE,
    candidate_export::{default_grace, int_or_percent, no_budget},
    common_status, notifies,
};

const FOLDER_RULE: &str = "self.matches('^[^{}*?\\\\[\\\\]]+/$')";
const FOLDER_MESSAGE: &str =
    "url must name a folder: it ends with a slash, and holds none of * ? [ ] { }";

/// Writes people of Clinch, and what changes of them, to a folder, or sends them to an HTTP endpoint.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("!has(self.interval) || !has(self.schedule)")
    .message("at most one of interval and schedule may be set")
    .field_path(".schedule")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[kube(
    group = "clinch.hireez.dev",
    version = "v1alpha1",
    kind = "CandidateImport",
    plural = "candidateimports",
    singular = "candidateimport",
    shortname = "climp",
    category = "clinch",
    namespaced,
    status = "CandidateImportStatus",
    derive = "PartialEq",
    doc = "CandidateImport writes people of Clinch, and what changes of them, to a folder, or sends them to an HTTP endpoint.",
    selectable = ".spec.integrationRef.name",
    selectable = ".spec.integrationRef.namespace",
    selectable = ".spec.suspend",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(
        name = "Suspended",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Suspended\")].status"
    ),
    printcolumn(name = "Emitted", type_ = "integer", json_path = ".status.counts.emitted"),
    printcolumn(name = "Tombstones", type_ = "integer", json_path = ".status.counts.tombstones"),
    printcolumn(name = "LastFullScan", type_ = "date", json_path = ".status.lastFullScan.at"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Known",
        type_ = "integer",
        json_path = ".status.match.known",
        priority = 1
    ),
    printcolumn(
        name = "Changed",
        type_ = "integer",
        json_path = ".status.match.changed",
        priority = 1
    ),
    printcolumn(name = "New", type_ = "integer", json_path = ".status.match.new", priority = 1),
    printcolumn(
        name = "Possible",
        type_ = "integer",
        json_path = ".status.match.possible",
        priority = 1
    ),
    printcolumn(
        name = "Integration",
        type_ = "string",
        json_path = ".spec.integrationRef.name",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct CandidateImportSpec {
    /// The integration; its `spec.readPermission` decides what may leave Clinch.
    pub integration_ref: IntegrationReference,
    /// The mapping, which is read backwards: each field that can be inverted. Absent: the
    /// integration's default, else the documented default mapping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field_mapping_ref: Option<MappingReference>,
    /// CEL expression over `candidate`, the Clinch attributes of a person after
    /// `readPermission.attributes`; only people for whom it is true are written. A person who leaves
    /// the selection is not written any more, and gets no tombstone. Absent: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub select: Option<String>,
    /// People whom the import does not know yet are left out if Clinch says that they were last changed
    /// before this time. They are written once they change. Absent: nobody is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "moment")]
    pub updated_after: Option<Time>,
    /// Where people are written, or sent.
    pub sink: ImportSink,
    /// Rediscovery: a list of people to look for in Clinch. Each run that finds a change in Clinch, in the
    /// list or in the mapping says who of them is there already. Nothing is written to Clinch. Absent:
    /// nobody is looked for.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub rediscovery: Option<ImportMatch>,
    /// Whether people are written who are in Clinch as an export of the same integration wrote them.
    #[serde(default)]
    pub own_writes: OwnWrites,
    /// What is written of people who were deleted, merged or anonymised in Clinch.
    #[serde(default)]
    pub deletions: Deletions,
    /// How many of the people known may be missing from Clinch at once before no tombstone is written
    /// and the import waits for approval: a count, or a percentage. Fewer than 10 people are never too
    /// many.
    #[serde(default = "ten_percent")]
    #[x_kube(validation = Rule::new("string(self).matches('^(100|[0-9]{1,2})%$') || (string(self) != self && string(self).matches('^([0-9]{1,9}|1000000000)$'))")
        .message("maxDeletions must be a count such as 50, or a percentage such as \"10%\""))]
    #[schemars(schema_with = "int_or_percent")]
    pub max_deletions: IntOrString,
    /// Reads everybody again this long after the last complete scan: only that finds people who were
    /// deleted.
    #[serde(default = "daily")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('15m') && duration(self) <= duration('720h')").message("fullScanInterval must be between 15m and 720h"))]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+(s|m|h))+$"))]
    pub full_scan_interval: Duration,
    /// Runs again this long after the last run, e.g. `15m`. Absent: it runs when something that it
    /// depends on changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1m') && duration(self) <= duration('720h')").message("interval must be between 1m and 720h"))]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+(s|m|h))+$"))]
    pub interval: Option<Duration>,
    /// Runs again at these times. Absent: see `interval`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ExportSchedule>,
    /// How long a run by `interval` or `schedule` may fail before Ready turns False.
    #[serde(default = "default_grace")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('24h')").message("readyGrace must be at most 24h"))]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+(s|m|h))+$"))]
    pub ready_grace: Duration,
    /// Suspends this import; a run in progress ends after its requests in flight.
    #[serde(default)]
    pub suspend: bool,
    /// How many people may be impossible to map, as a count or a percentage of the people read,
    /// before the import is not Ready.
    #[serde(default = "no_budget")]
    #[x_kube(validation = Rule::new("string(self).matches('^(100|[0-9]{1,2})%$') || (string(self) != self && string(self).matches('^([0-9]{1,9}|1000000000)$'))")
        .message("failureBudget must be a count such as 5, or a percentage such as \"2%\""))]
    #[schemars(schema_with = "int_or_percent")]
    pub failure_budget: IntOrString,
}

impl CandidateImportSpec {
    /// The names of the Secrets that it refers to.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let store = self.sink.object_store.as_ref().and_then(ImportStore::secret);
        let endpoint = self.sink.http.as_ref().into_iter().flat_map(ImportEndpoint::secrets);
        let list = self.rediscovery.as_ref();
        let listed = list.into_iter().flat_map(|list| list.source.secrets());
        let report = list.and_then(|list| list.report.as_ref()?.to.secret());
        store.into_iter().chain(endpoint).chain(listed).chain(report)
    }
}

fn moment(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "format": "date-time", "maxLength": 40})
}

fn ten_percent() -> IntOrString {
    IntOrString::String("10%".to_owned())
}

fn daily() -> Duration {
    Duration::from_hours(24)
}

/// What is written of people who were deleted, merged or anonymised in Clinch.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum Deletions {
    /// A tombstone: their id and why, and nothing else of them; once.
    #[default]
    Tombstone,
    /// Nothing.
    Ignore,
}

/// A list of people to look for in Clinch.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("!has(self.source.inline)")
    .message("a list to look for is not inline; put it into a ConfigMap, a Secret, a bucket or a folder")
    .field_path(".source"))]
#[serde(rename_all = "camelCase")]
pub struct ImportMatch {
    /// Where the list is. The mapping for exports decides what is compared: `fieldMappingRef`, unless it is
    /// one of direction Import, else the integration's default, else the documented default mapping.
    pub source: ExportSource,
    /// A file with a line for each person of the list. Absent: no file; `status.match` has the counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<MatchReport>,
}

/// A file with a line for each person of a list: class, who they are in Clinch, and the names of attributes
/// that differ. No value of a person.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = Rule::new("self.to.url.matches('^[^{}]*[.](csv|ndjson)([.]gz)?$')")
    .message("the name of a report must end in .csv, .ndjson, .csv.gz or .ndjson.gz, and has no braces")
    .field_path(".to.url"))]
#[serde(rename_all = "camelCase")]
pub struct MatchReport {
    /// Where it is written. Each comparison replaces it.
    pub to: MatchReportTarget,
    /// Which records have a line.
    #[serde(default)]
    pub include: ReportInclude,
}

/// Where a report is written; the integration's `spec.readPermission` and the operator's
/// `--allowed-destinations` decide which places may be used.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = Rule::new(STORE_SECRET_RULE)
    .message(STORE_SECRET_MESSAGE)
    .field_path(STORE_SECRET_PATH)
    .reason(kube::core::Reason::FieldValueForbidden))]
#[serde(rename_all = "camelCase")]
pub struct MatchReportTarget {
    /// `s3://BUCKET/KEY`, `gs://BUCKET/KEY`, `az://CONTAINER/KEY` or `file:///PATH`. The name says whether
    /// it is CSV or NDJSON.
    #[x_kube(validation = Rule::new(STORE_URL_RULE).message(STORE_URL_MESSAGE))]
    #[schemars(length(min = 8, max = 1024))]
    pub url: String,
    /// A Secret in the import's namespace with credentials, labelled
    /// `clinch.hireez.dev/use: destination` and annotated
    /// `clinch.hireez.dev/allowed-origin: s3://BUCKET`. Absent: the operator's own identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<NameReference>,
}

impl MatchReportTarget {
    /// The name of the Secret that it is written with.
    pub fn secret(&self) -> Option<&str> {
        self.credentials_secret_ref.as_ref().map(|reference| reference.name.as_str())
    }
}

/// What becomes of people who are in Clinch as an export of the same integration wrote them.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum OwnWrites {
    /// They are not written: what an export wrote does not come back as a change.
    #[default]
    Exclude,
    /// They are written like others.
    Include,
}

/// Where people are written, or sent; exactly one of `objectStore` and `http`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(
    validation = Rule::new("has(self.objectStore) != has(self.http)")
        .message("exactly one of objectStore and http must be set"),
    validation = Rule::new("has(self.objectStore) == has(oldSelf.objectStore)")
        .message("the kind of sink is immutable; create another import instead")
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
    #[x_kube(validation = Rule::new(STORE_URL_RULE).message(STORE_URL_MESSAGE))]
    #[x_kube(validation = Rule::new(FOLDER_RULE).message(FOLDER_MESSAGE))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("url is immutable; create another import instead"))]
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
        .message("url must begin with https:// or http://"))]
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

/// What the operator knows of the import.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CandidateImportStatus {
    /// The generation this status was computed for; -1 before the first reconcile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions, one of each type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// The current run, or the latest one that wrote something or met a fault. A run that finds
    /// nothing new does not change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<ImportCounts>,
    /// Until when the work in progress, or its next attempt, waits at least, because Clinch answered 429
    /// and asked for it.
    /// Absent: no such wait is known that has two seconds left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_until: Option<Time>,
    /// Whether that run read everybody, or only who changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ScanMode")]
    pub mode: Option<ScanMode>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub mode_reason: Option<String>,
    /// Everything that changed in Clinch before this time is written, by the clock of Clinch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Time>,
    /// The latest complete scan of everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_full_scan: Option<FullScan>,
    /// How many more people the list of Clinch says it has than it shows, as of the latest run. While it
    /// does, nobody counts as deleted, and every run reads everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlisted: Option<i64>,
    /// Rediscovery: who of the list in `spec.match` is in Clinch, as of the latest comparison.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub rediscovery: Option<RediscoveryCounts>,
    /// The report of that comparison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_report: Option<ReportSeen>,
    /// The latest manifest, which lists the parts of a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_manifest: Option<ManifestSeen>,
    /// People who could not be read or mapped, or whom the destination refused, as of the last full scan
    /// and since then. Each full scan tries them again; those who were corrected count until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<i64>,
    /// The first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub failures: Vec<ImportFailure>,
    /// Digest of everything the latest complete run depended on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub last_applied_revision: Option<String>,
    /// Digest of everything the latest started run depends on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub last_attempted_revision: Option<String>,
    /// The latest runs that wrote something or met a fault, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub history: Vec<ImportRecord>,
    /// What the receivers in `spec.notify` of the integration were sent about this object. Absent: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub notified: Vec<Notified>,
    /// Receipts of requests made by annotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled: Option<Handled>,
}
common_status!(CandidateImportStatus);
notifies!(CandidateImportStatus);

/// What a run reads.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum ScanMode {
    /// Only who changed since the cursor.
    Incremental,
    /// Everybody.
    FullScan,
}

/// People of a run.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ImportCounts {
    /// People read from Clinch, also those of a batch that an earlier run may not have delivered, who are read
    /// by id. Each of them counts as one of: emitted, unchanged, own, not selected, suppressed, invalid, failed,
    /// refused before. Tombstones are of people who are not there, and so may be invalid and failed.
    pub scanned: i64,
    /// People written, because they are new or have changed. Those whom the destination refuses do not count.
    pub emitted: i64,
    /// People who are as they were written last.
    pub unchanged: i64,
    /// People as an export wrote them, who are not written because of that.
    pub own: i64,
    /// People whom `spec.select` or `spec.updatedAfter` leaves out.
    pub not_selected: i64,
    /// People on the list of the integration's `spec.suppression`, who are not written because of that.
    /// Absent: counted by an earlier version, as not selected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed: Option<i64>,
    /// Tombstones written.
    pub tombstones: i64,
    /// People who could not be read or mapped.
    pub invalid: i64,
    /// People whom the run offered, and the destination refused.
    pub failed: i64,
    /// People whom the destination refused in an earlier run, and whom this one did not offer again. Absent:
    /// counted by an earlier version, as failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_before: Option<i64>,
}

impl ImportCounts {
    /// People who are not written because of a fault of theirs.
    pub fn rejected(&self) -> i64 {
        let before = self.refused_before.unwrap_or_default();
        self.invalid.saturating_add(self.failed).saturating_add(before)
    }
}

/// A complete scan of everybody: nobody moved between its pages.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FullScan {
    /// When it began, by the clock of Clinch.
    pub at: Time,
    /// How often it read the list.
    pub passes: i32,
    /// People known after it.
    pub known: i64,
}

/// A manifest of an import.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ManifestSeen {
    /// Where it is.
    #[schemars(length(max = 1280))]
    pub url: String,
    /// The run that wrote it; the manifests of an import are numbered in order.
    pub sequence: i64,
    /// SHA-256 of its bytes, in hexadecimal digits.
    #[schemars(length(max = 64))]
    pub sha256: String,
}

/// A person who could not be mapped. Holds no candidate value.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ImportFailure {
    /// Opaque id of the person; stable within the import. Absent: they could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub record: Option<String>,
    /// The reason, from the documented list.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// What is wrong, and where in the mapping.
    #[schemars(length(max = 512))]
    pub message: String,
}

/// One run of an import.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ImportRecord {
    /// Whether it read everybody, or only who changed.
    pub mode: ScanMode,
    /// When it started.
    pub started_at: Time,
    /// When it ended.
    pub finished_at: Time,
    /// Its result, from the documented list of reasons.
    #[schemars(length(max = 64))]
    pub outcome: String,
    /// People of the run.
    pub counts: ImportCounts,
}
