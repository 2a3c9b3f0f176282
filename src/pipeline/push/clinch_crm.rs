//! The port `Crm` on the Clinch client. Does network I/O through the client.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Map, Value};
use tokio::sync::watch;

use super::{
    crm::{
        Created, Crm, CrmFailure, CrmPerson, Destination, Ensure, JobStage, KnownAttributes,
        Lookup, PeoplePage, Read, Updated,
    },
    destination,
    resting::Resting,
    witnesses::Witnesses,
};
use crate::{
    clinch::{
        self, Client, ClinchError, Creation, Cursor, Doubt, File, Footing, NotClinchSign, Op,
        SOCIAL_PROFILE,
    },
    domain::{Cause, ClinchId, MatchKey, Reason},
    pipeline::{resume::ResumeFile, spec::DestinationSpec},
};

/// Whether an answer says that a person is gone. Not in the words of the application it is worth as much
/// here: they are looked up by their match key before they are created again.
fn is_gone(error: &ClinchError) -> bool {
    matches!(error, ClinchError::NotFound | ClinchError::NotClinch(NotClinchSign::BareNotFound))
}

/// How many times a step is attempted when its answer is lost.
const STEP_ATTEMPTS: usize = 3;

/// The Clinch client as a run sees it.
#[derive(Debug, Clone)]
pub struct ClinchCrm {
    client: Client,
    source: SeenSource,
    witnesses: Option<Witnesses>,
    resting: Resting,
}

/// The source that Clinch shows on people who were just created. Calls `notify` when it is first
/// seen and whenever it changes.
#[derive(Clone)]
pub struct SeenSource {
    seen: Arc<Mutex<Option<String>>>,
    notify: Arc<dyn Fn() + Send + Sync>,
}

impl SeenSource {
    /// Starts with no source seen; calls `notify` when that changes.
    pub fn new(notify: impl Fn() + Send + Sync + 'static) -> Self {
        Self { seen: Arc::default(), notify: Arc::new(notify) }
    }

    /// The source seen last.
    pub fn get(&self) -> Option<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets the source: the next one seen is another credential's.
    pub fn forget(&self) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn note(&self, source: Option<&String>) {
        let Some(source) = source else { return };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.as_ref() != Some(source) {
            *seen = Some(source.clone());
            drop(seen);
            (self.notify)();
        }
    }
}

impl std::fmt::Debug for SeenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SeenSource({:?})", self.get())
    }
}

impl ClinchCrm {
    /// Wraps a client for a run.
    pub fn new(client: Client, source: SeenSource) -> Self {
        let client = client.without_waiting();
        Self { client, source, witnesses: None, resting: Resting::default() }
    }

    /// Also notes the people it writes.
    #[must_use]
    pub fn witnessed_by(self, witnesses: Witnesses) -> Self {
        Self { witnesses: Some(witnesses), ..self }
    }

    fn created(&self, new: clinch::Candidate) -> Created {
        self.source.note(new.source.as_ref());
        self.wrote(&new.id);
        Created::New(new.id)
    }

    fn wrote(&self, id: &ClinchId) {
        if let Some(witnesses) = &self.witnesses {
            witnesses.note(id);
        }
    }

    /// Reads, and writes what is missing. After an unclear answer it reads again once the write can
    /// no longer be under way; a write that timed out is not repeated here.
    async fn ensure<P, W>(
        &self,
        (op, how): (Op, Ensure),
        present: impl Fn() -> P,
        write: impl Fn() -> W,
    ) -> Result<bool, CrmFailure>
    where
        P: Future<Output = Result<bool, ClinchError>>,
        W: Future<Output = Result<ClinchId, ClinchError>>,
    {
        if how != Ensure::Fresh && present().await.map_err(CrmFailure::from)? {
            return Ok(false);
        }
        if how == Ensure::DryRun {
            return Ok(true);
        }
        let (mut last, mut unsigned) = (Doubt::NoId, 0);
        for _ in 0..STEP_ATTEMPTS {
            match write().await {
                Ok(_) => return Ok(true),
                Err(ClinchError::Ambiguous(doubt)) => last = doubt,
                Err(error) => return Err(CrmFailure::from(error)),
            }
            // Without an id it is mostly done, but may have been put into a queue.
            let at_once = (last == Doubt::NoId).then_some(last);
            let later = if last == Doubt::NoId { Doubt::Unclear } else { last };
            for doubt in at_once.into_iter().chain([later]) {
                let rest = self.resting.enter();
                self.client.await_doubt(doubt).await;
                drop(rest);
                if present().await.map_err(CrmFailure::from)? {
                    return Ok(true);
                }
            }
            unsigned += usize::from(last.is_unsigned());
            if last == Doubt::Timeout || last.is_refusal() || unsigned > 1 {
                break;
            }
        }
        Err(CrmFailure::from(last.after_the_last_look(&self.client.shown(op))))
    }
}

