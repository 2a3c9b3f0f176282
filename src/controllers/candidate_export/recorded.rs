//! What the status of an export says about earlier runs. Pure.

use crate::{
    api::{CandidateExportStatus, DuplicatesSeen},
    conditions::whole_seconds,
    controllers::runs::{RunPhase, RunState},
    domain::RecordId,
    pipeline::{SourceInfo, Suspects},
};

/// What the last run found in the remote source.
pub(super) fn looked(status: &CandidateExportStatus) -> Option<SourceInfo> {
    let seen = status.source.as_ref()?;
    Some(SourceInfo {
        files: usize::try_from(seen.files).unwrap_or_default(),
        bytes: seen.bytes.and_then(|bytes| u64::try_from(bytes).ok()),
        version: seen.version.clone(),
    })
}

/// Whether the status reports the result of a run: as a run of its own, or because nothing changed.
pub(super) fn reports(status: &CandidateExportStatus, run: &RunState) -> bool {
    let RunPhase::Ended(ended) = &run.phase else { return true };
    if status.history.first().is_some_and(|last| last.finished_at.0 == whole_seconds(ended.at)) {
        return true;
    }
    let counts = &ended.report.progress.counts;
    let (done, reported) = (run.put_in_place(), status.counts.unwrap_or_default());
    let number = |count: i64| u64::try_from(count).unwrap_or_default();
    done.created + done.updated == 0
        && (counts.total, counts.invalid, counts.failed, counts.suppressed)
            == (
                number(reported.total),
                number(reported.invalid),
                number(reported.failed),
                number(reported.suppressed),
            )
        && looked(status) == ended.report.progress.source
}

/// The revision that is in place as a whole: the one delivered last, unless another was attempted
/// since, so that some people may have the values of that one.
pub(super) fn in_place(status: &CandidateExportStatus) -> Option<&str> {
    let applied = status.last_applied_revision.as_deref();
    applied.filter(|applied| status.last_attempted_revision.as_deref() == Some(*applied))
}

/// The people that the next run has to look up again.
pub(super) fn suspects(seen: &DuplicatesSeen) -> Suspects {
    Suspects {
        records: seen.records.iter().filter_map(|record| RecordId::parse(record)).collect(),
        everybody: usize::try_from(seen.found).is_ok_and(|found| found > seen.records.len()),
    }
}
