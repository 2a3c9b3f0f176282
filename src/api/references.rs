//! How an object names another one.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Name of an object of a known kind in a known namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
pub struct NameReference {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// The integration that an export or import uses.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
pub struct IntegrationReference {
    /// Name of the integration.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its namespace. The integration's `spec.access` decides who may use it. Absent: that of the
    /// object itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
}

/// The mapping that an export or import uses.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
pub struct MappingReference {
    /// Name of the mapping.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its namespace: the integration's, or that of the object itself where the integration's
    /// `spec.access.memberMappings` allows it. Absent: the integration's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
}
