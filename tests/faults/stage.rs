//! An operator at work: the start that the tests here share, and how the result is judged.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, TryStreamExt as _};
use kube::{
    Api,
    api::{DynamicObject, WatchEvent, WatchParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::Value;
use tokio::sync::RwLock;

use crate::support::{
    manifests::{INTEGRATION, emails},
    process::Process,
    world::{SOON, World, condition},
};

/// Held for writing by tests that break the API server, which the others share.
static PLANE: RwLock<()> = RwLock::const_new(());

/// Shares the API server with tests that leave it running.
pub async fn shared() -> tokio::sync::RwLockReadGuard<'static, ()> {
    PLANE.read().await
}

/// Has the API server to itself.
pub async fn alone() -> tokio::sync::RwLockWriteGuard<'static, ()> {
    PLANE.write().await
}

/// Starts an operator as a process; `lease` is its Lease's duration in seconds.
pub fn operator(world: &World, identity: &str, lease: u64) -> Process {
    world.spawn_operator(identity, "127.0.0.1:0", lease)
}

/// A namespace with an operator process and a verified integration, and an emulator that takes its
/// time and lets everybody in twice who is sent twice.
pub async fn at_work(lease: u64) -> Option<(World, Process)> {
    let world = World::prepare().await?;
    allow_duplicates(&world).await;
    let operator = operator(&world, "first", lease);
    world.apply(INTEGRATION);
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    Some((world, operator))
}

/// Only the operator prevents duplicates.
async fn allow_duplicates(world: &World) {
    let url = format!("{}/_sandbox/duplicateEmail", world.sandbox.base_url());
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = http.post(url).body(r#"{"policy": "allow"}"#).send().await.expect("an answer");
    assert!(answer.status().is_success());
}

/// Waits until something holds.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < SOON, "not within {SOON:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until this many people were created.
pub async fn created(world: &World, people: u64) {
    let count = || world.sandbox.requests().with("createCandidate", 201);
    until("the export gets on", || count() >= people).await;
}

/// The export is delivered and reports it: everybody is in Clinch once, and nothing is pending.
pub fn assert_delivered(world: &World, export: &Value, people: usize) {
    let status = &export["status"];
    let shown = serde_json::to_string_pretty(status).unwrap_or_default();
    assert_eq!(condition(export, "Ready")["status"], "True", "{shown}");
    assert!(condition(export, "Reconciling").is_null(), "{shown}");
    assert!(condition(export, "Stalled").is_null(), "{shown}");
    assert_eq!(status["delivered"], format!("{people}/{people}"), "{shown}");
    let counts = &status["counts"];
    let number = |name: &str| counts[name].as_u64().unwrap_or_default();
    let there = number("created") + number("updated") + number("unchanged");
    assert_eq!((number("total"), there), (people as u64, people as u64), "{shown}");
    assert_eq!((number("pending"), status["progress"].clone()), (0, 100.into()), "{shown}");
    assert_eq!(status["lastAppliedRevision"], status["lastAttemptedRevision"], "{shown}");
    assert_eq!(status["lastAppliedRevision"], status["history"][0]["revision"], "{shown}");
    assert_eq!(status["history"][0]["counts"], *counts, "{shown}");
    assert_nobody_twice(world);
}

/// Each address occurs once.
pub fn assert_nobody_twice(world: &World) {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    emails(world).into_iter().for_each(|email| *times.entry(email).or_default() += 1);
    times.retain(|_, times| *times > 1);
    assert!(times.is_empty(), "more than once: {times:?}");
}

/// What everybody of an export has as a value of an attribute, in the order of the source.
pub fn values(world: &World, export: &str, attribute: &str, people: usize) -> Vec<Option<String>> {
    let dump = world.sandbox.people("hireEZ");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut found: BTreeMap<String, Option<String>> = dump
        .iter()
        .filter_map(|person| {
            let attributes = &person["attributes"];
            Some((text(&attributes["email"])?, text(&attributes[attribute])))
        })
        .collect();
    (0..people).map(|n| found.remove(&format!("{export}-{n}@marker.example")).flatten()).collect()
}

/// Whether everybody of an export has this value of an attribute; `#` stands for their number.
pub fn all_have(world: &World, export: &str, people: usize, attribute: &str, value: &str) -> bool {
    let expected = |n: usize| Some(value.replace('#', &n.to_string()));
    values(world, export, attribute, people).into_iter().eq((0..people).map(expected))
}

/// The exports of the namespace, as admin.
pub fn exports(world: &World) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk("clinch.hireez.dev", "v1alpha1", "CandidateExport");
    let resource = ApiResource::from_gvk_with_plural(&gvk, "candidateexports");
    Api::namespaced_with(world.admin.clone(), &world.namespace, &resource)
}

/// Runs a scene, and checks each state of an export that the API server reports meanwhile.
pub async fn watched<T>(
    world: &World,
    export: &str,
    look: impl Fn(&Value),
    scene: impl Future<Output = T>,
) -> T {
    let api = exports(world);
    let params = WatchParams::default().fields(&format!("metadata.name={export}")).timeout(290);
    let mut events = api.watch(&params, "0").await.expect("a watch").boxed();
    let looking = async {
        while let Some(event) = events.try_next().await.expect("the watch continues") {
            if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event {
                look(&serde_json::to_value(object).expect("an object is JSON"));
            }
        }
        panic!("the watch ended");
    };
    tokio::select! {
        outcome = scene => outcome,
        () = looking => unreachable!("it looks for ever"),
    }
}

/// Checks that an export that reports Ready is delivered.
pub fn never_ready_unless(delivered: impl Fn() -> bool) -> impl Fn(&Value) {
    move |export| {
        let ready = condition(export, "Ready");
        assert!(ready["status"] != "True" || delivered(), "not delivered, and says {ready}");
    }
}
