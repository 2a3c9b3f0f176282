//! Runs that end before the requests of a killed process must have ended: the next one waits for the rest
//! only.

use std::{pin::pin, sync::Arc, time::Duration};

use clinch_operator::{
    pipeline::{ClinchCrm, Ending, Progress, RunPorts, no_neighbours, run},
    sandbox::Sandbox,
};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    erasure::neighbour,
    setup::{Export, Store, World, careless, keys_of, patient_client, profiles},
};

const PEOPLE: usize = 60;
/// How long requests of a process that was killed may be carried out, in seconds.
const LONGEST: u64 = 3600;

/// A process that is killed while it creates people.
async fn killed(world: &World, export: &Export) {
    let before = world.sandbox.requests().of("createCandidate");
    let killed = run(export.spec(), RunPorts { guard: Arc::default(), ..world.ports() });
    tokio::select! {
        report = killed => panic!("it was to be killed: {report:?}"),
        () = created(&world.sandbox, before + 2) => {}
    }
}

/// Waits until so many people were created.
async fn created(sandbox: &Sandbox, count: u64) {
    while sandbox.requests().of("createCandidate") < count {
        sleep(Duration::from_millis(1)).await;
    }
}

/// After a kill: a world of processes that wait for long.
async fn after_a_kill() -> (World, Export) {
    let mut options = careless();
    options.latency = Duration::from_millis(20);
    let world = World::new(options).await;
    let export = Export::of(profiles(PEOPLE));
    killed(&world, &export).await;
    let client = patient_client(&world.sandbox, Duration::from_secs(LONGEST));
    (World { client, ..world }, export)
}

/// Runs as a process of its own, which ends once it waits. Returns how long it would have waited; `None`
/// if it has completed.
async fn waited(ports: RunPorts<ClinchCrm, Store>, export: &Export) -> Option<u64> {
    let (progress, mut seen) = watch::channel(Progress::default());
    let cancel = CancellationToken::new();
    let guard = Arc::default();
    let ports = RunPorts { progress, guard, cancel: cancel.clone(), ..ports };
    let mut run = pin!(run(export.spec(), ports));
    let waits = async {
        let waits = seen.wait_for(|progress| progress.earlier_requests.is_some()).await;
        waits.unwrap().earlier_requests
    };
    tokio::select! {
        report = &mut run => {
            assert_eq!(report.ending, Ending::Completed);
            None
        }
        seconds = waits => {
            cancel.cancel();
            assert_eq!(run.await.ending, Ending::Stopped);
            seconds
        }
    }
}

/// Whether a process waits from the beginning.
fn is_whole(waits: Option<u64>) -> bool {
    waits.is_some_and(|seconds| (LONGEST - 60..=LONGEST).contains(&seconds))
}

#[tokio::test]
async fn runs_that_are_shorter_than_the_wait_complete_in_the_end() {
    let (world, export) = after_a_kill().await;
    assert!(is_whole(waited(world.ports(), &export).await));
    for left in [2400, 1200] {
        world.store.pass(1200);
        let waits = waited(world.ports(), &export).await.unwrap();
        assert!((left - 60..=left).contains(&waits), "{waits} of {left} s");
    }
    assert!(world.people().len() < PEOPLE, "nobody was pushed meanwhile");
    world.store.pass(1200);
    assert_eq!(waited(world.ports(), &export).await, None);
    world.assert_exactly_once(PEOPLE);
}

#[tokio::test]
async fn another_export_of_the_account_waits_for_the_same_rest() {
    let (world, export) = after_a_kill().await;
    let other = || RunPorts {
        keys: keys_of("another"),
        export: "another".to_owned(),
        neighbours: neighbour("export-uid", &world.store),
        store: Store::default(),
        ..world.ports()
    };
    // Only runs of the export itself note since when.
    assert!(is_whole(waited(other(), &export).await) && is_whole(waited(other(), &export).await));
    assert!(is_whole(waited(world.ports(), &export).await));
    world.store.pass(LONGEST - 600);
    let waits = waited(other(), &export).await.unwrap();
    assert!((540..=600).contains(&waits), "{waits}");
    world.store.pass(600);
    assert_eq!(waited(other(), &export).await, None);
    world.assert_exactly_once(PEOPLE);
}

#[tokio::test]
async fn what_cannot_be_compared_counts_for_nothing() {
    let (world, export) = after_a_kill().await;
    assert!(is_whole(waited(world.ports(), &export).await));
    world.store.pass(2 * LONGEST);
    let copy = world.store.copy().await;
    assert!(is_whole(waited(world.ports_on(copy), &export).await), "a copy of the ledger");
    world.store.boot();
    assert!(is_whole(waited(world.ports(), &export).await), "after a restart of the machine");
    world.store.forget_place();
    assert!(is_whole(waited(world.ports(), &export).await), "the store cannot tell a copy");
    world.store.pass(2 * LONGEST);
    assert!(is_whole(waited(world.ports(), &export).await), "still");
}

#[tokio::test]
async fn a_process_that_was_killed_later_is_waited_for_from_the_beginning() {
    for more in [0, 3] {
        let (world, export) = after_a_kill().await;
        assert!(is_whole(waited(world.ports(), &export).await));
        world.store.pass(2 * LONGEST);
        // It waits no more, declares the same people, or others, and is killed, too.
        let later = Export::of(profiles(PEOPLE + more));
        killed(&world, &later).await;
        assert!(world.people().len() < PEOPLE + more);
        assert!(is_whole(waited(world.ports(), &later).await), "{more} more");
        world.store.pass(LONGEST);
        let alone = RunPorts { neighbours: no_neighbours(), ..world.ports() };
        assert_eq!(waited(alone, &later).await, None);
        world.assert_exactly_once(PEOPLE + more);
    }
}
