//! The Secret of an integration is deleted or changed, or its endpoint is, in the middle of a run.

use std::time::Duration;

use clinch_operator::{
    control_plane::audit::Entry,
    sandbox::{Action, Credential, Fault},
};
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use crate::{
    access::{AT_ONCE, TO_JOB, message, reason, reason_is},
    support::{
        chart,
        manifests::{INTEGRATION, SECRET, assert_each_once, emails, export},
        world::{SOON, World},
    },
    withdrawal::{nothing_starts_later, start_slow},
};

const PEOPLE: usize = 200;
/// The grace after a deletion, with time for what follows it.
const AFTER_THE_GRACE: Duration = Duration::from_secs(60);

fn secret(access: &str, key: &str) -> String {
    SECRET.replace("ACCESS", access).replace("SECRET", key)
}

/// A world in which the export `slow` has eight people half done.
async fn half_done() -> Option<(World, String)> {
    let world = World::start().await?;
    world.apply(INTEGRATION);
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    let namespace = world.namespace.clone();
    start_slow(&world, &namespace, TO_JOB).await;
    Some((world, namespace))
}

/// Deletes the Secret, and returns once the export says that its run is paused.
async fn delete(world: &World, namespace: &str) -> Instant {
    world.kubectl(&["delete", "secret", "clinch", "-n", namespace]);
    let accepted = Instant::now();
    let found = reason(world, namespace, "slow", |r| r == "DependencyNotReady", SOON).await;
    assert!(message(&found).contains("the run is paused"), "{}", message(&found));
    let kind = "ClinchIntegration";
    let found = world.ready(kind, "acme", "False", "SecretNotFound").await;
    assert!(message(&found).contains("runs in progress are paused"), "{}", message(&found));
    accepted
}

/// How often the operator opened the ledger of an export: once a run.
fn ledger_openings(world: &World, export: &Value) -> usize {
    let (user, uid) = (world.user(), export["metadata"]["uid"].as_str().unwrap().to_owned());
    let opened = |entry: &Entry| {
        let of = |part: &str| entry.uri.contains(part);
        entry.user == user && entry.resource == "candidateledgers" && of("limit=") && of(&uid)
    };
    world.audit().count(opened).unwrap()
}

