//! The contract of an integration: discovered, corrected, consented to; and what a client keeps.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clinch_operator::{
    api::Environment,
    clinch::{Client, ClinchError, Op, Overrides, Registry, contract::discover},
    domain::{ClinchId, Credentials, Fence},
};
use serde_json::json;

use crate::{
    client::bench::{Bench, Seen, attributes, bench, bench_with, config, deps, everyone, key},
    fake_clinch::{Fake, Fault, KEY, raw},
};

#[tokio::test]
async fn a_published_document_and_corrections_rename_everything() {
    let Bench { fake, client, .. } = bench().await;
    let document = json!({"openapi": "3.0.3", "paths": {
        "/people": {
            "get": {"operationId": "listCandidates", "parameters": [
                {"name": "page[number]", "in": "query", "schema": {"type": "integer"}},
                {"name": "page[size]", "in": "query", "schema": {"maximum": 10}},
                {"name": "filter", "in": "query", "style": "deepObject",
                    "schema": {"properties": {"email_address": {}}}}]},
            "post": {"operationId": "createCandidate", "requestBody": {"content": {
                "application/vnd.api+json": {"schema": {"properties": {"data": {"properties": {
                    "attributes": {"required": ["email_address"], "properties": {
                        "email_address": {"type": "string", "format": "email"}}}}}}}}}}},
        },
        "/people/{uuid}": {"patch": {}, "get": {"operationId": "getCandidate"}},
    }});
    fake.behave(|b| {
        (b.people_path, b.email, b.page_cap) = ("/people", "email_address", 10);
        b.document = Some(document);
    });
    let discovered = discover(&client.openapi().await.unwrap()).unwrap();
    let mut overrides = Overrides::default();
    overrides.path("updateCandidate", "/people/{candidate_id}").unwrap();
    let mut config = config(&fake.origin());
    config.contract = Arc::new(discovered.with(&overrides));
    let seen = Arc::new(Seen::default());
    let client = Client::connect("uid", config, &deps(&fake.origin(), &seen)).unwrap();
    for n in 0..25 {
        let email = format!("p{n}@example.com");
        let person = json!({"email_address": email}).as_object().unwrap().clone();
        client.create_or_find(&key(&email), &person, false).await.unwrap();
    }
    let found = client.find(&key("P7@example.com")).await.unwrap();
    let change = json!({"first_name": "Joan"}).as_object().unwrap().clone();
    client.update(&found[0].id, &change).await.unwrap();
    assert_eq!(everyone(&client).await.len(), 25);
    let refused = client.jobs().await.unwrap_err();
    assert!(matches!(refused, ClinchError::Unsupported(what) if what.op() == Op::ListJobs));
}

#[tokio::test]
async fn an_assumed_write_is_not_sent_in_production_without_consent() {
    let Bench { fake, client, .. } =
        bench_with(|config| config.environment = Environment::Production).await;
    let candidate = ClinchId::parse("p0").unwrap();
    let refused = client.add_activity(&candidate, "tag", "rust").await.unwrap_err();
    assert!(matches!(refused, ClinchError::Unsupported(_)));
    assert!(fake.account().requests.is_empty());
}

#[tokio::test]
async fn a_process_without_the_right_to_write_sends_no_write() {
    let fake = Fake::start().await;
    let seen = Arc::new(Seen::default());
    let mut around = deps(&fake.origin(), &seen);
    around.fence = Fence::new(|| false);
    let client = Client::connect("uid", config(&fake.origin()), &around).unwrap();
    client.verify().await.unwrap();
    let refused = client.create(&attributes("jane@example.com")).await.unwrap_err();
    assert_eq!(refused, ClinchError::Fenced);
    assert_eq!(fake.count("POST"), 0);
}

#[tokio::test]
async fn the_same_inputs_give_the_same_client_and_a_new_secret_keeps_what_was_learned() {
    let fake = Fake::start().await;
    let seen = Arc::new(Seen::default());
    let registry = Registry::new(deps(&fake.origin(), &seen));
    let config = config(&fake.origin());
    let client = registry.client("uid", &config).unwrap();
    assert!(client.is_same(&registry.client("uid", &config).unwrap()));
    assert!(!client.is_same(&registry.client("other", &config).unwrap()));

    // The bucket learns of a limit, then the Secret changes.
    fake.fault("GET", Fault::Raw(raw(429, "retry-after: 2\r\n", "")));
    let mut hasty = config.clone();
    hasty.timeouts.operation = Duration::from_secs(1);
    let hasty = registry.client("uid", &hasty).unwrap();
    let limited = hasty.verify().await.unwrap_err();
    assert!(matches!(limited, ClinchError::RateLimited { .. }), "{limited:?}");
    let mut rotated = config.clone();
    rotated.credentials = Credentials::parse(KEY, "another").unwrap();
    let rotated = registry.client("uid", &rotated).unwrap();
    assert!(!client.is_same(&rotated));
    let start = Instant::now();
    assert_eq!(rotated.verify().await.unwrap_err(), ClinchError::Unauthorized);
    assert!(start.elapsed() > Duration::from_secs(1), "the pause is the integration's");

    // The rejection belongs to the client: the right Secret makes another client.
    registry.client("uid", &config).unwrap().verify().await.unwrap();
    registry.forget("uid");
    assert!(registry.current("uid").is_none());
}
