//! What became of the records of a run. Holds no candidate value.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::ExportMode;

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
