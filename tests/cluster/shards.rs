//! Several processes that share the integrations of an installation: each account has one of them at a time.

use std::time::{Duration, Instant};

use clinch_operator::sandbox::Credential;
use serde_json::Value;

use crate::{
    commands::{printed, run},
    support::{
        manifests::{PROSPECT, assert_each_once, emails, export},
        process::Process,
        world::{SOON, World, condition},
    },
};

/// The duration of Leases, in seconds: a process that is slow keeps its own.
const LEASE: u64 = 60;
/// That of Leases that a test waits for the end of.
const SHORT_LEASE: u64 = 10;

/// An integration with a Secret of its own; without a shard it has no label.
pub(crate) fn integration(name: &str, key: &str, shard: Option<&str>) -> String {
    let labels = shard.map(|shard| format!(", labels: {{clinch.hireez.dev/shard: {shard}}}"));
    format!(
        "
apiVersion: v1
kind: Secret
metadata: {{name: {secret}}}
stringData: {{accessKey: {key}, secretKey: secret-1}}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: ClinchIntegration
metadata: {{name: {name}{labels}}}
spec:
  endpoint: ORIGIN
  environment: Sandbox
  credentials: {{secretRef: {{name: {secret}}}}}
",
        secret = format_args!("secret-{name}"),
        labels = labels.unwrap_or_default(),
    )
}

/// People with the addresses of `people`, through an integration.
pub(crate) fn through(integration: &str, name: &str, people: &str, count: usize) -> String {
    let manifest = export(people, count, PROSPECT);
    let (map, export) = manifest.split_once("---").expect("a ConfigMap and an export");
    let export = export
        .replace(&format!("metadata: {{name: {people}}}"), &format!("metadata: {{name: {name}}}"))
        .replace(
            "integrationRef: {name: acme}",
            &format!("integrationRef: {{name: {integration}}}"),
        );
    format!("{map}---{export}")
}

fn shard(world: &World, name: &str, identity: &str) -> Process {
    world.spawn_shard(name, identity, "127.0.0.1:0", LEASE)
}

