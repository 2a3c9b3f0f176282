//! The value of one field on its way from the profile to the target. Pure.
//!
//! Borrowed until something changes it. "No value" is a single state, whatever its origin.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use super::{
    cel::{Text, Val},
    limits::{MAX_JSON_DEPTH, MAX_VALUE_BYTES},
    path::PathMatch,
};

/// The value of a field between source and target.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldValue<'a> {
    /// No value: absent, null, a blank string, an empty list or object.
    Missing,
    /// A string that is not blank.
    Text(Cow<'a, str>),
    /// Items, none of them missing.
    List(Vec<FieldValue<'a>>),
    /// A number, boolean or object.
    Other(Cow<'a, Value>),
}

/// Why a value cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// More than [`MAX_VALUE_BYTES`].
    TooLarge,
    /// Nested too deeply, or a number that JSON cannot represent.
    NotJson,
}

impl<'a> FieldValue<'a> {
    /// A string, or `Missing` if it is blank.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        let text = text.into();
        if text.trim().is_empty() { Self::Missing } else { Self::Text(text) }
    }

    /// A list without its missing items, or `Missing` if none is left.
    pub fn list(items: impl IntoIterator<Item = Self>) -> Self {
        let items: Vec<_> = items.into_iter().filter(|item| *item != Self::Missing).collect();
        if items.is_empty() { Self::Missing } else { Self::List(items) }
    }

    /// Wraps a JSON value.
    pub fn of(value: &'a Value) -> Self {
        Self::at_depth(value, 0)
    }

    fn at_depth(value: &'a Value, depth: u8) -> Self {
        match value {
            Value::Null => Self::Missing,
            Value::String(text) => Self::text(text),
            Value::Object(members) if members.is_empty() => Self::Missing,
            // Deeper lists stay as they are, which bounds the stack.
            Value::Array(items) if depth < MAX_JSON_DEPTH => {
                Self::list(items.iter().map(|item| Self::at_depth(item, depth + 1)))
            }
            other => Self::Other(Cow::Borrowed(other)),
        }
    }

    /// Converts the result of a path.
    pub fn found(found: PathMatch<'a>) -> Self {
        match found {
            PathMatch::None => Self::Missing,
            PathMatch::One(value) => Self::of(value),
            PathMatch::Many(values) => Self::list(values.into_iter().map(Self::of)),
        }
    }

    /// Converts the result of an expression.
    pub fn computed(value: Val<'a>) -> Result<Self, Unfit> {
        let mut budget = MAX_VALUE_BYTES;
        from_val(value, &mut budget, 0)
    }

    /// The kind of the value, for messages. Never the value.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Missing => "no value",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Other(value) => match &**value {
                Value::Number(_) => "a number",
                Value::Bool(_) => "a boolean",
                Value::Object(_) => "an object",
                _ => "a list that is nested too deeply",
            },
        }
    }

    /// The value as a string, if it is a string, number or boolean.
    pub fn into_text(self) -> Result<Cow<'a, str>, Self> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Other(value) => match &*value {
                Value::Number(number) => Ok(number.to_string().into()),
                Value::Bool(value) => Ok(value.to_string().into()),
                _ => Err(Self::Other(value)),
            },
            other => Err(other),
        }
    }

    /// The JSON to send; `None` if there is no value.
    pub fn into_json(self) -> Result<Option<Value>, Unfit> {
        let mut budget = MAX_VALUE_BYTES;
        to_json(self, &mut budget)
    }
}

fn take(budget: &mut usize, bytes: usize) -> Result<(), Unfit> {
    *budget = budget.checked_sub(bytes).ok_or(Unfit::TooLarge)?;
    Ok(())
}

/// Measures a JSON value before copying it.
fn weigh(value: &Value, budget: &mut usize, depth: u8) -> Result<(), Unfit> {
    if depth >= MAX_JSON_DEPTH {
        return Err(Unfit::NotJson);
    }
    take(budget, 2)?;
    match value {
        Value::String(text) => take(budget, text.len()),
        Value::Array(items) => items.iter().try_for_each(|item| weigh(item, budget, depth + 1)),
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            take(budget, name.len())?;
            weigh(value, budget, depth + 1)
        }),
        _ => Ok(()),
    }
}

fn to_json(value: FieldValue, budget: &mut usize) -> Result<Option<Value>, Unfit> {
    take(budget, 2)?;
    match value {
        FieldValue::Missing => Ok(None),
        FieldValue::Text(text) => {
            take(budget, text.len())?;
            Ok(Some(Value::String(text.into_owned())))
        }
        FieldValue::Other(value) => {
            weigh(&value, budget, 0)?;
            Ok(Some(value.into_owned()))
        }
        FieldValue::List(items) => {
            let items = items.into_iter().filter_map(|item| to_json(item, budget).transpose());
            Ok(Some(Value::Array(items.collect::<Result<_, _>>()?)))
        }
    }
}

fn from_val<'a>(value: Val<'a>, budget: &mut usize, depth: u8) -> Result<FieldValue<'a>, Unfit> {
    if depth >= MAX_JSON_DEPTH {
        return Err(Unfit::NotJson);
    }
    take(budget, 2)?;
    match value {
        Val::Null | Val::Optional(None) => Ok(FieldValue::Missing),
        Val::Optional(Some(value)) => from_val((*value).clone(), budget, depth + 1),
        Val::Bool(value) => Ok(FieldValue::Other(Cow::Owned(Value::Bool(value)))),
        Val::Int(value) => Ok(FieldValue::Other(Cow::Owned(Value::from(value)))),
        Val::Double(value) => {
            let number = Number::from_f64(value).ok_or(Unfit::NotJson)?;
            Ok(FieldValue::Other(Cow::Owned(Value::Number(number))))
        }
        Val::Text(text) => {
            take(budget, text.as_str().len())?;
            Ok(match text {
                Text::Borrowed(text) => FieldValue::text(text),
                Text::Shared(text) => FieldValue::text(text.to_string()),
            })
        }
        Val::List(list) => {
            let items: Result<Vec<_>, _> =
                list.iter().map(|item| from_val(item, budget, depth + 1)).collect();
            Ok(FieldValue::list(items?))
        }
        Val::Map(table) => {
            let mut members = Map::new();
            for key in table.keys() {
                let Val::Text(key) = key else { continue };
                take(budget, key.as_str().len())?;
                let Some(value) = table.get(key.as_str()) else { continue };
                let value = from_val(value, budget, depth + 1)?;
                // Within an object a missing value is null: the object is sent as a whole.
                let json = to_json(value, &mut MAX_VALUE_BYTES.clone())?.unwrap_or_default();
                members.insert(key.as_str().to_owned(), json);
            }
            Ok(if members.is_empty() {
                FieldValue::Missing
            } else {
                FieldValue::Other(Cow::Owned(Value::Object(members)))
            })
        }
    }
}
