//! The rate of a quota: so many requests in each window of several seconds. Pure.
//!
//! A 429 that asks for two seconds or more says when the quota is renewed. A client that has used it up
//! before that loses nothing while it waits; one that keeps below it loses what is left. So the rate is
//! well above the average, and each 429 shows how large the quota was. Where others use the same quota,
//! a window without a 429 shows that they take less: then the rate grows until there is one.

use super::{curve::MIN_RATE, history::Accepted};

/// From which wait on, in seconds, a 429 is that of a quota.
pub(super) const LEAST_WAIT: f64 = 2.0;
/// The rate, as a multiple of the average.
const ABOVE: f64 = 1.25;
/// How much faster the rate grows after a window without a 429, as a logarithm for each window, at first
/// and with each further one.
const GROWTH: f64 = 0.3;
/// The least and the greatest length of a window, in seconds.
const LENGTHS: [f64; 2] = [4.0, 60.0];
/// There was a window without a 429 if it took so many times as long.
const LONGER: f64 = 1.2;
/// The average fell if it is less than this share of the one before. If it falls so many times in a row,
/// waiting costs something: that is no quota.
const FALLEN: f64 = 0.93;
const FALLS: u32 = 3;
/// From which part of a window on a 429 is expected.
const LATE: f64 = 0.5;
/// What is left of the length at each 429, unless a pause shows that it is longer.
const SHORTER: f64 = 0.95;
/// How many spans are kept.
const SPANS: usize = 12;

/// The latest spans from the end of one pause to the end of the next.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spans {
    /// The latest first.
    latest: [Span; SPANS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Span {
    requests: f64,
    /// The pause included.
    seconds: f64,
    pause: f64,
}

impl Spans {
    /// A 429 ended this work, and asked for a pause of so many seconds.
    pub(super) fn add(&mut self, accepted: &Accepted, pause: f64) {
        self.latest.rotate_right(1);
        let (requests, seconds) = (f64::from(accepted.requests), accepted.seconds + pause);
        self.latest[0] = Span { requests, seconds, pause };
    }

    /// Requests per second in as many of the latest spans as take so many seconds, and how many these take.
    fn average(&self, length: f64) -> (f64, f64) {
        let (mut requests, mut seconds) = (0.0, 0.0);
        for span in self.latest {
            requests += span.requests;
            seconds += span.seconds;
            if seconds >= length {
                break;
            }
        }
        (requests / seconds.max(f64::EPSILON), seconds)
    }

    /// The longest pause. A window is as long at least.
    fn longest(&self) -> f64 {
        self.latest.iter().fold(0.0, |longest, span| span.pause.max(longest))
    }
}

/// What is known of a quota, and the work since the latest 429.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Quota {
    /// Requests per second, waits included.
    average: f64,
    /// The length of a window, in seconds.
    length: f64,
    /// Seconds of full use since the latest 429.
    used: f64,
    /// How many times in a row the average fell.
    falls: u32,
}

impl Quota {
    /// A 429 asked for a wait that is long enough. `None`: hardly anything was accepted yet, so that it says
    /// nothing of the quota.
    pub(super) fn first(spans: &Spans) -> Option<Self> {
        let length = bounded(spans.longest());
        let (average, _) = spans.average(length);
        (average >= MIN_RATE).then_some(Self { average, length, used: 0.0, falls: 0 })
    }

    /// In requests per second.
    pub(super) fn rate(&self) -> f64 {
        let beyond = (self.used / self.length - 1.0).max(0.0);
        ABOVE * self.average * (GROWTH * (beyond + beyond * beyond)).min(20.0).exp()
    }

    /// A response at full use of the rate.
    pub(super) fn answered(&mut self) {
        self.used += 1.0 / self.rate();
    }

    /// Whether a 429 that asks for a pause of so many seconds is the end of the quota.
    pub(super) fn expects(&self, pause: f64) -> bool {
        pause >= LEAST_WAIT || self.used > LATE * self.length
    }

