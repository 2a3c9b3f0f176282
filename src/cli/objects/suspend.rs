//! `suspend` and `resume`: set `spec.suspend`, and wait until the operator has seen it.

use serde_json::json;
use tokio::time::Instant;

use super::{
    super::{BadArgument, ExitCode, messages},
    acted::Acted,
    args::ActArgs,
    cluster::Objects,
    found::{Found, State},
    kinds::Target,
    owner,
    waiting::{self, Waited},
};
use crate::cluster::Kind;

/// Suspends exports and imports, or integrations with all of theirs.
///
/// A run in progress ends after its requests in flight. With -l: exports and imports only.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  clinch-operator suspend export/engineers -n talent\n  \
                             clinch-operator suspend integration/clinch -n talent\n  \
                             clinch-operator suspend -l team=sourcing -n talent")]
pub struct SuspendArgs {
    #[command(flatten)]
    args: Args,
}

/// Resumes suspended exports, imports and integrations. With -l: exports and imports only.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  clinch-operator resume export/engineers -n talent")]
pub struct ResumeArgs {
    #[command(flatten)]
    args: Args,
}

#[derive(Debug, clap::Args)]
struct Args {
    /// The objects, e.g. export/engineers or integration/clinch.
    #[arg(required_unless_present = "selector", value_name = "KIND/NAME")]
    targets: Vec<Target>,
    #[command(flatten)]
    common: ActArgs,
}

impl SuspendArgs {
    /// Whether the result is JSON.
    pub(in crate::cli) fn prints_json(&self) -> bool {
        self.args.common.prints_json()
    }
}

impl ResumeArgs {
    /// Whether the result is JSON.
    pub(in crate::cli) fn prints_json(&self) -> bool {
        self.args.common.prints_json()
    }
}

/// Runs `suspend`.
pub fn suspend(args: &SuspendArgs) -> anyhow::Result<ExitCode> {
    run(&args.args, true)
}

/// Runs `resume`.
pub fn resume(args: &ResumeArgs) -> anyhow::Result<ExitCode> {
    run(&args.args, false)
}

fn run(args: &Args, suspend: bool) -> anyhow::Result<ExitCode> {
    let Args { targets, common } = args;
    super::super::block_on(async {
        let cluster = Objects::connect(&common.cluster).await?;
        let deadline = waiting::deadline(common.timeout);
        // An integration suspends all that use it, so it is named.
        let by_label = common.labels.selector.is_some();
        let takes =
            |kind: &Kind| can_be_suspended(*kind) && !(by_label && *kind == Kind::Integration);
        let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(takes).collect();
        let objects = cluster.chosen(targets, &common.labels, &kinds).await?;
        let acted = Acted::new(common.output, None);
        let all_set = async {
            let mut codes = Vec::new();
            for object in objects {
                codes.push(set(&cluster, &object, suspend, deadline, &acted).await?);
            }
            anyhow::Ok(codes)
        };
        let codes = all_set.await;
        // Also what was done before an error.
        acted.print()?;
        Ok(waiting::worst(codes?))
    })
}

/// Whether objects of a kind have the field `spec.suspend`.
pub(super) const fn can_be_suspended(kind: Kind) -> bool {
    match kind {
        Kind::Integration | Kind::Export | Kind::Import => true,
        // It is only compiled.
        Kind::Mapping => false,
    }
}

async fn set(
    cluster: &Objects,
    object: &Found,
    suspend: bool,
    deadline: Instant,
    acted: &Acted,
) -> anyhow::Result<ExitCode> {
    let name = object.name();
    let word = if suspend { "suspended" } else { "resumed" };
    if let Some(warning) = owner::warning(object, "spec.suspend") {
        messages::warn(&warning);
    }
    let patched = cluster.merge(object, &json!({"spec": {"suspend": suspend}})).await?;
    let generation = patched.number("/metadata/generation").unwrap_or_default();
    let is_seen = |found: &Found| {
        let seen = found.number("/status/observedGeneration").unwrap_or(-1) >= generation;
        seen && (found.state().0 == State::Suspended) == suspend
    };
    match waiting::until(cluster, &patched, deadline, is_seen).await? {
        Waited::Until(found) => {
            acted.say(&found, &format!("{name}: {word}"))?;
            Ok(ExitCode::Done)
        }
        Waited::Deleted => Err(BadArgument(anyhow::anyhow!("{name} was deleted")).into()),
        Waited::TimedOut(_) => {
            let now = if suspend { "is set" } else { "is cleared" };
            let text = format!(
                "{name}: spec.suspend {now}, and the operator has not acted on it in time \
                 (--timeout); is it running, and does it watch this namespace?"
            );
            messages::ended(ExitCode::TimedOut, &text);
            Ok(ExitCode::TimedOut)
        }
    }
}
