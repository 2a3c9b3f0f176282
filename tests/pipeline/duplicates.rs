//! People who are in Clinch already, or several times in the source.

use std::time::Duration;

use clinch_operator::{
    clinch::{Contract, Overrides},
    domain::{Disposition, Reason},
    pipeline::{Duplicates as Policy, Ending},
};
use serde_json::{Value, json};

use crate::setup::{
    ACCOUNT, Export, Store, World, careless, contract, email, in_clinch, options, profile,
    profiles, seeded, with_people,
};

fn people(count: usize) -> impl Iterator<Item = Value> {
    (0..count).map(in_clinch)
}

#[tokio::test]
async fn each_policy_does_as_it_says_with_people_who_are_there() {
    let cases = [
        (Policy::Update, (2, 1, 0, 0), "Director"),
        (Policy::Skip, (2, 0, 1, 0), "Engineer"),
        (Policy::Fail, (2, 0, 0, 1), "Engineer"),
    ];
    for (policy, expected, title) in cases {
        let world = World::new(with_people(people(1))).await;
        let mut export = Export::of(profiles(3)).duplicates(policy);
        export.profiles[0]["title"] = "Director".into();
        let report = world.run(&export).await;
        let counts = report.progress.counts;
        let found = (counts.created, counts.updated, counts.skipped, counts.failed);
        assert_eq!(found, expected, "{policy:?}");
        assert_eq!(world.person(0)["attributes"]["current_job_title"], title, "{policy:?}");
        world.assert_exactly_once(3);
        if policy == Policy::Fail {
            assert_eq!(report.progress.rejections[0].cause.reason, Reason::AlreadyExists);
        }
        let again = world.run(&export).await.progress.counts;
        assert_eq!((again.created, again.updated), (0, 0), "{policy:?}");
        assert_eq!(again.unchanged, if policy == Policy::Fail { 2 } else { 3 }, "{policy:?}");
    }
}

#[tokio::test]
async fn a_person_who_is_as_mapped_costs_no_write() {
    let world = World::new(with_people(people(20))).await;
    let counts = world.counts(&Export::of(profiles(20))).await;
    assert_eq!((counts.unchanged, world.writes()), (20, 0));
}

#[tokio::test]
async fn only_if_empty_fills_gaps_and_leaves_values_alone() {
    let mut gap = in_clinch(1);
    gap["current_job_title"] = "".into();
    let world = World::new(with_people([in_clinch(0), gap])).await;
    let mut export = Export::of(profiles(2));
    export.mapping["fields"][3]["writeMode"] = "OnlyIfEmpty".into();
    for profile in &mut export.profiles {
        profile["title"] = "Director".into();
    }
    let counts = world.counts(&export).await;
    assert_eq!((counts.unchanged, counts.updated), (1, 1));
    let title = |n| world.person(n)["attributes"]["current_job_title"].clone();
    assert_eq!((title(0), title(1)), (json!("Engineer"), json!("Director")));
    // A person the ledger knows is read again before a gap is filled.
    for profile in &mut export.profiles {
        profile["title"] = "Chair".into();
    }
    world.counts(&export).await;
    assert_eq!((title(0), title(1)), (json!("Engineer"), json!("Director")));
}

#[tokio::test]
async fn the_same_person_twice_in_a_source_is_one_and_a_contradiction_is_reported() {
    let world = World::new(options()).await;
    let mut other = profile(1);
    other["title"] = "Director".into();
    let mut spelled = profile(0);
    spelled["emails"][0]["value"] = email(0).into();
    let export = Export::of(vec![profile(0), spelled, profile(1), other]);
    let report = world.run(&export).await;
    let counts = report.progress.counts;
    assert_eq!((counts.created, counts.unchanged, counts.invalid), (2, 1, 1));
    let rejection = &report.progress.rejections[0];
    assert_eq!((rejection.cause.reason, rejection.position.index), (Reason::DuplicateInSource, 3));
    assert_eq!(world.person(1)["attributes"]["current_job_title"], "Engineer");
    world.assert_exactly_once(2);
}

#[tokio::test]
async fn a_contradiction_names_the_record_before_whether_the_ledger_knows_the_person_or_not() {
    let world = World::new(options()).await;
    let mut other = profile(1);
    other["title"] = "Director".into();
    let export = Export::of(vec![profile(1), profile(0), profile(0), other]);
    let first = world.run(&export).await;
    let again = world.run(&export).await;
    for report in [&first, &again] {
        let [rejection] = &report.progress.rejections[..] else { panic!("{report:?}") };
        let message = "inline[0] names the same person with other values";
        assert_eq!((rejection.cause.message.as_str(), rejection.position.index), (message, 3));
    }
    let counts = again.progress.counts;
    assert_eq!((counts.created, counts.unchanged, counts.invalid), (0, 3, 1));
    // Of somebody new, beside those who are known.
    let mut export = export;
    let mut another = profile(2);
    another["title"] = "Director".into();
    export.profiles.extend([profile(2), another]);
    let report = world.run(&export).await;
    let messages = report.progress.rejections.iter().map(|one| one.cause.message.as_str());
    let named: Vec<_> = messages.filter_map(|message| message.split_once(' ')).collect();
    let with = "names the same person with other values";
    assert_eq!(named, [("inline[0]", with), ("inline[4]", with)]);
    world.assert_exactly_once(3);
}

