//! Names that CSV headers use for profile fields: those of hireEZ exports and their usual variants,
//! and the fields that a profile path may start with. Pure.

/// Profile path by folded header, for headers of hireEZ exports and their usual variants.
const HEADERS: &[(&str, &[&str])] = &[
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
    ("emails[0].value", &["homeemail", "email", "e-mail", "emailaddress", "primaryemail"]),
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

/// Top-level fields of paths that a header may spell out, e.g. `positions[0].title`.
const ROOTS: &[&str] = &[
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

/// A header without what does not distinguish headers: case, spaces and underscores.
pub(super) fn fold(name: &str) -> String {
    let kept = name.chars().filter(|c| !c.is_whitespace() && *c != '_');
    kept.flat_map(char::to_lowercase).collect()
}

fn meaning(table: &[(&'static str, &[&str])], folded: &str) -> Option<&'static str> {
    table.iter().find(|(_, headers)| headers.contains(&folded)).map(|(meaning, _)| *meaning)
}

/// The profile path of a well-known header.
pub(super) fn path_of(folded: &str) -> Option<&'static str> {
    meaning(HEADERS, folded)
}

/// The kind of social link that a header names.
pub(super) fn social_kind(folded: &str) -> Option<&'static str> {
    meaning(SOCIAL, folded)
}

/// Whether a profile path may start with this field.
pub(super) fn is_root(name: &str) -> bool {
    ROOTS.contains(&name)
}

/// The path itself, or that of the list it names without brackets.
pub(super) fn with_brackets(path: &str) -> &str {
    LISTS.iter().find(|(name, _)| *name == path).map_or(path, |(_, list)| list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::path;

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
}
