//! Requests of unknown outcome protect their people in every export of the account.

use std::{sync::Arc, time::Duration};

use clinch_operator::{
    pipeline::{ClinchCrm, Ending, Report, RunPorts, no_neighbours, run},
    sandbox::Fault,
};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    erasure::neighbour,
    in_memory::Unplugged,
    setup::{
        ACCOUNT, Export, Store, World, careless, contract, email, hasty_client, in_clinch, keys_of,
        patient_client, profile, profiles, seeded,
    },
};

/// How long a request may be carried out after nobody waits for it any more.
const LONGEST: Duration = Duration::from_millis(1500);

/// Calls that are carried out so late, whether or not the caller waits.
fn late(operation: &str, calls: (u64, u64), millis: u64) -> Fault {
    let late = json!({"operation": operation, "from": calls.0, "to": calls.1,
        "action": {"late": {"commitMs": millis}}});
    serde_json::from_value(late).unwrap()
}

/// Another export of the account, in the same process.
fn another(world: &World) -> RunPorts<ClinchCrm, Store> {
    RunPorts {
        keys: keys_of("another"),
        export: "another".to_owned(),
        neighbours: neighbour("export-uid", &world.store),
        store: Store::default(),
        ..world.ports()
    }
}

/// A world whose requests are not answered in time if they are late.
async fn hasty() -> World {
    let world = World::new(careless()).await;
    World { client: hasty_client(&world.sandbox, Duration::from_millis(300), LONGEST), ..world }
}

