//! Whether a run believes the ledger: a request by annotation, at most once an hour, and a ledger that
//! ends before the segment that the status names. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::requests::{self, Asked};
use crate::{
    api::{CandidateExportStatus, DISTRUST_LEDGER_REQUESTED_AT, LedgerCheck, LedgerSeen},
    conditions::whole_seconds,
    controllers::runs::{RunPhase, RunState},
    pipeline::{Distrust, LedgerTrust},
};

/// The request of an export.
pub(super) fn asked(meta: &ObjectMeta, previous: &CandidateExportStatus, now: Timestamp) -> Asked {
    let receipt =
        previous.handled.as_ref().and_then(|handled| handled.distrust_ledger_requested_at.as_ref());
    let last = previous.ledger.as_ref().and_then(|seen| seen.distrusted_at.as_ref());
    requests::asked(meta, DISTRUST_LEDGER_REQUESTED_AT, receipt, last.map(|last| last.0), now)
}

/// When the latest request was accepted, if the one at hand is.
pub(super) fn distrusted_at(
    asked: &Asked,
    previous: &CandidateExportStatus,
    now: Timestamp,
) -> Option<Timestamp> {
    if asked.is_accepted() {
        return Some(whole_seconds(now));
    }
    Some(previous.ledger.as_ref()?.distrusted_at.as_ref()?.0)
}

/// What the message says of a request.
pub(super) fn answer(asked: &Asked) -> Option<String> {
    let Asked::From(from) = asked else { return None };
    Some(format!(
        "the request to distrust the ledger is accepted at {}, an hour after the last one",
        whole_seconds(*from)
    ))
}

/// What is known of the ledger, including what the latest run found in it.
pub(super) fn seen(previous: &CandidateExportStatus, run: Option<&RunState>) -> Option<LedgerSeen> {
    let before = &previous.ledger;
    let Some(run) = run else { return before.clone() };
    let found = run.progress.ledger;
    // A dry run records nothing.
    let Some(end) = found.end else { return before.clone() };
    let mut seen = before.clone().unwrap_or_default();
    if let Some(why) = found.distrust {
        // Unless the request came after the run: the status may have been written, and the run that it
        // announced not started.
        seen.check_due &= run.distrusted_at != seen.distrusted_at.as_ref().map(|at| at.0);
        seen.checked = Some(cause(why));
    } else if run.attempt == 0 {
        seen.checked = None;
    }
    if matches!(run.phase, RunPhase::Ended(_)) {
        seen.next_segment = i64::try_from(end).ok();
    }
    Some(seen)
}

/// A run starts.
pub(super) fn begin(next: &mut CandidateExportStatus, asked: &Asked, first: bool, now: Timestamp) {
    if first && let Some(seen) = &mut next.ledger {
        seen.checked = None;
    }
    if asked.is_accepted() {
        let seen = next.ledger.get_or_insert_default();
        seen.distrusted_at = Some(Time(whole_seconds(now)));
        seen.check_due = true;
    }
}

/// Whether a run that starts believes the ledger.
pub(super) fn trust(asked: &Asked, seen: Option<&LedgerSeen>) -> LedgerTrust {
    LedgerTrust {
        distrust: asked.is_accepted() || seen.is_some_and(|seen| seen.check_due),
        end: seen.and_then(|seen| u64::try_from(seen.next_segment?).ok()),
    }
}

/// Why the run in progress does not believe the ledger.
pub(super) fn reason(seen: Option<&LedgerSeen>) -> Option<&'static str> {
    let seen = seen?;
    let check = if seen.check_due { Some(LedgerCheck::Requested) } else { seen.checked };
    Some(match check? {
        LedgerCheck::Requested => "this was requested by annotation",
        LedgerCheck::LedgerBehind => {
            "the ledger is older than the last run in the status: it was lost, or restored from a copy"
        }
    })
}

fn cause(why: Distrust) -> LedgerCheck {
    match why {
        Distrust::Requested => LedgerCheck::Requested,
        Distrust::LedgerBehind => LedgerCheck::LedgerBehind,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        api::Handled,
        controllers::runs::Ended,
        pipeline::{Ending, LedgerInfo, Progress, Report},
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn meta(value: &str) -> ObjectMeta {
        let annotation = (DISTRUST_LEDGER_REQUESTED_AT.to_owned(), value.to_owned());
        ObjectMeta { annotations: Some([annotation].into()), ..ObjectMeta::default() }
    }

    fn accepted(receipt: &str, second: i64) -> CandidateExportStatus {
        let seen = LedgerSeen { distrusted_at: Some(Time(at(second))), ..LedgerSeen::default() };
        let handled =
            Handled { distrust_ledger_requested_at: Some(receipt.into()), ..Handled::default() };
        CandidateExportStatus {
            ledger: Some(seen),
            handled: Some(handled),
            ..CandidateExportStatus::default()
        }
    }

    #[test]
    fn a_request_is_accepted_once_and_the_next_one_an_hour_later() {
        let (first, second) = (meta("1"), meta("2"));
        let fresh = CandidateExportStatus::default();
        assert_eq!(asked(&ObjectMeta::default(), &fresh, at(0)), Asked::No);
        assert_eq!(asked(&first, &fresh, at(0)), Asked::Accepted("1".into()));
        let status = accepted("1", 100);
        assert_eq!(asked(&first, &status, at(9999)), Asked::No, "it has its receipt");
        let early = asked(&second, &status, at(3699));
        assert_eq!(early, Asked::From(at(3700)));
        assert_eq!(early.wait(None, at(3699)), Some(Duration::from_secs(1)));
        assert!(answer(&early).unwrap().contains("1970-01-01T01:01:40Z"));
        assert!(asked(&second, &status, at(3700)).is_accepted());
        assert!(asked(&second, &status, at(99)).is_accepted(), "the clock was set back");
    }

    #[test]
    fn a_request_stays_due_until_a_push_has_recorded_it() {
        let mut status = CandidateExportStatus::default();
        begin(&mut status, &Asked::Accepted("1".into()), true, at(5));
        let run = |ledger| {
            let progress = Progress { ledger, ..Progress::default() };
            let report = Report { progress: progress.clone(), ending: Ending::Completed };
            let phase = RunPhase::Ended(Ended { at: at(9), report }.into());
            RunState { progress, phase, distrusted_at: Some(at(5)), ..RunState::default() }
        };
        let due = |run: &RunState| trust(&Asked::No, seen(&status, Some(run)).as_ref()).distrust;
        assert!(due(&RunState::default()), "nothing is known of the run");
        let distrust = Some(Distrust::Requested);
        assert!(due(&run(LedgerInfo { distrust, ..LedgerInfo::default() })), "a dry run");
        let recorded = run(LedgerInfo { end: Some(7), distrust, ..LedgerInfo::default() });
        assert!(!due(&recorded));
        assert!(due(&RunState { distrusted_at: None, ..recorded.clone() }), "an earlier run");
        let seen = seen(&status, Some(&recorded)).unwrap();
        assert_eq!((seen.next_segment, seen.checked), (Some(7), Some(LedgerCheck::Requested)));
        assert_eq!(trust(&Asked::No, Some(&seen)).end, Some(7));
    }
}
