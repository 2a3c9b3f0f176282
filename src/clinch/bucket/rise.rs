//! Finds out whether a rate may rise although single requests are refused. Pure.
//!
//! A limit refuses about half of the requests at twice its rate. 429s that our rate does not cause are as
//! rare as before at any rate. So while the rate doubles, a single 429 that asks for no wait does not end
//! that; several close to each other do (a sequential test). If no limit is met at all, the single ones
//! were strays. 429s that ask for a wait prove nothing: during a pause a limit recovers.

/// How much a 429 speaks for a limit, how much another response speaks against it, and what is enough:
/// logarithms of odds, between half of the requests and a twentieth.
const REFUSED: f64 = 2.3;
const ACCEPTED: f64 = 0.64;
const ENOUGH: f64 = 5.5;
/// So many 429s among so many responses are worth a rise.
const FREQUENT: usize = 4;
const AMONG: u64 = 120;
/// So many single 429s during a rise are enough to know their share.
const MANY: u32 = 6;
/// How many responses are between a rise that failed and the next one; doubles each time.
const BETWEEN: u64 = 400;

/// The evidence.
#[derive(Debug, Default)]
pub(super) struct Rise {
    odds: f64,
    responses: u64,
    /// The latest 429s, as numbers of responses, the oldest first.
    refused: [Option<u64>; FREQUENT],
    /// The next rise begins after so many responses.
    not_before: u64,
    failed: u32,
    /// Responses and 429s of the current rise.
    risen: f64,
    single: u32,
}

impl Rise {
    /// A response was not a 429.
    pub(super) fn accepted(&mut self) {
        self.responses += 1;
        self.risen += 1.0;
        self.odds = (self.odds - ACCEPTED).max(0.0);
    }

    /// A 429 while the rate doubles. Returns whether it continues.
    pub(super) fn continues(&mut self) -> bool {
        self.odds += REFUSED;
        self.risen += 1.0;
        self.single += 1;
        if self.odds < ENOUGH {
            return true;
        }
        self.starts();
        self.odds = 0.0;
        self.not_before = self.responses + (BETWEEN << self.failed.min(8));
        self.failed = self.failed.saturating_add(1);
        false
    }

    /// A rise starts.
    pub(super) fn starts(&mut self) {
        (self.risen, self.single) = (0.0, 0);
    }

    /// The share of single 429s during this rise, once there were enough.
    pub(super) fn share(&self) -> Option<f64> {
        (self.single >= MANY).then(|| f64::from(self.single) / self.risen)
    }

    /// A 429 at another time. Returns whether the rate doubles from now on.
    pub(super) fn begins(&mut self) -> bool {
        self.refused.rotate_left(1);
        self.refused[FREQUENT - 1] = Some(self.responses);
        let frequent = self.refused[0].is_some_and(|oldest| self.responses - oldest <= AMONG);
        let begins = frequent && self.responses >= self.not_before;
        if begins {
            self.starts();
            self.odds = 0.0;
        }
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The result of a 429 after so many other responses.
    fn after(rise: &mut Rise, run: u32, of: fn(&mut Rise) -> bool) -> bool {
        (0..run).for_each(|_| rise.accepted());
        of(rise)
    }

    #[test]
    fn single_429s_do_not_end_a_rise_and_several_close_to_each_other_do() {
        let mut rise = Rise::default();
        assert!((0..5).all(|_| after(&mut rise, 19, Rise::continues)));
        assert_eq!(rise.share(), None, "too few");
        assert!((0..100).all(|_| after(&mut rise, 19, Rise::continues)));
        assert_eq!(rise.share(), Some(0.05));
        let every_second = (1..=10).find(|_| !after(&mut rise, 1, Rise::continues));
        assert_eq!(every_second, Some(2), "the third in a row, with the one before");
        assert_eq!(rise.share(), None, "that is a limit");
    }

    #[test]
    fn frequent_429s_begin_a_rise_but_not_soon_after_one_that_failed() {
        let mut rise = Rise::default();
        let begun = (1..=10).find(|_| after(&mut rise, 25, Rise::begins));
        assert_eq!(begun, Some(4));
        while rise.continues() {}
        let again = (1..=100).find(|_| after(&mut rise, 25, Rise::begins));
        assert_eq!(again, Some(16), "400 responses later");
        let mut rare = Rise::default();
        assert!((0..100).all(|_| !after(&mut rare, 60, Rise::begins)));
    }
}
