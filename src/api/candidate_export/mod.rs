//! `CandidateExport`: which candidates go where, and what became of them.

mod destination;
mod drift;
mod results;
mod status;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use destination::*;
pub use drift::*;
pub use results::*;
pub use status::*;

use super::{
    Duration, ExportSource, FileTarget, IntegrationReference, MappingReference, ReportOutput,
};

/// Pushes candidates from a source to Clinch.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("!has(self.interval) || !has(self.schedule)")
    .message("cannot be set beside interval")
    .field_path(".schedule")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.approvedPlan) || !(has(self.interval) || has(self.schedule))")
    .message("names one plan and cannot be used with interval or schedule")
    .field_path(".approvedPlan")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.approvedPlan) || self.mode == 'Push'")
    .message("is for mode Push: a dry run makes a plan and carries out none")
    .field_path(".approvedPlan")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.destination.file) || !has(self.duplicatePolicy)")
    .message("does not apply to a file")
    .field_path(".duplicatePolicy")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.destination.file) || !has(self.resume)")
    .message("does not apply to a file")
    .field_path(".resume")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.destination.file) || !has(self.tags)")
    .message("does not apply to a file")
    .field_path(".tags")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.destination.file) || !has(self.approvedPlan)")
    .message("does not apply to a file")
    .field_path(".approvedPlan")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.destination.file) || !has(self.guards) || !has(self.guards.maxCreates)")
    .message("does not apply to a file")
    .field_path(".guards.maxCreates")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.destination.file) || !has(self.guards) || !has(self.guards.maxUpdates)")
    .message("does not apply to a file")
    .field_path(".guards.maxUpdates")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.report) || !has(self.destination.file) || self.report.to.url != self.destination.file.to.url")
    .message("must not be the URL of the file")
    .field_path(".report.to.url")
    .reason(kube::core::Reason::FieldValueInvalid))]
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
    #[x_kube(validation = Rule::new("duration(self) >= duration('1m') && duration(self) <= duration('720h')").message("must be between 1m and 720h")
        .reason(kube::core::Reason::FieldValueInvalid))]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+(s|m|h))+$"))]
    pub interval: Option<Duration>,
    /// Runs again at these times. Absent: see `interval`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ExportSchedule>,
    /// When runs and verifications may work; at most 16. Outside of them none starts, and one that works ends
    /// after its requests in flight and goes on when the next window opens. Absent: at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub windows: Vec<RunWindow>,
    /// How long a run by `interval` or `schedule` may fail to start or to read its source before
    /// Ready turns False.
    #[serde(default = "default_grace")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('24h')").message("must be at most 24h")
        .reason(kube::core::Reason::FieldValueInvalid))]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+(s|m|h))+$"))]
    pub ready_grace: Duration,
    /// Reads the people who were delivered back from Clinch this long after the last time, e.g. `24h`,
    /// and reports in `status.drift` who is missing, changed or anonymised; the first time once
    /// everybody is delivered. Absent: only on request, by the annotation
    /// `clinch.hireez.dev/verify-requested-at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1h') && duration(self) <= duration('720h')").message("must be between 1h and 720h")
        .reason(kube::core::Reason::FieldValueInvalid))]
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
        .message("must be a count such as 5, or a percentage such as \"2%\"")
        .reason(kube::core::Reason::FieldValueInvalid))]
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

/// A time during which an export or import may work.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RunWindow {
    /// When it opens: minute, hour, day of the month, month and day of the week, e.g. `0 22 * * MON-FRI`.
    #[schemars(length(min = 9, max = 128), regex(pattern = r"^[^ ]+( [^ ]+){4}$"))]
    pub cron: String,
    /// The time zone of these times, e.g. `Europe/Dublin`. Absent: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_+/-]+$"))]
    pub time_zone: Option<String>,
    /// How long it stays open, e.g. `8h`; at most 168h. It may last longer than the time until it opens again.
    #[x_kube(validation = Rule::new("duration(self) >= duration('1m') && duration(self) <= duration('168h')")
        .message("must be between 1m and 168h")
        .reason(kube::core::Reason::FieldValueInvalid))]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+(s|m|h))+$"))]
    pub duration: Duration,
}

fn utc() -> String {
    "UTC".to_owned()
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
