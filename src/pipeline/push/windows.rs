//! Pushes what is due, window by window, a bounded number of records at a time.

use std::{collections::VecDeque, pin::pin, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    course::{Course, Undecided},
    crm::{Crm, CrmFailure},
    errored::{ATTEMPTS, PERIOD, Standing},
    feed::Feeds,
    index::PeopleIndex,
    outcome::{Outcome, Pushed},
    pusher::Pusher,
    run_ledger::RunLedger,
    suggestions::Suggested,
};
use crate::{
    domain::{Cause, ClinchId, MatchKey, Reason},
    ledger::{Keys, SegmentStore},
    pipeline::{
        ending::unread,
        mode::Mode,
        record_log::{Decided, Found, MatchedBy, MatchedPerson, RecordLog},
        report::{Ending, Progress, Rejection},
        work::Work,
    },
};

/// How long entries may wait before they are stored in the ledger.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);
/// How many records that wait for the end of a request of unknown outcome let others take their place.
const MAX_RESTING: usize = 256;

/// What pushing the windows of a run needs.
#[derive(Clone, Copy)]
pub(super) struct Pushing<'a> {
    /// The UID of the export.
    pub(super) export: &'a str,
    pub(super) keys: &'a Keys,
    pub(super) progress: &'a watch::Sender<Progress>,
    pub(super) cancel: &'a CancellationToken,
    pub(super) max_in_flight: usize,
}

