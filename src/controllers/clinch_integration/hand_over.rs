//! Before a pass: whether this process has the integration. One that has to give it away ends its runs first; one
//! that is to have it waits for that, or for the end of the other one's Lease. So never two of them contact the
//! account: the status names the one that may, and both change it only at the version that they have read.

use std::{sync::Arc, time::Duration};

use super::status;
use crate::{
    api::ClinchIntegration,
    cluster::{Cluster, ClusterError, ObjectRef, holding_shard, wanted_shard},
    controllers::{Context, publish::publish},
    domain::Shard,
    ledger::LedgerHome,
};

/// How often a process that waits for another one looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a process looks whether its runs have ended.
const ENDED_EVERY: Duration = Duration::from_millis(250);

/// How often a process that keeps an integration looks whether the shard in its label has a process now.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// Whose pass it is.
pub(super) enum Turn {
    /// This process has the integration.
    Ours,
    /// This process keeps the integration, although its label names another shard: that one has no process.
    /// Looks again after this time.
    OursFor(Duration),
    /// Not now: again after this time; `None`: another process has it.
    NotNow(Option<Duration>),
}

/// Whose pass it is; gives the integration away or takes it where that is due.
pub(super) async fn turn<C: Cluster + LedgerHome>(
    context: &Context<C>,
    reference: &ObjectRef,
    object: &Arc<ClinchIntegration>,
) -> Result<Turn, ClusterError> {
    let Some(own) = context.cluster.shard().cloned() else { return Ok(Turn::Ours) };
    // One of the other environment is another installation's to give and to take; here it is refused.
    if object.spec.environment != context.settings.environment {
        return Ok(Turn::Ours);
    }
    let (wanted, holder) = (wanted_shard(object), holding_shard(object));
    match (wanted == own.as_str(), holder == own.as_str()) {
        (true, true) => {
            context.shards.take(&reference.uid);
            Ok(Turn::Ours)
        }
        (false, true) if context.cluster.shard_is_alive(wanted).await? => {
            give(context, reference, object, wanted).await
        }
        (false, true) => Ok(keep(context, reference, wanted)),
        (true, false) => take(context, reference, object, &own).await,
        (false, false) => Ok(Turn::NotNow(None)),
    }
}

/// Keeps the integration until the shard in its label has a process: a wrong label stops nothing.
fn keep<C: Cluster>(context: &Context<C>, reference: &ObjectRef, wanted: &str) -> Turn {
    if context.shards.misses(&reference.uid, wanted) {
        tracing::warn!(
            integration = %reference.key,
            shard = wanted,
            "kept here: the label names a shard that no process of the operator serves; correct the label, \
             or start one with --shard"
        );
    }
    Turn::OursFor(ALIVE_EVERY)
}

/// Gives the integration to another shard, once nothing uses it.
async fn give<C: Cluster + LedgerHome>(
    context: &Context<C>,
    reference: &ObjectRef,
    object: &Arc<ClinchIntegration>,
    to: &str,
) -> Result<Turn, ClusterError> {
    // No other run starts; those in progress are ended by the passes of their exports and imports.
    context.connections.close(&reference.uid);
    context.connections.drop_lists(&reference.uid);
    context.notifier.leave(&reference.uid);
    let previous = object.status.clone().unwrap_or_default();
    let now = context.clock.now();
    let Some(users) = context.shards.cede(&reference.uid) else {
        let mut next = status::leaving(object, &previous, to, now);
        let delivered = context.notifier.recorded(reference, &mut next);
        publish::<ClinchIntegration>(&context.cluster, reference, &previous, next, "HandOver")
            .await?;
        return Ok(Turn::NotNow(delivered.done(Some(ENDED_EVERY))));
    };
    // Before the other one works: what this process knows of the runs is outdated from then on.
    for uid in users {
        context.work.forgotten(&uid);
        context.runs.forget(&uid);
        context.verifications.forget(&uid);
        context.imports.forget(&uid);
        context.listings.forget(&uid);
    }
    context.connections.forget(&reference.uid);
    context.notifier.forget_integration(&reference.uid);
    let next = status::handed_over(object, &previous, to, now);
    match write(context, reference, object, next).await {
        Ok(()) => {
            tracing::info!(integration = %reference.key, shard = to, "handed over");
            Ok(Turn::NotNow(None))
        }
        Err(error) => retry(error),
    }
}

/// Takes the integration, if the shard that has it has no process any more.
async fn take<C: Cluster + LedgerHome>(
    context: &Context<C>,
    reference: &ObjectRef,
    object: &Arc<ClinchIntegration>,
    own: &Shard,
) -> Result<Turn, ClusterError> {
    let holder = holding_shard(object);
    if context.cluster.shard_is_alive(holder).await? {
        return Ok(Turn::NotNow(Some(LOOK_EVERY)));
    }
    let mut next = object.status.clone().unwrap_or_default();
    next.shard = Some(own.to_string());
    match write(context, reference, object, next).await {
        Ok(()) => {
            tracing::info!(
                integration = %reference.key,
                shard = holder,
                "taken from a shard without a process"
            );
            // The next pass reads what was written.
            Ok(Turn::NotNow(Some(Duration::ZERO)))
        }
        Err(error) => retry(error),
    }
}

async fn write<C: Cluster>(
    context: &Context<C>,
    reference: &ObjectRef,
    object: &ClinchIntegration,
    next: crate::api::ClinchIntegrationStatus,
) -> Result<(), ClusterError> {
    let version = object.metadata.resource_version.as_deref().unwrap_or_default();
    context.cluster.write_status_of::<ClinchIntegration>(reference, version, next).await
}

/// Somebody else changed the integration meanwhile: it has to be looked at as it is now.
fn retry(error: ClusterError) -> Result<Turn, ClusterError> {
    match error {
        ClusterError::Conflict { .. } => Ok(Turn::NotNow(Some(ENDED_EVERY))),
        error => Err(error),
    }
}
