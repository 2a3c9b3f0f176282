//! A run: look at the source, learn who is in Clinch already, push what is due with bounded
//! concurrency, window by window, and keep the ledger up to date as it goes. Of the records no
//! more than a window is in memory.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    aftermath::Creations,
    book::Book,
    crm::{Crm, CrmFailure, Destination, WantedDestination},
    feed::Feed,
    guard::PeopleGuard,
    index::{PeopleIndex, Wanted},
    neighbours::Neighbours,
    prepare::RunSpec,
    push::{Mode, Outcome, Pushed, Pusher, Work, unrecorded},
    report::{Ending, Progress, Rejection, Report, Suspects},
    survey::{Against, People, Survey},
};
use crate::{
    domain::{Disposition, Fence, MatchKey, Reason},
    ledger::{KeyHash, Keys, Ledger, SegmentStore, Suppressions},
    source::SourceError,
};

/// How long entries may wait before they are written to the ledger.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);
/// How many records in a row may fail for the time being before the run gives up for now.
const PATIENCE: u32 = 16;

/// What a run works with.
pub struct RunPorts<C, S> {
    /// Clinch.
    pub crm: C,
    /// Shared by the runs of one account.
    pub guard: Arc<PeopleGuard>,
    /// Who must not be written to this account.
    pub suppressions: Suppressions,
    /// Whether everybody is looked up before they are created, whatever a list says.
    pub look_up: bool,
    /// UID of the export.
    pub export: String,
    /// The ledgers of the account's other exports.
    pub neighbours: Neighbours<S>,
    /// People of whom Clinch had more than one when they were last looked up.
    pub suspects: Suspects,
    /// The ledger keys of the export.
    pub keys: Keys,
    /// Where the ledger is kept.
    pub store: S,
    /// The most people that this store is to hold, if it has a limit.
    pub ledger_max: Option<u64>,
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
    // It is large, and its callers hold it inside of theirs.
    let ending = match Box::pin(attempt(spec, ports)).await {
        Ok(ending) => ending,
        Err(failure) => interrupted(failure),
    };
    Report { progress: progress.borrow().clone(), ending }
}

async fn attempt<C: Crm, S: SegmentStore>(
    mut spec: RunSpec,
    ports: RunPorts<C, S>,
) -> Result<Ending, CrmFailure> {
    let RunPorts {
        crm,
        guard,
        suppressions,
        look_up,
        export,
        neighbours,
        suspects,
        keys,
        store,
        ledger_max,
        fence,
        max_in_flight,
        progress,
        cancel,
    } = ports;
    let looking = tokio::select! {
        looking = spec.source.look() => looking,
        // A server that does not answer keeps nobody who is told to end.
        () = cancel.cancelled() => return Ok(Ending::Stopped),
    };
    let looked = match looking {
        Ok(Some((source, looked))) => {
            spec.source = source;
            looked
        }
        Ok(None) => return Ok(Ending::SourceUnchanged),
        Err(error) => return Ok(unread(&error)),
    };
    let _member = guard.join();
    suppressions.flush().await.map_err(|error| unrecorded(&error))?;
    let mut book = Book::open(store, keys.clone()).await?;
    let spec = Arc::new(spec);
    let against = Against { keys: keys.clone(), suppressions: suppressions.clone(), suspects };
    let ledger = std::mem::take(&mut book.ledger);
    let (mut survey, ledger) = Survey::of(spec.clone(), against, ledger, cancel.clone()).await;
    book.ledger = ledger;
    if cancel.is_cancelled() {
        return Ok(Ending::Stopped);
    }
    survey.progress.source = looked;
    progress.send_replace(survey.progress.clone());
    let suspects = std::mem::take(&mut survey.suspects);
    let ending = if survey.due.count() == 0 {
        let creations = Creations::default();
        let doubled = creations.examine(&crm, &guard, &keys, None, suspects, max_in_flight).await?;
        progress.send_modify(|progress| progress.doubled = doubled.into());
        None
    } else {
        if spec.mode == Mode::Push {
            check_room(&book, &survey, ledger_max)?;
            let ended = guard.at_rest.has(&export);
            book.await_the_past(&crm, ended, &cancel).await;
            if cancel.is_cancelled() {
                return Ok(Ending::Stopped);
            }
        }
        let destination = resolve(&crm, &spec.destination).await?;
        let learning = Learning { crm: &crm, keys: &keys, guard: &guard, look_up };
        let index = learning.people(&survey, &book.ledger, neighbours).await?;
        note_anonymised(&index, &book.ledger, &suppressions).await?;
        // Who is named where is not asked any more: that room is the ledger's now.
        survey.people = People::default();
        let pusher = Pusher {
            crm,
            guard,
            index,
            fence,
            mode: spec.mode,
            duplicates: spec.duplicates,
            destination,
            suppressions,
            creations: Creations::default(),
        };
        let pushing = Pushing {
            keys: &keys,
            progress: &progress,
            cancel: &cancel,
            max_in_flight: max_in_flight.max(1),
        };
        if spec.mode == Mode::Push {
            pusher.guard.at_rest.end(&export);
            pusher.guard.directory.forget(&export);
        }
        let mut feed = Feed::of(spec.clone(), keys.clone(), survey.due);
        let ended = pushing.all(&pusher, &mut feed, &mut book).await;
        let through = matches!(ended, Ok(None)) && survey.fault.is_none();
        // Whatever ended the run: what was put in place is written down.
        let sealed = seal(&pusher, &mut book, &export, through).await;
        pushing.examine(&pusher, suspects, &ended).await;
        let ended = ended?;
        sealed?;
        ended
    };
    Ok(match (ending, survey.fault) {
        (Some(ending), _) => ending,
        (None, Some(error)) => unread(&error),
        (None, None) => Ending::Completed,
    })
}

