//! Where candidates go, and what is done with people who are there.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::FileDestination;

/// Where candidates go; exactly one of `prospect`, `job` and `file`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(validation = Rule::new("[has(self.prospect), has(self.job), has(self.file)].filter(x, x).size() == 1")
    .message("exactly one of prospect, job and file must be set")
    .reason(kube::core::Reason::FieldValueInvalid))]
#[serde(rename_all = "camelCase")]
pub struct ExportDestination {
    /// As prospects; has no settings. Exactly one of `prospect`, `job` and `file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "no_settings")]
    pub prospect: Option<ProspectDestination>,
    /// To a stage of a job. Exactly one of `prospect`, `job` and `file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobDestination>,
    /// Into a file; the integration's `spec.pushPermission.files` and the operator's
    /// `--allowed-destinations` decide whether. Exactly one of `prospect`, `job` and `file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileDestination>,
}

/// An object without members. The API server would drop unknown fields of an object without
/// properties, even where it is asked to be strict; so this one is a map without entries.
fn no_settings(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "nullable": true,
        "maxProperties": 0,
        "additionalProperties": {"type": "string", "maxLength": 1}
    })
}

/// As prospects; has no settings.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ProspectDestination {}

/// A stage of a job; exactly one of `id` and `reference`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(validation = Rule::new("has(self.id) != has(self.reference)")
    .message("exactly one of id and reference must be set")
    .reason(kube::core::Reason::FieldValueInvalid))]
#[serde(rename_all = "camelCase")]
pub struct JobDestination {
    /// Id of the job in Clinch. Exactly one of `id` and `reference`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9._~-]+$"))]
    pub id: Option<String>,
    /// Reference of the job in Clinch. Exactly one of `id` and `reference`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub reference: Option<String>,
    /// Name of the stage.
    #[schemars(length(min = 1, max = 128))]
    pub stage: String,
}

/// What happens to people who are already in Clinch.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum DuplicatePolicy {
    /// Their mapped attributes are updated.
    #[default]
    Update,
    /// They are not changed.
    Skip,
    /// The record is rejected.
    Fail,
}

/// Overrides the mapping's resume switch.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ResumeOverride {
    /// Attach the profile's resume.
    pub attach: bool,
    /// Reject a record whose resume cannot be attached. Absent: as the mapping says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
}

/// Overrides the mapping's tags switch.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TagsOverride {
    /// Send tags; the mapping says which, and to which activity field.
    pub enabled: bool,
}
