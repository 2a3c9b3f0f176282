//! What is due to one receiver about one object. Pure.
//!
//! A receiver gets the state, not each change: what is announced is compared with what is the case. So a
//! fault that comes and goes while nothing can be sent is not announced, nor one that is retried and over
//! before it has lasted.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::standing::{Standing, State};
use crate::{api::Notified, conditions::whole_seconds, domain::Reason};

/// The most messages about one object to one receiver within [`PERIOD`].
pub(super) const MOST: usize = 6;
const PERIOD: Duration = Duration::from_hours(1);

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

/// A receiver, and what it was sent last.
#[derive(Clone, Copy)]
pub(super) struct To<'a> {
    pub(super) name: &'a str,
    /// How long a failure that is retried lasts before it is sent.
    pub(super) patience: Duration,
    /// The latest message.
    pub(super) before: Option<&'a Notified>,
    /// What this process did with it.
    pub(super) tried: Tried,
}

/// What to do about a receiver, as an object stands.
pub(super) fn step(to: To<'_>, standing: &Standing, now: Timestamp) -> Step {
    let To { name, patience, before, tried } = to;
    let (ready, retried) = match standing.state {
        State::Ready => (true, false),
        State::Stalled => (false, false),
        State::Retried => (false, true),
        State::Between => return Step::Rest,
    };
    if tried == Tried::UnderWay {
        return Step::Rest;
    }
    let same = before.filter(|before| (before.ready, before.retried) == (ready, retried));
    if let Some(before) = same {
        return match tried {
            _ if before.delivered => Step::Rest,
            Tried::Until(until) if until > now => Step::Wait(from(now, until)),
            _ => Step::Send { quiet_until: quiet_until(&before.sent), entry: before.clone() },
        };
    }
    // That it is retried meanwhile is no news.
    let known = retried && before.is_some_and(|before| !before.ready && before.delivered);
    if known || (before.is_none() && ready) {
        return Step::Rest;
    }
    let due = standing.since + patience;
    if retried && due > now {
        return Step::Wait(from(now, due));
    }
    let mut sent: Vec<Time> = before.map(|before| before.sent.clone()).unwrap_or_default();
    // Either side of now: the clock may have been set back.
    sent.retain(|at| now.duration_since(at.0).unsigned_abs() < PERIOD);
    if sent.len() >= MOST {
        return Step::Wait(from(now, sent[0].0 + PERIOD));
    }
    sent.push(Time(whole_seconds(now)));
    let entry = Notified {
        name: name.to_owned(),
        ready,
        retried,
        reason: standing.reason.map(Reason::as_str).map(str::to_owned),
        since: Some(Time(standing.since)),
        number: before.map_or(0, |before| before.number) + 1,
        delivered: false,
        sent,
    };
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

    const PATIENCE: Duration = Duration::from_mins(5);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn standing(state: State, since: i64) -> Standing {
        let reason = match state {
            State::Ready => Reason::Synced,
            State::Stalled => Reason::InvalidSpec,
            State::Retried => Reason::Timeout,
            State::Between => Reason::Progressing,
        };
        Standing { state, reason: Some(reason), since: at(since) }
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

    fn tried(before: Option<&Notified>, standing: &Standing, tried: Tried, second: i64) -> Step {
        step(To { name: "ops", patience: PATIENCE, before, tried }, standing, at(second))
    }

    /// What is due at a time to an object that has stood so since 0.
    fn then(before: Option<&Notified>, state: State, second: i64) -> Step {
        tried(before, &standing(state, 0), Tried::Not, second)
    }

    fn wait(seconds: u64) -> Step {
        Step::Wait(Duration::from_secs(seconds))
    }

    #[test]
    fn a_fault_and_its_end_are_announced_once_each() {
        assert_eq!(then(None, State::Ready, 0), Step::Rest, "nothing was wrong");
        assert_eq!(then(None, State::Between, 0), Step::Rest);
        let (fault, quiet) = sent(then(None, State::Stalled, 10));
        assert_eq!((fault.ready, fault.number, fault.delivered, quiet), (false, 1, false, None));
        assert_eq!((fault.retried, fault.reason.as_deref()), (false, Some("InvalidSpec")));
        let fault = delivered(fault);
        for state in [State::Stalled, State::Between, State::Retried] {
            assert_eq!(then(Some(&fault), state, 2000), Step::Rest, "{state:?}");
        }
        let (back, _) = sent(then(Some(&fault), State::Ready, 30));
        assert_eq!((back.ready, back.number, back.sent.len()), (true, 2, 2));
        assert_eq!(then(Some(&delivered(back)), State::Ready, 40), Step::Rest);
    }

    #[test]
    fn a_failure_that_is_retried_is_announced_once_it_lasts_and_again_when_it_stalls() {
        assert_eq!(then(None, State::Retried, 0), wait(300));
        assert_eq!(then(None, State::Retried, 299), wait(1));
        let (fault, _) = sent(then(None, State::Retried, 300));
        assert_eq!((fault.ready, fault.retried, fault.number), (false, true, 1));
        assert_eq!(fault.reason.as_deref(), Some("Timeout"));
        assert_eq!(fault.since, Some(Time(at(0))));
        let fault = delivered(fault);
        for state in [State::Retried, State::Between] {
            assert_eq!(then(Some(&fault), state, 4000), Step::Rest, "{state:?}");
        }
        assert!(sent(then(Some(&fault), State::Ready, 301)).0.ready);
        // Now somebody has to act.
        let (stalled, _) = sent(then(Some(&fault), State::Stalled, 400));
        assert_eq!((stalled.retried, stalled.number), (false, 2));
        assert_eq!(then(Some(&delivered(stalled)), State::Retried, 4000), Step::Rest);
        // A blip after the end of a fault.
        let back = delivered(Notified { ready: true, retried: false, ..fault });
        let blip = standing(State::Retried, 400);
        assert_eq!(tried(Some(&back), &blip, Tried::Not, 401), wait(299));
    }

    #[test]
    fn what_is_not_known_to_be_delivered_is_sent_again_with_its_number() {
        let (fault, _) = sent(then(None, State::Stalled, 10));
        // After a restart.
        assert_eq!(sent(then(Some(&fault), State::Stalled, 20)), (fault.clone(), None));
        // By this process: not while it is being sent, nor right after a failure.
        let stalled = standing(State::Stalled, 0);
        let then = |done, second| tried(Some(&fault), &stalled, done, second);
        assert_eq!(then(Tried::UnderWay, 20), Step::Rest);
        assert_eq!(then(Tried::Until(at(100)), 20), wait(80));
        assert_eq!(sent(then(Tried::Until(at(100)), 100)).0, fault);
        // It may have arrived: the end of the fault is announced in any case.
        let ready = standing(State::Ready, 0);
        assert!(sent(tried(Some(&fault), &ready, Tried::Until(at(100)), 20)).0.ready);
        // And so is what has become of it: the message says Stalled.
        let retried = standing(State::Retried, 0);
        assert!(sent(tried(Some(&fault), &retried, Tried::Not, 310)).0.retried);
    }

    #[test]
    fn there_are_six_messages_an_hour_and_the_sixth_says_so() {
        let (mut last, mut quiet) = (None, None);
        for second in 0..6 {
            assert_eq!(quiet, None);
            let state = if second % 2 == 0 { State::Stalled } else { State::Ready };
            let (entry, until) = sent(then(last.as_ref(), state, second * 60));
            (last, quiet) = (Some(delivered(entry)), until);
        }
        assert_eq!(quiet, Some(at(3600)));
        for state in [State::Stalled, State::Retried] {
            let seventh = |second| then(last.as_ref(), state, second);
            assert_eq!(seventh(360), wait(3240));
            assert_eq!(seventh(3599), wait(1));
            let (entry, until) = sent(seventh(3600));
            assert_eq!((entry.number, entry.sent.len(), until), (7, 6, Some(at(3660))));
        }
        // Nothing has changed at the end of that time: nothing is sent.
        assert_eq!(then(last.as_ref(), State::Ready, 3600), Step::Rest);
    }

    #[test]
    fn a_clock_that_is_set_back_silences_nothing_for_longer() {
        let (entry, _) = sent(then(None, State::Stalled, 0));
        let sent_later = (0..6).map(|second| Time(at(1_000_000 + second))).collect();
        let before =
            Notified { ready: true, number: 6, delivered: true, sent: sent_later, ..entry };
        assert_eq!(sent(then(Some(&before), State::Stalled, 10)).0.number, 7);
    }
}
