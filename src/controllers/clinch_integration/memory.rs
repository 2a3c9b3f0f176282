//! What this process remembers of verifying each integration. In memory only: after a restart
//! every credential is verified once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use crate::domain::{Digest, Disposition};

/// The latest verification of an integration.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    /// What was verified.
    pub(super) inputs: Digest,
    /// How it went.
    pub(super) outcome: Outcome,
    /// Failures in a row.
    pub(super) failures: u32,
    /// When it was tried.
    pub(super) tried_at: Instant,
    /// When these inputs were last verified with success.
    pub(super) verified_at: Option<Instant>,
    /// A call has met a 401 since.
    pub(super) doubted: bool,
}

/// How a verification went.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// Well.
    Verified,
    /// Not well.
    Failed(Failure),
}

/// Why a verification failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// What is done next.
    pub(super) disposition: Disposition,
    /// What is wrong, in one sentence.
    pub(super) message: String,
}

impl Memory {
    /// The memory after another attempt.
    pub(super) fn after(
        previous: Option<&Self>,
        inputs: Digest,
        outcome: Outcome,
        now: Instant,
    ) -> Self {
        let same = previous.filter(|memory| memory.inputs == inputs);
        let failed = matches!(outcome, Outcome::Failed(_));
        let failures = if failed { same.map_or(0, |memory| memory.failures) + 1 } else { 0 };
        let verified_at =
            if failed { same.and_then(|memory| memory.verified_at) } else { Some(now) };
        Self { inputs, outcome, failures, tried_at: now, verified_at, doubted: false }
    }
}

/// The memories of this process, by integration UID.
#[derive(Clone, Default)]
pub(crate) struct Memories(Arc<Mutex<HashMap<String, Memory>>>);

impl Memories {
    fn map(&self) -> MutexGuard<'_, HashMap<String, Memory>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, uid: &str) -> Option<Memory> {
        self.map().get(uid).cloned()
    }

    pub(super) fn set(&self, uid: &str, memory: Memory) {
        self.map().insert(uid.to_owned(), memory);
    }

    /// What was verified is in doubt: the next pass verifies again.
    pub(crate) fn doubt(&self, uid: &str) {
        if let Some(memory) = self.map().get_mut(uid) {
            memory.doubted = true;
        }
    }

    /// Forgets an integration.
    pub(crate) fn forget(&self, uid: &str) {
        self.map().remove(uid);
    }
}
