//! The port to Clinch: what a push needs of it. A dry run uses the reading half only. No I/O here;
//! `clinch_crm.rs` implements it.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::{
    clinch::Footing,
    domain::{Cause, ClinchId, Disposition, MatchKey, ProfilesShown, Reason},
    pipeline::{resume::ResumeFile, spec::DestinationSpec},
};

/// A person in Clinch.
#[derive(Clone, PartialEq)]
pub struct CrmPerson {
    /// Their id.
    pub id: ClinchId,
    /// Their match key, as Clinch has it; none for anonymised people.
    pub key: Option<MatchKey>,
    /// Their attributes.
    pub attributes: Map<String, Value>,
    /// Whether they were anonymised in Clinch.
    pub anonymised: bool,
    /// Addresses of their profiles in a related resource, where that was requested.
    pub profile_urls: Vec<String>,
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
    /// Cursor of the next page; none on the last one.
    pub next: Option<C>,
    /// Total number of people, if Clinch states it.
    pub total: Option<u64>,
    /// What it shows of related profiles, where these were requested.
    pub profiles: ProfilesShown,
}

/// Result of a read by id.
#[derive(Debug, PartialEq)]
pub enum Read {
    /// The person.
    Present(CrmPerson),
    /// They were anonymised.
    Anonymised,
    /// The person no longer exists: deleted, or merged into another one.
    Gone,
}

/// Result of a look-up by match key.
#[derive(Debug, PartialEq)]
pub enum Lookup {
    /// Nobody.
    Nobody,
    /// Exactly one person.
    One(CrmPerson),
    /// Several people.
    Several(usize),
    /// Clinch does not honour the filter: only a scan of everybody can answer.
    FilterIgnored,
}

/// Result of a create.
#[derive(Debug, PartialEq)]
pub enum Created {
    /// Created by this call.
    New(ClinchId),
    /// The person exists already: created by somebody else, or by an earlier attempt of this call.
    Existing(CrmPerson),
}

/// Result of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updated {
    /// The change was made.
    Done,
    /// The answer shows a person who was anonymised.
    Anonymised,
}

/// Where people go, by ids of Clinch.
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

/// Attributes of people that have a meaning of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownAttributes {
    /// The time of the last change.
    pub updated_at: Arc<str>,
    /// Addresses of their profiles.
    pub profile_urls: Vec<String>,
    /// The related resource with addresses of their profiles, if the list shows it on request.
    pub related_profile: Option<&'static str>,
}

/// Mode of the `ensure_` calls, which return whether something was, or would be, written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ensure {
    /// The person was just created and has nothing yet: write without reading.
    Fresh,
    /// Read, and write what is missing.
    Missing,
    /// Only read.
    DryRun,
}

/// Why a call failed, by what the run does about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrmFailure {
    /// This record cannot be delivered as it is; the others can.
    Record(Cause),
    /// The person no longer exists: deleted or merged.
    Gone,
    /// Clinch answers this record with a server error, and it is certain that nothing was written.
    Errored {
        /// When and why to try again.
        disposition: Disposition,
        /// What is wrong.
        message: String,
    },
    /// It is not known whether Clinch carried out a create: look before creating again.
    Undecided {
        /// When and why to try again.
        disposition: Disposition,
        /// What is wrong.
        message: String,
    },
    /// This record may be delivered later.
    Later {
        /// When and why.
        disposition: Disposition,
        /// What is wrong.
        message: String,
    },
    /// The run may not use the account any more.
    Withdrawn,
    /// The run may not use the account for a moment, or what a write rests on has to be read again. Nothing
    /// was sent. The caller releases what other runs wait for, then waits ([`Crm::admitted`]) and starts over: what it had read may have changed.
    Paused,
    /// No record can be delivered now.
    Everything {
        /// What to do next.
        disposition: Disposition,
        /// What is wrong.
        message: String,
    },
}

