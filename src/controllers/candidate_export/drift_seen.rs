//! How the status shows a verification: its result, the condition `Drifted`, and its progress. Pure.

use std::fmt::Write as _;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{
    drift::{Obstacle, Verifying},
    gather::Gathered,
    recorded,
    requests::Asked,
    verify_request::ended,
};
use crate::{
    api::{
        CandidateExportStatus, ConditionType, DriftPosition, DriftSeen, STATUS_FALSE, STATUS_TRUE,
    },
    cluster::{Notice, NoticeType},
    conditions::{Observation, Verdict, find, whole_seconds},
    controllers::runs::RunState,
    domain::Reason,
    pipeline::{Difference, Drift, Ending, HeldBack},
};

/// What a verification may cost.
const COST: &str = "at most one request for each person, or for each page of the candidate list if there \
                    are fewer";

/// Takes over the result of a verification, and its receipt.
pub(super) fn show(next: &mut CandidateExportStatus, gathered: &Gathered) {
    let Some(verification) = &gathered.verification else { return };
    let Some(ended) = ended(verification) else { return };
    let end = ended.report.progress.ledger.end.and_then(|end| i64::try_from(end).ok());
    if let Some(end) = end
        && let Some(ledger) = &mut next.ledger
    {
        ledger.next_segment = ledger.next_segment.max(Some(end));
    }
    let at = whole_seconds(ended.at);
    if ended.report.ending != Ending::Completed
        || next.drift.as_ref().is_some_and(|known| known.checked_at.0 > at)
    {
        return;
    }
    next.drift = Some(seen(&ended.report.progress.drift, Time(at)));
    if let Some(value) = &verification.requested {
        next.handled.get_or_insert_default().verify_requested_at = Some(value.clone());
    }
}

fn seen(drift: &Drift, checked_at: Time) -> DriftSeen {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let some = |count: u64| (count > 0).then(|| number(count));
    let cut = |text: &str, characters: usize| text.chars().take(characters).collect::<String>();
    let position = |one: &Difference| DriftPosition {
        position: cut(&one.position.to_string(), 320),
        record: one.record.to_string(),
        kind: one.kind.as_str().to_owned(),
        attributes: one.attributes.iter().map(|name| cut(name, 128)).collect(),
    };
    DriftSeen {
        checked_at,
        people: number(drift.people),
        missing: number(drift.missing),
        changed: number(drift.changed),
        anonymised: number(drift.anonymised),
        corrected: some(drift.corrected),
        normalised: some(drift.normalised),
        unread: some(drift.unread),
        first_unread: drift.first_unread.as_deref().map(|why| cut(why, 512)),
        held_back: drift.held_back.map(held_back),
        positions: drift.listed.iter().map(position).collect(),
        positions_omitted: some(drift.omitted()),
    }
}

fn held_back(why: HeldBack) -> String {
    match why {
        HeldBack::MaxUpdates(most) => format!("spec.guards.maxUpdates allows {most}"),
        HeldBack::ApprovedPlan => "spec.approvedPlan allows nothing but that plan".to_owned(),
    }
}

/// The condition, if a verification is asked for, or was made.
pub(super) fn observation(
    next: &CandidateExportStatus,
    gathered: &Gathered,
    verifying: &Verifying,
) -> Option<Observation> {
    let before = find(&gathered.previous.conditions, ConditionType::Drifted);
    let found = known(next, gathered, verifying, before)?;
    let Asked::From(from) = &gathered.asked_to_verify else { return Some(found) };
    let message = format!(
        "{}; the request to verify is accepted at {}, an hour after the last verification: it may cost \
         {COST}",
        found.message,
        whole_seconds(*from)
    );
    Some(Observation { message, ..found })
}

