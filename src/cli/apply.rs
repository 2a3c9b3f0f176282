//! `clinch-operator apply`: the controllers without a cluster, such as for a CI job.

use std::{
    path::PathBuf,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use super::{
    engine::{self, Shown},
    settings::{LogArgs, SettingsArgs},
    stop,
};
use crate::{
    api::CandidateExport,
    app,
    cluster::Kind,
    local::{LoadOptions, Loader, LocalCluster, Manifests, Problem, Settled, Severity},
};

/// The exit code when time ran out, or a signal ended the work.
const TIMED_OUT: i32 = 3;

/// Reconciles manifests once, without a cluster, against real Clinch accounts.
///
/// Ends when every object is Ready, or cannot continue until a human acts.
///
/// On SIGINT or SIGTERM, and when time runs out, requests in flight are finished; a second signal
/// ends the process at once.
///
/// Exit codes: 0 everything is Ready, 1 something is Stalled, 2 a manifest is refused, 3 time ran
/// out or a signal ended the work, 4 something else failed, such as the state folder.
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
    let (started, timeout) = (Instant::now(), Duration::from_secs(args.timeout));
    let options = LoadOptions { namespace: args.namespace.clone(), recursive: args.recursive };
    let manifests = match load_within(timeout, args.filename.clone(), options)? {
        Loaded::Manifests(manifests) => *manifests,
        Loaded::Refused(problems) => return Ok(refused(&problems)),
        Loaded::NotInTime(path) => {
            let (path, seconds) = (path.display(), args.timeout);
            super::print_error(&format!(
                "{path} was not read to its end in {seconds} s (--timeout); nothing was done"
            ));
            return Ok(TIMED_OUT);
        }
    };
    manifests.warnings().iter().for_each(|warning| super::print_error(&warning.to_string()));
    if args.state.is_none() {
        super::print_error(
            "without --state nothing is remembered: people who were anonymised in Clinch are \
             created again if a source still has them",
        );
    }
    let left = timeout.saturating_sub(started.elapsed());
    let stop = stop::on_signal(stop::Limits {
        request_timeout: settings.timeouts.attempt,
        within: Some(left),
        code: TIMED_OUT,
    })?;
    let key = app::random_key()?;
    let cluster = LocalCluster::open(manifests, args.state.as_deref(), key, app::system_clock());
    let cluster = match cluster {
        Ok(cluster) => cluster,
        Err(crate::local::OpenError::RefuseChange(problems)) => return Ok(refused(&problems)),
        Err(error) => return Err(error.into()),
    };
    let settled = super::block_on(async {
        let shown = Shown { events: false, bars: args.output == Output::Table };
        Ok(engine::run_until_settled(&cluster, settings, left, stop, shown).await)
    })?;
    report(&cluster, args.output)?;
    Ok(match settled {
        Settled::Ready => 0,
        Settled::Stalled => 1,
        Settled::TimedOut => TIMED_OUT,
    })
}

/// What became of reading the manifests.
enum Loaded {
    Manifests(Box<Manifests>),
    Refused(Vec<Problem>),
    /// This path was being read when time ran out.
    NotInTime(PathBuf),
}

/// Reads manifests on a thread of its own, which is left behind if it does not end in time: nobody may
/// ever write to a pipe.
fn load_within(
    timeout: Duration,
    paths: Vec<PathBuf>,
    options: LoadOptions,
) -> anyhow::Result<Loaded> {
    enum Step {
        Reads(PathBuf),
        Done(Result<Manifests, Vec<Problem>>),
    }
    let started = Instant::now();
    let (steps, next) = mpsc::channel();
    thread::Builder::new().name("manifests".to_owned()).spawn(move || {
        let mut loader = Loader::new(options);
        // Nobody listens any more once time has run out.
        for path in paths {
            if steps.send(Step::Reads(path.clone())).is_err() {
                return;
            }
            loader.add_path(&path);
        }
        let _timed_out = steps.send(Step::Done(loader.finish())).is_err();
    })?;
    let mut path = PathBuf::new();
    loop {
        match next.recv_timeout(timeout.saturating_sub(started.elapsed())) {
            Ok(Step::Reads(now)) => path = now,
            Ok(Step::Done(Ok(manifests))) => return Ok(Loaded::Manifests(Box::new(manifests))),
            Ok(Step::Done(Err(problems))) => return Ok(Loaded::Refused(problems)),
            Err(mpsc::RecvTimeoutError::Timeout) => return Ok(Loaded::NotInTime(path)),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                anyhow::bail!("{} cannot be read; this is a defect", path.display())
            }
        }
    }
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
