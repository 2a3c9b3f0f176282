//! Nobody who is in Clinch is created again, whatever is wrong with the candidate list. Clinch accepts
//! a second create with the same address in these tests, so that the emulator's count shows it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use clinch_operator::{
    clinch::{Contract, Overrides},
    domain::{Disposition, Fence, Reason},
    pipeline::{Ending, PeopleGuard, Progress, Report, RunPorts, Suspects, run},
    sandbox::{Action, Fault, Options},
};
use serde_json::{Value, json};

use crate::setup::{
    ACCOUNT, Export, Store, World, client, contract, email, in_clinch, keys_of, profile, profiles,
    seeded,
};

fn people(count: usize) -> impl Iterator<Item = Value> {
    (0..count).map(in_clinch)
}

/// An emulator that accepts duplicates, with this many people.
fn crowded(count: usize, mut with: Value) -> Options {
    with["duplicateEmail"] = "allow".into();
    seeded(contract(with), people(count))
}

/// Exports the people `from..to`, the first `there` of which are in Clinch; nobody is there twice.
async fn none_doubled(name: &str, options: Options, there: usize, from: usize, to: usize) -> World {
    let world = World::new(options).await;
    let counts = world.counts(&Export::of((from..to).map(profile).collect())).await;
    assert_eq!(world.sandbox.doubled(ACCOUNT), 0, "{name}");
    let created = (to - from.max(there)) as u64;
    assert_eq!((counts.created, counts.delivered()), (created, (to - from) as u64), "{name}");
    world
}

#[tokio::test]
async fn a_page_parameter_of_another_name_hides_nobody() {
    for meta in [true, false] {
        let paging = json!({"page": "page[offset]", "perPage": "per_page", "links": false,
            "meta": meta});
        let options = crowded(500, json!({"openapi": false, "paging": paging}));
        none_doubled(&format!("meta {meta}"), options, 500, 300, 520).await;
    }
}

#[tokio::test]
async fn people_beyond_a_result_window_are_found() {
    let window = crowded(600, json!({"paging": {"window": 300}}));
    none_doubled("the total shows it", window, 600, 400, 620).await;
    for (hidden, name) in [(200, "many are hidden"), (3, "few are hidden")] {
        let capped = json!({"paging": {"window": 300, "totalCap": 300}});
        let there = 300 + hidden;
        none_doubled(name, crowded(there, capped), there, 150, there + 200).await;
    }
}

#[tokio::test]
async fn a_list_that_never_ends_is_left_and_nobody_is_doubled() {
    for (name, beyond, wrong) in [
        ("the last page again and again", "repeat", 0),
        ("new people for ever", "invent", 0),
        ("and a total that allows many", "invent", 900),
    ] {
        let paging = json!({"beyond": beyond, "totalWrong": wrong});
        let world = none_doubled(name, crowded(250, json!({"paging": paging})), 250, 0, 400).await;
        let pages = world.sandbox.requests().of("listCandidates");
        assert!(pages < 250, "{name}: {pages} lists and look-ups for 150 unknown people");
    }
}

#[tokio::test]
async fn where_people_cannot_be_looked_up_an_endless_list_ends_the_run_and_is_named() {
    let paging = json!({"beyond": "invent", "totalWrong": 1000});
    let options = crowded(100, json!({"ignoreFilter": true, "paging": paging}));
    let world = World::new(options).await;
    let Report { ending, progress } = world.run(&Export::of(profiles(200))).await;
    let Ending::Interrupted { disposition, message } = ending else { panic!("{ending:?}") };
    assert_eq!(disposition, Disposition::Stalled { reason: Reason::ContractUnsupported });
    // A total of 1100 at 100 a page: 11 pages, twice that, and ten.
    assert!(message.contains("did not end after 32 pages"), "{message}");
    // Read once before it is known that look-ups find nobody, and once after.
    let requests = world.sandbox.requests().of("listCandidates");
    assert!((64..=80).contains(&requests), "{requests}");
    assert_eq!((world.writes(), progress.listing), (0, None));
}

