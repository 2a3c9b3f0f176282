//! Step 5: the status of this pass. Pure.

use jiff::Timestamp;

use super::{
    decision::Decision,
    gather::Gathered,
    outcome::{self, Reported},
    plan::Plan,
    recorded::in_place,
    rediscovery,
};
use crate::{
    api::{CandidateImport, CandidateImportStatus, ConditionType, Handled},
    cluster::ClusterError,
    conditions::{self, Observation, Standing, Verdict},
    controllers::{
        dependency::not_verified,
        publish::receipt,
        runs::{ImportRun, RunOf},
        waits::waiting_until,
    },
    domain::Reason,
};

/// The status of this pass.
pub(super) fn status(gathered: &Gathered, plan: &Plan) -> CandidateImportStatus {
    let Gathered { import, previous, run, now, .. } = gathered;
    let mut next = previous.clone();
    let mut observations = plan.observations.clone();
    if let Some(valid) = &plan.validated {
        learned(&mut observations, &valid.revision, previous, run.as_ref());
        list_read(&mut observations, &valid.revision, previous, run.as_ref());
    }
    if import.spec.rediscovery.is_none() {
        (next.rediscovery, next.match_report) = (None, None);
    }
    let accepted = run.as_ref().and_then(|run| acted_on(gathered, run));
    let verdict = match (&plan.decision, &plan.validated) {
        (Decision::Suspend { in_sync }, _) => {
            let message = "spec.suspend is set".to_owned();
            let standing = if *in_sync { Standing::InSync } else { Standing::Behind };
            Verdict::Suspended { standing, message }
        }
        (Decision::Block(verdict), _) => verdict.clone(),
        (Decision::Proceed(_), None) => not_verified(),
        (Decision::Proceed(step), Some(valid)) => {
            if plan.start.is_some() {
                if !plan.quiet {
                    outcome::begin(&mut next, &valid.revision);
                }
                next.handled = receipt(next.handled.as_ref(), gathered.request.clone());
            }
            let latest = plan.start.as_ref().or(run.as_ref());
            let reported = Reported {
                step,
                revision: &valid.revision,
                budget: &import.spec.failure_budget,
                selects: import.spec.select.is_some(),
                unseen: valid.unseen.as_deref(),
                run: run.as_ref(),
                met: latest.and_then(|run| run.met.as_ref()),
                unaccepted: gathered.accepts.as_deref().filter(|_| accepted.is_none()),
                limited: gathered.limited,
                quiet: plan.quiet,
            };
            let outcome = outcome::outcome(&mut next, &reported);
            observations.push(outcome.observation);
            outcome.verdict
        }
    };
    let works = run.as_ref().is_some_and(RunOf::is_running) && !plan.quiet;
    // Also before the next attempt of one that ended because the wait is long.
    let met = run.as_ref().and_then(ImportRun::interruption);
    let waits = works || met.is_some_and(|(_, cause)| cause.reason == Reason::RateLimited);
    let wait = gathered.wait.filter(|_| waits);
    next.waiting_until = waiting_until(wait, previous.waiting_until.as_ref(), *now);
    if let Some(accepted) = accepted {
        let handled = next.handled.take().unwrap_or_default();
        next.handled = Some(Handled { accept_deletions: Some(accepted), ..handled });
    }
    finish(&mut next, import, previous, observations, &verdict, *now);
    next
}

/// The request to accept deletions by which the latest run, which is complete, was let pass. Any other
/// accepts nothing, and so has no receipt.
fn acted_on(gathered: &Gathered, run: &ImportRun) -> Option<String> {
    let asked = gathered.accepts.clone().filter(|asked| run.accepts.as_ref() == Some(asked))?;
    (run.is_completed() && run.progress.accepted.is_some()).then_some(asked)
}

/// Replaces the condition on a list elsewhere by what the latest run found.
fn list_read(
    observations: &mut [Observation],
    revision: &str,
    previous: &CandidateImportStatus,
    run: Option<&ImportRun>,
) {
    let condition = ConditionType::SourceReady;
    let open = |observation: &&mut Observation| {
        observation.condition == condition && observation.status.is_none()
    };
    let Some(observation) = observations.iter_mut().find(open) else { return };
    let run = run.filter(|run| run.revision == revision);
    let met = run.and_then(ImportRun::interruption).map(|(_, cause)| cause);
    if let Some(met) = met.filter(rediscovery::is_about_list) {
        *observation = Observation::new(condition, false, met.reason, met.message);
    } else if in_place(previous) == Some(revision) || run.is_some_and(ImportRun::is_completed) {
        *observation = Observation::new(condition, true, Reason::Read, "the list was read");
    }
}

/// Replaces the condition of the sink by what the latest run found.
fn learned(
    observations: &mut Vec<Observation>,
    revision: &str,
    previous: &CandidateImportStatus,
    run: Option<&ImportRun>,
) {
    let run = run.filter(|run| run.revision == revision);
    let met = run.and_then(ImportRun::interruption).map(|(_, cause)| cause);
    let trouble = run.filter(|run| run.is_running()).and_then(|run| run.progress.trouble.as_ref());
    let met = met.or_else(|| trouble.map(|trouble| trouble.cause.clone()));
    let of_sink = |reason| {
        matches!(
            reason,
            Reason::DestinationNotAllowed
                | Reason::DestinationDenied
                | Reason::DestinationReadOnly
                | Reason::DestinationInvalid
                | Reason::DestinationMissing
                | Reason::DestinationFull
                | Reason::DestinationUnreachable
                | Reason::DestinationConflict
        )
    };
    let condition = ConditionType::SinkReady;
    let learned = match met {
        Some(met) if of_sink(met.reason) && !rediscovery::is_about_list(&met) => {
            Observation::new(condition, false, met.reason, met.message)
        }
        _ if in_place(previous) == Some(revision) || run.is_some_and(ImportRun::is_completed) => {
            let message = "the destination takes what is written, or nothing had to be written";
            Observation::new(condition, true, Reason::Ready, message)
        }
        _ => return,
    };
    observations.retain(|observation| observation.condition != condition);
    observations.push(learned);
}

/// The status when the cluster could not be read.
pub(super) fn unreadable(
    import: &CandidateImport,
    previous: &CandidateImportStatus,
    error: &ClusterError,
    now: Timestamp,
) -> CandidateImportStatus {
    let mut next = previous.clone();
    let verdict = Verdict::reconciling(error.disposition().reason(), error.to_string());
    finish(&mut next, import, previous, Vec::new(), &verdict, now);
    next
}

fn finish(
    next: &mut CandidateImportStatus,
    import: &CandidateImport,
    previous: &CandidateImportStatus,
    observations: Vec<Observation>,
    verdict: &Verdict,
    now: Timestamp,
) {
    let generation = import.metadata.generation.unwrap_or_default();
    conditions::apply(previous, next, generation, observations, verdict, now);
}
