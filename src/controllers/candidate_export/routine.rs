//! Runs because of the time: when one is due, and whether there is anything to tell of it. Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    plan::{Decision, PROGRESS_EVERY, REPROBE_EVERY},
    runs::{Slot, SlotState},
    status,
    validate::Validated,
};
use crate::api::CandidateExportStatus;

/// When what is in place is to be looked at again by itself.
pub(super) fn next_run(
    validated: &Validated,
    previous: &CandidateExportStatus,
    slot: Option<&Slot>,
    uid: &str,
    now: Timestamp,
) -> Option<Timestamp> {
    let ended = slot.and_then(|slot| match &slot.state {
        SlotState::Ended(ended) if slot.revision == validated.revision => Some(ended.at),
        _ => None,
    });
    let last = ended.or_else(|| previous.history.first().map(|run| run.finished_at.0));
    validated.recurrence.after(last.unwrap_or(now), uid)
}

/// Whether a run because of the time is under way or due, and there is nothing to tell of it: what
/// was delivered is in place, nothing to do was found so far, and it has not failed for long.
/// `began`: when this process did.
pub(super) fn is_unnoticed(
    decision: &Decision,
    validated: &Validated,
    previous: &CandidateExportStatus,
    slot: Option<&Slot>,
    next_run: Option<Timestamp>,
    began: Timestamp,
    now: Timestamp,
) -> bool {
    if status::in_place(previous) != Some(validated.revision.as_str()) {
        return false;
    }
    let since = match (decision, slot) {
        // What was missed while no process worked is not held against this one.
        (Decision::Refresh, _) => next_run.map(|due| due.max(began)),
        (_, Some(slot)) if slot.routine && !slot.has_work() => Some(slot.started_at),
        _ => None,
    };
    since.is_some_and(|since| {
        Duration::try_from(now.duration_since(since)).unwrap_or_default() <= validated.grace
    })
}

/// How long until the next pass.
pub(super) fn wait_for(
    decision: &Decision,
    next_run: Option<Timestamp>,
    now: Timestamp,
) -> Option<Duration> {
    match decision {
        Decision::Keep | Decision::Conclude => {
            let wait = Duration::try_from(next_run?.duration_since(now)).unwrap_or_default();
            // At once where it is overdue: then something else is waited for.
            Some(if wait.is_zero() { REPROBE_EVERY } else { wait })
        }
        Decision::Start { .. } | Decision::Refresh | Decision::Observe | Decision::Stop => {
            Some(PROGRESS_EVERY)
        }
        Decision::Retry { delay } => Some(*delay),
        Decision::Stall => Some(REPROBE_EVERY),
    }
}
