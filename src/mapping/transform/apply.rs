//! The transforms and what each does to a value. Pure.

use std::{borrow::Cow, collections::BTreeMap};

use super::{date, phone, words};
use crate::mapping::{
    field_value::FieldValue, limits::MAX_VALUE_BYTES, shape::Shape, spec::Otherwise,
};

/// A compiled transform.
#[derive(Debug)]
pub struct Transform {
    /// What it does.
    pub action: Action,
    /// What happens to a value that it cannot handle, if the mapping says so.
    pub otherwise: Option<Otherwise>,
}

/// What a transform does.
#[derive(Debug)]
pub enum Action {
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
    /// A telephone number as it is written.
    Telephone,
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
    Map(BTreeMap<String, String>),
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
    /// Removes a string at the start, if it is there. Only the way back uses it.
    StripPrefix(Box<str>),
    /// Removes a string at the end, if it is there. Only the way back uses it.
    StripSuffix(Box<str>),
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
        match (&self.action, value) {
            (Action::Default(text), FieldValue::Missing) => Ok(FieldValue::text(&**text)),
            (Action::Default(_), value) => Ok(value),
            (_, FieldValue::Missing) => Ok(FieldValue::Missing),
            (Action::First, FieldValue::List(items)) => {
                Ok(items.into_iter().next().unwrap_or(FieldValue::Missing))
            }
            (Action::Unique, FieldValue::List(items)) => unique(items).map(FieldValue::list),
            (Action::First | Action::Unique, value) => Ok(value),
            (Action::Join(separator), FieldValue::List(items)) => {
                self.or_skipped(join(items, separator))
            }
            (Action::Split(_), FieldValue::List(_)) => {
                self.or_skipped(Err(invalid("split expects a string, not a list")))
            }
            (_, FieldValue::List(items)) => {
                let items: Result<Vec<_>, _> =
                    items.into_iter().map(|item| self.or_skipped(self.apply_one(item))).collect();
                Ok(FieldValue::list(items?))
            }
            (_, value) => self.or_skipped(self.apply_one(value)),
        }
    }

    /// With `otherwise: Skip`, a value that cannot be handled is missing.
    fn or_skipped<'a>(
        &self,
        result: Result<FieldValue<'a>, Refusal>,
    ) -> Result<FieldValue<'a>, Refusal> {
        match result {
            Err(Refusal::Invalid(_)) if self.otherwise == Some(Otherwise::Skip) => {
                Ok(FieldValue::Missing)
            }
            result => result,
        }
    }
    fn apply_one<'a>(&'a self, value: FieldValue<'a>) -> Result<FieldValue<'a>, Refusal> {
        let text = value.into_text().map_err(|value| {
            invalid(format!("{} expects a string, not {}", self.name(), value.kind()))
        })?;
        Ok(match &self.action {
            Action::Trim => FieldValue::text(words::trim(text)),
            Action::Lower => FieldValue::text(words::lower(text)),
            Action::Upper => FieldValue::text(text.to_uppercase()),
            Action::TitleCase => FieldValue::text(words::title_case(&text)),
            Action::E164(country) => {
                FieldValue::text(phone::to_e164(&text, *country).map_err(invalid)?)
            }
            Action::Telephone => FieldValue::text(phone::as_written(text).map_err(invalid)?),
            Action::Date(formats) => FieldValue::text(formats.convert(&text).map_err(invalid)?),
            Action::Split(separator) => {
                let part = |part: &str| FieldValue::text(part.to_owned());
                FieldValue::list(text.split(&**separator).map(part))
            }
            Action::Replace { pattern, with } => {
                let found = text.matches(&**pattern).count();
                if found == 0 {
                    return Ok(FieldValue::text(text));
                }
                bounded(text.len() - found * pattern.len() + found * with.len())?;
                FieldValue::text(text.replace(&**pattern, with))
            }
            Action::Truncate(length) => FieldValue::text(words::truncate(text, *length)),
            Action::Map(values) => match (values.get(&*text), self.otherwise) {
                (Some(replacement), _) => FieldValue::text(replacement.as_str()),
                (None, None | Some(Otherwise::Keep)) => FieldValue::text(text),
                (None, Some(Otherwise::Skip | Otherwise::Fail)) => {
                    return Err(invalid("the value is not listed in the map"));
                }
            },
            Action::Prefix(added) => {
                bounded(text.len() + added.len())?;
                FieldValue::text([&**added, &*text].concat())
            }
            Action::Suffix(added) => {
                bounded(text.len() + added.len())?;
                FieldValue::text([&*text, &**added].concat())
            }
            Action::StripPrefix(added) => match text.strip_prefix(&**added) {
                Some(rest) => FieldValue::text(rest.to_owned()),
                None => FieldValue::text(text),
            },
            Action::StripSuffix(added) => match text.strip_suffix(&**added) {
                Some(rest) => FieldValue::text(rest.to_owned()),
                None => FieldValue::text(text),
            },
            // Joining a single value changes nothing; the other three are handled by the caller.
            Action::Join(_) | Action::Default(_) | Action::First | Action::Unique => {
                FieldValue::text(text)
            }
        })
    }

    /// The shape of the result, given the shape of the value.
    pub const fn shape(&self, of: Shape) -> Shape {
        match &self.action {
            Action::Join(_) => Shape::Text,
            Action::Split(_) => Shape::List,
            Action::First => match of {
                Shape::List | Shape::TextOrList => Shape::Unknown,
                other => other,
            },
            Action::Unique => of,
            // The default may replace the value, whatever its shape.
            Action::Default(_) => match of {
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
        match &self.action {
            Action::Trim => "trim",
            Action::Lower => "lower",
            Action::Upper => "upper",
            Action::TitleCase => "titleCase",
            Action::E164(_) => "e164",
            Action::Telephone => "telephone",
            Action::Date(_) => "date",
            Action::Join(_) => "join",
            Action::Split(_) => "split",
            Action::Replace { .. } => "replace",
            Action::Truncate(_) => "truncate",
            Action::Map(_) => "map",
            Action::Default(_) => "default",
            Action::First => "first",
            Action::Unique => "unique",
            Action::Prefix(_) | Action::StripPrefix(_) => "prefix",
            Action::Suffix(_) | Action::StripSuffix(_) => "suffix",
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
