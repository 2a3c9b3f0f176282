//! `clinch-operator report`: the statuses of objects as one HTML page, as `apply --report-html` writes it.

use std::path::PathBuf;

use super::{
    super::{ExitCode, messages, output_file::OutputFile, page, print_result},
    args::{ClusterArgs, ListArgs, StateArgs},
    cluster::Objects,
    found::Found,
    kinds::Target,
    stored,
};
use crate::{app, cluster::Kind};

/// Makes one HTML page for people of what became of exports: counts, reasons, coverage, the latest runs.
///
/// The page is made of statuses alone: it holds no value of a person. It needs no other file and no
/// network, and is readable on paper and phone. Without a name it is about all objects of the namespace.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  clinch-operator report engineers -n talent > engineers.html\n  \
                             clinch-operator report -n talent --to talent.html\n  \
                             clinch-operator report --state .clinch-state --to result.html"
)]
pub struct Args {
    /// The exports. Default: all objects.
    #[arg(value_name = "EXPORT")]
    targets: Vec<Target>,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    list: ListArgs,
    #[command(flatten)]
    place: StateArgs,
    /// The file, which appears complete or not at all. Default: standard output.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    // A place that cannot be written is noticed first.
    let to = args.to.as_deref().map(|path| OutputFile::prepare("the report", path)).transpose()?;
    let found = match &args.place.state {
        Some(folder) => of_folder(args, folder)?,
        None => super::super::block_on(of_cluster(args))?,
    };
    if found.is_empty() {
        messages::hint(
            "there are no objects here; name their namespace with -n, or see all with -A",
        );
    }
    let objects: Vec<_> = found.into_iter().map(|found| found.json).collect();
    let page = page::page(&objects, app::system_clock().now());
    match to {
        Some((file, _)) => file.write(|file| file.write_all(page.as_bytes()))?,
        None => print_result(&page)?,
    }
    Ok(ExitCode::Done)
}

async fn of_cluster(args: &Args) -> anyhow::Result<Vec<Found>> {
    args.targets.iter().try_for_each(|target| args.list.check_one(target))?;
    let cluster = Objects::connect(&args.cluster).await?;
    let mut found = Vec::new();
    for target in &args.targets {
        found.push(cluster.named(target, &[Kind::Export]).await?);
    }
    if args.targets.is_empty() {
        let namespace = (!args.list.all_namespaces).then_some(cluster.namespace.as_str());
        for kind in Kind::ALL {
            found.extend(cluster.list(kind, namespace, args.list.selector.as_deref()).await?);
        }
    }
    Ok(found)
}

fn of_folder(args: &Args, folder: &std::path::Path) -> anyhow::Result<Vec<Found>> {
    let namespace = args.cluster.namespace.as_deref();
    if args.targets.is_empty() {
        return stored::all(folder, namespace);
    }
    let one = |target| stored::one(folder, target, Kind::Export, namespace);
    args.targets.iter().map(one).collect()
}
