//! `CandidateExport`: which candidates go where, and what became of them.

use k8s_openapi::apimachinery::pkg::{
    apis::meta::v1::{Condition, Time},
    util::intstr::IntOrString,
};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Duration, ExportSource, FileDestination, FileSeen, FileTarget, Handled, Notified, ReportOutput,
    ReportSeen, WrittenSeen, common_status, notifies,
};

/// Pushes candidates from a source to Clinch.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("!has(self.interval) || !has(self.schedule)")
    .message("at most one of interval and schedule may be set")
    .field_path(".schedule")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.approvedPlan) || !(has(self.interval) || has(self.schedule))")
    .message("approvedPlan names one plan and cannot be used with interval or schedule")
    .field_path(".approvedPlan")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.approvedPlan) || self.mode == 'Push'")
    .message("approvedPlan is for mode Push: a dry run makes a plan and carries out none")
    .field_path(".approvedPlan")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.destination.file) || (!has(self.duplicatePolicy) && !has(self.resume) && !has(self.tags) && !has(self.approvedPlan))")
    .message("duplicatePolicy, resume, tags and approvedPlan do not apply to a file")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.destination.file) || !has(self.guards) || (!has(self.guards.maxCreates) && !has(self.guards.maxUpdates))")
    .message("maxCreates and maxUpdates do not apply to a file")
    .field_path(".guards")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.report) || !has(self.destination.file) || self.report.to.url != self.destination.file.to.url")
    .message("the report and the file must not have the same URL")
    .field_path(".report"))]
#[kube(
    group = "clinch.hireez.dev",
    version = "v1alpha1",
    kind = "CandidateExport",
    plural = "candidateexports",
    singular = "candidateexport",
    shortname = "clexp",
    category = "clinch",
    namespaced,
    status = "CandidateExportStatus",
    derive = "PartialEq",
    doc = "CandidateExport pushes candidates to Clinch and reports the result of each.",
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
    printcolumn(name = "Delivered", type_ = "string", json_path = ".status.delivered"),
    printcolumn(name = "Rejected", type_ = "integer", json_path = ".status.rejected"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Integration",
        type_ = "string",
        json_path = ".spec.integrationRef.name",
        priority = 1
    ),
    printcolumn(
        name = "Drifted",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Drifted")].status"#,
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
pub struct CandidateExportSpec {
    /// The integration.
    pub integration_ref: IntegrationReference,
    /// The mapping. Absent: the integration's default, else the documented default mapping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field_mapping_ref: Option<MappingReference>,
    /// Where the candidates come from.
    pub source: ExportSource,
    /// CEL expression over `candidate`; only candidates for which it is true are exported. Absent: all
    /// of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub select: Option<String>,
    /// Maximum number of candidates to export, counted after `select`. Absent: no maximum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub limit: Option<i64>,
    /// Where the candidates go.
    pub destination: ExportDestination,
    /// A file with a line for each record: what became of it. Needs the same permissions as a file of
    /// people, although it holds no value of a person. Absent: no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportOutput>,
    /// What happens to people who are already in Clinch. Absent: the integration's default, else
    /// Update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DuplicatePolicy")]
    pub duplicate_policy: Option<DuplicatePolicy>,
    /// Overrides the mapping's resume switch. Absent: as the mapping says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<ResumeOverride>,
    /// Overrides the mapping's tags switch. Absent: as the mapping says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<TagsOverride>,
    /// `DryRun` counts what a push would do and writes nothing to Clinch.
    #[serde(default)]
    pub mode: ExportMode,
    /// Runs again this long after the last run, e.g. `1h`. A run pushes what changed and tries rejected
    /// records again; a remote source of the same version is not read. Absent: it runs when something
    /// that it depends on changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1m') && duration(self) <= duration('720h')").message("interval must be between 1m and 720h"))]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+(s|m|h))+$"))]
    pub interval: Option<Duration>,
    /// Runs again at these times. Absent: see `interval`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ExportSchedule>,
    /// How long a run by `interval` or `schedule` may fail to start or to read its source before
    /// Ready turns False.
    #[serde(default = "default_grace")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('24h')").message("readyGrace must be at most 24h"))]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+(s|m|h))+$"))]
    pub ready_grace: Duration,
    /// Reads the people who were delivered back from Clinch this long after the last time, e.g. `24h`,
    /// and reports in `status.drift` who is missing, changed or anonymised; the first time once
    /// everybody is delivered. Absent: only on request, by the annotation
    /// `clinch.hireez.dev/verify-requested-at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1h') && duration(self) <= duration('720h')").message("verifyInterval must be between 1h and 720h"))]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+(s|m|h))+$"))]
    pub verify_interval: Option<Duration>,
    /// What happens to people whom a verification finds changed in Clinch.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
    /// Suspends this export; a run in progress ends after its requests in flight.
    #[serde(default)]
    pub suspend: bool,
    /// Limits on what a run reads and writes. A run that would exceed one writes nothing. Absent: none
    /// but that the source must not be empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guards: Option<ExportGuards>,
    /// The plan that may be pushed, whatever `guards` says, and no other: its digest, from
    /// `status.plan` or from the message of a guard. Absent: any plan that `guards` lets pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 100, max = 100), regex(pattern = r"^v1:[0-9a-f]{32}:[0-9a-f]{64}$"))]
    pub approved_plan: Option<String>,
    /// How many records may be rejected, as a count or a percentage of the selected records,
    /// before the export is not Ready.
    #[serde(default = "no_budget")]
    #[x_kube(validation = Rule::new("string(self).matches('^(100|[0-9]{1,2})%$') || (string(self) != self && string(self).matches('^([0-9]{1,9}|1000000000)$'))")
        .message("failureBudget must be a count such as 5, or a percentage such as \"2%\""))]
    #[schemars(schema_with = "int_or_percent")]
    pub failure_budget: IntOrString,
}

