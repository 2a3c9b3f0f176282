//! `clinch-operator explain`: what a reason or a condition means and what to do about it, from the
//! same tables as docs/OPERATIONS.md.

use std::fmt::Write as _;

use anyhow::Context as _;

use super::{
    BadArgument, ExitCode, program,
    text::{WIDTH, wrapped},
};
use crate::domain::did_you_mean;

/// The operations guide, which has the tables of conditions and reasons.
const GUIDE: &str = include_str!("../../docs/OPERATIONS.md");
/// The sections of the guide whose tables are read.
const SECTIONS: [&str; 2] = ["Conditions", "Reasons"];

/// Explains a reason or a condition: what it means, and what to do.
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
    let entries = entries(GUIDE);
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
        (Output::Text, Some(_)) => explained(&shown),
        (Output::Text, None) => listed(&shown),
    };
    super::print_result(&text)?;
    Ok(ExitCode::Done)
}

/// Every reason and condition that is explained.
pub(super) fn words() -> Vec<String> {
    let mut words: Vec<String> =
        entries(GUIDE).into_iter().map(|entry| entry.word.to_owned()).collect();
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
}

/// The rows of the guide's tables, in its order.
fn entries(guide: &'static str) -> Vec<Entry> {
    let (mut found, mut chapter, mut section) = (Vec::new(), "", "");
    for line in guide.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            (chapter, section) = (heading, heading);
        } else if let Some(heading) = line.strip_prefix("### ") {
            section = heading;
        } else if let (true, Some((word, meaning))) = (SECTIONS.contains(&chapter), row(line)) {
            found.push(Entry { word, section, meaning: plain(meaning) });
        }
    }
    found
}

/// The first and the last cell of a table's row whose first cell is one word of code.
fn row(line: &'static str) -> Option<(&'static str, &'static str)> {
    let cells = line.strip_prefix("| `")?.strip_suffix(" |")?;
    let (word, others) = cells.split_once("` | ")?;
    Some((word, others.rsplit(" | ").next().unwrap_or(others)))
}

/// Markdown without links and code marks.
fn plain(markdown: &str) -> String {
    let (mut text, mut rest) = (String::new(), markdown);
    while let Some((before, (label, after))) =
        rest.split_once('[').and_then(|(before, link)| Some((before, link.split_once("](")?)))
    {
        let (target, after) = after.split_once(')').unwrap_or(("", after));
        text.push_str(before);
        text.push_str(label);
        if target.starts_with('#') {
            let _infallible = write!(text, " (docs/OPERATIONS.md)");
        }
        rest = after;
    }
    text.push_str(rest);
    text.retain(|character| character != '`');
    text
}

fn explained(entries: &[&Entry]) -> String {
    let block = |entry: &&Entry| {
        let meaning = wrapped(&entry.meaning, "  ", "  ", WIDTH).join("\n");
        format!("{}  ({})\n\n{meaning}", entry.word, entry.section)
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
        let entries = entries(GUIDE);
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
    fn links_become_their_labels() {
        let text = plain("see [what stores answer](#what-stores-answer) and [A](B.md), `x`");
        assert_eq!(text, "see what stores answer (docs/OPERATIONS.md) and A, x");
    }
}
