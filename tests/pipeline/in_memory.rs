//! The emulator without a socket, so that runs can be observed on paused time; and something in between
//! that changes its answers.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use clinch_operator::{
    api::{ApiVersion, Environment},
    clinch::{
        AllowedEndpoints, CallError, Client, ClientConfig, ClientDeps, Contract, Endpoint, Jitter,
        Limits, Response, SignedRequest, Timeouts, Transport, Unobserved,
    },
    domain::{Clock, Credentials, Fence},
    ledger::MemoryStore,
    sandbox::{Options, Sandbox},
};
use futures::future::BoxFuture;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tokio::time::Instant;

use crate::setup::{SECRET, Store, World, suppressions};

/// What is between client and emulator: answers a request itself, or lets it pass.
pub(crate) type Between = Box<dyn Fn(&SignedRequest) -> Option<Response> + Send + Sync>;

/// An answer of something in between.
pub(crate) fn answer(status: u16, retry_after: Option<&str>) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/vnd.api+json".parse().unwrap());
    if let Some(delay) = retry_after {
        headers.insert("retry-after", delay.parse().unwrap());
    }
    let status = StatusCode::from_u16(status).unwrap();
    Response { status, headers, body: Bytes::from_static(b"{}") }
}

/// A request as the emulator receives it: when, and method with path and query.
pub(crate) type Sent = (Instant, String);

/// Passes requests to the emulator.
struct InMemory {
    sandbox: Arc<Sandbox>,
    between: Between,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Transport for InMemory {
    fn send(&self, signed: SignedRequest) -> BoxFuture<'_, Result<Response, CallError>> {
        let SignedRequest { request, .. } = &signed;
        let line = format!("{} {}", request.method, request.path_and_query());
        self.sent.lock().unwrap().push((Instant::now(), line));
        Box::pin(async move {
            if let Some(answer) = (self.between)(&signed) {
                return Ok(answer);
            }
            let SignedRequest { request, .. } = &signed;
            let body = request.body.clone().unwrap_or_else(Bytes::new);
            let mut passed = http::Request::new(Full::new(body));
            *passed.method_mut() = request.method.clone();
            *passed.uri_mut() = request.path_and_query().parse().unwrap();
            *passed.headers_mut() = signed.headers();
            let answer = self.sandbox.answer(passed).await.ok_or(CallError::Cut)?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            if body.len() > request.max_response_bytes {
                return Err(CallError::ResponseTooLarge);
            }
            Ok(Response { status: head.status, headers: head.headers, body })
        })
    }
}

/// An emulator without a socket, and what it received.
pub(crate) struct Unplugged {
    pub(crate) world: World,
    pub(crate) sent: Arc<Mutex<Vec<Sent>>>,
}

impl Unplugged {
    /// With the timeouts of the operator.
    pub(crate) async fn new(options: Options, between: Between) -> Self {
        let sandbox = Arc::new(Sandbox::start(options).await.unwrap());
        let sent = Arc::default();
        let transport = InMemory { sandbox: sandbox.clone(), between, sent: Arc::clone(&sent) };
        let client = client(Arc::new(transport), &sandbox.base_url());
        let suppressions = suppressions(&MemoryStore::default()).await;
        let (guard, store) = (Arc::default(), Store::default());
        Self { world: World { sandbox, client, guard, store, suppressions }, sent }
    }
}

fn client(transport: Arc<dyn Transport>, origin: &str) -> Client {
    let config = ClientConfig {
        endpoint: Endpoint::parse(origin, Environment::Sandbox).unwrap(),
        version: ApiVersion::V2,
        environment: Environment::Sandbox,
        credentials: Credentials::parse("AKTEST", SECRET).unwrap(),
        contract: Arc::new(Contract::built_in()),
        accepted_writes: Vec::new(),
        limits: Limits::default(),
        timeouts: Timeouts { orphaned: Duration::from_millis(50), ..Timeouts::default() },
    };
    let random = Mutex::new(fastrand::Rng::with_seed(5));
    let deps = ClientDeps {
        allowed: AllowedEndpoints::listed([origin]).unwrap(),
        clock: Clock::new(jiff::Timestamp::now),
        jitter: Jitter::new(move || random.lock().unwrap().f64()),
        resolver: Arc::new(clinch_operator::network::SystemResolver),
        proxy: clinch_operator::network::OutboundProxy::default(),
        observer: Arc::new(Unobserved),
        fence: Fence::open(),
    };
    Client::over(transport, "uid", config, &deps)
}