impl CandidateExportSpec {
    /// The names of the Secrets that it refers to.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let file = self.destination.file.as_ref();
        let report = self.report.as_ref();
        let targets = file.map(|file| &file.to).into_iter().chain(report.map(|report| &report.to));
        self.source.secrets().chain(targets.filter_map(FileTarget::secret))
    }
}

pub(super) fn default_grace() -> Duration {
    Duration::from_mins(5)
}

pub(super) fn no_budget() -> IntOrString {
    IntOrString::Int(0)
}

pub(super) fn int_or_percent(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "x-kubernetes-int-or-string": true,
        "nullable": false,
        "maxLength": 8
    })
}

/// Limits on what a run reads and writes.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ExportGuards {
    /// The least number of records that the source has; 0: the source may be empty.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub min_records: i64,
    /// By how many percent the source may have fewer records than in the last completed push.
    /// Absent: by any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub max_shrink_percent: Option<i32>,
    /// How many people a run may create. Absent: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub max_creates: Option<i64>,
    /// How many people a run may update. Absent: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub max_updates: Option<i64>,
}

fn one() -> i64 {
    1
}

/// Times at which an export or import runs.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ExportSchedule {
    /// Minute, hour, day of the month, month and day of the week, e.g. `30 6 * * MON-FRI`.
    #[schemars(length(min = 9, max = 128), regex(pattern = r"^[^ ]+( [^ ]+){4}$"))]
    pub cron: String,
    /// The time zone of these times, e.g. `Europe/Dublin`.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_+/-]+$"))]
    pub time_zone: String,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// The integration that an export or import uses.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
pub struct IntegrationReference {
    /// Name of the integration.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its namespace. The integration's `spec.access` decides who may use it. Absent: that of the
    /// object itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
}

/// The mapping that an export or import uses.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
pub struct MappingReference {
    /// Name of the mapping.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its namespace: the integration's, or that of the object itself where the integration's
    /// `spec.access.memberMappings` allows it. Absent: the integration's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
}

/// Where candidates go; exactly one of `prospect`, `job` and `file`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(validation = Rule::new("[has(self.prospect), has(self.job), has(self.file)].filter(x, x).size() == 1")
    .message("exactly one of prospect, job and file must be set"))]
