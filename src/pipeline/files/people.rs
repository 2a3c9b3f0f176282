//! Whether a person may leave with a file: no address that is written may be on a list. Pure.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::{
    domain::{EmailAddress, MatchKey, Profile, narrow},
    ledger::{Suppressed, Suppressions},
};

/// The members of a profile that hold its addresses.
const MEMBERS: [&str; 2] = ["emails", "email"];
/// What stands between the addresses of a list.
const BETWEEN: [char; 5] = [',', ';', '|', '\n', '\t'];
/// What stands around an address, besides white space.
const AROUND: &str = "<>()[]{}\"\\";
/// Longer texts are not one address, however they are written.
const LONGEST: usize = 1024;

/// The addresses by which a person may be known: outdated ones, and those in a list of another form.
pub(super) fn addresses(profile: &Profile) -> Vec<MatchKey> {
    let members = profile.members();
    let mut found = Vec::new();
    for value in MEMBERS.into_iter().filter_map(|name| members.get(name)) {
        each_text(value, &mut |text| add(text, &mut found));
    }
    // Clinch may have anything in place of an address.
    let list = members.get("emails").and_then(Value::as_array).into_iter().flatten();
    let items = list.map(|item| item.get("value").unwrap_or(item));
    let texts = items.chain(members.get("email")).filter_map(Value::as_str);
    found.extend(texts.filter(|text| !has_at(text)).filter_map(MatchKey::fold));
    found
}

/// Adds the addresses in what is written of a person: in any value, and in any name of a member.
pub(super) fn add_written(members: &Map<String, Value>, found: &mut Vec<MatchKey>) {
    for (name, value) in members {
        add(name, found);
        each_text(value, &mut |text| add(text, found));
    }
}

/// Adds the addresses in the members that are not asked for the addresses of a profile.
pub(super) fn add_others(profile: &Profile, found: &mut Vec<MatchKey>) {
    for (name, value) in profile.members() {
        add(name, found);
        if !MEMBERS.contains(&name.as_str()) {
            each_text(value, &mut |text| add(text, found));
        }
    }
}

/// Calls with each text of a value, names of members included.
fn each_text(value: &Value, call: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => call(text),
        Value::Array(items) => {
            for item in items {
                each_text(item, call);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                call(name);
                each_text(value, call);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn has_at(text: &str) -> bool {
    text.contains('@') || text.contains("%40")
}

/// Adds the addresses of a text, however they are separated and wrapped. Rather adds something that is
/// no address than leaves one out.
fn add(text: &str, found: &mut Vec<MatchKey>) {
    add_plain(text, found);
    if let Cow::Owned(narrowed) = narrow(text) {
        add_plain(&narrowed, found);
    }
}

fn add_plain(text: &str, found: &mut Vec<MatchKey>) {
    if !has_at(text) {
        return;
    }
    let first = found.len();
    let mut note = |text: &str, any: bool| {
        let text = text.trim_end_matches(|c: char| c.is_whitespace() || ".:!?'*".contains(c));
        if text.len() > LONGEST || !(any || EmailAddress::parse(text).is_ok()) {
            return;
        }
        let Some(key) = MatchKey::fold(text) else { return };
        let is_same = |known: &MatchKey| {
            known.expose() == key.expose() && known.expose_others() == key.expose_others()
        };
        if !found[first..].iter().any(is_same) {
            found.push(key);
        }
    };
    note(text, false);
    for piece in text.split(BETWEEN).filter(|piece| has_at(piece)) {
        note(piece, false);
        let is_around = |c: char| c.is_whitespace() || AROUND.contains(c);
        for word in piece.split(is_around).filter(|word| has_at(word)) {
            note(word, false);
            for (at, _) in word.match_indices('@') {
                note(plain(word, at), false);
            }
        }
        // With white space inside.
        note(piece, true);
    }
    note(text, true);
}

/// The letters, digits and common signs on both sides of an `@`.
fn plain(word: &str, at: usize) -> &str {
    let is_part = |c: char| c.is_alphanumeric() || "._%+-".contains(c);
    let start = word[..at].trim_end_matches(is_part).len();
    let behind = &word[at + 1..];
    let end = at + 1 + behind.len() - behind.trim_start_matches(is_part).len();
    word[start..end].trim_start_matches(['.', '-', '%', '+'])
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

    fn of(profile: Value) -> Vec<String> {
        let profile = Profile::try_from(profile).unwrap();
        let mut found = addresses(&profile);
        add_others(&profile, &mut found);
        found.iter().map(|key| key.expose().to_owned()).collect()
    }

    #[test]
    fn addresses_come_in_order_and_anything_in_place_of_one_last() {
        let profile = json!({
            "email": "A@x.org",
            "emails": [{"value": "B@x.org", "outdated": true}, "c@x.org", "N / A", 7],
        });
        assert_eq!(of(profile), ["b@x.org", "c@x.org", "a@x.org", "n/a"]);
        assert_eq!(of(json!({"emails": null, "firstName": "Ann"})), [""; 0]);
    }

    #[test]
    fn every_spelling_of_an_address_is_found_in_any_value() {
        for value in [
            json!("p3@example.com"),
            json!(" P3@Example.com "),
            json!("p3@example.com;q@example.com"),
            json!("q@example.com, p3@example.com"),
            json!("q@example.com|p3@example.com|r@example.com"),
            json!("q@example.com / p3@example.com"),
            json!("q@example.com/p3@example.com"),
            json!("q@example.com\u{a0}p3@example.com"),
            json!("q@example.com\np3@example.com"),
            json!("p3@example.com."),
            json!("p3 @example.com; q@example.com"),
            json!("p\u{200b}3@exam\u{ad}ple.com"),
            json!("mailto:p3@example.com"),
            json!("q@example.com mailto:p3%40example.com?subject=x"),
            json!("\"Three, P\" <p3@example.com>, Q <q@example.com>"),
            json!("work:p3@example.com"),
            json!("'p3@example.com'"),
            json!("q@example.com\u{ff1b}\u{ff50}3\u{ff20}example.com"),
            json!("N/A; p3@example.com"),
            json!("Write to p3@example.com, not to q@example.com!"),
            json!(["q@example.com", "p3@example.com"]),
            json!([{"address": "p3@example.com"}]),
            json!({"value": "p3@example.com"}),
            json!({"p3@example.com": true}),
            json!([{"value": {"work": ["p3@example.com"]}}]),
        ] {
            for name in ["emails", "email", "x"] {
                let found = of(json!({name: value}));
                assert!(found.contains(&"p3@example.com".to_owned()), "{name}: {value} {found:?}");
            }
        }
    }
}
