//! `Crm` on the Clinch client: which client calls a run's words stand for, and what each failure
//! means for the run.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Map, Value};

use super::{
    crm::{
        Attachment, Created, Crm, CrmFailure, Destination, Ensure, Found, JobStage, PeoplePage,
        Person, Read, Updated, WantedDestination,
    },
    destination,
    witnesses::Witnesses,
};
use crate::{
    clinch::{self, Client, ClinchError, Creation, Cursor, Doubt, File},
    domain::{ClinchId, Disposition, MatchKey, Reason},
};

/// How often a step is tried again after its answer was lost.
const STEP_ATTEMPTS: usize = 3;

/// The Clinch client as a run sees it.
#[derive(Debug, Clone)]
pub struct ClinchCrm {
    client: Client,
    source: SeenSource,
    witnesses: Option<Witnesses>,
}

/// Under which source Clinch shows people that were just created; told to whoever asked, when it
/// is first seen and whenever it changes.
#[derive(Clone)]
pub struct SeenSource {
    seen: Arc<Mutex<Option<String>>>,
    tell: Arc<dyn Fn() + Send + Sync>,
}

impl SeenSource {
    /// Nothing seen yet; `tell` is called when that changes.
    pub fn new(tell: impl Fn() + Send + Sync + 'static) -> Self {
        Self { seen: Arc::default(), tell: Arc::new(tell) }
    }

    /// The source seen last.
    pub fn get(&self) -> Option<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, source: Option<&String>) {
        let Some(source) = source else { return };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.as_ref() != Some(source) {
            *seen = Some(source.clone());
            drop(seen);
            (self.tell)();
        }
    }
}

impl std::fmt::Debug for SeenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SeenSource({:?})", self.get())
    }
}

impl ClinchCrm {
    /// A run's view of a client.
    pub fn new(client: Client, source: SeenSource) -> Self {
        Self { client, source, witnesses: None }
    }

    /// The same view, which notes whom it writes.
    #[must_use]
    pub fn witnessed_by(self, witnesses: Witnesses) -> Self {
        Self { witnesses: Some(witnesses), ..self }
    }

    fn created(&self, new: clinch::Person) -> Created {
        self.source.note(new.source.as_ref());
        self.wrote(&new.id);
        Created::New(new.id)
    }

    fn wrote(&self, id: &ClinchId) {
        if let Some(witnesses) = &self.witnesses {
            witnesses.note(id);
        }
    }

    /// Looks, and writes what is missing. A doubtful answer is cleared by looking again once the
    /// write cannot be under way any more; one that was not answered in time is not repeated here.
    async fn ensure<P, W>(
        &self,
        how: Ensure,
        present: impl Fn() -> P,
        write: impl Fn() -> W,
    ) -> Result<bool, CrmFailure>
    where
        P: Future<Output = Result<bool, ClinchError>>,
        W: Future<Output = Result<ClinchId, ClinchError>>,
    {
        if how != Ensure::Fresh && present().await.map_err(failure)? {
            return Ok(false);
        }
        if how == Ensure::DryRun {
            return Ok(true);
        }
        let mut last = Doubt::NoId;
        for _ in 0..STEP_ATTEMPTS {
            match write().await {
                Ok(_) => return Ok(true),
                Err(ClinchError::Ambiguous(doubt)) => last = doubt,
                Err(error) => return Err(failure(error)),
            }
            self.client.await_doubt(last).await;
            if present().await.map_err(failure)? {
                return Ok(true);
            }
            if last == Doubt::Timeout {
                break;
            }
        }
        Err(failure(ClinchError::Ambiguous(last)))
    }
}

impl Crm for ClinchCrm {
    type Cursor = Cursor;

    async fn resolve(&self, wanted: &WantedDestination) -> Result<Destination, CrmFailure> {
        destination::resolve(&self.client, wanted).await
    }

    async fn find(&self, key: &MatchKey) -> Result<Found, CrmFailure> {
        match self.client.find(key).await {
            Ok(people) => Ok(found(people)),
            Err(ClinchError::FilterIgnored) => Ok(Found::FilterIgnored),
            Err(error) => Err(failure(error)),
        }
    }

    async fn scan(&self, cursor: Option<Cursor>) -> Result<PeoplePage<Cursor>, CrmFailure> {
        let page = self.client.page(cursor.unwrap_or_else(Cursor::first)).await.map_err(failure)?;
        Ok(PeoplePage {
            people: page.people.into_iter().map(person).collect(),
            next: page.next,
            // A list that is longer than a walk may be is not read to its end.
            total: page.total.filter(|_| !page.cut_off),
        })
    }

