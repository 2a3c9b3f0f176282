//! Where a value is put in a profile: `firstName`, `emails[0].value`, `skills[]`, `x.notice_period`.
//! Pure.

use std::fmt;

use serde_json::{Map, Value};

use super::super::path::{Path, Step};

/// The last item of a list that a field may fill.
const MAX_ITEM: usize = 63;
/// The member that import records use for themselves.
const RESERVED: &str = "clinch";

/// The place of one value in a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    path: Path,
    /// The value is put there as a list, even if it is a single one.
    list: bool,
}

/// How two targets get in each other's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// They are the same place.
    Same,
    /// One is part of the other, or they need both a list and an object in one place.
    Part,
}

impl Target {
    /// Compiles a target; the error says what is wrong with it.
    pub fn compile(text: &str) -> Result<Self, String> {
        let list = text.strip_suffix("[]");
        Self::of(Path::compile(list.unwrap_or(text))?, list.is_some())
    }

    /// The target at the end of a path.
    pub fn of(path: Path, list: bool) -> Result<Self, String> {
        for step in path.steps() {
            match step {
                Step::Every => {
                    return Err("a target is one place; write [] for a list".to_owned());
                }
                Step::Item(item) if *item > MAX_ITEM => {
                    return Err(format!(
                        "the last item of a list that can be filled is {MAX_ITEM}"
                    ));
                }
                Step::Item(_) | Step::Member(_) => {}
            }
        }
        if path.start().0 == Some(RESERVED) {
            return Err(format!("'{RESERVED}' is reserved for the import's own data"));
        }
        Ok(Self { path, list })
    }

    /// The member of the profile that it is, or is a part of.
    pub fn member(&self) -> Option<&str> {
        self.path.start().0
    }

    /// Whether values cannot be put in both places.
    pub fn overlaps(&self, other: &Self) -> Option<Overlap> {
        let mut steps = self.path.steps().iter().zip(other.path.steps());
        match steps.find(|(one, two)| one != two) {
            None if self.path == other.path => Some(Overlap::Same),
            None | Some((Step::Member(_), Step::Item(_)) | (Step::Item(_), Step::Member(_))) => {
                Some(Overlap::Part)
            }
            Some(_) => None,
        }
    }

    /// Puts a value in its place. Earlier items of a list that nothing fills are null.
    pub fn put(&self, profile: &mut Map<String, Value>, value: Value) {
        let Some((Step::Member(first), rest)) = self.path.steps().split_first() else { return };
        let place = profile.entry(&**first).or_insert(Value::Null);
        let place = rest.iter().fold(place, |place, step| match step {
            Step::Member(name) => member(place, name),
            Step::Item(index) => item(place, *index),
            Step::Every => place,
        });
        *place = match value {
            one if self.list && !one.is_array() => Value::Array(vec![one]),
            value => value,
        };
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.path, if self.list { "[]" } else { "" })
    }
}

fn member<'a>(place: &'a mut Value, name: &str) -> &'a mut Value {
    if !place.is_object() {
        *place = Value::Object(Map::new());
    }
    &mut place[name]
}

fn item(place: &mut Value, index: usize) -> &mut Value {
    if !place.is_array() {
        *place = Value::Array(Vec::new());
    }
    if let Value::Array(items) = place
        && items.len() <= index
    {
        items.resize(index + 1, Value::Null);
    }
    &mut place[index]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_put_where_a_path_finds_them() {
        let mut profile = Map::new();
        for (to, value) in [
            ("firstName", json!("Ada")),
            ("emails[1].value", json!("b@x.org")),
            ("emails[0].value", json!("a@x.org")),
            ("skills[]", json!("Rust")),
            ("tags[]", json!(["a", "b"])),
            ("x.odd", json!({"deep": [1]})),
            ("x['it''s']", json!(1)),
            ("links[2]", json!("c")),
        ] {
            let target = Target::compile(to).unwrap();
            assert_eq!(target.to_string(), to);
            target.put(&mut profile, value);
        }
        let expected = json!({"firstName": "Ada",
            "emails": [{"value": "a@x.org"}, {"value": "b@x.org"}],
            "skills": ["Rust"], "tags": ["a", "b"],
            "x": {"odd": {"deep": [1]}, "it's": 1}, "links": [null, null, "c"]});
        assert_eq!(Value::Object(profile), expected);
    }

    #[test]
    fn targets_that_are_no_single_place_are_refused() {
        for (to, part) in [
            ("", "1 to 256"),
            ("[]", "1 to 256"),
            ("emails[*].value", "one place"),
            ("skills[][]", "column 7"),
            ("skills[].name", "column 7"),
            ("emails[64].value", "is 63"),
            ("emails[4294967295].value", "is 63"),
            ("clinch.id", "reserved"),
            ("['clinch']", "reserved"),
            ("a b", "column 2"),
        ] {
            let message = Target::compile(to).unwrap_err();
            assert!(message.contains(part), "{to}: {message}");
        }
    }

    #[test]
    fn targets_that_get_in_each_others_way_are_known() {
        let overlap = |one: &str, two: &str| {
            let (one, two) = (Target::compile(one).unwrap(), Target::compile(two).unwrap());
            assert_eq!(one.overlaps(&two), two.overlaps(&one));
            one.overlaps(&two)
        };
        for (one, two, expected) in [
            ("a", "b", None),
            ("a.b", "a.c", None),
            ("a[0].b", "a[0].c", None),
            ("a[0].b", "a[1].b", None),
            ("a", "a", Some(Overlap::Same)),
            ("a[]", "a", Some(Overlap::Same)),
            ("a[]", "a[0].b", Some(Overlap::Part)),
            ("a", "a.b", Some(Overlap::Part)),
            ("a[0].b", "a.b", Some(Overlap::Part)),
        ] {
            assert_eq!(overlap(one, two), expected, "{one} {two}");
        }
    }
}
