//! How a run ends when Clinch fails. Pure.

use super::crm::CrmFailure;
use crate::{
    domain::{Cause, Disposition, Reason},
    pipeline::report::Ending,
};

/// The ending of a run that cannot continue.
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
