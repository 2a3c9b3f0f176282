//! Why a place that something is written to cannot be used. Pure.

use crate::{
    domain::{Cause, Reason},
    storage::PlaceError,
};

/// Why a destination cannot be opened. `field`: of the spec, that names it.
pub(super) fn refused(field: &str, error: &PlaceError) -> Cause {
    let reason = match error {
        PlaceError::Url(_) => {
            return Cause::new(Reason::InvalidSpec, format!("{field}: {error}"));
        }
        PlaceError::NotAllowed(..) | PlaceError::AccountNotAllowed(..) => {
            Reason::DestinationNotAllowed
        }
        PlaceError::Credentials(_) | PlaceError::NoAccount(_) => Reason::DestinationDenied,
    };
    Cause::new(reason, error.to_string())
}
