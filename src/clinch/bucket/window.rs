//! How many requests may be in flight while no rate is known to be too high. Pure.
//!
//! A limit of the rate looks like one of requests in flight if the one is met between n and n + 1 requests in
//! flight: n use only a part of it, down to half. So one more is tried twice: first at a rate just above what
//! n achieve. Concurrent requests would fill up and be refused at once; if they are accepted, and refused only
//! at any rate, it is the rate that is limited.

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

/// From this size on, one more is tried at once: what a wrong explanation can cost is a small part of it.
const FINE: usize = 15;
/// Below it, one more is first tried at this rate, as a multiple of what was accepted: a limit of concurrent
/// requests refuses that, a limit of the rate may not.
pub(super) const FASTER: f64 = 1.06;
/// How many responses show that it is not refused, at least, and for each request in flight: a large window
/// is seldom full at that rate.
const ACCEPTED: usize = 60;
const ACCEPTED_EACH: usize = 10;
/// When that is tried first: after so many seconds, or as long as the pause.
const FIRST_TRIAL: f64 = 1.5;

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
    trial: Trial,
}

/// Whether the latest step is tried.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Trial {
    None,
    /// At this rate, until so many responses came.
    Paced {
        rate: f64,
        left: usize,
    },
    /// Nothing is tried: the window fills at this rate after a pause, and not at once.
    Filling {
        rate: f64,
        left: usize,
    },
    /// At any rate, after this one was accepted.
    Full {
        accepted: f64,
    },
}

/// What explains a 429.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Explained {
    /// Too many were in flight.
    ByWindow,
    /// The rate was too high; this one was accepted with as many in flight.
    ByRate(f64),
    /// Not the number of requests in flight.
    No,
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
            trial: Trial::None,
        }
    }

    /// The size that is known to be fine.
    pub(super) fn settled(self) -> Self {
        let tried = matches!(self.trial, Trial::Paced { .. } | Trial::Full { .. });
        if tried { Self { size: (self.size - 1).max(1), trial: Trial::None, ..self } } else { self }
    }

    /// The rate at which a larger size is tried.
    pub(super) fn rate(&self) -> Option<f64> {
        match self.trial {
            Trial::Paced { rate, .. } | Trial::Filling { rate, .. } => Some(rate),
            Trial::None | Trial::Full { .. } => None,
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

    /// A response was not a 429. `accepted`: how many were accepted per second.
    pub(super) fn answered(
        &mut self,
        limits: Limits,
        accepted: impl FnOnce() -> f64,
        now: Instant,
    ) {
        if let Trial::Filling { left, .. } = &mut self.trial {
            *left -= 1;
            if *left == 0 {
                self.trial = Trial::None;
            }
        }
        if let Trial::Paced { rate, left } = &mut self.trial {
            *left -= 1;
            if *left == 0 {
                self.trial = Trial::Full { accepted: *rate };
                (self.responses, self.seconds) = (ACCEPTED, self.seconds.max(FIRST_TRIAL));
                self.since = now;
            }
            return;
        }
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
            self.trial = if self.hit && self.size <= FINE {
                let left = ACCEPTED.max(ACCEPTED_EACH * self.size);
                Trial::Paced { rate: FASTER * accepted(), left }
            } else {
                Trial::None
            };
        }
    }

    /// What explains a 429.
    pub(super) fn refused(
        &mut self,
        in_flight: usize,
        accepted: f64,
        pause: Duration,
        now: Instant,
    ) -> Explained {
        if let Trial::Full { accepted } = self.trial {
            return Explained::ByRate(accepted);
        }
        let paced = matches!(self.trial, Trial::Paced { .. });
        self.cuts += 1;
        // At first it doubles with each round trip, so half of it was fine.
        let beside = if self.hit { in_flight.saturating_sub(1) } else { in_flight / 2 };
        if beside == 0 || self.cuts > 2 + self.size / 8 {
            return Explained::No;
        }
        let (since, pauses) = (now + pause, !pause.is_zero());
        let pause = pause.as_secs_f64().max(0.25);
        let again = self.again(beside);
        let (seconds, responses) = match self.hit {
            true if beside < FINE && !paced && self.refused.0 != beside => {
                (pause.max(FIRST_TRIAL), 20)
            }
            true => (again * pause, 200),
            false => (pause, 20),
        };
        *self = Self {
            size: beside,
            hit: true,
            responses,
            seconds,
            since,
            refused: (beside, again),
            halved: !self.hit,
            trial: if self.hit && pauses {
                Trial::Filling { rate: accepted, left: beside }
            } else {
                Trial::None
            },
            ..*self
        };
        Explained::ByWindow
    }

    /// Seconds until more than this size is tried again, for each second of pause.
    fn again(&self, size: usize) -> f64 {
        if self.refused.0.abs_diff(size) <= size / 8 {
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
        assert_eq!(
            window.refused(size + 1, 50.0, Duration::from_secs(1), now),
            Explained::ByWindow
        );
        assert_eq!(window.size, size);
        window.seconds
    }

    #[test]
    fn a_larger_window_is_exceeded_sooner_and_one_that_is_refused_again_later() {
        let now = Instant::now();
        let mut window = Window { hit: true, ..Window::first(now) };
        for (size, seconds) in [
            // The rate may explain it: that is tried at once, and not again.
            (2, FIRST_TRIAL),
            (2, 64.0),
            (10, FIRST_TRIAL),
            (10, 20.0),
            (11, FIRST_TRIAL),
            (20, 8.0),
            (20, 16.0),
            (21, 32.0),
            (20, 64.0),
            (20, 64.0),
        ] {
            window.cuts = 0;
            assert!(
                (until_the_next_trial(&mut window, size, now) - seconds).abs() < 1e-9,
                "{size}"
            );
        }
        window.cuts = 0;
        assert!((until_the_next_trial(&mut window, 30, now) - 8.0).abs() < 1e-9, "a new size");
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
    const LIMITS: Limits = Limits { requests_per_second: None, max_in_flight: 8 };

    /// A window of two that is tried after one was accepted at 40 per second.
    fn tried(now: Instant) -> Window {
        let mut window = Window::of(1, now);
        window.answered(LIMITS, || 40.0, now);
        assert_eq!((window.size, window.rate()), (2, Some(FASTER * 40.0)));
        window
    }

    #[test]
    fn what_is_refused_just_above_the_rate_of_fewer_is_too_many_in_flight() {
        let now = Instant::now();
        let mut window = tried(now);
        let explained = window.refused(2, 40.0, Duration::from_secs(1), now);
        assert_eq!((explained, window.size), (Explained::ByWindow, 1));
        assert_eq!(window.rate(), Some(40.0), "the window fills at the rate that was accepted");
        window.answered(LIMITS, || 40.0, now);
        assert_eq!(window.rate(), None);
    }

    #[test]
    fn what_is_accepted_at_a_rate_and_refused_beyond_it_is_limited_by_the_rate() {
        let now = Instant::now();
        let mut window = tried(now);
        (0..ACCEPTED).for_each(|_| window.answered(LIMITS, || 40.0, now));
        assert_eq!((window.size, window.rate()), (2, None), "at any rate");
        assert_eq!(window.settled().size, 1);
        let explained = window.refused(2, 60.0, Duration::from_secs(1), now);
        assert_eq!(explained, Explained::ByRate(FASTER * 40.0));
    }
}
