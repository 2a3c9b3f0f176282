//! Waits that Clinch asks for, and requests that something in between changes, in whole runs.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use clinch_operator::{
    clinch::SignedRequest,
    domain::{Disposition, Reason},
    pipeline::{Ending, Report, RunPorts, run},
    sandbox::{Action, Fault},
};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::{
    in_memory::{Between, Unplugged, answer},
    setup::{Export, careless, email, in_clinch, profile, profiles, seeded},
};

fn passes() -> Between {
    Box::new(|_| None)
}

fn is_post(request: &SignedRequest) -> bool {
    request.request.method == "POST"
}

/// Runs on paused time; how long nothing was sent after the first create.
async fn silence_after_the_first_create(unplugged: &Unplugged, people: usize) -> Duration {
    tokio::time::pause();
    let report = unplugged.world.run(&Export::of(profiles(people))).await;
    tokio::time::resume();
    assert_eq!(report.ending, Ending::Completed, "{:?}", report.progress);
    unplugged.world.assert_exactly_once(people);
    let sent = unplugged.sent.lock().unwrap();
    let create = sent.iter().position(|(_, line)| line.starts_with("POST")).unwrap();
    sent[create + 1].0 - sent[create].0
}

#[tokio::test]
async fn a_create_answered_503_is_followed_by_nothing_before_the_delay_is_over() {
    for code in [500, 503, 504] {
        // Somebody by whom look-ups are proved.
        let mut options = seeded(careless(), [in_clinch(0)]);
        let later = Action::Status { code, retry_after: Some(20), html: true };
        options.faults = vec![Fault::always("createCandidate", later).nth(1)];
        let unplugged = Unplugged::new(options, passes()).await;
        let silence = silence_after_the_first_create(&unplugged, 3).await;
        assert!(silence >= Duration::from_secs(20), "{code}: {silence:?}");
    }
}

#[tokio::test]
async fn a_delay_is_obeyed_in_each_format_of_a_date() {
    for format in ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
    {
        let refused = AtomicBool::new(false);
        let between = move |request: &SignedRequest| {
            let first = is_post(request) && !refused.swap(true, Ordering::Relaxed);
            let at = Timestamp::now() + SignedDuration::from_secs(30);
            first.then(|| answer(429, Some(&at.strftime(format).to_string())))
        };
        let unplugged = Unplugged::new(careless(), Box::new(between)).await;
        let silence = silence_after_the_first_create(&unplugged, 1).await;
        assert!(silence >= Duration::from_secs(27), "{format}: {silence:?}");
    }
}

/// Everybody but one person, in whose requests `marked` finds their name.
async fn all_but_one(marked: fn(&SignedRequest) -> bool) -> Report {
    let between = move |request: &SignedRequest| marked(request).then(|| answer(401, None));
    let unplugged = Unplugged::new(careless(), Box::new(between)).await;
    let mut people = profiles(30);
    people[7]["emails"][0]["value"] = "poison@example.com".into();
    tokio::time::pause();
    let ports = RunPorts { look_up: true, ..unplugged.world.ports() };
    let report = run(Export::of(people).spec(), ports).await;
    tokio::time::resume();
    let delivered = unplugged.world.people();
    assert_eq!(delivered.len(), 29);
    assert!((0..30).filter(|n| *n != 7).all(|n| delivered.get(&email(n)) == Some(&1)));
    assert!(!*unplugged.world.client.rejected().borrow(), "the credential is good");
    report
}

#[tokio::test]
async fn one_request_that_is_altered_on_its_way_fails_alone_and_names_its_shape() {
    let look_up: fn(&SignedRequest) -> bool =
        |request| request.request.path_and_query().contains("poison");
    let create: fn(&SignedRequest) -> bool = |request| {
        let body = request.request.body.clone().unwrap_or_default();
        is_post(request) && String::from_utf8_lossy(&body).contains("poison")
    };
    for (marked, shape) in [(create, "POST /candidates"), (look_up, "GET /candidates?")] {
        let report = all_but_one(marked).await;
        let counts = report.progress.counts;
        assert_eq!((report.ending, counts.created, counts.failed), (Ending::Completed, 29, 1));
        let rejection = &report.progress.rejections[0];
        assert_eq!(rejection.cause.reason, Reason::RequestAltered);
        let message = &rejection.cause.message;
        assert!(message.contains(shape) && !message.contains("poison"), "{message}");
    }
}

#[tokio::test]
async fn look_ups_that_are_all_altered_end_the_run_with_their_shape() {
    let between = |request: &SignedRequest| {
        request.request.path_and_query().contains("filter").then(|| answer(401, None))
    };
    let options = seeded(careless(), (0..5).map(in_clinch));
    let unplugged = Unplugged::new(options, Box::new(between)).await;
    tokio::time::pause();
    let start = Instant::now();
    let export = Export::of((0..9).map(profile).collect());
    let report = run(export.spec(), unplugged.world.ports()).await;
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    tokio::time::resume();
    let Ending::Interrupted { disposition, message } = report.ending else {
        panic!("{:?}", report.ending)
    };
    assert_eq!(disposition, Disposition::Stalled { reason: Reason::RequestAltered });
    assert!(message.contains("GET /candidates?") && message.contains("filter"), "{message}");
    assert_eq!(unplugged.world.people().len(), 5, "nobody is created unseen");
}
