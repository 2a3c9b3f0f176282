//! `clinch-operator watch`: the progress of objects until their work ends.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use futures::{
    StreamExt as _,
    stream::{BoxStream, SelectAll},
};
use indicatif::ProgressBar;
use serde_json::Value as Json;
use tokio::time::Instant;

use super::{
    super::{
        BadArgument, ExitCode,
        color::Colors,
        in_lines, messages, print, print_result,
        progress::{Bars, Pace, waiting},
        text,
    },
    args::{ClusterArgs, StateArgs},
    cluster::Objects,
    found::{Found, State},
    held,
    kinds::Target,
    output::{Output, full_name},
    requests::integration_suspended,
    stored::{self, NO_APPLY},
    tree::Node,
    waiting,
};
use crate::{api::ExportCounts, app, cluster::Kind};

/// Shows the progress of objects until each is Ready or cannot continue by itself.
///
/// On a terminal as bars, elsewhere one line for each change; with `-o json` that line is an object as
/// `status -o json` prints it, with `counts`.
///
/// The exit code is that of the worst: 0 all are Ready or suspended, 1 one is Stalled, refers to something
/// that does not exist, or its integration is suspended, 5 one waits for approval, 3 time ran out.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  clinch-operator watch export/engineers -n talent\n  \
                             clinch-operator watch export/a export/b --timeout 3600\n  \
                             clinch-operator watch export/engineers -o json | jq .counts\n  \
                             clinch-operator watch export/engineers --state .clinch-state")]
pub struct Args {
    /// The objects, e.g. export/engineers.
    #[arg(required = true, value_name = "KIND/NAME")]
    targets: Vec<Target>,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    place: StateArgs,
    /// Give up after this many seconds; the operator continues.
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    timeout: u64,
    /// Format of the result on standard output. One JSON object a line, one YAML document, or one name for
    /// each change.
    #[arg(short = 'o', long, value_enum, default_value = "text")]
    output: Output,
}

impl Args {
    /// Whether the result is JSON.
    pub(in crate::cli) fn prints_json(&self) -> bool {
        self.output == Output::Json
    }
}

/// An object, and its changes. They end where nothing changes it any more.
type Changes = (Found, BoxStream<'static, anyhow::Result<Option<Found>>>);

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    super::super::block_on(async {
        let deadline = waiting::deadline(args.timeout);
        let changes = match &args.place.state {
            Some(folder) => of_folder(args, folder)?,
            None => of_cluster(args).await?,
        };
        let code = watch(changes, args.place.state.as_deref(), args.output, deadline).await?;
        if code == ExitCode::TimedOut {
            let text = match &args.place.state {
                Some(_) => "time ran out (--timeout); `apply` continues",
                None => "time ran out (--timeout); the operator continues",
            };
            messages::ended(code, text);
        }
        Ok(code)
    })
}

async fn of_cluster(args: &Args) -> anyhow::Result<Vec<Changes>> {
    let cluster = Objects::connect(&args.cluster).await?;
    let mut all: Vec<Changes> = Vec::new();
    for target in &args.targets {
        let found = cluster.named(target, &Kind::ALL).await?;
        if !all.iter().any(|(known, _)| known.name() == found.name()) {
            let changes = cluster.watch(found.kind, &found.key).boxed();
            all.push((found, changes));
        }
    }
    Ok(all)
}

fn of_folder(args: &Args, folder: &Path) -> anyhow::Result<Vec<Changes>> {
    let mut all: Vec<Changes> = Vec::new();
    for target in &args.targets {
        let found = stored::named(folder, target, args.cluster.namespace.as_deref())?;
        if !all.iter().any(|(known, _)| known.name() == found.name()) {
            let changes = stored::watch(folder.to_owned(), &found).boxed();
            all.push((found, changes));
        }
    }
    Ok(all)
}

async fn watch(
    objects: Vec<Changes>,
    folder: Option<&Path>,
    output: Output,
    deadline: Instant,
) -> anyhow::Result<ExitCode> {
    let bars = Bars::new(output == Output::Text);
    let mut changes = SelectAll::new();
    let mut watched: Vec<Watched> = Vec::new();
    for (index, (object, one)) in objects.into_iter().enumerate() {
        changes.push(one.map(move |change| (index, change)).boxed());
        // As it is now, also where there is no time to wait.
        let mut one = Watched::new(object.name(), folder.map(Path::to_owned), &bars);
        one.see(&object, output)?;
        watched.push(one);
    }
    // For an object that nothing changes any more.
    let mut rest = ExitCode::TimedOut;
    let mut second = tokio::time::interval(Duration::from_secs(1));
    while watched.iter().any(|one| one.code.is_none()) {
        let change = tokio::select! {
            change = tokio::time::timeout_at(deadline, changes.next()) => match change {
                Ok(Some((index, change))) => (index, change?),
                Ok(None) => {
                    rest = ExitCode::ActionNeeded;
                    break;
                }
                Err(_) => break,
            },
            _ = second.tick() => {
                watched.iter_mut().for_each(Watched::tick);
                continue;
            }
        };
        let (index, Some(found)) = change else {
            let name = &watched[change.0].name;
            return Err(BadArgument(anyhow::anyhow!("{name} was deleted")).into());
        };
        watched[index].see(&found, output)?;
    }
    // One that is only dropped is drawn once more.
    watched.iter().for_each(|one| bars.remove(&one.bar));
    bars.clear();
    // What bars showed is gone: the last state of each remains.
    if bars.are_shown {
        let (colors, width) = (Colors::stdout(), text::width());
        for one in &watched {
            let lines = text::folded(one.last.clone(), width).join("\n");
            print_result(&colors.paint_in(&lines, one.state.word(), one.state.tone()))?;
        }
    }
    for one in &watched {
        one.held.iter().for_each(|held| messages::ended(ExitCode::ActionNeeded, held));
    }
    if rest == ExitCode::ActionNeeded && watched.iter().any(Watched::can_continue) {
        messages::ended(rest, NO_APPLY);
    }
    Ok(waiting::worst(watched.iter().map(|one| one.code.unwrap_or(rest))))
}

