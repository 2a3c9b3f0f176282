//! Which profile field each column of a CSV header fills: by the spec's header map, a built-in name,
//! or a profile path as the header; `x.<header>` for all others. Pure.

use std::{collections::HashMap, ops::RangeInclusive};

use serde_json::{Value, json};

use super::{
    HeaderFault, OwnColumns,
    names::{self, Meaning, Names},
    path::{self, Segment},
    tree::Node,
};
use crate::domain::{Profile, flag};

/// The most columns of a header.
const MAX_COLUMNS: usize = 1024;

/// How the text of a cell becomes a value.
#[derive(Debug, Clone, Copy)]
enum Cell {
    Text,
    Number,
    Boolean,
    SocialLink(&'static str),
}

impl Cell {
    /// Text that is not of the expected type stays text: the mapping rejects it for this record.
    fn value(self, text: &str) -> Value {
        let typed = match self {
            Self::Text => None,
            Self::Number => text.trim().parse().ok().map(Value::Number),
            Self::Boolean => flag(text).map(Value::Bool),
            Self::SocialLink(kind) => Some(json!({"kind": kind, "url": text.trim()})),
        };
        typed.unwrap_or_else(|| Value::String(text.to_owned()))
    }
}

#[derive(Debug)]
struct Column {
    path: Vec<Segment>,
    cell: Cell,
}

impl Column {
    fn at(path: Vec<Segment>) -> Self {
        let cell = match path.last() {
            Some(Segment::Name(name)) => match &**name {
                "yearsOfExperience" => Cell::Number,
                "contactRevealed" | "outdated" | "current" => Cell::Boolean,
                _ => Cell::Text,
            },
            _ => Cell::Text,
        };
        Self { path, cell }
    }

    /// The values of a cell: in a list column any number of them, between separators.
    fn texts<'a>(&self, cell: &'a str) -> impl Iterator<Item = &'a str> {
        let list = self.path.contains(&Segment::Append);
        let words = matches!(self.path.first(), Some(Segment::Name(root)) if is_of_words(root));
        let separates = move |c: char| c == ';' || (words && c == ',');
        let (parts, whole) =
            if list { (Some(cell.split(separates)), None) } else { (None, Some(cell)) };
        parts.into_iter().flatten().map(str::trim).chain(whole).filter(|text| !is_blank(text))
    }

    /// A social link of a kind.
    fn social(kind: &'static str) -> Self {
        let path = vec![Segment::Name("socialLinks".into()), Segment::Append];
        Self { path, cell: Cell::SocialLink(kind) }
    }

    /// A column that is kept under its own name.
    fn other(name: &str, number: usize) -> Self {
        let name = if name.is_empty() { format!("column{number}") } else { name.to_owned() };
        let path = vec![Segment::Name("x".into()), Segment::Name(name.into())];
        Self { path, cell: Cell::Text }
    }

    fn put(&self, text: &str, into: &mut Node) -> bool {
        into.insert(&self.path, self.cell.value(text))
    }
}

/// Whether the items of a list are short words, which contain no comma.
fn is_of_words(root: &str) -> bool {
    matches!(root, "skills" | "tags" | "languages")
}

/// Whether a cell has no value. A control-Z that ended a file once is none.
pub(super) fn is_blank(cell: &str) -> bool {
    cell.chars().all(|c| c.is_whitespace() || c == '\u{1a}')
}

/// The columns of one header.
#[derive(Debug)]
pub(super) struct Columns {
    all: Vec<Column>,
    /// How many there are up to the last with a name.
    named: usize,
    /// The headers, and whether each is known.
    headers: Vec<(String, bool)>,
}

