//! What a source consists of, for messages about a source that names nobody: the columns of its header, or
//! the members of its first object. Pure. Holds names, never a value.

use std::{collections::BTreeSet, fmt, sync::Arc};

use super::names;

/// How many names a message lists.
const LISTED: usize = 12;
/// The longest name that is shown.
const LONGEST: usize = 40;

/// The columns that a mapping reads by their header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnColumns {
    /// It may read any column.
    pub all: bool,
    /// The columns, by header.
    pub names: BTreeSet<String>,
}

/// What a part consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outline {
    /// A CSV header.
    Columns {
        /// Name of the part.
        part: Arc<str>,
        /// Headers that are mapped, built in or a path.
        known: Vec<String>,
        /// The other headers.
        unknown: Vec<String>,
    },
    /// A JSON object.
    Members {
        /// Name of the part.
        part: Arc<str>,
        /// The members of the first object.
        names: Vec<String>,
        /// A member that is, or contains, a list of objects and is none of a profile.
        wrapped: Option<String>,
    },
}

impl Outline {
    /// Whether the first object seems to hold the profiles instead of being one.
    pub fn is_wrapper(&self) -> bool {
        matches!(self, Self::Members { wrapped: Some(_), .. })
    }

    /// Whether no column means anything to a mapping that reads these columns by their header.
    pub fn means_nothing(&self, read: &OwnColumns) -> bool {
        match self {
            Self::Columns { known, unknown, .. } => {
                let read = read.all || unknown.iter().any(|name| read.names.contains(name));
                known.is_empty() && !unknown.is_empty() && !read
            }
            Self::Members { .. } => false,
        }
    }

    /// The outline of JSON that begins with `head`.
    pub(super) fn of_json(part: &Arc<str>, head: &[u8]) -> Self {
        let mut scan = Members::default();
        scan.read(head);
        Self::Members { part: part.clone(), names: scan.names, wrapped: scan.wrapped }
    }
}

impl fmt::Display for Outline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Columns { part, known, unknown } => {
                write!(f, "the columns of {part} are ")?;
                match (known.is_empty(), unknown.is_empty()) {
                    (true, _) => write!(f, "{}, and none of them is known", Listed(unknown))?,
                    (false, true) => write!(f, "{}", Listed(known))?,
                    (false, false) => {
                        write!(f, "{}, and unknown: {}", Listed(known), Listed(unknown))?;
                    }
                }
                f.write_str(
                    "; known are Email, First Name, Last Name and others (docs/SOURCES.md), and those of \
                     spec.source.csv.headers",
                )
            }
            Self::Members { part, wrapped: Some(list), .. } => write!(
                f,
                "{part} looks like a wrapper: its list {} holds the objects; make that list the whole file, \
                 or write one profile per line",
                shown(list).unwrap_or("of objects"),
            ),
            Self::Members { part, names, .. } if names.is_empty() => {
                write!(f, "the first profile of {part} is empty")
            }
            Self::Members { part, names, .. } => write!(
                f,
                "the first profile of {part} has {}; known are emails, firstName, lastName and others \
                 (docs/SOURCES.md)",
                Listed(names)
            ),
        }
    }
}

/// Some names, in quotes.
struct Listed<'a>(&'a [String]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, name) in self.0.iter().take(LISTED).enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            match shown(name) {
                Some(name) => write!(f, "{comma}'{name}'")?,
                None => write!(f, "{comma}one that is not shown")?,
            }
        }
        match self.0.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// The name, unless it looks like data: the first line of a file without a header is some.
fn shown(name: &str) -> Option<&str> {
    let digits = name.chars().filter(char::is_ascii_digit).count();
    let odd = |c: char| c.is_control() || matches!(c, '@' | '\u{ff20}' | '/' | '\\' | '+');
    let plain = digits < 4 && name.chars().count() <= LONGEST && !name.contains(odd);
    (plain && !name.is_empty()).then_some(name)
}

