//! Step 3: whether the credential has to be verified now. Pure.

use std::time::Duration;

use tokio::time::Instant;

use super::memory::{Memory, Outcome};
use crate::domain::{Digest, Disposition};

/// When a terminal failure is probed again without any change.
const REPROBE_EVERY: Duration = Duration::from_mins(15);
/// How long a verified credential stays verified while Clinch cannot be asked.
pub(super) const GRACE: Duration = Duration::from_mins(5);

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// What is known still stands; look again after this long.
    Keep(Duration),
    /// Verify now.
    Verify,
}

/// Decides.
pub(super) fn decide(
    memory: Option<&Memory>,
    inputs: &Digest,
    interval: Duration,
    requested: bool,
    now: Instant,
) -> Decision {
    let stands = |memory: &&Memory| memory.inputs == *inputs && !memory.doubted && !requested;
    let Some(memory) = memory.filter(stands) else {
        return Decision::Verify;
    };
    let age = now.saturating_duration_since(memory.tried_at);
    let due = match &memory.outcome {
        Outcome::Verified => interval,
        Outcome::Failed(failure) => match failure.disposition {
            Disposition::Retry { after, .. } => backoff(memory.failures).max(after),
            Disposition::Wait { .. } | Disposition::Stalled { .. } => REPROBE_EVERY,
        },
    };
    match due.checked_sub(age) {
        Some(left) if !left.is_zero() => Decision::Keep(left),
        _ => Decision::Verify,
    }
}

/// 1 s doubling to 10 min.
fn backoff(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.saturating_sub(1).min(10)).min(Duration::from_mins(10))
}

/// Whether a failure to verify is to be shown, or an earlier success still counts.
pub(super) fn still_verified(memory: &Memory, interval: Duration, now: Instant) -> bool {
    let transient = match &memory.outcome {
        Outcome::Verified => return true,
        Outcome::Failed(failure) => matches!(failure.disposition, Disposition::Retry { .. }),
    };
    let recent =
        memory.verified_at.is_some_and(|at| now.saturating_duration_since(at) < interval + GRACE);
    transient && recent
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        controllers::clinch_integration::memory::Failure,
        domain::{Reason, digest_parts},
    };

    const INTERVAL: Duration = Duration::from_mins(10);

    fn inputs(text: &str) -> Digest {
        digest_parts([text.as_bytes()])
    }

    fn memory(outcome: Outcome, failures: u32, now: Instant) -> Memory {
        let inputs = inputs("a");
        Memory { inputs, outcome, failures, tried_at: now, verified_at: None, doubted: false }
    }

    fn failed(disposition: Disposition) -> Outcome {
        Outcome::Failed(Failure { disposition, message: String::new() })
    }

    fn after(memory: &Memory, seconds: u64) -> Decision {
        let now = memory.tried_at + Duration::from_secs(seconds);
        decide(Some(memory), &inputs("a"), INTERVAL, false, now)
    }

    #[tokio::test]
    async fn a_verified_credential_is_asked_about_once_per_interval() {
        let known = memory(Outcome::Verified, 0, Instant::now());
        assert_eq!(after(&known, 599), Decision::Keep(Duration::from_secs(1)));
        assert_eq!(after(&known, 600), Decision::Verify);
    }

    #[tokio::test]
    async fn changed_inputs_and_requests_are_verified_at_once() {
        let now = Instant::now();
        let known = memory(Outcome::Verified, 0, now);
        assert_eq!(decide(Some(&known), &inputs("b"), INTERVAL, false, now), Decision::Verify);
        assert_eq!(decide(Some(&known), &inputs("a"), INTERVAL, true, now), Decision::Verify);
        assert_eq!(decide(None, &inputs("a"), INTERVAL, false, now), Decision::Verify);
        let doubted = Memory { doubted: true, ..known };
        assert_eq!(decide(Some(&doubted), &inputs("a"), INTERVAL, false, now), Decision::Verify);
    }

    #[tokio::test]
    async fn a_rejected_credential_is_probed_every_quarter_of_an_hour() {
        let rejected = failed(Disposition::Stalled { reason: Reason::CredentialsRejected });
        let known = memory(rejected, 1, Instant::now());
        assert_eq!(after(&known, 899), Decision::Keep(Duration::from_secs(1)));
        assert_eq!(after(&known, 900), Decision::Verify);
    }

    #[tokio::test]
    async fn an_outage_backs_off_and_leaves_a_recent_success_standing() {
        let now = Instant::now();
        let mut known = memory(failed(Disposition::retry(Reason::Timeout)), 3, now);
        assert_eq!(after(&known, 3), Decision::Keep(Duration::from_secs(1)), "third: 4 s");
        assert!(!still_verified(&known, INTERVAL, now));
        known.verified_at = Some(now);
        assert!(still_verified(&known, INTERVAL, now + Duration::from_mins(14)));
        assert!(!still_verified(&known, INTERVAL, now + Duration::from_mins(15)));
    }
}