    fn page_size(&self) -> u64 {
        u64::from(self.client.contract().paging.max_per_page)
    }

    fn settle(&self) -> Duration {
        self.client.settle()
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

    async fn total(&self) -> Result<Option<u64>, CrmFailure> {
        self.client.total().await.map_err(failure)
    }

    async fn get(&self, id: &ClinchId) -> Result<Read, CrmFailure> {
        match self.client.get(id).await {
            Ok(found) if found.anonymized => Ok(Read::Anonymised),
            Ok(found) => Ok(Read::Present(person(found))),
            Err(ClinchError::NotFound) => Ok(Read::Gone),
            Err(error) => Err(failure(error)),
        }
    }

    async fn create(
        &self,
        key: &MatchKey,
        attributes: &Map<String, Value>,
        recheck: bool,
    ) -> Result<Created, CrmFailure> {
        if !recheck {
            // Created once; a doubt is left to the next attempt, which reads the list first.
            return match self.client.create(attributes).await.map_err(failure)? {
                clinch::Created::New(new) => Ok(self.created(new)),
                clinch::Created::Upserted(found) => Ok(Created::Existing(person(found))),
            };
        }
        let created = self.client.create_or_find(key, attributes, true).await.map_err(failure)?;
        match created {
            Creation::Created(new) | Creation::Recovered(new) => Ok(self.created(new)),
            Creation::Upserted(existing) => Ok(Created::Existing(person(existing))),
            Creation::Found(people) => match found(people) {
                Found::One(existing) => Ok(Created::Existing(existing)),
                Found::Several(count) => Err(CrmFailure::Record {
                    reason: Reason::AmbiguousMatch,
                    message: format!(
                        "{count} people in Clinch have this match key; merge them there"
                    ),
                }),
                Found::Nobody | Found::FilterIgnored => {
                    Err(failure(ClinchError::Ambiguous(Doubt::NoId)))
                }
            },
        }
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
            Err(ClinchError::NotFound) => Err(CrmFailure::Gone),
            Err(error) => Err(failure(error)),
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
        self.ensure(how, present, || self.client.apply(id, &stage.job, Some(&stage.stage))).await
    }

    async fn ensure_attachment(
        &self,
        id: &ClinchId,
        file: &Attachment,
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
        self.ensure(how, present, || self.client.add_activity(id, kind, body)).await
    }
}

fn person(found: clinch::Person) -> Person {
    Person {
        id: found.id,
        key: found.match_value,
        attributes: found.attributes,
        anonymised: found.anonymized,
    }
}

fn found(mut people: Vec<clinch::Person>) -> Found {
    match (people.pop(), people.len()) {
        (None, _) => Found::Nobody,
        (Some(one), 0) => Found::One(person(one)),
        (Some(_), others) => Found::Several(others + 1),
    }
}

/// What a failed call means for the run. Exhaustive on purpose.
#[allow(clippy::needless_pass_by_value)] // reads as a conversion in `map_err`
pub(super) fn failure(error: ClinchError) -> CrmFailure {
    let message = error.to_string();
    let disposition = error.disposition();
    match error {
        ClinchError::Rejected { .. } | ClinchError::Conflict => {
            CrmFailure::Record { reason: Reason::RecordRejected, message }
        }
        ClinchError::TooLarge => CrmFailure::Record { reason: Reason::TooLarge, message },
        ClinchError::NotFound => CrmFailure::Gone,
        ClinchError::Withdrawn => CrmFailure::Withdrawn,
        ClinchError::Timeout
        | ClinchError::Ambiguous(_)
        | ClinchError::Unavailable { .. }
        | ClinchError::RateLimited { .. } => CrmFailure::Later { disposition, message },
        // The integration's own condition tells these; it is verified again, and then all of its
        // exports go on by themselves.
        ClinchError::Unauthorized | ClinchError::ClockSkew { .. } | ClinchError::Forbidden => {
            let reason = Reason::DependencyNotReady;
            CrmFailure::Everything { disposition: Disposition::Wait { reason }, message }
        }
        ClinchError::Unreachable
        | ClinchError::Tls
        | ClinchError::EndpointNotAllowed
        | ClinchError::NotClinch(_)
        | ClinchError::Unsupported(_)
        | ClinchError::FilterIgnored
        | ClinchError::Fenced => CrmFailure::Everything { disposition, message },
    }
}
