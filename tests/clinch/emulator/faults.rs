//! Faults, rate limit and control endpoints.

use std::time::{Duration, Instant};

use super::support::{Caller, start, start_with};

const PERSON: &str = r#"{"data":{"type":"candidate","attributes":{"email":"a@example.com"}}}"#;

async fn create(caller: &Caller) -> Result<super::support::Reply, reqwest::Error> {
    let body = serde_json::from_str(PERSON).unwrap();
    caller.try_call("POST", "/v2/candidates", Some(&body)).await
}

fn first_create(action: &str) -> String {
    format!("[{{operation: createCandidate, nth: 1, action: {action}}}]")
}

#[tokio::test]
async fn a_reset_before_commit_stores_nothing_and_one_after_commit_stores_all() {
    for (action, stored) in [("resetBeforeCommit: {}", 0), ("resetAfterCommit: {}", 1)] {
        let (sandbox, caller) = start_with("", &first_create(&format!("{{{action}}}"))).await;
        let lost = create(&caller).await.unwrap_err();
        assert!(lost.is_request() && !lost.is_connect() && lost.status().is_none(), "{action}");
        assert_eq!(sandbox.people("first").len(), stored, "{action}");
        assert_eq!(sandbox.requests().by_operation["createCandidate -"], 1);
        // Only the first call fails.
        let next = create(&caller).await.unwrap();
        assert_eq!(next.status, if stored == 0 { 201 } else { 422 });
    }
}

#[tokio::test]
async fn a_scripted_status_stores_nothing_and_says_when_to_come_again() {
    let action = "{status: {code: 429, retryAfter: 7}}";
    let (sandbox, caller) = start_with("", &first_create(action)).await;
    let reply = create(&caller).await.unwrap();
    assert_eq!((reply.status, &reply.headers["retry-after"]), (429, &"7".parse().unwrap()));
    assert!(sandbox.people("first").is_empty());
    let (_sandbox, caller) =
        start_with("", &first_create("{status: {code: 502, html: true}}")).await;
    let reply = create(&caller).await.unwrap();
    assert_eq!(reply.status, 502);
    assert!(reply.headers["content-type"].to_str().unwrap().starts_with("text/html"));
}

#[tokio::test]
async fn answers_are_spoiled_after_the_request_was_carried_out() {
    for action in ["{truncated: {}}", "{html: {}}", "{oversized: {bytes: 300000}}"] {
        let (sandbox, caller) = start_with("", &first_create(action)).await;
        let reply = create(&caller).await.unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(&reply.text).is_err(), "{action}");
        match action {
            "{html: {}}" => assert_eq!((reply.status, reply.text.starts_with('<')), (200, true)),
            "{truncated: {}}" => assert!(reply.status == 201 && reply.text.starts_with("{\"data")),
            _ => assert_eq!(reply.text.len(), 300_000),
        }
        assert_eq!(sandbox.people("first").len(), 1, "{action}");
    }
}

#[tokio::test]
async fn a_wrong_date_a_redirect_and_a_stall_are_as_scripted() {
    let faults = "[{nth: 1, action: {wrongDate: {offsetSeconds: -3600}}},
        {nth: 2, action: {redirect: {location: 'http://127.0.0.1:9/'}}},
        {nth: 3, action: {stall: {ms: 300}}}]";
    let (_sandbox, caller) = start_with("", faults).await;
    let reply = caller.get("/v2/candidates").await;
    let date = jiff::fmt::rfc2822::parse(reply.headers["date"].to_str().unwrap()).unwrap();
    let behind = jiff::Timestamp::now().as_second() - date.timestamp().as_second();
    assert!((3600..3660).contains(&behind), "{behind}");
    let reply = caller.get("/v2/candidates").await;
    assert_eq!(
        (reply.status, &reply.headers["location"]),
        (302, &"http://127.0.0.1:9/".parse().unwrap())
    );
    let started = Instant::now();
    assert_eq!(caller.get("/v2/candidates").await.status, 200);
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn requests_beyond_the_rate_limit_get_the_time_to_wait() {
    let contract = "rateLimit: {requestsPerSecond: 0.01, burst: 2}";
    let (sandbox, caller) = start(contract).await;
    for status in [200, 200, 429] {
        assert_eq!(caller.get("/v2/candidates").await.status, status);
    }
    let refused = create(&caller).await.unwrap();
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(refused.status == 429 && (90..=100).contains(&wait), "{wait}");
    assert!(sandbox.people("first").is_empty());
}

