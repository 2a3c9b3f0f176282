//! Distinguishes 429s that our rate does not cause ("strays") from a limit. Pure.
//!
//! A limit refuses nothing once the rate is well below it. Strays do not depend on the rate: however
//! far it is cut, they are as frequent as before. So frequent 429s at steady distances start a test:
//! the pace is cut deeply. If they go away, there is a limit, and the pace resumes where it was. If
//! they stay, they are strays: the pace returns to what it was before the first of them. From then on
//! only more of them than usual count as a limit (a cumulative sum of log odds).

use std::{collections::VecDeque, ops::Range};

/// Maximum share of strays; more are a limit.
const MOST: f64 = 0.1;
/// 429s in spite of deep cuts that prove strays, with the one before them.
const TESTED: usize = 3;
/// 429s further apart than this are no hindrance, in seconds, unless few responses are between them:
/// then it is the pace that is slow.
const OFTEN: f64 = 5.0;
/// How many responses are few.
const FEW: f64 = 60.0;
/// How many of the latest 429s are compared.
const KEPT: usize = 8;
/// How much longer the later ones may be apart than the earlier ones, and how much shorter.
const SAME: f64 = 1.2;
const SHORTER: f64 = 2.0;
/// How many times longer than usual nothing is refused if a cut had an effect.
const LONGER: f64 = 2.5;
/// By how much the share may grow again. More of them are refusals by a limit: a rate that grows slowly
/// would make these look like strays otherwise.
const GROWTH: f64 = 1.5;
/// The share was measured on a few only: there may be so many times more.
const CAUTION: f64 = 1.3;
/// How many responses are compared with the usual share at a time.
const BLOCK: f64 = 400.0;

/// From which odds, as a logarithm, there are more 429s than usual.
const EXCESS: f64 = 10.0;

/// The share that is clearly more than the usual one.
fn many(share: f64) -> f64 {
    (2.0 * share).max(share + 0.05)
}

/// What is known of strays.
#[derive(Debug, Default)]
pub(super) struct Strays {
    /// The usual share, once strays are proved.
    share: Option<f64>,
    /// The least that it has been.
    least: f64,
    series: Option<Series>,
    /// Responses and 429s of the current block.
    responses: f64,
    refused: f64,
    /// Responses since the latest 429.
    run: f64,
    /// How much the latest responses speak for more 429s than usual: the logarithm of the odds.
    excess: f64,
    /// Blocks in a row with more 429s than usual.
    exceeded: u32,
}

/// 429s that may be strays.
#[derive(Debug, Default)]
struct Series {
    /// Responses before each of the latest.
    runs: VecDeque<f64>,
    /// 429s since the test began, with the one that began it.
    tested: usize,
}

impl Series {
    /// Adds a 429, unless the cuts before it had an effect.
    fn takes(&mut self, run: f64) -> bool {
        if self.is_long(run) {
            return false;
        }
        self.runs.push_back(run);
        if self.runs.len() > KEPT {
            self.runs.pop_front();
        }
        self.share() <= MOST
    }

    /// Whether so many responses without a 429 show that there are fewer now.
    fn is_long(&self, run: f64) -> bool {
        !self.runs.is_empty() && run > LONGER * self.mean(0..self.runs.len())
    }

    fn mean(&self, range: Range<usize>) -> f64 {
        let (sum, count) =
            self.runs.range(range).fold((0.0, 0.0), |(sum, count), run| (sum + run, count + 1.0));
        sum / count
    }

    fn share(&self) -> f64 {
        1.0 / (1.0 + self.mean(0..self.runs.len()))
    }

    /// Whether the later ones are as frequent as the earlier ones.
    fn is_steady(&self) -> bool {
        let (all, half) = (self.runs.len(), self.runs.len() / 2);
        if half == 0 {
            return false;
        }
        let (before, after) = (self.mean(0..half), self.mean(half..all));
        after <= SAME * before && before <= SHORTER * after
    }
}

/// What a 429 is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// Perhaps the limit. `first`: the pace before it was the last one known to be fine.
    Limit { first: bool },
    /// Perhaps a stray: the pace must be cut by much to see.
    Test,
    /// Proved to be a stray just now: the cuts since the first sign were wrong.
    Proved,
    /// A stray.
    Stray,
}

impl Strays {
    /// A response was not a 429. Returns whether it shows that the 429s of a test were no strays.
    pub(super) fn accepted(&mut self) -> bool {
        self.responses += 1.0;
        self.run += 1.0;
        let Some(share) = self.share else {
            let refuted = self.series.as_ref().is_some_and(|s| s.tested > 0 && s.is_long(self.run));
            if refuted {
                self.series = None;
            }
            return refuted;
        };
        let fine = ((1.0 - many(share)) / (1.0 - share)).ln();
        self.excess = (self.excess + fine).max(0.0);
        if self.responses >= BLOCK.max(30.0 / share) {
            if self.refused * 10.0 < share * self.responses {
                *self = Self::default();
                return false;
            }
            let seen = (self.refused / self.responses).min(GROWTH * share);
            let share = (0.8 * share + 0.2 * seen).min(GROWTH * self.least);
            (self.share, self.least) = (Some(share), self.least.min(share));
            (self.responses, self.refused, self.exceeded) = (0.0, 0.0, 0);
        }
        false
    }

