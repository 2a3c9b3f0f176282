//! Transforms: small steps from one value to the next. Pure.
//!
//! A missing value passes every transform but `default` untouched. Transforms of texts work on
//! each item of a list; a number or boolean is taken as its text. What becomes blank is missing.

mod compile;
mod date;
mod phone;
mod words;

use std::{borrow::Cow, collections::BTreeMap};

pub use compile::compile;

use super::{cel::MAX_VALUE_BYTES, spec::MapOtherwise, target::Shape, work::Work};

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
    /// List to text.
    Join(Box<str>),
    /// Text to list.
    Split(Box<str>),
    /// Literal search and replace.
    Replace {
        /// The text to look for; not empty.
        pattern: Box<str>,
        /// The text to put in its place.
        with: Box<str>,
    },
    /// Cuts a text to so many characters.
    Truncate(usize),
    /// Value by table.
    Map {
        /// Values by their replacement.
        values: BTreeMap<String, String>,
        /// What happens to others.
        otherwise: MapOtherwise,
    },
    /// Value for a missing one.
    Default(Box<str>),
    /// First item of a list.
    First,
    /// Removes repeated items of a list.
    Unique,
    /// Adds text in front.
    Prefix(Box<str>),
    /// Adds text behind.
    Suffix(Box<str>),
}

/// Why a transform does not take a value. Never the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The value is not of the kind, or not in the form, that the transform takes.
    Invalid(String),
    /// The outcome would be larger than a value may be.
    TooLarge,
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::Invalid(message.into())
}

impl Transform {
    /// Carries the transform out.
    pub fn apply<'a>(&'a self, value: Work<'a>) -> Result<Work<'a>, Refusal> {
        match (self, value) {
            (Self::Default(text), Work::Missing) => Ok(Work::text(&**text)),
            (Self::Default(_), value) => Ok(value),
            (_, Work::Missing) => Ok(Work::Missing),
            (Self::First, Work::List(items)) => {
                Ok(items.into_iter().next().unwrap_or(Work::Missing))
            }
            (Self::Unique, Work::List(items)) => unique(items).map(Work::list),
            (Self::First | Self::Unique, value) => Ok(value),
            (Self::Join(separator), Work::List(items)) => join(items, separator),
            (Self::Split(_), Work::List(_)) => Err(invalid("split takes a text, not a list")),
            (_, Work::List(items)) => {
                let items: Result<Vec<_>, _> =
                    items.into_iter().map(|item| self.apply_one(item)).collect();
                Ok(Work::list(items?))
            }
            (_, value) => self.apply_one(value),
        }
    }

    fn apply_one<'a>(&'a self, value: Work<'a>) -> Result<Work<'a>, Refusal> {
        let text = value.into_text().map_err(|value| {
            invalid(format!("{} takes a text, not {}", self.name(), value.kind()))
        })?;
        Ok(match self {
            Self::Trim => Work::text(words::trim(text)),
            Self::Lower => Work::text(words::lower(text)),
            Self::Upper => Work::text(text.to_uppercase()),
            Self::TitleCase => Work::text(words::title_case(&text)),
            Self::E164(country) => Work::text(phone::to_e164(&text, *country).map_err(invalid)?),
            Self::Date(formats) => Work::text(formats.convert(&text).map_err(invalid)?),
            Self::Split(separator) => {
                let part = |part: &str| Work::text(part.to_owned());
                Work::list(text.split(&**separator).map(part))
            }
            Self::Replace { pattern, with } => {
                let found = text.matches(&**pattern).count();
                if found == 0 {
                    return Ok(Work::text(text));
                }
                bounded(text.len() - found * pattern.len() + found * with.len())?;
                Work::text(text.replace(&**pattern, with))
            }
            Self::Truncate(length) => Work::text(words::truncate(text, *length)),
            Self::Map { values, otherwise } => match (values.get(&*text), otherwise) {
                (Some(replacement), _) => Work::text(replacement.as_str()),
                (None, MapOtherwise::Keep) => Work::text(text),
                (None, MapOtherwise::Skip) => Work::Missing,
                (None, MapOtherwise::Fail) => {
                    return Err(invalid("a value that the map does not list"));
                }
            },
            Self::Prefix(added) => {
                bounded(text.len() + added.len())?;
                Work::text([&**added, &*text].concat())
            }
            Self::Suffix(added) => {
                bounded(text.len() + added.len())?;
                Work::text([&*text, &**added].concat())
            }
            // One value joined is itself; the other three are handled before.
            Self::Join(_) | Self::Default(_) | Self::First | Self::Unique => Work::text(text),
        })
    }

    /// The shape of the outcome, given the shape of the value.
    pub const fn shape(&self, of: Shape) -> Shape {
        match self {
            Self::Join(_) => Shape::Text,
            Self::Split(_) => Shape::List,
            Self::First => match of {
                Shape::List | Shape::TextOrList => Shape::Unknown,
                other => other,
            },
            Self::Unique => of,
            // A default may stand in for the value, whatever the value is.
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

fn join<'a>(items: Vec<Work<'a>>, separator: &str) -> Result<Work<'a>, Refusal> {
    let mut texts: Vec<Cow<'a, str>> = Vec::with_capacity(items.len());
    for item in items {
        let refuse = |item: Work| invalid(format!("join takes texts, not {}", item.kind()));
        texts.push(item.into_text().map_err(refuse)?);
    }
    let bytes: usize = texts.iter().map(|text| text.len() + separator.len()).sum();
    bounded(bytes.saturating_sub(separator.len()))?;
    Ok(Work::text(texts.join(separator)))
}

/// Texts are told apart by a set; other items are rare, and few are compared one by one.
fn unique(items: Vec<Work<'_>>) -> Result<Vec<Work<'_>>, Refusal> {
    const MOST_COMPARED: usize = 256;
    let mut texts = std::collections::HashSet::new();
    let mut others = 0;
    let mut kept: Vec<Work> = Vec::with_capacity(items.len());
    for item in items {
        let fresh = match &item {
            Work::Text(text) => texts.insert(text.clone()),
            other => {
                others += 1;
                if others > MOST_COMPARED {
                    return Err(invalid("unique takes at most 256 items that are not texts"));
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

#[cfg(test)]
mod tests;
