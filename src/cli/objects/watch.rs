//! `clinch-operator watch`: the progress of objects until their work ends.

use std::{path::Path, time::Duration};

use futures::{
    StreamExt as _,
    stream::{BoxStream, SelectAll},
};
use indicatif::ProgressBar;
use tokio::time::Instant;

use super::{
    super::{
        BadArgument, ExitCode,
        color::Colors,
        print, print_error, print_result,
        progress::{Bars, Pace, waiting},
        text,
    },
    args::{ClusterArgs, StateArgs},
    cluster::Objects,
    found::{Found, State},
    kinds::Target,
    stored::{self, NO_APPLY},
    waiting,
};
use crate::{api::ExportCounts, app};

/// Shows the progress of objects until each is Ready or cannot continue by itself.
///
/// On a terminal as bars, elsewhere one line for each change.
///
/// The exit code is that of the worst: 0 all are Ready or suspended, 1 one is Stalled, 5 one waits for
/// approval, 3 time ran out.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  clinch-operator watch export/engineers -n talent\n  \
                             clinch-operator watch export/a export/b --timeout 3600\n  \
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
        let code = watch(changes, deadline).await?;
        if code == ExitCode::TimedOut {
            print_error(match &args.place.state {
                Some(_) => "time ran out (--timeout); `apply` continues",
                None => "time ran out (--timeout); the operator continues",
            });
        }
        Ok(code)
    })
}

async fn of_cluster(args: &Args) -> anyhow::Result<Vec<Changes>> {
    let cluster = Objects::connect(&args.cluster).await?;
    let mut all: Vec<Changes> = Vec::new();
    for target in &args.targets {
        let found = cluster.named(target, None).await?;
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

async fn watch(objects: Vec<Changes>, deadline: Instant) -> anyhow::Result<ExitCode> {
    let names: Vec<String> = objects.iter().map(|(object, _)| object.name()).collect();
    let mut changes = SelectAll::new();
    for (index, (_, one)) in objects.into_iter().enumerate() {
        changes.push(one.map(move |change| (index, change)).boxed());
    }
    let bars = Bars::new(true);
    let mut watched: Vec<Watched> =
        names.into_iter().map(|name| Watched::new(name, &bars)).collect();
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
                watched.iter().for_each(Watched::tick);
                continue;
            }
        };
        let (index, Some(found)) = change else {
            let name = &watched[change.0].name;
            return Err(BadArgument(anyhow::anyhow!("{name} was deleted")).into());
        };
        watched[index].show(&found, Instant::now());
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
    if rest == ExitCode::ActionNeeded {
        print_error(NO_APPLY);
    }
    Ok(waiting::worst(watched.iter().map(|one| one.code.unwrap_or(rest))))
}

/// One object that is watched.
struct Watched {
    name: String,
    code: Option<ExitCode>,
    /// The state and the line that were shown last.
    state: State,
    last: String,
    pace: Pace,
    /// How far it is, while it waits because Clinch answered 429.
    waits: Option<(Found, i64, i64)>,
    bar: ProgressBar,
    prints: bool,
}

impl Watched {
    fn new(name: String, bars: &Bars) -> Self {
        let bar = bars.add(&name);
        Self {
            name,
            code: None,
            state: State::Pending,
            last: String::new(),
            pace: Pace::default(),
            waits: None,
            bar,
            prints: !bars.are_shown,
        }
    }

    /// Shows how long a wait still lasts.
    fn tick(&self) {
        let Some((found, done, total)) = &self.waits else { return };
        if let Some(seconds) = found.waits(app::system_clock().now()) {
            self.bar.set_prefix(waiting(*done, *total, seconds));
        }
    }

    fn show(&mut self, found: &Found, now: Instant) {
        self.code = waiting::settled(found);
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
                print(&line);
            }
            self.last = line;
        }
    }
}
