//! The steps that follow once the person is in place: application, resume, activity. Makes requests
//! through the port.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    crm::{Crm, CrmFailure, Destination, Ensure},
    fetch::{NotRead, Ready},
    outcome::Noted,
    pusher::Pusher,
};
use crate::{
    domain::{Cause, ClinchId, Disposition, Reason},
    ledger::Steps,
    pipeline::{
        mode::Mode,
        rendered::{Named, Resume, Unrendered},
        resume::{ResumeError, ResumeFile},
        work::Work,
    },
};

/// How long it may take to read or render a resume until the person is read again.
const KEEPS: Duration = Duration::from_secs(1);

/// What becomes of the resume step.
enum Step {
    /// It is in place; true if something was, or would be, written.
    Done(bool),
    /// The person is delivered without it.
    Refused(Cause),
    /// It is tried again.
    Later(CrmFailure),
}

impl<C: Crm> Pusher<C> {
    /// Runs the steps that the record requires and that are not in place. True if something was, or
    /// would be, written. `file`: the resume, if it was read already.
    pub(super) async fn following_steps(
        &self,
        work: &Work,
        id: &ClinchId,
        fresh: bool,
        (steps, noted): (&mut Steps, &mut Noted),
        file: Option<Ready>,
    ) -> Result<bool, CrmFailure> {
        let how = match self.mode {
            Mode::DryRun => Ensure::DryRun,
            Mode::Push if fresh => Ensure::Fresh,
            Mode::Push => Ensure::Missing,
        };
        // They were just read, or written.
        let crm = self.writing(work, Some(Instant::now()));
        let mut written = false;
        if let Destination::Job(stage) = &self.destination
            && !steps.contains(Steps::APPLICATION)
        {
            self.check_fence()?;
            let applied = crm.ensure_application(id, stage, how).await?;
            written |= applied;
            self.foretell(applied, "+application", noted);
            *steps = steps.with(Steps::APPLICATION);
        }
        let mut later = None;
        if let Some(resume) = &work.resume
            && !steps.contains(Steps::RESUME)
        {
            match self.attach(&crm, work, resume, (id, how), file).await? {
                Step::Done(attached) => {
                    written |= attached;
                    self.foretell(attached, "+resume", noted);
                    *steps = steps.with(Steps::RESUME);
                }
                Step::Refused(cause) if self.resume_required => {
                    return Err(CrmFailure::Record(cause));
                }
                // The step is not recorded: the next run tries it again.
                Step::Refused(cause) => noted.warning = Some(cause),
                Step::Later(failure) => later = Some(failure),
            }
        }
        if let Some(tags) = &work.tags
            && !steps.contains(Steps::ACTIVITY)
        {
            self.check_fence()?;
            let tagged = crm.ensure_activity(id, &tags.activity, &tags.body, how).await?;
            written |= tagged;
            self.foretell(tagged, "+tags", noted);
            *steps = steps.with(Steps::ACTIVITY);
        }
        later.map_or(Ok(written), Err)
    }

    /// Names a step that a dry run would take. No attribute begins with a plus sign.
    fn foretell(&self, written: bool, step: &str, noted: &mut Noted) {
        if written && self.mode == Mode::DryRun {
            noted.changed.push(step.to_owned());
        }
    }

    async fn attach(
        &self,
        crm: &C,
        work: &Work,
        resume: &Resume,
        (id, how): (&ClinchId, Ensure),
        file: Option<Ready>,
    ) -> Result<Step, CrmFailure> {
        if self.mode == Mode::DryRun && matches!(resume, Resume::Named(_)) {
            // Nothing is read: whether the person has the file is not known before.
            return Ok(Step::Done(true));
        }
        let since = Instant::now();
        let ready = if let Some(ready) = file {
            Ok(Some(ready))
        } else {
            let in_place = how == Ensure::Missing && self.has_as_read(id, resume).await?;
            self.file(work, resume, in_place).await
        };
        let ready = match ready {
            Ok(Some(ready)) => ready,
            Ok(None) => return Ok(Step::Done(false)),
            Err(step) => return Ok(step),
        };
        self.check_fence()?;
        let takes_long = self.mode == Mode::Push && since.elapsed() > KEEPS;
        if takes_long && self.crm.shows_anonymised() {
            // Meanwhile they may have been anonymised: then the next run leaves them alone.
            if self.read(id).await?.is_none() {
                return Err(CrmFailure::Gone);
            }
            let crm = self.writing(work, Some(Instant::now()));
            return crm.ensure_attachment(id, &ready.file, how).await.map(Step::Done);
        }
        crm.ensure_attachment(id, &ready.file, how).await.map(Step::Done)
    }

