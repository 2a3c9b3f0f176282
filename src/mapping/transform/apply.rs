//! The transforms and what each does to a value. Pure.

use std::{borrow::Cow, collections::BTreeMap};

use super::{date, phone, words};
use crate::mapping::{
    field_value::FieldValue, limits::MAX_VALUE_BYTES, shape::Shape, spec::MapOtherwise,
};

/// A compiled transform.
#[derive(Debug)]
pub enum Transform {
    /// Removes white space at both ends.
    Trim,
    /// Lower case.
    Lower,
    /// Upper case.
    Upper,
    /// First letter of each word upper case.
    TitleCase,
    /// Telephone number to E.164.
    E164(Option<&'static phone::Country>),
    /// Date to another format.
    Date(date::Formats),
    /// List to string.
    Join(Box<str>),
    /// String to list.
    Split(Box<str>),
    /// Replaces literal occurrences.
    Replace {
        /// The string to replace; not empty.
        pattern: Box<str>,
        /// The replacement.
        with: Box<str>,
    },
    /// Cuts a string to this many characters.
    Truncate(usize),
    /// Looks the value up in a table.
    Map {
        /// Value to replacement.
        values: BTreeMap<String, String>,
        /// What happens to other values.
        otherwise: MapOtherwise,
    },
    /// Replaces a missing value.
    Default(Box<str>),
    /// First item of a list.
    First,
    /// Removes repeated items of a list.
    Unique,
    /// Adds a string at the start.
    Prefix(Box<str>),
    /// Adds a string at the end.
    Suffix(Box<str>),
}

/// Why a transform refuses a value. Never contains the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The value has a kind or format that the transform does not accept.
    Invalid(String),
    /// The result would exceed the maximum size of a value.
    TooLarge,
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::Invalid(message.into())
}

impl Transform {
    /// Applies the transform.
    pub fn apply<'a>(&'a self, value: FieldValue<'a>) -> Result<FieldValue<'a>, Refusal> {
        match (self, value) {
            (Self::Default(text), FieldValue::Missing) => Ok(FieldValue::text(&**text)),
            (Self::Default(_), value) => Ok(value),
            (_, FieldValue::Missing) => Ok(FieldValue::Missing),
            (Self::First, FieldValue::List(items)) => {
                Ok(items.into_iter().next().unwrap_or(FieldValue::Missing))
            }
            (Self::Unique, FieldValue::List(items)) => unique(items).map(FieldValue::list),
            (Self::First | Self::Unique, value) => Ok(value),
            (Self::Join(separator), FieldValue::List(items)) => join(items, separator),
            (Self::Split(_), FieldValue::List(_)) => {
                Err(invalid("split expects a string, not a list"))
            }
            (_, FieldValue::List(items)) => {
                let items: Result<Vec<_>, _> =
                    items.into_iter().map(|item| self.apply_one(item)).collect();
                Ok(FieldValue::list(items?))
            }
            (_, value) => self.apply_one(value),
        }
    }

