//! Pushes one record: finds the person, creates or updates them, then runs the following steps. Does
//! not touch the ledger: the caller does.
//!
//! Never writes a person who was anonymised in Clinch or is on the admin's list. A person who was not
//! read in this call is read before they are changed. Makes requests through the port.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    aftermath::Creations,
    changes::changes,
    crm::{Crm, CrmFailure, CrmPerson, Destination, Read},
    elsewhere::Elsewhere,
    fetch::Fetcher,
    guard::{Claim, PeopleGuard},
    index::{Known, PeopleIndex},
    outcome::{Candidate, Noted, Outcome, Pushed, already_there, decided, effect, gone_again},
};
use crate::{
    clinch::Footing,
    domain::{Cause, ClinchId, Disposition, Fence, Reason},
    ledger::{Steps, Suppressed, Suppressions},
    pipeline::{
        mode::Mode, record_log::ChangedAt, rendered::Renderer, spec::Duplicates, work::Work,
    },
};

/// What the records of a run share.
pub(super) struct Pusher<C> {
    pub(super) crm: C,
    pub(super) guard: Arc<PeopleGuard>,
    pub(super) index: PeopleIndex,
    /// Under which ids other exports know people who are gone.
    pub(super) elsewhere: Elsewhere,
    pub(super) fence: Fence,
    pub(super) mode: Mode,
    pub(super) duplicates: Duplicates,
    /// Whether people whom the ledger knows are read before they are changed, even if the contract does
    /// not require it.
    pub(super) reads_first: bool,
    pub(super) destination: Destination,
    pub(super) suppressions: Suppressions,
    /// Renders profiles to attach, and whether a record is rejected if that fails.
    pub(super) renderer: Renderer,
    pub(super) resume_required: bool,
    /// Reads resumes that profiles name.
    pub(super) resumes: Fetcher,
    /// The people this run created.
    pub(super) creations: Creations,
    /// The attribute with the time of the last change.
    pub(super) updated_at: Arc<str>,
}

/// The person of a record, as far as known.
pub(super) enum Target {
    /// Pushed by this export before; their present attributes were not read.
    Ours(ClinchId),
    Known(Known),
}

/// How far a record is pushed.
struct Begun {
    steps: Steps,
    noted: Noted,
    /// The person, once they are in place or it is decided that they will not be.
    candidate: Option<Candidate>,
    /// Whether it had to wait: what a list shows may be outdated.
    has_waited: bool,
}

impl<C: Crm> Pusher<C> {
    /// Whether people are created on the strength of a list that is still valid.
    pub(super) fn absence_relies_on_a_list(&self) -> bool {
        self.index.snapshot.is_some_and(|snapshot| self.guard.census.is_current(snapshot))
    }

    /// Pushes one record. Reports the steps in place even if the record stays undecided. While access is
    /// paused, the claim is released: other runs may use the account.
    pub(super) async fn push(&self, work: &Work) -> Pushed {
        let mut begun =
            Begun { steps: work.done, noted: Noted::default(), candidate: None, has_waited: false };
        loop {
            let claim = self.guard.claim(&work.key).await;
            let mut pushed = self.push_unless_in_doubt(work, &claim, &mut begun).await;
            drop(claim);
            if let Some(candidate) = &begun.candidate {
                let followed = match &pushed.result {
                    Ok(Outcome::Updated) => true,
                    Ok(Outcome::Unchanged | Outcome::Skipped) => false,
                    // It did not get to the end of its steps.
                    Ok(_) | Err(_) => pushed.steps != work.done.with(Steps::CANDIDATE),
                };
                pushed.effect = effect(candidate, work.undecided, followed);
            }
            if !matches!(pushed.result, Err(CrmFailure::Paused)) {
                return pushed;
            }
            begun.has_waited = true;
            if let Err(failure) = self.crm.admitted().await {
                pushed.result = Err(failure);
                return pushed;
            }
        }
    }

