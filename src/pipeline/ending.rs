//! How a run ends when its source cannot be read. Pure.

use super::report::Ending;
use crate::{
    domain::{Cause, Disposition},
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
