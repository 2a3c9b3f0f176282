//! `approve`, `deny` and `revoke`: who may use an integration.

use anyhow::{Context as _, anyhow};
use serde_json::json;
use tokio::time::Instant;

use super::{
    super::{BadArgument, ExitCode, print_error, print_result, program, text::count_of},
    args::ClusterArgs,
    cluster::Objects,
    decisions::{Decisions, List},
    found::Found,
    kinds::Target,
    owner,
    tree::Node,
    waiting::{self, Waited},
};
use crate::{
    api::{AccessMode, AccessRequest},
    app,
    cluster::Kind,
    local,
};

/// Lets exports of a namespace use an integration. Without a namespace: lists those that ask.
///
/// Applies `spec.access.approved` as field manager `clinch-cli`, with your rights. What others applied
/// is left alone. An earlier denial by this command is taken back.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  clinch-operator approve -A\n  \
                             clinch-operator approve clinch team-b -n talent\n  \
                             clinch-operator approve clinch team-b -n talent --print > access.yaml")]
pub struct ApproveArgs {
    /// The integration. Default: the requests of all integrations are listed.
    #[arg(value_name = "INTEGRATION")]
    integration: Option<Target>,
    /// The namespaces. Default: those that ask are listed.
    #[arg(value_name = "NAMESPACE", value_parser = namespace)]
    namespaces: Vec<String>,
    /// The requests of all namespaces.
    #[arg(short = 'A', long, conflicts_with_all = ["namespace", "integration"])]
    all_namespaces: bool,
    #[command(flatten)]
    common: CommonArgs,
}

/// Refuses a namespace the use of an integration, whatever else lets it in.
///
/// Applies `spec.access.denied` as field manager `clinch-cli`. Its exports stop and are Stalled with
/// `NotPermitted`, and the namespace is no longer listed among those that ask.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  clinch-operator deny clinch team-b -n talent")]
pub struct DenyArgs {
    #[command(flatten)]
    args: DecideArgs,
}

/// Takes an approval or a denial back.
///
/// Exports of the namespace stop, and wait for approval again where the integration lets nobody in
/// otherwise. Also removes what others applied, with a warning.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  clinch-operator revoke clinch team-b -n talent")]
pub struct RevokeArgs {
    #[command(flatten)]
    args: DecideArgs,
}

#[derive(Debug, clap::Args)]
struct DecideArgs {
    /// The integration.
    #[arg(value_name = "INTEGRATION")]
    integration: Target,
    /// The namespaces.
    #[arg(required = true, value_name = "NAMESPACE", value_parser = namespace)]
    namespaces: Vec<String>,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, clap::Args)]
struct CommonArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Change nothing, and print the part of the manifest with both lists as they would be, for Git.
    #[arg(long)]
    print: bool,
    /// Give up waiting for the operator after this many seconds. The change remains.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
}

fn namespace(text: &str) -> Result<String, String> {
    let is_part = |part: char| matches!(part, 'a'..='z' | '0'..='9' | '-');
    let is_name = (1..=63).contains(&text.len()) && text.chars().all(is_part);
    if is_name && !text.starts_with('-') && !text.ends_with('-') {
        Ok(text.to_owned())
    } else {
        Err("it is not the name of a namespace".to_owned())
    }
}

/// Runs `approve`.
pub fn approve(args: &ApproveArgs) -> anyhow::Result<ExitCode> {
    match &args.integration {
        Some(integration) if !args.namespaces.is_empty() => {
            run(integration, &args.namespaces, Some(List::Approved), &args.common)
        }
        integration => super::super::block_on(list(args, integration.as_ref())),
    }
}

/// Runs `deny`.
pub fn deny(args: &DenyArgs) -> anyhow::Result<ExitCode> {
    let DecideArgs { integration, namespaces, common } = &args.args;
    run(integration, namespaces, Some(List::Denied), common)
}

/// Runs `revoke`.
pub fn revoke(args: &RevokeArgs) -> anyhow::Result<ExitCode> {
    let DecideArgs { integration, namespaces, common } = &args.args;
    run(integration, namespaces, None, common)
}

/// Lists the requests.
async fn list(args: &ApproveArgs, integration: Option<&Target>) -> anyhow::Result<ExitCode> {
    let cluster = Objects::connect(&args.common.cluster).await?;
    let namespace = (!args.all_namespaces).then_some(cluster.namespace.as_str());
    let integrations = match integration {
        Some(target) => vec![cluster.named(target, Some(Kind::Integration)).await?],
        None => cluster.list(Kind::Integration, namespace, None).await?,
    };
    let now = app::system_clock().now();
    let mut lines = Vec::new();
    for found in &integrations {
        let requests: Vec<AccessRequest> = found.part("/status/accessRequests").unwrap_or_default();
        for asking in &requests {
            let exports = count_of(asking.exports, "export", "exports");
            let since = local::age(asking.since.0, now);
            lines.push(format!(
                "{} asks for {} ({}): {exports} since {since}\n  {}",
                asking.namespace,
                found.name(),
                found.key.namespace,
                Node::approval(&found.key, &asking.namespace),
            ));
        }
        let all = found.number("/status/requests").unwrap_or_default();
        let unlisted = all - i64::try_from(requests.len()).unwrap_or(all);
        if unlisted > 0 {
            let more =
                count_of(unlisted, "more namespace asks and is", "more namespaces ask and are");
            print_error(&format!("{}: {more} not listed", found.name()));
        }
    }
    if lines.is_empty() {
        print_error("no namespace asks for access");
    } else {
        print_result(&lines.join("\n"))?;
    }
    Ok(ExitCode::Done)
}