    /// Pushes one record, unless a request of this process for the person, in whichever run, may still be
    /// carried out: until then nothing shows what there is.
    async fn push_unless_in_doubt(&self, work: &Work, claim: &Claim, begun: &mut Begun) -> Pushed {
        if self.mode == Mode::DryRun {
            return self.push_claimed(work, claim, begun).await;
        }
        if let Some(until) = self.guard.doubts.until(&work.key_hash) {
            let failure = self.undecidable(until);
            let person = begun.candidate.as_ref().and_then(|candidate| candidate.id.clone());
            return Pushed::of(Err(failure), person, begun.steps);
        }
        let longest = self.crm.longest_request().max(self.crm.lookup_delay());
        let under_way = self.guard.doubts.begin(work.key_hash, longest);
        let pushed = self.push_claimed(work, claim, begun).await;
        if matches!(
            &pushed.result,
            Err(CrmFailure::Undecided { disposition, .. })
                if disposition.reason() == Reason::Timeout
        ) {
            self.creations.note_timed_out();
            self.creations.note_undecidable(under_way.end(longest));
        } else {
            under_way.end(Duration::ZERO);
        }
        pushed
    }

    /// Pushes one record as far as possible. `Paused`: it is continued with the same `begun`.
    async fn push_claimed(&self, work: &Work, claim: &Claim, begun: &mut Begun) -> Pushed {
        if let Some(why) = self.suppressions.check(&work.key, &work.key_hash) {
            return Pushed::of(Ok(Outcome::Suppressed(why)), None, work.done);
        }
        let file = match self.required_file(work, begun.steps).await {
            Ok(file) => file,
            Err(failure) => {
                let person = begun.candidate.as_ref().and_then(|candidate| candidate.id.clone());
                return Pushed::of(decided(failure), person, begun.steps);
            }
        };
        let continued = begun.candidate.is_some();
        if !continued {
            let candidate = match &work.ours {
                Some(id) if work.done.contains(Steps::CANDIDATE) => self.confirm(work, id).await,
                _ => self.candidate(work, claim, begun.has_waited).await,
            };
            match candidate {
                Ok(candidate) => begun.candidate = Some(candidate),
                Err(failure) => return Pushed::of(decided(failure), None, work.done),
            }
        }
        let Begun { steps, noted, candidate, .. } = begun;
        let candidate = candidate.as_mut().expect("it was put in place above");
        noted.changed_at = candidate.changed_at.take().or(noted.changed_at.take());
        if matches!(candidate.outcome, Outcome::Skipped) {
            // Left alone in every respect: no step of this record is needed.
            let outcome = Ok(candidate.outcome.clone());
            let pushed = Pushed::of(outcome, candidate.id.clone(), work.required());
            return Pushed { noted: noted.clone(), ..pushed };
        }
        let Some(id) = candidate.id.clone() else {
            noted.there.clone_from(&candidate.there);
            noted.possible.clone_from(&candidate.possible);
            let pushed = Pushed::of(Ok(candidate.outcome.clone()), None, work.done);
            return Pushed { noted: noted.clone(), ..pushed };
        };
        *steps = steps.with(Steps::CANDIDATE);
        noted.changed.append(&mut candidate.changed);
        // What was known before a pause may be outdated.
        let (seen, fresh) =
            if continued { (false, false) } else { (candidate.seen, candidate.fresh) };
        if !seen && !steps.contains(work.required()) && self.crm.shows_anonymised() {
            let failed = match self.read(&id).await {
                Ok(Some(_)) => None,
                Ok(None) => Some(self.suppress(work, &id).await.map(|left| left.outcome)),
                Err(CrmFailure::Gone) => Some(Err(gone_again())),
                Err(failure) => Some(Err(failure)),
            };
            if let Some(outcome) = failed {
                let result = outcome.or_else(decided);
                // A person who was just created is in place, even if they cannot be read now.
                let person = (result.is_err() && candidate.fresh).then_some(id);
                let steps = if person.is_some() { *steps } else { work.done };
                return Pushed::of(result, person, steps);
            }
        }
        let result = match self.following_steps(work, &id, fresh, (steps, noted), file).await {
            Ok(true) if candidate.outcome == Outcome::Unchanged => Ok(Outcome::Updated),
            Ok(_) => Ok(candidate.outcome.clone()),
            Err(CrmFailure::Gone) => Err(gone_again()),
            Err(failure) => decided(failure),
        };
        let noted = noted.clone();
        Pushed { noted, ..Pushed::of(result, Some(id), *steps) }
    }

