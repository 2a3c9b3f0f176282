//! What a published document says of one attribute. Pure.

use std::collections::BTreeSet;

use serde::Serialize;

/// One attribute that `createCandidate` accepts or returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attribute {
    /// Its JSON type.
    pub kind: AttributeKind,
    /// The items of an array, if they are described. Theirs are not.
    pub items: Option<Box<Attribute>>,
    /// OpenAPI `format`, e.g. `email`.
    pub format: Option<String>,
    /// Whether a create requires it.
    pub required: bool,
    /// Whether only Clinch sets it.
    pub read_only: bool,
    /// Whether null is accepted.
    pub nullable: bool,
    /// Maximum length in characters.
    pub max_length: Option<u64>,
    /// The only values accepted (`enum`), as text; `None`: any.
    pub values: Option<BTreeSet<String>>,
}

/// The JSON type of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum AttributeKind {
    /// A string.
    String,
    /// Any number.
    Number,
    /// A whole number.
    Integer,
    /// A boolean.
    Boolean,
    /// An array.
    Array,
    /// An object.
    Object,
    /// Not stated, or one of several.
    Unknown,
}
