//! What is due to one receiver about one object. Pure.
//!
//! A receiver gets the state, not each change: what is announced is compared with what is the case. So a
//! fault that comes and goes while nothing can be sent is not announced.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    api::{CommonStatus, ConditionType, Notified, STATUS_TRUE},
    conditions::{find, whole_seconds},
};

/// The most messages about one object to one receiver within [`PERIOD`].
pub(super) const MOST: usize = 6;
const PERIOD: Duration = Duration::from_hours(1);

/// How an object stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is Ready.
    Ready,
    /// Only a change by a person helps.
    Stalled,
    /// It works, is retried, waits for another object, or is suspended: nothing is announced.
    Between,
}

impl Standing {
    pub(super) fn of(status: &impl CommonStatus) -> Self {
        let is = |condition| {
            find(status.conditions(), condition).is_some_and(|found| found.status == STATUS_TRUE)
        };
        if is(ConditionType::Stalled) {
            Self::Stalled
        } else if is(ConditionType::Ready) {
            Self::Ready
        } else {
            Self::Between
        }
    }
}

/// What this process did with the latest message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tried {
    /// Nothing, or it was delivered.
    Not,
    /// It is being sent.
    UnderWay,
    /// It could not be delivered, and is sent again at this time.
    Until(Timestamp),
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// Nothing.
    Rest,
    /// To look again after this time.
    Wait(Duration),
    /// To send the message of this entry. `quiet_until`: it is the last one before this time.
    Send { entry: Notified, quiet_until: Option<Timestamp> },
}

/// What to do after `before`, the latest message to the receiver `name`.
pub(super) fn step(
    name: &str,
    before: Option<&Notified>,
    standing: Standing,
    tried: Tried,
    now: Timestamp,
) -> Step {
    let ready = match standing {
        Standing::Ready => true,
        Standing::Stalled => false,
        Standing::Between => return Step::Rest,
    };
    if tried == Tried::UnderWay {
        return Step::Rest;
    }
    let same = before.filter(|before| before.ready == ready);
    if let Some(before) = same {
        return match tried {
            _ if before.delivered => Step::Rest,
            Tried::Until(until) if until > now => Step::Wait(from(now, until)),
            _ => Step::Send { quiet_until: quiet_until(&before.sent), entry: before.clone() },
        };
    }
    if before.is_none() && ready {
        return Step::Rest;
    }
    let mut sent: Vec<Time> = before.map(|before| before.sent.clone()).unwrap_or_default();
    // Either side of now: the clock may have been set back.
    sent.retain(|at| now.duration_since(at.0).unsigned_abs() < PERIOD);
    if sent.len() >= MOST {
        return Step::Wait(from(now, sent[0].0 + PERIOD));
    }
    sent.push(Time(whole_seconds(now)));
    let number = before.map_or(0, |before| before.number) + 1;
    let entry = Notified { name: name.to_owned(), ready, number, delivered: false, sent };
    Step::Send { quiet_until: quiet_until(&entry.sent), entry }
}

fn quiet_until(sent: &[Time]) -> Option<Timestamp> {
    (sent.len() >= MOST).then(|| sent[0].0 + PERIOD)
}

/// The time until a moment, a second at least.
fn from(now: Timestamp, until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(now)).unwrap_or_default().max(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn sent(step: Step) -> (Notified, Option<Timestamp>) {
        match step {
            Step::Send { entry, quiet_until } => (entry, quiet_until),
            other => panic!("{other:?}"),
        }
    }

    fn delivered(entry: Notified) -> Notified {
        Notified { delivered: true, ..entry }
    }

    fn then(before: Option<&Notified>, standing: Standing, second: i64) -> Step {
        step("ops", before, standing, Tried::Not, at(second))
    }

    #[test]
    fn a_fault_and_its_end_are_announced_once_each() {
        assert_eq!(then(None, Standing::Ready, 0), Step::Rest, "it was never Stalled");
        assert_eq!(then(None, Standing::Between, 0), Step::Rest);
        let (fault, quiet) = sent(then(None, Standing::Stalled, 10));
        assert_eq!((fault.ready, fault.number, fault.delivered, quiet), (false, 1, false, None));
        let fault = delivered(fault);
        for standing in [Standing::Stalled, Standing::Between] {
            assert_eq!(then(Some(&fault), standing, 20), Step::Rest, "{standing:?}");
        }
        let (back, _) = sent(then(Some(&fault), Standing::Ready, 30));
        assert_eq!((back.ready, back.number, back.sent.len()), (true, 2, 2));
        assert_eq!(then(Some(&delivered(back)), Standing::Ready, 40), Step::Rest);
    }

    #[test]
    fn what_is_not_known_to_be_delivered_is_sent_again_with_its_number() {
        let (fault, _) = sent(then(None, Standing::Stalled, 10));
        // After a restart.
        assert_eq!(sent(then(Some(&fault), Standing::Stalled, 20)), (fault.clone(), None));
        // By this process: not while it is being sent, nor right after a failure.
        let tried = |tried, second| step("ops", Some(&fault), Standing::Stalled, tried, at(second));
        assert_eq!(tried(Tried::UnderWay, 20), Step::Rest);
        assert_eq!(tried(Tried::Until(at(100)), 20), Step::Wait(Duration::from_secs(80)));
        assert_eq!(sent(tried(Tried::Until(at(100)), 100)).0, fault);
        // It may have arrived: the end of the fault is announced in any case.
        let back = step("ops", Some(&fault), Standing::Ready, Tried::Until(at(100)), at(20));
        assert!(sent(back).0.ready);
    }

    #[test]
    fn there_are_six_messages_an_hour_and_the_sixth_says_so() {
        let (mut last, mut quiet) = (None, None);
        for second in 0..6 {
            assert_eq!(quiet, None);
            let standing = if second % 2 == 0 { Standing::Stalled } else { Standing::Ready };
            let (entry, until) = sent(then(last.as_ref(), standing, second * 60));
            (last, quiet) = (Some(delivered(entry)), until);
        }
        assert_eq!(quiet, Some(at(3600)));
        let seventh = |second| then(last.as_ref(), Standing::Stalled, second);
        assert_eq!(seventh(360), Step::Wait(Duration::from_secs(3240)));
        assert_eq!(seventh(3599), Step::Wait(Duration::from_secs(1)));
        let (entry, until) = sent(seventh(3600));
        assert_eq!((entry.number, entry.sent.len(), until), (7, 6, Some(at(3660))));
        // Nothing has changed at the end of that time: nothing is sent.
        assert_eq!(then(last.as_ref(), Standing::Ready, 3600), Step::Rest);
    }

    #[test]
    fn a_clock_that_is_set_back_silences_nothing_for_longer() {
        let sent_later = (0..6).map(|second| Time(at(1_000_000 + second))).collect();
        let before = Notified {
            name: "ops".to_owned(),
            ready: true,
            number: 6,
            delivered: true,
            sent: sent_later,
        };
        assert_eq!(sent(then(Some(&before), Standing::Stalled, 10)).0.number, 7);
    }
}
