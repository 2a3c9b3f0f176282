//! The typed client: one method per operation. Does network I/O through its layers.
//!
//! A call is refused before anything is sent when the contract does not permit it, the credential
//! is known as rejected, or the API is down. A `Client` is cheap to clone.

mod candidates;
mod create;
mod jobs;
mod paging;
mod parts;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Method;
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;
use tokio::sync::watch;
use tower::ServiceExt as _;
use url::Url;

pub use candidates::{Page, Verified};
pub use create::{Created, Creation};
pub use paging::{Cursor, MAX_PAGES_OF_WALK};

use super::{
    account::Account,
    bucket::Limits,
    classify::interpret,
    contract::{Contract, Effect, MAX_DOCUMENT_BYTES, Op, Verb},
    endpoint::{AllowedEndpoints, Endpoint},
    error::{ClinchError, Doubt, NotClinchSign},
    gate::{Gate, Shutter},
    layers::{
        self, Jitter, Stack, Timeouts,
        observe::Observer,
        transport::{SetUpTransport, Transport},
    },
    wire::{Answer, Failure, Outgoing},
};
use crate::network::Resolver;
use crate::{
    api::{ApiVersion, Environment},
    domain::{ClinchId, Clock, Credentials, Fence, Leave},
    jsonapi::{Document, NewResource, PrimaryData, Request, Resource},
};

/// How long a question about the account itself may take: somebody waits for what it tells.
const VERIFY_WITHIN: Duration = Duration::from_secs(10);

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Errand {
    /// Work: as patient as the timeouts say.
    Call,
    /// To tell whether the account can be used: soon.
    Verify,
    /// As `Verify`, and asked although the credential is known as rejected or the API as down.
    Probe,
}

impl Errand {
    const fn patience(self) -> Option<Duration> {
        match self {
            Self::Call => None,
            Self::Verify | Self::Probe => Some(VERIFY_WITHIN),
        }
    }
}

/// Most bytes read of a list answer, after decompression.
const MAX_LIST_BYTES: usize = 4 * 1024 * 1024;

/// What makes a client: when any of it changes, another client is needed.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The origin.
    pub endpoint: Endpoint,
    /// The path prefix.
    pub version: ApiVersion,
    /// Which kind of account it is.
    pub environment: Environment,
    /// Access key and secret.
    pub credentials: Credentials,
    /// The contract.
    pub contract: Arc<Contract>,
    /// Assumed writes that may be used in Production.
    pub accepted_writes: Vec<Op>,
    /// Ceilings.
    pub limits: Limits,
    /// How long things may take.
    pub timeouts: Timeouts,
}

/// What every client of a process shares: passed in, so that tests decide time and chance.
#[derive(Clone)]
pub struct Surroundings {
    /// Origins that may be used.
    pub allowed: AllowedEndpoints,
    /// The time, for signatures.
    pub clock: Clock,
    /// Chance, for backoff.
    pub jitter: Jitter,
    /// Name look-up.
    pub resolver: Arc<dyn Resolver>,
    /// Sees every attempt.
    pub observer: Arc<dyn Observer>,
    /// Whether this process may write.
    pub fence: Fence,
}

/// Why there is no client.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The allow-list does not name the endpoint.
    #[error("{0} is not in --allowed-endpoints")]
    EndpointNotAllowed(Endpoint),
    /// No HTTP client could be made.
    #[error(transparent)]
    Transport(#[from] SetUpTransport),
}

/// A client of one Clinch account.
#[derive(Clone)]
pub struct Client(Arc<Inner>, Option<Leave>);

struct Inner {
    integration: Arc<str>,
    config: ClientConfig,
    base: Url,
    account: Arc<Account>,
    gate: Gate,
    stack: Stack<Transport>,
    clock: Clock,
    observer: Arc<dyn Observer>,
}

impl Surroundings {
    /// The connection pool to an endpoint, if the endpoint may be used.
    pub(super) fn transport(
        &self,
        endpoint: &Endpoint,
        connect: Duration,
    ) -> Result<Transport, ConnectError> {
        let allowed = self
            .allowed
            .check(endpoint)
            .ok_or_else(|| ConnectError::EndpointNotAllowed(endpoint.clone()))?;
        Ok(Transport::new(Arc::clone(&self.resolver), allowed, connect)?)
    }
}

impl Client {
    /// A client of its own, with its own rate bucket and breaker. Long-lived users take one from the
    /// registry instead. `integration` names it to the observer.
    pub fn connect(
        integration: &str,
        config: ClientConfig,
        surroundings: &Surroundings,
    ) -> Result<Self, ConnectError> {
        let transport = surroundings.transport(&config.endpoint, config.timeouts.connect)?;
        let account = Arc::new(Account::new(config.limits));
        Ok(Self::over(transport, account, integration, config, surroundings))
    }

    /// A client over a pool and an account that exist. The endpoint was checked with the pool.
    pub(super) fn over(
        transport: Transport,
        account: Arc<Account>,
        integration: &str,
        config: ClientConfig,
        surroundings: &Surroundings,
    ) -> Self {
        let integration: Arc<str> = integration.into();
        let shutter = Shutter::default();
        let parts = layers::Parts {
            shutter: shutter.clone(),
            integration: Arc::clone(&integration),
            credentials: config.credentials.clone(),
            timeouts: config.timeouts,
            clock: surroundings.clock.clone(),
            jitter: surroundings.jitter.clone(),
            fence: surroundings.fence.clone(),
            account: Arc::clone(&account),
            observer: Arc::clone(&surroundings.observer),
        };
        Self(
            Arc::new(Inner {
                integration,
                base: config.endpoint.base(config.version),
                config,
                gate: Gate::new(shutter, Arc::clone(&account)),
                account,
                stack: layers::stack(parts, transport),
                clock: surroundings.clock.clone(),
                observer: Arc::clone(&surroundings.observer),
            }),
            None,
        )
    }

