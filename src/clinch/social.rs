//! The addresses of people's profiles in a related resource. Pure. That lists take `social_profile` as an
//! include is documented, its form is not: addresses are taken from its links and attributes, as texts, as
//! objects with the address, or as lists of these.

use std::collections::HashMap;

use serde_json::Value;

use crate::{
    domain::ProfilesShown,
    jsonapi::{Included, Resource},
};

/// What the related resource is called, as an include and as a relationship.
pub const SOCIAL_PROFILE: &str = "social_profile";
/// Other names of it, as a type and as a relationship.
const SPELLINGS: [&str; 4] =
    [SOCIAL_PROFILE, "social_profiles", "social-profile", "social-profiles"];
/// Names of the address in an object.
const ADDRESSES: [&str; 3] = ["url", "href", "value"];
/// Most addresses of one resource.
const MOST: usize = 16;

/// The related resources of a page.
pub(super) struct SocialProfiles {
    by_id: HashMap<String, Vec<String>>,
    shown: ProfilesShown,
}

impl SocialProfiles {
    pub(super) fn of(included: Option<Vec<Included>>) -> Self {
        let shown = included.as_ref().map_or(ProfilesShown::Unmentioned, |_| ProfilesShown::All);
        let is_profile = |one: &Included| SPELLINGS.contains(&one.kind.as_str());
        let of_profiles = included.into_iter().flatten().filter(is_profile);
        let by_id = of_profiles.map(|one| {
            let mut found = Vec::new();
            for members in [&one.links, &one.attributes] {
                for value in members.as_object().into_iter().flat_map(serde_json::Map::values) {
                    collect(value, &mut found);
                }
            }
            (one.id, found)
        });
        Self { by_id: by_id.collect(), shown }
    }

    /// What the page shows, once every person on it was looked at.
    pub(super) const fn shown(&self) -> ProfilesShown {
        self.shown
    }

    /// The addresses of a person.
    pub(super) fn of_person(&mut self, person: &Resource) -> Vec<String> {
        let relationship = |name: &&str| person.relationships.get(*name)?.get("data");
        let Some(data) = SPELLINGS.iter().find_map(relationship) else { return Vec::new() };
        self.shown = self.shown.max(ProfilesShown::All);
        let related = match data {
            Value::Array(many) => many.as_slice(),
            one => std::slice::from_ref(one),
        };
        let mut found = Vec::new();
        for one in related.iter().filter(|one| !one.is_null()) {
            match one.get("id").and_then(id_of).and_then(|id| self.by_id.get(&id)) {
                Some(addresses) => found.extend(addresses.iter().cloned()),
                None => self.shown = ProfilesShown::Missing,
            }
        }
        found
    }
}

fn id_of(id: &Value) -> Option<String> {
    match id {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn collect(value: &Value, into: &mut Vec<String>) {
    let address = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(object) => {
            ADDRESSES.iter().find_map(|name| object.get(*name)?.as_str()).map(str::to_owned)
        }
        _ => None,
    };
    let found = match value {
        Value::Array(many) => many.iter().filter_map(address).take(MOST).collect(),
        one => address(one).into_iter().collect::<Vec<_>>(),
    };
    into.extend(found.into_iter().take(MOST.saturating_sub(into.len())));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jsonapi::{Document, PrimaryData};

    /// The addresses of the only person of a page, and what it shows.
    fn read(document: Value) -> (Vec<String>, ProfilesShown) {
        let document: Document = serde_json::from_value(document).unwrap();
        let PrimaryData::Many(people) = document.data else { panic!("a collection") };
        let mut profiles = SocialProfiles::of(document.included);
        let found = people.iter().flat_map(|person| profiles.of_person(person)).collect();
        (found, profiles.shown())
    }

    fn page(relationship: &Value, included: &Value) -> Value {
        let person = json!({"id": "p1", "type": "candidate",
            "relationships": {"social_profile": {"data": relationship}}});
        json!({"data": [person], "included": included})
    }

    #[test]
    fn addresses_are_read_in_every_form_that_is_known_or_likely() {
        let reference = json!({"type": "social_profile", "id": "s1"});
        for profile in [
            json!({"links": {"linked_in": {"url": "https://l.example"}}}),
            json!({"links": {"linked_in": "https://l.example"}}),
            json!({"links": {"linked_in": {"href": "https://l.example"}, "self": null}}),
            json!({"attributes": {"linked_in": {"url": "https://l.example"}}}),
            json!({"attributes": {"linked_in_url": "https://l.example", "followers": 3}}),
            json!({"attributes": {"accounts": [{"kind": "x", "url": "https://l.example"}, 7]}}),
            json!({"attributes": "text", "links": ["https://no.example"], "type": "SocialProfiles",
                "also": {"url": "https://l.example"}}),
        ] {
            let mut profile = profile;
            let expected =
                if profile["type"].is_null() { vec!["https://l.example"] } else { vec![] };
            profile["id"] = "s1".into();
            profile["type"] = "social_profile".into();
            let (found, shown) = read(page(&reference, &json!([profile])));
            assert_eq!(
                (found, shown),
                (expected.iter().map(ToString::to_string).collect(), ProfilesShown::All)
            );
        }
        let many = json!([{"id": 7}, {"id": "8"}]);
        let of = |id: Value, name: &str| json!({"id": id, "type": "social_profiles", "attributes": {"x": name}});
        let (found, _) =
            read(page(&many, &json!([of(json!("8"), "b"), of(json!(7), "a"), of(json!(9), "c")])));
        assert_eq!(found, ["a", "b"], "of these alone");
    }

    #[test]
    fn a_page_shows_all_profiles_some_or_none() {
        let bare = json!({"data": [{"id": "p1", "type": "candidate"}]});
        assert_eq!(read(bare).1, ProfilesShown::Unmentioned);
        assert_eq!(read(page(&Value::Null, &Value::Null)).1, ProfilesShown::All, "nobody has one");
        assert_eq!(read(json!({"data": [], "included": []})).1, ProfilesShown::All);
        let reference = json!({"type": "social_profile", "id": "s1"});
        for included in [Value::Null, json!([]), json!([{"id": "s1", "type": "note"}])] {
            assert_eq!(read(page(&reference, &included)), (Vec::new(), ProfilesShown::Missing));
        }
    }

    #[test]
    fn addresses_of_one_resource_are_bounded() {
        let links: serde_json::Map<String, Value> =
            (0..100).map(|n| (format!("l{n}"), json!("https://l.example"))).collect();
        let profile = json!({"id": "s1", "type": "social_profile", "links": links,
            "attributes": {"all": vec!["https://l.example"; 100]}});
        let (found, _) = read(page(&json!({"id": "s1"}), &json!([profile])));
        assert_eq!(found.len(), MOST);
    }
}
