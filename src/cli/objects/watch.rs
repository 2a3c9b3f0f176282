//! `clinch-operator watch`: the progress of objects until their work ends.

use std::{io::IsTerminal as _, time::Duration};

use futures::{StreamExt as _, stream::SelectAll};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use super::{
    super::{BadArgument, ExitCode, print, print_error, print_result},
    args::ClusterArgs,
    cluster::Objects,
    found::{Found, State},
    kinds::Target,
    waiting,
};
use crate::api::ExportCounts;

/// Shows the progress of objects until each is Ready or cannot continue by itself.
///
/// On a terminal as bars, elsewhere one line for each change.
///
/// The exit code is that of the worst: 0 all are Ready or suspended, 1 one is Stalled, 5 one waits for
/// approval, 3 time ran out.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  clinch-operator watch export/engineers -n talent\n  \
                             clinch-operator watch export/a export/b --timeout 3600")]
pub struct Args {
    /// The objects, e.g. export/engineers.
    #[arg(required = true, value_name = "KIND/NAME")]
    targets: Vec<Target>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Give up after this many seconds; the operator continues.
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    timeout: u64,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    super::super::block_on(async {
        let cluster = Objects::connect(&args.cluster).await?;
        let deadline = waiting::deadline(args.timeout);
        let mut objects = Vec::new();
        for target in &args.targets {
            let found = cluster.named(target, None).await?;
            if !objects.iter().any(|known: &Found| known.name() == found.name()) {
                objects.push(found);
            }
        }
        let code = watch(&cluster, objects, deadline).await?;
        if code == ExitCode::TimedOut {
            print_error("time ran out (--timeout); the operator continues");
        }
        Ok(code)
    })
}

async fn watch(
    cluster: &Objects,
    objects: Vec<Found>,
    deadline: Instant,
) -> anyhow::Result<ExitCode> {
    let mut changes = SelectAll::new();
    for (index, object) in objects.iter().enumerate() {
        let one = cluster.watch(object.kind, &object.key).map(move |change| (index, change));
        changes.push(one.boxed());
    }
    let bars = Bars::new();
    let mut watched: Vec<Watched> =
        objects.iter().map(|object| Watched::new(object.name(), &bars)).collect();
    while watched.iter().any(|one| one.code.is_none()) {
        let change = match tokio::time::timeout_at(deadline, changes.next()).await {
            Ok(Some((index, change))) => (index, change?),
            Ok(None) | Err(_) => break,
        };
        let (index, Some(found)) = change else {
            let name = &watched[change.0].name;
            return Err(BadArgument(anyhow::anyhow!("{name} was deleted")).into());
        };
        watched[index].show(&found, Instant::now());
    }
    bars.clear();
    // What bars showed is gone: the last state of each remains.
    if bars.are_shown {
        for one in &watched {
            print_result(&one.last)?;
        }
    }
    Ok(waiting::worst(watched.iter().map(|one| one.code.unwrap_or(ExitCode::TimedOut))))
}

/// The bars on a terminal.
struct Bars {
    all: MultiProgress,
    are_shown: bool,
}

impl Bars {
    fn new() -> Self {
        let are_shown = std::io::stderr().is_terminal();
        let target =
            if are_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { all: MultiProgress::with_draw_target(target), are_shown }
    }

    fn add(&self) -> ProgressBar {
        let bar = self.all.add(ProgressBar::new(0));
        let style = ProgressStyle::with_template("{msg} {bar:20} {percent:>3}% {prefix}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar
    }

    fn clear(&self) {
        // A terminal that is gone shows nothing anyway.
        let _gone = self.all.clear().is_err();
    }
}

/// One object that is watched.
struct Watched {
    name: String,
    code: Option<ExitCode>,
    /// The line that was shown last.
    last: String,
    pace: Pace,
    bar: ProgressBar,
    prints: bool,
}

impl Watched {
    fn new(name: String, bars: &Bars) -> Self {
        let bar = bars.add();
        bar.set_message(name.clone());
        Self {
            name,
            code: None,
            last: String::new(),
            pace: Pace::default(),
            bar,
            prints: !bars.are_shown,
        }
    }

    fn show(&mut self, found: &Found, now: Instant) {
        self.code = waiting::settled(found);
        let (state, reason, message) = found.state();
        let counts = found.part::<ExportCounts>("/status/counts");
        let progress = counts.filter(|counts| counts.pending > 0 && state != State::Ready);
        let progress = progress.map(|counts| {
            let done = counts.total - counts.pending;
            self.bar.set_length(u64::try_from(counts.total).unwrap_or_default());
            self.bar.set_position(u64::try_from(done).unwrap_or_default());
            let pace = self.pace.after(done, counts.pending, now);
            format!("{done}/{}{pace}", counts.total)
        });
        let mut line = format!("{}: {} {reason}", self.name, state.word());
        // While it works, the counts say more.
        match &progress {
            Some(progress) if state == State::Running => line = format!("{line}: {progress}"),
            _ => line = format!("{line}: {message}"),
        }
        self.bar.set_prefix(progress.unwrap_or_else(|| format!("{} {reason}", state.word())));
        if line != self.last {
            if self.prints {
                print(&line);
            }
            self.last = line;
        }
    }
}

/// How fast records are processed.
#[derive(Default)]
struct Pace {
    first: Option<(i64, Instant)>,
}

impl Pace {
    /// `, 65/s, eta 12s`; empty until it is known.
    fn after(&mut self, done: i64, pending: i64, now: Instant) -> String {
        let (start, since) = *self.first.get_or_insert((done, now));
        if done < start {
            // Another run.
            self.first = Some((done, now));
            return String::new();
        }
        let elapsed = now.duration_since(since);
        if elapsed < Duration::from_secs(1) || done == start {
            return String::new();
        }
        let millis = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX).max(1);
        let processed = done - start;
        let rate = processed.saturating_mul(1000) / millis;
        let left = pending.saturating_mul(millis) / processed / 1000;
        format!(", {rate}/s, eta {left}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_known_after_a_second_and_starts_over_with_a_run() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(pace.after(100, 900, start), "");
        assert_eq!(pace.after(100, 900, after(5)), "");
        assert_eq!(pace.after(200, 800, after(10)), ", 10/s, eta 80s");
        assert_eq!(pace.after(0, 1000, after(11)), "");
        assert_eq!(pace.after(50, 950, after(12)), ", 50/s, eta 19s");
    }
}
