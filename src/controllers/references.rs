//! What exports and imports refer to: an integration and a mapping. Not found is data. Reads through
//! the port.

use std::sync::Arc;

use super::{
    access::{Access, access_of},
    connections::SECRET_GRACE,
};
use crate::{
    api::{ClinchIntegration, FieldMapping},
    cluster::{Cluster, ClusterError, ObjectKey, Refers, integration_of, mapping_of, wanted_shard},
};

/// Whether runs in progress of an integration may send requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    /// They may, unless there is an obstacle.
    Permitted,
    /// They wait for its Secret; no other run starts.
    Paused,
}

/// What the status says of a run that is paused. Constant: how long it still waits would be a write for
/// every pass.
pub(super) fn paused() -> String {
    format!(
        "the run is paused, and nothing is sent to Clinch: the Secret of the integration was \
         deleted or changed. If the integration is ready within {} s of that, the run continues; \
         otherwise it ends, and another one starts once the integration is ready",
        SECRET_GRACE.as_secs()
    )
}

/// What the status says of a run that Clinch answers with nothing but 429. Constant, too.
pub(super) const RUN_LIMITED: &str = "a run is in progress; Clinch limits the request rate and accepts no \
     request of it now (429); the run waits and continues by itself";

/// The integration that an object refers to.
pub(super) enum IntegrationFound {
    /// It may be used.
    Granted(Arc<ClinchIntegration>),
    /// It may not be used before its admin approves the object's namespace.
    Awaiting(ObjectKey),
    /// It may not be used: its admin has denied the object's namespace.
    Denied(ObjectKey),
    /// It does not exist, or the object must not learn that it does.
    Missing(ObjectKey),
}

impl IntegrationFound {
    /// The integration, where it may be used.
    pub(super) fn granted(&self) -> Option<&Arc<ClinchIntegration>> {
        match self {
            Self::Granted(found) => Some(found),
            Self::Awaiting(_) | Self::Denied(_) | Self::Missing(_) => None,
        }
    }
}

/// The mapping that an object uses.
pub(super) enum MappingFound {
    /// None is named anywhere: the documented default.
    Default,
    /// The named one.
    Named(Arc<FieldMapping>),
    /// The named one does not exist.
    Missing(ObjectKey),
    /// It may not be named, whether or not it exists.
    Forbidden(String),
    /// Not read: it belongs to an integration that may not be used.
    Withheld,
}

/// The integration that a spec names.
pub(super) fn integration(
    cluster: &impl Cluster,
    key: &ObjectKey,
    spec: &impl Refers,
) -> IntegrationFound {
    let named = integration_of(key, spec);
    let Some(found) = cluster.integration(&named) else {
        return IntegrationFound::Missing(named);
    };
    let labels = |namespace: &str| cluster.namespace_labels(namespace);
    match access_of(&named, &found.spec, &key.namespace, labels) {
        Access::Granted => IntegrationFound::Granted(found),
        Access::Awaiting => IntegrationFound::Awaiting(named),
        Access::Denied => IntegrationFound::Denied(named),
        Access::Refused => IntegrationFound::Missing(named),
    }
}

/// The shard to which an integration goes, if it leaves this process. One without a process takes nothing.
pub(super) async fn leaving(
    cluster: &impl Cluster,
    integration: &IntegrationFound,
) -> Result<Option<String>, ClusterError> {
    let (Some(own), Some(found)) = (cluster.shard(), integration.granted()) else {
        return Ok(None);
    };
    let wanted = wanted_shard(found);
    let leaves = wanted != own.as_str() && cluster.shard_is_alive(wanted).await?;
    Ok(leaves.then(|| wanted.to_owned()))
}

/// The mapping that a spec uses. `integration`: the one that it names, where it may be used.
pub(super) async fn mapping(
    cluster: &impl Cluster,
    key: &ObjectKey,
    spec: &impl Refers,
    integration: Option<&Arc<ClinchIntegration>>,
) -> Result<MappingFound, ClusterError> {
    let owner = integration_of(key, spec);
    let foreign = owner.namespace != key.namespace;
    if foreign && integration.is_none() {
        return Ok(MappingFound::Withheld);
    }
    let defaults = integration.and_then(|found| found.spec.defaults.as_ref());
    let Some(named) = mapping_of(&owner, spec, defaults) else {
        return Ok(MappingFound::Default);
    };
    let own_allowed = integration.is_some_and(|found| found.spec.access.member_mappings);
    if named.namespace != owner.namespace && !(named.namespace == key.namespace && own_allowed) {
        return Ok(MappingFound::Forbidden(format!(
            "FieldMapping {named} may not be used: leave fieldMappingRef.namespace out for one of \
             the integration's, or ask its admin to set spec.access.memberMappings for your own"
        )));
    }
    Ok(match cluster.mapping(&named).await? {
        Some(found) => MappingFound::Named(found),
        None => MappingFound::Missing(named),
    })
}