#[tokio::test]
async fn the_page_of_the_list_that_is_read_is_reported() {
    let world = World::new(crowded(250, json!({}))).await;
    world.sandbox.set_latency(Duration::from_millis(20));
    let ports = world.ports();
    let mut progress = ports.progress.subscribe();
    let third = async { progress.wait_for(|progress| progress.listing == Some(3)).await.is_ok() };
    let export = Export::of((200..300).map(profile).collect());
    let (report, seen) = tokio::join!(run(export.spec(), ports), third);
    assert!(seen);
    assert_eq!((report.ending, report.progress.listing), (Ending::Completed, None));
}

#[tokio::test]
async fn a_total_that_is_wrong_proves_nothing() {
    for wrong in [-100, -1, 1, 100] {
        let options = crowded(250, json!({"paging": {"totalWrong": wrong}}));
        none_doubled(&format!("{wrong}"), options, 250, 0, 300).await;
    }
}

#[tokio::test]
async fn rows_that_move_while_pages_are_read_lose_nobody() {
    // Deleted people are in no export: they are the first ones of the list.
    for (name, shift, order) in [
        ("deleted", json!({"delete": 1}), "created"),
        ("deleted once", json!({"delete": 1, "times": 1}), "created"),
        ("deleted and inserted", json!({"delete": 1, "insert": 1}), "created"),
        ("deleted and inserted once", json!({"delete": 1, "insert": 1, "times": 1}), "created"),
        ("deleted and inserted twice", json!({"delete": 2, "insert": 2, "times": 2}), "created"),
        ("updated", json!({"touch": 1}), "updated"),
        ("updated by many", json!({"touch": 5}), "updated"),
        ("inserted", json!({"insert": 3}), "updated"),
    ] {
        for from in [100, 190] {
            let options =
                crowded(400, json!({"shift": shift, "paging": {"order": order, "links": false}}));
            none_doubled(&format!("{name}, from {from}"), options, 400, from, 430).await;
        }
    }
}

#[tokio::test]
async fn a_list_without_a_total_is_not_believed() {
    let world =
        none_doubled("no total", crowded(300, json!({"paging": {"meta": false}})), 300, 0, 350)
            .await;
    let requests = world.sandbox.requests();
    assert_eq!(requests.of("createCandidate"), 50);
    assert!(requests.of("listCandidates") >= 250, "each of them was looked up");
}

#[tokio::test]
async fn where_neither_filter_nor_list_can_be_believed_nobody_is_created() {
    let options = crowded(150, json!({"ignoreFilter": true, "paging": {"meta": false}}));
    let world = World::new(options).await;
    let Report { ending, progress } = world.run(&Export::of(profiles(200))).await;
    let Ending::Interrupted { disposition, message } = ending else { panic!("{ending:?}") };
    assert_eq!(disposition, Disposition::Stalled { reason: Reason::ContractUnsupported });
    assert!(message.contains("filterParameter"), "{message}");
    assert_eq!((world.writes(), progress.counts.pending()), (0, 200));
}

#[tokio::test]
async fn a_total_that_does_not_grow_with_creates_is_believed_three_times_at_most() {
    // The filter finds nobody who is stored with capitals; the list hides them, and its total is capped.
    let stored = |n: usize| {
        let mut person = in_clinch(n);
        if n >= 200 {
            person["email"] = email(n).to_uppercase().into();
        }
        person
    };
    let contract = contract(json!({"duplicateEmail": "allow", "caseSensitiveFilter": true,
        "paging": {"window": 250, "totalCap": 250}}));
    let world = World::new(seeded(contract, (0..400).map(stored))).await;
    let export = Export::of((250..450).map(profile).collect());
    let mut attempts = 0;
    let (disposition, message) = loop {
        let Ending::Interrupted { disposition, message } = world.run(&export).await.ending else {
            panic!("nothing shows who is there")
        };
        attempts += 1;
        if !matches!(disposition, Disposition::Retry { .. }) || attempts == 10 {
            break (disposition, message);
        }
    };
    assert_eq!(disposition, Disposition::Stalled { reason: Reason::ContractUnsupported });
    assert!(message.contains("does not grow"), "{message}");
    assert_eq!((attempts, world.writes()), (4, 3));
}