/// An object as `status` prints it as JSON, and how far it is.
fn change(found: &Found, folder: Option<&Path>) -> anyhow::Result<Json> {
    let mut node = Node::of(found, app::system_clock().now());
    if let Some(folder) = folder {
        node.in_folder(folder);
    }
    let mut change = serde_json::to_value(node).context("cannot write JSON")?;
    if let Some(counts) = found.json.pointer("/status/counts") {
        change["counts"] = counts.clone();
    }
    Ok(change)
}

/// One object that is watched.
struct Watched {
    name: String,
    code: Option<ExitCode>,
    /// The state and the line that were shown last.
    state: State,
    last: String,
    /// What to do if its integration is suspended.
    held: Option<String>,
    /// The object as it was seen last.
    found: Option<Found>,
    /// The state folder where it is, if it is not in a cluster.
    folder: Option<PathBuf>,
    pace: Pace,
    /// How far it is, while it waits because Clinch answered 429.
    waits: Option<(Found, i64, i64)>,
    bar: ProgressBar,
    prints: bool,
}

impl Watched {
    fn new(name: String, folder: Option<PathBuf>, bars: &Bars) -> Self {
        let bar = bars.add(&name);
        Self {
            name,
            code: None,
            state: State::Pending,
            last: String::new(),
            held: None,
            found: None,
            folder,
            pace: Pace::default(),
            waits: None,
            bar,
            prints: !bars.are_shown,
        }
    }

    fn see(&mut self, found: &Found, output: Output) -> anyhow::Result<()> {
        if output == Output::Text {
            self.show(found, Instant::now());
            return Ok(());
        }
        self.write(found, output)
    }

    fn settle(&mut self, found: &Found) {
        self.code = waiting::settled(found, app::system_clock().now());
        self.held = match &self.folder {
            None => integration_suspended(found),
            Some(_) => held::integration_suspended_in_folder(found)
                .filter(|_| self.code == Some(ExitCode::ActionNeeded))
                .map(|held| format!("{}: {}", self.name, held.why)),
        };
        self.found = Some(found.clone());
    }

    /// Whether another run of `apply` would go on with it.
    fn can_continue(&self) -> bool {
        self.code.is_none() && !self.found.as_ref().is_some_and(held::is_missing_something)
    }

    /// Shows how long a wait still lasts. What is missing for some seconds ends the work.
    fn tick(&mut self) {
        if let Some(found) = &self.found {
            self.code = waiting::settled(found, app::system_clock().now());
        }
        let Some((found, done, total)) = &self.waits else { return };
        if let Some(seconds) = found.waits(app::system_clock().now()) {
            self.bar.set_prefix(waiting(*done, *total, seconds));
        }
    }

    /// Shows a change in a form for machines.
    fn write(&mut self, found: &Found, output: Output) -> anyhow::Result<()> {
        self.settle(found);
        let change = change(found, self.folder.as_deref())?;
        let line = change.to_string();
        if line == self.last {
            return Ok(());
        }
        self.last = line;
        match output {
            Output::Text => {}
            Output::Json => print_result(&self.last)?,
            Output::Yaml => {
                let yaml = serde_saphyr::to_string(&change).context("cannot write YAML")?;
                print_result(&format!("---\n{}", yaml.trim_end()))?;
            }
            Output::Name => print_result(&full_name(found))?,
        }
        Ok(())
    }

    fn show(&mut self, found: &Found, now: Instant) {
        self.settle(found);
        let (state, reason, message) = found.state();
        self.state = state;
        let counts = found.part::<ExportCounts>("/status/counts");
        let progress = counts.filter(|counts| counts.pending > 0 && state != State::Ready);
        self.waits = None;
        let progress = progress.map(|counts| {
            let done = counts.total - counts.pending;
            self.bar.set_length(u64::try_from(counts.total).unwrap_or_default());
            self.bar.set_position(u64::try_from(done).unwrap_or_default());
            let pace = self.pace.after(done, counts.total, now);
            let Some(seconds) = found.waits(app::system_clock().now()) else { return pace };
            self.waits = Some((found.clone(), done, counts.total));
            waiting(done, counts.total, seconds)
        });
        if state == State::Ready {
            self.bar.set_length(1);
            self.bar.set_position(1);
        }
        let shown = format!("{} {reason}", state.word());
        let shown = shown.trim_end();
        let mut line = format!("{}: {shown}", self.name);
        // While it works, the counts say more.
        match &progress {
            Some(progress) if state == State::Running => line = format!("{line}: {progress}"),
            _ => line = format!("{line}: {message}"),
        }
        // The bar keeps showing how far it is.
        let pace = progress.filter(|_| state == State::Running);
        self.bar.set_prefix(pace.unwrap_or_else(|| shown.to_owned()));
        if line != self.last {
            if self.prints {
                print(&in_lines(&line));
            }
            self.last = line;
        }
    }
}
