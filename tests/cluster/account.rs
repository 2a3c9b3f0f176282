//! Which Clinch account a credential names, and what a rotated or revoked credential costs. Judged
//! by what the emulator holds and by the requests to it.

use std::time::{Duration, Instant};

use clinch_operator::{
    controllers::Regions,
    sandbox::{Credential, Fault},
};
use serde_json::Value;

use crate::{
    scale::scale,
    shards::{integration, through},
    support::{
        manifests::{INTEGRATION, PROSPECT, SECRET, assert_each_once, export},
        world::{SOON, World, condition},
    },
};

/// A credential of an account.
fn credential(key: &str, account: &str) -> Credential {
    let mut credential = Credential::new("hireEZ", key, &format!("secret of {key}"));
    credential.account = Some(account.to_owned());
    credential
}

fn rotate(world: &World, key: &str) {
    let secret = format!("'secret of {key}'");
    world.apply(&SECRET.replace("ACCESS", key).replace("SECRET", &secret));
}

fn accept(world: &World, account: &str) {
    world.apply(&INTEGRATION.split("---").nth(1).expect("two manifests").replace(
        "environment: Sandbox",
        &format!("environment: Sandbox\n  acceptAccount: '{account}'"),
    ));
}

/// Requests so far that held a record.
fn with_records(world: &World) -> u64 {
    let requests = world.sandbox.requests();
    requests.of("createCandidate") + requests.of("updateCandidate")
}

fn unauthorized(world: &World) -> u64 {
    let requests = world.sandbox.requests().by_operation;
    requests.iter().filter(|(name, _)| name.ends_with(" 401")).map(|(_, count)| count).sum()
}

