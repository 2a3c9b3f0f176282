//! How the status shows what a run did: counts, progress, failures, source and duplicates. Pure.

use std::fmt::Display;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::coverage;
use crate::{
    api::{
        CandidateExportStatus, DuplicatesSeen, ExportCounts, ExportMode, FileFormat, FileSeen,
        RecordFailure, RejectionCount, ReportSeen, RunRecord, SkippedFiles, SourceSeen,
    },
    conditions::whole_seconds,
    controllers::{
        rediscovered::rediscovery,
        runs::{RunPhase, RunState},
    },
    domain::Reason,
    pipeline::{
        Counts, Doubled, Ending, FileInfo, FilesInfo, Progress, RejectedByReason, SourceInfo,
    },
    storage::Skipped,
};

/// Everything that a completed run reports of its records. `format`: that of its file, if it writes one.
pub(super) fn show_result(
    next: &mut CandidateExportStatus,
    progress: &Progress,
    run: &RunState,
    format: Option<FileFormat>,
) {
    show(next, progress, run);
    next.coverage = coverage::shown(&progress.coverage);
    next.source = progress.source.as_ref().map(seen);
    next.duplicates = duplicates(&progress.doubled);
    next.progress = Some(100);
    if let (Some(format), RunPhase::Ended(ended)) = (format, &run.phase) {
        let file = progress.file.as_ref().map(|file| written(file, format, ended.at));
        let files = || Some(several(progress.files.as_ref()?, format, ended.at));
        next.file = file.or_else(files).or(next.file.take());
    }
    if let (Some(report), RunPhase::Ended(ended)) = (&progress.report, &run.phase) {
        next.report = Some(reported(report, ended.at));
    }
}

pub(super) fn reported(report: &FileInfo, at: Timestamp) -> ReportSeen {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    ReportSeen {
        url: report.url.clone(),
        lines: number(report.rows),
        bytes: number(report.bytes),
        sha256: report.sha256.clone(),
        written_at: Time(whole_seconds(at)),
    }
}

fn written(file: &FileInfo, format: FileFormat, at: Timestamp) -> FileSeen {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    FileSeen {
        url: file.url.clone(),
        format,
        rows: number(file.rows),
        bytes: number(file.bytes),
        sha256: Some(file.sha256.clone()),
        files: 1,
        deleted: None,
        altered: (file.altered > 0).then(|| number(file.altered)),
        version: Some(file.version.clone()),
        written_at: Time(whole_seconds(at)),
    }
}

fn several(files: &FilesInfo, format: FileFormat, at: Timestamp) -> FileSeen {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    FileSeen {
        url: files.url.to_string(),
        format,
        rows: number(files.people),
        bytes: number(files.bytes),
        sha256: None,
        files: number(files.files),
        deleted: Some(number(files.deleted)),
        altered: None,
        version: None,
        written_at: Time(whole_seconds(at)),
    }
}

/// Shows the result of the run that delivered what is in place, which changes something only if
/// somebody overwrote the status. A process that did not make the run knows its counts only.
pub(super) fn repair(
    next: &mut CandidateExportStatus,
    run: Option<&RunState>,
    format: Option<FileFormat>,
) {
    let Some(last) = next.history.first() else { return };
    if next.last_applied_revision.as_ref() != Some(&last.revision) {
        return;
    }
    if let Some(run) = run
        && let RunPhase::Ended(ended) = &run.phase
        && is_of(last, run)
    {
        return show_result(next, &ended.report.progress, run, format);
    }
    let counts = last.counts;
    let there = counts.created + counts.updated + counts.unchanged + counts.skipped;
    let wanted = counts.total.saturating_sub(counts.suppressed);
    next.delivered = Some(delivered(last.mode, format.is_some(), there, wanted));
    next.rejected = Some(counts.invalid + counts.failed);
    next.counts = Some(counts);
    next.progress = Some(100);
}

/// Whether a record of the history is that of this run. Its times are whole seconds: another run may have
/// ended in the same one.
pub(super) fn is_of(record: &RunRecord, run: &RunState) -> bool {
    let RunPhase::Ended(ended) = &run.phase else { return false };
    ended.report.ending == Ending::Completed
        && (record.started_at.0, record.finished_at.0)
            == (whole_seconds(run.started_at), whole_seconds(ended.at))
        && record.counts == shown_counts(&ended.report.progress, run)
}

fn duplicates(doubled: &Doubled) -> Option<DuplicatesSeen> {
    let found = i64::try_from(doubled.found).unwrap_or(i64::MAX);
    let records = doubled.records.iter().map(ToString::to_string).collect();
    (found > 0).then_some(DuplicatesSeen { found, records })
}

/// An attempt that has not read the source yet, or ended before it did, has nothing to report.
pub(super) fn show_once_surveyed(next: &mut CandidateExportStatus, run: &RunState) {
    if run.progress != Progress::default() {
        show(next, &run.progress, run);
    }
}

