//! The attributes of the target. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::{issue, shape::AttributeKind, value_format::ValueFormat};
use crate::domain::did_you_mean;

/// The name by which expressions and mappings read the id of a person.
const ID: &str = "id";

/// One attribute of the target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TargetAttribute {
    /// The kind of value it takes.
    pub kind: AttributeKind,
    /// The items of a list, if they are described.
    pub items: Option<Box<TargetAttribute>>,
    /// Whether a new person must have it.
    pub required: bool,
    /// Whether it cannot be written.
    pub read_only: bool,
    /// Whether null is not among what it is said to take.
    pub not_null: bool,
    /// The format of a value, if it is one that is checked.
    pub format: Option<ValueFormat>,
    /// Maximum number of characters of a string.
    pub max_length: Option<usize>,
    /// The only values, as text; `None`: any.
    pub values: Option<BTreeSet<String>>,
}

/// The attributes of the target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetAttributes {
    /// By name. `None` if the contract does not list them all: then nothing is checked.
    pub listed: Option<BTreeMap<String, TargetAttribute>>,
    /// The names of those that a read shows. `None` if the contract does not list them: then nothing is
    /// checked.
    pub shown: Option<BTreeSet<String>>,
    /// Whether a value beyond a stated format, length or set of values is refused. Otherwise it is sent
    /// and reported.
    pub enforced: bool,
}

impl TargetAttributes {
    /// The contract lists no attributes.
    pub const UNKNOWN: Self = Self { listed: None, shown: None, enforced: false };

    /// Attributes that the contract lists.
    pub fn of(attributes: impl IntoIterator<Item = (String, TargetAttribute)>) -> Self {
        Self { listed: Some(attributes.into_iter().collect()), ..Self::UNKNOWN }
    }

    /// Whether reads of people show no attribute of this name, according to the contract. The id of a
    /// person is no attribute, and is always shown.
    pub fn hides(&self, name: &str) -> bool {
        name != ID && self.shown.as_ref().is_some_and(|shown| !shown.contains(name))
    }

    /// `naem (did you mean name?)`: a name that reads do not show, with the one that is meant, if there is a
    /// similar one.
    pub fn suggest(&self, name: &str) -> String {
        let known = self.shown.iter().flatten().map(String::as_str);
        match did_you_mean(name, known) {
            Some(known) => format!("{} (did you mean {known}?)", issue::shown(name)),
            None => issue::shown(name).to_owned(),
        }
    }

    /// The attribute called `name`, if the contract lists it.
    pub fn get(&self, name: &str) -> Option<&TargetAttribute> {
        self.listed.as_ref()?.get(name)
    }
}

/// The kind of a value, for messages. Never the value.
pub(super) const fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