#[tokio::test]
async fn several_people_with_one_key_are_a_person_to_decide_on() {
    let twice = || seeded(careless(), [in_clinch(0), in_clinch(0)]);
    // By look-up, and by prefetch.
    for count in [2, 10] {
        let world = World::new(twice()).await;
        let mut export = Export::of(profiles(count));
        export.profiles[0]["title"] = "Director".into();
        let report = world.run(&export).await;
        assert_eq!(report.progress.rejections[0].cause.reason, Reason::AmbiguousMatch);
        assert_eq!(report.progress.counts.failed, 1);
        assert_eq!(world.people()[&email(0)], 2);
        assert_eq!(world.sandbox.requests().of("updateCandidate"), 0);
    }
}

#[tokio::test]
async fn many_unknown_people_are_found_page_by_page() {
    let world = World::new(with_people(people(250))).await;
    let counts = world.counts(&Export::of(profiles(400))).await;
    assert_eq!((counts.unchanged, counts.created), (250, 150));
    let lists = world.sandbox.requests().of("listCandidates");
    // A page for each hundred people, twice; a look-up that proves the filter, ten of people that
    // the list does not show, and the first one; five totals; two look-ups at the end.
    assert_eq!(lists, 2 * 3 + 1 + 10 + 1 + 5 + 2);
    assert_eq!(world.requests(), lists + 150);
    world.assert_exactly_once(400);
}

#[tokio::test]
async fn few_unknown_people_are_looked_up_one_by_one() {
    let world = World::new(with_people(people(1000))).await;
    let export = Export::of(vec![profile(999), profile(1000)]);
    let counts = world.counts(&export).await;
    assert_eq!((counts.unchanged, counts.created), (1, 1));
    let lists = || world.sandbox.requests().of("listCandidates");
    assert_eq!(lists(), 2 + 2, "one look-up each, once somebody was found by the filter");
    let counts = world.counts(&Export::of(vec![profile(999), profile(1000), profile(1001)])).await;
    assert_eq!((counts.unchanged, counts.created), (2, 1));
    assert_eq!(lists(), 2 + 2 + 1, "which is proved once");
}

#[tokio::test]
async fn a_filter_that_is_ignored_makes_everybody_the_index() {
    let ignoring = contract(json!({"ignoreFilter": true, "duplicateEmail": "allow"}));
    let world = World::new(seeded(ignoring, people(250))).await;
    let export = Export::of(vec![profile(249), profile(250)]);
    let counts = world.counts(&export).await;
    assert_eq!((counts.unchanged, counts.created), (1, 1));
    world.assert_exactly_once(251);
    let lists = world.sandbox.requests().of("listCandidates");
    assert_eq!(lists, 2 + 2 * 3, "a page and a look-up that show it, and three pages twice");
}

#[tokio::test]
async fn a_list_of_one_person_does_not_prove_a_filter_that_is_ignored() {
    // The list of everybody is also the answer for the one person who is there.
    for (known, source) in [(1, 0..3), (0, 1..4), (1, 0..30), (0, 1..31)] {
        let ignoring = contract(json!({"ignoreFilter": true, "duplicateEmail": "allow"}));
        let world = World::new(seeded(ignoring, people(1))).await;
        let name = format!("{source:?}");
        let (export, all) =
            (Export::of(source.clone().map(profile).collect()), source.len() as u64);
        let counts = world.counts(&export).await;
        assert_eq!((counts.unchanged, counts.created), (known, all - known), "{name}");
        assert_eq!(world.sandbox.doubled(ACCOUNT), 0, "{name}");
    }
}

#[tokio::test]
async fn a_list_of_one_person_proves_a_filter_that_is_honoured() {
    let world = World::new(seeded(careless(), people(1))).await;
    let counts = world.counts(&Export::of(profiles(3))).await;
    assert_eq!((counts.unchanged, counts.created), (1, 2));
    world.assert_exactly_once(3);
    let lists = world.sandbox.requests().of("listCandidates");
    assert_eq!(
        lists,
        3 + 2,
        "a page, a look-up that finds, one that does not; one for each new person"
    );
}

#[tokio::test]
async fn an_empty_account_whose_filter_is_ignored_is_read_as_a_list_by_the_next_run() {
    for count in [3, 30] {
        let world =
            World::new(contract(json!({"ignoreFilter": true, "duplicateEmail": "allow"}))).await;
        let export = Export::of(profiles(count));
        let mut runs = 0;
        while let Ending::Interrupted { disposition, message } = world.run(&export).await.ending {
            assert!(matches!(disposition, Disposition::Retry { .. }), "{count}: {message}");
            runs += 1;
            assert!(runs < 3, "{count}: {message}");
        }
        assert_eq!(world.sandbox.doubled(ACCOUNT), 0, "{count}");
        world.assert_exactly_once(count);
    }
}

#[tokio::test]
async fn a_person_whom_the_search_does_not_show_yet_is_not_created_twice() {
    for duplicates in ["upsert200", "conflict409", "reject422"] {
        let lagging = contract(json!({"duplicateEmail": duplicates, "searchLagMs": 250}));
        let mut overrides = Overrides::default();
        overrides.lookup_settle = Some(Duration::from_millis(300));
        let world = World::speaking(lagging, Contract::built_in().with(&overrides)).await;
        world.counts(&Export::of(profiles(1))).await;
        let mut export = Export::of(profiles(1));
        export.profiles[0]["title"] = "Director".into();
        let forgetful = World { store: Store::default(), ..world };
        assert_eq!(forgetful.counts(&export).await.created, 0, "{duplicates}");
        forgetful.assert_exactly_once(1);
        let title = &forgetful.person(0)["attributes"]["current_job_title"];
        assert_eq!(title, "Director", "{duplicates}");
    }
}