impl Columns {
    pub(super) fn resolve(
        header: &[&str],
        names: &Names<'_>,
        read: &OwnColumns,
    ) -> Result<Self, HeaderFault> {
        check_cells(header)?;
        let mut seen = HashMap::new();
        let mut shape = Node::default();
        let (mut all, mut headers) = (Vec::with_capacity(header.len()), Vec::new());
        for (name, number) in header.iter().map(|name| name.trim()).zip(1..) {
            if !name.is_empty()
                && let Some(first) = seen.insert(names::fold_unknown(name), number)
            {
                return Err(HeaderFault::Duplicate { first, second: number });
            }
            let meaning = names.meaning(name);
            if let Some(Meaning::Path(path)) = &meaning
                && read.names.contains(name)
                && !matches!(path.first(), Some(Segment::Name(root)) if &**root == "x")
            {
                let path = path::shown(path);
                return Err(HeaderFault::BuiltIn { column: number, path });
            }
            headers.push((name.to_owned(), meaning.is_some()));
            let column = match meaning {
                Some(Meaning::Mapped(path)) => {
                    path.map(Column::at).ok_or(HeaderFault::Path { column: number })?
                }
                Some(Meaning::Path(path)) => Column::at(path),
                Some(Meaning::Social(kind)) => Column::social(kind),
                None => Column::other(name, number),
            };
            if !column.put("-", &mut shape) {
                return Err(HeaderFault::Conflict { column: number });
            }
            all.push(column);
        }
        let named = header.iter().rposition(|name| !is_blank(name)).map_or(0, |last| last + 1);
        Ok(Self { all, named, headers })
    }

    /// The headers that are known, and the others.
    pub(super) fn headers(&self) -> (Vec<String>, Vec<String>) {
        let named = self.headers.iter().filter(|(name, _)| !name.is_empty());
        let (known, unknown): (Vec<_>, Vec<_>) = named.cloned().partition(|(_, known)| *known);
        let name =
            |headers: Vec<(String, bool)>| headers.into_iter().map(|(name, _)| name).collect();
        (name(known), name(unknown))
    }

    /// How many cells a row may have, apart from blank ones at its end.
    pub(super) fn accepted(&self) -> RangeInclusive<usize> {
        self.named..=self.all.len()
    }

    /// The profile of a row; empty cells are absent from it.
    pub(super) fn profile<'a>(&self, cells: impl Iterator<Item = &'a str>) -> Profile {
        let mut root = Node::default();
        for (column, cell) in self.all.iter().zip(cells) {
            for text in column.texts(cell) {
                let placed = column.put(text, &mut root);
                debug_assert!(placed, "conflicting columns are refused with the header");
            }
        }
        Profile::new(root.into_members())
    }
}

