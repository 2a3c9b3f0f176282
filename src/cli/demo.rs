//! `clinch-operator demo`: the whole system on one machine, against the emulator.

mod cluster_round_trip;
mod kubectl;
mod round_trip;

mod cluster;
mod person;
mod sibling;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use self::sibling::Sandbox;
use super::{
    BadArgument, ExitCode,
    engine::{self, Shown},
    messages::Messages,
    settings::start_logs,
    stop, text,
};
use crate::{
    api::{CandidateExport, Environment, FileFormat},
    app::{self, AllowedPlaces, StoragePolicy},
    clinch::AllowedEndpoints,
    cluster::Kind,
    controllers::{NotifySettings, Regions, Settings},
    local::{LoadOptions, Loader, LocalCluster, Settled},
};

/// The endpoint in the quickstart, which the demo replaces with the emulator's.
const QUICKSTART_ENDPOINT: &str = "http://127.0.0.1:18080";
/// The folder for files in the quickstart, which the demo replaces with one of its own.
const QUICKSTART_FOLDER: &str = "file:///var/lib/clinch-demo";
/// The folder, in that of the quickstart, of manifests about files.
const FILES: &str = "files";
/// How long the demo waits for everything to be Ready.
const TIMEOUT: Duration = Duration::from_mins(2);

/// Starts an emulator of Clinch, applies the quickstart manifests to it, and shows the result.
///
/// Run it again to see that nothing is pushed twice. State is kept in .demo/; delete it to start
/// over.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  clinch-operator demo\n  clinch-operator demo --cluster --keep"
)]
pub struct Args {
    /// Folder of manifests to apply.
    #[arg(
        short = 'f',
        long = "filename",
        default_value = "examples/quickstart",
        value_name = "DIR"
    )]
    filename: PathBuf,
    /// Folder for the state of the demo.
    #[arg(long, default_value = ".demo", value_name = "DIR")]
    state: PathBuf,
    /// Run the operator against a real API server: that of KUBECONFIG, or else one that the demo
    /// starts.
    #[arg(long)]
    cluster: bool,
    /// Keep API server, operator and emulator running until Ctrl-C, and print the line that sets KUBECONFIG.
    #[arg(long, requires = "cluster")]
    keep: bool,
    /// Log filter, e.g. info or clinch_operator=debug.
    #[arg(long, default_value = "error", value_name = "FILTER")]
    log: String,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if !args.filename.is_dir() {
        let text = format!(
            "-f {}: there is no such folder; run the demo from the project's folder, or name one",
            args.filename.display()
        );
        return Err(BadArgument(anyhow::anyhow!(text)).into());
    }
    start_logs(app::LogFormat::Pretty, &args.log, None)?;
    super::block_on(async {
        if args.cluster { cluster::run(args).await } else { Box::pin(local(args)).await }
    })
}

async fn local(args: &Args) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    std::fs::create_dir_all(&args.state)
        .with_context(|| format!("cannot create {}", args.state.display()))?;
    let sandbox = Sandbox::start(&args.state.join("sandbox.json")).await?;
    super::print(&format!("1. the Clinch emulator listens on {}", sandbox.origin()));

    let files = file_folder(&args.state)?;
    let manifests = match load(&args.filename, &[FILES], sandbox.origin(), &files)? {
        Ok(manifests) => manifests,
        Err(code) => return Ok(code),
    };
    let count = |kind, one, several| text::count_of(manifests.keys(kind).len(), one, several);
    super::print(&format!(
        "2. {}: {}, {}, {}",
        args.filename.display(),
        count(Kind::Integration, "integration", "integrations"),
        count(Kind::Mapping, "mapping", "mappings"),
        count(Kind::Export, "export", "exports"),
    ));
    let cluster = LocalCluster::open(
        manifests,
        Some(&args.state.join("objects")),
        app::random_key()?,
        app::system_clock(),
    )
    .context("cannot use the demo's state folder")?;
    let before = sandbox.writes().await?;
    super::print("3. reconciling");
    let attempt = settings(sandbox.origin(), &files)?.timeouts.attempt;
    let stop = stop::on_signal(stop::Limits {
        request_timeout: attempt,
        within: None,
        flush: Duration::ZERO,
    })?;
    let mut settled = local_run(&cluster, sandbox.origin(), &files, &stop, true).await?;
    let writes = sandbox.writes().await? - before;

    super::print("\n4. what `kubectl get clinch` would show\n");
    super::print(&engine::tables(&cluster, false));
    show_rejections(&cluster);
    super::print("6. one candidate, as stored by the emulator\n");
    super::print(&sandbox.one_candidate().await?);
    show_files(&cluster);
    drop(cluster);
    if round_trip::is_in(&args.filename) && settled != Settled::TimedOut {
        let came_back = Box::pin(round_trip::local(args, &sandbox, &files, &stop)).await?;
        if settled == Settled::Ready {
            settled = came_back;
        }
    }
    super::print(&closing(writes, started.elapsed(), &args.state));
    super::print(&look_around(&args.state));
    sandbox.stop().await?;
    Ok(engine::exit_code(settled, &stop))
}

