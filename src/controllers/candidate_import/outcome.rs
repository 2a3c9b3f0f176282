//! What the status says of runs: revisions, history, and the verdict. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    counted::settled,
    recorded::in_place,
    reported::Reported,
    results::{counts, mode, number, rejected, scan, show, show_list, show_places, shows_list},
};
use crate::{
    api::{CandidateImportStatus, ConditionType, ImportRecord},
    conditions::whole_seconds,
    controllers::{decision::Step, run_result::RunResult, runs::ImportRun},
    domain::{Cause, Disposition, Reason},
    pipeline::{ImportMode, ImportProgress},
};

/// How many runs the history holds.
const HISTORY: usize = 5;

/// A run of this revision starts, or one that was quiet is reported: it counts as in place again once a
/// run completes, also if this process ends meanwhile.
pub(super) fn begin(next: &mut CandidateImportStatus, revision: &str) {
    if next.last_attempted_revision.as_deref() != Some(revision) {
        next.last_attempted_revision = Some(revision.to_owned());
        // They belong to another revision.
        (next.counts, next.mode, next.mode_reason) = (None, None, None);
        (next.rejected, next.failures) = (None, Vec::new());
    }
    if next.last_applied_revision.as_deref() == Some(revision) {
        next.last_applied_revision = None;
    }
}

/// Writes what the step shows into `next`.
pub(super) fn outcome(next: &mut CandidateImportStatus, reported: &Reported<'_>) -> RunResult {
    match reported.step {
        Step::Keep | Step::Refresh => settled(next, reported),
        Step::Start { .. } | Step::Observe | Step::Pause | Step::Retry { .. } if reported.quiet => {
            settled(next, reported)
        }
        Step::Conclude => {
            conclude(next, reported);
            settled(next, reported)
        }
        Step::Start { attempt } => in_progress(*attempt, reported.met, None),
        Step::Stop => {
            working("ending the run of an earlier revision".to_owned(), Reason::Progressing)
        }
        Step::Observe | Step::Pause => {
            begin(next, reported.revision);
            let progress = reported.run.map(|run| &run.progress);
            let progress = progress.filter(|progress| **progress != ImportProgress::default());
            if let Some(progress) = progress {
                show(next, progress, false);
            }
            if *reported.step == Step::Pause {
                return RunResult::paused(ConditionType::Imported);
            }
            if reported.limited {
                return RunResult::limited(ConditionType::Imported);
            }
            let attempt = reported.run.map_or(0, |run| run.attempt);
            match progress.and_then(|progress| progress.trouble.as_ref()) {
                // An attempt within the run.
                Some(trouble) => in_progress(attempt.max(1), Some(&trouble.cause), progress),
                None => in_progress(attempt, reported.met, progress),
            }
        }
        Step::Retry { .. } | Step::Stall => interrupted(next, reported),
    }
}

/// Changes as often as the counts.
fn in_progress(attempt: u32, met: Option<&Cause>, progress: Option<&ImportProgress>) -> RunResult {
    let reason = if attempt == 0 { Reason::Progressing } else { Reason::ProgressingWithRetry };
    let mut message = "a run is in progress".to_owned();
    if let Some(ImportProgress { mode, pass, page, .. }) = progress {
        message = match mode {
            ImportMode::FullScan => format!("{message}: full scan, pass {pass}, page {page}"),
            ImportMode::Incremental => format!("{message}: who changed, page {page}"),
        };
    }
    if let Some(Cause { reason, message: met }) = met {
        message = format!("{message}; the last attempt ended with {reason}: {met}");
    }
    working(message, reason)
}

fn working(message: String, reason: Reason) -> RunResult {
    RunResult::working(ConditionType::Imported, reason, message)
}

fn interrupted(next: &mut CandidateImportStatus, reported: &Reported<'_>) -> RunResult {
    begin(next, reported.revision);
    let Some(run) = reported.run else { return working(String::new(), Reason::Progressing) };
    if run.progress != ImportProgress::default() {
        show(next, &run.progress, false);
        show_places(next, &run.progress);
    }
    let (stalled, cause) = match run.interruption() {
        Some((disposition, cause)) => (matches!(disposition, Disposition::Stalled { .. }), cause),
        None => (false, Cause::new(Reason::Progressing, "the run was ended early")),
    };
    RunResult::interrupted(ConditionType::Imported, stalled, cause)
}

