//! The supervised run of each export in this process: started, observed and stopped by
//! reconciles, never awaited by one. A run that panics is an ended run.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::FutureExt;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::plan::PROGRESS_EVERY;
use crate::{
    api::ExportMode,
    domain::{Clock, Disposition, Reason},
    pipeline::{Counts, Ending, Progress, Report},
};

/// The latest run of an export in this process.
#[derive(Debug, Clone, Default)]
pub(super) struct Slot {
    /// What it runs for.
    pub(super) revision: String,
    /// Whether it pushes, or tells only what it would push.
    pub(super) mode: ExportMode,
    /// Attempts at this revision before this one.
    pub(super) attempt: u32,
    /// When it started.
    pub(super) started_at: Timestamp,
    /// Whether it runs because of the time, for what was in place when it began.
    pub(super) routine: bool,
    /// Changes with the credentials that the source is read with.
    pub(super) access: String,
    /// What earlier attempts at this revision put in place.
    pub(super) carried: Counts,
    /// The latest snapshot that was told; while the run works, one every [`PROGRESS_EVERY`].
    pub(super) progress: Progress,
    /// Whether it still works.
    pub(super) state: SlotState,
}

impl Slot {
    /// What this attempt and those before it created and updated.
    pub(super) fn put_in_place(&self) -> Counts {
        let (now, before) = (self.progress.counts, self.carried);
        Counts {
            created: before.created + now.created,
            updated: before.updated + now.updated,
            ..Counts::default()
        }
    }

    /// Whether this attempt put anybody in place.
    pub(super) fn has_got_on(&self) -> bool {
        self.mode == ExportMode::Push
            && self.progress.counts.created + self.progress.counts.updated > 0
    }

    /// Whether every record was decided.
    pub(super) fn is_completed(&self) -> bool {
        matches!(
            &self.state,
            SlotState::Ended(Ended {
                report: Report { ending: Ending::Completed | Ending::SourceUnchanged, .. },
                ..
            })
        )
    }

    /// Whether it has found something to do.
    pub(super) fn has_work(&self) -> bool {
        let done = self.put_in_place();
        self.progress.counts.pending() + done.created + done.updated > 0
    }
}

/// Whether a run still works.
#[derive(Debug, Clone, Default)]
pub(super) enum SlotState {
    /// It does.
    #[default]
    Running,
    /// It has ended.
    Ended(Ended),
}

/// The end of a run.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    /// When.
    pub(super) at: Timestamp,
    /// How.
    pub(super) report: Report,
}

struct Entry {
    slot: Slot,
    cancel: CancellationToken,
    progress: watch::Receiver<Progress>,
    /// When a snapshot was last told.
    told_at: Timestamp,
}

/// The runs of this process, by export UID.
#[derive(Clone)]
pub(crate) struct Runs {
    entries: Arc<Mutex<HashMap<String, Entry>>>,
    tracker: TaskTracker,
    stop: CancellationToken,
    clock: Clock,
}

/// What a run is given.
pub(super) struct RunHandle {
    /// Cancelled when the run is to end after its requests in flight.
    pub(super) cancel: CancellationToken,
    /// Where it tells its progress.
    pub(super) progress: watch::Sender<Progress>,
}

impl Runs {
    /// No runs; all of them end when `stop` is cancelled.
    pub(crate) fn new(clock: Clock, stop: CancellationToken) -> Self {
        Self { entries: Arc::default(), tracker: TaskTracker::new(), stop, clock }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The latest run of an export. Its progress moves every [`PROGRESS_EVERY`] at most, however
    /// often a pass looks: each move is a write of the status.
    pub(super) fn slot(&self, uid: &str) -> Option<Slot> {
        let now = self.clock.now();
        let mut entries = self.entries();
        let entry = entries.get_mut(uid)?;
        let due = Duration::try_from(now.duration_since(entry.told_at))
            // The clock was set back: since when is not known any more.
            .map_or(true, |since| since >= PROGRESS_EVERY);
        if due && matches!(entry.slot.state, SlotState::Running) {
            entry.slot.progress = entry.progress.borrow().clone();
            entry.told_at = now;
        }
        Some(entry.slot.clone())
    }

    /// Starts a run, unless one still works. `ended` is called once it has ended.
    pub(super) fn start<F>(
        &self,
        uid: &str,
        slot: Slot,
        run: impl FnOnce(RunHandle) -> F,
        ended: impl FnOnce() + Send + 'static,
    ) where
        F: Future<Output = Report> + Send + 'static,
    {
        let mut entries = self.entries();
        if entries.get(uid).is_some_and(|entry| matches!(entry.slot.state, SlotState::Running)) {
            return;
        }
        let cancel = self.stop.child_token();
        let (sender, progress) = watch::channel(Progress::default());
        let work = run(RunHandle { cancel: cancel.clone(), progress: sender });
        let told_at = self.clock.now();
        entries.insert(uid.to_owned(), Entry { slot, cancel, progress, told_at });
        drop(entries);
        let (runs, uid) = (self.clone(), uid.to_owned());
        self.tracker.spawn(async move {
            let report = AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| panicked());
            runs.end(&uid, report);
            ended();
        });
    }

