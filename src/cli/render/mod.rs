//! `clinch-operator render`: the requests that exports would send, and the lines that they would write.
//! Opens no connection.

mod log;
mod recorder;
mod shown;

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context as _, anyhow};

use self::{
    log::Log,
    recorder::Recorder,
    shown::{Export, MASK, Shown, Written},
};
use super::{
    BadArgument, ExitCode, manifests as read_manifests, messages, print_result, text,
    validate::{self, InputArgs},
    wanted::Wanted,
};
use crate::{
    app,
    clinch::Contract,
    cluster::{Kind, ObjectKey},
    controllers::{Controllers, NotPreviewed},
    local::{LocalCluster, StateCopy},
    pipeline::PreviewedFile,
};

/// Shows the requests that exports would send to Clinch and the lines that they would write to files, and
/// contacts nothing.
///
/// Checks the manifests first, as `validate` does. Which people are in Clinch is not known offline: of
/// each record both the create and the update are shown. Remote sources are not read. Values of people
/// are left out unless they are asked for. Paths and names are those of the built-in contract, or of --contract; the integration's
/// contractOverrides are applied.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub struct Args {
    #[command(flatten)]
    input: InputArgs,
    /// Only the record with this number among the selected records of each export, from 1, at this
    /// position, e.g. "people.csv line 7", or with this id, as reports and `failures` show it. Ids need
    /// --state.
    #[arg(long, value_name = "N|POSITION|ID")]
    record: Option<Wanted>,
    /// The state folder of `apply`, which is read and not changed: its key makes the ids of records.
    #[arg(long, value_name = "DIR", requires = "record")]
    state: Option<PathBuf>,
    /// Show values of people: the output is personal data.
    #[arg(long)]
    show_values: bool,
    /// Also write the files of exports into this folder, each as NAMESPACE-EXPORT with the ending of its
    /// format: personal data, which only the user may read.
    #[arg(long, value_name = "DIR", requires = "show_values")]
    out: Option<PathBuf>,
    /// Format of the result on standard output.
    #[arg(short = 'o', long, value_enum, default_value = "text")]
    output: Output,
}

const HELP: &str = "Examples:
  clinch-operator render -R -f talent/
  clinch-operator render -f talent/ --record 2
  clinch-operator render -f talent/ --record 'people.csv line 7' --show-values
  clinch-operator render -f talent/ --record b61f0c22a17e0cb7 --state .clinch-state
  clinch-operator render -f talent/files.yaml --show-values --out /tmp/files
  clinch-operator render -f talent/ --contract openapi.json -o json

Exit codes:
    0  rendered
    2  errors, or an object is not among the files; nothing is rendered of such an export
    4  could not work: the output, or the folder of --out
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
    if let (Some(Wanted::Id(id)), None) = (&args.record, &args.state) {
        let text = format!(
            "--record {id}: ids of records are made with a key that only the operator has; name the state \
             folder of `apply` with --state, or the position that `failures` shows with the id"
        );
        return Err(BadArgument(anyhow!(text)).into());
    }
    let contract = args.input.contract()?.unwrap_or_else(Contract::built_in);
    let Some(manifests) = validate::accepted(&args.input)? else { return Ok(ExitCode::Refused) };
    let state = args.state.as_deref().map(read_manifests::state_copy).transpose()?;
    let folder = state.as_ref().map(StateCopy::path);
    let cluster = LocalCluster::open(manifests, folder, app::random_key()?, app::system_clock())?;
    let (exports, code) = super::block_on(render(args, cluster, &contract))?;
    if exports.is_empty() {
        return Err(BadArgument(anyhow!("there is no {} in these files", Kind::Export)).into());
    }
    if let (Some(wanted), true) = (&args.record, exports.iter().all(|one| one.records.is_empty()))
        && code == ExitCode::Done
    {
        return Err(BadArgument(anyhow!("--record {wanted}: no export has such a record")).into());
    }
    match args.output {
        Output::Json => {
            let text = serde_json::to_string_pretty(&exports).context("cannot write JSON")?;
            print_result(&text)?;
        }
        Output::Text => {
            let lines = exports.iter().flat_map(lines);
            print_result(
                &match text::terminal_width() {
                    Some(width) => lines.flat_map(|line| folded(line, width)).collect::<Vec<_>>(),
                    None => lines.collect(),
                }
                .join("\n"),
            )?;
            hints(&exports);
        }
    }
    Ok(code)
}

fn folded(line: String, width: usize) -> Vec<String> {
    let is_body = line.trim_start().starts_with('{');
    if is_body { text::folded_json(line, width) } else { text::folded(line, width) }
}

