//! `clinch-operator status`: what is Ready, what is not, and what blocks it.

use anyhow::Context as _;

use super::{
    super::{ExitCode, color::Colors, messages, print_result, program, text},
    args::{ClusterArgs, ListArgs, StateArgs},
    cluster::{NotRead, Objects},
    found::{Found, State},
    held,
    kinds::{self, Target},
    print::{self, Style},
    stored::{self, NO_APPLY},
    tree::{self, Elsewhere, Node},
};
use crate::{
    api::GROUP,
    app,
    cluster::{Kind, ObjectKey},
    local,
};

/// Shows integrations with their exports, and what blocks each.
///
/// What needs a person comes first, with its whole message. Namespaces that ask for access are listed
/// with the command that approves them. The exit code says only whether the status could be read; `watch`
/// and `kubectl wait` end with the state.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  clinch-operator status -n talent\n  \
                             clinch-operator status export/engineers -n talent\n  \
                             clinch-operator status -A -o json | jq -r '.[] | select(.state != \"Ready\").name'\n  \
                             clinch-operator status --state .clinch-state")]
pub struct Args {
    /// One object, e.g. export/engineers, with what blocks it. Default: all.
    #[arg(value_name = "KIND/NAME")]
    target: Option<Target>,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    list: ListArgs,
    #[command(flatten)]
    place: StateArgs,
    /// Format of the result on standard output.
    #[arg(short = 'o', long, value_enum, default_value = "table")]
    output: Output,
}

impl Args {
    /// Whether the result is JSON.
    pub(in crate::cli) fn prints_json(&self) -> bool {
        self.output == Output::Json
    }
}

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// A tree, with the messages of what is not Ready.
    Table,
    /// The same with all messages and namespaces.
    Wide,
    /// The tree as JSON.
    Json,
    /// The tree as YAML.
    Yaml,
    /// Kind and name of each object.
    Name,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(target) = &args.target {
        args.list.check_one(target)?;
    }
    let (roots, namespace) = match &args.place.state {
        Some(folder) => of_folder(args, folder)?,
        None => super::super::block_on(of_cluster(args))?,
    };
    if roots.is_empty() {
        messages::hint(&nothing(&args.list, args.place.state.is_some(), &namespace));
        return print(args, &roots, &namespace);
    }
    print(args, &roots, &namespace)
}

/// Says that there is nothing, and where that is so.
fn nothing(list: &ListArgs, in_folder: bool, namespace: &str) -> String {
    let labels = list.selector.as_ref().map(|selector| format!(" with the labels {selector}"));
    let place = if list.all_namespaces || in_folder {
        String::new()
    } else {
        format!(" in namespace {namespace}; see all with -A")
    };
    format!("there are no objects of {GROUP}{}{place}", labels.unwrap_or_default())
}

async fn of_cluster(args: &Args) -> anyhow::Result<(Vec<Node>, String)> {
    let cluster = Objects::connect(&args.cluster).await?;
    let target = match &args.target {
        Some(target) => Some(cluster.named(target, &Kind::ALL).await?),
        None => None,
    };
    let namespace = (!args.list.all_namespaces).then_some(cluster.namespace.as_str());
    let mut objects = Vec::new();
    for kind in Kind::ALL {
        objects.extend(cluster.list(kind, namespace, args.list.selector.as_deref()).await?);
    }
    let elsewhere = elsewhere(&cluster, &objects).await?;
    let mut roots = tree::tree(&objects, &elsewhere, app::system_clock().now());
    if let Some(target) = target {
        roots = tree::around(roots, target.kind, &target.key);
    }
    Ok((roots, cluster.namespace.clone()))
}

/// What exports and imports refer to that is not among the objects. First integrations, whose defaults name
/// mappings.
async fn elsewhere(cluster: &Objects, objects: &[Found]) -> anyhow::Result<Elsewhere> {
    let mut found = Elsewhere::new();
    let has = |kind: Kind, key: &ObjectKey| {
        objects.iter().find(|object| object.kind == kind && object.key == *key)
    };
    for _integrations_then_mappings in 0..2 {
        let known = |key: &ObjectKey| {
            let other = || found.get(&(Kind::Integration, key.clone()))?.as_ref().ok();
            has(Kind::Integration, key).or_else(other).cloned()
        };
        let users = objects.iter().filter(|object| tree::is_user(object.kind));
        let wanted: Vec<_> = users
            .flat_map(|user| tree::references(user, &known))
            .filter(|(kind, key)| has(*kind, key).is_none())
            .collect();
        for (kind, key) in wanted {
            if found.contains_key(&(kind, key.clone())) {
                continue;
            }
            let object = match cluster.get(kind, &key).await {
                Ok(object) => Ok(object),
                Err(NotRead::NotFound) => Err(State::Missing),
                Err(NotRead::Forbidden(_)) => Err(State::Hidden),
                Err(NotRead::Failed(error)) => return Err(error),
            };
            found.insert((kind, key), object);
        }
    }
    Ok(found)
}