/// Waits until these shards have a process: until then, another one may serve what they are to have.
async fn lead(world: &World, shards: &[&str]) {
    let started = Instant::now();
    let list = ["get", "leases", "-n", &world.namespace, "-o"];
    let holders = "jsonpath={range .items[?(@.spec.holderIdentity)]}{.metadata.name}{\"\\n\"}{end}";
    loop {
        let held = world.kubectl(&[&list[..], &[holders]].concat());
        let leads =
            |shard: &&str| held.lines().any(|lease| lease == format!("clinch-operator-{shard}"));
        if shards.iter().all(leads) {
            return;
        }
        assert!(started.elapsed() < SOON, "{shards:?} do not lead: {held}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn label(world: &World, integration: &str, shard: &str) {
    let label = format!("clinch.hireez.dev/shard={shard}");
    let args = ["label", "clint", integration, &label, "--overwrite", "-n", &world.namespace];
    world.kubectl(&args);
}

async fn held_by(world: &World, integration: &str, shard: &str) -> Value {
    let holds = |object: &Value| object["status"]["shard"] == shard;
    let what = format!("held by {shard}");
    world.wait("ClinchIntegration", integration, &what, SOON, holds).await
}

/// Waits until this many people are in Clinch.
async fn reached(world: &World, people: usize) {
    let started = Instant::now();
    while emails(world).len() < people {
        assert!(started.elapsed() < SOON, "{} of {people}", emails(world).len());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The processes whose Events are about an object.
fn reporters(world: &World, name: &str) -> Vec<String> {
    let list = ["get", "events.events.k8s.io", "-n", &world.namespace, "-o", "json"];
    let list: Value = serde_json::from_str(&world.kubectl(&list)).expect("JSON");
    let events = list["items"].as_array().expect("a list").iter();
    let about = events.filter(|event| event["regarding"]["name"] == name);
    let mut found: Vec<String> = about
        .filter(|event| event["reason"] != "HandingOver")
        .map(|event| event["reportingInstance"].as_str().unwrap_or_default().to_owned())
        .collect();
    found.sort();
    found.dedup();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn each_shard_serves_its_accounts_and_what_names_them() {
    let Some(world) = World::prepare().await else { return };
    world.grant_shards(&["a", "b"]);
    let _processes = [
        world.spawn_operator("process-default", "127.0.0.1:0", LEASE),
        shard(&world, "a", "process-a"),
        shard(&world, "b", "process-b"),
    ];
    lead(&world, &["a", "b"]).await;
    let accounts = [("a1", "a"), ("a2", "a"), ("b1", "b"), ("b2", "b"), ("plain", "default")];
    for (name, shard) in accounts {
        let key = format!("KEY-{name}");
        let credential = Credential::new(name, &key, "secret-1");
        world.sandbox.add_credential(credential);
        let labelled = (shard != "default").then_some(shard);
        world.apply(&integration(name, &key, labelled));
        world.apply(&through(name, &format!("to-{name}"), &format!("people-{name}"), 20));
    }
    world.apply(&through("nowhere", "orphan", "people-nowhere", 1));
    for (name, shard) in accounts {
        let exported = format!("to-{name}");
        world.ready("CandidateExport", &exported, "True", "Synced").await;
        let found = world.ready("ClinchIntegration", name, "True", "Verified").await;
        let holder = if shard == "default" { Value::Null } else { shard.into() };
        assert_eq!(found["status"]["shard"], holder, "{name}");
        assert_eq!(world.sandbox.people(name).len(), 20, "{name}");
        assert_eq!(world.sandbox.doubled(name), 0);
        let process = format!("process-{shard}");
        for object in [name, &exported] {
            let started = Instant::now();
            while reporters(&world, object) != [process.as_str()] {
                let found = reporters(&world, object);
                assert!(started.elapsed() < SOON && found.len() < 2, "{object}: {found:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    world.ready("CandidateExport", "orphan", "False", "DependencyNotFound").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_two_shards_name_belongs_to_the_older_integration() {
    let Some(world) = World::prepare().await else { return };
    world.grant_shards(&["a", "b"]);
    let _processes = [shard(&world, "a", "process-a"), shard(&world, "b", "process-b")];
    // Both at once, and both with the same people: whichever is second must not create one of them.
    let both = [
        integration("acme", "KEY-1", Some("a")),
        integration("second", "KEY-1", Some("b")),
        through("acme", "one", "people", 200),
        through("second", "two", "people", 200),
    ];
    world.sandbox.set_latency(Duration::from_millis(5));
    world.apply(&both.join("---\n"));
    let [acme, second] = [("acme", "one"), ("second", "two")];
    let rank = async |name: &str| {
        let found = world.get("ClinchIntegration", name).await["metadata"].clone();
        (found["creationTimestamp"].to_string(), found["uid"].to_string())
    };
    let (older, younger) =
        if rank(acme.0).await < rank(second.0).await { (acme, second) } else { (second, acme) };
    world.ready("CandidateExport", older.1, "True", "Synced").await;
    let stalled = world.ready("ClinchIntegration", younger.0, "False", "AccountShared").await;
    assert_eq!(condition(&stalled, "Stalled")["status"], "True");
    let message = condition(&stalled, "Ready")["message"].to_string();
    assert!(message.contains("set the label") && !message.contains("KEY-1"), "{message}");
    world.ready("CandidateExport", younger.1, "False", "AccountShared").await;
    assert_each_once(&world, 200);
    // What the message asks for.
    for name in ["acme", "second"] {
        label(&world, name, "a");
    }
    let done = world.ready("CandidateExport", younger.1, "True", "Synced").await;
    assert_eq!(done["status"]["counts"]["created"], 0);
    world.ready("ClinchIntegration", older.0, "True", "Verified").await;
    assert_each_once(&world, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integration_that_moves_takes_its_run_with_it() {
    const PEOPLE: usize = 600;
    let Some(world) = World::prepare().await else { return };
    world.grant_shards(&["a", "b"]);
    let _processes = [
        world.spawn_operator("process-default", "127.0.0.1:0", LEASE),
        shard(&world, "a", "process-a"),
        shard(&world, "b", "process-b"),
    ];
    lead(&world, &["a", "b"]).await;
    world.apply(&integration("acme", "KEY-1", Some("a")));
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    world.sandbox.set_latency(Duration::from_millis(40));
    world.apply(&export("moved", PEOPLE, PROSPECT));
    for (people, to) in [(60, "b"), (150, "default"), (240, "a")] {
        reached(&world, people).await;
        label(&world, "acme", to);
        held_by(&world, "acme", to).await;
    }
    // To and fro, faster than a hand-over takes.
    for to in ["b", "a", "b"] {
        label(&world, "acme", to);
    }
    reached(&world, 300).await;
    assert!(emails(&world).len() < PEOPLE, "it moved in the middle of the run");
    world.sandbox.set_latency(Duration::ZERO);
    let done = world.ready("CandidateExport", "moved", "True", "Synced").await;
    assert_eq!(done["status"]["delivered"], format!("{PEOPLE}/{PEOPLE}"));
    assert_each_once(&world, PEOPLE);
    let created = world.sandbox.requests().of("createCandidate");
    assert_eq!(created, PEOPLE as u64, "nobody was even tried twice");
    held_by(&world, "acme", "b").await;
}

/// A window that opens in half a day.
fn closed() -> String {
    let hour = (jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).hour() + 12) % 24;
    format!(r#"{{"spec": {{"windows": [{{"cron": "0 {hour} * * *", "duration": "1m"}}]}}}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integration_that_moves_outside_of_a_window_takes_its_run_with_it_into_the_next_one() {
    const PEOPLE: usize = 400;
    let Some(world) = World::prepare().await else { return };
    world.grant_shards(&["a", "b"]);
    let _processes = [shard(&world, "a", "process-a"), shard(&world, "b", "process-b")];
    lead(&world, &["a", "b"]).await;
    world.apply(&integration("acme", "KEY-1", Some("a")));
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    world.sandbox.set_latency(Duration::from_millis(40));
    world.apply(&export("nightly", PEOPLE, PROSPECT));
    let patch = |patch: &str| {
        let namespace = ["-n", &world.namespace, "-p", patch];
        world.kubectl(&[&["patch", "clexp", "nightly", "--type", "merge"], &namespace[..]].concat())
    };
    for (people, to) in [(60, "b"), (160, "a")] {
        reached(&world, people).await;
        // The run ends for both reasons at once.
        patch(&closed());
        label(&world, "acme", to);
        held_by(&world, "acme", to).await;
        world.ready("CandidateExport", "nightly", "False", "OutsideWindow").await;
        let started = Instant::now();
        while world.sandbox.requests().under_way > 0 {
            assert!(started.elapsed() < SOON, "requests do not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let created = world.sandbox.requests().of("createCandidate");
        // Another export of the integration works meanwhile.
        let other = format!("daily-{to}");
        world.apply(&export(&other, 3, PROSPECT));
        world.ready("CandidateExport", &other, "True", "Synced").await;
        assert_eq!(world.sandbox.requests().of("createCandidate"), created + 3);
        patch(r#"{"spec": {"windows": []}}"#);
    }
    world.sandbox.set_latency(Duration::ZERO);
    let done = world.ready("CandidateExport", "nightly", "True", "Synced").await;
    assert_eq!(done["status"]["delivered"], format!("{PEOPLE}/{PEOPLE}"));
    assert_each_once(&world, PEOPLE + 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_without_a_process_loses_what_is_to_go_elsewhere() {
    const PEOPLE: usize = 400;
    let Some(world) = World::prepare().await else { return };
    world.grant_shards(&["a", "b"]);
    let start = |name, identity| world.spawn_shard(name, identity, "127.0.0.1:0", SHORT_LEASE);
    let mut first = start("a", "process-a");
    let _second = start("b", "process-b");
    world.apply(&integration("acme", "KEY-1", Some("a")));
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    world.sandbox.set_latency(Duration::from_millis(40));
    world.apply(&export("orphaned", PEOPLE, PROSPECT));
    reached(&world, 60).await;
    // Frozen, it can neither end its run nor say so; it keeps its Lease until that expires.
    first.signal("STOP");
    label(&world, "acme", "b");
    held_by(&world, "acme", "b").await;
    let before = emails(&world).len();
    reached(&world, before + 30).await;
    first.signal("CONT");
    world.sandbox.set_latency(Duration::ZERO);
    world.ready("CandidateExport", "orphaned", "True", "Synced").await;
    assert_each_once(&world, PEOPLE);
    assert_eq!(first.code().await, Some(4), "it has lost its Lease");
    held_by(&world, "acme", "b").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_names_no_process_stops_nothing_until_there_is_one() {
    let Some(world) = World::prepare().await else { return };
    world.grant_shards(&["a", "b"]);
    let _first = shard(&world, "a", "process-a");
    world.apply(&integration("acme", "KEY-1", Some("a")));
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    label(&world, "acme", "b");
    world.apply(&export("early", 20, PROSPECT));
    world.ready("CandidateExport", "early", "True", "Synced").await;
    held_by(&world, "acme", "a").await;
    let status = printed(&run(&world, &["status", "clint/acme"]), 0);
    // Folded at 80 columns.
    let status = status.replace("\n│   ", " ");
    assert!(status.contains("shard a, not yet handed over to shard b"), "{status}");
    let _second = shard(&world, "b", "process-b");
    held_by(&world, "acme", "b").await;
    world.apply(&export("late", 20, PROSPECT));
    world.ready("CandidateExport", "late", "True", "Synced").await;
    let status = printed(&run(&world, &["status", "clint/acme"]), 0);
    assert!(status.contains("shard b") && !status.contains("handed"), "{status}");
}
