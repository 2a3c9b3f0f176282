//! `clinch-operator failures`: the records that an export rejected.

use anyhow::{Context as _, anyhow};
use serde::Serialize;

use super::{
    super::{
        BadArgument, ExitCode, messages, print_result,
        text::{self, Thousands, count_of, wrapped},
        wanted::Wanted,
    },
    args::{ClusterArgs, StateArgs},
    cluster::Objects,
    found::Found,
    kinds::Target,
    stored,
};
use crate::{
    api::{RecordFailure, RejectionCount},
    cluster::Kind,
    domain::RecordId,
};

/// Lists the rejected records of an export, without any value of a person.
///
/// A status holds the first 20. All of them are in the report: `spec.report` of the export, or `apply
/// --report`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  clinch-operator failures engineers -n talent\n  \
                             clinch-operator failures export/engineers -o csv > rejected.csv\n  \
                             clinch-operator failures engineers --record b61f0c22a17e0cb7")]
pub struct Args {
    /// The export.
    #[arg(value_name = "EXPORT")]
    target: Target,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    place: StateArgs,
    /// Format of the result on standard output.
    #[arg(short = 'o', long, value_enum, default_value = "table")]
    output: Output,
    /// Only the record with this number in the list, from 1, at this position, or with this id.
    #[arg(long, value_name = "N|POSITION|ID")]
    record: Option<Wanted>,
    /// Without the names of the columns, in CSV.
    #[arg(long)]
    no_headers: bool,
}

impl Args {
    /// Whether the result is JSON.
    pub(in crate::cli) fn prints_json(&self) -> bool {
        self.output == Output::Json
    }
}

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// One row for each record, for spreadsheets.
    Csv,
    /// One JSON object, with the number of records by reason and place.
    Json,
}

/// The result as JSON. Its members are API.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Result {
    export: String,
    namespace: String,
    rejected: i64,
    by_reason: Vec<RejectionCount>,
    failures: Vec<RecordFailure>,
    omitted: i64,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let export = match &args.place.state {
        Some(folder) => {
            stored::one(folder, &args.target, Kind::Export, args.cluster.namespace.as_deref())?
        }
        None => super::super::block_on(async {
            let cluster = Objects::connect(&args.cluster).await?;
            cluster.named(&args.target, &[Kind::Export]).await
        })?,
    };
    let mut result = Result {
        export: export.key.name.clone(),
        namespace: export.key.namespace.clone(),
        rejected: export.number("/status/rejected").unwrap_or_default(),
        by_reason: export.part("/status/rejectedByReason").unwrap_or_default(),
        failures: export.part("/status/failures").unwrap_or_default(),
        omitted: export.number("/status/failuresOmitted").unwrap_or_default(),
    };
    let omitted = result.omitted;
    if let Some(wanted) = &args.record {
        result = only(result, wanted).ok_or_else(|| {
            let text =
                format!("--record {wanted}: {} has no such record in its list", export.name());
            let text = if omitted > 0 {
                let more = count_of(omitted, "record is", "records are");
                format!("{text}; {more} not listed; {}", all_of_them(&export))
            } else {
                text
            };
            BadArgument(anyhow!(text))
        })?;
    }
    let text = match args.output {
        Output::Table => table(&result, text::width()),
        Output::Csv => csv(&result, !args.no_headers),
        Output::Json => serde_json::to_string_pretty(&result).context("cannot write JSON")?,
    };
    if !text.is_empty() {
        print_result(text.trim_end())?;
    }
    if args.record.is_some() {
        return Ok(ExitCode::Done);
    }
    if result.rejected == 0 {
        messages::hint(&format!("{}: no record is rejected", export.name()));
    } else if omitted > 0 {
        let more = count_of(omitted, "more record is", "more records are");
        messages::hint(&format!("{more} not listed; {}", all_of_them(&export)));
    }
    Ok(ExitCode::Done)
}

/// The result for one record; `None` if it is not listed.
fn only(result: Result, wanted: &Wanted) -> Option<Result> {
    let listed = result.failures.into_iter().enumerate();
    let failures: Vec<_> = listed
        .filter(|(index, failure)| {
            let id = failure.record.as_deref().and_then(RecordId::parse);
            wanted.is(index + 1, &failure.position, id)
        })
        .map(|(_, failure)| failure)
        .collect();
    let by_reason = Vec::new();
    (!failures.is_empty()).then_some(Result { by_reason, failures, ..result })
}

