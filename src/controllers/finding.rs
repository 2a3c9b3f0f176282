//! What a controller says of an object before anything is contacted. Pure.

use crate::{cluster::ObjectKey, domain::did_you_mean, mapping::Issue, source::PROFILE_FIELDS};

/// A fault of an object, or something that deserves attention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule; stable, for machines.
    pub rule: &'static str,
    /// The field, e.g. `spec.fields[3].from`.
    pub path: String,
    /// What is the case, and what to do.
    pub message: String,
    /// Whether the object cannot work like this.
    pub is_error: bool,
    /// The kind and the name of an object that does not exist.
    pub absent: Option<(&'static str, ObjectKey)>,
}

impl Finding {
    /// Something that has to be changed. A message that begins with a field of the spec names the place.
    pub(super) fn error(rule: &'static str, path: &str, message: &str) -> Self {
        let (path, message) = placed(path, message);
        Self {
            rule,
            path: path.to_owned(),
            message: message.to_owned(),
            is_error: true,
            absent: None,
        }
    }

    /// Something that may be right.
    pub(super) fn warning(rule: &'static str, path: &str, message: String) -> Self {
        Self { rule, path: path.to_owned(), message, is_error: false, absent: None }
    }

    /// A reference to an object that does not exist. It may exist elsewhere.
    pub(super) fn not_given(path: &str, kind: &'static str, key: ObjectKey) -> Self {
        let message = format!("{kind} {key} is not among these files");
        let warning = Self::warning("reference/not-given", path, message);
        Self { absent: Some((kind, key)), ..warning }
    }

    /// An error of a mapping or an expression.
    pub(super) fn issue(rule: &'static str, issue: &Issue) -> Self {
        Self {
            rule,
            path: issue.path.clone(),
            message: issue.message.clone(),
            is_error: true,
            absent: None,
        }
    }
}

/// Why a path reads something that hireEZ profiles do not have, if it does. Other sources may have it.
pub(super) fn not_of_profiles(path: &str) -> Option<String> {
    no_member(path.split(['.', '[']).next()?)
}

/// The same of a member of a profile.
pub(super) fn no_member(first: &str) -> Option<String> {
    if PROFILE_FIELDS.contains(&first) {
        return None;
    }
    let hint = did_you_mean(first, PROFILE_FIELDS.iter().copied());
    let hint = hint.map(|known| format!("; did you mean {known:?}?")).unwrap_or_default();
    Some(format!("hireEZ profiles have no field {first:?}{hint}"))
}

/// The field at the beginning of a message and the rest; `path` if there is none.
fn placed<'a>(path: &'a str, message: &'a str) -> (&'a str, &'a str) {
    match message.split_once(": ") {
        Some((field, rest)) if field.starts_with("spec.") && !field.contains(' ') => (field, rest),
        _ => (path, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_begins_with_a_field_names_the_place() {
        let message = "spec.schedule.cron: minute 75 is out of range: 0-59";
        let found = Finding::error("schedule", "spec.schedule", message);
        assert_eq!(found.path, "spec.schedule.cron");
        assert_eq!(found.message, "minute 75 is out of range: 0-59");
        let found =
            Finding::error("permission", "spec.destination", "ask its admin: spec.x is off");
        assert_eq!(found.path, "spec.destination");
    }
}
