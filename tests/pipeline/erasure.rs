//! People who were anonymised in Clinch stay erased.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clinch_operator::{
    domain::Reason,
    ledger::{Listed, MemoryStore},
    pipeline::{Counts, Ending, Neighbour, Neighbours, RunPorts, run},
    sandbox::{Action, Fault},
};
use serde_json::Value;

use crate::setup::{
    ACCOUNT, Export, IN_FLIGHT, Store, World, careless, email, in_clinch, keys, keys_of, options,
    profiles, suppressions,
};

/// A world whose suppression list outlives its processes.
async fn lasting() -> (World, MemoryStore) {
    let list = MemoryStore::default();
    let world = World::new(careless()).await;
    let suppressions = suppressions(&list).await;
    (World { suppressions, ..world }, list)
}

/// The next process, which reads the list again.
async fn restarted(world: World, list: &MemoryStore) -> World {
    World { guard: Arc::default(), suppressions: suppressions(list).await, ..world }
}

/// The record of an anonymised person holds nothing, and nobody took their place.
fn assert_erased(world: &World, id: &str, people: usize) {
    let all = world.sandbox.people(ACCOUNT);
    assert_eq!(all.len(), people, "nobody was created in their place");
    let erased = all.iter().find(|person| person["id"] == id).unwrap();
    for attribute in ["email", "first_name", "last_name", "current_job_title"] {
        assert_eq!(erased["attributes"][attribute], Value::Null, "{attribute}");
    }
    for attached in ["applications", "attachments", "activities"] {
        assert_eq!(erased[attached].as_array().map_or(0, Vec::len), 0, "{attached}");
    }
}

fn only_suppressed(counts: Counts) -> (u64, u64, u64, u64) {
    (counts.suppressed, counts.created, counts.updated, counts.failed)
}

#[tokio::test]
async fn a_person_who_was_anonymised_is_not_written_again() {
    let (world, list) = lasting().await;
    let mut export = Export::of(profiles(12));
    world.counts(&export).await;
    let id = world.sandbox.anonymise(ACCOUNT, &email(3)).unwrap();
    // Edited at the source.
    export.profiles[3]["title"] = "Director".into();
    let dry = world.counts(&export.dry()).await;
    assert_eq!(only_suppressed(dry), (1, 0, 0, 0), "a dry run says so");
    let report = world.run(&export).await;
    assert_eq!(report.ending, Ending::Completed);
    assert_eq!(only_suppressed(report.progress.counts), (1, 0, 0, 0));
    assert_eq!(report.progress.counts.delivered(), 11);
    let rejection = &report.progress.rejections[0];
    assert_eq!((rejection.cause.reason, rejection.record.is_some()), (Reason::Anonymised, true));
    assert_erased(&world, &id, 12);
    // After a restart the list alone knows, and costs no request.
    let world = restarted(world, &list).await;
    let before = world.requests();
    assert_eq!(only_suppressed(world.counts(&export).await), (1, 0, 0, 0));
    assert_eq!(world.requests(), before);
}

#[tokio::test]
async fn whoever_was_seen_anonymised_once_stays_known_when_every_ledger_is_lost() {
    let (world, list) = lasting().await;
    let mut export = Export::of(profiles(20));
    world.counts(&export).await;
    let id = world.sandbox.anonymise(ACCOUNT, &email(7)).unwrap();
    export.profiles[7]["title"] = "Director".into();
    world.counts(&export).await;
    let world = restarted(World { store: Store::default(), ..world }, &list).await;
    let counts = world.counts(&export).await;
    assert_eq!((counts.suppressed, counts.created, counts.unchanged), (1, 0, 19));
    assert_erased(&world, &id, 20);
}

#[tokio::test]
async fn the_list_shows_who_was_anonymised_also_if_the_source_does_not_name_them_any_more() {
    let (world, list) = lasting().await;
    world.counts(&Export::of(profiles(20))).await;
    let id = world.sandbox.anonymise(ACCOUNT, &email(7)).unwrap();
    // A run that reads the candidate list, for other people.
    let others = Export::of((20..40).map(crate::setup::profile).collect());
    world.counts(&others).await;
    assert_eq!(world.suppressions.len(), 1);
    let world = restarted(World { store: Store::default(), ..world }, &list).await;
    assert_eq!(world.counts(&Export::of(profiles(20))).await.suppressed, 1);
    assert_erased(&world, &id, 40);
}

