//! Counts the records that wait until a request of unknown outcome must have ended. They send nothing
//! meanwhile, so others take their place. No I/O.

use std::sync::Arc;

use tokio::sync::watch;

/// The records of a run that rest.
#[derive(Debug, Clone)]
pub struct Resting(Arc<watch::Sender<usize>>);

/// One that rests, until it is dropped.
#[derive(Debug)]
pub struct Rest(Arc<watch::Sender<usize>>);

impl Default for Resting {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Resting {
    /// Starts to rest.
    pub(super) fn enter(&self) -> Rest {
        self.0.send_modify(|resting| *resting += 1);
        Rest(Arc::clone(&self.0))
    }

    /// How many rest, as a signal to wait on.
    pub(super) fn count(&self) -> watch::Receiver<usize> {
        self.0.subscribe()
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.0.send_modify(|resting| *resting -= 1);
    }
}
