//! What earlier attempts at a revision put in place, so that the one that ends it tells of all of
//! them. Pure.

use jiff::Timestamp;

use super::runs::Slot;
use crate::{
    api::{CandidateExportStatus, ExportCounts, ExportMode},
    pipeline::Counts,
};

/// The attempts at a revision before the next one.
#[derive(Debug)]
pub(super) enum Attempts<'a> {
    /// There were none, or the last one came to its end; or they left nothing, as a dry run does.
    None,
    /// They were made by this process.
    Seen(&'a Slot),
    /// They were made by a process before this one; what they had told is in the status.
    Told(ExportCounts),
}

impl<'a> Attempts<'a> {
    /// The attempts at `revision`.
    pub(super) fn of(
        revision: &str,
        mode: ExportMode,
        previous: &CandidateExportStatus,
        slot: Option<&'a Slot>,
    ) -> Self {
        if mode == ExportMode::DryRun {
            return Self::None;
        }
        if let Some(slot) = slot.filter(|slot| slot.revision == revision && !slot.is_completed()) {
            return Self::Seen(slot);
        }
        let attempted = previous.last_attempted_revision.as_deref() == Some(revision);
        let applied = previous.last_applied_revision.as_deref() == Some(revision);
        match previous.counts {
            Some(counts) if attempted && !applied => Self::Told(counts),
            _ => Self::None,
        }
    }

    /// Whether there were none.
    pub(super) const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The slot of the next attempt, which carries over what these put in place.
    pub(super) fn next(
        &self,
        revision: &str,
        mode: ExportMode,
        attempt: u32,
        now: Timestamp,
    ) -> Slot {
        let (started_at, carried) = match self {
            Self::None => (now, Counts::default()),
            Self::Seen(slot) => (slot.started_at, slot.put_in_place()),
            Self::Told(counts) => (now, told(counts)),
        };
        Slot {
            revision: revision.to_owned(),
            mode,
            attempt,
            started_at,
            carried,
            ..Slot::default()
        }
    }
}

fn told(counts: &ExportCounts) -> Counts {
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

    fn carried_in(mode: ExportMode, previous: &CandidateExportStatus, slot: Option<&Slot>) -> u64 {
        let before = Attempts::of("r2", mode, previous, slot);
        before.next("r2", mode, 1, Timestamp::UNIX_EPOCH).carried.created
    }

    fn carried(previous: &CandidateExportStatus, slot: Option<&Slot>) -> u64 {
        carried_in(ExportMode::Push, previous, slot)
    }

    fn slot(revision: &str, created: u64, carried: u64) -> Slot {
        let counts = |created| Counts { created, ..Counts::default() };
        let progress = Progress { counts: counts(created), ..Progress::default() };
        Slot { revision: revision.into(), progress, carried: counts(carried), ..Slot::default() }
    }

    #[test]
    fn an_attempt_that_decided_nobody_loses_nothing_of_those_before_it() {
        let previous = status("r2", None, 3);
        assert_eq!(carried(&previous, Some(&slot("r2", 4, 3))), 7);
        assert_eq!(carried(&previous, Some(&slot("r2", 0, 7))), 7);
    }

    #[test]
    fn after_a_restart_only_counts_of_the_same_unfinished_revision_are_taken_over() {
        assert_eq!(carried(&status("r2", Some("r1"), 3), None), 3);
        assert_eq!(carried(&status("r1", Some("r1"), 3), None), 0, "of another revision");
        assert_eq!(carried(&status("r2", Some("r2"), 3), None), 0, "of a run that had ended");
        assert_eq!(carried(&status("r1", None, 3), Some(&slot("r1", 4, 0))), 0);
    }

    #[test]
    fn what_a_dry_run_would_have_done_is_not_done_when_it_is_tried_again() {
        let previous = status("r2", None, 3);
        assert_eq!(carried_in(ExportMode::DryRun, &previous, Some(&slot("r2", 4, 0))), 0);
        assert_eq!(carried_in(ExportMode::DryRun, &previous, None), 0);
    }
}
