//! The Clinch emulator under stress and odd rules: many clients at once, limits by rule, changed
//! names, ids that no two accounts share. Its plain behaviour is in the files beside this one.

use std::{collections::BTreeSet, time::Duration};

use clinch_operator::sandbox::{Action, Fault, Sandbox};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::support::{Caller, FIRST, SECOND, options, start, start_with, with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_creates_of_one_address_at_once_one_wins() {
    let (sandbox, caller) = start("").await;
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..64 {
        let caller = caller.clone();
        // Half of them write the address in another case: it is the same person.
        let email = if at % 2 == 0 { "ada@example.com" } else { "Ada@Example.COM" };
        tasks.spawn(async move { caller.person(email).await.status });
    }
    let statuses = tasks.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1);
    assert_eq!(statuses.iter().filter(|status| **status == 422).count(), 63);
    assert_eq!(sandbox.people("first").len(), 1);
    let counts = sandbox.requests();
    assert_eq!((counts.of("createCandidate"), counts.total), (64, 64));
}

#[tokio::test]
async fn no_two_accounts_give_out_the_same_id() {
    let (sandbox, first) = start("").await;
    let second = Caller::new(&sandbox.base_url(), SECOND);
    let mut ids = BTreeSet::new();
    for caller in [&first, &second] {
        for name in ["a", "b", "c"] {
            let id = caller.person(&format!("{name}@example.com")).await.id();
            assert!(id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
            ids.insert(id);
        }
        for job in caller.get("/v2/jobs").await.at("/data").as_array().unwrap() {
            ids.insert(job["id"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(ids.len(), 2 * (3 + 3));
}

#[tokio::test]
async fn a_limit_by_rule_applies_to_its_operation_only() {
    let faults = "[{operation: '*', method: POST, action: {rateLimit: \
                  {requestsPerSecond: 0.001, burst: 2}}}]";
    let (sandbox, caller) = start_with("", faults).await;
    let mut statuses = Vec::new();
    for name in ["a", "b", "c"] {
        statuses.push(caller.person(&format!("{name}@example.com")).await.status);
    }
    assert_eq!(statuses, [201, 201, 429]);
    let wait = caller.person("d@example.com").await.headers["retry-after"].to_str().unwrap().len();
    assert!(wait >= 3, "a thousand seconds are stated");
    assert_eq!(caller.get("/v2/candidates").await.status, 200);
    assert_eq!(sandbox.people("first").len(), 2);
}

#[tokio::test]
async fn an_answer_of_no_json_was_carried_out_all_the_same() {
    let (sandbox, caller) = start("").await;
    sandbox.set_faults(vec![Fault::always("createCandidate", Action::NotJson {}).times(1)]);
    let reply = caller.person("ada@example.com").await;
    assert_eq!(reply.status, 201);
    assert!(serde_json::from_str::<Value>(&reply.text).is_err());
    assert_eq!(sandbox.people("first").len(), 1);
}

#[tokio::test]
async fn a_cut_connection_gives_not_one_byte() {
    let (sandbox, _) = start("").await;
    sandbox.set_faults(vec![Fault::always("*", Action::ResetBeforeCommit {})]);
    let mut stream = TcpStream::connect(sandbox.address()).await.unwrap();
    stream.write_all(b"GET /v2/candidates HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut received = Vec::new();
    // An end or a reset; a reset is an error of its own and no answer either.
    let _ended = stream.read_to_end(&mut received).await;
    assert_eq!(received, b"");
    assert_eq!(sandbox.requests().of("listCandidates"), 1);
}

#[tokio::test]
async fn tags_are_texts_and_an_address_of_another_is_refused() {
    let (_sandbox, caller) = start("").await;
    let tags = json!({"email": "ada@example.com", "tags": ["rust", 7]});
    let refused = caller.post("/v2/candidates", &with(&tags)).await;
    assert_eq!((refused.status, refused.points_at().as_str()), (422, "/data/attributes/tags"));
    let ada = caller.person("ada@example.com").await.id();
    caller.person("bob@example.com").await;
    let path = format!("/v2/candidates/{ada}");
    let moved = caller.patch(&path, &with(&json!({"email": "BOB@example.com"}))).await;
    assert_eq!((moved.status, moved.points_at().as_str()), (422, "/data/attributes/email"));
    let own = caller.patch(&path, &with(&json!({"email": "Ada@example.com"}))).await;
    assert_eq!(own.status, 200, "{}", own.text);
}

#[tokio::test]
async fn a_strict_emulator_wants_the_type_of_the_resource() {
    let (_sandbox, caller) = start("strict: true").await;
    let mut statuses = Vec::new();
    for kind in ["candidate", "candidates", "job"] {
        let body = json!({"data": {"type": kind, "attributes":
            {"email": format!("{kind}@example.com")}}});
        statuses.push(caller.post("/v2/candidates", &body).await.status);
    }
    let body = json!({"data": {"attributes": {"email": "none@example.com"}}});
    statuses.push(caller.post("/v2/candidates", &body).await.status);
    assert_eq!(statuses, [201, 201, 422, 201]);
}

#[tokio::test]
async fn the_filter_is_called_as_the_document_says() {
    let (_sandbox, caller) = start("filter: {email: mail}").await;
    caller.person("ada@example.com").await;
    caller.person("bob@example.com").await;
    let document = caller.unsigned("GET", "/v2", "").await;
    let filter = "/components/parameters/candidateFilter/schema/properties";
    assert!(document.at(filter).get("mail").is_some(), "{}", document.at(filter));
    assert_eq!(caller.get("/v2/candidates?filter[mail]=BOB@example.com").await.count(), 1);
    assert_eq!(caller.get("/v2/candidates?filter[email]=bob@example.com").await.count(), 2);
}

#[tokio::test]
async fn without_a_document_the_base_url_is_like_any_unknown_path() {
    let (_sandbox, caller) = start("openapi: false").await;
    assert_eq!(caller.unsigned("GET", "/v2", "").await.status, 401);
    assert_eq!(caller.get("/v2").await.status, 404);
}

#[tokio::test]
async fn lists_are_complete_and_in_order_at_every_page_size() {
    let seed: Vec<Value> = (0..257)
        .map(|at| json!({"email": format!("p{at}@example.com"), "archived": at == 3}))
        .collect();
    let seed = json!({"first": {"people": seed}}).to_string();
    let sandbox = Sandbox::start(options("", "", &seed)).await.unwrap();
    let caller = Caller::new(&sandbox.base_url(), FIRST);
    for size in [1, 7, 100, 1000] {
        let mut path = format!("/v2/candidates?page=1&per_page={size}");
        let mut seen = Vec::new();
        loop {
            let reply = caller.get(&path).await;
            assert_eq!(reply.at("/meta/total_count"), 257);
            let page = reply.at("/data");
            seen.extend(page.as_array().unwrap().iter().map(|p| p["attributes"]["email"].clone()));
            let Some(next) = reply.at("/links/next").as_str().map(str::to_owned) else { break };
            path = next;
        }
        let expected: Vec<String> = (0..257).map(|at| format!("p{at}@example.com")).collect();
        assert_eq!(seen, expected, "{size}");
    }
    let archived = caller.get("/v2/candidates?filter[email]=p3@example.com").await;
    assert_eq!(archived.at("/data/0/attributes/archived"), true);
}

#[tokio::test]
async fn a_stop_lets_a_request_in_flight_end() {
    let (sandbox, caller) = start("").await;
    sandbox.set_latency(Duration::from_millis(200));
    let request = tokio::spawn(async move { caller.person("ada@example.com").await.status });
    while sandbox.requests().max_concurrent == 0 {
        tokio::task::yield_now().await;
    }
    sandbox.stop().await.unwrap();
    assert_eq!(request.await.unwrap(), 201);
}

#[tokio::test]
async fn kept_data_is_there_again_and_new_ids_stay_new() {
    let folder = tempfile::tempdir().unwrap();
    let mut ids = BTreeSet::new();
    for name in ["ada", "bob"] {
        let mut options = options("", "", "");
        options.data = Some(folder.path().join("data.json"));
        let sandbox = Sandbox::start(options).await.unwrap();
        let caller = Caller::new(&sandbox.base_url(), FIRST);
        ids.insert(caller.person(&format!("{name}@example.com")).await.id());
        let found = caller.get("/v2/candidates?filter[email]=ada@example.com").await;
        assert_eq!(found.count(), 1, "{name}");
        assert_eq!(sandbox.people("first").len(), ids.len());
        sandbox.stop().await.unwrap();
    }
    assert_eq!(ids.len(), 2);
}
