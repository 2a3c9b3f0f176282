//! Records that Clinch answers with a server error again and again, on paused time.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use clinch_operator::{
    clinch::SignedRequest,
    domain::Reason,
    pipeline::{Counts, Ending, RecordLine, RecordOutcome, RecordReport, Report, RunPorts, run},
    sandbox::{Action, Fault},
};
use serde_json::json;
use tokio::time::sleep;

use crate::{
    in_memory::{Between, Unplugged, answer},
    setup::{Export, World, careless, email, in_clinch, profiles, seeded},
};

/// An emulator without a socket that has so many people who are not exported.
async fn unplugged(people: std::ops::Range<usize>, between: Between) -> World {
    let world = Unplugged::new(seeded(careless(), people.map(in_clinch)), between).await.world;
    tokio::time::pause();
    world
}

async fn with_one_person() -> World {
    unplugged(90..91, Box::new(|_| None)).await
}

/// Clinch answers every write of these people with 500.
fn poison(world: &World, people: impl IntoIterator<Item = usize>) {
    let refusal = Action::Status { code: 500, retry_after: None, html: false };
    let fault = |n| {
        let fault = Fault::always("createCandidate", refusal.clone());
        fault.with_body(&format!("\"{}\"", email(n)))
    };
    world.sandbox.set_faults(people.into_iter().map(fault).collect());
}

/// The reasons and positions that a run lists.
fn listed(report: &Report) -> Vec<(Reason, u64)> {
    let rejections = report.progress.rejections.iter();
    rejections.map(|listed| (listed.cause.reason, listed.position.index)).collect()
}

/// Runs again and again, a minute apart, until a run completes.
async fn until_completed(world: &World, export: &Export) -> Report {
    for _ in 0..MOST_RUNS {
        let report = world.run(export).await;
        if report.ending == Ending::Completed {
            return report;
        }
        sleep(Duration::from_secs(61)).await;
    }
    panic!("{MOST_RUNS} runs are not enough: {:?}", world.run(export).await.ending);
}

/// Five attempts take six runs, with one more for those that the first one did not come to. On a slow
/// machine the paused clock may run ahead of an answer, and a request that times out is no attempt.
const MOST_RUNS: u32 = 20;

#[tokio::test]
async fn a_record_with_errors_is_named_does_not_hold_up_others_and_fails_in_the_end() {
    let world = with_one_person().await;
    poison(&world, [1]);
    let export = Export::of(profiles(20));
    let first = world.run(&export).await;
    let Ending::Interrupted { message, .. } = &first.ending else { panic!("{first:?}") };
    assert!(message.starts_with("inline[1]: ") && message.contains("500"), "{message}");
    assert_eq!(listed(&first), [(Reason::RecordErrored, 1)]);
    assert_eq!((first.progress.counts.created, first.progress.counts.pending()), (19, 1));

    for _ in 0..3 {
        sleep(Duration::from_secs(30)).await;
        let again = world.run(&export).await;
        assert!(matches!(again.ending, Ending::Interrupted { .. }), "{again:?}");
        assert_eq!(listed(&again), [(Reason::RecordErrored, 1)]);
    }
    sleep(Duration::from_secs(30)).await;
    let last = world.run(&export).await;
    assert_eq!(last.ending, Ending::Completed);
    assert_eq!(listed(&last), [(Reason::RecordErrored, 1)]);
    let expected = Counts { read: 20, total: 20, unchanged: 19, failed: 1, ..Counts::default() };
    assert_eq!(last.progress.counts, expected);

    // Once Clinch takes it, the next run delivers it.
    poison(&world, []);
    assert_eq!(world.counts(&export).await.created, 1);
    assert!(world.people().values().all(|times| *times == 1));
}

/// All records with errors end as failed, and the others are delivered.
async fn assert_they_fail(world: &World, export: &Export, poisoned: std::ops::Range<usize>) {
    let report = until_completed(world, export).await;
    let (counts, all) = (report.progress.counts, export.profiles.len());
    assert_eq!(counts.failed, poisoned.len() as u64);
    assert_eq!(counts.delivered(), (all - poisoned.len()) as u64);
    let reasons: Vec<_> = report.progress.by_reason.keys().map(|(reason, _)| *reason).collect();
    assert_eq!(reasons, [Reason::RecordErrored]);
    for n in 0..all {
        let times = usize::from(!poisoned.contains(&n));
        assert_eq!(world.people().get(&email(n)).copied().unwrap_or_default(), times, "person {n}");
    }
}

