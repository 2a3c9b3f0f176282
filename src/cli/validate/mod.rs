//! `clinch-operator validate`: what the API server and the controllers would say of manifests. Opens
//! no connection.

mod formats;
mod snippet;

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::{BadArgument, ExitCode, messages::Messages, name_of, text};
use crate::{
    api::{Environment, GROUP, VERSION},
    app::{self, OutboundProxy},
    clinch::{AllowedEndpoints, Contract, Timeouts, contract::discover},
    cluster::{Kind, ObjectKey},
    controllers::{Context, Controllers, Finding, Regions, Settings},
    domain::Fence,
    local::{
        LoadOptions, Loaded, Loader, LocalCluster, Manifests, OpenError, Problem, Rule, Severity,
    },
    mapping::TargetAttributes,
    pipeline::target_attributes,
};

/// Checks manifests without a cluster, and contacts nothing.
///
/// Reports what the API server would refuse and what the controllers would say: schema and rules,
/// unknown fields, mappings and `select` expressions, schedules, URLs, references between the
/// objects, and the integration's push permission. Objects that are not among the files are
/// warnings; Secrets may be missing, but one that is given must fit.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub struct Args {
    #[command(flatten)]
    input: InputArgs,
    /// Warnings fail, too: exit code 1.
    #[arg(long)]
    strict: bool,
    /// Objects of other kinds fail: exit code 2.
    #[arg(long)]
    fail_on_skipped: bool,
    /// Format of the result on standard output.
    #[arg(short = 'o', long, value_enum, default_value = "text")]
    output: Output,
}

/// What is checked.
#[derive(Debug, clap::Args)]
pub struct InputArgs {
    /// A file or folder of manifests, or - for standard input; may be repeated.
    #[arg(short = 'f', long = "filename", required = true, value_name = "PATH")]
    filename: Vec<PathBuf>,
    /// Read folders recursively.
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Namespace of manifests that do not name one.
    #[arg(short = 'n', long, default_value = "default", value_name = "NS")]
    namespace: String,
    /// An OpenAPI document of Clinch, as JSON: mappings may fill no attribute that is not in it.
    #[arg(long, value_name = "FILE")]
    contract: Option<PathBuf>,
}

impl InputArgs {
    /// The contract, if one is given.
    pub(super) fn contract(&self) -> Result<Option<Contract>, BadArgument> {
        self.contract.as_deref().map(contract).transpose().map_err(BadArgument)
    }

    fn target(&self) -> Result<TargetAttributes, BadArgument> {
        let contract = self.contract()?;
        Ok(contract.map_or(TargetAttributes::UNKNOWN, |contract| target_attributes(&contract)))
    }
}

const HELP: &str = "Examples:
  clinch-operator validate -R -f talent/
  kustomize build . | clinch-operator validate -f -
  clinch-operator validate -f talent/ -o sarif > clinch.sarif
  clinch-operator validate -f talent/ --contract openapi.json --strict

Exit codes:
    0  no errors
    1  warnings, with --strict
    2  errors, or the command line is refused
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
    /// For people, with the lines concerned.
    Text,
    /// One JSON object.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
}

/// What was found.
struct Checked {
    problems: Vec<Problem>,
    objects: usize,
    /// Objects without errors.
    valid: usize,
    skipped: usize,
}

impl Checked {
    fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|problem| problem.severity == severity).count()
    }

    fn code(&self, args: &Args) -> ExitCode {
        let skipped = args.fail_on_skipped && self.skipped > 0;
        if skipped || self.count(Severity::Error) > 0 {
            ExitCode::Refused
        } else if args.strict && self.count(Severity::Warning) > 0 {
            ExitCode::ActionNeeded
        } else {
            ExitCode::Done
        }
    }
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let target = args.input.target()?;
    let mut loaded = load(&args.input)?;
    let texts = std::mem::take(&mut loaded.texts);
    let checked = super::block_on(check(loaded, &target, &args.input, args.fail_on_skipped))?;
    let text = match args.output {
        Output::Text => formats::text(&checked, &texts, text::terminal_width()),
        Output::Json => formats::json(&checked, &texts)?,
        Output::Sarif => formats::sarif(&checked, &texts)?,
        Output::Github => formats::github(&checked, &texts),
    };
    super::print_result(&text)?;
    Ok(checked.code(args))
}

/// The manifests, if they have no errors; else the errors are printed to standard error.
pub(super) fn accepted(input: &InputArgs) -> anyhow::Result<Option<Manifests>> {
    let target = input.target()?;
    let mut loaded = load(input)?;
    let texts = std::mem::take(&mut loaded.texts);
    let manifests = loaded.manifests.clone();
    let checked = super::block_on(check(loaded, &target, input, false))?;
    if checked.problems.is_empty() {
        return Ok(Some(manifests));
    }
    let messages = Messages::chosen();
    match messages {
        Messages::Text => super::print_error(&formats::text(&checked, &texts, text::error_width())),
        Messages::Json => checked.problems.iter().for_each(|problem| messages.problem(problem)),
    }
    Ok((checked.count(Severity::Error) == 0).then_some(manifests))
}

fn contract(path: &Path) -> anyhow::Result<Contract> {
    let what = || format!("--contract {}", path.display());
    let bytes = std::fs::read(path).with_context(what)?;
    discover(&bytes).with_context(what)
}

