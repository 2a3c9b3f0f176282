//! The rate around a limit that was hit: up to a plateau, along it, then slowly beyond. Pure.

use super::{fit::Limit, history::Accepted};

/// The rate never falls below this, in requests per second.
pub(super) const MIN_RATE: f64 = 0.2;
/// The plateau is at most this share of the accepted rate.
const KEEP: f64 = 0.995;
/// How much lower the plateau is for each second of pause per second of work before it: a rate that
/// did not last long was further above the limit than one that did.
const CUT_PER_PAUSE: f64 = 0.3;
/// How far below the plateau the climb starts, as a share of it, if the limit is known well, less
/// well, and barely.
pub(super) const DEPTHS: [f64; 3] = [0.02, 0.06, 0.3];
/// Work after which the limit is known well, in seconds.
const LONG: f64 = 10.0;
/// Length of the climb while the limit is barely known, in seconds.
const SHORT_CLIMB: f64 = 6.0;
/// Length if it is known less well, in seconds for each second of pause.
const MIDDLE_CLIMB: f64 = 20.0;
/// Length if it is known well, in seconds for each second of pause, so that less than 2 % of the
/// time is spent in pauses.
const LONG_CLIMB: f64 = 40.0;
/// Length of the climb to the rate of a window of requests, as a part of its length.
const CYCLES: f64 = 0.75;
/// How many seconds after its start a curve has just started.
const JUST_NOW: f64 = 0.2;
/// The climb takes at least this many requests, so that less than 1 % of them exceed the limit.
const CLIMB_REQUESTS: f64 = 100.0;
/// Maximum length of the climb, in seconds.
const LONGEST_CLIMB: f64 = 300.0;
/// How much faster the rate grows with each second beyond the known limit.
const ACCELERATION: f64 = 0.01;
/// Up to so many times the plateau is not far beyond it.
const OVERSHOOT: f64 = 1.25;
/// A limit that differs by this factor from the one before has moved.
const MOVED: f64 = 1.15;
/// How many times faster the next climb is then.
pub(super) const MOST_HASTE: f64 = 6.0;
/// How much of the haste is left after a climb that ended near the limit known before.
const LESS_HASTE: f64 = 0.75;
/// How long it accelerates, in seconds.
const ACCELERATES_FOR: f64 = 40.0;

/// The rate around a limit that was hit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Curve {
    /// The rate of the plateau.
    pub(super) plateau: f64,
    /// How far below it the climb starts, as a share of it.
    pub(super) depth: f64,
    /// Length of the climb, in seconds of full use.
    pub(super) climb: f64,
    /// By how much climbs are shortened, because the limit moves.
    pub(super) haste: f64,
    /// Seconds of full use so far.
    pub(super) used: f64,
    /// Whether it started from a limit that was hit after some time of work.
    found: bool,
}

impl Curve {
    /// The start of a climb towards a limit that is barely known.
    pub(super) fn barely(rate: f64, plateau: f64, haste: f64) -> Self {
        let depth = (1.0 - rate / plateau).clamp(0.02, 0.75);
        Self { plateau, depth, climb: SHORT_CLIMB, haste, used: 0.0, found: false }
    }

    /// A rate that stays, for a test.
    pub(super) fn flat(plateau: f64) -> Self {
        Self { plateau, depth: 0.0, climb: LONG, haste: 1.0, used: 0.0, found: false }
    }

    /// The rate of a window of requests that took so many seconds as a whole.
    pub(super) fn cycle(plateau: f64, seconds: f64) -> Self {
        let climb = (CYCLES * seconds).max(SHORT_CLIMB);
        Self { plateau, depth: DEPTHS[0], climb, haste: 1.0, used: 0.0, found: false }
    }

    /// Whether it has just started below a limit that was found.
    pub(super) fn is_hit_just_now(&self) -> bool {
        self.found && self.used < JUST_NOW
    }

    /// The same from its start, a little lower.
    pub(super) fn lower(&self, share: f64) -> Self {
        Self { plateau: share * self.plateau, used: 0.0, ..*self }
    }

