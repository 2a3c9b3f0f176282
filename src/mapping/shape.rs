//! Kinds of values: what an attribute takes, and what a mapping produces. Pure.

/// What kind of value an attribute takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AttributeKind {
    /// A text.
    String,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A list of texts.
    StringList,
    /// An object.
    Object,
    /// Not told by the contract.
    #[default]
    Any,
}

impl AttributeKind {
    /// The kind in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::String => "a text",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::StringList => "a list of texts",
            Self::Object => "an object",
            Self::Any => "any value",
        }
    }
}

/// What a value is, as far as the mapping's text tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Read from the profile.
    Unknown,
    /// A text.
    Text,
    /// A text, or a list of texts.
    TextOrList,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A list.
    List,
    /// An object.
    Object,
}

impl Shape {
    /// Whether a value of the shape can be what the attribute takes.
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
            Self::Text | Self::TextOrList => "a text",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}