#[tokio::test]
async fn a_filter_that_finds_nobody_is_not_taken_for_an_empty_account() {
    // The filter has another name, and what it does not know the server ignores; or it knows the
    // name and never finds anybody.
    let blind = json!({"openapi": false, "filter": {"email": "mail"}, "paging": {"meta": true}});
    none_doubled("another name", crowded(150, blind), 150, 148, 152).await;
}

#[tokio::test]
async fn look_ups_that_never_find_anybody_are_noticed_before_anybody_is_created() {
    // The first page shows nobody with an address: the oldest people were anonymised.
    let blind = json!({"openapi": false, "filter": {"email": "mail"}, "paging": {"meta": true}});
    let mut there: Vec<Value> = people(300).collect();
    let options = Options {
        contract: contract({
            let mut blind = blind;
            blind["duplicateEmail"] = "allow".into();
            blind
        })
        .contract,
        ..seeded(crate::setup::options(), there.drain(..))
    };
    let world = World::new(options).await;
    for n in 0..100 {
        world.sandbox.anonymise(ACCOUNT, &email(n)).unwrap();
    }
    for look_up in [false, true] {
        let ports = RunPorts { look_up, ..world.ports() };
        let export = Export::of((295..305).map(profile).collect());
        run(export.spec(), ports).await;
        assert_eq!(world.sandbox.doubled(ACCOUNT), 0, "look-ups: {look_up}");
    }
}

/// Runs, and lets somebody else act once `created` people are created.
async fn disturbed(world: &World, export: &Export, created: u64, act: impl FnOnce()) -> Report {
    let ports = world.ports();
    let mut progress = ports.progress.subscribe();
    let disturb = async {
        let _ = progress.wait_for(|progress| progress.counts.created >= created).await;
        act();
    };
    let (report, ()) = tokio::join!(run(export.spec(), ports), disturb);
    report
}

#[tokio::test]
async fn people_added_by_somebody_else_are_noticed_within_fifty_creates() {
    let world = World::new(crowded(0, json!({}))).await;
    world.sandbox.set_latency(Duration::from_millis(3));
    let export = Export::of(profiles(400));
    // More than the 50 creates that may rest on one probe come first.
    let late = [300, 399];
    let report = disturbed(&world, &export, 100, || {
        for n in late {
            world.sandbox.add_person(ACCOUNT, &in_clinch(n)).unwrap();
        }
    })
    .await;
    assert_eq!(report.ending, Ending::Completed);
    assert_eq!(world.sandbox.doubled(ACCOUNT), 0);
    assert_eq!(report.progress.counts.created, 398);
    assert_eq!(report.progress.counts.unchanged, 2);
    let lists = world.sandbox.requests().of("listCandidates");
    assert!(lists > 250, "the others were looked up: {lists}");
}

#[tokio::test]
async fn a_person_deleted_during_a_run_ends_trust_in_the_list_too() {
    let world = World::new(crowded(1, json!({}))).await;
    world.sandbox.set_latency(Duration::from_millis(3));
    let export = Export::of((1..301).map(profile).collect());
    let report = disturbed(&world, &export, 100, || {
        world.sandbox.delete(ACCOUNT, &email(0)).unwrap();
    })
    .await;
    assert_eq!(report.progress.counts.created, 300);
    assert!(world.sandbox.requests().of("listCandidates") > 150);
}