impl Crm for ClinchCrm {
    type Cursor = Cursor;

    async fn admitted(&self) -> Result<(), CrmFailure> {
        self.client.admitted().await?;
        Ok(())
    }

    async fn resolve(&self, spec: &DestinationSpec) -> Result<Destination, CrmFailure> {
        destination::resolve(&self.client, spec).await
    }

    async fn find(&self, key: &MatchKey) -> Result<Lookup, CrmFailure> {
        match self.client.find(key).await {
            Ok(people) => Ok(found(people)),
            Err(ClinchError::FilterIgnored) => Ok(Lookup::FilterIgnored),
            Err(error) => Err(CrmFailure::from(error)),
        }
    }

    async fn scan(
        &self,
        cursor: Option<Cursor>,
        profiles: bool,
    ) -> Result<PeoplePage<Cursor>, CrmFailure> {
        let cursor = cursor.unwrap_or_else(Cursor::first);
        let page = if profiles {
            self.client.page_with_profiles(cursor).await
        } else {
            self.client.page(cursor).await
        };
        let page = page.map_err(CrmFailure::from)?;
        Ok(PeoplePage {
            people: page.people.into_iter().map(person).collect(),
            next: page.next,
            // A list beyond the page limit is not read to its end.
            total: page.total.filter(|_| !page.cut_off),
            profiles: page.profiles,
        })
    }

    fn page_size(&self) -> u64 {
        u64::from(self.client.contract().paging.max_per_page)
    }

    fn resting(&self) -> watch::Receiver<usize> {
        self.resting.count()
    }

    fn lookup_delay(&self) -> Duration {
        self.client.lookup_delay()
    }

    fn longest_request(&self) -> Duration {
        self.client.longest_request()
    }

    fn search_lag(&self) -> Duration {
        self.client.contract().lookup_settle
    }

    fn lookups(&self) -> String {
        self.client.contract().filter.clone().unwrap_or_default()
    }

    fn shows_anonymised(&self) -> bool {
        self.client.contract().shows_anonymised
    }

    fn known_attributes(&self) -> KnownAttributes {
        let contract = self.client.contract();
        KnownAttributes {
            updated_at: contract.names.updated_at().into(),
            profile_urls: contract.names.profile_urls().map(str::to_owned).collect(),
            related_profile: contract.include.as_ref().map(|_| SOCIAL_PROFILE),
        }
    }

    async fn total(&self) -> Result<Option<u64>, CrmFailure> {
        self.client.total().await.map_err(CrmFailure::from)
    }

    async fn get(&self, id: &ClinchId) -> Result<Read, CrmFailure> {
        match self.client.get(id).await {
            Ok(found) if found.anonymized => Ok(Read::Anonymised),
            Ok(found) => Ok(Read::Present(person(found))),
            Err(error) if is_gone(&error) => Ok(Read::Gone),
            Err(error) => Err(CrmFailure::from(error)),
        }
    }

