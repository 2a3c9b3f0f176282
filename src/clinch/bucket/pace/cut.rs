//! The pace after a 429 that the limit caused. Pure; the time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    super::{
        curve::{Curve, DEPTHS, MIN_RATE, MOST_HASTE},
        history::Accepted,
        quota::{LEAST_WAIT, Quota},
        window::{Explained, FASTER},
    },
    MAX_RATE, MIN_START, Pace, Phase, Streak,
};

/// From which length in seconds on, and after how many 429s in a row, a cycle is known well enough to keep
/// to it.
const LONG_CYCLE: f64 = 20.0;
const LONG_ROW: u32 = 3;
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
/// What is far below a rate that is sure, as a share of it.
const BELOW: f64 = 0.93;
/// How long that shows that the rate did not explain a 429. Later, the limit may have fallen.
const DOUBTED: Duration = Duration::from_secs(60);
/// How much of a rate that was accepted for a moment is sure.
const SURE: f64 = 0.88;
/// How much of the burst of a limit is used after nothing was sent for a moment.
const SAVED: f64 = 0.75;

impl Pace {
    /// Another 429, and nothing was accepted since the last one: the pause was too short. Returns the
    /// next one. What was accepted before and the pauses make one cycle.
    pub(super) fn again(&mut self, pause: Duration, now: Instant) -> Option<Duration> {
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

    /// By how much climbs are shortened.
    pub(super) fn haste(&self) -> f64 {
        if let Phase::Around(curve) = self.phase { curve.haste } else { 1.0 }
    }

    /// The limit is a rate: starts with half of what was accepted.
    pub(super) fn double(&mut self, now: Instant) {
        self.phase = Phase::Doubling;
        self.rise.starts();
        self.rate = (self.history.recent_rate(now) / 2.0).max(MIN_START);
    }

    /// Whether the limit is a quota; then it sets the pace.
    pub(super) fn follow_quota(&mut self, pause: f64, now: Instant) -> bool {
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
    pub(super) fn fitted(&mut self, curve: Curve, pause: f64) -> Curve {
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
    pub(super) fn cut(
        &mut self,
        accepted: &Accepted,
        pause: Duration,
        in_flight: usize,
        now: Instant,
    ) {
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
