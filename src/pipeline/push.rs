//! One record: find the person, create or update them, then the steps that follow. Decides what
//! to do from what is known; the ledger is the caller's.
//!
//! Nobody is written who was anonymised in Clinch, or is on the admin's list. A person who was not
//! read in this very call is read before they are changed.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    aftermath::Creations,
    census::Picture,
    crm::{
        Attachment, Created, Crm, CrmFailure, Destination, Ensure, JobStage, Person, Read, Updated,
    },
    guard::{Claim, PeopleGuard},
    index::{Known, PeopleIndex},
};
use crate::{
    domain::{ClinchId, Disposition, Fence, MatchKey, Reason, SourcePosition},
    ledger::{
        Entry, Extras, KeyHash, Ledger, PayloadDigest, Steps, Suppressed, SuppressionError,
        Suppressions,
    },
};

/// Whether anything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Writes to Clinch.
    Push,
    /// Reads only.
    DryRun,
}

/// What happens to people who are in Clinch already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// Updated.
    Update,
    /// Left alone.
    Skip,
    /// The record is rejected.
    Fail,
}

/// A record ready to be pushed.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) position: SourcePosition,
    pub(super) key: MatchKey,
    pub(super) attributes: Map<String, Value>,
    pub(super) only_if_empty: Vec<String>,
    pub(super) resume: Option<Attachment>,
    pub(super) tags: Option<Tags>,
    /// The destination is a job.
    pub(super) applies: bool,
    /// The person's id, where the ledger knows it.
    pub(super) ours: Option<ClinchId>,
    /// An earlier run was cut off after this record's push may have begun.
    pub(super) undecided: bool,
    /// The steps that the ledger says are done for exactly this input.
    pub(super) done: Steps,
    pub(super) key_hash: KeyHash,
    pub(super) payload: PayloadDigest,
    pub(super) extras: Extras,
}

impl Work {
    /// The steps that this record takes.
    pub(super) fn wanted(&self) -> Steps {
        let step = |wanted: bool, step| if wanted { step } else { Steps::NONE };
        Steps::CANDIDATE
            .with(step(self.applies, Steps::APPLICATION))
            .with(step(self.resume.is_some(), Steps::RESUME))
            .with(step(self.tags.is_some(), Steps::ACTIVITY))
    }

    /// Takes over what the ledger knows of the record; whether it knows the person.
    pub(super) fn compare(&mut self, ledger: &Ledger) -> bool {
        let wanted = self.wanted();
        let missing = ledger.missing_steps(&self.key_hash, &self.payload, &self.extras, wanted);
        self.done = missing.map_or(Steps::NONE, |missing| wanted.without(missing));
        // Who needs nothing needs no id, and there may be a million of them.
        self.ours = if self.is_done() { None } else { ledger.id(&self.key_hash) };
        missing.is_some()
    }

    /// Bytes that it holds, by and large.
    pub(super) fn weight(&self) -> usize {
        let resume = self.resume.as_ref().map_or(0, |resume| resume.bytes.len());
        let tags = self.tags.as_ref().map_or(0, |tags| tags.body.len());
        size_of::<Self>() + resume + tags + weight(&self.attributes)
    }

    /// Whether nothing is left to be done.
    pub(super) fn is_done(&self) -> bool {
        self.done.contains(self.wanted())
    }

    /// The ledger entry for the steps in place.
    pub(super) fn entry(&self, person: ClinchId, steps: Steps) -> Entry {
        Entry {
            key: self.key_hash,
            payload: self.payload,
            extras: self.extras,
            clinch_id: person,
            steps,
        }
    }
}

/// Bytes that attributes hold, by and large.
pub(super) fn weight(attributes: &Map<String, Value>) -> usize {
    fn of(value: &Value) -> usize {
        let held = match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(of).sum(),
            Value::Object(members) => weight(members),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        };
        size_of::<Value>() + held
    }
    attributes.iter().map(|(name, value)| 2 * size_of::<String>() + name.len() + of(value)).sum()
}

/// Tags for an activity field.
#[derive(Clone)]
pub(super) struct Tags {
    pub(super) activity: Arc<str>,
    pub(super) body: String,
}