#[tokio::test]
async fn duplicates_made_unknowingly_are_reported_afterwards_until_they_are_merged() {
    let world = World::new(crowded(0, json!({}))).await;
    world.sandbox.set_latency(Duration::from_millis(3));
    let export = Export::of(profiles(300));
    // The people created next: within the 50 that rest on one probe.
    let report = disturbed(&world, &export, 60, || {
        for n in 0..70 {
            world.sandbox.add_person(ACCOUNT, &in_clinch(n)).unwrap();
        }
    })
    .await;
    assert_eq!(report.ending, Ending::Completed);
    let doubled = world.sandbox.doubled(ACCOUNT);
    assert!((60..=70).contains(&doubled), "{doubled}");
    assert_eq!(report.progress.doubled.found, doubled as u64, "all of them are found");
    assert_eq!(report.progress.doubled.records.len(), 20, "and some are named");
    // The next run looks up those that were listed, or everybody if the list was cut off.
    let records: Arc<[_]> = report.progress.doubled.records.clone().into();
    let named = Suspects { records: records.clone(), everybody: false };
    let all = Suspects { records, everybody: true };
    let again = |suspects: &Suspects| {
        let ports = RunPorts { suspects: suspects.clone(), ..world.ports() };
        let spec = export.spec();
        async { run(spec, ports).await.progress.doubled.found }
    };
    assert_eq!((again(&named).await, again(&all).await), (20, doubled as u64));
    for n in 0..70 {
        // Merged: one of the two is deleted.
        world.sandbox.delete(ACCOUNT, &email(n)).unwrap();
    }
    assert_eq!(again(&all).await, 0);
}

/// As by a gateway that sends creates again by itself.
#[tokio::test]
async fn with_look_ups_too_a_person_who_is_found_twice_has_everybody_looked_up_afterwards() {
    let world = World::new(crowded(0, json!({}))).await;
    world.sandbox.set_latency(Duration::from_millis(3));
    let export = Export::of(profiles(150));
    let ports = RunPorts { look_up: true, ..world.ports() };
    let mut progress = ports.progress.subscribe();
    let twice = async {
        let _ = progress.wait_for(|progress| progress.counts.created >= 10).await;
        for person in world.sandbox.people(ACCOUNT) {
            let again = json!({"email": person["attributes"]["email"]});
            world.sandbox.add_person(ACCOUNT, &again).unwrap();
        }
    };
    let (report, ()) = tokio::join!(run(export.spec(), ports), twice);
    assert_eq!((report.ending, report.progress.counts.created), (Ending::Completed, 150));
    let doubled = world.sandbox.doubled(ACCOUNT) as u64;
    assert!(doubled >= 10, "{doubled}");
    assert_eq!(report.progress.doubled.found, doubled);
}

/// Another process: it shares only Clinch.
fn another_process(
    world: &World,
    export: &str,
) -> RunPorts<clinch_operator::pipeline::ClinchCrm, Store> {
    RunPorts {
        crm: clinch_operator::pipeline::ClinchCrm::new(
            client(&world.sandbox, Contract::built_in(), Fence::open()),
            clinch_operator::pipeline::SeenSource::new(|| {}),
        ),
        guard: Arc::<PeopleGuard>::default(),
        keys: keys_of(export),
        store: Store::default(),
        export: export.to_owned(),
        ..world.ports()
    }
}

#[tokio::test]
async fn two_processes_duplicate_at_most_fifty_people_each_and_report_it() {
    // The same people in the same order at the same moment: the worst case.
    for round in 0..3 {
        let world = World::new(crowded(0, json!({}))).await;
        world.sandbox.set_latency(Duration::from_millis(2 + round));
        let export = Export::of(profiles(300));
        let (one, other) = tokio::join!(
            run(export.spec(), another_process(&world, "one")),
            run(export.spec(), another_process(&world, "other"))
        );
        let doubled = world.sandbox.doubled(ACCOUNT) as u64;
        assert!(doubled <= 100, "50 each: {doubled}");
        let reported = one.progress.doubled.found.max(other.progress.doubled.found);
        assert_eq!(reported, doubled, "round {round}");
        println!("round {round}: {doubled} doubled");
        assert_eq!(one.progress.counts.delivered() + one.progress.counts.rejected(), 300);
    }
}

