//! Prints the result of `apply`.

use anyhow::Context as _;

use super::{
    color::{Colors, Tone},
    engine, messages, print_result, records,
    summary::{self, LatestRuns},
    table, text,
};
use crate::{
    api::{CandidateExport, CandidateImport},
    app,
    cluster::Kind,
    local::LocalCluster,
};

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// A table that fits the terminal, with what is wrong below it.
    Table,
    /// The table that `kubectl get clinch -o wide` prints: more columns, among them the message.
    Wide,
    /// Kind and name of each object.
    Name,
    /// The objects with their status, as a JSON list.
    Json,
    /// The objects with their status, as YAML documents.
    Yaml,
}

/// Prints the result to standard output. For people, also what the runs after those `before` did, to
/// standard error.
pub(super) fn report(
    cluster: &LocalCluster,
    output: Output,
    before: &LatestRuns,
) -> anyhow::Result<()> {
    match output {
        Output::Table | Output::Wide => {
            report_table(cluster, output == Output::Wide)?;
            for line in summary::lines(cluster, before) {
                messages::hint(&line);
            }
            Ok(())
        }
        Output::Name => print_result(&engine::names(cluster).join("\n")),
        Output::Json => {
            let objects: Vec<_> = objects(cluster).collect();
            let text = serde_json::to_string_pretty(&objects).context("cannot write JSON")?;
            print_result(&text)
        }
        Output::Yaml => {
            let documents: Result<Vec<String>, _> =
                objects(cluster).map(|object| serde_saphyr::to_string(&object)).collect();
            let documents = documents.context("cannot write YAML")?;
            print_result(documents.join("---\n").trim_end())
        }
    }
}

/// The objects as the API server would show them.
pub(super) fn objects(cluster: &LocalCluster) -> impl Iterator<Item = serde_json::Value> + '_ {
    Kind::ALL.into_iter().flat_map(|kind| cluster.objects_as_json(kind))
}

fn report_table(cluster: &LocalCluster, wide: bool) -> anyhow::Result<()> {
    let colors = Colors::stdout();
    let mut lines =
        if wide { vec![engine::tables(cluster, true)] } else { short_table(cluster, colors) };
    // Where it is no terminal, lines stay whole, so that they can be searched.
    let width = text::terminal_width().filter(|_| !wide);
    for trouble in engine::troubles(cluster) {
        let reason = trouble.split(": ").nth(1).unwrap_or_default().to_owned();
        let text = folded(trouble, width).join("\n");
        lines.push(colors.paint_in(&text, &reason, Tone::Bad));
    }
    lines.extend(details(cluster).into_iter().flat_map(|line| folded(line, width)));
    print_result(&lines.join("\n"))
}

fn folded(line: String, width: Option<usize>) -> Vec<String> {
    match width {
        Some(width) => text::folded(line, width),
        None => vec![line],
    }
}

fn short_table(cluster: &LocalCluster, colors: Colors) -> Vec<String> {
    let now = app::system_clock().now();
    let mut lines = Vec::new();
    for kind in engine::kinds() {
        let objects = cluster.objects_as_json(kind);
        lines.extend(table::table(kind, &objects, text::width(), colors, now));
        lines.extend((!objects.is_empty()).then(String::new));
    }
    lines
}

/// What is known of records.
fn details(cluster: &LocalCluster) -> Vec<String> {
    let mut lines = Vec::new();
    for key in cluster.keys(Kind::Export) {
        let Some(status) = cluster.status::<CandidateExport>(&key) else { continue };
        let coverage = status.coverage.as_ref().map(|shown| records::coverage(&key.name, shown));
        lines.extend(records::failures(&key.name, &status));
        lines.extend(records::drift(&key.name, &status));
        lines.extend(coverage.into_iter().flatten());
        lines.extend(records::plan(&key.name, &status));
    }
    for key in cluster.keys(Kind::Import) {
        let status = cluster.status::<CandidateImport>(&key);
        lines.extend(status.iter().flat_map(|status| records::imported(&key.name, status)));
    }
    lines
}