fn known(
    next: &CandidateExportStatus,
    gathered: &Gathered,
    verifying: &Verifying,
    before: Option<&Condition>,
) -> Option<Observation> {
    if let Verifying::Waits(obstacle) = verifying {
        match (&next.drift, obstacle) {
            // As it is with every new export.
            (None, Obstacle::NotInPlace | Obstacle::OutsideWindow) => {
                return Some(not_yet(words(*obstacle)));
            }
            (None, obstacle) => return Some(not_verified(words(*obstacle))),
            (Some(drift), Obstacle::DryRun) => {
                let found = result(drift);
                let message = format!("{}; {}", found.message, words(Obstacle::DryRun));
                return Some(Observation { message, ..found });
            }
            (
                Some(_),
                Obstacle::Suspended
                | Obstacle::File
                | Obstacle::NotInPlace
                | Obstacle::OutsideWindow,
            ) => {}
        }
    }
    let latest = gathered.verification.as_ref();
    if let Some(why) = latest.and_then(failure) {
        return Some(not_verified(&format!("{why}; it is tried again")));
    }
    let is_asked = !matches!(verifying, Verifying::Idle | Verifying::Stops);
    if is_asked && latest.is_none_or(|latest| ended(latest).is_none()) {
        // The attempt before failed, perhaps in an earlier process.
        let failed = before.filter(|before| {
            before.reason == Reason::NotVerified.as_str() && !is_asked_for(&before.message)
        });
        if let Some(before) = failed {
            return Some(not_verified(&before.message));
        }
    }
    match &next.drift {
        Some(drift) => Some(result(drift)),
        None if matches!(verifying, Verifying::Starts(_) | Verifying::Works) => {
            Some(not_yet("the first verification is in progress"))
        }
        None => None,
    }
}

/// What was found last, where nothing else is known.
pub(super) fn last_result(status: &CandidateExportStatus) -> Option<Observation> {
    status.drift.as_ref().map(result)
}

fn words(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::DryRun => {
            "a dry run delivers nobody, so that nobody is verified; a request is acted on once \
             spec.mode is Push"
        }
        Obstacle::File => "the destination is a file: nobody is verified in Clinch",
        Obstacle::Suspended => "spec.suspend is set: nobody is verified",
        Obstacle::OutsideWindow => "none of spec.windows is open: nobody is verified",
        Obstacle::NotInPlace => {
            "people are verified once everybody is delivered and the integration is ready"
        }
    }
}

/// Whether nobody is verified because a spec says so.
fn is_asked_for(message: &str) -> bool {
    Obstacle::ALL.iter().any(|obstacle| words(*obstacle) == message)
}

fn not_yet(message: &str) -> Observation {
    Observation::new(ConditionType::Drifted, None, Reason::Progressing, message)
}

fn not_verified(message: &str) -> Observation {
    Observation::new(ConditionType::Drifted, None, Reason::NotVerified, message)
}

/// Why the latest verification has no result.
fn failure(verification: &RunState) -> Option<String> {
    match &ended(verification)?.report.ending {
        Ending::Interrupted { disposition, message } => {
            Some(format!("{}: {message}", disposition.reason()))
        }
        Ending::SourceFailed(cause) => Some(format!("{}: {}", cause.reason, cause.message)),
        Ending::Completed | Ending::SourceUnchanged | Ending::Stopped => None,
    }
}

/// The condition that a result gives.
fn result(drift: &DriftSeen) -> Observation {
    let DriftSeen { people, missing, changed, anonymised, .. } = drift;
    let corrected = drift.corrected.unwrap_or_default();
    let (status, reason, mut message) = if missing + anonymised + changed - corrected > 0 {
        let found =
            [(*missing, "missing"), (*changed, "with other values"), (*anonymised, "anonymised")];
        let found: Vec<String> = found
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        let message = format!("of {people} people in Clinch: {}", found.join(", "));
        (Some(true), Reason::DriftFound, message)
    } else if let Some(unread) = drift.unread {
        (None, Reason::NotVerified, format!("{unread} of {people} people could not be read"))
    } else if *changed > 0 {
        let message = format!("of {people} people in Clinch: {changed} with other values");
        (Some(false), Reason::DriftCorrected, message)
    } else {
        (Some(false), Reason::NoDrift, format!("{people} people are in Clinch as delivered"))
    };
    if corrected > 0 {
        let _ = write!(message, "; {corrected} written again");
    }
    if let Some(why) = &drift.held_back {
        let _ = write!(message, "; nobody was written again: {why}");
    }
    if let Some(normalised) = drift.normalised {
        let _ =
            write!(message, "; {normalised} with values that Clinch stores in a form of its own");
    }
    if let Some(unread) = drift.unread {
        if reason == Reason::DriftFound {
            let _ = write!(message, "; {unread} could not be read");
        }
        if let Some(first) = &drift.first_unread {
            let _ = write!(message, "; first: {first}");
        }
    }
    Observation::new(ConditionType::Drifted, status, reason, message)
}