fn run(
    integration: &Target,
    namespaces: &[String],
    on: Option<List>,
    common: &CommonArgs,
) -> anyhow::Result<ExitCode> {
    super::super::block_on(async {
        let cluster = Objects::connect(&common.cluster).await?;
        let deadline = waiting::deadline(common.timeout);
        let found = cluster.named(integration, Some(Kind::Integration)).await?;
        check(&found, namespaces, on)?;
        if common.print {
            let mut all = Decisions::of(&found);
            namespaces.iter().for_each(|namespace| all.decide(namespace, on));
            let text =
                serde_saphyr::to_string(&all.manifest(&found)).context("cannot write YAML")?;
            print_result(text.trim_end())?;
            return Ok(ExitCode::Done);
        }
        if let Some(warning) = owner::warning(&found, "spec.access") {
            print_error(&warning);
            print_error("--print prints the change for Git");
        }
        let changed = decide(&cluster, &found, namespaces, on).await?;
        let word = match on {
            Some(List::Approved) => "approved",
            Some(List::Denied) => "denied",
            None => "revoked",
        };
        seen(&cluster, &changed, namespaces, word, deadline).await
    })
}

/// Refuses what would have no effect.
fn check(found: &Found, namespaces: &[String], on: Option<List>) -> Result<(), BadArgument> {
    let name = found.name();
    let mode: AccessMode = found.part("/spec/access/mode").unwrap_or_default();
    if namespaces.contains(&found.key.namespace) {
        let text = format!(
            "{name} is in namespace {} itself, which always has access",
            found.key.namespace
        );
        return Err(BadArgument(anyhow!(text)));
    }
    let has_effect = match mode {
        AccessMode::Approval => true,
        AccessMode::Automatic => on != Some(List::Approved),
        AccessMode::SameNamespace => on.is_none(),
    };
    if has_effect {
        return Ok(());
    }
    let text = match mode {
        AccessMode::Automatic => "lets every namespace in (spec.access.mode: Automatic)",
        _ => "lets no other namespace in: set its spec.access.mode to Approval first",
    };
    Err(BadArgument(anyhow!("{name} {text}")))
}

/// Changes the lists; the integration afterwards.
async fn decide(
    cluster: &Objects,
    found: &Found,
    namespaces: &[String],
    on: Option<List>,
) -> anyhow::Result<Found> {
    let mut own = Decisions::own(found);
    namespaces.iter().for_each(|namespace| own.decide(namespace, on));
    let changed = if own == Decisions::own(found) {
        found.clone()
    } else {
        cluster.apply(found, &own.manifest(found)).await?
    };
    // What others applied stays, and would be stronger, or is to be taken back.
    let mut wanted = Decisions::of(&changed);
    for namespace in namespaces {
        let is_denied = wanted.denied.contains(namespace);
        if on.is_none() || (on == Some(List::Approved) && is_denied) {
            wanted.decide(namespace, on);
        }
    }
    if wanted == Decisions::of(&changed) {
        return Ok(changed);
    }
    print_error(&format!(
        "warning: another field manager put this on a list of {}, and may do so again",
        found.name()
    ));
    let mut patch = json!({"spec": {"access": {}}});
    for list in [List::Approved, List::Denied] {
        patch["spec"]["access"][list.field()] = json!(wanted.list(list));
    }
    // Refused if somebody changed the lists meanwhile.
    patch["metadata"] = json!({"resourceVersion": changed.text("/metadata/resourceVersion")});
    cluster.merge(&changed, &patch).await
}

/// Waits until the operator has seen the change.
async fn seen(
    cluster: &Objects,
    changed: &Found,
    namespaces: &[String],
    word: &str,
    deadline: Instant,
) -> anyhow::Result<ExitCode> {
    let name = changed.name();
    let generation = changed.number("/metadata/generation").unwrap_or_default();
    let is_seen =
        |found: &Found| found.number("/status/observedGeneration").unwrap_or(-1) >= generation;
    let waited = waiting::until(cluster, changed, deadline, is_seen).await?;
    for namespace in namespaces {
        print_result(&format!("{name}: {namespace} {word}"))?;
    }
    match waited {
        Waited::Until(_) => Ok(ExitCode::Done),
        Waited::Deleted => Err(BadArgument(anyhow!("{name} was deleted")).into()),
        Waited::TimedOut(_) => {
            print_error(&format!(
                "{name} is changed, and the operator has not acted on it in time (--timeout); is it \
                 running? See {} status {name}",
                program()
            ));
            Ok(ExitCode::TimedOut)
        }
    }
}
