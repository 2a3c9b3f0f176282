//! How many people a sink may refuse before a run gives up, and who is offered again. Pure, except for
//! chance.

use super::sink::Patience;
use crate::domain::ClinchId;

/// So many people refused in a row, and none taken between them, are no matter of single people: the run
/// ends. The next one goes on behind them.
const MOST_IN_A_ROW: u64 = 1000;
/// The same of people who were refused before and are offered again. The run goes on without the others.
const MOST_AGAIN: u64 = 100;
/// How many people are offered again in a run.
const MOST_PUT_OFF: usize = 100_000;

/// What becomes of people whom the sink refuses, within a run.
#[derive(Debug)]
pub(super) struct Refusals {
    pub(super) patience: Patience,
    /// Who was refused by an earlier run, and not offered by this one so far.
    put_off: Vec<ClinchId>,
    /// Those are being offered again.
    pub(super) again: bool,
    /// So many of those were refused again that the others were not offered.
    pub(super) gave_up: bool,
}

impl Default for Refusals {
    fn default() -> Self {
        let patience = Patience { refused: 0, most: MOST_IN_A_ROW };
        Self { patience, put_off: Vec::new(), again: false, gave_up: false }
    }
}

impl Refusals {
    /// Notes a person who is offered again after everybody else.
    pub(super) fn put_off(&mut self, id: &ClinchId) {
        if self.put_off.len() < MOST_PUT_OFF {
            self.put_off.push(id.clone());
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
        let mut put_off = std::mem::take(&mut self.put_off);
        fastrand::shuffle(&mut put_off);
        put_off
    }
}
