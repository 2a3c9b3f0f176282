//! Where in its line a problem is. Pure.
//!
//! A line may hold a value of a person or a secret in the wrong place. So the value is shown only of
//! fields that cannot be mistaken for one.

use crate::local::Problem;

/// The longest line shown, in characters.
const MAX_LINE: usize = 120;
/// Fields whose values are data.
const DATA: [&str; 4] = ["spec.source.inline", "data", "stringData", "binaryData"];

/// Fields whose values are shown: paths of profiles and attributes, times, and references.
const SHOWN: [&str; 6] = ["from", "to", "cron", "timeZone", "defaultCountry", "kind"];

/// What is shown of a line of a manifest, and the part of it that is meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snippet {
    pub(super) line: String,
    /// Number of the first character, from 1.
    pub(super) column: usize,
    /// How many characters.
    pub(super) length: usize,
}

/// The part of its line that a problem is about, if it may be shown.
pub(super) fn snippet(problem: &Problem, text: &str) -> Option<Snippet> {
    let is_data = |field: &str| {
        problem.path.strip_prefix(field).is_some_and(|rest| !rest.starts_with(char::is_alphabetic))
    };
    if problem.path.is_empty() || DATA.into_iter().any(is_data) {
        return None;
    }
    let line = text.lines().nth(problem.line.checked_sub(1)?)?;
    // A line with braces may hold more than the field.
    if line.chars().count() > MAX_LINE || line.contains('{') || line.contains('\t') {
        return None;
    }
    let (shown, start, end) = meant(line, &problem.path)?;
    let column = line[..start].chars().count() + 1;
    Some(Snippet { line: shown, column, length: line[start..end].chars().count().max(1) })
}

/// What is shown of a line, and the bytes that are meant: of the value of the path's last field, or else of
/// its key. `None` if the line is about something else.
fn meant(line: &str, path: &str) -> Option<(String, usize, usize)> {
    let field = path.rsplit('.').next()?;
    let field = field.split('[').next()?;
    let content = line.trim_start_matches([' ', '-']);
    let start = line.len() - content.len();
    let after = content.strip_prefix(field)?.strip_prefix(':')?;
    let value = after.split(" #").next()?.trim();
    let key_end = start + field.len();
    if value.is_empty() {
        return Some((line[..=key_end].to_owned(), start, key_end));
    }
    if !SHOWN.contains(&field) {
        return Some((format!("{} ...", &line[..=key_end]), start, key_end));
    }
    let at = key_end + 1 + after.find(value)?;
    Some((line[..at + value.len()].to_owned(), at, at + value.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::{Rule, Severity};

    fn problem(line: usize, path: &str) -> Problem {
        Problem {
            file: "m.yaml".into(),
            line,
            path: path.to_owned(),
            message: "wrong".to_owned(),
            severity: Severity::Error,
            rule: Rule::SCHEMA,
        }
    }

    #[test]
    fn the_value_of_the_field_is_meant() {
        let text = "spec:\n  fields:\n    - to: email\n      from: emial  # typo\n";
        let found = snippet(&problem(4, "spec.fields[0].from"), text).unwrap();
        assert_eq!((found.column, found.length), (13, 5));
        let found = snippet(&problem(3, "spec.fields[0].to"), text).unwrap();
        assert_eq!((found.column, found.length), (11, 5));
        let key = snippet(&problem(2, "spec.fields"), text).unwrap();
        assert_eq!((key.column, key.length), (3, 6));
        assert_eq!(
            snippet(&problem(3, "spec.fields[0].from"), text),
            None,
            "a line of another field"
        );
    }

    #[test]
    fn a_value_that_may_be_a_secret_is_not_shown() {
        let text = "spec:\n  accessKey: SECRET\n  endpoint: https://me:SECRET@host # x\n";
        let found = snippet(&problem(2, "spec.accessKey"), text).unwrap();
        assert_eq!((found.line.as_str(), found.column, found.length), ("  accessKey: ...", 3, 9));
        let found = snippet(&problem(3, "spec.endpoint"), text).unwrap();
        assert_eq!(found.line, "  endpoint: ...");
    }

    #[test]
    fn lines_that_may_hold_data_are_not_shown() {
        let text = "  email: ann@example.com\nspec: {a: ann@example.com}\nx: 1\n";
        for (line, path) in [
            (1, "spec.source.inline[0].email"),
            (1, "stringData[email]"),
            (1, "data"),
            (1, ""),
            (2, "spec.a"),
            (9, "spec.x"),
            (0, "spec.x"),
        ] {
            assert_eq!(snippet(&problem(line, path), text), None, "{line} {path}");
        }
        assert!(snippet(&problem(3, "spec.database.x"), text).is_some());
    }
}
