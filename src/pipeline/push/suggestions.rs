//! Who in Clinch has the LinkedIn or GitHub profile of a person whom Clinch does not have by e-mail address.
//! Only suggests: nobody is written because of it. Pure.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::crm::{Crm, CrmPerson, KnownAttributes};
use crate::{
    domain::{ClinchId, ProfilesShown},
    ledger::Keys,
    pipeline::{
        mode::Mode,
        opened::Opened,
        profiles::{ProfileHash, hash_of},
        record_log::ChangedAt,
        spec::RunSpec,
    },
};

/// Which profiles are looked for in Clinch.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Those of people of the source whom the ledger does not know. 8 bytes each.
    profiles: HashSet<ProfileHash>,
    /// Where Clinch has them.
    attributes: KnownAttributes,
}

impl Wanted {
    /// `None` if nothing is compared: nobody asks for it, or the contract has no such attribute that may
    /// leave Clinch.
    pub(super) fn of(
        crm: &impl Crm,
        spec: &RunSpec<Opened>,
        profiles: HashSet<ProfileHash>,
    ) -> Option<Self> {
        let permitted = spec.reveals.as_ref().filter(|_| spec.mode == Mode::DryRun)?;
        let mut attributes = crm.known_attributes();
        attributes.profile_urls.retain(|name| permitted.permits(name));
        attributes.related_profile =
            attributes.related_profile.filter(|name| permitted.permits(name));
        let wanted = Self { profiles, attributes };
        (!wanted.attributes.profile_urls.is_empty() || wanted.is_of_related()).then_some(wanted)
    }

    /// Whether the list has to be asked for related profiles.
    pub(super) fn is_of_related(&self) -> bool {
        self.attributes.related_profile.is_some()
    }

    /// Whether nobody has a profile to look for.
    pub(super) fn is_empty(&self) -> bool {
        self.profiles.is_empty()
    }
}

/// Who in Clinch has a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Suggested {
    /// One person, and when they were changed last.
    One(ClinchId, Option<ChangedAt>),
    /// Several people.
    Several,
}

/// Who in Clinch has the profiles that are looked for.
#[derive(Debug, Default)]
pub(super) struct Suggestions {
    found: HashMap<ProfileHash, Suggested>,
    /// Whether everybody was seen.
    pub(super) is_whole: bool,
    /// Whether people who have no suggestion have none: everybody was seen, with their profiles.
    pub(super) answers: bool,
}

impl Suggestions {
    /// Notes a person of the list, who may be seen several times.
    pub(super) fn note(&mut self, wanted: &Wanted, keys: &Keys, person: &CrmPerson) {
        let KnownAttributes { updated_at, profile_urls, related_profile } = &wanted.attributes;
        let urls = profile_urls.iter().filter_map(|name| person.attributes.get(name));
        let related = person.profile_urls.iter().filter(|_| related_profile.is_some());
        for url in urls.filter_map(Value::as_str).chain(related.map(String::as_str)) {
            let Some(hash) = hash_of(keys, url).filter(|hash| wanted.profiles.contains(hash))
            else {
                continue;
            };
            let one =
                || Suggested::One(person.id.clone(), ChangedAt::of(&person.attributes, updated_at));
            let known = self.found.entry(hash).or_insert_with(one);
            if !matches!(known, Suggested::One(id, _) if *id == person.id) {
                *known = Suggested::Several;
            }
        }
    }

    /// Notes a reading of the list: whether it was read to its end, and what it shows of related profiles.
    pub(super) fn note_reading(
        &mut self,
        wanted: Option<&Wanted>,
        ended: bool,
        related: ProfilesShown,
    ) {
        let shows = |wanted: &Wanted| {
            !wanted.attributes.profile_urls.is_empty() || related == ProfilesShown::All
        };
        self.is_whole |= ended;
        self.answers |= ended && wanted.is_some_and(shows);
    }

    /// Who may be a person with these profiles. Several people, if the profiles are of different ones.
    pub(super) fn of(&self, profiles: &[ProfileHash]) -> Option<Suggested> {
        if !self.answers {
            return None;
        }
        let mut found = profiles.iter().filter_map(|hash| self.found.get(hash));
        let first = found.next()?;
        let same = |other: &Suggested| match (first, other) {
            (Suggested::One(id, _), Suggested::One(other, _)) => id == other,
            _ => false,
        };
        Some(if found.all(same) { first.clone() } else { Suggested::Several })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn keys() -> Keys {
        Keys::derive(&[7; 32], "uid")
    }

    fn hash(url: &str) -> ProfileHash {
        hash_of(&keys(), url).unwrap()
    }

    fn person(id: &str, attributes: Value) -> CrmPerson {
        let Value::Object(attributes) = attributes else { unreachable!("an object") };
        let id = ClinchId::parse(id).unwrap();
        CrmPerson { id, key: None, attributes, anonymised: false, profile_urls: Vec::new() }
    }

    fn suggestions(people: &[CrmPerson]) -> Suggestions {
        let attributes = KnownAttributes {
            updated_at: "updated_at".into(),
            profile_urls: vec!["linkedin".to_owned(), "github".to_owned()],
            related_profile: None,
        };
        let profiles = ["linkedin.com/in/ada", "github.com/ada", "github.com/ben"];
        let wanted = Wanted { profiles: profiles.map(hash).into(), attributes };
        let mut found = Suggestions { answers: true, ..Suggestions::default() };
        for person in people.iter().chain(people) {
            found.note(&wanted, &keys(), person);
        }
        found
    }

    #[test]
    fn the_only_person_with_a_profile_is_suggested() {
        let ada = json!({"linkedin": "https://www.linkedin.com/in/Ada/",
            "updated_at": "2026-11-25T22:07:51Z"});
        let found = suggestions(&[
            person("p1", ada),
            person("p2", json!({"linkedin": "linkedin.com/in/cy", "other": "github.com/ben"})),
            person("p3", json!({"linkedin": 7, "github": null})),
            person("p4", Value::Object(Map::new())),
        ]);
        let ada = [hash("linkedin.com/in/ada"), hash("github.com/ada")];
        let Some(Suggested::One(id, Some(changed))) = found.of(&ada) else { panic!("{found:?}") };
        assert_eq!((id.as_str(), &*changed.attribute), ("p1", "updated_at"));
        assert_eq!(changed.at.to_string(), "2026-11-25T22:07:51Z");
        assert_eq!(found.of(&[hash("github.com/ben")]), None, "another attribute has it");
        assert_eq!(found.of(&[hash("linkedin.com/in/cy")]), None, "nobody asked for it");
        assert_eq!(found.of(&[]), None);
    }

    #[test]
    fn of_several_people_nobody_is_named() {
        let found = suggestions(&[
            person("p1", json!({"linkedin": "linkedin.com/in/ada"})),
            person("p2", json!({"linkedin": "uk.linkedin.com/in/ada"})),
            person("p3", json!({"github": "github.com/ben"})),
            person("p4", json!({"github": "github.com/ada"})),
        ]);
        assert_eq!(found.of(&[hash("linkedin.com/in/ada")]), Some(Suggested::Several));
        let both = [hash("github.com/ben"), hash("github.com/ada")];
        assert_eq!(found.of(&both), Some(Suggested::Several), "each is of somebody else");
    }

    #[test]
    fn a_list_that_was_not_read_to_its_end_suggests_nobody() {
        let ada = person("p1", json!({"linkedin": "linkedin.com/in/ada"}));
        let found = Suggestions { answers: false, ..suggestions(&[ada]) };
        assert_eq!(found.of(&[hash("linkedin.com/in/ada")]), None);
    }
}
