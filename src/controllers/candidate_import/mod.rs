//! Reconciles a `CandidateImport`. As for exports, a run is a supervised task: a pass starts it, observes
//! it or ends it, and never waits for it.

mod accepted;
mod counted;
mod decide;
mod gather;
mod mapping;
mod outcome;
mod own;
mod permission;
mod plan;
mod recorded;
mod rediscovery;
mod reported;
mod results;
mod review;
mod sink;
mod start;
mod status;
mod validate;

use std::{sync::Arc, time::Duration};

pub(super) use self::review::review;
use self::{
    gather::{Gathered, gather},
    plan::{Plan, plan},
    start::start,
    status::status,
    validate::validate,
};
use super::{
    context::Context,
    decision::{Decision, Step},
    publish::{announce, object_ref, publish},
    spans,
};
use crate::{
    api::CandidateImport,
    cluster::{Cluster, ClusterError, Kind, Notice, NoticeType, ObjectKey, ObjectRef},
    domain::Reason,
    ledger::LedgerHome,
};

/// What Events name as the action.
const ACTION: &str = "Import";

/// One pass over one import.
pub(super) async fn reconcile<C: Cluster + LedgerHome>(
    context: &Arc<Context<C>>,
    key: &ObjectKey,
) -> Result<Option<Duration>, ClusterError> {
    let Some(import) = context.cluster.read::<CandidateImport>(key).await? else { return Ok(None) };
    let reference = object_ref(Kind::Import, key, &import.metadata);
    spans::identify(&reference);
    if import.metadata.deletion_timestamp.is_some() {
        // What was written stays where it is.
        context.imports.stop(&reference.uid);
        return Ok(None);
    }
    // It may be for another process since it was requested.
    let named = (key, reference.uid.as_str());
    let Some(used) = context.shards.enter(&context.cluster, named, &import.spec) else {
        return Ok(None);
    };
    // gather: everything that the pass depends on
    let gathered = match gather(context, &reference, &import, Some(used)).await {
        Ok(gathered) => gathered,
        Err(error) => return Err(unreadable(context, &reference, &import, error).await),
    };
    context.trouble.over(&reference.uid);
    // validate: conditions on every input, and the run that they ask for
    let checked = validate(&gathered);
    // plan: the one decision of the pass
    let plan = plan(&gathered, checked);
    // execute: end a run that has to end
    if plan.decision.ends_run() {
        context.imports.stop(&reference.uid);
    }
    // status: written before a run starts, so that the next process, too, knows about the run
    let mut next = status(&gathered, &plan);
    if let Some(wait) = context.awaits(&import.metadata, &gathered.previous, &next) {
        return Ok(Some(wait));
    }
    let due = context.due(&reference, &import.spec, &mut next);
    publish::<CandidateImport>(&context.cluster, &reference, &gathered.previous, next, ACTION)
        .await?;
    let wait = due.map_or(plan.wait, |due| due.done(plan.wait));
    if let Some(notice) = state_lost(&gathered, &plan) {
        announce(&context.cluster, &reference, notice).await;
    }
    if let (Some(validated), Some(run)) = (plan.validated, plan.start) {
        start(context, &gathered, *validated, run);
    }
    Ok(wait)
}

/// Said once: when the status reports the run that found that what was written before is not known.
fn state_lost(gathered: &Gathered, plan: &Plan) -> Option<Notice> {
    let concludes = matches!(plan.decision, Decision::Proceed(Step::Conclude));
    let run = gathered.run.as_ref().filter(|_| concludes)?;
    let why = run.lost()?;
    let message = format!("everybody was written again: {why}");
    Some(Notice { kind: NoticeType::Warning, reason: Reason::StateLost, action: ACTION, message })
}

/// Reports that the cluster could not be read; returns the error, for the retry.
async fn unreadable<C: Cluster>(
    context: &Context<C>,
    reference: &ObjectRef,
    import: &CandidateImport,
    error: ClusterError,
) -> ClusterError {
    if context.trouble.is_brief(&reference.uid, &error) {
        return error;
    }
    let previous = import.status.clone().unwrap_or_default();
    let mut next = status::unreadable(import, &previous, &error, context.clock.now());
    let due = context.due(reference, &import.spec, &mut next);
    let written =
        publish::<CandidateImport>(&context.cluster, reference, &previous, next, ACTION).await;
    match written {
        Ok(()) => {
            // The next attempt is that of the error.
            let _wait = due.map(|due| due.done(None));
            error
        }
        Err(error) => error,
    }
}
