//! The steps that follow once the person is in place: application, resume, activity. Makes requests
//! through the port.

use super::{
    crm::{Crm, CrmFailure, Destination, Ensure, JobStage},
    pusher::Pusher,
};
use crate::{
    domain::ClinchId,
    ledger::Steps,
    pipeline::{mode::Mode, work::Work},
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
        changed: &mut Vec<String>,
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
            let applied = self.apply(id, stage, how).await?;
            written |= applied;
            self.foretell(applied, "+application", changed);
            *steps = steps.with(Steps::APPLICATION);
        }
        if let Some(resume) = &work.resume
            && !steps.contains(Steps::RESUME)
        {
            self.check_fence()?;
            let attached = self.crm.ensure_attachment(id, resume, how).await?;
            written |= attached;
            self.foretell(attached, "+resume", changed);
            *steps = steps.with(Steps::RESUME);
        }
        if let Some(tags) = &work.tags
            && !steps.contains(Steps::ACTIVITY)
        {
            self.check_fence()?;
            let tagged = self.crm.ensure_activity(id, &tags.activity, &tags.body, how).await?;
            written |= tagged;
            self.foretell(tagged, "+tags", changed);
            *steps = steps.with(Steps::ACTIVITY);
        }
        Ok(written)
    }

    /// Names a step that a dry run would take. No attribute begins with a plus sign.
    fn foretell(&self, written: bool, step: &str, changed: &mut Vec<String>) {
        if written && self.mode == Mode::DryRun {
            changed.push(step.to_owned());
        }
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
