//! What the operator knows of an import.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{
    Fault, Handled, Notified, RediscoveryCounts, ReportSeen, common_status, notifies,
};

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
    /// The failure that keeps this object from being Ready, for the receivers in `spec.notify` of the
    /// integration. Absent: there is none, or no receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
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
