//! Guards hold a run back before its first write, and an approved plan passes them.

use clinch_operator::{
    domain::Reason,
    pipeline::{Ending, Guards, LedgerTrust, PlanDigest, Report, RunPorts, RunSpec, run},
    sandbox::{Action, Fault},
};
use serde_json::json;
use tokio::sync::watch;

use crate::setup::{
    ACCOUNT, Export, World, careless, email, in_clinch, keys_of, options, profiles, seeded,
};

async fn guarded(world: &World, export: &Export, guards: &Guards) -> Report {
    run(RunSpec { guards: guards.clone(), ..export.spec() }, world.ports()).await
}

fn limited(max_creates: u64) -> Guards {
    Guards { max_creates: Some(max_creates), ..Guards::default() }
}

/// Why a run was held back, and the plan that it names.
fn held(report: &Report) -> (Reason, String, PlanDigest) {
    let Ending::Interrupted { disposition, message } = &report.ending else {
        panic!("{:?}", report.ending)
    };
    let plan = report.progress.plan.unwrap();
    assert!(message.contains(&plan.to_string()), "{message}");
    (disposition.reason(), message.clone(), plan)
}

#[tokio::test]
async fn an_empty_source_is_a_fault_unless_the_spec_allows_it() {
    let world = World::new(options()).await;
    let nobody = Export::of(Vec::new());
    let report = world.run(&nobody).await;
    let Ending::SourceFailed(cause) = report.ending else { panic!("{:?}", report.ending) };
    assert_eq!(cause.reason, Reason::SourceEmpty);
    let allowed = Guards { min_records: 0, ..Guards::default() };
    assert_eq!(guarded(&world, &nobody, &allowed).await.ending, Ending::Completed);
}

#[tokio::test]
async fn too_many_creates_are_noticed_before_the_first_one() {
    let there = (0..5).map(in_clinch);
    let world = World::new(seeded(options(), there)).await;
    let mut export = Export::of(profiles(30));
    export.profiles[0]["title"] = "Director".into();
    let report = guarded(&world, &export, &limited(24)).await;
    let (reason, message, _) = held(&report);
    assert_eq!(reason, Reason::GuardTripped);
    assert_eq!(world.writes(), 0);
    assert_eq!(world.store.segments().await, 0, "and nothing is declared");
    assert!(message.contains("create 25 and update 1; 4 unchanged"), "{message}");
    assert!(message.contains("maxCreates (24)"), "{message}");
    let counts = report.progress.counts;
    assert_eq!((counts.created, counts.pending()), (0, 30), "nothing counts as done");
    assert_eq!(guarded(&world, &export, &limited(25)).await.ending, Ending::Completed);
    world.assert_exactly_once(30);
}

#[tokio::test]
async fn too_many_updates_are_noticed_before_the_first_one() {
    let world = World::new(options()).await;
    let mut export = Export::of(profiles(20));
    world.counts(&export).await;
    for profile in &mut export.profiles[..5] {
        profile["title"] = "Director".into();
    }
    let writes = world.writes();
    let guards = Guards { max_updates: Some(4), ..Guards::default() };
    assert_eq!(held(&guarded(&world, &export, &guards).await).0, Reason::GuardTripped);
    assert_eq!(world.writes(), writes);
}

#[tokio::test]
async fn fewer_due_records_than_a_limit_cost_no_request_more() {
    let cost = async |guards: Guards| {
        let world = World::new(options()).await;
        guarded(&world, &Export::of(profiles(30)), &guards).await;
        world.assert_exactly_once(30);
        world.requests()
    };
    assert_eq!(cost(limited(30)).await, cost(Guards::default()).await);
}

#[tokio::test]
async fn a_source_that_shrank_is_compared_with_the_last_completed_push() {
    let world = World::new(options()).await;
    let half = Guards { max_shrink_percent: Some(50), ..Guards::default() };
    let few = Export::of(profiles(9));
    assert_eq!(guarded(&world, &few, &half).await.ending, Ending::Completed, "no baseline yet");
    assert_eq!(world.counts(&Export::of(profiles(20))).await.created, 11);
    let (reason, message, plan) = held(&guarded(&world, &few, &half).await);
    assert_eq!(reason, Reason::GuardTripped, "although nothing would be written");
    assert!(message.contains("9 records, 20 in the last completed run"), "{message}");
    let dry = guarded(&world, &few.dry(), &half).await;
    assert_eq!(held(&dry), (reason, message, plan), "a dry run foretells it");
    // Approved, it is the new baseline.
    let approved = Guards { approved: Some(plan), ..half.clone() };
    assert_eq!(guarded(&world, &few, &approved).await.ending, Ending::Completed);
    assert_eq!(guarded(&world, &few, &half).await.ending, Ending::Completed);
}

