//! How many requests may be in flight while no rate is known to be too high. Pure.

use std::time::Duration;

use tokio::time::Instant;

use super::Limits;

/// Seconds until a size that was refused is tried again, for each second of pause: so many for a window
/// of one, fewer for larger ones, within this range. A step of a large window is a small one, and is worth
/// a 429 sooner.
const AGAIN: f64 = 100.0;
const AGAIN_RANGE: [f64; 2] = [8.0, 40.0];
/// Refused once more, it is twice as long each time, up to this.
const LONGEST_AGAIN: f64 = 64.0;

/// After how many seconds a larger size is tried once strays are proved, and how many more for each second
/// that they ask for.
const SOON: f64 = 1.0;
const FOR_WAIT: f64 = 3.0;
/// Fewer are a small window.
const SMALL: usize = 5;

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
    /// The size below the one that was refused last, and the seconds until that is tried again, for each
    /// second of pause.
    refused: (usize, f64),
    /// 429s since it grew last.
    cuts: usize,
    /// Whether the latest cut was by half.
    pub(super) halved: bool,
}

impl Window {
    pub(super) fn first(now: Instant) -> Self {
        Self {
            size: 1,
            hit: false,
            responses: 0,
            seconds: 0.0,
            since: now,
            refused: (0, 0.0),
            cuts: 0,
            halved: false,
        }
    }

    /// A size that was fine.
    pub(super) fn of(size: usize, now: Instant) -> Self {
        Self { size, hit: true, ..Self::first(now) }
    }

    /// Strays may have refused a larger size: it is tried soon. If they ask for a wait, that is not worth it
    /// for a small window, of which one more is a large part.
    pub(super) fn try_soon(&mut self, wait: Duration) {
        if wait.is_zero() || self.size >= SMALL {
            self.seconds = self.seconds.min(SOON + FOR_WAIT * wait.as_secs_f64());
        }
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
        let again = self.again(beside);
        let seconds = if self.hit { again * pause } else { pause };
        let responses = if self.hit { 200 } else { 20 };
        *self = Self {
            size: beside,
            hit: true,
            responses,
            seconds,
            since: now,
            refused: (beside, again),
            halved: !self.hit,
            ..*self
        };
        true
    }

    /// Seconds until more than this size is tried again, for each second of pause.
    fn again(&self, size: usize) -> f64 {
        if self.refused.0 == size {
            return (2.0 * self.refused.1).min(LONGEST_AGAIN);
        }
        let [least, most] = AGAIN_RANGE;
        (AGAIN / u32::try_from(size).map_or(f64::INFINITY, f64::from)).clamp(least, most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds until a window of `size` is exceeded again after a 429 that asks for a second.
    fn until_the_next_trial(window: &mut Window, size: usize, now: Instant) -> f64 {
        assert!(window.refused(size + 1, Duration::from_secs(1), now));
        assert_eq!(window.size, size);
        window.seconds
    }

    #[test]
    fn a_larger_window_is_exceeded_sooner_and_one_that_is_refused_again_later() {
        let now = Instant::now();
        let mut window = Window { hit: true, ..Window::first(now) };
        assert!((until_the_next_trial(&mut window, 2, now) - 40.0).abs() < 1e-9);
        window.cuts = 0;
        assert!((until_the_next_trial(&mut window, 10, now) - 10.0).abs() < 1e-9);
        for seconds in [20.0, 40.0, 64.0, 64.0] {
            window.cuts = 0;
            assert!((until_the_next_trial(&mut window, 10, now) - seconds).abs() < 1e-9);
        }
        window.cuts = 0;
        assert!((until_the_next_trial(&mut window, 20, now) - 8.0).abs() < 1e-9, "a new size");
    }

    #[test]
    fn once_strays_are_proved_a_larger_window_is_tried_soon_unless_that_is_dear() {
        let now = Instant::now();
        let seconds = |size, wait| {
            let mut window = Window { seconds: 40.0, ..Window::of(size, now) };
            window.try_soon(Duration::from_secs(wait));
            window.seconds
        };
        assert!((seconds(1, 0) - SOON).abs() < 1e-9, "a wrong trial costs nothing");
        assert!((seconds(10, 1) - SOON - FOR_WAIT).abs() < 1e-9);
        assert!((seconds(4, 1) - 40.0).abs() < 1e-9, "one more is a quarter of it");
    }
}
