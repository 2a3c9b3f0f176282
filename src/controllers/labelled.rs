//! Which Secrets an object may have read, and for what: its owner says so by labels. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    api::{ALLOWED_ORIGIN, USE_LABEL},
    cluster::Bundle,
    storage::Location,
};

/// Whether a Secret may be read for a use: it is labelled for it, and holds no token of a service
/// account.
pub(super) fn is_for(secret: &Bundle, wanted: &str) -> bool {
    let token = secret.secret_type == "kubernetes.io/service-account-token";
    let labelled = secret.labels.get(USE_LABEL).is_some_and(|value| value == wanted);
    labelled && !token
}

/// The fields of a Secret that may be sent to `location`. One answer for "does not exist" and "may
/// not be used": a reference is no way to find out which Secrets a namespace has.
pub(super) fn usable(
    name: &str,
    found: Option<Bundle>,
    location: &Location,
    wanted: &str,
) -> Result<BTreeMap<String, Bytes>, String> {
    let origin = location.origin();
    let names_origin = |secret: &Bundle| {
        let separated = |c: char| c == ',' || c.is_whitespace();
        secret.annotations.get(ALLOWED_ORIGIN).is_some_and(|origins| {
            origins.split(separated).any(|one| one.trim_end_matches('/') == origin)
        })
    };
    let usable = found.filter(|secret| is_for(secret, wanted) && names_origin(secret));
    usable.map(|secret| secret.data).ok_or_else(|| {
        format!(
            "Secret {name} cannot be used here: it must exist, carry the label {USE_LABEL}={wanted} \
             and the annotation {ALLOWED_ORIGIN}: {origin}, and hold no service account token"
        )
    })
}
