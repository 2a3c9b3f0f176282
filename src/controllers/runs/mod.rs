//! The supervised runs of this process: started, observed and stopped by reconciles, never awaited
//! by one. A run that panics is a run that ended.

mod cron_fields;
mod import;
mod limits;
mod list;
mod schedule;
mod state;
mod windows;

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::FutureExt;
use jiff::Timestamp;
use tokio::{sync::watch, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument as _, Span};

pub(super) use self::{
    import::ImportRun,
    limits::{RunLimiter, Size},
    list::{ListReport, ListRun},
    schedule::Schedule,
    state::{Ended, RunPhase, RunState},
    windows::Windows,
};
use super::{
    observer::{RunEnd, RunOutcome, Work, WorkObserver, WorkUnobserved},
    spans,
};
use crate::{
    cluster::ObjectRef,
    domain::{Clock, Disposition, Reason},
    pipeline::{Ending, Progress},
};

/// How often the status may change while a run works.
pub(super) const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// What is known of a run of some kind.
pub(super) trait RunOf: Clone + Send + 'static {
    /// A snapshot of it.
    type Progress: Clone + Default + Send + Sync + 'static;
    /// Its result.
    type Report: Send + 'static;

    /// Whether it is still running.
    fn is_running(&self) -> bool;
    /// Digest of everything that it depends on, and the number of attempts at it before this one.
    fn revision(&self) -> (&str, u32);
    /// Notes a snapshot.
    fn observe(&mut self, progress: Self::Progress);
    /// Notes its end.
    fn end(&mut self, at: Timestamp, report: Self::Report);
    /// The report of a run that ended without one.
    fn ended_by(ending: Ending) -> Self::Report;
    /// What an observer is shown of its end.
    fn summary(&self, report: &Self::Report) -> Summary;
}

/// What an observer is shown of the end of a run.
pub(super) struct Summary {
    /// How it ended.
    pub(super) outcome: RunOutcome,
    /// What became of its records, by outcome.
    pub(super) records: Vec<(&'static str, u64)>,
    /// Number of people in its ledger, if it opened one.
    pub(super) ledger_people: Option<u64>,
}

struct Supervised<S: RunOf> {
    state: S,
    cancel: CancellationToken,
    progress: watch::Receiver<S::Progress>,
    /// When a snapshot was last taken.
    reported_at: Timestamp,
}

/// The runs of this process, by the UID of their export or import.
#[derive(Clone)]
pub(super) struct Runs<S: RunOf = RunState> {
    entries: Arc<Mutex<HashMap<String, Supervised<S>>>>,
    tracker: TaskTracker,
    stop: CancellationToken,
    clock: Clock,
    work: Work,
    observer: Arc<dyn WorkObserver>,
}

/// What a run is given.
pub(super) struct RunHandle<P = Progress> {
    /// Cancelled when the run has to end after its requests in flight.
    pub(super) cancel: CancellationToken,
    /// Where it reports its progress.
    pub(super) progress: watch::Sender<P>,
}

impl<S: RunOf> Runs<S> {
    /// No runs; all of them end when `stop` is cancelled.
    pub(super) fn new(work: Work, clock: Clock, stop: CancellationToken) -> Self {
        let (tracker, observer) = (TaskTracker::new(), Arc::new(WorkUnobserved));
        Self { entries: Arc::default(), tracker, stop, clock, work, observer }
    }

    /// Work of another kind, which ends with these runs, and counts as running with them.
    pub(super) fn of_another_kind<T: RunOf>(&self, work: Work) -> Runs<T> {
        let Self { tracker, stop, clock, observer, .. } = self.clone();
        Runs { entries: Arc::default(), tracker, stop, clock, work, observer }
    }

