//! `approve`, `deny` and `revoke`: who may use an integration.

use anyhow::{Context as _, anyhow};
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    super::{BadArgument, ExitCode, messages, print_line, print_result, program, text::count_of},
    args::ClusterArgs,
    cluster::Objects,
    decisions::{Decisions, List},
    found::Found,
    kinds::Target,
    output::{self, Output},
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
/// Applies `spec.access.approved` as field manager `clinch-cli`, with your rights. An earlier denial is taken
/// back, with a warning if another field manager applied it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  clinch-operator approve -A\n  \
                             clinch-operator approve -A -o json\n  \
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
/// Applies `spec.access.denied` as field manager `clinch-cli`, and takes an earlier approval back. Its exports
/// stop and are Stalled with `NotPermitted`, and the namespace is no longer listed among those that ask.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  clinch-operator deny clinch team-b -n talent")]
pub struct DenyArgs {
    #[command(flatten)]
    args: DecideArgs,
}

/// Takes an approval or a denial back.
///
/// Exports of the namespace stop, and wait for approval again where the integration lets nobody in
/// otherwise. Also removes what others applied, with a warning. Says so, with exit code 0, if there is
/// nothing to take back.
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
    /// Format of the result on standard output: the integration as it is afterwards, or the requests.
    #[arg(short = 'o', long, value_enum, default_value = "text")]
    output: Output,
}

impl ApproveArgs {
    /// Whether the result is JSON.
    pub(in crate::cli) fn prints_json(&self) -> bool {
        self.common.output == Output::Json
    }
}

impl DenyArgs {
    /// Whether the result is JSON.
    pub(in crate::cli) fn prints_json(&self) -> bool {
        self.args.common.output == Output::Json
    }
}

impl RevokeArgs {
    /// Whether the result is JSON.
    pub(in crate::cli) fn prints_json(&self) -> bool {
        self.args.common.output == Output::Json
    }
}

/// How often a change is attempted on an object that the operator or somebody else changes meanwhile.
const ATTEMPTS: u32 = 10;

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

/// A namespace that asks for access. Its members are API.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Applicant {
    /// The namespace.
    asking: String,
    /// The integration, and its namespace.
    integration: String,
    namespace: String,
    exports: i64,
    since: Timestamp,
    /// The command that approves it.
    next: String,
}

/// Lists the requests.
async fn list(args: &ApproveArgs, integration: Option<&Target>) -> anyhow::Result<ExitCode> {
    let cluster = Objects::connect(&args.common.cluster).await?;
    let namespace = (!args.all_namespaces).then_some(cluster.namespace.as_str());
    let integrations = match integration {
        Some(target) => vec![cluster.named(target, &[Kind::Integration]).await?],
        None => cluster.list(Kind::Integration, namespace, None).await?,
    };
    let mut all = Vec::new();
    for found in &integrations {
        let requests: Vec<AccessRequest> = found.part("/status/accessRequests").unwrap_or_default();
        let listed = i64::try_from(requests.len()).unwrap_or(i64::MAX);
        all.extend(requests.into_iter().map(|request| Applicant {
            next: Node::approval(&found.key, &request.namespace),
            asking: request.namespace,
            integration: found.key.name.clone(),
            namespace: found.key.namespace.clone(),
            exports: request.exports,
            since: request.since.0,
        }));
        let unlisted = found.number("/status/requests").unwrap_or_default() - listed;
        if unlisted > 0 {
            let more =
                count_of(unlisted, "more namespace asks and is", "more namespaces ask and are");
            messages::warn(&format!("{}: {more} not listed", found.name()));
        }
    }
    if all.is_empty() {
        messages::hint("no namespace asks for access");
    }
    let names = || all.iter().map(|one| one.asking.clone()).collect();
    let now = app::system_clock().now();
    let text = || all.iter().map(|one| one.text(now)).collect::<Vec<_>>().join("\n");
    output::print_as(args.common.output, &all, names, text)?;
    Ok(ExitCode::Done)
}