impl std::fmt::Debug for Tags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tags(to {})", self.activity)
    }
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Created,
    Updated,
    Unchanged,
    Skipped,
    Suppressed(Suppressed),
    Rejected { reason: Reason, message: String },
}

/// What became of a record, and what is now in place.
#[derive(Debug)]
pub(super) struct Pushed {
    /// `Err` only with `Later` or `Everything`: the record stays undecided.
    pub(super) result: Result<Outcome, CrmFailure>,
    /// The person, once known; with the steps in place it makes the ledger entry.
    pub(super) person: Option<ClinchId>,
    pub(super) steps: Steps,
}

/// Everything the records of a run share.
pub(super) struct Pusher<C> {
    pub(super) crm: C,
    pub(super) guard: Arc<PeopleGuard>,
    pub(super) index: PeopleIndex,
    pub(super) fence: Fence,
    pub(super) mode: Mode,
    pub(super) duplicates: Duplicates,
    pub(super) destination: Destination,
    pub(super) suppressions: Suppressions,
    /// Whom this run created.
    pub(super) creations: Creations,
}

/// The person a record is about, and what is known of them.
enum Target {
    /// Pushed by this export before; present attributes not read.
    Ours(ClinchId),
    Known(Known),
}

/// The candidate step's result.
struct Candidate {
    id: Option<ClinchId>,
    outcome: Outcome,
    /// They were created just now.
    fresh: bool,
    /// They were read, or created, in this call: and were not anonymised.
    seen: bool,
}

impl<C: Crm> Pusher<C> {
    /// Whether people are created on the strength of a list that still stands.
    pub(super) fn absence_rests_on_a_list(&self) -> bool {
        self.index.picture.is_some_and(|picture| self.guard.census.stands(picture))
    }

    /// Pushes one record. What was put in place is told even when the record stays undecided.
    pub(super) async fn push(&self, work: &Work) -> Pushed {
        let claim = self.guard.claim(&work.key).await;
        let mut steps = work.done;
        if let Some(why) = self.suppressions.check(&work.key, &work.key_hash) {
            let result = Ok(Outcome::Suppressed(why));
            return Pushed { result, person: None, steps };
        }
        let candidate = match &work.ours {
            Some(id) if work.done.contains(Steps::CANDIDATE) => self.still_there(work, id).await,
            _ => self.candidate(work, &claim).await,
        };
        let candidate = match candidate {
            Ok(candidate) => candidate,
            Err(failure) => {
                return Pushed { result: decided(failure), person: None, steps };
            }
        };
        if matches!(candidate.outcome, Outcome::Skipped) {
            // Left alone in every respect: nothing of this record is to be done again.
            let steps = work.wanted();
            return Pushed { result: Ok(candidate.outcome), person: candidate.id, steps };
        }
        let Some(id) = candidate.id else {
            return Pushed { result: Ok(candidate.outcome), person: None, steps };
        };
        steps = steps.with(Steps::CANDIDATE);
        if !candidate.seen && !steps.contains(work.wanted()) && self.crm.shows_anonymised() {
            // Known from a list, which may be old.
            let failed = match self.read(&id).await {
                Ok(Some(_)) => None,
                Ok(None) => Some(self.suppress(work, &id).await.map(|left| left.outcome)),
                Err(CrmFailure::Gone) => Some(Err(gone_again())),
                Err(failure) => Some(Err(failure)),
            };
            if let Some(outcome) = failed {
                let result = outcome.or_else(decided);
                return Pushed { result, person: None, steps: work.done };
            }
        }
        let following = self.following_steps(work, &id, candidate.fresh, &mut steps).await;
        let result = match following {
            Ok(true) if candidate.outcome == Outcome::Unchanged => Ok(Outcome::Updated),
            Ok(_) => Ok(candidate.outcome),
            Err(CrmFailure::Gone) => Err(gone_again()),
            Err(failure) => decided(failure),
        };
        Pushed { result, person: Some(id), steps }
    }

    /// The person of a record of which only later steps are missing.
    async fn still_there(&self, work: &Work, id: &ClinchId) -> Result<Candidate, CrmFailure> {
        if self.crm.shows_anonymised() && self.read(id).await?.is_none() {
            return self.suppress(work, id).await;
        }
        Ok(Candidate::known(id.clone(), Outcome::Unchanged, true))
    }