#[tokio::test]
async fn many_records_with_errors_in_front_do_not_starve_those_behind_them() {
    let world = with_one_person().await;
    poison(&world, 0..40);
    let export = Export::of(profiles(44));
    world.run(&export).await;
    for n in 40..44 {
        assert_eq!(world.people().get(&email(n)), Some(&1), "person {n}, in the first run");
    }
    assert_they_fail(&world, &export, 0..40).await;
}

#[tokio::test]
async fn many_records_with_errors_fail_wherever_they_are() {
    for poisoned in [4..44, 2..42] {
        let world = with_one_person().await;
        poison(&world, poisoned.clone());
        let export = Export::of(profiles(44));
        // In random order, since everybody is looked up.
        let ports = RunPorts { look_up: true, ..world.ports() };
        run(world.spec(&export), ports).await;
        assert_they_fail(&world, &export, poisoned).await;
        tokio::time::resume();
    }
}

#[tokio::test]
async fn people_who_cannot_be_read_one_by_one_fail_as_well() {
    // Everybody but the last four whom the first run reads.
    let known = Mutex::new(Vec::new());
    let unreadable = move |signed: &SignedRequest| {
        let path = signed.request.path_and_query();
        let id = path.strip_prefix("/v2/candidates/")?.to_owned();
        let mut known = known.lock().unwrap();
        let at = known.iter().position(|one| *one == id).unwrap_or_else(|| {
            known.push(id);
            known.len() - 1
        });
        (signed.request.method == "GET" && at < 40).then(|| answer(500, None))
    };
    let world = unplugged(0..44, Box::new(unreadable)).await;
    let mut export = Export::of(profiles(44));
    for profile in &mut export.profiles {
        profile["title"] = json!("Boss");
    }
    let counts = until_completed(&world, &export).await.progress.counts;
    assert_eq!((counts.failed, counts.delivered()), (40, 4));
}

/// What a run reports of each record.
#[derive(Default)]
struct Lines(Mutex<Vec<RecordLine>>);

impl RecordReport for Lines {
    fn add(&self, line: RecordLine) {
        self.0.lock().unwrap().push(line);
    }
}

/// Runs, and returns the outcomes and reasons of the records in order.
async fn reported(world: &World, export: &Export) -> Vec<(RecordOutcome, Option<Reason>)> {
    let lines = Arc::new(Lines::default());
    let ports = RunPorts { report: Some(lines.clone()), ..world.ports() };
    run(world.spec(export), ports).await;
    let mut lines = std::mem::take(&mut *lines.0.lock().unwrap());
    lines.sort_by(|one, other| one.position.cmp(&other.position));
    lines.into_iter().map(|line| (line.outcome, line.cause.map(|cause| cause.reason))).collect()
}

#[tokio::test]
async fn a_report_has_one_line_for_a_record_with_errors_and_one_for_an_undecided_one() {
    let world = with_one_person().await;
    let late = Action::Late { commit_ms: 60_000, answer_ms: None, code: None, html: false };
    let fault = Fault::always("createCandidate", late).with_body(&format!("\"{}\"", email(2)));
    let refusal = Action::Status { code: 500, retry_after: None, html: false };
    let error = Fault::always("createCandidate", refusal).with_body(&format!("\"{}\"", email(1)));
    world.sandbox.set_faults(vec![fault, error.clone()]);
    let export = Export::of(profiles(3));
    let errored = Some(Reason::RecordErrored);
    let expected = [
        (RecordOutcome::Created, None),
        (RecordOutcome::Pending, errored),
        (RecordOutcome::Pending, Some(Reason::Undecided)),
    ];
    assert_eq!(reported(&world, &export).await, expected);
    world.sandbox.set_faults(vec![error]);
    for run in 2..=5 {
        sleep(Duration::from_secs(61)).await;
        let outcome = if run < 5 { RecordOutcome::Pending } else { RecordOutcome::Rejected };
        let lines = reported(&world, &export).await;
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines[1], (outcome, errored), "run {run}");
    }
}

