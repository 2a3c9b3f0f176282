//! A run: prepare every record, learn who is in Clinch already, push what is due with bounded
//! concurrency, and keep the ledger up to date as it goes.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures::StreamExt;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    crm::{Crm, CrmFailure, Destination, WantedDestination},
    guard::PeopleGuard,
    index::PeopleIndex,
    prepare::{Prepared, RunSpec, prepare},
    push::{Mode, Outcome, Pushed, Pusher, Work},
    report::{Ending, Progress, Rejection, Report},
};
use crate::{
    domain::{Disposition, Fence, Reason},
    ledger::{Journal, JournalError, Keys, Ledger, Opened, SegmentStore},
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
    let mut book = Book { ledger, journal };
    let Prepared { total, unchanged, rejections, work, fault } =
        prepare(&spec, &keys, &book.ledger).await;
    progress.send_modify(|progress| {
        progress.counts.total = total;
        progress.counts.unchanged = unchanged;
        progress.counts.invalid = rejections.len() as u64;
        rejections.into_iter().for_each(|rejection| progress.list(rejection));
    });
    let ending = if work.is_empty() {
        None
    } else {
        let destination = resolve(&crm, &spec.destination).await?;
        let index = learn(&crm, &work).await?;
        let pusher = Pusher {
            crm,
            guard,
            index,
            fence,
            mode: spec.mode,
            duplicates: spec.duplicates,
            destination,
        };
        let pushing = Pushing {
            keys: &keys,
            progress: &progress,
            cancel: &cancel,
            max_in_flight: max_in_flight.max(1),
        };
        let ended = pushing.all(&pusher, work, &mut book).await;
        // Whatever ended the run: what was put in place is written down.
        let sealed = book.seal(spec.mode).await;
        let ended = ended?;
        sealed?;
        ended
    };
    Ok(match (ending, fault) {
        (Some(ending), _) => ending,
        (None, Some((reason, message))) => Ending::SourceFailed { reason, message },
        (None, None) => Ending::Completed,
    })
}

async fn resolve(crm: &impl Crm, wanted: &WantedDestination) -> Result<Destination, CrmFailure> {
    match wanted {
        WantedDestination::Prospect => Ok(Destination::Prospect),
        WantedDestination::Job { .. } => crm.resolve(wanted).await,
    }
}

/// Learns who of the unknown people is in Clinch already.
async fn learn(crm: &impl Crm, work: &[Work]) -> Result<PeopleIndex, CrmFailure> {
    let unknown: HashSet<_> =
        work.iter().filter(|work| work.ours.is_none()).map(|work| work.key.clone()).collect();
    let mut index = PeopleIndex::prefetch(crm, &unknown).await?;
    match work.iter().find(|work| work.ours.is_none()) {
        // One look-up proves that the filter is honoured; else everybody has to be read.
        Some(probe) if index.filter_ignored(crm, &probe.key).await? => {
            PeopleIndex::everybody(crm, &unknown).await
        }
        _ => Ok(index),
    }
}

/// The ledger and how it is kept.
struct Book<S> {
    ledger: Ledger,
    journal: Journal<S>,
}

impl<S: SegmentStore> Book<S> {
    /// Stores what is new.
    async fn checkpoint(&mut self) -> Result<(), CrmFailure> {
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

struct Pushing<'a> {
    keys: &'a Keys,
    progress: &'a watch::Sender<Progress>,
    cancel: &'a CancellationToken,
    max_in_flight: usize,
}

impl Pushing<'_> {
    /// Pushes everything. `Ok(Some(ending))` when it ended early.
    async fn all<C: Crm, S: SegmentStore>(
        &self,
        pusher: &Pusher<C>,
        work: Vec<Work>,
        book: &mut Book<S>,
    ) -> Result<Option<Ending>, CrmFailure> {
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
        let mut in_a_row = 0_u32;
        let mut last = None;
        let mut waiting = 0_usize;
        let mut checkpoint = Instant::now() + CHECKPOINT_EVERY;
        while let Some((work, Pushed { result, person, steps })) = flight.next().await {
            if let (Some(person), Mode::Push) = (person, pusher.mode) {
                book.ledger.record(&work.entry(person, steps));
                waiting += 1;
            }
            match result {
                Ok(outcome) => {
                    in_a_row = 0;
                    self.tell(&work, outcome);
                }
                Err(CrmFailure::Everything { disposition, message }) => {
                    halt.cancel();
                    failure.get_or_insert(CrmFailure::Everything { disposition, message });
                }
                Err(CrmFailure::Withdrawn) => {
                    halt.cancel();
                    failure.get_or_insert(CrmFailure::Withdrawn);
                }
                Err(later) => {
                    in_a_row += 1;
                    last = Some(later);
                    if in_a_row >= PATIENCE {
                        halt.cancel();
                    }
                }
            }
            if waiting >= CHECKPOINT_ENTRIES || (waiting > 0 && Instant::now() >= checkpoint) {
                // A ledger that cannot be written ends the run, but not what is in flight.
                if let Err(refused) = book.checkpoint().await {
                    halt.cancel();
                    failure.get_or_insert(refused);
                }
                waiting = 0;
                checkpoint = Instant::now() + CHECKPOINT_EVERY;
            }
        }
        match failure.or(last) {
            Some(failure) => Err(failure),
            None if self.cancel.is_cancelled() && self.progress.borrow().counts.pending() > 0 => {
                Ok(Some(Ending::Stopped))
            }
            None => Ok(None),
        }
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
        // Why is told by whoever withdrew it; the run goes on once it is let.
        CrmFailure::Withdrawn => Ending::Stopped,
        CrmFailure::Gone => Ending::Interrupted {
            disposition: Disposition::retry(Reason::VendorUnavailable),
            message: "Clinch answered that what was asked for is gone".to_owned(),
        },
    }
}

fn ledger_failure(error: &JournalError) -> CrmFailure {
    CrmFailure::Everything { disposition: error.disposition(), message: error.to_string() }
}
