//! How a run ends when its source or Clinch fails. Pure.

use super::crm::CrmFailure;
use crate::{
    domain::{Cause, Disposition, Reason},
    pipeline::report::Ending,
    source::SourceError,
};

/// The ending of a run whose source cannot be read completely.
pub(super) fn unread(error: &SourceError) -> Ending {
    let (disposition, message) = (error.disposition(), error.to_string());
    match disposition {
        Disposition::Stalled { reason } => Ending::SourceFailed(Cause { reason, message }),
        Disposition::Retry { .. } | Disposition::Wait { .. } => {
            Ending::Interrupted { disposition, message }
        }
    }
}

pub(super) fn interrupted(failure: CrmFailure) -> Ending {
    match failure {
        CrmFailure::Errored { disposition, message }
        | CrmFailure::Undecided { disposition, message }
        | CrmFailure::Later { disposition, message }
        | CrmFailure::Everything { disposition, message } => {
            Ending::Interrupted { disposition, message }
        }
        CrmFailure::Record(Cause { reason, message }) => {
            Ending::Interrupted { disposition: Disposition::Stalled { reason }, message }
        }
        // The one who revoked access reports why; the run continues once it has access again.
        CrmFailure::Withdrawn | CrmFailure::Paused => Ending::Stopped,
        CrmFailure::Gone => Ending::Interrupted {
            disposition: Disposition::retry(Reason::VendorUnavailable),
            message: "Clinch answered that the requested object no longer exists".to_owned(),
        },
    }
}
