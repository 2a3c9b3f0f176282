//! What a run asks of Clinch, in the run's own words. `clinch` is one implementation; a dry run
//! uses the reading half only.

use std::{fmt, future::Future, time::Duration};

use serde_json::{Map, Value};

use crate::{
    domain::{ClinchId, Disposition, MatchKey, Reason},
    pipeline::{resume::ResumeFile, spec::DestinationSpec},
};

/// A person in Clinch.
#[derive(Clone, PartialEq)]
pub struct CrmPerson {
    /// Their id.
    pub id: ClinchId,
    /// What they are recognised by, as Clinch has it; none for anonymised people.
    pub key: Option<MatchKey>,
    /// Their attributes.
    pub attributes: Map<String, Value>,
    /// Whether they were anonymised in Clinch.
    pub anonymised: bool,
}

impl fmt::Debug for CrmPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Person({}, {} attributes)", self.id, self.attributes.len())
    }
}

/// One page of all people.
#[derive(Debug)]
pub struct PeoplePage<C> {
    /// The people on it.
    pub people: Vec<CrmPerson>,
    /// How to ask for the next page; none on the last one.
    pub next: Option<C>,
    /// How many people there are in all, where Clinch says so.
    pub total: Option<u64>,
}

/// What a read of one person by id shows.
#[derive(Debug, PartialEq)]
pub enum Read {
    /// The person.
    Present(CrmPerson),
    /// They were anonymised.
    Anonymised,
    /// There is no such person any more: deleted, or merged into another one.
    Gone,
}

/// What a look-up found.
#[derive(Debug, PartialEq)]
pub enum Lookup {
    /// Nobody.
    Nobody,
    /// Exactly one person.
    One(CrmPerson),
    /// Several people.
    Several(usize),
    /// Clinch does not honour the filter: only a scan of everybody can tell.
    FilterIgnored,
}

/// The person after a create.
#[derive(Debug, PartialEq)]
pub enum Created {
    /// Created by this call.
    New(ClinchId),
    /// Turned out to exist: created by somebody else, or by an earlier attempt of this call.
    Existing(CrmPerson),
}

/// The person after an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updated {
    /// As asked for.
    Done,
    /// The answer shows a person who was anonymised.
    Anonymised,
}

/// Where people go: nowhere in particular, or to a stage of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// As prospects.
    Prospect,
    /// To a stage of a job.
    Job(JobStage),
}

/// A stage of a job, by ids that Clinch has confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStage {
    /// The job.
    pub job: ClinchId,
    /// The stage.
    pub stage: ClinchId,
}

/// How the `ensure_` calls go about it. They tell whether something was, or would be, written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ensure {
    /// The person was just created: nothing can be there yet, so write without looking.
    Fresh,
    /// Look, and write what is missing.
    Missing,
    /// Look only.
    DryRun,
}

/// Why a call failed, by what the run does about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrmFailure {
    /// This record cannot be delivered as it is; the others can.
    Record {
        /// Why.
        reason: Reason,
        /// What is wrong; attribute names only.
        message: String,
    },
    /// The person is gone: deleted or merged away.
    Gone,
    /// This record may be delivered later.
    Later {
        /// When and why.
        disposition: Disposition,
        /// What is wrong.
        message: String,
    },
    /// The run may not use the account any more.
    Withdrawn,
    /// No record can be delivered now.
    Everything {
        /// What to do next.
        disposition: Disposition,
        /// What is wrong.
        message: String,
    },
}

/// What a run asks of Clinch. Retries within a call are the implementation's business.
pub trait Crm: Send + Sync + 'static {
    /// Where a scan of all people stands.
    type Cursor: Send;

    /// Finds the job and stage in Clinch. Fails everything with `NotPermitted` where the rules
    /// do not name them, and with `DestinationNotFound` where they do but Clinch lacks them.
    fn resolve(
        &self,
        wanted: &DestinationSpec,
    ) -> impl Future<Output = Result<Destination, CrmFailure>> + Send;

    /// Whoever has this match key.
    fn find(&self, key: &MatchKey) -> impl Future<Output = Result<Lookup, CrmFailure>> + Send;

    /// A page of everybody; the first one for `None`.
    fn scan(
        &self,
        cursor: Option<Self::Cursor>,
    ) -> impl Future<Output = Result<PeoplePage<Self::Cursor>, CrmFailure>> + Send;

    /// How many people a page holds at most.
    fn page_size(&self) -> u64;

    /// How many people there are, where Clinch says so.
    fn total(&self) -> impl Future<Output = Result<Option<u64>, CrmFailure>> + Send;

    /// How long after a request without an answer its effect shows at the latest.
    fn lookup_delay(&self) -> Duration;

    /// How long a request of a process that died may still be carried out.
    fn longest_request(&self) -> Duration;

    /// How long look-ups and totals may lag behind writes.
    fn search_lag(&self) -> Duration;

    /// Names how people are looked up: what was proved of one way says nothing of another.
    fn lookups(&self) -> String;

    /// Whether people who were anonymised can be told from others.
    fn shows_anonymised(&self) -> bool;

    /// One person with their present attributes.
    fn get(&self, id: &ClinchId) -> impl Future<Output = Result<Read, CrmFailure>> + Send;

    /// Creates a person who is surely absent. Never leaves two: an unclear answer is cleared by
    /// looking again, where look-ups are believed (`recheck`); else it stays unclear.
    fn create(
        &self,
        key: &MatchKey,
        attributes: &Map<String, Value>,
        recheck: bool,
    ) -> impl Future<Output = Result<Created, CrmFailure>> + Send;

    /// Changes the given attributes; null clears one. `Anonymised`: so the answer shows them.
    fn update(
        &self,
        id: &ClinchId,
        attributes: &Map<String, Value>,
    ) -> impl Future<Output = Result<Updated, CrmFailure>> + Send;

    /// Adds a person to a stage of a job, unless they are on the job already.
    fn ensure_application(
        &self,
        id: &ClinchId,
        stage: &JobStage,
        how: Ensure,
    ) -> impl Future<Output = Result<bool, CrmFailure>> + Send;

    /// Attaches a file, unless the person has it already.
    fn ensure_attachment(
        &self,
        id: &ClinchId,
        file: &ResumeFile,
        how: Ensure,
    ) -> impl Future<Output = Result<bool, CrmFailure>> + Send;

    /// Adds an activity, unless the person has it already.
    fn ensure_activity(
        &self,
        id: &ClinchId,
        kind: &str,
        body: &str,
        how: Ensure,
    ) -> impl Future<Output = Result<bool, CrmFailure>> + Send;
}
