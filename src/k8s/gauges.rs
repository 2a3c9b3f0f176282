//! What the watches and queues of this process look like now, for metrics. No I/O.

use std::time::Duration;

use super::{echoes::Echoes, stores::Stores, waiting::Waiting};
use crate::cluster::{Census, Kind};

/// The state of watches and queues; cheap to clone.
#[derive(Clone)]
pub struct Gauges {
    pub(super) stores: Stores,
    pub(super) waiting: Waiting,
    pub(super) echoes: Echoes,
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

    /// For how long a status that this process wrote has not come back through the watch of its kind.
    pub fn watch_lag(&self, kind: Kind) -> Duration {
        self.echoes.lag(kind)
    }
}