/// Takes over the result of a completed run.
fn conclude(next: &mut CandidateImportStatus, reported: &Reported<'_>) {
    let Some(run) = reported.run else { return };
    let Some(ended) = run.ended() else { return };
    let news = is_news(next, run);
    next.last_attempted_revision = Some(reported.revision.to_owned());
    next.last_applied_revision = Some(reported.revision.to_owned());
    show_places(next, &run.progress);
    show_list(next, run);
    if !news {
        return;
    }
    show(next, &run.progress, true);
    let counts = next.counts.unwrap_or_default();
    let outcome = settled(next, reported).observation.reason;
    next.history.insert(
        0,
        ImportRecord {
            mode: mode(run.progress.mode),
            started_at: Time(whole_seconds(run.started_at)),
            finished_at: Time(whole_seconds(ended.at)),
            outcome: outcome.as_str().to_owned(),
            counts,
        },
    );
    next.history.truncate(HISTORY);
}

/// Whether a completed run has something to say that the status does not.
fn is_news(status: &CandidateImportStatus, run: &ImportRun) -> bool {
    let rejected = rejected(&run.progress);
    let known = status.rejected.unwrap_or_default();
    let fewer_or_more = match run.progress.mode {
        ImportMode::FullScan => rejected != known,
        ImportMode::Incremental => rejected > 0,
    };
    let applied = in_place(status) == Some(run.revision.as_str());
    !applied || !run.periodic || run.has_work() || fewer_or_more
}

