//! A run: take what is prepared window by window, learn who is in Clinch already, push what is due
//! with bounded concurrency, and keep the ledger up to date as it goes.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures::StreamExt;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    crm::{Crm, CrmFailure, Destination, WantedDestination},
    guard::PeopleGuard,
    index::PeopleIndex,
    prepare::{End, Window, Windows},
    push::{Mode, Outcome, Pushed, Pusher, Work},
    report::{Ending, Progress, Rejection, Report},
    spec::RunSpec,
};
use crate::{
    domain::{Disposition, Fence, MatchKey, Reason},
    ledger::{Entry, Journal, JournalError, Keys, Ledger, Opened, SegmentStore},
};

/// How many entries may wait before they are written to the ledger.
const CHECKPOINT_ENTRIES: usize = 4096;
/// How long entries may wait before they are written to the ledger.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);
/// How many records in a row may fail for the time being before the run gives up for now.
const PATIENCE: u32 = 16;

/// What a run works with.
pub struct RunPorts<C, S> {
    /// Clinch.
    pub crm: C,
    /// Shared by the runs of one integration.
    pub guard: Arc<PeopleGuard>,
    /// The ledger keys of the export.
    pub keys: Keys,
    /// Where the ledger is kept.
    pub store: S,
    /// Whether writes may start.
    pub fence: Fence,
    /// Most records in the works at a time.
    pub max_in_flight: usize,
    /// Where progress is told.
    pub progress: watch::Sender<Progress>,
    /// Ends the run after its requests in flight.
    pub cancel: CancellationToken,
}

/// Runs to an end. Never fails: every failure is an ending.
pub async fn run<C: Crm, S: SegmentStore>(spec: RunSpec, ports: RunPorts<C, S>) -> Report {
    let progress = ports.progress.clone();
    let ending = match attempt(spec, ports).await {
        Ok(ending) => ending,
        Err(failure) => interrupted(failure),
    };
    Report { progress: progress.borrow().clone(), ending }
}

async fn attempt<C: Crm, S: SegmentStore>(
    spec: RunSpec,
    ports: RunPorts<C, S>,
) -> Result<Ending, CrmFailure> {
    let RunPorts { crm, guard, keys, store, fence, max_in_flight, progress, cancel } = ports;
    let _member = guard.join();
    let Opened { ledger, journal, ignored } =
        Journal::open(store, keys.clone()).await.map_err(|error| ledger_failure(&error))?;
    for (seq, fault) in ignored {
        // Not an error: what the segment knew is checked in Clinch again.
        tracing::warn!(seq, %fault, "a ledger segment cannot be used");
    }
    let mut book = Book { ledger, journal, waiting: 0, due: Instant::now() + CHECKPOINT_EVERY };
    let spec = Arc::new(spec);
    let mut pushing = Pushing {
        crm: Arc::new(crm),
        guard,
        index: PeopleIndex::default(),
        fence,
        spec: &spec,
        keys: &keys,
        progress: &progress,
        cancel: &cancel,
        max_in_flight: max_in_flight.max(1),
        destination: None,
        in_a_row: 0,
        last: None,
    };
    let ended = pushing.all(Windows::of(spec.clone(), keys.clone()), &mut book).await;
    // Whatever ended the run: what was put in place is written down.
    let sealed = book.seal(spec.mode).await;
    let ended = ended?;
    sealed?;
    Ok(ended)
}

/// The ledger and how it is kept.
struct Book<S> {
    ledger: Ledger,
    journal: Journal<S>,
    /// Entries that are not stored yet.
    waiting: usize,
    /// When they have waited long enough.
    due: Instant,
}

impl<S: SegmentStore> Book<S> {
    fn record(&mut self, entry: &Entry) {
        self.ledger.record(entry);
        self.waiting += 1;
    }

    fn checkpoint_due(&self) -> bool {
        self.waiting >= CHECKPOINT_ENTRIES || (self.waiting > 0 && Instant::now() >= self.due)
    }

