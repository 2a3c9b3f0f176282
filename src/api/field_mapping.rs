//! `FieldMapping`: how a hireEZ profile becomes a Clinch profile, or a Clinch profile a hireEZ profile.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Handled, common_status};

/// Maps hireEZ profile fields to Clinch profile fields, or the other way.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("!has(self.direction) || self.direction == 'Export' || (!self.resume.attach && !has(self.resume.from) && !has(self.resume.required))")
    .message("a mapping of direction Import attaches none; leave it out").field_path(".resume")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.direction) || self.direction == 'Export' || (!self.tags.enabled && self.tags.from == 'tags' && !has(self.tags.activity))")
    .message("a mapping of direction Import sends none; leave them out").field_path(".tags")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.direction) || self.direction == 'Export' || self.matchKeys[0] == 'email'")
    .message("a mapping of direction Import recognises nobody in Clinch; leave them out").field_path(".matchKeys")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.direction) || self.direction == 'Export' || self.fields.all(field, !has(field.writeMode) || field.writeMode == 'Always')")
    .message("writeMode is not for direction Import: an import writes each profile as a whole").field_path(".fields")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.direction) || self.direction == 'Export' || self.fields.all(field, !has(field.whenMissing) || field.whenMissing != 'Clear')")
    .message("whenMissing: Clear is not for direction Import: a missing value is left out of the profile").field_path(".fields")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[kube(
    group = "clinch.hireez.dev",
    version = "v1alpha1",
    kind = "FieldMapping",
    plural = "fieldmappings",
    singular = "fieldmapping",
    shortname = "clmap",
    category = "clinch",
    namespaced,
    status = "FieldMappingStatus",
    derive = "PartialEq",
    doc = "FieldMapping maps hireEZ profile fields to Clinch profile fields, or the other way.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(name = "Fields", type_ = "integer", json_path = ".status.fields"),
    printcolumn(name = "Errors", type_ = "integer", json_path = ".status.errors"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct FieldMappingSpec {
    /// Export: from hireEZ profiles to Clinch profiles; an import reads such a mapping backwards as far as
    /// that is possible. Import: from Clinch profiles to hireEZ profiles; for imports only.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("is immutable; create another mapping instead")
        .reason(kube::core::Reason::FieldValueInvalid))]
    pub direction: MappingDirection,
    /// One entry per Clinch attribute; of direction Import, one per field of the profile.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["to".into()]))]
    pub fields: Vec<MappingField>,
    /// The resume to attach.
    #[serde(default)]
    pub resume: ResumeMapping,
    /// hireEZ tags to a Clinch activity field.
    #[serde(default)]
    pub tags: TagsMapping,
    /// Clinch attributes by which an existing person is recognised: exactly one, an e-mail address,
    /// compared without case, white space and invisible characters.
    #[serde(default = "default_match_keys")]
    #[schemars(length(min = 1, max = 1), inner(length(min = 1, max = 128)))]
    pub match_keys: Vec<String>,
}

/// Which way a mapping goes.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum MappingDirection {
    /// From hireEZ profiles to Clinch profiles.
    #[default]
    Export,
    /// From Clinch profiles to hireEZ profiles.
    Import,
}

/// An API server fills no defaults into the items of a list: they are left out here, too.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn default_match_keys() -> Vec<String> {
    vec!["email".to_owned()]
}

/// One Clinch attribute, or of direction Import one field of the profile, and where its value comes from.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("[has(self.from), has(self.value), has(self.expression)].filter(x, x).size() == 1")
    .message("exactly one of from, value and expression must be set")
    .reason(kube::core::Reason::FieldValueInvalid))]
#[serde(rename_all = "camelCase")]
pub struct MappingField {
    /// Name of the Clinch attribute. Of direction Import: a place in the profile, e.g. `firstName`,
    /// `emails[0].value`, `skills[]` (as a list), `x.notice_period`.
    #[schemars(length(min = 1, max = 128))]
    pub to: String,
    /// Path in the profile, e.g. `emails[0].value`, `location.city`. Of direction Import: path in the
    /// attributes of the person in Clinch, whose id is `id`. Exactly one of `from`, `value` and
    /// `expression`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub from: Option<String>,
    /// A constant. Exactly one of `from`, `value` and `expression`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<ConstantValue>,
    /// CEL expression over `candidate`: the profile, or of direction Import the attributes of the person in
    /// Clinch. Exactly one of `from`, `value` and `expression`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub expression: Option<String>,
    /// Applied in order to the value found. Absent: the value is sent as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub transforms: Vec<Transform>,
    /// A record without a value for this field is rejected. Absent: false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub required: bool,
    /// What happens when there is no value. Absent: Skip.
    #[serde(default, skip_serializing_if = "is_default")]
    pub when_missing: WhenMissing,
    /// Whether a value already in Clinch is replaced. Absent: Always.
    #[serde(default, skip_serializing_if = "is_default")]
    pub write_mode: WriteMode,
}

/// A constant value; exactly one member.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("[has(self.string), has(self.number), has(self.boolean), has(self.strings)].filter(x, x).size() == 1")
    .message("exactly one of string, number, boolean and strings must be set")
    .reason(kube::core::Reason::FieldValueInvalid))]
#[serde(rename_all = "camelCase")]
pub struct ConstantValue {
    /// A string. Exactly one of the four members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub string: Option<String>,
    /// A number. Exactly one of the four members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<f64>,
    /// True or false. Exactly one of the four members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boolean: Option<bool>,
    /// A list of strings. Exactly one of the four members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(max = 1024)))]
    pub strings: Option<Vec<String>>,
}

