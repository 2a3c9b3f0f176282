//! How an object stands, and since when a failure keeps it from being Ready. Pure.
//!
//! A failure that is retried shows other states between two attempts, and after a takeover: an attempt is in
//! progress, or the integration has to be verified first. So its beginning is kept in the status, and such a
//! state ends it only once it has lasted.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    api::{CommonStatus, ConditionType, Fault, STATUS_TRUE},
    conditions::{find, whole_seconds},
    domain::Reason,
};

/// How long an object may work or wait before the failure that it had is over.
const PAUSE: Duration = Duration::from_mins(5);

/// How an object stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) state: State,
    /// The reason of `Ready`.
    pub(super) reason: Option<Reason>,
    pub(super) since: Timestamp,
}

/// What is announced of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It is Ready.
    Ready,
    /// Only a change by a person helps.
    Stalled,
    /// It fails, and is retried.
    Retried,
    /// It works, waits for another object, or is suspended: nothing.
    Between,
}

/// How an object stands by its status, and the failure to note in it. `before`: the one noted so far.
pub(super) fn standing(
    status: &impl CommonStatus,
    before: Option<&Fault>,
    now: Timestamp,
) -> (Standing, Option<Fault>) {
    let now = whole_seconds(now);
    let ready = find(status.conditions(), ConditionType::Ready);
    let reason = ready.and_then(|ready| Reason::from_word(&ready.reason));
    let state = state(status, reason);
    // The clock may have been set back.
    let lasts = |since: &Time| now.duration_since(since.0).unsigned_abs() < PAUSE;
    let before = before.filter(|fault| fault.paused_since.as_ref().is_none_or(lasts));
    let fault = match state {
        State::Ready => None,
        State::Between if is_true(status, ConditionType::Suspended) => None,
        State::Between => before.map(|fault| {
            let paused_since = fault.paused_since.clone().or(Some(Time(now)));
            Fault { paused_since, ..fault.clone() }
        }),
        State::Stalled | State::Retried => {
            let since = before.map_or(now, |fault| fault.since.0.min(now));
            let reason = reason.map_or("", Reason::as_str).to_owned();
            Some(Fault { since: Time(since), reason, paused_since: None })
        }
    };
    let since = match (&fault, ready) {
        (Some(fault), _) => fault.since.0,
        (None, Some(ready)) => ready.last_transition_time.0,
        (None, None) => now,
    };
    (Standing { state, reason, since }, fault)
}

fn is_true(status: &impl CommonStatus, condition: ConditionType) -> bool {
    find(status.conditions(), condition).is_some_and(|found| found.status == STATUS_TRUE)
}

