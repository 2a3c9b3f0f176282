//! The typed client: one method per operation. Does network I/O through its layers.
//!
//! A call is refused before anything is sent if the contract does not permit it, the credential is
//! known to be rejected, or the API is down. A `Client` is cheap to clone.

mod candidates;
mod check;
mod create;
mod cursor;
mod jobs;
mod paging;
mod parts;
mod raw;
#[cfg(test)]
mod tests;
mod trial;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::Method;
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;
use tokio::{sync::watch, time::sleep};
use url::Url;

pub use candidates::{Page, Verified};
pub use create::{Created, Creation};
pub use cursor::{Cursor, MAX_PAGES_OF_WALK};
pub(super) use paging::stated_total;

use super::{
    account::Account,
    bucket::Limits,
    circuit_breaker::{CircuitBreaker, CredentialStanding},
    classify::interpret,
    contract::{Contract, Effect, MAX_DOCUMENT_BYTES, Op, Verb},
    endpoint::{AllowedEndpoints, Endpoint},
    error::{ClinchError, Doubt, NotClinchSign},
    layers::{
        self, Call as _, Jitter, Stack, Timeouts,
        observe::Observer,
        transport::{HttpTransport, Transport, TransportSetupError},
    },
    wire::{CallError, Request, Response, Route},
};
use crate::{
    api::{ApiVersion, Environment},
    domain::{ClinchId, Clock, Credentials, Digest, Fence, Grant, GrantState, digest_parts},
    jsonapi::{self, Document, NewResource, PrimaryData, Resource},
    network::{OutboundProxy, Resolver},
};

/// The least time that a check of the account itself may take, with waits for the rate limit.
const VERIFY_WITHIN: Duration = Duration::from_secs(10);

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Regular work: the configured timeouts apply.
    Work,
    /// A check whether the account can be used: it may take little longer than one attempt, since
    /// a reconcile waits for its result.
    Verify,
    /// As `Verify`, and sent even if the credential is known to be rejected or the API to be down.
    Probe,
}

impl Purpose {
    fn time_limit(self, timeouts: Timeouts) -> Option<Duration> {
        match self {
            Self::Work => None,
            Self::Verify | Self::Probe => Some(timeouts.attempt.max(VERIFY_WITHIN)),
        }
    }
}

/// Maximum size of a list response in bytes, after decompression.
pub const MAX_LIST_BYTES: usize = 4 * 1024 * 1024;

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

/// How often a request that waits for access looks whether it has it.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A client of one Clinch account.
#[derive(Clone)]
pub struct Client(Arc<Inner>, Option<Lease>);

/// The access of a caller: revocable, and with the credential that is valid now.
#[derive(Clone)]
struct Lease {
    grant: Grant,
    /// Whether reads wait while it is paused.
    waits: bool,
    successor: Successor,
    /// Namespace and name, for logs.
    export: Arc<str>,
}

/// The client that took over from another one of the same account, with another credential.
#[derive(Clone, Default)]
pub struct Successor(Arc<Mutex<Option<Arc<Inner>>>>);

impl Successor {
    /// From now on `client` sends the requests.
    pub fn set(&self, client: &Client) {
        *self.lock() = Some(Arc::clone(&client.0));
    }

    fn get(&self) -> Option<Arc<Inner>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Inner>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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

impl ClientDeps {
    /// A connection pool to an endpoint, if the endpoint may be used.
    pub(super) fn transport(
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
        )
    }

    /// The same client for an export whose access to the account may be paused or revoked. `export`: its
    /// namespace and name, for logs.
    ///
    /// While it is paused no attempt starts: reads wait, and a write fails with
    /// [`ClinchError::GrantPaused`] when the pause is over, because what it was based on has to be
    /// read again. Once it is revoked each attempt fails with [`ClinchError::GrantRevoked`].
    #[must_use]
    pub fn with_grant(&self, grant: Grant, successor: Successor, export: &str) -> Self {
        let export = export.into();
        Self(Arc::clone(&self.0), Some(Lease { grant, waits: true, successor, export }))
    }