async fn completes(world: &World, namespace: &str) -> Value {
    world.sandbox.set_faults(vec![]);
    world.sandbox.set_latency(Duration::ZERO);
    let done = reason_is(world, namespace, "slow", "Synced").await;
    assert_eq!(done["status"]["delivered"], format!("{PEOPLE}/{PEOPLE}"));
    assert_each_once(world, PEOPLE);
    let people = world.sandbox.people("hireEZ");
    let once = |person: &Value| person["applications"].as_array().map(Vec::len) == Some(1);
    assert!(people.iter().all(once), "those who were half done have an application now, too");
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_pauses_when_its_secret_is_deleted_and_continues_with_the_next_one() {
    let Some((world, namespace)) = half_done().await else { return };
    let accepted = delete(&world, &namespace).await;
    nothing_starts_later(&world, accepted).await;
    world.sandbox.add_credential(Credential::new("hireEZ", "KEY-2", "secret-2"));
    world.sandbox.revoke("KEY-1");
    world.apply(&secret("KEY-2", "secret-2"));
    let done = completes(&world, &namespace).await;
    assert_eq!(done["status"]["counts"]["created"], PEOPLE);
    assert_eq!(ledger_openings(&world, &done), 1, "it is the same run");
    let requests = world.sandbox.requests().by_operation;
    assert!(!requests.keys().any(|name| name.ends_with(" 401")), "{requests:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_when_its_secret_does_not_come_back_and_another_one_completes_later() {
    let Some((world, namespace)) = half_done().await else { return };
    let accepted = delete(&world, &namespace).await;
    nothing_starts_later(&world, accepted).await;
    let asked = world.sandbox.requests().total;
    let ended = world
        .wait("CandidateExport", "slow", "not paused any more", AFTER_THE_GRACE, |export| {
            !message(export).contains("paused")
        })
        .await;
    assert!(message(&ended).contains("SecretNotFound"), "{}", message(&ended));
    let gone = world.get("ClinchIntegration", "acme").await;
    assert!(!message(&gone).contains("paused"), "{}", message(&gone));
    assert_eq!(world.sandbox.requests().total, asked, "a run that ends sends nothing either");
    world.apply(&secret("KEY-1", "secret-1"));
    let done = completes(&world, &namespace).await;
    assert_eq!(ledger_openings(&world, &done), 2, "it is another run");
}

/// The watch stays open and reports the deletion, while every read of the Secret is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_also_when_its_secret_is_deleted_and_may_not_be_read() {
    let Some((world, namespace)) = half_done().await else { return };
    let rules = [chart::WATCHED, chart::OWN].join("\n");
    world.apply(&chart::role(&namespace, &rules, &namespace));
    world.kubectl(&["delete", "secret", "clinch", "-n", &namespace]);
    let ended = world
        .wait("CandidateExport", "slow", "ended", AFTER_THE_GRACE, |export| {
            message(export).contains("is not ready")
        })
        .await;
    assert!(!message(&ended).contains("paused"), "{}", message(&ended));
    let rules = [chart::WATCHED, chart::SECRETS, chart::OWN].join("\n");
    world.apply(&chart::role(&namespace, &rules, &namespace));
    world.apply(&secret("KEY-1", "secret-1"));
    completes(&world, &namespace).await;
}

/// Changes something after which the account may not be used, and counts what arrives at Clinch.
async fn ends_at_once(change: &str, expected: &str) {
    let Some((world, namespace)) = half_done().await else { return };
    world.apply(change);
    let accepted = Instant::now();
    world.ready("ClinchIntegration", "acme", "False", expected).await;
    nothing_starts_later(&world, accepted).await;
    let stopped = world
        .wait("CandidateExport", "slow", expected, SOON, |export| {
            message(export).contains(expected)
        })
        .await;
    assert!(!message(&stopped).contains("paused"), "{}", message(&stopped));
    world.sandbox.set_faults(vec![]);
    world.apply(INTEGRATION);
    completes(&world, &namespace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_at_once_when_its_secret_is_emptied() {
    ends_at_once(&secret("KEY-1", "''"), "SecretFieldEmpty").await;
}

/// A world in which the export `slow` creates people.
async fn at_work() -> Option<(World, String)> {
    let world = World::start().await?;
    world.apply(INTEGRATION);
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    world.sandbox.set_latency(Duration::from_millis(100));
    world.apply(&export("slow", PEOPLE, TO_JOB));
    until(|| emails(&world).len() >= 20).await;
    let namespace = world.namespace.clone();
    Some((world, namespace))
}

async fn until(reached: impl Fn() -> bool) {
    let started = Instant::now();
    while !reached() {
        assert!(started.elapsed() < SOON, "not reached");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_at_once_when_its_secret_holds_a_credential_that_clinch_rejects() {
    let Some((world, namespace)) = at_work().await else { return };
    world.apply(&secret("KEY-1", "wrong"));
    let accepted = Instant::now();
    let (kind, reason) = ("ClinchIntegration", "CredentialsRejected");
    world.ready(kind, "acme", "False", reason).await;
    sleep_until(accepted + AT_ONCE).await;
    let asked = world.sandbox.requests().total;
    assert!(emails(&world).len() < PEOPLE, "the run was over before the change");
    let stopped = world
        .wait("CandidateExport", "slow", reason, SOON, |export| message(export).contains(reason))
        .await;
    assert!(!message(&stopped).contains("paused"), "{}", message(&stopped));
    let requests = world.sandbox.requests();
    assert_eq!((requests.total, requests.under_way), (asked, 0));
    world.apply(INTEGRATION);
    completes(&world, &namespace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_pauses_while_another_credential_is_verified_and_continues_with_it() {
    let Some((world, namespace)) = at_work().await else { return };
    // The document is read before a credential is verified.
    let read = world.sandbox.requests().of("openapi");
    world.sandbox.set_faults(vec![Fault::always("openapi", Action::Stall { ms: 4000 })]);
    world.sandbox.add_credential(Credential::new("hireEZ", "KEY-2", "secret-2"));
    world.apply(&secret("KEY-2", "secret-2"));
    let paused = reason(&world, &namespace, "slow", |r| r == "DependencyNotReady", SOON).await;
    assert!(message(&paused).contains("the run is paused"), "{}", message(&paused));
    until(|| world.sandbox.requests().under_way == 1).await;
    let asked = world.sandbox.requests().total;
    loop {
        let now = world.sandbox.requests();
        if now.of("openapi") > read {
            break;
        }
        assert_eq!(now.total, asked, "nothing is sent before the credential is verified");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.sandbox.revoke("KEY-1");
    let done = completes(&world, &namespace).await;
    assert_eq!(ledger_openings(&world, &done), 1, "it is the same run");
    let requests = world.sandbox.requests().by_operation;
    assert!(!requests.keys().any(|name| name.ends_with(" 401")), "{requests:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_at_once_when_its_endpoint_is_not_allowed_any_more() {
    let integration = INTEGRATION.split("---").nth(1).unwrap();
    let elsewhere =
        integration.replace("endpoint: ORIGIN", "endpoint: 'https://elsewhere.example'");
    ends_at_once(&elsewhere, "EndpointNotAllowed").await;
}

/// A world in which the export `slow` creates people, while a pass of the integration has read its
/// Secret and waits for Clinch.
async fn while_verified() -> Option<(World, String)> {
    let (world, namespace) = at_work().await?;
    world.sandbox.set_faults(vec![Fault::always("openapi", Action::Stall { ms: 8000 })]);
    let (user, log) = (world.user(), world.audit());
    let mark = log.mark().unwrap();
    let requested = "clinch.hireez.dev/reconcile-requested-at=1";
    world.kubectl(&["annotate", "clint", "acme", requested, "-n", &namespace]);
    let looked = |entry: &Entry| {
        entry.user == user
            && (entry.verb.as_str(), entry.resource.as_str()) == ("get", "secrets")
            && entry.name == "clinch"
    };
    log.wait_for(mark, 1, SOON, looked).await.unwrap();
    Some((world, namespace))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_pauses_although_the_integration_is_being_verified_when_its_secret_is_deleted() {
    let Some((world, namespace)) = while_verified().await else { return };
    world.kubectl(&["delete", "secret", "clinch", "-n", &namespace]);
    let deleted = Instant::now();
    // The pass does not wait for Clinch first.
    world.ready_within("ClinchIntegration", "acme", "False", "SecretNotFound", AT_ONCE).await;
    sleep_until(deleted + AT_ONCE).await;
    let asked = world.sandbox.requests();
    assert!(asked.under_way <= 1, "{asked:?}");
    assert!(emails(&world).len() < PEOPLE, "the run was over before the deletion");
    let paused = reason(&world, &namespace, "slow", |r| r == "DependencyNotReady", SOON).await;
    assert!(message(&paused).contains("the run is paused"), "{}", message(&paused));
    let signed = |of: &clinch_operator::sandbox::RequestCounts| of.total - of.of("openapi");
    assert_eq!(signed(&world.sandbox.requests()), signed(&asked), "nothing is sent meanwhile");
    world.apply(&secret("KEY-1", "secret-1"));
    let done = completes(&world, &namespace).await;
    assert_eq!(ledger_openings(&world, &done), 1, "it is the same run");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_secret_takes_effect_although_the_integration_is_being_verified() {
    let Some((world, namespace)) = while_verified().await else { return };
    world.sandbox.add_credential(Credential::new("hireEZ", "KEY-2", "secret-2"));
    world.apply(&secret("KEY-2", "secret-2"));
    sleep_until(Instant::now() + AT_ONCE).await;
    assert!(emails(&world).len() < PEOPLE, "the run was over before the change");
    // From now on each request with the old value is answered 401.
    world.sandbox.revoke("KEY-1");
    let done = completes(&world, &namespace).await;
    assert_eq!(ledger_openings(&world, &done), 1, "it is the same run");
    let requests = world.sandbox.requests().by_operation;
    assert!(!requests.keys().any(|name| name.ends_with(" 401")), "{requests:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_ledger_key_comes_with_the_command_that_makes_it() {
    let Some(mut world) = World::prepare().await else { return };
    world.kubectl(&["delete", "secret", "clinch-operator-ledger-key", "-n", &world.namespace]);
    world.run_operator(clinch_operator::controllers::Regions::default());
    world.apply(INTEGRATION);
    let says = |object: &Value| message(object).contains("kubectl create secret");
    let found = world.wait("ClinchIntegration", "acme", "without a key", SOON, says).await;
    let text = message(&found);
    let command = text.split('`').nth(1).and_then(|command| command.strip_prefix("kubectl "));
    world.kubectl(&command.expect("a command").split(' ').collect::<Vec<_>>());
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
}
