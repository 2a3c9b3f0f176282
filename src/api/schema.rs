//! The CRDs as they are installed: derived from the types, plus what the derive cannot say.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

use super::{CandidateExport, CandidateImport, CandidateLedger, ClinchIntegration, FieldMapping};

/// Every CRD of the group, in the order in which they are installed.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut crds = vec![
        with_status_default(ClinchIntegration::crd()),
        with_status_default(FieldMapping::crd()),
        with_status_default(CandidateExport::crd()),
        with_status_default(CandidateImport::crd()),
        CandidateLedger::crd(),
    ];
    crds.iter_mut().flat_map(roots).for_each(|root| adjust(root, false));
    crds
}

/// The CRDs as YAML, by file name. Each begins a document, so that files may follow each other.
pub fn crds_yaml() -> Result<Vec<(String, String)>, serde_saphyr::ser::Error> {
    crds()
        .iter()
        .map(|crd| {
            let name = format!("{}.yaml", crd.spec.names.plural);
            Ok((name, format!("---\n{}", serde_saphyr::to_string(crd)?)))
        })
        .collect()
}

/// An object that no operator has seen yet reads `status.observedGeneration: -1`: readers such as
/// kstatus then know that it is not ready, instead of finding nothing wrong with it.
fn with_status_default(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for root in roots(&mut crd) {
        let status = root
            .properties
            .as_mut()
            .and_then(|properties| properties.get_mut("status"))
            .expect("user-facing kinds have a status schema");
        status.default = Some(JSON(serde_json::json!({"observedGeneration": -1})));
    }
    crd
}

/// The schemas of every version.
fn roots(crd: &mut CustomResourceDefinition) -> impl Iterator<Item = &mut JSONSchemaProps> {
    let versions = crd.spec.versions.iter_mut();
    versions.filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut())
}

/// Three things that hold for the whole schema.
///
/// Every list says how it is merged. Lists that the types do not declare as a set or a map are written as a
/// whole by one field manager.
///
/// Nothing is nullable. The generator makes every `Option` nullable; but null means nothing here that absence
/// does not, it would be stored beside it, and OpenAPI v2, which some clients read, shows nothing below a
/// nullable field. The API server drops a null that it reads, or fills in the default.
///
/// Nothing below a list item (`in_item`) has a default: `kubectl apply` and Argo CD compare a list
/// with the manifest as a whole, and see a change in each value that was filled in. The types fill
/// in the same values when they are read.
fn adjust(schema: &mut JSONSchemaProps, in_item: bool) {
    schema.nullable = None;
    if in_item {
        schema.default = None;
    }
    if schema.type_.as_deref() == Some("array") {
        schema.x_kubernetes_list_type.get_or_insert_with(|| "atomic".to_owned());
    }
    for child in schema.properties.iter_mut().flat_map(|properties| properties.values_mut()) {
        adjust(child, in_item);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        adjust(values, in_item);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => adjust(item, true),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => {
            items.iter_mut().for_each(|item| adjust(item, true));
        }
        None => {}
    }
}
