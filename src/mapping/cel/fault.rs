//! What can go wrong with an expression. Pure; no message carries a candidate's value.

use std::borrow::Cow;

use super::limits::{Exhausted, MAX_OUTPUT_BYTES};

/// Why an expression is not accepted, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Byte offset in the text.
    pub at: usize,
    /// What is wrong.
    pub message: Cow<'static, str>,
    /// Whether a bound was passed, rather than the language misused.
    pub limit: bool,
}

impl SyntaxError {
    /// The text is not in the language.
    pub fn new(at: usize, message: impl Into<Cow<'static, str>>) -> Self {
        Self { at, message: message.into(), limit: false }
    }

    /// The text is beyond a bound.
    pub fn limit(at: usize, message: impl Into<Cow<'static, str>>) -> Self {
        Self { at, message: message.into(), limit: true }
    }
}

/// Why an evaluation ended without a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// A member or item does not exist.
    Missing,
    /// An operation does not take such values.
    Invalid(Cow<'static, str>),
    /// The steps are used up.
    Exhausted,
    /// A text became larger than [`MAX_OUTPUT_BYTES`].
    TooLarge,
}

impl Cause {
    /// Whether `&&`, `||`, `all` and `exists` may still decide without this side.
    pub const fn can_be_outvoted(&self) -> bool {
        matches!(self, Self::Missing | Self::Invalid(_))
    }

    /// The cause in words.
    pub fn message(&self) -> Cow<'static, str> {
        match self {
            Self::Missing => "a member or item that does not exist".into(),
            Self::Invalid(message) => message.clone(),
            Self::Exhausted => "the expression takes too many steps for this record".into(),
            Self::TooLarge => format!("a text of more than {MAX_OUTPUT_BYTES} bytes").into(),
        }
    }
}

impl From<Exhausted> for Cause {
    fn from(_: Exhausted) -> Self {
        Self::Exhausted
    }
}

/// Shorthand for [`Cause::Invalid`].
pub fn invalid(message: impl Into<Cow<'static, str>>) -> Cause {
    Cause::Invalid(message.into())
}

/// A cause and the byte of the expression where it arose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Byte offset in the text.
    pub at: usize,
    /// Why.
    pub cause: Cause,
}

/// Where a byte offset is, for people: `line 1, column 14`, columns counted in characters.
pub fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}")
}
