//! Kinds of values: what an attribute expects, and what a mapping produces. Pure.

/// The kind of value an attribute expects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AttributeKind {
    /// A string.
    String,
    /// A number.
    Number,
    /// A boolean.
    Boolean,
    /// A list of strings.
    StringList,
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
            Self::String => "a string",
            Self::Number => "a number",
            Self::Boolean => "a boolean",
            Self::StringList => "a list of strings",
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
    /// Whether a value of this shape can fit the attribute.
    pub const fn fits(self, kind: AttributeKind) -> bool {
        match self {
            Self::Unknown => true,
            Self::Text => matches!(kind, AttributeKind::String | AttributeKind::Any),
            Self::TextOrList => matches!(
                kind,
                AttributeKind::String | AttributeKind::StringList | AttributeKind::Any
            ),
            Self::Number => matches!(kind, AttributeKind::Number | AttributeKind::Any),
            Self::Boolean => matches!(kind, AttributeKind::Boolean | AttributeKind::Any),
            Self::List => matches!(kind, AttributeKind::StringList | AttributeKind::Any),
            Self::Object => matches!(kind, AttributeKind::Object | AttributeKind::Any),
        }
    }

    /// The shape in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unknown => "a value",
            Self::Text | Self::TextOrList => "a string",
            Self::Number => "a number",
            Self::Boolean => "a boolean",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}
