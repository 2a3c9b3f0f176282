//! Imports on a real API server: who may take people out of Clinch, what ends a run, and what is deleted
//! with an import.

use std::{fs, path::Path, time::Duration};

use clinch_operator::{controllers::Regions, sandbox::Sandbox};
use serde_json::json;

use crate::support::{
    manifests::{INTEGRATION, SECRET, import},
    world::{SOON, World, condition},
};

const PERMITTED: &str = r#"{"candidates": "Allowed", "attributes": ["email"]}"#;

/// An operator that may write to a folder, and an integration that permits imports.
async fn world(people: usize) -> Option<(World, tempfile::TempDir, String)> {
    let mut world = World::prepare().await?;
    add(&world.sandbox, 0..people);
    let folder = tempfile::tempdir().expect("a folder");
    let place = format!("file://{}/", folder.path().display());
    world.allowed_destinations = vec![place.clone()];
    world.run_operator(Regions::default());
    world.apply(INTEGRATION);
    permit(&world, PERMITTED);
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    Some((world, folder, place))
}

fn add(sandbox: &Sandbox, people: std::ops::Range<usize>) {
    for number in people {
        let person = json!({"email": format!("p{number}@marker.example"), "first_name": "Ann"});
        sandbox.add_person("hireEZ", &person).expect("a person");
    }
}

fn patch(world: &World, kind: &str, name: &str, patch: &str) {
    world.kubectl(&["patch", kind, name, "--type=merge", "-p", patch, "-n", &world.namespace]);
}