    /// A response to a request that was in flight at the latest 429 was a 429, too. `most`: as were
    /// most of them. That is what a limit does. Returns whether this ends a test.
    pub(super) fn refused_too(&mut self, most: bool) -> bool {
        if let Some(share) = self.share {
            (self.responses, self.refused) = (self.responses + 1.0, self.refused + 1.0);
            self.excess += (many(share) / share).ln();
        } else if most {
            return self.series.take().is_some_and(|series| series.tested > 0);
        }
        false
    }

    /// Ends a test without a result.
    pub(super) fn end_test(&mut self) {
        self.series = None;
    }

    /// So many were proved elsewhere.
    pub(super) fn prove(&mut self, share: f64) {
        let share = CAUTION * share;
        *self = Self { share: Some(share), least: share, ..Self::default() };
    }

    /// The share of strays, if they are proved.
    pub(super) fn share(&self) -> Option<f64> {
        self.share.map(|share| share / CAUTION)
    }

    /// Whether strays are proved.
    pub(super) fn are_proved(&self) -> bool {
        self.share.is_some()
    }

    /// A response was a 429, `seconds` after the latest one.
    pub(super) fn refused(&mut self, seconds: f64) -> Sign {
        let run = std::mem::take(&mut self.run);
        if let Some(share) = self.share {
            (self.responses, self.refused) = (self.responses + 1.0, self.refused + 1.0);
            self.excess += (many(share) / share).ln();
            if self.excess <= EXCESS {
                return Sign::Stray;
            }
            (self.responses, self.refused, self.excess) = (0.0, 0.0, 0.0);
            self.exceeded += 1;
            if self.exceeded > 2 {
                *self = Self::default();
            }
            return Sign::Limit { first: true };
        }
        if let Some(series) = &mut self.series
            && (seconds < OFTEN || run < FEW || series.tested > 0)
            && series.takes(run)
        {
            if series.tested == 0 && !series.is_steady() {
                return Sign::Limit { first: false };
            }
            series.tested += 1;
            if series.tested < TESTED {
                return Sign::Test;
            }
            let share = series.share();
            self.prove(share);
            return Sign::Proved;
        }
        self.series = Some(Series::default());
        Sign::Limit { first: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFTEN_ENOUGH: f64 = 0.5;

    /// One 429 after so many other responses.
    fn after(strays: &mut Strays, run: u32) -> Sign {
        for _ in 0..run {
            strays.accepted();
        }
        strays.refused(OFTEN_ENOUGH)
    }

    fn proved() -> Strays {
        let mut strays = Strays::default();
        let signs: Vec<_> = (0..6).map(|_| after(&mut strays, 33)).collect();
        let limit = |first| Sign::Limit { first };
        assert_eq!(
            signs,
            [limit(true), limit(false), Sign::Test, Sign::Test, Sign::Proved, Sign::Stray]
        );
        strays
    }

    #[test]
    fn what_deep_cuts_do_not_change_is_a_stray() {
        assert!(proved().are_proved());
    }

    #[test]
    fn no_429_after_a_deep_cut_is_a_limit() {
        let mut strays = Strays::default();
        for _ in 0..3 {
            after(&mut strays, 33);
        }
        let refuted = (1..=200).find(|_| strays.accepted());
        assert_eq!(refuted, Some(83), "two and a half times longer than usual");
        assert_eq!(after(&mut strays, 33), Sign::Limit { first: true });
    }

    #[test]
    fn rare_frequent_or_clustered_429s_are_a_limit() {
        let mut rare = Strays::default();
        let mut frequent = Strays::default();
        let mut clustered = Strays::default();
        for _ in 0..20 {
            (0..80).for_each(|_| _ = rare.accepted());
            assert_eq!(rare.refused(2.0 * OFTEN), Sign::Limit { first: true });
            assert!(matches!(after(&mut frequent, 3), Sign::Limit { .. }));
            assert_eq!(after(&mut clustered, 33), Sign::Limit { first: true });
            assert!(!clustered.refused_too(true), "no test is in progress");
        }
    }

    #[test]
    fn many_more_strays_than_usual_are_a_limit() {
        let mut strays = proved();
        let until_limit = (1..=100).find(|_| after(&mut strays, 1) != Sign::Stray);
        assert!(until_limit.is_some_and(|count| count <= 12), "{until_limit:?}");
        let mut strays = proved();
        assert!((0..1000).all(|_| after(&mut strays, 33) == Sign::Stray));
    }

    #[test]
    fn more_and_more_429s_are_not_learned_as_strays() {
        let mut strays = proved();
        let share = strays.share().unwrap();
        for run in (8..=33).rev() {
            (0..40).for_each(|_| _ = after(&mut strays, run));
        }
        assert!(strays.share().is_none_or(|now| now < 1.6 * share), "{strays:?}");
    }

    #[test]
    fn strays_that_no_longer_occur_are_forgotten() {
        let mut strays = proved();
        (0..5000).for_each(|_| _ = strays.accepted());
        assert!(!strays.are_proved());
    }
}
