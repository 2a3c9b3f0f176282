//! The pace of requests: an estimate of Clinch's real limit, learned from its responses alone. Pure;
//! the time is an argument.
//!
//! **No limit is known:** a window of requests in flight, which grows with each response. The first
//! 429 halves it, as with TCP's slow start, and it grows again to just below what was refused. That
//! is all that a limit of concurrent requests takes. If hardly any request that was in flight with the
//! 429 was accepted, or smaller windows are refused too, the limit is a rate.
//!
//! **A rate is known to be too high:** the rate follows a cubic, as in CUBIC and the adaptive retries of
//! the AWS SDKs: quickly up to a plateau just below the rate accepted last, along the plateau, then
//! slowly beyond. So it stays near the limit most of the time, and exceeds it about once in 80 s. If no
//! 429 follows beyond it, the limit was raised, and the rate accelerates. A 429 soon after the last one
//! means that the limit was lowered: the rate falls to what was accepted since, the pause included. A
//! limit that has moved tends to move again (others use the account): the next climbs are faster, and
//! slow down while the limit stays.
//!
//! **Stretches of work between pauses** that have one limit and one burst in common show both exactly
//! (`fit.rs`): a plateau that was a guess gives way to that limit, and most of the burst is used after a moment
//! without requests.
//!
//! **A 429 that asks for two seconds or more** is the end of a quota for a window of time: the rate is above
//! the average, so that the quota is used up before it is renewed (`quota.rs`).
//!
//! **429s in a row** without another response mean that the pause was too short (a window of requests
//! that is used up), not that the rate is: the pauses grow, and the rate is that of the whole cycle.
//!
//! **Frequent 429s that ask for no wait** may not depend on the rate: it doubles as long as they are single
//! ones (`rise.rs`).
//!
//! **429s that cuts do not change** are not ours to prevent (`strays.rs`, `fall.rs`): the rate from before
//! is restored, and only their `Retry-After` is honoured. Beside strays that ask for a wait, the limit is
//! found by how many 429s there are (`seek.rs`).

mod cut;
mod doubt;

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Limits,
    curve::{Curve, MIN_RATE},
    fall::Fall,
    fit::Fit,
    history::History,
    quota::{Quota, Spans},
    rise::Rise,
    seek::Seek,
    strays::{Sign, Strays},
    window::Window,
};

/// The minimum rate after the first 429, in requests per second.
pub(super) const MIN_START: f64 = 2.0;
/// The rate never rises above this, in requests per second.
pub(super) const MAX_RATE: f64 = 100_000.0;
/// The pause after a 429 without `Retry-After`.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);
/// The first pause after 429s in a row that ask for none; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
/// The longest of them; in a long cycle, a part of what it has taken so far.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const PART_OF_CYCLE: u32 = 10;
/// From which 429 in a row on, counted from zero, they are no strays.
const ROW: u32 = 2;
/// The rate does not rise beyond the known limit while less than this share of it is used.
const USED: f64 = 0.5;

/// What is known about the limit.
#[derive(Debug)]
pub(super) struct Pace {
    phase: Phase,
    rate: f64,
    history: History,
    strays: Strays,
    /// The pace before the first of the latest 429s that may be strays.
    fine: Option<(Phase, f64)>,
    /// The pace to resume if a test shows that they are no strays.
    resume: Option<(Phase, f64)>,
    /// The latest rate that was fine, and what happened far below it since.
    fall: Option<Fall<(Phase, f64)>>,
    /// When a test ends at the latest.
    test_until: Instant,
    /// The pace when the latest 429s proved to be strays.
    before_proof: Option<(Phase, f64)>,
    /// Whether the rate may rise although single requests are refused.
    rise: Rise,
    /// The 429s in a row, and the work before the first of them.
    streak: Option<Streak>,
    stragglers: Stragglers,
    /// The wait that the latest 429 asked for.
    asked: Option<Duration>,
    /// The window before the rate explained a 429, and the rate that it was sure to allow.
    /// And until when a 429 far below it speaks for the window.
    narrow: Option<(Window, f64, Instant)>,
    /// The latest work and the pauses after it.
    spans: Spans,
    /// What the stretches of work between pauses say of the limit.
    fit: Fit,
    /// How many permits may be saved.
    saved: f64,
}

/// Requests that were in flight at the latest 429, and the responses to them.
#[derive(Debug, Clone, Copy, Default)]
struct Stragglers {
    of: usize,
    fine: usize,
    refused: usize,
}