    fn end(&self, uid: &str, report: Report) {
        let at = self.clock.now();
        if let Some(entry) = self.entries().get_mut(uid) {
            entry.slot.progress = report.progress.clone();
            entry.slot.state = SlotState::Ended(Ended { at, report });
        }
    }

    /// Asks a run to end after its requests in flight. True while it still works.
    pub(super) fn stop(&self, uid: &str) -> bool {
        let entries = self.entries();
        let running =
            entries.get(uid).filter(|entry| matches!(entry.slot.state, SlotState::Running));
        if let Some(entry) = running {
            entry.cancel.cancel();
        }
        running.is_some()
    }

    /// Forgets an export that is gone, and ends its run.
    pub(crate) fn forget(&self, uid: &str) {
        if let Some(entry) = self.entries().remove(uid) {
            entry.cancel.cancel();
        }
    }

    /// Waits until every run has ended; none may start afterwards.
    pub(crate) async fn drained(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

fn panicked() -> Report {
    Report {
        progress: Progress::default(),
        ending: Ending::Interrupted {
            disposition: Disposition::retry(Reason::InternalError),
            message: "the run panicked; this is a defect of the operator".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs() -> Runs {
        Runs::new(Clock::fixed(Timestamp::UNIX_EPOCH), CancellationToken::new())
    }

    /// A clock that is a second later each time it is asked.
    fn ticking() -> Clock {
        let seconds = std::sync::atomic::AtomicI64::new(0);
        let next = move || seconds.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Clock::new(move || Timestamp::from_second(next()).unwrap())
    }

    fn slot(revision: &str) -> Slot {
        Slot { revision: revision.into(), ..Slot::default() }
    }

    #[tokio::test]
    async fn a_run_is_observed_stopped_and_its_end_is_told() {
        let runs = Runs::new(ticking(), CancellationToken::new());
        let (tell, told) = tokio::sync::oneshot::channel();
        runs.start(
            "u1",
            slot("r1"),
            |handle| async move {
                handle.progress.send_modify(|progress| progress.counts.total = 7);
                handle.cancel.cancelled().await;
                Report { progress: handle.progress.borrow().clone(), ending: Ending::Stopped }
            },
            move || tell.send(()).unwrap(),
        );
        while runs.slot("u1").unwrap().progress.counts.total != 7 {
            tokio::task::yield_now().await;
        }
        assert!(runs.stop("u1"));
        told.await.unwrap();
        let SlotState::Ended(ended) = runs.slot("u1").unwrap().state else { panic!("ended") };
        assert_eq!(ended.report.ending, Ending::Stopped);
        assert!(!runs.stop("u1"));
    }

    #[tokio::test]
    async fn a_panicking_run_ends_as_interrupted_and_a_second_start_is_refused_while_running() {
        let runs = runs();
        let (tell, told) = tokio::sync::oneshot::channel();
        runs.start("u1", slot("r1"), |_| async { panic!("boom") }, move || tell.send(()).unwrap());
        runs.start("u1", slot("r2"), |_| std::future::pending::<Report>(), || {});
        told.await.unwrap();
        let found = runs.slot("u1").unwrap();
        assert_eq!(found.revision, "r1");
        assert!(matches!(found.state, SlotState::Ended(_)));
    }

    #[tokio::test]
    async fn progress_is_told_every_two_seconds_however_often_it_is_looked_at() {
        let runs = Runs::new(ticking(), CancellationToken::new());
        let (moved, is_moved) = tokio::sync::oneshot::channel();
        let run = |handle: RunHandle| async move {
            handle.progress.send_modify(|progress| progress.counts.total = 7);
            moved.send(()).unwrap();
            std::future::pending::<Report>().await
        };
        runs.start("u1", slot("r1"), run, || {});
        is_moved.await.unwrap();
        let seen = [(); 3].map(|()| runs.slot("u1").unwrap().progress.counts.total);
        assert_eq!(seen, [0, 7, 7], "after one second, two and three");
    }

    #[test]
    fn what_was_put_in_place_adds_up_over_attempts_that_decided_nobody() {
        let counts = |created, updated| Counts { total: 9, created, updated, ..Counts::default() };
        let first = Slot { carried: counts(2, 1), ..slot("r1") };
        assert_eq!((first.put_in_place().created, first.put_in_place().updated), (2, 1));
        let progress = Progress { counts: counts(3, 2), ..Progress::default() };
        let second = Slot { carried: first.put_in_place(), progress, ..slot("r1") };
        assert_eq!((second.put_in_place().created, second.put_in_place().updated), (5, 3));
    }
}