/// Whether the status reports the result of a completed run, or there is nothing to report.
pub(super) fn is_reported(status: &CandidateImportStatus, run: &ImportRun) -> bool {
    let Some(ended) = run.ended() else { return true };
    if !run.is_completed() {
        return true;
    }
    let scan = run.progress.last_full_scan.as_ref().map(scan);
    if scan.is_some() && scan != status.last_full_scan {
        return false;
    }
    if run.progress.unlisted.map(number) != status.unlisted || !shows_list(status, run) {
        return false;
    }
    let is_it = |record: &ImportRecord| {
        (record.started_at.0, record.finished_at.0)
            == (whole_seconds(run.started_at), whole_seconds(ended.at))
            && record.counts == counts(&run.progress.counts)
    };
    !is_news(status, run) || status.history.first().is_some_and(is_it)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

    use super::*;
    use crate::{
        conditions::Verdict,
        controllers::runs::{Ended, RunPhase},
        pipeline::{self as engine, Ending, ImportReport},
    };

    fn run(
        mode: ImportMode,
        periodic: bool,
        ending: Ending,
        counts: engine::ImportCounts,
    ) -> ImportRun {
        let at = |second| Timestamp::from_second(second).unwrap();
        let full = engine::LastFullScan { at: at(50), passes: 1, known: 100 };
        let progress = ImportProgress {
            counts,
            mode,
            cursor: Some(at(60)),
            last_full_scan: Some(full),
            ..ImportProgress::default()
        };
        let report = ImportReport { progress: progress.clone(), ending };
        let phase = RunPhase::Ended(Ended { at: at(100), report }.into());
        ImportRun { revision: "r1".into(), periodic, progress, phase, ..ImportRun::default() }
    }

    fn emitted(emitted: u64, invalid: u64) -> engine::ImportCounts {
        engine::ImportCounts { scanned: 100, emitted, invalid, ..engine::ImportCounts::default() }
    }

    fn after(next: &mut CandidateImportStatus, step: &Step, run: &ImportRun) -> Verdict {
        let reported = Reported {
            step,
            revision: "r1",
            budget: &IntOrString::String("2%".into()),
            selects: true,
            unseen: Some("spec.select reads nope"),
            run: Some(run),
            met: None,
            unaccepted: None,
            limited: false,
            quiet: false,
        };
        outcome(next, &reported).verdict
    }

    #[test]
    fn an_import_whose_selection_matches_nobody_says_so() {
        let of = |known, counts| {
            let mut run = run(ImportMode::FullScan, false, Ending::Completed, counts);
            run.progress.last_full_scan =
                run.progress.last_full_scan.map(|scan| engine::LastFullScan { known, ..scan });
            let mut status = CandidateImportStatus::default();
            begin(&mut status, "r1");
            after(&mut status, &Step::Conclude, &run)
        };
        let left_out = |not_selected| engine::ImportCounts { not_selected, ..emitted(0, 0) };
        let message =
            "none of 100 people is selected; spec.select reads nope; 0 written, 0 tombstones";
        assert_eq!(of(0, left_out(100)), Verdict::ready(Reason::NothingSelected, message));
        let empty = Verdict::ready(Reason::Imported, "0 written, 0 tombstones");
        assert_eq!(of(0, left_out(0)), empty, "nobody is there");
        let some = Verdict::ready(Reason::Imported, "0 written, 0 tombstones; 7 known");
        assert_eq!(of(7, left_out(93)), some);
    }

    #[test]
    fn a_run_that_finds_nothing_new_changes_nothing() {
        let mut status = CandidateImportStatus::default();
        begin(&mut status, "r1");
        let first = run(ImportMode::FullScan, false, Ending::Completed, emitted(100, 0));
        assert!(!is_reported(&status, &first));
        let verdict = after(&mut status, &Step::Conclude, &first);
        let message = "100 written, 0 tombstones; 100 known";
        assert_eq!(verdict, Verdict::ready(Reason::Imported, message));
        assert_eq!(in_place(&status), Some("r1"));
        assert!(is_reported(&status, &first));
        let before = status.clone();
        let mut quiet = run(ImportMode::Incremental, true, Ending::Completed, emitted(0, 0));
        quiet.progress.cursor = Some(Timestamp::from_second(90).unwrap());
        assert!(is_reported(&status, &quiet));
        assert_eq!(after(&mut status, &Step::Keep, &quiet), verdict);
        assert_eq!(status, before);
    }

    #[test]
    fn a_run_that_has_lost_its_state_says_so_until_the_next_one() {
        let mut status = CandidateImportStatus::default();
        begin(&mut status, "r1");
        let mut first = run(ImportMode::FullScan, false, Ending::Completed, emitted(100, 0));
        first.progress.state_lost = Some("it is older".to_owned());
        let Verdict::Ready(cause) = after(&mut status, &Step::Conclude, &first) else {
            panic!("ready")
        };
        assert!(cause.message.ends_with("written again: it is older"), "{}", cause.message);
        let next = run(ImportMode::Incremental, true, Ending::Completed, emitted(0, 0));
        let Verdict::Ready(cause) = after(&mut status, &Step::Keep, &next) else { panic!("ready") };
        assert!(cause.message.ends_with("100 known"), "{}", cause.message);
    }

    #[test]
    fn rejected_people_are_counted_by_cause_and_once() {
        let mut status = CandidateImportStatus::default();
        begin(&mut status, "r1");
        let counts = engine::ImportCounts { failed: 2, refused_before: 4, ..emitted(93, 1) };
        let first = run(ImportMode::FullScan, false, Ending::Completed, counts);
        let message = |verdict| match verdict {
            Verdict::Ready(cause) | Verdict::Stalled(cause) => cause.message,
            other => panic!("{other:?}"),
        };
        let found = message(after(&mut status, &Step::Conclude, &first));
        let expected = "7 rejected, more than failureBudget allows (2): 1 could not be read or mapped \
                        (invalid); 2 were offered, and the destination refused them (failed); 4 were \
                        refused by an earlier run, and not offered again (refusedBefore); correct their \
                        values, the mapping, or what the destination takes (status.failures); each full \
                        scan tries them again";
        assert!(found.ends_with(expected), "{found}");
        let next = run(ImportMode::Incremental, true, Ending::Completed, emitted(0, 1));
        let found = message(after(&mut status, &Step::Conclude, &next));
        let expected = "8 rejected, more than failureBudget allows (2): 1 could not be read or mapped \
                        (invalid); 7 were found by earlier runs;";
        assert!(found.contains(expected), "{found}");
    }

    #[test]
    fn people_who_cannot_be_mapped_count_until_a_full_scan_finds_otherwise() {
        let mut status = CandidateImportStatus::default();
        begin(&mut status, "r1");
        let first = run(ImportMode::FullScan, false, Ending::Completed, emitted(98, 2));
        let verdict = after(&mut status, &Step::Conclude, &first);
        assert!(
            matches!(&verdict, Verdict::Ready(cause) if cause.reason == Reason::ImportedWithRejections),
            "{verdict:?}"
        );
        // An incremental run does not read them again.
        let next = run(ImportMode::Incremental, true, Ending::Completed, emitted(3, 0));
        after(&mut status, &Step::Conclude, &next);
        assert_eq!((status.rejected, status.counts.unwrap().emitted), (Some(2), 3));
        let more = run(ImportMode::Incremental, true, Ending::Completed, emitted(0, 1));
        let verdict = after(&mut status, &Step::Conclude, &more);
        assert!(
            matches!(&verdict, Verdict::Stalled(cause) if cause.reason == Reason::RecordsRejected),
            "{verdict:?}"
        );
        let all = run(ImportMode::FullScan, true, Ending::Completed, emitted(0, 0));
        assert!(!is_reported(&status, &all));
        let verdict = after(&mut status, &Step::Conclude, &all);
        assert!(matches!(verdict, Verdict::Ready(cause) if cause.reason == Reason::Imported));
    }

    #[test]
    fn a_list_that_hides_people_is_ready_and_says_that_nobody_counts_as_deleted() {
        let mut status = CandidateImportStatus::default();
        begin(&mut status, "r1");
        let mut found = run(ImportMode::FullScan, false, Ending::Completed, emitted(100, 0));
        found.progress.unlisted = Some(7);
        assert!(!is_reported(&status, &found));
        let verdict = after(&mut status, &Step::Conclude, &found);
        let Verdict::Ready(cause) = &verdict else { panic!("{verdict:?}") };
        assert_eq!(cause.reason, Reason::SourceUnsettled);
        assert!(cause.message.contains("7 more people"), "{}", cause.message);
        assert!(is_reported(&status, &found));
        // It shows everybody again: reported although nothing was written.
        let healed = run(ImportMode::FullScan, true, Ending::Completed, emitted(0, 0));
        assert!(!is_reported(&status, &healed));
        let verdict = after(&mut status, &Step::Conclude, &healed);
        assert!(matches!(verdict, Verdict::Ready(cause) if cause.reason == Reason::Imported));
        assert!(status.unlisted.is_none() && is_reported(&status, &healed));
    }

    #[test]
    fn an_endpoint_that_fails_shows_while_the_run_tries_it_again() {
        let mut status = CandidateImportStatus::default();
        let mut working = run(ImportMode::FullScan, false, Ending::Completed, emitted(3, 0));
        working.phase = RunPhase::Running;
        let at = |second| Timestamp::from_second(second).unwrap();
        let cause = Cause::new(Reason::DestinationUnreachable, "https://a answers with status 503");
        working.progress.trouble =
            Some(engine::SinkTrouble { cause, since: at(70), until: at(80) });
        let verdict = after(&mut status, &Step::Observe, &working);
        let message = "a run is in progress: full scan, pass 0, page 0; the last attempt ended with \
                       DestinationUnreachable: https://a answers with status 503";
        assert_eq!(verdict, Verdict::reconciling(Reason::ProgressingWithRetry, message));
        working.progress.trouble = None;
        let verdict = after(&mut status, &Step::Observe, &working);
        assert!(
            matches!(verdict, Verdict::Reconciling(cause) if cause.reason == Reason::Progressing)
        );
    }

    #[test]
    fn people_who_are_refused_while_an_incremental_run_fails_are_counted_once() {
        let mut status = CandidateImportStatus::default();
        begin(&mut status, "r1");
        let first = run(ImportMode::FullScan, false, Ending::Completed, emitted(99, 1));
        after(&mut status, &Step::Conclude, &first);
        let disposition = Disposition::retry(Reason::DestinationUnreachable);
        let ending = Ending::Interrupted { disposition, message: "503".into() };
        let mut failing = run(ImportMode::Incremental, false, ending, emitted(0, 3));
        let cause = Cause::new(Reason::SinkRejected, "422");
        let failure = engine::ImportFailure {
            record: Some(crate::domain::RecordId([7; 8])),
            place: None,
            cause,
        };
        failing.progress.failures = vec![failure].into();
        let delay = std::time::Duration::from_secs(1);
        for _ in 0..3 {
            after(&mut status, &Step::Retry { delay }, &failing);
            assert_eq!((status.rejected, status.failures.len()), (Some(1), 1));
        }
        let done = run(ImportMode::Incremental, false, Ending::Completed, emitted(0, 3));
        after(&mut status, &Step::Conclude, &done);
        assert_eq!(status.rejected, Some(4));
    }

    #[test]
    fn what_a_list_is_to_clinch_adds_up() {
        let mut status = CandidateImportStatus {
            rediscovery: Some(crate::api::RediscoveryCounts {
                known: 1,
                changed: 2,
                new: 3,
                possible: Some(4),
                ambiguous: 5,
                suppressed: 6,
                unmatchable: 7,
            }),
            ..CandidateImportStatus::default()
        };
        begin(&mut status, "r1");
        let done = run(ImportMode::FullScan, false, Ending::Completed, emitted(0, 0));
        let Verdict::Ready(cause) = after(&mut status, &Step::Conclude, &done) else {
            panic!("ready")
        };
        let expected = "of the list 1 known, 2 changed, 3 new, 4 possible, 5 ambiguous, 6 suppressed, \
                        7 unmatchable";
        assert!(cause.message.ends_with(expected), "{}", cause.message);
    }

    #[test]
    fn an_interrupted_run_is_not_in_place_and_says_why() {
        let mut status = CandidateImportStatus {
            last_attempted_revision: Some("r1".into()),
            last_applied_revision: Some("r1".into()),
            ..CandidateImportStatus::default()
        };
        let disposition = Disposition::Stalled { reason: Reason::DeletionsHeld };
        let ending = Ending::Interrupted { disposition, message: "40 of 100".into() };
        let held = run(ImportMode::FullScan, true, ending, emitted(0, 0));
        let verdict = after(&mut status, &Step::Stall, &held);
        assert_eq!(verdict, Verdict::stalled(Reason::DeletionsHeld, "40 of 100"));
        assert_eq!(in_place(&status), None, "the next process runs again");
    }
}