    /// Reports the beginning and the end of each run from now on.
    pub(super) fn observe_with(&mut self, observer: Arc<dyn WorkObserver>) {
        self.observer = observer;
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Supervised<S>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The latest run of an object. Its progress changes once per [`PROGRESS_EVERY`] at most,
    /// however often it is read: each change is a write of the status.
    pub(super) fn state(&self, uid: &str) -> Option<S> {
        let now = self.clock.now();
        let mut entries = self.entries();
        let entry = entries.get_mut(uid)?;
        let due = Duration::try_from(now.duration_since(entry.reported_at))
            // The clock was set back.
            .map_or(true, |since| since >= PROGRESS_EVERY);
        if due && entry.state.is_running() {
            entry.state.observe(entry.progress.borrow().clone());
            entry.reported_at = now;
        }
        Some(entry.state.clone())
    }

    /// Starts a run, unless one is still running. `ended` is called once it has ended.
    pub(super) fn start<F>(
        &self,
        of: &ObjectRef,
        state: S,
        run: impl FnOnce(RunHandle<S::Progress>) -> F,
        ended: impl FnOnce() + Send + 'static,
    ) where
        F: Future<Output = S::Report> + Send + 'static,
    {
        let uid = &of.uid;
        let mut entries = self.entries();
        if entries.get(uid).is_some_and(|entry| entry.state.is_running()) {
            return;
        }
        let cancel = self.stop.child_token();
        let (sender, progress) = watch::channel(S::Progress::default());
        let work = run(RunHandle { cancel: cancel.clone(), progress: sender });
        let reported_at = self.clock.now();
        let started = state.clone();
        entries.insert(uid.clone(), Supervised { state, cancel, progress, reported_at });
        drop(entries);
        let (runs, uid) = (self.clone(), uid.clone());
        self.observer.run_started(self.work);
        let (revision, attempt) = started.revision();
        let span = spans::run(self.work, of, revision, attempt);
        let supervised = async move {
            let began = Instant::now();
            let report = AssertUnwindSafe(work).catch_unwind().await;
            let report = report.unwrap_or_else(|_| S::ended_by(panicked()));
            runs.show_end(&uid, &started, &report, began.elapsed());
            runs.end(&uid, report);
            ended();
        };
        self.tracker.spawn(supervised.instrument(span));
    }

    fn show_end(&self, uid: &str, started: &S, report: &S::Report, took: Duration) {
        let Summary { outcome, records, ledger_people } = started.summary(report);
        spans::ended(&Span::current(), outcome);
        let (work, at) = (self.work, self.clock.now());
        let known = work.record_outcomes();
        let records = records.into_iter().filter(|(outcome, _)| known.contains(outcome)).collect();
        let end = RunEnd { work, uid, outcome, at, took, records, ledger_people };
        self.observer.run_ended(&end);
    }

    fn end(&self, uid: &str, report: S::Report) {
        let at = self.clock.now();
        if let Some(entry) = self.entries().get_mut(uid) {
            entry.state.end(at, report);
        }
    }

    /// Asks a run to end after its requests in flight. True while it is running.
    pub(super) fn stop(&self, uid: &str) -> bool {
        let entries = self.entries();
        let running = entries.get(uid).filter(|entry| entry.state.is_running());
        if let Some(entry) = running {
            entry.cancel.cancel();
        }
        running.is_some()
    }

    /// Forgets a deleted object, and ends its run.
    pub(super) fn forget(&self, uid: &str) {
        if let Some(entry) = self.entries().remove(uid) {
            entry.cancel.cancel();
        }
    }

    /// Whether a run is in progress, or has ended and has not called `ended` yet.
    pub(super) fn is_running(&self) -> bool {
        !self.tracker.is_empty()
    }

    /// Waits until every run has ended; none may start afterwards.
    pub(super) async fn drained(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

fn panicked() -> Ending {
    Ending::Interrupted {
        disposition: Disposition::retry(Reason::InternalError),
        message: "the run panicked; this is a defect of the operator".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Report;

    fn runs() -> Runs {
        Runs::new(Work::Export, Clock::fixed(Timestamp::UNIX_EPOCH), CancellationToken::new())
    }

    /// A clock that is a second later each time it is asked.
    fn ticking() -> Clock {
        let seconds = std::sync::atomic::AtomicI64::new(0);
        let next = move || seconds.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Clock::new(move || Timestamp::from_second(next()).unwrap())
    }

    fn export() -> ObjectRef {
        let key = crate::cluster::ObjectKey::new("talent", "engineers");
        ObjectRef { kind: crate::cluster::Kind::Export, key, uid: "u1".to_owned() }
    }

    fn run(revision: &str) -> RunState {
        RunState { revision: revision.into(), ..RunState::default() }
    }

    #[tokio::test]
    async fn a_run_is_observed_stopped_and_its_end_is_reported() {
        let runs = Runs::new(Work::Export, ticking(), CancellationToken::new());
        let (report_end, end) = tokio::sync::oneshot::channel();
        runs.start(
            &export(),
            run("r1"),
            |handle| async move {
                handle.progress.send_modify(|progress| progress.counts.total = 7);
                handle.cancel.cancelled().await;
                Report { progress: handle.progress.borrow().clone(), ending: Ending::Stopped }
            },
            move || report_end.send(()).unwrap(),
        );
        while runs.state("u1").unwrap().progress.counts.total != 7 {
            tokio::task::yield_now().await;
        }
        assert!(runs.stop("u1"));
        end.await.unwrap();
        let RunPhase::Ended(ended) = runs.state("u1").unwrap().phase else { panic!("ended") };
        assert_eq!(ended.report.ending, Ending::Stopped);
        assert!(!runs.stop("u1"));
    }

    #[derive(Default)]
    struct Seen(Mutex<Vec<String>>);

    impl WorkObserver for Seen {
        fn run_started(&self, work: Work) {
            self.0.lock().unwrap().push(format!("{} started", work.as_str()));
        }

        fn run_ended(&self, end: &RunEnd<'_>) {
            let records: Vec<_> = end.records.iter().filter(|(_, count)| *count > 0).collect();
            let said = format!("{} {} {records:?}", end.work.as_str(), end.outcome.as_str());
            self.0.lock().unwrap().push(said);
        }

        fn import_compared(&self, _: u64, _: u64) {}

        fn credential_verified(&self, _: crate::controllers::VerificationOutcome) {}

        fn notified(&self, _: crate::controllers::NotificationOutcome) {}

        fn forgotten(&self, _: &str) {}
    }

    #[tokio::test]
    async fn an_observer_sees_what_became_of_the_records_of_each_run() {
        let (mut runs, seen) = (runs(), Arc::new(Seen::default()));
        runs.observe_with(seen.clone());
        let (report_end, end) = tokio::sync::oneshot::channel();
        let work = |_| async {
            let counts = crate::pipeline::Counts { created: 2, invalid: 1, ..Default::default() };
            Report {
                progress: Progress { counts, ..Progress::default() },
                ending: Ending::Completed,
            }
        };
        runs.start(&export(), run("r1"), work, move || report_end.send(()).unwrap());
        end.await.unwrap();
        let verifications: Runs = runs.of_another_kind(Work::Verification);
        let (report_end, end) = tokio::sync::oneshot::channel();
        let panics = |_| async { panic!("boom") };
        verifications.start(&export(), run("r1"), panics, move || report_end.send(()).unwrap());
        end.await.unwrap();
        let expected = [
            "export started",
            "export completed [(\"Created\", 2), (\"Rejected\", 1)]",
            "verification started",
            "verification interrupted []",
        ];
        assert_eq!(*seen.0.lock().unwrap(), expected);
    }

    #[tokio::test]
    async fn a_panicking_run_ends_as_interrupted_and_a_second_start_is_refused_while_running() {
        let runs = runs();
        let (report_end, end) = tokio::sync::oneshot::channel();
        runs.start(
            &export(),
            run("r1"),
            |_| async { panic!("boom") },
            move || report_end.send(()).unwrap(),
        );
        runs.start(&export(), run("r2"), |_| std::future::pending::<Report>(), || {});
        end.await.unwrap();
        let found = runs.state("u1").unwrap();
        assert_eq!(found.revision, "r1");
        assert!(matches!(found.phase, RunPhase::Ended(_)));
    }

    #[tokio::test]
    async fn progress_changes_every_two_seconds_however_often_it_is_read() {
        let runs = Runs::new(Work::Export, ticking(), CancellationToken::new());
        let (moved, is_moved) = tokio::sync::oneshot::channel();
        let work = |handle: RunHandle| async move {
            handle.progress.send_modify(|progress| progress.counts.total = 7);
            moved.send(()).unwrap();
            std::future::pending::<Report>().await
        };
        runs.start(&export(), run("r1"), work, || {});
        is_moved.await.unwrap();
        let seen = [(); 3].map(|()| runs.state("u1").unwrap().progress.counts.total);
        assert_eq!(seen, [0, 7, 7], "after one second, two and three");
    }
}
