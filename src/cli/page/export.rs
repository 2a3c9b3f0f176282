//! What became of one export. Pure.

use maud::{Markup, html};
use serde::Deserialize as _;
use serde_json::Value;

use super::{
    super::text::{Thousands, count_of, span},
    instant,
    status::Summary,
};
use crate::api::{
    CandidateExportStatus, DriftSeen, ExportCounts, ExportMode, FieldCoverage, RunRecord,
};

/// What runs do with people, in words.
#[derive(Clone, Copy)]
struct Deed {
    /// Whether nothing is done.
    dry: bool,
    /// Whether people go into a file.
    file: bool,
}

/// The part of the page about an export.
pub(super) fn section(export: &Value) -> Markup {
    let summary = Summary::of(export);
    let status =
        export.get("status").and_then(|status| CandidateExportStatus::deserialize(status).ok());
    let dry = export.pointer("/spec/mode").is_some_and(|mode| mode == "DryRun");
    // Not all of the spec may be known.
    let has_file = |pointer| export.pointer(pointer).is_some_and(Value::is_object);
    let deed =
        Deed { dry, file: ["/spec/destination/file", "/status/file"].into_iter().any(has_file) };
    html! {
        section {
            div.head {
                h2 { (summary.name) }
                (summary.badge())
                @if dry { span.badge.new { "Dry run" } }
            }
            p.message { (summary.message) }
            @if let Some(status) = &status { (results(status, deed)) }
        }
    }
}

fn results(status: &CandidateExportStatus, deed: Deed) -> Markup {
    html! {
        @if let Some(counts) = &status.counts { (numbers(counts, deed)) }
        (rejections(status))
        @if let Some(coverage) = &status.coverage { (fields(coverage)) }
        @if let Some(drift) = &status.drift { (differences(drift)) }
        @if let Some(file) = &status.file {
            h3 { "File" }
            p {
                code { (file.url) } br;
                (Thousands(file.rows)) (if file.rows == 1 { " row, " } else { " rows, " }) (Thousands(file.bytes)) " bytes, "
                (instant(file.written_at.0))
            }
        }
        @if let Some(report) = &status.report {
            h3 { "Report of every record" }
            p {
                code { (report.url) } br;
                (Thousands(report.lines)) " lines, " (Thousands(report.bytes)) " bytes, "
                (instant(report.written_at.0))
            }
        }
        (runs(&status.history, deed.file))
    }
}

/// The counts, and their shares as a bar.
fn numbers(counts: &ExportCounts, Deed { dry, file }: Deed) -> Markup {
    let rejected = counts.invalid + counts.failed;
    let word = |done: &'static str, would: &'static str| if dry { would } else { done };
    let created = if file {
        word("written", "would be written")
    } else {
        word("created", "would be created")
    };
    let shares = [
        ("new", created, counts.created),
        ("good", word("updated", "would be updated"), counts.updated),
        ("good", "unchanged", counts.unchanged),
        ("dim", "skipped", counts.skipped),
        ("dim", "suppressed", counts.suppressed),
        ("bad", "rejected", rejected),
        ("wait", "pending", counts.pending),
    ];
    let shown: Vec<_> = shares.into_iter().filter(|(.., count)| *count > 0).collect();
    let words: Vec<String> =
        shown.iter().map(|(_, name, count)| format!("{} {name}", Thousands(*count))).collect();
    html! {
        ul.tiles {
            li { strong { (Thousands(counts.total)) } span { "selected" } }
            @for (class, name, count) in &shown {
                li { strong class=(class) { (Thousands(*count)) } span { (name) } }
            }
            @if counts.warnings > 0 {
                li { strong.wait { (Thousands(counts.warnings)) } span { "with warnings" } }
            }
        }
        @if !shown.is_empty() {
            div.share role="img" aria-label=(words.join(", ")) {
                @for (class, _, count) in &shown {
                    i class=(class) style={ "flex:" (count) } {}
                }
            }
        }
        @if counts.not_selected > 0 {
            p.dim {
                (Thousands(counts.read)) " records read, " (Thousands(counts.not_selected))
                " of them not selected"
            }
        }
    }
}