fn of_folder(args: &Args, folder: &std::path::Path) -> anyhow::Result<(Vec<Node>, String)> {
    let namespace = args.cluster.namespace.clone();
    let target = match &args.target {
        Some(target) => Some(stored::named(folder, target, namespace.as_deref())?),
        None => None,
    };
    let is_here = |found: &Found| {
        namespace.as_ref().is_none_or(|namespace| found.key.namespace == *namespace)
    };
    let (objects, others): (Vec<Found>, Vec<Found>) =
        stored::all(folder, None)?.into_iter().partition(is_here);
    let works = |found: &Found| {
        // Another run does not create what is missing.
        matches!(found.state().0, State::Running | State::Retrying | State::Pending)
            && !held::is_missing_something(found)
    };
    if objects.iter().any(works) && matches!(local::is_in_use(folder), Ok(false)) {
        messages::warn(NO_APPLY);
    }
    let elsewhere = not_here(&objects, &others);
    let mut roots = tree::tree(&objects, &elsewhere, app::system_clock().now());
    if let Some(target) = target {
        roots = tree::around(roots, target.kind, &target.key);
    }
    roots.iter_mut().for_each(|root| root.in_folder(folder));
    Ok((roots, namespace.unwrap_or_default()))
}

/// What objects of a folder refer to that is not among them: it is among the others, or does not exist.
fn not_here(objects: &[Found], others: &[Found]) -> Elsewhere {
    let find = |kind: Kind, key: &ObjectKey| {
        let mut all = objects.iter().chain(others);
        all.find(|object| object.kind == kind && object.key == *key).cloned()
    };
    let integration = |key: &ObjectKey| find(Kind::Integration, key);
    let users = objects.iter().filter(|object| tree::is_user(object.kind));
    users
        .flat_map(|user| tree::references(user, &integration))
        .map(|(kind, key)| {
            let found = find(kind, &key).ok_or(State::Missing);
            ((kind, key), found)
        })
        .collect()
}

fn print(args: &Args, roots: &[Node], namespace: &str) -> anyhow::Result<ExitCode> {
    let wide = args.output == Output::Wide;
    let text = match args.output {
        Output::Json => serde_json::to_string_pretty(roots).context("cannot write JSON")?,
        Output::Yaml => serde_saphyr::to_string(&roots).context("cannot write YAML")?,
        Output::Name => names(roots).join("\n"),
        Output::Table | Output::Wide => {
            let known = (!wide && !args.list.all_namespaces).then_some(namespace);
            let known = known.filter(|namespace| !namespace.is_empty());
            let colors = Colors::stdout();
            let style = Style { width: text::width(), namespace: known, wide, colors };
            print::lines(roots, style).join("\n")
        }
    };
    if !text.is_empty() {
        print_result(text.trim_end())?;
    }
    let shows = matches!(args.output, Output::Table | Output::Wide);
    if shows && roots.iter().any(has_reason) {
        messages::hint(&format!("what a reason means: {} explain REASON", program()));
    }
    Ok(ExitCode::Done)
}

/// Whether there is a reason that somebody may want to have explained.
fn has_reason(node: &Node) -> bool {
    let own = node.state < State::Running && !node.reason.is_empty();
    own || node.children.iter().any(has_reason)
}

fn names(nodes: &[Node]) -> Vec<String> {
    let mut all = Vec::new();
    for node in nodes {
        let kind = Kind::ALL.into_iter().find(|kind| kinds::word(*kind) == node.kind);
        let is_there = !matches!(node.state, State::Missing | State::Hidden);
        if let Some(kind) = kind.filter(|_| is_there) {
            all.push(format!("{}.{GROUP}/{}", kind.as_str().to_lowercase(), node.name));
        }
        all.extend(names(&node.children));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_with_the_selector() {
        let list = |all_namespaces, selector: Option<&str>| ListArgs {
            all_namespaces,
            selector: selector.map(str::to_owned),
        };
        for (list, expected) in [
            (list(false, None), " in namespace talent; see all with -A"),
            (list(false, Some("a=b")), " with the labels a=b in namespace talent; see all with -A"),
            (list(true, Some("a=b")), " with the labels a=b"),
        ] {
            let text = nothing(&list, false, "talent");
            assert_eq!(text, format!("there are no objects of {GROUP}{expected}"));
        }
    }
}
