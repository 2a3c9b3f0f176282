//! What a write rests on: whether the person may be written, and when they were read. Checked before each
//! attempt. Reads the tokio clock; no I/O.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How old what was read may be when a write is sent after a wait.
const KEEPS: Duration = Duration::from_secs(1);

/// What a write rests on.
#[derive(Clone)]
pub struct Footing {
    allowed: Arc<dyn Fn() -> bool + Send + Sync>,
    read_at: Option<Instant>,
    spent: Spent,
}

/// What the attempts of a write have used up: their number and time are bounded also if the person is read
/// again in between.
#[derive(Debug, Clone, Default)]
pub struct Spent(Arc<Mutex<Option<Tried>>>);

/// The attempts of one operation so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tried {
    pub operation: &'static str,
    /// Without those answered with 429.
    pub attempts: u32,
    /// Those answered with 429.
    pub limited: u32,
    pub deadline: Instant,
}

impl Footing {
    /// `allowed`: whether the person may be written; answers at once. `read_at`: when they were read, if
    /// that matters.
    pub fn new(
        allowed: impl Fn() -> bool + Send + Sync + 'static,
        read_at: Option<Instant>,
        spent: Spent,
    ) -> Self {
        Self { allowed: Arc::new(allowed), read_at, spent }
    }

    /// Whether the write must not be sent now. `waited`: it has waited because Clinch asked for that.
    pub(super) fn is_lost(&self, waited: bool) -> bool {
        let outdated = || self.read_at.is_some_and(|at| at.elapsed() > KEEPS);
        (waited && outdated()) || !(self.allowed)()
    }

    /// The attempts of an operation before the person was read again.
    pub(super) fn tried(&self, operation: &str) -> Option<Tried> {
        let tried = *self.spent.0.lock().unwrap_or_else(PoisonError::into_inner);
        tried.filter(|tried| tried.operation == operation)
    }

    /// Keeps the attempts for when the person was read again, or forgets them.
    pub(super) fn keep(&self, tried: Option<Tried>) {
        *self.spent.0.lock().unwrap_or_else(PoisonError::into_inner) = tried;
    }
}

impl fmt::Debug for Footing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Footing(read at {:?})", self.read_at)
    }
}
