//! What can be said of an export without contacting anything: its own fields, and the objects that it
//! refers to as far as they are given. Pure, except that the objects are read.

use super::{
    gather::{Gathered, gather},
    push_permission::{Permitted, lacks_plan, permitted, refuses_places},
    validate::{FORMAT, mapping_for, refused_direction, refuses_documents, refuses_format},
};
use crate::{
    api::{CandidateExport, CandidateExportSpec, ExportSource},
    cluster::{Cluster, ClusterError, Kind, ObjectKey},
    controllers::{
        context::Context,
        finding::{Finding, not_of_profiles},
        mappings::engine_spec,
        publish::object_ref,
        references::{IntegrationFound, MappingFound},
        runs::{Schedule, Windows},
        sources::SourceFound,
    },
    mapping::{self, Plan, Select, TargetAttributes},
    storage::Location,
};

/// The findings on one export.
pub(in crate::controllers) async fn review<C: Cluster>(
    context: &Context<C>,
    key: &ObjectKey,
    target: &TargetAttributes,
) -> Result<Vec<Finding>, ClusterError> {
    let Some(export) = context.cluster.read::<CandidateExport>(key).await? else {
        return Ok(Vec::new());
    };
    let reference = object_ref(Kind::Export, key, &export.metadata);
    let gathered = gather(context, &reference, &export, None).await?;
    let spec = &export.spec;
    let mut findings = Vec::new();
    findings.extend(integration(context, &gathered));
    // A file need not fit the contract.
    let target = if gathered.is_file() { &TargetAttributes::UNKNOWN } else { target };
    findings.extend(mapping(&gathered, target));
    for target in gathered.targets() {
        if let Err(error) = Location::file(&target.sample_url()) {
            findings.push(Finding::error("destination/url", target.field, &error.to_string()));
        }
    }
    if let Some(message) = refuses_format(spec) {
        findings.push(Finding::error("destination/format", FORMAT, message));
    }
    findings.extend(source(context, &gathered).await?);
    if let Some(found) = gathered.integration.granted()
        && let Permitted::No(message) = permitted(&spec.destination, &found.spec.push_permission)
    {
        findings.push(Finding::error("permission", "spec.destination", &message));
    } else if let Some(found) = gathered.integration.granted() {
        for target in gathered.targets() {
            let url = target.sample_url();
            let refused = refuses_places([url.as_str()].into_iter(), &found.spec);
            findings.extend(
                refused.map(|message| Finding::error("permission", target.field, &message)),
            );
        }
    }
    if let Some(found) = gathered.integration.granted()
        && let Some(message) = lacks_plan(spec, &found.spec.push_permission)
    {
        // `apply --plan` approves without the spec.
        findings.push(Finding::warning("permission", "spec.approvedPlan", message.to_owned()));
    }
    findings.extend(select(spec));
    if let Err(fault) = Schedule::of(spec.interval.as_ref(), spec.schedule.as_ref()) {
        findings.push(Finding::error("schedule", "spec.schedule", &fault));
    }
    if let Err(fault) = Windows::of(&spec.windows) {
        findings.push(Finding::error("schedule", "spec.windows", &fault));
    }
    Ok(findings)
}

fn select(spec: &CandidateExportSpec) -> Vec<Finding> {
    let path = "spec.select";
    match spec.select.as_deref().map(|text| Select::compile(text, path)) {
        None => Vec::new(),
        Some(Err(issue)) => vec![Finding::issue("mapping/expression", &issue)],
        Some(Ok(select)) => {
            // Nothing has been seen yet: these are all the paths that it reads.
            let paths = select.never_seen().paths();
            let named = paths.iter().filter_map(|read| {
                not_of_profiles(read.strip_prefix("candidate.").unwrap_or(read))
            });
            named.map(|message| Finding::warning("mapping/unknown-path", path, message)).collect()
        }
    }
}

