//! Where in its line a problem is. Pure.
//!
//! Lines that may hold values of people or Secrets are not shown.

use crate::local::Problem;

/// The longest line shown, in characters.
const MAX_LINE: usize = 120;
/// Fields whose values are data.
const DATA: [&str; 4] = ["spec.source.inline", "data", "stringData", "binaryData"];

/// A line of a manifest, and the part of it that is meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snippet<'a> {
    pub(super) line: &'a str,
    /// Number of the first character, from 1.
    pub(super) column: usize,
    /// How many characters.
    pub(super) length: usize,
}

/// The part of its line that a problem is about, if it may be shown.
pub(super) fn snippet<'a>(problem: &Problem, text: &'a str) -> Option<Snippet<'a>> {
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
    let (start, end) = meant(line, &problem.path)?;
    let column = line[..start].chars().count() + 1;
    Some(Snippet { line, column, length: line[start..end].chars().count().max(1) })
}

/// The bytes of the value of the path's last field, of its key where it has no value in this line, and
/// else of all that the line says.
fn meant(line: &str, path: &str) -> Option<(usize, usize)> {
    let field = path.rsplit('.').next()?;
    let field = field.split('[').next()?;
    let key = format!("{field}:");
    let content = line.trim_start_matches([' ', '-']);
    let start = line.len() - content.len();
    let Some(after) = content.strip_prefix(&key) else {
        let trimmed = content.trim_end();
        return (!trimmed.is_empty()).then_some((start, start + trimmed.len()));
    };
    let value = after.split(" #").next()?.trim();
    if value.is_empty() {
        return Some((start, start + field.len()));
    }
    let at = start + key.len() + after.find(value)?;
    Some((at, at + value.len()))
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
        let missing = snippet(&problem(3, "spec.fields[0].from"), text).unwrap();
        assert_eq!((missing.column, missing.length), (7, 9));
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
