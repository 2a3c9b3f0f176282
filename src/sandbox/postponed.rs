//! What is carried out later: in time, however busy the machine is.

use std::sync::Mutex;

use tokio::time::Instant;

use super::state::lock;

/// What is carried out later, on something shared by all of it.
pub(super) struct Postponed<S>(Mutex<Vec<(Instant, Job<S>)>>);

type Job<S> = Box<dyn FnOnce(&S) + Send>;

impl<S> Default for Postponed<S> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<S> Postponed<S> {
    /// Adds what is carried out from this time on.
    pub(super) fn add(&self, due: Instant, job: impl FnOnce(&S) + Send + 'static) {
        lock(&self.0).push((due, Box::new(job)));
    }

    /// Carries out what is due, in that order. When it returns, all of it is carried out, whichever task
    /// did it.
    pub(super) fn carry_out_due(&self, shared: &S) {
        // Held until the end: another task must not overtake.
        let mut jobs = lock(&self.0);
        if jobs.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut due: Vec<_> = jobs.extract_if(.., |(due, _)| *due <= now).collect();
        due.sort_by_key(|(due, _)| *due);
        for (_, job) in due {
            job(shared);
        }
    }

    /// Forgets what is not carried out any more.
    pub(super) fn forget(&self) {
        lock(&self.0).clear();
    }
}
