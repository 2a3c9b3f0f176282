//! `CandidateImport`: which people come back from Clinch, where they are written or sent, and the result.

mod matching;
mod sink;
mod status;

use k8s_openapi::apimachinery::pkg::{apis::meta::v1::Time, util::intstr::IntOrString};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use matching::*;
pub use sink::*;
pub use status::*;

use super::{
    Duration, ExportSchedule, IntegrationReference, MappingReference, RunWindow,
    candidate_export::{default_grace, int_or_percent, no_budget},
};

/// Writes people of Clinch, and what changes of them, to a folder, or sends them to an HTTP endpoint.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("!has(self.interval) || !has(self.schedule)")
    .message("cannot be set beside interval")
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
        .message("must be a count such as 50, or a percentage such as \"10%\"")
        .reason(kube::core::Reason::FieldValueInvalid))]
    #[schemars(schema_with = "int_or_percent")]
    pub max_deletions: IntOrString,
    /// Reads everybody again this long after the last complete scan: only that finds people who were
    /// deleted.
    #[serde(default = "daily")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('15m') && duration(self) <= duration('720h')").message("must be between 15m and 720h")
        .reason(kube::core::Reason::FieldValueInvalid))]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+(s|m|h))+$"))]
    pub full_scan_interval: Duration,
    /// Runs again this long after the last run, e.g. `15m`. Absent: it runs when something that it
    /// depends on changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1m') && duration(self) <= duration('720h')").message("must be between 1m and 720h")
        .reason(kube::core::Reason::FieldValueInvalid))]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+(s|m|h))+$"))]
    pub interval: Option<Duration>,
    /// Runs again at these times. Absent: see `interval`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ExportSchedule>,
    /// When runs may work; at most 16. Outside of them none starts, and one that works ends
    /// after its requests in flight and goes on when the next window opens. Absent: at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub windows: Vec<RunWindow>,
    /// How long a run by `interval` or `schedule` may fail before Ready turns False.
    #[serde(default = "default_grace")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('24h')").message("must be at most 24h")
        .reason(kube::core::Reason::FieldValueInvalid))]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+(s|m|h))+$"))]
    pub ready_grace: Duration,
    /// Suspends this import; a run in progress ends after its requests in flight.
    #[serde(default)]
    pub suspend: bool,
    /// How many people may be impossible to map, as a count or a percentage of the people read,
    /// before the import is not Ready.
    #[serde(default = "no_budget")]
    #[x_kube(validation = Rule::new("string(self).matches('^(100|[0-9]{1,2})%$') || (string(self) != self && string(self).matches('^([0-9]{1,9}|1000000000)$'))")
        .message("must be a count such as 5, or a percentage such as \"2%\"")
        .reason(kube::core::Reason::FieldValueInvalid))]
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

/// What becomes of people who are in Clinch as an export of the same integration wrote them.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum OwnWrites {
    /// They are not written: what an export wrote does not come back as a change.
    #[default]
    Exclude,
    /// They are written like others.
    Include,
}
