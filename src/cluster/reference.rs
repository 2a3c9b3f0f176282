//! Resolves the references of exports and imports: the one place that decides which namespace a
//! reference without one means. Pure.

use super::ObjectKey;
use crate::api::{
    CandidateExportSpec, CandidateImportSpec, IntegrationDefaults, IntegrationReference,
    MappingReference,
};

/// A spec that uses an integration and a mapping.
pub trait Refers {
    /// The integration.
    fn integration_ref(&self) -> &IntegrationReference;
    /// The mapping, if it names one.
    fn field_mapping_ref(&self) -> Option<&MappingReference>;
}

impl Refers for CandidateExportSpec {
    fn integration_ref(&self) -> &IntegrationReference {
        &self.integration_ref
    }

    fn field_mapping_ref(&self) -> Option<&MappingReference> {
        self.field_mapping_ref.as_ref()
    }
}

impl Refers for CandidateImportSpec {
    fn integration_ref(&self) -> &IntegrationReference {
        &self.integration_ref
    }

    fn field_mapping_ref(&self) -> Option<&MappingReference> {
        self.field_mapping_ref.as_ref()
    }
}

/// The integration that an export or import names.
pub fn integration_of(owner: &ObjectKey, spec: &impl Refers) -> ObjectKey {
    let reference = spec.integration_ref();
    let namespace = reference.namespace.as_ref().unwrap_or(&owner.namespace);
    ObjectKey::new(namespace, &reference.name)
}

/// The mapping that an export or import uses, given its integration and the integration's defaults; `None`:
/// the documented default mapping. Does not check whether it may be used.
pub fn mapping_of(
    integration: &ObjectKey,
    spec: &impl Refers,
    defaults: Option<&IntegrationDefaults>,
) -> Option<ObjectKey> {
    if let Some(named) = spec.field_mapping_ref() {
        let namespace = named.namespace.as_ref().unwrap_or(&integration.namespace);
        return Some(ObjectKey::new(namespace, &named.name));
    }
    let default = defaults?.field_mapping_ref.as_ref()?;
    Some(integration.sibling(&default.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: &serde_json::Value) -> CandidateExportSpec {
        let mut spec = serde_json::json!({"source": {}, "destination": {}});
        spec.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn a_mapping_reference_without_a_namespace_means_that_of_the_integration() {
        let export = ObjectKey::new("team", "x");
        let named = spec(&serde_json::json!({
            "integrationRef": {"name": "clinch", "namespace": "talent"},
            "fieldMappingRef": {"name": "m"},
        }));
        let integration = integration_of(&export, &named);
        assert_eq!(integration, ObjectKey::new("talent", "clinch"));
        assert_eq!(mapping_of(&integration, &named, None), Some(ObjectKey::new("talent", "m")));
        let own = spec(&serde_json::json!({
            "integrationRef": {"name": "clinch"},
            "fieldMappingRef": {"name": "m", "namespace": "team"},
        }));
        let integration = integration_of(&export, &own);
        assert_eq!(integration, ObjectKey::new("team", "clinch"));
        assert_eq!(mapping_of(&integration, &own, None), Some(ObjectKey::new("team", "m")));
        let none = spec(&serde_json::json!({"integrationRef": {"name": "clinch"}}));
        assert_eq!(mapping_of(&integration, &none, None), None);
        let defaults =
            serde_json::from_value(serde_json::json!({"fieldMappingRef": {"name": "d"}}));
        let defaults: IntegrationDefaults = defaults.unwrap();
        let found = mapping_of(&ObjectKey::new("talent", "clinch"), &none, Some(&defaults));
        assert_eq!(found, Some(ObjectKey::new("talent", "d")));
    }
}