/// One transform: its name and exactly the parameters that it takes.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Transform {
    /// Name of the transform.
    pub name: TransformName,
    /// e164: ISO 3166 two-letter country of numbers written without a country code.
    /// Absent: only numbers with a country code are accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 2))]
    pub default_country: Option<String>,
    /// date: accepted input formats (strftime), tried in order. Absent: RFC 3339, or a plain date
    /// such as `2026-11-26`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 64)))]
    pub from: Option<Vec<String>>,
    /// date: output format (strftime). Absent: `%Y-%m-%d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub to: Option<String>,
    /// join, split: text between the parts. Required by both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub separator: Option<String>,
    /// replace: the text to look for, taken literally. Required by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub pattern: Option<String>,
    /// replace: the text to put in its place. Required by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub with: Option<String>,
    /// truncate: maximum number of characters. Required by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65536))]
    pub length: Option<i32>,
    /// map: values by their replacement. Required by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "value_map")]
    pub values: Option<BTreeMap<String, String>>,
    /// What happens to a value that the transform cannot handle, and for map to one that is not listed.
    /// Absent: Keep in map, else Fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Otherwise")]
    pub otherwise: Option<Otherwise>,
    /// default: the value used when there is none. Required by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub value: Option<String>,
    /// prefix, suffix: the text to add. Required by both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub text: Option<String>,
}

fn value_map(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 256,
        "additionalProperties": {"type": "string", "maxLength": 1024}
    })
}

/// The transforms.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TransformName {
    /// Removes white space at both ends.
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
    /// Literal search and replace.
    Replace,
    /// Shortens a string.
    Truncate,
    /// Value from a table.
    Map,
    /// Value where there is none.
    Default,
    /// First item of a list.
    First,
    /// Removes repeated items of a list.
    Unique,
    /// Prepends text.
    Prefix,
    /// Appends text.
    Suffix,
}

/// What happens to a value that a transform cannot handle.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum Otherwise {
    /// Keeps the value: only in map, where it is the default.
    Keep,
    /// Treats it as missing.
    Skip,
    /// Rejects the record: the default except in map.
    Fail,
}

/// What happens when a field has no value.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum WhenMissing {
    /// The attribute is not sent: an empty source never clears a value in Clinch.
    #[default]
    Skip,
    /// The attribute is cleared in Clinch.
    Clear,
    /// The record is rejected.
    Fail,
}

/// Whether a value already in Clinch is replaced.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum WriteMode {
    /// Yes.
    #[default]
    Always,
    /// Only where Clinch has none.
    OnlyIfEmpty,
}

/// "Attach hireEZ Resume".
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ResumeMapping {
    /// Attach a resume to the person in Clinch.
    #[serde(default)]
    pub attach: bool,
    /// What is attached: Resume (the profile's own), RenderedProfile (the profile as a PDF document), or
    /// ResumeOrRenderedProfile (the document for people without a usable resume). Absent: Resume.
    #[serde(default, skip_serializing_if = "is_default")]
    pub from: ResumeSource,
    /// Reject a record whose resume cannot be attached. Absent: false, and the person is delivered without
    /// it, with a warning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
}

/// What is attached as a resume.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum ResumeSource {
    /// The profile's own resume.
    #[default]
    Resume,
    /// The profile, rendered as a PDF document.
    RenderedProfile,
    /// The profile's own resume; the rendered profile for people without a usable one.
    ResumeOrRenderedProfile,
}

/// hireEZ tags to a Clinch activity field.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = Rule::new("!self.enabled || has(self.activity)")
    .message("must be set when tags are enabled").field_path(".activity")
    .reason(kube::core::Reason::FieldValueRequired))]
#[serde(rename_all = "camelCase")]
pub struct TagsMapping {
    /// Send tags.
    #[serde(default)]
    pub enabled: bool,
    /// Path of the tags in the profile.
    #[serde(default = "default_tags_path")]
    #[schemars(length(min = 1, max = 256))]
    pub from: String,
    /// The Clinch activity field that takes them. Required if `enabled` is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub activity: Option<String>,
}

impl Default for TagsMapping {
    fn default() -> Self {
        Self { enabled: false, from: default_tags_path(), activity: None }
    }
}

fn default_tags_path() -> String {
    "tags".to_owned()
}

/// What the operator knows of the mapping.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FieldMappingStatus {
    /// The generation this status was computed for; -1 before the first reconcile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions, one of each type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// How many fields the mapping has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<i64>,
    /// How many errors the mapping has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<i64>,
    /// The first errors, each with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub problems: Vec<MappingProblem>,
    /// Digest of the compiled mapping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub revision: Option<String>,
    /// The mapping as imports read it: backwards. Absent for direction Import.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inverse: Option<MappingInverse>,
    /// Receipts of requests made by annotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled: Option<Handled>,
}
common_status!(FieldMappingStatus);

/// A mapping, read backwards.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct MappingInverse {
    /// How many fields can be read backwards.
    pub fields: i64,
    /// The first fields that cannot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub not_invertible: Vec<FieldNotInvertible>,
}

/// A field that cannot be read backwards.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct FieldNotInvertible {
    /// The place, e.g. `spec.fields[3]`.
    #[schemars(length(max = 256))]
    pub path: String,
    /// Why.
    #[schemars(length(max = 256))]
    pub why: String,
}

/// One error of a mapping.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct MappingProblem {
    /// The place, e.g. `spec.fields[3].expression`.
    #[schemars(length(max = 256))]
    pub path: String,
    /// What is wrong.
    #[schemars(length(max = 512))]
    pub message: String,
}