/// The verdict of a pass while a requested verification is in progress: Ready stays. One that the
/// interval started does not show, as nobody waits for it.
pub(super) fn in_progress(
    next: &mut CandidateExportStatus,
    verdict: Verdict,
    gathered: &Gathered,
    verifying: &Verifying,
) -> Verdict {
    let shown = match verifying {
        Verifying::Starts(state) => Some(&**state),
        Verifying::Works => gathered.verification.as_ref(),
        Verifying::Idle | Verifying::Waits(_) | Verifying::Stops => None,
    };
    let Some(shown) = shown.filter(|state| state.requested.is_some()) else {
        if recorded::in_place(next).is_some() && next.progress.is_some() {
            next.progress = Some(100);
        }
        return verdict;
    };
    let is_known = shown.progress.drift.people > 0;
    next.progress = Some(if is_known { shown.progress.drift.percent().into() } else { 0 });
    match verdict {
        Verdict::Ready(ready) => Verdict::Working {
            ready,
            message: format!(
                "verifying that people are in Clinch as they were delivered, with {COST}"
            ),
        },
        other => other,
    }
}

/// An Event, if the condition says something else than before.
pub(super) fn news(
    previous: &CandidateExportStatus,
    next: &CandidateExportStatus,
) -> Option<Notice> {
    let before = find(&previous.conditions, ConditionType::Drifted);
    let now = find(&next.conditions, ConditionType::Drifted)?;
    let reason = Reason::from_word(&now.reason)?;
    let is_same = before.is_some_and(|before| {
        (&before.status, &before.reason) == (&now.status, &now.reason)
            && (now.status != STATUS_TRUE || before.message == now.message)
    });
    let kind = match reason {
        _ if is_same || is_asked_for(&now.message) => return None,
        Reason::DriftFound | Reason::DriftCorrected | Reason::NotVerified => NoticeType::Warning,
        // What was found is over.
        Reason::NoDrift if before.is_some_and(|before| before.status != STATUS_FALSE) => {
            NoticeType::Normal
        }
        _ => return None,
    };
    Some(Notice { kind, reason, action: "Verify", message: now.message.clone() })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::conditions;

    fn seen(missing: i64, changed: i64, corrected: Option<i64>) -> DriftSeen {
        DriftSeen {
            missing,
            changed,
            corrected,
            ..super::seen(&Drift { people: 200, ..Drift::default() }, Time(Timestamp::UNIX_EPOCH))
        }
    }

    fn status(drift: &DriftSeen) -> CandidateExportStatus {
        let previous = CandidateExportStatus::default();
        let mut next = previous.clone();
        let verdict = Verdict::ready(Reason::Synced, "");
        let now = Timestamp::UNIX_EPOCH;
        conditions::apply(&previous, &mut next, 1, vec![result(drift)], &verdict, now);
        next
    }

    #[test]
    fn a_result_says_what_is_left() {
        let shown = |drift: DriftSeen| {
            let Observation { status, reason, message, .. } = result(&drift);
            (status, reason, message)
        };
        assert_eq!(
            shown(seen(0, 0, None)),
            (Some(false), Reason::NoDrift, "200 people are in Clinch as delivered".into())
        );
        assert_eq!(
            shown(seen(2, 3, None)),
            (
                Some(true),
                Reason::DriftFound,
                "of 200 people in Clinch: 2 missing, 3 with other values".into()
            )
        );
        let (status, reason, message) = shown(seen(0, 3, Some(3)));
        assert_eq!((status, reason), (Some(false), Reason::DriftCorrected));
        assert_eq!(message, "of 200 people in Clinch: 3 with other values; 3 written again");
        let unread = DriftSeen {
            unread: Some(1),
            first_unread: Some("inline[3]: 422".into()),
            ..seen(0, 0, None)
        };
        let (status, reason, message) = shown(unread.clone());
        assert_eq!((status, reason), (None, Reason::NotVerified));
        assert_eq!(message, "1 of 200 people could not be read; first: inline[3]: 422");
        assert!(shown(DriftSeen { missing: 1, ..unread }).2.contains("1 could not be read"));
    }

    #[test]
    fn what_was_found_is_told_once_and_what_is_over_too() {
        let none = CandidateExportStatus::default();
        let (fine, found) = (status(&seen(0, 0, None)), status(&seen(2, 0, None)));
        let more = status(&seen(3, 0, None));
        assert_eq!(news(&none, &fine), None);
        assert_eq!(news(&fine, &found).unwrap().reason, Reason::DriftFound);
        assert_eq!(news(&found, &found), None);
        assert_eq!(news(&found, &more).unwrap().kind, NoticeType::Warning);
        let over = news(&found, &fine).unwrap();
        assert_eq!((over.kind, over.reason), (NoticeType::Normal, Reason::NoDrift));
    }
}
