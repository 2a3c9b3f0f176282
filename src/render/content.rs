//! The facts of a profile that a document shows, in the order in which it shows them. Notes, reminders,
//! feedback, status, projects, photos and files are internal and never shown.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    clean::{line, paragraphs},
    links::{Link, mail, phone, web},
};
use crate::domain::Profile;

/// One person. Serialized, it is the input of a digest: the order of members is part of it.
#[derive(Serialize)]
pub(super) struct Person {
    pub name: Option<String>,
    pub title: Option<String>,
    pub company: Option<String>,
    pub place: Option<String>,
    pub country: Option<String>,
    pub contacts: Vec<Link>,
    pub summary: Vec<String>,
    pub positions: Vec<Entry>,
    pub education: Vec<Entry>,
    pub certifications: Vec<Entry>,
    pub skills: Vec<String>,
    pub languages: Vec<String>,
    pub tags: Vec<String>,
    pub links: Vec<Link>,
}

/// One position, school or certificate.
#[derive(Serialize)]
pub(super) struct Entry {
    pub when: When,
    pub heading: Option<String>,
    pub organisation: Option<String>,
    pub text: Vec<String>,
}

/// When something began and ended, as the profile says it.
#[derive(Serialize, Default)]
pub(super) struct When {
    pub start: Option<String>,
    pub end: Option<String>,
    pub current: bool,
}

/// The members of a profile that are shown, in whole or in part.
pub(super) const MEMBERS: [&str; 16] = [
    "fullName",
    "firstName",
    "lastName",
    "title",
    "currentCompany",
    "location",
    "emails",
    "phones",
    "socialLinks",
    "summary",
    "positions",
    "education",
    "certifications",
    "skills",
    "languages",
    "tags",
];

impl Person {
    pub(super) fn of(profile: &Profile) -> Self {
        let members = profile.members();
        let location = members.get("location");
        Self {
            name: name(members),
            title: text(members.get("title")),
            company: text(members.get("currentCompany")),
            place: location.and_then(place),
            country: location.and_then(|place| text(place.get("country"))),
            contacts: contacts(members),
            summary: long_text(members.get("summary")),
            positions: entries(members.get("positions"), position),
            education: entries(members.get("education"), studies),
            certifications: entries(members.get("certifications"), certificate),
            skills: names(members.get("skills")),
            languages: items(members.get("languages")).filter_map(language).collect(),
            tags: names(members.get("tags")),
            links: items(members.get("socialLinks")).filter_map(social).collect(),
        }
    }