    /// The same client for somebody whose leave to use the account may end: then every attempt
    /// of theirs is refused with [`ClinchError::Withdrawn`] before it is sent.
    #[must_use]
    pub fn under(&self, leave: Leave) -> Self {
        Self(Arc::clone(&self.0), Some(leave))
    }

    /// The contract in use.
    pub fn contract(&self) -> &Contract {
        &self.0.config.contract
    }

    /// The origin in use.
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.config.endpoint
    }

    /// Whether the credential is known as rejected (401), as a signal to wait on. It turns by
    /// itself when a call or [`Client::probe`] is accepted.
    pub fn rejected(&self) -> watch::Receiver<bool> {
        self.0.gate.rejected()
    }

    /// Whether two handles are of one client.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The published API document: `GET` on the base URL. `NotFound`: there is none.
    pub async fn openapi(&self) -> Result<Bytes, ClinchError> {
        let url = self.0.base.clone();
        let mut outgoing = Outgoing::new("openApi", Effect::Read, Method::GET, url);
        outgoing.answer_cap = MAX_DOCUMENT_BYTES;
        outgoing.patience = Errand::Verify.patience();
        Ok(self.send_any(None, outgoing, false).await?.body)
    }

    /// Where an operation is, with `id` in its placeholder.
    fn url(&self, op: Op, id: Option<&ClinchId>) -> Url {
        let mut url = self.0.base.clone();
        let path = format!("{}{}", url.path(), self.contract().operation(op).path_for(id));
        url.set_path(&path);
        url
    }

    /// Sends a request of an operation that the contract permits.
    async fn send(&self, op: Op, outgoing: Outgoing, asked: bool) -> Result<Answer, ClinchError> {
        let config = &self.0.config;
        config.contract.permits(op, config.environment, &config.accepted_writes)?;
        self.send_any(Some(op), outgoing, asked).await
    }

    async fn send_any(
        &self,
        op: Option<Op>,
        mut outgoing: Outgoing,
        asked: bool,
    ) -> Result<Answer, ClinchError> {
        let inner = &*self.0;
        outgoing.leave.clone_from(&self.1);
        outgoing.asked = asked;
        let passage = inner.gate.enter(asked)?;
        let sent = outgoing.body.clone();
        let mut result = match inner.stack.clone().oneshot(outgoing).await {
            // Said by another request, whose own end tells the gate what it means.
            Err(failure @ Failure::Shut) => return Err(failure.into()),
            Ok(answer) => interpret(answer, op, inner.clock.now()),
            Err(failure) => Err(failure.into()),
        };
        if let Err(ClinchError::Rejected { fields, .. }) = &mut result {
            keep_sent(fields, sent.as_deref().unwrap_or_default());
        }
        if passage.ended(&result) {
            inner.observer.credentials_rejected(&inner.integration);
        }
        result
    }

    /// Reads one resource.
    async fn read_one(&self, op: Op, id: &ClinchId) -> Result<Resource, ClinchError> {
        let outgoing = Outgoing::new(op.name(), op.effect(), Method::GET, self.url(op, Some(id)));
        let answer = self.send(op, outgoing, false).await?;
        one(&answer).ok_or(ClinchError::NotClinch(NotClinchSign::NoData))
    }

    /// Writes one resource; the body is encoded once and shared by all attempts.
    async fn write(
        &self,
        op: Op,
        id: Option<&ClinchId>,
        body: Bytes,
    ) -> Result<Answer, ClinchError> {
        let method = match self.contract().operation(op).method {
            Verb::Get => Method::GET,
            Verb::Post => Method::POST,
            Verb::Patch => Method::PATCH,
            Verb::Put => Method::PUT,
        };
        let mut outgoing = Outgoing::new(op.name(), op.effect(), method, self.url(op, id));
        outgoing.body = Some(body);
        let result = self.send(op, outgoing, false).await;
        match (op.effect(), result) {
            // A page in place of an answer does not say that nothing was created.
            (
                Effect::Create,
                Err(ClinchError::NotClinch(NotClinchSign::Html | NotClinchSign::Redirect)),
            ) => Err(ClinchError::Ambiguous(Doubt::Unclear)),
            (_, result) => result,
        }
    }
}

/// The one resource of an answer.
fn one(answer: &Answer) -> Option<Resource> {
    match serde_json::from_slice::<Document>(&answer.body).ok()?.data {
        PrimaryData::One(resource) => Some(*resource),
        PrimaryData::Absent | PrimaryData::None | PrimaryData::Many(_) => None,
    }
}

/// Drops names that are not among the attributes sent: only those are ours, the others are text of
/// the answer that looks like a name.
fn keep_sent(fields: &mut Vec<String>, body: &[u8]) {
    let sent = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let sent = sent.pointer("/data/attributes").and_then(Value::as_object);
    fields.retain(|field| sent.is_some_and(|sent| sent.contains_key(field)));
}

/// Encodes a request document.
fn encode<A: Serialize>(resource: NewResource<'_, A>) -> Bytes {
    let bytes = serde_json::to_vec(&Request { data: resource });
    bytes.expect("JSON values with text keys always serialise").into()
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({}, {})", self.0.integration, self.0.config.endpoint)
    }
}
