//! What became of a record. Pure.

use super::crm::CrmFailure;
use crate::{
    domain::{ClinchId, Disposition, Reason},
    ledger::{Steps, Suppressed},
};

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

/// The candidate step's result.
pub(super) struct Candidate {
    pub(super) id: Option<ClinchId>,
    pub(super) outcome: Outcome,
    /// They were created just now.
    pub(super) fresh: bool,
    /// They were read, or created, in this call: and were not anonymised.
    pub(super) seen: bool,
}

impl Candidate {
    pub(super) fn rejected(reason: Reason, message: String) -> Self {
        Self::nobody(Outcome::Rejected { reason, message })
    }

    pub(super) fn skipped(id: ClinchId) -> Self {
        Self::known(id, Outcome::Skipped, false)
    }

    pub(super) fn known(id: ClinchId, outcome: Outcome, seen: bool) -> Self {
        Self { id: Some(id), outcome, fresh: false, seen }
    }

    pub(super) fn nobody(outcome: Outcome) -> Self {
        Self { id: None, outcome, fresh: false, seen: true }
    }
}

/// A failure of this record alone is an outcome; any other leaves it undecided.
pub(super) fn decided(failure: CrmFailure) -> Result<Outcome, CrmFailure> {
    match failure {
        CrmFailure::Record { reason, message } => Ok(Outcome::Rejected { reason, message }),
        other => Err(other),
    }
}

pub(super) fn already_there() -> Candidate {
    Candidate::rejected(
        Reason::AlreadyExists,
        "the person is in Clinch already and duplicatePolicy is Fail".to_owned(),
    )
}

pub(super) fn gone_again() -> CrmFailure {
    CrmFailure::Later {
        disposition: Disposition::retry(Reason::VendorUnavailable),
        message: "the person disappeared in Clinch while being updated".to_owned(),
    }
}
