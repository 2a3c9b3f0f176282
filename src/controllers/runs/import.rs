//! What is known of a run of an import. No I/O.

use jiff::Timestamp;

use super::{Ended, RunOf, RunPhase, Summary};
use crate::{
    controllers::observer::RunOutcome,
    domain::{Cause, Disposition},
    pipeline::{Ending, ImportProgress, ImportReport},
};

/// The latest run of an import in this process.
#[derive(Debug, Clone, Default)]
pub(in crate::controllers) struct ImportRun {
    /// Digest of everything that it depends on.
    pub(in crate::controllers) revision: String,
    /// Attempts at this revision before this one.
    pub(in crate::controllers) attempt: u32,
    /// When it started.
    pub(in crate::controllers) started_at: Timestamp,
    /// When the first of these attempts started.
    pub(in crate::controllers) tried_since: Timestamp,
    /// Whether an interval or a schedule started it, for a revision that was in place.
    pub(in crate::controllers) periodic: bool,
    /// Digest of the credentials that it writes with; else empty.
    pub(in crate::controllers) access: String,
    /// The request to accept held deletions that it acts on.
    pub(in crate::controllers) accepts: Option<String>,
    /// What interrupted the last attempt at this revision.
    pub(in crate::controllers) met: Option<Cause>,
    /// What an interrupted attempt before this one found lost of earlier runs, and has not said.
    pub(in crate::controllers) lost: Option<String>,
    /// The latest snapshot.
    pub(in crate::controllers) progress: ImportProgress,
    /// Whether it is still running.
    pub(in crate::controllers) phase: RunPhase<ImportReport>,
}

impl ImportRun {
    /// The end of a run that has ended.
    pub(in crate::controllers) fn ended(&self) -> Option<&Ended<ImportReport>> {
        match &self.phase {
            RunPhase::Ended(ended) => Some(ended),
            RunPhase::Running => None,
        }
    }

    /// Whether it read everything that it had to.
    pub(in crate::controllers) fn is_completed(&self) -> bool {
        self.ended().is_some_and(|ended| ended.report.ending == Ending::Completed)
    }

    /// Why what was written before is not known any more, if this run or an attempt before it found so.
    pub(in crate::controllers) fn lost(&self) -> Option<&String> {
        self.progress.state_lost.as_ref().or(self.lost.as_ref())
    }

    /// Whether it wrote something.
    pub(in crate::controllers) fn has_work(&self) -> bool {
        self.progress.counts.emitted + self.progress.counts.tombstones > 0
    }

    /// Why it ended before it was complete, if something went wrong.
    pub(in crate::controllers) fn interruption(&self) -> Option<(Disposition, Cause)> {
        match &self.ended()?.report.ending {
            Ending::Interrupted { disposition, message } => {
                Some((*disposition, Cause::new(disposition.reason(), message.clone())))
            }
            Ending::SourceFailed(cause) => {
                Some((Disposition::Stalled { reason: cause.reason }, cause.clone()))
            }
            Ending::Completed | Ending::SourceUnchanged | Ending::Stopped => None,
        }
    }
}

impl RunOf for ImportRun {
    type Progress = ImportProgress;
    type Report = ImportReport;

    fn is_running(&self) -> bool {
        matches!(self.phase, RunPhase::Running)
    }

    fn revision(&self) -> (&str, u32) {
        (&self.revision, self.attempt)
    }

    fn observe(&mut self, progress: ImportProgress) {
        self.progress = progress;
    }

    fn end(&mut self, at: Timestamp, report: ImportReport) {
        self.progress = report.progress.clone();
        self.phase = RunPhase::Ended(Ended { at, report }.into());
    }

    fn ended_by(ending: Ending) -> ImportReport {
        ImportReport { progress: ImportProgress::default(), ending }
    }

    fn summary(&self, report: &ImportReport) -> Summary {
        let progress = &report.progress;
        let counts = progress.counts;
        Summary {
            outcome: RunOutcome::of(&report.ending),
            records: vec![
                ("Written", counts.emitted),
                ("Deleted", counts.tombstones),
                ("Unchanged", counts.unchanged + counts.own),
                ("Rejected", counts.rejected()),
            ],
            // A run that did not get as far knows nobody.
            ledger_people: (progress.known > 0).then_some(progress.known),
        }
    }
}
