//! A window is declared before it is pushed: what that saves, and what it guards against.

use std::time::Duration;

use clinch_operator::{
    clinch::{Contract, Overrides},
    domain::{Disposition, Reason},
    ledger::Keys,
    pipeline::{Ending, RunPorts, run},
};
use serde_json::json;

use crate::setup::{Export, Store, World, account, careless, contract, options, profiles};

/// Runs into a full ledger.
async fn refused(world: &World, export: &Export) -> String {
    let report = world.run(export).await;
    let Ending::Interrupted { disposition, message } = report.ending else { panic!("{report:?}") };
    assert_eq!(disposition, Disposition::retry(Reason::LedgerRefused));
    message
}

#[tokio::test]
async fn nobody_is_pushed_whom_the_ledger_cannot_record() {
    let world = World::new(careless()).await;
    let export = Export::of(profiles(30));
    world.store.set_room(0);
    let message = refused(&world, &export).await;
    assert!(message.contains("quota") && message.contains("nobody is pushed"), "{message}");
    assert_eq!(world.writes(), 0);
    world.store.set_room(9);
    assert_eq!(world.counts(&export).await.created, 30);
    world.assert_exactly_once(30);
}

#[tokio::test]
async fn a_ledger_that_fills_up_ends_the_run_with_the_window_it_has_declared() {
    let world = World::new(careless()).await;
    let export = Export::of(profiles(2100));
    world.store.set_room(1);
    refused(&world, &export).await;
    let created = world.people().len();
    assert_eq!(created, 2048, "one window");
    world.store.set_room(9);
    let (before, counts) = (world.requests(), world.counts(&export).await);
    assert_eq!((counts.created, counts.unchanged), (52, 2048));
    let (pages, creates) = (21, 52);
    // The list twice; the first one looked up; three totals; one looked up at the end. And one who proves the
    // filter, and those of a sample of ten whom the list does not show, which are few.
    let (requests, least) = (world.requests() - before, 2 * pages + creates + 1 + 3 + 1);
    assert!((least..=least + 1 + 10).contains(&requests), "{requests}");
    world.assert_exactly_once(2100);
    assert_eq!(world.store.segments().await, 3, "two windows, and what became of the second");
}

#[tokio::test]
async fn after_a_crash_only_records_of_the_undecided_window_are_checked() {
    let world = World::new(options()).await;
    let mut export = Export::of(profiles(300));
    world.counts(&export).await;
    for n in 0..10 {
        export.profiles[n]["title"] = "Director".into();
    }
    // Declared and pushed; its outcome is never recorded, as after a kill.
    world.store.set_room(1);
    refused(&world, &export).await;
    assert_eq!(world.person(9)["attributes"]["current_job_title"], "Director");
    world.store.set_room(9);
    let before = world.requests();
    let counts = world.counts(&export).await;
    assert_eq!((counts.updated, counts.unchanged), (0, 300), "they have it already");
    assert_eq!(world.requests(), before + 10, "which is read");
    world.counts(&export).await;
    assert_eq!(world.requests(), before + 10);
}

#[tokio::test]
async fn a_value_that_was_written_unrecorded_is_taken_back_with_the_source() {
    let world = World::new(options()).await;
    let before = Export::of(profiles(3));
    world.counts(&before).await;
    let mut after = before.clone();
    after.profiles[1]["title"] = "Director".into();
    world.store.set_room(1);
    refused(&world, &after).await;
    assert_eq!(world.person(1)["attributes"]["current_job_title"], "Director");
    world.store.set_room(9);
    // By a ledger without windows, nothing has changed since the first run.
    let counts = world.counts(&before).await;
    assert_eq!((counts.updated, counts.unchanged), (1, 2));
    assert_eq!(world.person(1)["attributes"]["current_job_title"], "Engineer");
}

#[tokio::test]
async fn whoever_was_just_created_by_a_run_that_was_cut_off_is_waited_for() {
    let lagging = contract(json!({"duplicateEmail": "allow", "searchLagMs": 250}));
    let mut overrides = Overrides::default();
    overrides.lookup_settle = Some(Duration::from_millis(300));
    let world = World::speaking(lagging, Contract::built_in().with(&overrides)).await;
    let export = Export::of(profiles(5));
    world.store.set_room(1);
    refused(&world, &export).await;
    world.store.set_room(9);
    assert_eq!(world.counts(&export).await.created, 0);
    world.assert_exactly_once(5);
}

#[tokio::test]
async fn a_ledger_that_would_be_too_large_stalls_before_anything_is_written() {
    let world = World::new(options()).await;
    let limited =
        |export: &Export| run(export.spec(), RunPorts { ledger_max: Some(10), ..world.ports() });
    let report = limited(&Export::of(profiles(11))).await;
    let ending = report.ending.clone();
    let Ending::Interrupted { disposition, message } = report.ending else { panic!("{report:?}") };
    assert_eq!(disposition, Disposition::Stalled { reason: Reason::LedgerTooLarge });
    assert!(message.contains("--ledger-url") && message.contains("11 people"), "{message}");
    assert_eq!(limited(&Export::of(profiles(11)).dry()).await.ending, ending, "as the push ends");
    assert_eq!(world.requests(), 0);
    assert_eq!(limited(&Export::of(profiles(10))).await.ending, Ending::Completed);
    let mut other = Export::of(profiles(12));
    other.profiles.drain(..9);
    let report = limited(&other).await;
    assert!(matches!(report.ending, Ending::Interrupted { .. }), "ten known and two new");
    // People who are there already may be updated.
    let mut changed = Export::of(profiles(10));
    changed.profiles[3]["title"] = "Director".into();
    assert_eq!(limited(&changed).await.progress.counts.updated, 1);
}

#[tokio::test]
async fn a_run_that_changes_nothing_writes_no_segment() {
    let world = World::new(options()).await;
    let export = Export::of(profiles(20));
    world.counts(&export).await;
    assert_eq!(world.store.segments().await, 2);
    world.counts(&export).await;
    assert_eq!(world.store.segments().await, 2);
}

#[tokio::test]
async fn a_lost_or_foreign_ledger_means_that_everybody_is_checked_and_nobody_created() {
    let world = World::new(careless()).await;
    let export = Export::of(profiles(120)).applying();
    world.counts(&export).await;
    // Another root key: the segments are there, and nothing in them is believed.
    let foreign = RunPorts { keys: Keys::of(&[8; 32], account(), "export-uid"), ..world.ports() };
    let (before, report) = (world.writes(), run(export.spec(), foreign).await);
    assert_eq!(report.ending, Ending::Completed);
    assert_eq!((report.progress.counts.unchanged, world.writes()), (120, before));
    let lost = World { store: Store::default(), ..world };
    assert_eq!(lost.counts(&export).await.unchanged, 120);
    assert_eq!(lost.writes(), before);
    lost.assert_exactly_once(120);
}
