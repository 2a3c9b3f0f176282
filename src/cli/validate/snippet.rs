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

impl Snippet {
    /// What fits a line of this width; `None` where the part that is meant does not.
    pub(super) fn within(self, width: usize) -> Option<Self> {
        if self.line.chars().count() <= width {
            return Some(self);
        }
        let room = width.saturating_sub(REST.len());
        let fits = self.mark + self.length - 1 <= room;
        let line: String = self.line.chars().take(room).chain(REST.chars()).collect();
        fits.then_some(Self { line, ..self })
    }
}

/// What stands for the rest of a line.
const REST: &str = "...";

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
        // An item of a list in the line has no name of its own.
        let list = problem.path.strip_suffix(']').and_then(|path| path.rfind('['));
        let list = list.map(|end| &problem.path[..end]);
        let in_list = || list.and_then(|list| in_braces(line, list));
        let found = in_braces(line, &problem.path).or_else(in_list);
        return found.or_else(|| item(line, &problem.path));
    }
    if line.chars().count() > MAX_LINE {
        return None;
    }
    // What is missing is said of the nearest field around it.
    let mut around = Some(problem.path.as_str());
    let fields = std::iter::from_fn(|| {
        let path = around?;
        around = path.rfind('.').map(|end| &path[..end]);
        Some(path)
    });
    let Some((shown, start, end)) = fields.into_iter().find_map(|path| meant(line, path)) else {
        return item(line, &problem.path);
    };
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

/// The beginning of a list item that has no field of its own on its line, or lacks one. It may be a value of
/// any kind, and is not shown.
fn item(line: &str, path: &str) -> Option<Snippet> {
    let content = line.trim_start_matches([' ', '-']);
    let before = &line[..line.len() - content.len()];
    if !path.contains('[') || !before.contains('-') || before.len() > MAX_LINE {
        return None;
    }
    // The beginning is ASCII.
    let column = before.len() + 1;
    let line = format!("{before}{REST}");
    Some(Snippet { line, mark: column, column, length: REST.len() })
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
        let other = snippet(&problem(2, "spec.from"), text);
        assert_eq!(other, None, "a line of another field");
        let around = snippet(&problem(1, "spec.destination"), text).unwrap();
        assert_eq!((around.line.as_str(), around.column, around.length), ("spec:", 1, 4));
    }

    #[test]
    fn a_line_that_is_too_wide_is_cut_behind_what_is_meant() {
        let text = "      from: emial and a word\n";
        let found = || snippet(&problem(1, "spec.from"), text).unwrap();
        assert_eq!(found().within(28), Some(found()));
        assert_eq!(found().within(27), None, "all of the value is meant");
        let text = "    - {from: emial}\n";
        let found = snippet(&problem(1, "spec.fields[0].from"), text).unwrap();
        assert_eq!(found.line, "    ... from: emial ...");
        let cut = found.within(22).unwrap();
        assert_eq!((cut.line.as_str(), cut.mark, cut.length), ("    ... from: emial...", 15, 5));
    }

    #[test]
    fn of_an_item_its_beginning_is_meant_and_its_value_is_not_shown() {
        let text = "  denied:\n    - ann@example.com\n    - to: email\n    - {note: Ann}\n";
        for (line, path) in
            [(2, "spec.access.denied[0]"), (3, "spec.fields[0].from"), (4, "spec.fields[1].from")]
        {
            let found = snippet(&problem(line, path), text).unwrap();
            assert_eq!(found.line, "    - ...", "{path}");
            assert_eq!((found.mark, found.column, found.length), (7, 7, 3), "{path}");
        }
        assert_eq!(snippet(&problem(2, "spec.source.inline[0]"), text), None);
        let list = snippet(&problem(1, "spec.access.denied[0]"), text).unwrap();
        assert_eq!((list.line.as_str(), list.column, list.length), ("  denied:", 3, 6));
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
