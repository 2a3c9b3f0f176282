//! The guards of a run, applied once it is known what the run would do, and before its first write.
//! A plan is made by the same code as the push, with reading requests only.

use tokio::sync::watch;

use super::{
    crm::{Crm, CrmFailure},
    feed::Feeds,
    pusher::Pusher,
    run_ledger::RunLedger,
    windows::Pushing,
};
use crate::{
    domain::Disposition,
    ledger::{RunFacts, SegmentStore},
    pipeline::{
        guards::{Guards, held},
        mode::Mode,
        plan_digest::admission,
        record_log::RecordLog,
        report::{Counts, Ending, Progress},
    },
};

/// What the guards judge a run by.
pub(super) struct Gate<'a> {
    pub(super) guards: &'a Guards,
    /// What the ledger remembers of earlier runs.
    pub(super) facts: RunFacts,
    /// How many records are due.
    pub(super) due: u64,
    pub(super) progress: &'a watch::Sender<Progress>,
}

impl Gate<'_> {
    /// Whether everything has to be planned before the first write. Fewer due records than a limit
    /// allows cannot exceed it.
    pub(super) fn needs_plan(&self, log: &RecordLog) -> bool {
        let read = self.progress.borrow().counts.read;
        !self.is_admitted(log)
            && (self.guards.approved.is_some()
                || self.guards.may_exceed(self.due)
                || !self.guards.on_source(read, self.facts).is_empty())
    }

    /// If the plan is the approved one: its name with the inputs of this run.
    pub(super) fn approved(&self, log: &RecordLog) -> Option<[u8; 16]> {
        let (approved, plan) = self.guards.approved.as_ref().zip(log.plan.as_ref())?;
        if plan.is(approved) { self.admission(log) } else { None }
    }

    /// Names the approved plan with the inputs of this run.
    fn admission(&self, log: &RecordLog) -> Option<[u8; 16]> {
        let (approved, plan) = self.guards.approved.as_ref().zip(log.plan.as_ref())?;
        Some(admission(approved, &plan.inputs()))
    }

    /// Whether an earlier run began to carry out the approved plan with the same inputs.
    fn is_admitted(&self, log: &RecordLog) -> bool {
        self.admission(log).is_some_and(|name| self.facts.admitted == Some(name))
    }

    /// Judges a complete plan, and shows it if it may not be pushed.
    pub(super) fn judge(&self, planned: &Counts, log: &RecordLog) -> Result<(), Ending> {
        let Some(plan) = &log.plan else { return Ok(()) };
        let approved = self.guards.approved.as_ref();
        if self.is_admitted(log) || approved.is_some_and(|approved| plan.is(approved)) {
            return Ok(());
        }
        let mut exceeded = self.guards.on_source(planned.read, self.facts);
        exceeded.extend(self.guards.on_writes(planned));
        let is_other = approved.is_some() && planned.created + planned.updated > 0;
        if exceeded.is_empty() && !is_other {
            return Ok(());
        }
        let digest = plan.digest();
        self.progress.send_modify(|progress| progress.plan = Some(digest));
        let cause = held(&exceeded, planned, &digest, approved.is_some());
        let disposition = Disposition::Stalled { reason: cause.reason };
        Err(Ending::Interrupted { disposition, message: cause.message })
    }
}

impl Pushing<'_> {
    /// Finds out what a push would do, as a dry run does.
    pub(super) async fn plan<C: Crm, S: SegmentStore>(
        &self,
        pusher: &mut Pusher<C>,
        mut feeds: Feeds,
        run_ledger: &mut RunLedger<S>,
        log: &mut RecordLog,
    ) -> Result<Result<Counts, Ending>, CrmFailure> {
        let (progress, _) = watch::channel(self.progress.borrow().clone());
        let planning = Pushing { progress: &progress, ..*self };
        pusher.mode = Mode::DryRun;
        log.foretells = true;
        let ended = planning.all(pusher, &mut feeds, run_ledger, log).await;
        pusher.mode = Mode::Push;
        log.foretells = false;
        let planned = progress.borrow().counts;
        Ok(match ended? {
            None => Ok(planned),
            Some(ending) => Err(ending),
        })
    }
}
