//! Runs the controllers on a folder of manifests, and what `apply` and `demo` show meanwhile.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use indicatif::ProgressBar;
use tokio::{sync::broadcast::error::RecvError, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    ExitCode,
    messages::Messages,
    objects::kinds::word,
    progress::{Bars, Pace, seconds_left, waiting, waiting_for_earlier},
    stop::Stop,
};
use crate::{
    api::{CandidateExport, ConditionType, GROUP, STATUS_FALSE, STATUS_TRUE},
    app,
    cluster::{Kind, NoticeType, ObjectKey},
    conditions::find,
    controllers::{Context, Controllers, Reports, Settings},
    domain::{Fence, Reason},
    local::{self, Change, LocalCluster, Settled, TableOptions, reconcile_queue, table},
};

/// Runs until everything is settled, `timeout` is over, or `stop` is cancelled.
pub(super) async fn run_until_settled(
    cluster: &LocalCluster,
    settings: Settings,
    timeout: Duration,
    stop: &Stop,
    shown: Shown,
    reports: Option<Arc<dyn Reports>>,
) -> Settled {
    let (queue, requests) = reconcile_queue();
    let enqueue = Arc::new(move |kind: Kind, key: &ObjectKey| {
        // A closed queue means that everything has settled.
        let _closed = queue.send((kind, key.clone())).is_err();
    });
    let halt = stop.token.child_token();
    let context = Context::new(
        cluster.clone(),
        app::system_clock(),
        settings,
        Fence::open(),
        enqueue,
        app::unobserved(),
        halt.clone(),
    );
    let context = Arc::new(context.looking_once().reporting_to(reports));
    let controllers = Controllers(context.clone());
    let ended = CancellationToken::new();
    let watching = tokio::spawn(watch(cluster.clone(), context.clone(), shown, ended.clone()));
    let deadline = Instant::now() + timeout;
    let (objects, running) = (cluster.clone(), context.clone());
    let work = async move {
        let is_running = || running.is_running();
        // Boxed: the future is large and part of its callers' futures.
        let settled =
            local::run_until_settled(&objects, &controllers, requests, is_running, deadline);
        Box::pin(settled).await
    };
    let settled = within(deadline, &stop.token, work).await;
    halt.cancel();
    let _all_ended = context.drain(std::future::ready(())).await;
    ended.cancel();
    let _panicked = watching.await.is_err();
    settled
}

/// Awaits work until the deadline or a request to stop. The work is a task of its own: a single reconcile
/// may take longer, and may even keep its thread busy.
async fn within(
    deadline: Instant,
    stop: &CancellationToken,
    work: impl Future<Output = Settled> + Send + 'static,
) -> Settled {
    let mut work = tokio::spawn(work);
    let settled = tokio::select! {
        settled = &mut work => settled,
        () = tokio::time::sleep_until(deadline) => Ok(Settled::TimedOut),
        () = stop.cancelled() => Ok(Settled::TimedOut),
    };
    work.abort();
    match settled {
        Ok(settled) => settled,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only this function cancels it.
            Err(_) => Settled::TimedOut,
        },
    }
}

/// The exit code of work that ended like this.
pub(super) fn exit_code(settled: Settled, stop: &Stop) -> ExitCode {
    match settled {
        Settled::Ready => ExitCode::Done,
        Settled::Stalled => ExitCode::ActionNeeded,
        Settled::Waiting => ExitCode::Waiting,
        Settled::TimedOut => stop.by().unwrap_or(ExitCode::TimedOut),
    }
}

/// What is shown meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    /// Events, one line each.
    pub(super) events: bool,
    /// Progress bars, if standard error is a terminal.
    pub(super) bars: bool,
}

/// How often a line says how far an export is where no bar does.
const EVERY: Duration = Duration::from_secs(30);

