//! Names that CSV headers use for profile fields: those of the spec's header map, those of hireEZ exports
//! and their usual variants, and profile paths. `docs/SOURCES.md` lists the built-in ones. Pure.

use std::collections::{BTreeMap, HashMap};

use super::path::{self, Segment};

/// Profile path by folded header, for headers of hireEZ exports and their usual variants.
const HEADERS: &[(&str, &[&str])] = &[
    ("clinch.id", &["clinchid"]),
    ("clinch.op", &["clinchop"]),
    ("clinch.revision", &["clinchrevision"]),
    ("clinch.updatedAt", &["clinchupdatedat"]),
    ("id", &["id", "candidateid", "profileid", "hireezid"]),
    ("firstName", &["firstname", "givenname"]),
    ("lastName", &["lastname", "surname", "familyname"]),
    ("fullName", &["fullname", "name", "candidatename"]),
    ("title", &["title", "jobtitle", "currenttitle"]),
    ("currentCompany", &["currentcompany", "company", "currentemployer"]),
    ("yearsOfExperience", &["yearsofexperience"]),
    ("location.raw", &["location"]),
    ("location.city", &["homecity/town", "homecity", "city/town", "city"]),
    ("location.state", &["homestate", "homestate/province", "state/province", "state"]),
    ("location.street", &["homestreet", "homestreetaddress", "street", "streetaddress"]),
    ("location.country", &["homecountry", "country"]),
    ("emails[0].value", &["homeemail", "email", "emailaddress", "primaryemail"]),
    ("emails[].value", &["extraemails", "emails", "workemail", "otheremails", "personalemail"]),
    ("phones[0].value", &["mobilephone", "phone", "phonenumber", "primaryphone", "mobile"]),
    ("phones[].value", &["extraphones", "phones", "workphone", "homephone", "otherphones"]),
    ("contactRevealed", &["contactrevealed"]),
    ("skills[]", &["skills", "tags/skills"]),
    ("tags[]", &["tags"]),
    ("languages[]", &["languages"]),
    ("certifications[]", &["certifications"]),
    ("summary", &["summary"]),
    ("photoUrl", &["photourl"]),
    ("lastRefreshedAt", &["lastrefreshedat", "lastrefreshed"]),
    ("status", &["status"]),
    ("stage", &["stage"]),
    ("resume.url", &["resumeurl"]),
];

/// Kind of social link by folded header.
const SOCIAL: &[(&str, &[&str])] = &[
    ("linkedin", &["linkedin", "linkedinurl", "linkedinprofile"]),
    ("facebook", &["facebook", "facebookurl"]),
    ("twitter", &["twitter", "twitterurl", "x.com"]),
    ("github", &["github", "githuburl"]),
];

/// The top-level fields of hireEZ profiles. A header may spell out a path that begins with one, e.g.
/// `positions[0].title`.
pub const PROFILE_FIELDS: &[&str] = &[
    "id",
    "firstName",
    "lastName",
    "fullName",
    "title",
    "currentCompany",
    "yearsOfExperience",
    "location",
    "emails",
    "phones",
    "contactRevealed",
    "socialLinks",
    "positions",
    "education",
    "skills",
    "tags",
    "notes",
    "files",
    "resume",
    "reminders",
    "projects",
    "status",
    "stage",
    "fitFeedback",
    "lastRefreshedAt",
    "atsLinks",
    "summary",
    "languages",
    "certifications",
    "photoUrl",
    "availability",
    "salaryExpectation",
    "x",
];

/// Lists that a path may name without brackets.
const LISTS: &[(&str, &str)] = &[
    ("skills", "skills[]"),
    ("tags", "tags[]"),
    ("languages", "languages[]"),
    ("certifications", "certifications[]"),
    ("emails", "emails[].value"),
    ("phones", "phones[].value"),
];

/// Members of the values below [`PROFILE_FIELDS`], in whose spelling a path may differ.
const MEMBERS: &[&str] = &[
    "raw",
    "city",
    "state",
    "street",
    "country",
    "postcode",
    "value",
    "kind",
    "outdated",
    "url",
    "title",
    "company",
    "start",
    "end",
    "current",
    "description",
    "school",
    "degree",
    "field",
    "text",
    "author",
    "visibility",
    "createdAt",
    "name",
    "mime",
    "bytes",
    "id",
    "updatedAt",
    "system",
    "remoteId",
];

/// The built-in headers: each profile path, or kind of social link, with the folded headers that fill it.
pub fn built_in_headers() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    HEADERS.iter().chain(SOCIAL).copied()
}

/// A header without what does not distinguish headers: case, spaces, hyphens, underscores and invisible
/// characters.
pub(super) fn fold(name: &str) -> String {
    fold_without(name, |c| matches!(c, '-' | '_' | '\u{2010}' | '\u{2011}'))
}

/// As [`fold`], but hyphens count: headers that are no known ones keep theirs.
pub(super) fn fold_unknown(name: &str) -> String {
    fold_without(name, |c| c == '_')
}

