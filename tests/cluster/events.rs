//! Events, and what an edit of an integration does to the status of its exports.

use serde_json::Value;

use crate::{
    access::{approving, message},
    support::{
        manifests::{INTEGRATION, PROSPECT, export},
        world::{SOON, World, condition},
    },
};

/// The Events on an object with this reason, oldest first.
fn events(world: &World, name: &str, reason: &str) -> Vec<Value> {
    let list = ["get", "events.events.k8s.io", "-n", &world.namespace, "-o", "json"];
    let list: Value = serde_json::from_str(&world.kubectl(&list)).expect("JSON");
    let mut found: Vec<Value> = list["items"].as_array().expect("a list").clone();
    found.retain(|event| event["regarding"]["name"] == name && event["reason"] == reason);
    found.sort_by_key(|event| event["eventTime"].as_str().map(str::to_owned));
    found
}

/// Waits for this many Events.
pub(crate) async fn count(world: &World, name: &str, reason: &str, expected: usize) -> Vec<Value> {
    let started = std::time::Instant::now();
    loop {
        let found = events(world, name, reason);
        if found.len() == expected {
            return found;
        }
        assert!(started.elapsed() < SOON, "{expected} Events {reason} of {name}: {found:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_tells_the_latest_message() {
    let Some(world) = World::start().await else { return };
    let mapping = |from: &str| {
        format!(
            "apiVersion: clinch.hireez.dev/v1alpha1\nkind: FieldMapping\nmetadata: {{name: m}}\nspec: {{fields: [{{to: email, from: '{from}'}}]}}"
        )
    };
    world.apply(&mapping("emails[x"));
    let one = count(&world, "m", "MappingInvalid", 1).await;
    // Another fault, straight after the first, and again after it was corrected.
    world.apply(&mapping("a.emails[x"));
    let two = count(&world, "m", "MappingInvalid", 2).await;
    assert_ne!(one[0]["note"], two[1]["note"]);
    world.apply(&mapping("emails[0].value"));
    world.ready("FieldMapping", "m", "True", "Compiled").await;
    world.apply(&mapping("aa.emails[x"));
    let three = count(&world, "m", "MappingInvalid", 3).await;
    let shown = world.get("FieldMapping", "m").await;
    assert_eq!(three[2]["note"], condition(&shown, "Ready")["message"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_integration_is_ready_and_its_event_is_no_warning() {
    let Some(world) = World::start().await else { return };
    world.apply(&format!("{INTEGRATION}  suspend: true\n"));
    let found = world.ready("ClinchIntegration", "acme", "True", "Suspended").await;
    assert_eq!(condition(&found, "Suspended")["status"], "True");
    let event = &count(&world, "acme", "Suspended", 1).await[0];
    assert_eq!(event["type"], "Normal", "{event}");
    let wait = ["wait", "--for=condition=Ready", "clint/acme", "--timeout=120s", "-n"];
    world.kubectl(&[&wait[..], &[&world.namespace]].concat());
    world.apply(&export("people", 2, PROSPECT));
    let waits = world.ready("CandidateExport", "people", "False", "IntegrationSuspended").await;
    assert!(message(&waits).contains("suspended"), "{}", message(&waits));
    assert_eq!(world.sandbox.requests().total, 0);
    world.apply(&format!("{INTEGRATION}  suspend: false\n"));
    world.ready("CandidateExport", "people", "True", "Synced").await;
    // What was delivered stays Ready while the integration is suspended.
    world.apply(&format!("{INTEGRATION}  suspend: true\n"));
    world.ready("ClinchIntegration", "acme", "True", "Suspended").await;
    world
        .wait("CandidateExport", "people", "aware of it", SOON, |object| {
            condition(object, "IntegrationReady")["reason"] == "IntegrationSuspended"
        })
        .await;
    world.ready("CandidateExport", "people", "True", "Synced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_writes_no_status_of_exports_that_it_does_not_concern() {
    let Some(world) = World::start().await else { return };
    world.apply(&approving(""));
    let names = ["one", "two", "three"];
    for name in names {
        world.apply(&export(name, 1, PROSPECT));
        world.ready("CandidateExport", name, "True", "Synced").await;
    }
    // The first push changes what is known of the account.
    world
        .wait("ClinchIntegration", "acme", "sure of its account", SOON, |object| {
            condition(object, "AccountVerified")["status"] == "True"
                && condition(object, "SourceMatched")["status"] == "True"
                && object["status"]["exports"] == 3
        })
        .await;
    let versions = async || {
        let mut found = Vec::new();
        for name in names {
            let object = world.get("CandidateExport", name).await;
            found.push(object["metadata"]["resourceVersion"].clone());
        }
        found
    };
    let before = versions().await;
    for (number, approved) in ["team-a", "team-a, team-b", ""].into_iter().enumerate() {
        world.apply(&approving(approved));
        world.ready("ClinchIntegration", "acme", "True", "Verified").await;
        // Queued after the others.
        let last = format!("last-{number}");
        world.apply(&export(&last, 1, PROSPECT));
        world.ready("CandidateExport", &last, "True", "Synced").await;
    }
    assert_eq!(versions().await, before);
}