    /// The same client for a caller that holds what others wait for: while access is paused, every request
    /// fails with [`ClinchError::GrantPaused`] at once. Such a caller waits with [`Client::admitted`].
    #[must_use]
    pub fn without_waiting(self) -> Self {
        let Self(inner, lease) = self;
        Self(inner, lease.map(|lease| Lease { waits: false, ..lease }))
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

    /// Waits while the caller's access is paused. True if it was.
    pub async fn admitted(&self) -> Result<bool, ClinchError> {
        let Some(Lease { grant, .. }) = &self.1 else { return Ok(false) };
        let mut waited = false;
        loop {
            match grant.state() {
                GrantState::Valid => return Ok(waited),
                GrantState::Revoked => return Err(ClinchError::GrantRevoked),
                GrantState::Paused => {
                    waited = true;
                    sleep(LOOK_EVERY).await;
                }
            }
        }
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

    /// The URL of an operation, with `id` in its placeholder.
    fn url(&self, op: Op, id: Option<&ClinchId>) -> Url {
        let mut url = self.0.base.clone();
        let path = format!("{}{}", url.path(), self.contract().operation(op).path_for(id));
        url.set_path(&path);
        url
    }

    /// Sends a request of an operation that the contract permits.
    async fn send(&self, op: Op, request: Request, force: bool) -> Result<Response, ClinchError> {
        let config = &self.0.config;
        config.contract.permits(op, config.environment, &config.accepted_writes)?;
        self.send_any(Some(op), request, force).await
    }

    async fn send_any(
        &self,
        op: Option<Op>,
        mut request: Request,
        force: bool,
    ) -> Result<Response, ClinchError> {
        request.grant = self.1.as_ref().map(|lease| lease.grant.clone());
        request.export = self.1.as_ref().map(|lease| lease.export.clone());
        request.force = force;
        if self.1.as_ref().is_some_and(|lease| !lease.waits) {
            return match request.granted() {
                GrantState::Valid => self.send_now(op, request, force).await,
                GrantState::Revoked => Err(ClinchError::GrantRevoked),
                GrantState::Paused => Err(ClinchError::GrantPaused),
            };
        }
        let reads = request.effect == Effect::Read;
        let mut paused = false;
        loop {
            paused |= self.admitted().await?;
            if paused && !reads {
                return Err(ClinchError::GrantPaused);
            }
            match self.send_now(op, request.clone(), force).await {
                Err(ClinchError::GrantPaused) => paused = true,
                result => return result,
            }
        }
    }

    async fn send_now(
        &self,
        op: Option<Op>,
        request: Request,
        force: bool,
    ) -> Result<Response, ClinchError> {
        let successor = self.1.as_ref().and_then(|lease| lease.successor.get());
        let inner = successor.as_ref().unwrap_or(&self.0);
        self.try_out(inner, &request, force).await?;
        let guard = inner.breaker.admit(force)?;
        // A check of the account itself is judged by its caller.
        let checked = !force && request.time_limit.is_none();
        let mut result = inner.exchange(op, request.clone()).await?;
        if checked && matches!(result, Err(ClinchError::Unauthorized)) {
            result = self.check_401(inner, op, request).await?;
        }
        if guard.finish(&result) {
            inner.observer.credentials_rejected(&inner.integration);
        }
        result
    }

    /// Reads one resource.
    async fn read_one(&self, op: Op, id: &ClinchId) -> Result<Resource, ClinchError> {
        let request = Request::new(op.name(), op.effect(), Method::GET, self.url(op, Some(id)));
        let response = self.send(op, request, false).await?;
        one(&response).ok_or(ClinchError::NotClinch(NotClinchSign::NoData))
    }

    /// Writes one resource; the body is encoded once and shared by all attempts.
    async fn write(
        &self,
        op: Op,
        id: Option<&ClinchId>,
        body: Bytes,
    ) -> Result<Response, ClinchError> {
        let method = match self.contract().operation(op).method {
            Verb::Get => Method::GET,
            Verb::Post => Method::POST,
            Verb::Patch => Method::PATCH,
            Verb::Put => Method::PUT,
        };
        let mut request = Request::new(op.name(), op.effect(), method, self.url(op, id));
        request.body = Some(body);
        let result = self.send(op, request, false).await;
        match (op.effect(), result) {
            // An HTML page or a redirect does not prove that nothing was created.
            (
                Effect::Create,
                Err(ClinchError::NotClinch(NotClinchSign::Html | NotClinchSign::Redirect)),
            ) => Err(ClinchError::Ambiguous(Doubt::Unclear)),
            (_, result) => result,
        }
    }
}

impl Inner {
    /// Sends one request. The outer error is concluded from another request, which reports its own result
    /// to the breaker.
    ///
    /// Boxed: it is large, and each of the many futures around it would be moved with it.
    fn exchange(
        &self,
        op: Option<Op>,
        request: Request,
    ) -> BoxFuture<'_, Result<Result<Response, ClinchError>, ClinchError>> {
        Box::pin(self.exchanged(op, request))
    }

    async fn exchanged(
        &self,
        op: Option<Op>,
        mut request: Request,
    ) -> Result<Result<Response, ClinchError>, ClinchError> {
        let ClientConfig { version, contract, .. } = &self.config;
        request.route = Some(Route { version: *version, contract: Arc::clone(contract), op });
        let sent = request.body.clone();
        let too_large = ClinchError::AnswerTooLarge {
            request: request.operation,
            limit: request.max_response_bytes,
            list: op.is_some_and(Op::is_list),
        };
        let mut result = match self.stack.call(request).await {
            Err(error @ CallError::CredentialRejected) => return Err(error.into()),
            Err(CallError::ResponseTooLarge) => Err(too_large),
            Ok(response) => interpret(response, op, self.clock.now()),
            Err(error) => Err(error.into()),
        };
        if let Err(ClinchError::Rejected { fields, .. }) = &mut result {
            keep_sent(fields, sent.as_deref().unwrap_or_default());
        }
        Ok(result)
    }
}

/// The one resource of a response.
fn one(response: &Response) -> Option<Resource> {
    match serde_json::from_slice::<Document>(&response.body).ok()?.data {
        PrimaryData::One(resource) => Some(*resource),
        PrimaryData::Absent | PrimaryData::None | PrimaryData::Many(_) => None,
    }
}

/// Drops names that are not among the sent attributes: they are text of the response that only
/// looks like a name.
fn keep_sent(fields: &mut Vec<String>, body: &[u8]) {
    let sent = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let sent = sent.pointer("/data/attributes").and_then(Value::as_object);
    fields.retain(|field| sent.is_some_and(|sent| sent.contains_key(field)));
}

/// Encodes a request document.
fn encode<A: Serialize>(resource: NewResource<'_, A>) -> Bytes {
    let bytes = serde_json::to_vec(&jsonapi::Request { data: resource });
    bytes.expect("JSON values with text keys always serialise").into()
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({}, {})", self.0.integration, self.0.config.endpoint)
    }
}
