//! Reconciles a `CandidateExport`. A run is a supervised task: a pass starts it, observes it or
//! ends it, and never waits for it.

mod attempts;
mod counted;
mod coverage;
mod decide;
mod delivery;
mod distrust;
mod drift;
mod drift_seen;
mod file_run;
mod file_target;
mod gather;
mod list_request;
mod listing;
mod periodic;
mod plan;
mod preview;
mod push_permission;
mod recorded;
mod remote;
mod reported;
mod reporting;
mod requests;
mod results;
mod review;
mod size;
mod start;
mod status;
mod validate;
mod verify_request;

use std::{sync::Arc, time::Duration};

use self::{
    drift::Verifying,
    gather::gather,
    listing::{Listing, listing},
    plan::plan,
    start::{start, verify},
    status::status,
    validate::validate,
};
pub(super) use self::{
    preview::{file_spec, integration_named, spec},
    review::review,
};
use super::{
    context::Context,
    publish::{announce, object_ref, publish},
    spans,
};
use crate::{
    api::CandidateExport,
    cluster::{Cluster, ClusterError, Kind, ObjectKey, ObjectRef},
    ledger::LedgerHome,
};

/// One pass over one export.
pub(super) async fn reconcile<C: Cluster + LedgerHome>(
    context: &Arc<Context<C>>,
    key: &ObjectKey,
) -> Result<Option<Duration>, ClusterError> {
    let Some(export) = context.cluster.read::<CandidateExport>(key).await? else { return Ok(None) };
    let reference = object_ref(Kind::Export, key, &export.metadata);
    spans::identify(&reference);
    if export.metadata.deletion_timestamp.is_some() {
        // Deleting an export never deletes people; requests in flight complete.
        context.runs.stop(&reference.uid);
        context.verifications.stop(&reference.uid);
        context.listings.stop(&reference.uid);
        return Ok(None);
    }
    // It may be for another process since it was requested.
    let named = (key, reference.uid.as_str());
    let Some(used) = context.shards.enter(&context.cluster, named, &export.spec) else {
        return Ok(None);
    };
    // gather: everything that the pass depends on
    let gathered = match gather(context, &reference, &export, Some(used)).await {
        Ok(gathered) => gathered,
        Err(error) => return Err(unreadable(context, &reference, &export, error).await),
    };
    context.trouble.over(&reference.uid);
    // validate: conditions on every input, and the run that they ask for
    let checked = validate(&gathered);
    // plan: the one decision of the pass
    let plan = plan(&gathered, checked);
    let listing = listing(&gathered);
    // execute: end a run that has to end
    if plan.decision.ends_run() {
        context.runs.stop(&reference.uid);
    }
    if matches!(plan.verifying, Verifying::Stops) {
        context.verifications.stop(&reference.uid);
    }
    // status: written before a run starts, so that the next process, too, knows about the run
    let mut next = status(&gathered, &plan, &listing);
    if let Some(wait) = context.awaits(&export.metadata, &gathered.previous, &next) {
        return Ok(Some(wait));
    }
    let due = context.due(&reference, &export.spec, &mut next);
    let news = drift_seen::news(&gathered.previous, &next);
    publish::<CandidateExport>(&context.cluster, &reference, &gathered.previous, next, "Push")
        .await?;
    let wait = due.map_or(plan.wait, |due| due.done(plan.wait));
    if let Some(notice) = news {
        announce(&context.cluster, &reference, notice).await;
    }
    if let Listing::Starts(requested) = listing {
        listing::start(context, &gathered, requested);
    }
    if let Some(validated) = plan.validated {
        match (plan.start, plan.verifying) {
            (Some(run), _) => start(context, &gathered, *validated, run.run),
            (None, Verifying::Starts(verification)) => {
                verify(context, &gathered, *validated, *verification);
            }
            (None, _) => {}
        }
    }
    Ok(wait)
}

/// Reports that the cluster could not be read; returns the error, for the retry.
async fn unreadable<C: Cluster>(
    context: &Context<C>,
    reference: &ObjectRef,
    export: &CandidateExport,
    error: ClusterError,
) -> ClusterError {
    if context.trouble.is_brief(&reference.uid, &error) {
        return error;
    }
    let previous = export.status.clone().unwrap_or_default();
    let mut next = status::unreadable(export, &previous, &error, context.clock.now());
    let due = context.due(reference, &export.spec, &mut next);
    let written =
        publish::<CandidateExport>(&context.cluster, reference, &previous, next, "Push").await;
    match written {
        Ok(()) => {
            // The next attempt is that of the error.
            let _wait = due.map(|due| due.done(None));
            error
        }
        Err(error) => error,
    }
}
