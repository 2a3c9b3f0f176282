//! The numbers of docs/BENCHMARKS.md, each with the bar it is held to. `hack/bench.sh` builds and
//! runs this; arguments are the names of the benchmarks to run.

#![allow(clippy::print_stdout, reason = "it is a program whose output is its purpose")]
#![allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]

mod changes;
#[path = "../../tests/support/chart.rs"]
#[expect(dead_code, reason = "the benchmarks watch one namespace")]
mod chart;
mod cluster;
mod cost;
mod emulator;
mod encoding;
mod export_100k;
mod files;
mod harness;
mod idle_10k;
mod import;
#[path = "../../tests/support/kubectl.rs"]
#[expect(dead_code, reason = "the benchmarks report a failure as an error")]
mod kubectl;
mod ledger;
mod pdf;
mod people;
mod rate_limit;
mod remote_source;
#[path = "../../tests/support/s3.rs"]
mod s3;
mod throughput;
mod validate;

use std::fmt::Write as _;

use anyhow::{bail, ensure};

/// One measured number.
pub(crate) struct Row {
    what: String,
    measured: String,
    /// The bar, and whether it is met.
    bar: Option<(String, bool)>,
}

impl Row {
    /// A number that must not be larger than the bar.
    pub(crate) fn at_most(what: &str, measured: f64, bar: f64, unit: &str) -> Self {
        Self {
            what: what.to_owned(),
            measured: format!("{} {unit}", short(measured)),
            bar: Some((format!("<= {} {unit}", short(bar)), measured <= bar)),
        }
    }

    /// A number that must not be smaller than the bar.
    pub(crate) fn at_least(what: &str, measured: f64, bar: f64) -> Self {
        Self {
            what: what.to_owned(),
            measured: short(measured),
            bar: Some((format!(">= {}", short(bar)), measured >= bar)),
        }
    }

    /// A number without a bar.
    pub(crate) fn shown(what: &str, measured: impl Into<String>) -> Self {
        Self { what: what.to_owned(), measured: measured.into(), bar: None }
    }
}

/// Such a measurement is good for three digits.
fn short(number: f64) -> String {
    match number.abs() {
        size if size >= 100.0 || number.fract() == 0.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.what.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for Row { what, measured, bar } in rows {
        let bar = match bar {
            Some((bar, met)) => format!("{bar:<12} {}", if *met { "met" } else { "MISSED" }),
            None => String::new(),
        };
        let _infallible =
            writeln!(text, "{}", format!("{what:<width$}  {measured:>16}  {bar}").trim_end());
    }
    text
}

fn main() -> anyhow::Result<()> {
    const ALL: [&str; 14] = [
        "throughput",
        "cost",
        "encoding",
        "validate",
        "ledger",
        "pdf",
        "export_100k",
        "remote_source",
        "files",
        "import",
        "changes",
        "rate_limit",
        "cluster",
        "idle_10k",
    ];
    // As the operator's own runtime.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // `cargo bench` adds flags of its own.
    let mut requested: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if let [files::WRITER, ..] = requested.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        println!("{}", runtime.block_on(files::write(&requested[1..]))?);
        return Ok(());
    }
    if let [cost::BARE, ..] = requested.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return runtime.block_on(cost::send_all(&requested[1..]));
    }
    if requested.is_empty() {
        requested = ALL.map(str::to_owned).to_vec();
    }
    let mut failed = Vec::new();
    for name in requested {
        println!("{name}\n");
        let rows = match name.as_str() {
            "validate" => validate::measure(),
            "throughput" => runtime.block_on(throughput::measure()),
            "cost" => runtime.block_on(cost::measure()),
            "export_100k" => runtime.block_on(export_100k::measure()),
            "files" => runtime.block_on(files::measure()),
            "import" => runtime.block_on(import::measure()),
            "changes" => runtime.block_on(changes::measure()),
            "remote_source" => runtime.block_on(remote_source::measure()),
            "rate_limit" => runtime.block_on(rate_limit::measure()),
            "encoding" => encoding::measure(),
            "pdf" => pdf::measure(),
            "idle_10k" => runtime.block_on(idle_10k::measure()),
            "ledger" => runtime.block_on(ledger::measure()),
            "cluster" => runtime.block_on(cluster::measure()),
            other => bail!("no benchmark {other:?}; there are {}", ALL.join(", ")),
        };
        match rows {
            Ok(rows) => println!("{}", table(&rows)),
            // The others take long, and may work.
            Err(error) => {
                println!("failed: {error:#}\n");
                failed.push(name);
            }
        }
    }
    ensure!(failed.is_empty(), "these failed: {}", failed.join(", "));
    Ok(())
}