fn load(args: &InputArgs) -> anyhow::Result<Loaded> {
    super::check_one_standard_input(&args.filename)?;
    let mut loader = Loader::new(LoadOptions {
        namespace: args.namespace.clone(),
        recursive: args.recursive,
        keeps_texts: true,
        keeps_refused: true,
    });
    for path in &args.filename {
        if super::is_standard_input(path) {
            loader.add_reader(&name_of(path), std::io::stdin());
        } else {
            loader.add_path(path);
        }
    }
    Ok(loader.loaded())
}

async fn check(
    loaded: Loaded,
    target: &TargetAttributes,
    input: &InputArgs,
    fail_on_skipped: bool,
) -> anyhow::Result<Checked> {
    let Loaded { manifests, mut problems, objects, refused, kept, declared, skipped, .. } = loaded;
    for problem in &mut problems {
        if fail_on_skipped && problem.rule == Rule::KIND {
            problem.severity = Severity::Error;
        }
    }
    // Objects of other kinds are counted.
    problems.retain(|problem| problem.rule != Rule::KIND || problem.severity == Severity::Error);
    if manifests.is_empty() && problems.is_empty() {
        problems.push(nothing_of_ours(&input.filename));
    }
    let (found, faulty) = review(manifests, &kept, &declared, target).await?;
    problems.extend(found);
    problems.sort();
    problems.dedup();
    // A document that is no YAML is an object in part.
    let cut = problems.iter().filter(|problem| problem.rule == Rule::YAML).count();
    let valid = objects.saturating_sub(refused).saturating_sub(faulty).saturating_sub(cut);
    Ok(Checked { problems, objects, valid, skipped })
}

fn nothing_of_ours(paths: &[PathBuf]) -> Problem {
    let kinds = Kind::ALL.map(Kind::as_str).join(", ");
    let names: Vec<String> = paths.iter().map(|path| name_of(path)).collect();
    Problem {
        file: Arc::from(names.join(", ")),
        line: 0,
        path: String::new(),
        message: format!("there is no object of {GROUP}/{VERSION} ({kinds})"),
        severity: Severity::Error,
        rule: Rule::FILE,
    }
}

/// What the controllers say of the objects that can be read, and how many of those that are not refused have
/// errors. `kept`: refused objects, with the fields at fault.
async fn review(
    manifests: Manifests,
    kept: &HashMap<(Kind, ObjectKey), Vec<String>>,
    declared: &HashSet<(&'static str, ObjectKey)>,
    target: &TargetAttributes,
) -> anyhow::Result<(Vec<Problem>, usize)> {
    let placed = manifests.clone();
    let key = app::random_key()?;
    let cluster = match LocalCluster::open(manifests, None, key, app::system_clock()) {
        Ok(cluster) => cluster,
        Err(OpenError::RefuseChange(problems)) => return Ok((problems, 0)),
        Err(error) => return Err(error.into()),
    };
    let controllers = Controllers(Arc::new(offline_context(cluster.clone())));
    let (mut problems, mut faulty) = (Vec::new(), HashSet::new());
    for kind in Kind::ALL {
        for key in cluster.keys(kind) {
            let at_fault = kept.get(&(kind, key.clone()));
            for finding in controllers.review(kind, &key, target).await? {
                if at_fault.is_some_and(|paths| is_consequence(&finding.path, paths)) {
                    continue;
                }
                if finding.is_error && at_fault.is_none() {
                    faulty.insert((kind, key.clone()));
                }
                // What is refused has problems of its own.
                if finding.absent.as_ref().is_some_and(|absent| declared.contains(absent)) {
                    continue;
                }
                problems.extend(problem(&placed, kind, &key, &finding));
            }
        }
    }
    Ok((problems, faulty.len()))
}

/// Whether what is said of a field may be the consequence of a fault of it, or of a part of it or around it. A
/// rule about the spec as a whole is about other fields, too.
fn is_consequence(path: &str, at_fault: &[String]) -> bool {
    let is_in = |path: &str, around: &str| {
        path.strip_prefix(around)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    at_fault.iter().any(|fault| is_in(fault, path) || (fault != "spec" && is_in(path, fault)))
}

fn problem(
    manifests: &Manifests,
    kind: Kind,
    key: &ObjectKey,
    finding: &Finding,
) -> Option<Problem> {
    let severity = if finding.is_error { Severity::Error } else { Severity::Warning };
    let rule = Rule::of_controllers(finding.rule);
    manifests.problem(kind, key, &finding.path, finding.message.clone(), severity, rule)
}

/// For controllers that contact nothing.
pub(super) fn offline_context(cluster: LocalCluster) -> Context<LocalCluster> {
    Context::new(
        cluster,
        app::system_clock(),
        offline(),
        Fence::open(),
        Arc::new(|_: Kind, _: &ObjectKey| {}),
        app::unobserved(),
        CancellationToken::new(),
    )
}

/// Settings of controllers that contact nothing.
fn offline() -> Settings {
    Settings {
        environment: Environment::Sandbox,
        allowed_endpoints: AllowedEndpoints::documented(),
        regions: Regions::default(),
        proxy: OutboundProxy::default(),
        sources: Arc::default(),
        destinations: Arc::default(),
        notify: crate::controllers::NotifySettings::default(),
        renderer: crate::pipeline::Renderer::default(),
        max_runs: 1,
        timeouts: Timeouts::default(),
    }
}