pub(crate) fn neighbour(uid: &'static str, store: &Store) -> Neighbours<Store> {
    let store = store.clone();
    Arc::new(move || {
        let store = store.clone();
        let open = Box::new(move || (keys_of(uid), store));
        Box::pin(async move { Ok(vec![Neighbour { uid: uid.to_owned(), open }]) })
    })
}

#[tokio::test]
async fn another_export_recognises_who_was_anonymised() {
    // Few are looked up, many are read as a list; also after a restart.
    for (count, restart) in [(3, false), (30, false), (30, true)] {
        let (mut world, list) = lasting().await;
        let export = Export::of(profiles(count));
        world.counts(&export).await;
        let id = world.sandbox.anonymise(ACCOUNT, &email(1)).unwrap();
        world.sandbox.delete(ACCOUNT, &email(2)).unwrap();
        if restart {
            world = restarted(world, &list).await;
        }
        let ports = RunPorts {
            keys: keys_of("another"),
            export: "another".to_owned(),
            neighbours: neighbour("export-uid", &world.store),
            store: Store::default(),
            ..world.ports()
        };
        let counts = run(export.spec(), ports).await.progress.counts;
        let known = count as u64 - 2;
        assert_eq!((counts.suppressed, counts.unchanged), (1, known), "{count}, {restart}");
        assert_eq!(counts.created, 1, "who was deleted is created");
        assert_erased(&world, &id, count);
    }
}

#[tokio::test]
async fn who_is_gone_under_one_id_and_anonymised_under_another_stays_erased() {
    let (world, _list) = lasting().await;
    let mut export = Export::of(profiles(12));
    world.counts(&export).await;
    // Merged into another record, which another export pushes to.
    world.sandbox.delete(ACCOUNT, &email(3)).unwrap();
    world.sandbox.add_person(ACCOUNT, &in_clinch(3)).unwrap();
    let other = Store::default();
    let ports = |export: &str, store: &Store| RunPorts {
        keys: keys_of(export),
        export: export.to_owned(),
        store: store.clone(),
        ..world.ports()
    };
    let report = run(export.spec(), ports("another", &other)).await;
    assert_eq!(report.progress.counts.created, 0);
    let id = world.sandbox.anonymise(ACCOUNT, &email(3)).unwrap();

    // The first one has their address from its source still, and the record that is gone.
    export.profiles[3]["title"] = "Director".into();
    let guard = || Arc::default();
    let neighbours = neighbour("another", &other);
    let known = RunPorts { neighbours, guard: guard(), ..world.ports() };
    // A third one knows nobody, and finds two records of them in the ledgers, in either order.
    let (gone, anonymised) = (neighbour("export-uid", &world.store), neighbour("another", &other));
    let thirds = [[&gone, &anonymised], [&anonymised, &gone]].map(|both| {
        let neighbours = together(both.map(Arc::clone));
        let ports = ports("third", &Store::default());
        let list = MemoryStore::default();
        (RunPorts { neighbours, guard: guard(), ..ports }, list)
    });
    for (ports, list) in thirds {
        let ports = RunPorts { suppressions: suppressions(&list).await, ..ports };
        let counts = run(export.spec(), ports).await.progress.counts;
        assert_eq!((counts.suppressed, counts.created), (1, 0), "{counts:?}");
    }
    let counts = run(export.spec(), known).await.progress.counts;
    assert_eq!((counts.suppressed, counts.created), (1, 0), "{counts:?}");
    assert_eq!(world.people_with_address().len(), 11);
    assert_erased(&world, &id, 12);
}

fn together(all: [Neighbours<Store>; 2]) -> Neighbours<Store> {
    Arc::new(move || {
        let all = all.clone();
        Box::pin(async move {
            let [one, two] = &all;
            Ok(one().await?.into_iter().chain(two().await?).collect())
        })
    })
}

