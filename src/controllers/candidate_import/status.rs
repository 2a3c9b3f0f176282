//! Step 5: the status of this pass. Pure.

use jiff::Timestamp;

use super::{
    gather::Gathered, outcome, plan::Plan, recorded::in_place, rediscovery, reported::Reported,
    results::counts,
};
use crate::{
    api::{CandidateImport, CandidateImportStatus, ConditionType, Handled},
    cluster::ClusterError,
    conditions::{self, Observation, Verdict},
    controllers::{
        dependency::not_verified,
        publish::receipt,
        runs::{ImportRun, RunOf},
        waits::waiting_until,
    },
    domain::{Cause, Reason},
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
    let verdict = match (plan.decision.step(), &plan.validated) {
        (Err(verdict), _) => verdict,
        (Ok(_), None) => not_verified(),
        (Ok(step), Some(valid)) => {
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
    if let Verdict::Stalled(cause) = &verdict {
        stalled(&mut observations, cause);
    }
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

/// Replaces the condition on a list by what the latest run found, where nothing was read before, or its
/// content cannot be used.
fn list_read(
    observations: &mut [Observation],
    revision: &str,
    previous: &CandidateImportStatus,
    run: Option<&ImportRun>,
) {
    let condition = ConditionType::SourceReady;
    let is_it = |observation: &&mut Observation| observation.condition == condition;
    let Some(observation) = observations.iter_mut().find(is_it) else { return };
    let is_open = observation.status.is_none();
    let run = run.filter(|run| run.revision == revision);
    let met = run.and_then(ImportRun::interruption).map(|(_, cause)| cause);
    let of_content = |reason: Reason| {
        matches!(reason, Reason::SourceEmpty | Reason::SourceInvalid | Reason::TooLarge)
    };
    let is_it =
        |met: &Cause| rediscovery::is_about_list(met) && (is_open || of_content(met.reason));
    if let Some(met) = met.filter(is_it) {
        *observation = Observation::new(condition, false, met.reason, met.message);
    } else if is_open
        && (in_place(previous) == Some(revision) || run.is_some_and(ImportRun::is_completed))
    {
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
                | Reason::SinkRejected
        )
    };
    let applied = in_place(previous) == Some(revision);
    let is_completed = run.is_some_and(ImportRun::is_completed);
    let ended = run.filter(|run| run.ended().is_some());
    let counts = ended.map(|run| counts(&run.progress.counts));
    let counts = counts.or_else(|| previous.counts.filter(|_| applied)).unwrap_or_default();
    let taken = counts.emitted + counts.tombstones;
    // It was reached, and what it was offered is delivered.
    let delivered = |met: &Cause| {
        taken > 0
            || rediscovery::is_about_list(met)
            || matches!(met.reason, Reason::DeletionsHeld | Reason::SourceUnsettled)
    };
    let condition = ConditionType::SinkReady;
    let learned = match met {
        Some(met) if of_sink(met.reason) && !rediscovery::is_about_list(&met) => {
            Observation::new(condition, false, met.reason, met.message)
        }
        _ if counts.failed > 0 && taken == 0 => {
            let message = format!(
                "the destination took nobody in the last run that offered people, and refused {}; see \
                 status.failures",
                counts.failed
            );
            Observation::new(condition, false, Reason::SinkRejected, message)
        }
        met if applied
            || is_completed
            || (ended.is_some() && met.as_ref().is_some_and(delivered)) =>
        {
            let message = "the destination takes what is written, or nothing had to be written";
            Observation::new(condition, true, Reason::Ready, message)
        }
        _ => return,
    };
    observations.retain(|observation| observation.condition != condition);
    observations.push(learned);
}

/// What waits for a run that is not going to start has the reason for that.
fn stalled(observations: &mut [Observation], cause: &Cause) {
    for observation in observations {
        let waits = observation.status.is_none() && observation.reason == Reason::Progressing;
        if observation.condition == ConditionType::SinkReady && waits {
            let message = "not checked: nothing was written";
            *observation = Observation::new(ConditionType::SinkReady, None, cause.reason, message);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::ImportCounts,
        controllers::runs::{Ended, RunPhase},
        domain::Disposition,
        pipeline::{self as engine, Ending, ImportProgress, ImportReport},
    };

    fn ended(ending: Ending, emitted: u64, failed: u64) -> ImportRun {
        let counts = engine::ImportCounts { emitted, failed, ..engine::ImportCounts::default() };
        let progress = ImportProgress { counts, ..ImportProgress::default() };
        let report = ImportReport { progress: progress.clone(), ending };
        let phase = RunPhase::Ended(Ended { at: Timestamp::UNIX_EPOCH, report }.into());
        ImportRun { revision: "r1".into(), progress, phase, ..ImportRun::default() }
    }

    fn stalled_by(reason: Reason, message: &str) -> Ending {
        let disposition = Disposition::Stalled { reason };
        Ending::Interrupted { disposition, message: message.to_owned() }
    }

    fn sink(previous: &CandidateImportStatus, run: Option<&ImportRun>) -> (Option<bool>, Reason) {
        let waits = Observation::new(ConditionType::SinkReady, None, Reason::Progressing, "");
        let mut observations = vec![waits];
        learned(&mut observations, "r1", previous, run);
        assert_eq!(observations.len(), 1);
        (observations[0].status, observations[0].reason)
    }

    #[test]
    fn a_sink_is_ready_if_it_took_somebody_or_nothing_was_offered() {
        let new = CandidateImportStatus::default();
        let after = |ending, emitted, failed| sink(&new, Some(&ended(ending, emitted, failed)));
        let (ready, rejected) = ((Some(true), Reason::Ready), (Some(false), Reason::SinkRejected));
        assert_eq!(after(Ending::Completed, 7, 1), ready);
        assert_eq!(after(Ending::Completed, 0, 0), ready);
        assert_eq!(after(Ending::Completed, 0, 60), rejected, "it takes nobody");
        assert_eq!(after(stalled_by(Reason::SinkRejected, "1000 in a row"), 0, 1000), rejected);
        for reason in [Reason::SourceEmpty, Reason::SourceInvalid] {
            assert_eq!(after(stalled_by(reason, "spec.match: no"), 0, 0), ready, "of the list");
        }
        assert_eq!(after(stalled_by(Reason::DeletionsHeld, "40 of 95"), 0, 0), ready);
        let unread = stalled_by(Reason::VendorUnavailable, "no");
        assert_eq!(after(unread.clone(), 1, 0), ready);
        assert_eq!(after(unread, 0, 0), (None, Reason::Progressing), "nothing was offered");
        // Another process made the latest run.
        let counts = ImportCounts { failed: 3, ..ImportCounts::default() };
        let previous = CandidateImportStatus {
            counts: Some(counts),
            last_attempted_revision: Some("r1".into()),
            last_applied_revision: Some("r1".into()),
            ..CandidateImportStatus::default()
        };
        assert_eq!(sink(&previous, None), rejected);
        assert_eq!(sink(&new, None), (None, Reason::Progressing));
    }

    #[test]
    fn what_waits_for_a_run_that_does_not_start_is_not_in_progress() {
        let waits = Observation::new(ConditionType::SinkReady, None, Reason::Progressing, "");
        let mut observations = vec![waits];
        stalled(&mut observations, &Cause::new(Reason::MappingInvalid, "typo"));
        let found = (observations[0].status, observations[0].reason);
        assert_eq!(found, (None, Reason::MappingInvalid));
    }

    #[test]
    fn a_list_whose_content_cannot_be_used_is_not_ready_though_its_object_was_read() {
        let found = |ending| {
            let read =
                Observation::new(ConditionType::SourceReady, true, Reason::Read, "people.csv");
            let mut observations = [read];
            let run = ended(ending, 3, 0);
            list_read(&mut observations, "r1", &CandidateImportStatus::default(), Some(&run));
            (observations[0].status, observations[0].reason)
        };
        for reason in [Reason::SourceEmpty, Reason::SourceInvalid] {
            assert_eq!(found(stalled_by(reason, "spec.match: no")), (Some(false), reason));
        }
        let read = (Some(true), Reason::Read);
        assert_eq!(found(Ending::Completed), read);
        let of_report = stalled_by(Reason::DestinationDenied, "spec.match: the report");
        assert_eq!(found(of_report), read);
    }
}