fn state(status: &impl CommonStatus, reason: Option<Reason>) -> State {
    let waits_for_integration = || {
        find(status.conditions(), ConditionType::IntegrationReady)
            .is_some_and(|found| found.status != STATUS_TRUE)
    };
    if is_true(status, ConditionType::Suspended) {
        return State::Between;
    }
    if is_true(status, ConditionType::Stalled) {
        return State::Stalled;
    }
    if is_true(status, ConditionType::Ready) {
        return State::Ready;
    }
    match reason {
        None
        | Some(
            Reason::Progressing
            | Reason::ProgressingWithRetry
            | Reason::DependencyNotReady
            | Reason::IntegrationSuspended
            | Reason::HandingOver
            | Reason::OutsideWindow,
        ) => State::Between,
        // Its integration is announced.
        Some(_) if waits_for_integration() => State::Between,
        Some(_) => State::Retried,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::CandidateExportStatus,
        conditions::{self, Observation, Standing as Left, Verdict},
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A status with this verdict, and whether its integration is ready.
    fn status(verdict: &Verdict, integration: bool) -> CandidateExportStatus {
        let (before, mut next) =
            (CandidateExportStatus::default(), CandidateExportStatus::default());
        let condition = ConditionType::IntegrationReady;
        let seen = Observation::new(condition, integration, Reason::Ready, "");
        conditions::apply(&before, &mut next, 1, vec![seen], verdict, at(0));
        next
    }

    fn state_of(verdict: &Verdict) -> State {
        standing(&status(verdict, true), None, at(0)).0.state
    }

    #[test]
    fn what_is_retried_is_a_failure_and_what_works_or_waits_or_rests_is_none() {
        let retried = |reason| state_of(&Verdict::reconciling(reason, ""));
        for reason in [
            Reason::VendorUnavailable,
            Reason::Timeout,
            Reason::RateLimited,
            Reason::SourceNotFound,
            Reason::DependencyNotFound,
            Reason::LedgerUnreachable,
            Reason::InternalError,
        ] {
            assert_eq!(retried(reason), State::Retried, "{reason}");
            // The message about the integration says it.
            let waits = status(&Verdict::reconciling(reason, ""), false);
            assert_eq!(standing(&waits, None, at(0)).0.state, State::Between, "{reason}");
        }
        for reason in [
            Reason::Progressing,
            Reason::ProgressingWithRetry,
            Reason::DependencyNotReady,
            Reason::IntegrationSuspended,
            Reason::HandingOver,
            Reason::OutsideWindow,
        ] {
            assert_eq!(retried(reason), State::Between, "{reason}");
        }
        for standing in [Left::InSync, Left::Behind, Left::NothingDue] {
            let suspended = Verdict::Suspended { standing, message: String::new() };
            assert_eq!(state_of(&suspended), State::Between, "{standing:?}");
        }
        assert_eq!(state_of(&Verdict::stalled(Reason::InvalidSpec, "")), State::Stalled);
        assert_eq!(state_of(&Verdict::ready(Reason::Synced, "")), State::Ready);
        let none = CandidateExportStatus::default();
        assert_eq!(standing(&none, None, at(0)).0.state, State::Between);
    }

    #[test]
    fn a_failure_lasts_through_attempts_and_a_takeover_and_ends_when_it_works_for_long() {
        let failing = status(&Verdict::reconciling(Reason::Timeout, ""), true);
        let other = status(&Verdict::reconciling(Reason::VendorUnavailable, ""), true);
        let attempt = status(&Verdict::reconciling(Reason::ProgressingWithRetry, ""), true);
        let waiting = status(&Verdict::reconciling(Reason::DependencyNotReady, ""), false);
        let ready = status(&Verdict::ready(Reason::Synced, ""), true);
        let stalled = status(&Verdict::stalled(Reason::InvalidSpec, ""), true);
        let mut fault = None;
        let mut pass = |status: &CandidateExportStatus, second| {
            let (standing, next) = standing(status, fault.as_ref(), at(second));
            fault = next;
            let noted =
                fault.as_ref().map(|fault| (fault.since.0.as_second(), fault.reason.clone()));
            (standing.since.as_second(), noted)
        };
        let since = |second, reason: &str| (second, Some((second, reason.to_owned())));
        assert_eq!(pass(&failing, 10), since(10, "Timeout"));
        assert_eq!(pass(&attempt, 20), since(10, "Timeout"));
        assert_eq!(pass(&attempt, 319), since(10, "Timeout"));
        assert_eq!(pass(&other, 319), since(10, "VendorUnavailable"));
        assert_eq!(pass(&waiting, 400), since(10, "VendorUnavailable"));
        assert_eq!(pass(&stalled, 401), since(10, "InvalidSpec"));
        assert_eq!(pass(&attempt, 500), since(10, "InvalidSpec"));
        // It works: what fails then is another failure.
        assert_eq!(pass(&attempt, 800).1, None);
        assert_eq!(pass(&failing, 900), since(900, "Timeout"));
        assert_eq!(pass(&attempt, 901), since(900, "Timeout"));
        assert_eq!(pass(&failing, 1300), since(1300, "Timeout"), "no pass came meanwhile");
        assert_eq!(pass(&failing, 1200), since(1200, "Timeout"), "the clock was set back");
        assert_eq!(pass(&ready, 1400), (0, None));
        assert_eq!(pass(&failing, 1500), since(1500, "Timeout"));
        let suspended = Verdict::Suspended { standing: Left::Behind, message: String::new() };
        assert_eq!(pass(&status(&suspended, true), 1501).1, None);
    }
}
