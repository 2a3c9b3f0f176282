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

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Limits,
    curve::{Curve, DEPTHS, MIN_RATE, MOST_HASTE},
    fall::Fall,
    fit::Fit,
    history::{Accepted, History},
    quota::{LEAST_WAIT, Quota, Spans},
    rise::Rise,
    seek::Seek,
    strays::{Sign, Strays},
    window::{Explained, FASTER, Window},
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
/// From which length in seconds on, and after how many 429s in a row, a cycle is known well enough to keep
/// to it.
const LONG_CYCLE: f64 = 20.0;
const LONG_ROW: u32 = 3;
/// How long a test may take until the next 429.
const LONGEST_TEST: Duration = Duration::from_secs(10);
/// A window is cut for a test if it is larger than this. A smaller one may still exceed a limit of the rate.
const SMALLEST_TEST: usize = 2;
/// To which share a rate is cut for a test.
const TEST_CUT: f64 = 0.6;
/// From which 429 in a row on, counted from zero, they are no strays.
const ROW: u32 = 2;
/// A 429 within this many pauses' length after a pause means that the limit is far below.
const SOON: f64 = 3.0;
/// The least that it is cut then.
const SOON_CUT: f64 = 0.94;
/// A 429 without a wait within so many seconds after the limit was hit is the same event, and lowers the
/// plateau to this share, if the rate is so high that many requests are sent meanwhile, and this share of it
/// was accepted before: otherwise the limit may be far below.
const AT_ONCE: f64 = 0.1;
const MANY: f64 = 200.0;
const SUSTAINED: f64 = 0.8;
const LOWER: f64 = 0.99;
/// A rate so many times higher than what is answered has met no limit.
const UNUSED: f64 = 3.0;
/// What is far below a rate that is sure, as a share of it.
const BELOW: f64 = 0.93;
/// How long that shows that the rate did not explain a 429. Later, the limit may have fallen.
const DOUBTED: Duration = Duration::from_secs(60);
/// How much of a rate that was accepted for a moment is sure.
const SURE: f64 = 0.88;
/// How much of the burst of a limit is used after nothing was sent for a moment.
const SAVED: f64 = 0.75;
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

    /// Seeks the limit beside strays, if they are proved and ask for a wait.
    fn seek(&mut self, requested: Option<Duration>, from: impl FnOnce(f64) -> Seek) -> bool {
        let waits = requested.is_some_and(|wait| !wait.is_zero());
        let Some(share) = self.strays.share().filter(|_| waits) else { return false };
        let seek = from(share);
        (self.phase, self.rate) = (Phase::Beside(seek), seek.rate());
        true
    }

    /// The pause after a stray. Several in a row are hardly strays.
    fn in_a_row(&mut self, requested: Option<Duration>, now: Instant) -> Duration {
        let requested = requested.unwrap_or_default();
        let Some(streak) = &mut self.streak else {
            self.streak = Some(Streak { events: 0, since: now, requests: 0 });
            return requested;
        };
        streak.events += 1;
        if streak.events < ROW {
            requested
        } else {
            requested.max(Streak::pause(streak.events - 1, Duration::ZERO))
        }
    }

    /// Whether the rate rises although a request was refused.
    fn rises(&mut self, limits: Limits, now: Instant) -> bool {
        match self.phase {
            Phase::Doubling => {
                let continues = self.rise.continues();
                if continues
                    && self.rate > UNUSED * self.history.recent_rate(now)
                    && let Some(share) = self.rise.share()
                {
                    self.strays.prove(share);
                    self.phase = Phase::Open(Window::of(limits.max_in_flight, now));
                    self.rate = MAX_RATE;
                    self.bound(limits);
                }
                continues
            }
            Phase::Around(_) | Phase::Quota(_) if self.rise.begins() => {
                self.phase = Phase::Doubling;
                (self.fall, self.fine, self.resume) = (None, None, None);
                self.strays.end_test();
                true
            }
            _ => false,
        }
    }

    /// A pause that says nothing about the rate.
    pub(super) fn postponed(&mut self, pause: Duration) {
        self.history.skip(pause);
        self.fit.skip(pause);
    }

    /// A stray holds nobody up who was not asked to wait.
    fn stray(&mut self, requested: Option<Duration>) -> (bool, Duration) {
        let pause = requested.unwrap_or_default();
        self.history.skip(pause);
        (true, pause)
    }

    /// The pace without what is only tried.
    fn settled(&self) -> (Phase, f64) {
        match self.phase {
            Phase::Open(window) => {
                let window = window.settled();
                (Phase::Open(window), window.rate().unwrap_or(MAX_RATE))
            }
            phase => (phase, self.rate),
        }
    }

    /// Whether 429s are as frequent far below a rate that was fine a moment ago; then that pace is
    /// resumed.
    fn falls(&mut self, accepted: &Accepted, now: Instant) -> bool {
        let actual = accepted.rate.min(self.history.recent_rate(now));
        let pace = self.settled();
        let fall = self.fall.insert(Fall::begins(self.fall, pace, actual, now));
        let Some(((phase, rate), share)) = fall.refused(actual) else { return false };
        (self.phase, self.rate) = (phase, rate);
        (self.fall, self.fine, self.resume, self.streak) = (None, None, None, None);
        self.strays.prove(share);
        true
    }

    /// What was refused by strays is tried soon.
    fn try_soon(&mut self, requested: Option<Duration>) {
        if let Phase::Open(window) = &mut self.phase {
            window.try_soon(requested.unwrap_or_default());
        }
    }

    /// Another 429, and nothing was accepted since the last one: the pause was too short. Returns the
    /// next one. What was accepted before and the pauses make one cycle.
    fn again(&mut self, pause: Duration, now: Instant) -> Option<Duration> {
        let streak = self.streak.as_mut()?;
        streak.events += 1;
        let so_far = now.saturating_duration_since(streak.since);
        let pause = pause.max(Streak::pause(streak.events, so_far));
        let cycle = (now + pause).saturating_duration_since(streak.since).as_secs_f64();
        let sure = f64::from(streak.requests) / cycle;
        if streak.requests > 3 && sure < self.rate && !matches!(self.phase, Phase::Open(_)) {
            let curve = if streak.events > LONG_ROW && cycle > LONG_CYCLE {
                Curve::cycle(sure, cycle)
            } else {
                Curve::barely(sure, sure / 0.9, self.haste())
            };
            (self.phase, self.rate) = (Phase::Around(curve), curve.rate());
        }
        Some(pause)
    }

    /// Changes the pace as the sign requires.
    fn follow(
        &mut self,
        sign: Sign,
        accepted: &Accepted,
        pause: Duration,
        in_flight: usize,
        now: Instant,
    ) {
        match sign {
            Sign::Stray => {}
            Sign::Proved => {
                if let Some((phase, rate)) = self.fine.take() {
                    self.before_proof = self.resume.take();
                    (self.phase, self.rate) = (phase, rate);
                }
            }
            Sign::Test => {
                if self.resume.is_none() {
                    let before = self.settled();
                    self.cut(accepted, pause, in_flight, now);
                    self.resume = Some(self.settled());
                    (self.phase, self.rate) = before;
                }
                self.test(now);
                self.test_until = now + pause + LONGEST_TEST;
            }
            Sign::Limit { .. }
                if matches!(self.phase, Phase::Open(_)) && self.before_proof.is_some() =>
            {
                // There is a limit beside the strays: what was learned before counts.
                if let Some((phase, rate)) = self.before_proof.take() {
                    (self.phase, self.rate) = (phase, rate);
                }
            }
            Sign::Limit { first } => {
                if first {
                    self.fine = Some(self.settled());
                }
                if !self.resume_pace() {
                    self.cut(accepted, pause, in_flight, now);
                }
            }
        }
    }

    /// Cuts the pace deeply: strays remain, a limit does not.
    fn test(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Open(window) if window.size > SMALLEST_TEST => {
                window.size = (window.size / 2).max(1);
                (window.hit, window.responses, window.seconds) = (true, usize::MAX, 0.0);
            }
            _ => {
                let rate = if let Phase::Open(_) = self.phase {
                    self.history.recent_rate(now).max(MIN_START)
                } else {
                    self.rate
                };
                let plateau = rate * TEST_CUT;
                (self.phase, self.rate) = (Phase::Around(Curve::flat(plateau)), plateau);
            }
        }
    }

    /// Counts a response that was not a 429, and ends a test that it refutes.
    fn accepted(&mut self, now: Instant) {
        if self.strays.accepted() || (self.resume.is_some() && now >= self.test_until) {
            self.strays.end_test();
            self.resume_pace();
        }
    }

    /// Ends a test that has shown that there is a limit, if there was one.
    fn resume_pace(&mut self) -> bool {
        let Some((phase, rate)) = self.resume.take() else { return false };
        (self.phase, self.rate) = (phase, rate);
        true
    }

    /// By how much climbs are shortened.
    fn haste(&self) -> f64 {
        if let Phase::Around(curve) = self.phase { curve.haste } else { 1.0 }
    }

    /// The limit is a rate: starts with half of what was accepted.
    fn double(&mut self, now: Instant) {
        self.phase = Phase::Doubling;
        self.rise.starts();
        self.rate = (self.history.recent_rate(now) / 2.0).max(MIN_START);
    }

    /// Whether the limit is a quota; then it sets the pace.
    fn follow_quota(&mut self, pause: f64, now: Instant) -> bool {
        let quota = match &self.phase {
            Phase::Quota(quota) => {
                quota.refused(&self.spans, pause, |seconds| self.history.within(seconds, now))
            }
            Phase::Doubling | Phase::Around(_) if pause >= LEAST_WAIT => {
                let Some(quota) = Quota::first(&self.spans) else { return false };
                Ok(quota)
            }
            _ => return false,
        };
        (self.phase, self.rate) = match quota {
            Ok(quota) => (Phase::Quota(quota), quota.rate()),
            Err(sure) => {
                let curve = Curve::barely(sure, sure / 0.9, MOST_HASTE);
                (Phase::Around(curve), curve.rate())
            }
        };
        true
    }

    /// The curve after a 429, or the one below the limit that the stretches between pauses show, if the plateau
    /// was a guess. A limit that moves differs from stretch to stretch.
    fn fitted(&mut self, curve: Curve, pause: f64) -> Curve {
        let Phase::Around(known) = self.phase else { return curve };
        if curve.haste > 1.0 {
            self.saved = 0.0;
            return curve;
        }
        let Some(limit) = self.fit.limit(pause) else { return curve };
        self.saved = SAVED * limit.burst;
        if known.is_guessed() { Curve::fitted(limit, pause) } else { curve }
    }

    /// Cuts the pace below the limit that a 429 shows.
    fn cut(&mut self, accepted: &Accepted, pause: Duration, in_flight: usize, now: Instant) {
        let pause_seconds = pause.as_secs_f64();
        self.spans.add(accepted, pause_seconds);
        let haste = match self.phase {
            // The limit was known well: it has moved.
            Phase::Around(known) if known.depth <= DEPTHS[1] => MOST_HASTE,
            _ => self.haste(),
        };
        // What the rate was to explain came again far below: it does not, and the window was right.
        if let (Phase::Around(_), Some((window, sure, until))) = (self.phase, self.narrow)
            && accepted.rate < BELOW * sure
            && now < until
        {
            self.narrow = None;
            (self.phase, self.rate) = (Phase::Open(window), MAX_RATE);
            return;
        }
        if self.follow_quota(pause_seconds, now) {
            return;
        }
        let curve = match &mut self.phase {
            Phase::Open(window) => {
                let narrow = window.settled();
                let explained = window.refused(in_flight, accepted.rate, pause, now);
                self.rate = window.rate().unwrap_or(MAX_RATE);
                match explained {
                    Explained::ByWindow => None,
                    Explained::ByRate(rate) => {
                        self.narrow = Some((narrow, rate / FASTER, now + DOUBTED));
                        Some(Curve::barely(SURE * rate, rate, 1.0))
                    }
                    Explained::No => {
                        self.double(now);
                        None
                    }
                }
            }
            Phase::Doubling => {
                Some(Curve::barely((1.0 - DEPTHS[2]) * accepted.rate, accepted.rate, 1.0))
            }
            // The limit was hit just now, and is still used up: that is the same event.
            Phase::Around(known)
                if pause.is_zero()
                    && accepted.seconds < AT_ONCE
                    && self.rate > MANY
                    && self.history.recent_rate(now) > SUSTAINED * self.rate
                    && known.is_hit_just_now() =>
            {
                Some(known.lower(LOWER))
            }
            Phase::Ceiling | Phase::Around(_)
                if accepted.seconds < SOON * pause_seconds.max(1.0) =>
            {
                // The average including the pause is certainly not too high; a few requests prove
                // little.
                let sure = if accepted.requests > 3 {
                    f64::from(accepted.requests) / (accepted.seconds + pause_seconds)
                } else {
                    self.rate / 2.0
                };
                let sure = sure.clamp(MIN_RATE, (SOON_CUT * self.rate).max(MIN_RATE));
                let plateau = (sure * accepted.rate.max(sure)).sqrt().max(sure / 0.9);
                // It was too high already.
                let plateau = plateau.min(0.98 * self.rate).max(1.02 * sure);
                Some(Curve::barely(sure, plateau, haste))
            }
            // Leave these phases by their own rules.
            Phase::Beside(_) | Phase::Quota(_) => None,
            Phase::Ceiling => Some(Curve::hit(None, accepted, pause_seconds)),
            Phase::Around(known) => Some(Curve::hit(Some(*known), accepted, pause_seconds)),
        };
        if let Some(curve) = curve {
            let curve = self.fitted(curve, pause_seconds);
            self.rate = curve.rate();
            self.phase = Phase::Around(curve);
        }
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
