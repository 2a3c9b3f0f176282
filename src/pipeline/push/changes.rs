//! Which attributes of a person differ from the record. Pure.

use serde_json::{Map, Value};

use crate::pipeline::work::Work;

/// The attributes that differ from what the person has, less those that only fill gaps.
pub(super) fn changes(work: &Work, present: &Map<String, Value>) -> Map<String, Value> {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    work.attributes
        .iter()
        .filter(|(name, wanted)| {
            let has = present.get(*name).unwrap_or(&Value::Null);
            let fills_only = work.only_if_empty.contains(name);
            has != *wanted && (!fills_only || empty(has))
        })
        .map(|(name, wanted)| (name.clone(), wanted.clone()))
        .collect()
}
