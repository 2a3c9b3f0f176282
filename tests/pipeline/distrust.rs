//! A ledger that was restored from an older copy: its values are checked in Clinch again.

use std::sync::Arc;

use clinch_operator::pipeline::{
    Distrust, Duplicates, Ending, LedgerTrust, Progress, Report, RunPorts, run,
};
use tokio::sync::watch;

use crate::{
    doubt::killed_after,
    setup::{ACCOUNT, Export, World, careless, contract, email, profiles},
};

const REQUESTED: LedgerTrust = LedgerTrust { distrust: true, end: None };

fn titled(count: usize, title: &str) -> Export {
    let mut export = Export::of(profiles(count));
    export.profiles.iter_mut().for_each(|profile| profile["title"] = title.into());
    export
}

/// How many people have a title.
fn with_title(world: &World, title: &str) -> usize {
    let people = world.sandbox.people(ACCOUNT);
    people.iter().filter(|person| person["attributes"]["current_job_title"] == title).count()
}

async fn trusting(world: &World, export: &Export, trust: LedgerTrust) -> Report {
    let report = run(export.spec(), RunPorts { trust, ..world.ports() }).await;
    assert_eq!(report.ending, Ending::Completed, "{:?}", report.progress);
    report
}

/// People whose ledger was restored from before their last change; and the position after the last
/// segment that was lost.
async fn restored(world: World, count: usize) -> (World, Option<u64>) {
    let (before, after) = (titled(count, "Engineer"), titled(count, "Director"));
    world.counts(&before).await;
    let copy = world.store.copy().await;
    let end = world.run(&after).await.progress.ledger.end;
    assert_eq!(with_title(&world, "Director"), count);
    (World { store: copy, guard: Arc::default(), ..world }, end)
}

#[tokio::test]
async fn a_requested_check_reads_everybody_once_and_updates_those_who_differ() {
    let (world, _) = restored(World::new(careless()).await, 40).await;
    let export = titled(40, "Engineer");
    // What makes the request necessary: the copy says that they have this title.
    assert_eq!(world.counts(&export).await.unchanged, 40);
    assert_eq!(with_title(&world, "Director"), 40);

    let before = world.sandbox.requests();
    let report = trusting(&world, &export, REQUESTED).await;
    let after = world.sandbox.requests();
    assert_eq!(report.progress.ledger.distrust, Some(Distrust::Requested));
    assert_eq!((report.progress.counts.updated, report.progress.counts.created), (40, 0));
    assert_eq!(after.of("getCandidate") - before.of("getCandidate"), 40);
    assert_eq!(after.total - before.total, 80, "a read and an update each, no list, no look-up");
    assert_eq!(with_title(&world, "Engineer"), 40);
    world.assert_exactly_once(40);

    // Where nothing differs it costs a read each, and nothing is written.
    let report = trusting(&world, &export, REQUESTED).await;
    assert_eq!(report.progress.counts.unchanged, 40);
    assert_eq!(world.requests() - after.total, 40);
    // Afterwards the ledger is believed again.
    let before = world.requests();
    assert_eq!(world.counts(&export).await.unchanged, 40);
    assert_eq!(world.requests(), before);
}

#[tokio::test]
async fn a_ledger_that_ends_too_early_is_checked_without_a_request() {
    let (world, end) = restored(World::new(careless()).await, 20).await;
    let export = titled(20, "Engineer");
    let trust = LedgerTrust { distrust: false, end };
    let report = trusting(&world, &export, trust).await;
    assert_eq!(report.progress.ledger.distrust, Some(Distrust::LedgerBehind));
    assert_eq!(report.progress.counts.updated, 20);
    assert_eq!(with_title(&world, "Engineer"), 20);
    world.assert_exactly_once(20);
    assert!(report.progress.ledger.end > end, "it is not behind any more");
    let trust = LedgerTrust { distrust: false, end: report.progress.ledger.end };
    let before = world.requests();
    let report = trusting(&world, &export, trust).await;
    assert_eq!(report.progress.ledger.distrust, None);
    assert_eq!(world.requests(), before);
}

#[tokio::test]
async fn people_who_were_created_after_the_copy_are_not_taken_for_somebody_elses() {
    for policy in [Duplicates::Fail, Duplicates::Skip] {
        let world = World::new(careless()).await;
        let export = |count| Export::of(profiles(count)).applying().duplicates(policy);
        world.counts(&export(5)).await;
        let copy = world.store.copy().await;
        let end = world.run(&export(9)).await.progress.ledger.end;
        let world = World { store: copy, guard: Arc::default(), ..world };
        let trust = LedgerTrust { distrust: false, end };
        let report = trusting(&world, &export(9), trust).await;
        let counts = report.progress.counts;
        assert_eq!((counts.delivered(), counts.rejected()), (9, 0), "{policy:?}: {counts:?}");
        assert!(counts.unchanged >= 4, "those of whom the copy knows nothing: {counts:?}");
        world.assert_exactly_once(9);
    }
}

