//! What can be said of an import without contacting anything: its own fields, and the objects that it
//! refers to as far as they are given. Pure, except that the objects are read.

use super::{
    gather::{Gathered, gather},
    mapping::{inverse, is_for_imports, left_out, source},
    permission, rediscovery,
};
use crate::{
    api::CandidateImport,
    cluster::{Cluster, ClusterError, Kind, ObjectKey},
    controllers::{
        context::Context,
        finding::Finding,
        publish::object_ref,
        references::{IntegrationFound, MappingFound},
        runs::{Schedule, Windows},
    },
    mapping::{Select, TargetAttributes},
};

/// The findings on one import.
pub(in crate::controllers) async fn review<C: Cluster>(
    context: &Context<C>,
    key: &ObjectKey,
    target: &TargetAttributes,
) -> Result<Vec<Finding>, ClusterError> {
    let Some(import) = context.cluster.read::<CandidateImport>(key).await? else {
        return Ok(Vec::new());
    };
    let reference = object_ref(Kind::Import, key, &import.metadata);
    let gathered = gather(context, &reference, &import, None).await?;
    let spec = &import.spec;
    let mut findings = Vec::new();
    findings.extend(integration(context, &gathered));
    findings.extend(mapping(&gathered, target));
    if let Some(sink) = &gathered.sink
        && let Err(error) = sink.location()
    {
        findings.push(Finding::error("destination/url", sink.field(), &error.to_string()));
    }
    if let Some(found) = gathered.integration.granted()
        && let Some(cause) = permission::refusal(&found.spec.read_permission, &gathered.places())
    {
        findings.push(Finding::error("permission", "spec.sink", &cause.message));
    }
    findings.extend(rediscovery::review(&gathered));
    let select = spec.select.as_deref().map(|text| Select::compile(text, "spec.select"));
    if let Some(Err(issue)) = select {
        findings.push(Finding::issue("mapping/expression", &issue));
    }
    if let Err(fault) = Schedule::of(spec.interval.as_ref(), spec.schedule.as_ref()) {
        findings.push(Finding::error("schedule", "spec.schedule", &fault));
    }
    if let Err(fault) = Windows::of(&spec.windows) {
        findings.push(Finding::error("schedule", "spec.windows", &fault));
    }
    Ok(findings)
}

fn integration<C: Cluster>(context: &Context<C>, gathered: &Gathered) -> Option<Finding> {
    let named = match &gathered.integration {
        IntegrationFound::Granted(_) => return None,
        IntegrationFound::Missing(named)
        | IntegrationFound::Denied(named)
        | IntegrationFound::Awaiting(named) => named,
    };
    let path = "spec.integrationRef";
    let namespace = &gathered.key().namespace;
    if context.cluster.integration(named).is_none() {
        return Some(Finding::not_given(path, Kind::Integration.as_str(), named.clone()));
    }
    if let IntegrationFound::Denied(_) = gathered.integration {
        let message = format!(
            "the admin of ClinchIntegration {named} has denied namespace {namespace} the use of it: \
             spec.access.denied"
        );
        return Some(Finding::error("reference/no-access", path, &message));
    }
    Some(if matches!(gathered.integration, IntegrationFound::Awaiting(_)) {
        let message = format!(
            "the admin of ClinchIntegration {named} has not approved namespace {namespace}: \
             spec.access.approved"
        );
        Finding::warning("reference/awaiting-approval", path, message)
    } else {
        let message = format!(
            "the spec.access of ClinchIntegration {named} does not grant access to namespace \
             {namespace}"
        );
        Finding::error("reference/no-access", path, &message)
    })
}

/// What is wrong with the mapping as this import uses it. What is wrong with a `FieldMapping` in itself is
/// a finding on that object.
fn mapping(gathered: &Gathered, target: &TargetAttributes) -> Option<Finding> {
    let path = "spec.fieldMappingRef";
    match &gathered.mapping {
        MappingFound::Withheld => return None,
        MappingFound::Missing(named) => {
            return Some(Finding::not_given(path, Kind::Mapping.as_str(), named.clone()));
        }
        MappingFound::Forbidden(message) => {
            return Some(Finding::error("reference/forbidden", path, message));
        }
        // Nothing of it is left out.
        MappingFound::Named(_) if is_for_imports(gathered) => return None,
        MappingFound::Default | MappingFound::Named(_) => {}
    }
    let (_, spec) = source(gathered, target).ok()?;
    let found = inverse(&spec).ok()?;
    let message = left_out(&found, &spec);
    if found.plan.is_empty() {
        return Some(Finding::error("mapping/not-invertible", path, &message));
    }
    (!found.not_invertible.is_empty())
        .then(|| Finding::warning("mapping/not-invertible", path, message))
}
