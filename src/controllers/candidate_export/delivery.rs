//! What the status says about delivery: revisions, history, and the verdict. Pure.

use std::fmt::Write as _;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    counted::settled,
    coverage, distrust,
    reported::Reported,
    results::{repair, show_once_surveyed, show_result},
};
use crate::{
    api::{CandidateExportStatus, ConditionType, RunRecord},
    conditions::whole_seconds,
    controllers::{decision::Step, run_result::RunResult, runs::RunPhase},
    domain::{Cause, Disposition, Reason},
    pipeline::{Ending, Progress},
};

/// How many runs the history holds.
const HISTORY: usize = 5;

/// A run of this revision starts. Written before it does: the next process, too, has to know that
/// some people may have what it delivers.
pub(super) fn begin(next: &mut CandidateExportStatus, revision: &str, first: bool) {
    next.last_attempted_revision = Some(revision.to_owned());
    if next.last_applied_revision.as_deref() == Some(revision) {
        // It counts as delivered again once the run completes, also if this process ends meanwhile.
        next.last_applied_revision = None;
    }
    if first {
        // They belong to another revision, and the next process would add to them.
        next.counts = None;
        next.progress = None;
    }
}

/// Writes counts, progress, failures, revisions and history into `next`.
pub(super) fn delivery(next: &mut CandidateExportStatus, reported: &Reported<'_>) -> RunResult {
    let delivery = of_step(next, reported);
    match distrust::answer(reported.asked) {
        Some(answer) => delivery.adding(&answer),
        None => delivery,
    }
}

fn of_step(next: &mut CandidateExportStatus, reported: &Reported<'_>) -> RunResult {
    match reported.step {
        Step::Keep | Step::Refresh => {
            repair(next, reported.run, reported.file);
            settled(next, reported)
        }
        Step::Start { .. } | Step::Observe | Step::Pause | Step::Retry { .. } | Step::Stall
            if reported.quiet =>
        {
            settled(next, reported)
        }
        Step::Conclude => {
            conclude(next, reported);
            settled(next, reported)
        }
        Step::Start { attempt } => in_progress(next, *attempt, reported.met, None),
        Step::Stop => {
            working("ending the run of an earlier revision".to_owned(), Reason::Progressing)
        }
        Step::Observe | Step::Pause => {
            if let Some(run) = reported.run {
                if run.periodic {
                    // From now on some people may have what the run delivers.
                    begin(next, reported.revision, false);
                }
                show_once_surveyed(next, run);
            }
            if *reported.step == Step::Pause {
                return RunResult::paused(ConditionType::Delivered);
            }
            if reported.limited {
                return RunResult::limited(ConditionType::Delivered);
            }
            let attempt = reported.run.map_or(0, |run| run.attempt);
            let progress = reported.run.map(|run| &run.progress);
            in_progress(next, attempt, reported.met, progress)
        }
        Step::Retry { .. } | Step::Stall => interrupted(next, reported),
    }
}

/// Constant while a run pushes: what changes is in the counts. The page of the candidate list that is being
/// read changes as often.
fn in_progress(
    next: &CandidateExportStatus,
    attempt: u32,
    met: Option<&Cause>,
    progress: Option<&Progress>,
) -> RunResult {
    let first = attempt == 0;
    let reason = if first { Reason::Progressing } else { Reason::ProgressingWithRetry };
    let mut message = "a run is in progress".to_owned();
    if let Some(seconds) = progress.and_then(|progress| progress.earlier_requests) {
        let _ = write!(
            message,
            ": waiting up to {seconds} s for requests of an earlier run that Clinch may still carry out"
        );
    } else if let Some(page) = progress.and_then(|progress| progress.listing) {
        let _ = write!(message, ": reading the candidate list, page {page}");
    }
    if let Some(Cause { reason, message: met }) = met {
        let _ = write!(message, "; the last attempt ended with {reason}: {met}");
    }
    if let Some(why) = distrust::reason(next.ledger.as_ref()) {
        let _ = write!(
            message,
            "; it reads everybody in Clinch whom the ledger knows, about one request for each person: \
             {why}"
        );
    }
    working(message, reason)
}

fn working(message: String, reason: Reason) -> RunResult {
    RunResult::working(ConditionType::Delivered, reason, message)
}

