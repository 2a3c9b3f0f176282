//! The ledger on a real API server: what refuses it, and what that does to an export.

use std::time::{Duration, Instant};

use clinch_operator::{
    app::{ObjectLedgers, OutboundProxy},
    controllers::Regions,
};

use crate::support::{
    manifests::{INTEGRATION, PROSPECT, assert_each_once, emails, export},
    world::{SOON, World, condition},
};

const COUNTED: &str = "count/candidateledgers.clinch.hireez.dev";

/// Allows this many segments in the namespace, and waits until the API server knows it.
async fn allow(world: &World, segments: u32) {
    world.apply(&format!(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: ledgers}}\nspec: {{hard: {{{COUNTED}: '{segments}'}}}}"
    ));
    // Without a controller-manager nothing maintains the status of a quota.
    let status = format!(
        r#"{{"status":{{"hard":{{"{COUNTED}":"{segments}"}},"used":{{"{COUNTED}":"0"}}}}}}"#
    );
    let patch = ["patch", "resourcequota", "ledgers", "--subresource=status", "--type=merge", "-p"];
    world.kubectl(&[&patch[..], &[&status, "-n", &world.namespace]].concat());
    let probe = format!(
        "apiVersion: clinch.hireez.dev/v1alpha1\nkind: CandidateLedger\nmetadata: {{name: probe-{segments}}}\nspec: {{exportName: e, exportUid: u, sequence: 0, data: Zm9v}}"
    );
    let started = Instant::now();
    while world.try_apply_dry(&probe).0 != (segments > 0) {
        assert!(started.elapsed() < SOON, "the quota does not take effect");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_on_ledgers_stops_an_export_before_anybody_is_pushed() {
    let Some(mut world) = World::prepare().await else { return };
    world.apply(INTEGRATION);
    allow(&world, 0).await;
    world.run_operator(Regions::default());
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    world.apply(&export("people", 5, PROSPECT));
    let refused = world.ready("CandidateExport", "people", "False", "LedgerRefused").await;
    let message = condition(&refused, "Ready")["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("quota") && message.contains("candidateledgers"), "{message}");
    assert_eq!(condition(&refused, "Reconciling")["status"], "True", "it is tried again");
    assert!(emails(&world).is_empty(), "nobody is pushed unrecorded");
    assert_eq!(world.sandbox.requests().of("createCandidate"), 0);

    // While the next attempt works, the status still says what the last one met.
    world.sandbox.set_latency(Duration::from_millis(300));
    allow(&world, 10).await;
    world
        .wait("CandidateExport", "people", "tried again", Duration::from_secs(90), |object| {
            let ready = condition(object, "Ready");
            let message = ready["message"].as_str().unwrap_or_default();
            condition(object, "Reconciling")["reason"] == "ProgressingWithRetry"
                && message.starts_with("a run is in progress")
                && message.contains("LedgerRefused")
                && message.contains("quota")
        })
        .await;
    world.sandbox.set_latency(Duration::ZERO);
    let within = Duration::from_secs(90);
    world.ready_within("CandidateExport", "people", "True", "Synced", within).await;
    assert_each_once(&world, 5);
    let segments =
        world.kubectl(&["get", "candidateledgers", "-n", &world.namespace, "-o", "name"]);
    assert_eq!(segments.lines().count(), 2, "the window, and what became of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_too_large_for_etcd_says_so_and_runs_once_there_is_an_object_store() {
    let Some(mut world) = World::prepare().await else { return };
    world.apply(INTEGRATION);
    world.ledger_etcd_max = 10;
    world.run_operator(Regions::default());
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    world.apply(&export("small", 10, PROSPECT));
    world.ready("CandidateExport", "small", "True", "Synced").await;
    world.apply(&export("large", 11, PROSPECT));
    let stalled = world.ready("CandidateExport", "large", "False", "LedgerTooLarge").await;
    assert_eq!(condition(&stalled, "Stalled")["reason"], "LedgerTooLarge");
    let message = condition(&stalled, "Ready")["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("--ledger-url") && message.contains("11 people"), "{message}");
    assert_eq!(emails(&world).len(), 10);

    world.stop_operator().await;
    let folder = tempfile::tempdir().expect("a folder");
    let url = url::Url::from_directory_path(folder.path()).expect("absolute");
    world.ledgers =
        Some(ObjectLedgers::at(&url, [], &OutboundProxy::default()).expect("a place for ledgers"));
    world.run_operator(Regions::default());
    world.ready("CandidateExport", "large", "True", "Synced").await;
    // What is in etcd already is still known: one changed record is one request.
    let before = world.sandbox.requests().of("createCandidate");
    world.apply(&export("small", 11, PROSPECT));
    world
        .wait("CandidateExport", "small", "grown", SOON, |object| {
            object["status"]["delivered"] == "11/11"
        })
        .await;
    assert_eq!(world.sandbox.requests().of("createCandidate"), before + 1);
    assert_each_once(&world, 22);

    let files = |uid: &str| std::fs::read_dir(folder.path().join(uid)).map_or(0, Iterator::count);
    let uids = ["small", "large"].map(|name| {
        let uid = ["get", "candidateexport", name, "-n", &world.namespace, "-o"];
        world.kubectl(&[&uid[..], &["jsonpath={.metadata.uid}"]].concat())
    });
    assert!(uids.iter().all(|uid| files(uid) > 0));
    world.kubectl(&["delete", "candidateexport", "large", "-n", &world.namespace]);
    let started = Instant::now();
    while files(&uids[1]) > 0 {
        assert!(started.elapsed() < SOON, "the ledger outlives its export");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(files(&uids[0]) > 0, "the other one's stays");
}

/// The segments of an export, as they can be created again.
fn segments(world: &World) -> serde_json::Value {
    let text = world.kubectl(&["get", "candidateledgers", "-n", &world.namespace, "-o", "json"]);
    let mut list: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    for object in list["items"].as_array_mut().expect("a list") {
        for set_by_the_server in ["resourceVersion", "uid", "creationTimestamp", "managedFields"] {
            object["metadata"].as_object_mut().expect("metadata").remove(set_by_the_server);
        }
    }
    list
}

/// How many people have a first name.
fn named(world: &World, first_name: &str) -> usize {
    let people = world.sandbox.people("hireEZ");
    people.iter().filter(|person| person["attributes"]["first_name"] == first_name).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_restored_from_a_copy_is_checked_by_itself_or_on_request() {
    let Some(world) = World::start().await else { return };
    let people = |first_name: &str| {
        let mut text = export("people", 6, PROSPECT);
        for n in 0..6 {
            text = text.replace(&format!("\"First{n}\""), &format!("\"{first_name}\""));
        }
        text
    };
    let arrived = async |first_name: &str| {
        world.apply(&people(first_name));
        world
            .wait("CandidateExport", "people", "delivered", SOON, |object| {
                condition(object, "Ready")["status"] == "True" && named(&world, first_name) == 6
            })
            .await
    };
    let restore = |copy: &serde_json::Value| {
        world.kubectl(&["delete", "candidateledgers", "--all", "-n", &world.namespace]);
        world.apply(&copy.to_string());
    };
    let kind = "CandidateExport";
    world.apply(INTEGRATION);
    arrived("Ann").await;
    let copy = segments(&world);
    arrived("Bob").await;
    restore(&copy);
    // The copy says that everybody is Ann. Without the check nobody would be written.
    world.apply(&people("Ann"));
    let checked = world
        .wait(kind, "people", "checked", SOON, |object| {
            condition(object, "Ready")["status"] == "True"
                && object["status"]["ledger"]["checked"] == "LedgerBehind"
        })
        .await;
    assert_eq!(named(&world, "Ann"), 6);
    let message = condition(&checked, "Ready")["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("older than the last run in the status"), "{message}");

    // A request checks everybody too, and its receipt is in the status.
    let before = world.sandbox.requests().of("getCandidate");
    let annotate = |value: &str| {
        let annotation = format!("clinch.hireez.dev/distrust-ledger-requested-at={value}");
        let command = ["annotate", "clexp", "people", "--overwrite", &annotation, "-n"];
        world.kubectl(&[&command[..], &[&world.namespace]].concat());
    };
    annotate("1");
    world
        .wait(kind, "people", "checked on request", SOON, |object| {
            condition(object, "Ready")["status"] == "True"
                && object["status"]["handled"]["distrustLedgerRequestedAt"] == "1"
                && object["status"]["ledger"]["checked"] == "Requested"
        })
        .await;
    assert_eq!(world.sandbox.requests().of("getCandidate") - before, 6);
    annotate("2");
    let answered = world
        .wait(kind, "people", "answered", SOON, |object| {
            condition(object, "Ready")["message"]
                .as_str()
                .is_some_and(|message| message.contains("accepted at"))
        })
        .await;
    assert_eq!(answered["status"]["handled"]["distrustLedgerRequestedAt"], "1");
    assert_eq!(world.sandbox.requests().of("getCandidate") - before, 6);
    assert_each_once(&world, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_with_an_absurd_number_is_named_until_it_is_deleted() {
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    world.apply(&export("people", 5, PROSPECT));
    let kind = "CandidateExport";
    world.ready(kind, "people", "True", "Synced").await;
    let mut made_up = segments(&world)["items"][0].clone();
    let name = made_up["metadata"]["name"].as_str().expect("a name").to_owned();
    let (uid, _) = name.rsplit_once('-').expect("a number");
    let absurd = format!("{uid}-{}", i64::MAX);
    made_up["metadata"]["name"] = absurd.clone().into();
    made_up["spec"]["sequence"] = i64::MAX.into();
    world.apply(&made_up.to_string());
    world.apply(&export("people", 6, PROSPECT));
    let stalled = world.ready(kind, "people", "False", "LedgerRefused").await;
    assert_eq!(condition(&stalled, "Stalled")["status"], "True");
    let message = condition(&stalled, "Ready")["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains(&format!("name ends in -{}", i64::MAX)), "{message}");
    assert!(message.contains("Delete it"), "{message}");
    assert_each_once(&world, 5);

    world.kubectl(&["delete", "candidateledger", &absurd, "-n", &world.namespace]);
    let annotation = "clinch.hireez.dev/reconcile-requested-at=1";
    world.kubectl(&["annotate", "clexp", "people", annotation, "-n", &world.namespace]);
    world.ready(kind, "people", "True", "Synced").await;
    assert_each_once(&world, 6);
}
