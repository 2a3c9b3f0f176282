//! Notices a rate that falls further and further without any effect on the 429s. Pure; the time is an
//! argument.
//!
//! Whatever the limit is, a rate that is cut to a part of it meets no more 429s. If they are as frequent
//! well below a rate that was fine a moment ago, our rate is not their reason. This also finds strays where
//! a run has little to send, so that cuts of its rate are not a test (`strays.rs`).

use std::time::Duration;

use tokio::time::Instant;

/// How many 429s below the rate that was fine prove strays.
const PROOF: usize = 4;
/// What is well below it, and what is far below it, as shares of it.
const WELL_BELOW: f64 = 0.7;
const FAR_BELOW: f64 = 0.5;
/// The least share of strays, well below it and far below it; fewer do no harm, and a limit that moves by
/// little is met as rarely. More than the greatest share are a limit.
const LEAST_SHARES: [f64; 2] = [0.008, 0.004];
const MOST_SHARE: f64 = 0.2;
/// How many times more responses may come between the later 429s than between the earlier ones: more
/// show that the cuts had an effect.
const SAME: f64 = 2.5;
/// How long ago a moment is.
const MOMENT: Duration = Duration::from_secs(60);
/// How many responses ago a moment is, if the rate is so low that they take longer.
const FEW: u32 = 400;

/// The latest rate that was fine, and what happened far below it since.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fall<P> {
    /// The pace then.
    pace: P,
    /// Requests per second that were accepted then.
    fine: f64,
    since: Instant,
    /// Responses since then.
    responses: u32,
    /// Responses well below it since the latest 429.
    run: f64,
    /// Those before each of the latest 429s well below it, the oldest first, and the rates then.
    runs: [f64; PROOF],
    rates: [f64; PROOF],
    refused: usize,
}

impl<P: Copy> Fall<P> {
    /// A 429 came at `pace`, when `rate` requests per second were accepted: until then they were fine.
    pub(super) fn begins(before: Option<Self>, pace: P, rate: f64, now: Instant) -> Self {
        match before {
            Some(fall) if rate < fall.fine && fall.is_recent(now) => fall,
            _ => Self {
                pace,
                fine: rate,
                since: now,
                responses: 0,
                run: 0.0,
                runs: [0.0; PROOF],
                rates: [0.0; PROOF],
                refused: 0,
            },
        }
    }

    fn is_recent(&self, now: Instant) -> bool {
        self.responses < FEW || now.saturating_duration_since(self.since) < MOMENT
    }

    /// Counts a response that was not a 429, at so many requests per second.
    pub(super) fn accepted(&mut self, rate: f64) {
        self.responses = self.responses.saturating_add(1);
        if rate < WELL_BELOW * self.fine {
            self.run += 1.0;
        }
    }

    /// Counts a 429. Returns the pace that was fine and the share of strays, if they are proved.
    pub(super) fn refused(&mut self, rate: f64) -> Option<(P, f64)> {
        let run = std::mem::take(&mut self.run);
        if rate >= WELL_BELOW * self.fine {
            return None;
        }
        self.runs.rotate_left(1);
        self.rates.rotate_left(1);
        (self.runs[PROOF - 1], self.rates[PROOF - 1]) = (run, rate);
        self.refused += 1;
        let [earlier, later] = [&self.runs[..PROOF / 2], &self.runs[PROOF / 2..]]
            .map(|runs| runs.iter().map(|run| run + 1.0).sum::<f64>());
        let share = [1.0; PROOF].iter().sum::<f64>() / (earlier + later);
        let is_far = self.rates.iter().all(|rate| *rate < FAR_BELOW * self.fine);
        let shares = LEAST_SHARES[usize::from(is_far)]..=MOST_SHARE;
        let proved = self.refused >= PROOF && later <= SAME * earlier && shares.contains(&share);
        proved.then_some((self.pace, share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share proved after 429s at 10 requests per second, with so many responses before each,
    /// once 100 were fine.
    fn after(runs: &[u32], since: Duration) -> Option<(&'static str, f64)> {
        at(10.0, runs, since)
    }

    fn at(rate: f64, runs: &[u32], since: Duration) -> Option<(&'static str, f64)> {
        let now = Instant::now();
        let mut fall = Fall::begins(None, "open", 100.0, now);
        assert_eq!(fall.refused(100.0), None, "that is what may be the limit");
        let mut proved = None;
        for run in runs {
            for _ in 0..*run {
                fall.accepted(rate);
            }
            fall = Fall::begins(Some(fall), "cut", rate, now + since);
            proved = proved.or(fall.refused(rate));
        }
        proved
    }

    const SOON: Duration = Duration::from_secs(1);

    #[test]
    fn a_fall_without_effect_proves_strays_and_names_the_pace_that_was_fine() {
        let (pace, share) = after(&[24, 30, 18, 24], SOON).unwrap();
        assert_eq!(pace, "open");
        assert!((share - 0.04).abs() < 1e-9, "{share}");
        assert_eq!(after(&[24, 30, 18], SOON), None, "too few to be sure");
    }

    #[test]
    fn cuts_with_an_effect_frequent_429s_and_rare_ones_prove_nothing() {
        assert_eq!(after(&[2, 3, 5, 22, 85, 300], SOON), None, "fewer and fewer");
        assert_eq!(after(&[2, 3, 2, 3, 2, 3], SOON), None, "a quarter of all");
        assert_eq!(after(&[300; 8], SOON), None, "no hindrance");
    }

    #[test]
    fn not_far_below_it_only_frequent_429s_prove_strays() {
        assert!(at(60.0, &[60; 4], SOON).is_some());
        assert_eq!(at(60.0, &[150; 8], SOON), None, "a limit that moves by little");
        assert!(at(40.0, &[150; 4], SOON).is_some());
        assert_eq!(at(80.0, &[60; 8], SOON), None, "hardly lower");
    }

    #[test]
    fn a_rate_that_was_fine_long_ago_says_nothing() {
        assert_eq!(after(&[150; 12], MOMENT * 2), None);
        assert!(after(&[90; 4], MOMENT * 2).is_some(), "not long ago in responses");
    }
}