#[serde(rename_all = "camelCase")]
pub struct ExportDestination {
    /// As prospects; has no settings. Exactly one of `prospect`, `job` and `file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "no_settings")]
    pub prospect: Option<ProspectDestination>,
    /// To a stage of a job. Exactly one of `prospect`, `job` and `file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobDestination>,
    /// Into a file; the integration's `spec.pushPermission.files` and the operator's
    /// `--allowed-destinations` decide whether. Exactly one of `prospect`, `job` and `file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileDestination>,
}

/// An object without members. The API server would drop unknown fields of an object without
/// properties, even where it is asked to be strict; so this one is a map without entries.
fn no_settings(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "nullable": true,
        "maxProperties": 0,
        "additionalProperties": {"type": "string", "maxLength": 1}
    })
}

/// As prospects; has no settings.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ProspectDestination {}

/// A stage of a job; exactly one of `id` and `reference`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(validation = Rule::new("has(self.id) != has(self.reference)")
    .message("exactly one of id and reference must be set"))]
#[serde(rename_all = "camelCase")]
pub struct JobDestination {
    /// Id of the job in Clinch. Exactly one of `id` and `reference`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9._~-]+$"))]
    pub id: Option<String>,
    /// Reference of the job in Clinch. Exactly one of `id` and `reference`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub reference: Option<String>,
    /// Name of the stage.
    #[schemars(length(min = 1, max = 128))]
    pub stage: String,
}

/// What happens to people who are already in Clinch.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum DuplicatePolicy {
    /// Their mapped attributes are updated.
    #[default]
    Update,
    /// They are not changed.
    Skip,
    /// The record is rejected.
    Fail,
}

/// Overrides the mapping's resume switch.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ResumeOverride {
    /// Attach the profile's resume.
    pub attach: bool,
    /// Reject a record whose resume cannot be attached. Absent: as the mapping says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
}

/// Overrides the mapping's tags switch.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TagsOverride {
    /// Send tags; the mapping says which, and to which activity field.
    pub enabled: bool,
}

/// Whether anything is written to Clinch.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum ExportMode {
    /// Writes to Clinch.
    #[default]
    Push,
    /// Reads only, and counts what a push would do.
    DryRun,
}

/// What happens to people whom a verification finds changed in Clinch.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum DriftPolicy {
    /// They are reported.
    #[default]
    Report,
    /// The attributes that differ are written again. Nobody is created: people who were deleted or
    /// anonymised in Clinch are reported.
    Correct,
}

/// What the operator knows of the export.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CandidateExportStatus {
    /// The generation this status was computed for; -1 before the first reconcile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions, one of each type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// Results of the selected records in the current or latest run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<ExportCounts>,
    /// Rediscovery: which of the selected people are in Clinch. Of a dry run of a push only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rediscovery: Option<RediscoveryCounts>,
    /// Records that are in Clinch as mapped, out of those selected: `199/200`. After a dry run, how
    /// many a push would deliver: `would 199/200`. Of a file: `199/200 rows`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 48))]
    pub delivered: Option<String>,
    /// Records rejected: `counts.invalid` and `counts.failed` together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<i64>,
    /// Progress of the current run, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub progress: Option<i32>,
    /// Until when the work in progress, or its next attempt, waits at least, because Clinch answered 429
    /// and asked for it.
    /// Absent: no such wait is known that has two seconds left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_until: Option<Time>,
    /// The first records that were rejected, suppressed, delivered with a warning, or not decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub failures: Vec<RecordFailure>,
    /// All rejected records by reason and place, the most frequent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub rejected_by_reason: Vec<RejectionCount>,
    /// Digest of the plan of the latest run, if it was a dry run or a guard held it back; see
    /// `spec.approvedPlan`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub plan: Option<String>,
    /// How the records fill the mapping, and warnings about them. Written when a run ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<FieldCoverage>,
    /// How many such records are not listed in `failures`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures_omitted: Option<i64>,
    /// Digest of everything the latest completed run depended on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub last_applied_revision: Option<String>,
    /// Digest of everything the latest started run depends on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub last_attempted_revision: Option<String>,
    /// What the last read of a remote source found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceSeen>,
    /// The file written last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSeen>,
    /// The report written last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportSeen>,
    /// People created by this export who are in Clinch more than once. Absent: none are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<DuplicatesSeen>,
    /// What the last verification found. Absent: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftSeen>,
    /// The last list of the people whom the export wrote to Clinch, which the annotation
    /// `clinch.hireez.dev/written-requested-at` asked for. Absent: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<WrittenSeen>,
    /// What is known of the ledger, which is kept elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerSeen>,
    /// The latest runs, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub history: Vec<RunRecord>,
    /// What the receivers in `spec.notify` of the integration were sent about this object. Absent: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub notified: Vec<Notified>,
    /// Receipts of requests made by annotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled: Option<Handled>,
}
common_status!(CandidateExportStatus);
notifies!(CandidateExportStatus);

