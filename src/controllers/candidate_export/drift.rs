//! Whether an export is verified in this pass: on request by annotation, or because
//! `spec.verifyInterval` is over. A verification never works beside a run of its export. Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    gather::Gathered,
    requests::{Asked, sooner},
    validate::Validated,
    verify_request::{ended, last_result},
};
use crate::{
    api::{self, ExportMode},
    conditions::Verdict,
    controllers::{
        decision::{Decision, Step},
        runs::{PROGRESS_EVERY, RunPhase, RunState, Schedule},
    },
    domain::{Disposition, backoff},
    pipeline::Ending,
};

/// The delay after the first failure is 2^this seconds.
const FIRST_DELAY: u32 = 5;
/// From this failure in a row on, the next attempt is made an hour later: each one may read everybody.
const FEW_FAILURES: u32 = 5;
const LONGEST_DELAY: Duration = Duration::from_hours(1);

/// What to do about the verification of an export.
pub(super) enum Verifying {
    /// Nothing is in progress or due.
    Idle,
    /// One is asked for, and cannot start.
    Waits(Obstacle),
    /// It starts.
    Starts(Box<RunState>),
    /// It is in progress.
    Works,
    /// It has to end.
    Stops,
}

/// Why a verification cannot start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Obstacle {
    DryRun,
    Suspended,
    /// The destination is a file.
    File,
    /// Something is not delivered, or the integration cannot be used.
    NotInPlace,
    /// No window is open.
    OutsideWindow,
}

impl Obstacle {
    pub(super) const ALL: [Self; 5] =
        [Self::DryRun, Self::Suspended, Self::File, Self::NotInPlace, Self::OutsideWindow];
}

/// What the decision on a verification depends on.
pub(super) struct Inputs<'a> {
    pub(super) gathered: &'a Gathered,
    pub(super) validated: Option<&'a Validated>,
    /// What is done about the run.
    pub(super) decision: &'a Decision,
    /// Why no run can start now.
    pub(super) obstacle: Option<&'a Verdict>,
    /// Whether no window of `spec.windows` is open.
    pub(super) is_closed: bool,
}

/// Decides, and says how long until the next pass.
pub(super) fn verifying(
    inputs: &Inputs<'_>,
    wait: Option<Duration>,
) -> (Verifying, Option<Duration>) {
    let Inputs { gathered, decision, .. } = inputs;
    let Gathered { export, verification, now, .. } = gathered;
    let soon = |wait: Option<Duration>| Some(wait.unwrap_or(PROGRESS_EVERY).min(PROGRESS_EVERY));
    if verification.as_ref().is_some_and(is_working) {
        let is_idle = matches!(
            decision,
            Decision::Proceed(Step::Keep | Step::Conclude | Step::Refresh | Step::Pause)
        ) && !inputs.is_closed;
        return (if is_idle { Verifying::Works } else { Verifying::Stops }, soon(wait));
    }
    let asked = &gathered.asked_to_verify;
    let interval = export.spec.verify_interval.as_ref().map(api::Duration::get);
    let last = last_result(&gathered.previous, verification.as_ref());
    let by_interval = interval.map(|interval| match last {
        Some(last) => Schedule::Every(interval).after(last, gathered.uid()).unwrap_or(*now),
        None => *now,
    });
    let request = match asked {
        Asked::Accepted(value) => Some(value.clone()),
        Asked::No | Asked::From(_) => None,
    };
    let wait = asked.wait(wait, *now);
    let Some(due) = (if request.is_some() { Some(*now) } else { by_interval }) else {
        return (Verifying::Idle, wait);
    };
    if let Some(obstacle) = obstacle(inputs) {
        return (Verifying::Waits(obstacle), wait);
    }
    let (attempt, retry_at) = next_attempt(verification.as_ref(), *now);
    let at = retry_at.map_or(due, |retry_at| retry_at.max(due));
    let Some(valid) = inputs.validated.filter(|_| at <= *now) else {
        return (Verifying::Idle, Some(sooner(wait, at, *now)));
    };
    let state = RunState {
        revision: valid.revision.clone(),
        mode: ExportMode::Push,
        attempt,
        started_at: *now,
        periodic: request.is_none(),
        requested: request,
        ..RunState::default()
    };
    (Verifying::Starts(state.into()), soon(wait))
}

fn is_working(verification: &RunState) -> bool {
    matches!(verification.phase, RunPhase::Running)
}

fn obstacle(inputs: &Inputs<'_>) -> Option<Obstacle> {
    let spec = &inputs.gathered.export.spec;
    if inputs.gathered.is_file() {
        return Some(Obstacle::File);
    }
    if spec.mode == ExportMode::DryRun {
        return Some(Obstacle::DryRun);
    }
    if spec.suspend {
        return Some(Obstacle::Suspended);
    }
    let is_idle = matches!(inputs.decision, Decision::Proceed(Step::Keep | Step::Conclude));
    if is_idle && inputs.is_closed {
        return Some(Obstacle::OutsideWindow);
    }
    (!is_idle || inputs.obstacle.is_some() || inputs.validated.is_none())
        .then_some(Obstacle::NotInPlace)
}

/// The number of the next attempt, and when it may start, after one without a result.
fn next_attempt(verification: Option<&RunState>, now: Timestamp) -> (u32, Option<Timestamp>) {
    let Some((last, ended)) = verification.and_then(|last| Some((last, ended(last)?))) else {
        return (0, None);
    };
    let after = match &ended.report.ending {
        Ending::Completed | Ending::SourceUnchanged => return (0, None),
        // It was ended here.
        Ending::Stopped => return (last.attempt, None),
        Ending::Interrupted { disposition, .. } => match disposition {
            Disposition::Retry { after, .. } => *after,
            Disposition::Wait { .. } | Disposition::Stalled { .. } => Duration::ZERO,
        },
        Ending::SourceFailed(_) => Duration::ZERO,
    };
    let delay = if last.attempt < FEW_FAILURES {
        backoff(last.attempt.saturating_add(FIRST_DELAY)).max(after)
    } else {
        LONGEST_DELAY.max(after)
    };
    (last.attempt.saturating_add(1), ended.at.checked_add(delay).ok().or(Some(now)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        controllers::runs::Ended,
        domain::Reason,
        pipeline::{Progress, Report},
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn verification(attempt: u32, ending: Ending) -> RunState {
        let report = Report { progress: Progress::default(), ending };
        let phase = RunPhase::Ended(Ended { at: at(100), report }.into());
        RunState { attempt, phase, requested: Some("1".into()), ..RunState::default() }
    }

    #[test]
    fn an_attempt_without_a_result_is_repeated_later_each_time_and_at_last_once_an_hour() {
        let failed = |attempt| {
            let disposition = Disposition::retry(Reason::VendorUnavailable);
            verification(attempt, Ending::Interrupted { disposition, message: String::new() })
        };
        let next = |attempt| {
            let (next, from) = next_attempt(Some(&failed(attempt)), at(0));
            (next, from.unwrap().as_second() - 100)
        };
        assert_eq!([next(0), next(1), next(4)], [(1, 32), (2, 64), (5, 512)]);
        assert_eq!([next(5), next(99)], [(6, 3600), (100, 3600)]);
        assert_eq!(next_attempt(Some(&verification(3, Ending::Stopped)), at(0)), (3, None));
        assert_eq!(next_attempt(Some(&verification(3, Ending::Completed)), at(0)), (0, None));
        assert_eq!(next_attempt(None, at(0)), (0, None));
    }
}
