//! The life of an export: delivered, rejected, retried, suspended, deleted.

use std::time::{Duration, Instant};

use clinch_operator::sandbox::{Fault, Options, Sandbox};

use crate::support::{
    manifests::{INTEGRATION, PROSPECT, assert_each_once, emails, export},
    world::{SOON, World, condition, listed},
};

#[tokio::test(flavor = "multi_thread")]
async fn candidates_arrive_and_the_status_says_so_without_naming_anybody() {
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    let job = "  destination: {job: {reference: ENG-101, stage: Sourced}}";
    world.apply(&export("people", 40, PROSPECT));
    world.apply(&export("jobs", 3, job));
    let done = world.ready("CandidateExport", "people", "True", "Synced").await;
    assert_eq!(done["status"]["delivered"], "40/40");
    assert_eq!(done["status"]["counts"]["created"], 40);
    world.ready("CandidateExport", "jobs", "True", "Synced").await;
    let wait =
        ["wait", "--for=condition=Ready", "candidateexport", "--all", "--timeout=120s", "-n"];
    world.kubectl(&[&wait[..], &[&world.namespace]].concat());
    assert_each_once(&world, 43);
    let people = world.sandbox.people("hireEZ");
    assert!(people.iter().all(|person| person["attributes"]["source"] == "hireEZ"));
    let applied =
        people.iter().filter(|p| p["applications"].as_array().is_some_and(|a| a.len() == 1));
    assert_eq!(applied.count(), 3);
    world
        .wait("ClinchIntegration", "acme", "sure of its source", SOON, |object| {
            condition(object, "SourceMatched")["status"] == "True"
                && object["status"]["exports"] == 2
        })
        .await;
    let events =
        world.kubectl(&["get", "events.events.k8s.io", "-n", &world.namespace, "-o", "yaml"]);
    assert!(events.contains("reason: Synced") && events.contains("reason: Verified"), "{events}");
    for text in [events, done["status"].to_string()] {
        assert!(!text.contains("marker.example"), "a candidate value leaked: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_record_is_placed_and_counts_against_the_budget() {
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    let bad = |name: &str, budget: &str| {
        export(name, 4, &format!("{PROSPECT}\n  failureBudget: {budget}"))
            .replace(&format!("[{{\"value\":\"{name}-2@marker.example\"}}]"), "[]")
    };
    world.apply(&bad("within", "1"));
    world.apply(&bad("beyond", "0"));
    let within = world.ready("CandidateExport", "within", "True", "SyncedWithRejections").await;
    let beyond = world.ready("CandidateExport", "beyond", "False", "RecordsRejected").await;
    assert_eq!(condition(&beyond, "Stalled")["status"], "True");
    for object in [within, beyond] {
        let failures = &object["status"]["failures"];
        assert_eq!(failures[0]["position"], "people.ndjson line 3", "{failures}");
        assert_eq!(failures[0]["reason"], "MatchKeyMissing");
        assert_eq!(object["status"]["delivered"], "3/4");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_sends_the_rejected_records_only() {
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    world.sandbox.set_faults(
        serde_json::from_value(serde_json::json!([
            {"operation": "createCandidate", "nth": 3, "action": {"status": {"code": 422}}}
        ]))
        .expect("faults"),
    );
    world.apply(&export("again", 20, PROSPECT));
    let kind = "CandidateExport";
    let stalled = world.ready(kind, "again", "False", "RecordsRejected").await;
    assert_eq!(stalled["status"]["counts"]["failed"], 1);
    assert_eq!(emails(&world).len(), 19);
    let before = world.sandbox.requests();
    world.kubectl(&[
        "annotate",
        "clexp",
        "again",
        "clinch.hireez.dev/retry-requested-at=monday",
        "-n",
        &world.namespace,
    ]);
    let done = world.ready(kind, "again", "True", "Synced").await;
    assert_eq!(done["status"]["handled"]["retryRequestedAt"], "monday");
    assert_eq!(done["status"]["failures"], serde_json::Value::Null);
    let after = world.sandbox.requests();
    assert_eq!(after.of("createCandidate") - before.of("createCandidate"), 1);
    // A page and a look-up that prove the filter, a look-up and a create.
    assert!(after.total - before.total <= 4, "{after:?}");
    assert_each_once(&world, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_pass_sends_no_request_to_clinch_and_writes_nothing() {
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    world.apply(&export("quiet", 5, PROSPECT));
    world.ready("CandidateExport", "quiet", "True", "Synced").await;
    world
        .wait("ClinchIntegration", "acme", "at rest", SOON, |object| {
            condition(object, "SourceMatched")["status"] == "True"
                && object["status"]["account"]["witnesses"].as_array().is_some_and(|w| w.len() == 3)
        })
        .await;
    world.passes_end("candidateexports", "quiet", ("configmap", "quiet")).await;
    world.passes_end("clinchintegrations", "acme", ("secret", "clinch")).await;
    // Touching the ConfigMap's metadata enqueues the export, and the pass finds nothing to do.
    let (user, log) = (world.user(), world.audit());
    let mark = log.mark().unwrap();
    let requests = world.sandbox.requests();
    world.kubectl(&["label", "configmap", "quiet", "touched=1", "-n", &world.namespace]);
    let looked = |entry: &clinch_operator::control_plane::audit::Entry| {
        entry.user == user && entry.verb == "get" && entry.resource == "candidateexports"
    };
    log.wait_for(mark, 1, SOON, looked).await.expect("the export was looked at");
    world.kubectl(&[
        "label",
        "configmap",
        "quiet",
        "touched=2",
        "--overwrite",
        "-n",
        &world.namespace,
    ]);
    log.wait_for(mark, 2, SOON, looked).await.expect("the export was looked at again");
    let writes = world.writes_since(mark);
    assert!(writes.is_empty(), "a quiet pass wrote to the API server:{}", listed(&writes));
    let (before, after) = (requests.by_operation, world.sandbox.requests().by_operation);
    assert_eq!(after, before, "a quiet pass asked Clinch");
}

/// What a status says, without the times at which it began to.
fn said(object: &serde_json::Value) -> serde_json::Value {
    let mut status = object["status"].clone();
    let conditions = status["conditions"].as_array_mut().expect("conditions");
    for condition in &mut *conditions {
        condition["lastTransitionTime"] = serde_json::Value::Null;
    }
    conditions.sort_by_key(|condition| condition["type"].to_string());
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_overwritten_by_hand_is_repaired_at_the_next_pass() {
    let Some(mut world) = World::start().await else { return };
    world.apply(INTEGRATION);
    world.apply(&export("written", 5, PROSPECT));
    let kind = "CandidateExport";
    let done = world.ready(kind, "written", "True", "Synced").await;
    let requests = world.sandbox.requests().of("createCandidate");
    let overwrite = |world: &World| {
        let patch = serde_json::json!({"status": {
            "counts": {"total": 99, "created": 99, "pending": 1},
            "delivered": "99/99", "rejected": 7, "progress": 3, "observedGeneration": 77,
            "conditions": [{"type": "Ready", "status": "False", "reason": "Made", "message": "up",
                "lastTransitionTime": "2020-01-01T00:00:00Z"}]}});
        let command = ["patch", "clexp", "written", "--subresource=status", "--type=merge", "-p"];
        world.kubectl(&[&command[..], &[&patch.to_string(), "-n", &world.namespace]].concat());
    };
    overwrite(&world);
    assert_ne!(said(&world.get(kind, "written").await), said(&done));
    // The next pass.
    world.kubectl(&["label", "configmap", "written", "touched=1", "-n", &world.namespace]);
    world.wait(kind, "written", "as it was", SOON, |object| said(object) == said(&done)).await;

    // Also by a process that did not make the run.
    world.stop_operator().await;
    overwrite(&world);
    world.run_operator(clinch_operator::controllers::Regions::default());
    world.wait(kind, "written", "as it was", SOON, |object| said(object) == said(&done)).await;
    assert_eq!(world.sandbox.requests().of("createCandidate"), requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_status_that_somebody_else_owns_does_not_stop_an_export() {
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    world.apply(&export("owned", 20, PROSPECT));
    let kind = "CandidateExport";
    world.ready(kind, "owned", "True", "Synced").await;
    let patch = serde_json::json!({"status": {"counts": {"created": 21}}}).to_string();
    let object = ["clexp", "owned", "-n", &world.namespace];
    let command = ["patch", "--subresource=status", "--type=merge", "-p", &patch];
    world.kubectl(&[&command[..], &object[..]].concat());
    // The next run has no counts at first: those of somebody else would be left alone.
    let request = "clinch.hireez.dev/reconcile-requested-at=1";
    world.kubectl(&[&["annotate"][..], &object[..], &[request]].concat());
    let done = world
        .wait(kind, "owned", "handled and as it was", SOON, |object| {
            let status = &object["status"];
            status["handled"]["reconcileRequestedAt"] == "1"
                && status["counts"]["total"] == 20
                && status["counts"]["created"] != 21
                && condition(object, "Ready")["reason"] == "Synced"
        })
        .await;
    assert_eq!(done["status"]["delivered"], "20/20");
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_beside_an_operator_duplicates_at_most_fifty_people_each() {
    let Some(mut world) = World::prepare().await else { return };
    let contract = serde_json::from_value(serde_json::json!({"duplicateEmail": "allow"})).unwrap();
    let options = Options::default().with_credential("hireEZ", "KEY-1", "secret-1");
    world.sandbox = Sandbox::start(Options { contract, ..options }).await.unwrap();
    world.sandbox.set_latency(Duration::from_millis(5));
    world.run_operator(clinch_operator::controllers::Regions::default());
    let people = export("beside", 300, PROSPECT);
    let folder = tempfile::tempdir().unwrap();
    let origin = world.sandbox.base_url();
    let manifests = format!("{INTEGRATION}---{people}").replace("ORIGIN", &origin);
    std::fs::write(folder.path().join("all.yaml"), manifests).unwrap();
    world.apply(INTEGRATION);
    let mut apply = std::process::Command::new(env!("CARGO_BIN_EXE_clinch-operator"));
    apply
        .args(["apply", "--environment", "sandbox", "--allowed-endpoints", &origin, "-f"])
        .arg(folder.path())
        .stdin(std::process::Stdio::null());
    let applied = tokio::task::spawn_blocking(move || apply.output().unwrap());
    world.apply(&people);
    world
        .wait("CandidateExport", "beside", "through", SOON, |object| {
            let counts = &object["status"]["counts"];
            counts["total"] == 300 && counts["pending"] == 0
        })
        .await;
    let applied = applied.await.unwrap();
    let doubled = world.sandbox.doubled("hireEZ");
    assert!(doubled <= 100, "{doubled}: {}", String::from_utf8_lossy(&applied.stderr));
    let people = world.sandbox.people("hireEZ").len();
    assert_eq!(people - doubled, 300, "{}", String::from_utf8_lossy(&applied.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_mapping_reaches_nobody_and_a_fix_lets_the_export_continue() {
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    let mapping = |path: &str| {
        format!(
            "apiVersion: clinch.hireez.dev/v1alpha1\nkind: FieldMapping\nmetadata: {{name: m}}\nspec: {{fields: [{{to: email, from: '{path}'}}, {{to: first_name, expression: 'candidate.'}}, {{to: no_such, from: a}}]}}"
        )
    };
    world.apply(&mapping("emails[0"));
    world.apply(&export("mapped", 3, &format!("{PROSPECT}\n  fieldMappingRef: {{name: m}}")));
    let broken = world.ready("FieldMapping", "m", "False", "MappingInvalid").await;
    let paths: Vec<&str> = broken["status"]["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["spec.fields[0].from", "spec.fields[1].expression"]);
    let export = world.ready("CandidateExport", "mapped", "False", "MappingInvalid").await;
    assert_eq!(condition(&export, "MappingReady")["status"], "False");
    // It compiles now, but Clinch has no such attribute: reported on the export.
    world.apply(&mapping("emails[0].value").replace("'candidate.'", "candidate.firstName"));
    world.ready("FieldMapping", "m", "True", "Compiled").await;
    let unfit = world
        .wait("CandidateExport", "mapped", "checked against the contract", SOON, |object| {
            condition(object, "MappingReady")["message"]
                .as_str()
                .is_some_and(|message| message.contains("spec.fields[2].to"))
        })
        .await;
    assert_eq!(condition(&unfit, "Stalled")["status"], "True");
    assert!(emails(&world).is_empty());
    world.apply(
        &mapping("emails[0].value")
            .replace("'candidate.'", "candidate.firstName")
            .replace(", {to: no_such, from: a}", ""),
    );
    world.ready("CandidateExport", "mapped", "True", "Synced").await;
    assert_each_once(&world, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_reports_what_the_push_does_and_only_changes_are_pushed() {
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    world.apply(&export("dry", 10, &format!("{PROSPECT}\n  mode: DryRun")));
    let dry = world.ready("CandidateExport", "dry", "True", "DryRunComplete").await;
    assert_eq!(world.sandbox.requests().of("createCandidate"), 0);
    world.apply(&export("dry", 10, &format!("{PROSPECT}\n  mode: Push")));
    let pushed = world.ready("CandidateExport", "dry", "True", "Synced").await;
    assert_eq!(dry["status"]["counts"], pushed["status"]["counts"]);
    // One person changes, one is new.
    let changed = export("dry", 11, PROSPECT).replace("First3", "Changed");
    world.apply(&changed);
    world
        .wait("CandidateExport", "dry", "delivered again", SOON, |o| {
            o["status"]["delivered"] == "11/11"
        })
        .await;
    let requests = world.sandbox.requests();
    assert_eq!((requests.of("createCandidate"), requests.of("updateCandidate")), (11, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn suspension_ends_a_run_and_resuming_finishes_it() {
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    world.sandbox.set_latency(Duration::from_millis(20));
    world.apply(&export("paused", 200, PROSPECT));
    while emails(&world).len() < 10 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.apply(&export("paused", 200, &format!("{PROSPECT}\n  suspend: true")));
    let paused = world.ready("CandidateExport", "paused", "False", "Suspended").await;
    assert_eq!(condition(&paused, "Suspended")["status"], "True");
    assert!(condition(&paused, "Stalled").is_null() && condition(&paused, "Reconciling").is_null());
    world.sandbox.set_latency(Duration::ZERO);
    world.apply(&export("paused", 200, &format!("{PROSPECT}\n  suspend: false")));
    let done = world.ready("CandidateExport", "paused", "True", "Synced").await;
    assert_eq!(done["status"]["delivered"], "200/200");
    assert_each_once(&world, 200);
    world.apply(&export("paused", 200, &format!("{PROSPECT}\n  suspend: true")));
    let kept = world
        .wait("CandidateExport", "paused", "suspended in sync", SOON, |object| {
            condition(object, "Suspended")["status"] == "True"
        })
        .await;
    assert_eq!(condition(&kept, "Ready")["status"], "True", "in sync stays Ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_an_export_deletes_nobody_and_recreating_it_creates_nobody_twice() {
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    world.apply(&export("gone", 30, PROSPECT));
    world.ready("CandidateExport", "gone", "True", "Synced").await;
    world.kubectl(&["delete", "clexp", "gone", "-n", &world.namespace]);
    assert!(world.get("CandidateExport", "gone").await.is_null());
    assert_each_once(&world, 30);
    world.apply(&export("gone", 30, PROSPECT));
    let again = world.ready("CandidateExport", "gone", "True", "Synced").await;
    assert_eq!(again["status"]["counts"]["unchanged"], 30);
    assert_each_once(&world, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_a_source_only_when_it_is_labelled() {
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    let secret = |label: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: src, labels: {{{label}}}}}\nstringData:\n  people.csv: |\n    First Name,Home Email\n    Ann,ann@marker.example\n    Ben,ben@marker.example\n"
        )
    };
    world.apply("apiVersion: clinch.hireez.dev/v1alpha1\nkind: CandidateExport\nmetadata: {name: csv}\nspec: {integrationRef: {name: acme}, source: {secretRef: {name: src}}, destination: {prospect: {}}}");
    let missing = world.ready("CandidateExport", "csv", "False", "ReferenceForbidden").await;
    world.apply(&secret("a: b"));
    let unlabelled = world.ready("CandidateExport", "csv", "False", "ReferenceForbidden").await;
    assert_eq!(
        condition(&missing, "SourceReady")["message"],
        condition(&unlabelled, "SourceReady")["message"],
        "an export is no way to find out which Secrets exist"
    );
    world.apply(&secret("clinch.hireez.dev/use: source"));
    world.ready("CandidateExport", "csv", "True", "Synced").await;
    assert_eq!(emails(&world), ["ann@marker.example", "ben@marker.example"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_is_deleted_and_created_again_during_its_run_makes_nobody_twice() {
    const PEOPLE: usize = 200;
    let Some(world) = World::start().await else { return };
    world.apply(INTEGRATION);
    world.ready("ClinchIntegration", "acme", "True", "Verified").await;
    let slow: Vec<Fault> = serde_json::from_str(
        r#"[{"operation": "createCandidate", "every": 2, "from": 10, "action": {"late": {"commitMs": 2500}}}]"#,
    )
    .unwrap();
    world.sandbox.set_faults(slow);
    let manifests = export("again", PEOPLE, PROSPECT);
    world.apply(&manifests);
    for people in [15, 40] {
        let started = Instant::now();
        while world.sandbox.people("hireEZ").len() < people {
            assert!(started.elapsed() < SOON, "the export does not get on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world.kubectl(&["delete", "clexp", "again", "-n", &world.namespace]);
        world.apply(&manifests);
    }
    world.sandbox.set_faults(vec![]);
    let done = world.ready("CandidateExport", "again", "True", "Synced").await;
    assert_eq!(done["status"]["delivered"], format!("{PEOPLE}/{PEOPLE}"));
    assert_each_once(&world, PEOPLE);
}
