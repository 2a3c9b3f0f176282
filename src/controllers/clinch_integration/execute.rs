//! Step 4: opens or closes the connection as planned. Async.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    gather::Gathered,
    plan::{Plan, READ_LIST_AGAIN, remaining},
    sharing::Shared,
    validate::Validated,
    verify::{Subject, verify},
};
use crate::{
    cluster::{Cluster, Kind},
    controllers::{
        Context,
        connections::{Connection, Outcome, Verification},
        observer::VerificationOutcome,
    },
    domain::{Cause, Disposition, Reason},
    ledger::LedgerHome,
};

/// When an integration that has left its account to another one looks whether that is necessary still.
const SHARED_AGAIN: Duration = Duration::from_secs(30);
/// How often an integration looks whether runs have ended: its own, or those of another one.
const LEFT_AGAIN: Duration = Duration::from_millis(500);

/// What was done.
pub(super) enum Executed {
    /// Nothing: the admin's list cannot be read now.
    ListNotRead { message: String, retry: Duration },
    /// The connection was closed because of this, and runs in progress end.
    Refused(Cause),
    /// The connection was closed because an integration of another shard names the same account.
    Shared { cause: Cause, yields: bool, retry: Duration },
    /// Runs in progress are paused because of this.
    Paused { cause: Cause, left: Duration },
    /// The connection was closed: `spec.suspend` is set. With what else is wrong.
    Suspended(Option<Cause>),
    /// The latest verification counts.
    Verified {
        validated: Box<Validated>,
        latest: Verification,
        /// Whether credential, endpoint or limits changed since the one before it.
        changed: bool,
        now: Instant,
    },
}

impl Executed {
    /// How long until the next pass.
    pub(super) fn wait(&self) -> Option<Duration> {
        match self {
            Self::ListNotRead { retry, .. } | Self::Shared { retry, .. } => Some(*retry),
            Self::Paused { left, .. } => Some(*left),
            Self::Refused(cause) => list_again(cause.reason),
            Self::Suspended(_) => None,
            Self::Verified { validated, latest, now, .. } => {
                let left = remaining(latest, validated, *now).unwrap_or(Duration::from_secs(1));
                let again = match &latest.outcome {
                    Outcome::Failed(failure) => list_again(failure.disposition.reason()),
                    Outcome::Verified => None,
                };
                Some(again.map_or(left, |again| again.min(left)))
            }
        }
    }
}

/// When a list that cannot be used is read again: no store announces that it was corrected.
fn list_again(reason: Reason) -> Option<Duration> {
    (reason == Reason::SuppressionUnreadable).then_some(READ_LIST_AGAIN)
}

/// Opens or closes the connection.
pub(super) async fn execute<C: Cluster + LedgerHome>(
    context: &Context<C>,
    gathered: &Gathered,
    plan: Plan,
) -> Executed {
    let (connections, uid) = (&context.connections, gathered.uid.as_str());
    match plan {
        Plan::AwaitList { message, retry } => Executed::ListNotRead { message, retry },
        Plan::Refuse(cause) => {
            connections.revoke(uid);
            connections.drop_lists(uid);
            Executed::Refused(cause)
        }
        Plan::Share(Shared { cause, yields }) => {
            connections.revoke(uid);
            connections.drop_lists(uid);
            // The other one connects once this one says that it has left.
            let idle = context.shards.is_idle(uid);
            let retry = if yields && idle { SHARED_AGAIN } else { LEFT_AGAIN };
            Executed::Shared { cause, yields: yields && idle, retry }
        }
        Plan::Pause(cause) => match connections.pause(uid) {
            Some(left) => Executed::Paused { cause, left },
            None => Executed::Refused(cause),
        },
        Plan::Suspend(None) => {
            connections.close(uid);
            Executed::Suspended(None)
        }
        Plan::Suspend(Some(cause)) => {
            connections.revoke(uid);
            connections.drop_lists(uid);
            if cause.reason == Reason::AccountShared && !context.shards.is_idle(uid) {
                // The other one connects once this one is suspended.
                return Executed::Shared { cause, yields: false, retry: LEFT_AGAIN };
            }
            Executed::Suspended(Some(cause))
        }
        Plan::Keep { validated, latest } => {
            Executed::Verified { validated, latest, changed: false, now: Instant::now() }
        }
        Plan::Verify { validated } => {
            let before = gathered.verification.as_ref();
            let usable = gathered.connection.as_ref();
            let usable = usable.filter(|open| open.uses(&validated.credentials));
            if usable.is_none() && gathered.connection.is_some() {
                // The value before must not be used any more; the next one is not known to be valid.
                connections.pause(uid);
            }
            let subject = Subject::new(context, gathered, &validated);
            // Before the first request: files need no verified credential.
            let listed = connections.set_lists(uid, &gathered.key, subject.lists().await);
            if listed && usable.is_none() {
                enqueue_users(context, gathered).await;
            }
            let outcome = verify(subject).await;
            context.work.credential_verified(observed(&outcome));
            if matches!(outcome, Outcome::Verified) {
                connections.saw_secret(uid, gathered.secret_changes);
            }
            let now = Instant::now();
            let latest = Verification::after(before, validated.inputs, outcome, now);
            connections.set_verification(uid, latest.clone());
            let identity = |connection: &Connection| {
                let listed = connection.suppressions.listed().map(|listed| listed.digest());
                (connection.account.name(), listed)
            };
            let reached = connections.get(uid).as_ref().map(identity);
            if reached.is_some() && reached != usable.map(identity) {
                // Exports and imports wait for the connection, not for the status: after a restart the status
                // may not change, nor does it with every change of the admin's list.
                enqueue_users(context, gathered).await;
            }
            let changed = before.is_some_and(|before| before.inputs != validated.inputs);
            Executed::Verified { validated, latest, changed, now }
        }
    }
}

/// What an observer is shown of a verification.
const fn observed(outcome: &Outcome) -> VerificationOutcome {
    match outcome {
        Outcome::Verified => VerificationOutcome::Verified,
        Outcome::Failed(failure) => match failure.disposition {
            Disposition::Retry { .. } => VerificationOutcome::Retried,
            _ => VerificationOutcome::Refused,
        },
    }
}

async fn enqueue_users<C: Cluster>(context: &Context<C>, gathered: &Gathered) {
    let key = &gathered.key;
    match context.cluster.exports_of(key).await {
        Ok(exports) => exports.iter().for_each(|export| (context.enqueue)(Kind::Export, export)),
        Err(error) => tracing::warn!(integration = %key, %error, "exports are not enqueued"),
    }
    match context.cluster.imports_of(key).await {
        Ok(imports) => imports.iter().for_each(|import| (context.enqueue)(Kind::Import, import)),
        Err(error) => tracing::warn!(integration = %key, %error, "imports are not enqueued"),
    }
}
