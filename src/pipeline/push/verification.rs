//! The people of a verification, one record at a time: a bounded number of them is looked at, or
//! written, at the same time. Makes requests through the port.

use std::{collections::VecDeque, sync::Arc};

use futures::{StreamExt as _, stream::FuturesUnordered};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    course::Course,
    crm::{Crm, CrmFailure},
    feed::Feeds,
    run_ledger::RunLedger,
    verifier::{Found, Task, Verifier},
};
use crate::{
    ledger::{Keys, SegmentStore},
    pipeline::{
        drift::{Difference, Drift, DriftKind},
        ending::unread,
        opened::Opened,
        record_set::RecordSet,
        report::{Ending, Progress},
        spec::RunSpec,
        work::Work,
    },
};

/// A verification whose source was read.
pub(super) struct Verification<C> {
    pub(super) verifier: Verifier<C>,
    pub(super) spec: Arc<RunSpec<Opened>>,
    pub(super) keys: Keys,
    pub(super) export: String,
    pub(super) max_in_flight: usize,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) cancel: CancellationToken,
}

impl<C: Crm> Verification<C> {
    /// Changes what is reported.
    pub(super) fn drift(&self, edit: impl FnOnce(&mut Drift)) {
        self.progress.send_modify(|progress| edit(Arc::make_mut(&mut progress.drift)));
    }

    /// Does a task for each record of a set. Returns the records that differ in their attributes, or how
    /// it ended early.
    pub(super) async fn each<S: SegmentStore>(
        &self,
        task: Task,
        records: RecordSet,
        run_ledger: &mut RunLedger<S>,
    ) -> Result<Result<RecordSet, Ending>, CrmFailure> {
        let sets = [records, RecordSet::default()].map(Arc::new);
        let mut feeds = Feeds::of(self.spec.clone(), self.keys.clone(), sets, None);
        let mut course = Course::of(&self.cancel, false);
        let mut flight = FuturesUnordered::new();
        let mut window: VecDeque<Work> = VecDeque::new();
        let mut differing = Vec::new();
        loop {
            while flight.len() < course.room(self.max_in_flight, 0) {
                let Some(work) = window.pop_front() else {
                    window = course.next_window(&mut feeds, run_ledger).await;
                    if window.is_empty() {
                        break;
                    }
                    for work in &mut window {
                        work.ours = run_ledger.ledger.id(&work.key_hash);
                    }
                    if task == Task::Correct {
                        // No person is written before they are declared.
                        course.unless_refused(run_ledger.declare(&window).await);
                    }
                    continue;
                };
                flight.push(async move {
                    let found = self.verifier.take(task, &work).await;
                    (work, found)
                });
            }
            let Some((work, found)) = flight.next().await else { break };
            match found {
                Ok(found) => {
                    course.decided();
                    if task == Task::Correct {
                        let entry = match &found {
                            Found::Corrected(entry) => Some(entry),
                            Found::Same | Found::Differs(..) => None,
                        };
                        run_ledger.note(&work, entry, true);
                    }
                    if self.note(task, &work, found) {
                        differing.push(work.number);
                    }
                }
                Err(failure) => {
                    course.met(&work.position, failure, &self.verifier.pusher.crm).await;
                }
            }
        }
        window.iter().for_each(|work| run_ledger.undeclare(work));
        if let Some(ending) = self.ending(task, course)? {
            return Ok(Err(ending));
        }
        differing.sort_unstable();
        let mut set = RecordSet::default();
        differing.into_iter().for_each(|number| set.add(number));
        Ok(Ok(set))
    }

    /// How it ended early, if it did. Who could not be read is counted, and does not end it.
    fn ending(&self, task: Task, course: Course) -> Result<Option<Ending>, CrmFailure> {
        let is_halted = course.is_halted();
        let Course { failure, undecided, fault, .. } = course;
        if let Some(failure) = failure {
            return Err(failure);
        }
        if self.cancel.is_cancelled() {
            return Ok(Some(Ending::Stopped));
        }
        if let Some(undecided) = undecided {
            if is_halted || task == Task::Correct {
                return Err(undecided.into_failure());
            }
            let (records, first) = undecided.named();
            self.drift(|drift| (drift.unread, drift.first_unread) = (records, Some(first)));
        }
        Ok(fault.as_ref().map(unread))
    }

    /// Notes what became of a person; whether their attributes differ.
    fn note(&self, task: Task, work: &Work, found: Found) -> bool {
        let difference = |kind, attributes| {
            let (position, record) = (work.position.clone(), self.keys.record_id(&work.key));
            Difference { position, record, kind, attributes }
        };
        let mut is_changed = false;
        self.drift(|drift| match (task, found) {
            (Task::Look, Found::Differs(kind, attributes)) => {
                is_changed = kind == DriftKind::Changed;
                drift.verified += 1;
                drift.note(difference(kind, attributes));
            }
            (Task::Look, Found::Same | Found::Corrected(_)) => drift.verified += 1,
            // Somebody has changed them back, which comes to the same.
            (Task::Correct, Found::Corrected(_) | Found::Same) => drift.corrected += 1,
            (Task::Correct, Found::Differs(kind, attributes)) => {
                drift.turn_out(difference(kind, attributes));
            }
        });
        is_changed
    }
}
