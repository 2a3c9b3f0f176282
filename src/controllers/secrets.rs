//! Which Secrets may be read, and for what: their owners say so by labels. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    api::{ALLOWED_ORIGIN, USE_LABEL},
    cluster::Bundle,
    storage::{Location, SecretFields},
};

/// Whether a Secret may be read for a use: it is labelled for it, and holds no token of a service
/// account.
pub(super) fn is_for(secret: &Bundle, wanted: &str) -> bool {
    let token = secret.secret_type == "kubernetes.io/service-account-token";
    let labelled = secret.labels.get(USE_LABEL).is_some_and(|value| value == wanted);
    labelled && !token
}

/// The origins that a Secret may be sent to.
fn origins(secret: &Bundle) -> impl Iterator<Item = &str> {
    let separated = |c: char| c == ',' || c.is_whitespace();
    let named = secret.annotations.get(ALLOWED_ORIGIN).into_iter();
    let all = named.flat_map(move |origins| origins.split(separated));
    all.map(|one| one.trim_end_matches('/')).filter(|one| !one.is_empty())
}

/// As [`usable`], with the origins that its owner names.
pub(super) fn usable_fields(
    name: &str,
    found: Option<Bundle>,
    location: &Location,
    wanted: &str,
) -> Result<SecretFields, String> {
    let named = found.as_ref().map(|secret| origins(secret).map(str::to_owned).collect());
    let fields = usable(name, found, location, wanted)?;
    Ok(SecretFields { fields, origins: named.unwrap_or_default() })
}

/// The fields of a Secret that may be sent to `location`. One answer for "does not exist" and "may
/// not be used": a reference must not reveal which Secrets a namespace has.
pub(super) fn usable(
    name: &str,
    found: Option<Bundle>,
    location: &Location,
    wanted: &str,
) -> Result<BTreeMap<String, Bytes>, String> {
    let origin = location.origin();
    let names_origin = |secret: &Bundle| origins(secret).any(|one| one == origin);
    let usable = found.filter(|secret| is_for(secret, wanted) && names_origin(secret));
    usable.map(|secret| secret.data).ok_or_else(|| {
        format!(
            "Secret {name} cannot be used here: it must exist, carry the label {USE_LABEL}={wanted} \
             and the annotation {ALLOWED_ORIGIN}: {origin}, and hold no service account token"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::USE_SOURCE;

    #[test]
    fn a_secret_is_sent_only_where_its_owner_wrote_that_it_may_be() {
        let location = Location::web("https://files.example.com/x.csv?a").unwrap();
        let secret = |origin: &str, label: &str| Bundle {
            labels: [(USE_LABEL.to_owned(), label.to_owned())].into(),
            annotations: [(ALLOWED_ORIGIN.to_owned(), origin.to_owned())].into(),
            ..Bundle::default()
        };
        let usable = |found| usable("s", found, &location, USE_SOURCE).is_ok();
        assert!(usable(Some(secret("https://files.example.com", USE_SOURCE))));
        assert!(usable(Some(secret("s3://b, https://files.example.com/", USE_SOURCE))));
        for not in [
            None,
            Some(secret("https://files.example.com", "other")),
            Some(secret("https://files.example.com.evil.example", USE_SOURCE)),
            Some(secret("http://files.example.com", USE_SOURCE)),
            Some(secret("", USE_SOURCE)),
        ] {
            assert!(!usable(not));
        }
    }
}