impl CrmFailure {
    /// Whether a resume cannot be read for now, and nothing else.
    pub(super) fn is_about_resume(&self) -> bool {
        matches!(
            self,
            Self::Later { disposition, .. } if disposition.reason() == Reason::ResumeUnreachable
        )
    }
}

/// What a push needs of Clinch. The implementation retries within a call. While access is paused no call
/// waits, since callers hold what other runs of the account wait for: each fails with
/// [`CrmFailure::Paused`] at once.
pub trait Crm: Send + Sync + 'static {
    /// Position of a scan of all people.
    type Cursor: Send;

    /// Waits while access is paused. `Withdrawn` if it is not given back.
    fn admitted(&self) -> impl Future<Output = Result<(), CrmFailure>> + Send;

    /// Finds the job and stage in Clinch. Fails everything with `NotPermitted` if the rules do not name
    /// them, and with `DestinationNotFound` if they do but Clinch does not have them.
    fn resolve(
        &self,
        spec: &DestinationSpec,
    ) -> impl Future<Output = Result<Destination, CrmFailure>> + Send;

    /// Looks a person up by match key.
    fn find(&self, key: &MatchKey) -> impl Future<Output = Result<Lookup, CrmFailure>> + Send;

    /// A page of all people; the first one for `None`. `profiles`: with the related profiles, if Clinch
    /// shows them.
    fn scan(
        &self,
        cursor: Option<Self::Cursor>,
        profiles: bool,
    ) -> impl Future<Output = Result<PeoplePage<Self::Cursor>, CrmFailure>> + Send;

    /// Maximum number of people on a page.
    fn page_size(&self) -> u64;

    /// Total number of people, if Clinch states it.
    fn total(&self) -> impl Future<Output = Result<Option<u64>, CrmFailure>> + Send;

    /// How many calls wait until a request of unknown outcome must have ended, and send nothing meanwhile.
    fn resting(&self) -> watch::Receiver<usize>;

    /// How long to wait after an unanswered request until a look-up shows its effect.
    fn lookup_delay(&self) -> Duration;

    /// How long Clinch may still carry out a request of a process that died.
    fn longest_request(&self) -> Duration;

    /// How long look-ups and totals may lag behind writes.
    fn search_lag(&self) -> Duration;

    /// Identifies how people are looked up: a proof for one filter says nothing about another.
    fn lookups(&self) -> String;

    /// Whether Clinch marks people who were anonymised.
    fn shows_anonymised(&self) -> bool;

    /// The attributes that have a meaning of their own. By default there are none.
    fn known_attributes(&self) -> KnownAttributes {
        KnownAttributes::default()
    }

    /// Reads a person by id.
    fn get(&self, id: &ClinchId) -> impl Future<Output = Result<Read, CrmFailure>> + Send;

    /// Creates a person whose absence is proved. Never creates two: with `recheck`, for trusted
    /// look-ups, an unclear answer is followed by a look-up; otherwise it stays unclear. `in_doubt` is
    /// called when an unclear create may still be under way.
    fn create(
        &self,
        key: &MatchKey,
        attributes: &Map<String, Value>,
        recheck: bool,
        in_doubt: &(dyn Fn() + Sync),
    ) -> impl Future<Output = Result<Created, CrmFailure>> + Send;

    /// The same for writes that rest on what was read of a person. Before each attempt it is checked whether
    /// they may be written and, after a wait that Clinch asked for, whether what was read is recent. If
    /// not, the write fails with [`CrmFailure::Paused`].
    #[must_use]
    fn on(&self, footing: Footing) -> Self;

    /// Changes the given attributes; null clears one.
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

/// Carries out a step; from the beginning, once the run may use the account again, if access was paused
/// meanwhile.
pub(super) async fn unless_paused<T, F>(
    crm: &impl Crm,
    mut step: impl FnMut() -> F,
) -> Result<T, CrmFailure>
where
    F: Future<Output = Result<T, CrmFailure>>,
{
    loop {
        match step().await {
            Err(CrmFailure::Paused) => crm.admitted().await?,
            settled => return settled,
        }
    }
}
