//! The steps that follow once the person is in place: application, resume, activity. Makes requests
//! through the port.

use super::{
    crm::{Crm, CrmFailure, Destination, Ensure, JobStage},
    pusher::Pusher,
};
use crate::{
    domain::ClinchId,
    ledger::Steps,
    pipeline::{spec::Mode, work::Work},
};

impl<C: Crm> Pusher<C> {
    /// Runs the steps that the record requires and that are not in place. True if something was, or
    /// would be, written.
    pub(super) async fn following_steps(
        &self,
        work: &Work,
        id: &ClinchId,
        fresh: bool,
        steps: &mut Steps,
    ) -> Result<bool, CrmFailure> {
        let how = match self.mode {
            Mode::DryRun => Ensure::DryRun,
            Mode::Push if fresh => Ensure::Fresh,
            Mode::Push => Ensure::Missing,
        };
        let mut written = false;
        if let Destination::Job(stage) = &self.destination
            && !steps.contains(Steps::APPLICATION)
        {
            written |= self.apply(id, stage, how).await?;
            *steps = steps.with(Steps::APPLICATION);
        }
        if let Some(resume) = &work.resume
            && !steps.contains(Steps::RESUME)
        {
            self.check_fence()?;
            written |= self.crm.ensure_attachment(id, resume, how).await?;
            *steps = steps.with(Steps::RESUME);
        }
        if let Some(tags) = &work.tags
            && !steps.contains(Steps::ACTIVITY)
        {
            self.check_fence()?;
            written |= self.crm.ensure_activity(id, &tags.activity, &tags.body, how).await?;
            *steps = steps.with(Steps::ACTIVITY);
        }
        Ok(written)
    }

    async fn apply(
        &self,
        id: &ClinchId,
        stage: &JobStage,
        how: Ensure,
    ) -> Result<bool, CrmFailure> {
        self.check_fence()?;
        self.crm.ensure_application(id, stage, how).await
    }
}
