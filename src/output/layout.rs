//! The fixed columns of people: those of hireEZ exports, which `source` reads back as the same profile
//! fields. Always all of them, so that the header of a file does not depend on who is in it. Pure.

use serde_json::{Map, Value};

use super::cell::{Cell, text};

type Members = Map<String, Value>;

/// What fills a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// What an import says about the record.
    Clinch(&'static str),
    Member(&'static str),
    Location(&'static str),
    /// The first address that is not outdated.
    FirstEmail,
    /// The other ones, outdated ones last.
    MoreEmails,
    FirstPhone,
    MorePhones,
    Social(&'static str),
    List(&'static str),
}

/// One column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) name: &'static str,
    /// The profile path. A kind of link has none, and is read by its name.
    pub(super) path: &'static str,
    content: Content,
}

const fn column(name: &'static str, path: &'static str, content: Content) -> Column {
    Column { name, path, content }
}

/// In front of the columns of people, in the files of an import.
pub(super) const IMPORT_COLUMNS: [Column; 4] = [
    column("Clinch Id", "clinch.id", Content::Clinch("id")),
    column("Clinch Op", "clinch.op", Content::Clinch("op")),
    column("Clinch Revision", "clinch.revision", Content::Clinch("revision")),
    column("Clinch Updated At", "clinch.updatedAt", Content::Clinch("updatedAt")),
];

pub(super) const COLUMNS: [Column; 25] = [
    column("Id", "id", Content::Member("id")),
    column("First Name", "firstName", Content::Member("firstName")),
    column("Last Name", "lastName", Content::Member("lastName")),
    column("Full Name", "fullName", Content::Member("fullName")),
    column("Title", "title", Content::Member("title")),
    column("Current Company", "currentCompany", Content::Member("currentCompany")),
    column("Years of Experience", "yearsOfExperience", Content::Member("yearsOfExperience")),
    column("Location", "location.raw", Content::Location("raw")),
    column("Home City", "location.city", Content::Location("city")),
    column("Home State", "location.state", Content::Location("state")),
    column("Home Country", "location.country", Content::Location("country")),
    column("Home Email", "emails[0].value", Content::FirstEmail),
    column("Extra Emails", "emails[].value", Content::MoreEmails),
    column("Mobile Phone", "phones[0].value", Content::FirstPhone),
    column("Extra Phones", "phones[].value", Content::MorePhones),
    column("LinkedIn", "LinkedIn", Content::Social("linkedin")),
    column("GitHub", "GitHub", Content::Social("github")),
    column("Twitter", "Twitter", Content::Social("twitter")),
    column("Facebook", "Facebook", Content::Social("facebook")),
    column("Skills", "skills[]", Content::List("skills")),
    column("Tags", "tags[]", Content::List("tags")),
    column("Languages", "languages[]", Content::List("languages")),
    column("Certifications", "certifications[]", Content::List("certifications")),
    column("Summary", "summary", Content::Member("summary")),
    column("Last Refreshed At", "lastRefreshedAt", Content::Member("lastRefreshedAt")),
];

impl Column {
    /// Fills the cell of a profile.
    pub(super) fn fill(&self, profile: &Members, cell: &mut Cell) {
        match self.content {
            Content::Clinch(name) => {
                put(profile.get("clinch").and_then(|clinch| clinch.get(name)), cell);
            }
            Content::Member(name) => put(profile.get(name), cell),
            Content::Location(name) => match profile.get("location") {
                Some(Value::Object(location)) => put(location.get(name), cell),
                // Text that names the place.
                Some(other) if name == "raw" => put(Some(other), cell),
                _ => {}
            },
            Content::FirstEmail => {
                if let Some(first) = current(list(profile, "emails")).next() {
                    cell.put(value_of(first));
                }
            }
            Content::MoreEmails => {
                let emails = || list(profile, "emails");
                let outdated = emails().iter().filter(|email| is_outdated(email));
                current(emails()).skip(1).chain(outdated).for_each(|email| push(email, cell));
            }
            Content::FirstPhone => {
                if let Some(first) = filled(list(profile, "phones")).next() {
                    cell.put(value_of(first));
                }
            }
            Content::MorePhones => {
                filled(list(profile, "phones")).skip(1).for_each(|phone| push(phone, cell));
            }
            Content::Social(kind) => {
                let links = list(profile, "socialLinks").iter();
                let of_kind = |link: &&Value| {
                    let named = link.get("kind").and_then(Value::as_str);
                    named.is_some_and(|named| named.eq_ignore_ascii_case(kind))
                };
                for url in links.filter(of_kind).filter_map(|link| link.get("url")) {
                    // The same URL in another spelling.
                    cell.push(&text(url), "%3B");
                }
            }
            Content::List(name) => match profile.get(name) {
                Some(Value::Array(items)) => items.iter().for_each(|item| push(item, cell)),
                Some(other) => push(other, cell),
                None => {}
            },
        }
    }
}

fn put(value: Option<&Value>, cell: &mut Cell) {
    if let Some(value) = value {
        cell.put(value);
    }
}

fn push(item: &Value, cell: &mut Cell) {
    cell.push(&text(value_of(item)), ",");
}

fn list<'a>(profile: &'a Members, name: &str) -> &'a [Value] {
    match profile.get(name) {
        Some(Value::Array(items)) => items,
        // One instead of a list of one.
        Some(value @ (Value::String(_) | Value::Object(_))) => std::slice::from_ref(value),
        _ => &[],
    }
}

/// The value of an address or number, which some sources give without an object around it.
fn value_of(item: &Value) -> &Value {
    match item {
        Value::Object(members) => members.get("value").unwrap_or(&Value::Null),
        other => other,
    }
}

fn is_outdated(email: &Value) -> bool {
    match email.get("outdated") {
        Some(Value::Bool(outdated)) => *outdated,
        Some(Value::String(text)) => crate::domain::flag(text) == Some(true),
        _ => false,
    }
}

/// Items with a value.
fn filled(items: &[Value]) -> impl Iterator<Item = &Value> {
    items.iter().filter(|item| !text(value_of(item)).trim().is_empty())
}

fn current(emails: &[Value]) -> impl Iterator<Item = &Value> {
    filled(emails).filter(|email| !is_outdated(email))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cells(profile: &Value) -> Vec<(&'static str, String)> {
        let mut cell = Cell::default();
        let mut found = Vec::new();
        for column in &COLUMNS {
            cell.clear();
            column.fill(profile.as_object().unwrap(), &mut cell);
            if !cell.as_bytes().is_empty() {
                found.push((column.name, String::from_utf8(cell.as_bytes().to_vec()).unwrap()));
            }
        }
        found
    }

    #[test]
    fn an_outdated_address_is_never_the_first() {
        let of = |emails: Value| cells(&json!({ "emails": emails }));
        let email = |value: &str, outdated: bool| json!({"value": value, "outdated": outdated});
        let found = of(json!([email("old", true), email("a", false), email("older", true), "b"]));
        assert_eq!(found, [("Home Email", "a".into()), ("Extra Emails", "b;old;older".into())]);
        assert_eq!(of(json!([email("old", true)])), [("Extra Emails", "old".into())]);
        assert_eq!(
            of(json!([{"value": " "}, {"kind": "work"}, null, "a"])),
            [("Home Email", "a".into())]
        );
    }

    #[test]
    fn values_of_an_unexpected_type_are_not_lost() {
        let found = cells(&json!({
            "id": 7, "title": ["a", "b"], "location": "Bern", "emails": "a@x.org", "skills": "Go",
            "tags": [1, true, null, {"value": "x"}], "yearsOfExperience": 7.5,
            "socialLinks": [{"kind": "LinkedIn", "url": "https://l/a;b"}, {"kind": "xing", "url": "z"}]
        }));
        assert_eq!(
            found,
            [
                ("Id", "7".into()),
                ("Title", r#"["a","b"]"#.into()),
                ("Years of Experience", "7.5".into()),
                ("Location", "Bern".into()),
                ("Home Email", "a@x.org".into()),
                ("LinkedIn", "https://l/a%3Bb".into()),
                ("Skills", "Go".into()),
                ("Tags", "1;true;x".into()),
            ]
        );
    }
}
