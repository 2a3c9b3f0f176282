//! Values of an evaluation, borrowed from the profile or the expression where possible. Pure.

use std::{cmp::Ordering, rc::Rc};

use serde_json::{Map, Value};

use super::limits::{Exhausted, Fuel};
use crate::mapping::limits::MAX_JSON_DEPTH;

/// A value. Cheap to clone: at most a reference count changes.
#[derive(Clone)]
pub enum Val<'a> {
    /// `null`
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// Any other number.
    Double(f64),
    /// A string.
    Text(Text<'a>),
    /// A list.
    List(List<'a>),
    /// A map with string keys.
    Map(Table<'a>),
    /// The result of `.?` and `[?]`: a value, or none.
    Optional(Option<Rc<Val<'a>>>),
}

/// A string of the profile or the expression, or one made during evaluation.
#[derive(Clone)]
pub enum Text<'a> {
    /// Part of the profile or of the expression.
    Borrowed(&'a str),
    /// Made during evaluation.
    Shared(Rc<str>),
}

impl Text<'_> {
    /// The characters.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

/// A list of the profile, or one made during evaluation.
#[derive(Clone)]
pub enum List<'a> {
    /// Part of the profile.
    Json(&'a [Value]),
    /// Made during evaluation.
    Built(Rc<Vec<Val<'a>>>),
}

impl<'a> List<'a> {
    /// How many items there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Json(items) => items.len(),
            Self::Built(items) => items.len(),
        }
    }

    /// The item at `index`.
    pub fn get(&self, index: usize) -> Option<Val<'a>> {
        match self {
            Self::Json(items) => items.get(index).map(Val::of),
            Self::Built(items) => items.get(index).cloned(),
        }
    }

    /// The items in order.
    pub fn iter(&self) -> impl Iterator<Item = Val<'a>> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

/// An object of the profile, or a map written in the expression.
#[derive(Clone)]
pub enum Table<'a> {
    /// Part of the profile.
    Json(&'a Map<String, Value>),
    /// Written in the expression; small, so a linear search is enough.
    Built(Rc<Vec<(Text<'a>, Val<'a>)>>),
}

impl<'a> Table<'a> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Json(members) => members.len(),
            Self::Built(entries) => entries.len(),
        }
    }

    /// The value at `key`.
    pub fn get(&self, key: &str) -> Option<Val<'a>> {
        match self {
            Self::Json(members) => members.get(key).map(Val::of),
            Self::Built(entries) => {
                entries.iter().find(|(name, _)| name.as_str() == key).map(|(_, v)| v.clone())
            }
        }
    }

    /// The keys, in the order of the map.
    pub fn keys(&self) -> Vec<Val<'a>> {
        match self {
            Self::Json(members) => members.keys().map(|k| Val::borrowed(k)).collect(),
            Self::Built(entries) => entries.iter().map(|(k, _)| Val::Text(k.clone())).collect(),
        }
    }
}

impl<'a> Val<'a> {
    /// Wraps a JSON value without copying it. Integers beyond 64 bits become doubles.
    pub fn of(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => match number.as_i64() {
                Some(whole) => Self::Int(whole),
                None => Self::Double(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Self::borrowed(text),
            Value::Array(items) => Self::List(List::Json(items)),
            Value::Object(members) => Self::Map(Table::Json(members)),
        }
    }

    /// A string of the profile or the expression.
    pub const fn borrowed(text: &'a str) -> Self {
        Self::Text(Text::Borrowed(text))
    }

    /// A string made during evaluation.
    pub fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(Text::Shared(text.into()))
    }

    /// A list made during evaluation.
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(List::Built(Rc::new(items)))
    }

    /// The kind of the value, for messages. Never the value.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Double(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Optional(_) => "an optional value",
        }
    }

    /// Orders two numbers, two strings or two booleans; `None` for anything else.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(b),
            (Self::Int(a), Self::Double(b)) => whole_against(*a, *b),
            (Self::Double(a), Self::Int(b)) => whole_against(*b, *a).map(Ordering::reverse),
            (Self::Text(a), Self::Text(b)) => Some(a.as_str().cmp(b.as_str())),
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    /// Whether two values are equal; values of different kinds are not. `None` if they are nested deeper
    /// than [`MAX_JSON_DEPTH`].
    pub fn equals(
        &self,
        other: &Self,
        fuel: &mut Fuel,
        depth: u8,
    ) -> Result<Option<bool>, Exhausted> {
        if depth >= MAX_JSON_DEPTH {
            return Ok(None);
        }
        fuel.spend(1)?;
        match (self, other) {
            (Self::Null, Self::Null) | (Self::Optional(None), Self::Optional(None)) => {
                Ok(Some(true))
            }
            (Self::Text(a), Self::Text(b)) => {
                let (a, b) = (a.as_str(), b.as_str());
                fuel.spend_bytes(a.len().min(b.len()))?;
                Ok(Some(a == b))
            }
            (Self::List(a), Self::List(b)) => {
                if a.len() != b.len() {
                    return Ok(Some(false));
                }
                for (x, y) in a.iter().zip(b.iter()) {
                    match x.equals(&y, fuel, depth + 1)? {
                        Some(true) => {}
                        decided => return Ok(decided),
                    }
                }
                Ok(Some(true))
            }
            (Self::Map(a), Self::Map(b)) => {
                if a.len() != b.len() {
                    return Ok(Some(false));
                }
                fuel.spend_items(a.len().saturating_mul(2))?;
                for key in a.keys() {
                    let Self::Text(key) = key else { continue };
                    // Pays for the linear search of a written map.
                    fuel.spend_items(if matches!(b, Table::Built(_)) { b.len() } else { 0 })?;
                    let (Some(x), Some(y)) = (a.get(key.as_str()), b.get(key.as_str())) else {
                        return Ok(Some(false));
                    };
                    match x.equals(&y, fuel, depth + 1)? {
                        Some(true) => {}
                        decided => return Ok(decided),
                    }
                }
                Ok(Some(true))
            }
            (Self::Optional(Some(a)), Self::Optional(Some(b))) => a.equals(b, fuel, depth + 1),
            _ => Ok(Some(self.compare(other) == Some(Ordering::Equal))),
        }
    }
}

/// Compares exactly: not every 64-bit integer has a double.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
fn whole_against(whole: i64, double: f64) -> Option<Ordering> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if double.is_nan() {
        return None;
    }
    if double >= LIMIT {
        return Some(Ordering::Less);
    }
    if double < -LIMIT {
        return Some(Ordering::Greater);
    }
    let by_whole = whole.cmp(&(double.trunc() as i64));
    Some(by_whole.then_with(|| 0.0f64.partial_cmp(&double.fract()).unwrap_or(Ordering::Equal)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_doubles_compare_exactly() {
        let int = Val::Int(9_007_199_254_740_993);
        assert_eq!(int.compare(&Val::Double(9_007_199_254_740_992.0)), Some(Ordering::Greater));
        assert_eq!(Val::Int(5).compare(&Val::Double(5.5)), Some(Ordering::Less));
        assert_eq!(Val::Double(-5.5).compare(&Val::Int(-5)), Some(Ordering::Less));
        assert_eq!(Val::Int(i64::MAX).compare(&Val::Double(1e300)), Some(Ordering::Less));
        assert_eq!(Val::Int(5).compare(&Val::Double(f64::NAN)), None);
    }
}
