//! Where in its line a problem is. Pure.
//!
//! A line may hold a value of a person or a secret in the wrong place. So the value is shown only of
//! fields that cannot be mistaken for one.

use std::ops::Range;

use crate::local::{Problem, flow_field};

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
    /// Number of the first character that is meant in what is shown, from 1.
    pub(super) mark: usize,
    /// Its number in the line of the file.
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
    if line.contains('\t') {
        return None;
    }
    if line.contains('{') {
        return in_braces(line, &problem.path);
    }
    if line.chars().count() > MAX_LINE {
        return None;
    }
    let (shown, start, end) = meant(line, &problem.path)?;
    let column = line[..start].chars().count() + 1;
    let length = line[start..end].chars().count().max(1);
    Some(Snippet { line: shown, mark: column, column, length })
}

/// A line with braces may hold more than the field: only the field is shown of it.
fn in_braces(line: &str, path: &str) -> Option<Snippet> {
    let found = flow_field(line, path)?;
    let text = |range: &Range<usize>| -> String {
        line.chars().skip(range.start).take(range.len()).collect()
    };
    let name = text(&found.key);
    let value = found.value.as_ref().filter(|_| SHOWN.contains(&name.as_str()));
    let shown = value.map_or_else(|| "...".to_owned(), |value| format!("{} ...", text(value)));
    let meant = value.unwrap_or(&found.key);
    if name.chars().count() + shown.chars().count() + 8 > MAX_LINE {
        return None;
    }
    let indent: String = line.chars().take_while(|letter| *letter == ' ').collect();
    let before = format!("{indent}... ");
    let mark = before.len() + if value.is_some() { name.chars().count() + 2 } else { 0 } + 1;
    let line = format!("{before}{name}: {shown}");
    Some(Snippet { line, mark, column: meant.start + 1, length: meant.len() })
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
    fn of_a_line_in_flow_style_only_the_field_is_shown() {
        let text =
            "    - {to: email, from: emial, note: ann@example.com}\nspec: {accessKey: SECRET}\n";
        let found = snippet(&problem(1, "spec.fields[0].from"), text).unwrap();
        assert_eq!(found.line, "    ... from: emial ...");
        assert_eq!((found.mark, found.column, found.length), (15, 25, 5));
        assert_eq!(&found.line[found.mark - 1..][..5], "emial");
        let found = snippet(&problem(2, "spec.accessKey"), text).unwrap();
        assert_eq!(found.line, "... accessKey: ...");
        assert_eq!((found.mark, found.column, found.length), (5, 8, 9));
        assert_eq!(snippet(&problem(2, "spec.other"), text), None);
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
            (9, "spec.x"),
            (0, "spec.x"),
        ] {
            assert_eq!(snippet(&problem(line, path), text), None, "{line} {path}");
        }
        assert!(snippet(&problem(3, "spec.database.x"), text).is_some());
    }
}
