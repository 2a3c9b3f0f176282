//! Requests that are carried out late: after an answer that says they failed, and after the death
//! of their client.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use clinch_operator::sandbox::{Action, Fault, Sandbox};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;

use super::support::{Caller, FIRST, start, start_with};

fn late(action: &str) -> String {
    format!("[{{operation: createCandidate, nth: 1, action: {{late: {{{action}}}}}}}]")
}

/// Waits until the emulator is as expected.
async fn until(sandbox: &Sandbox, expected: impl Fn(&Sandbox) -> bool) {
    let seen = async {
        while !expected(sandbox) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), seen).await.unwrap();
}

#[tokio::test]
async fn a_gateway_says_that_a_request_failed_which_is_carried_out_later() {
    for (answer, code, html) in
        [("code: 504", 504, false), ("code: 502, html: true", 502, true), ("code: 408", 408, false)]
    {
        let action = format!("commitMs: 1500, answerMs: 20, {answer}");
        let (sandbox, caller) = start_with("", &late(&action)).await;
        let reply = caller.person("a@example.com").await;
        assert_eq!((reply.status, reply.text.starts_with('<')), (code, html));
        assert_eq!(sandbox.people("first").len(), 0, "not yet");
        assert_eq!(sandbox.requests().under_way, 1, "it is still to be carried out");
        until(&sandbox, |sandbox| sandbox.requests().under_way == 0).await;
        assert_eq!(sandbox.people("first").len(), 1);
        let counts = sandbox.requests();
        assert_eq!((counts.with("createCandidate", code), counts.total), (1, 1));
        assert_eq!(caller.person("a@example.com").await.status, 422, "only one is struck");
    }
}

#[tokio::test]
async fn a_connection_may_be_cut_long_before_the_request_is_carried_out() {
    let (sandbox, caller) = start_with("", &late("commitMs: 1500, answerMs: 0")).await;
    let body = super::support::with(&serde_json::json!({"email": "a@example.com"}));
    let lost = caller.try_call("POST", "/v2/candidates", Some(&body)).await.unwrap_err();
    assert!(lost.is_request() && lost.status().is_none());
    assert_eq!(sandbox.people("first").len(), 0, "not yet");
    until(&sandbox, |sandbox| sandbox.requests().under_way == 0).await;
    assert_eq!(sandbox.people("first").len(), 1);
    assert_eq!(sandbox.requests().by_operation["createCandidate -"], 1);
}

#[tokio::test]
async fn without_an_answer_of_its_own_the_client_gets_the_real_one() {
    let (sandbox, caller) = start("searchLagMs: 600000").await;
    let action = || Action::Late { commit_ms: 300, answer_ms: None, code: None, html: false };
    sandbox.set_faults(vec![Fault::always("createCandidate", action()).times(2)]);
    let started = Instant::now();
    let created = caller.person("a@example.com").await;
    assert!(created.status == 201 && started.elapsed() >= Duration::from_millis(300));
    assert_eq!(caller.person("a@example.com").await.status, 422, "refused as ever");
    let counts = sandbox.requests();
    assert_eq!([201, 422].map(|status| counts.with("createCandidate", status)), [1, 1]);
    assert_eq!(counts.total, 2);
}

#[tokio::test]
async fn a_slow_create_survives_the_death_of_its_client() {
    let (sandbox, _) = start_with("", &late("commitMs: 1500")).await;
    let caller = Caller::new(&sandbox.base_url(), FIRST);
    let call = tokio::spawn(async move { caller.person("a@example.com").await.status });
    until(&sandbox, |sandbox| sandbox.requests().under_way == 1).await;
    call.abort();
    // Counted as unanswered once the connection is gone.
    until(&sandbox, |sandbox| sandbox.requests().total == 1).await;
    assert_eq!(sandbox.people("first").len(), 0, "not yet");
    until(&sandbox, |sandbox| sandbox.requests().under_way == 0).await;
    assert_eq!(sandbox.people("first").len(), 1);
    let counts = sandbox.requests();
    assert_eq!((counts.by_operation["createCandidate -"], counts.total), (1, 1));
}

#[tokio::test]
async fn a_request_overtakes_none_that_should_have_been_carried_out_before() {
    let (sandbox, caller) = start_with("", &late("commitMs: 1200, answerMs: 0, code: 504")).await;
    assert_eq!(caller.person("a@example.com").await.status, 504);
    tokio::time::pause();
    // The time has come, and no task of the emulator has run since, as on a machine that is busy.
    let mut passes = pin!(tokio::time::advance(Duration::from_millis(1200)));
    assert!(futures::poll!(&mut passes).is_pending());
    let state = http::Request::get("/_sandbox/state?account=first").body(Full::default()).unwrap();
    let answer = sandbox.answer(state).await.unwrap().into_body().collect().await.unwrap();
    let state: Value = serde_json::from_slice(&answer.to_bytes()).unwrap();
    assert_eq!(state["people"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_late_request_needs_a_signature_like_any_other() {
    let (sandbox, _) = start_with("", &late("commitMs: 0, answerMs: 50, code: 500")).await;
    let stranger = Caller::new(&sandbox.base_url(), (FIRST.0, "wrong"));
    assert_eq!(stranger.person("a@example.com").await.status, 500);
    until(&sandbox, |sandbox| sandbox.requests().under_way == 0).await;
    assert!(sandbox.people("first").is_empty());
    let faults = vec![Fault::always(
        "createCandidate",
        Action::Late { commit_ms: 0, answer_ms: None, code: None, html: false },
    )];
    sandbox.set_faults(faults);
    assert_eq!(stranger.person("a@example.com").await.status, 401);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_requests_that_are_far_off() {
    let (sandbox, caller) = start_with("", &late("commitMs: 600000, answerMs: 0, code: 503")).await;
    assert_eq!(caller.person("a@example.com").await.status, 503);
    tokio::time::timeout(Duration::from_mins(2), sandbox.stop()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_late_action_that_contradicts_itself_is_refused_by_name() {
    let (_sandbox, caller) = start("").await;
    for (action, named) in [
        (r#"{"commitMs": 1, "code": 502}"#, "answerMs"),
        (r#"{"commitMs": 1, "answerMs": 1, "html": true}"#, "html"),
        (r#"{"commitMs": 1, "answerMs": 1, "code": 99}"#, "99"),
        (r#"{"answerMs": 1}"#, "commitMs"),
        (r#"{"commitMs": 1, "afterMs": 1}"#, "afterMs"),
    ] {
        let faults = format!(r#"[{{"action": {{"late": {action}}}}}]"#);
        let reply = caller.unsigned("POST", "/_sandbox/faults", &faults).await;
        assert!(reply.status == 400 && reply.text.contains(named), "{action}: {}", reply.text);
    }
}
