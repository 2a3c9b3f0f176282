//! Paths into a profile: `emails[0].value`, `['odd name'].x`, `phones[*].value`. Pure.
//!
//! Compiled once, followed without copying.

use std::fmt;

use serde_json::{Map, Value};

/// Maximum length of a path, in bytes.
const MAX_BYTES: usize = 256;
/// Maximum number of steps of a path.
const MAX_STEPS: usize = 16;

/// A compiled path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path(Vec<Step>);

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// To the member of an object.
    Member(Box<str>),
    /// To the item of a list, counted from 0.
    Item(usize),
    /// To every item of a list.
    Every,
}

/// The result of a path.
#[derive(Debug, PartialEq)]
pub enum PathMatch<'a> {
    /// Nothing, or null.
    None,
    /// One value.
    One(&'a Value),
    /// The values collected by `[*]`; items without a value are left out.
    Many(Vec<&'a Value>),
}

impl Path {
    /// Compiles a path; the error states the column, counted in characters from 1.
    pub fn compile(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > MAX_BYTES {
            return Err(format!("a path must have 1 to {MAX_BYTES} bytes"));
        }
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let column = text[..text.len() - rest.len()].chars().count() + 1;
            let at = |what: &str| format!("column {column}: {what}");
            let (step, after) = if let Some(inner) = rest.strip_prefix('[') {
                bracket(inner).ok_or_else(|| at("expected [0], [*] or ['name']"))?
            } else {
                let name = match rest.strip_prefix('.') {
                    Some(_) if steps.is_empty() => return Err(at("a path must start with a name")),
                    Some(name) => name,
                    None if steps.is_empty() => rest,
                    None => return Err(at("expected '.' or '['")),
                };
                member(name).ok_or_else(|| {
                    at("expected a name of letters, digits, '_' and '-'; quote others as ['...']")
                })?
            };
            if steps.is_empty() && !matches!(step, Step::Member(_)) {
                return Err(at("a path must start with a name"));
            }
            steps.push(step);
            if steps.len() > MAX_STEPS {
                return Err(at("a path may have at most 16 steps"));
            }
            rest = after;
        }
        Ok(Self(steps))
    }

    /// The path of a member of what this one leads to.
    pub fn member(mut self, name: &str) -> Self {
        self.0.push(Step::Member(name.into()));
        self
    }

    /// The path of an item of what this one leads to.
    pub fn item(mut self, index: usize) -> Self {
        self.0.push(Step::Item(index));
        self
    }

    /// The path of every item of what this one leads to.
    pub fn every(mut self) -> Self {
        self.0.push(Step::Every);
        self
    }

    /// The steps, at least one, the first to a member.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The path without its last step, if that is `[*]` and no other is.
    pub fn of_every_item(&self) -> Option<Self> {
        let (last, before) = self.0.split_last()?;
        (*last == Step::Every && !before.contains(&Step::Every)).then(|| Self(before.to_vec()))
    }

    /// The path to what it finds first, if it collects a list.
    pub fn first(&self) -> Self {
        let first = |step: &Step| if *step == Step::Every { Step::Item(0) } else { step.clone() };
        Self(self.0.iter().map(first).collect())
    }

    /// Whether this path leads through what another one leads to, or to it.
    pub fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// Whether it leads to a member.
    pub fn ends_with_a_name(&self) -> bool {
        matches!(self.0.last(), Some(Step::Member(_)))
    }

    /// Whether it leads to a value in this profile.
    pub fn leads_anywhere(&self, members: &Map<String, Value>) -> bool {
        match self.find(members) {
            PathMatch::None => false,
            PathMatch::One(_) => true,
            PathMatch::Many(found) => !found.is_empty(),
        }
    }

    /// Whether the path collects a list.
    pub fn collects(&self) -> bool {
        self.0.contains(&Step::Every)
    }

    /// The names of the first two members; `None` for a second step that is no name.
    pub fn start(&self) -> (Option<&str>, Option<&str>) {
        let name = |at: usize| match self.0.get(at) {
            Some(Step::Member(name)) => Some(&**name),
            _ => None,
        };
        (name(0), name(1))
    }

    /// Follows the path. A step that does not fit the value finds nothing.
    pub fn find<'a>(&self, members: &'a Map<String, Value>) -> PathMatch<'a> {
        let Some((Step::Member(first), rest)) = self.0.split_first() else {
            return PathMatch::None;
        };
        let Some(start) = members.get(&**first) else { return PathMatch::None };
        if self.collects() {
            let mut found = Vec::new();
            collect(start, rest, &mut found);
            return PathMatch::Many(found);
        }
        let end = rest.iter().try_fold(start, |value, step| follow(value, step));
        end.filter(|value| !value.is_null()).map_or(PathMatch::None, PathMatch::One)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Member(name) if member(name).is_some_and(|(_, rest)| rest.is_empty()) => {
                    let dot = if index == 0 { "" } else { "." };
                    write!(f, "{dot}{name}")?;
                }
                Step::Member(name) => write!(f, "['{}']", name.replace('\'', "''"))?,
                Step::Item(index) => write!(f, "[{index}]")?,
                Step::Every => f.write_str("[*]")?,
            }
        }
        Ok(())
    }
}

