//! The rate beside strays that ask for a wait: 429s that our rate does not cause. Pure.
//!
//! A single 429 does not say whether it is a stray. So the rate rises a little with each response and
//! falls with each 429, by amounts that balance where slightly more requests are refused than strays are
//! (the stochastic approximation of Robbins and Monro). Every now and then the rate dips: well below the
//! limit only strays are refused, so their share is measured there, and nowhere else. Otherwise refusals
//! by the limit would count as strays, and the more of them were tolerated, the more there would be.

/// How much lower the rate is while strays are counted.
const DIP: f64 = 0.75;
/// How many strays are expected during a dip, and between two dips.
const DURING: f64 = 2.0;
const BETWEEN: f64 = 4.0;
/// How many strays the share rests on at first, and at most.
const PRIOR: f64 = 4.0;
const MEMORY: f64 = 30.0;
/// More strays than this in one dip are a limit below it.
const MANY: f64 = 6.0;
/// By how much a 429 lowers the rate, as a logarithm.
const STEP: f64 = 0.05;
/// How many more requests may be refused than the estimate of strays and its standard error.
const EXTRA: f64 = 0.0005;
/// So many strays that were expected during dips and did not come show that there are none.
const ABSENT: f64 = 5.0;
/// Strays rarer than this are none.
const NONE: f64 = 0.001;
/// How fast the rate grows with each response at first: this share of it, by one at most.
const GROWTH: f64 = 0.01;
/// What is too many 429s for strays then: the share is compared with twice that of strays and this much
/// more; from these odds on, as a logarithm.
const MORE: f64 = 0.01;
const ODDS: f64 = 3.0;
/// The least share of strays that it is compared with.
const LEAST: f64 = 0.003;
/// The rate does not grow while less than this share of it is used, and while it rises.
const USED: f64 = 0.5;
const USED_RISING: f64 = 0.25;
/// What is left of the rate when there were too many: it grew until that was noticed.
const BACK: f64 = 0.6;

/// A rate, and what is known of strays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seek {
    rate: f64,
    /// Responses and strays during dips, as far as they are remembered.
    responses: f64,
    strays: f64,
    /// Strays that were expected during dips since the latest one.
    expected: f64,
    /// 429s of the current dip.
    dip: Option<f64>,
    /// How many responses are left until a dip begins or ends.
    left: f64,
    /// While no limit was met: how much the responses speak for one, as a logarithm of odds.
    rising: Option<f64>,
}

impl Seek {
    /// Rises from this rate until a limit is met.
    pub(super) fn rising(rate: f64, share: f64) -> Self {
        Self { rising: Some(0.0), ..Self::around(rate, share) }
    }

    /// Seeks a limit around this rate.
    pub(super) fn around(rate: f64, share: f64) -> Self {
        let left = BETWEEN / share / 2.0;
        Self {
            rate,
            responses: PRIOR / share,
            strays: PRIOR,
            expected: 0.0,
            dip: None,
            left,
            rising: None,
        }
    }

    /// In requests per second.
    pub(super) fn rate(&self) -> f64 {
        if self.dip.is_some() { DIP * self.rate } else { self.rate }
    }

    /// The share of strays.
    fn share(&self) -> f64 {
        self.strays / self.responses
    }

    /// A response was not a 429. `used`: the share of the rate that is used. Returns whether there are
    /// hardly any strays any more.
    pub(super) fn accepted(&mut self, used: f64) -> bool {
        let share = self.share();
        if let Some(odds) = &mut self.rising {
            if used >= USED_RISING {
                self.rate += (GROWTH * self.rate).min(1.0);
            }
            let share = share.max(LEAST);
            let many = 2.0 * share + MORE;
            *odds = (*odds + ((1.0 - many) / (1.0 - share)).ln()).max(0.0);
        } else if used >= USED && self.dip.is_none() {
            let share = share * (1.0 + 1.0 / self.strays.sqrt());
            self.rate *= (STEP * (share + EXTRA)).exp();
        }
        self.count(false)
    }

