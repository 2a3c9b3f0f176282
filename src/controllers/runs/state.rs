//! What is known of a run. No I/O.

use jiff::Timestamp;

use super::{RunOf, Summary};
use crate::{
    api::ExportMode,
    controllers::observer::RunOutcome,
    domain::{Cause, Reason},
    pipeline::{Counts, Ending, Progress, RecordOutcome, Report},
};

/// The latest run of an export in this process.
#[derive(Debug, Clone, Default)]
pub(in crate::controllers) struct RunState {
    /// Digest of everything that it delivers.
    pub(in crate::controllers) revision: String,
    /// Whether it pushes, or reports only what it would push.
    pub(in crate::controllers) mode: ExportMode,
    /// Attempts at this revision before this one.
    pub(in crate::controllers) attempt: u32,
    /// When it started.
    pub(in crate::controllers) started_at: Timestamp,
    /// Whether it writes a file.
    pub(in crate::controllers) is_file: bool,
    /// Whether an interval or a schedule started it, for a revision that was in place.
    pub(in crate::controllers) periodic: bool,
    /// Digest of the credentials that a remote source is read with; else empty.
    pub(in crate::controllers) access: String,
    /// Of a verification: the request by annotation that it acts on.
    pub(in crate::controllers) requested: Option<String>,
    /// When the request to distrust the ledger was accepted that it acts on, or an earlier run did.
    pub(in crate::controllers) distrusted_at: Option<Timestamp>,
    /// What interrupted the last attempt at this revision.
    pub(in crate::controllers) met: Option<Cause>,
    /// What earlier attempts at this revision created and updated.
    pub(in crate::controllers) carried: Counts,
    /// The latest snapshot; while the run works, a new one every [`super::PROGRESS_EVERY`].
    pub(in crate::controllers) progress: Progress,
    /// Whether it is still running.
    pub(in crate::controllers) phase: RunPhase,
}

impl RunState {
    /// What this attempt and those before it created and updated.
    pub(in crate::controllers) fn put_in_place(&self) -> Counts {
        let (now, before) = (self.progress.counts, self.carried);
        Counts {
            created: before.created + now.created,
            updated: before.updated + now.updated,
            ..Counts::default()
        }
    }

    /// Whether this attempt created or updated anybody.
    pub(in crate::controllers) fn made_progress(&self) -> bool {
        self.mode == ExportMode::Push
            && self.progress.counts.created + self.progress.counts.updated > 0
    }

    /// Whether every record was decided.
    pub(in crate::controllers) fn is_completed(&self) -> bool {
        let RunPhase::Ended(ended) = &self.phase else { return false };
        matches!(ended.report.ending, Ending::Completed | Ending::SourceUnchanged)
    }

    /// What interrupted it, or the last attempt that was interrupted before it.
    pub(in crate::controllers) fn interruption(&self) -> Option<Cause> {
        let RunPhase::Ended(ended) = &self.phase else { return self.met.clone() };
        match &ended.report.ending {
            Ending::Interrupted { disposition, message } => {
                Some(Cause::new(disposition.reason(), message.clone()))
            }
            Ending::SourceFailed(cause) => Some(cause.clone()),
            Ending::Stopped => self.met.clone(),
            Ending::Completed | Ending::SourceUnchanged => None,
        }
    }

    /// Whether its source had no records, which is a fault: what was delivered before still counts.
    pub(in crate::controllers) fn found_nothing(&self) -> bool {
        let RunPhase::Ended(ended) = &self.phase else { return false };
        matches!(&ended.report.ending, Ending::SourceFailed(cause) if cause.reason == Reason::SourceEmpty)
    }

    /// Whether it found something to create or update.
    pub(in crate::controllers) fn has_work(&self) -> bool {
        let done = self.put_in_place();
        self.progress.counts.pending() + done.created + done.updated > 0
    }
}

impl RunOf for RunState {
    type Progress = Progress;
    type Report = Report;

    fn is_running(&self) -> bool {
        matches!(self.phase, RunPhase::Running)
    }

    fn revision(&self) -> (&str, u32) {
        (&self.revision, self.attempt)
    }

    fn observe(&mut self, progress: Progress) {
        self.progress = progress;
    }

    fn end(&mut self, at: Timestamp, report: Report) {
        self.progress = report.progress.clone();
        self.phase = RunPhase::Ended(Ended { at, report }.into());
    }

    fn ended_by(ending: Ending) -> Report {
        Report { progress: Progress::default(), ending }
    }

    fn summary(&self, report: &Report) -> Summary {
        let counts = report.progress.counts;
        let (created, updated) = match (self.mode, self.is_file) {
            (ExportMode::Push, false) => (RecordOutcome::Created, RecordOutcome::Updated),
            // A file has no people who are updated.
            (ExportMode::Push, true) => (RecordOutcome::Written, RecordOutcome::Updated),
            (ExportMode::DryRun, false) => (RecordOutcome::WouldCreate, RecordOutcome::WouldUpdate),
            (ExportMode::DryRun, true) => (RecordOutcome::WouldWrite, RecordOutcome::WouldUpdate),
        };
        let records = [
            (created, counts.created),
            (updated, counts.updated),
            (RecordOutcome::Unchanged, counts.unchanged),
            (RecordOutcome::Skipped, counts.skipped),
            (RecordOutcome::Suppressed, counts.suppressed),
            (RecordOutcome::Rejected, counts.rejected()),
        ];
        Summary {
            outcome: RunOutcome::of(&report.ending),
            records: records.map(|(outcome, count)| (outcome.as_str(), count)).into(),
            ledger_people: report.progress.ledger.people,
        }
    }
}

/// Whether a run is still running.
#[derive(Debug, Clone, Default)]
pub(in crate::controllers) enum RunPhase<R = Report> {
    /// It is.
    #[default]
    Running,
    /// It has ended.
    Ended(Box<Ended<R>>),
}

/// The end of a run.
#[derive(Debug, Clone)]
pub(in crate::controllers) struct Ended<R = Report> {
    /// When it ended.
    pub(in crate::controllers) at: Timestamp,
    /// Its result.
    pub(in crate::controllers) report: R,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(revision: &str) -> RunState {
        RunState { revision: revision.into(), ..RunState::default() }
    }

    #[test]
    fn counts_of_attempts_at_one_revision_add_up() {
        let counts = |created, updated| Counts { total: 9, created, updated, ..Counts::default() };
        let first = RunState { carried: counts(2, 1), ..run("r1") };
        assert_eq!((first.put_in_place().created, first.put_in_place().updated), (2, 1));
        let progress = Progress { counts: counts(3, 2), ..Progress::default() };
        let second = RunState { carried: first.put_in_place(), progress, ..run("r1") };
        assert_eq!((second.put_in_place().created, second.put_in_place().updated), (5, 3));
    }
}
