//! What can be said of an integration without contacting anything. Pure, except that the objects it
//! refers to are read.

use super::{credential::credentials, validate::overrides};
use crate::{
    api::ClinchIntegration,
    clinch::Endpoint,
    cluster::{Cluster, ClusterError, Kind, ObjectKey},
    controllers::{context::Context, finding::Finding, notify::secret_fault},
};

/// The findings on one integration.
pub(in crate::controllers) async fn review<C: Cluster>(
    context: &Context<C>,
    key: &ObjectKey,
) -> Result<Vec<Finding>, ClusterError> {
    let cluster = &context.cluster;
    let Some(object) = cluster.read::<ClinchIntegration>(key).await? else { return Ok(Vec::new()) };
    let spec = &object.spec;
    let mut findings = Vec::new();
    let endpoint = spec.endpoint.as_deref().map(|text| Endpoint::parse(text, spec.environment));
    if let Some(Err(error)) = endpoint {
        findings.push(Finding::error("endpoint", "spec.endpoint", &error.to_string()));
    }
    if let Err(error) = overrides(spec.contract_overrides.as_ref()) {
        findings.push(Finding::error("contract", "spec.contractOverrides", &error.to_string()));
    }
    // Secrets are rarely kept beside the manifests; one that is there must fit.
    let secret = cluster.secret(&key.sibling(&spec.credentials.secret_ref.name)).await?;
    if secret.is_some()
        && let Err(cause) = credentials(&object, secret.as_ref())
    {
        let path = "spec.credentials.secretRef";
        findings.push(Finding::error("reference/secret", path, &cause.message));
    }
    for (index, receiver) in spec.notify.iter().enumerate() {
        let secret = cluster.secret(&key.sibling(&receiver.secret_ref.name)).await?;
        if let Some(cause) = secret.and_then(|secret| secret_fault(receiver, secret)) {
            let path = format!("spec.notify[{index}].secretRef");
            findings.push(Finding::error("reference/secret", &path, &cause.message));
        }
    }
    let defaults = spec.defaults.as_ref();
    if let Some(named) = defaults.and_then(|defaults| defaults.field_mapping_ref.as_ref()) {
        let mapping = key.sibling(&named.name);
        if cluster.mapping(&mapping).await?.is_none() {
            let path = "spec.defaults.fieldMappingRef";
            findings.push(Finding::not_given(path, Kind::Mapping.as_str(), mapping));
        }
    }
    Ok(findings)
}