/// Shows changes until `ended`, including the last ones.
async fn watch(
    cluster: LocalCluster,
    context: Arc<Context<LocalCluster>>,
    shown: Shown,
    ended: CancellationToken,
) {
    let mut changes = cluster.changes();
    let mut progress = Progress::new(shown);
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    loop {
        tokio::select! {
            change = changes.recv() => match change {
                Ok(change) => show(&change, shown, &progress.bars),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            _ = tick.tick() => progress.show(&cluster, &context, Instant::now()),
            () = ended.cancelled() => {
                while let Ok(change) = changes.try_recv() {
                    show(&change, shown, &progress.bars);
                }
                progress.end();
                return;
            }
        }
    }
}

fn show(change: &Change, shown: Shown, bars: &Bars) {
    let Change::Event(event) = change else { return };
    if !shown.events {
        return;
    }
    let mark = match event.notice.kind {
        NoticeType::Normal => " ",
        NoticeType::Warning => "!",
    };
    let (object, notice) = (&event.object, &event.notice);
    let (kind, name) = (object.kind.as_str(), &object.key.name);
    let reason = notice.reason.as_str();
    let line = format!("  {mark} {kind:<18} {name:<22} {reason:<20} {}", notice.message);
    bars.suspend(|| super::print(&line));
}

/// The progress of exports that work: a bar for each on a terminal, else a line for each now and then.
struct Progress {
    bars: Bars,
    prints: bool,
    working: BTreeMap<ObjectKey, Working>,
}

struct Working {
    bar: ProgressBar,
    pace: Pace,
    printed: Instant,
}

impl Progress {
    fn new(shown: Shown) -> Self {
        let bars = Bars::new(shown.bars);
        let prints = shown.bars && !shown.events && !bars.are_shown;
        Self { bars, prints, working: BTreeMap::new() }
    }

    /// Takes all bars away: one that is only dropped is drawn once more.
    fn end(&self) {
        self.working.values().for_each(|one| self.bars.remove(&one.bar));
        self.bars.clear();
    }

    fn show(&mut self, cluster: &LocalCluster, context: &Context<LocalCluster>, now: Instant) {
        for key in cluster.keys(Kind::Export) {
            let status = cluster.status::<CandidateExport>(&key);
            let until = status.as_ref().and_then(|status| status.waiting_until.as_ref());
            let waits = seconds_left(until, app::system_clock().now());
            let counts = status.as_ref().and_then(|status| status.counts);
            let Some(counts) = counts.filter(|counts| counts.pending > 0) else {
                if let Some(ended) = self.working.remove(&key) {
                    self.bars.remove(&ended.bar);
                }
                continue;
            };
            let earlier = context.awaits_earlier_requests(&local::uid(Kind::Export, &key));
            let name = format!("{}/{}", word(Kind::Export), key.name);
            let bars = &self.bars;
            let one = self.working.entry(key).or_insert_with(|| Working {
                bar: bars.add(&name),
                pace: Pace::default(),
                printed: now,
            });
            let (done, total) = (counts.total - counts.pending, counts.total);
            let pace = one.pace.after(done, total, now);
            let pace = match (waits, earlier) {
                (Some(seconds), _) => waiting(done, total, seconds),
                (None, Some(seconds)) => waiting_for_earlier(seconds),
                (None, None) => pace,
            };
            one.bar.set_length(u64::try_from(total).unwrap_or_default());
            one.bar.set_position(u64::try_from(done).unwrap_or_default());
            one.bar.set_prefix(pace.clone());
            if self.prints && now.duration_since(one.printed) >= EVERY {
                one.printed = now;
                super::messages::hint(&format!("{name}: {pace}"));
            }
        }
    }
}

/// How many objects an error for machines names. All are in the result.
const EXPLAINED: usize = 5;

/// Says for machines why work ends with this code. People see it in the result.
pub(super) fn explain(messages: Messages, code: ExitCode, cluster: &LocalCluster) {
    if messages == Messages::Json && matches!(code, ExitCode::ActionNeeded | ExitCode::Waiting) {
        let mut all = troubles(cluster);
        all.retain(|line| line.split(": ").nth(1) != Some(Reason::Suspended.as_str()));
        let more = all.len().saturating_sub(EXPLAINED);
        all.truncate(EXPLAINED);
        all.extend((more > 0).then(|| format!("and {more} more")));
        messages.ended(code, &format!("{}: {}", code.meaning(), all.join("; ")));
    }
}

/// One line for each object that is not Ready: which, why, and what to do.
pub(super) fn troubles(cluster: &LocalCluster) -> Vec<String> {
    let mut lines = Vec::new();
    for kind in Kind::ALL {
        for key in cluster.keys(kind) {
            let Some((_, conditions)) = cluster.conditions(kind, &key) else { continue };
            let ready = find(&conditions, ConditionType::Ready);
            if let Some(ready) = ready.filter(|ready| ready.status != STATUS_TRUE) {
                lines.push(format!("{kind} {key}: {}: {}", ready.reason, ready.message));
            }
            for warning in [ConditionType::DuplicatesFound, ConditionType::Drifted] {
                // Neither known to be over, nor in progress.
                let warning = find(&conditions, warning).filter(|warning| {
                    warning.status != STATUS_FALSE && warning.reason != Reason::Progressing.as_str()
                });
                if let Some(warning) = warning {
                    lines.push(format!("{kind} {key}: {}: {}", warning.reason, warning.message));
                }
            }
        }
    }
    lines
}

/// The kinds in the order in which `kubectl` lists them.
pub(super) fn kinds() -> [Kind; 4] {
    let mut kinds = Kind::ALL;
    kinds.sort_by_key(|kind| kind.as_str());
    kinds
}

/// What `kubectl get clinch -o name` would print.
pub(super) fn names(cluster: &LocalCluster) -> Vec<String> {
    let of_kind = |kind: Kind| {
        let prefix = kind.as_str().to_lowercase();
        cluster.keys(kind).into_iter().map(move |key| format!("{prefix}.{GROUP}/{}", key.name))
    };
    kinds().into_iter().flat_map(of_kind).collect()
}

/// What `kubectl get clinch` would print.
pub(super) fn tables(cluster: &LocalCluster, wide: bool) -> String {
    let now = app::system_clock().now();
    let mut shown: Vec<String> = Vec::new();
    for kind in kinds() {
        let options = TableOptions { wide, kind_prefix: true, ..TableOptions::default() };
        let text = table(kind, &cluster.objects_as_json(kind), options, now);
        if !text.is_empty() {
            shown.push(text);
        }
    }
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_reconcile_that_keeps_its_thread_busy_does_not_outlast_the_deadline() {
        let (busy, ended) = std::sync::mpsc::channel::<()>();
        let work = async move {
            // Until the test is over.
            let _disconnected = ended.recv().is_err();
            Settled::Ready
        };
        let soon = Instant::now() + Duration::from_millis(20);
        let stop = CancellationToken::new();
        assert_eq!(within(soon, &stop, work).await, Settled::TimedOut);
        drop(busy);
        let far = Instant::now() + Duration::from_secs(3600);
        assert_eq!(within(far, &stop, async { Settled::Stalled }).await, Settled::Stalled);
        stop.cancel();
        assert_eq!(within(far, &stop, std::future::pending()).await, Settled::TimedOut);
    }
}
