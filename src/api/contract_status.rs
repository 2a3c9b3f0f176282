//! What the status of a `ClinchIntegration` says of the contract in use.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Summary of the contract in use.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ContractStatus {
    /// `Discovered` (read from the published OpenAPI document) or `Assumed` (built in).
    #[schemars(length(max = 16))]
    pub origin: String,
    /// Operations by name: `Documented`, `Discovered`, `Assumed`, `Overridden` or `NotOffered`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(length(max = 32), schema_with = "string_map")]
    pub operations: BTreeMap<String, String>,
    /// Attributes that a mapping can fill, the required ones first: as many as fit into 12 KiB. If the
    /// contract is `Assumed`, these are the documented ones, and the account may take others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub attributes: Vec<ContractAttribute>,
    /// How many more attributes there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes_omitted: Option<i64>,
}

/// An attribute of a person in Clinch.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ContractAttribute {
    /// Its name, as mappings use it.
    #[schemars(length(max = 64))]
    pub name: String,
    /// Its JSON type: `String`, `Number`, `Integer`, `Boolean`, `Array` or `Object`. Absent: not
    /// stated.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub type_: Option<String>,
    /// The format that is stated, e.g. `email`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub format: Option<String>,
    /// The maximum length of a value that is stated, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<i64>,
    /// Whether a new person must have it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// Where it is known from: `Discovered` (the OpenAPI document), `Documented` (Clinch's public
    /// documentation) or `Overridden` (`contractOverrides` names it).
    #[schemars(length(max = 16))]
    pub standing: String,
}

pub(super) fn string_map(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": {"type": "string", "minLength": 1, "maxLength": 256}
    })
}