/// 429s without another response between them.
#[derive(Debug, Clone, Copy)]
struct Streak {
    events: u32,
    since: Instant,
    requests: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// No rate is known to be too high, and no ceiling is configured: as many requests may be in
    /// flight as the window says, at any rate.
    Open(Window),
    /// Nothing: the configured ceiling is tried.
    Ceiling,
    /// It was hit once: the rate doubles within a second of full use.
    Doubling,
    /// It was hit again.
    Around(Curve),
    /// It is a quota for a window of several seconds.
    Quota(Quota),
    /// There are strays that ask for a wait.
    Beside(Seek),
}

impl Streak {
    /// The shortest pause after so many 429s in a row, in a cycle that has taken so long.
    fn pause(events: u32, so_far: Duration) -> Duration {
        let longest = LONGEST_PAUSE.max(so_far / PART_OF_CYCLE);
        FIRST_PAUSE.saturating_mul(1 << events.min(10)).min(longest)
    }
}

impl Pace {
    /// As fast as the ceiling allows; without one, as fast as responses arrive.
    pub(super) fn initial(limits: Limits, now: Instant) -> Self {
        let (phase, rate) = match limits.requests_per_second {
            Some(ceiling) => (Phase::Ceiling, f64::from(ceiling)),
            None => (Phase::Open(Window::first(now)), MAX_RATE),
        };
        Self {
            phase,
            rate,
            history: History::from(now),
            strays: Strays::default(),
            fine: None,
            resume: None,
            fall: None,
            test_until: now,
            before_proof: None,
            rise: Rise::default(),
            streak: None,
            stragglers: Stragglers::default(),
            asked: None,
            narrow: None,
            spans: Spans::default(),
            fit: Fit::from(now),
            saved: 0.0,
        }
    }

    /// In requests per second.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// How many permits may be saved while nothing is sent: the limit saves more.
    pub(super) fn saved(&self) -> f64 {
        self.saved
    }

    /// Maximum requests in flight.
    pub(super) fn window(&self, limits: Limits) -> usize {
        let window = match self.phase {
            Phase::Open(window) => window.size.min(limits.max_in_flight),
            _ => limits.max_in_flight,
        };
        window.max(1)
    }

    /// Bounds the rate by new ceilings.
    pub(super) fn bound(&mut self, limits: Limits) {
        let ceiling = limits.requests_per_second.map_or(MAX_RATE, f64::from);
        self.rate = self.rate.clamp(MIN_RATE.min(ceiling), ceiling);
    }

    /// The response to a request was not a 429.
    pub(super) fn answered(&mut self, limits: Limits, now: Instant) {
        self.history.count(self.rate, now);
        self.fit.accepted(now);
        if let Some(fall) = &mut self.fall {
            fall.accepted(self.history.recent_rate(now));
        }
        self.accepted(now);
        self.rise.accepted();
        self.streak = None;
        match &mut self.phase {
            Phase::Open(window) => {
                window.answered(limits, || self.history.accepted(self.rate, now).rate, now);
                self.rate = window.rate().unwrap_or(MAX_RATE);
            }
            Phase::Ceiling => {}
            Phase::Doubling => self.rate += 1.0,
            Phase::Around(curve) => {
                let below = curve.used < curve.climb;
                if below || self.history.recent_rate(now) >= USED * self.rate {
                    curve.used += 1.0 / self.rate;
                }
                self.rate = curve.rate();
            }
            Phase::Quota(quota) => {
                if self.history.recent_rate(now) >= USED * self.rate {
                    quota.answered();
                }
                self.rate = quota.rate();
            }
            Phase::Beside(seek) => {
                // A ceiling below it leaves it unused.
                let gone = seek.accepted(self.history.recent_rate(now) / seek.rate());
                self.rate = seek.rate();
                if gone {
                    self.strays = Strays::default();
                    self.phase = Phase::Around(Curve::guessed(self.rate));
                }
            }
        }
        self.bound(limits);
    }