#[tokio::test]
async fn who_is_anonymised_while_a_run_works_is_left_alone() {
    const PEOPLE: usize = 200;
    let (world, _list) = lasting().await;
    let mut export = Export::of(profiles(PEOPLE)).applying().with_resume_and_tags();
    world.counts(&Export::of(profiles(PEOPLE))).await;
    for profile in &mut export.profiles {
        profile["title"] = "Director".into();
        profile["tags"] = serde_json::json!(["remote"]);
    }
    world.sandbox.set_latency(Duration::from_millis(3));
    let ports = world.ports();
    let mut progress = ports.progress.subscribe();
    let erase = async {
        progress.wait_for(|progress| progress.counts.updated >= 5).await.unwrap();
        // The order of a run is random: half of those who are left.
        let people = world.sandbox.people(ACCOUNT);
        let left =
            people.iter().filter(|person| person["attributes"]["current_job_title"] != "Director");
        let left: Vec<&str> =
            left.filter_map(|person| person["attributes"]["email"].as_str()).collect();
        let erased = &left[..left.len() / 2];
        erased.iter().map(|one| world.sandbox.anonymise(ACCOUNT, one).unwrap()).collect::<Vec<_>>()
    };
    let (report, ids) = tokio::join!(run(export.spec(), ports), erase);
    assert_eq!(report.ending, Ending::Completed);
    let counts = report.progress.counts;
    assert_eq!(counts.suppressed + counts.updated, PEOPLE as u64);
    // Those whom it had read already, not more than are in progress.
    let late = ids.len() - usize::try_from(counts.suppressed).unwrap();
    assert!(ids.len() > 50 && late <= IN_FLIGHT, "{late} of {}", ids.len());
    let people = world.sandbox.people(ACCOUNT);
    let written = |id: &&String| {
        let person = people.iter().find(|person| person["id"] == id.as_str()).unwrap();
        person["activities"].as_array().is_some_and(|activities| !activities.is_empty())
    };
    assert_eq!(ids.iter().filter(written).count(), late);
}

#[tokio::test]
async fn steps_that_are_missing_are_not_added_to_an_anonymised_person() {
    let (world, _list) = lasting().await;
    let export = Export::of(profiles(12));
    world.counts(&export).await;
    let id = world.sandbox.anonymise(ACCOUNT, &email(3)).unwrap();
    let counts = world.counts(&export.applying()).await;
    assert_eq!((counts.suppressed, counts.updated), (1, 11));
    assert_erased(&world, &id, 12);
}

#[tokio::test]
async fn who_is_on_the_list_as_mapped_and_anonymised_since_gets_no_application() {
    const PEOPLE: usize = 100;
    let world = World::new(careless()).await;
    world.counts(&Export::of(profiles(PEOPLE))).await;
    // Another export: it knows them from the candidate list, with nothing to change.
    let world = World { store: Store::default(), guard: Arc::default(), ..world };
    world.sandbox.set_latency(Duration::from_millis(3));
    let ports = world.ports();
    let mut progress = ports.progress.subscribe();
    let erase = async {
        progress.wait_for(|progress| progress.counts.updated >= 5).await.unwrap();
        world.sandbox.anonymise(ACCOUNT, &email(PEOPLE - 1)).unwrap()
    };
    let export = Export::of(profiles(PEOPLE)).applying();
    let (report, id) = tokio::join!(run(export.spec(), ports), erase);
    let counts = report.progress.counts;
    assert_eq!((counts.suppressed, counts.updated), (1, PEOPLE as u64 - 1));
    assert_erased(&world, &id, PEOPLE);
}

#[tokio::test]
async fn who_was_anonymised_unseen_and_is_in_no_ledger_cannot_be_recognised() {
    let (world, _list) = lasting().await;
    let export = Export::of(profiles(12));
    world.counts(&export).await;
    world.sandbox.anonymise(ACCOUNT, &email(3)).unwrap();
    let world = World { store: Store::default(), guard: Arc::default(), ..world };
    // Documented: nothing is left to recognise them by. The admin's own list is for that.
    assert_eq!(world.counts(&export).await.created, 1);
    assert_eq!(world.people_with_address().len(), 12);
}

#[tokio::test]
async fn where_the_contract_has_no_such_flag_no_read_is_spent_on_it() {
    let world = World::discovering(options()).await;
    let flagless = serde_json::json!({"anonymizedFlag": false});
    let bare = World::discovering(crate::setup::contract(flagless)).await;
    for (world, reads) in [(world, 1), (bare, 0)] {
        let mut export = Export::of(profiles(3));
        world.counts(&export).await;
        export.profiles[0]["title"] = "Director".into();
        world.counts(&export).await;
        assert_eq!(world.sandbox.requests().of("getCandidate"), reads);
        assert_eq!(world.sandbox.requests().of("updateCandidate"), 1);
    }
}

