//! The operator is terminated while it works.

use std::time::Duration;

use clinch_operator::sandbox::{Action, Fault};

use crate::{
    stage::{assert_delivered, at_work, created, operator, shared},
    support::{
        manifests::{PROSPECT, emails, export},
        world::{SOON, condition},
    },
};

const PEOPLE: usize = 400;
const KIND: &str = "CandidateExport";

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_process_finishes_what_is_in_flight_and_the_next_one_repeats_nobody() {
    let _shared = shared().await;
    let Some((world, mut first)) = at_work(15).await else { return };
    world.sandbox.set_latency(Duration::from_millis(20));
    world.apply(&export("handed", PEOPLE, PROSPECT));
    created(&world, 120).await;
    first.signal("TERM");
    assert_eq!(first.code().await, Some(0), "SIGTERM is an orderly end");
    let ended = world.sandbox.requests();
    let there = emails(&world).len() as u64;
    assert!(there < PEOPLE as u64, "{there}");
    assert_eq!(ended.under_way, 0, "nothing is cut off");
    assert_eq!(ended.with("createCandidate", 201), ended.of("createCandidate"));
    assert_eq!(there, ended.of("createCandidate"));
    let unfinished = world.get(KIND, "handed").await;
    assert_ne!(condition(&unfinished, "Ready")["status"], "True");

    world.sandbox.set_latency(Duration::ZERO);
    let _next = operator(&world, "next", 15);
    let done = world.ready(KIND, "handed", "True", "Synced").await;
    assert_delivered(&world, &done, PEOPLE);
    let all = world.sandbox.requests();
    assert_eq!(all.of("createCandidate"), PEOPLE as u64, "nobody was even tried twice");
    // Those in the ledger are not asked for; that the others are absent is proved with a few lists,
    // totals and look-ups, and the credential is checked again.
    let asked = all.total - ended.total - (PEOPLE as u64 - there);
    assert!(asked <= 30, "{asked} requests besides the creates: {:?}", all.by_operation);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_operator_at_once() {
    let _shared = shared().await;
    let Some((world, mut first)) = at_work(15).await else { return };
    let stall = Action::Stall { ms: 3_600_000 };
    world.sandbox.set_faults(vec![Fault::always("createCandidate", stall)]);
    world.apply(&export("stalled", PEOPLE, PROSPECT));
    let started = std::time::Instant::now();
    while world.sandbox.requests().under_way == 0 {
        assert!(started.elapsed() < SOON, "nobody is created");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The first alone is an orderly end, with exit code 0.
    first.signal("TERM");
    first.signal("INT");
    assert_eq!(first.code().await, Some(130));
    assert!(emails(&world).is_empty());
}
