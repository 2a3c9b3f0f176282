//! The result of `apply` as one HTML page, which needs no other file and no script. Pure.
//!
//! It is made of the statuses alone. They hold no candidate value, and nothing of a spec is shown that could:
//! see `docs/SECURITY.md`.

mod export;
mod status;

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use self::status::Summary;
use crate::cluster::Kind;

const STYLE: &str = include_str!("style.css");

/// The page of these objects, which are as the API server shows them. `made`: the present time.
pub(super) fn page(objects: &[Value], made: Timestamp) -> String {
    let summaries: Vec<Summary> = objects.iter().map(Summary::of).collect();
    let others = summaries.iter().filter(|summary| summary.kind != Kind::Export.as_str());
    let exports = objects.iter().filter(|object| object["kind"] == Kind::Export.as_str());
    let made = instant(made);
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { "Clinch exports, " (made) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "Clinch exports" }
                    p.dim { (made) }
                    p.lead { (verdict(&summaries)) }
                }
                main {
                    @for export in exports { (export::section(export)) }
                    (used(others))
                }
                footer {
                    p {
                        "Made by clinch-operator " (env!("CARGO_PKG_VERSION"))
                        ". Positions and counts only: the page holds no value of a person."
                    }
                }
            }
        }
    };
    markup.into_string()
}

/// One sentence about everything.
fn verdict(summaries: &[Summary]) -> String {
    let all = summaries.len();
    let ready = summaries.iter().filter(|summary| summary.is_good()).count();
    match (all, all - ready) {
        (0, _) => "There is no object.".to_owned(),
        (1, 0) => "The object is as declared.".to_owned(),
        (_, 0) => format!("All {all} objects are as declared."),
        (_, 1) => format!("1 of {all} objects needs attention."),
        (_, left) => format!("{left} of {all} objects need attention."),
    }
}

/// Everything but exports.
fn used<'a>(summaries: impl Iterator<Item = &'a Summary>) -> Markup {
    let summaries: Vec<&Summary> = summaries.collect();
    html! {
        @if !summaries.is_empty() {
            section {
                h2 { "Integrations, mappings and imports" }
                div.scroll { table {
                    thead { tr { th { "Object" } th { "State" } th { "Message" } } }
                    tbody { @for one in &summaries { tr {
                        td.place { (one.name) br; span.dim { (one.kind) } }
                        td.fit { (one.badge()) }
                        td.message { (one.message) }
                    } } }
                } }
            }
        }
    }
}

/// A time in UTC, to the minute: `2026-11-26 09:30 UTC`.
fn instant(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests;
