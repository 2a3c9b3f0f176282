//! What the status says of earlier runs. Pure.

use crate::api::CandidateImportStatus;

/// The revision that is in place: that of the last complete run, unless another one was attempted since.
pub(super) fn in_place(status: &CandidateImportStatus) -> Option<&str> {
    let applied = status.last_applied_revision.as_deref();
    applied.filter(|applied| status.last_attempted_revision.as_deref() == Some(*applied))
}