/// What the last read of a remote source found.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SourceSeen {
    /// Number of files.
    pub files: i64,
    /// Size as stored, in bytes, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// Changes when a file changes; absent where the server sends no version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version: Option<String>,
    /// What the pattern left out because it holds no records; absent where there was nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<SkippedFiles>,
}

/// How many names a pattern left out.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SkippedFiles {
    /// Markers of folders: names that end in a slash, and Azure's `hdi_isfolder`.
    #[serde(default)]
    pub folders: i64,
    /// Empty files whose names tell no format, e.g. `_SUCCESS`.
    #[serde(default)]
    pub empty: i64,
    /// Names with empty or `.` segments or control characters, which the pattern does not select.
    #[serde(default)]
    pub odd_names: i64,
}

/// What is known of an export's ledger.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LedgerSeen {
    /// Number of the segment that follows the last one stored. A ledger that ends before it was lost,
    /// or restored from an older copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_segment: Option<i64>,
    /// When a request to distrust the ledger was last accepted; the next one is accepted an hour later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distrusted_at: Option<Time>,
    /// A request was accepted, and the ledger does not record yet that its values are unknown.
    #[serde(default)]
    pub check_due: bool,
    /// Why the latest run read everybody again whom the ledger knows. Absent: it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<LedgerCheck>,
}

/// Why a run read everybody again whom the ledger knows.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum LedgerCheck {
    /// It was requested by annotation.
    Requested,
    /// The ledger ended before the segment that the status names.
    LedgerBehind,
}

/// What a verification found. Holds no candidate value.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DriftSeen {
    /// When it ended.
    pub checked_at: Time,
    /// People verified: whom the export delivered and its source still names.
    pub people: i64,
    /// Those who are no longer in Clinch.
    pub missing: i64,
    /// Those of whom mapped attributes have other values in Clinch.
    pub changed: i64,
    /// Those who were anonymised in Clinch. From now on they are suppressed, and not verified again.
    pub anonymised: i64,
    /// Those among `changed` who were written again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrected: Option<i64>,
    /// Those not among `changed` whose values Clinch stores in a form of its own, as was seen when they
    /// were written again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalised: Option<i64>,
    /// Those who could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<i64>,
    /// Why the first of them could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub first_unread: Option<String>,
    /// Why nobody was written again although `spec.driftPolicy` is Correct.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub held_back: Option<String>,
    /// The first people who differ, in the order of the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub positions: Vec<DriftPosition>,
    /// How many others differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positions_omitted: Option<i64>,
}

/// One person who is not in Clinch as they were delivered. Holds no candidate value.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DriftPosition {
    /// Position of their record in its source.
    #[schemars(length(max = 320))]
    pub position: String,
    /// Opaque id of the record; stable within the export.
    #[schemars(length(max = 32))]
    pub record: String,
    /// In which way they differ: Missing, Changed, Anonymised or Normalised.
    #[schemars(length(max = 32))]
    pub kind: String,
    /// The names of the attributes that differ; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 128)))]
    pub attributes: Vec<String>,
}

/// People created by an export who are in Clinch more than once.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DuplicatesSeen {
    /// How many such people were found.
    pub found: i64,
    /// Opaque ids of the first of their records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 32)))]
    pub records: Vec<String>,
}

