//! The input of the mapping engine, shaped like the spec of the FieldMapping kind, so that a controller
//! converts one into the other with serde. Pure.

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
    /// Whether `from` is a list of addresses, of which the first usable one is taken. Only the default
    /// mapping sets it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first_usable: bool,
    /// A constant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<ConstantSpec>,
    /// An expression over `candidate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// Applied in order to the value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transforms: Vec<TransformSpec>,
    /// A record without a value for this field is rejected.
    #[serde(default)]
    pub required: bool,
    /// What happens if there is no value.
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
    /// A string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub string: Option<String>,
    /// A number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<f64>,
    /// A boolean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boolean: Option<bool>,
    /// A list of strings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strings: Option<Vec<String>>,
}

/// One transform: its name and its parameters.
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
    /// join, split: the separator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
    /// replace: the string to replace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// replace: the replacement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// truncate: maximum number of characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<i32>,
    /// map: value to replacement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<BTreeMap<String, String>>,
    /// What happens to a value that the transform cannot handle; map: that is not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Otherwise>,
    /// default: the value used if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// prefix, suffix: the string to add.
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
    /// List to string.
    Join,
    /// String to list.
    Split,
    /// Replaces literal occurrences.
    Replace,
    /// Cuts a string.
    Truncate,
    /// Looks the value up in a table.
    Map,
    /// Replaces a missing value.
    Default,
    /// First item of a list.
    First,
    /// Removes repeated items of a list.
    Unique,
    /// Adds a string at the start.
    Prefix,
    /// Adds a string at the end.
    Suffix,
    /// Keeps a telephone number as it is written. Only the default mapping uses it: it has no country
    /// for `e164`.
    Telephone,
}

/// What happens to a value that a transform cannot handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Otherwise {
    /// Keeps the value; `map` only, where it is the default.
    Keep,
    /// Treats it as missing.
    Skip,
    /// Rejects the record; the default except in `map`.
    Fail,
}

/// What happens if a field has no value.
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
    /// What is attached. Left out where it is the profile's own resume, as `required` is where false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub from: ResumeFrom,
    /// Reject a record whose resume cannot be attached. Left out where false, so that the digest of a
    /// mapping without it is what it was before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
}

/// What is attached as a resume.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResumeFrom {
    /// The profile's own resume.
    #[default]
    Resume,
    /// The profile, rendered as a document.
    RenderedProfile,
    /// The profile's own resume; the rendered profile for people without a usable one.
    ResumeOrRenderedProfile,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl ResumeFrom {
    /// Whether profiles are rendered.
    pub const fn renders(self) -> bool {
        !matches!(self, Self::Resume)
    }

    /// Whether a profile's own resume is attached.
    pub const fn takes_own(self) -> bool {
        !matches!(self, Self::RenderedProfile)
    }
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
    /// The activity field for them.
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
