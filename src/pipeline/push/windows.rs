//! Pushes what is due, window by window, a bounded number of records at a time.

use std::{collections::VecDeque, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    crm::{Crm, CrmFailure},
    ending::unread,
    feed::Feed,
    outcome::{Outcome, Pushed},
    pusher::Pusher,
    run_ledger::RunLedger,
};
use crate::{
    domain::MatchKey,
    ledger::{Keys, SegmentStore},
    pipeline::{
        report::{Ending, Progress, Rejection},
        spec::Mode,
        work::Work,
    },
};

/// How long entries may wait before they are stored in the ledger.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);
/// How many consecutive records may fail temporarily before the run is interrupted.
const MAX_CONSECUTIVE_FAILURES: u32 = 16;

/// What pushing the windows of a run needs.
pub(super) struct Pushing<'a> {
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
        feed: &mut Feed,
        run_ledger: &mut RunLedger<S>,
    ) -> Result<Option<Ending>, CrmFailure> {
        // Cancelled on the first failure that concerns everything: no record is started any more, those
        // in flight are finished.
        let halt = self.cancel.child_token();
        let mut flight = FuturesUnordered::new();
        let mut window: VecDeque<Work> = VecDeque::new();
        let (mut failure, mut fault) = (None, None);
        let mut consecutive = 0_u32;
        let mut last = None;
        let mut in_order = pusher.absence_relies_on_a_list();
        let mut checkpoint = Instant::now() + CHECKPOINT_EVERY;
        loop {
            if in_order && !pusher.absence_relies_on_a_list() {
                in_order = false;
                fastrand::shuffle(window.make_contiguous());
            }
            while flight.len() < self.max_in_flight && !halt.is_cancelled() {
                let Some(work) = window.pop_front() else {
                    // Cancellation must not wait for an unresponsive source.
                    window = match halt.run_until_cancelled(feed.window(run_ledger)).await {
                        Some(Ok(window)) => window,
                        Some(Err(error)) => {
                            fault = Some(error);
                            VecDeque::new()
                        }
                        None => VecDeque::new(),
                    };
                    if window.is_empty() {
                        break;
                    }
                    if !in_order {
                        // Another program that pushes the same people in the same order would otherwise
                        // race with this one between look-up and create, at every single person.
                        fastrand::shuffle(window.make_contiguous());
                    }
                    if pusher.mode == Mode::Push {
                        // No record is pushed before it is declared.
                        if let Err(refused) = run_ledger.declare(&window).await {
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
                run_ledger.note(&work, entry.as_ref(), result.is_ok());
            }
            match result {
                Ok(outcome) => {
                    consecutive = 0;
                    self.count(&work, outcome);
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
                    consecutive += 1;
                    last = Some(later);
                    if consecutive >= MAX_CONSECUTIVE_FAILURES {
                        halt.cancel();
                    }
                }
            }
            if run_ledger.ledger.has_unstored() && Instant::now() >= checkpoint {
                // A ledger that cannot be written ends the run, but not the records in flight.
                if let Err(refused) = run_ledger.checkpoint().await {
                    halt.cancel();
                    failure.get_or_insert(refused);
                }
                checkpoint = Instant::now() + CHECKPOINT_EVERY;
            }
        }
        // These were declared and never started.
        window.iter().for_each(|work| run_ledger.undeclare(work));
        match failure.or(last) {
            Some(failure) => Err(failure),
            None if fault.is_some() => Ok(fault.as_ref().map(unread)),
            None if self.cancel.is_cancelled() && self.progress.borrow().counts.pending() > 0 => {
                Ok(Some(Ending::Stopped))
            }
            None => Ok(None),
        }
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
                CrmFailure::Later { .. }
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

    fn count(&self, work: &Work, outcome: Outcome) {
        self.progress.send_modify(|progress| match outcome {
            Outcome::Created => progress.counts.created += 1,
            Outcome::Updated => progress.counts.updated += 1,
            Outcome::Unchanged => progress.counts.unchanged += 1,
            Outcome::Skipped => progress.counts.skipped += 1,
            Outcome::Suppressed(why) => {
                progress.counts.suppressed += 1;
                let record = Some(self.keys.record_id(&work.key));
                let (position, cause) = (work.position.clone(), why.cause());
                progress.list(Rejection { position, record, cause });
            }
            Outcome::Rejected(cause) => {
                progress.counts.failed += 1;
                let record = Some(self.keys.record_id(&work.key));
                let position = work.position.clone();
                progress.list(Rejection { position, record, cause });
            }
        });
    }
}