fn interrupted(next: &mut CandidateExportStatus, reported: &Reported<'_>) -> RunResult {
    let Some(run) = reported.run else { return working(String::new(), Reason::Progressing) };
    if !run.found_nothing() {
        show_once_surveyed(next, run);
    }
    next.coverage = coverage::shown(&run.progress.coverage).or(next.coverage.take());
    next.progress = None;
    let (stalled, reason, message) = match &run.phase {
        RunPhase::Running => (false, Reason::Progressing, "a run is in progress".to_owned()),
        RunPhase::Ended(ended) => match &ended.report.ending {
            Ending::SourceFailed(cause) => (true, cause.reason, cause.message.clone()),
            Ending::Interrupted { disposition, message } => {
                let stalled = matches!(disposition, Disposition::Stalled { .. });
                (stalled, disposition.reason(), message.clone())
            }
            Ending::Completed | Ending::SourceUnchanged | Ending::Stopped => {
                (false, Reason::Progressing, "the run was ended early".to_owned())
            }
        },
    };
    RunResult::interrupted(ConditionType::Delivered, stalled, Cause::new(reason, message))
}

/// Takes over the result of a completed run.
fn conclude(next: &mut CandidateExportStatus, reported: &Reported<'_>) {
    let Some(run) = reported.run else { return };
    let RunPhase::Ended(ended) = &run.phase else { return };
    show_result(next, &ended.report.progress, run, reported.file);
    next.last_applied_revision = Some(reported.revision.to_owned());
    next.last_attempted_revision = Some(reported.revision.to_owned());
    let counts = next.counts.unwrap_or_default();
    let outcome = settled(next, reported).observation.reason;
    let record = RunRecord {
        revision: reported.revision.to_owned(),
        mode: reported.mode,
        started_at: Time(whole_seconds(run.started_at)),
        finished_at: Time(whole_seconds(ended.at)),
        outcome: outcome.as_str().to_owned(),
        counts,
        plan: next.plan.clone(),
    };
    if next.history.first() != Some(&record) {
        next.history.insert(0, record);
    }
    next.history.truncate(HISTORY);
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

    use super::{
        super::{recorded::in_place, requests::Asked},
        *,
    };
    use crate::{
        api::ExportMode,
        conditions::Verdict,
        controllers::runs::{Ended, RunState},
        pipeline::{Counts, Coverage, Warning},
    };

    #[test]
    fn the_page_of_the_candidate_list_is_shown_while_it_is_read() {
        let next = CandidateExportStatus::default();
        let shown = |listing| {
            let progress = Progress { listing, ..Progress::default() };
            in_progress(&next, 0, None, Some(&progress)).observation.message
        };
        assert_eq!(shown(None), "a run is in progress");
        assert_eq!(shown(Some(7)), "a run is in progress: reading the candidate list, page 7");
        let progress = Progress { earlier_requests: Some(32), ..Progress::default() };
        let message = in_progress(&next, 0, None, Some(&progress)).observation.message;
        assert!(message.contains("waiting up to 32 s for requests of an earlier run"), "{message}");
    }

    #[test]
    fn a_revision_is_in_place_until_a_run_starts() {
        let mut status = CandidateExportStatus::default();
        assert_eq!(in_place(&status), None);
        status.last_attempted_revision = Some("r1".into());
        status.last_applied_revision = Some("r1".into());
        assert_eq!(in_place(&status), Some("r1"));
        let mut again = status.clone();
        begin(&mut again, "r1", true);
        assert_eq!(in_place(&again), None, "it is delivered again");
        begin(&mut status, "r2", true);
        assert_eq!(in_place(&status), None, "some may have the values of r2");
        assert_eq!(status.last_applied_revision.as_deref(), Some("r1"));
        begin(&mut status, "r1", true);
        assert_eq!(
            in_place(&status),
            None,
            "and r1 is not in place again before its run has completed"
        );
    }

    #[test]
    fn an_attempt_in_progress_names_what_the_last_one_met_and_stays_constant() {
        let met = Cause::new(Reason::LedgerRefused, "the store is out of space");
        let mut counts = Counts { total: 9, ..Counts::default() };
        let mut status = CandidateExportStatus::default();
        let mut messages = Vec::new();
        for created in 0..3 {
            counts.created = created;
            let progress = Progress { counts, ..Progress::default() };
            let run = RunState { attempt: 1, progress, ..RunState::default() };
            let observed = Reported {
                step: if created == 0 { &Step::Start { attempt: 1 } } else { &Step::Observe },
                revision: "r",
                mode: ExportMode::Push,
                budget: &IntOrString::Int(0),
                may_be_empty: false,
                file: None,
                run: Some(&run),
                met: Some(&met),
                asked: &Asked::No,
                limited: false,
                quiet: false,
            };
            let RunResult { observation, verdict } = delivery(&mut status, &observed);
            assert!(matches!(&verdict, Verdict::Reconciling(cause)
                if cause.reason == Reason::ProgressingWithRetry
                    && cause.message == observation.message));
            messages.push(observation.message);
        }
        let expected = "a run is in progress; the last attempt ended with LedgerRefused: the store is \
                        out of space";
        assert_eq!(messages, [expected; 3]);
    }

    #[test]
    fn what_interrupted_an_attempt_is_known_until_one_completes() {
        let ended = |ending| {
            let report = crate::pipeline::Report { progress: Progress::default(), ending };
            RunPhase::Ended(Ended { at: Timestamp::UNIX_EPOCH, report }.into())
        };
        let run = |phase, met| RunState { met, phase, ..RunState::default() };
        let met = Cause::new(Reason::LedgerRefused, "full");
        let interrupted = Ending::Interrupted {
            disposition: Disposition::retry(Reason::LedgerRefused),
            message: "full".into(),
        };
        assert_eq!(run(ended(interrupted), None).interruption(), Some(met.clone()));
        let earlier = Some(met.clone());
        assert_eq!(run(ended(Ending::Stopped), earlier.clone()).interruption(), Some(met));
        assert_eq!(run(ended(Ending::Completed), earlier).interruption(), None);
    }

    fn progress(rejected: u64) -> Progress {
        let counts =
            Counts { total: 10, created: 10 - rejected, invalid: rejected, ..Counts::default() };
        Progress { counts, ..Progress::default() }
    }

    fn conclude_with(rejected: u64, budget: i32, mode: ExportMode) -> RunResult {
        conclude_progress(progress(rejected), budget, mode)
    }

    fn conclude_progress(progress: Progress, budget: i32, mode: ExportMode) -> RunResult {
        let report = crate::pipeline::Report { progress, ending: Ending::Completed };
        let phase = RunPhase::Ended(Ended { at: Timestamp::UNIX_EPOCH, report }.into());
        let run = RunState { revision: "r".into(), phase, ..RunState::default() };
        let mut next = CandidateExportStatus::default();
        let reported = Reported {
            step: &Step::Conclude,
            revision: "r",
            mode,
            budget: &IntOrString::Int(budget),
            may_be_empty: false,
            file: None,
            run: Some(&run),
            met: None,
            asked: &Asked::No,
            limited: false,
            quiet: false,
        };
        let delivery = delivery(&mut next, &reported);
        assert_eq!(next.last_applied_revision.as_deref(), Some("r"));
        assert_eq!(next.history.len(), 1);
        delivery
    }

    #[test]
    fn operands_of_the_selection_that_no_record_has_are_named() {
        let warning = |place: &str| Warning {
            place: place.into(),
            cause: Cause::new(
                Reason::NeverFilled,
                "'candidate.skill' has a value in none of 10 records",
            ),
            records: 10,
        };
        let warnings = vec![warning("spec.fields[1].from"), warning("spec.select")];
        let coverage = Coverage { warnings, ..Coverage::default() };
        let progress = Progress { coverage: coverage.into(), ..progress(0) };
        let Verdict::Ready(Cause { message, .. }) =
            conclude_progress(progress, 0, ExportMode::Push).verdict
        else {
            panic!("not ready")
        };
        let named = "; spec.select: 'candidate.skill' has a value in none of 10 records";
        assert!(message.ends_with(named), "{message}");
        assert!(!message.contains("fields"), "{message}");
    }

    #[test]
    fn rejections_within_the_budget_keep_ready_and_beyond_it_stall() {
        let verdict = |rejected, budget| conclude_with(rejected, budget, ExportMode::Push).verdict;
        assert!(matches!(verdict(0, 0), Verdict::Ready(Cause { reason: Reason::Synced, .. })));
        let within = verdict(1, 1);
        assert!(matches!(
            within,
            Verdict::Ready(Cause { reason: Reason::SyncedWithRejections, .. })
        ));
        let beyond = verdict(2, 1);
        assert!(matches!(beyond, Verdict::Stalled(Cause { reason: Reason::RecordsRejected, .. })));
    }

    #[test]
    fn a_dry_run_is_ready_exactly_when_the_push_that_it_foretells_would_be() {
        for (rejected, budget) in [(0, 0), (1, 1), (1, 0), (2, 1), (3, 9)] {
            let ready = |mode| {
                let delivery = conclude_with(rejected, budget, mode);
                let reason = delivery.observation.reason;
                (matches!(delivery.verdict, Verdict::Ready(_)), reason)
            };
            let ((push, _), (dry, reason)) = (ready(ExportMode::Push), ready(ExportMode::DryRun));
            assert_eq!(dry, push, "{rejected} of {budget}");
            let expected = if push { Reason::DryRunComplete } else { Reason::RecordsRejected };
            assert_eq!(reason, expected);
        }
    }
}
