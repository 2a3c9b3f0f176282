//! People who are no longer in Clinch as they were delivered: from the annotation to the condition.

use std::time::Duration;

use clinch_operator::controllers::Regions;
use serde_json::json;

use crate::{
    events::count,
    support::{
        manifests::{INTEGRATION, PROSPECT, export},
        world::{SOON, World, condition},
    },
};

const KIND: &str = "CandidateExport";

#[tokio::test(flavor = "multi_thread")]
async fn a_requested_verification_reports_and_corrects_and_ready_stays() {
    let Some(mut world) = World::prepare().await else { return };
    world.apply(INTEGRATION);
    world.run_operator(Regions::default());
    world.apply(&export("people", 6, PROSPECT));
    let synced = world.ready(KIND, "people", "True", "Synced").await;
    assert!(condition(&synced, "Drifted").is_null());
    let people = world.sandbox.people("hireEZ");
    let ids: Vec<&str> = people.iter().filter_map(|person| person["id"].as_str()).collect();
    world.sandbox.edit("hireEZ", ids[1], &json!({"first_name": "Other"})).expect("edited");
    world.sandbox.delete("hireEZ", ids[2]).expect("deleted");
    world.sandbox.anonymise("hireEZ", ids[3]).expect("anonymised");

    world.sandbox.set_latency(Duration::from_millis(600));
    let annotation = "clinch.hireez.dev/verify-requested-at=1";
    world.kubectl(&["annotate", "clexp", "people", annotation, "-n", &world.namespace]);
    let works = world
        .wait(KIND, "people", "verified", SOON, |object| {
            condition(object, "Reconciling")["status"] == "True"
        })
        .await;
    assert_eq!(condition(&works, "Ready")["status"], "True");
    let message = condition(&works, "Reconciling")["message"].to_string();
    assert!(message.contains("at most one request for each person"), "{message}");
    world.sandbox.set_latency(Duration::ZERO);
    let found = world
        .wait(KIND, "people", "verified", SOON, |object| {
            condition(object, "Drifted")["status"] == "True"
                && condition(object, "Reconciling").is_null()
        })
        .await;
    assert_eq!(condition(&found, "Drifted")["reason"], "DriftFound");
    assert_eq!(condition(&found, "Ready"), condition(&synced, "Ready"));
    let drift = &found["status"]["drift"];
    let counts = ["people", "missing", "changed", "anonymised"].map(|name| drift[name].as_i64());
    assert_eq!(counts, [6, 1, 1, 1].map(Some));
    assert_eq!(drift["positions"].as_array().map(Vec::len), Some(3));
    assert_eq!(found["status"]["handled"]["verifyRequestedAt"], "1");
    let warned = count(&world, "people", "DriftFound", 1).await;
    let warned = &warned[0];
    assert_eq!(warned["type"], "Warning");
    let note = warned["note"].as_str().unwrap_or_default();
    assert_eq!(note, "of 6 people in Clinch: 1 missing, 1 with other values, 1 anonymised");

    // The next one is due at once, and corrects.
    let status = r#"{"status":{"drift":{"checkedAt":"1999-01-01T00:00:00Z"}}}"#;
    let patch = ["patch", "clexp", "people", "--subresource=status", "--type=merge", "-p", status];
    world.stop_operator().await;
    world.kubectl(&[&patch[..], &["-n", &world.namespace]].concat());
    let spec = r#"{"spec":{"driftPolicy":"Correct","verifyInterval":"1h"}}"#;
    let patch = ["patch", "clexp", "people", "--type=merge", "-p", spec];
    world.kubectl(&[&patch[..], &["-n", &world.namespace]].concat());
    world.run_operator(Regions::default());
    let corrected = world
        .wait(KIND, "people", "corrected", SOON, |object| {
            object["status"]["drift"]["corrected"] == 1
        })
        .await;
    let drift = &corrected["status"]["drift"];
    let counts = ["people", "missing", "changed", "anonymised"].map(|name| drift[name].as_i64());
    assert_eq!(counts, [5, 1, 1, 0].map(Some), "who was anonymised is not verified again");
    assert_eq!(world.sandbox.people("hireEZ").len(), 5, "nobody is created");
    assert_eq!(condition(&corrected, "Ready")["reason"], "Synced");
}