/// Checks the header line as a whole, before any column is resolved.
fn check_cells(header: &[&str]) -> Result<(), HeaderFault> {
    if header.len() > MAX_COLUMNS {
        return Err(HeaderFault::TooManyColumns { limit: MAX_COLUMNS });
    }
    if header.iter().any(|cell| cell.contains('\0')) {
        return Err(HeaderFault::Nul);
    }
    if let [only] = header
        && only.contains([',', ';', '\t', '|'])
    {
        return Err(HeaderFault::Separator);
    }
    match header.iter().position(|cell| cell.contains(['@', '\u{ff20}'])) {
        Some(at) => Err(HeaderFault::LooksLikeData { column: at + 1 }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn profile(header: &[&str], mapped: &[(&str, &str)], cells: &[&str]) -> Value {
        let mapped = mapped.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let columns =
            Columns::resolve(header, &Names::of(&mapped), &OwnColumns::default()).unwrap();
        Value::Object(columns.profile(cells.iter().copied()).into_members())
    }

    fn fault(header: &[&str]) -> HeaderFault {
        Columns::resolve(header, &Names::of(&BTreeMap::new()), &OwnColumns::default()).unwrap_err()
    }

    #[test]
    fn hireez_export_headers_are_known_whatever_their_case_and_spaces() {
        let header = [
            "First Name",
            "LAST_NAME",
            "Home Email",
            "extra emails",
            "Mobile Phone",
            "Home City/Town",
        ];
        let cells = ["Ada", "Lovelace", "a@x.org", "b@x.org; c@x.org;", "+44", "London"];
        assert_eq!(
            profile(&header, &[], &cells),
            json!({
                "firstName": "Ada", "lastName": "Lovelace", "phones": [{"value": "+44"}],
                "emails": [{"value": "a@x.org"}, {"value": "b@x.org"}, {"value": "c@x.org"}],
                "location": {"city": "London"}
            })
        );
    }

    #[test]
    fn paths_lists_types_and_links_are_built() {
        let header = [
            "positions[0].title",
            "positions[0].current",
            "Skills",
            "LinkedIn",
            "GitHub",
            "Years of Experience",
            "location.postcode",
        ];
        let cells = ["Engineer", "Yes", "rust; go", "https://l/in", " ", "7.5", "EC1"];
        assert_eq!(
            profile(&header, &[], &cells),
            json!({
                "positions": [{"title": "Engineer", "current": true}], "skills": ["rust", "go"],
                "socialLinks": [{"kind": "linkedin", "url": "https://l/in"}],
                "yearsOfExperience": 7.5, "location": {"postcode": "EC1"}
            })
        );
    }

    #[test]
    fn lists_of_words_are_split_at_commas_too() {
        let header = ["Email", "Skills", "Tags", "Languages", "Certifications", "x.list[]"];
        let cells =
            ["a@x.org", "Rust, Go; SQL", "referral,alumni", "en,de;,", "Scrum, PSM I", "a, b;c"];
        assert_eq!(
            profile(&header, &[], &cells),
            json!({
                "emails": [{"value": "a@x.org"}], "skills": ["Rust", "Go", "SQL"],
                "tags": ["referral", "alumni"], "languages": ["en", "de"],
                "certifications": ["Scrum, PSM I"], "x": {"list": ["a, b", "c"]}
            })
        );
    }

    #[test]
    fn the_header_map_wins_and_unknown_columns_are_kept_under_x() {
        let header = ["email", "Cost. Centre", "", "Labels"];
        let mapped = [("EMAIL", "emails[1].value"), ("Labels", "tags")];
        assert_eq!(
            profile(&header, &mapped, &["a@x.org", "12", "z", "a;b"]),
            json!({
                "emails": [{"value": "a@x.org"}], "tags": ["a", "b"],
                "x": {"Cost. Centre": "12", "column3": "z"}
            })
        );
    }

    #[test]
    fn a_cell_of_the_wrong_type_stays_text() {
        assert_eq!(
            profile(&["yearsOfExperience"], &[], &["many"]),
            json!({"yearsOfExperience": "many"})
        );
    }

    #[test]
    fn a_built_in_column_that_is_read_by_its_header_is_refused() {
        let of = |header: &[&str], read: &str, mapped: &[(&str, &str)]| {
            let mapped = mapped.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
            let read = OwnColumns { all: false, names: [read.to_owned()].into() };
            Columns::resolve(header, &Names::of(&mapped), &read).err()
        };
        let header = ["Email", "LAST-NAME", "Cost Centre", "x.y"];
        let fault = HeaderFault::BuiltIn { column: 2, path: "lastName".to_owned() };
        assert_eq!(of(&header, "LAST-NAME", &[]), Some(fault));
        assert_eq!(of(&header, "LAST-NAME", &[("last name", "x.LAST-NAME")]), None);
        for name in ["Cost Centre", "x.y", "y", "Last Name"] {
            assert_eq!(of(&header, name, &[]), None, "{name}");
        }
    }

    #[test]
    fn unusable_headers_are_reported_by_column_number() {
        assert_eq!(fault(&["A", "b", " a "]), HeaderFault::Duplicate { first: 1, second: 3 });
        assert_eq!(fault(&["Email", "Home Email"]), HeaderFault::Conflict { column: 2 });
        assert_eq!(fault(&["location[0]", "city"]), HeaderFault::Conflict { column: 2 });
        assert_eq!(fault(&["Jane", "jane@x.org"]), HeaderFault::LooksLikeData { column: 2 });
        assert_eq!(fault(&["Jane", "jane\u{ff20}x.org"]), HeaderFault::LooksLikeData { column: 2 });
        assert_eq!(fault(&["a", "b\0"]), HeaderFault::Nul);
        assert_eq!(fault(&["a;b;c"]), HeaderFault::Separator);
        let mapped = BTreeMap::from([("b".to_owned(), "emails[".to_owned())]);
        let error =
            Columns::resolve(&["a", "b"], &Names::of(&mapped), &OwnColumns::default()).unwrap_err();
        assert_eq!(error, HeaderFault::Path { column: 2 });
    }
}
