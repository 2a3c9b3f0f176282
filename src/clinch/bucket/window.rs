//! How many requests may be in flight while no rate is known to be too high. Pure.

use std::time::Duration;

use tokio::time::Instant;

use super::{Limits, curve::LONG_CLIMB};

/// How many requests may be in flight, and when there may be more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Window {
    pub(super) size: usize,
    /// Whether a 429 has shown a size to be too large.
    pub(super) hit: bool,
    /// Responses and seconds until it grows by one.
    pub(super) responses: usize,
    pub(super) seconds: f64,
    /// When it changed last.
    since: Instant,
    /// 429s since it grew last.
    cuts: usize,
    /// Whether the latest cut was by half.
    pub(super) halved: bool,
}

impl Window {
    pub(super) fn first(now: Instant) -> Self {
        Self { size: 1, hit: false, responses: 0, seconds: 0.0, since: now, cuts: 0, halved: false }
    }

    pub(super) fn answered(&mut self, limits: Limits, now: Instant) {
        // A window beyond the maximum in flight would have no effect.
        let largest = limits.max_in_flight.max(1);
        if self.size >= largest {
            return;
        }
        self.responses = self.responses.saturating_sub(1);
        if self.responses == 0
            && now.saturating_duration_since(self.since).as_secs_f64() >= self.seconds
        {
            self.size += 1;
            self.cuts = 0;
            self.since = now;
            // Sizes that were fine make the next step faster.
            self.seconds /= 2.0;
            self.responses = if self.hit { 4 * self.size } else { 0 };
        }
    }

    /// Returns whether the window explains the 429.
    pub(super) fn refused(&mut self, in_flight: usize, pause: Duration, now: Instant) -> bool {
        self.cuts += 1;
        // At first it doubles with each round trip, so half of it was fine.
        let beside = if self.hit { in_flight.saturating_sub(1) } else { in_flight / 2 };
        if beside == 0 || self.cuts > 2 + self.size / 8 {
            return false;
        }
        let pause = pause.as_secs_f64().max(0.25);
        let seconds = if self.hit { LONG_CLIMB * pause } else { pause };
        let responses = if self.hit { 200 } else { 20 };
        *self = Self {
            size: beside,
            hit: true,
            responses,
            seconds,
            since: now,
            halved: !self.hit,
            ..*self
        };
        true
    }
}