/// Where all rejected records are.
fn all_of_them(export: &Found) -> String {
    match export.text("/status/report/url").or_else(|| export.text("/spec/report/to/url")) {
        Some(url) => format!("all are in the report {url}"),
        None => "set spec.report of the export to have all in a file".to_owned(),
    }
}

fn table(result: &Result, width: usize) -> String {
    let mut lines = Vec::new();
    for count in &result.by_reason {
        let place = count.place.as_ref().map(|place| format!("  {place}")).unwrap_or_default();
        lines.push(format!("{:>7}  {}{place}", Thousands(count.count).to_string(), count.reason));
    }
    for failure in &result.failures {
        lines.push(String::new());
        let id = failure.record.as_ref().map(|id| format!(" ({id})")).unwrap_or_default();
        let head = format!("{}{id} {}", failure.position, failure.reason);
        lines.extend(wrapped(&head, "", "  ", width));
        lines.extend(wrapped(&failure.message, "  ", "  ", width));
    }
    lines.join("\n")
}

fn csv(result: &Result, headers: bool) -> String {
    let mut lines = Vec::new();
    if headers {
        lines.push("position,record,reason,message".to_owned());
    }
    for failure in &result.failures {
        let id = failure.record.as_deref().unwrap_or_default();
        let cells = [&failure.position, id, &failure.reason, &failure.message];
        lines.push(cells.map(cell).join(","));
    }
    lines.join("\n")
}

/// A cell of CSV. A spreadsheet takes none for a formula: positions hold names of files.
fn cell(text: &str) -> String {
    let mark = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if text.contains(['"', ',', '\n', '\r']) || !mark.is_empty() {
        format!("\"{mark}{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result() -> Result {
        let failure = |position: &str, message: &str| RecordFailure {
            position: position.to_owned(),
            record: Some("b61f0c22".to_owned()),
            reason: "MatchKeyMissing".to_owned(),
            message: message.to_owned(),
        };
        Result {
            export: "engineers".to_owned(),
            namespace: "talent".to_owned(),
            rejected: 3,
            by_reason: vec![RejectionCount {
                reason: "MatchKeyMissing".to_owned(),
                place: Some("spec.fields[0]".to_owned()),
                count: 3,
            }],
            failures: vec![
                failure("people.ndjson:2", &"a long message ".repeat(10)),
                failure("=a.csv:4", "it has \"quotes\", and a comma"),
            ],
            omitted: 1,
        }
    }

    #[test]
    fn a_table_is_wrapped_and_starts_with_the_counts() {
        let text = table(&result(), 60);
        assert!(text.starts_with("      3  MatchKeyMissing  spec.fields[0]\n"), "{text}");
        assert!(text.contains("people.ndjson:2 (b61f0c22) MatchKeyMissing\n  a long"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
    }

    #[test]
    fn one_record_is_selected_by_its_number_position_or_id() {
        let with_id = |id: &str| {
            let mut result = result();
            result.failures[1].record = Some(id.to_owned());
            result
        };
        let id = "b61f0c22a17e0cb7";
        for wanted in ["2", "=a.csv:4", id] {
            let found = only(with_id(id), &wanted.parse().unwrap()).unwrap();
            assert_eq!((found.failures.len(), found.by_reason.len()), (1, 0), "{wanted}");
            assert_eq!(found.failures[0].position, "=a.csv:4");
        }
        for other in ["3", "a.csv:4", "b61f0c22a17e0cb8"] {
            assert!(only(with_id(id), &other.parse().unwrap()).is_none(), "{other}");
        }
    }

    #[test]
    fn a_row_of_csv_is_quoted_and_is_no_formula() {
        let text = csv(&result(), true);
        let mut reader = csv_reader(&text);
        let rows: Vec<Vec<String>> =
            reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1][0], "'=a.csv:4");
        assert_eq!(rows[1][3], "it has \"quotes\", and a comma");
        assert_eq!(csv(&result(), false).lines().count(), 2);
    }

    fn csv_reader(text: &str) -> ::csv::Reader<&[u8]> {
        ::csv::Reader::from_reader(text.as_bytes())
    }
}
