//! A run: open the source, find out who is in Clinch already, push what is due window by window, and
//! keep the ledger up to date. At most one window of records is in memory.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    aftermath::Creations,
    crm::{Crm, CrmFailure, Destination},
    ending::{interrupted, unread},
    feed::Feeds,
    guard::PeopleGuard,
    index::PeopleIndex,
    learn::Learning,
    neighbours::Neighbours,
    pusher::Pusher,
    run_ledger::RunLedger,
    source_people::SourcePeople,
    survey::{Comparison, Survey},
    windows::Pushing,
};
use crate::{
    domain::{Disposition, Fence, Reason},
    ledger::{Keys, Ledger, SegmentStore, Suppressions},
    pipeline::{
        opened::Opened,
        report::{Ending, LedgerTrust, Progress, Report, Suspects},
        spec::{DestinationSpec, Mode, RunSpec},
    },
};

/// What a run needs besides its spec.
pub struct RunPorts<C, S> {
    /// Clinch.
    pub crm: C,
    /// Shared by the runs of one account.
    pub guard: Arc<PeopleGuard>,
    /// The people who must not be written to this account.
    pub suppressions: Suppressions,
    /// Whether everybody is looked up before they are created, whatever the list shows.
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
    /// Whether what it says is believed.
    pub trust: LedgerTrust,
    /// Maximum number of people in this store, if it has a limit.
    pub ledger_max: Option<u64>,
    /// Whether writes may start.
    pub fence: Fence,
    /// Maximum number of records in flight.
    pub max_in_flight: usize,
    /// Where progress is reported.
    pub progress: watch::Sender<Progress>,
    /// Ends the run once its records in flight are finished.
    pub cancel: CancellationToken,
}

/// Runs until an ending. Never fails: every failure is an ending.
pub async fn run<C: Crm, S: SegmentStore>(spec: RunSpec, ports: RunPorts<C, S>) -> Report {
    let progress = ports.progress.clone();
    // Boxed: the future is large and part of its callers' futures.
    let ending = match Box::pin(attempt(spec, ports)).await {
        Ok(ending) => ending,
        Err(failure) => interrupted(failure),
    };
    Report { progress: progress.borrow().clone(), ending }
}

async fn attempt<C: Crm, S: SegmentStore>(
    spec: RunSpec,
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
        trust,
        ledger_max,
        fence,
        max_in_flight,
        progress,
        cancel,
    } = ports;
    // Cancellation must not wait for an unresponsive server.
    let spec = match cancel.run_until_cancelled(spec.open()).await {
        Some(Ok(Some(spec))) => Arc::new(spec),
        Some(Ok(None)) => return Ok(Ending::SourceUnchanged),
        Some(Err(error)) => return Ok(unread(&error)),
        None => return Ok(Ending::Stopped),
    };
    let _member = guard.join();
    suppressions.flush().await?;
    let mut run_ledger = RunLedger::open(store, keys.clone()).await?;
    let ledger_info = run_ledger.distrust(trust, spec.mode).await?;
    let comparison = Comparison::of(&keys, &suppressions, suspects, &guard);
    let ledger = std::mem::take(&mut run_ledger.ledger);
    let (mut survey, ledger) = Survey::of(spec.clone(), comparison, ledger, cancel.clone()).await;
    run_ledger.ledger = ledger;
    if cancel.is_cancelled() {
        return Ok(Ending::Stopped);
    }
    survey.progress.source = spec.source.info().cloned();
    survey.progress.ledger = ledger_info;
    progress.send_replace(survey.progress.clone());
    // A source that is cut off or damaged is not pushed in part.
    if let Some(error) = &survey.fault {
        return Ok(unread(error));
    }
    let suspects = std::mem::take(&mut survey.suspects);
    let ending = if survey.is_up_to_date() {
        let creations = Creations::default();
        let examined = creations.examine(&crm, &guard, &keys, None, suspects, max_in_flight);
        let Some(doubled) = cancel.run_until_cancelled(examined).await.transpose()? else {
            return Ok(Ending::Stopped);
        };
        progress.send_modify(|progress| progress.doubled = doubled.into());
        None
    } else {
        check_capacity(&run_ledger, &survey, ledger_max)?;
        if spec.mode == Mode::Push {
            run_ledger.await_earlier_requests(&crm, guard.at_rest.contains(&export), &cancel).await;
        }
        let learning =
            Learning { crm: &crm, keys: &keys, guard: &guard, look_up, progress: &progress };
        let learned = learned(&learning, &spec, &survey, &run_ledger.ledger, neighbours);
        // It only reads, and need not be finished.
        let learned = cancel.run_until_cancelled(learned).await;
        let Some((destination, index)) = learned.transpose()? else {
            return Ok(Ending::Stopped);
        };
        note_anonymised(&index, &run_ledger.ledger, &suppressions).await?;
        // No longer needed: free the memory for the ledger.
        survey.people = SourcePeople::default();
        let pusher = Pusher {
            crm,
            guard,
            index,
            fence,
            mode: spec.mode,
            duplicates: spec.duplicates,
            reads_first: ledger_info.distrust.is_some(),
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
            pusher.guard.at_rest.remove(&export);
            pusher.guard.directory.forget(&export);
        }
        let sets = [survey.due, survey.held_back];
        let mut feeds = Feeds::of(spec.clone(), keys.clone(), sets);
        let ended = pushing.all(&pusher, &mut feeds, &mut run_ledger).await;
        let complete = matches!(ended, Ok(None));
        // Whatever ended the run, the ledger records what is in place.
        let sealed = seal(&pusher, &mut run_ledger, &export, complete).await;
        progress.send_modify(|progress| progress.ledger.end = run_ledger.end(spec.mode));
        pushing.examine(&pusher, suspects, &ended).await;
        let ended = ended?;
        sealed?;
        ended
    };
    Ok(ending.unwrap_or(Ending::Completed))
}

