//! The request rate: an estimate of Clinch's real limit, learned from its responses alone. Pure; the
//! time is an argument.
//!
//! Around a limit that was hit the rate follows a cubic: quickly up to a plateau just below it, along
//! the plateau, then slowly beyond. So it stays near the limit most of the time, and exceeds it about
//! once in 80 s. If no 429 follows beyond it, the limit was raised, and the rate accelerates. A 429
//! soon after the last one means that the limit was lowered.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Limits,
    history::{Accepted, History},
};

/// The minimum rate after the first 429, in requests per second.
pub(super) const MIN_START: f64 = 2.0;
/// The rate never falls below this, in requests per second.
const MIN_RATE: f64 = 0.2;
/// The rate never rises above this, in requests per second.
pub(super) const MAX_RATE: f64 = 100_000.0;
/// A 429 within this many pauses' length after a pause means that the limit is far below.
const SOON: f64 = 3.0;
/// The plateau is at most this share of the accepted rate.
const KEEP: f64 = 0.995;
/// How much lower the plateau is for each second of pause per second of work before it: a rate that
/// did not last long was further above the limit than one that did.
const CUT_PER_PAUSE: f64 = 0.3;
/// How far below the plateau the climb starts, as a share of it, if the limit is known well, less
/// well, and barely.
const DEPTHS: [f64; 3] = [0.02, 0.06, 0.3];
/// Work after which the limit is known well, in seconds.
const LONG: f64 = 10.0;
/// Length of the climb while the limit is barely known, in seconds.
const SHORT_CLIMB: f64 = 6.0;
/// Length if it is known less well, in seconds for each second of pause.
const MIDDLE_CLIMB: f64 = 20.0;
/// Length if it is known well, in seconds for each second of pause, so that less than 2 % of the
/// time is spent in pauses.
const LONG_CLIMB: f64 = 40.0;
/// The climb takes at least this many requests, so that less than 1 % of them exceed the limit.
const CLIMB_REQUESTS: f64 = 100.0;
/// Maximum length of the climb, in seconds.
const LONGEST_CLIMB: f64 = 300.0;
/// How much faster the rate grows with each second beyond the known limit.
const ACCELERATION: f64 = 0.005;
/// How long it accelerates, in seconds.
const ACCELERATES_FOR: f64 = 40.0;
/// The rate does not rise beyond the known limit while less than this share of it is used.
const USED: f64 = 0.5;

/// What is known about the limit.
#[derive(Debug)]
pub(super) struct Pace {
    phase: Phase,
    rate: f64,
    history: History,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// Nothing, and no ceiling is configured: `window` requests may be in flight, at any rate.
    Open { window: usize },
    /// Nothing: the configured ceiling is tried.
    Ceiling,
    /// It was hit once: the rate doubles within a second of full use.
    Doubling,
    /// It was hit again.
    Around(Curve),
}

/// The rate around a limit that was hit.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Curve {
    /// The rate of the plateau.
    plateau: f64,
    /// How far below it the climb starts, as a share of it.
    depth: f64,
    /// Length of the climb, in seconds of full use.
    climb: f64,
    /// Seconds of full use so far.
    used: f64,
}

impl Curve {
    fn rate(&self) -> f64 {
        let beyond = self.used - 2.0 * self.climb;
        if beyond <= 0.0 {
            return self.plateau * (1.0 + self.depth * (self.used / self.climb - 1.0).powi(3));
        }
        let accelerated = beyond.min(ACCELERATES_FOR);
        let growth = (3.0 * self.depth / self.climb) * beyond
            + ACCELERATION * accelerated * (beyond - accelerated / 2.0);
        self.plateau * (1.0 + self.depth) * growth.min(50.0).exp()
    }
}

impl Pace {
    /// As fast as the ceiling allows; without one, as fast as responses arrive.
    pub(super) fn initial(limits: Limits, now: Instant) -> Self {
        let (phase, rate) = match limits.requests_per_second {
            Some(ceiling) => (Phase::Ceiling, f64::from(ceiling)),
            None => (Phase::Open { window: 1 }, MAX_RATE),
        };
        Self { phase, rate, history: History::from(now) }
    }