/// Writes down what a push has put in place, and what is known of its people from now on.
async fn seal<C, S: SegmentStore>(
    pusher: &Pusher<C>,
    book: &mut Book<S>,
    export: &str,
    through: bool,
) -> Result<(), CrmFailure> {
    if pusher.mode == Mode::DryRun {
        return Ok(());
    }
    // Whatever becomes of the ledger: every request of this run has ended, unless nobody waited for
    // its end.
    if !pusher.creations.may_be_under_way() {
        pusher.guard.at_rest.note(export);
    }
    let sealed = book.seal(through).await;
    pusher.guard.directory.note(export, &book.ledger);
    sealed
}

/// Refuses to begin what the ledger could not hold.
fn check_room<S: SegmentStore>(
    book: &Book<S>,
    survey: &Survey,
    max: Option<u64>,
) -> Result<(), CrmFailure> {
    let people = book.ledger.len() as u64 + survey.unknown;
    match max {
        Some(max) if people > max => Err(CrmFailure::Everything {
            disposition: Disposition::Stalled { reason: Reason::LedgerTooLarge },
            message: format!(
                "a ledger of {people} people is too large for etcd, where {max} are allowed: set \
                 the operator's --ledger-url to keep ledgers in an object store"
            ),
        }),
        _ => Ok(()),
    }
}

async fn resolve(crm: &impl Crm, wanted: &WantedDestination) -> Result<Destination, CrmFailure> {
    match wanted {
        WantedDestination::Prospect => Ok(Destination::Prospect),
        WantedDestination::Job { .. } => crm.resolve(wanted).await,
    }
}

/// What is needed to learn who of the unknown people is in Clinch already.
struct Learning<'a, C> {
    crm: &'a C,
    keys: &'a Keys,
    guard: &'a PeopleGuard,
    look_up: bool,
}

impl<C: Crm> Learning<'_, C> {
    async fn people<S: SegmentStore>(
        &self,
        survey: &Survey,
        ledger: &Ledger,
        neighbours: Neighbours<S>,
    ) -> Result<PeopleIndex, CrmFailure> {
        if survey.unknown == 0 {
            return Ok(PeopleIndex::default());
        }
        let includes = |key: &KeyHash| survey.people.includes(key) && !ledger.knows(key);
        let wanted = Wanted {
            keys: self.keys,
            includes: &includes,
            count: survey.unknown,
            sample: &survey.sample,
            look_up: self.look_up,
        };
        let mut index = PeopleIndex::learn(self.crm, self.guard, &wanted).await?;
        let neighbours = neighbours().await.map_err(|message| CrmFailure::Everything {
            disposition: Disposition::retry(Reason::InternalError),
            message,
        })?;
        if !neighbours.is_empty() {
            let unknown: Vec<KeyHash> =
                survey.people.hashes().filter(|hash| !ledger.knows(hash)).collect();
            index.elsewhere = self.guard.directory.find(neighbours, &unknown).await?;
        }
        Ok(index)
    }
}

