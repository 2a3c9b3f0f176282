//! Step 3: what to do about an integration in this pass. Pure.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    gather::Gathered,
    sharing::Shared,
    validate::{Invalid, Validated},
};
use crate::{
    controllers::connections::{Outcome, Verification},
    domain::{Cause, Digest, Disposition, REPROBE_EVERY, Reason, backoff},
};

/// How long a verified credential stays verified while Clinch does not answer.
const GRACE: Duration = Duration::from_mins(5);
/// When an admin's list that could not be read is read again.
pub(super) const READ_LIST_AGAIN: Duration = Duration::from_secs(30);

/// What to do.
pub(super) enum Plan {
    /// Leave everything as it is: the admin's list of people cannot be read now, and exports
    /// continue once it can.
    AwaitList { message: String, retry: Duration },
    /// Close the connection and end runs in progress: the integration is not valid.
    Refuse(Cause),
    /// As `Refuse`, because of an integration of another shard.
    Share(Shared),
    /// Pause runs in progress: the Secret is gone, perhaps for a moment only.
    Pause(Cause),
    /// Close the connection: `spec.suspend` is set. With what else is wrong, for which it is revoked.
    Suspend(Option<Cause>),
    /// Nothing: the latest verification still counts.
    Keep { validated: Box<Validated>, latest: Verification },
    /// Verify the credential.
    Verify { validated: Box<Validated> },
}

/// Decides.
pub(super) fn plan(gathered: &Gathered, validated: Result<Box<Validated>, Invalid>) -> Plan {
    if gathered.object.spec.suspend {
        return suspend(validated.err());
    }
    let validated = match validated {
        Ok(validated) => validated,
        Err(Invalid::ListNotRead(message)) => {
            return Plan::AwaitList { message, retry: READ_LIST_AGAIN };
        }
        Err(Invalid::Shared(shared)) => return Plan::Share(shared),
        Err(Invalid::Refused(cause)) => return refuse(cause),
    };
    let connected = gathered.connection.is_some();
    let latest = gathered.verification.clone().filter(|latest| {
        // After a resume, or once its Secret is back, a verified integration has no connection.
        connected || latest.verified_at != Some(latest.attempted_at)
    });
    let requested = gathered.request.is_some();
    match latest.filter(|_| !requested) {
        Some(latest) if remaining(&latest, &validated, gathered.now).is_some() => {
            Plan::Keep { validated, latest }
        }
        _ => Plan::Verify { validated },
    }
}

/// A suspended integration is nobody's fault to mend now, whatever else is wrong with it.
fn suspend(invalid: Option<Invalid>) -> Plan {
    Plan::Suspend(match invalid {
        None | Some(Invalid::ListNotRead(_)) => None,
        Some(Invalid::Refused(cause) | Invalid::Shared(Shared { cause, .. })) => Some(cause),
    })
}

fn refuse(cause: Cause) -> Plan {
    match cause.reason {
        Reason::SecretNotFound => Plan::Pause(cause),
        _ => Plan::Refuse(cause),
    }
}

/// How long the latest verification still counts; `None` when the credential has to be verified.
pub(super) fn remaining(
    latest: &Verification,
    validated: &Validated,
    now: Instant,
) -> Option<Duration> {
    remaining_for(latest, &validated.inputs, validated.interval, now)
}

fn remaining_for(
    latest: &Verification,
    inputs: &Digest,
    interval: Duration,
    now: Instant,
) -> Option<Duration> {
    if latest.inputs != *inputs || latest.invalidated {
        return None;
    }
    let lasts = match &latest.outcome {
        Outcome::Verified => interval,
        Outcome::Failed(failure) => match failure.disposition {
            Disposition::Retry { after, .. } => {
                backoff(latest.failures.saturating_sub(1)).max(after)
            }
            Disposition::Wait { .. } | Disposition::Stalled { .. } => REPROBE_EVERY,
        },
    };
    let age = now.saturating_duration_since(latest.attempted_at);
    lasts.checked_sub(age).filter(|left| !left.is_zero())
}