fn permit(world: &World, permission: &str) {
    let spec = format!(r#"{{"spec": {{"readPermission": {permission}}}}}"#);
    patch(world, "clinchintegration", "acme", &spec);
}

/// The records in the folder, whatever manifests say.
fn records(folder: &Path) -> usize {
    let parts = fs::read_dir(folder).into_iter().flatten().flatten();
    let parts = parts.flat_map(|import| fs::read_dir(import.path().join("parts")).into_iter());
    parts
        .flatten()
        .map(|part| fs::read_to_string(part.expect("a part").path()).expect("text").lines().count())
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_leave_only_while_the_admin_permits_it() {
    let Some((world, folder, place)) = world(3).await else { return };
    permit(&world, r#"{"candidates": "Denied"}"#);
    world.apply(&import("back", &place));
    let refused = world.ready("CandidateImport", "back", "False", "NotPermitted").await;
    assert_eq!(condition(&refused, "Stalled")["status"], "True");
    assert_eq!(records(folder.path()), 0);

    permit(&world, PERMITTED);
    let done = world.ready("CandidateImport", "back", "True", "Imported").await;
    assert_eq!((records(folder.path()), &done["status"]["counts"]["emitted"]), (3, &3.into()));
    for kind in ["IntegrationReady", "Permitted", "MappingReady", "SinkReady", "Imported"] {
        assert_eq!(condition(&done, kind)["status"], "True", "{kind}");
    }
    let shown = world.get("ClinchIntegration", "acme").await;
    assert_eq!(shown["status"]["imports"], 1);

    // Withdrawn, while nothing is due.
    permit(&world, r#"{"candidates": "Denied"}"#);
    world.ready("CandidateImport", "back", "False", "NotPermitted").await;

    let events =
        world.kubectl(&["get", "events.events.k8s.io", "-n", &world.namespace, "-o", "yaml"]);
    assert!(events.contains("reason: Imported"), "{events}");
    let status = done["status"].to_string();
    for text in [events, status] {
        assert!(!text.contains("marker.example") && !text.contains("Ann"), "leaked: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_changed_is_not_ready_while_the_integration_cannot_be_used() {
    let Some((world, _folder, place)) = world(1).await else { return };
    let list = |name: &str| {
        world.apply(&format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: people}}\ndata:\n  people.json: \
             '[{{\"firstName\": \"{name}\", \"emails\": [{{\"value\": \"p0@marker.example\"}}]}}]'\n"
        ));
    };
    list("Ann");
    let source = "  match: {source: {configMapRef: {name: people}}}\n";
    world.apply(&(import("back", &place) + source));
    let first = world.ready("CandidateImport", "back", "True", "Imported").await;
    let secret = SECRET.replace("ACCESS", "KEY-1");
    world.apply(&secret.replace("SECRET", "wrong"));
    world.ready("ClinchIntegration", "acme", "False", "CredentialsRejected").await;
    world
        .wait("CandidateImport", "back", "without its integration, as declared", SOON, |object| {
            condition(object, "IntegrationReady")["status"] == "False"
                && condition(object, "Ready")["status"] == "True"
        })
        .await;
    list("Bea");
    world
        .wait("CandidateImport", "back", "not Ready, as its list is another one", SOON, |object| {
            condition(object, "Ready")["status"] == "False"
        })
        .await;
    world.apply(&secret.replace("SECRET", "secret-1"));
    let applied = |object: &serde_json::Value| object["status"]["lastAppliedRevision"].clone();
    world
        .wait("CandidateImport", "back", "compared again", SOON, |object| {
            condition(object, "Ready")["status"] == "True" && applied(object) != applied(&first)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_of_another_namespace_waits_for_approval() {
    let Some(mut members) = World::start_with_members(1).await else { return };
    members.stop_operator().await;
    add(&members.sandbox, 0..1);
    let folder = tempfile::tempdir().expect("a folder");
    let place = format!("file://{}/", folder.path().display());
    members.allowed_destinations = vec![place.clone()];
    members.run_operator(Regions::default());
    let member = members.members[0].clone();
    members.apply(INTEGRATION);
    permit(&members, PERMITTED);
    patch(&members, "clinchintegration", "acme", r#"{"spec": {"access": {"mode": "Approval"}}}"#);
    let foreign = import("back", &place)
        .replace("{name: acme}", &format!("{{name: acme, namespace: {}}}", members.namespace));
    members.apply_in(&member, &foreign);
    let waiting = members
        .wait("ClinchIntegration", "acme", "asked", SOON, |object| {
            object["status"]["accessRequests"][0]["namespace"] == member.as_str()
        })
        .await;
    assert_eq!(waiting["status"]["requests"], 1);
    let approve = format!(r#"{{"spec": {{"access": {{"approved": ["{member}"]}}}}}}"#);
    patch(&members, "clinchintegration", "acme", &approve);
    members.kubectl(&[
        "wait",
        "--for=condition=Ready",
        "candidateimport/back",
        "-n",
        &member,
        "--timeout=30s",
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_when_its_import_is_suspended_edited_or_not_permitted_any_more() {
    let Some((world, folder, place)) = world(400).await else { return };
    // Each of its pages takes a while.
    world.sandbox.set_latency(Duration::from_millis(700));
    world.apply(&import("back", &place));
    let running =
        |object: &serde_json::Value| condition(object, "Ready")["reason"] == "Progressing";
    world.wait("CandidateImport", "back", "running", SOON, running).await;
    patch(&world, "candidateimport", "back", r#"{"spec": {"suspend": true}}"#);
    world.ready("CandidateImport", "back", "False", "Suspended").await;
    let requests = |world: &World| world.sandbox.requests().of("listCandidates");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = requests(&world);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(requests(&world), before, "a suspended import reads nothing");

    patch(&world, "candidateimport", "back", r#"{"spec": {"suspend": false}}"#);
    world.wait("CandidateImport", "back", "running", SOON, running).await;
    permit(&world, r#"{"candidates": "Denied"}"#);
    world.ready("CandidateImport", "back", "False", "NotPermitted").await;

    world.sandbox.set_latency(Duration::ZERO);
    permit(&world, PERMITTED);
    world.ready("CandidateImport", "back", "True", "Imported").await;
    assert_eq!(records(folder.path()), 400);
    patch(&world, "candidateimport", "back", r#"{"spec": {"select": "candidate.email == 'x'"}}"#);
    world
        .wait("CandidateImport", "back", "run again", SOON, |object| {
            object["status"]["counts"]["notSelected"] == 400
                && condition(object, "Ready")["status"] == "True"
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn held_deletions_wait_for_the_annotation_and_the_state_goes_with_the_import() {
    let Some((world, folder, place)) = world(30).await else { return };
    world.apply(&import("back", &place));
    let done = world.ready("CandidateImport", "back", "True", "Imported").await;
    for number in 0..15 {
        world.sandbox.delete("hireEZ", &format!("p{number}@marker.example")).expect("a person");
    }
    let annotate = |what: &str| {
        let annotation = format!("clinch.hireez.dev/{what}");
        let args = ["annotate", "candidateimport", "back", "--overwrite", &annotation];
        world.kubectl(&[&args[..], &["-n", &world.namespace]].concat());
    };
    annotate("reconcile-requested-at=1");
    let held = world.ready("CandidateImport", "back", "False", "DeletionsHeld").await;
    let message = condition(&held, "Ready")["message"].as_str().expect("text").to_owned();
    let run = message.rsplit('"').nth(1).expect("a number");
    annotate(&format!("accept-deletions={run}"));
    let accepted = world.ready("CandidateImport", "back", "True", "Imported").await;
    assert_eq!(accepted["status"]["counts"]["tombstones"], 15);
    assert_eq!(accepted["status"]["handled"]["acceptDeletions"], run);
    assert_eq!(records(folder.path()), 45);

    let ledgers =
        || world.kubectl(&["get", "candidateledgers", "-n", &world.namespace, "-o", "yaml"]);
    let (uid, text) = (done["metadata"]["uid"].as_str().expect("a UID"), ledgers());
    assert!(text.contains("kind: CandidateImport") && text.contains(uid), "{text}");
    assert!(!text.contains("marker.example"), "{text}");
}
