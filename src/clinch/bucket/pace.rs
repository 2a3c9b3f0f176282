//! How fast to go: what is known of the limit that Clinch really has, learned from its answers
//! alone. Pure; the time is handed in.
//!
//! Around a limit that was met the rate follows a cubic: quickly up to a plateau just below it,
//! along the plateau, then gently beyond. So it spends its time where the limit is, and oversteps
//! it about once in 80 s. When nothing happens beyond, the limit was raised, and the rate grows
//! faster and faster. A 429 soon after the last one says that it was lowered.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Limits,
    history::{History, Taken},
};

/// The least rate that a first 429 leaves, in requests per second.
pub(super) const LEAST_START: f64 = 2.0;
/// The rate never falls below this, in requests per second.
const LEAST_RATE: f64 = 0.2;
/// The rate never rises above this, in requests per second.
pub(super) const MOST_RATE: f64 = 100_000.0;
/// A 429 so soon after a pause, in units of the pause, says that the limit is far below.
const SOON: f64 = 3.0;
/// How much of what was taken the plateau is at most.
const KEEP: f64 = 0.995;
/// How much lower it is for each second of pause per second of work before: a rate that did not
/// last long was further above the limit than one that did.
const CUT_PER_PAUSE: f64 = 0.3;
/// How far below the plateau the climb begins, as a share of it, when the limit is known well,
/// less well, and barely.
const DEPTHS: [f64; 3] = [0.02, 0.06, 0.3];
/// Work after which a limit is known well, in seconds.
const LONG: f64 = 10.0;
/// How long the climb takes while the limit is barely known, in seconds.
const SHORT_CLIMB: f64 = 6.0;
/// When it is known less well, in seconds for each second of pause.
const MIDDLE_CLIMB: f64 = 20.0;
/// When it is known well, in seconds for each second of pause: so that less than 2 % of the time
/// is spent in pauses.
const LONG_CLIMB: f64 = 40.0;
/// It takes at least so many requests, so that less than 1 % of them are too many.
const CLIMB_REQUESTS: f64 = 100.0;
/// It never takes longer, in seconds.
const LONGEST_CLIMB: f64 = 300.0;
/// How much faster the rate grows with each second beyond the limit that was known.
const ACCELERATION: f64 = 0.005;
/// It accelerates for so many seconds.
const ACCELERATES_FOR: f64 = 40.0;
/// The rate is not raised beyond what is known while less than this share of it is used.
const USED: f64 = 0.5;

/// What is known of the limit.
#[derive(Debug)]
pub(super) struct Pace {
    phase: Phase,
    rate: f64,
    history: History,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// Nothing, and there is no ceiling: so many requests may be in flight, at any rate.
    Open { window: usize },
    /// Nothing, and the ceiling is tried.
    Ceiling,
    /// It was met once: the rate doubles in a second of full use.
    Doubling,
    /// It was met.
    Around(Curve),
}