/// Whether the credential counts as verified: it was verified, or it was recently and Clinch has
/// not answered since.
pub(super) fn counts_as_verified(latest: &Verification, interval: Duration, now: Instant) -> bool {
    let transient = match &latest.outcome {
        Outcome::Verified => return true,
        Outcome::Failed(failure) => matches!(failure.disposition, Disposition::Retry { .. }),
    };
    let recent =
        latest.verified_at.is_some_and(|at| now.saturating_duration_since(at) < interval + GRACE);
    transient && recent
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{controllers::connections::Failure, domain::digest_parts};

    const INTERVAL: Duration = Duration::from_mins(10);

    fn inputs(text: &str) -> Digest {
        digest_parts([text.as_bytes()])
    }

    fn latest(outcome: Outcome, failures: u32, now: Instant) -> Verification {
        let (attempted_at, inputs) = (now, inputs("a"));
        let (verified_at, invalidated) = (None, false);
        Verification { inputs, outcome, failures, attempted_at, verified_at, invalidated }
    }

    fn failed(disposition: Disposition) -> Outcome {
        Outcome::Failed(Failure { disposition, message: String::new() })
    }

    fn after(latest: &Verification, seconds: u64) -> Option<u64> {
        let now = latest.attempted_at + Duration::from_secs(seconds);
        Some(remaining_for(latest, &inputs("a"), INTERVAL, now)?.as_secs())
    }

    #[test]
    fn only_a_secret_that_is_gone_pauses_runs_in_progress() {
        let of = |reason| refuse(Cause::new(reason, ""));
        assert!(matches!(of(Reason::SecretNotFound), Plan::Pause(_)));
        for reason in [
            Reason::SecretFieldMissing,
            Reason::SecretFieldEmpty,
            Reason::SecretInvalid,
            Reason::EndpointNotAllowed,
            Reason::InvalidSpec,
            Reason::AccountShared,
            Reason::SuppressionUnreadable,
        ] {
            assert!(matches!(of(reason), Plan::Refuse(_)), "{reason}");
        }
    }

    #[test]
    fn a_suspension_revokes_only_what_may_not_be_used() {
        let of = |invalid| match suspend(invalid) {
            Plan::Suspend(cause) => cause.map(|cause| cause.reason),
            _ => panic!("not suspended"),
        };
        assert_eq!(of(None), None);
        assert_eq!(of(Some(Invalid::ListNotRead("later".to_owned()))), None);
        let cause = |reason| Cause::new(reason, "");
        let refused = Invalid::Refused(cause(Reason::SecretFieldMissing));
        assert_eq!(of(Some(refused)), Some(Reason::SecretFieldMissing));
        let shared = Shared { cause: cause(Reason::AccountShared), yields: true };
        assert_eq!(of(Some(Invalid::Shared(shared))), Some(Reason::AccountShared));
    }

    #[tokio::test]
    async fn a_credential_is_verified_once_per_interval() {
        let known = latest(Outcome::Verified, 0, Instant::now());
        assert_eq!((after(&known, 599), after(&known, 600)), (Some(1), None));
    }

    #[tokio::test]
    async fn changed_inputs_and_a_401_since_are_verified_at_once() {
        let known = latest(Outcome::Verified, 0, Instant::now());
        let changed = remaining_for(&known, &inputs("b"), INTERVAL, known.attempted_at);
        assert_eq!(changed, None);
        assert_eq!(after(&Verification { invalidated: true, ..known }, 0), None);
    }

    #[tokio::test]
    async fn a_rejected_credential_is_probed_every_quarter_of_an_hour() {
        let rejected = failed(Disposition::Stalled { reason: Reason::CredentialsRejected });
        let known = latest(rejected, 1, Instant::now());
        assert_eq!((after(&known, 899), after(&known, 900)), (Some(1), None));
    }

    #[tokio::test]
    async fn an_outage_backs_off_and_does_not_undo_a_recent_success() {
        let now = Instant::now();
        let mut known = latest(failed(Disposition::retry(Reason::Timeout)), 3, now);
        assert_eq!((after(&known, 3), after(&known, 4)), (Some(1), None), "third: 4 s");
        assert!(!counts_as_verified(&known, INTERVAL, now));
        known.verified_at = Some(now);
        assert!(counts_as_verified(&known, INTERVAL, now + Duration::from_mins(14)));
        assert!(!counts_as_verified(&known, INTERVAL, now + Duration::from_mins(15)));
    }
}
