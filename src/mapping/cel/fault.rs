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
    /// Whether it exceeds a bound, rather than being malformed.
    pub limit: bool,
}

impl SyntaxError {
    /// The expression is malformed.
    pub fn new(at: usize, message: impl Into<Cow<'static, str>>) -> Self {
        Self { at, message: message.into(), limit: false }
    }

    /// The expression exceeds a bound.
    pub fn limit(at: usize, message: impl Into<Cow<'static, str>>) -> Self {
        Self { at, message: message.into(), limit: true }
    }
}

/// Why an evaluation ended without a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// A member or item does not exist.
    Missing,
    /// An operation does not accept the values.
    Invalid(Cow<'static, str>),
    /// The step limit is reached.
    Exhausted,
    /// A string became larger than [`MAX_OUTPUT_BYTES`].
    TooLarge,
}

impl FaultKind {
    /// Whether `&&`, `||`, `all` and `exists` can still have a result despite this failure.
    pub const fn can_be_overruled(&self) -> bool {
        matches!(self, Self::Missing | Self::Invalid(_))
    }

    /// The cause as a message.
    pub fn message(&self) -> Cow<'static, str> {
        match self {
            Self::Missing => "the member or item does not exist".into(),
            Self::Invalid(message) => message.clone(),
            Self::Exhausted => "the expression takes too many steps for this record".into(),
            Self::TooLarge => format!("a string exceeds {MAX_OUTPUT_BYTES} bytes").into(),
        }
    }
}

impl From<Exhausted> for FaultKind {
    fn from(_: Exhausted) -> Self {
        Self::Exhausted
    }
}

/// Shorthand for [`FaultKind::Invalid`].
pub fn invalid(message: impl Into<Cow<'static, str>>) -> FaultKind {
    FaultKind::Invalid(message.into())
}

/// A cause and the byte of the expression where it arose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Byte offset in the text.
    pub at: usize,
    /// Why.
    pub cause: FaultKind,
}

/// Where a byte offset is, for people: `line 1, column 14`, columns counted in characters.
pub fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}")
}
