//! `clinch-operator explain`: what a reason or a condition means and what to do about it, from the
//! same tables as docs/OPERATIONS.md and docs/TROUBLESHOOTING.md.

use std::fmt::Write as _;

use anyhow::Context as _;

use super::{
    BadArgument, ExitCode, program,
    text::{width, wrapped},
};
use crate::domain::did_you_mean;

/// The operations guide, which has the tables of conditions and reasons.
const GUIDE: &str = include_str!("../../docs/OPERATIONS.md");
/// The chapter with the conditions.
const CONDITIONS: &str = "Conditions";
/// The chapter with the reasons.
const REASONS: &str = "Reasons";
/// The page that has symptom, cause and remedy of each reason.
const TROUBLE: &str = include_str!("../../docs/TROUBLESHOOTING.md");
/// Its chapter with them.
const BY_REASON: &str = "By reason";
/// How the heading of the reasons begins for which somebody has to act.
const STALLED: &str = "Stalled";

/// Explains a reason or a condition: what it means, its cause, and what to do.
///
/// Reasons appear in conditions, Events, and the list of rejected records. Without an argument all of
/// them are listed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  clinch-operator explain RecordsRejected\n  \
                             clinch-operator explain -o json | jq -r '.[].word'")]
pub struct Args {
    /// The reason or the type of a condition, e.g. MappingInvalid.
    #[arg(value_name = "REASON")]
    word: Option<String>,
    /// Format of the result on standard output.
    #[arg(short = 'o', long, value_enum, default_value = "text")]
    output: Output,
}

impl Args {
    /// Whether the result is JSON.
    pub(super) fn prints_json(&self) -> bool {
        self.output == Output::Json
    }
}

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// A JSON list.
    Json,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let entries = entries();
    let shown: Vec<&Entry> = match &args.word {
        None => entries.iter().collect(),
        Some(word) => {
            let found: Vec<&Entry> =
                entries.iter().filter(|entry| entry.word.eq_ignore_ascii_case(word)).collect();
            if found.is_empty() {
                return Err(BadArgument(unknown(word, &entries)).into());
            }
            found
        }
    };
    let text = match (args.output, &args.word) {
        (Output::Json, _) => serde_json::to_string_pretty(&shown).context("cannot write JSON")?,
        (Output::Text, Some(_)) => explained(&shown, width()),
        (Output::Text, None) => listed(&shown),
    };
    super::print_result(&text)?;
    Ok(ExitCode::Done)
}

/// Every reason and condition that is explained.
pub(super) fn words() -> Vec<String> {
    let mut words: Vec<String> = entries().into_iter().map(|entry| entry.word.to_owned()).collect();
    words.sort();
    words.dedup();
    words
}

fn unknown(word: &str, entries: &[Entry]) -> anyhow::Error {
    let hint = match did_you_mean(word, entries.iter().map(|entry| entry.word)) {
        Some(similar) => format!("did you mean {similar}?"),
        None => format!("list all with: {} explain", program()),
    };
    anyhow::anyhow!("there is no reason or condition {word}; {hint}")
}

/// A row of one of the tables.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
struct Entry {
    /// The reason, or the type of the condition.
    word: &'static str,
    /// The heading above its table.
    section: &'static str,
    /// What it means and what to do.
    meaning: String,
    /// The first things to know of a reason.
    #[serde(flatten)]
    trouble: Option<Trouble>,
}

/// What a reason looks like, where it comes from, and the first thing to do.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
struct Trouble {
    symptom: String,
    cause: String,
    remedy: String,
}

/// The rows of the guide's tables, in its order.
fn entries() -> Vec<Entry> {
    let (mut found, mut chapter, mut section) = (Vec::new(), "", "");
    for line in GUIDE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            (chapter, section) = (heading, heading);
        } else if let Some(heading) = line.strip_prefix("### ") {
            section = heading;
        } else if let (CONDITIONS | REASONS, Some((word, meaning))) = (chapter, row(line)) {
            let meaning = plain(meaning, "OPERATIONS.md");
            found.push(Entry { word, section, meaning, trouble: None });
        }
    }
    for (word, trouble) in troubles() {
        let is_reason = |entry: &Entry| entry.word == word && entry.section != CONDITIONS;
        let is_several = found.iter().filter(|entry| is_reason(entry)).count() > 1;
        // Of a word with several meanings it is the one for which somebody has to act.
        let has_it =
            |entry: &Entry| is_reason(entry) && (!is_several || entry.section.starts_with(STALLED));
        found
            .iter_mut()
            .filter(|entry| has_it(entry))
            .for_each(|entry| entry.trouble = Some(trouble.clone()));
    }
    found
}