    /// The start along a plateau that is a guess.
    pub(super) fn guessed(plateau: f64) -> Self {
        let (depth, climb) = (DEPTHS[1], SHORT_CLIMB);
        Self { plateau, depth, climb, haste: 1.0, used: climb, found: false }
    }

    /// The start of a long climb to a plateau.
    pub(super) fn known(plateau: f64) -> Self {
        Self { plateau, depth: DEPTHS[1], climb: LONG_CLIMB, haste: 1.0, used: 0.0, found: false }
    }

    /// Whether its plateau is a guess.
    pub(super) fn is_guessed(&self) -> bool {
        self.depth > DEPTHS[1]
    }

    /// The start of a climb to a limit that is known as exactly as this.
    pub(super) fn fitted(limit: Limit, pause: f64) -> Self {
        let Limit { rate, error, .. } = limit;
        let (plateau, climb) = (rate * KEEP, LONG_CLIMB * pause.max(1.0));
        let climb = climb.max(CLIMB_REQUESTS / plateau).min(LONGEST_CLIMB);
        Self { plateau, depth: DEPTHS[0] + error, climb, haste: 1.0, used: 0.0, found: true }
    }

    pub(super) fn rate(&self) -> f64 {
        let beyond = self.used - 2.0 * self.climb;
        if beyond <= 0.0 {
            return self.plateau * (1.0 + self.depth * (self.used / self.climb - 1.0).powi(3));
        }
        let accelerated = beyond.min(ACCELERATES_FOR);
        let growth = (3.0 * self.depth / self.climb) * beyond
            + ACCELERATION
                * self.haste.min(2.0).powi(2)
                * accelerated
                * (beyond - accelerated / 2.0);
        self.plateau * (1.0 + self.depth) * growth.min(50.0).exp()
    }

    /// The limit was hit after some time of work: it is close to the rate.
    pub(super) fn hit(known: Option<Self>, accepted: &Accepted, pause: f64) -> Self {
        let cut = (CUT_PER_PAUSE * pause / accepted.seconds).clamp(1.0 - KEEP, 0.5);
        let mut plateau = accepted.rate * (1.0 - cut);
        // A plateau that has held counts as much as a 429 not far beyond it: Clinch's burst
        // allowance lets the rate overshoot, the more so the faster it grew.
        if let Some(known) = known
            && known.climb > SHORT_CLIMB
            && known.used >= known.climb
            && (known.plateau..OVERSHOOT * known.plateau).contains(&plateau)
        {
            plateau = f64::midpoint(plateau, known.plateau);
        }
        let plateau = plateau.max(MIN_RATE);
        // A limit that was hit early is approached slowly; one hit beyond a mere guess may be higher
        // still.
        let guessed = known.is_some_and(|known| known.is_guessed());
        let (depth, climb) = match (accepted.seconds < LONG, guessed) {
            (true, _) => (DEPTHS[1], LONG_CLIMB),
            (false, true) => (DEPTHS[1], MIDDLE_CLIMB),
            (false, false) => (DEPTHS[0], LONG_CLIMB),
        };
        let haste = known.map_or(1.0, |known| {
            if known.is_guessed() {
                return known.haste;
            }
            let moved = (plateau / known.plateau).max(known.plateau / plateau);
            if moved > MOVED {
                MOST_HASTE
            } else if known.used > 2.0 * known.climb {
                (known.haste * LESS_HASTE).max(1.0)
            } else {
                known.haste
            }
        });
        let climb = climb * pause.max(1.0) / haste;
        let climb = climb.max(CLIMB_REQUESTS / plateau).min(LONGEST_CLIMB);
        Self { plateau, depth, climb, haste, used: 0.0, found: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_of_a_long_window_is_kept_for_more_than_a_window() {
        let mut curve = Curve::cycle(10.0, 60.0);
        while curve.used < 90.0 {
            assert!((9.79..10.21).contains(&curve.rate()), "{curve:?}");
            curve.used += 1.0;
        }
        curve.used = 130.0;
        assert!(curve.rate() > 10.2, "then it is tried whether there is more: {curve:?}");
    }
}
