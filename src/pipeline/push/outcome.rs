//! The outcome of pushing a record. Pure.

use super::{crm::CrmFailure, suggestions::Suggested};
use crate::{
    domain::{Cause, ClinchId, Disposition, Reason},
    ledger::{Effect, Steps, Suppressed},
    pipeline::record_log::ChangedAt,
};

/// The outcome of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Created,
    Updated,
    Unchanged,
    Skipped,
    Suppressed(Suppressed),
    Rejected(Cause),
}

/// The outcome of a record, and what is in place now.
#[derive(Debug)]
pub(super) struct Pushed {
    /// `Err` leaves the record undecided.
    pub(super) result: Result<Outcome, CrmFailure>,
    /// The person, once known; with the steps in place it makes the ledger entry.
    pub(super) person: Option<ClinchId>,
    pub(super) steps: Steps,
    /// What this push has done to the person.
    pub(super) effect: Effect,
    pub(super) noted: Noted,
}

/// What is noted of a record beside its outcome.
#[derive(Debug, Clone, Default)]
pub(super) struct Noted {
    /// The names of what changes or would change; of a dry run, also of the steps that would follow.
    pub(super) changed: Vec<String>,
    /// What was left out although the mapping asks for it.
    pub(super) warning: Option<Cause>,
    /// Who is in Clinch, of a record that is rejected because of it.
    pub(super) there: Option<ClinchId>,
    /// When the person was changed last, if they were read.
    pub(super) changed_at: Option<ChangedAt>,
    /// Of somebody who would be created: who in Clinch has the same profile.
    pub(super) possible: Option<Suggested>,
}

impl Pushed {
    pub(super) fn of(
        result: Result<Outcome, CrmFailure>,
        person: Option<ClinchId>,
        steps: Steps,
    ) -> Self {
        Self { result, person, steps, effect: Effect::Unknown, noted: Noted::default() }
    }

    /// Whether nothing but the resume is missing, which could not be read for now.
    pub(super) fn awaits_resume(&self, required: Steps) -> bool {
        self.result.as_ref().is_err_and(CrmFailure::is_about_resume)
            && self.person.is_some()
            && self.steps.with(Steps::RESUME).contains(required)
    }
}

/// The result of the candidate step.
pub(super) struct Candidate {
    pub(super) id: Option<ClinchId>,
    pub(super) outcome: Outcome,
    /// Whether they were just created.
    pub(super) fresh: bool,
    /// Whether this call read or created them, and they are not anonymised.
    pub(super) seen: bool,
    /// The names of the attributes that change or would change.
    pub(super) changed: Vec<String>,
    /// Who is in Clinch, of a record that is rejected because of it.
    pub(super) there: Option<ClinchId>,
    /// When they were changed last, if they were read.
    pub(super) changed_at: Option<ChangedAt>,
    /// Of somebody who would be created: who in Clinch has the same profile.
    pub(super) possible: Option<Suggested>,
}

impl Candidate {
    pub(super) fn rejected(cause: Cause) -> Self {
        Self::nobody(Outcome::Rejected(cause))
    }

    pub(super) fn skipped(id: ClinchId) -> Self {
        Self::known(id, Outcome::Skipped, false)
    }

    pub(super) fn known(id: ClinchId, outcome: Outcome, seen: bool) -> Self {
        Self { id: Some(id), seen, ..Self::nobody(outcome) }
    }

    /// Somebody who was, or would be, updated.
    pub(super) fn updated(id: ClinchId, changed: Vec<String>, seen: bool) -> Self {
        Self { changed, ..Self::known(id, Outcome::Updated, seen) }
    }

    /// Somebody who was, or would be, created.
    pub(super) fn created(id: Option<ClinchId>) -> Self {
        Self { id, fresh: true, ..Self::nobody(Outcome::Created) }
    }

    /// With the time of the last change.
    pub(super) fn changed_at(self, changed_at: Option<ChangedAt>) -> Self {
        Self { changed_at, ..self }
    }

    pub(super) fn nobody(outcome: Outcome) -> Self {
        Self {
            id: None,
            outcome,
            fresh: false,
            seen: true,
            changed: Vec::new(),
            there: None,
            changed_at: None,
            possible: None,
        }
    }
}

/// What a push has done to the person of a record. `undecided`: an earlier run may have created them.
/// `followed`: a step after the candidate wrote something, or may have.
pub(super) fn effect(candidate: &Candidate, undecided: bool, followed: bool) -> Effect {
    match candidate.outcome {
        Outcome::Created => Effect::Created,
        _ if undecided => Effect::Unknown,
        Outcome::Updated => Effect::Updated,
        Outcome::Unchanged | Outcome::Skipped if followed => Effect::Updated,
        Outcome::Unchanged | Outcome::Skipped => Effect::Unchanged,
        // Of them nothing is recorded.
        Outcome::Suppressed(_) | Outcome::Rejected(_) => Effect::Unknown,
    }
}

/// Turns a failure that concerns this record alone into an outcome; any other leaves it undecided.
pub(super) fn decided(failure: CrmFailure) -> Result<Outcome, CrmFailure> {
    match failure {
        CrmFailure::Record(cause) => Ok(Outcome::Rejected(cause)),
        other => Err(other),
    }
}

pub(super) fn already_there(id: ClinchId) -> Candidate {
    let message = "the person is in Clinch already and duplicatePolicy is Fail";
    let rejected = Candidate::rejected(Cause::new(Reason::AlreadyExists, message));
    Candidate { there: Some(id), ..rejected }
}

pub(super) fn gone_again() -> CrmFailure {
    CrmFailure::Later {
        disposition: Disposition::retry(Reason::VendorUnavailable),
        message: "the person disappeared in Clinch while being updated".to_owned(),
    }
}