fn seen(looked: &SourceInfo) -> SourceSeen {
    SourceSeen {
        files: i64::try_from(looked.files).unwrap_or(i64::MAX),
        bytes: looked.bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        version: looked.version.clone(),
        skipped: (looked.skipped.total() > 0).then(|| skipped(looked.skipped)),
    }
}

fn skipped(found: Skipped) -> SkippedFiles {
    let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
    SkippedFiles {
        folders: number(found.folders),
        empty: number(found.empty),
        odd_names: number(found.odd_names),
    }
}

/// The text of the column DELIVERED. A dry run delivers nothing.
fn delivered(mode: ExportMode, is_file: bool, there: impl Display, wanted: impl Display) -> String {
    let rows = match is_file {
        false => "",
        true if wanted.to_string() == "1" => " row",
        true => " rows",
    };
    match mode {
        ExportMode::Push => format!("{there}/{wanted}{rows}"),
        ExportMode::DryRun => format!("would {there}/{wanted}{rows}"),
    }
}

/// The counts of a snapshot.
fn shown_counts(progress: &Progress, run: &RunState) -> ExportCounts {
    let counts = combined(progress.counts, run.carried);
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    ExportCounts {
        read: number(counts.read),
        not_selected: number(counts.not_selected),
        total: number(counts.total),
        created: number(counts.created),
        updated: number(counts.updated),
        unchanged: number(counts.unchanged),
        skipped: number(counts.skipped),
        warnings: number(counts.warnings),
        invalid: number(counts.invalid),
        failed: number(counts.failed),
        suppressed: number(counts.suppressed),
        pending: number(counts.pending()),
    }
}

/// Counts, progress and failures of a snapshot.
fn show(next: &mut CandidateExportStatus, progress: &Progress, run: &RunState) {
    let counts = combined(progress.counts, run.carried);
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    next.counts = Some(shown_counts(progress, run));
    let wanted = counts.total.saturating_sub(counts.suppressed);
    // Who waits for a resume only is in Clinch.
    let there = counts.delivered() + counts.awaiting_resume;
    next.delivered = Some(delivered(run.mode, run.is_file, there, wanted));
    let compares = run.mode == ExportMode::DryRun && !run.is_file;
    next.rediscovery = compares.then(|| rediscovery(progress));
    next.rejected = Some(number(counts.rejected()));
    next.progress = Some(i32::from(counts.percent()));
    next.failures = progress
        .rejections
        .iter()
        .map(|rejection| RecordFailure {
            position: rejection.position.to_string().chars().take(320).collect(),
            record: rejection.record.map(|id| id.to_string()),
            reason: rejection.cause.reason.as_str().to_owned(),
            message: rejection.cause.message.chars().take(512).collect(),
        })
        .collect();
    next.rejected_by_reason = by_reason(&progress.by_reason);
    next.plan = progress.plan.map(|plan| plan.to_string());
    next.failures_omitted = (progress.omitted > 0).then(|| number(progress.omitted));
}

/// How many reasons and places are listed.
const LISTED_REASONS: usize = 20;

/// Rejections by reason and place, the most frequent first.
fn by_reason(rejected: &RejectedByReason) -> Vec<RejectionCount> {
    let mut counts: Vec<_> = rejected.iter().collect();
    counts.sort_by(|&(one, first), &(other, second)| {
        let word = |(reason, place): &(Reason, Option<Box<str>>)| (reason.as_str(), place.clone());
        second.cmp(first).then_with(|| word(one).cmp(&word(other)))
    });
    let counts = counts.into_iter().take(LISTED_REASONS);
    counts
        .map(|((reason, place), count)| RejectionCount {
            reason: reason.as_str().to_owned(),
            place: place.as_ref().map(|place| cut(place, 128)),
            count: i64::try_from(*count).unwrap_or(i64::MAX),
        })
        .collect()
}

/// The beginning of a text, in at most this many bytes.
fn cut(text: &str, bytes: usize) -> String {
    let end = (0..=text.len().min(bytes)).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or(0)].to_owned()
}

