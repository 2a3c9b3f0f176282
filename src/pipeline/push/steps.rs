//! The steps that follow once the person is in place: application, resume, activity. Makes requests
//! through the port.

use std::borrow::Cow;

use super::{
    crm::{Crm, CrmFailure, Destination, Ensure, JobStage},
    outcome::Noted,
    pusher::Pusher,
};
use crate::{
    domain::{Cause, ClinchId, Reason},
    ledger::Steps,
    pipeline::{
        mode::Mode,
        rendered::Resume,
        resume::{ResumeError, ResumeFile},
        work::Work,
    },
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
        noted: &mut Noted,
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
            self.foretell(applied, "+application", noted);
            *steps = steps.with(Steps::APPLICATION);
        }
        if let Some(resume) = &work.resume
            && !steps.contains(Steps::RESUME)
        {
            match self.file(resume).await {
                Ok(file) => {
                    self.check_fence()?;
                    let attached = self.crm.ensure_attachment(id, &file, how).await?;
                    written |= attached;
                    self.foretell(attached, "+resume", noted);
                    *steps = steps.with(Steps::RESUME);
                }
                Err(error) => {
                    let cause = Cause::new(Reason::ResumeRefused, error.to_string());
                    if self.resume_required {
                        return Err(CrmFailure::Record(cause));
                    }
                    // The step is not recorded: the next run tries it again.
                    noted.warning = Some(cause);
                }
            }
        }
        if let Some(tags) = &work.tags
            && !steps.contains(Steps::ACTIVITY)
        {
            self.check_fence()?;
            let tagged = self.crm.ensure_activity(id, &tags.activity, &tags.body, how).await?;
            written |= tagged;
            self.foretell(tagged, "+tags", noted);
            *steps = steps.with(Steps::ACTIVITY);
        }
        Ok(written)
    }

    /// Names a step that a dry run would take. No attribute begins with a plus sign.
    fn foretell(&self, written: bool, step: &str, noted: &mut Noted) {
        if written && self.mode == Mode::DryRun {
            noted.changed.push(step.to_owned());
        }
    }

    /// The file to attach. A dry run renders it, too: only then it is known whether it can be attached.
    async fn file<'r>(&self, resume: &'r Resume) -> Result<Cow<'r, ResumeFile>, ResumeError> {
        match resume {
            Resume::File(file) => Ok(Cow::Borrowed(file)),
            Resume::Profile(document) => self.renderer.file(document).await.map(Cow::Owned),
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