/// The rows of the troubleshooting page, one for each reason.
fn troubles() -> Vec<(&'static str, Trouble)> {
    let (mut found, mut chapter) = (Vec::new(), "");
    for line in TROUBLE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            chapter = heading;
        }
        let cells = line.strip_prefix("| `").filter(|_| chapter == BY_REASON);
        let cells = cells.and_then(|cells| cells.strip_suffix(" |")?.split_once("` | "));
        let Some((words, cells)) = cells else { continue };
        let cells: Vec<&str> = cells.split(" | ").collect();
        let [symptom, cause, remedy] = cells[..] else { continue };
        let [symptom, cause, remedy] =
            [symptom, cause, remedy].map(|cell| plain(cell, "TROUBLESHOOTING.md"));
        let trouble = Trouble { symptom, cause, remedy };
        found.extend(words.split("`, `").map(|word| (word, trouble.clone())));
    }
    found
}

/// The first and the last cell of a table's row whose first cell is one word of code.
fn row(line: &'static str) -> Option<(&'static str, &'static str)> {
    let cells = line.strip_prefix("| `")?.strip_suffix(" |")?;
    let (word, others) = cells.split_once("` | ")?;
    Some((word, others.rsplit(" | ").next().unwrap_or(others)))
}

/// Markdown without links and code marks. What a link leads to is named, if its label does not: `page` is
/// the one that it is on.
fn plain(markdown: &str, page: &str) -> String {
    let (mut text, mut rest) = (String::new(), markdown);
    while let Some((before, (label, after))) =
        rest.split_once('[').and_then(|(before, link)| Some((before, link.split_once("](")?)))
    {
        let (target, after) = after.split_once(')').unwrap_or(("", after));
        let file = match target.split('#').next() {
            Some("") | None => page,
            Some(file) => file,
        };
        text.push_str(before);
        text.push_str(label);
        if label != file {
            let _infallible = write!(text, " (docs/{file})");
        }
        rest = after;
    }
    text.push_str(rest);
    text.retain(|character| character != '`');
    text
}

fn explained(entries: &[&Entry], width: usize) -> String {
    let block = |entry: &&Entry| {
        let mut lines = vec![format!("{}  ({})", entry.word, entry.section), String::new()];
        if let Some(Trouble { symptom, cause, remedy }) = &entry.trouble {
            for (label, text) in [("Symptom:", symptom), ("Cause:", cause), ("Remedy:", remedy)] {
                lines.extend(wrapped(text, &format!("  {label:<10}"), &" ".repeat(12), width));
            }
            lines.push(String::new());
        }
        lines.extend(wrapped(&entry.meaning, "  ", "  ", width));
        lines.join("\n")
    };
    entries.iter().map(block).collect::<Vec<_>>().join("\n\n")
}

fn listed(entries: &[&Entry]) -> String {
    let (mut text, mut section) = (String::new(), "");
    for entry in entries {
        if entry.section != section {
            section = entry.section;
            let gap = if text.is_empty() { "" } else { "\n" };
            let _infallible = writeln!(text, "{gap}{section}");
        }
        let _infallible = writeln!(text, "  {}", entry.word);
    }
    let _infallible =
        write!(text, "\n{} explain REASON says what it means and what to do.", program());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::ConditionType, domain::Reason};

    #[test]
    fn every_reason_and_condition_is_explained() {
        let entries = entries();
        let words = Reason::ALL.iter().map(|reason| reason.as_str());
        for word in words.chain(ConditionType::ALL.iter().map(|kind| kind.as_str())) {
            let found: Vec<_> = entries.iter().filter(|entry| entry.word == word).collect();
            assert!(!found.is_empty(), "docs/OPERATIONS.md has no row for {word}");
            for entry in found {
                assert!(entry.meaning.len() > 8, "{entry:?}");
                assert!(!entry.meaning.contains(['`', '[']), "{entry:?}");
            }
        }
    }

    #[test]
    fn every_reason_has_symptom_cause_and_remedy() {
        let entries = entries();
        for reason in Reason::ALL {
            let of_it = |entry: &&Entry| entry.word == reason.as_str() && entry.trouble.is_some();
            assert_eq!(entries.iter().filter(of_it).count(), 1, "{reason:?}");
        }
        let is_it = |entry: &&Entry| entry.word == "IntegrationSuspended";
        let shown: Vec<&Entry> = entries.iter().filter(is_it).collect();
        let expected = "IntegrationSuspended  (In progress or retrying)

  Symptom:  nothing runs
  Cause:    spec.suspend is true: of the object, or of its integration
  Remedy:   kubectl clinch resume KIND/NAME

  The integration's spec.suspend is true. Nothing is done until it is
  false: kubectl clinch resume integration/NAME";
        assert_eq!(explained(&shown, 72), expected);
        let json = serde_json::to_value(&shown).unwrap();
        assert_eq!(json[0]["remedy"], "kubectl clinch resume KIND/NAME");
    }

    #[test]
    fn links_become_their_labels() {
        let text =
            plain("see [stores](#what-stores-answer), [A](B.md#a) and [B.md](B.md), `x`", "C.md");
        assert_eq!(text, "see stores (docs/C.md), A (docs/B.md) and B.md, x");
    }
}