    /// What is known after another 429, or the average if that is no quota. `within`: how many requests were
    /// accepted within the last seconds.
    pub(super) fn refused(
        &self,
        spans: &Spans,
        pause: f64,
        within: impl FnOnce(f64) -> f64,
    ) -> Result<Self, f64> {
        let length = bounded(spans.longest().max(SHORTER * self.length));
        let (mut average, seconds) = spans.average(length);
        if seconds > LONGER * length {
            // The rate had to grow: only the last window shows how large the quota is now.
            average = average.max(within(length - pause) / length);
        }
        // From nothing the rate could never grow again.
        let average = average.max(MIN_RATE);
        let falls = if average < FALLEN * self.average { self.falls + 1 } else { 0 };
        if falls == FALLS {
            return Err(average);
        }
        Ok(Self { average, length, used: 0.0, falls })
    }
}

fn bounded(length: f64) -> f64 {
    let [least, most] = LENGTHS;
    length.clamp(least, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(requests: u32, seconds: f64) -> Accepted {
        Accepted { requests, seconds, rate: f64::from(requests) / seconds }
    }

    fn none(_: f64) -> f64 {
        0.0
    }

    /// A quota of 500 in ten seconds that was used up at once, and then within eight seconds.
    fn known() -> (Spans, Quota) {
        let mut spans = Spans::default();
        spans.add(&work(450, 1.0), 0.0);
        spans.add(&work(50, 0.5), 9.0);
        let quota = Quota::first(&spans).unwrap();
        spans.add(&work(500, 8.0), 2.0);
        let quota = quota.refused(&spans, 2.0, none).unwrap();
        (spans, quota)
    }

    #[test]
    fn the_average_covers_a_whole_window_and_the_rate_uses_it_up_early() {
        let mut spans = Spans::default();
        spans.add(&work(450, 1.0), 0.0);
        spans.add(&work(50, 0.5), 9.0);
        let (average, seconds) = spans.average(9.6);
        assert!((seconds - 10.5).abs() < 1e-9 && (average - 500.0 / 10.5).abs() < 1e-9);
        let (_, quota) = known();
        assert!((quota.rate() - ABOVE * 50.0).abs() < 1e-9, "{quota:?}");
    }

    #[test]
    fn a_window_without_a_429_makes_the_rate_grow_until_the_last_one_shows_the_quota() {
        let (mut spans, mut quota) = known();
        while quota.used < 20.0 {
            quota.answered();
        }
        assert!(quota.rate() > 1.7 * ABOVE * 50.0, "{quota:?}");
        spans.add(&work(1500, 20.0), 1.0);
        let quota = quota.refused(&spans, 1.0, |_| 900.0).unwrap();
        assert!(quota.average > 90.0, "not the average of the growth: {quota:?}");
    }

    #[test]
    fn an_average_that_falls_and_falls_is_no_quota() {
        let (mut spans, mut quota) = known();
        let mut falls = 0;
        let average = loop {
            let requests = u32::try_from(400 / (1 << falls)).unwrap();
            spans.add(&work(requests, 7.0), 3.0);
            falls += 1;
            match quota.refused(&spans, 3.0, none) {
                Ok(next) => quota = next,
                Err(average) => break average,
            }
        };
        assert_eq!(falls, FALLS);
        assert!((average - 10.0).abs() < 1e-9, "{average}");
    }

    #[test]
    fn where_nothing_was_accepted_the_rate_is_none_that_cannot_grow() {
        let mut spans = Spans::default();
        spans.add(&work(0, 1.0), 60.0);
        assert_eq!(Quota::first(&spans), None);
        let (_, quota) = known();
        let next = quota.refused(&spans, 60.0, none).unwrap();
        assert!(next.rate() >= MIN_RATE, "{next:?}");
        let sure = Quota { falls: FALLS - 1, ..quota }.refused(&spans, 60.0, none).unwrap_err();
        assert!(sure >= MIN_RATE, "{sure}");
    }

    #[test]
    fn a_429_is_expected_late_in_the_window_or_with_a_long_wait() {
        let (_, mut quota) = known();
        assert!(!quota.expects(1.0) && quota.expects(LEAST_WAIT));
        quota.used = 9.0;
        assert!(quota.expects(1.0));
    }
}
