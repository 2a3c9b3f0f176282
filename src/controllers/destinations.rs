//! Why a place that something is written to cannot be used. Pure.

use crate::{
    api::ReadPermission,
    domain::{Cause, Reason},
    storage::{AllowedPlaces, Location, PlaceError},
};

/// Why the places that the integration lists do not hold a file, if so. A URL that cannot be used is
/// reported where it is opened; the account of an Azure container is compared by the operator's own list.
pub(super) fn not_listed(permission: &ReadPermission, url: &str) -> Option<String> {
    if permission.destinations.is_empty() {
        return None;
    }
    match AllowedPlaces::destinations(permission.destinations.iter().map(String::as_str)) {
        Ok(listed) => {
            let location = Location::file(url).ok()?;
            (!listed.may_allow(&location)).then(|| {
                format!(
                    "{location} is under none of the places in spec.readPermission.destinations of \
                     the integration; ask its admin"
                )
            })
        }
        Err(error) => Some(format!(
            "spec.readPermission.destinations of the integration cannot be used; ask its admin: {error}"
        )),
    }
}

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
