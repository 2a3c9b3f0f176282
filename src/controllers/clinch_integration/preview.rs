//! How an integration would be contacted, for the command `render`. Needs no Secret.

use std::sync::Arc;

use super::validate::{op, overrides};
use crate::{
    api::ClinchIntegration,
    clinch::{ClientConfig, Contract, Endpoint, Limits},
    cluster::{Cluster, ObjectKey},
    controllers::{context::Context, not_previewed::NotPreviewed},
    domain::Credentials,
};

/// The configuration of a client that signs with no one's credential.
pub(in crate::controllers) async fn config<C: Cluster>(
    context: &Context<C>,
    key: &ObjectKey,
    contract: &Contract,
) -> Result<ClientConfig, NotPreviewed> {
    let found = context.cluster.read::<ClinchIntegration>(key).await?;
    let spec = found.ok_or(NotPreviewed::NoIntegration)?.spec.clone();
    let wrong = |error: &dyn std::fmt::Display| NotPreviewed::Integration(error.to_string());
    let endpoint = match (&spec.endpoint, spec.region) {
        (Some(text), _) => {
            Endpoint::parse(text, spec.environment).map_err(|error| wrong(&error))?
        }
        (None, Some(region)) => Endpoint::of_region(region),
        (None, None) => return Err(NotPreviewed::NoIntegration),
    };
    let overrides = overrides(spec.contract_overrides.as_ref()).map_err(|error| wrong(&error))?;
    Ok(ClientConfig {
        endpoint,
        version: spec.api_version,
        environment: spec.environment,
        credentials: Credentials::parse("none", "none").map_err(|error| wrong(&error))?,
        contract: Arc::new(contract.with(&overrides)),
        accepted_writes: spec.accept_assumed_writes.iter().map(|write| op(*write)).collect(),
        // Nobody is to be spared.
        limits: Limits::default(),
        timeouts: context.settings.timeouts,
    })
}
