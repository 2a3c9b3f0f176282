//! The first usable of a profile's addresses, for the default mapping. Pure.

use serde_json::{Map, Value};

use super::{
    field_value::FieldValue,
    path::{Path, PathMatch},
};
use crate::domain::{flag, is_placeholder};

/// The first of the items at `path` that has a value and is not marked outdated. A placeholder, such as
/// `N/A`, is taken only where there is nothing else.
///
/// An item is an object with `value` and `outdated`, or the value itself. The error says what is wrong,
/// without a value of the profile.
pub(super) fn first<'a>(
    path: &Path,
    members: &'a Map<String, Value>,
) -> Result<FieldValue<'a>, String> {
    let items = match path.find(members) {
        PathMatch::None => return Ok(FieldValue::Missing),
        PathMatch::One(Value::Array(items)) => items.as_slice(),
        PathMatch::One(_) | PathMatch::Many(_) => {
            return Err("expected a list of objects with 'value'".to_owned());
        }
    };
    let mut placeholder = None;
    for (number, item) in items.iter().enumerate() {
        let value = match item {
            Value::Object(members) => {
                members.get("value").map_or(FieldValue::Missing, FieldValue::of)
            }
            plain => FieldValue::of(plain),
        };
        if is_blank(&value) {
            continue;
        }
        match item.get("outdated").map_or(Some(false), outdated) {
            Some(true) => {}
            _ if is_word_for_none(&value) => placeholder = placeholder.or(Some(value)),
            Some(false) => return Ok(value),
            None => return Err(format!("'outdated' of item {number} is neither true nor false")),
        }
    }
    Ok(placeholder.unwrap_or(FieldValue::Missing))
}

fn is_word_for_none(value: &FieldValue) -> bool {
    matches!(value, FieldValue::Text(text) if is_placeholder(text))
}

/// Whether nothing of a value can be seen.
fn is_blank(value: &FieldValue) -> bool {
    let invisible = |c: char| {
        c.is_whitespace()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
    };
    match value {
        FieldValue::Missing => true,
        FieldValue::Text(text) => text.chars().all(invisible),
        FieldValue::List(_) | FieldValue::Other(_) => false,
    }
}

/// What a mark says; `None` if it says neither.
fn outdated(mark: &Value) -> Option<bool> {
    match mark {
        Value::Null => Some(false),
        Value::Bool(outdated) => Some(*outdated),
        Value::String(text) if text.trim().is_empty() => Some(false),
        Value::String(text) => flag(text),
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
            _ => None,
        },
        Value::Array(_) | Value::Object(_) => None,
    }
}