    /// A response was a 429, while so many requests per second were accepted.
    pub(super) fn refused(&mut self, accepted: f64) {
        let share = self.share();
        if let Some(odds) = &mut self.rising {
            let least = share.max(LEAST);
            *odds += ((2.0 * least + MORE) / least).ln();
            if *odds > ODDS {
                self.rate = BACK * self.rate.min(accepted);
                self.rising = None;
                self.left = BETWEEN / share / 2.0;
            }
        } else if let Some(refused) = self.dip {
            if refused >= MANY {
                (self.rate, self.left) = (DIP * self.rate, 0.0);
            }
        } else {
            self.rate *= (-STEP).exp();
        }
        self.count(true);
    }

    /// Counts a response, and begins or ends a dip. Returns whether a dip has shown hardly any strays.
    fn count(&mut self, refused: bool) -> bool {
        let stray = f64::from(u8::from(refused));
        self.left -= 1.0;
        if let Some(strays) = &mut self.dip {
            *strays += stray;
            self.expected =
                if refused { 0.0 } else { self.expected + self.strays / self.responses };
            self.responses += 1.0;
            self.strays += stray;
            let keep = (MEMORY / self.strays).min(1.0);
            (self.responses, self.strays) = (keep * self.responses, keep * self.strays);
        }
        if self.expected > ABSENT {
            return true;
        }
        if self.left > 0.0 || self.rising.is_some() {
            return false;
        }
        let dips = self.dip.is_none();
        self.dip = dips.then_some(0.0);
        self.left = if dips { DURING } else { BETWEEN } / self.share().max(NONE);
        self.share() < NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: f64 = 0.01;

    /// The rate after so many responses at a server that refuses `share` of all requests, and half of
    /// those beyond the limit.
    fn after(seek: &mut Seek, responses: u32, share: f64, limit: f64) -> f64 {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..responses {
            let beyond = seek.rate() > limit && random.bool();
            if beyond || random.f64() < share {
                seek.refused(seek.rate());
            } else {
                seek.accepted(1.0);
            }
        }
        seek.rate
    }

    #[test]
    fn the_rate_stays_near_the_limit_although_there_are_strays() {
        let mut seek = Seek::around(50.0, SHARE);
        let mut rates = Vec::new();
        for _ in 0..40 {
            rates.push(after(&mut seek, 500, SHARE, 50.0));
        }
        let average = rates.iter().sum::<f64>() / 40.0;
        assert!((40.0..52.0).contains(&average), "{average}");
    }

    #[test]
    fn it_rises_until_the_limit_and_falls_back_once() {
        let mut seek = Seek::rising(10.0, SHARE);
        after(&mut seek, 300, SHARE, 50.0);
        assert_eq!(seek.rising, None);
        assert!((25.0..50.0).contains(&seek.rate), "{}", seek.rate);
        let mut unlimited = Seek::rising(10.0, SHARE);
        assert!(after(&mut unlimited, 500, 0.0, f64::INFINITY) > 100.0);
    }

    #[test]
    fn a_rate_that_is_not_used_does_not_grow() {
        for mut seek in [Seek::around(50.0, SHARE), Seek::rising(50.0, SHARE)] {
            (0..100).for_each(|_| _ = seek.accepted(0.1));
            assert!(seek.rate <= 50.0, "{seek:?}");
        }
    }

    #[test]
    fn refusals_by_the_limit_do_not_count_as_strays() {
        let mut seek = Seek::around(50.0, SHARE);
        for _ in 0..100 {
            seek.refused(50.0);
            assert!(seek.dip.is_none() && seek.left > 0.0, "{seek:?}");
        }
        assert!((seek.share() - SHARE).abs() < 1e-9 && seek.rate < 1.0, "{seek:?}");
    }

    #[test]
    fn strays_that_no_longer_occur_are_forgotten() {
        let mut seek = Seek::around(50.0, SHARE);
        let gone = (1..=100_000).find(|_| seek.accepted(1.0));
        assert!(gone.is_some_and(|responses| responses < 60_000), "{gone:?}");
    }
}
