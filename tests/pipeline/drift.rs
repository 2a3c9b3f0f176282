//! People who are no longer in Clinch as they were delivered: found by reading them back, reported, and
//! written again where that is asked for.

use clinch_operator::{
    domain::Reason,
    pipeline::{
        Difference, Distrust, Drift, DriftKind, DriftPolicy, Duplicates, Ending, Guards, HeldBack,
        LedgerTrust, Report, RunPorts, RunSpec, verify,
    },
    sandbox::{Action, Fault},
};
use serde_json::{Value, json};

use crate::setup::{ACCOUNT, Export, World, careless, email, profile, profiles};

async fn verified(world: &World, export: &Export, policy: DriftPolicy) -> Report {
    verify(world.spec(export), world.ports(), policy).await
}

/// What a verification finds that completes.
async fn drift(world: &World, export: &Export, policy: DriftPolicy) -> Drift {
    let report = verified(world, export, policy).await;
    assert_eq!(report.ending, Ending::Completed, "{:?}", report.progress.drift);
    let drift = (*report.progress.drift).clone();
    assert_eq!(drift.verified + drift.unread, drift.people);
    drift
}

async fn reported(world: &World, export: &Export) -> Drift {
    drift(world, export, DriftPolicy::Report).await
}

async fn corrected(world: &World, export: &Export) -> Drift {
    drift(world, export, DriftPolicy::Correct).await
}

/// A world in which `count` people were delivered.
async fn delivered(count: usize) -> (World, Export) {
    let world = World::new(careless()).await;
    let export = Export::of(profiles(count));
    assert_eq!(world.counts(&export).await.created, count as u64);
    (world, export)
}

fn edit(world: &World, n: usize, attributes: &Value) {
    world.sandbox.edit(ACCOUNT, &email(n), attributes).unwrap();
}

/// Missing, changed, anonymised, normalised, unread.
fn counts(drift: &Drift) -> [u64; 5] {
    [drift.missing, drift.changed, drift.anonymised, drift.normalised, drift.unread]
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn listed(drift: &Drift) -> Vec<(u64, DriftKind, Vec<String>)> {
    let one = |Difference { position, kind, attributes, .. }: &'_ Difference| {
        (position.index, *kind, attributes.clone())
    };
    drift.listed.iter().map(one).collect()
}

#[tokio::test]
async fn each_kind_of_difference_is_counted_and_listed_without_values() {
    // By id, and by pages.
    for count in [8, 60] {
        let (world, export) = delivered(count).await;
        edit(&world, 1, &json!({"current_job_title": "Canary-Value", "first_name": "Other"}));
        world.sandbox.delete(ACCOUNT, &email(3)).unwrap();
        world.sandbox.anonymise(ACCOUNT, &email(5)).unwrap();
        let writes = world.writes();
        let found = reported(&world, &export).await;
        assert_eq!(found.people, count as u64);
        assert_eq!(counts(&found), [1, 1, 1, 0, 0], "{count}");
        let expected = [
            (1, DriftKind::Changed, names(&["current_job_title", "first_name"])),
            (3, DriftKind::Missing, vec![]),
            (5, DriftKind::Anonymised, vec![]),
        ];
        assert_eq!(listed(&found), expected);
        assert!(!format!("{found:?}").contains("Canary-Value"));
        assert_eq!(world.writes(), writes, "a report writes nothing");
        assert_eq!(world.suppressions.len(), 1, "who was anonymised stays unwritten");
        // They are known from now on, and are not verified any more.
        let again = reported(&world, &export).await;
        assert_eq!((again.people, counts(&again)), (count as u64 - 1, [1, 1, 0, 0, 0]));
    }
}

#[tokio::test]
async fn many_are_read_in_pages_and_few_by_id() {
    let (world, export) = delivered(230).await;
    let before = world.sandbox.requests();
    assert_eq!(counts(&reported(&world, &export).await), [0; 5]);
    let after = world.sandbox.requests();
    let pages = after.of("listCandidates") - before.of("listCandidates");
    assert!((2..=10).contains(&pages), "{pages}");
    assert_eq!(after.total - before.total, pages, "nothing but pages");

    // People who differ are read by id, too.
    for n in 0..7 {
        edit(&world, n, &json!({"first_name": "Other"}));
    }
    let before = world.sandbox.requests();
    assert_eq!(counts(&reported(&world, &export).await), [0, 7, 0, 0, 0]);
    let after = world.sandbox.requests();
    assert_eq!(after.of("getCandidate") - before.of("getCandidate"), 7);
    assert_eq!(after.total - before.total, pages + 7);

    // In an account of many, few are read by id.
    let few = Export::of((0..5).map(profile).collect());
    let before = world.sandbox.requests();
    assert_eq!(reported(&world, &few).await.people, 5);
    let after = world.sandbox.requests();
    assert_eq!(after.of("getCandidate") - before.of("getCandidate"), 5);
    assert_eq!(after.total - before.total, 5);
}

