//! Step 5: the status of this pass. Pure.

use jiff::Timestamp;

use super::{
    delivery, distrust, drift_seen,
    gather::Gathered,
    listing::{self, Listing},
    plan::Plan,
    push_permission, recorded, remote,
    reported::Reported,
    results, size,
};
use crate::{
    api::{CandidateExport, CandidateExportStatus, ConditionType, DuplicatesSeen},
    cluster::ClusterError,
    conditions::{self, Observation, Verdict},
    controllers::{
        dependency::not_verified,
        publish::receipt,
        runs::{RunOf, RunState},
        waits::waiting_until,
    },
    domain::Reason,
};

/// The status of this pass.
pub(super) fn status(gathered: &Gathered, plan: &Plan, listing: &Listing) -> CandidateExportStatus {
    let Gathered { export, previous, run, now, .. } = gathered;
    let mut next = previous.clone();
    next.ledger = distrust::seen(previous, run.as_ref());
    if !gathered.is_file() {
        next.file = None;
    }
    if gathered.report.is_none() {
        next.report = None;
    }
    let mut observations = plan.observations.clone();
    if let Some(valid) = &plan.validated {
        if valid.asks_clinch {
            push_permission::learned(&mut observations, &valid.revision, previous, run.as_ref());
        }
        if gathered.is_remote() {
            remote::learned(&mut observations, &valid.revision, previous, run.as_ref());
        }
    }
    let verdict = match (plan.decision.step(), &plan.validated) {
        (Err(verdict), _) => {
            if let Some(run) = run.as_ref().filter(|run| recorded::is_unfinished(previous, run)) {
                results::show_once_surveyed(&mut next, run);
            }
            verdict
        }
        (Ok(_), None) => not_verified(),
        (Ok(step), Some(valid)) => {
            if let Some(start) = &plan.start {
                if !start.run.periodic {
                    delivery::begin(&mut next, &valid.revision, start.first);
                }
                distrust::begin(&mut next, &gathered.asked, start.first, *now);
                next.handled = receipt(next.handled.as_ref(), gathered.request.clone());
            }
            let latest = plan.start.as_ref().map(|start| &start.run).or(run.as_ref());
            let reported = Reported {
                step,
                revision: &valid.revision,
                mode: valid.mode,
                budget: &export.spec.failure_budget,
                file: export.spec.destination.file.as_ref().map(|file| file.format),
                may_be_empty: export.spec.guards.as_ref().is_some_and(|g| g.min_records == 0),
                run: run.as_ref(),
                met: latest.and_then(|run| run.met.as_ref()),
                asked: &gathered.asked,
                limited: gathered.limited,
                quiet: plan.quiet,
            };
            let delivery = delivery::delivery(&mut next, &reported);
            observations.push(delivery.observation);
            delivery.verdict
        }
    };
    let mut works = [run.as_ref(), gathered.verification.as_ref()].into_iter().flatten();
    let works = works.any(RunOf::is_running) && !plan.quiet;
    // Also before the next attempt of one that ended because the wait is long.
    let met = run.as_ref().and_then(RunState::interruption);
    let waits = works || met.is_some_and(|cause| cause.reason == Reason::RateLimited);
    let wait = gathered.wait.filter(|_| waits);
    next.waiting_until = waiting_until(wait, previous.waiting_until.as_ref(), *now);
    drift_seen::show(&mut next, gathered);
    listing::show(&mut next, gathered, listing);
    observations.extend(drift_seen::observation(&next, gathered, &plan.verifying));
    let verdict = drift_seen::in_progress(&mut next, verdict, gathered, &plan.verifying);
    finish(&mut next, export, previous, observations, &verdict, *now);
    next
}

/// The status when the cluster could not be read.
pub(super) fn unreadable(
    export: &CandidateExport,
    previous: &CandidateExportStatus,
    error: &ClusterError,
    now: Timestamp,
) -> CandidateExportStatus {
    let mut next = previous.clone();
    let verdict = Verdict::reconciling(error.disposition().reason(), error.to_string());
    let observations = drift_seen::last_result(&next).into_iter().collect();
    finish(&mut next, export, previous, observations, &verdict, now);
    next
}

fn finish(
    next: &mut CandidateExportStatus,
    export: &CandidateExport,
    previous: &CandidateExportStatus,
    mut observations: Vec<Observation>,
    verdict: &Verdict,
    now: Timestamp,
) {
    observations.extend(duplicates_found(next));
    let generation = export.metadata.generation.unwrap_or_default();
    conditions::apply(previous, next, generation, observations, verdict, now);
    size::fit(next);
}

/// The warning that people are in Clinch more than once.
fn duplicates_found(status: &CandidateExportStatus) -> Option<Observation> {
    let DuplicatesSeen { found, records } = status.duplicates.as_ref()?;
    let message = format!(
        "Clinch has {found} of the people created by this export more than once; merge them there, \
         then set the annotation clinch.hireez.dev/reconcile-requested-at to look again. Records: {}",
        records.join(", ")
    );
    let (condition, reason) = (ConditionType::DuplicatesFound, Reason::DuplicatesFound);
    Some(Observation::new(condition, true, reason, message))
}