    async fn create(
        &self,
        key: &MatchKey,
        attributes: &Map<String, Value>,
        recheck: bool,
        in_doubt: &(dyn Fn() + Sync),
    ) -> Result<Created, CrmFailure> {
        if !recheck {
            // Sent once; the next attempt, which reads the list first, resolves an unclear answer.
            return match self.client.create(attributes).await.map_err(CrmFailure::from)? {
                clinch::Created::New(new) => Ok(self.created(new)),
                clinch::Created::Upserted(found) => Ok(Created::Existing(person(found))),
            };
        }
        let rests = || {
            in_doubt();
            self.resting.enter()
        };
        let created = self.client.create_or_find_meanwhile(key, attributes, true, rests).await;
        let created = created.map_err(CrmFailure::from)?;
        match created {
            Creation::Created(new) | Creation::Recovered(new) => Ok(self.created(new)),
            Creation::Upserted(existing) => Ok(Created::Existing(person(existing))),
            Creation::Found(people) => match found(people) {
                Lookup::One(existing) => Ok(Created::Existing(existing)),
                Lookup::Several(count) => Err(CrmFailure::Record(Cause::new(
                    Reason::AmbiguousMatch,
                    format!("{count} people in Clinch have this match key; merge them there"),
                ))),
                Lookup::Nobody | Lookup::FilterIgnored => {
                    Err(CrmFailure::from(ClinchError::Ambiguous(Doubt::NoId)))
                }
            },
        }
    }

    fn on(&self, footing: Footing) -> Self {
        Self { client: self.client.on(footing), ..self.clone() }
    }

    async fn update(
        &self,
        id: &ClinchId,
        attributes: &Map<String, Value>,
    ) -> Result<Updated, CrmFailure> {
        match self.client.update(id, attributes).await {
            Ok(answer) if answer.as_ref().is_some_and(|person| person.anonymized) => {
                Ok(Updated::Anonymised)
            }
            Ok(_) => {
                self.wrote(id);
                Ok(Updated::Done)
            }
            Err(error) if is_gone(&error) => Err(CrmFailure::Gone),
            Err(error) => Err(CrmFailure::from(error)),
        }
    }

    async fn ensure_application(
        &self,
        id: &ClinchId,
        stage: &JobStage,
        how: Ensure,
    ) -> Result<bool, CrmFailure> {
        let present = || async {
            let applications = self.client.applications(id).await?;
            Ok(applications.iter().any(|application| application.job.as_ref() == Some(&stage.job)))
        };
        let how = (Op::CreateApplication, how);
        self.ensure(how, present, || self.client.apply(id, &stage.job, Some(&stage.stage))).await
    }

    async fn ensure_attachment(
        &self,
        id: &ClinchId,
        file: &ResumeFile,
        how: Ensure,
    ) -> Result<bool, CrmFailure> {
        let sent = File {
            name: &file.name,
            content_type: file.content_type,
            bytes: &file.bytes,
            kind: "resume",
        };
        let present = || async {
            let files = self.client.attachments(id).await?;
            Ok(files.iter().any(|found| found.file_name.as_deref() == Some(&*file.name)))
        };
        let how = (Op::CreateAttachment, how);
        self.ensure(how, present, || self.client.attach(id, &sent)).await
    }

    async fn ensure_activity(
        &self,
        id: &ClinchId,
        kind: &str,
        body: &str,
        how: Ensure,
    ) -> Result<bool, CrmFailure> {
        let present = || async {
            let activities = self.client.activities(id).await?;
            Ok(activities.iter().any(|found| {
                found.body.as_deref() == Some(body)
                    && found.kind.as_deref().is_none_or(|found| found == kind)
            }))
        };
        let how = (Op::CreateActivity, how);
        self.ensure(how, present, || self.client.add_activity(id, kind, body)).await
    }
}

fn person(found: clinch::Candidate) -> CrmPerson {
    CrmPerson {
        key: found.match_key(),
        id: found.id,
        attributes: found.attributes,
        anonymised: found.anonymized,
        profile_urls: found.profile_urls,
    }
}

fn found(mut people: Vec<clinch::Candidate>) -> Lookup {
    match (people.pop(), people.len()) {
        (None, _) => Lookup::Nobody,
        (Some(one), 0) => Lookup::One(person(one)),
        (Some(_), others) => Lookup::Several(others + 1),
    }
}