#[tokio::test]
async fn with_look_ups_everybody_is_looked_up_and_a_race_is_lost_within_one_request_only() {
    let world = World::new(crowded(100, json!({}))).await;
    let ports = RunPorts { look_up: true, ..world.ports() };
    let report = run(Export::of(profiles(300)).spec(), ports).await;
    assert_eq!(report.progress.counts.created, 200);
    let requests = world.sandbox.requests();
    // One page and one look-up prove the filter, one more before each further 50 creates; the page shows a
    // hundred people.
    assert_eq!(requests.of("listCandidates"), 200 + 2 + 3);
    assert_eq!(world.sandbox.doubled(ACCOUNT), 0);

    let world = World::new(crowded(0, json!({}))).await;
    world.sandbox.set_latency(Duration::from_millis(2));
    let export = Export::of(profiles(200));
    let mut backwards = export.clone();
    backwards.profiles.reverse();
    let looking = |name| RunPorts { look_up: true, ..another_process(&world, name) };
    let _ =
        tokio::join!(run(export.spec(), looking("one")), run(backwards.spec(), looking("other")));
    // Each in its own order: they collide on few people, at the end on the remaining ones.
    let doubled = world.sandbox.doubled(ACCOUNT);
    assert!(doubled <= 5 * crate::setup::IN_FLIGHT, "{doubled}");
}

#[tokio::test]
async fn creates_that_are_answered_with_an_error_and_carried_out_later_make_nobody_twice() {
    for code in [408, 500, 502, 503, 504] {
        let world = World::new(crowded(0, json!({}))).await;
        let late: Action =
            serde_json::from_value(json!({"late": {"commitMs": 20, "answerMs": 2, "code": code}}))
                .unwrap();
        world
            .sandbox
            .set_faults(vec![Fault::always("createCandidate", late).with_probability(0.25, 7)]);
        let export = Export::of(profiles(40));
        for _ in 0..10 {
            if world.run(&export).await.ending == Ending::Completed {
                break;
            }
        }
        world.assert_exactly_once(40);
    }
}

#[tokio::test]
async fn slow_creates_of_a_process_that_was_killed_are_waited_for() {
    let slow: Action = serde_json::from_value(json!({"late": {"commitMs": 400}})).unwrap();
    let mut overrides = Overrides::default();
    // Longer than the creates take: how long a request may outlive its process.
    overrides.lookup_settle = Some(Duration::ZERO);
    let world = World::speaking(crowded(0, json!({})), Contract::built_in().with(&overrides)).await;
    world.sandbox.set_faults(vec![Fault::always("createCandidate", slow)]);
    let export = Export::of(profiles(48));
    {
        let mut ports = world.ports();
        ports.guard = Arc::default();
        let killed = run(export.spec(), ports);
        // Killed with the second batch of creates in flight.
        let enough = async {
            while world.sandbox.requests().of("createCandidate") < 12 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            _ = killed => panic!("it was to be killed"),
            () = enough => {}
        }
    }
    let next = World {
        client: crate::setup::patient_client(&world.sandbox, Duration::from_millis(1500)),
        guard: Arc::default(),
        ..world
    };
    next.counts(&export).await;
    next.assert_exactly_once(48);
}

/// People of whom every third is archived.
fn partly_archived(count: usize) -> impl Iterator<Item = Value> {
    (0..count).map(|n| {
        let mut person = in_clinch(n);
        person["archived"] = (n % 3 == 0).into();
        person
    })
}

#[tokio::test]
async fn a_list_that_leaves_people_out_together_with_its_total_is_found_out() {
    let options = || {
        let hiding = json!({"duplicateEmail": "allow", "paging": {"hideArchived": true}});
        seeded(contract(hiding), partly_archived(300))
    };
    let mut samples = BTreeSet::new();
    for seed in 1..=5 {
        let world = World::new(options()).await;
        let ports = RunPorts { guard: Arc::new(PeopleGuard::with_seed(seed)), ..world.ports() };
        let report = run(Export::of(profiles(500)).spec(), ports).await;
        assert_eq!(report.ending, Ending::Completed);
        assert_eq!(world.sandbox.doubled(ACCOUNT), 0, "seed {seed}");
        assert_eq!(report.progress.counts.created, 200);
        samples.insert(world.sandbox.requests().of("listCandidates"));
    }
    assert!(samples.len() > 1, "the people looked up differ from run to run: {samples:?}");
}

