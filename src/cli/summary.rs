//! The last lines of `apply`: what its runs did, and how fast. Pure.

use std::collections::BTreeMap;

use super::text::{Thousands, span};
use crate::{
    api::{
        CandidateExport, CandidateExportStatus, CandidateImport, ExportCounts, ExportMode,
        ImportCounts, ImportRecord, RunRecord,
    },
    cluster::{Kind, ObjectKey},
    local::LocalCluster,
};

/// The latest run of each export and import. Times of runs are whole seconds, so that a run is recognised as
/// a later one by what it was, too.
#[derive(Debug, Default)]
pub(super) struct LatestRuns {
    exports: BTreeMap<ObjectKey, RunRecord>,
    imports: BTreeMap<ObjectKey, ImportRecord>,
}

impl LatestRuns {
    /// Those that the statuses name now.
    pub(super) fn of(cluster: &LocalCluster) -> Self {
        let export = |key: ObjectKey| {
            let run = cluster.status::<CandidateExport>(&key)?.history.into_iter().next()?;
            Some((key, run))
        };
        let import = |key: ObjectKey| {
            let run = cluster.status::<CandidateImport>(&key)?.history.into_iter().next()?;
            Some((key, run))
        };
        Self {
            exports: cluster.keys(Kind::Export).into_iter().filter_map(export).collect(),
            imports: cluster.keys(Kind::Import).into_iter().filter_map(import).collect(),
        }
    }
}

/// A line for each export and import that had a run after these.
pub(super) fn lines(cluster: &LocalCluster, before: &LatestRuns) -> Vec<String> {
    let now = LatestRuns::of(cluster);
    let mut lines = Vec::new();
    for (key, run) in now.exports {
        let Some(status) = cluster.status::<CandidateExport>(&key) else { continue };
        if unfinished(&status).is_none() && before.exports.get(&key) != Some(&run) {
            lines.push(format!("export/{}: {}", key.name, export(&status, &run)));
        }
    }
    for key in cluster.keys(Kind::Export) {
        let status = cluster.status::<CandidateExport>(&key);
        let left = status.and_then(|status| unfinished(&status));
        lines.extend(left.map(|left| format!("export/{}: {left}", key.name)));
    }
    for (key, run) in now.imports {
        if before.imports.get(&key) != Some(&run) {
            lines.push(format!("import/{}: {}", key.name, import(&run)));
        }
    }
    lines
}

/// What the latest run of an export did: `1,500 in 23 s, 65/s, 1,464 created, 36 rejected: 30
/// MatchKeyMissing, 6 InvalidValue`.
fn export(status: &CandidateExportStatus, run: &RunRecord) -> String {
    let seconds = run.finished_at.0.duration_since(run.started_at.0).as_secs();
    let counts = &run.counts;
    let done = counts.total - counts.pending;
    let mut parts = vec![pace(done, seconds)];
    let dry = run.mode == ExportMode::DryRun;
    let is_file = status.file.is_some();
    for (count, would, did) in [
        (counts.created, "would be created", if is_file { "written" } else { "created" }),
        (counts.updated, "would be updated", "updated"),
        (counts.unchanged, "unchanged", "unchanged"),
        (counts.skipped, "skipped", "skipped"),
        (counts.suppressed, "suppressed", "suppressed"),
        (counts.pending, "not processed", "not processed"),
    ] {
        parts.extend(counted(count, if dry { would } else { did }));
    }
    parts.extend(rejected(counts, status));
    parts.join(", ")
}

/// How far a run is that has not ended. A run that has ended has undecided records in its history, too.
fn unfinished(status: &CandidateExportStatus) -> Option<String> {
    let counts = status.counts.as_ref().filter(|counts| counts.pending > 0)?;
    if status.history.first().is_some_and(|run| run.counts == *counts) {
        return None;
    }
    let done = counts.total - counts.pending;
    Some(format!("not finished: {} of {}", Thousands(done), Thousands(counts.total)))
}