/// The rate around a limit that was met.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Curve {
    /// The rate of the plateau.
    plateau: f64,
    /// How far below it the climb begins, as a share of it.
    depth: f64,
    /// How long the climb takes, in seconds of full use.
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
    /// As fast as is allowed, or as answers come when nothing is said about that.
    pub(super) fn at_first(limits: Limits, now: Instant) -> Self {
        let (phase, rate) = match limits.requests_per_second {
            Some(ceiling) => (Phase::Ceiling, f64::from(ceiling)),
            None => (Phase::Open { window: 1 }, MOST_RATE),
        };
        Self { phase, rate, history: History::from(now) }
    }

    /// In requests per second.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// How many requests may be in flight.
    pub(super) fn window(&self, limits: Limits) -> usize {
        let window = match self.phase {
            Phase::Open { window } => window.min(limits.max_in_flight),
            _ => limits.max_in_flight,
        };
        window.max(1)
    }

    /// Goes no faster than this from now on.
    pub(super) fn bound(&mut self, limits: Limits) {
        let ceiling = limits.requests_per_second.map_or(MOST_RATE, f64::from);
        self.rate = self.rate.clamp(LEAST_RATE.min(ceiling), ceiling);
    }

    /// A request was answered, and not with 429.
    pub(super) fn answered(&mut self, limits: Limits, now: Instant) {
        self.history.count(self.rate, now);
        match &mut self.phase {
            // Beyond the most in flight it would only be forgotten how to stop.
            Phase::Open { window } => *window = (*window + 1).min(limits.max_in_flight.max(1)),
            Phase::Ceiling => {}
            Phase::Doubling => self.rate += 1.0,
            Phase::Around(curve) => {
                let known = curve.used < curve.climb;
                if known || self.history.lately(now) >= USED * self.rate {
                    curve.used += 1.0 / self.rate;
                }
                self.rate = curve.rate();
            }
        }
        self.bound(limits);
    }

    /// A request was answered with 429, the first one since the last pause. What follows begins
    /// when `pause` is over.
    pub(super) fn limited(&mut self, limits: Limits, pause: Duration, now: Instant) {
        let taken = self.history.taken(self.rate, now);
        let pause_seconds = pause.as_secs_f64();
        let barely = |rate: f64, plateau: f64| {
            let depth = (1.0 - rate / plateau).clamp(0.1, 0.75);
            Curve { plateau, depth, climb: SHORT_CLIMB, used: 0.0 }
        };
        let curve = match self.phase {
            Phase::Open { .. } => {
                self.phase = Phase::Doubling;
                self.rate = (self.history.lately(now) / 2.0).max(LEAST_START);
                None
            }
            Phase::Doubling => Some(barely((1.0 - DEPTHS[2]) * taken.rate, taken.rate)),
            Phase::Ceiling | Phase::Around(_) if taken.seconds < SOON * pause_seconds.max(1.0) => {
                // What was taken, with the pause, is surely not too much; a few say little.
                let sure = if taken.requests > 3 {
                    f64::from(taken.requests) / (taken.seconds + pause_seconds)
                } else {
                    self.rate / 2.0
                };
                let sure = sure.clamp(LEAST_RATE, self.rate.max(LEAST_RATE));
                Some(barely(sure, (sure * taken.rate.max(sure)).sqrt().max(sure / 0.9)))
            }
            Phase::Ceiling => Some(Self::met(None, &taken, pause_seconds)),
            Phase::Around(known) => Some(Self::met(Some(known), &taken, pause_seconds)),
        };
        if let Some(curve) = curve {
            self.rate = curve.rate();
            self.phase = Phase::Around(curve);
        }
        self.bound(limits);
        self.history = History::from(now + pause);
    }

    /// The limit was met after a while of work: it is about where the rate was.
    fn met(known: Option<Curve>, taken: &Taken, pause: f64) -> Curve {
        let cut = (CUT_PER_PAUSE * pause / taken.seconds).clamp(1.0 - KEEP, 0.5);
        let mut plateau = taken.rate * (1.0 - cut);
        // A plateau that has held is believed as much as a 429 not far beyond it: what Clinch saves
        // up for bursts lets the rate overshoot, the more so the steeper it grew.
        if let Some(known) = known
            && known.climb > SHORT_CLIMB
            && plateau > known.plateau
            && known.used >= known.climb
            && known.used < known.climb * if known.depth > DEPTHS[0] { 2.5 } else { 2.0 }
        {
            plateau = f64::midpoint(plateau, known.plateau);
        }
        let plateau = plateau.max(LEAST_RATE);
        // Met before its time, it is approached with care; met beyond what was only guessed, it may
        // be further up.
        let guessed = known.is_some_and(|known| known.depth > DEPTHS[1]);
        let (depth, climb) = match (taken.seconds < LONG, guessed) {
            (true, _) => (DEPTHS[1], LONG_CLIMB),
            (false, true) => (DEPTHS[1], MIDDLE_CLIMB),
            (false, false) => (DEPTHS[0], LONG_CLIMB),
        };
        let climb = (climb * pause.max(1.0)).max(CLIMB_REQUESTS / plateau).min(LONGEST_CLIMB);
        Curve { plateau, depth, climb, used: 0.0 }
    }
}
