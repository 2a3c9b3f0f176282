//! Kinds of values: what an attribute expects, and what a mapping produces. Pure.

use serde::Serialize;

/// The kind of value an attribute expects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum AttributeKind {
    /// A string.
    String,
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// A boolean.
    Boolean,
    /// A list.
    List,
    /// An object.
    Object,
    /// Not stated by the contract.
    #[default]
    Any,
}

impl AttributeKind {
    /// The kind in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::String => "a text",
            Self::Number => "a number",
            Self::Integer => "a whole number",
            Self::Boolean => "a boolean",
            Self::List => "a list",
            Self::Object => "an object",
            Self::Any => "any value",
        }
    }
}

/// The kind of a value, as far as it is known without a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Known only with a profile.
    Unknown,
    /// A string.
    Text,
    /// A string, or a list of strings.
    TextOrList,
    /// A number.
    Number,
    /// A boolean.
    Boolean,
    /// A list.
    List,
    /// An object.
    Object,
}

impl Shape {
    /// Whether a value of this shape can fit the attribute. Numbers and booleans become text where text
    /// is taken.
    pub const fn fits(self, kind: AttributeKind) -> bool {
        use AttributeKind as Kind;
        if matches!(kind, Kind::Any) {
            return true;
        }
        match self {
            Self::Unknown => true,
            Self::Text => matches!(kind, Kind::String),
            Self::TextOrList => matches!(kind, Kind::String | Kind::List),
            Self::Number => matches!(kind, Kind::Number | Kind::Integer | Kind::String),
            Self::Boolean => matches!(kind, Kind::Boolean | Kind::String),
            Self::List => matches!(kind, Kind::List),
            Self::Object => matches!(kind, Kind::Object),
        }
    }

    /// The shape in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unknown => "a value",
            Self::Text | Self::TextOrList => "a text",
            Self::Number => "a number",
            Self::Boolean => "a boolean",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}
