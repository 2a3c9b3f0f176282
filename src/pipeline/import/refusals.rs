//! How many people a sink may refuse before a run gives up, and who is offered again. Pure, except for
//! chance.

use super::sink::Patience;
use crate::domain::ClinchId;

/// So many people refused in a row, and none taken between them, are no matter of single people: the run
/// ends. The next one goes on behind them.
const MOST_IN_A_ROW: u64 = 1000;
/// The same of people who were refused before and are offered again. The run goes on without the others.
const MOST_AGAIN: u64 = 100;
/// How many people are offered again in a run. Of more, chance picks so many: each run may pick others.
const MOST_PUT_OFF: usize = 100_000;

/// What becomes of people whom the sink refuses, within a run.
#[derive(Debug)]
pub(super) struct Refusals {
    pub(super) patience: Patience,
    /// Who was refused by an earlier run, and not offered by this one so far: of all of them, each with
    /// the same probability.
    put_off: Vec<ClinchId>,
    /// How many were put off, also those who are not among `put_off`.
    count: usize,
    /// Those are being offered again.
    pub(super) again: bool,
    /// So many of those were refused again that the others were not offered.
    pub(super) gave_up: bool,
}

impl Default for Refusals {
    fn default() -> Self {
        let patience = Patience { refused: 0, most: MOST_IN_A_ROW };
        Self { patience, put_off: Vec::new(), count: 0, again: false, gave_up: false }
    }
}

impl Refusals {
    /// Notes a person who is offered again after everybody else.
    pub(super) fn put_off(&mut self, id: &ClinchId) {
        self.count += 1;
        if self.put_off.len() < MOST_PUT_OFF {
            self.put_off.push(id.clone());
            return;
        }
        // Somebody takes a place with the probability that the place is theirs in the end (algorithm R).
        if let Some(place) = self.put_off.get_mut(fastrand::usize(..self.count)) {
            *place = id.clone();
        }
    }

    /// Whether nobody is to be offered again.
    pub(super) fn has_nobody(&self) -> bool {
        self.put_off.is_empty() || self.gave_up
    }

    /// The people to offer again from now on. The order is another one each time, so that each of them is
    /// among the first in some run.
    pub(super) fn begin_again(&mut self) -> Vec<ClinchId> {
        self.again = true;
        self.patience = Patience { refused: 0, most: MOST_AGAIN };
        self.count = 0;
        let mut put_off = std::mem::take(&mut self.put_off);
        fastrand::shuffle(&mut put_off);
        put_off
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn of_more_people_than_are_offered_again_everybody_has_the_same_chance() {
        let total = 3 * MOST_PUT_OFF;
        let mut refusals = Refusals::default();
        for number in 0..total {
            refusals.put_off(&ClinchId::parse(&format!("c-{number}")).unwrap());
        }
        let again = refusals.begin_again();
        assert_eq!(again.len(), MOST_PUT_OFF);
        assert_eq!(again.iter().collect::<HashSet<_>>().len(), MOST_PUT_OFF, "nobody twice");
        let number = |id: &ClinchId| id.as_str()[2..].parse::<usize>().unwrap();
        let mut thirds = [0_usize; 3];
        again.iter().for_each(|id| thirds[number(id) / MOST_PUT_OFF] += 1);
        // A third of each, of which the standard deviation is about 150.
        let fair = MOST_PUT_OFF / 3;
        assert!(thirds.iter().all(|picked| picked.abs_diff(fair) < 2000), "{thirds:?}");
        assert!(refusals.has_nobody());
    }
}
