//! A run: open the source, find out who is in Clinch already, push what is due window by window, and
//! keep the ledger up to date. At most two windows of records are in memory: one that is pushed, and one that
//! is being read or ready; or all that is due, if it is no larger than one.

use std::{collections::HashSet, sync::Arc};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    aftermath::Creations,
    crm::{Crm, CrmFailure, Destination, unless_paused},
    elsewhere::Elsewhere,
    ending::interrupted,
    feed::Feeds,
    fetch::Fetcher,
    gate::Gate,
    guard::PeopleGuard,
    index::PeopleIndex,
    learn::{Learning, of_neighbours},
    neighbours::Neighbours,
    pusher::Pusher,
    run_ledger::RunLedger,
    suggestions::Wanted,
    survey::{Comparison, Survey},
    windows::Pushing,
};
use crate::{
    domain::{ClinchId, Disposition, Fence, MatchKey, Reason},
    ledger::{Keys, Ledger, SegmentStore, Suppressions, Table},
    pipeline::{
        ending::unread,
        mode::Mode,
        opened::Opened,
        plan_digest::PlanRecorder,
        record_log::{RecordLog, RecordReport},
        report::{Ending, LedgerTrust, Progress, Report, Suspects},
        spec::{DestinationSpec, RunSpec},
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
    /// Takes a line for each record that is decided.
    pub report: Option<Arc<dyn RecordReport>>,
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
    let RunPorts { guard, suppressions, suspects, keys, store, trust, progress, cancel, .. } =
        ports;
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
    let plan = spec.guards.records_plan(spec.mode);
    let log = RecordLog {
        plan: plan.then(|| PlanRecorder::new(spec.guards.identity)),
        report: ports.report,
        foretells: spec.mode == Mode::DryRun,
        reading: None,
    };
    let surveyed = Survey::of(spec.clone(), comparison, ledger, log, cancel.clone());
    let (mut survey, ledger, log) = surveyed.await;
    run_ledger.ledger = ledger;
    if cancel.is_cancelled() {
        return Ok(Ending::Stopped);
    }
    let wanted = Wanted::of(&ports.crm, &spec, std::mem::take(&mut survey.profiles));
    survey.progress.profiles_compared = wanted.as_ref().is_some_and(Wanted::is_empty);
    survey.progress.source = spec.source.info().cloned();
    survey.progress.ledger = ledger_info;
    progress.send_replace(survey.progress.clone());
    if let Some(empty) = survey.emptiness(&spec.guards) {
        return Ok(empty);
    }
    // A source that is cut off or damaged is not pushed in part.
    if let Some(error) = &survey.fault {
        return Ok(unread(error));
    }
    let delivery = Delivery {
        crm: ports.crm,
        guard: guard.clone(),
        suppressions,
        look_up: ports.look_up,
        export: ports.export,
        keys,
        ledger_max: ports.ledger_max,
        fence: ports.fence,
        max_in_flight: ports.max_in_flight,
        progress,
        cancel,
        spec,
        suspects: std::mem::take(&mut survey.suspects),
        wanted,
        reads_first: ledger_info.distrust.is_some(),
    };
    if survey.is_up_to_date() {
        delivery.without_work(survey, run_ledger, log).await
    } else {
        delivery.of(survey, run_ledger, log, ports.neighbours).await
    }
}

/// A run whose source was read.
struct Delivery<C> {
    crm: C,
    guard: Arc<PeopleGuard>,
    suppressions: Suppressions,
    look_up: bool,
    export: String,
    keys: Keys,
    ledger_max: Option<u64>,
    fence: Fence,
    max_in_flight: usize,
    progress: watch::Sender<Progress>,
    cancel: CancellationToken,
    spec: Arc<RunSpec<Opened>>,
    suspects: Vec<MatchKey>,
    wanted: Option<Wanted>,
    reads_first: bool,
}

impl<C: Crm> Delivery<C> {
    /// Ends a run in which no record is due.
    async fn without_work<S: SegmentStore>(
        self,
        survey: Survey,
        mut run_ledger: RunLedger<S>,
        log: RecordLog,
    ) -> Result<Ending, CrmFailure> {
        let Self { crm, guard, export, keys, max_in_flight, .. } = self;
        let Self { progress, cancel, spec, suspects, .. } = self;
        let (guards, facts) = (&spec.guards, run_ledger.ledger.facts());
        let planned = survey.progress.counts;
        let gate = Gate { guards, facts, due: 0, progress: &progress };
        if let Err(held) = gate.judge(&planned, &log) {
            return Ok(held);
        }
        let carries_out = gate.carries_out(&log);
        let creations = Creations::default();
        let examined = creations.examine(&crm, &guard, &keys, None, suspects, max_in_flight);
        let Some(doubled) = cancel.run_until_cancelled(examined).await.transpose()? else {
            return Ok(Ending::Stopped);
        };
        progress.send_modify(|progress| progress.doubled = doubled.into());
        show_plan(&progress, &log, spec.mode);
        if spec.mode == Mode::Push && survey.is_whole && !run_ledger.is_new() {
            run_ledger.note_read(planned.read);
            run_ledger.note_carried_out(carries_out, &planned);
            if run_ledger.ledger.has_unstored() {
                let was_at_rest = run_ledger.was_at_rest(&guard, &export);
                let sealed = run_ledger.seal(false).await;
                if was_at_rest {
                    run_ledger.note_at_rest(&guard, &export);
                }
                sealed?;
                progress.send_modify(|progress| run_ledger.show(&mut progress.ledger, spec.mode));
            }
        }
        Ok(Ending::Completed)
    }

    /// Pushes what is due.
    async fn of<S: SegmentStore>(
        self,
        mut survey: Survey,
        mut run_ledger: RunLedger<S>,
        mut log: RecordLog,
        neighbours: Neighbours<S>,
    ) -> Result<Ending, CrmFailure> {
        let Self { spec, keys, progress, cancel, guard, .. } = &self;
        let (export, is_push) = (self.export.clone(), spec.mode == Mode::Push);
        check_capacity(&run_ledger, &survey, self.ledger_max)?;
        let longest = self.crm.longest_request().max(self.crm.lookup_delay());
        let known = of_neighbours(&neighbours, &survey, &run_ledger.ledger, guard, longest);
        let Some(known) = cancel.run_until_cancelled(known).await.transpose()? else {
            return Ok(Ending::Stopped);
        };
        if is_push {
            run_ledger.await_earlier_requests(&self.crm, guard, &export, progress, cancel).await?;
        }
        let (look_up, profiles) = (self.look_up, self.wanted.as_ref());
        let learning = Learning { crm: &self.crm, keys, guard, look_up, profiles, progress };
        let learned = learned(&learning, spec, &survey, &run_ledger.ledger, known);
        // It only reads, and need not be finished.
        let learned = cancel.run_until_cancelled(learned).await;
        let Some((destination, index)) = learned.transpose()? else {
            return Ok(Ending::Stopped);
        };
        if index.suggestions.answers {
            progress.send_modify(|progress| progress.profiles_compared = true);
        }
        note_anonymised(&index.anonymised, &run_ledger.ledger, &self.suppressions).await?;
        // No longer needed, and the ledger grows by about as much.
        run_ledger.ledger.reuse(std::mem::take(&mut survey.people).into_table());
        let (spec, keys) = (spec.clone(), keys.clone());
        let (progress, cancel) = (progress.clone(), cancel.clone());
        let max_in_flight = self.max_in_flight.max(1);
        let elsewhere = Elsewhere::of(neighbours, &self.guard, &export, longest);
        let (mut pusher, suspects) = self.pusher(destination, index, elsewhere);
        let pushing = Pushing {
            export: &export,
            keys: &keys,
            progress: &progress,
            cancel: &cancel,
            max_in_flight,
        };
        let kept = survey.take_kept();
        let sets = [&mut survey.due, &mut survey.held_back];
        let sets = sets.map(|set| Arc::new(std::mem::take(set)));
        let due = sets.iter().map(|set| set.count() as u64).sum();
        let feeds = |kept| Feeds::of(spec.clone(), keys.clone(), sets.clone(), kept);
        let facts = run_ledger.ledger.facts();
        let gate = Gate { guards: &spec.guards, facts, due, progress: &progress };
        let mut carries_out = None;
        if is_push {
            if gate.needs_plan(&log) {
                let planned =
                    pushing.plan(&mut pusher, feeds(None), &mut run_ledger, &mut log).await?;
                if let Err(ending) = planned.and_then(|planned| gate.judge(&planned, &log)) {
                    return Ok(ending);
                }
            }
            carries_out = gate.carries_out(&log);
            if let Some(admission) = carries_out {
                run_ledger.note_admitted(admission);
            }
            log.plan = None;
            pusher.guard.at_rest.remove(&export);
            pusher.guard.directory.begin(&export, &run_ledger.ledger);
        }
        let ended = pushing.all(&pusher, &mut feeds(kept), &mut run_ledger, &mut log).await;
        let complete = matches!(ended, Ok(None));
        if complete && survey.is_whole && is_push {
            run_ledger.note_read(survey.progress.counts.read);
        }
        if complete {
            run_ledger.note_carried_out(carries_out, &progress.borrow().counts);
        }
        // Whatever ended the run, the ledger records what is in place.
        let sealed = seal(&pusher, &mut run_ledger, &export, complete).await;
        progress.send_modify(|progress| run_ledger.show(&mut progress.ledger, spec.mode));
        pushing.examine(&pusher, suspects, &ended).await;
        let ended = ended?;
        sealed?;
        if let Some(ending) = ended {
            return Ok(ending);
        }
        let planned = progress.borrow().counts;
        if !is_push && let Err(held) = gate.judge(&planned, &log) {
            return Ok(held);
        }
        show_plan(&progress, &log, spec.mode);
        Ok(Ending::Completed)
    }

    fn pusher(
        self,
        destination: Destination,
        index: PeopleIndex,
        elsewhere: Elsewhere,
    ) -> (Pusher<C>, Vec<MatchKey>) {
        let pusher = Pusher {
            updated_at: self.crm.known_attributes().updated_at,
            crm: self.crm,
            guard: self.guard,
            index,
            elsewhere,
            fence: self.fence,
            mode: self.spec.mode,
            duplicates: self.spec.duplicates,
            reads_first: self.reads_first,
            destination,
            suppressions: self.suppressions,
            renderer: self.spec.renderer.clone(),
            resume_required: self.spec.plan.requires_resume(),
            resumes: Fetcher::of(self.spec.resumes.clone(), self.cancel),
            creations: Creations::default(),
        };
        (pusher, self.suspects)
    }
}

/// Shows the plan that a dry run has made.
fn show_plan(progress: &watch::Sender<Progress>, log: &RecordLog, mode: Mode) {
    if let (Mode::DryRun, Some(plan)) = (mode, &log.plan) {
        let digest = plan.digest();
        progress.send_modify(|progress| progress.plan = Some(digest));
    }
}

/// What Clinch has already: the destination, and people.
async fn learned<C: Crm>(
    learning: &Learning<'_, C>,
    spec: &RunSpec<Opened>,
    survey: &Survey,
    ledger: &Ledger,
    of_neighbours: Table,
) -> Result<(Destination, PeopleIndex), CrmFailure> {
    let crm = learning.crm;
    let destination = unless_paused(crm, || resolve(crm, &spec.destination)).await?;
    Ok((destination, learning.people(survey, ledger, of_neighbours).await?))
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
    if let Some(until) = pusher.creations.undecidable_until() {
        pusher.guard.doubts.note_export(export, until);
    }
    let sealed = run_ledger.seal(complete).await;
    // Even if the ledger cannot be stored: every request of this run has ended, unless one timed out.
    if !pusher.creations.may_be_under_way() {
        run_ledger.note_at_rest(&pusher.guard, export);
    }
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
pub(super) async fn note_anonymised(
    anonymised: &HashSet<ClinchId>,
    ledger: &Ledger,
    suppressions: &Suppressions,
) -> Result<(), CrmFailure> {
    if anonymised.is_empty() {
        return Ok(());
    }
    let people = ledger.entries().filter(|entry| anonymised.contains(&entry.clinch_id));
    let people: Vec<_> = people.map(|entry| (entry.key, entry.clinch_id)).collect();
    Ok(suppressions.record(people).await?)
}