/// How the selected records fill the mapping. Holds no candidate value.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct FieldCoverage {
    /// Records mapped: those selected, except those that cannot be decoded.
    pub records: i64,
    /// The first fields of the mapping, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub fields: Vec<FilledField>,
    /// How many fields of the mapping are not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields_omitted: Option<i64>,
    /// What deserves attention although no record is rejected for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub warnings: Vec<RecordWarning>,
    /// How many warnings are not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warnings_omitted: Option<i64>,
}

/// How often a field of the mapping had a value.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct FilledField {
    /// The target attribute.
    #[schemars(length(max = 128))]
    pub attribute: String,
    /// In how many records it had a value.
    pub filled: i64,
}

/// A warning about records. Holds no candidate value.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RecordWarning {
    /// The place in the mapping or the spec, e.g. `spec.fields[3].from`.
    #[schemars(length(max = 128))]
    pub place: String,
    /// The reason, from the documented list.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// In how many records.
    pub records: i64,
    /// What is the case.
    #[schemars(length(max = 512))]
    pub message: String,
}

/// Results of the selected records.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ExportCounts {
    /// Records read from the source, also those that cannot be decoded. With `spec.limit`, reading
    /// ends when enough are selected.
    #[serde(default)]
    pub read: i64,
    /// Records that `spec.select` leaves out.
    #[serde(default)]
    pub not_selected: i64,
    /// Records selected.
    pub total: i64,
    /// People created, or written to a file (DryRun: would be).
    pub created: i64,
    /// People updated (DryRun: would be updated).
    pub updated: i64,
    /// People who were already as mapped.
    pub unchanged: i64,
    /// People not changed because of the duplicate policy.
    pub skipped: i64,
    /// People among these without all that the mapping asks for: their resume cannot be attached.
    #[serde(default)]
    pub warnings: i64,
    /// People not written because they were anonymised in Clinch, or are on the list of the
    /// integration's `spec.suppression`. `delivered` leaves them out of both of its numbers.
    #[serde(default)]
    pub suppressed: i64,
    /// Records rejected by the operator, before any request.
    pub invalid: i64,
    /// Records rejected by Clinch.
    pub failed: i64,
    /// Records not processed yet.
    pub pending: i64,
}

/// What the selected records are to Clinch.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RediscoveryCounts {
    /// People who are there, as mapped or left alone by the duplicate policy.
    pub known: i64,
    /// People who are there, and whom a push would change.
    pub changed: i64,
    /// People whose address nobody there has.
    pub new: i64,
    /// People whose address nobody there has, while somebody there has the same LinkedIn or GitHub profile.
    /// Absent: profiles were not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub possible: Option<i64>,
    /// People whose address several people there have.
    pub ambiguous: i64,
    /// People who were anonymised there, or are on the list of the integration's `spec.suppression`.
    pub suppressed: i64,
    /// Records that cannot be compared: without an address, or rejected for another reason.
    pub unmatchable: i64,
}

/// One rejected record. Holds no candidate value.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RecordFailure {
    /// Position of the record in its source.
    #[schemars(length(max = 320))]
    pub position: String,
    /// Opaque id of the record; stable within the export.
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

/// How many records were rejected for one reason at one place. Holds no candidate value.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RejectionCount {
    /// The reason, from the documented list.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// The place in the mapping or the spec, e.g. `spec.fields[3].from`; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub place: Option<String>,
    /// How many records.
    pub count: i64,
}

/// One run.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RunRecord {
    /// Digest of what the run depended on.
    #[schemars(length(max = 64))]
    pub revision: String,
    /// Push or DryRun.
    pub mode: ExportMode,
    /// When it started.
    pub started_at: Time,
    /// When it ended.
    pub finished_at: Time,
    /// Its result, from the documented list of reasons.
    #[schemars(length(max = 64))]
    pub outcome: String,
    /// Results of the records.
    pub counts: ExportCounts,
    /// Of a dry run: the digest of its plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub plan: Option<String>,
}
