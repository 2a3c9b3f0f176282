//! Reconciles a `ClinchIntegration`: finds the credential, refuses what may not be contacted,
//! reads the contract, verifies with a signed read, and reports.

mod access_requests;
mod account_check;
mod credential;
mod execute;
mod gather;
mod listed;
mod plan;
mod status;
mod validate;
mod verify;

use std::{sync::Arc, time::Duration};

use self::{execute::execute, gather::gather, plan::plan, validate::validate};
use super::{
    context::Context,
    publish::{object_ref, publish},
};
use crate::{
    api::ClinchIntegration,
    cluster::{Cluster, ClusterError, Kind, Notice, NoticeType, ObjectKey, ObjectRef},
    domain::Reason,
    ledger::LedgerHome,
};

/// One pass over one integration.
pub(super) async fn reconcile<C: Cluster + LedgerHome>(
    context: &Context<C>,
    key: &ObjectKey,
) -> Result<Option<Duration>, ClusterError> {
    let Some(object) = context.cluster.read::<ClinchIntegration>(key).await? else {
        return Ok(None);
    };
    let reference = object_ref(Kind::Integration, key, &object.metadata);
    if object.metadata.deletion_timestamp.is_some() {
        context.connections.close(&reference.uid);
        return Ok(None);
    }
    // gather: everything that the pass depends on
    let gathered = match gather(context, key, &object).await {
        Ok(gathered) => gathered,
        Err(error) => return Err(unreadable(context, &reference, &object, error).await),
    };
    // validate: conditions, and the integration as it may be contacted
    let checked = validate(&gathered, &context.settings);
    // plan: the one decision of the pass
    let plan = plan(&gathered, checked.validated);
    // execute: the only requests to Clinch
    let executed = execute(context, &gathered, plan).await;
    // status: conditions and what was learned
    let connection = context.connections.get(&reference.uid);
    let now = context.clock.now();
    let wait = executed.wait();
    let (next, asking) =
        status::status(&gathered, checked.observations, executed, connection.as_ref(), now);
    publish::<ClinchIntegration>(&context.cluster, &reference, &gathered.previous, next, "Verify")
        .await?;
    for namespace in asking {
        context.cluster.publish(&reference, asks(&namespace)).await;
    }
    Ok(wait)
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
    let previous = object.status.clone().unwrap_or_default();
    let connection = context.connections.get(&reference.uid);
    let now = context.clock.now();
    let next = status::unreadable(object, &previous, &error, connection.as_ref(), now);
    let written =
        publish::<ClinchIntegration>(&context.cluster, reference, &previous, next, "Verify").await;
    written.err().unwrap_or(error)
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