fn fold_without(name: &str, left_out: impl Fn(char) -> bool) -> String {
    let invisible =
        |c: char| matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    let kept = name.chars().filter(|c| !c.is_whitespace() && !left_out(*c) && !invisible(*c));
    kept.flat_map(char::to_lowercase).collect()
}

/// What a header stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A path of the spec's header map, which may be invalid.
    Mapped(Option<Vec<Segment>>),
    /// A built-in name, or a path.
    Path(Vec<Segment>),
    /// A built-in name of a social link of this kind.
    Social(&'static str),
}

/// The names that the headers of a part are compared with.
#[derive(Debug)]
pub(super) struct Names<'a> {
    exact: HashMap<&'a str, &'a str>,
    folded: HashMap<String, &'a str>,
}

impl<'a> Names<'a> {
    /// The built-in names and those of a header map.
    pub(super) fn of(mapped: &'a BTreeMap<String, String>) -> Self {
        Self {
            exact: mapped.iter().map(|(name, path)| (name.trim(), path.trim())).collect(),
            folded: mapped.iter().map(|(name, path)| (fold(name), path.trim())).collect(),
        }
    }

    /// Whether a cell is a header that is mapped, built in or a path.
    pub(super) fn is_known(&self, cell: &str) -> bool {
        self.meaning(cell.trim()).is_some()
    }

    /// What a header stands for; `None` if it is not known.
    pub(super) fn meaning(&self, name: &str) -> Option<Meaning> {
        let key = fold(name);
        if let Some(path) = self.exact.get(name).or_else(|| self.folded.get(&key)) {
            return Some(Meaning::Mapped(path::parse(with_brackets(path))));
        }
        built_in(name, &key)
    }
}

/// Whether a profile has a member of this name.
pub fn is_root(name: &str) -> bool {
    PROFILE_FIELDS.contains(&name)
}

fn built_in(name: &str, key: &str) -> Option<Meaning> {
    if let Some(path) = find(HEADERS, key) {
        return path::parse(path).map(Meaning::Path);
    }
    if let Some(kind) = find(SOCIAL, key) {
        return Some(Meaning::Social(kind));
    }
    let mut path = path::parse(name)?;
    let [Segment::Name(root), _, ..] = &mut path[..] else { return None };
    *root = spelt(PROFILE_FIELDS, root)?.into();
    if &**root != "x" {
        for segment in &mut path[1..] {
            if let Segment::Name(member) = segment
                && let Some(known) = spelt(MEMBERS, member)
            {
                *member = known.into();
            }
        }
    }
    Some(Meaning::Path(path))
}

/// The known name that a name spells, maybe in its own way.
fn spelt(known: &[&'static str], name: &str) -> Option<&'static str> {
    let key = fold(name);
    known.iter().copied().find(|known| fold(known) == key)
}

fn find(table: &[(&'static str, &[&str])], folded: &str) -> Option<&'static str> {
    table.iter().find(|(_, headers)| headers.contains(&folded)).map(|(meaning, _)| *meaning)
}

/// The path itself, or that of the list it names without brackets.
fn with_brackets(path: &str) -> &str {
    LISTS.iter().find(|(name, _)| *name == path).map_or(path, |(_, list)| list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_hold_folded_headers_once_and_valid_paths() {
        let mut headers: Vec<&str> =
            HEADERS.iter().chain(SOCIAL).flat_map(|(_, headers)| *headers).copied().collect();
        let count = headers.len();
        assert!(headers.iter().all(|header| fold(header) == *header));
        headers.sort_unstable();
        headers.dedup();
        assert_eq!(headers.len(), count);
        for path in HEADERS.iter().map(|(path, _)| path).chain(LISTS.iter().map(|(_, path)| path)) {
            assert!(path::parse(path).is_some(), "{path}");
        }
    }

    #[test]
    fn headers_are_known_however_they_are_spelt() {
        let mapped = BTreeMap::from([("Work-Mail".to_owned(), "emails".to_owned())]);
        let names = Names::of(&mapped);
        let meaning = |name: &str| names.meaning(name);
        let path = |text: &str| Some(Meaning::Path(path::parse(text).unwrap()));
        for name in ["LAST-NAME", "last_name", "Last  Name", "\u{feff}lastName", "LAST\u{a0}NAME"] {
            assert_eq!(meaning(name), path("lastName"), "{name}");
        }
        for name in ["E-Mail", "E_MAIL", "e mail", "EMAIL"] {
            assert_eq!(meaning(name), path("emails[0].value"), "{name}");
        }
        assert_eq!(meaning("Emails[0].Outdated"), path("emails[0].outdated"));
        assert_eq!(meaning("social_links[1].URL"), path("socialLinks[1].url"));
        assert_eq!(meaning("x.Cost-Centre"), path("x.Cost-Centre"));
        assert_eq!(meaning("Linked-In"), Some(Meaning::Social("linkedin")));
        let emails = Some(Meaning::Mapped(path::parse("emails[].value")));
        assert_eq!(meaning("work_mail"), emails);
        for unknown in ["", "Mail", "Cost.Centre", "name.of.pet", "notes"] {
            assert_eq!(meaning(unknown), None, "{unknown}");
        }
    }
}
