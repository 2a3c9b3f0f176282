//! The typed client: one method per operation. Does network I/O through its layers.
//!
//! A call is refused before anything is sent if the contract does not permit it, the credential is
//! known to be rejected, or the API is down. A `Client` is cheap to clone.

mod candidates;
mod check;
mod create;
mod cursor;
mod grant;
mod inputs;
mod jobs;
mod paging;
mod parts;
mod raw;
mod send;
#[cfg(test)]
mod tests;
mod trial;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Method;
use tokio::sync::watch;
use url::Url;

pub use candidates::{Page, Verified};
pub use create::{Created, Creation};
pub use cursor::{Cursor, MAX_PAGES_OF_WALK};
use grant::Lease;
pub use grant::Successor;
pub use inputs::{ClientConfig, ClientDeps, ConnectError};
pub(super) use paging::stated_total;
use send::{Purpose, encode, one};

use super::{
    account::Account,
    circuit_breaker::{CircuitBreaker, CredentialStanding},
    contract::{Contract, Effect, MAX_DOCUMENT_BYTES},
    endpoint::Endpoint,
    error::ClinchError,
    footing::Footing,
    layers::{self, Stack, observe::Observer, transport::Transport},
    wire::Request,
};
use crate::domain::{Clock, Digest, digest_parts};

/// Maximum size of a list response in bytes, after decompression.
pub const MAX_LIST_BYTES: usize = 4 * 1024 * 1024;

/// A client of one Clinch account.
#[derive(Clone)]
pub struct Client(Arc<Inner>, Option<Lease>, Option<Footing>);

struct Inner {
    integration: Arc<str>,
    config: ClientConfig,
    base: Url,
    account: Arc<Account>,
    breaker: CircuitBreaker,
    standing: CredentialStanding,
    /// Held while it is checked whether a 401 concerns the credential.
    check: tokio::sync::Mutex<()>,
    stack: Stack,
    /// Whether the list can be restricted to changes, once that was tried.
    lists_changes: tokio::sync::OnceCell<bool>,
    clock: Clock,
    observer: Arc<dyn Observer>,
}

impl Client {
    /// A standalone client over HTTP, with its own rate bucket and breaker. Long-lived callers get
    /// theirs from the registry. `integration` identifies the client to the observer.
    pub fn connect(
        integration: &str,
        config: ClientConfig,
        deps: &ClientDeps,
    ) -> Result<Self, ConnectError> {
        let transport = deps.transport(&config.endpoint, config.timeouts.connect)?;
        Ok(Self::over(transport, integration, config, deps))
    }

    /// A standalone client over any transport, which decides itself what it may contact.
    pub fn over(
        transport: Arc<dyn Transport>,
        integration: &str,
        config: ClientConfig,
        deps: &ClientDeps,
    ) -> Self {
        let account = Arc::new(Account::new(config.limits));
        Self::with_account(transport, account, integration, config, deps)
    }

    /// A client over an existing transport that shares the state of an account.
    pub(super) fn with_account(
        transport: Arc<dyn Transport>,
        account: Arc<Account>,
        integration: &str,
        config: ClientConfig,
        deps: &ClientDeps,
    ) -> Self {
        let integration: Arc<str> = integration.into();
        let standing = CredentialStanding::default();
        let parts = layers::Parts {
            standing: standing.clone(),
            integration: Arc::clone(&integration),
            credentials: config.credentials.clone(),
            timeouts: config.timeouts,
            clock: deps.clock.clone(),
            jitter: deps.jitter.clone(),
            fence: deps.fence.clone(),
            account: Arc::clone(&account),
            observer: Arc::clone(&deps.observer),
            transport,
        };
        Self(
            Arc::new(Inner {
                integration,
                base: config.endpoint.base(config.version),
                config,
                breaker: CircuitBreaker::new(standing.clone(), Arc::clone(&account)),
                standing,
                check: tokio::sync::Mutex::default(),
                account,
                stack: layers::stack(parts),
                lists_changes: tokio::sync::OnceCell::new(),
                clock: deps.clock.clone(),
                observer: Arc::clone(&deps.observer),
            }),
            None,
            None,
        )
    }

    /// How long Clinch has answered the reads, or the writes, of this account with nothing but 429.
    pub fn limited_for(&self) -> Option<Duration> {
        self.0.account.limited().lasted()
    }

    /// How long all requests to this account still wait because Clinch answered 429.
    pub fn waits_for(&self) -> Option<Duration> {
        self.0.account.bucket().limited_for()
    }

    /// Whether runs that use `previous` may continue with this client: it differs in nothing but
    /// credential and limits.
    pub fn succeeds(&self, previous: &Self) -> bool {
        let (new, old) = (&self.0.config, &previous.0.config);
        (&new.endpoint, new.version, new.environment, &new.accepted_writes)
            == (&old.endpoint, old.version, old.environment, &old.accepted_writes)
            && new.contract.digest() == old.contract.digest()
    }

    /// The contract in use.
    pub fn contract(&self) -> &Contract {
        &self.0.config.contract
    }

    /// The origin in use.
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.config.endpoint
    }

    /// Identifies the account of this client, on every machine: a digest of origin and access key.
    pub fn account_digest(&self) -> Digest {
        let ClientConfig { endpoint, credentials, .. } = &self.0.config;
        digest_parts([endpoint.to_string().as_bytes(), credentials.access_key().as_bytes()])
    }

    /// Whether the credential is known to be rejected (401), as a signal to wait on. A successful
    /// [`Client::probe`] resets it.
    pub fn rejected(&self) -> watch::Receiver<bool> {
        self.0.breaker.rejected()
    }

    /// Whether two handles refer to the same client.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The published API document: `GET` on the base URL. `NotFound`: none is published.
    pub async fn openapi(&self) -> Result<Bytes, ClinchError> {
        let url = self.0.base.clone();
        let mut request = Request::new("openApi", Effect::Read, Method::GET, url);
        request.max_response_bytes = MAX_DOCUMENT_BYTES;
        request.any_document = true;
        request.time_limit = Purpose::Verify.time_limit(self.0.config.timeouts);
        Ok(self.send_any(None, request, false).await?.body)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({}, {})", self.0.integration, self.0.config.endpoint)
    }
}
