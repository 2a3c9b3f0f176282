//! The verdict on the counts of a run that has ended, as the status shows them. Pure.

use std::fmt::Write as _;

use super::{distrust, reported::Reported};
use crate::{
    api::{
        CandidateExportStatus, ConditionType, ExportCounts, ExportMode, RecordFailure,
        RecordWarning,
    },
    controllers::{budget, run_result::RunResult},
    domain::Reason,
};

/// The verdict on counts that are final for a revision.
pub(super) fn settled(next: &CandidateExportStatus, reported: &Reported<'_>) -> RunResult {
    let mut delivery = counted(next, reported);
    for warning in never_selected(next) {
        delivery = delivery.adding(&format!("{}: {}", warning.place, warning.message));
    }
    match distrust::reason(next.ledger.as_ref()) {
        Some(why) if next.ledger.as_ref().is_some_and(|seen| !seen.check_due) => {
            delivery.adding(&format!("everybody was read in Clinch again: {why}"))
        }
        Some(_) | None => delivery,
    }
}

/// The warnings about operands of the selection that no record has.
fn never_selected(next: &CandidateExportStatus) -> impl Iterator<Item = &RecordWarning> {
    let warnings = next.coverage.iter().flat_map(|coverage| &coverage.warnings);
    warnings.filter(|warning| {
        warning.place == "spec.select" && warning.reason == Reason::NeverFilled.as_str()
    })
}

fn counted(next: &CandidateExportStatus, reported: &Reported<'_>) -> RunResult {
    let counts = next.counts.unwrap_or_default();
    let rejected = counts.invalid + counts.failed;
    let mut delivered = next.delivered.clone().unwrap_or_default();
    let allowed = budget::allowed(reported.budget, counts.total);
    if counts.total == 0
        && let Some(nothing) = nothing_to_do(counts.read, reported.may_be_empty)
    {
        let is_written = reported.file.is_some() && reported.mode == ExportMode::Push;
        return match next.file.as_ref().filter(|file| is_written && file.rows == 0) {
            Some(file) if file.deleted.is_some() => {
                nothing.adding(&format!("no files are left at {}", file.url))
            }
            Some(file) => nothing.adding(&format!("{} was replaced and now has no rows", file.url)),
            None => nothing,
        };
    }
    let is_rejection = |failure: &&RecordFailure| {
        let suppressed = [Reason::Anonymised, Reason::Suppressed];
        // Either all refused resumes reject their record, or none does.
        let warned = (counts.warnings > 0).then_some(Reason::ResumeRefused);
        !suppressed.iter().chain(&warned).any(|reason| reason.as_str() == failure.reason)
    };
    let first = next.failures.iter().find(is_rejection).map(|failure| {
        format!("; first: {} {}: {}", failure.position, failure.reason, failure.message)
    });
    let first = first.unwrap_or_default();
    let over = format!("more than failureBudget allows ({allowed}){first}");
    if reported.mode == ExportMode::DryRun {
        let message = match reported.file {
            None => dry_run(&counts, rejected),
            Some(_) => file_dry_run(&counts, rejected),
        };
        if rejected > allowed {
            return refused(format!("{message}, {over}"));
        }
        return ready(Reason::DryRunComplete, message, rejected == 0);
    }
    let is_nobody = counts.created + counts.updated + counts.unchanged == 0;
    match next.file.as_ref().filter(|_| reported.file.is_some()) {
        None => delivered.push_str(" delivered"),
        Some(_) if is_nobody && rejected > 0 && counts.suppressed == 0 => {
            delivered.push_str(" written: the file is as it was");
        }
        Some(file) => {
            let _ = write!(delivered, " written to {}", file.url);
        }
    }
    if counts.suppressed > 0 {
        let _ = write!(delivered, ", {} suppressed", counts.suppressed);
    }
    if counts.warnings > 0 {
        let _ = write!(delivered, ", {} without their resume", counts.warnings);
    }
    if rejected == 0 && counts.warnings > 0 {
        return ready(Reason::SyncedWithWarnings, delivered, true);
    }
    if rejected == 0 {
        let reason = if reported.file.is_some() { Reason::FileWritten } else { Reason::Synced };
        return ready(reason, delivered, true);
    }
    if rejected <= allowed {
        let message = format!("{delivered}, {rejected} rejected within failureBudget{first}");
        return ready(Reason::SyncedWithRejections, message, false);
    }
    refused(format!("{delivered}, {rejected} rejected, {over}"))
}

/// What a push would do.
fn dry_run(counts: &ExportCounts, rejected: i64) -> String {
    let suppressed = match counts.suppressed {
        0 => String::new(),
        suppressed => format!(", {suppressed} suppressed"),
    };
    let warnings = match counts.warnings {
        0 => String::new(),
        warnings => format!(", {warnings} without their resume"),
    };
    format!(
        "dry run: would create {}, update {}; {} unchanged, {} skipped{suppressed}{warnings}, \
         {rejected} rejected",
        counts.created, counts.updated, counts.unchanged, counts.skipped
    )
}

/// What would be written to a file.
fn file_dry_run(counts: &ExportCounts, rejected: i64) -> String {
    let due = counts.created + counts.updated;
    let rows = if due == 1 { "row" } else { "rows" };
    // Of a file for each person, one may be there already.
    let unchanged = match counts.unchanged {
        0 => String::new(),
        unchanged => format!("{unchanged} unchanged, "),
    };
    format!(
        "dry run: would write {due} {rows}; {unchanged}{} suppressed, {rejected} rejected",
        counts.suppressed
    )
}

/// A run that selected no record, of the `read` ones of its source.
fn nothing_to_do(read: i64, may_be_empty: bool) -> Option<RunResult> {
    if read > 0 {
        let message = format!("spec.select selects none of the {read} records of the source");
        return Some(ready(Reason::NothingSelected, message, true));
    }
    // Statuses of earlier operators do not say how many records were read.
    may_be_empty.then(|| {
        let message = "the source has no records, which spec.guards.minRecords allows";
        ready(Reason::SourceEmpty, message.to_owned(), true)
    })
}

fn ready(reason: Reason, message: String, complete: bool) -> RunResult {
    RunResult::ready(ConditionType::Delivered, complete, reason, message)
}

fn refused(message: String) -> RunResult {
    RunResult::rejected(ConditionType::Delivered, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_work_says_whether_the_source_or_the_selection_is_empty() {
        let reason = |read, may_be_empty| {
            nothing_to_do(read, may_be_empty).map(|delivery| delivery.observation.reason)
        };
        assert_eq!(reason(7, false), Some(Reason::NothingSelected));
        assert_eq!(reason(7, true), Some(Reason::NothingSelected));
        assert_eq!(reason(0, true), Some(Reason::SourceEmpty));
        assert_eq!(reason(0, false), None, "not known from an earlier status");
    }
}