    /// Confirms the person of a record of which only later steps are missing.
    async fn confirm(&self, work: &Work, id: &ClinchId) -> Result<Candidate, CrmFailure> {
        if self.crm.shows_anonymised() && self.read(id).await?.is_none() {
            return self.suppress(work, id).await;
        }
        Ok(Candidate::known(id.clone(), Outcome::Unchanged, true))
    }

    /// Reads a person; `None` if they were anonymised.
    pub(super) async fn read(&self, id: &ClinchId) -> Result<Option<CrmPerson>, CrmFailure> {
        if self.index.anonymised.contains(id) {
            return Ok(None);
        }
        match self.crm.get(id).await? {
            Read::Present(person) => Ok(Some(person)),
            Read::Anonymised => Ok(None),
            Read::Gone => Err(CrmFailure::Gone),
        }
    }

    /// Records an anonymised person, who is left alone from now on.
    pub(super) async fn suppress(
        &self,
        work: &Work,
        id: &ClinchId,
    ) -> Result<Candidate, CrmFailure> {
        self.suppressions.record([(work.key_hash, id.clone())]).await?;
        let outcome = Outcome::Suppressed(Suppressed::Anonymised);
        Ok(Candidate::nobody(outcome))
    }

    /// The person of a record: found, created or updated. `recheck`: an absence shown by the list is not
    /// enough.
    async fn candidate(
        &self,
        work: &Work,
        claim: &Claim,
        recheck: bool,
    ) -> Result<Candidate, CrmFailure> {
        let target = match &work.ours {
            Some(id) => Target::Ours(id.clone()),
            None => match self.find(work, claim, recheck).await {
                Err(CrmFailure::Gone) => Target::Known(self.find_elsewhere(work).await?),
                known => Target::Known(known?),
            },
        };
        match self.create_or_update(work, claim, target).await {
            // Merged or deleted in Clinch since: look the person up again, once.
            Err(CrmFailure::Gone) => {
                let target = Target::Known(self.find_elsewhere(work).await?);
                self.create_or_update(work, claim, target).await.map_err(|failure| match failure {
                    CrmFailure::Gone => gone_again(),
                    other => other,
                })
            }
            settled => settled,
        }
    }

    /// Finds a person whose record is gone. Another export may know them under another id, which shows also
    /// if they were anonymised; and one that was killed may just be creating them.
    async fn find_elsewhere(&self, work: &Work) -> Result<Known, CrmFailure> {
        for id in self.elsewhere.ids(&work.key_hash).await? {
            if self.index.anonymised.contains(&id) {
                return Ok(Known::Anonymised(id));
            }
            match self.crm.get(&id).await? {
                Read::Present(person) => return Ok(Known::Person { person, fresh: true }),
                Read::Anonymised => return Ok(Known::Anonymised(id)),
                Read::Gone => {}
            }
        }
        if self.mode == Mode::Push
            && let Some(until) = self.elsewhere.in_doubt_until(&self.guard.doubts)
        {
            return Err(self.undecidable(until));
        }
        let known = self.index.look_up(&self.crm, &work.key).await?;
        if work.ours.is_none() && matches!(known, Known::Person { .. } | Known::Several(_)) {
            // A list that was read shows everybody but those whom the ledger knows.
            self.guard.census.invalidate();
        }
        Ok(known)
    }

    /// Nothing shows before then whether a person is there.
    fn undecidable(&self, until: Instant) -> CrmFailure {
        self.creations.note_undecidable(until);
        CrmFailure::Undecided {
            disposition: Disposition::retry(Reason::Timeout),
            message: "an earlier request for the person was not answered in time and may still be \
                      carried out"
                .to_owned(),
        }
    }

