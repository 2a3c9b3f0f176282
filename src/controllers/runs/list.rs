//! What is known of the list of people whom an export wrote. No I/O.

use jiff::Timestamp;

use super::{Ended, RunOf, RunPhase, Summary};
use crate::{
    controllers::observer::RunOutcome,
    domain::Cause,
    pipeline::{Ending, FileInfo, WrittenCounts},
};

/// A list that was written.
#[derive(Debug, Clone)]
pub(in crate::controllers) struct ListReport {
    /// The file, or why there is none.
    pub(in crate::controllers) file: Result<FileInfo, Cause>,
    /// Whom it names.
    pub(in crate::controllers) counts: WrittenCounts,
    /// Why there may be others.
    pub(in crate::controllers) flaws: Vec<String>,
}

impl ListReport {
    /// One that could not be written.
    pub(in crate::controllers) fn failed(cause: Cause) -> Self {
        Self { file: Err(cause), counts: WrittenCounts::default(), flaws: Vec::new() }
    }
}

/// The latest list of an export in this process.
#[derive(Debug, Clone, Default)]
pub(in crate::controllers) struct ListRun {
    /// The request that it acts on.
    pub(in crate::controllers) requested: String,
    /// Whether it is still being written.
    pub(in crate::controllers) phase: RunPhase<ListReport>,
}

impl ListRun {
    /// The end of one that has ended.
    pub(in crate::controllers) fn ended(&self) -> Option<&Ended<ListReport>> {
        match &self.phase {
            RunPhase::Ended(ended) => Some(ended),
            RunPhase::Running => None,
        }
    }
}

impl RunOf for ListRun {
    type Progress = ();
    type Report = ListReport;

    fn is_running(&self) -> bool {
        matches!(self.phase, RunPhase::Running)
    }

    /// None: a list depends on nothing but the ledger.
    fn revision(&self) -> (&str, u32) {
        ("", 0)
    }

    fn observe(&mut self, (): ()) {}

    fn end(&mut self, at: Timestamp, report: ListReport) {
        self.phase = RunPhase::Ended(Ended { at, report }.into());
    }

    fn ended_by(ending: Ending) -> ListReport {
        let message = match ending {
            Ending::Interrupted { disposition, message } => {
                return ListReport::failed(Cause::new(disposition.reason(), message));
            }
            Ending::SourceFailed(cause) => return ListReport::failed(cause),
            Ending::Stopped | Ending::Completed | Ending::SourceUnchanged => "it was ended",
        };
        ListReport::failed(Cause::new(crate::domain::Reason::InternalError, message))
    }

    fn summary(&self, report: &ListReport) -> Summary {
        let outcome =
            if report.file.is_ok() { RunOutcome::Completed } else { RunOutcome::Interrupted };
        Summary { outcome, records: Vec::new(), ledger_people: None }
    }
}