#[tokio::test]
async fn look_ups_that_stop_to_find_people_end_the_run_after_fifty_creates() {
    for there in [0, 300] {
        let world = World::new(crowded(there, json!({}))).await;
        world.sandbox.set_latency(Duration::from_millis(3));
        let export = Export::of((200..500).map(profile).collect());
        let ports = RunPorts { look_up: true, ..world.ports() };
        let mut progress = ports.progress.subscribe();
        let blind = async {
            let decided = |progress: &Progress| {
                let counts = progress.counts;
                counts.created + counts.unchanged >= 30
            };
            let _ = progress.wait_for(decided).await;
            world.sandbox.set_blind(ACCOUNT, true);
        };
        let (report, ()) = tokio::join!(run(export.spec(), ports), blind);
        let Ending::Interrupted { disposition, message } = report.ending else {
            panic!("{:?}", report.ending)
        };
        assert_eq!(disposition, Disposition::Stalled { reason: Reason::ContractUnsupported });
        assert!(message.contains("who is certainly there"), "{message}");
        let doubled = world.sandbox.doubled(ACCOUNT);
        assert!(doubled <= 50, "{there} were there: {doubled} of them twice");
        // Nor does the next run rely on them: the list is complete.
        let ports = RunPorts { look_up: true, ..world.ports() };
        let report = run(export.spec(), ports).await;
        assert_eq!(report.ending, Ending::Completed);
        assert_eq!(world.sandbox.doubled(ACCOUNT), doubled);
    }
}

/// A person whose address Clinch has with capitals.
fn in_capitals(n: usize) -> Value {
    let mut person = in_clinch(n);
    person["email"] = format!("Person{n}@Example.com").into();
    person
}

#[tokio::test]
async fn a_filter_that_tells_capitals_apart_hides_nobody() {
    let filter = |meta: bool| {
        contract(json!({"openapi": false, "duplicateEmail": "allow", "caseSensitiveFilter": true,
            "paging": {"meta": meta}}))
    };
    // Somebody on the first page has capitals, and few have.
    let there = |n| if n % 20 == 19 { in_capitals(n) } else { in_clinch(n) };
    let export = Export::of((50..150).map(profile).collect());
    for look_up in [false, true] {
        let world = World::new(seeded(filter(true), (0..100).map(there))).await;
        let report = run(export.spec(), RunPorts { look_up, ..world.ports() }).await;
        assert_eq!(report.ending, Ending::Completed);
        assert_eq!((world.sandbox.doubled(ACCOUNT), report.progress.counts.created), (0, 50));
    }
    // Without a list that can be proved, nobody is created.
    let world = World::new(seeded(filter(false), (0..100).map(there))).await;
    let report = world.run(&export).await;
    assert!(matches!(report.ending, Ending::Interrupted { .. }), "{:?}", report.ending);
    assert_eq!(world.writes(), 0);
}

#[tokio::test]
async fn people_are_also_looked_up_in_the_letters_of_the_source() {
    let options = contract(json!({"openapi": false, "duplicateEmail": "allow",
        "caseSensitiveFilter": true, "paging": {"meta": false, "default": 10, "max": 10}}));
    // Nobody on the first page shows that capitals matter.
    let there = |n| if n < 50 { in_clinch(n) } else { in_capitals(n) };
    let world = World::new(seeded(options, (0..100).map(there))).await;
    let mut profiles: Vec<Value> = (60..90).map(profile).collect();
    for (n, profile) in (60..).zip(&mut profiles) {
        profile["emails"][0]["value"] = in_capitals(n)["email"].clone();
    }
    let counts = world.counts(&Export::of(profiles)).await;
    assert_eq!((counts.created, counts.delivered()), (0, 30));
    assert_eq!(world.sandbox.doubled(ACCOUNT), 0);
}
