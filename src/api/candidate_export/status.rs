//! What the operator knows of an export.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    super::{Fault, FileSeen, Handled, Notified, ReportSeen, WrittenSeen, common_status, notifies},
    drift::DriftSeen,
    results::{
        DuplicatesSeen, ExportCounts, FieldCoverage, RecordFailure, RediscoveryCounts,
        RejectionCount, RunRecord,
    },
};

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
    /// The failure that keeps this object from being Ready, for the receivers in `spec.notify` of the
    /// integration. Absent: there is none, or no receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
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