    async fn find(&self, work: &Work, claim: &Claim, recheck: bool) -> Result<Known, CrmFailure> {
        if let Some(id) = claim.created() {
            // Another export of this account has just created them.
            return Ok(match self.crm.get(&id).await? {
                Read::Present(person) => Known::Person { person, fresh: true },
                Read::Anonymised => Known::Anonymised(id),
                Read::Gone => self.index.look_up(&self.crm, &work.key).await?,
            });
        }
        let in_doubt = work.undecided
            || self.guard.doubts.is_of_others(&work.key_hash)
            || self.was_in_doubt(work);
        let recheck = recheck || in_doubt;
        let known = self.index.find(&self.crm, &work.key, &work.key_hash, recheck).await?;
        let id = match &known {
            Known::Person { person, .. } => Some(&person.id),
            Known::Anonymised(_) | Known::Several(_) | Known::Absent(_) => None,
        };
        if recheck
            && !in_doubt
            && !self.index.shows(&work.key_hash)
            && id.is_some_and(|id| !self.index.is_of_neighbours(&work.key_hash, id))
        {
            // Somebody else added them since the list was read.
            self.guard.census.invalidate();
        }
        Ok(known)
    }

    /// Whether a request for the person could still be carried out when the list was read. Where people
    /// cannot be looked up, that list proves nothing any more.
    fn was_in_doubt(&self, work: &Work) -> bool {
        let read_at = self.index.read_at.filter(|_| self.mode == Mode::Push);
        let doubts = &self.guard.doubts;
        let was_open = read_at.is_some_and(|at| doubts.was_open(&work.key_hash, at));
        if was_open && !self.index.can_look_up() && !self.index.shows(&work.key_hash) {
            self.guard.census.invalidate();
        }
        was_open
    }

    pub(super) async fn create_or_update(
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
            (Known::Several(count), _) => Ok(Candidate::rejected(Cause::new(
                Reason::AmbiguousMatch,
                format!("{count} people in Clinch have this match key; merge them there"),
            ))),
            (Known::Absent(snapshot), _) => self.create(work, claim, snapshot).await,
            // An interrupted run left this record undecided, and the person is as it would have created
            // them: this export did, and following steps may be missing.
            (Known::Person { person, fresh }, Duplicates::Skip | Duplicates::Fail)
                if work.undecided && changes(work, &person.attributes).is_empty() =>
            {
                Ok(Candidate::known(person.id, Outcome::Unchanged, fresh))
            }
            (Known::Person { person, .. }, Duplicates::Skip) => {
                let changed_at = self.changed_at(&person);
                Ok(Candidate::skipped(person.id).changed_at(changed_at))
            }
            (Known::Person { person, .. }, Duplicates::Fail) => {
                let changed_at = self.changed_at(&person);
                Ok(already_there(person.id).changed_at(changed_at))
            }
            (Known::Person { person, fresh }, Duplicates::Update) => {
                self.update(work, person, fresh).await
            }
        }
    }

    /// When a person was changed last, as Clinch says.
    pub(super) fn changed_at(&self, person: &CrmPerson) -> Option<ChangedAt> {
        ChangedAt::of(&person.attributes, &self.updated_at)
    }

    /// Clinch for the writes of a record: none is sent once the person is on a list of those who must not be
    /// written, nor after a wait if `read_at`, when they were read, is not recent.
    pub(super) fn writing(&self, work: &Work, read_at: Option<Instant>) -> C {
        // Only then another read can show that they were anonymised meanwhile.
        self.resting_on(work, read_at.filter(|_| self.crm.shows_anonymised()))
    }

    /// As `writing`. `seen_at`: when it was seen last whether they are there.
    pub(super) fn resting_on(&self, work: &Work, seen_at: Option<Instant>) -> C {
        let (lists, key, hash) = (self.suppressions.clone(), work.key.clone(), work.key_hash);
        let allowed = move || lists.check(&key, &hash).is_none();
        let spent = work.spent.get_or_init(Default::default).clone();
        self.crm.on(Footing::new(allowed, seen_at, spent))
    }

    pub(super) fn check_fence(&self) -> Result<(), CrmFailure> {
        if self.fence.holds() {
            return Ok(());
        }
        Err(CrmFailure::Everything {
            disposition: Disposition::retry(Reason::ProgressingWithRetry),
            message: "this process may no longer push: the lease is not held".to_owned(),
        })
    }
}