/// Records people of this export's ledger whom the candidate list shows as anonymised: also those
/// whom the source does not name any more.
async fn note_anonymised(
    index: &PeopleIndex,
    ledger: &Ledger,
    suppressions: &Suppressions,
) -> Result<(), CrmFailure> {
    if index.anonymised.is_empty() {
        return Ok(());
    }
    let people = ledger.entries().filter(|entry| index.anonymised.contains(&entry.clinch_id));
    let people: Vec<_> = people.map(|entry| (entry.key, entry.clinch_id)).collect();
    suppressions.record(people).await.map_err(|error| unrecorded(&error))
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
        feed: &mut Feed,
        book: &mut Book<S>,
    ) -> Result<Option<Ending>, CrmFailure> {
        // Cancelled on the first failure that concerns everything; feeding ends, flight goes on.
        let halt = self.cancel.child_token();
        let mut flight = FuturesUnordered::new();
        let mut window: VecDeque<Work> = VecDeque::new();
        let (mut failure, mut fault) = (None, None);
        let mut in_a_row = 0_u32;
        let mut last = None;
        let mut in_order = pusher.absence_rests_on_a_list();
        let mut checkpoint = Instant::now() + CHECKPOINT_EVERY;
        loop {
            if in_order && !pusher.absence_rests_on_a_list() {
                in_order = false;
                fastrand::shuffle(window.make_contiguous());
            }
            while flight.len() < self.max_in_flight && !halt.is_cancelled() {
                let Some(work) = window.pop_front() else {
                    window = match feed.window(book).await {
                        Ok(window) => window,
                        Err(error) => {
                            fault = Some(error);
                            VecDeque::new()
                        }
                    };
                    if window.is_empty() {
                        break;
                    }
                    if !in_order {
                        // Another program that works through the same people in the same order would
                        // meet this one at every single person, between look-up and create.
                        fastrand::shuffle(window.make_contiguous());
                    }
                    if pusher.mode == Mode::Push {
                        // Nobody is pushed whose push was not declared.
                        if let Err(refused) = book.declare(&window).await {
                            halt.cancel();
                            failure.get_or_insert(refused);
                        }
                        checkpoint = Instant::now() + CHECKPOINT_EVERY;
                    }
                    continue;
                };
                flight.push(async move {
                    let pushed = pusher.push(&work).await;
                    (work, pushed)
                });
            }
            let Some((work, Pushed { result, person, steps })) = flight.next().await else { break };
            if pusher.mode == Mode::Push {
                let entry = person.map(|person| work.entry(person, steps));
                book.note(&work, entry.as_ref(), result.is_ok());
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
            if book.ledger.has_unstored() && Instant::now() >= checkpoint {
                // A ledger that cannot be written ends the run, but not what is in flight.
                if let Err(refused) = book.checkpoint().await {
                    halt.cancel();
                    failure.get_or_insert(refused);
                }
                checkpoint = Instant::now() + CHECKPOINT_EVERY;
            }
        }
        // Theirs has not begun after all.
        window.iter().for_each(|work| book.withdraw(work));
        match failure.or(last) {
            Some(failure) => Err(failure),
            None if fault.is_some() => Ok(fault.as_ref().map(unread)),
            None if self.cancel.is_cancelled() && self.progress.borrow().counts.pending() > 0 => {
                Ok(Some(Ending::Stopped))
            }
            None => Ok(None),
        }
    }

    /// Looks at what was created, unless Clinch cannot be asked any more.
    async fn examine<C: Crm>(
        &self,
        pusher: &Pusher<C>,
        suspects: Vec<MatchKey>,
        ended: &Result<Option<Ending>, CrmFailure>,
    ) {
        let asks = match ended {
            Ok(_) => !self.cancel.is_cancelled(),
            Err(CrmFailure::Later { .. } | CrmFailure::Record { .. } | CrmFailure::Gone) => true,
            Err(CrmFailure::Withdrawn | CrmFailure::Everything { .. }) => false,
        };
        if !asks || !pusher.index.can_look_up() {
            return;
        }
        let Pusher { crm, guard, index, creations, .. } = pusher;
        let examined =
            creations.examine(crm, guard, self.keys, index.picture, suspects, self.max_in_flight);
        match examined.await {
            Ok(doubled) => self.progress.send_modify(|progress| progress.doubled = doubled.into()),
            Err(failure) => {
                tracing::warn!(?failure, "people just created could not be looked up once more");
            }
        }
    }

    fn tell(&self, work: &Work, outcome: Outcome) {
        self.progress.send_modify(|progress| match outcome {
            Outcome::Created => progress.counts.created += 1,
            Outcome::Updated => progress.counts.updated += 1,
            Outcome::Unchanged => progress.counts.unchanged += 1,
            Outcome::Skipped => progress.counts.skipped += 1,
            Outcome::Suppressed(why) => {
                progress.counts.suppressed += 1;
                let record = Some(self.keys.record_id(&work.key));
                let (position, message) = (work.position.clone(), why.message().to_owned());
                progress.list(Rejection { position, record, reason: why.reason(), message });
            }
            Outcome::Rejected { reason, message } => {
                progress.counts.failed += 1;
                let record = Some(self.keys.record_id(&work.key));
                let position = work.position.clone();
                progress.list(Rejection { position, record, reason, message });
            }
        });
    }
}

/// The ending of a run whose source cannot be read, or not to its end.
fn unread(error: &SourceError) -> Ending {
    let (disposition, message) = (error.disposition(), error.to_string());
    match disposition {
        Disposition::Stalled { reason } => Ending::SourceFailed { reason, message },
        Disposition::Retry { .. } | Disposition::Wait { .. } => {
            Ending::Interrupted { disposition, message }
        }
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
