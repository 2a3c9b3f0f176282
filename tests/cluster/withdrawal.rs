//! A permission withdrawn in the middle of a run stops it soon; given back, the run completes.

use std::time::{Duration, Instant};

use clinch_operator::sandbox::{Action, Fault};
use tokio::time::sleep_until;

use crate::{
    access::{AT_ONCE, TO_JOB, approving, event, member_export, message, reason, reason_is},
    permission::job_id,
    support::{
        manifests::{INTEGRATION, assert_each_once, emails, export},
        world::{SOON, World},
    },
};

/// Starts an export of 200 people, and returns when eight of them are being created slowly: the
/// application that follows a create would be sent long after a withdrawal at this moment.
pub async fn start_slow(world: &World, namespace: &str, destination: &str) {
    let before = emails(world).len();
    let mut stall = Fault::always("createCandidate", Action::Stall { ms: 4000 });
    stall.from = Some(20);
    world.sandbox.set_faults(vec![stall]);
    world.apply_in(namespace, &member_export("slow", 200, destination));
    let started = Instant::now();
    while emails(world).len() < before + 19 || world.sandbox.requests().under_way < 8 {
        assert!(started.elapsed() < SOON, "the export does not start");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// How many requests for records have started; looking up a job or stage does not count.
fn requests_started(world: &World) -> u64 {
    let requests = world.sandbox.requests();
    let about_jobs: u64 =
        ["listJobs", "getJob", "listStages"].map(|operation| requests.of(operation)).iter().sum();
    requests.total + requests.under_way - about_jobs
}

/// Waits for what may still start after a withdrawal, and asserts that nothing starts later.
pub async fn nothing_starts_later(world: &World, accepted: tokio::time::Instant) {
    sleep_until(accepted + AT_ONCE).await;
    let at_the_limit = requests_started(world);
    assert!(emails(world).len() < 200, "the run was over before the withdrawal");
    // By then the creates in flight have ended.
    sleep_until(accepted + Duration::from_secs(5)).await;
    let applied = world.sandbox.requests().of("createApplication");
    assert!(emails(world).len() as u64 > applied, "some are half done");
    assert_eq!(requests_started(world), at_the_limit, "no request starts later than {AT_ONCE:?}");
}

/// Withdraws something in the middle of a run, and counts what still arrives at Clinch.
async fn withdrawn_mid_run(withdraw: &str, give_back: &str, expected: &'static str) {
    let Some(world) = World::start_with_members(1).await else { return };
    let member = world.members[0].clone();
    let fill = |text: &str| text.replace("MEMBER", &member);
    world.apply(&fill(give_back));
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    start_slow(&world, &member, TO_JOB).await;
    world.apply(&fill(withdraw));
    let accepted = tokio::time::Instant::now();
    let stopped = reason(&world, &member, "slow", move |reason| reason == expected, AT_ONCE).await;
    assert!(message(&stopped).contains("ask "), "{}", message(&stopped));
    event(&world, &member, "slow", expected).await;
    nothing_starts_later(&world, accepted).await;

    world.sandbox.set_faults(vec![]);
    world.apply(&fill(give_back));
    reason(&world, &member, "slow", move |reason| reason != expected, AT_ONCE).await;
    let done = reason_is(&world, &member, "slow", "Synced").await;
    assert_eq!(done["status"]["delivered"], "200/200");
    assert_each_once(&world, 200);
    let people = world.sandbox.people("hireEZ");
    assert!(
        people.iter().all(|person| person["applications"].as_array().map(Vec::len) == Some(1)),
        "people who were half done when it stopped have an application now, too"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_starts_two_seconds_after_an_approval_is_withdrawn() {
    withdrawn_mid_run(&approving(""), &approving("MEMBER"), "AwaitingApproval").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_starts_two_seconds_after_a_push_permission_is_withdrawn() {
    let given = approving("MEMBER");
    let withdrawn = given.replace("stages: [Sourced]", "stages: [Offer]");
    withdrawn_mid_run(&withdrawn, &given, "NotPermitted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_starts_two_seconds_after_a_job_known_by_its_other_name_is_withdrawn() {
    let Some(world) = World::start().await else { return };
    let namespace = world.namespace.clone();
    world.apply(INTEGRATION);
    world.apply(&export("first", 1, TO_JOB));
    reason_is(&world, &namespace, "first", "Synced").await;
    let id = job_id(&world);
    start_slow(
        &world,
        &namespace,
        &format!("  destination: {{job: {{id: '{id}', stage: Sourced}}}}"),
    )
    .await;
    // By their text alone the new rules could mean this job, too: only Clinch knows.
    world.apply(&INTEGRATION.replace("ENG-101", "DES-7"));
    nothing_starts_later(&world, tokio::time::Instant::now()).await;
    let refused = reason_is(&world, &namespace, "slow", "NotPermitted").await;
    assert!(message(&refused).contains("ask "), "{}", message(&refused));
    world.sandbox.set_faults(vec![]);
    world.apply(INTEGRATION);
    reason_is(&world, &namespace, "slow", "Synced").await;
    assert_each_once(&world, 201);
}