    /// Whether the person has what was read last of the file that the profile names.
    async fn has_as_read(&self, id: &ClinchId, resume: &Resume) -> Result<bool, CrmFailure> {
        let Resume::Named(named) = resume else { return Ok(false) };
        let seen = self.guard.seen.get(&named.file);
        let Some(Ok(name)) = seen.map(|seen| seen.found) else { return Ok(false) };
        let known = ResumeFile { name: name.into(), content_type: "", bytes: Bytes::new() };
        // Only looks.
        let lacks = self.crm.ensure_attachment(id, &known, Ensure::DryRun).await?;
        Ok(!lacks)
    }

    /// The file to attach; `None` if it is the one that is attached. A dry run renders it, too: only then
    /// it is known whether it can be attached. `in_place`: what was read last of a file that the profile
    /// names is attached.
    async fn file(
        &self,
        work: &Work,
        resume: &Resume,
        in_place: bool,
    ) -> Result<Option<Ready>, Step> {
        match resume {
            Resume::File(file) => Ok(Some(file.clone().into())),
            Resume::Profile(document) => self.document(document).await.map(Some),
            Resume::Named(named) => self.named(work, named, in_place).await,
        }
    }

    async fn document(&self, document: &Unrendered) -> Result<Ready, Step> {
        let made = self.renderer.file(document).await;
        made.map(Ready::from).map_err(|error| Step::of(&error))
    }

    /// A file that the profile names.
    async fn named(
        &self,
        work: &Work,
        named: &Named,
        in_place: bool,
    ) -> Result<Option<Ready>, Step> {
        let (whose, origin) = ((work.key_hash, work.extras.resume), named.file.origin());
        let error = match self.resumes.read(&named.file, &self.guard.seen, in_place).await {
            Ok(ready) => {
                self.guard.unread.note_read(&whose, &origin);
                return Ok(ready);
            }
            Err(NotRead::Refused(error)) => error,
            Err(NotRead::Ended) => {
                return Err(Step::later("the resume is not read: the run ends".to_owned()));
            }
            Err(NotRead::NotAsked(fault)) => {
                let last = ResumeError::from(fault);
                let message = format!(
                    "the resume is not read in this run: its server failed before ({last})"
                );
                return Err(Step::later(message));
            }
            Err(NotRead::Later(fault)) => match self.guard.unread.note(whose, &origin) {
                Some(attempts) => ResumeError::GivenUp(fault, attempts),
                None => return Err(Step::later(ResumeError::from(fault).to_string())),
            },
        };
        match &named.otherwise {
            Some(document) => self.document(document).await.map(Some),
            None => Err(Step::of(&error)),
        }
    }

    /// The resume of a record that is rejected without it, read before the person is written.
    pub(super) async fn required_file(
        &self,
        work: &Work,
        steps: Steps,
    ) -> Result<Option<Ready>, CrmFailure> {
        let Some(resume @ Resume::Named(_)) = &work.resume else { return Ok(None) };
        if !self.resume_required || self.mode == Mode::DryRun || steps.contains(Steps::RESUME) {
            return Ok(None);
        }
        match self.file(work, resume, false).await {
            Ok(ready) => Ok(ready),
            Err(Step::Refused(cause)) => Err(CrmFailure::Record(cause)),
            Err(Step::Later(failure)) => Err(failure),
            Err(Step::Done(_)) => Ok(None),
        }
    }
}

impl Step {
    fn of(error: &ResumeError) -> Self {
        Self::Refused(Cause::new(Reason::ResumeRefused, error.to_string()))
    }

    fn later(message: String) -> Self {
        let disposition = Disposition::retry(Reason::ResumeUnreachable);
        Self::Later(CrmFailure::Later { disposition, message })
    }
}