/// What Clinch has already: the destination, and people.
async fn learned<C: Crm, S: SegmentStore>(
    learning: &Learning<'_, C>,
    spec: &RunSpec<Opened>,
    survey: &Survey,
    ledger: &Ledger,
    neighbours: Neighbours<S>,
) -> Result<(Destination, PeopleIndex), CrmFailure> {
    let destination = resolve(learning.crm, &spec.destination).await?;
    Ok((destination, learning.people(survey, ledger, neighbours).await?))
}

/// Stores what a push has put in place, and notes its people for the other exports.
async fn seal<C, S: SegmentStore>(
    pusher: &Pusher<C>,
    run_ledger: &mut RunLedger<S>,
    export: &str,
    complete: bool,
) -> Result<(), CrmFailure> {
    if pusher.mode == Mode::DryRun {
        return Ok(());
    }
    // Even if the ledger cannot be stored: every request of this run has ended, unless one timed out.
    if !pusher.creations.may_be_under_way() {
        pusher.guard.at_rest.insert(export);
    }
    let sealed = run_ledger.seal(complete).await;
    pusher.guard.directory.note(export, &run_ledger.ledger);
    sealed
}

/// Refuses to start a push, or a dry run of it, whose ledger would become too large.
fn check_capacity<S: SegmentStore>(
    run_ledger: &RunLedger<S>,
    survey: &Survey,
    max: Option<u64>,
) -> Result<(), CrmFailure> {
    let people = run_ledger.ledger.len() as u64 + survey.unknown;
    match max {
        Some(max) if people > max => Err(CrmFailure::Everything {
            disposition: Disposition::Stalled { reason: Reason::LedgerTooLarge },
            message: format!(
                "a ledger of {people} people is too large for etcd, which may hold {max}: set the \
                 operator's --ledger-url to keep ledgers in an object store"
            ),
        }),
        _ => Ok(()),
    }
}

async fn resolve(crm: &impl Crm, spec: &DestinationSpec) -> Result<Destination, CrmFailure> {
    match spec {
        DestinationSpec::Prospect => Ok(Destination::Prospect),
        DestinationSpec::Job { .. } => crm.resolve(spec).await,
    }
}

/// Records people of this export's ledger whom the candidate list shows as anonymised, even those whom
/// the source no longer names.
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
    Ok(suppressions.record(people).await?)
}
