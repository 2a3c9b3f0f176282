//! How much memory values take. Pure.

use serde_json::{Map, Value};

/// Roughly how many bytes attributes hold.
pub(super) fn weight(attributes: &Map<String, Value>) -> usize {
    fn of(value: &Value) -> usize {
        let held = match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(of).sum(),
            Value::Object(members) => weight(members),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        };
        size_of::<Value>() + held
    }
    attributes.iter().map(|(name, value)| 2 * size_of::<String>() + name.len() + of(value)).sum()
}
