//! How a run ends when its source or Clinch fails. Pure.

use super::crm::CrmFailure;
use crate::{
    domain::{Disposition, Reason},
    pipeline::report::Ending,
    source::SourceError,
};

/// The ending of a run whose source cannot be read, or not to its end.
pub(super) fn unread(error: &SourceError) -> Ending {
    let (disposition, message) = (error.disposition(), error.to_string());
    match disposition {
        Disposition::Stalled { reason } => Ending::SourceFailed { reason, message },
        Disposition::Retry { .. } | Disposition::Wait { .. } => {
            Ending::Interrupted { disposition, message }
        }
    }
}

pub(super) fn interrupted(failure: CrmFailure) -> Ending {
    match failure {
        CrmFailure::Later { disposition, message }
        | CrmFailure::Everything { disposition, message } => {
            Ending::Interrupted { disposition, message }
        }
        CrmFailure::Record { reason, message } => {
            Ending::Interrupted { disposition: Disposition::Stalled { reason }, message }
        }
        // Why is told by whoever withdrew it; the run goes on once it is let.
        CrmFailure::Withdrawn => Ending::Stopped,
        CrmFailure::Gone => Ending::Interrupted {
            disposition: Disposition::retry(Reason::VendorUnavailable),
            message: "Clinch answered that what was asked for is gone".to_owned(),
        },
    }
}
