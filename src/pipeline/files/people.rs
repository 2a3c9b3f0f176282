//! Whether a person may leave with a file: none of their addresses may be on a list. Pure.

use serde_json::Value;

use crate::{
    domain::{MatchKey, Profile},
    ledger::{Suppressed, Suppressions},
};

/// The addresses of a profile, outdated ones included: an erased person may be known by any of them.
pub(super) fn addresses(profile: &Profile) -> impl Iterator<Item = MatchKey> {
    let members = profile.members();
    let list = members.get("emails").and_then(Value::as_array).into_iter().flatten();
    let items = list.map(|item| item.get("value").unwrap_or(item));
    let texts = items.chain(members.get("email")).filter_map(Value::as_str);
    texts.filter_map(MatchKey::fold)
}

/// Why none of these addresses may be written, if so.
pub(super) fn suppressed<'a>(
    lists: &Suppressions,
    addresses: impl IntoIterator<Item = &'a MatchKey>,
) -> Option<Suppressed> {
    addresses.into_iter().find_map(|key| lists.check(key, &lists.key_hash(key)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_spelling_of_the_list_of_addresses_is_found() {
        let of = |value| {
            let profile = Profile::try_from(value).unwrap();
            addresses(&profile).map(|key| key.expose().to_owned()).collect::<Vec<_>>()
        };
        let profile = json!({
            "email": "A@x.org",
            "emails": [{"value": "B@x.org", "outdated": true}, "c@x.org", {"kind": "work"}, 7],
        });
        assert_eq!(of(profile), ["b@x.org", "c@x.org", "a@x.org"]);
        assert_eq!(of(json!({"emails": null})), [""; 0]);
        assert_eq!(of(json!({"emails": {"value": "a@x.org"}})), [""; 0]);
    }
}
