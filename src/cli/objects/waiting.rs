//! Waits for an object: until something holds of it, or for the end of the work on it.

use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    super::ExitCode,
    cluster::Objects,
    found::{Found, State},
    held,
};
use crate::{
    api::{ConditionType, STATUS_TRUE},
    conditions::find,
    domain::Reason,
};

/// How a wait ended.
pub(super) enum Waited {
    /// With what the caller waited for.
    Until(Box<Found>),
    /// Time ran out; the object as it was seen last.
    TimedOut(Option<Box<Found>>),
    /// The object was deleted.
    Deleted,
}

/// Waits until `enough` is true of an object.
pub(super) async fn until(
    cluster: &Objects,
    object: &Found,
    deadline: Instant,
    mut enough: impl FnMut(&Found) -> bool,
) -> anyhow::Result<Waited> {
    let mut changes = std::pin::pin!(cluster.watch(object.kind, &object.key));
    let mut last: Option<Box<Found>> = None;
    // Something may hold of an object after some seconds although it does not change.
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        let change = tokio::select! {
            change = tokio::time::timeout_at(deadline, changes.next()) => match change {
                Ok(Some(change)) => change?,
                Ok(None) | Err(_) => return Ok(Waited::TimedOut(last)),
            },
            _ = second.tick() => {
                match last.take_if(|found| enough(found)) {
                    Some(found) => return Ok(Waited::Until(found)),
                    None => continue,
                }
            }
        };
        match change {
            Some(found) if enough(&found) => return Ok(Waited::Until(Box::new(found))),
            Some(found) => last = Some(Box::new(found)),
            None => return Ok(Waited::Deleted),
        }
    }
}

/// The exit code of an object that will not change by itself; `None` while it may.
pub(super) fn settled(found: &Found, now: Timestamp) -> Option<ExitCode> {
    let conditions = found.conditions();
    let working = find(&conditions, ConditionType::Reconciling);
    let is_working = working.is_some_and(|working| working.status == STATUS_TRUE);
    let (state, reason, _) = found.state();
    match state {
        State::Ready if is_working => None,
        // Not what its own spec says: nothing is done until a person resumes the integration.
        State::Suspended if reason == Reason::IntegrationSuspended.as_str() => {
            Some(ExitCode::ActionNeeded)
        }
        State::Ready | State::Suspended => Some(ExitCode::Done),
        State::Stalled | State::Missing => Some(ExitCode::ActionNeeded),
        State::Waiting => Some(ExitCode::Waiting),
        State::Retrying if held::lacks_something(found, now) => Some(ExitCode::ActionNeeded),
        State::Retrying | State::Pending | State::Running | State::Hidden => None,
    }
}

/// The exit code of several objects: what a person must do counts before what somebody else must, and
/// that before time that ran out.
pub(super) fn worst(codes: impl IntoIterator<Item = ExitCode>) -> ExitCode {
    let rank = |code: &ExitCode| match code {
        ExitCode::Done => 0,
        ExitCode::TimedOut => 1,
        ExitCode::Waiting => 2,
        _ => 3,
    };
    codes.into_iter().max_by_key(rank).unwrap_or(ExitCode::Done)
}

/// When a wait of this many seconds ends.
pub(super) fn deadline(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds.min(365 * 86_400))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::Kind;

    fn code(generation: i64, conditions: &[(&str, &str, &str)]) -> Option<ExitCode> {
        let conditions: Vec<_> = conditions
            .iter()
            .map(|(kind, status, reason)| {
                json!({"type": kind, "status": status, "reason": reason, "message": "",
                    "lastTransitionTime": "2026-11-26T10:00:00Z"})
            })
            .collect();
        let object = json!({
            "metadata": {"name": "a", "generation": generation},
            "status": {"observedGeneration": 2, "conditions": conditions},
        });
        settled(&Found::new(Kind::Export, object).unwrap(), "2026-11-26T10:01:00Z".parse().unwrap())
    }

    #[test]
    fn the_end_of_work_has_the_exit_code_of_its_state() {
        assert_eq!(code(2, &[("Ready", "True", "Synced")]), Some(ExitCode::Done));
        assert_eq!(code(3, &[("Ready", "True", "Synced")]), None, "an older version");
        let working = [("Ready", "True", "Synced"), ("Reconciling", "True", "Progressing")];
        assert_eq!(code(2, &working), None);
        let stalled = [("Ready", "False", "MappingInvalid"), ("Stalled", "True", "MappingInvalid")];
        assert_eq!(code(2, &stalled), Some(ExitCode::ActionNeeded));
        let waiting = [
            ("Ready", "False", "AwaitingApproval"),
            ("Reconciling", "True", "ProgressingWithRetry"),
        ];
        assert_eq!(code(2, &waiting), Some(ExitCode::Waiting));
        let suspended = [("Ready", "False", "Suspended"), ("Suspended", "True", "Suspended")];
        assert_eq!(code(2, &suspended), Some(ExitCode::Done));
        let by_integration =
            [("Ready", "False", "IntegrationSuspended"), ("Reconciling", "True", "Progressing")];
        assert_eq!(code(2, &by_integration), Some(ExitCode::ActionNeeded));
        assert_eq!(code(2, &[("Ready", "Unknown", "Progressing")]), None);
        assert_eq!(code(2, &[]), None);
    }

    #[test]
    fn of_several_objects_the_worst_counts() {
        use ExitCode::{ActionNeeded, Done, TimedOut, Waiting};
        for (codes, expected) in [
            (vec![], Done),
            (vec![Done, TimedOut], TimedOut),
            (vec![Waiting, Done, TimedOut], Waiting),
            (vec![Done, ActionNeeded, Waiting], ActionNeeded),
        ] {
            assert_eq!(worst(codes), expected);
        }
    }
}
