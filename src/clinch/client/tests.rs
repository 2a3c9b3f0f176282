//! A client over an in-memory transport: no socket.

use std::sync::Mutex;

use futures::future::BoxFuture;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::*;
use crate::{
    api::Region,
    clinch::{Unobserved, wire::SignedRequest},
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
    let config = ClientConfig {
        endpoint: Endpoint::of_region(Region::Eu),
        version: ApiVersion::V2,
        environment: Environment::Production,
        credentials: Credentials::parse("KEY", "secret").unwrap(),
        contract: Arc::new(Contract::built_in()),
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
    assert_eq!(text("content-type"), "application/vnd.api+json");
    assert_eq!(text("date"), "Thu, 05 Mar 2026 12:00:00 GMT");
    assert!(text("authorization").starts_with("APIAuth KEY:"));
}