    /// Every text that is shown, for what depends on all of them.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let entries = [&self.positions, &self.education, &self.certifications];
        let of_entries = entries.into_iter().flatten().flat_map(|entry| {
            let facts = entry.heading.iter().chain(&entry.organisation);
            facts.chain(&entry.text)
        });
        let lists = [&self.summary, &self.skills, &self.languages, &self.tags];
        let facts = self.name.iter().chain(&self.title).chain(&self.company).chain(&self.place);
        let of_links = self.contacts.iter().chain(&self.links).map(|link| &link.text);
        let facts = facts.chain(lists.into_iter().flatten()).chain(of_entries).chain(of_links);
        facts.map(String::as_str)
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => line(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn long_text(value: Option<&Value>) -> Vec<String> {
    value.and_then(Value::as_str).map(paragraphs).unwrap_or_default()
}

fn items(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

/// The items of a list of names, each of which is a string or an object with a name.
fn names(value: Option<&Value>) -> Vec<String> {
    items(value).filter_map(|item| text(Some(item)).or_else(|| text(item.get("name")))).collect()
}

fn name(members: &Map<String, Value>) -> Option<String> {
    let part = |member| text(members.get(member));
    part("fullName").or_else(|| match (part("firstName"), part("lastName")) {
        (Some(first), Some(last)) => Some(format!("{first} {last}")),
        (first, last) => first.or(last),
    })
}

fn place(location: &Value) -> Option<String> {
    let part = |member| text(location.get(member));
    let parts = || {
        let parts: Vec<String> =
            ["city", "state", "country"].into_iter().filter_map(part).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    };
    text(Some(location)).or_else(|| part("raw")).or_else(parts)
}

/// E-mail addresses that are not outdated, then telephone numbers.
fn contacts(members: &Map<String, Value>) -> Vec<Link> {
    let value = |item: &Value| text(Some(item)).or_else(|| text(item.get("value")));
    let outdated = |item: &&Value| item.get("outdated").and_then(Value::as_bool) == Some(true);
    let mails = items(members.get("emails")).filter(|item| !outdated(item));
    let phones = items(members.get("phones"));
    mails.filter_map(value).map(mail).chain(phones.filter_map(value).map(phone)).collect()
}

fn entries(list: Option<&Value>, read: fn(&Value) -> Entry) -> Vec<Entry> {
    let shown = |e: &Entry| e.heading.is_some() || e.organisation.is_some() || !e.text.is_empty();
    items(list).map(read).filter(shown).collect()
}

fn when(entry: &Value) -> When {
    let current = entry.get("current").and_then(Value::as_bool) == Some(true);
    let date = |name: &str| text(entry.get(name)).filter(|text| is_date(text));
    let end = date("end").filter(|_| !current);
    When { start: date("start"), end, current }
}

/// Whether a text may be a date. The column of years is narrow, and no place for anything else.
fn is_date(text: &str) -> bool {
    let usual = |c: char| c.is_alphanumeric() || " -–—/.,:+'’()".contains(c);
    text.chars().count() <= 32 && text.chars().all(usual)
}

fn position(entry: &Value) -> Entry {
    Entry {
        when: when(entry),
        heading: text(entry.get("title")),
        organisation: text(entry.get("company")),
        text: long_text(entry.get("description")),
    }
}

fn studies(entry: &Value) -> Entry {
    let heading = match (text(entry.get("degree")), text(entry.get("field"))) {
        (Some(degree), Some(field)) => Some(format!("{degree}, {field}")),
        (degree, field) => degree.or(field),
    };
    Entry {
        when: when(entry),
        heading,
        organisation: text(entry.get("school")),
        text: long_text(entry.get("description")),
    }
}

fn certificate(entry: &Value) -> Entry {
    let member = |name| text(entry.get(name));
    let end = member("year").or_else(|| member("date")).or_else(|| member("end"));
    Entry {
        when: When { start: None, end, current: false },
        heading: text(Some(entry)).or_else(|| member("name")).or_else(|| member("title")),
        organisation: member("issuer").or_else(|| member("organization")),
        text: Vec::new(),
    }
}

fn language(item: &Value) -> Option<String> {
    let member = |name| text(item.get(name));
    let name = text(Some(item)).or_else(|| member("name")).or_else(|| member("language"))?;
    match member("level").or_else(|| member("proficiency")) {
        Some(level) => Some(format!("{name} ({level})")),
        None => Some(name),
    }
}

fn social(item: &Value) -> Option<Link> {
    let url = text(Some(item)).or_else(|| text(item.get("url")))?;
    Some(web(&url, text(item.get("kind"))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(value: Value) -> Person {
        Person::of(&Profile::try_from(value).unwrap())
    }

    #[test]
    fn the_facts_of_a_profile_are_clean_and_in_order() {
        let person = of(json!({
            "firstName": "Ada", "lastName": "Love\nlace", "title": " Engineer ",
            "location": {"city": "London", "country": "GB"},
            "emails": [{"value": "old@example.org", "outdated": true}, {"value": "ada@example.org"}],
            "phones": [{"value": "+44 20"}, null, 5],
            "education": [{"degree": "BSc", "field": "Physics", "school": "Northmere", "end": 2020}, {}],
            "languages": ["English", {"name": "French", "level": "B2"}, {"x": 1}],
            "certifications": [{"name": "CKA", "issuer": "CNCF", "year": "2021"}, "Scrum"],
        }));
        assert_eq!(person.name.as_deref(), Some("Ada Love lace"));
        assert_eq!(person.place.as_deref(), Some("London, GB"));
        let contacts: Vec<&str> = person.contacts.iter().map(|c| c.text.as_str()).collect();
        assert_eq!(contacts, ["ada@example.org", "+44 20", "5"]);
        assert_eq!(person.education.len(), 1);
        assert_eq!(person.education[0].heading.as_deref(), Some("BSc, Physics"));
        assert_eq!(person.languages, ["English", "French (B2)"]);
        assert_eq!(person.certifications.len(), 2);
    }

    #[test]
    fn internal_members_are_not_among_the_facts() {
        let internal = json!({
            "fullName": "Ada", "notes": [{"text": "ZZnote"}], "reminders": ["ZZreminder"],
            "fitFeedback": {"reason": "ZZfit"}, "status": "ZZstatus", "stage": "ZZstage",
            "projects": [{"name": "ZZproject"}], "photoUrl": "https://zz.example/p.jpg",
            "files": [{"name": "ZZfile"}], "resume": {"name": "ZZresume"}, "x": {"zz": "ZZx"},
            "lastRefreshedAt": "ZZtime", "id": "ZZid",
        });
        let shown = serde_json::to_string(&of(internal)).unwrap();
        assert!(!shown.to_lowercase().contains("zz"), "{shown}");
    }
}
