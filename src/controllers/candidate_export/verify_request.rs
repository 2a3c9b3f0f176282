//! The request to verify that people are in Clinch as they were delivered, and when that was done last.
//! Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::requests::{self, Asked};
use crate::{
    api::{CandidateExportStatus, VERIFY_REQUESTED_AT},
    controllers::runs::{Ended, RunPhase, RunState},
};

/// The request of an export.
pub(super) fn asked(
    meta: &ObjectMeta,
    previous: &CandidateExportStatus,
    verification: Option<&RunState>,
    now: Timestamp,
) -> Asked {
    // The status may not report the latest verification yet.
    let done = verification.filter(|verification| verification.is_completed());
    let recorded = previous.handled.as_ref().and_then(|seen| seen.verify_requested_at.as_ref());
    let receipt = done.and_then(|done| done.requested.as_ref()).or(recorded);
    requests::asked(meta, VERIFY_REQUESTED_AT, receipt, last_result(previous, verification), now)
}

/// When the last verification with a result ended.
pub(super) fn last_result(
    previous: &CandidateExportStatus,
    verification: Option<&RunState>,
) -> Option<Timestamp> {
    let reported = previous.drift.as_ref().map(|seen| seen.checked_at.0);
    let own = verification.filter(|verification| verification.is_completed()).and_then(ended);
    reported.max(own.map(|ended| ended.at))
}

/// The end of a verification that has ended.
pub(super) fn ended(verification: &RunState) -> Option<&Ended> {
    match &verification.phase {
        RunPhase::Ended(ended) => Some(ended),
        RunPhase::Running => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{Ending, Progress, Report};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn verification(attempt: u32, ending: Ending) -> RunState {
        let report = Report { progress: Progress::default(), ending };
        let phase = RunPhase::Ended(Ended { at: at(100), report }.into());
        RunState { attempt, phase, requested: Some("1".into()), ..RunState::default() }
    }

    #[test]
    fn a_request_is_answered_by_the_verification_that_acted_on_it() {
        let meta = |value: &str| {
            let annotation = (VERIFY_REQUESTED_AT.to_owned(), value.to_owned());
            ObjectMeta { annotations: Some([annotation].into()), ..ObjectMeta::default() }
        };
        let status = CandidateExportStatus::default();
        let with = |value: &str, verification: Option<&RunState>, now| {
            asked(&meta(value), &status, verification, at(now))
        };
        assert_eq!(with("1", None, 0), Asked::Accepted("1".into()));
        let (done, stopped) =
            (verification(0, Ending::Completed), verification(0, Ending::Stopped));
        assert_eq!(with("1", Some(&done), 101), Asked::No, "before the status says so");
        assert_eq!(with("1", Some(&stopped), 101), Asked::Accepted("1".into()));
        assert_eq!(with("2", Some(&done), 101), Asked::From(at(3700)));
        assert_eq!(with("2", Some(&done), 3700), Asked::Accepted("2".into()));
        assert_eq!(last_result(&status, Some(&stopped)), None);
    }
}