#[tokio::test]
async fn a_killed_process_is_waited_for_by_every_export_of_the_account() {
    let world = World::new(careless()).await;
    world.sandbox.set_faults(vec![late("createCandidate", (9, 16), 400)]);
    let export = Export::of(profiles(24));
    {
        let killed = run(export.spec(), world.ports());
        let enough = async {
            while world.sandbox.requests().of("createCandidate") < 8 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // The next ones are sent.
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        tokio::select! {
            _ = killed => panic!("it was to be killed"),
            () = enough => {}
        }
    }
    world.sandbox.set_faults(Vec::new());
    let client = patient_client(&world.sandbox, LONGEST);
    let next = World { client, guard: Arc::default(), ..world };
    let started = Instant::now();
    let report = run(export.spec(), another(&next)).await;
    assert!(started.elapsed() >= LONGEST, "its requests may still be carried out");
    assert_eq!(report.ending, Ending::Completed);
    next.assert_exactly_once(24);
    // Once: it would wait for an hour.
    let client = patient_client(&next.sandbox, Duration::from_hours(1));
    let next = World { client, ..next };
    let more = Export::of(profiles(40));
    let ports = RunPorts { export: "third".to_owned(), keys: keys_of("third"), ..another(&next) };
    assert_eq!(run(more.spec(), ports).await.ending, Ending::Completed);
    next.assert_exactly_once(40);
}

/// Runs until creates were sent that are carried out later than that.
async fn killed_with_creates_under_way(
    world: &World,
    export: &Export,
    ports: RunPorts<ClinchCrm, Store>,
) {
    world.sandbox.set_faults(vec![late("createCandidate", (1, 8), 400)]);
    {
        let killed = run(export.spec(), ports);
        // Other requests are answered at once.
        let sent = async {
            let (mut last, mut same) = (0, 0);
            while same < 10 {
                tokio::time::sleep(Duration::from_millis(5)).await;
                let requests = world.sandbox.requests();
                let waits = requests.under_way > 0 && requests.total == last;
                (last, same) = (requests.total, if waits { same + 1 } else { 0 });
            }
        };
        tokio::select! {
            _ = killed => panic!("it was to be killed"),
            () = sent => {}
        }
    }
    world.sandbox.set_faults(Vec::new());
}

#[tokio::test]
async fn a_process_that_has_had_an_export_before_waits_for_the_one_that_had_it_since() {
    let world = World::new(careless()).await;
    assert_eq!(world.counts(&Export::of(profiles(3))).await.created, 3);
    // Its shard moves, and the other process is killed.
    let export = Export::of(profiles(8));
    let other = RunPorts { guard: Arc::default(), ..world.ports() };
    killed_with_creates_under_way(&world, &export, other).await;
    let world = World { client: patient_client(&world.sandbox, LONGEST), ..world };
    let started = Instant::now();
    assert_eq!(world.counts(&export).await.pending(), 0);
    assert!(started.elapsed() >= LONGEST, "its requests may still be carried out");
    world.assert_exactly_once(8);
}

#[tokio::test]
async fn who_is_gone_is_created_only_once_another_process_cannot_be_creating_them() {
    let world = World::new(careless()).await;
    let mut export = Export::of(profiles(6));
    world.counts(&export).await;
    world.sandbox.delete(ACCOUNT, &email(2)).unwrap();
    let other = Store::default();
    let ports = RunPorts { store: other.clone(), neighbours: no_neighbours(), ..another(&world) };
    killed_with_creates_under_way(&world, &export, ports).await;

    // All of them are known to this export, so that nobody seems to be missing.
    export.profiles[2]["title"] = "Director".into();
    let client = patient_client(&world.sandbox, LONGEST);
    let next = World { client, guard: Arc::default(), ..world };
    let ports = || RunPorts { neighbours: neighbour("another", &other), ..next.ports() };
    let started = Instant::now();
    let first = run(export.spec(), ports()).await;
    assert_eq!(first.progress.counts.pending(), 1, "{first:?}");
    let second = run(export.spec(), ports()).await;
    assert!(started.elapsed() >= LONGEST, "its requests may still be carried out");
    assert_eq!(second.ending, Ending::Completed);
    next.assert_exactly_once(6);
}

#[tokio::test]
async fn a_create_that_timed_out_protects_the_person_in_every_run_of_the_process() {
    let world = hasty().await;
    world.sandbox.set_faults(vec![late("createCandidate", (3, 8), 700)]);
    let export = Export::of(profiles(20));
    let store = Store::default();
    let both_completed = |one: &Report, two: &Report| {
        one.ending == Ending::Completed && two.ending == Ending::Completed
    };
    for _ in 0..20 {
        let ports = RunPorts { store: store.clone(), ..another(&world) };
        let (one, two) = tokio::join!(world.run(&export), run(export.spec(), ports));
        if both_completed(&one, &two) {
            world.assert_exactly_once(20);
            return;
        }
    }
    panic!("never completed");
}

#[tokio::test]
async fn a_list_read_while_somebody_was_in_doubt_does_not_prove_that_they_are_absent() {
    // Answered by a gateway where people cannot be looked up; and not answered in time.
    let answered = json!({"late": {"commitMs": 1500, "answerMs": 0, "code": 504}});
    let silent = json!({"late": {"commitMs": 33_500}});
    for (look_ups, late) in [(false, answered), (true, silent)] {
        let options = contract(json!({"duplicateEmail": "allow", "ignoreFilter": !look_ups}));
        let options = seeded(options, (100..103).map(in_clinch));
        let Unplugged { world, .. } = Unplugged::new(options, Box::new(|_| None)).await;
        world.sandbox.set_latency(Duration::from_millis(50));
        let late = json!({"operation": "createCandidate", "nth": 1, "action": late});
        world.sandbox.set_faults(vec![serde_json::from_value(late).unwrap()]);
        tokio::time::pause();
        let doubted = world.run(&Export::of(profiles(1))).await;
        assert_ne!(doubted.ending, Ending::Completed, "look-ups {look_ups}");
        // Another export has read the list before the create is carried out, and comes to this person when
        // that must have ended.
        let people: Vec<_> = (1..46).chain([0]).map(profile).collect();
        let store = Store::default();
        let ports = || RunPorts { max_in_flight: 1, store: store.clone(), ..another(&world) };
        for _ in 0..3 {
            let report = run(Export::of(people.clone()).spec(), ports()).await;
            if report.ending == Ending::Completed {
                break;
            }
        }
        tokio::time::resume();
        assert_eq!(world.sandbox.doubled(ACCOUNT), 0, "look-ups {look_ups}");
        assert_eq!(world.people().len(), 49, "look-ups {look_ups}");
    }
}

#[tokio::test]
async fn a_create_that_waited_because_clinch_asked_for_it_follows_another_look() {
    // Look-ups or the list; people there who prove look-ups, or nobody: the first one created does.
    for (look_up, there, from) in [(true, 3, 3), (false, 3, 3), (true, 0, 1)] {
        let world = World::new(seeded(careless(), (100..100 + there).map(in_clinch))).await;
        let limited = json!({"operation": "createCandidate", "from": from, "to": 10,
            "action": {"status": {"code": 429, "retryAfter": 2}}});
        world.sandbox.set_faults(vec![serde_json::from_value(limited).unwrap()]);
        let ports = RunPorts { look_up, ..world.ports() };
        let others = async {
            while world.sandbox.requests().with("createCandidate", 429) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // Somebody else adds everybody who is not there.
            let people = world.people();
            for n in (0..40).filter(|n| !people.contains_key(&email(*n))) {
                world.sandbox.add_person(ACCOUNT, &in_clinch(n)).unwrap();
            }
        };
        let (report, ()) = tokio::join!(run(Export::of(profiles(40)).spec(), ports), others);
        let case = format!("look-ups {look_up}, {there} people");
        assert_eq!(report.ending, Ending::Completed, "{case}");
        assert_eq!(world.sandbox.doubled(ACCOUNT), 0, "{case}");
        assert_eq!(world.people().len(), 40 + there, "{case}");
    }
}

#[tokio::test]
async fn an_activity_that_timed_out_is_repeated_only_once_it_must_have_ended() {
    let world = hasty().await;
    world.sandbox.set_faults(vec![late("createActivity", (3, 8), 700)]);
    let mut export = Export::of(profiles(20)).with_resume_and_tags();
    export.mapping.as_object_mut().unwrap().remove("resume");
    for profile in &mut export.profiles {
        profile["tags"] = json!(["remote"]);
    }
    for _ in 0..20 {
        if world.run(&export).await.ending == Ending::Completed {
            world.assert_exactly_once(20);
            for person in world.sandbox.people(ACCOUNT) {
                assert_eq!(person["activities"].as_array().map_or(0, Vec::len), 1, "{person}");
            }
            return;
        }
    }
    panic!("never completed");
}
