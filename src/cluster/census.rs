//! What the statuses of all objects say together: how many are ready, and what became of the records of
//! the exports. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{Kind, OurKind};
use crate::{
    api::{
        CandidateExport, CandidateImport, CommonStatus, ConditionType, ExportMode, STATUS_FALSE,
        STATUS_TRUE, STATUS_UNKNOWN,
    },
    domain::Reason,
};

/// The condition types that are counted.
const COUNTED: [ConditionType; 3] =
    [ConditionType::Ready, ConditionType::Stalled, ConditionType::Suspended];

/// One cell of the count of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Standing {
    /// The kind.
    pub kind: Kind,
    /// Type of the condition: `Ready`, `Stalled` or `Suspended`.
    pub condition: &'static str,
    /// Its status: `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// Its reason.
    pub reason: &'static str,
}

/// Counts over all objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// Number of objects. Each object counts once under `Ready`, and again under `Stalled` and
    /// `Suspended` while these are True.
    pub objects: BTreeMap<Standing, u64>,
    /// Records of the latest run of each export that pushes, by outcome.
    pub records: BTreeMap<&'static str, u64>,
    /// Since when the export that has waited longest has pending records.
    pub pending_since: Option<Timestamp>,
    /// When a run of an export last decided everything.
    pub last_export: Option<Timestamp>,
    /// When a run of an import last decided everything.
    pub last_import: Option<Timestamp>,
    /// By UID: people who are in the ledger of an export or import at least, after its last run.
    pub ledgers: BTreeMap<String, u64>,
}

impl Census {
    /// Counts one object.
    pub fn add<K: OurKind>(&mut self, object: &K) {
        let conditions = object.status().map(CommonStatus::conditions).unwrap_or_default();
        for condition in COUNTED {
            let found = conditions.iter().find(|found| found.type_ == condition.as_str());
            let (status, reason) = match found {
                Some(found) => (status_of(found), reason_of(found)),
                // Not reconciled yet.
                None if condition == ConditionType::Ready => {
                    (STATUS_UNKNOWN, Reason::Progressing.as_str())
                }
                None => continue,
            };
            let standing =
                Standing { kind: K::KIND, condition: condition.as_str(), status, reason };
            *self.objects.entry(standing).or_default() += 1;
        }
    }

    /// Looks at the runs in the history of an export: those that decided everything.
    pub fn add_runs(&mut self, export: &CandidateExport) {
        let Some(status) = &export.status else { return };
        let last = status.history.iter().map(|run| run.finished_at.0).max();
        self.last_export = self.last_export.max(last);
        let pushed = status.history.iter().find(|run| run.mode == ExportMode::Push);
        let (Some(run), None) = (pushed, &export.spec.destination.file) else { return };
        let counts = &run.counts;
        let people = counts.created + counts.updated + counts.unchanged + counts.skipped;
        self.add_ledger(export.metadata.uid.as_deref(), people);
    }

    /// As [`Census::add_runs`], of an import.
    pub fn add_imports(&mut self, import: &CandidateImport) {
        let Some(status) = &import.status else { return };
        let last = status.history.iter().map(|run| run.finished_at.0).max();
        self.last_import = self.last_import.max(last);
        if let Some(scan) = &status.last_full_scan {
            self.add_ledger(import.metadata.uid.as_deref(), scan.known);
        }
    }

    fn add_ledger(&mut self, uid: Option<&str>, people: i64) {
        if let (Some(uid), Ok(people)) = (uid, u64::try_from(people)) {
            self.ledgers.insert(uid.to_owned(), people);
        }
    }

    /// Counts the records of an export that pushes. Those of a dry run are no records to deliver.
    pub fn add_records(&mut self, export: &CandidateExport) {
        let status = export.status.as_ref();
        let counts = status.and_then(|status| status.counts.as_ref());
        let (ExportMode::Push, Some(counts)) = (export.spec.mode, counts) else { return };
        for (outcome, count) in [
            ("Created", counts.created),
            ("Updated", counts.updated),
            ("Unchanged", counts.unchanged),
            ("Skipped", counts.skipped),
            ("Suppressed", counts.suppressed),
            ("Rejected", counts.invalid + counts.failed),
            ("Pending", counts.pending),
        ] {
            *self.records.entry(outcome).or_default() += u64::try_from(count).unwrap_or_default();
        }
        // One that has windows waits for hours by intent.
        if counts.pending > 0 && !export.spec.suspend && export.spec.windows.is_empty() {
            let since = status.and_then(|status| undelivered_since(&status.conditions));
            self.pending_since = [self.pending_since, since].into_iter().flatten().min();
        }
    }
}

/// Since when the selected records are not in Clinch.
fn undelivered_since(conditions: &[Condition]) -> Option<Timestamp> {
    let delivered = ConditionType::Delivered.as_str();
    let found = conditions.iter().find(|condition| condition.type_ == delivered)?;
    (found.status != STATUS_TRUE).then_some(found.last_transition_time.0)
}

fn status_of(condition: &Condition) -> &'static str {
    let known = [STATUS_TRUE, STATUS_FALSE].into_iter().find(|known| *known == condition.status);
    known.unwrap_or(STATUS_UNKNOWN)
}