#[tokio::test]
async fn a_client_that_hangs_up_is_no_longer_under_way() {
    let (sandbox, caller) = start_with("", "[{to: 3, action: {stall: {ms: 600000}}}]").await;
    let under_way = async |expected: u64| {
        let seen = async {
            while sandbox.requests().under_way != expected {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(2), seen).await.unwrap();
    };
    for _ in 0..3 {
        // A new connection each time, dropped with its client.
        let caller = Caller::new(&sandbox.base_url(), super::support::FIRST);
        let call = tokio::spawn(async move { caller.get("/v2/candidates").await.status });
        under_way(1).await;
        call.abort();
        under_way(0).await;
    }
    assert_eq!(caller.get("/v2/candidates").await.status, 200);
    assert_eq!(sandbox.requests().max_concurrent, 1);
}

#[tokio::test]
async fn the_control_endpoints_show_and_change_the_emulator() {
    let (sandbox, caller) = start("").await;
    let control = async |path: &str, body: &str| {
        let method = if body.is_empty() { "GET" } else { "POST" };
        let reply = caller.unsigned(method, &format!("/_sandbox/{path}"), body).await;
        (reply.status, reply.text)
    };
    assert_eq!(control("healthz", "").await.0, 200);
    caller.person("a@example.com").await;
    let state = caller.unsigned("GET", "/_sandbox/state?account=first", "").await;
    assert_eq!(state.at("/people/0/attributes/email"), "a@example.com");
    let all = caller.unsigned("GET", "/_sandbox/state", "").await;
    assert_eq!(all.at("/second/people").as_array().unwrap().len(), 0);
    let counts = caller.unsigned("GET", "/_sandbox/requests", "").await;
    assert_eq!(counts.at("/byOperation/createCandidate 201"), 1);

    assert_eq!(control("duplicateEmail", r#"{"policy": "allow"}"#).await.0, 200);
    assert_eq!(caller.person("a@example.com").await.status, 201);
    assert_eq!(
        control("faults", r#"[{"times": 1, "action": {"status": {"code": 503}}}]"#).await.0,
        200
    );
    assert_eq!(caller.get("/v2/candidates").await.status, 503);
    assert_eq!(caller.get("/v2/candidates").await.status, 200);
    assert_eq!(control("clock", r#"{"offsetSeconds": 1000}"#).await.0, 200);
    assert_eq!(caller.get("/v2/candidates").await.status, 401);
    assert_eq!(control("clock", r#"{"offsetSeconds": 0}"#).await.0, 200);
    assert_eq!(control("latency", r#"{"ms": 200}"#).await.0, 200);
    let started = Instant::now();
    caller.get("/v2/candidates").await;
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert_eq!(control("latency", r#"{"ms": 0}"#).await.0, 200);

    assert_eq!(control("revoke", r#"{"accessKey": "AKFIRST"}"#).await.0, 200);
    assert_eq!(caller.get("/v2/candidates").await.status, 401);
    let again = r#"{"name": "first", "accessKey": "AKFIRST", "secret": "secret/one+="}"#;
    assert_eq!(control("credential", again).await.0, 200);
    assert_eq!(caller.get("/v2/candidates").await.count(), 2);
    assert_eq!(control("reset", "{}").await.0, 200);
    assert!(sandbox.people("first").is_empty());

    for (path, body, named) in [
        ("clock", r#"{"offset": 1}"#, "offset"),
        (
            "faults",
            r#"[{"operation": "createCandidat", "action": {"html": {}}}]"#,
            "createCandidat",
        ),
        ("faults", r#"[{"action": {"explode": {}}}]"#, "explode"),
        ("latency", r#"{"ms": 1, "seconds": 2}"#, "seconds"),
    ] {
        let (status, text) = control(path, body).await;
        assert!(status == 400 && text.contains(named), "{path}: {status} {text}");
    }
    assert_eq!(control("nothing", "").await.0, 404);
}