    fn apply_one<'a>(&'a self, value: FieldValue<'a>) -> Result<FieldValue<'a>, Refusal> {
        let text = value.into_text().map_err(|value| {
            invalid(format!("{} expects a string, not {}", self.name(), value.kind()))
        })?;
        Ok(match self {
            Self::Trim => FieldValue::text(words::trim(text)),
            Self::Lower => FieldValue::text(words::lower(text)),
            Self::Upper => FieldValue::text(text.to_uppercase()),
            Self::TitleCase => FieldValue::text(words::title_case(&text)),
            Self::E164(country) => {
                FieldValue::text(phone::to_e164(&text, *country).map_err(invalid)?)
            }
            Self::Date(formats) => FieldValue::text(formats.convert(&text).map_err(invalid)?),
            Self::Split(separator) => {
                let part = |part: &str| FieldValue::text(part.to_owned());
                FieldValue::list(text.split(&**separator).map(part))
            }
            Self::Replace { pattern, with } => {
                let found = text.matches(&**pattern).count();
                if found == 0 {
                    return Ok(FieldValue::text(text));
                }
                bounded(text.len() - found * pattern.len() + found * with.len())?;
                FieldValue::text(text.replace(&**pattern, with))
            }
            Self::Truncate(length) => FieldValue::text(words::truncate(text, *length)),
            Self::Map { values, otherwise } => match (values.get(&*text), otherwise) {
                (Some(replacement), _) => FieldValue::text(replacement.as_str()),
                (None, MapOtherwise::Keep) => FieldValue::text(text),
                (None, MapOtherwise::Skip) => FieldValue::Missing,
                (None, MapOtherwise::Fail) => {
                    return Err(invalid("the value is not listed in the map"));
                }
            },
            Self::Prefix(added) => {
                bounded(text.len() + added.len())?;
                FieldValue::text([&**added, &*text].concat())
            }
            Self::Suffix(added) => {
                bounded(text.len() + added.len())?;
                FieldValue::text([&*text, &**added].concat())
            }
            // Joining a single value changes nothing; the other three are handled by the caller.
            Self::Join(_) | Self::Default(_) | Self::First | Self::Unique => FieldValue::text(text),
        })
    }

    /// The shape of the result, given the shape of the value.
    pub const fn shape(&self, of: Shape) -> Shape {
        match self {
            Self::Join(_) => Shape::Text,
            Self::Split(_) => Shape::List,
            Self::First => match of {
                Shape::List | Shape::TextOrList => Shape::Unknown,
                other => other,
            },
            Self::Unique => of,
            // The default may replace the value, whatever its shape.
            Self::Default(_) => match of {
                Shape::Text => Shape::Text,
                _ => Shape::Unknown,
            },
            _ => match of {
                Shape::List => Shape::List,
                Shape::Unknown | Shape::TextOrList => Shape::TextOrList,
                _ => Shape::Text,
            },
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Trim => "trim",
            Self::Lower => "lower",
            Self::Upper => "upper",
            Self::TitleCase => "titleCase",
            Self::E164(_) => "e164",
            Self::Date(_) => "date",
            Self::Join(_) => "join",
            Self::Split(_) => "split",
            Self::Replace { .. } => "replace",
            Self::Truncate(_) => "truncate",
            Self::Map { .. } => "map",
            Self::Default(_) => "default",
            Self::First => "first",
            Self::Unique => "unique",
            Self::Prefix(_) => "prefix",
            Self::Suffix(_) => "suffix",
        }
    }
}

fn bounded(bytes: usize) -> Result<(), Refusal> {
    if bytes > MAX_VALUE_BYTES { Err(Refusal::TooLarge) } else { Ok(()) }
}

fn join<'a>(items: Vec<FieldValue<'a>>, separator: &str) -> Result<FieldValue<'a>, Refusal> {
    let mut texts: Vec<Cow<'a, str>> = Vec::with_capacity(items.len());
    for item in items {
        let refuse =
            |item: FieldValue| invalid(format!("join expects strings, not {}", item.kind()));
        texts.push(item.into_text().map_err(refuse)?);
    }
    let bytes: usize = texts.iter().map(|text| text.len() + separator.len()).sum();
    bounded(bytes.saturating_sub(separator.len()))?;
    Ok(FieldValue::text(texts.join(separator)))
}

/// Strings are compared by a set; other items are rare, and up to a limit compared one by one.
fn unique(items: Vec<FieldValue<'_>>) -> Result<Vec<FieldValue<'_>>, Refusal> {
    const MOST_COMPARED: usize = 256;
    let mut texts = std::collections::HashSet::new();
    let mut others = 0;
    let mut kept: Vec<FieldValue> = Vec::with_capacity(items.len());
    for item in items {
        let fresh = match &item {
            FieldValue::Text(text) => texts.insert(text.clone()),
            other => {
                others += 1;
                if others > MOST_COMPARED {
                    return Err(invalid("unique allows at most 256 items that are not strings"));
                }
                !kept.contains(other)
            }
        };
        if fresh {
            kept.push(item);
        }
    }
    Ok(kept)
}