impl Applicant {
    fn text(&self, now: Timestamp) -> String {
        let Self { asking, integration, namespace, exports, since, next } = self;
        let exports = count_of(*exports, "export", "exports");
        let since = local::age(*since, now);
        format!(
            "{asking} asks for integration/{integration} ({namespace}): {exports} since {since}\n  {next}"
        )
    }
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
        let found = cluster.named(integration, &[Kind::Integration]).await?;
        check(&found, namespaces, on)?;
        if common.print {
            let mut all = Decisions::of(&found);
            namespaces.iter().for_each(|namespace| all.decide(namespace, on));
            let manifest = all.manifest(&found);
            let text = match common.output {
                Output::Json => {
                    serde_json::to_string_pretty(&manifest).context("cannot write JSON")?
                }
                _ => serde_saphyr::to_string(&manifest).context("cannot write YAML")?,
            };
            print_result(text.trim_end())?;
            return Ok(ExitCode::Done);
        }
        if let Some(warning) = owner::warning(&found, "spec.access") {
            messages::warn(&warning);
            messages::hint("--print prints the change for Git");
        }
        if on.is_some() {
            warn_of_missing(&cluster, namespaces).await;
        }
        let before = Decisions::of(&found);
        let changed = decide(&cluster, &found, namespaces, on).await?;
        let word = |namespace: &str| match on {
            Some(List::Approved) => "approved",
            Some(List::Denied) => "denied",
            None if before.name(namespace) => "revoked",
            None => "is neither approved nor denied by name: nothing to revoke",
        };
        let text = namespaces
            .iter()
            .map(|namespace| format!("{}: {namespace} {}", found.name(), word(namespace)));
        let text = text.collect::<Vec<_>>().join("\n");
        seen(&cluster, &changed, &text, common.output, deadline).await
    })
}

/// Says which namespaces do not exist. A decision may come first, and the name may be misspelt.
async fn warn_of_missing(cluster: &Objects, namespaces: &[String]) {
    for namespace in namespaces {
        if cluster.lacks_namespace(namespace).await {
            messages::warn(&format!("there is no namespace {namespace} yet"));
        }
    }
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
///
/// Entries are added by a server-side apply, so that field managers share a list. They are removed by a
/// patch of the whole list: an apply removes only what nobody else owns, and makes null of a list that
/// somebody else owns once its last entry goes, which the API server refuses.
async fn decide(
    cluster: &Objects,
    found: &Found,
    namespaces: &[String],
    on: Option<List>,
) -> anyhow::Result<Found> {
    let mut own = Decisions::own(found);
    if let Some(list) = on {
        namespaces.iter().for_each(|namespace| own.add(namespace, list));
    }
    // First: a namespace that is on both lists meanwhile is denied.
    let changed = if own == Decisions::own(found) {
        found.clone()
    } else {
        cluster.apply(found, &own.manifest(found)).await?
    };
    let changed = remove(cluster, changed, namespaces, on).await?;
    if !Decisions::owns_bare_list(&changed) {
        return Ok(changed);
    }
    cluster.apply(&changed, &Decisions::own(&changed).manifest(&changed)).await
}

/// Takes the namespaces off each list where they are not to be.
async fn remove(
    cluster: &Objects,
    mut changed: Found,
    namespaces: &[String],
    on: Option<List>,
) -> anyhow::Result<Found> {
    let name = changed.name();
    for _attempt in 0..ATTEMPTS {
        let before = Decisions::of(&changed);
        let mut wanted = before.clone();
        namespaces.iter().for_each(|namespace| wanted.decide(namespace, on));
        if wanted == before {
            return Ok(changed);
        }
        let is_others = Decisions::others(&changed).lose(namespaces, &wanted);
        // Refused if somebody changed the lists meanwhile.
        if let Some(patched) = cluster.merge_unchanged(&changed, &wanted.patch(&changed)).await? {
            if is_others {
                messages::warn(&format!(
                    "another field manager put this on a list of {name}, and may do so again"
                ));
            }
            return Ok(patched);
        }
        changed = cluster.get(changed.kind, &changed.key).await?;
    }
    Err(anyhow!("{name} changes all the time; the lists are not as wanted yet, try again"))
}

/// Waits until the operator has seen the change, and prints the result.
async fn seen(
    cluster: &Objects,
    changed: &Found,
    text: &str,
    form: Output,
    deadline: Instant,
) -> anyhow::Result<ExitCode> {
    let name = changed.name();
    let generation = changed.number("/metadata/generation").unwrap_or_default();
    let is_seen =
        |found: &Found| found.number("/status/observedGeneration").unwrap_or(-1) >= generation;
    let waited = waiting::until(cluster, changed, deadline, is_seen).await?;
    let found = match &waited {
        Waited::Until(found) => found,
        Waited::TimedOut(last) => last.as_deref().unwrap_or(changed),
        Waited::Deleted => changed,
    };
    match form {
        Output::Text => print_line(text)?,
        form => {
            let names = || vec![output::full_name(found)];
            output::print_as(form, &output::object(found), names, String::new)?;
        }
    }
    match waited {
        Waited::Until(_) => Ok(ExitCode::Done),
        Waited::Deleted => Err(BadArgument(anyhow!("{name} was deleted")).into()),
        Waited::TimedOut(_) => {
            let text = format!(
                "{name} is changed, and the operator has not acted on it in time (--timeout); is it \
                 running? See {} status {name}",
                program()
            );
            messages::ended(ExitCode::TimedOut, &text);
            Ok(ExitCode::TimedOut)
        }
    }
}