    /// In requests per second.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// Maximum requests in flight.
    pub(super) fn window(&self, limits: Limits) -> usize {
        let window = match self.phase {
            Phase::Open { window } => window.min(limits.max_in_flight),
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
        match &mut self.phase {
            // A window beyond the maximum in flight would have no effect.
            Phase::Open { window } => *window = (*window + 1).min(limits.max_in_flight.max(1)),
            Phase::Ceiling => {}
            Phase::Doubling => self.rate += 1.0,
            Phase::Around(curve) => {
                let below = curve.used < curve.climb;
                if below || self.history.recent_rate(now) >= USED * self.rate {
                    curve.used += 1.0 / self.rate;
                }
                self.rate = curve.rate();
            }
        }
        self.bound(limits);
    }

    /// A response was a 429, the first one since the last pause. The new rate applies once `pause`
    /// is over.
    pub(super) fn limited(&mut self, limits: Limits, pause: Duration, now: Instant) {
        let accepted = self.history.accepted(self.rate, now);
        let pause_seconds = pause.as_secs_f64();
        let barely = |rate: f64, plateau: f64| {
            let depth = (1.0 - rate / plateau).clamp(0.1, 0.75);
            Curve { plateau, depth, climb: SHORT_CLIMB, used: 0.0 }
        };
        let curve = match self.phase {
            Phase::Open { .. } => {
                self.phase = Phase::Doubling;
                self.rate = (self.history.recent_rate(now) / 2.0).max(MIN_START);
                None
            }
            Phase::Doubling => Some(barely((1.0 - DEPTHS[2]) * accepted.rate, accepted.rate)),
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
                let sure = sure.clamp(MIN_RATE, self.rate.max(MIN_RATE));
                Some(barely(sure, (sure * accepted.rate.max(sure)).sqrt().max(sure / 0.9)))
            }
            Phase::Ceiling => Some(Self::hit(None, &accepted, pause_seconds)),
            Phase::Around(known) => Some(Self::hit(Some(known), &accepted, pause_seconds)),
        };
        if let Some(curve) = curve {
            self.rate = curve.rate();
            self.phase = Phase::Around(curve);
        }
        self.bound(limits);
        self.history = History::from(now + pause);
    }

    /// The limit was hit after some time of work: it is close to the rate.
    fn hit(known: Option<Curve>, accepted: &Accepted, pause: f64) -> Curve {
        let cut = (CUT_PER_PAUSE * pause / accepted.seconds).clamp(1.0 - KEEP, 0.5);
        let mut plateau = accepted.rate * (1.0 - cut);
        // A plateau that has held counts as much as a 429 not far beyond it: Clinch's burst
        // allowance lets the rate overshoot, the more so the faster it grew.
        if let Some(known) = known
            && known.climb > SHORT_CLIMB
            && plateau > known.plateau
            && known.used >= known.climb
            && known.used < known.climb * if known.depth > DEPTHS[0] { 2.5 } else { 2.0 }
        {
            plateau = f64::midpoint(plateau, known.plateau);
        }
        let plateau = plateau.max(MIN_RATE);
        // A limit that was hit early is approached slowly; one hit beyond a mere guess may be higher
        // still.
        let guessed = known.is_some_and(|known| known.depth > DEPTHS[1]);
        let (depth, climb) = match (accepted.seconds < LONG, guessed) {
            (true, _) => (DEPTHS[1], LONG_CLIMB),
            (false, true) => (DEPTHS[1], MIDDLE_CLIMB),
            (false, false) => (DEPTHS[0], LONG_CLIMB),
        };
        let climb = (climb * pause.max(1.0)).max(CLIMB_REQUESTS / plateau).min(LONGEST_CLIMB);
        Curve { plateau, depth, climb, used: 0.0 }
    }
}
