//! What the watches and queues of this process look like now, for metrics. No I/O.

use std::{collections::BTreeMap, time::Duration};

use super::{echoes::Echoes, pulse::Pulses, stores::Stores, waiting::Waiting};
use crate::cluster::{Census, Kind};

/// The state of watches and queues; cheap to clone.
#[derive(Clone)]
pub struct Gauges {
    pub(super) stores: Stores,
    pub(super) waiting: Waiting,
    pub(super) echoes: Echoes,
    pub(super) pulses: Pulses,
}

impl Gauges {
    /// Counts over all objects, as the watches have seen them.
    pub fn census(&self) -> Census {
        self.stores.census()
    }

    /// How many reconciles of a kind were requested and have not begun, and for how long the first of
    /// them has waited.
    pub fn waiting(&self, kind: Kind) -> (usize, Duration) {
        self.waiting.of(kind)
    }

    /// Per watched kind: for how long its watch cannot be opened, or a status that this process wrote has not come
    /// back through it.
    pub fn watch_lag(&self) -> BTreeMap<&'static str, Duration> {
        let mut lag = self.pulses.deaf_for();
        for kind in Kind::ALL {
            let longest = lag.entry(kind.as_str()).or_default();
            *longest = self.echoes.lag(kind).max(*longest);
        }
        lag
    }
}