/// Says what is not known offline.
fn hints(exports: &[Export]) {
    if exports.iter().flat_map(|one| &one.records).any(|record| !record.requests.is_empty()) {
        messages::hint(
            "offline it is not known who is in Clinch: of each record the create and the update are \
             shown, and a run makes at most one of them",
        );
    }
    if exports.iter().any(|one| one.file.is_some()) {
        messages::hint(
            "offline it is not known who must not leave: a run leaves people out of its file who were \
             anonymised in Clinch, or are on the list of spec.suppression",
        );
    }
    for path in exports.iter().filter_map(|one| one.file.as_ref()).flat_map(|file| &file.paths) {
        messages::hint(&format!("{path} was written; it is personal data"));
    }
}

async fn render(
    args: &Args,
    cluster: LocalCluster,
    contract: &Contract,
) -> anyhow::Result<(Vec<Export>, ExitCode)> {
    let controllers = Controllers(Arc::new(validate::offline_context(cluster.clone())));
    let (mut exports, mut code) = (Vec::new(), ExitCode::Done);
    for key in cluster.keys(Kind::Export) {
        let recorder = Arc::new(Recorder::default());
        let mut log = Log::new(recorder.clone(), args.record.clone(), args.show_values);
        let previewed = controllers.preview(&key, contract, recorder, &mut log).await;
        let (mut not_rendered, mut file) = (None, None);
        match previewed {
            Ok(contract) => {
                let requests = log.records.iter_mut().flat_map(|record| &mut record.requests);
                requests.for_each(|request| request.establish(&contract));
            }
            Err(NotPreviewed::File) => {
                let mask = (!args.show_values).then_some(MASK);
                let name = format!("{}-{}", key.namespace, key.name);
                log.documents = args.out.clone().map(|folder| (folder, name.clone()));
                let whole = args.out.is_some();
                match controllers.preview_file(&key, mask, whole, &mut log).await {
                    Ok(previewed) => file = Some(written(args, &name, previewed, &mut log)?),
                    Err(why) => not_rendered = Some(why),
                }
            }
            Err(why) => not_rendered = Some(why),
        }
        if not_rendered.as_ref().is_some_and(|why| !matches!(why, NotPreviewed::Remote)) {
            code = ExitCode::Refused;
        }
        let ObjectKey { namespace, name } = key;
        let not_rendered = not_rendered.map(|why| why.to_string());
        exports.push(Export { namespace, name, not_rendered, file, records: log.records });
    }
    Ok((exports, code))
}

/// What is shown of a file, after it was written if that is asked for.
fn written(
    args: &Args,
    name: &str,
    previewed: PreviewedFile,
    log: &mut Log,
) -> anyhow::Result<Written> {
    let PreviewedFile { format, header, bytes, refused } = previewed;
    if let Some(failed) = log.failed.take() {
        return Err(failed);
    }
    let mut paths = std::mem::take(&mut log.paths);
    if let (Some(folder), Some(bytes)) = (&args.out, bytes) {
        paths.push(log::write(folder, &format!("{name}.{format}"), &bytes)?);
    }
    let refused = refused.map(|cause| format!("{}: {}", cause.reason, cause.message));
    let paths = paths.iter().map(|path| path.display().to_string()).collect();
    Ok(Written { format, header, paths, refused })
}

fn lines(export: &Export) -> Vec<String> {
    let name = format!("export/{} ({})", export.name, export.namespace);
    let mut lines = Vec::new();
    lines.extend(export.not_rendered.as_ref().map(|why| format!("{name}: not rendered: {why}")));
    if let Some(file) = &export.file {
        lines.push(format!("{name}: a file in the format {}", file.format));
        lines.extend(file.header.as_ref().map(|header| format!("  {header}")));
        lines.extend(file.refused.as_ref().map(|why| format!("  not written: {why}")));
        if file.format == "pdf" && file.paths.is_empty() {
            lines.push("  a document has no lines; --out DIR writes it".to_owned());
        }
    }
    for record in &export.records {
        lines.push(format!("{name}: record {}, {}", record.number, record.position));
        let faults = record.rejected.iter().map(|fault| ("rejected", fault));
        let warnings = record.warnings.iter().map(|fault| ("warning", fault));
        for (word, fault) in faults.chain(warnings) {
            lines.push(format!("  {word}: {}: {}", fault.reason, fault.message));
        }
        lines.extend(record.line.as_ref().map(|line| format!("  {line}")));
        lines.extend(record.requests.iter().flat_map(Shown::lines));
    }
    lines
}
