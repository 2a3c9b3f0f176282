//! Builds a profile from cells. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::path::Segment;

/// A value under construction. Missing array elements leave no gap.
#[derive(Debug, Default)]
pub(super) enum Node {
    #[default]
    Empty,
    Leaf(Value),
    Object(BTreeMap<Box<str>, Node>),
    Array {
        numbered: BTreeMap<u8, Node>,
        appended: Vec<Node>,
    },
}

impl Node {
    /// Inserts a value at a path; false when another value is there or in the way.
    pub(super) fn insert(&mut self, path: &[Segment], value: Value) -> bool {
        let Some((first, rest)) = path.split_first() else {
            let free = matches!(self, Self::Empty);
            if free {
                *self = Self::Leaf(value);
            }
            return free;
        };
        if matches!(self, Self::Empty) {
            *self = match first {
                Segment::Name(_) => Self::Object(BTreeMap::new()),
                Segment::Index(_) | Segment::Append => {
                    Self::Array { numbered: BTreeMap::new(), appended: Vec::new() }
                }
            };
        }
        match (self, first) {
            (Self::Object(members), Segment::Name(name)) => {
                members.entry(name.clone()).or_default().insert(rest, value)
            }
            (Self::Array { numbered, .. }, Segment::Index(index)) => {
                numbered.entry(*index).or_default().insert(rest, value)
            }
            (Self::Array { appended, .. }, Segment::Append) => {
                appended.push(Self::Empty);
                appended.last_mut().is_some_and(|element| element.insert(rest, value))
            }
            _ => false,
        }
    }

    /// The finished value.
    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Empty => Value::Null,
            Self::Leaf(value) => value,
            Self::Object(_) => Value::Object(self.into_members()),
            Self::Array { numbered, appended } => {
                numbered.into_values().chain(appended).map(Self::into_value).collect()
            }
        }
    }

    /// The members of a finished object; none for anything else.
    pub(super) fn into_members(self) -> Map<String, Value> {
        match self {
            Self::Object(members) => members
                .into_iter()
                .map(|(name, node)| (name.into_string(), node.into_value()))
                .collect(),
            Self::Empty | Self::Leaf(_) | Self::Array { .. } => Map::new(),
        }
    }
}
