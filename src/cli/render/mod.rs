//! `clinch-operator render`: the requests that exports would send. Opens no connection.

mod recorder;
mod shown;

use std::sync::Arc;

use anyhow::{Context as _, anyhow};

use self::{
    recorder::Recorder,
    shown::{Export, Fault, Record, Shown},
};
use super::{
    BadArgument, ExitCode, print_error, print_result,
    validate::{self, InputArgs},
};
use crate::{
    app,
    clinch::Contract,
    cluster::{Kind, ObjectKey},
    controllers::{Controllers, NotPreviewed},
    domain::{Cause, SourcePosition},
    local::{LocalCluster, Manifests},
    pipeline::{PreviewLog, PreviewStep},
};

/// Shows the requests that exports would send to Clinch, and contacts nothing.
///
/// Checks the manifests first, as `validate` does. Which people are in Clinch is not known offline: of
/// each record both the create and the update are shown. Values of people are left out unless they are
/// asked for. Paths and names are those of the built-in contract, or of --contract; the integration's
/// contractOverrides are applied.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub struct Args {
    #[command(flatten)]
    input: InputArgs,
    /// Only the record with this number among the selected records of each export, from 1.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    record: Option<u64>,
    /// Show values of people: the output is personal data.
    #[arg(long)]
    show_values: bool,
    /// Format of the result on standard output.
    #[arg(short = 'o', long, value_enum, default_value = "text")]
    output: Output,
}

const HELP: &str = "Examples:
  clinch-operator render -R -f talent/
  clinch-operator render -f talent/ --record 2
  clinch-operator render -f talent/ --contract openapi.json -o json

Exit codes:
    0  rendered
    2  errors, or an object is not among the files; nothing is rendered of such an export
    4  could not work: the output
";

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
    let contract = args.input.contract()?.unwrap_or_else(Contract::built_in);
    let Some(manifests) = validate::accepted(&args.input)? else { return Ok(ExitCode::Refused) };
    let (exports, code) = super::block_on(render(args, manifests, &contract))?;
    if exports.is_empty() {
        return Err(BadArgument(anyhow!("there is no {} in these files", Kind::Export)).into());
    }
    if let (Some(number), true) = (args.record, exports.iter().all(|one| one.records.is_empty()))
        && code == ExitCode::Done
    {
        return Err(BadArgument(anyhow!("--record {number}: no export has so many records")).into());
    }
    let text = match args.output {
        Output::Json => serde_json::to_string_pretty(&exports).context("cannot write JSON")?,
        Output::Text => exports.iter().flat_map(lines).collect::<Vec<_>>().join("\n"),
    };
    print_result(text.trim_end())?;
    if args.output == Output::Text {
        print_error(
            "offline it is not known who is in Clinch: of each record the create and the update are \
             shown, and a run makes at most one of them",
        );
    }
    Ok(code)
}

async fn render(
    args: &Args,
    manifests: Manifests,
    contract: &Contract,
) -> anyhow::Result<(Vec<Export>, ExitCode)> {
    let key = app::random_key()?;
    let cluster = LocalCluster::open(manifests, None, key, app::system_clock())?;
    let controllers = Controllers(Arc::new(validate::offline_context(cluster.clone())));
    let (mut exports, mut code) = (Vec::new(), ExitCode::Done);
    for key in cluster.keys(Kind::Export) {
        let recorder = Arc::new(Recorder::default());
        let mut log = Log::new(args, recorder.clone());
        let previewed = controllers.preview(&key, contract, recorder, &mut log).await;
        let ObjectKey { namespace, name } = key;
        let mut records = log.records;
        let not_rendered = match previewed {
            Ok(contract) => {
                let requests = records.iter_mut().flat_map(|record| &mut record.requests);
                requests.for_each(|request| request.establish(&contract));
                None
            }
            Err(why) => {
                if !matches!(why, NotPreviewed::File | NotPreviewed::Remote) {
                    code = ExitCode::Refused;
                }
                Some(why.to_string())
            }
        };
        exports.push(Export { namespace, name, not_rendered, records });
    }
    Ok((exports, code))
}

fn lines(export: &Export) -> Vec<String> {
    let name = format!("export/{} ({})", export.name, export.namespace);
    let mut lines = Vec::new();
    lines.extend(export.not_rendered.as_ref().map(|why| format!("{name}: not rendered: {why}")));
    for record in &export.records {
        lines.push(format!("{name}: record {}, {}", record.number, record.position));
        let faults = record.rejected.iter().map(|fault| ("rejected", fault));
        let warnings = record.warnings.iter().map(|fault| ("warning", fault));
        for (word, fault) in faults.chain(warnings) {
            lines.push(format!("  {word}: {}: {}", fault.reason, fault.message));
        }
        lines.extend(record.requests.iter().flat_map(Shown::lines));
    }
    lines
}

/// Collects what is shown.
struct Log {
    recorder: Arc<Recorder>,
    wanted: Option<u64>,
    values: bool,
    seen: usize,
    records: Vec<Record>,
}

impl Log {
    fn new(args: &Args, recorder: Arc<Recorder>) -> Self {
        let (wanted, values) = (args.record, args.show_values);
        Self { recorder, wanted, values, seen: 0, records: Vec::new() }
    }
}

impl PreviewLog for Log {
    fn record(&mut self, position: &SourcePosition) -> bool {
        self.seen += 1;
        let is_wanted = self.wanted.is_none_or(|wanted| wanted == self.seen as u64);
        if is_wanted {
            let position = position.to_string();
            self.records.push(Record { number: self.seen, position, ..Record::default() });
        }
        is_wanted
    }

    fn rejected(&mut self, cause: &Cause) {
        if let Some(record) = self.records.last_mut() {
            record.rejected = Some(fault(cause));
        }
    }

    fn step(&mut self, step: PreviewStep, refused: Option<Cause>) {
        let Some(record) = self.records.last_mut() else { return };
        let requests = self.recorder.take();
        let shown = requests.iter().map(|request| Shown::of(&step, request, self.values));
        record.requests.extend(shown);
        if requests.is_empty() {
            let refused = refused.map(|cause| format!("{}: {}", cause.reason, cause.message));
            record.requests.push(Shown::without_request(&step, refused));
        }
    }

    fn warning(&mut self, cause: &Cause) {
        if let Some(record) = self.records.last_mut() {
            record.warnings.push(fault(cause));
        }
    }
}

fn fault(cause: &Cause) -> Fault {
    Fault { reason: cause.reason.as_str(), message: cause.message.clone() }
}
