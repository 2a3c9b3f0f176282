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
        guards::Guards,
        mode::Mode,
        plan_digest::Admission,
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
        !self.is_started(log)
            && (self.guards.approved.is_some()
                || self.guards.may_exceed(self.due)
                || !self.guards.on_source(read, self.facts).is_empty())
    }

    /// If an approved plan is carried out: its names with the inputs of this run.
    pub(super) fn carries_out(&self, log: &RecordLog) -> Option<Admission> {
        let (approved, plan) = self.guards.approved.as_ref().zip(log.plan.as_ref())?;
        let admission = self.admission(log)?;
        (plan.is(approved) || self.is_started(log)).then_some(admission)
    }

    /// Names the approved plan with the inputs of this run.
    fn admission(&self, log: &RecordLog) -> Option<Admission> {
        let (approved, plan) = self.guards.approved.as_ref().zip(log.plan.as_ref())?;
        Some(Admission::of(approved, &plan.inputs()))
    }

    /// Whether an earlier run began to carry out the approved plan with the same inputs, and has not
    /// put everything in place.
    fn is_started(&self, log: &RecordLog) -> bool {
        self.admission(log).is_some_and(|name| self.facts.admitted == Some(name.started))
    }

    /// Whether an earlier run carried out the approved plan with the same inputs.
    fn is_used(&self, log: &RecordLog) -> bool {
        self.admission(log).is_some_and(|name| self.facts.admitted == Some(name.used))
    }

    /// Judges a complete plan, and shows it if it may not be pushed.
    pub(super) fn judge(&self, planned: &Counts, log: &RecordLog) -> Result<(), Ending> {
        let Some(plan) = &log.plan else { return Ok(()) };
        let approved = self.guards.approved.as_ref();
        let writes = planned.created + planned.updated > 0;
        if self.is_started(log)
            || approved.is_some_and(|approved| plan.is(approved))
            || (self.is_used(log) && !writes)
        {
            return Ok(());
        }
        let mut exceeded = self.guards.on_source(planned.read, self.facts);
        exceeded.extend(self.guards.on_writes(planned));
        let is_other = approved.is_some() && writes;
        if exceeded.is_empty() && !is_other {
            return Ok(());
        }
        let digest = plan.digest();
        self.progress.send_modify(|progress| progress.plan = Some(digest));
        let cause = self.guards.held(&exceeded, planned, &digest);
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
