//! `clinch-operator contract check`: compares what the operator relies on with what an account answers.
//! Reads only.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow};
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        BadArgument, ExitCode,
        color::Colors,
        messages::Messages,
        settings::{LogArgs, SettingsArgs},
        text,
        work::{self, WorkArgs},
    },
    shown::{Shown, lines},
};
use crate::{
    api::ClinchIntegration,
    app,
    clinch::{Inspection, MOST_READS, Verdict},
    cluster::{Cluster as _, Kind, ObjectKey},
    controllers::{Context, Controllers, Settings},
    domain::{Cause, Fence},
    local::LocalCluster,
};

/// Compares what the operator relies on with what a Clinch account answers, and writes nothing.
///
/// The vendor documents little of its API; the rest is assumed, or read from the OpenAPI document of the
/// account. This command finds out by reads which of it the account confirms, which it contradicts, and what
/// no read can say, and prints the contractOverrides that follow. It makes at most 60 reads, one after the
/// other, slower if the integration's limits say so. Values of people are looked at and never shown.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub struct Args {
    #[command(flatten)]
    work: WorkArgs,
    /// The integration, if there are several.
    #[arg(long, value_name = "NAME")]
    integration: Option<String>,
    /// Format of the result on standard output.
    #[arg(short = 'o', long, value_enum, default_value = "text")]
    output: Output,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    log: LogArgs,
}

const HELP: &str = "Examples:
  clinch-operator contract check -f talent/ --environment production
  clinch-operator contract check -f talent/ --environment sandbox --integration clinch -o json
  kubectl get clint,secret -n talent -o yaml | clinch-operator contract check -f - --environment production

Exit codes:
    0  the account contradicts nothing that the operator relies on
    1  it contradicts something, or it cannot be read
    2  a manifest or the command line is refused; nothing was done
    3  time ran out
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
    /// A JSON object.
    Json,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    args.log.start("warn", None)?;
    let messages = Messages::chosen();
    let begun = match args.work.begin(&args.settings, messages)? {
        Ok(begun) => begun,
        Err(code) => return Ok(code),
    };
    let (left, settings) = (begun.left(), begun.settings.clone());
    // Nothing is kept.
    let cluster = match work::open(begun.manifests, None, messages)? {
        Ok(cluster) => cluster,
        Err(code) => return Ok(code),
    };
    let key = one(&cluster, args.integration.as_deref())?;
    messages.hint(&format!(
        "integration/{} ({}): at most {MOST_READS} reads, one after the other; nothing is written",
        key.name, key.namespace
    ));
    let inspected = super::super::block_on(inspect(cluster, settings, &key, left))?;
    let (object, inspection) = match inspected {
        Some(Ok(inspected)) => inspected,
        Some(Err(cause)) => {
            messages.ended(ExitCode::ActionNeeded, &format!("integration/{}: {cause}", key.name));
            return Ok(ExitCode::ActionNeeded);
        }
        None => {
            let text = format!("time ran out after {} s (--timeout)", args.work.timeout);
            messages.ended(ExitCode::TimedOut, &text);
            return Ok(ExitCode::TimedOut);
        }
    };
    let contradicted = inspection.count(Verdict::Contradicted) > 0;
    let shown = Shown::new(&key, object.spec.contract_overrides.as_ref(), inspection);
    let text = match args.output {
        Output::Json => serde_json::to_string_pretty(&shown).context("cannot write JSON")?,
        Output::Text => lines(&shown, text::width(), Colors::stdout())?.join("\n"),
    };
    super::super::print_result(&text)?;
    Ok(if contradicted { ExitCode::ActionNeeded } else { ExitCode::Done })
}

/// The integration that is meant.
fn one(cluster: &LocalCluster, named: Option<&str>) -> Result<ObjectKey, BadArgument> {
    let keys = cluster.keys(Kind::Integration);
    let mut meant = keys.iter().filter(|key| named.is_none_or(|name| key.name == name));
    match (meant.next(), meant.next()) {
        (Some(key), None) => Ok(key.clone()),
        (None, _) => Err(BadArgument(anyhow!(
            "there is no {} {}among the manifests",
            Kind::Integration,
            named.map(|name| format!("{name} ")).unwrap_or_default()
        ))),
        (Some(_), Some(_)) => {
            let names: Vec<String> = keys.iter().map(ToString::to_string).collect();
            Err(BadArgument(anyhow!(
                "there are several integrations: {}; name one with --integration, and its namespace by the \
                 files that are read",
                names.join(", ")
            )))
        }
    }
}

type Inspected = Result<(Arc<ClinchIntegration>, Inspection), Cause>;

/// Inspects the account; `None`: not in time.
async fn inspect(
    cluster: LocalCluster,
    settings: Settings,
    key: &ObjectKey,
    within: Duration,
) -> anyhow::Result<Option<Inspected>> {
    let object = cluster.read::<ClinchIntegration>(key).await?;
    let object = object.with_context(|| format!("integration {key} is gone; this is a defect"))?;
    let context = Context::new(
        cluster,
        app::system_clock(),
        settings,
        // No request that writes can leave this process.
        Fence::new(|| false),
        Arc::new(|_: Kind, _: &ObjectKey| {}),
        app::unobserved(),
        CancellationToken::new(),
    );
    let controllers = Controllers(Arc::new(context));
    let inspected = tokio::time::timeout(within, Box::pin(controllers.inspect(key))).await;
    Ok(inspected.ok().map(|inspected| inspected.map(|inspection| (object, inspection))))
}