impl Pushing<'_> {
    /// Pushes everything. `Ok(Some(ending))` when it ended early.
    pub(super) async fn all<C: Crm, S: SegmentStore>(
        &self,
        pusher: &Pusher<C>,
        feeds: &mut Feeds,
        run_ledger: &mut RunLedger<S>,
        log: &mut RecordLog,
    ) -> Result<Option<Ending>, CrmFailure> {
        let mut course = Course::of(self.cancel, !pusher.guard.errored.is_empty());
        let (mut flight, mut ended) = (FuturesUnordered::new(), VecDeque::new());
        let mut resting = pusher.crm.resting();
        let mut window: VecDeque<Work> = VecDeque::new();
        let mut in_order = pusher.absence_relies_on_a_list();
        let mut checkpoint = Instant::now() + CHECKPOINT_EVERY;
        loop {
            if in_order && !pusher.absence_relies_on_a_list() {
                in_order = false;
                fastrand::shuffle(window.make_contiguous());
            }
            let rest = (*resting.borrow_and_update()).min(MAX_RESTING);
            while flight.len() < course.room(self.max_in_flight, rest) {
                let Some(work) = window.pop_front() else {
                    window = course.next_window(feeds, run_ledger).await;
                    if window.is_empty() {
                        break;
                    }
                    if !in_order {
                        // Another program that pushes the same people in the same order would otherwise
                        // race with this one between look-up and create, at every single person.
                        fastrand::shuffle(window.make_contiguous());
                    }
                    if pusher.mode == Mode::Push {
                        let people = window.iter().map(|work| work.key_hash);
                        pusher.guard.directory.add(self.export, people);
                        // No record is pushed before it is declared.
                        course.unless_refused(run_ledger.declare(&window).await);
                        checkpoint = Instant::now() + CHECKPOINT_EVERY;
                    }
                    continue;
                };
                let started = Instant::now();
                flight.push(async move {
                    let pushed = pusher.push(&work).await;
                    (work, started, pushed)
                });
            }
            if ended.is_empty() {
                tokio::select! {
                    biased;
                    one = flight.next() => ended.extend(one),
                    Ok(()) = resting.changed() => continue,
                }
            }
            let Some((mut work, started, pushed)) = ended.pop_front() else { break };
            let awaits_resume = pushed.awaits_resume(work.required());
            let Pushed { result, person, steps, effect, noted } = pushed;
            if let Some(warning) = noted.warning {
                work.warning = Some(Box::new(warning));
            }
            let standing = Self::standing(pusher, &work, started, &result);
            let fails = course.fails(standing.as_ref(), &pusher.crm);
            let fails = meanwhile(fails, &mut flight, &mut ended).await;
            let result = self.judge(&work, result, standing.filter(|_| fails), log);
            if pusher.mode == Mode::Push {
                let entry = person.clone().map(|person| work.entry(person, steps, effect));
                run_ledger.note(&work, entry.as_ref(), result.is_ok());
            }
            match result {
                Ok(outcome) => {
                    course.decided();
                    let person = person.or(noted.there).map(|id| MatchedPerson {
                        by: Self::matched_by(&pusher.index, &work, &id, &outcome),
                        id,
                        changed_at: noted.changed_at,
                    });
                    let is_possible = noted.possible.is_some();
                    let found = Found {
                        changed: &noted.changed,
                        person: person.or_else(|| noted.possible.and_then(suggested)),
                        is_possible,
                        source_id: work.source_id.clone(),
                        ..Found::default()
                    };
                    self.count(&work, outcome, found, log);
                }
                Err(failure) => {
                    if awaits_resume {
                        self.progress.send_modify(|progress| progress.counts.awaiting_resume += 1);
                    }
                    let met = course.met(&work.position, failure, &pusher.crm);
                    meanwhile(met, &mut flight, &mut ended).await;
                }
            }
            if run_ledger.ledger.has_unstored() && Instant::now() >= checkpoint {
                // A ledger that cannot be written ends the run, but not the records in flight.
                course.unless_refused(run_ledger.checkpoint().await);
                checkpoint = Instant::now() + CHECKPOINT_EVERY;
            }
        }
        // These were declared and never started.
        window.iter().for_each(|work| run_ledger.undeclare(work));
        let Course { failure, undecided, fault, .. } = course;
        match failure.or_else(|| undecided.map(Undecided::into_failure)) {
            Some(failure) => Err(failure),
            None if fault.is_some() => Ok(fault.as_ref().map(unread)),
            None if self.cancel.is_cancelled() && self.progress.borrow().counts.pending() > 0 => {
                Ok(Some(Ending::Stopped))
            }
            None => Ok(None),
        }
    }

    /// Notes for the next runs how a record ended that was begun at `started`. Returns what is known of
    /// it if Clinch answered it with an error.
    fn standing<C: Crm>(
        pusher: &Pusher<C>,
        work: &Work,
        started: Instant,
        result: &Result<Outcome, CrmFailure>,
    ) -> Option<Standing> {
        let errored = &pusher.guard.errored;
        match result {
            // A plan decides nothing: what cannot be written can be read.
            Ok(_) if pusher.mode == Mode::DryRun => None,
            Ok(outcome) => {
                errored.forget(&work.key_hash);
                if matches!(outcome, Outcome::Created | Outcome::Updated) {
                    errored.note_written();
                }
                None
            }
            Err(CrmFailure::Errored { .. }) => {
                Some(errored.note(work.key_hash, work.payload, started))
            }
            Err(CrmFailure::Undecided { .. }) => {
                errored.note_undecided(work.key_hash, work.payload, started);
                None
            }
            Err(_) => None,
        }
    }

    /// The outcome of a record. `failed`: Clinch answered it with an error often enough to count as failed.
    fn judge(
        &self,
        work: &Work,
        result: Result<Outcome, CrmFailure>,
        failed: Option<Standing>,
        log: &mut RecordLog,
    ) -> Result<Outcome, CrmFailure> {
        let failure = match result {
            Ok(outcome) => return Ok(outcome),
            Err(failure) => failure,
        };
        let cause = match (&failure, failed) {
            (CrmFailure::Errored { message, .. }, Some(Standing { attempts, .. })) => {
                let message = format!("{message}, in {attempts} attempts");
                return Ok(Outcome::Rejected(Cause::new(Reason::RecordErrored, message)));
            }
            (CrmFailure::Errored { message, .. }, None) => {
                let seconds = PERIOD.as_secs();
                let tried = format!(
                    "{message}; it counts as failed after {ATTEMPTS} attempts over {seconds} s"
                );
                Cause::new(Reason::RecordErrored, tried)
            }
            (CrmFailure::Undecided { message, .. }, _) => {
                let listed = format!("{message}; the next run looks the person up again");
                Cause::new(Reason::Undecided, listed)
            }
            (CrmFailure::Later { disposition, message }, _) => {
                Cause::new(disposition.reason(), message.clone())
            }
            _ => return Err(failure),
        };
        let (record, position) = (Some(self.keys.record_id(&work.key)), work.position.clone());
        let found = Found { source_id: work.source_id.clone(), ..Found::default() };
        log.decided(work.number, &position, || record, &Decided::Pending(&cause), found);
        if !matches!(failure, CrmFailure::Later { .. }) {
            let rejection = Rejection { position, record, place: None, cause };
            self.progress.send_modify(|progress| progress.list(rejection));
        }
        Err(failure)
    }

    /// Checks the people just created, unless Clinch can no longer be used.
    pub(super) async fn examine<C: Crm>(
        &self,
        pusher: &Pusher<C>,
        suspects: Vec<MatchKey>,
        ended: &Result<Option<Ending>, CrmFailure>,
    ) {
        let usable = match ended {
            Ok(_) => !self.cancel.is_cancelled(),
            Err(
                CrmFailure::Errored { .. }
                | CrmFailure::Undecided { .. }
                | CrmFailure::Later { .. }
                | CrmFailure::Record(_)
                | CrmFailure::Gone
                | CrmFailure::Paused,
            ) => true,
            Err(CrmFailure::Withdrawn | CrmFailure::Everything { .. }) => false,
        };
        if !usable || !pusher.index.can_look_up() {
            return;
        }
        let Pusher { crm, guard, index, creations, .. } = pusher;
        let examined =
            creations.examine(crm, guard, self.keys, index.snapshot, suspects, self.max_in_flight);
        let Some(examined) = self.cancel.run_until_cancelled(examined).await else { return };
        match examined {
            Ok(doubled) => self.progress.send_modify(|progress| progress.doubled = doubled.into()),
            Err(failure) => {
                tracing::warn!(?failure, "the people just created could not be looked up again");
            }
        }
    }

    /// How it was found out who a record is in Clinch.
    fn matched_by(
        index: &PeopleIndex,
        work: &Work,
        id: &ClinchId,
        outcome: &Outcome,
    ) -> Option<MatchedBy> {
        match outcome {
            Outcome::Created => None,
            _ if work.ours.as_ref() == Some(id) || index.is_of_neighbours(&work.key_hash, id) => {
                Some(MatchedBy::Ledger)
            }
            _ => Some(MatchedBy::Email),
        }
    }

    fn count(&self, work: &Work, outcome: Outcome, found: Found<'_>, log: &mut RecordLog) {
        let warns = matches!(outcome, Outcome::Created | Outcome::Updated | Outcome::Unchanged);
        let warning = work.warning.as_deref().filter(|_| warns);
        if warns {
            self.progress.send_modify(|progress| progress.warn(work, self.keys));
        }
        let record = || Some(self.keys.record_id(&work.key));
        let position = &work.position;
        let is_possible = found.is_possible;
        let found = Found { warning, ..found };
        let mut found = Some(found);
        let mut note = |decided: &Decided<'_>| {
            let found = found.take().unwrap_or_default();
            log.decided(work.number, position, record, decided, found);
        };
        self.progress.send_modify(|progress| match outcome {
            Outcome::Created => {
                progress.counts.created += 1;
                progress.counts.possible += u64::from(is_possible);
                note(&Decided::Created);
            }
            Outcome::Updated => {
                progress.counts.updated += 1;
                note(&Decided::Updated);
            }
            Outcome::Unchanged => {
                progress.counts.unchanged += 1;
                note(&Decided::Unchanged);
            }
            Outcome::Skipped => {
                progress.counts.skipped += 1;
                note(&Decided::Skipped);
            }
            Outcome::Suppressed(why) => {
                progress.counts.suppressed += 1;
                let (position, cause) = (position.clone(), why.cause());
                note(&Decided::Suppressed(&cause));
                progress.list(Rejection { position, record: record(), place: None, cause });
            }
            Outcome::Rejected(cause) => {
                progress.counts.failed += 1;
                let position = position.clone();
                let rejection = Rejection { position, record: record(), place: None, cause };
                note(&Decided::Rejected(&rejection));
                progress.reject(rejection);
            }
        });
    }
}

/// The person who is suggested, if it is one.
fn suggested(found: Suggested) -> Option<MatchedPerson> {
    match found {
        Suggested::One(id, changed_at) => {
            Some(MatchedPerson { id, by: Some(MatchedBy::ProfileUrl), changed_at })
        }
        Suggested::Several => None,
    }
}

/// Awaits something while the records in flight continue: they may hold what it waits for.
async fn meanwhile<T, F: Future>(
    something: impl Future<Output = T>,
    flight: &mut FuturesUnordered<F>,
    ended: &mut VecDeque<F::Output>,
) -> T {
    let mut something = pin!(something);
    loop {
        tokio::select! {
            biased;
            done = &mut something => return done,
            Some(one) = flight.next() => ended.push_back(one),
        }
    }
}