    /// Stores what is new.
    async fn checkpoint(&mut self) -> Result<(), CrmFailure> {
        self.waiting = 0;
        self.due = Instant::now() + CHECKPOINT_EVERY;
        self.journal.queue_changes(&mut self.ledger);
        self.journal.flush().await.map_err(|error| ledger_failure(&error))
    }

    /// Stores what is new and tidies up.
    async fn seal(&mut self, mode: Mode) -> Result<(), CrmFailure> {
        if mode == Mode::DryRun {
            return Ok(());
        }
        self.checkpoint().await?;
        if self.journal.compaction_due(self.ledger.len()) {
            self.journal.queue_base(&mut self.ledger);
            self.journal.flush().await.map_err(|error| ledger_failure(&error))?;
        }
        if let Err(error) = self.journal.sweep().await {
            // Harmless: what is left over is overruled, and swept another time.
            tracing::warn!(%error, "old ledger segments were not deleted");
        }
        Ok(())
    }
}

/// The second half of a run: window by window, learn who is there and push what is due.
struct Pushing<'a, C> {
    crm: Arc<C>,
    guard: Arc<PeopleGuard>,
    index: PeopleIndex,
    fence: Fence,
    spec: &'a RunSpec,
    keys: &'a Keys,
    progress: &'a watch::Sender<Progress>,
    cancel: &'a CancellationToken,
    max_in_flight: usize,
    /// Where people go, once Clinch was asked.
    destination: Option<Destination>,
    /// Records that failed for the time being since the last one that did not.
    in_a_row: u32,
    /// The latest failure of a record that may be delivered later.
    last: Option<CrmFailure>,
}