fn integration<C: Cluster>(context: &Context<C>, gathered: &Gathered) -> Option<Finding> {
    let path = "spec.integrationRef";
    let namespace = &gathered.key().namespace;
    match &gathered.integration {
        IntegrationFound::Granted(_) => None,
        IntegrationFound::Missing(named) if context.cluster.integration(named).is_none() => {
            Some(Finding::not_given(path, Kind::Integration.as_str(), named.clone()))
        }
        IntegrationFound::Missing(named) => {
            let message = format!(
                "the spec.access of ClinchIntegration {named} does not grant access to namespace \
                 {namespace}"
            );
            Some(Finding::error("reference/no-access", path, &message))
        }
        IntegrationFound::Awaiting(named) => {
            let message = format!(
                "the admin of ClinchIntegration {named} has not approved namespace {namespace}: \
                 spec.access.approved"
            );
            Some(Finding::warning("reference/awaiting-approval", path, message))
        }
        IntegrationFound::Denied(named) => {
            let message = format!(
                "the admin of ClinchIntegration {named} has denied namespace {namespace}: \
                 spec.access.denied"
            );
            Some(Finding::error("reference/no-access", path, &message))
        }
    }
}

/// What is wrong with the mapping as this export uses it. What is wrong with a `FieldMapping` in
/// itself is a finding on that object.
fn mapping(gathered: &Gathered, target: &TargetAttributes) -> Vec<Finding> {
    let path = "spec.fieldMappingRef";
    if let Some(message) = refused_direction(gathered) {
        return vec![Finding::error("mapping/direction", path, &message)];
    }
    let own = match &gathered.mapping {
        MappingFound::Withheld => return Vec::new(),
        MappingFound::Missing(named) => {
            return vec![Finding::not_given(path, Kind::Mapping.as_str(), named.clone())];
        }
        MappingFound::Forbidden(message) => {
            return vec![Finding::error("reference/forbidden", path, message)];
        }
        MappingFound::Default => Vec::new(),
        MappingFound::Named(object) => match mapping::compile(&engine_spec(&object.spec)) {
            Ok(plan) => plan.check(target),
            Err(issues) => issues,
        },
    };
    let issues = match mapping_for(gathered, target) {
        Ok(plan) => return refused_document(gathered, &plan).into_iter().collect(),
        Err(issues) => issues,
    };
    let added = issues.iter().filter(|issue| !own.contains(issue));
    added.map(|issue| Finding::error("mapping/override", path, &issue.to_string())).collect()
}

/// A document that the mapping does not permit.
fn refused_document(gathered: &Gathered, plan: &Plan) -> Option<Finding> {
    let MappingFound::Named(object) = &gathered.mapping else { return None };
    let name = format!("FieldMapping {}", object.metadata.name.as_deref().unwrap_or_default());
    let message = refuses_documents(&name, plan).filter(|_| gathered.is_document())?;
    Some(Finding::error("mapping/documents", FORMAT, &message))
}

async fn source<C: Cluster>(
    context: &Context<C>,
    gathered: &Gathered,
) -> Result<Option<Finding>, ClusterError> {
    let path = "spec.source";
    let spec = &gathered.export.spec.source;
    Ok(match &gathered.source {
        SourceFound::Inline | SourceFound::Remote(..) | SourceFound::Parts(_) => None,
        SourceFound::Unusable(message) => Some(Finding::error("source/url", path, message)),
        SourceFound::KeyMissing(message) => Some(Finding::error("source/key", path, message)),
        SourceFound::Missing(_) => {
            let named = spec.config_map_ref.as_ref().map(|named| named.name.as_str());
            let key = gathered.key().sibling(named.unwrap_or_default());
            Some(Finding::not_given("spec.source.configMapRef.name", "ConfigMap", key))
        }
        SourceFound::Forbidden(message) => {
            let own = spec.secret_ref.as_ref().map(|reference| reference.name.as_str());
            let Some(name) = own.or_else(|| spec.remote_secret()) else { return Ok(None) };
            let path = match spec {
                ExportSource { secret_ref: Some(_), .. } => "spec.source.secretRef.name",
                ExportSource { object_store: Some(_), .. } => {
                    "spec.source.objectStore.credentialsSecretRef.name"
                }
                _ => "spec.source.http.headersSecretRef.name",
            };
            // Secrets are rarely kept beside the manifests; one that is there must fit.
            let given = context.cluster.secret(&gathered.key().sibling(name)).await?;
            given.map(|_| Finding::error("reference/secret", path, message))
        }
    })
}
