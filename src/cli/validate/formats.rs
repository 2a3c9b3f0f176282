//! The forms in which problems are printed. Pure.

use std::{collections::HashMap, fmt::Write as _, sync::Arc};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{
    super::text::{count_of, folded},
    Checked,
    snippet::snippet,
};
use crate::local::{Problem, Severity};

/// The text of each file.
type Texts = HashMap<Arc<str>, Arc<str>>;

/// For people: each problem with its line, and a summary; in lines of this width, if any.
pub(super) fn text(checked: &Checked, texts: &Texts, width: Option<usize>) -> String {
    let mut text = String::new();
    for problem in &checked.problems {
        let line = format!("{problem}   [{}]", problem.rule.as_str());
        let lines = width.map_or_else(|| vec![line.clone()], |width| folded(line.clone(), width));
        let _infallible = writeln!(text, "{}", lines.join("\n"));
        let number = problem.line.to_string();
        let found = texts.get(&problem.file).and_then(|text| snippet(problem, text));
        let room = width.map_or(usize::MAX, |width| width.saturating_sub(number.len() + 5));
        let Some(found) = found.and_then(|found| found.within(room)) else { continue };
        let gap = " ".repeat(number.len());
        let before = " ".repeat(found.mark - 1);
        let mark = "^".repeat(found.length);
        let _infallible = writeln!(text, "  {number} | {}\n  {gap} | {before}{mark}", found.line);
    }
    let _infallible = write!(text, "{}", summary(checked));
    text
}

/// `7 objects: 5 valid, 2 errors, 1 warning, 3 of other kinds skipped`.
fn summary(checked: &Checked) -> String {
    let mut parts = vec![
        count_of(checked.valid, "valid", "valid"),
        count_of(checked.count(Severity::Error), "error", "errors"),
        count_of(checked.count(Severity::Warning), "warning", "warnings"),
    ];
    if checked.skipped > 0 {
        parts.push(count_of(checked.skipped, "of other kinds skipped", "of other kinds skipped"));
    }
    format!("{}: {}", count_of(checked.objects, "object", "objects"), parts.join(", "))
}

/// One JSON object.
pub(super) fn json(checked: &Checked, texts: &Texts) -> anyhow::Result<String> {
    let problems: Vec<Value> = checked
        .problems
        .iter()
        .map(|problem| {
            json!({
                "file": &*problem.file,
                "line": (problem.line > 0).then_some(problem.line),
                "column": column(problem, texts),
                "path": problem.path,
                "rule": problem.rule.as_str(),
                "severity": severity(problem),
                "message": problem.message,
            })
        })
        .collect();
    let result = json!({
        "objects": checked.objects,
        "valid": checked.valid,
        "errors": checked.count(Severity::Error),
        "warnings": checked.count(Severity::Warning),
        "skipped": checked.skipped,
        "problems": problems,
    });
    serde_json::to_string_pretty(&result).context("cannot write JSON")
}

/// SARIF 2.1.0.
pub(super) fn sarif(checked: &Checked, texts: &Texts) -> anyhow::Result<String> {
    let mut rules: Vec<&str> =
        checked.problems.iter().map(|problem| problem.rule.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    let rules: Vec<Value> = rules.into_iter().map(|id| json!({"id": id})).collect();
    let results: Vec<Value> = checked
        .problems
        .iter()
        .map(|problem| {
            let mut region = json!({"startLine": problem.line.max(1)});
            if let Some(column) = column(problem, texts) {
                region["startColumn"] = column.into();
            }
            json!({
                "ruleId": problem.rule.as_str(),
                "level": severity(problem),
                "message": {"text": message(problem)},
                "locations": [{"physicalLocation": {
                    "artifactLocation": {"uri": uri(&problem.file)},
                    "region": region,
                }}],
            })
        })
        .collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "clinch-operator",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    serde_json::to_string_pretty(&log).context("cannot write JSON")
}

/// Annotations of GitHub Actions, and the summary as a notice.
pub(super) fn github(checked: &Checked, texts: &Texts) -> String {
    let mut text = String::new();
    for problem in &checked.problems {
        let _infallible =
            write!(text, "::{} file={}", severity(problem), escaped(&problem.file, true));
        if problem.line > 0 {
            let _infallible = write!(text, ",line={}", problem.line);
        }
        if let Some(column) = column(problem, texts) {
            let _infallible = write!(text, ",col={column}");
        }
        let title = escaped(problem.rule.as_str(), true);
        let _infallible = writeln!(text, ",title={title}::{}", escaped(&message(problem), false));
    }
    let _infallible = write!(text, "{}", summary(checked));
    text
}

fn column(problem: &Problem, texts: &Texts) -> Option<usize> {
    Some(snippet(problem, texts.get(&problem.file)?)?.column)
}

fn severity(problem: &Problem) -> &'static str {
    match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn message(problem: &Problem) -> String {
    if problem.path.is_empty() {
        problem.message.clone()
    } else {
        format!("{}: {}", problem.path, problem.message)
    }
}

/// A path as a relative URI reference.
fn uri(file: &str) -> String {
    let file = file.strip_prefix("./").unwrap_or(file).replace('\\', "/");
    percent_encoding::utf8_percent_encode(&file, URI).to_string()
}

/// What stands for itself in the path of a URI.
const URI: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_')
    .remove(b'~');

/// Text in a workflow command; `property`: between the words and not after them.
fn escaped(text: &str, property: bool) -> String {
    let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    if property { text.replace(':', "%3A").replace(',', "%2C") } else { text }
}
