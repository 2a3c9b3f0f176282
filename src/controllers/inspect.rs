//! How much of a contract its account confirms, for the command `contract check`.

use super::{Controllers, clinch_integration};
use crate::{
    clinch::{self, Inspection},
    cluster::{Cluster, ObjectKey},
    domain::{Cause, Reason},
};

impl<C: Cluster> Controllers<C> {
    /// Inspects the contract of an integration: at most [`clinch::MOST_READS`] reads. `Err`: the account
    /// may not be contacted, or its list of people cannot be read.
    pub async fn inspect(&self, key: &ObjectKey) -> Result<Inspection, Cause> {
        let context = &self.0;
        let (config, overrides) = clinch_integration::reading(context, key).await?;
        let client = context
            .connections
            .passing_client(config)
            .map_err(|error| Cause::new(Reason::EndpointNotAllowed, error.to_string()))?;
        let inspected = Box::pin(clinch::inspect(&client, &overrides)).await;
        inspected.map_err(|error| Cause::new(error.reason(), error.to_string()))
    }
}