    /// Reads a person; `None`: they were anonymised.
    async fn read(&self, id: &ClinchId) -> Result<Option<Person>, CrmFailure> {
        if self.index.anonymised.contains(id) {
            return Ok(None);
        }
        match self.crm.get(id).await? {
            Read::Present(person) => Ok(Some(person)),
            Read::Anonymised => Ok(None),
            Read::Gone => Err(CrmFailure::Gone),
        }
    }

    /// Leaves an anonymised person alone for good.
    async fn suppress(&self, work: &Work, id: &ClinchId) -> Result<Candidate, CrmFailure> {
        let recorded = self.suppressions.record([(work.key_hash, id.clone())]).await;
        recorded.map_err(|error| unrecorded(&error))?;
        let outcome = Outcome::Suppressed(Suppressed::Anonymised);
        Ok(Candidate::nobody(outcome))
    }

    async fn candidate(&self, work: &Work, claim: &Claim) -> Result<Candidate, CrmFailure> {
        let target = match &work.ours {
            Some(id) => Target::Ours(id.clone()),
            None => Target::Known(self.find(work, claim).await?),
        };
        match self.settle(work, claim, target).await {
            // Merged or deleted in Clinch since: recognise the person anew, once.
            Err(CrmFailure::Gone) => {
                let target = Target::Known(self.index.look_up(&self.crm, &work.key).await?);
                self.settle(work, claim, target).await.map_err(|failure| match failure {
                    CrmFailure::Gone => gone_again(),
                    other => other,
                })
            }
            settled => settled,
        }
    }

    async fn find(&self, work: &Work, claim: &Claim) -> Result<Known, CrmFailure> {
        if let Some(id) = claim.created() {
            // Another export of this account was faster.
            return Ok(match self.crm.get(&id).await? {
                Read::Present(person) => Known::Person { person, fresh: true },
                Read::Anonymised => Known::Anonymised(id),
                Read::Gone => self.index.look_up(&self.crm, &work.key).await?,
            });
        }
        self.index.find(&self.crm, &work.key, &work.key_hash, work.undecided).await
    }

    async fn settle(
        &self,
        work: &Work,
        claim: &Claim,
        target: Target,
    ) -> Result<Candidate, CrmFailure> {
        let known = match target {
            Target::Ours(id) if self.duplicates == Duplicates::Skip => {
                return Ok(Candidate::skipped(id));
            }
            Target::Ours(id) => return self.update_ours(work, id).await,
            Target::Known(known) => known,
        };
        match (known, self.duplicates) {
            (Known::Anonymised(id), _) => self.suppress(work, &id).await,
            (Known::Several(count), _) => Ok(Candidate::rejected(
                Reason::AmbiguousMatch,
                format!("{count} people in Clinch have this match key; merge them there"),
            )),
            (Known::Absent(picture), _) => self.create(work, claim, picture).await,
            // Just as they would have been created, in a window that was cut off: that was this
            // export, whose following steps may be missing.
            (Known::Person { person, fresh }, Duplicates::Skip | Duplicates::Fail)
                if work.undecided && changes(work, &person.attributes).is_empty() =>
            {
                Ok(Candidate::known(person.id, Outcome::Unchanged, fresh))
            }
            (Known::Person { person, .. }, Duplicates::Skip) => Ok(Candidate::skipped(person.id)),
            (Known::Person { .. }, Duplicates::Fail) => Ok(already_there()),
            (Known::Person { person, fresh }, Duplicates::Update) => {
                self.update(work, person, fresh).await
            }
        }
    }

