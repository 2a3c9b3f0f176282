//! What earlier attempts at a revision created and updated, so that the last one reports all of
//! it. Pure.

use jiff::Timestamp;

use crate::{
    api::{CandidateExportStatus, ExportCounts, ExportMode},
    controllers::runs::RunState,
    pipeline::Counts,
};

/// The attempts at a revision before the next one.
#[derive(Debug)]
pub(super) enum Attempts<'a> {
    /// There were none, the last one completed, or they were dry runs.
    None,
    /// They were made by this process.
    Own(&'a RunState),
    /// They were made by an earlier process; the status holds what they reported.
    Earlier(ExportCounts),
}

impl<'a> Attempts<'a> {
    /// The attempts at `revision`.
    pub(super) fn of(
        revision: &str,
        mode: ExportMode,
        previous: &CandidateExportStatus,
        run: Option<&'a RunState>,
    ) -> Self {
        if mode == ExportMode::DryRun {
            return Self::None;
        }
        if let Some(run) = run.filter(|run| run.revision == revision && !run.is_completed()) {
            return Self::Own(run);
        }
        let attempted = previous.last_attempted_revision.as_deref() == Some(revision);
        let applied = previous.last_applied_revision.as_deref() == Some(revision);
        match previous.counts {
            Some(counts) if attempted && !applied => Self::Earlier(counts),
            _ => Self::None,
        }
    }

    /// Whether there were none.
    pub(super) const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The next attempt, which carries over what these created and updated.
    pub(super) fn next(
        &self,
        revision: &str,
        mode: ExportMode,
        attempt: u32,
        now: Timestamp,
    ) -> RunState {
        let (started_at, carried) = match self {
            Self::None => (now, Counts::default()),
            Self::Own(run) => (run.started_at, run.put_in_place()),
            Self::Earlier(counts) => (now, carried(counts)),
        };
        RunState {
            revision: revision.to_owned(),
            mode,
            attempt,
            started_at,
            carried,
            ..RunState::default()
        }
    }
}

fn carried(counts: &ExportCounts) -> Counts {
    let number = |count: i64| u64::try_from(count).unwrap_or_default();
    Counts { created: number(counts.created), updated: number(counts.updated), ..Counts::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Progress;

    fn status(attempted: &str, applied: Option<&str>, created: i64) -> CandidateExportStatus {
        CandidateExportStatus {
            counts: Some(ExportCounts { total: 9, created, ..ExportCounts::default() }),
            last_attempted_revision: Some(attempted.into()),
            last_applied_revision: applied.map(Into::into),
            ..CandidateExportStatus::default()
        }
    }

    fn carried_in(
        mode: ExportMode,
        previous: &CandidateExportStatus,
        run: Option<&RunState>,
    ) -> u64 {
        let before = Attempts::of("r2", mode, previous, run);
        before.next("r2", mode, 1, Timestamp::UNIX_EPOCH).carried.created
    }

    fn carried_over(previous: &CandidateExportStatus, run: Option<&RunState>) -> u64 {
        carried_in(ExportMode::Push, previous, run)
    }

    fn run(revision: &str, created: u64, carried: u64) -> RunState {
        let counts = |created| Counts { created, ..Counts::default() };
        let progress = Progress { counts: counts(created), ..Progress::default() };
        RunState {
            revision: revision.into(),
            progress,
            carried: counts(carried),
            ..RunState::default()
        }
    }

    #[test]
    fn an_attempt_that_pushed_nobody_keeps_the_counts_of_earlier_ones() {
        let previous = status("r2", None, 3);
        assert_eq!(carried_over(&previous, Some(&run("r2", 4, 3))), 7);
        assert_eq!(carried_over(&previous, Some(&run("r2", 0, 7))), 7);
    }

    #[test]
    fn after_a_restart_only_counts_of_the_same_unfinished_revision_are_carried_over() {
        assert_eq!(carried_over(&status("r2", Some("r1"), 3), None), 3);
        assert_eq!(carried_over(&status("r1", Some("r1"), 3), None), 0, "of another revision");
        assert_eq!(carried_over(&status("r2", Some("r2"), 3), None), 0, "of a run that had ended");
        assert_eq!(carried_over(&status("r1", None, 3), Some(&run("r1", 4, 0))), 0);
    }

    #[test]
    fn the_counts_of_a_dry_run_are_not_carried_over() {
        let previous = status("r2", None, 3);
        assert_eq!(carried_in(ExportMode::DryRun, &previous, Some(&run("r2", 4, 0))), 0);
        assert_eq!(carried_in(ExportMode::DryRun, &previous, None), 0);
    }
}
