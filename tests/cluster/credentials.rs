//! Credentials and endpoints of an integration: each state has its own reason.

use std::time::{Duration, Instant};

use clinch_operator::{
    controllers::Regions,
    sandbox::{self, Action, Fault},
};

use crate::{
    access::TO_JOB,
    support::{
        manifests::{INTEGRATION, PROSPECT, SECRET, assert_each_once, emails, export},
        world::{SOON, World, condition},
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn every_state_of_a_credential_has_its_own_reason_and_is_noticed_within_two_seconds() {
    let Some(mut world) = World::prepare().await else { return };
    let other = sandbox::Options::default().with_credential("hireEZ", "KEY-EU", "secret-eu");
    let other = sandbox::Sandbox::start(other).await.unwrap();
    let regions =
        Regions { us: other.base_url(), eu: world.sandbox.base_url(), ..Regions::default() };
    world.run_operator(regions);
    let two = Duration::from_secs(2);
    let integration = INTEGRATION.split("---").nth(1).unwrap();
    let secret = |access: &str, key: &str| SECRET.replace("ACCESS", access).replace("SECRET", key);
    world.apply(integration);
    let kind = "ClinchIntegration";
    world.ready(kind, "acme", "False", "SecretNotFound").await;
    world.apply(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: clinch}\nstringData: {accessKey: KEY-1}",
    );
    world.ready_within(kind, "acme", "False", "SecretFieldMissing", two).await;
    world.apply(&secret("KEY-1", "''"));
    world.ready_within(kind, "acme", "False", "SecretFieldEmpty", two).await;
    world.apply(&secret("'KEY 1'", "x"));
    world.ready_within(kind, "acme", "False", "SecretInvalid", two).await;
    world.apply(&secret("KEY-1", "wrong"));
    let rejected = world.ready_within(kind, "acme", "False", "CredentialsRejected", two).await;
    assert_eq!(condition(&rejected, "Authenticated")["status"], "False");
    world.apply(&secret("KEY-1", "\"secret-1\\n\""));
    world.ready_within(kind, "acme", "True", "Verified", two).await;

    world.apply(&integration.replace("endpoint: ORIGIN", "endpoint: 'http://127.0.0.1:1'"));
    world.ready(kind, "acme", "False", "EndpointUnreachable").await;
    world.apply(&integration.replace("endpoint: ORIGIN", "endpoint: 'https://elsewhere.example'"));
    world.ready(kind, "acme", "False", "EndpointNotAllowed").await;
    world.apply(&secret("KEY-EU", "secret-eu"));
    let by_region =
        integration.replace("endpoint: ORIGIN", "region: EU").replace("name: acme", "name: eu");
    world.apply(&by_region);
    let wrong = world.ready(kind, "eu", "False", "WrongRegion").await;
    assert!(condition(&wrong, "Ready")["message"].as_str().unwrap().contains("region US"));
    world.apply(&secret("KEY-1", "secret-1"));
    world.ready(kind, "eu", "True", "Verified").await;
    world.sandbox.set_clock_offset(3600);
    world.kubectl(&[
        "annotate",
        "clint",
        "eu",
        "clinch.hireez.dev/reconcile-requested-at=1",
        "-n",
        &world.namespace,
    ]);
    let object = world
        .wait(kind, "eu", "handled", SOON, |o| {
            o["status"]["handled"]["reconcileRequestedAt"] == "1"
        })
        .await;
    assert_eq!(condition(&object, "Ready")["status"], "True", "a recent success stands meanwhile");
    let fresh = by_region.replace("name: eu", "name: skewed");
    world.apply(&fresh);
    world.ready(kind, "skewed", "False", "ClockSkew").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_the_other_environment_is_never_contacted() {
    let Some(world) = World::start().await else { return };
    world.apply(
        &INTEGRATION
            .replace("endpoint: ORIGIN", "region: EU")
            .replace("environment: Sandbox", "environment: Production"),
    );
    world.apply(&export("mixed", 2, PROSPECT));
    world.ready("ClinchIntegration", "acme", "False", "EnvironmentMismatch").await;
    let export = world.ready("CandidateExport", "mixed", "False", "EnvironmentMismatch").await;
    assert_eq!(condition(&export, "Stalled")["status"], "True");
    assert_eq!(world.sandbox.requests().total, 0);
    let (user, log) = (world.user(), world.audit());
    let read =
        log.count(|e| e.user == user && e.resource == "secrets" && e.name == "clinch").unwrap();
    assert_eq!(read, 0, "its Secret is left alone, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_credential_stops_exports_and_a_rotation_lets_them_continue() {
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    world.sandbox.set_latency(Duration::from_millis(20));
    world.apply(&export("rotated", 300, PROSPECT));
    let started = Instant::now();
    while emails(&world).len() < 20 {
        assert!(started.elapsed() < SOON, "the export does not start");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.sandbox.revoke("KEY-1");
    world.ready("ClinchIntegration", "acme", "False", "CredentialsRejected").await;
    world.ready("CandidateExport", "rotated", "False", "DependencyNotReady").await;
    let rejected = world.sandbox.requests();
    world.sandbox.add_credential(sandbox::Credential::new("hireEZ", "KEY-2", "secret-2"));
    world.apply(&SECRET.replace("ACCESS", "KEY-2").replace("SECRET", "secret-2"));
    let done = world.ready("CandidateExport", "rotated", "True", "Synced").await;
    assert_eq!(done["status"]["delivered"], "300/300");
    assert_each_once(&world, 300);
    let unauthorized: u64 = rejected
        .by_operation
        .iter()
        .filter(|(name, _)| name.ends_with(" 401"))
        .map(|(_, count)| count)
        .sum();
    assert!(unauthorized <= 8 + 3, "at most what was in flight meets the 401: {unauthorized}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stray_401_or_redirect_delays_an_export_and_stalls_nothing() {
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    let once = |operation, action| Fault::always(operation, action).nth(5);
    let refused = Action::Status { code: 401, retry_after: None, html: false };
    let redirected = Action::Redirect { location: "https://elsewhere.example/".to_owned() };
    world.sandbox.set_faults(vec![
        once("createCandidate", refused),
        once("createApplication", redirected.clone()),
        once("listCandidates", redirected),
    ]);
    world.apply(&export("stray", 40, TO_JOB));
    let done = world
        .wait("CandidateExport", "stray", "delivered", SOON, |export| {
            assert!(condition(export, "Stalled").is_null(), "{export:#}");
            condition(export, "Ready")["status"] == "True"
        })
        .await;
    assert_eq!(done["status"]["delivered"], "40/40");
    assert_each_once(&world, 40);
    let integration = world.get("ClinchIntegration", "acme").await;
    assert_eq!(condition(&integration, "Ready")["status"], "True", "{integration:#}");
    let requests = world.sandbox.requests().by_operation;
    assert!(requests.keys().any(|name| name.ends_with(" 401")), "{requests:?}");
}