#[tokio::test]
async fn a_person_whose_create_may_have_happened_is_looked_up_again_and_never_fails() {
    let world = with_one_person().await;
    let late = Action::Late { commit_ms: 60_000, answer_ms: None, code: None, html: false };
    let fault = Fault::always("createCandidate", late).with_body(&format!("\"{}\"", email(0)));
    world.sandbox.set_faults(vec![fault]);
    let export = Export::of(profiles(1));
    let report = world.run(&export).await;
    assert_eq!(listed(&report), [(Reason::Undecided, 0)]);
    assert!(matches!(report.ending, Ending::Interrupted { .. }));
    assert_eq!(report.progress.counts.pending(), 1);
    world.sandbox.set_faults(Vec::new());
    assert_eq!(world.counts(&export).await.created, 1);
}

#[tokio::test]
async fn an_outage_fails_no_record() {
    let world = with_one_person().await;
    let down = Action::Status { code: 503, retry_after: None, html: false };
    world.sandbox.set_faults(vec![Fault::always("createCandidate", down)]);
    let export = Export::of(profiles(30));
    for _ in 0..10 {
        let report = world.run(&export).await;
        assert!(matches!(report.ending, Ending::Interrupted { .. }), "{report:?}");
        assert_eq!(report.progress.counts.failed, 0);
        let listed = listed(&report);
        assert!(listed.iter().all(|(reason, _)| *reason == Reason::RecordErrored), "{listed:?}");
        sleep(Duration::from_secs(61)).await;
    }
    world.sandbox.set_faults(Vec::new());
    assert_eq!(world.counts(&export).await.created, 30);
}

#[tokio::test]
async fn an_outage_that_begins_when_few_records_are_left_fails_none_of_them() {
    let world = with_one_person().await;
    let export = Export::of(profiles(30));
    world.counts(&export).await;
    let mut changed = export.clone();
    for profile in changed.profiles.iter_mut().take(10) {
        profile["title"] = json!("Boss");
    }
    let down = Action::Status { code: 503, retry_after: None, html: false };
    world.sandbox.set_faults(vec![Fault::always("*", down)]);
    for _ in 0..40 {
        let report = world.run(&changed).await;
        assert!(matches!(report.ending, Ending::Interrupted { .. }), "{report:?}");
        assert_eq!(report.progress.counts.failed, 0);
        sleep(Duration::from_secs(61)).await;
    }
    world.sandbox.set_faults(Vec::new());
    assert_eq!(world.counts(&changed).await.updated, 10);
}

#[tokio::test]
async fn a_resume_that_cannot_be_attached_does_not_cost_the_person_unless_it_is_required() {
    let world = World::new(seeded(careless(), [])).await;
    let mut export = Export::of(profiles(3)).with_resume_and_tags();
    export.profiles[1]["resume"] = json!({"url": "https://example.org/cv.pdf"});
    let dry = world.run(&export.dry()).await;
    let push = world.run(&export).await;
    assert_eq!(dry.progress.counts, push.progress.counts);
    let counts = push.progress.counts;
    assert_eq!((counts.created, counts.warnings, counts.rejected()), (3, 1, 0));
    assert_eq!(listed(&push), [(Reason::ResumeRefused, 1)]);
    // Unchanged, and still a warning; once it can be attached, it is.
    let again = world.counts(&export).await;
    assert_eq!((again.unchanged, again.warnings), (3, 1));
    export.profiles[1]["resume"] = json!({"bytes": "JVBERi0xLjcgd29yZHM="});
    let attached = world.counts(&export).await;
    assert_eq!((attached.updated, attached.warnings), (1, 0));
    assert_eq!(world.person(1)["attachments"].as_array().unwrap().len(), 1);

    export.mapping["resume"]["required"] = json!(true);
    export.profiles.push(json!({"emails": [{"value": email(7)}], "resume": {"bytes": "?"}}));
    let required = world.run(&export).await;
    assert_eq!((required.progress.counts.invalid, required.progress.counts.warnings), (1, 0));
    assert!(!world.people().contains_key(&email(7)));
}