    async fn create(
        &self,
        work: &Work,
        claim: &Claim,
        picture: Option<Picture>,
    ) -> Result<Candidate, CrmFailure> {
        if self.mode == Mode::DryRun {
            return Ok(Candidate { id: None, outcome: Outcome::Created, fresh: true, seen: true });
        }
        self.check_fence()?;
        let trial = match picture {
            None if !self.believes_look_ups() => Some(self.creations.trial().await),
            _ => None,
        };
        if picture.is_none() && self.creations.are_unseen() {
            return Err(blind());
        }
        let admission = self.guard.census.admit(&self.crm, picture).await?;
        // Where nobody can be looked up, the first create on the strength of a list is a trial.
        if admission.look_up && (self.index.can_look_up() || !admission.on_list) {
            match self.look_up_now(&work.key).await {
                Ok(Known::Absent(_)) => {}
                Ok(known) => {
                    admission.contradicted();
                    // Boxed, for it may come back here; with a look-up, hence once.
                    return Box::pin(self.settle(work, claim, Target::Known(known))).await;
                }
                Err(failure) => {
                    admission.nobody();
                    return Err(failure);
                }
            }
        }
        let on_list = admission.on_list;
        // An attribute that the mapping clears has nothing to be cleared on a new person.
        let attributes = without_nulls(&work.attributes);
        let recheck = self.believes_look_ups();
        let person = match self.crm.create(&work.key, &attributes, recheck).await {
            Ok(Created::New(id)) => {
                admission.created();
                claim.note_created(&id);
                self.creations.note(work, on_list);
                self.prove_look_ups(&work.key, &id).await;
                drop(trial);
                let outcome = Outcome::Created;
                return Ok(Candidate { id: Some(id), outcome, fresh: true, seen: true });
            }
            Ok(Created::Existing(person)) => person,
            Err(refused @ CrmFailure::Record { .. }) => {
                admission.nobody();
                return Err(refused);
            }
            // Whether somebody was created is not known: the admission says so when it is dropped.
            Err(failure) => {
                if let CrmFailure::Later { disposition, .. } = &failure
                    && disposition.reason() == Reason::Timeout
                {
                    self.creations.note_timed_out();
                }
                return Err(failure);
            }
        };
        admission.contradicted();
        if person.anonymised {
            return self.suppress(work, &person.id).await;
        }
        match self.duplicates {
            Duplicates::Update => self.update(work, person, true).await,
            Duplicates::Skip => Ok(Candidate::skipped(person.id)),
            Duplicates::Fail => Ok(already_there()),
        }
    }

    /// Looks a person up whom a list calls absent.
    async fn look_up_now(&self, key: &MatchKey) -> Result<Known, CrmFailure> {
        if self.creations.are_unseen() {
            return Err(blind());
        }
        self.index.look_up(&self.crm, key).await
    }

    /// Whether look-ups were seen to find somebody who is there.
    fn believes_look_ups(&self) -> bool {
        self.index.can_look_up()
            && !self.creations.are_unseen()
            && self.guard.is_proved(&self.crm.lookups())
    }

    /// In an account that had nobody to prove look-ups with, the first person created does.
    async fn prove_look_ups(&self, key: &MatchKey, id: &ClinchId) {
        let lookups = self.crm.lookups();
        if !self.index.can_look_up()
            || self.guard.is_proved(&lookups)
            || !self.creations.try_prove()
        {
            return;
        }
        tokio::time::sleep(self.crm.search_lag()).await;
        match self.index.look_up(&self.crm, key).await {
            Ok(Known::Person { .. } | Known::Several(_)) => self.guard.note_proved(lookups),
            // Still there, and not found: what look-ups say is not to be believed.
            Ok(Known::Absent(_)) if matches!(self.crm.get(id).await, Ok(Read::Present(_))) => {
                self.creations.note_unseen();
            }
            // No proof, and no disproof: the next run looks again.
            Ok(Known::Absent(_) | Known::Anonymised(_)) | Err(_) => {}
        }
    }

    /// A person this export pushed before. They are read first, where that can tell that they were
    /// anonymised, or where it matters what they have.
    async fn update_ours(&self, work: &Work, id: ClinchId) -> Result<Candidate, CrmFailure> {
        if self.index.anonymised.contains(&id) {
            return self.suppress(work, &id).await;
        }
        if self.crm.shows_anonymised() || !work.only_if_empty.is_empty() {
            return match self.read(&id).await? {
                Some(person) => self.update(work, person, true).await,
                None => self.suppress(work, &id).await,
            };
        }
        if self.mode == Mode::DryRun {
            // A push would write without comparing: what is told is what it would tell.
            self.read(&id).await?;
            return Ok(Candidate::known(id, Outcome::Updated, true));
        }
        self.change(work, id, &work.attributes).await
    }