/// What earlier attempts created or updated counts as unchanged in a later one. It is reported as
/// what it is for the revision as a whole.
fn combined(counts: Counts, carried: Counts) -> Counts {
    let earlier = (carried.created + carried.updated).min(counts.unchanged);
    let created = carried.created.min(earlier);
    Counts {
        created: counts.created + created,
        updated: counts.updated + (earlier - created),
        unchanged: counts.unchanged - earlier,
        ..counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{controllers::runs::Ended, pipeline::Report};

    #[test]
    fn a_dry_run_never_counts_as_delivered() {
        let counts = Counts { read: 3, total: 3, created: 3, ..Counts::default() };
        let progress = Progress { counts, ..Progress::default() };
        let shown = |mode| {
            let mut next = CandidateExportStatus::default();
            let run = RunState { mode, ..RunState::default() };
            show(&mut next, &progress, &run);
            next.delivered.unwrap()
        };
        let file = RunState { is_file: true, ..RunState::default() };
        let mut next = CandidateExportStatus::default();
        show(&mut next, &progress, &file);
        assert_eq!(next.delivered.as_deref(), Some("3/3 rows"));
        assert_eq!(delivered(ExportMode::Push, true, 0, 1), "0/1 row");
        assert_eq!(shown(ExportMode::Push), "3/3");
        let counts = Counts { total: 3, awaiting_resume: 3, ..Counts::default() };
        let waiting = Progress { counts, ..Progress::default() };
        show(&mut next, &waiting, &RunState::default());
        assert_eq!(next.delivered.as_deref(), Some("3/3"), "they are in Clinch");
        assert_eq!(next.counts.unwrap().pending, 3);
        assert_eq!(shown(ExportMode::DryRun), "would 3/3");
    }

    #[test]
    fn a_dry_run_says_who_is_in_clinch() {
        let counts = Counts {
            total: 21,
            created: 1,
            updated: 2,
            unchanged: 3,
            skipped: 4,
            suppressed: 5,
            invalid: 2,
            failed: 4,
            ..Counts::default()
        };
        let by_reason = RejectedByReason::from([
            ((Reason::MatchKeyMissing, Some("spec.fields[0].from".into())), 2),
            ((Reason::AmbiguousMatch, None), 3),
            ((Reason::AlreadyExists, None), 1),
        ]);
        let progress = Progress { counts, by_reason: by_reason.into(), ..Progress::default() };
        let shown = |mode, is_file| {
            let mut next = CandidateExportStatus::default();
            show(&mut next, &progress, &RunState { mode, is_file, ..RunState::default() });
            next.rediscovery
        };
        let expected = crate::api::RediscoveryCounts {
            known: 8,
            changed: 2,
            new: 1,
            possible: None,
            ambiguous: 3,
            suppressed: 5,
            unmatchable: 2,
        };
        assert_eq!(shown(ExportMode::DryRun, false), Some(expected));
        assert_eq!(shown(ExportMode::DryRun, true), None);
        assert_eq!(shown(ExportMode::Push, false), None);
    }

    #[test]
    fn another_run_of_the_same_second_is_not_the_one_in_the_history() {
        let at = "2026-11-26T10:00:00.9Z".parse().unwrap();
        let ended = |ending: Ending, created: u64| {
            let counts = Counts { total: 1, created, unchanged: 1 - created, ..Counts::default() };
            let progress = Progress { counts, ..Progress::default() };
            let report = Report { progress, ending };
            let phase = RunPhase::Ended(Ended { at, report }.into());
            RunState { started_at: at, phase, ..RunState::default() }
        };
        let first = ended(Ending::Completed, 1);
        let RunPhase::Ended(end) = &first.phase else { panic!("it has ended") };
        let record = RunRecord {
            revision: String::new(),
            mode: ExportMode::Push,
            started_at: Time(whole_seconds(at)),
            finished_at: Time(whole_seconds(at)),
            outcome: String::new(),
            counts: shown_counts(&end.report.progress, &first),
            plan: None,
        };
        assert!(is_of(&record, &first));
        assert!(!is_of(&record, &ended(Ending::Completed, 0)));
        assert!(!is_of(&record, &ended(Ending::SourceUnchanged, 1)), "it read nothing");
    }

    #[test]
    fn rejections_are_listed_by_frequency_and_then_by_name() {
        let place = |text: &str| Some(text.into());
        let rejected = RejectedByReason::from([
            ((Reason::RequiredMissing, place("spec.fields[2].from")), 3),
            ((Reason::InvalidValue, place(&"é".repeat(100))), 7),
            ((Reason::InvalidValue, place("spec.fields[2].from")), 3),
            ((Reason::Malformed, None), 3),
        ]);
        let listed = by_reason(&rejected);
        let shown: Vec<_> =
            listed.iter().map(|count| (count.reason.as_str(), count.count)).collect();
        let expected =
            [("InvalidValue", 7), ("InvalidValue", 3), ("Malformed", 3), ("RequiredMissing", 3)];
        assert_eq!(shown, expected);
        assert_eq!(listed[0].place.as_ref().unwrap().len(), 128, "bytes, between characters");
        assert_eq!(listed[2].place, None);
    }

    #[test]
    fn a_resumed_run_reports_the_revision_as_a_whole() {
        let carried = Counts { total: 10, created: 4, updated: 1, ..Counts::default() };
        let second = Counts { total: 10, created: 4, unchanged: 6, ..Counts::default() };
        let whole = combined(second, carried);
        assert_eq!((whole.created, whole.updated, whole.unchanged), (8, 1, 1));
        assert_eq!(whole.total, whole.delivered());
    }
}
