//! What the status of an export says about earlier runs. Pure.

use super::results;
use crate::{
    api::{CandidateExportStatus, ConditionType, DuplicatesSeen, STATUS_TRUE, SkippedFiles},
    conditions::find,
    controllers::runs::{RunPhase, RunState},
    domain::{Cause, Reason, RecordId},
    pipeline::{SourceInfo, Suspects},
    storage::Skipped,
};

/// What the last run found in the remote source.
pub(super) fn looked(status: &CandidateExportStatus) -> Option<SourceInfo> {
    let seen = status.source.as_ref()?;
    Some(SourceInfo {
        files: usize::try_from(seen.files).unwrap_or_default(),
        bytes: seen.bytes.and_then(|bytes| u64::try_from(bytes).ok()),
        version: seen.version.clone(),
        skipped: seen.skipped.as_ref().map(skipped).unwrap_or_default(),
    })
}

fn skipped(seen: &SkippedFiles) -> Skipped {
    let number = |count| usize::try_from(count).unwrap_or_default();
    Skipped {
        folders: number(seen.folders),
        empty: number(seen.empty),
        odd_names: number(seen.odd_names),
    }
}

/// Whether the status reports the result of a run: as a run of its own, or because nothing changed.
pub(super) fn reports(status: &CandidateExportStatus, run: &RunState) -> bool {
    let RunPhase::Ended(ended) = &run.phase else { return true };
    if status.history.first().is_some_and(|last| results::is_of(last, run)) {
        return true;
    }
    if ended.report.progress.file.is_some() || ended.report.progress.report.is_some() {
        return false;
    }
    let counts = &ended.report.progress.counts;
    let (done, reported) = (run.put_in_place(), status.counts.unwrap_or_default());
    let number = |count: i64| u64::try_from(count).unwrap_or_default();
    done.created + done.updated == 0
        && (counts.total, counts.warnings, counts.invalid, counts.failed, counts.suppressed)
            == (
                number(reported.total),
                number(reported.warnings),
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

/// Whether a run is of the revision that was attempted last and is not in place, and has not completed: what it
/// delivered stays so, also while no other run may start.
pub(super) fn is_unfinished(status: &CandidateExportStatus, run: &RunState) -> bool {
    status.last_attempted_revision.as_ref() == Some(&run.revision)
        && in_place(status).is_none()
        && !run.is_completed()
        && !run.found_nothing()
}

/// What interrupted the last attempt at a revision, made by an earlier process; `None` if none was
/// interrupted, or it was still in progress.
pub(super) fn interruption(status: &CandidateExportStatus, revision: &str) -> Option<Cause> {
    let is_it = |known: &Option<String>| known.as_deref() == Some(revision);
    if !is_it(&status.last_attempted_revision) || is_it(&status.last_applied_revision) {
        return None;
    }
    let delivered = find(&status.conditions, ConditionType::Delivered)?;
    let reason = Reason::from_word(&delivered.reason)?;
    let interrupted = !matches!(
        reason,
        Reason::Progressing | Reason::ProgressingWithRetry | Reason::DependencyNotReady
    );
    (delivered.status != STATUS_TRUE && interrupted)
        .then(|| Cause::new(reason, delivered.message.clone()))
}

/// The people that the next run has to look up again.
pub(super) fn suspects(seen: &DuplicatesSeen) -> Suspects {
    Suspects {
        records: seen.records.iter().filter_map(|record| RecordId::parse(record)).collect(),
        everybody: usize::try_from(seen.found).is_ok_and(|found| found > seen.records.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditions::{self, Observation, Verdict};

    fn status(
        applied: Option<&str>,
        delivered: Option<bool>,
        reason: Reason,
    ) -> CandidateExportStatus {
        let previous = CandidateExportStatus::default();
        let mut next = CandidateExportStatus {
            last_attempted_revision: Some("r1".to_owned()),
            last_applied_revision: applied.map(str::to_owned),
            ..CandidateExportStatus::default()
        };
        let message = "the disk is full";
        let observed = Observation::new(ConditionType::Delivered, delivered, reason, message);
        let verdict = Verdict::reconciling(reason, message);
        let now = jiff::Timestamp::UNIX_EPOCH;
        conditions::apply(&previous, &mut next, 1, vec![observed], &verdict, now);
        next
    }

    #[test]
    fn what_interrupted_an_attempt_is_known_to_the_next_process() {
        let met = status(None, Some(false), Reason::LedgerRefused);
        let cause = Cause::new(Reason::LedgerRefused, "the disk is full");
        assert_eq!(interruption(&met, "r1"), Some(cause));
        assert_eq!(interruption(&met, "r2"), None, "of another revision");
        let rejected = status(Some("r1"), Some(false), Reason::RecordsRejected);
        assert_eq!(interruption(&rejected, "r1"), None, "it completed");
        for reason in [Reason::Progressing, Reason::ProgressingWithRetry] {
            assert_eq!(interruption(&status(None, None, reason), "r1"), None, "in progress");
        }
    }
}
