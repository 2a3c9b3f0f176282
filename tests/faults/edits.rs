//! What an export depends on is edited while it runs. The last edit is what counts.

use std::time::Duration;

use clinch_operator::sandbox::Credential;

use crate::{
    stage::{
        all_have, assert_delivered, at_work, created, never_ready_unless, shared, until, watched,
    },
    support::{
        manifests::{PROSPECT, SECRET, emails, export},
        world::{SOON, condition},
    },
};

const PEOPLE: usize = 300;
const LEASE: u64 = 15;
const KIND: &str = "CandidateExport";
const TITLED: &str = "  destination: {prospect: {}}\n  fieldMappingRef: {name: titled}";

/// A mapping that gives everybody a job title.
fn mapping(title: &str) -> String {
    format!(
        "---\napiVersion: clinch.hireez.dev/v1alpha1\nkind: FieldMapping\nmetadata: {{name: titled}}\n\
         spec: {{fields: [{{to: email, from: 'emails[0].value'}}, {{to: first_name, from: firstName}}, \
         {{to: current_job_title, value: {{string: {title}}}}}]}}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_set_and_lifted_while_people_are_pushed_is_the_one_that_counts() {
    let _shared = shared().await;
    let Some((world, _operator)) = at_work(LEASE).await else { return };
    world.sandbox.set_latency(Duration::from_millis(20));
    let limited = |limit: usize| export("few", PEOPLE, &format!("{PROSPECT}\n  limit: {limit}"));
    world.apply(&limited(PEOPLE));
    created(&world, 100).await;
    let generation = world.get(KIND, "few").await["metadata"]["generation"].clone();
    world.apply(&limited(60));
    let few = world.ready(KIND, "few", "True", "Synced").await;
    assert_ne!(few["metadata"]["generation"], generation);
    assert_delivered(&world, &few, 60);
    assert_eq!(
        few["status"]["history"].as_array().map(Vec::len),
        Some(1),
        "the other one never ended"
    );
    let there = emails(&world).len();
    assert!((100..PEOPLE).contains(&there), "the run of the earlier spec was ended: {there}");
    world.sandbox.set_latency(Duration::ZERO);
    world.apply(&limited(PEOPLE));
    let all = world.ready(KIND, "few", "True", "Synced").await;
    assert_delivered(&world, &all, PEOPLE);
    assert_eq!(emails(&world).len(), PEOPLE);
    assert_eq!(world.sandbox.requests().of("createCandidate"), PEOPLE as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_edited_while_people_are_pushed_reaches_everybody() {
    let _shared = shared().await;
    let Some((world, _operator)) = at_work(LEASE).await else { return };
    world.sandbox.set_latency(Duration::from_millis(20));
    world.apply(&[&mapping("Engineer"), "---", &export("mapped", PEOPLE, TITLED)].concat());
    let everybody = || all_have(&world, "mapped", PEOPLE, "current_job_title", "Director");
    let scene = async {
        created(&world, 100).await;
        world.apply(&mapping("Director"));
        world.ready(KIND, "mapped", "True", "Synced").await
    };
    let done = watched(&world, "mapped", never_ready_unless(everybody), scene).await;
    assert_delivered(&world, &done, PEOPLE);
    assert!(everybody());
    assert_eq!(done["status"]["history"].as_array().map(Vec::len), Some(1));
    assert_eq!(world.sandbox.requests().of("createCandidate"), PEOPLE as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_edited_while_people_are_pushed_reaches_everybody() {
    let _shared = shared().await;
    let Some((world, _operator)) = at_work(LEASE).await else { return };
    world.sandbox.set_latency(Duration::from_millis(20));
    world.apply(&export("source", PEOPLE, PROSPECT));
    let everybody = || all_have(&world, "source", PEOPLE, "first_name", "Second#");
    let scene = async {
        created(&world, 100).await;
        world.apply(&export("source", PEOPLE, PROSPECT).replace("First", "Second"));
        world.ready(KIND, "source", "True", "Synced").await
    };
    let done = watched(&world, "source", never_ready_unless(everybody), scene).await;
    assert_delivered(&world, &done, PEOPLE);
    assert!(everybody());
    assert_eq!(world.sandbox.requests().of("createCandidate"), PEOPLE as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_taken_back_half_way_is_taken_back_in_clinch() {
    let _shared = shared().await;
    let Some((world, _operator)) = at_work(LEASE).await else { return };
    let titled = |title: &str| [&mapping(title), "---", &export("back", PEOPLE, TITLED)].concat();
    world.apply(&titled("Engineer"));
    let before = world.ready(KIND, "back", "True", "Synced").await;
    assert_delivered(&world, &before, PEOPLE);
    world.sandbox.set_latency(Duration::from_millis(20));
    world.apply(&mapping("Director"));
    until("some have the new title", || world.sandbox.requests().of("updateCandidate") >= 100)
        .await;
    let unfinished = world.get(KIND, "back").await;
    assert_ne!(condition(&unfinished, "Ready")["status"], "True");
    let engineers = || all_have(&world, "back", PEOPLE, "current_job_title", "Engineer");
    let scene = async {
        world.apply(&mapping("Engineer"));
        world.ready(KIND, "back", "True", "Synced").await
    };
    let done = watched(&world, "back", never_ready_unless(engineers), scene).await;
    assert_delivered(&world, &done, PEOPLE);
    assert!(engineers());
    assert_eq!(done["status"]["lastAppliedRevision"], before["status"]["lastAppliedRevision"]);
    assert_eq!(done["status"]["history"].as_array().map(Vec::len), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_while_an_export_is_suspended_half_way() {
    let _shared = shared().await;
    let Some((world, _operator)) = at_work(LEASE).await else { return };
    world.sandbox.set_latency(Duration::from_millis(20));
    let suspended =
        |value: bool| export("paused", PEOPLE, &format!("{PROSPECT}\n  suspend: {value}"));
    world.apply(&suspended(false));
    created(&world, 100).await;
    world.apply(&suspended(true));
    let paused = world.ready(KIND, "paused", "False", "Suspended").await;
    assert!(condition(&paused, "Reconciling").is_null() && condition(&paused, "Stalled").is_null());
    // A record in flight may ask more than once, with moments in between.
    let (mut total, mut quiet) = (0, 0);
    until("records in flight end", || {
        let requests = world.sandbox.requests();
        let is_quiet = requests.under_way == 0 && requests.total == total;
        (total, quiet) = (requests.total, if is_quiet { quiet + 1 } else { 0 });
        quiet >= 40
    })
    .await;
    let (asked, there) = (world.sandbox.requests().total, emails(&world).len());
    assert!(there < PEOPLE, "{there}");
    // A changed source enqueues it twice, and nothing is read.
    let (user, log) = (world.user(), world.audit());
    for word in ["Second", "Third"] {
        let mark = log.mark().expect("a log");
        world.apply(&suspended(true).replace("First", word));
        let looked = |entry: &clinch_operator::control_plane::audit::Entry| {
            entry.user == user && entry.verb == "get" && entry.resource == "candidateexports"
        };
        log.wait_for(mark, 1, SOON, looked).await.expect("it was looked at");
    }
    assert_eq!(world.sandbox.requests().total, asked, "nothing is asked");
    world.sandbox.set_latency(Duration::ZERO);
    let everybody = || all_have(&world, "paused", PEOPLE, "first_name", "Third#");
    let scene = async {
        world.apply(&suspended(false).replace("First", "Third"));
        world.ready(KIND, "paused", "True", "Synced").await
    };
    let done = watched(&world, "paused", never_ready_unless(everybody), scene).await;
    assert_delivered(&world, &done, PEOPLE);
    assert!(everybody());
    assert_eq!(world.sandbox.requests().of("createCandidate"), PEOPLE as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_rotated_half_way_costs_no_401_and_nobody_twice() {
    let _shared = shared().await;
    let Some((world, _operator)) = at_work(LEASE).await else { return };
    world.sandbox.add_credential(Credential::new("hireEZ", "KEY-2", "secret-2"));
    world.sandbox.set_latency(Duration::from_millis(20));
    world.apply(&export("rotated", PEOPLE, PROSPECT));
    let everybody = || all_have(&world, "rotated", PEOPLE, "first_name", "First#");
    let scene = async {
        created(&world, 100).await;
        world.apply(&SECRET.replace("ACCESS", "KEY-2").replace("SECRET", "secret-2"));
        world.ready(KIND, "rotated", "True", "Synced").await
    };
    let done = watched(&world, "rotated", never_ready_unless(everybody), scene).await;
    assert_delivered(&world, &done, PEOPLE);
    assert_eq!(emails(&world).len(), PEOPLE);
    let requests = world.sandbox.requests();
    assert_eq!(requests.of("createCandidate"), PEOPLE as u64, "nobody was even tried twice");
    let refused = requests.by_operation.keys().any(|name| name.ends_with(" 401"));
    assert!(!refused, "{:?}", requests.by_operation);
    // The old one is not needed any more.
    world.sandbox.revoke("KEY-1");
    world.apply(&export("rotated", PEOPLE, PROSPECT).replace("First7\"", "Changed\""));
    until("the change arrives", || world.sandbox.requests().of("updateCandidate") >= 1).await;
    world.ready(KIND, "rotated", "True", "Synced").await;
}
