//! Reconciles a `ClinchIntegration`: finds the credential, refuses what may not be contacted,
//! reads the contract, verifies with a signed read, and reports.

mod access_requests;
mod account_check;
mod contract_status;
mod credential;
mod execute;
mod gather;
mod hand_over;
mod inspect;
mod listed;
mod plan;
mod preview;
mod review;
mod sharing;
mod status;
mod validate;
mod verify;

use std::{sync::Arc, time::Duration};

use self::{
    credential::credentials,
    execute::execute,
    gather::{Gathered, gather},
    hand_over::{Turn, turn},
    plan::plan,
    validate::validate,
};
pub(super) use self::{inspect::reading, preview::config, review::review};
use super::{
    context::Context,
    notify,
    publish::{object_ref, publish},
    spans,
};
use crate::{
    api::ClinchIntegration,
    cluster::{Cluster, ClusterError, Kind, Notice, NoticeType, ObjectKey, ObjectRef},
    domain::Reason,
    ledger::LedgerHome,
};

/// How often a pass looks whether the Secret that it has read has changed.
const LOOK_AT_SECRET: Duration = Duration::from_millis(250);

/// One pass over one integration.
pub(super) async fn reconcile<C: Cluster + LedgerHome>(
    context: &Context<C>,
    key: &ObjectKey,
) -> Result<Option<Duration>, ClusterError> {
    let Some(object) = context.cluster.read::<ClinchIntegration>(key).await? else {
        return Ok(None);
    };
    let reference = object_ref(Kind::Integration, key, &object.metadata);
    spans::identify(&reference);
    if object.metadata.deletion_timestamp.is_some() {
        context.connections.close(&reference.uid);
        return Ok(None);
    }
    let look_again = match turn(context, &reference, &object).await? {
        Turn::NotNow(wait) => return Ok(wait),
        Turn::OursFor(wait) => Some(wait),
        Turn::Ours => None,
    };
    // gather: everything that the pass depends on
    let gathered = match gather(context, key, &object).await {
        Ok(gathered) => gathered,
        Err(error) => return Err(unreadable(context, &reference, &object, error).await),
    };
    context.trouble.over(&reference.uid);
    context.notifier.set_receivers(&reference.uid, key, &gathered.receivers);
    note_secret(context, &gathered);
    // validate: conditions, and the integration as it may be contacted
    let checked = validate(&gathered, &context.settings);
    // plan: the one decision of the pass
    let plan = plan(&gathered, checked.validated);
    // execute: the only requests to Clinch
    let executed = tokio::select! {
        executed = execute(context, &gathered, plan) => executed,
        // The change has also enqueued the integration.
        () = superseded(context, &gathered) => return Ok(Some(Duration::ZERO)),
    };
    // status: conditions and what was learned
    let connection = context.connections.get(&reference.uid);
    let now = context.clock.now();
    let wait = executed.wait().into_iter().chain(look_again).min();
    let mut observations = checked.observations;
    let answers = context.notifier.answers(&reference.uid, &gathered.previous.notify);
    observations.extend(notify::observation(&gathered.receivers, &answers));
    let (mut next, asking) =
        status::status(&gathered, observations, executed, connection.as_ref(), now);
    next.notify = answers;
    let due = context.notifier.due((key, &object), |_| None, &reference, &mut next);
    publish::<ClinchIntegration>(&context.cluster, &reference, &gathered.previous, next, "Verify")
        .await?;
    let wait = due.done(wait);
    for namespace in asking {
        context.cluster.publish(&reference, asks(&namespace)).await;
    }
    Ok(wait)
}

/// Runs may continue if a Secret that changed still holds the credential in use.
fn note_secret<C: Cluster>(context: &Context<C>, gathered: &Gathered) {
    let known = context.connections.known(&gathered.uid);
    let found = credentials(&gathered.object, gathered.secret.as_ref());
    if let (Some(known), Ok(found)) = (known, found)
        && known.connection.uses(&found)
    {
        context.connections.saw_secret(&gathered.uid, gathered.secret_changes);
    }
}

/// Waits until the Secret is seen to differ from what was read: the pass, which may wait for Clinch,
/// must not go on with the value before.
async fn superseded<C: Cluster>(context: &Context<C>, gathered: &Gathered) {
    let name = gathered.key.sibling(&gathered.object.spec.credentials.secret_ref.name);
    let cluster = &context.cluster;
    while gathered.secret.is_none()
        || (!cluster.secret_gone(&name) && cluster.secret_changes(&name) == gathered.secret_changes)
    {
        tokio::time::sleep(LOOK_AT_SECRET).await;
    }
}

/// Reports that the cluster could not be read; returns the error, for the retry.
async fn unreadable<C: Cluster>(
    context: &Context<C>,
    reference: &ObjectRef,
    object: &Arc<ClinchIntegration>,
    error: ClusterError,
) -> ClusterError {
    let secret = reference.key.sibling(&object.spec.credentials.secret_ref.name);
    if context.cluster.secret_gone(&secret) {
        // Its deletion was seen: the grace runs although the pass cannot read the Secret.
        context.connections.pause(&reference.uid);
    }
    if context.trouble.is_brief(&reference.uid, &error) {
        return error;
    }
    if object.spec.suspend {
        context.connections.close(&reference.uid);
    }
    let lasts = context.trouble.lasts(&reference.uid);
    let previous = object.status.clone().unwrap_or_default();
    let connection = context.connections.get(&reference.uid);
    let now = context.clock.now();
    let mut next = status::unreadable(object, &previous, (&error, lasts), connection.as_ref(), now);
    if lasts {
        // Somebody has to hear of it. The Secrets of the receivers are others.
        let (key, settings) = (&reference.key, &context.settings.notify);
        let receivers = notify::receivers(&context.cluster, key, &object.spec, settings).await;
        context.notifier.set_receivers(&reference.uid, key, &receivers);
    }
    let due = context.notifier.due((&reference.key, object), |_| None, reference, &mut next);
    let written =
        publish::<ClinchIntegration>(&context.cluster, reference, &previous, next, "Verify").await;
    match written {
        Ok(()) => {
            // The next attempt is that of the error.
            let _wait = due.done(None);
            error
        }
        Err(error) => error,
    }
}

/// The Event when a namespace requests access for the first time.
fn asks(namespace: &str) -> Notice {
    let message = format!(
        "namespace {namespace} requests access to this integration; add it to \
         spec.access.approved to grant it"
    );
    let kind = NoticeType::Normal;
    Notice { kind, reason: Reason::AwaitingApproval, action: "Approve", message }
}
