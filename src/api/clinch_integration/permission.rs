//! What exports may push, and imports may read.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What exports may push through this integration.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PushPermission {
    /// Whether people may be pushed as prospects.
    #[serde(default)]
    pub prospects: Permission,
    /// Jobs, and stages of them, to which people may be pushed; each job once. Empty: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["job".into()]))]
    #[schemars(length(max = 64))]
    pub jobs: Vec<JobPermission>,
    /// Whether exports may write people to files. What is written is beyond the reach of this
    /// operator: nobody can be removed from a copy of it.
    #[serde(default = "denied")]
    pub files: Permission,
    /// Whether exports may push only the plan that their `spec.approvedPlan` names. Dry runs and files
    /// are not concerned.
    #[serde(default)]
    pub approved_plan: PlanApproval,
}

impl Default for PushPermission {
    fn default() -> Self {
        Self {
            prospects: Permission::default(),
            jobs: Vec::new(),
            files: denied(),
            approved_plan: PlanApproval::default(),
        }
    }
}

/// Whether a push needs an approved plan.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum PlanApproval {
    /// An export may have one.
    #[default]
    Optional,
    /// An export without one does not push.
    Required,
}

const fn denied() -> Permission {
    Permission::Denied
}

/// What may be taken out of Clinch through this integration, and where people may be written to. What is
/// written is beyond the reach of this operator: nobody can be removed from a copy of it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = Rule::new("self.candidates != 'Allowed' || (has(self.attributes) && self.attributes.size() > 0)")
    .message("must be listed when candidates is Allowed; write [\"*\"] for all of them")
    .field_path(".attributes")
    .reason(kube::core::Reason::FieldValueRequired))]
#[x_kube(validation = Rule::new("!has(self.attributes) || !self.attributes.exists(a, a == '*') || self.attributes.size() == 1")
    .message("\"*\" stands for all attributes and must be the only entry")
    .field_path(".attributes")
    .reason(kube::core::Reason::FieldValueInvalid))]
#[serde(rename_all = "camelCase")]
pub struct ReadPermission {
    /// Whether imports may read people, and reports of exports may say who they are in Clinch.
    #[serde(default = "denied")]
    pub candidates: Permission,
    /// Names of the Clinch attributes that may leave; `["*"]` for all of them. Others are removed
    /// before selection and mapping. The id always leaves. Absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(length(max = 128), inner(length(min = 1, max = 128)))]
    pub attributes: Vec<String>,
    /// Places that imports, and exports with files and reports, may write to, and endpoints that imports may
    /// send to, spelled as in the operator's `--allowed-destinations`, which applies as well. Empty: what
    /// the operator allows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[x_kube(validation = Rule::new("self.all(d, ['s3://', 'gs://', 'az://', 'file:///', 'https://', 'http://'].exists(s, d.startsWith(s)))")
        .message("each must begin with s3://, gs://, az://, file:///, https:// or http://")
        .reason(kube::core::Reason::FieldValueInvalid))]
    #[schemars(length(max = 32), inner(length(min = 5, max = 1024)))]
    pub destinations: Vec<String>,
}

impl Default for ReadPermission {
    fn default() -> Self {
        Self { candidates: denied(), attributes: Vec::new(), destinations: Vec::new() }
    }
}

/// Allowed or denied.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum Permission {
    /// Allowed.
    #[default]
    Allowed,
    /// Denied.
    Denied,
}

/// One permitted job.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct JobPermission {
    /// Reference or id of the job in Clinch; `"*"` for any.
    #[schemars(length(min = 1, max = 128))]
    pub job: String,
    /// Names of permitted stages; `"*"` for any. Empty: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 128)))]
    pub stages: Vec<String>,
}
