//! What a mapping asks for: the engine's own input, shaped like the FieldMapping kind's spec so
//! that a controller converts one into the other by serde alone. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A whole mapping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MappingSpec {
    /// One entry per Clinch attribute.
    pub fields: Vec<FieldSpec>,
    /// The resume to attach.
    #[serde(default)]
    pub resume: ResumeSpec,
    /// hireEZ tags to a Clinch activity field.
    #[serde(default)]
    pub tags: TagsSpec,
    /// Name of the target attribute whose value is the match key; exactly one.
    #[serde(default = "default_match_keys")]
    pub match_keys: Vec<String>,
}

fn default_match_keys() -> Vec<String> {
    vec!["email".to_owned()]
}

/// One target attribute and where its value comes from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldSpec {
    /// Name of the target attribute.
    pub to: String,
    /// Path in the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// A constant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<ConstantSpec>,
    /// An expression over `candidate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// Applied in order to the value found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transforms: Vec<TransformSpec>,
    /// A record without a value for this field is rejected.
    #[serde(default)]
    pub required: bool,
    /// What happens when there is no value.
    #[serde(default)]
    pub when_missing: WhenMissing,
    /// Whether a value already in the target is replaced.
    #[serde(default)]
    pub write_mode: WriteMode,
}

/// A constant: exactly one member.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConstantSpec {
    /// A text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub string: Option<String>,
    /// A number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<f64>,
    /// True or false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boolean: Option<bool>,
    /// A list of texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strings: Option<Vec<String>>,
}

/// One transform: its name and exactly the parameters that it takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransformSpec {
    /// Which transform.
    pub name: TransformName,
    /// e164: country of numbers written without a country code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_country: Option<String>,
    /// date: accepted input formats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Vec<String>>,
    /// date: output format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// join, split: text between the parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
    /// replace: the text to look for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// replace: the text to put in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// truncate: the most characters kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<i32>,
    /// map: values by their replacement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<BTreeMap<String, String>>,
    /// map: what happens to a value that is not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<MapOtherwise>,
    /// default: the value used when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// prefix, suffix: the text to add.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// The transforms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TransformName {
    /// Removes white space at both ends.
    #[default]
    Trim,
    /// Lower case.
    Lower,
    /// Upper case.
    Upper,
    /// First letter of each word upper case.
    TitleCase,
    /// Telephone number to E.164.
    E164,
    /// Date to another format.
    Date,
    /// List to text.
    Join,
    /// Text to list.
    Split,
    /// Literal search and replace.
    Replace,
    /// Cuts a text.
    Truncate,
    /// Value by table.
    Map,
    /// Value for a missing one.
    Default,
    /// First item of a list.
    First,
    /// Removes repeated items of a list.
    Unique,
    /// Adds text in front.
    Prefix,
    /// Adds text behind.
    Suffix,
}

/// What `map` does with a value that is not listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MapOtherwise {
    /// Keeps the value.
    #[default]
    Keep,
    /// Takes it as missing.
    Skip,
    /// Rejects the record.
    Fail,
}

/// What happens when a field has no value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WhenMissing {
    /// The attribute is left out.
    #[default]
    Skip,
    /// The attribute is sent as null.
    Clear,
    /// The record is rejected.
    Fail,
}

/// Whether a value already in the target is replaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WriteMode {
    /// Yes.
    #[default]
    Always,
    /// Only where the target has none.
    OnlyIfEmpty,
}

/// The resume to attach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResumeSpec {
    /// Attach the profile's `resume`.
    #[serde(default)]
    pub attach: bool,
}

/// hireEZ tags to a Clinch activity field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TagsSpec {
    /// Send tags.
    #[serde(default)]
    pub enabled: bool,
    /// Path of the tags in the profile.
    #[serde(default = "default_tags_path")]
    pub from: String,
    /// The activity field that takes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<String>,
}

fn default_tags_path() -> String {
    "tags".to_owned()
}

impl Default for TagsSpec {
    fn default() -> Self {
        Self { enabled: false, from: default_tags_path(), activity: None }
    }
}
