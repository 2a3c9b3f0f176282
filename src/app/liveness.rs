//! Whether this process still works: its event loop runs, and its watches make progress. A process that does not
//! is of no use until it is started again. An API server that does not answer is no reason: the next process
//! would wait for it as well.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use crate::k8s::{Deafness, Pulse, Pulses};

/// How often the event loop shows that it runs.
const BEAT: Duration = Duration::from_secs(1);

/// How long something may show no sign of life.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The event loop.
    pub event_loop: Duration,
    /// A watch. It is silent for five minutes at most while it works, whatever the API server does.
    pub watch: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { event_loop: Duration::from_secs(60), watch: Duration::from_mins(10) }
    }
}

/// The signs of life of this process; cheap to clone.
#[derive(Clone)]
pub struct Liveness {
    limits: Limits,
    event_loop: Pulse,
    watches: Arc<Mutex<Pulses>>,
    _beating: Arc<AbortOnDropHandle<()>>,
}

impl Liveness {
    /// Observes the event loop of the caller's runtime from now on.
    pub fn of_this_runtime(limits: Limits) -> Self {
        let event_loop = Pulse::default();
        let pulse = event_loop.clone();
        let beating = tokio::spawn(async move {
            loop {
                pulse.beat();
                sleep(BEAT).await;
            }
        });
        let beating = Arc::new(AbortOnDropHandle::new(beating));
        Self { limits, event_loop, watches: Arc::default(), _beating: beating }
    }

    /// Observes these watches from now on.
    pub fn of_watches(&self, pulses: Pulses) {
        *self.watches.lock().unwrap_or_else(PoisonError::into_inner) = pulses;
    }

    fn watches(&self) -> Pulses {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The watches that the API server does not open. Starting this process again would not help.
    pub fn deafness(&self) -> Option<Deafness> {
        self.watches().deafness()
    }

    /// Why this process has to be started again, if so.
    pub fn fault(&self) -> Option<String> {
        let silent = self.event_loop.silent_for();
        if silent >= self.limits.event_loop {
            return Some(format!("the event loop has not run for {} s", silent.as_secs()));
        }
        let (what, silent) = self.watches().slowest()?;
        (silent >= self.limits.watch)
            .then(|| format!("the watch of {what} has made no progress for {} s", silent.as_secs()))
    }
}