impl<C: Crm> Pushing<'_, C> {
    async fn all<S: SegmentStore>(
        &mut self,
        mut windows: Windows,
        book: &mut Book<S>,
    ) -> Result<Ending, CrmFailure> {
        loop {
            let mut window = tokio::select! {
                biased;
                window = windows.next() => window,
                () = self.cancel.cancelled() => return Ok(Ending::Stopped),
            };
            let work = self.take(&mut window, &book.ledger);
            if !work.is_empty() {
                self.window(work, window.end.is_none(), book).await?;
            }
            if self.cancel.is_cancelled() && self.progress.borrow().counts.pending() > 0 {
                return self.last.take().map_or(Ok(Ending::Stopped), Err);
            }
            if let Some(end) = window.end {
                return match (self.last.take(), end) {
                    (Some(failure), _) => Err(failure),
                    (None, End::Whole) => Ok(Ending::Completed),
                    (None, End::Fault(reason, message)) => {
                        Ok(Ending::SourceFailed { reason, message })
                    }
                };
            }
        }
    }

    /// Compares with the ledger, and tells what needs no request. What is left is to be pushed.
    fn take(&self, window: &mut Window, ledger: &Ledger) -> Vec<Work> {
        let mut work = std::mem::take(&mut window.work);
        let before = work.len();
        work.retain_mut(|work| !work.known_as_done(ledger));
        let unchanged = window.repeated + (before - work.len()) as u64;
        self.progress.send_modify(|progress| {
            progress.counts.total += window.total;
            progress.counts.unchanged += unchanged;
            progress.counts.invalid += window.rejections.len() as u64;
            progress.share = window.share.filter(|_| window.end.is_none());
            window.rejections.drain(..).for_each(|rejection| progress.list(rejection));
        });
        work
    }

    async fn window<S: SegmentStore>(
        &mut self,
        work: Vec<Work>,
        more: bool,
        book: &mut Book<S>,
    ) -> Result<(), CrmFailure> {
        let destination = match &self.destination {
            Some(known) => known.clone(),
            None => self.destination.insert(self.resolve().await?).clone(),
        };
        let unknown: HashSet<MatchKey> =
            work.iter().filter(|work| work.ours.is_none()).map(|work| work.key.clone()).collect();
        self.index.learn(&*self.crm, &unknown, more).await?;
        let pusher = Pusher {
            crm: self.crm.clone(),
            guard: self.guard.clone(),
            index: std::mem::take(&mut self.index),
            fence: self.fence.clone(),
            mode: self.spec.mode,
            duplicates: self.spec.duplicates,
            destination,
        };
        let pushed = self.push(&pusher, work, book).await;
        self.index = pusher.index;
        self.index.release(&unknown);
        pushed
    }

    async fn resolve(&self) -> Result<Destination, CrmFailure> {
        match &self.spec.destination {
            WantedDestination::Prospect => Ok(Destination::Prospect),
            wanted @ WantedDestination::Job { .. } => self.crm.resolve(wanted).await,
        }
    }

    /// Pushes a window.
    async fn push<S: SegmentStore>(
        &mut self,
        pusher: &Pusher<C>,
        work: Vec<Work>,
        book: &mut Book<S>,
    ) -> Result<(), CrmFailure> {
        // Cancelled on the first failure that concerns everything; feeding ends, flight goes on.
        let halt = self.cancel.child_token();
        let fed = futures::stream::iter(work).take_until(halt.cancelled());
        let mut flight = std::pin::pin!(
            fed.map(|work| async move {
                let pushed = pusher.push(&work).await;
                (work, pushed)
            })
            .buffer_unordered(self.max_in_flight)
        );
        let mut failure = None;
        while let Some((work, Pushed { result, person, steps })) = flight.next().await {
            if let (Some(person), Mode::Push) = (person, pusher.mode) {
                book.record(&work.entry(person, steps));
            }
            match result {
                Ok(outcome) => {
                    self.in_a_row = 0;
                    self.tell(&work, outcome);
                }
                Err(CrmFailure::Everything { disposition, message }) => {
                    halt.cancel();
                    failure.get_or_insert(CrmFailure::Everything { disposition, message });
                }
                Err(later) => {
                    self.in_a_row += 1;
                    self.last = Some(later);
                    if self.in_a_row >= PATIENCE {
                        halt.cancel();
                    }
                }
            }
            if book.checkpoint_due() {
                // A ledger that cannot be written ends the run, but not what is in flight.
                if let Err(refused) = book.checkpoint().await {
                    halt.cancel();
                    failure.get_or_insert(refused);
                }
            }
        }
        if self.in_a_row >= PATIENCE {
            failure = failure.or(self.last.take());
        }
        failure.map_or(Ok(()), Err)
    }

    fn tell(&self, work: &Work, outcome: Outcome) {
        self.progress.send_modify(|progress| match outcome {
            Outcome::Created => progress.counts.created += 1,
            Outcome::Updated => progress.counts.updated += 1,
            Outcome::Unchanged => progress.counts.unchanged += 1,
            Outcome::Skipped => progress.counts.skipped += 1,
            Outcome::Rejected { reason, message } => {
                progress.counts.failed += 1;
                let record = Some(self.keys.record_id(&work.key));
                let position = work.position.clone();
                progress.list(Rejection { position, record, reason, message });
            }
        });
    }
}

fn interrupted(failure: CrmFailure) -> Ending {
    match failure {
        CrmFailure::Later { disposition, message }
        | CrmFailure::Everything { disposition, message } => {
            Ending::Interrupted { disposition, message }
        }
        CrmFailure::Record { reason, message } => {
            Ending::Interrupted { disposition: Disposition::Stalled { reason }, message }
        }
        CrmFailure::Gone => Ending::Interrupted {
            disposition: Disposition::retry(Reason::VendorUnavailable),
            message: "Clinch answered that what was asked for is gone".to_owned(),
        },
    }
}

fn ledger_failure(error: &JournalError) -> CrmFailure {
    CrmFailure::Everything { disposition: error.disposition(), message: error.to_string() }
}
