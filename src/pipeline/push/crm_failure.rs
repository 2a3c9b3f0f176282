//! What a failure of Clinch, the ledger or the suppression list means for a run. Pure.

use super::crm::CrmFailure;
use crate::{
    clinch::{ClinchError, NotClinchSign},
    domain::{Cause, Disposition, Reason},
    ledger::{JournalError, SuppressionError},
};

// Exhaustive on purpose.
impl From<ClinchError> for CrmFailure {
    fn from(error: ClinchError) -> Self {
        let message = error.to_string();
        let disposition = error.disposition();
        match error {
            ClinchError::Rejected { .. } | ClinchError::Conflict | ClinchError::OtherPerson => {
                Self::Record(Cause::new(Reason::RecordRejected, message))
            }
            ClinchError::SignatureRefused { .. } => {
                Self::Record(Cause::new(Reason::RequestAltered, message))
            }
            ClinchError::TooLarge | ClinchError::AnswerTooLarge { .. } => {
                Self::Record(Cause::new(Reason::TooLarge, message))
            }
            ClinchError::NotFound => Self::Gone,
            ClinchError::GrantRevoked => Self::Withdrawn,
            ClinchError::GrantPaused => Self::Paused,
            // That somebody is not found is about one person, also if a proxy says so.
            ClinchError::Errored { .. }
            | ClinchError::Unavailable { status: Some(_), .. }
            | ClinchError::NotClinch(NotClinchSign::NotFoundPage | NotClinchSign::BareNotFound) => {
                Self::Errored { disposition, message }
            }
            ClinchError::Ambiguous(_) => Self::Undecided { disposition, message },
            ClinchError::Timeout
            | ClinchError::Unavailable { status: None, .. }
            | ClinchError::RateLimited { .. } => Self::Later { disposition, message },
            // The integration's own condition reports these. Once it is verified again, all of its
            // exports continue.
            ClinchError::Unauthorized | ClinchError::ClockSkew { .. } | ClinchError::Forbidden => {
                let reason = Reason::DependencyNotReady;
                Self::Everything { disposition: Disposition::Wait { reason }, message }
            }
            ClinchError::Unreachable(_)
            | ClinchError::Tls
            | ClinchError::EndpointNotAllowed
            | ClinchError::NotClinch(_)
            | ClinchError::Unsupported(_)
            | ClinchError::FilterIgnored
            | ClinchError::Fenced => Self::Everything { disposition, message },
        }
    }
}

impl From<JournalError> for CrmFailure {
    fn from(error: JournalError) -> Self {
        let disposition = error.disposition();
        let refused =
            matches!(disposition.reason(), Reason::LedgerRefused | Reason::LedgerUnreachable);
        let rest = if refused { "; nobody is pushed until the ledger can be written" } else { "" };
        Self::Everything { disposition, message: format!("{error}{rest}") }
    }
}

/// Nobody is pushed while anonymised people cannot be recorded.
impl From<SuppressionError> for CrmFailure {
    fn from(error: SuppressionError) -> Self {
        Self::Everything {
            disposition: error.disposition(),
            message: format!("an anonymised person cannot be recorded: {error}"),
        }
    }
}
