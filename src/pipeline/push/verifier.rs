//! Looks at one person whom the ledger knows: whether they are in Clinch as they were delivered; and
//! writes what differs again, if that is asked for. Creates nobody. Makes requests through the port.

use serde_json::{Map, Value};

use super::{
    changes::changes,
    crm::{Crm, CrmFailure, CrmPerson, Lookup},
    outcome::Outcome,
    pusher::Pusher,
};
use crate::{
    domain::ClinchId,
    ledger::{Effect, Entry, Steps, Suppressed},
    pipeline::{
        drift::{DriftKind, DriftPolicy},
        spec::Duplicates,
        work::Work,
    },
};

/// What to do about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// To read them.
    Look,
    /// To read them, and to write what differs.
    Correct,
}

/// What became of a person.
#[derive(Debug)]
pub(super) enum Found {
    /// They are as they were delivered.
    Same,
    /// They differ, in these attributes.
    Differs(DriftKind, Vec<String>),
    /// What differed was written again. The entry is that of the person.
    Corrected(Entry),
}

/// A person of the ledger in Clinch.
enum Present {
    Person(CrmPerson),
    Anonymised(ClinchId),
    Missing,
}

/// What the people of a verification share.
pub(super) struct Verifier<C> {
    pub(super) pusher: Pusher<C>,
    pub(super) policy: DriftPolicy,
}

impl<C: Crm> Verifier<C> {
    /// Does what is asked for, again after each pause: a write that was not sent relies on what was read
    /// before.
    pub(super) async fn take(&self, task: Task, work: &Work) -> Result<Found, CrmFailure> {
        let Some(id) = &work.ours else {
            // Not the record that was read first: the source has changed, which its reading reports.
            return Ok(Found::Same);
        };
        let _claim = match task {
            Task::Look => None,
            Task::Correct => Some(self.pusher.guard.claim(&work.key).await),
        };
        loop {
            match self.pusher.suppressions.check(&work.key, &work.key_hash) {
                Some(Suppressed::Anonymised) => {
                    return Ok(Found::Differs(DriftKind::Anonymised, Vec::new()));
                }
                // Not written, so not verified.
                Some(Suppressed::Listed) => return Ok(Found::Same),
                None => {}
            }
            let taken = match task {
                Task::Look => self.look(work, id).await,
                Task::Correct => self.correct(work, id).await,
            };
            match taken {
                Err(CrmFailure::Paused) => {}
                taken => return taken,
            }
        }
    }

    async fn look(&self, work: &Work, known: &ClinchId) -> Result<Found, CrmFailure> {
        match self.present(work, known).await? {
            Present::Missing => Ok(Found::Differs(DriftKind::Missing, Vec::new())),
            Present::Anonymised(id) => self.suppress(work, &id).await,
            Present::Person(person) => Ok(self.compare(work, &person.attributes)),
        }
    }

    /// Compares as an update does: what it would write differs.
    fn compare(&self, work: &Work, present: &Map<String, Value>) -> Found {
        let differing = self.differing(work, present);
        if differing.is_empty() {
            return Found::Same;
        }
        let own_forms = &self.pusher.guard.own_forms;
        let own_form = self.policy == DriftPolicy::Correct
            && own_forms.includes(&work.key_hash, &differing, present);
        let kind = if own_form { DriftKind::Normalised } else { DriftKind::Changed };
        Found::Differs(kind, names(&differing))
    }

    /// The attributes that differ. A record that was not delivered as it is differs in none: it is not
    /// known what was.
    fn differing(&self, work: &Work, present: &Map<String, Value>) -> Map<String, Value> {
        if self.pusher.duplicates == Duplicates::Skip || !work.done.contains(Steps::CANDIDATE) {
            return Map::new();
        }
        changes(work, present)
    }

    async fn correct(&self, work: &Work, known: &ClinchId) -> Result<Found, CrmFailure> {
        let person = match self.present(work, known).await? {
            Present::Missing => return Ok(Found::Differs(DriftKind::Missing, Vec::new())),
            Present::Anonymised(id) => return self.suppress(work, &id).await,
            Present::Person(person) => person,
        };
        let id = person.id.clone();
        let sent = self.differing(work, &person.attributes);
        if sent.is_empty() {
            return Ok(Found::Same);
        }
        match self.pusher.update(work, person, true).await {
            Ok(candidate) if matches!(candidate.outcome, Outcome::Suppressed(_)) => {
                return Ok(Found::Differs(DriftKind::Anonymised, Vec::new()));
            }
            Ok(_) => {}
            // Deleted since they were read.
            Err(CrmFailure::Gone) => return Ok(Found::Differs(DriftKind::Missing, Vec::new())),
            Err(failure) => return Err(failure),
        }
        let left = match self.pusher.read(&id).await {
            Ok(Some(person)) => {
                let left = self.differing(work, &person.attributes);
                if !left.is_empty() {
                    let own_forms = &self.pusher.guard.own_forms;
                    own_forms.note(&work.key_hash, &left, &person.attributes);
                }
                left
            }
            // The next verification reads them.
            Ok(None) | Err(_) => Map::new(),
        };
        if left.len() == sent.len() {
            return Ok(Found::Differs(DriftKind::Normalised, names(&left)));
        }
        Ok(Found::Corrected(work.entry(id, work.done, Effect::Updated)))
    }

    async fn suppress(&self, work: &Work, id: &ClinchId) -> Result<Found, CrmFailure> {
        self.pusher.suppress(work, id).await?;
        Ok(Found::Differs(DriftKind::Anonymised, Vec::new()))
    }

    /// Reads the person. Somebody who is gone may have been merged into another person with the same
    /// address, who counts as them.
    async fn present(&self, work: &Work, id: &ClinchId) -> Result<Present, CrmFailure> {
        match self.pusher.read(id).await {
            Ok(Some(person)) => return Ok(Present::Person(person)),
            Ok(None) => return Ok(Present::Anonymised(id.clone())),
            Err(CrmFailure::Gone) => {}
            Err(failure) => return Err(failure),
        }
        match self.pusher.crm.find(&work.key).await {
            Ok(Lookup::One(person)) if person.anonymised => Ok(Present::Anonymised(person.id)),
            Ok(Lookup::One(person)) => Ok(Present::Person(person)),
            // Their record is gone: that nobody else has the address need not be proved.
            Ok(Lookup::Nobody | Lookup::Several(_) | Lookup::FilterIgnored)
            | Err(CrmFailure::Record(_) | CrmFailure::Gone) => Ok(Present::Missing),
            Err(failure) => Err(failure),
        }
    }
}

fn names(attributes: &Map<String, Value>) -> Vec<String> {
    attributes.keys().cloned().collect()
}