/// What a run of an import did.
fn import(run: &ImportRecord) -> String {
    let seconds = run.finished_at.0.duration_since(run.started_at.0).as_secs();
    let ImportCounts { own, not_selected, tombstones, .. } = run.counts;
    let mut parts = vec![pace(run.counts.scanned, seconds)];
    for (count, word) in [
        (run.counts.emitted, "written"),
        (tombstones, if tombstones == 1 { "tombstone" } else { "tombstones" }),
        (run.counts.unchanged, "unchanged"),
        (own, "as exports wrote them"),
        (not_selected, "not selected"),
        (run.counts.rejected(), "rejected"),
    ] {
        parts.extend(counted(count, word));
    }
    parts.join(", ")
}

/// `1,500 in 23 s, 65/s`.
fn pace(done: i64, seconds: i64) -> String {
    if seconds < 1 {
        return format!("{} in less than 1 s", Thousands(done));
    }
    format!("{} in {}, {}/s", Thousands(done), span(seconds), Thousands(done / seconds))
}

fn counted(count: i64, word: &str) -> Option<String> {
    (count > 0).then(|| format!("{} {word}", Thousands(count)))
}

/// `36 rejected: 30 MatchKeyMissing, 6 InvalidValue`.
fn rejected(counts: &ExportCounts, status: &CandidateExportStatus) -> Option<String> {
    let text = counted(counts.invalid + counts.failed, "rejected")?;
    let mut reasons: BTreeMap<&str, i64> = BTreeMap::new();
    for count in &status.rejected_by_reason {
        *reasons.entry(&count.reason).or_default() += count.count;
    }
    let mut reasons: Vec<(&str, i64)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| -count);
    let reasons: Vec<String> = reasons
        .into_iter()
        .map(|(reason, count)| format!("{} {reason}", Thousands(count)))
        .collect();
    Some(if reasons.is_empty() { text } else { format!("{text}: {}", reasons.join(", ")) })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn status(mode: &str, finished: &str, counts: &Value) -> CandidateExportStatus {
        serde_json::from_value(json!({
            "rejectedByReason": [
                {"reason": "InvalidValue", "place": "a", "count": 4},
                {"reason": "MatchKeyMissing", "count": 30},
                {"reason": "InvalidValue", "place": "b", "count": 2},
            ],
            "history": [{
                "revision": "r", "mode": mode, "outcome": "Synced",
                "startedAt": "2026-11-26T10:00:00Z", "finishedAt": finished, "counts": counts,
            }],
        }))
        .unwrap()
    }

    #[test]
    fn a_run_is_summed_up_with_its_rate_and_the_reasons_of_rejections() {
        let counts = json!({"total": 1500, "created": 1464, "updated": 0, "unchanged": 0,
            "skipped": 0, "invalid": 30, "failed": 6, "pending": 0});
        let shown = status("Push", "2026-11-26T10:00:23Z", &counts);
        let expected = "1,500 in 23 s, 65/s, 1,464 created, 36 rejected: 30 MatchKeyMissing, 6 \
                        InvalidValue";
        assert_eq!(export(&shown, &shown.history[0]), expected);
    }

    #[test]
    fn a_dry_run_says_would_and_an_interrupted_run_says_what_is_left() {
        let counts = json!({"total": 3, "created": 1, "updated": 1, "unchanged": 0,
            "skipped": 0, "invalid": 0, "failed": 0, "pending": 1});
        let dry = status("DryRun", "2026-11-26T10:00:00Z", &counts);
        assert_eq!(
            export(&dry, &dry.history[0]),
            "2 in less than 1 s, 1 would be created, 1 would be updated, 1 not processed"
        );
        let mut working = status("Push", "2026-11-26T10:00:00Z", &counts);
        working.counts = Some(working.history[0].counts);
        assert_eq!(unfinished(&working), None, "the run has ended");
        working.history.clear();
        assert_eq!(unfinished(&working).unwrap(), "not finished: 2 of 3");
    }
}
