//! Records that Clinch answers with a server error again and again.

use clinch_operator::{
    domain::Reason,
    pipeline::{Counts, Ending, Report},
    sandbox::{Action, Fault},
};
use serde_json::json;

use crate::setup::{Export, World, careless, email, in_clinch, profiles, seeded};

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

/// Lets time pass for what is remembered of records, and for the circuit breaker; connections work in
/// real time.
async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_record_with_errors_is_named_does_not_hold_up_others_and_fails_in_the_end() {
    let world = World::new(seeded(careless(), [in_clinch(50)])).await;
    poison(&world, [1]);
    let export = Export::of(profiles(20));
    let first = world.run(&export).await;
    let Ending::Interrupted { message, .. } = &first.ending else { panic!("{first:?}") };
    assert!(message.starts_with("inline[1]: ") && message.contains("500"), "{message}");
    assert_eq!(listed(&first), [(Reason::RecordErrored, 1)]);
    assert_eq!((first.progress.counts.created, first.progress.counts.pending()), (19, 1));

    for _ in 0..3 {
        pass(30).await;
        let again = world.run(&export).await;
        assert!(matches!(again.ending, Ending::Interrupted { .. }), "{again:?}");
        assert_eq!(listed(&again), [(Reason::RecordErrored, 1)]);
    }
    pass(30).await;
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

#[tokio::test]
async fn many_records_with_errors_in_front_do_not_starve_those_behind_them() {
    let world = World::new(seeded(careless(), [in_clinch(90)])).await;
    poison(&world, 0..40);
    let export = Export::of(profiles(44));
    for _ in 0..8 {
        world.run(&export).await;
        pass(11).await;
    }
    for n in 40..44 {
        assert_eq!(world.people().get(&email(n)), Some(&1), "person {n}");
    }
    // They fail one after the other, as people behind them were written; how many are still tried
    // depends on the circuit breaker.
    pass(61).await;
    let counts = world.run(&export).await.progress.counts;
    assert_eq!((counts.unchanged, counts.failed + counts.pending()), (4, 40));
    assert!(counts.failed > 0, "none of them has failed");
}

#[tokio::test]
async fn a_person_whose_create_may_have_happened_is_looked_up_again_and_never_fails() {
    let world = World::new(seeded(careless(), [in_clinch(90)])).await;
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
    let world = World::new(seeded(careless(), [in_clinch(90)])).await;
    let down = Action::Status { code: 503, retry_after: None, html: false };
    world.sandbox.set_faults(vec![Fault::always("createCandidate", down)]);
    let export = Export::of(profiles(30));
    for _ in 0..10 {
        let report = world.run(&export).await;
        assert!(matches!(report.ending, Ending::Interrupted { .. }), "{report:?}");
        assert_eq!(report.progress.counts.failed, 0);
        pass(61).await;
    }
    world.sandbox.set_faults(Vec::new());
    assert_eq!(world.counts(&export).await.created, 30);
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