fn rejections(status: &CandidateExportStatus) -> Markup {
    // Records are also listed that were suppressed, delivered with a warning, or not decided.
    let has_others =
        |counts: &ExportCounts| counts.warnings + counts.suppressed + counts.pending > 0;
    let (title, column) = if status.counts.as_ref().is_some_and(has_others) {
        ("Records with a remark", "What is the case")
    } else {
        ("Rejected records", "What is wrong")
    };
    html! {
        @if !status.rejected_by_reason.is_empty() {
            h3 { "Rejected, by reason" }
            div.scroll { table {
                thead { tr { th { "Reason" } th { "Place" } th.n { "Records" } } }
                tbody { @for one in &status.rejected_by_reason { tr {
                    td { code { (one.reason) } }
                    td.place { @if let Some(place) = &one.place { code { (place) } } }
                    td.n { (Thousands(one.count)) }
                } } }
            } }
        }
        @if !status.failures.is_empty() {
            h3 { (title) }
            div.scroll { table {
                thead { tr { th { "Position" } th { "Reason" } th { (column) } } }
                tbody { @for one in &status.failures { tr {
                    td.place { (one.position) }
                    td { code { (one.reason) } }
                    td.message { (one.message) }
                } } }
            } }
            @if let Some(more) = status.failures_omitted {
                p.dim { "and " (Thousands(more)) " more" }
            }
        }
    }
}

fn fields(coverage: &FieldCoverage) -> Markup {
    let records = coverage.records;
    html! {
        @if records > 0 && !coverage.fields.is_empty() {
            h3 { "Fields with a value" }
            div.scroll { table {
                thead { tr { th { "Attribute" } th style="width:40%" { "Share" } th.n { "Records" } } }
                tbody { @for field in &coverage.fields { tr {
                    td { code { (field.attribute) } }
                    td { meter min="0" max=(records) value=(field.filled) {} }
                    td.n { (Thousands(field.filled)) " of " (Thousands(records)) }
                } } }
            } }
            @if let Some(more) = coverage.fields_omitted {
                p.dim { "and " (Thousands(more)) " more fields" }
            }
        }
        @if !coverage.warnings.is_empty() {
            h3 { "Warnings" }
            div.scroll { table {
                thead { tr { th { "Reason" } th { "Place" } th { "What is the case" } } }
                tbody { @for one in &coverage.warnings { tr {
                    td { code { (one.reason) } }
                    td.place { code { (one.place) } }
                    td.message { (one.message) }
                } } }
            } }
            @if let Some(more) = coverage.warnings_omitted {
                p.dim { "and " (count_of(more, "more warning", "more warnings")) }
            }
        }
    }
}

fn differences(drift: &DriftSeen) -> Markup {
    html! {
        h3 { "Verification" }
        p {
            (instant(drift.checked_at.0)) ": " (Thousands(drift.people)) " people read back, "
            (Thousands(drift.missing)) " missing, " (Thousands(drift.changed)) " changed, "
            (Thousands(drift.anonymised)) " anonymised"
        }
    }
}

/// The latest runs.
fn runs(history: &[RunRecord], file: bool) -> Markup {
    html! {
        @if !history.is_empty() {
            h3 { "Runs, newest first" }
            div.scroll { table {
                thead { tr {
                    th { "Started" } th.n { "Took" } th { "Mode" } th { "Outcome" }
                    @if file { th.n { "Written" } } @else {
                        th.n { "Created" } th.n { "Updated" } th.n { "Unchanged" }
                    }
                    th.n { "Rejected" }
                } }
                tbody { @for run in history { tr {
                    td.fit { (instant(run.started_at.0)) }
                    td.n { (took(run)) }
                    td { (if run.mode == ExportMode::DryRun { "Dry run" } else { "Push" }) }
                    td { code { (run.outcome) } }
                    td.n { (Thousands(run.counts.created)) }
                    @if !file {
                        td.n { (Thousands(run.counts.updated)) }
                        td.n { (Thousands(run.counts.unchanged)) }
                    }
                    td.n { (Thousands(run.counts.invalid + run.counts.failed)) }
                } } }
            } }
        }
    }
}

fn took(run: &RunRecord) -> String {
    span(run.finished_at.0.duration_since(run.started_at.0).as_secs())
}
