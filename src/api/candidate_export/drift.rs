//! Whether people are in Clinch as they were delivered: what a verification does and found.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens to people whom a verification finds changed in Clinch.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum DriftPolicy {
    /// They are reported.
    #[default]
    Report,
    /// The attributes that differ are written again. Nobody is created: people who were deleted or
    /// anonymised in Clinch are reported.
    Correct,
}

/// What a verification found. Holds no candidate value.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DriftSeen {
    /// When it ended.
    pub checked_at: Time,
    /// People verified: whom the export delivered and its source still names.
    pub people: i64,
    /// Those who are no longer in Clinch.
    pub missing: i64,
    /// Those of whom mapped attributes have other values in Clinch.
    pub changed: i64,
    /// Those who were anonymised in Clinch. From now on they are suppressed, and not verified again.
    pub anonymised: i64,
    /// Those among `changed` who were written again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrected: Option<i64>,
    /// Those not among `changed` whose values Clinch stores in a form of its own, as was seen when they
    /// were written again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalised: Option<i64>,
    /// Those who could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<i64>,
    /// Why the first of them could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub first_unread: Option<String>,
    /// Why nobody was written again although `spec.driftPolicy` is Correct.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub held_back: Option<String>,
    /// The first people who differ, in the order of the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub positions: Vec<DriftPosition>,
    /// How many others differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positions_omitted: Option<i64>,
}

/// One person who is not in Clinch as they were delivered. Holds no candidate value.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DriftPosition {
    /// Position of their record in its source.
    #[schemars(length(max = 320))]
    pub position: String,
    /// Opaque id of the record; stable within the export.
    #[schemars(length(max = 32))]
    pub record: String,
    /// In which way they differ: Missing, Changed, Anonymised or Normalised.
    #[schemars(length(max = 32))]
    pub kind: String,
    /// The names of the attributes that differ; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 128)))]
    pub attributes: Vec<String>,
}