    /// The response to a request that was sent before the latest 429.
    pub(super) fn straggled(&mut self, limits: Limits, accepted: bool, now: Instant) {
        let Stragglers { of, fine, refused } = &mut self.stragglers;
        if accepted {
            *fine += 1;
            self.fit.straggled();
            self.accepted(now);
            // If no wait was asked for, the pause may be too short whatever was accepted before it.
            if self.asked.is_some() {
                self.streak = None;
            }
            return;
        }
        *refused += 1;
        let most = *refused > *fine;
        let (of, fine, refused) = (*of, *fine, *refused);
        if self.strays.refused_too(most) {
            self.resume_pace();
        }
        if refused >= 3
            && refused > 3 * fine
            && (fine + refused) * 4 >= of * 3
            && let Phase::Open(_) = self.phase
        {
            // Hardly any was accepted: that is not a matter of how many are in flight.
            self.double(now);
            self.bound(limits);
        } else if let Phase::Open(window) = &mut self.phase
            && !window.halved
        {
            window.size = (window.size - 1).max(1);
        }
    }

    /// A response was a 429, the first one since the last pause; `in_flight` requests were in flight
    /// with it. `requested`: the `Retry-After`. Returns whether the pace stays as it is, and the pause. A
    /// new rate applies once the pause is over.
    pub(super) fn limited(
        &mut self,
        limits: Limits,
        requested: Option<Duration>,
        in_flight: usize,
        now: Instant,
    ) -> (bool, Duration) {
        let accepted = self.history.accepted(self.rate, now);
        let pause = requested.unwrap_or(DEFAULT_PAUSE);
        self.fit.refused(pause, now);
        self.asked = requested;
        if let Phase::Beside(seek) = &mut self.phase {
            if self.streak.is_none_or(|streak| streak.events < ROW) {
                seek.refused(accepted.rate);
                self.rate = seek.rate();
                self.bound(limits);
                let pause = self.in_a_row(requested, now);
                return self.stray(Some(pause));
            }
            self.rate = seek.rate();
            self.phase = Phase::Around(Curve::known(self.rate));
            self.strays = Strays::default();
        }
        let expected =
            matches!(&self.phase, Phase::Quota(quota) if quota.expects(pause.as_secs_f64()));
        if !expected
            && !self.strays.are_proved()
            && self.streak.is_none()
            && self.falls(&accepted, now)
        {
            self.try_soon(requested);
            return self.stray(requested);
        }
        if pause.is_zero()
            && self.streak.is_none()
            && !self.strays.are_proved()
            && self.rises(limits, now)
        {
            return (true, pause);
        }
        let (mut sign, rate) = (expected.then_some(Sign::Limit { first: false }), self.rate);
        if self.strays.are_proved() {
            sign = Some(self.strays.refused(accepted.seconds));
            if sign == Some(Sign::Stray) {
                if let Phase::Around(_) | Phase::Quota(_) = self.phase {
                    self.seek(requested, |share| Seek::rising(rate, share));
                }
                return self.stray(requested);
            }
            if matches!(self.phase, Phase::Doubling | Phase::Around(_) | Phase::Quota(_))
                && self.seek(requested, |share| Seek::around(accepted.rate, share))
            {
                return self.stray(requested);
            }
        }
        if let Some(pause) = self.again(pause, now) {
            self.bound(limits);
            self.history = History::from(now + pause);
            return (false, pause);
        }
        self.streak =
            Some(Streak { events: 0, since: self.history.since(), requests: accepted.requests });
        self.stragglers = Stragglers { of: in_flight.saturating_sub(1), fine: 0, refused: 0 };
        let sign = sign.unwrap_or_else(|| self.strays.refused(accepted.seconds));
        self.follow(sign, &accepted, pause, in_flight, now);
        if sign == Sign::Proved {
            self.try_soon(requested);
        }
        self.bound(limits);
        if pause.is_zero() {
            self.history.restart(now);
        } else {
            self.history = History::from(now + pause);
        }
        (matches!(sign, Sign::Proved | Sign::Stray), pause)
    }

    /// A pause that says nothing about the rate.
    pub(super) fn postponed(&mut self, pause: Duration) {
        self.history.skip(pause);
        self.fit.skip(pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_in_a_row_double_and_are_longest_in_a_long_cycle() {
        let pauses = |so_far| {
            [1, 2, 5, 9, 40].map(|events| {
                let pause = Streak::pause(events, Duration::from_secs(so_far));
                u64::try_from(pause.as_millis()).unwrap()
            })
        };
        assert_eq!(pauses(1), [50, 100, 800, 2000, 2000]);
        assert_eq!(pauses(60), [50, 100, 800, 6000, 6000]);
    }
}
