//! The latest verification of an integration. In memory only: after a restart every credential is
//! verified once. No I/O.

use tokio::time::Instant;

use crate::domain::{Digest, Disposition};

/// The latest verification of an integration.
#[derive(Debug, Clone)]
pub(in crate::controllers) struct Verification {
    /// What was verified.
    pub(in crate::controllers) inputs: Digest,
    /// The result.
    pub(in crate::controllers) outcome: Outcome,
    /// Failures in a row.
    pub(in crate::controllers) failures: u32,
    /// When it was attempted.
    pub(in crate::controllers) attempted_at: Instant,
    /// When these inputs were last verified successfully.
    pub(in crate::controllers) verified_at: Option<Instant>,
    /// Whether a call received a 401 since: then the next pass verifies again.
    pub(in crate::controllers) invalidated: bool,
}

/// The result of a verification.
#[derive(Debug, Clone)]
pub(in crate::controllers) enum Outcome {
    /// The credential is valid.
    Verified,
    /// It is not valid, or that could not be established.
    Failed(Failure),
}

/// Why a verification failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::controllers) struct Failure {
    /// What happens next.
    pub(in crate::controllers) disposition: Disposition,
    /// What is wrong, in one sentence.
    pub(in crate::controllers) message: String,
}

impl Verification {
    /// The state after another attempt.
    pub(in crate::controllers) fn after(
        previous: Option<&Self>,
        inputs: Digest,
        outcome: Outcome,
        now: Instant,
    ) -> Self {
        let same = previous.filter(|previous| previous.inputs == inputs);
        let failed = matches!(outcome, Outcome::Failed(_));
        let failures = if failed { same.map_or(0, |same| same.failures) + 1 } else { 0 };
        let verified_at = if failed { same.and_then(|same| same.verified_at) } else { Some(now) };
        Self { inputs, outcome, failures, attempted_at: now, verified_at, invalidated: false }
    }
}
