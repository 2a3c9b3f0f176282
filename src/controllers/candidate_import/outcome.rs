//! What the status says of runs: counts, failures, history and the verdict. Pure.

use k8s_openapi::apimachinery::pkg::{apis::meta::v1::Time, util::intstr::IntOrString};

use super::recorded::in_place;
use crate::{
    api::{
        ACCEPT_DELETIONS, CandidateImportStatus, ConditionType, FullScan, ImportCounts,
        ImportFailure, ImportRecord, ManifestSeen, ReportSeen, ScanMode,
    },
    conditions::{Observation, Verdict, whole_seconds},
    controllers::{budget, decision::Step, rediscovered::rediscovery, references, runs::ImportRun},
    domain::{Cause, Disposition, Reason},
    pipeline::{self as engine, ImportMode, ImportProgress},
};

/// How many runs the history holds.
const HISTORY: usize = 5;
/// Bytes of the message of a failure.
const MESSAGE: usize = 256;

/// What a run is to the status, and the verdict on it.
pub(super) struct Outcome {
    pub(super) observation: Observation,
    pub(super) verdict: Verdict,
}

/// What is reported of runs.
pub(super) struct Reported<'a> {
    pub(super) step: &'a Step,
    pub(super) revision: &'a str,
    pub(super) budget: &'a IntOrString,
    /// Whether `spec.select` is set.
    pub(super) selects: bool,
    /// What it reads and never sees, if there is such a thing.
    pub(super) unseen: Option<&'a str>,
    /// The latest run.
    pub(super) run: Option<&'a ImportRun>,
    /// What interrupted the attempt before the one in progress or due.
    pub(super) met: Option<&'a Cause>,
    /// A request to accept deletions that has accepted none.
    pub(super) unaccepted: Option<&'a str>,
    /// Whether Clinch has answered with nothing but 429 for a while.
    pub(super) limited: bool,
    /// Whether the run in progress or due is quiet: then what is in place is reported.
    pub(super) quiet: bool,
}

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
pub(super) fn outcome(next: &mut CandidateImportStatus, reported: &Reported<'_>) -> Outcome {
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
                return paused();
            }
            if reported.limited {
                return limited();
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
fn in_progress(attempt: u32, met: Option<&Cause>, progress: Option<&ImportProgress>) -> Outcome {
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

fn paused() -> Outcome {
    working(references::paused(), Reason::DependencyNotReady)
}

fn limited() -> Outcome {
    working(references::RUN_LIMITED.to_owned(), Reason::RateLimited)
}

fn working(message: String, reason: Reason) -> Outcome {
    Outcome {
        observation: Observation::new(ConditionType::Imported, None, reason, message.clone()),
        verdict: Verdict::reconciling(reason, message),
    }
}

/// The verdict on what is in place.
fn settled(next: &CandidateImportStatus, reported: &Reported<'_>) -> Outcome {
    let counts = next.counts.unwrap_or_default();
    let known = next.last_full_scan.as_ref().map_or(0, |scan| scan.known);
    let rejected = next.rejected.unwrap_or_default();
    let allowed = budget::allowed(reported.budget, counts.scanned.max(known));
    let mut message = written(next, known);
    let lost = reported.run.filter(|run| run.is_completed()).and_then(ImportRun::lost);
    if let Some(why) = lost {
        message = format!("{message}; everybody was written again: {why}");
    }
    if reported.unaccepted.is_some() {
        message = format!(
            "{message}; the annotation {ACCEPT_DELETIONS} accepts nothing, because no deletions are held"
        );
    }
    // Everybody who is selected is known, or left out as an export wrote them.
    let nobody = reported.selects && known == 0 && counts.own == 0 && counts.not_selected > 0;
    let (complete, reason) = if rejected == 0 && nobody {
        let unseen = reported.unseen.map(|unseen| format!("{unseen}; ")).unwrap_or_default();
        message = format!("none of {} people is selected; {unseen}{message}", counts.not_selected);
        (true, Reason::NothingSelected)
    } else if rejected == 0 {
        (true, Reason::Imported)
    } else {
        let rest = rejections(next, rejected);
        if rejected > allowed {
            let message = format!(
                "{message}; {rejected} rejected, more than failureBudget allows ({allowed}): {rest}"
            );
            let reason = Reason::RecordsRejected;
            return Outcome {
                observation: Observation::new(
                    ConditionType::Imported,
                    false,
                    reason,
                    message.clone(),
                ),
                verdict: Verdict::stalled(reason, message),
            };
        }
        message = format!("{message}; {rejected} rejected, within failureBudget: {rest}");
        (false, Reason::ImportedWithRejections)
    };
    if let Some(unlisted) = next.unlisted.filter(|_| rejected <= allowed) {
        let reason = Reason::SourceUnsettled;
        let message = format!(
            "{message}; the list of Clinch says that it has {unlisted} more people than it shows, so \
             nobody counts as deleted, and every run reads everybody"
        );
        return Outcome {
            observation: Observation::new(ConditionType::Imported, false, reason, message.clone()),
            verdict: Verdict::ready(reason, message),
        };
    }
    Outcome {
        observation: Observation::new(ConditionType::Imported, complete, reason, message.clone()),
        verdict: Verdict::ready(reason, message),
    }
}

/// Who was rejected, by cause, and what to do. `rejected`: also those whom the last run did not read.
fn rejections(next: &CandidateImportStatus, rejected: i64) -> String {
    let counts = next.counts.unwrap_or_default();
    let before = counts.refused_before.unwrap_or_default();
    let earlier = rejected.saturating_sub(counts.rejected());
    let causes = [
        (counts.invalid, "could not be read or mapped (invalid)"),
        (counts.failed, "were offered, and the destination refused them (failed)"),
        (before, "were refused by an earlier run, and not offered again (refusedBefore)"),
        (earlier, "were found by earlier runs"),
    ];
    let causes = causes.iter().filter(|(count, _)| *count > 0);
    let mut message: Vec<String> = causes.map(|(count, why)| format!("{count} {why}")).collect();
    let first = next.failures.first();
    message.extend(first.map(|failure| format!("first: {}: {}", failure.reason, failure.message)));
    let refused = counts.failed + before > 0;
    let at_fault = match (counts.invalid > 0, refused) {
        (true, true) => "their values, the mapping, or what the destination takes",
        (false, true) => "their values, or what the destination takes",
        (_, false) => "their values, or the mapping",
    };
    message.push(format!("correct {at_fault} (status.failures); each full scan tries them again"));
    message.join("; ")
}

/// What the run has written, and what the list is to Clinch.
fn written(next: &CandidateImportStatus, known: i64) -> String {
    let counts = next.counts.unwrap_or_default();
    let mut message = format!("{} written, {} tombstones", counts.emitted, counts.tombstones);
    let suppressed = counts.suppressed.unwrap_or_default();
    for (count, why) in [
        (counts.own, "left out as exports wrote them"),
        (suppressed, "left out by spec.suppression of the integration"),
    ] {
        if count > 0 {
            message = format!("{message}, {count} {why}");
        }
    }
    if known > 0 {
        message = format!("{message}; {known} known");
    }
    let Some(list) = &next.rediscovery else { return message };
    message = format!(
        "{message}; of the list {} known, {} changed, {} new",
        list.known, list.changed, list.new
    );
    for (count, class) in [
        (list.possible.unwrap_or_default(), "possible"),
        (list.ambiguous, "ambiguous"),
        (list.suppressed, "suppressed"),
        (list.unmatchable, "unmatchable"),
    ] {
        if count > 0 {
            message = format!("{message}, {count} {class}");
        }
    }
    message
}

fn interrupted(next: &mut CandidateImportStatus, reported: &Reported<'_>) -> Outcome {
    begin(next, reported.revision);
    let Some(run) = reported.run else { return working(String::new(), Reason::Progressing) };
    if run.progress != ImportProgress::default() {
        show(next, &run.progress, false);
        show_places(next, &run.progress);
    }
    let (stalled, Cause { reason, message }) = match run.interruption() {
        Some((disposition, cause)) => (matches!(disposition, Disposition::Stalled { .. }), cause),
        None => (false, Cause::new(Reason::Progressing, "the run was ended early")),
    };
    let observation = Observation::new(ConditionType::Imported, false, reason, message.clone());
    let verdict = if stalled {
        Verdict::stalled(reason, message)
    } else {
        Verdict::reconciling(reason, message)
    };
    Outcome { observation, verdict }
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

fn rejected(progress: &ImportProgress) -> i64 {
    number(progress.counts.rejected())
}

/// Counts and failures of a snapshot. `last`: of the last one of a completed run, which is shown once.
fn show(next: &mut CandidateImportStatus, progress: &ImportProgress, last: bool) {
    next.counts = Some(counts(&progress.counts));
    next.mode = Some(mode(progress.mode));
    next.mode_reason = Some(cut(progress.mode_reason, MESSAGE));
    let met = rejected(progress);
    match progress.mode {
        ImportMode::FullScan => {
            next.rejected = Some(met);
            next.failures = failures(progress);
        }
        // It does not read people again who could not be mapped before.
        ImportMode::Incremental if met > 0 => {
            if last {
                next.rejected = Some(next.rejected.unwrap_or_default().saturating_add(met));
            }
            let (found, mut earlier) = (failures(progress), std::mem::take(&mut next.failures));
            earlier.retain(|one| !found.iter().any(|found| found.record == one.record));
            next.failures = found.into_iter().chain(earlier).collect();
            next.failures.truncate(engine::LISTED_FAILURES);
        }
        ImportMode::Incremental => {}
    }
}

/// How far the import is, and where it wrote.
fn show_places(next: &mut CandidateImportStatus, progress: &ImportProgress) {
    let full = progress.last_full_scan.as_ref().map(scan);
    // The time alone is no news: it changes with every run.
    let scanned = full.is_some() && full != next.last_full_scan;
    if scanned || progress.counts.emitted + progress.counts.tombstones > 0 || next.cursor.is_none()
    {
        next.cursor = progress.cursor.map(|at| Time(whole_seconds(at))).or(next.cursor.take());
    }
    next.last_full_scan = full.or(next.last_full_scan.take());
    next.unlisted = progress.unlisted.map(number);
    let manifest = progress.last_manifest.as_ref().map(|last| ManifestSeen {
        url: last.url.clone(),
        sequence: number(last.sequence),
        sha256: last.sha256.clone(),
    });
    next.last_manifest = manifest.or(next.last_manifest.take());
}

/// What the list is to Clinch, if this run compared it.
fn show_list(next: &mut CandidateImportStatus, run: &ImportRun) {
    let Some(compared) = &run.progress.compared else { return };
    next.rediscovery = Some(rediscovery(compared));
    let ended = run.ended().map(|ended| ended.at);
    next.match_report = compared.report.as_ref().zip(ended).map(|(report, at)| ReportSeen {
        url: report.url.clone(),
        lines: number(report.rows),
        bytes: number(report.bytes),
        sha256: report.sha256.clone(),
        written_at: Time(whole_seconds(at)),
    });
}

/// Whether the status shows what this run found of the list.
fn shows_list(status: &CandidateImportStatus, run: &ImportRun) -> bool {
    let mut shown = status.clone();
    show_list(&mut shown, run);
    (&shown.rediscovery, &shown.match_report) == (&status.rediscovery, &status.match_report)
}

fn scan(last: &engine::LastFullScan) -> FullScan {
    FullScan {
        at: Time(whole_seconds(last.at)),
        passes: i32::try_from(last.passes).unwrap_or(i32::MAX),
        known: number(last.known),
    }
}

fn failures(progress: &ImportProgress) -> Vec<ImportFailure> {
    let found = progress.failures.iter().map(|failure| ImportFailure {
        record: failure.record.map(|record| record.to_string()),
        reason: failure.cause.reason.as_str().to_owned(),
        message: cut(&failure.cause.message, MESSAGE),
    });
    found.collect()
}

pub(super) fn counts(found: &engine::ImportCounts) -> ImportCounts {
    ImportCounts {
        scanned: number(found.scanned),
        emitted: number(found.emitted),
        unchanged: number(found.unchanged),
        own: number(found.own),
        not_selected: number(found.not_selected),
        suppressed: Some(number(found.suppressed)),
        tombstones: number(found.tombstones),
        invalid: number(found.invalid),
        failed: number(found.failed),
        refused_before: Some(number(found.refused_before)),
    }
}

const fn mode(mode: ImportMode) -> ScanMode {
    match mode {
        ImportMode::Incremental => ScanMode::Incremental,
        ImportMode::FullScan => ScanMode::FullScan,
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The beginning of a text, in at most this many bytes.
fn cut(text: &str, bytes: usize) -> String {
    let end = (0..=text.len().min(bytes)).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or(0)].to_owned()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        controllers::runs::{Ended, RunPhase},
        pipeline::{Ending, ImportReport},
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
