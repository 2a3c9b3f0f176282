//! Imports to an HTTP endpoint on a real API server: an import that is deleted in the middle of a run, and two
//! processes with one Lease.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use clinch_operator::{
    controllers::Regions,
    sandbox::{SinkAnswer, SinkOptions, TestSink},
};
use serde_json::json;

use crate::support::{
    manifests::INTEGRATION,
    world::{SOON, World},
};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PEOPLE: usize = 300;

/// An account with people, and an endpoint for them.
async fn prepare() -> Option<(World, TestSink)> {
    let mut world = World::prepare().await?;
    for number in 0..PEOPLE {
        let person = json!({"email": format!("p{number}@marker.example"), "first_name": "Ann"});
        world.sandbox.add_person("hireEZ", &person).expect("a person");
    }
    let sink = TestSink::start(SinkOptions::new(KEY)).await.expect("a sink");
    world.allowed_destinations = vec![sink.origin()];
    Some((world, sink))
}

/// An integration that permits it, and an import that sends five people at a time.
fn apply(world: &World, sink: &TestSink) {
    let permitted = "  readPermission: {candidates: Allowed, attributes: [email, first_name]}\n";
    world.apply(&format!("{INTEGRATION}{permitted}"));
    let (origin, url) = (sink.origin(), sink.url());
    world.apply(&format!(
        "
apiVersion: v1
kind: Secret
metadata:
  name: keys
  labels: {{clinch.hireez.dev/use: destination}}
  annotations: {{clinch.hireez.dev/allowed-origin: '{origin}'}}
stringData: {{key: {KEY}}}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateImport
metadata: {{name: sent}}
spec:
  integrationRef: {{name: acme}}
  sink: {{http: {{url: '{url}', signingSecretRef: {{name: keys}}, maxRecords: 5}}}}
"
    ));
}

async fn gets(sink: &TestSink, requests: u64) {
    let started = Instant::now();
    while sink.requests() < requests {
        assert!(started.elapsed() < SOON, "{} of {requests} batches", sink.requests());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Fails unless everybody arrived, in batches whose id always had the same body.
fn assert_arrived(sink: &TestSink) {
    let received = sink.received();
    assert_eq!((received.unsigned, received.conflicts), (0, 0));
    assert!(received.deliveries.iter().all(|delivery| delivery.bodies.len() == 1));
    let people: BTreeSet<&String> = received.records.iter().map(|record| &record.id).collect();
    assert_eq!(people.len(), PEOPLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_when_its_import_is_deleted_and_another_of_its_name_sends_everybody() {
    let Some((mut world, sink)) = prepare().await else { return };
    world.run_operator(Regions::default());
    // Pages arrive one after the other, so that the run lasts.
    world.sandbox.set_latency(Duration::from_millis(500));
    apply(&world, &sink);
    gets(&sink, 12).await;
    // A batch of a later page waits for a second between its attempts.
    sink.set_answers(vec![SinkAnswer { retry_after: Some(1), ..SinkAnswer::status(503) }]);
    let before = sink.requests();
    gets(&sink, before + 2).await;
    world.kubectl(&["delete", "candidateimport", "sent", "-n", &world.namespace, "--wait"]);
    // An attempt may be under way.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = sink.requests();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(sink.requests(), before, "it would have tried twice");

    world.sandbox.set_latency(Duration::ZERO);
    sink.set_answers(Vec::new());
    let of_the_first = sink.received().deliveries.len();
    apply(&world, &sink);
    let done = world.ready("CandidateImport", "sent", "True", "Imported").await;
    assert_eq!(done["status"]["counts"]["emitted"], PEOPLE);
    assert_arrived(&sink);
    let uid = done["metadata"]["uid"].as_str().expect("a UID");
    let received = sink.received();
    let own = |id: &str| id.starts_with(uid);
    assert!(received.deliveries[of_the_first..].iter().all(|delivery| own(&delivery.id)));
    assert!(received.deliveries[..of_the_first].iter().all(|delivery| !own(&delivery.id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_frozen_past_its_lease_sends_no_batch_when_it_wakes() {
    let Some((world, sink)) = prepare().await else { return };
    // Pages arrive one after the other, so that runs last.
    world.sandbox.set_latency(Duration::from_millis(500));
    let mut first = world.spawn_operator("first", "127.0.0.1:0", 6);
    apply(&world, &sink);
    gets(&sink, 12).await;
    first.signal("STOP");
    let frozen = sink.requests();
    let _second = world.spawn_operator("second", "127.0.0.1:0", 6);
    gets(&sink, frozen + 5).await;
    first.signal("CONT");
    world.ready("CandidateImport", "sent", "True", "Imported").await;
    assert_eq!(first.code().await, Some(4), "a lost lease has its own exit code");
    assert_arrived(&sink);
    let repeated = sink.received().records.iter().filter(|record| record.times > 1).count();
    assert_eq!(repeated, 0, "nobody was edited: batches that came again were the same");
}
