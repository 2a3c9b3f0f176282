//! What is wrong with a mapping, and what is wrong with one record. Pure.
//!
//! An [`Issue`] is about the spec and may quote it, truncated. A [`RecordIssue`] is about a candidate:
//! it contains kinds and paths only, never a value.

use std::fmt;

use crate::domain::Reason;

/// One fault of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// The path in the object: `spec.fields[3].expression`.
    pub path: String,
    /// Which rule is broken; stable, for machines.
    pub code: IssueCode,
    /// What is wrong and how to fix it, at most [`Issue::MAX_MESSAGE`] bytes.
    pub message: String,
}

impl Issue {
    /// The longest message, in bytes.
    pub const MAX_MESSAGE: usize = 400;

    /// Creates an issue; truncates a message that is too long.
    pub fn new(path: impl Into<String>, code: IssueCode, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > Self::MAX_MESSAGE {
            let end = (0..=Self::MAX_MESSAGE - 3).rev().find(|end| message.is_char_boundary(*end));
            message.truncate(end.unwrap_or(0));
            message.push_str("...");
        }
        Self { path: path.into(), code, message }
    }
}

/// Text of a spec as quoted in a message: at most the first 40 bytes.
pub fn shown(text: &str) -> &str {
    let end = (0..=text.len().min(40)).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// The rules that a mapping can break. The spellings are API.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum IssueCode { $($(#[doc = $doc])* $name,)* }

        impl IssueCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as reported.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

codes! {
    /// No field, too many, or a name that is empty or too long.
    InvalidField,
    /// Two fields with one target.
    DuplicateTarget,
    /// Not exactly one of from, value and expression.
    SourceCount,
    /// A path that cannot be parsed.
    InvalidPath,
    /// A place that hireEZ profiles do not have.
    UnknownPath,
    /// A constant without exactly one usable member.
    InvalidConstant,
    /// An expression that is not in the language.
    InvalidExpression,
    /// An expression beyond a bound of the language.
    ExpressionTooLarge,
    /// A transform with a missing, unknown or invalid parameter.
    InvalidTransform,
    /// Match keys that do not name one always-sent target attribute.
    InvalidMatchKey,
    /// Tags without an activity field.
    InvalidTags,
    /// The target has no such attribute.
    UnknownAttribute,
    /// The attribute is read-only in the target.
    ReadOnlyAttribute,
    /// The target expects another kind of value.
    TypeMismatch,
    /// The constant is longer than the target allows.
    ValueTooLong,
    /// The target requires an attribute that the mapping does not fill.
    RequiredAttributeUnmapped,
}

impl fmt::Display for IssueCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One fault of one record. Holds no candidate value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordIssue {
    /// The path in the mapping that rejects the record.
    pub path: String,
    /// The target attribute, if there is one.
    pub attribute: Option<String>,
    /// Why.
    pub reason: Reason,
    /// What is wrong, in words.
    pub message: String,
}

impl fmt::Display for RecordIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_are_cut_between_characters() {
        let issue = Issue::new("spec", IssueCode::InvalidField, "é".repeat(400));
        assert!(issue.message.len() <= Issue::MAX_MESSAGE, "{}", issue.message.len());
        assert!(issue.message.ends_with("é..."));
    }
}