#[tokio::test]
async fn records_behind_the_limit_are_counted_for_the_guards_on_the_source() {
    let world = World::new(options()).await;
    let export = Export::of(profiles(20));
    let limited = async |guards: Guards| {
        let spec = RunSpec { limit: Some(3), guards, ..export.spec() };
        run(spec, world.ports()).await
    };
    let most = limited(Guards { min_records: 20, ..Guards::default() }).await;
    assert_eq!(most.ending, Ending::Completed);
    let counts = most.progress.counts;
    assert_eq!((counts.read, counts.not_selected, counts.total), (20, 0, 3));
    let more = limited(Guards { min_records: 21, ..Guards::default() }).await;
    assert_eq!(held(&more).0, Reason::GuardTripped);
    assert_eq!(limited(Guards::default()).await.progress.counts.read, 3, "read no further");
}

#[tokio::test]
async fn an_approved_plan_passes_the_guard_and_another_one_does_not() {
    let world = World::new(options()).await;
    let export = Export::of(profiles(30));
    let (_, _, plan) = held(&guarded(&world, &export, &limited(10)).await);
    let approved = |export, guards| {
        let guards = Guards { approved: Some(plan), ..guards };
        let world = &world;
        async move { guarded(world, export, &guards).await }
    };
    let mut edited = export.clone();
    edited.profiles[7]["title"] = "Director".into();
    let (reason, message, other) = held(&approved(&edited, limited(10)).await);
    assert_eq!(reason, Reason::GuardTripped);
    assert_ne!(other, plan);
    assert!(message.contains("spec.approvedPlan or --plan names another plan"), "{message}");
    let (reason, ..) = held(&approved(&edited, Guards::default()).await);
    assert_eq!(reason, Reason::PlanChanged, "without a guard, too");
    assert_eq!(world.writes(), 0);
    assert_eq!(approved(&export, limited(10)).await.ending, Ending::Completed);
    world.assert_exactly_once(30);
    assert_eq!(approved(&export, limited(10)).await.ending, Ending::Completed, "nothing to do");
}

#[tokio::test]
async fn an_approved_plan_is_continued_after_it_was_cut_off() {
    let world = World::new(careless()).await;
    let export = Export::of(profiles(60));
    let (_, _, plan) = held(&guarded(&world, &export, &limited(10)).await);
    let guards = Guards { approved: Some(plan), ..limited(10) };
    let (progress, mut seen) = watch::channel(clinch_operator::pipeline::Progress::default());
    let ports = RunPorts { progress, ..world.ports() };
    let cancel = ports.cancel.clone();
    let spec = RunSpec { guards: guards.clone(), ..export.spec() };
    let stopping = async {
        seen.wait_for(|progress| progress.counts.created >= 5).await.unwrap();
        cancel.cancel();
    };
    let (report, ()) = tokio::join!(run(spec, ports), stopping);
    assert_eq!(report.ending, Ending::Stopped);
    let done = world.people().len();
    assert!((5..50).contains(&done), "{done}");
    assert_eq!(guarded(&world, &export, &guards).await.ending, Ending::Completed);
    world.assert_exactly_once(60);
}

#[tokio::test]
async fn a_plan_has_one_digest_wherever_it_is_made() {
    let export = Export::of(profiles(30));
    let there = || (0..5).map(in_clinch);
    let one = World::new(seeded(options(), there())).await;
    let dry = run(export.dry().spec(), one.ports()).await;
    assert_eq!(dry.ending, Ending::Completed);
    let other = World::new(seeded(options(), there())).await;
    let spec = RunSpec { guards: limited(10), ..export.spec() };
    let ports = RunPorts { keys: keys_of("another-uid"), look_up: true, ..other.ports() };
    assert_eq!(held(&run(spec, ports).await).2, dry.progress.plan.unwrap());
}

