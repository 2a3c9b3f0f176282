//! `clinch-operator apply`: the controllers without a cluster, such as for a CI job.

use std::{path::PathBuf, sync::Arc};

use super::{
    ExitCode,
    applied::{self, Output},
    engine::{self, Shown},
    messages::Messages,
    output_file::OutputFile,
    page,
    plan_file::PlanFile,
    report::ReportFile,
    run::default_identity,
    settings::{LogArgs, SettingsArgs},
    summary::LatestRuns,
    trace_args::{self, TraceArgs},
    work::{self, Begun, WorkArgs},
};
use crate::{
    api::ConditionType,
    app,
    cluster::{Kind, ObjectKey},
    conditions::find,
    controllers::Reports,
    domain::Reason,
    local::LocalCluster,
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
    #[command(flatten)]
    work: WorkArgs,
    /// Folder for the state between runs: status, ledgers, and who was anonymised in Clinch. Without
    /// it, each run looks everybody up in Clinch again. That creates nobody twice, but a person who
    /// was anonymised in Clinch is created again if a source still has them. After a process was
    /// killed, people whose create was in flight (at most limits.maxInFlight) may be created twice by
    /// one that starts without its state: wait for --request-timeout first.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Writes a report with one JSON line for each record that is selected: position, record, outcome,
    /// reason, place, message. It appears when the work ends, and holds no value of a person.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Writes the result as one HTML page for people: counts, reasons, coverage, the latest runs. It
    /// appears when the work ends, needs no other file, and holds no value of a person.
    #[arg(long, value_name = "FILE")]
    report_html: Option<PathBuf>,
    /// Pushes exactly what this plan says, or nothing: a file of `plan --out`. What the plan does not
    /// cover, such as imports and exports that write a file, is left alone.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Format of the result on standard output.
    #[arg(short = 'o', long, value_enum, default_value = "table")]
    output: Output,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    traces: TraceArgs,
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
    let traces = args.traces.prepare(&default_identity())?;
    args.log.start("warn", traces.as_ref())?;
    let messages = Messages::chosen();
    let mut begun = match args.work.begin(&args.settings, messages)? {
        Ok(begun) => begun,
        Err(code) => return Ok(code),
    };
    let plan = match &args.plan {
        Some(path) => Some((PlanFile::read(path)?, path)),
        None => None,
    };
    if let Some((plan, path)) = &plan {
        for line in plan.approve(path, &mut begun.manifests)? {
            messages.hint(&format!("not part of the plan, left alone: {line}"));
        }
    }
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
    let flush = trace_args::flush(traces.as_ref());
    let (left, stop) = (begun.left(), begun.stop(flush)?);
    let Begun { settings, manifests, .. } = begun;
    let cluster = match work::open(manifests, args.state.as_deref(), messages)? {
        Ok(cluster) => cluster,
        Err(code) => return Ok(code),
    };
    let before = LatestRuns::of(&cluster);
    let settled = super::block_on(async {
        let bars = matches!(args.output, Output::Table | Output::Wide);
        let shown = Shown { events: false, bars };
        let exporting = traces.map(|traces| traces.export(&settings.proxy)).transpose()?;
        let run = engine::run_until_settled(&cluster, settings, left, &stop, shown, reports);
        let settled = Box::pin(run).await;
        if let Some(exporting) = exporting {
            exporting.end().await;
        }
        Ok(settled)
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
    if let Some((plan, path)) = &plan {
        let changed = plan.changed(|key| is_changed(&cluster, key));
        changed.iter().for_each(|line| messages.hint(line));
        if !changed.is_empty() {
            let path = path.display();
            messages.hint(&format!(
                "--plan {path} is not what would be done now, so that nothing was pushed of it: make \
                 another plan, and check it"
            ));
        }
    }
    engine::explain(messages, code, &cluster);
    match code {
        ExitCode::TimedOut => messages.ended(
            code,
            &format!(
                "time ran out after {} s (--timeout); the next run continues",
                args.work.timeout
            ),
        ),
        ExitCode::Interrupted | ExitCode::Terminated => {
            messages.ended(code, "ended by a signal; the next run continues");
        }
        _ => {}
    }
    Ok(code)
}

/// Whether an export would do something else than was planned.
fn is_changed(cluster: &LocalCluster, key: &ObjectKey) -> bool {
    let Some((_, conditions)) = cluster.conditions(Kind::Export, key) else { return false };
    find(&conditions, ConditionType::Ready)
        .is_some_and(|ready| ready.reason == Reason::PlanChanged.as_str())
}