    /// Changes what differs. `fresh`: the person was read just now.
    async fn update(
        &self,
        work: &Work,
        person: Person,
        fresh: bool,
    ) -> Result<Candidate, CrmFailure> {
        let mut differing = changes(work, &person.attributes);
        let mut seen = fresh;
        if !fresh && !differing.is_empty() && self.crm.shows_anonymised() {
            let Some(present) = self.read(&person.id).await? else {
                return self.suppress(work, &person.id).await;
            };
            differing = changes(work, &present.attributes);
            seen = true;
        }
        let id = person.id;
        if differing.is_empty() {
            return Ok(Candidate::known(id, Outcome::Unchanged, seen));
        }
        if self.mode == Mode::DryRun {
            return Ok(Candidate::known(id, Outcome::Updated, seen));
        }
        self.change(work, id, &differing).await
    }

    async fn change(
        &self,
        work: &Work,
        id: ClinchId,
        attributes: &Map<String, Value>,
    ) -> Result<Candidate, CrmFailure> {
        self.check_fence()?;
        match self.crm.update(&id, attributes).await? {
            Updated::Done => Ok(Candidate::known(id, Outcome::Updated, true)),
            Updated::Anonymised => self.suppress(work, &id).await,
        }
    }

    /// Application, resume, activity: whichever the input has and is not in place. True when
    /// something was, or would be, written.
    async fn following_steps(
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

    fn check_fence(&self) -> Result<(), CrmFailure> {
        if self.fence.holds() {
            return Ok(());
        }
        Err(CrmFailure::Everything {
            disposition: Disposition::retry(Reason::ProgressingWithRetry),
            message: "this process may no longer push: the lease is not held".to_owned(),
        })
    }
}

impl Candidate {
    fn rejected(reason: Reason, message: String) -> Self {
        Self::nobody(Outcome::Rejected { reason, message })
    }

    fn skipped(id: ClinchId) -> Self {
        Self::known(id, Outcome::Skipped, false)
    }

    fn known(id: ClinchId, outcome: Outcome, seen: bool) -> Self {
        Self { id: Some(id), outcome, fresh: false, seen }
    }

    fn nobody(outcome: Outcome) -> Self {
        Self { id: None, outcome, fresh: false, seen: true }
    }
}

/// A failure of this record alone is an outcome; any other leaves it undecided.
fn decided(failure: CrmFailure) -> Result<Outcome, CrmFailure> {
    match failure {
        CrmFailure::Record { reason, message } => Ok(Outcome::Rejected { reason, message }),
        other => Err(other),
    }
}

fn already_there() -> Candidate {
    Candidate::rejected(
        Reason::AlreadyExists,
        "the person is in Clinch already and duplicatePolicy is Fail".to_owned(),
    )
}

/// Nobody is written while it cannot be recorded who must not be.
pub(super) fn unrecorded(error: &SuppressionError) -> CrmFailure {
    CrmFailure::Everything {
        disposition: error.disposition(),
        message: format!("an anonymised person cannot be recorded: {error}"),
    }
}

/// Look-ups do not show people who are there.
fn blind() -> CrmFailure {
    CrmFailure::Everything {
        disposition: Disposition::Stalled { reason: Reason::ContractUnsupported },
        message: "Clinch does not find a person by e-mail address whom this run has created; set \
                  contractOverrides.lookupSettle if its search lags behind, else \
                  contractOverrides.filterParameter"
            .to_owned(),
    }
}

fn gone_again() -> CrmFailure {
    CrmFailure::Later {
        disposition: Disposition::retry(Reason::VendorUnavailable),
        message: "the person disappeared in Clinch while being updated".to_owned(),
    }
}

fn without_nulls(attributes: &Map<String, Value>) -> Map<String, Value> {
    attributes.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// The attributes that differ from what the person has, less those that only fill gaps.
fn changes(work: &Work, present: &Map<String, Value>) -> Map<String, Value> {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    work.attributes
        .iter()
        .filter(|(name, wanted)| {
            let has = present.get(*name).unwrap_or(&Value::Null);
            let fills_only = work.only_if_empty.contains(name);
            has != *wanted && (!fills_only || empty(has))
        })
        .map(|(name, wanted)| (name.clone(), wanted.clone()))
        .collect()
}