#[tokio::test]
async fn a_list_that_costs_more_than_reading_everybody_is_not_read_to_its_end() {
    let options = crate::setup::contract(
        json!({"duplicateEmail": "allow", "paging": {"max": 2, "default": 2}}),
    );
    let world = World::new(options).await;
    let export = Export::of(profiles(60));
    world.counts(&export).await;
    let few = Export::of((0..20).map(profile).collect());
    let before = world.sandbox.requests();
    assert_eq!(counts(&reported(&world, &few).await), [0; 5]);
    let after = world.sandbox.requests();
    assert_eq!(after.of("listCandidates") - before.of("listCandidates"), 1);
    assert!(after.total - before.total <= 21, "{}", after.total - before.total);
}

#[tokio::test]
async fn nobody_is_reported_because_of_a_failure() {
    let status = |code| Action::Status { code, retry_after: None, html: false };
    for count in [8, 60] {
        for (operation, code) in
            [("getCandidate", 503), ("listCandidates", 503), ("getCandidate", 429)]
        {
            let (world, export) = delivered(count).await;
            edit(&world, 2, &json!({"first_name": "Other"}));
            let mut fault = Fault::always(operation, status(code));
            (fault.every, fault.times) = (Some(3), Some(12));
            world.sandbox.set_faults(vec![fault]);
            let found = reported(&world, &export).await;
            assert_eq!(counts(&found), [0, 1, 0, 0, 0], "{count}, {operation}, {code}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_clinch_that_does_not_answer_ends_a_verification_without_a_result() {
    let (world, export) = delivered(8).await;
    let unavailable = Action::Status { code: 503, retry_after: None, html: false };
    world.sandbox.set_faults(vec![Fault::always("*", unavailable)]);
    let report = verified(&world, &export, DriftPolicy::Correct).await;
    assert!(
        matches!(&report.ending, Ending::Interrupted { .. }) || report.progress.drift.unread == 8,
        "{report:?}"
    );
    assert_eq!(counts(&report.progress.drift)[..4], [0; 4]);
}

#[tokio::test]
async fn a_person_who_cannot_be_read_is_counted_as_unread() {
    let (world, export) = delivered(8).await;
    world.sandbox.delete(ACCOUNT, &email(3)).unwrap();
    let id = world.person(5)["id"].as_str().unwrap().to_owned();
    let refused = Action::Status { code: 422, retry_after: None, html: false };
    let mut once = Fault::always("getCandidate", refused);
    once.nth = Some(1);
    world.sandbox.set_faults(vec![once]);
    let found = reported(&world, &export).await;
    assert_eq!(found.unread, 1, "{found:?}");
    let message = found.first_unread.unwrap();
    assert!(message.starts_with("inline["), "{message}");
    assert!(!message.contains(&id));
}

#[tokio::test]
async fn a_correction_writes_what_differs_and_creates_nobody() {
    for count in [8, 60] {
        let (world, export) = delivered(count).await;
        for n in [0, 1, 2] {
            edit(&world, n, &json!({"current_job_title": "Other", "phone": "+353861234567"}));
        }
        world.sandbox.delete(ACCOUNT, &email(3)).unwrap();
        let erased = world.sandbox.anonymise(ACCOUNT, &email(5)).unwrap();
        let before = world.sandbox.requests();
        let found = corrected(&world, &export).await;
        let after = world.sandbox.requests();
        assert_eq!((counts(&found), found.corrected), ([1, 3, 1, 0, 0], 3));
        assert_eq!(found.remaining(), 2, "missing and anonymised people stay as they are");
        assert_eq!(after.of("createCandidate"), before.of("createCandidate"));
        assert_eq!(after.of("updateCandidate") - before.of("updateCandidate"), 3);
        assert_eq!(world.sandbox.people(ACCOUNT).len(), count - 1, "nobody was created again");
        let person = world.person(1);
        assert_eq!(person["attributes"]["current_job_title"], "Engineer");
        assert_eq!(person["attributes"]["phone"], "+353861234567", "not mapped: left alone");
        let people = world.sandbox.people(ACCOUNT);
        let anonymous = people.iter().find(|person| person["id"] == *erased).unwrap();
        assert_eq!(anonymous["attributes"]["current_job_title"], Value::Null);

        let again = corrected(&world, &export).await;
        assert_eq!((counts(&again), again.corrected), ([1, 0, 0, 0, 0], 0));
        // A push of an unchanged source leaves who is missing alone.
        let pushed = world.counts(&export).await;
        assert_eq!((pushed.created, pushed.updated), (0, 0));
        assert_eq!(world.sandbox.people(ACCOUNT).len(), count - 1);
    }
}

#[tokio::test]
async fn a_missing_person_is_created_again_only_by_a_change_of_their_record() {
    let (world, mut export) = delivered(8).await;
    world.sandbox.delete(ACCOUNT, &email(3)).unwrap();
    assert_eq!(world.counts(&export).await.unchanged, 8, "as of the last push");
    export.profiles[3]["title"] = "Director".into();
    let pushed = world.counts(&export).await;
    assert_eq!((pushed.created, pushed.unchanged), (1, 7));
    assert_eq!(counts(&reported(&world, &export).await), [0; 5]);
    world.assert_exactly_once(8);
}

#[tokio::test]
async fn values_that_clinch_stores_in_a_form_of_its_own_are_no_drift_after_they_were_written() {
    for count in [8, 60] {
        let forms = json!({"duplicateEmail": "allow", "storedForms": {"first_name": "upperCase"}});
        let world = World::new(crate::setup::contract(forms)).await;
        let export = Export::of(profiles(count));
        world.counts(&export).await;
        assert_eq!(world.person(0)["attributes"]["first_name"], "FIRST0");
        edit(&world, 2, &json!({"current_job_title": "Other"}));

        // Reading alone cannot tell such a value from an edited one: it is what a push would write.
        let found = reported(&world, &export).await;
        assert_eq!(counts(&found), [0, count as u64, 0, 0, 0]);

        let found = corrected(&world, &export).await;
        let (own_form, rest) = (count as u64 - 1, found.changed);
        assert_eq!((counts(&found), found.corrected), ([0, rest, 0, own_form, 0], 1));
        assert_eq!((rest, found.remaining()), (1, 0));
        assert_eq!(world.person(2)["attributes"]["current_job_title"], "Engineer");

        // They are known, and not written a second time.
        let writes = world.writes();
        let found = corrected(&world, &export).await;
        assert_eq!(counts(&found), [0, 0, 0, count as u64, 0]);
        assert_eq!(world.writes(), writes);
        // A later edit of such a value is seen.
        edit(&world, 4, &json!({"first_name": "Other"}));
        assert_eq!(corrected(&world, &export).await.normalised, count as u64);
        assert_eq!(world.writes(), writes + 1);
        assert_eq!(world.person(4)["attributes"]["first_name"], "FIRST4");
    }
}

#[tokio::test]
async fn guards_hold_corrections_back() {
    let (world, export) = delivered(8).await;
    for n in 0..3 {
        edit(&world, n, &json!({"first_name": "Other"}));
    }
    let writes = world.writes();
    let limited = |max_updates| RunSpec {
        guards: Guards { max_updates: Some(max_updates), ..Guards::default() },
        ..world.spec(&export)
    };
    let report = verify(limited(2), world.ports(), DriftPolicy::Correct).await;
    assert_eq!(report.progress.drift.held_back, Some(HeldBack::MaxUpdates(2)));
    assert_eq!((report.progress.drift.remaining(), world.writes()), (3, writes));
    let report = verify(limited(3), world.ports(), DriftPolicy::Correct).await;
    assert_eq!(report.progress.drift.held_back, None);
    assert_eq!((report.progress.drift.remaining(), world.writes()), (0, writes + 3));
}

#[tokio::test]
async fn only_what_was_delivered_is_compared() {
    let (world, mut export) = delivered(12).await;
    // Not delivered yet.
    export.profiles[2]["title"] = "Director".into();
    export.profiles.push(profile(12));
    let found = reported(&world, &export).await;
    assert_eq!((found.people, counts(&found)), (12, [0; 5]));
    // Who is left alone has what they had.
    let world = World::new(crate::setup::seeded(careless(), [crate::setup::in_clinch(0)])).await;
    let mut skipping = Export::of(profiles(3)).duplicates(Duplicates::Skip);
    skipping.profiles[0]["title"] = "Director".into();
    assert_eq!(world.counts(&skipping).await.skipped, 1);
    assert_eq!(counts(&reported(&world, &skipping).await), [0; 5]);
    world.sandbox.delete(ACCOUNT, &email(0)).unwrap();
    assert_eq!(counts(&reported(&world, &skipping).await), [1, 0, 0, 0, 0]);
    // Whom the source no longer names.
    let fewer = Export::of(profiles(1)).duplicates(Duplicates::Skip);
    world.sandbox.delete(ACCOUNT, &email(2)).unwrap();
    assert_eq!(reported(&world, &fewer).await.people, 1);
}

#[tokio::test]
async fn a_person_who_was_merged_into_another_counts_as_that_one() {
    let (world, export) = delivered(8).await;
    world.sandbox.delete(ACCOUNT, &email(3)).unwrap();
    let other = json!({"email": email(3), "first_name": "First3", "last_name": "Merged",
        "current_job_title": "Engineer"});
    world.sandbox.add_person(ACCOUNT, &other).unwrap();
    let found = reported(&world, &export).await;
    assert_eq!(counts(&found), [0, 1, 0, 0, 0]);
    assert_eq!(found.listed[0].attributes, ["last_name"]);
    assert_eq!(corrected(&world, &export).await.corrected, 1);
    assert_eq!(world.person(3)["attributes"]["last_name"], "Test");
    assert_eq!(counts(&reported(&world, &export).await), [0; 5]);
}

#[tokio::test]
async fn fields_that_only_fill_gaps_may_have_any_value_but_none() {
    for count in [8, 60] {
        let world = World::new(careless()).await;
        let mut export = Export::of(profiles(count));
        export.mapping["fields"][3]["writeMode"] = "OnlyIfEmpty".into();
        world.counts(&export).await;
        edit(&world, 1, &json!({"current_job_title": "Other"}));
        edit(&world, 2, &json!({"current_job_title": null}));
        let found = reported(&world, &export).await;
        assert_eq!(listed(&found), [(2, DriftKind::Changed, names(&["current_job_title"]))]);
    }
}

#[tokio::test]
async fn a_ledger_that_was_restored_does_not_say_what_was_delivered() {
    let (world, export) = delivered(8).await;
    let trust = LedgerTrust { distrust: false, end: Some(99) };
    let ports = RunPorts { trust, ..world.ports() };
    let report = verify(world.spec(&export), ports, DriftPolicy::Report).await;
    let Ending::Interrupted { disposition, message } = &report.ending else { panic!("{report:?}") };
    assert_eq!(disposition.reason(), Reason::LedgerRefused);
    assert!(message.contains("older than the last run"), "{message}");
    // The next run is not deceived by it either.
    let trust = LedgerTrust { distrust: false, end: Some(99) };
    let ports = RunPorts { trust, ..world.ports() };
    let pushed = clinch_operator::pipeline::run(export.spec(), ports).await;
    assert_eq!(pushed.progress.ledger.distrust, Some(Distrust::LedgerBehind));
}

#[tokio::test]
async fn a_correction_that_is_killed_at_any_await_is_completed_by_the_next() {
    let mut polls = 1;
    loop {
        let (world, export) = delivered(3).await;
        for n in 0..3 {
            edit(&world, n, &json!({"first_name": "Other"}));
        }
        let work = verify(world.spec(&export), world.ports(), DriftPolicy::Correct);
        let ended = crate::doubt::killed_after(polls, work).await;
        let world = World { guard: std::sync::Arc::default(), ..world };
        let pushed = world.counts(&export).await;
        assert_eq!((pushed.created, pushed.delivered()), (0, 3));
        assert_eq!(corrected(&world, &export).await.remaining(), 0);
        assert_eq!(counts(&reported(&world, &export).await), [0; 5], "after {polls} polls");
        world.assert_exactly_once(3);
        if ended.is_some() {
            break;
        }
        polls += 7;
    }
    assert!(polls > 20, "a correction has many points to be killed at: {polls}");
}
