//! What a client is made of. No I/O.

use std::{sync::Arc, time::Duration};

use thiserror::Error;

use crate::{
    api::{ApiVersion, Environment},
    clinch::{
        bucket::Limits,
        contract::{Contract, Op},
        endpoint::{AllowedEndpoints, Endpoint},
        layers::{
            Jitter, Timeouts,
            observe::Observer,
            transport::{HttpTransport, Transport, TransportSetupError},
        },
    },
    domain::{Clock, Credentials, Fence},
    network::{OutboundProxy, Resolver},
};

/// The inputs of a client: when any of them changes, a new client is needed.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The origin.
    pub endpoint: Endpoint,
    /// The path prefix.
    pub version: ApiVersion,
    /// The kind of account.
    pub environment: Environment,
    /// Access key and secret.
    pub credentials: Credentials,
    /// The contract.
    pub contract: Arc<Contract>,
    /// Assumed writes that may be used in Production.
    pub accepted_writes: Vec<Op>,
    /// Rate ceilings.
    pub limits: Limits,
    /// How long a request may take.
    pub timeouts: Timeouts,
}

/// What all clients of a process depend on: injected, so that tests control time and randomness.
#[derive(Clone)]
pub struct ClientDeps {
    /// Origins that may be used.
    pub allowed: AllowedEndpoints,
    /// The clock, for signatures.
    pub clock: Clock,
    /// Randomness, for backoff.
    pub jitter: Jitter,
    /// DNS.
    pub resolver: Arc<dyn Resolver>,
    /// The proxy, if the admin chose one.
    pub proxy: OutboundProxy,
    /// Receives every attempt.
    pub observer: Arc<dyn Observer>,
    /// Whether this process may write.
    pub fence: Fence,
}

/// Why there is no client.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The endpoint is not on the allow-list.
    #[error("{0} is not in --allowed-endpoints")]
    EndpointNotAllowed(Endpoint),
    /// The HTTP client could not be set up.
    #[error(transparent)]
    Transport(#[from] TransportSetupError),
}

impl ClientDeps {
    /// A connection pool to an endpoint, if the endpoint may be used.
    pub(in crate::clinch) fn transport(
        &self,
        endpoint: &Endpoint,
        connect: Duration,
    ) -> Result<Arc<dyn Transport>, ConnectError> {
        let allowed = self
            .allowed
            .check(endpoint)
            .ok_or_else(|| ConnectError::EndpointNotAllowed(endpoint.clone()))?;
        let resolver = Arc::clone(&self.resolver);
        Ok(Arc::new(HttpTransport::new(resolver, allowed, connect, &self.proxy)?))
    }
}
