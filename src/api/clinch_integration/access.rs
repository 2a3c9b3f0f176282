//! Which namespaces may use an integration.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which namespaces' exports and imports may use an integration.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(validation = Rule::new("self.mode != 'Automatic' || !has(self.approved) || self.approved.size() == 0")
    .message("does not apply to mode Automatic, which lets every namespace in")
    .field_path(".approved")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[x_kube(validation = Rule::new("!has(self.namespaceSelector) || self.mode == 'Approval'")
    .message("applies to mode Approval only")
    .field_path(".namespaceSelector")
    .reason(kube::core::Reason::FieldValueForbidden))]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// How namespaces other than the integration's own get access.
    #[serde(default)]
    pub mode: AccessMode,
    /// The namespaces that have access under mode Approval. Removing one stops its exports and imports.
    /// Absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(
        length(max = 256),
        inner(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))
    )]
    pub approved: Vec<String>,
    /// Namespaces that have no access, whatever else this says: their exports are Stalled with
    /// `NotPermitted`, and they are not listed in `status.accessRequests`. Does not apply to the
    /// integration's own namespace. Absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[schemars(
        length(max = 256),
        inner(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))
    )]
    pub denied: Vec<String>,
    /// Under mode Approval, also gives access to every namespace with these labels; an empty selector
    /// matches all of them. Only an operator that watches all namespaces may read their labels. Absent:
    /// to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<NamespaceSelector>,
    /// Whether exports and imports of other namespaces may use mappings of their own namespace, through
    /// `fieldMappingRef.namespace`.
    #[serde(default)]
    pub member_mappings: bool,
}

/// Labels of namespaces; all requirements have to be met.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSelector {
    /// Labels with their values. Absent: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(length(max = 16), schema_with = "labels")]
    pub match_labels: BTreeMap<String, String>,
    /// Requirements on labels. Absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub match_expressions: Vec<LabelRequirement>,
}

fn labels(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {"type": "string", "maxLength": 63}
    })
}

/// A requirement on one label.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = Rule::new("(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)")
    .message("are for In and NotIn, which need at least one")
    .field_path(".values")
    .reason(kube::core::Reason::FieldValueInvalid))]
#[serde(rename_all = "camelCase")]
pub struct LabelRequirement {
    /// The label.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// How its value is compared.
    pub operator: LabelOperator,
    /// The values. Required by `In` and `NotIn`; the other operators take none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 63)))]
    pub values: Vec<String>,
}

/// How a label's value is compared.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum LabelOperator {
    /// It is one of the values.
    In,
    /// It is none of the values, or the label is absent.
    NotIn,
    /// The label is present.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

impl NamespaceSelector {
    /// Whether a namespace with these labels matches.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let equal = self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value));
        let required = |required: &LabelRequirement| {
            let found = labels.get(&required.key);
            let listed = found.is_some_and(|found| required.values.contains(found));
            match required.operator {
                LabelOperator::In => listed,
                LabelOperator::NotIn => !listed,
                LabelOperator::Exists => found.is_some(),
                LabelOperator::DoesNotExist => found.is_none(),
            }
        };
        equal && self.match_expressions.iter().all(required)
    }
}

/// How other namespaces get access.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum AccessMode {
    /// Not at all.
    #[default]
    SameNamespace,
    /// Those listed in `approved` or matched by `namespaceSelector`. An export or import of any other
    /// one waits, and its namespace is listed in `status.accessRequests`.
    Approval,
    /// All of them.
    Automatic,
}
