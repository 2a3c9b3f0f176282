//! `clinch-operator apply`: the controllers without a cluster, such as for a CI job.

use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::{
    BadArgument, ExitCode,
    applied::{self, Output},
    engine::{self, Shown},
    messages::Messages,
    name_of,
    output_file::OutputFile,
    page,
    report::ReportFile,
    settings::{self, LogArgs, SettingsArgs},
    stop,
    summary::LatestRuns,
};
use crate::{
    api::{GROUP, VERSION},
    app,
    cluster::Kind,
    controllers::Reports,
    local::{LoadOptions, Loader, LocalCluster, Manifests, Problem, Severity},
};

/// Reconciles manifests once, without a cluster, against real Clinch accounts.
///
/// Ends when every object is Ready or suspended, or cannot continue until somebody acts.
///
/// On SIGINT or SIGTERM, and when time runs out, requests in flight are finished; a second signal
/// ends the process at once.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help())]
pub struct Args {
    /// A file or folder of manifests, or - for standard input; may be repeated.
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
    /// Writes a report with one JSON line for each record that is selected: position, record, outcome,
    /// reason, place, message. It appears when the work ends, and holds no value of a person.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Writes the result as one HTML page for people: counts, reasons, coverage, the latest runs. It
    /// appears when the work ends, needs no other file, and holds no value of a person.
    #[arg(long, value_name = "FILE")]
    report_html: Option<PathBuf>,
    /// Format of the result on standard output.
    #[arg(short = 'o', long, value_enum, default_value = "table")]
    output: Output,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    log: LogArgs,
}

fn help() -> String {
    format!(
        "Examples:\n  clinch-operator apply -f talent/ --environment production --state .clinch-state\n  \
         clinch-operator apply -f talent/ --environment sandbox -o json > result.json\n  \
         helm template chart | clinch-operator apply -f - --environment production --state .clinch-state\n\n{}",
        ExitCode::help()
    )
}

impl Args {
    /// Whether the result is JSON.
    pub(super) fn prints_json(&self) -> bool {
        self.output == Output::Json
    }
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    args.log.start("warn")?;
    let messages = Messages::of(args.prints_json());
    let settings = args.settings.settings().map_err(BadArgument)?;
    settings::log_proxy(&settings.proxy);
    let (started, timeout) = (Instant::now(), Duration::from_secs(args.timeout));
    let manifests = match read(args, timeout)? {
        Ok(manifests) => *manifests,
        Err(code) => return Ok(code),
    };
    if args.state.is_none() {
        messages.hint(
            "without --state nothing is remembered: people who were anonymised in Clinch are \
             created again if a source still has them",
        );
    }
    let records = args.report.as_deref().map(ReportFile::create).transpose()?.map(Arc::new);
    let html = args
        .report_html
        .as_deref()
        .map(|path| OutputFile::prepare("the report", path))
        .transpose()?;
    let reports = records.clone().map(|records| records as Arc<dyn Reports>);
    let left = timeout.saturating_sub(started.elapsed());
    let stop = stop::on_signal(stop::Limits {
        request_timeout: settings.timeouts.attempt,
        within: Some(left),
    })?;
    let key = app::random_key()?;
    let cluster = LocalCluster::open(manifests, args.state.as_deref(), key, app::system_clock());
    let cluster = match cluster {
        Ok(cluster) => cluster,
        Err(crate::local::OpenError::RefuseChange(problems)) => {
            return Ok(refused(messages, &problems));
        }
        Err(error) => return Err(error.into()),
    };
    let before = LatestRuns::of(&cluster);
    let settled = super::block_on(async {
        let bars = matches!(args.output, Output::Table | Output::Wide);
        let shown = Shown { events: false, bars };
        let run = engine::run_until_settled(&cluster, settings, left, &stop, shown, reports);
        Ok(Box::pin(run).await)
    })?;
    if let Some(records) = records {
        records.finish()?;
    }
    if let Some((file, _)) = html {
        let objects: Vec<_> = applied::objects(&cluster).collect();
        let page = page::page(&objects, app::system_clock().now());
        file.write(|file| file.write_all(page.as_bytes()))?;
    }
    applied::report(&cluster, args.output, &before)?;
    let code = engine::exit_code(settled, &stop);
    match code {
        ExitCode::TimedOut => messages.ended(
            code,
            &format!("time ran out after {} s (--timeout); the next run continues", args.timeout),
        ),
        ExitCode::Interrupted | ExitCode::Terminated => {
            messages.ended(code, "ended by a signal; the next run continues");
        }
        _ => {}
    }
    Ok(code)
}

/// Reads the manifests, or prints why they are not used.
fn read(args: &Args, timeout: Duration) -> anyhow::Result<Result<Box<Manifests>, ExitCode>> {
    let messages = Messages::of(args.prints_json());
    super::check_one_standard_input(&args.filename)?;
    let options = LoadOptions {
        namespace: args.namespace.clone(),
        recursive: args.recursive,
        ..LoadOptions::default()
    };
    let manifests = match load_within(timeout, args.filename.clone(), options)? {
        Loaded::Manifests(manifests) => manifests,
        Loaded::Refused(problems) => return Ok(Err(refused(messages, &problems))),
        Loaded::NotInTime(path) => {
            let (name, seconds) = (name_of(&path), args.timeout);
            let text = format!("{name} was not read to its end in {seconds} s (--timeout)");
            messages.ended(ExitCode::TimedOut, &format!("{text}; nothing was done"));
            return Ok(Err(ExitCode::TimedOut));
        }
    };
    manifests.warnings().iter().for_each(|warning| messages.problem(warning));
    if manifests.is_empty() {
        let kinds = Kind::ALL.map(Kind::as_str).join(", ");
        let read: Vec<_> = args.filename.iter().map(|path| name_of(path)).collect();
        let text = format!(
            "{}: nothing to apply: no object of {GROUP}/{VERSION} ({kinds}); nothing was done",
            read.join(", ")
        );
        messages.ended(ExitCode::Refused, &text);
        return Ok(Err(ExitCode::Refused));
    }
    Ok(Ok(manifests))
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
            if super::is_standard_input(&path) {
                loader.add_reader(&name_of(&path), std::io::stdin());
            } else {
                loader.add_path(&path);
            }
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
pub(super) fn refused(messages: Messages, problems: &[Problem]) -> ExitCode {
    problems.iter().for_each(|problem| messages.problem(problem));
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let text = format!("{errors} error(s) in the manifests; nothing was done");
    messages.ended(ExitCode::Refused, &text);
    ExitCode::Refused
}
