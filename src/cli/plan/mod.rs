//! `clinch-operator plan`: what a push would do, and the digest by which exactly that is approved. Reads
//! Clinch, and writes nothing.

mod changes;
mod collect;
mod markdown;
mod text;

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;

use self::{
    changes::Changes,
    collect::{Declared, collect},
};
use super::{
    ExitCode,
    engine::{self, Shown},
    manifests,
    messages::Messages,
    output_file::OutputFile,
    plan_file::PlanFile,
    report::ReportFile,
    settings::{LogArgs, SettingsArgs},
    work::{self, Begun, WorkArgs},
};
use crate::{
    api::{CandidateExport, CandidateImport, ExportMode},
    cluster::ObjectKey,
    controllers::Reports,
    local::{Manifests, StateCopy},
};

/// Says what a push of exports would do, and writes nothing: neither to Clinch nor elsewhere.
///
/// Reads the sources and Clinch as `mode: DryRun` does, whatever the mode of the exports is. The digest of
/// a plan names the spec, the mapping, the account, the records, and for each record what would be done.
/// `apply --plan FILE`, or an export with the digest as `spec.approvedPlan`, pushes exactly this plan or
/// nothing. Imports are not planned; of exports that write a file, rows are counted.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub struct Args {
    #[command(flatten)]
    work: WorkArgs,
    /// The state folder of `apply`, which is read and not changed, and need not exist before the first push.
    /// Without it, everybody is looked up in Clinch.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Exit code 10 if a push would change something.
    #[arg(long)]
    detailed_exitcode: bool,
    /// Writes the plan as JSON, for `apply --plan`. Holds no value of a person.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Writes a report with one JSON line for each record that is selected: position, record, outcome,
    /// reason, place, message. Holds no value of a person.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Format of the result on standard output.
    #[arg(short = 'o', long, value_enum, default_value = "text")]
    output: Output,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    log: LogArgs,
}

const HELP: &str = "Examples:
  clinch-operator plan -f talent/ --environment production
  clinch-operator plan -f talent/ --environment production --out plan.json
  clinch-operator apply -f talent/ --environment production --plan plan.json
  clinch-operator plan -f talent/ --environment production -o markdown --detailed-exitcode

Exit codes:
    0  planned; with --detailed-exitcode: nothing would change
    1  a person must act: an export cannot be planned, a guard holds it back, or too many
       records are rejected
    2  a manifest or the command line is refused; nothing was done
    3  time ran out
    4  could not work: state folder, output
    5  an export waits for approval of its namespace (AwaitingApproval)
   10  with --detailed-exitcode: a push would change something
  130  ended by SIGINT
  143  ended by SIGTERM
";

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// What --out writes.
    Json,
    /// For the comment of a pull request.
    Markdown,
}

impl Args {
    /// Whether the result is JSON.
    pub(super) fn prints_json(&self) -> bool {
        self.output == Output::Json
    }
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    args.log.start("warn", None)?;
    let messages = Messages::chosen();
    let mut begun = match args.work.begin(&args.settings, messages)? {
        Ok(begun) => begun,
        Err(code) => return Ok(code),
    };
    let declared = for_reading(&mut begun.manifests);
    if declared.is_empty() {
        let text = "there is no CandidateExport among the manifests; nothing was done";
        messages.ended(ExitCode::Refused, text);
        return Ok(ExitCode::Refused);
    }
    let state = match args.state.as_deref() {
        // As before the first `apply`, which makes it.
        Some(dir) if !dir.exists() => {
            let dir = dir.display();
            messages.hint(&format!(
                "--state {dir} does not exist yet: planned as before the first push"
            ));
            None
        }
        dir => dir.map(manifests::state_copy).transpose()?,
    };
    let out = args.out.as_deref().map(|path| OutputFile::prepare("the plan", path)).transpose()?;
    let report = args.report.as_deref().map(ReportFile::create).transpose()?.map(Arc::new);
    let reported = report.clone().map(|report| report as Arc<dyn Reports>);
    let changes = Arc::new(Changes::also(reported));
    let (left, stop) = (begun.left(), begun.stop(Duration::ZERO)?);
    let Begun { settings, manifests, .. } = begun;
    let folder = state.as_ref().map(StateCopy::path);
    let cluster = match work::open(manifests, folder, messages)? {
        Ok(cluster) => cluster,
        Err(code) => return Ok(code),
    };
    let settled = super::block_on(async {
        let shown = Shown { events: false, bars: args.output == Output::Text };
        let reports = Some(Arc::clone(&changes) as Arc<dyn Reports>);
        let run = engine::run_until_settled(&cluster, settings, left, &stop, shown, reports);
        Ok(Box::pin(run).await)
    })?;
    let plan = collect(&cluster, &declared, &changes);
    if let Some(report) = report {
        report.finish()?;
    }
    let json = serde_json::to_string_pretty(&plan).context("cannot write JSON")?;
    if let Some((file, _)) = out {
        file.write(|file| writeln!(file, "{json}"))?;
    }
    match args.output {
        Output::Json => super::print_result(&json)?,
        Output::Text => super::print_line(&text::text(&plan).join("\n"))?,
        Output::Markdown => super::print_result(&markdown::markdown(&plan))?,
    }
    let code = engine::exit_code(settled, &stop);
    engine::explain(messages, code, &cluster);
    Ok(match code {
        ExitCode::Done if args.detailed_exitcode && changes_something(&plan) => ExitCode::Changes,
        ExitCode::TimedOut => {
            let seconds = args.work.timeout;
            messages.ended(code, &format!("time ran out after {seconds} s (--timeout)"));
            code
        }
        code => code,
    })
}

/// Lets exports read and not write, and imports not work. Returns what exports said before.
fn for_reading(manifests: &mut Manifests) -> HashMap<ObjectKey, Declared> {
    let mut declared = HashMap::new();
    manifests.edit::<CandidateExport>(|key, export| {
        let spec = &mut export.spec;
        spec.mode = ExportMode::DryRun;
        spec.report = None;
        // Somebody asks for it now.
        spec.windows.clear();
        let approved_plan = spec.approved_plan.take();
        let is_file = spec.destination.file.is_some();
        let is_periodic = spec.interval.is_some() || spec.schedule.is_some();
        declared.insert(key.clone(), Declared { approved_plan, is_file, is_periodic });
    });
    manifests.edit::<CandidateImport>(|_, import| import.spec.suspend = true);
    declared
}

fn changes_something(plan: &PlanFile) -> bool {
    plan.exports.iter().any(|export| export.writes() > 0)
}
