//! Which profile field each column of a CSV header fills: by the spec's header map, a built-in name,
//! or a profile path as the header; `x.<header>` for all others. Pure.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::{
    HeaderFault, names,
    path::{self, Segment},
    tree::Node,
};
use crate::domain::Profile;

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
            Self::Boolean => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "yes" => Some(true.into()),
                "false" | "no" => Some(false.into()),
                _ => None,
            },
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

    /// The values of a cell: in a list column any number of them, separated by semicolons.
    fn texts<'a>(&self, cell: &'a str) -> impl Iterator<Item = &'a str> {
        let list = self.path.contains(&Segment::Append);
        let (parts, whole) = if list { (Some(cell.split(';')), None) } else { (None, Some(cell)) };
        parts.into_iter().flatten().map(str::trim).chain(whole).filter(|t| !t.trim().is_empty())
    }

    fn put(&self, text: &str, into: &mut Node) -> bool {
        into.insert(&self.path, self.cell.value(text))
    }
}

/// The columns of one header.
#[derive(Debug)]
pub(super) struct Columns(Vec<Column>);

impl Columns {
    pub(super) fn resolve(
        header: &[&str],
        mapped: &BTreeMap<String, String>,
    ) -> Result<Self, HeaderFault> {
        check_cells(header)?;
        let exact: HashMap<&str, &str> =
            mapped.iter().map(|(name, path)| (name.trim(), path.trim())).collect();
        let folded: HashMap<String, &str> =
            mapped.iter().map(|(name, path)| (names::fold(name), path.trim())).collect();
        let mut seen = HashMap::new();
        let mut shape = Node::default();
        let mut columns = Vec::with_capacity(header.len());
        for (name, number) in header.iter().map(|name| name.trim()).zip(1..) {
            let key = names::fold(name);
            let path = exact.get(name).or_else(|| folded.get(&key)).copied();
            if !name.is_empty()
                && let Some(first) = seen.insert(key.clone(), number)
            {
                return Err(HeaderFault::Duplicate { first, second: number });
            }
            let column = match path {
                Some(path) => {
                    let path = names::with_brackets(path);
                    path::parse(path).map(Column::at).ok_or(HeaderFault::Path { column: number })?
                }
                None => built_in(name, &key).unwrap_or_else(|| other(name, number)),
            };
            if !column.put("-", &mut shape) {
                return Err(HeaderFault::Conflict { column: number });
            }
            columns.push(column);
        }
        Ok(Self(columns))
    }

    /// How many cells a row must have.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The profile of a row; empty cells are absent from it.
    pub(super) fn profile<'a>(&self, cells: impl Iterator<Item = &'a str>) -> Profile {
        let mut root = Node::default();
        for (column, cell) in self.0.iter().zip(cells) {
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
    if let [only] = header {
        for (character, separator) in [(';', "semicolon"), ('\t', "tab")] {
            if only.contains(character) {
                return Err(HeaderFault::Separator { separator });
            }
        }
    }
    match header.iter().position(|cell| cell.contains('@')) {
        Some(at) => Err(HeaderFault::LooksLikeData { column: at + 1 }),
        None => Ok(()),
    }
}

fn built_in(name: &str, key: &str) -> Option<Column> {
    if let Some(path) = names::path_of(key) {
        return path::parse(path).map(Column::at);
    }
    if let Some(kind) = names::social_kind(key) {
        return path::parse("socialLinks[]")
            .map(|path| Column { path, cell: Cell::SocialLink(kind) });
    }
    let path = path::parse(name)?;
    match path.as_slice() {
        [Segment::Name(root), _, ..] if names::is_root(root) => Some(Column::at(path)),
        _ => None,
    }
}

fn other(name: &str, number: usize) -> Column {
    let name = if name.is_empty() { format!("column{number}") } else { name.to_owned() };
    let path = vec![Segment::Name("x".into()), Segment::Name(name.into())];
    Column { path, cell: Cell::Text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(header: &[&str], mapped: &[(&str, &str)], cells: &[&str]) -> Value {
        let mapped = mapped.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let columns = Columns::resolve(header, &mapped).unwrap();
        Value::Object(columns.profile(cells.iter().copied()).into_members())
    }

    fn fault(header: &[&str]) -> HeaderFault {
        Columns::resolve(header, &BTreeMap::new()).unwrap_err()
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
    fn unusable_headers_are_reported_by_column_number() {
        assert_eq!(fault(&["A", "b", " a "]), HeaderFault::Duplicate { first: 1, second: 3 });
        assert_eq!(fault(&["Email", "Home Email"]), HeaderFault::Conflict { column: 2 });
        assert_eq!(fault(&["location[0]", "city"]), HeaderFault::Conflict { column: 2 });
        assert_eq!(fault(&["Jane", "jane@x.org"]), HeaderFault::LooksLikeData { column: 2 });
        assert_eq!(fault(&["a;b;c"]), HeaderFault::Separator { separator: "semicolon" });
        let mapped = BTreeMap::from([("b".to_owned(), "emails[".to_owned())]);
        let error = Columns::resolve(&["a", "b"], &mapped).unwrap_err();
        assert_eq!(error, HeaderFault::Path { column: 2 });
    }
}
