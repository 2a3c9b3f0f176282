//! What the status shows of a run: counts, failures, places, and what a list is to Clinch. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    api::{
        CandidateImportStatus, FullScan, ImportCounts, ImportFailure, ManifestSeen, ReportSeen,
        ScanMode,
    },
    conditions::whole_seconds,
    controllers::{rediscovered::rediscovery, runs::ImportRun},
    pipeline::{self as engine, ImportMode, ImportProgress},
};

/// Bytes of the message of a failure.
const MESSAGE: usize = 256;

/// Counts and failures of a snapshot. `last`: of the last one of a completed run, which is shown once.
pub(super) fn show(next: &mut CandidateImportStatus, progress: &ImportProgress, last: bool) {
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
pub(super) fn show_places(next: &mut CandidateImportStatus, progress: &ImportProgress) {
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
pub(super) fn show_list(next: &mut CandidateImportStatus, run: &ImportRun) {
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
pub(super) fn shows_list(status: &CandidateImportStatus, run: &ImportRun) -> bool {
    let mut shown = status.clone();
    show_list(&mut shown, run);
    (&shown.rediscovery, &shown.match_report) == (&status.rediscovery, &status.match_report)
}

pub(super) fn rejected(progress: &ImportProgress) -> i64 {
    number(progress.counts.rejected())
}

pub(super) fn scan(last: &engine::LastFullScan) -> FullScan {
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

pub(super) const fn mode(mode: ImportMode) -> ScanMode {
    match mode {
        ImportMode::Incremental => ScanMode::Incremental,
        ImportMode::FullScan => ScanMode::FullScan,
    }
}

pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The beginning of a text, in at most this many bytes.
fn cut(text: &str, bytes: usize) -> String {
    let end = (0..=text.len().min(bytes)).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or(0)].to_owned()
}
