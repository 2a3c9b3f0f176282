//! A client over an in-memory transport: no socket.

use std::sync::Mutex;

use futures::future::BoxFuture;
use http::{HeaderMap, StatusCode};
use serde_json::json;
use tokio::time::sleep;

use super::*;
use crate::{
    api::{ApiVersion, Environment, Region},
    clinch::{
        Unobserved,
        bucket::Limits,
        contract,
        endpoint::AllowedEndpoints,
        layers::{Jitter, Timeouts},
        wire::{CallError, Response, SignedRequest},
    },
    domain::{Credentials, Fence},
    network::{OutboundProxy, SystemResolver},
};

/// Records each request and answers it with `201` and a candidate.
#[derive(Default)]
struct Recorder(Mutex<Vec<SignedRequest>>);

impl Transport for Recorder {
    fn send(&self, request: SignedRequest) -> BoxFuture<'_, Result<Response, CallError>> {
        self.0.lock().unwrap().push(request);
        let body = json!({"data": {"id": "c1", "type": "candidate", "attributes": {}}});
        let body = Bytes::from(body.to_string());
        let response = Response { status: StatusCode::CREATED, headers: HeaderMap::new(), body };
        Box::pin(async { Ok(response) })
    }
}

fn client(transport: Arc<dyn Transport>) -> Client {
    client_with(transport, Contract::built_in())
}

fn client_with(transport: Arc<dyn Transport>, contract: Contract) -> Client {
    let config = ClientConfig {
        endpoint: Endpoint::of_region(Region::Eu),
        version: ApiVersion::V2,
        environment: Environment::Production,
        credentials: Credentials::parse("KEY", "secret").unwrap(),
        contract: Arc::new(contract),
        accepted_writes: Vec::new(),
        limits: Limits::default(),
        timeouts: Timeouts::default(),
    };
    let deps = ClientDeps {
        allowed: AllowedEndpoints::documented(),
        clock: Clock::fixed("2026-03-05T12:00:00Z".parse().unwrap()),
        jitter: Jitter::new(|| 0.0),
        resolver: Arc::new(SystemResolver),
        proxy: OutboundProxy::default(),
        observer: Arc::new(Unobserved),
        fence: Fence::open(),
    };
    Client::over(transport, "integration", config, &deps)
}

/// Answers every request with an empty list, after a while.
struct Slow(Duration);