#[tokio::test]
async fn people_known_by_hashes_of_an_earlier_version_are_known_without_a_request() {
    let world = World::new(careless()).await;
    let export = Export::of(profiles(30));
    let earlier = keys().earlier().unwrap().clone();
    let ports = RunPorts { keys: earlier, ..world.ports() };
    assert_eq!(run(export.spec(), ports).await.progress.counts.created, 30);
    let before = world.requests();
    let counts = world.counts(&export).await;
    assert_eq!((counts.unchanged, world.requests()), (30, before));
    // The first run that pushes somebody records everybody under the present hashes.
    let mut more = export.clone();
    more.profiles.push(crate::setup::profile(30));
    world.counts(&more).await;
    let present = World { guard: Arc::default(), ..world };
    let before = present.requests();
    assert_eq!(present.counts(&more).await.unchanged, 31);
    assert_eq!(present.requests(), before);
    assert_eq!(present.people().len(), 31);
}

/// Waits for a request of an operation.
async fn seen(world: &World, operation: &str) {
    let started = Instant::now();
    while world.sandbox.requests().of(operation) == 0 {
        assert!(started.elapsed() < Duration::from_secs(60), "no {operation}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn later(operation: &str, code: u16, times: usize) -> Fault {
    let later = Action::Status { code, retry_after: Some(2), html: false };
    Fault::always(operation, later).times(times as u64)
}

#[tokio::test]
async fn an_update_that_waited_is_sent_only_after_another_read() {
    const PEOPLE: usize = 8;
    for code in [429, 503] {
        let (world, _list) = lasting().await;
        let mut export = Export::of(profiles(PEOPLE));
        world.counts(&export).await;
        for profile in &mut export.profiles {
            profile["title"] = "Director".into();
        }
        world.sandbox.set_faults(vec![later("updateCandidate", code, PEOPLE)]);
        let anonymised = async {
            seen(&world, "updateCandidate").await;
            // One of them was not: it is updated all the same.
            let erased = 0..PEOPLE - 1;
            erased.map(|n| world.sandbox.anonymise(ACCOUNT, &email(n)).unwrap()).collect::<Vec<_>>()
        };
        let (counts, ids) = tokio::join!(world.counts(&export), anonymised);
        for id in ids {
            assert_erased(&world, &id, PEOPLE);
        }
        assert_eq!((counts.suppressed, counts.updated), (PEOPLE as u64 - 1, 1), "{code}");
        assert_eq!(world.person(PEOPLE - 1)["attributes"]["current_job_title"], "Director");
    }
}

#[tokio::test]
async fn a_step_that_waited_is_taken_only_after_another_read() {
    for create in [true, false] {
        let (world, _list) = lasting().await;
        let mut export = Export::of(profiles(1)).applying().with_resume_and_tags();
        if !create {
            world.counts(&Export::of(profiles(1))).await;
        }
        export.profiles[0]["title"] = "Director".into();
        export.profiles[0]["tags"] = serde_json::json!(["remote"]);
        world.sandbox.set_faults(vec![later("createApplication", 429, 1)]);
        let anonymised = async {
            seen(&world, "createApplication").await;
            world.sandbox.anonymise(ACCOUNT, &email(0)).unwrap()
        };
        let (counts, id) = tokio::join!(world.counts(&export), anonymised);
        assert_eq!(only_suppressed(counts), (1, 0, 0, 0), "created before: {create}");
        assert_erased(&world, &id, 1);
    }
}

fn listed(world: &World, people: impl IntoIterator<Item = usize>) -> Arc<Listed> {
    let lines: Vec<String> = people.into_iter().map(email).collect();
    let parts = [("list".to_owned(), lines.join("\n").into())];
    let hash = |key: &_| world.suppressions.key_hash(key);
    Arc::new(Listed::parse(&parts, None, hash).unwrap())
}

#[tokio::test]
async fn the_admins_list_is_tested_before_each_write_and_not_once_a_record() {
    // A create that waits, and steps of people who are half done.
    let operations = ["createCandidate", "createApplication", "createActivity"];
    for (n, waits) in operations.into_iter().enumerate() {
        let world = World::new(careless()).await;
        let mut export = Export::of(profiles(1)).applying().with_resume_and_tags();
        export.profiles[0]["tags"] = serde_json::json!(["remote"]);
        world.sandbox.set_faults(vec![later(waits, 429, 1)]);
        let change = async {
            seen(&world, waits).await;
            world.suppressions.set_listed(Some(listed(&world, [0])));
        };
        let (counts, ()) = tokio::join!(world.counts(&export), change);
        assert_eq!(only_suppressed(counts), (1, 0, 0, 0), "{waits}");
        let requests = world.sandbox.requests();
        assert_eq!(requests.of(waits), 1, "not sent again");
        for later in &operations[n + 1..] {
            assert_eq!(requests.of(later), 0, "{later} after {waits}");
        }
    }
}
