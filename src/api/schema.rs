//! The CRDs as they are installed: derived from the types, plus what the derive cannot say.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps,
};
use kube::CustomResourceExt;

use super::{CandidateExport, CandidateLedger, ClinchIntegration, FieldMapping};

/// Every CRD of the group, in the order in which they are installed.
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![
        with_status_default(ClinchIntegration::crd()),
        with_status_default(FieldMapping::crd()),
        with_status_default(CandidateExport::crd()),
        CandidateLedger::crd(),
    ]
}

/// The CRDs as YAML, by file name.
pub fn crds_yaml() -> Result<Vec<(String, String)>, serde_saphyr::ser::Error> {
    crds()
        .iter()
        .map(|crd| {
            let name = format!("{}.yaml", crd.spec.names.plural);
            Ok((name, serde_saphyr::to_string(crd)?))
        })
        .collect()
}

/// An object that no operator has seen yet reads `status.observedGeneration: -1`: readers such as
/// kstatus then know that it is not ready, instead of finding nothing wrong with it.
fn with_status_default(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        let status = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
            .and_then(|root: &mut JSONSchemaProps| root.properties.as_mut())
            .and_then(|properties| properties.get_mut("status"))
            .expect("user-facing kinds have a status schema");
        status.default = Some(JSON(serde_json::json!({"observedGeneration": -1})));
    }
    crd
}
