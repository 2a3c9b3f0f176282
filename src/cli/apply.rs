//! `clinch-operator apply`: the controllers without a cluster, such as for a CI job.

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::{
    engine::{self, Shown},
    settings::{LogArgs, SettingsArgs},
};
use crate::{
    api::CandidateExport,
    app,
    cluster::Kind,
    local::{LoadOptions, LocalCluster, Problem, Settled, Severity, load},
};

/// Reconciles manifests once, without a cluster, against real Clinch accounts.
///
/// Ends when every object is Ready, or cannot continue until a human acts.
///
/// Exit codes: 0 everything is Ready, 1 something is Stalled, 2 a manifest is refused, 3 time ran
/// out, 4 something else failed, such as the state folder.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file or folder of manifests; may be repeated.
    #[arg(short = 'f', long = "filename", required = true, value_name = "PATH")]
    filename: Vec<PathBuf>,
    /// Read folders recursively.
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Folder for the state between runs: status, ledgers, and who was anonymised in Clinch. Without
    /// it, each run looks everybody up in Clinch again. That creates nobody twice, but a person who
    /// was anonymised in Clinch is created again if a source still has them.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Namespace of manifests that do not name one.
    #[arg(short = 'n', long, default_value = "default", value_name = "NS")]
    namespace: String,
    /// Give up after this many seconds.
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    timeout: u64,
    /// Format of the result.
    #[arg(short = 'o', long, value_enum, default_value = "table")]
    output: Output,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// The table that `kubectl get clinch` prints.
    Table,
    /// The objects with their status, as a JSON list.
    Json,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<i32> {
    let filter = if args.log.log == "info" { "warn" } else { &args.log.log };
    app::init_telemetry(args.log.log_format, filter, super::color_on_stderr());
    let settings = args.settings.settings()?;
    let options = LoadOptions { namespace: args.namespace.clone(), recursive: args.recursive };
    let manifests = match load(&args.filename, &options) {
        Ok(manifests) => manifests,
        Err(problems) => return Ok(refused(&problems)),
    };
    manifests.warnings().iter().for_each(|warning| super::print_error(&warning.to_string()));
    if args.state.is_none() {
        super::print_error(
            "without --state nothing is remembered: people who were anonymised in Clinch are \
             created again if a source still has them",
        );
    }
    let key = app::random_key()?;
    let cluster = LocalCluster::open(manifests, args.state.as_deref(), key, app::system_clock());
    let cluster = match cluster {
        Ok(cluster) => cluster,
        Err(crate::local::OpenError::RefuseChange(problems)) => return Ok(refused(&problems)),
        Err(error) => return Err(error.into()),
    };
    let settled = super::runtime()?.block_on(async {
        let stop = CancellationToken::new();
        super::stop_on_signal(stop.clone())?;
        let timeout = Duration::from_secs(args.timeout);
        let shown = Shown { events: false, bars: args.output == Output::Table };
        anyhow::Ok(engine::run_until_settled(&cluster, settings, timeout, stop, shown).await)
    })?;
    report(&cluster, args.output)?;
    Ok(match settled {
        Settled::Ready => 0,
        Settled::Stalled => 1,
        Settled::TimedOut => 3,
    })
}

/// Prints the problems of the manifests and returns the exit code.
pub(super) fn refused(problems: &[Problem]) -> i32 {
    for problem in problems {
        super::print_error(&problem.to_string());
    }
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    super::print_error(&format!("{errors} error(s) in the manifests; nothing was done"));
    2
}

fn report(cluster: &LocalCluster, output: Output) -> anyhow::Result<()> {
    if output == Output::Json {
        let objects: Vec<_> =
            Kind::ALL.into_iter().flat_map(|kind| cluster.objects_as_json(kind)).collect();
        super::print(&serde_json::to_string_pretty(&objects).context("cannot write JSON")?);
        return Ok(());
    }
    super::print(&engine::tables(cluster, false));
    for line in engine::troubles(cluster) {
        super::print(&line);
    }
    for key in cluster.keys(Kind::Export) {
        let Some(status) = cluster.status::<CandidateExport>(&key) else { continue };
        for failure in &status.failures {
            super::print(&format!(
                "{}: {} {}: {}",
                key.name, failure.position, failure.reason, failure.message
            ));
        }
        if let Some(omitted) = status.failures_omitted {
            super::print(&format!("{}: and {omitted} more", key.name));
        }
    }
    Ok(())
}
