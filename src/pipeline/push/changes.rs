//! Which attributes of a person differ from the record. Pure.

use serde_json::{Map, Value};

use crate::pipeline::work::Work;

/// Whether an attribute has no value.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// The attributes that differ from the person's, except those that only fill gaps and have a value.
pub(super) fn changes(work: &Work, present: &Map<String, Value>) -> Map<String, Value> {
    work.attributes
        .iter()
        .filter(|(name, value)| {
            let has = present.get(*name).unwrap_or(&Value::Null);
            let fills_only = work.only_if_empty.contains(name);
            has != *value && (!fills_only || is_empty(has))
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