async fn reached(world: &World, people: usize) {
    let started = Instant::now();
    while world.sandbox.people("hireEZ").len() < people {
        assert!(started.elapsed() < SOON, "the export does not get on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn witnessed(world: &World) -> Value {
    world
        .wait("ClinchIntegration", "acme", "sure of its account", SOON, |object| {
            condition(object, "AccountVerified")["status"] == "True"
                && object["status"]["account"]["witnesses"].as_array().is_some_and(|w| w.len() == 3)
        })
        .await
}

const RIVAL: &str = "
apiVersion: v1
kind: Secret
metadata: {name: rival}
stringData: {accessKey: RIVALKEY, secretKey: another-secret}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: ClinchIntegration
metadata: {name: rival}
spec:
  region: EU
  environment: Production
  credentials: {secretRef: {name: rival}}
";

#[tokio::test(flavor = "multi_thread")]
async fn an_account_declared_with_both_environments_is_sent_nothing_at_all() {
    let Some(mut world) = World::prepare().await else { return };
    world.apply(INTEGRATION);
    world.apply(&RIVAL.replace("RIVALKEY", "KEY-1"));
    world.apply(&export("shared", 5, PROSPECT));
    world.run_operator(Regions { eu: world.sandbox.base_url(), ..Regions::default() });
    let stopped = world.ready("ClinchIntegration", "acme", "False", "AccountShared").await;
    assert_eq!(condition(&stopped, "Stalled")["status"], "True");
    assert_eq!(condition(&stopped, "AccountVerified")["status"], "False");
    assert!(!stopped["status"].to_string().contains("KEY-1"), "no credential in a status");
    world.ready("ClinchIntegration", "rival", "False", "EnvironmentMismatch").await;
    world.ready("CandidateExport", "shared", "False", "AccountShared").await;
    assert_eq!(world.sandbox.requests().total, 0);

    // Another credential: the two name different accounts, as they should.
    world.apply(&RIVAL.replace("RIVALKEY", "KEY-7"));
    world.ready("CandidateExport", "shared", "True", "Synced").await;
    assert_each_once(&world, 5);

    // Declared again while a run works: it ends, and nobody else is sent.
    world.sandbox.set_latency(Duration::from_millis(20));
    world.apply(&export("more", 1000, PROSPECT));
    reached(&world, 20).await;
    world.apply(&RIVAL.replace("RIVALKEY", "KEY-1"));
    world.ready("ClinchIntegration", "acme", "False", "AccountShared").await;
    // Every request in flight is answered before it is counted.
    let quiet = Instant::now();
    while world.sandbox.requests().under_way > 0 {
        assert!(quiet.elapsed() < SOON, "requests continue");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let total = world.sandbox.requests().total;
    world.ready("CandidateExport", "more", "False", "AccountShared").await;
    assert_eq!(world.sandbox.requests().total, total);
    assert!(world.sandbox.people("hireEZ").len() < 900, "the run was ended");

    world.sandbox.set_latency(Duration::ZERO);
    world.kubectl(&["delete", "clint", "rival", "-n", &world.namespace]);
    world.ready("CandidateExport", "more", "True", "Synced").await;
    assert_each_once(&world, 1005);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_behind_the_secret_is_sent_nobody_before_it_is_accepted() {
    let Some(mut world) = World::start().await else { return };
    world.sandbox.add_credential(credential("KEY-2", "other"));
    world.apply(INTEGRATION);
    let fresh = world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    assert_eq!(condition(&fresh, "AccountVerified")["status"], "Unknown", "said openly");
    // Nobody was written yet, so nothing ties another key to the account.
    world.sandbox.add_credential(credential("KEY-1b", "hireEZ"));
    rotate(&world, "KEY-1b");
    let fresh = world
        .wait("ClinchIntegration", "acme", "verified with another key", SOON, |object| {
            object["status"]["account"]["id"] != fresh["status"]["account"]["id"]
        })
        .await;
    assert_eq!(condition(&fresh, "AccountVerified")["reason"], "AccountUnconfirmed");
    assert_eq!(condition(&fresh, "Ready")["status"], "True");
    world.apply(&export("first", 30, PROSPECT));
    world.ready("CandidateExport", "first", "True", "Synced").await;
    let old = witnessed(&world).await["status"]["account"].clone();
    let pushed = with_records(&world);

    rotate(&world, "KEY-2");
    let changed = world.ready("ClinchIntegration", "acme", "False", "AccountChanged").await;
    assert_eq!(condition(&changed, "Stalled")["status"], "True");
    assert_eq!(condition(&changed, "AccountVerified")["reason"], "AccountChanged");
    assert_eq!(condition(&changed, "Authenticated")["status"], "True");
    let account = &changed["status"]["account"];
    assert_eq!((&account["id"], &account["witnesses"]), (&old["id"], &old["witnesses"]));
    let offered = account["changedTo"].as_str().unwrap().to_owned();
    world.apply(&export("second", 10, PROSPECT));
    world.ready("CandidateExport", "second", "False", "AccountChanged").await;

    // Neither a restart nor an acknowledgement of something else lets anybody through.
    world.stop_operator().await;
    world.run_operator(Regions::default());
    accept(&world, "0123456789abcdef");
    world.ready("ClinchIntegration", "acme", "False", "AccountChanged").await;
    world.ready("CandidateExport", "second", "False", "AccountChanged").await;
    assert_eq!(with_records(&world), pushed);
    assert!(world.sandbox.people("other").is_empty());

    // The ledger of the old account is not believed: everybody is pushed to the new one.
    accept(&world, &offered);
    let accepted = world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    assert_eq!(accepted["status"]["account"]["id"], offered);
    assert!(accepted["status"]["account"]["changedTo"].is_null());
    world.ready("CandidateExport", "second", "True", "Synced").await;
    // What its ledger says was written for another account: this process cannot tell whether requests
    // of an earlier one are in flight, and waits for the longest of them.
    let waited = 3 * SOON;
    world
        .wait("CandidateExport", "first", "pushed to the new account", waited, |object| {
            condition(object, "Ready")["status"] == "True"
                && world.sandbox.people("other").len() == 40
        })
        .await;
    assert_each_once(&world, 30);
    let witnesses = &witnessed(&world).await["status"]["account"]["witnesses"];
    assert_ne!(witnesses, &old["witnesses"]);

    // The acceptance does not cover the way back.
    rotate(&world, "KEY-2b");
    world.ready("ClinchIntegration", "acme", "False", "CredentialsRejected").await;
    world.sandbox.add_credential(credential("KEY-3", "hireEZ"));
    rotate(&world, "KEY-3");
    world.ready("ClinchIntegration", "acme", "False", "AccountChanged").await;
    assert_eq!(world.sandbox.people("other").len(), 40);
    assert_each_once(&world, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_within_the_account_is_recognised_though_witnesses_were_deleted() {
    let Some(mut world) = World::start().await else { return };
    world.sandbox.add_credential(credential("KEY-2", "hireEZ"));
    world.apply(INTEGRATION);
    world.apply(&export("stays", 20, PROSPECT));
    world.ready("CandidateExport", "stays", "True", "Synced").await;
    let old = witnessed(&world).await["status"]["account"].clone();
    let pushed = with_records(&world);
    // Two of the three are gone from Clinch; and the rotation happens while no operator runs.
    world.stop_operator().await;
    let gone: Vec<Fault> = serde_json::from_str(
        r#"[{"operation": "getCandidate", "times": 2, "action": {"status": {"code": 404}}}]"#,
    )
    .unwrap();
    world.sandbox.set_faults(gone);
    rotate(&world, "KEY-2");
    world.run_operator(Regions::default());
    let new = world
        .wait("ClinchIntegration", "acme", "verified with the new key", SOON, |object| {
            condition(object, "Ready")["status"] == "True"
                && object["status"]["account"]["credential"] != old["credential"]
        })
        .await;
    let account = &new["status"]["account"];
    assert_eq!(account["id"], old["id"]);
    assert_eq!(account["witnesses"].as_array().unwrap(), &[old["witnesses"][2].clone()]);
    assert_eq!(condition(&new, "AccountVerified")["status"], "True");
    world.ready("CandidateExport", "stays", "True", "Synced").await;
    assert_eq!(with_records(&world), pushed, "the ledger still counts");
    // The people written next take their places.
    world.apply(&export("next", 5, PROSPECT));
    world.ready("CandidateExport", "next", "True", "Synced").await;
    witnessed(&world).await;
    assert_each_once(&world, 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_in_the_middle_of_large_exports_fails_no_record() {
    let people = 800 * scale();
    let Some(world) = World::start().await else { return };
    world.sandbox.add_credential(credential("KEY-2", "hireEZ"));
    world.apply(INTEGRATION);
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    world.sandbox.set_latency(Duration::from_millis(5));
    world.apply(&export("large", people, PROSPECT));
    world.apply(&export("larger", people, PROSPECT));
    reached(&world, people / 2).await;
    rotate(&world, "KEY-2");
    reached(&world, people).await;
    world.sandbox.revoke("KEY-1");
    for name in ["large", "larger"] {
        let done = world.ready("CandidateExport", name, "True", "Synced").await;
        assert_eq!(done["status"]["delivered"], format!("{people}/{people}"));
        assert_eq!(done["status"]["counts"]["failed"], 0);
    }
    assert_each_once(&world, 2 * people);
    assert_eq!(world.sandbox.requests().with("createCandidate", 201), 2 * people as u64);
    let refused = unauthorized(&world);
    assert!(refused <= 8 + 1, "at most what was in flight meets the 401, and a check: {refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_integrations_of_an_account_one_is_suspended_and_the_other_rotated_and_nobody_is_twice()
 {
    const PEOPLE: usize = 600;
    let Some(world) = World::start().await else { return };
    world.sandbox.add_credential(credential("KEY-2", "hireEZ"));
    let suspend = |suspended: bool| {
        let patch = format!(r#"{{"spec": {{"suspend": {suspended}}}}}"#);
        let namespace = ["-n", &world.namespace];
        let args = ["patch", "clint", "one", "--type", "merge", "-p", &patch];
        world.kubectl(&[&args[..], &namespace].concat());
    };
    for name in ["one", "two"] {
        world.apply(&integration(name, "KEY-1", None));
        world.ready("ClinchIntegration", name, "True", "Verified").await;
    }
    world.sandbox.set_latency(Duration::from_millis(20));
    world.apply(&through("one", "first", "shared", PEOPLE));
    world.apply(&through("two", "second", "shared", PEOPLE));
    reached(&world, 60).await;
    suspend(true);
    world.ready("CandidateExport", "first", "False", "IntegrationSuspended").await;
    reached(&world, 150).await;
    // Of the same account, which people who were written show.
    let secret = integration("two", "KEY-2", None).replace("secret-1", "'secret of KEY-2'");
    world.apply(&secret);
    suspend(false);
    reached(&world, 250).await;
    suspend(true);
    suspend(false);
    world.sandbox.set_latency(Duration::ZERO);
    for name in ["first", "second"] {
        let done = world.ready("CandidateExport", name, "True", "Synced").await;
        assert_eq!(done["status"]["delivered"], format!("{PEOPLE}/{PEOPLE}"));
    }
    assert_each_once(&world, PEOPLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_credential_costs_what_is_in_flight_and_then_nothing() {
    const PEOPLE: usize = 300;
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    world.sandbox.set_latency(Duration::from_millis(10));
    let names = ["one", "two", "three"];
    names.iter().for_each(|name| world.apply(&export(name, PEOPLE, PROSPECT)));
    reached(&world, PEOPLE).await;
    world.sandbox.revoke("KEY-1");
    world.ready("ClinchIntegration", "acme", "False", "CredentialsRejected").await;
    for name in names {
        let waits = world.ready("CandidateExport", name, "False", "DependencyNotReady").await;
        let counts = &waits["status"]["counts"];
        // An export that had not started has none.
        let failed = counts["failed"].as_u64().unwrap_or_default();
        assert_eq!(failed, 0, "records that met the 401 are pending again: {counts}");
    }
    let refused = unauthorized(&world);
    let most = 8 + 2;
    assert!(refused <= most, "what was in flight meets the 401, a check and a probe: {refused}");
    // New and old exports send no request.
    let total = world.sandbox.requests().total;
    world.apply(&export("four", 5, PROSPECT));
    world.ready("CandidateExport", "four", "False", "DependencyNotReady").await;
    assert_eq!(world.sandbox.requests().total, total);
    world.sandbox.set_latency(Duration::ZERO);
    world.sandbox.add_credential(credential("KEY-2", "hireEZ"));
    rotate(&world, "KEY-2");
    for name in [&names[..], &["four"]].concat() {
        world.ready("CandidateExport", name, "True", "Synced").await;
    }
    assert_each_once(&world, 3 * PEOPLE + 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_person_created_shows_whether_the_credential_has_its_name() {
    let Some(world) = World::start().await else { return };
    world.apply(&INTEGRATION.replace("spec:\n", "spec:\n  credentialName: Recruiting\n"));
    let before = world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    assert!(condition(&before, "SourceMatched").is_null(), "nobody was created yet");
    world.apply(&export("named", 1, PROSPECT));
    world.ready("CandidateExport", "named", "True", "Synced").await;
    let warned = world
        .wait("ClinchIntegration", "acme", "warned of the source", SOON, |object| {
            condition(object, "SourceMatched")["reason"] == "SourceDiffers"
        })
        .await;
    assert_eq!(condition(&warned, "Ready")["status"], "True", "only a warning");
}