#[tokio::test]
async fn a_check_killed_at_any_await_is_completed_by_the_next_run() {
    for behind in [false, true] {
        let mut polls = 1;
        loop {
            let (world, end) = restored(World::new(careless()).await, 4).await;
            let export = titled(4, "Engineer");
            let trust = LedgerTrust { distrust: !behind, end: end.filter(|_| behind) };
            let (progress, seen) = watch::channel(Progress::default());
            let ports = RunPorts { trust, progress, ..world.ports() };
            let ended = killed_after(polls, run(export.spec(), ports)).await;
            let world = World { guard: Arc::default(), ..world };
            // As a controller does: a request counts as recorded once the run has said so.
            let recorded = seen.borrow().ledger.distrust.is_some();
            let trust = LedgerTrust { distrust: trust.distrust && !recorded, ..trust };
            let report = trusting(&world, &export, trust).await;
            assert_eq!(report.progress.counts.delivered(), 4);
            assert_eq!(with_title(&world, "Engineer"), 4, "{behind}, after {polls} polls");
            world.assert_exactly_once(4);
            if ended.is_some() {
                break;
            }
            polls += 1;
        }
        assert!(polls > 20, "a run has many points to be killed at: {polls}");
    }
}

#[tokio::test]
async fn a_dry_run_reports_what_a_check_would_update_and_records_nothing() {
    let (world, end) = restored(World::new(careless()).await, 12).await;
    let export = titled(12, "Engineer");
    let segments = world.store.segments().await;
    for trust in [REQUESTED, LedgerTrust { distrust: false, end }] {
        let report = trusting(&world, &export.dry(), trust).await;
        assert_eq!(report.progress.counts.updated, 12);
        assert!(report.progress.ledger.distrust.is_some());
        assert_eq!(report.progress.ledger.end, None);
    }
    assert_eq!((world.store.segments().await, with_title(&world, "Director")), (segments, 12));
}

#[tokio::test]
async fn who_must_not_be_written_is_never_distrusted() {
    let world = World::new(careless()).await;
    let before = titled(12, "Engineer");
    world.counts(&before).await;
    let copy = world.store.copy().await;
    let id = world.sandbox.anonymise(ACCOUNT, &email(3)).unwrap();
    assert_eq!(world.counts(&titled(12, "Director")).await.suppressed, 1);
    // The copy knows them as an ordinary person.
    let world = World { store: copy, guard: Arc::default(), ..world };
    let requests = world.sandbox.requests();
    let report = trusting(&world, &before, REQUESTED).await;
    let counts = report.progress.counts;
    assert_eq!((counts.suppressed, counts.updated, counts.created), (1, 11, 0));
    let reads = world.sandbox.requests().of("getCandidate") - requests.of("getCandidate");
    assert_eq!(reads, 11, "not even read");
    let people = world.sandbox.people(ACCOUNT);
    assert_eq!(people.len(), 12);
    let erased = people.iter().find(|person| person["id"] == *id).unwrap();
    assert!(
        erased["attributes"]["email"].is_null() && erased["attributes"]["first_name"].is_null()
    );
}

#[tokio::test]
async fn a_check_reads_before_it_writes_also_where_the_contract_does_not_require_it() {
    let flagless = serde_json::json!({"anonymizedFlag": false, "duplicateEmail": "allow"});
    let world = World::discovering(contract(flagless)).await;
    let mut export = Export::of(profiles(12));
    world.counts(&export).await;
    let copy = world.store.copy().await;
    export.profiles[5]["title"] = "Director".into();
    world.counts(&export).await;
    let world = World { store: copy, guard: Arc::default(), ..world };
    let writes = world.writes();
    let report = trusting(&world, &Export::of(profiles(12)), REQUESTED).await;
    assert_eq!((report.progress.counts.updated, report.progress.counts.unchanged), (1, 11));
    assert_eq!(world.writes() - writes, 1);
}

#[tokio::test]
async fn applications_and_resumes_are_not_repeated_by_a_check() {
    let world = World::new(careless()).await;
    let mut export = titled(6, "Engineer").applying().with_resume_and_tags();
    for profile in &mut export.profiles {
        profile["tags"] = serde_json::json!(["one"]);
    }
    world.counts(&export).await;
    let writes = world.writes();
    let ports = RunPorts { trust: REQUESTED, ..world.ports() };
    let report = run(export.spec(), ports).await;
    assert_eq!(report.progress.counts.unchanged, 6, "{:?}", report.progress.rejections);
    assert_eq!(world.writes(), writes);
}

#[tokio::test]
async fn an_empty_ledger_has_nothing_to_distrust() {
    let world = World::new(careless()).await;
    let export = titled(12, "Engineer");
    let trust = LedgerTrust { distrust: true, end: Some(9) };
    assert_eq!(trusting(&world, &export, trust).await.progress.counts.created, 12);
    world.assert_exactly_once(12);
    // A position that cannot be right is not followed.
    let trust = LedgerTrust { distrust: false, end: Some(u64::MAX) };
    let report = trusting(&world, &export, trust).await;
    assert_eq!(report.progress.counts.unchanged, 12);
    assert!(report.progress.ledger.end < Some(99));
}
