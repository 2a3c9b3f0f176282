//! What to do about an export in this pass. Pure: everything observed and the time come in, one
//! closed decision goes out.

use std::time::Duration;

use jiff::Timestamp;

use super::runs::{Slot, SlotState};
use crate::{domain::Disposition, pipeline::Ending};

/// How often the status may move while a run works.
pub(super) const PROGRESS_EVERY: Duration = Duration::from_secs(2);
/// When a stalled export is probed again without any change.
pub(super) const REPROBE_EVERY: Duration = Duration::from_mins(15);

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nothing is due: what was delivered is what the spec asks for.
    Keep,
    /// Start a run for what is in place already, because the time has come.
    Refresh,
    /// Start a run; `attempt` counts from 0 within one revision.
    Start { attempt: u32 },
    /// A run for this revision is under way: tell its progress.
    Observe,
    /// A run for something else is under way: end it, then look again.
    Stop,
    /// A run for this revision has ended for good: tell its result.
    Conclude,
    /// The last attempt was interrupted; try again after `delay`.
    Retry { delay: Duration },
    /// The last attempt cannot be repeated with success before something changes.
    Stall,
}

/// What the decision depends on.
pub(super) struct Inputs<'a> {
    /// Digest of everything the export depends on.
    pub(super) revision: &'a str,
    /// The revision that is in place as a whole, from the status.
    pub(super) applied: Option<&'a str>,
    /// A reconcile request without a receipt.
    pub(super) requested: bool,
    /// The run of this export in this process.
    pub(super) slot: Option<&'a Slot>,
    /// When the time has come for a run of what is in place.
    pub(super) next_run: Option<Timestamp>,
    /// Whether the status tells what the run of this process ended with.
    pub(super) told: bool,
    /// Of a source that lies where nothing tells of changes: changes with the credentials that it
    /// is read with.
    pub(super) access: Option<&'a str>,
    /// The integration can be used now.
    pub(super) connected: bool,
    /// The time.
    pub(super) now: Timestamp,
}

/// Decides.
pub(super) fn decide(inputs: &Inputs<'_>) -> Decision {
    let Some(slot) = inputs.slot else { return when_idle(inputs) };
    let current = slot.revision == inputs.revision;
    match &slot.state {
        SlotState::Running if current => Decision::Observe,
        SlotState::Running => Decision::Stop,
        SlotState::Ended(_) if !current || inputs.requested => when_idle(inputs),
        // Other credentials are worth another attempt.
        SlotState::Ended(_)
            if !slot.is_completed()
                && inputs.access.is_some_and(|access| slot.access != access) =>
        {
            Decision::Start { attempt: 0 }
        }
        SlotState::Ended(ended) => match &ended.report.ending {
            Ending::Completed if inputs.applied != Some(inputs.revision) => Decision::Conclude,
            Ending::Completed if slot.routine && !inputs.told => Decision::Conclude,
            Ending::Completed | Ending::SourceUnchanged => when_idle(inputs),
            Ending::Stopped => Decision::Start { attempt: slot.attempt },
            Ending::SourceFailed { reason, .. } if inputs.access.is_some() => {
                let waited = elapsed(ended.at, inputs.now);
                again(Disposition::Stalled { reason: *reason }, 0, waited, inputs.connected)
            }
            Ending::SourceFailed { .. } => Decision::Stall,
            Ending::Interrupted { disposition, .. } => {
                let waited = elapsed(ended.at, inputs.now);
                // Whoever gets on is not kept waiting longer and longer.
                let in_vain = if slot.has_got_on() { 0 } else { slot.attempt };
                again(*disposition, in_vain, waited, inputs.connected)
            }
        },
    }
}

fn when_idle(inputs: &Inputs<'_>) -> Decision {
    if inputs.applied != Some(inputs.revision) || inputs.requested {
        Decision::Start { attempt: 0 }
    } else if inputs.next_run.is_some_and(|due| due <= inputs.now) {
        Decision::Refresh
    } else {
        Decision::Keep
    }
}

fn again(disposition: Disposition, attempt: u32, waited: Duration, connected: bool) -> Decision {
    match disposition {
        Disposition::Retry { after, .. } => {
            let delay = backoff(attempt).max(after);
            if waited >= delay {
                Decision::Start { attempt: attempt.saturating_add(1) }
            } else {
                Decision::Retry { delay: delay.saturating_sub(waited) }
            }
        }
        // The integration tells when it is ready again, and wakes its exports. Until it has
        // noticed what the run met, it may still look ready: hence the backoff.
        Disposition::Wait { .. } if connected => {
            again(Disposition::retry(disposition.reason()), attempt, waited, connected)
        }
        Disposition::Wait { .. } => Decision::Retry { delay: REPROBE_EVERY },
        Disposition::Stalled { .. } if waited >= REPROBE_EVERY => Decision::Start { attempt: 0 },
        Disposition::Stalled { .. } => Decision::Stall,
    }
}

/// 1 s doubling to 10 min. Deterministic: the client below adds its own jitter.
fn backoff(attempt: u32) -> Duration {
    Duration::from_secs(1 << attempt.min(10)).min(Duration::from_mins(10))
}

fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        controllers::candidate_export::runs::Ended,
        domain::Reason,
        pipeline::{Progress, Report},
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn slot(revision: &str, state: SlotState) -> Slot {
        Slot { revision: revision.into(), attempt: 2, state, ..Slot::default() }
    }

    fn ended(ending: Ending) -> SlotState {
        let report = Report { progress: Progress::default(), ending };
        SlotState::Ended(Ended { at: at(100), report })
    }

    fn interrupted(disposition: Disposition) -> SlotState {
        ended(Ending::Interrupted { disposition, message: String::new() })
    }

    fn inputs(applied: Option<&str>) -> Inputs<'_> {
        Inputs {
            revision: "r2",
            applied,
            requested: false,
            slot: None,
            next_run: None,
            told: true,
            access: None,
            connected: false,
            now: at(0),
        }
    }

    fn decide_with(
        slot: Option<&Slot>,
        applied: Option<&str>,
        requested: bool,
        now: i64,
    ) -> Decision {
        decide(&Inputs { slot, requested, now: at(now), ..inputs(applied) })
    }

    #[test]
    fn an_idle_export_runs_exactly_when_something_differs() {
        assert_eq!(decide_with(None, None, false, 0), Decision::Start { attempt: 0 });
        assert_eq!(decide_with(None, Some("r1"), false, 0), Decision::Start { attempt: 0 });
        assert_eq!(decide_with(None, Some("r2"), false, 0), Decision::Keep);
        assert_eq!(decide_with(None, Some("r2"), true, 0), Decision::Start { attempt: 0 });
    }

    #[test]
    fn a_run_for_another_revision_is_ended_first() {
        let other = slot("r1", SlotState::Running);
        assert_eq!(decide_with(Some(&other), None, false, 0), Decision::Stop);
        let same = slot("r2", SlotState::Running);
        assert_eq!(decide_with(Some(&same), None, true, 0), Decision::Observe);
    }

    #[test]
    fn a_finished_run_is_concluded_once() {
        let done = slot("r2", ended(Ending::Completed));
        assert_eq!(decide_with(Some(&done), Some("r1"), false, 0), Decision::Conclude);
        assert_eq!(decide_with(Some(&done), Some("r2"), false, 0), Decision::Keep);
    }

    #[test]
    fn what_is_in_place_is_refreshed_when_the_time_has_come() {
        let due = |applied| Inputs { next_run: Some(at(0)), ..inputs(applied) };
        assert_eq!(decide(&due(Some("r2"))), Decision::Refresh);
        assert_eq!(decide(&due(Some("r1"))), Decision::Start { attempt: 0 }, "not in place");
        let routine = |ending| Slot { routine: true, ..slot("r2", ended(ending)) };
        let (same, done) = (routine(Ending::SourceUnchanged), routine(Ending::Completed));
        let with = |slot, told| decide(&Inputs { slot: Some(slot), told, ..inputs(Some("r2")) });
        assert_eq!(with(&same, true), Decision::Keep);
        assert_eq!(with(&done, false), Decision::Conclude);
        assert_eq!(with(&done, true), Decision::Keep);
        let again = Inputs { slot: Some(&done), next_run: Some(at(0)), ..inputs(Some("r2")) };
        assert_eq!(decide(&again), Decision::Refresh);
    }

    #[test]
    fn a_distant_source_that_failed_is_tried_with_other_credentials_at_once_and_else_now_and_then()
    {
        let ending = Ending::SourceFailed { reason: Reason::SourceDenied, message: String::new() };
        let failed = slot("r2", ended(ending));
        let with = |access, now| {
            decide(&Inputs {
                slot: Some(&failed),
                access: Some(access),
                now: at(now),
                ..inputs(None)
            })
        };
        assert_eq!(with("", 200), Decision::Stall);
        assert_eq!(with("other", 200), Decision::Start { attempt: 0 });
        assert_eq!(with("", 1001), Decision::Start { attempt: 0 });
    }

    #[test]
    fn interruptions_are_retried_with_backoff_that_honours_the_other_side() {
        let retry = slot("r2", interrupted(Disposition::retry(Reason::VendorUnavailable)));
        let wait = Decision::Retry { delay: Duration::from_secs(3) };
        assert_eq!(decide_with(Some(&retry), None, false, 101), wait, "attempt 2: 4 s");
        assert_eq!(decide_with(Some(&retry), None, false, 104), Decision::Start { attempt: 3 });
        let after =
            Disposition::Retry { reason: Reason::RateLimited, after: Duration::from_secs(60) };
        let limited = slot("r2", interrupted(after));
        let wait = Decision::Retry { delay: Duration::from_secs(50) };
        assert_eq!(decide_with(Some(&limited), None, false, 110), wait);
    }

    #[test]
    fn an_attempt_that_got_on_is_followed_soon_and_one_in_vain_later_and_later() {
        let mut slot = slot("r2", interrupted(Disposition::retry(Reason::VendorUnavailable)));
        slot.attempt = 9;
        let wait = Decision::Retry { delay: Duration::from_secs(511) };
        assert_eq!(decide_with(Some(&slot), None, false, 101), wait.clone());
        slot.progress.counts.created = 1;
        assert_eq!(decide_with(Some(&slot), None, false, 101), Decision::Start { attempt: 1 });
        slot.mode = crate::api::ExportMode::DryRun;
        assert_eq!(decide_with(Some(&slot), None, false, 101), wait, "a dry run begins anew");
    }

    #[test]
    fn a_stall_waits_for_a_change_a_request_or_the_slow_probe() {
        let stalled =
            slot("r2", interrupted(Disposition::Stalled { reason: Reason::ContractUnsupported }));
        assert_eq!(decide_with(Some(&stalled), None, false, 200), Decision::Stall);
        assert_eq!(decide_with(Some(&stalled), None, true, 200), Decision::Start { attempt: 0 });
        assert_eq!(decide_with(Some(&stalled), None, false, 1001), Decision::Start { attempt: 0 });
        let old = slot("r1", interrupted(Disposition::Stalled { reason: Reason::InvalidSpec }));
        assert_eq!(decide_with(Some(&old), None, false, 200), Decision::Start { attempt: 0 });
    }
}