/// Reads the first object of JSON that may be cut off anywhere.
#[derive(Default)]
struct Members {
    names: Vec<String>,
    wrapped: Option<String>,
}

impl Members {
    fn read(&mut self, head: &[u8]) {
        let mut at = 0;
        // The member that each open bracket belongs to, and the bracket.
        let mut open: Vec<(u8, Option<String>)> = Vec::new();
        let mut key: Option<String> = None;
        while let Some(&byte) = head.get(at) {
            match byte {
                b'"' => {
                    let Some(end) = string_end(head, at) else { return };
                    if open.last().is_some_and(|(bracket, _)| *bracket == b'{')
                        && head[end..].trim_ascii_start().starts_with(b":")
                    {
                        let name = serde_json::from_slice(&head[at..end]).unwrap_or_default();
                        if depth(&open) == 1 {
                            self.names.push(String::clone(&name));
                        }
                        key = Some(name);
                    }
                    at = end;
                    continue;
                }
                b'{' | b'[' => {
                    if byte == b'{' {
                        self.note_list(&open);
                    }
                    open.push((byte, key.take()));
                }
                b'}' | b']' => {
                    let closed = open.pop().map(|(bracket, _)| bracket);
                    if closed == Some(b'{') && depth(&open) == 0 {
                        return;
                    }
                }
                b',' => key = None,
                _ => {}
            }
            at += 1;
        }
    }

    /// Notes the list that an object begins in, if it is no list of a profile.
    fn note_list(&mut self, open: &[(u8, Option<String>)]) {
        if let Some((b'[', Some(name))) = open.last()
            && self.wrapped.is_none()
            && !open.iter().filter_map(|(_, name)| name.as_deref()).any(names::is_root)
        {
            self.wrapped = Some(name.clone());
        }
    }
}

/// How many objects are open.
fn depth(open: &[(u8, Option<String>)]) -> usize {
    open.iter().filter(|(bracket, _)| *bracket == b'{').count()
}

/// The byte after the string that begins at `start`.
fn string_end(text: &[u8], start: usize) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate().skip(start + 1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (Vec<String>, Option<String>) {
        match Outline::of_json(&"p".into(), text.as_bytes()) {
            Outline::Members { names, wrapped, .. } => (names, wrapped),
            Outline::Columns { .. } => panic!("JSON"),
        }
    }

    #[test]
    fn wrappers_are_told_from_profiles() {
        for (text, list) in [
            (r#"{"candidates": [{"firstName": "Ann"}], "total": 2}"#, Some("candidates")),
            (r#"{"total": 2, "data": {"items": [ {"id""#, Some("items")),
            (r#"{"status": "ok", "results": [{"emails": [{"value": ""#, Some("results")),
            (r#"{"id": "1", "emails": [{"value": "a"}], "positions": [{}]}"#, None),
            (r#"{"mail": "a\"}]", "words": ["[{", "b"]}"#, None),
            (r#"[{"name": "x"}, {"list": [{}]}]"#, None),
            ("", None),
        ] {
            assert_eq!(of(text).1.as_deref(), list, "{text}");
        }
        assert_eq!(of(r#"[{"a": {"b": 1}, "c": [1, {"d": 2}]}, {"e": 1}]"#).0, ["a", "c"]);
    }

    #[test]
    fn names_that_look_like_data_are_not_shown() {
        let names =
            ["Mail", "ann@x.org", "+49 151 2345", "19991231", &"x".repeat(41)].map(str::to_owned);
        assert_eq!(Listed(&names).to_string().matches("not shown").count(), 4);
        let outline = Outline::Columns {
            part: "a.csv".into(),
            known: Vec::new(),
            unknown: names[..1].to_vec(),
        };
        let text = outline.to_string();
        assert!(
            text.starts_with("the columns of a.csv are 'Mail', and none of them is known"),
            "{text}"
        );
        let mut read = OwnColumns::default();
        assert!(outline.means_nothing(&read));
        read.names.insert("Mail".to_owned());
        assert!(!outline.means_nothing(&read));
    }
}