impl Transport for Slow {
    fn send(&self, _: SignedRequest) -> BoxFuture<'_, Result<Response, CallError>> {
        Box::pin(async {
            sleep(self.0).await;
            let body = Bytes::from(json!({"data": []}).to_string());
            Ok(Response { status: StatusCode::OK, headers: HeaderMap::new(), body })
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_account_is_verified_within_the_request_timeout() {
    let patience = Timeouts::default().attempt;
    let within = client(Arc::new(Slow(patience.mul_f64(0.9))));
    within.verify().await.expect("it answers in time");
    within.probe().await.expect("it answers in time");
    within.openapi().await.expect("it answers in time");
    let never = client(Arc::new(Slow(patience * 10)));
    let started = tokio::time::Instant::now();
    assert!(matches!(never.verify().await, Err(ClinchError::Timeout)));
    assert!(started.elapsed() <= patience, "a reconcile waits for it: {:?}", started.elapsed());
}

#[tokio::test]
async fn a_client_sends_the_exact_bytes_through_any_transport() {
    let recorder = Arc::new(Recorder::default());
    let client = client(recorder.clone());

    let attributes = json!({"email": "jane@example.com"}).as_object().unwrap().clone();
    let created = client.create(&attributes).await.unwrap();
    assert!(matches!(created, Created::New(candidate) if candidate.id.as_str() == "c1"));

    let sent = recorder.0.lock().unwrap().pop().unwrap();
    assert_eq!(sent.request.method, Method::POST);
    let url = "https://api.rec-marketing.dc3.pageuppeople.com/v2/candidates";
    assert_eq!(sent.request.url.as_str(), url);
    assert_eq!(
        sent.request.body.as_deref(),
        Some(
            br#"{"data":{"type":"candidate","attributes":{"email":"jane@example.com"}}}"#
                .as_slice()
        )
    );
    let headers = sent.headers();
    let text = |name: &str| headers[name].to_str().unwrap();
    assert_eq!(text("accept"), "application/vnd.api+json");
    assert_eq!(text("cache-control"), "no-cache, no-store");
    assert_eq!(text("content-type"), "application/vnd.api+json");
    assert_eq!(text("date"), "Thu, 05 Mar 2026 12:00:00 GMT");
    assert!(text("authorization").starts_with("APIAuth KEY:"));
}

/// A list of one person, who changed in 2026. `honoured`: whether the parameter for changes counts.
struct OnePerson {
    honoured: Option<bool>,
    requests: Mutex<Vec<String>>,
}

impl Transport for OnePerson {
    fn send(&self, request: SignedRequest) -> BoxFuture<'_, Result<Response, CallError>> {
        let url = &request.request.url;
        let since = url.query_pairs().find(|(name, _)| name == "updated_since");
        let since = since.map(|(_, since)| since.into_owned()).unwrap_or_default();
        let listed = match self.honoured {
            Some(true) => since.as_str() < "2026-06-01T00:00:00Z",
            Some(false) => true,
            None => false,
        };
        self.requests.lock().unwrap().push(since);
        let person = json!({"id": "c1", "type": "candidate", "attributes": {}});
        let people = if listed { vec![person] } else { Vec::new() };
        let body = Bytes::from(json!({"data": people}).to_string());
        let response = Response { status: StatusCode::OK, headers: HeaderMap::new(), body };
        Box::pin(async { Ok(response) })
    }
}

#[tokio::test]
async fn a_list_of_changes_is_used_only_after_it_was_proved() {
    let parameter = "updated_since".to_owned();
    let format = contract::TimeFormat::Rfc3339;
    let updated_since = Some(contract::UpdatedSince { parameter, format });
    for (honoured, proved) in [(Some(true), true), (Some(false), false), (None, false)] {
        let server = Arc::new(OnePerson { honoured, requests: Mutex::default() });
        let contract = Contract { updated_since: updated_since.clone(), ..Contract::built_in() };
        let client = client_with(server.clone(), contract);
        for _ in 0..3 {
            assert_eq!(client.lists_changes().await, Ok(proved), "{honoured:?}");
        }
        assert!(server.requests.lock().unwrap().len() <= 2, "tried once");
        if proved {
            let since = "2026-05-01T00:00:00Z".parse().unwrap();
            let page = client.page_in_parts(Some(since), Cursor::first()).await.unwrap();
            assert_eq!((page.people.len(), page.listed), (1, 1));
            let rest = client.page_in_parts(Some(since), page.next.unwrap()).await.unwrap();
            assert_eq!((rest.people.len(), rest.listed), (0, 1), "the parameter is on each page");
            assert_eq!(server.requests.lock().unwrap().last().unwrap(), "2026-05-01T00:00:00Z");
        }
    }
    let client = client(Arc::new(OnePerson { honoured: Some(true), requests: Mutex::default() }));
    assert_eq!(client.lists_changes().await, Ok(false), "not offered");
}

/// An empty list; notes the queries.
struct Queries(Mutex<Vec<String>>);

impl Transport for Queries {
    fn send(&self, request: SignedRequest) -> BoxFuture<'_, Result<Response, CallError>> {
        self.0.lock().unwrap().push(request.request.url.query().unwrap_or_default().to_owned());
        let body = Bytes::from_static(br#"{"data": []}"#);
        let response = Response { status: StatusCode::OK, headers: HeaderMap::new(), body };
        Box::pin(async { Ok(response) })
    }
}

#[tokio::test]
async fn a_list_is_asked_for_in_order_where_the_admin_says_how() {
    let sort = contract::Sort { parameter: "sort".to_owned(), ascending: "created_at".to_owned() };
    let server = Arc::new(Queries(Mutex::default()));
    let contract = Contract { sort: Some(sort), ..Contract::built_in() };
    client_with(server.clone(), contract).page(Cursor::first()).await.unwrap();
    client(server.clone()).page(Cursor::first()).await.unwrap();
    let queries = server.0.lock().unwrap();
    assert_eq!(queries[0], "page=1&per_page=100&sort=created_at");
    assert_eq!(queries[1], "page=1&per_page=100");
}
