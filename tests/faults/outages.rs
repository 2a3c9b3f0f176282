//! The API server or etcd is killed while an export runs, and comes back.

use std::time::Duration;

use crate::{
    stage::{all_have, alone, assert_delivered, at_work, created, operator, until},
    support::{
        manifests::{PROSPECT, emails, export},
        process::Process,
        world::{SOON, World, condition},
    },
};

const PEOPLE: usize = 400;
/// Longer than any outage here: the process is to outlive it.
const LONG_LEASE: u64 = 120;
const KIND: &str = "CandidateExport";

/// An export of which a part has arrived.
async fn half_way(world: &World, name: &str) {
    world.sandbox.set_latency(Duration::from_millis(20));
    world.apply(&export(name, PEOPLE, PROSPECT));
    created(world, 120).await;
}

/// Delivered without help, by the same process, reported as one delivery; and the next change is
/// delivered too.
async fn judged(world: &World, operator: &mut Process, name: &str) {
    let done = world.ready(KIND, name, "True", "Synced").await;
    assert!(operator.ended().is_none(), "the process survives");
    assert_delivered(world, &done, PEOPLE);
    assert_eq!(emails(world).len(), PEOPLE);
    assert_eq!(done["status"]["counts"]["created"], PEOPLE, "{}", done["status"]["counts"]);
    assert_eq!(world.sandbox.requests().of("createCandidate"), PEOPLE as u64);
    // Its watches are up again, and its ledger is in order.
    world.sandbox.set_latency(Duration::ZERO);
    let before = world.sandbox.requests();
    world.apply(&export(name, PEOPLE, PROSPECT).replace("First7\"", "Changed\""));
    until("the change arrives", || {
        world.sandbox.requests().of("updateCandidate") > before.of("updateCandidate")
    })
    .await;
    let again = world
        .wait(KIND, name, "delivered again", SOON, |object| {
            object["status"]["counts"]["updated"] == 1
        })
        .await;
    assert_delivered(world, &again, PEOPLE);
    // One of them is read and written.
    assert_eq!(world.sandbox.requests().total, before.total + 2, "the ledger knew the others");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_outlives_its_api_server() {
    let _alone = alone().await;
    let Some((world, mut operator)) = at_work(LONG_LEASE).await else { return };
    half_way(&world, "orphan").await;
    world.plane.kill_apiserver().await;
    // What was declared is pushed, and nothing of it can be written down.
    created(&world, PEOPLE as u64).await;
    world.plane.start_apiserver().await.expect("it starts again");
    judged(&world, &mut operator, "orphan").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_outlives_its_etcd() {
    let _alone = alone().await;
    let Some((world, mut operator)) = at_work(LONG_LEASE).await else { return };
    half_way(&world, "rootless").await;
    world.plane.kill_etcd().await;
    created(&world, PEOPLE as u64).await;
    world.plane.start_etcd().await.expect("it starts again");
    judged(&world, &mut operator, "rootless").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_longer_than_the_lease_ends_the_process_and_the_next_one_goes_on() {
    let _alone = alone().await;
    let Some((world, mut first)) = at_work(3).await else { return };
    world.sandbox.set_latency(Duration::from_millis(100));
    world.apply(&export("leaseless", PEOPLE, PROSPECT));
    created(&world, 20).await;
    world.plane.kill_apiserver().await;
    assert_eq!(first.code().await, Some(4), "a lost lease has its own exit code");
    let there = emails(&world).len();
    assert!(there < PEOPLE, "it pushed no longer than it surely held the lease: {there}");
    world.plane.start_apiserver().await.expect("it starts again");
    let unfinished = world.get(KIND, "leaseless").await;
    assert_ne!(condition(&unfinished, "Ready")["status"], "True");
    assert_eq!(emails(&world).len(), there, "nobody pushes meanwhile");
    world.sandbox.set_latency(Duration::ZERO);
    let _next = operator(&world, "next", 3);
    let done = world.ready(KIND, "leaseless", "True", "Synced").await;
    assert_delivered(&world, &done, PEOPLE);
    assert!(all_have(&world, "leaseless", PEOPLE, "first_name", "First#"));
    assert_eq!(emails(&world).len(), PEOPLE);
}
