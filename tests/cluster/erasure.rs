//! Anonymised people on a real API server: where they are remembered, and that nothing is written
//! when that list cannot be read.

use std::time::{Duration, Instant};

use clinch_operator::controllers::Regions;
use serde_json::json;

use crate::support::{
    manifests::{INTEGRATION, PROSPECT, emails, export},
    world::{SOON, World, condition},
};

/// The same export with other values.
fn edited(name: &str, count: usize) -> String {
    export(name, count, PROSPECT).replace("First", "Second")
}

/// Everybody who has an address.
fn addresses(world: &World) -> Vec<String> {
    emails(world).into_iter().filter(|address| !address.is_empty()).collect()
}

fn segments(world: &World) -> Vec<String> {
    let label = "clinch.hireez.dev/suppression";
    let args = ["get", "candidateledgers", "-l", label, "-o", "name", "-n", &world.namespace];
    world.kubectl(&args).lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_remembers_who_was_anonymised_beyond_its_integrations_and_exports() {
    let Some(mut world) = World::start().await else { return };
    world.apply(INTEGRATION);
    world.apply(&export("people", 5, PROSPECT));
    world.ready("CandidateExport", "people", "True", "Synced").await;
    let address = addresses(&world).into_iter().next().expect("somebody");
    world.sandbox.anonymise("hireEZ", &address).expect("they are there");
    world.apply(&edited("people", 5));
    let suppressed = |object: &serde_json::Value| object["status"]["counts"]["suppressed"] == 1;
    let done = world.wait("CandidateExport", "people", "reported", SOON, suppressed).await;
    assert_eq!(done["status"]["failures"][0]["reason"], "Anonymised");
    world
        .wait("ClinchIntegration", "acme", "counting them", SOON, |object| {
            object["status"]["suppression"]["entries"] == 1
        })
        .await;
    let kept = segments(&world);
    assert_eq!(kept.len(), 1, "{kept:?}");

    // Integration and export are deleted, and recreated under other names.
    world.kubectl(&["delete", "clexp,clint", "--all", "-n", &world.namespace]);
    world.stop_operator().await;
    world.run_operator(Regions::default());
    world.apply(&INTEGRATION.replace("{name: acme}", "{name: again}"));
    world.ready("ClinchIntegration", "again", "True", "Verified").await;
    let another = "kind: CandidateExport\nmetadata: {name: again}";
    let again =
        edited("people", 5).replace("kind: CandidateExport\nmetadata: {name: people}", another);
    world.apply(&again.replace("{name: acme}", "{name: again}"));
    let done = world.wait("CandidateExport", "again", "done", SOON, suppressed).await;
    assert_eq!(condition(&done, "Ready")["message"], "4/4 delivered, 1 suppressed");
    let there = addresses(&world);
    assert_eq!(there.len(), 4, "nobody took their place: {there:?} {done}");
    assert_eq!(segments(&world), kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_was_deleted_stops_all_writing_and_a_secret_takes_effect_while_a_run_works() {
    let Some(mut world) = World::start().await else { return };
    world.apply(INTEGRATION);
    world.apply(&export("people", 3, PROSPECT));
    world.ready("CandidateExport", "people", "True", "Synced").await;
    let address = addresses(&world).into_iter().next().expect("somebody");
    world.sandbox.anonymise("hireEZ", &address).expect("they are there");
    world.apply(&edited("people", 3));
    world
        .wait("ClinchIntegration", "acme", "counting them", SOON, |object| {
            object["status"]["suppression"]["entries"] == 1
        })
        .await;
    world.stop_operator().await;
    for segment in segments(&world) {
        world.kubectl(&["delete", &segment, "-n", &world.namespace]);
    }
    let before = world.sandbox.requests();
    world.run_operator(Regions::default());
    world.apply(&edited("others", 9));
    let stalled = world.ready("ClinchIntegration", "acme", "False", "SuppressionUnreadable").await;
    let waiting = world
        .wait("CandidateExport", "others", "waiting", SOON, |object| {
            condition(object, "IntegrationReady")["reason"] == "SuppressionUnreadable"
        })
        .await;
    assert_eq!(condition(&waiting, "Ready")["status"], "False");
    let after = world.sandbox.requests();
    for write in ["createCandidate", "updateCandidate"] {
        assert_eq!(after.of(write), before.of(write), "{write}");
    }
    let since = stalled["status"]["suppression"]["since"].as_str().expect("since").to_owned();
    let accept = json!({"spec": {"acceptSuppressionLoss": since}}).to_string();
    let patch = ["patch", "clint", "acme", "--type=merge", "-n", &world.namespace, "-p", &accept];
    world.kubectl(&patch);
    world.ready("CandidateExport", "others", "True", "Synced").await;

    // The admin's list changes while a run works: people on it are not written any more.
    world.sandbox.set_latency(Duration::from_millis(100));
    world.apply(&listed("nobody@elsewhere.example"));
    let list = json!({"spec": {"suppression": {"secretRef": {"name": "list"}}}}).to_string();
    world.kubectl(&["patch", "clint", "acme", "--type=merge", "-n", &world.namespace, "-p", &list]);
    world
        .wait("ClinchIntegration", "acme", "with a list", SOON, |object| {
            object["status"]["suppression"]["listed"] == 1
        })
        .await;
    world.apply(&export("many", 1000, PROSPECT));
    let created = || addresses(&world).len();
    let before = created();
    let started = Instant::now();
    while created() < before + 20 {
        assert!(started.elapsed() < SOON, "nobody arrives");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let last = last_of(&export("many", 1000, PROSPECT));
    world.apply(&listed(&last));
    let changed = Instant::now();
    world
        .wait("CandidateExport", "many", "aware of them", Duration::from_secs(90), |object| {
            object["status"]["counts"]["suppressed"] == 1
        })
        .await;
    assert!(!addresses(&world).contains(&last), "after {:?}", changed.elapsed());
}

fn listed(address: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: list, labels: \
         {{clinch.hireez.dev/use: suppression}}}}\nstringData: {{people.txt: '{address}'}}"
    )
}

/// The address of the last person of an export.
fn last_of(manifest: &str) -> String {
    let at = manifest.rfind('@').expect("an address");
    let is_part = |c: char| c.is_ascii_alphanumeric() || "@.-_+".contains(c);
    let start = manifest[..at].rfind(|c| !is_part(c)).map_or(0, |start| start + 1);
    let end = manifest[at..].find(|c| !is_part(c)).map_or(manifest.len(), |end| at + end);
    manifest[start..end].to_owned()
}