fn follow<'a>(value: &'a Value, step: &Step) -> Option<&'a Value> {
    match step {
        Step::Member(name) => value.as_object()?.get(&**name),
        Step::Item(index) => value.as_array()?.get(*index),
        Step::Every => None,
    }
}

fn collect<'a>(value: &'a Value, steps: &[Step], found: &mut Vec<&'a Value>) {
    match steps.split_first() {
        None if value.is_null() => {}
        None => found.push(value),
        Some((Step::Every, rest)) => {
            for item in value.as_array().into_iter().flatten() {
                collect(item, rest, found);
            }
        }
        Some((step, rest)) => {
            if let Some(next) = follow(value, step) {
                collect(next, rest, found);
            }
        }
    }
}

fn member(text: &str) -> Option<(Step, &str)> {
    let named = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let (name, rest) = text.split_at(text.find(|c| !named(c)).unwrap_or(text.len()));
    let first = name.chars().next()?;
    (first.is_ascii_alphabetic() || first == '_').then(|| (Step::Member(name.into()), rest))
}

/// Parses what follows a `[`, up to its `]`. A quote within a name is doubled.
fn bracket(text: &str) -> Option<(Step, &str)> {
    if let Some(rest) = text.strip_prefix("*]") {
        return Some((Step::Every, rest));
    }
    let Some(quoted) = text.strip_prefix('\'') else {
        let (digits, rest) = text.split_once(']')?;
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let index = digits.parse::<u32>().ok().filter(|_| plain)?;
        return Some((Step::Item(usize::try_from(index).ok()?), rest));
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('\'')?;
        name.push_str(part);
        match after.strip_prefix('\'') {
            Some(more) => {
                name.push('\'');
                rest = more;
            }
            None => return Some((Step::Member(name.into()), after.strip_prefix(']')?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_to_members_items_and_lists() {
        let profile = json!({
            "emails": [{"value": "a@x.org"}, {"kind": "work"}, {"value": "b@x.org"}],
            "location": {"city": "Oslo", "state": null},
            "x": {"odd name": {"it's": 1}},
            "nested": [[1, 2], [3], null, 4],
        });
        let members = profile.as_object().unwrap();
        let (a, b) = (json!("a@x.org"), json!("b@x.org"));
        let (oslo, one, two, three) = (json!("Oslo"), json!(1), json!(2), json!(3));
        let table = [
            ("emails[0].value", PathMatch::One(&a)),
            ("emails[1].value", PathMatch::None),
            ("emails[9].value", PathMatch::None),
            ("emails.value", PathMatch::None),
            ("location.city", PathMatch::One(&oslo)),
            ("location['city']", PathMatch::One(&oslo)),
            ("['location'].city", PathMatch::One(&oslo)),
            ("location.state", PathMatch::None),
            ("location.city.x", PathMatch::None),
            ("x['odd name']['it''s']", PathMatch::One(&one)),
            ("emails[*].value", PathMatch::Many(vec![&a, &b])),
            ("nested[*][*]", PathMatch::Many(vec![&one, &two, &three])),
            ("missing[*]", PathMatch::None),
            ("location.city[*]", PathMatch::Many(vec![])),
        ];
        for (text, expected) in table {
            let path = Path::compile(text).unwrap();
            assert_eq!(Path::compile(&path.to_string()).as_ref(), Ok(&path), "{text}");
            assert_eq!(path.find(members), expected, "{text}");
        }
    }

    #[test]
    fn malformed_paths_name_their_column() {
        let table = [
            ("", "1 to 256"),
            ("a..b", "column 2"),
            ("a b", "column 2"),
            ("a[", "column 2"),
            ("a[-1]", "column 2"),
            ("a[+1]", "column 2"),
            ("é.x", "column 1"),
            ("x.é", "column 2"),
            (".a", "column 1"),
            ("[0]", "start with a name"),
            ("a['b]", "column 2"),
            ("a['b'", "column 2"),
        ];
        for (text, part) in table {
            let message = Path::compile(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
        assert!(Path::compile(&"a".repeat(257)).is_err());
        assert!(Path::compile(&["a"; 17].join(".")).is_err());
    }
}