/// Runs the controllers until everything has settled. `aloud`: shows Events and progress.
async fn local_run(
    cluster: &LocalCluster,
    origin: &str,
    files: &str,
    stop: &stop::Stop,
    aloud: bool,
) -> anyhow::Result<Settled> {
    let settings = settings(origin, files)?;
    let shown = Shown { events: aloud, bars: aloud };
    let run = engine::run_until_settled(cluster, settings, TIMEOUT, stop, shown, None);
    Ok(Box::pin(run).await)
}

/// The last lines: whether anything was pushed.
fn closing(writes: u64, took: Duration, state: &Path) -> String {
    let (seconds, state) = (took.as_secs_f64(), state.display());
    if writes == 0 {
        return format!(
            "\nNothing was pushed: everything is in Clinch as declared ({seconds:.1} s).\n\
             Delete {state}/ to start over, or edit examples/quickstart and run it again."
        );
    }
    format!(
        "\n{writes} writes to Clinch in {seconds:.1} s. Run it again: nothing will be pushed twice."
    )
}

/// The command that shows more.
fn look_around(state: &Path) -> String {
    let called = std::env::args().next().unwrap_or_default();
    format!("Look around: {called} status --state {}/objects", state.display())
}

fn show_rejections(cluster: &LocalCluster) {
    super::print("5. rejected records\n");
    for key in cluster.keys(Kind::Export) {
        let Some(status) = cluster.status::<CandidateExport>(&key) else { continue };
        for failure in &status.failures {
            super::print(&format!(
                "{}: {}\n    {}: {}",
                key.name, failure.position, failure.reason, failure.message
            ));
        }
    }
    super::print("");
}

/// Says where files were written.
fn show_files(cluster: &LocalCluster) {
    let written = cluster.keys(Kind::Export).into_iter().filter_map(|key| {
        let file = cluster.status::<CandidateExport>(&key)?.file?;
        let (rows, path) = (file.rows, file.url.trim_start_matches("file://").to_owned());
        let what = if file.format == FileFormat::Pdf { "people" } else { "rows" };
        Some(format!("  {}: {rows} {what} in {path}", key.name))
    });
    let lines: Vec<String> = written.collect();
    if !lines.is_empty() {
        super::print(&format!("\n7. the same people as files\n\n{}", lines.join("\n")));
    }
}

/// The folder that files are written to, as a URL.
fn file_folder(state: &Path) -> anyhow::Result<String> {
    let folder = state.join("files");
    let failed = || format!("cannot create {}", folder.display());
    std::fs::create_dir_all(&folder).with_context(failed)?;
    let folder = std::fs::canonicalize(&folder).with_context(failed)?;
    Ok(format!("file://{}", folder.display()))
}

/// `files`: the folder that files are written to.
fn settings(origin: &str, files: &str) -> anyhow::Result<Settings> {
    let destinations = StoragePolicy {
        allowed: AllowedPlaces::destinations([files])?,
        ..StoragePolicy::default()
    };
    Ok(Settings {
        environment: Environment::Sandbox,
        allowed_endpoints: AllowedEndpoints::listed([origin])?,
        regions: Regions::default(),
        proxy: crate::app::OutboundProxy::default(),
        sources: std::sync::Arc::default(),
        destinations: std::sync::Arc::new(destinations),
        notify: NotifySettings::default(),
        renderer: crate::pipeline::Renderer::default(),
        max_runs: 16,
        timeouts: crate::clinch::Timeouts::default(),
    })
}

type Loaded = Result<crate::local::Manifests, ExitCode>;

/// Loads the manifests and those in these folders of theirs, with the emulator's address instead of theirs.
/// Files go to the folder at this URL.
fn load(folder: &Path, parts: &[&str], origin: &str, file_folder: &str) -> anyhow::Result<Loaded> {
    let mut loader =
        Loader::new(LoadOptions { namespace: "default".into(), ..LoadOptions::default() });
    for (path, text) in manifests(folder, parts, origin, file_folder)? {
        loader.add_text(&path.display().to_string(), &text);
    }
    Ok(loader.finish().map_err(|problems| super::manifests::refused(Messages::Text, &problems)))
}

/// The text of each manifest, by path.
fn manifests(
    folder: &Path,
    parts: &[&str],
    origin: &str,
    file_folder: &str,
) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let mut paths = files(folder)?;
    for part in parts {
        let part = folder.join(part);
        if part.is_dir() {
            paths.extend(files(&part)?);
        }
    }
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let text = text.replace(QUICKSTART_ENDPOINT, origin);
        Ok((path, text.replace(QUICKSTART_FOLDER, file_folder)))
    };
    paths.into_iter().map(read).collect()
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listed = std::fs::read_dir(folder);
    let listed = listed.with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = listed
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ext| ext == "yaml" || ext == "yml"))
        .collect();
    files.sort();
    if files.is_empty() {
        bail!("{} holds no manifests", folder.display());
    }
    Ok(files)
}