/// Reasons that this version does not know are those of another version.
fn reason_of(condition: &Condition) -> &'static str {
    Reason::from_word(&condition.reason).map_or("Other", Reason::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn export(mode: &str, status: &serde_json::Value) -> CandidateExport {
        let export = serde_json::json!({
            "apiVersion": "clinch.hireez.dev/v1alpha1",
            "kind": "CandidateExport",
            "metadata": {"name": "e", "namespace": "n"},
            "spec": {
                "integrationRef": {"name": "i"},
                "source": {"inline": []},
                "destination": {"prospect": {}},
                "mode": mode,
            },
            "status": status,
        });
        serde_json::from_value(export).unwrap()
    }

    fn condition(name: &str, status: &str, reason: &str) -> serde_json::Value {
        serde_json::json!({
            "type": name, "status": status, "reason": reason, "message": "",
            "lastTransitionTime": "2026-03-05T12:00:00Z",
        })
    }

    #[test]
    fn an_object_counts_under_ready_and_under_what_is_wrong_with_it() {
        let mut census = Census::default();
        census.add(&export("Push", &serde_json::Value::Null));
        let conditions = [
            condition("Ready", "False", "InvalidSpec"),
            condition("Stalled", "True", "InvalidSpec"),
            condition("Delivered", "False", "Progressing"),
        ];
        let stalled = serde_json::json!({"conditions": conditions});
        census.add(&export("Push", &stalled));
        census.add(&export("Push", &stalled));
        let other = serde_json::json!({"conditions": [condition("Ready", "True", "NewWord")]});
        census.add(&export("Push", &other));
        let shown: Vec<_> = census
            .objects
            .iter()
            .map(|(cell, count)| (cell.condition, cell.status, cell.reason, *count))
            .collect();
        let expected = [
            ("Ready", "False", "InvalidSpec", 2),
            ("Ready", "True", "Other", 1),
            ("Ready", "Unknown", "Progressing", 1),
            ("Stalled", "True", "InvalidSpec", 2),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_last_run_of_all_exports_and_the_sizes_of_ledgers_are_in_their_histories() {
        let run = |mode: &str, finished: &str, created: i64| {
            serde_json::json!({
                "revision": "r", "mode": mode, "outcome": "Synced",
                "startedAt": "2026-03-05T09:00:00Z", "finishedAt": finished,
                "counts": {
                    "read": 9, "notSelected": 0, "total": 9, "created": created, "updated": 1,
                    "unchanged": 2, "skipped": 3, "warnings": 0, "suppressed": 0, "invalid": 1,
                    "failed": 1, "pending": 0,
                },
            })
        };
        let of = |uid: &str, history: &[serde_json::Value]| {
            let mut found = export("Push", &serde_json::json!({"history": history}));
            found.metadata.uid = Some(uid.to_owned());
            found
        };
        let mut census = Census::default();
        census.add_runs(&export("Push", &serde_json::Value::Null));
        assert_eq!((census.last_export, census.ledgers.len()), (None, 0));
        let history =
            [run("DryRun", "2026-03-05T12:00:00Z", 900), run("Push", "2026-03-05T10:00:00Z", 4)];
        census.add_runs(&of("a", &history));
        census.add_runs(&of("b", &[run("Push", "2026-03-05T11:00:00Z", 0)]));
        assert_eq!(census.last_export, Some("2026-03-05T12:00:00Z".parse().unwrap()));
        assert_eq!(census.last_import, None);
        assert_eq!(census.ledgers, [("a".to_owned(), 10), ("b".to_owned(), 6)].into());
    }

    #[test]
    fn records_add_up_over_exports_that_push_and_the_oldest_wait_is_kept() {
        let status = |pending: i64, since: &str| {
            let mut delivered = condition("Delivered", "False", "Progressing");
            delivered["lastTransitionTime"] = since.into();
            serde_json::json!({
                "counts": {
                    "read": 9, "notSelected": 0, "total": 9, "created": 2, "updated": 1,
                    "unchanged": 0, "skipped": 0, "warnings": 0, "suppressed": 0, "invalid": 1,
                    "failed": 1, "pending": pending,
                },
                "conditions": [delivered],
            })
        };
        let mut census = Census::default();
        census.add_records(&export("Push", &status(4, "2026-03-05T12:00:00Z")));
        census.add_records(&export("Push", &status(4, "2026-03-05T10:00:00Z")));
        census.add_records(&export("Push", &status(0, "2026-03-05T08:00:00Z")));
        census.add_records(&export("DryRun", &status(4, "2026-03-05T07:00:00Z")));
        let mut at_night = export("Push", &status(4, "2026-03-05T07:00:00Z"));
        let window = serde_json::json!({"cron": "0 22 * * *", "duration": "8h"});
        at_night.spec.windows = vec![serde_json::from_value(window).unwrap()];
        census.add_records(&at_night);
        let found = ["Created", "Rejected", "Pending"].map(|outcome| census.records[outcome]);
        assert_eq!(found, [8, 8, 12]);
        assert_eq!(census.pending_since, Some("2026-03-05T10:00:00Z".parse().unwrap()));
    }
}
