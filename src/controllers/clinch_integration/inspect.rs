//! What an account's contract is inspected with, for the command `contract check`.

use std::sync::Arc;

use super::{
    credential::{credentials, endpoint},
    validate::{check_environment, limits, overrides},
};
use crate::{
    api::ClinchIntegration,
    clinch::{ClientConfig, Contract, Overrides},
    cluster::{Cluster, ClusterError, ObjectKey},
    controllers::context::Context,
    domain::{Cause, Reason},
};

/// The configuration of a client that reads, and the corrections in force. Refuses what a reconcile
/// refuses before it contacts anything.
pub(in crate::controllers) async fn reading<C: Cluster>(
    context: &Context<C>,
    key: &ObjectKey,
) -> Result<(ClientConfig, Overrides), Cause> {
    let unreadable = |error: ClusterError| Cause::new(Reason::InternalError, error.to_string());
    let found = context.cluster.read::<ClinchIntegration>(key).await.map_err(unreadable)?;
    let missing =
        || Cause::new(Reason::DependencyNotFound, format!("there is no integration {key}"));
    let object = found.ok_or_else(missing)?;
    let spec = &object.spec;
    check_environment(spec, &context.settings)?;
    let secret = key.sibling(&spec.credentials.secret_ref.name);
    let secret = context.cluster.secret(&secret).await.map_err(unreadable)?;
    let overrides = overrides(spec.contract_overrides.as_ref()).map_err(|error| {
        Cause::new(Reason::InvalidSpec, format!("spec.contractOverrides: {error}"))
    })?;
    let config = ClientConfig {
        endpoint: endpoint(&object, &context.settings)?,
        version: spec.api_version,
        environment: spec.environment,
        credentials: credentials(&object, secret.as_ref())?,
        contract: Arc::new(Contract::built_in().with(&overrides)),
        accepted_writes: Vec::new(),
        limits: limits(spec),
        timeouts: context.settings.timeouts,
    };
    Ok((config, overrides))
}