#[tokio::test]
async fn edits_in_clinch_change_a_plan_only_if_they_concern_what_it_writes() {
    let export = Export::of(profiles(3));
    let plan = async |change: serde_json::Value| {
        let mut person = in_clinch(0);
        person.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let world = World::new(seeded(options(), [person, in_clinch(9)])).await;
        run(export.dry().spec(), world.ports()).await.progress.plan.unwrap()
    };
    let base = plan(json!({})).await;
    assert_eq!(plan(json!({"phone": "+353 1 234"})).await, base, "not mapped");
    let title = plan(json!({"current_job_title": "Clerk"})).await;
    assert_ne!(title, base);
    assert_eq!(plan(json!({"current_job_title": "Cook"})).await, title, "names, not values");
    assert_ne!(plan(json!({"last_name": "Else"})).await, title, "another attribute");
}

#[tokio::test]
async fn a_plan_before_each_push_keeps_what_is_known_of_a_record_with_errors() {
    let world = World::new(seeded(careless(), [in_clinch(50)])).await;
    let down = Action::Status { code: 500, retry_after: None, html: false };
    let fault = Fault::always("createCandidate", down).with_body(&format!("\"{}\"", email(1)));
    world.sandbox.set_faults(vec![fault]);
    let export = Export::of(profiles(3));
    let guards = Guards { max_updates: Some(0), ..Guards::default() };
    for _ in 0..4 {
        let report = guarded(&world, &export, &guards).await;
        assert!(matches!(report.ending, Ending::Interrupted { .. }), "{report:?}");
        tokio::time::pause();
        tokio::time::advance(std::time::Duration::from_secs(30)).await;
        tokio::time::resume();
    }
    let report = guarded(&world, &export, &guards).await;
    assert_eq!(report.ending, Ending::Completed);
    assert_eq!((report.progress.counts.unchanged, report.progress.counts.failed), (2, 1));
}

#[tokio::test]
async fn an_approval_is_used_up_once_everything_is_in_place() {
    let world = World::new(options()).await;
    let export = Export::of(profiles(30));
    let plan = run(export.dry().spec(), world.ports()).await.progress.plan.unwrap();
    let approved = Guards { approved: Some(plan), ..Guards::default() };
    assert_eq!(guarded(&world, &export, &approved).await.ending, Ending::Completed);
    world.assert_exactly_once(30);
    world.sandbox.edit(ACCOUNT, &email(3), &json!({"last_name": "Else"})).unwrap();
    let writes = world.writes();
    let opened_again = |trust| {
        let spec = RunSpec { guards: approved.clone(), ..export.spec() };
        run(spec, RunPorts { trust, ..world.ports() })
    };
    let trust = LedgerTrust::default();
    assert_eq!(opened_again(trust).await.ending, Ending::Completed, "what is known needs no write");
    let distrusted = opened_again(LedgerTrust { distrust: true, ..trust }).await;
    let (reason, message, other) = held(&distrusted);
    assert_eq!(reason, Reason::PlanChanged, "nobody has approved to write over that edit");
    assert!(message.contains("create 0 and update 1; 29 unchanged"), "{message}");
    assert_ne!(other, plan);
    assert_eq!(world.writes(), writes);
}

#[tokio::test]
async fn an_approval_lasts_while_clinch_refuses_a_record() {
    let world = World::new(options()).await;
    let refuse = Action::Status { code: 422, retry_after: None, html: false };
    let fault = Fault::always("createCandidate", refuse).with_body(&format!("\"{}\"", email(1)));
    let export = Export::of(profiles(3));
    let plan = run(export.dry().spec(), world.ports()).await.progress.plan.unwrap();
    let approved = Guards { approved: Some(plan), ..Guards::default() };
    world.sandbox.set_faults(vec![fault]);
    let counts = guarded(&world, &export, &approved).await.progress.counts;
    assert_eq!((counts.created, counts.failed), (2, 1));
    world.sandbox.set_faults(Vec::new());
    assert_eq!(guarded(&world, &export, &approved).await.ending, Ending::Completed);
    world.assert_exactly_once(3);
}
