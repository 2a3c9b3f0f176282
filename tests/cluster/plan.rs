//! A plan has one digest, whether a dry run in a cluster or the command made it, and the cluster pushes
//! exactly that plan or nothing.

use std::{
    fs,
    process::{Command, Stdio},
};

use clinch_operator::sandbox::RequestCounts;
use serde_json::{Value, json};

use crate::support::{
    manifests::INTEGRATION,
    world::{World, condition},
};

/// What JSON and YAML may write in several ways: members in any order, whole numbers, nulls, escapes.
const EXPORTS: &str = r#"
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {name: inline}
spec:
  destination: {prospect: {}}
  integrationRef: {name: acme}
  failureBudget: 1
  source:
    inline:
    - lastName: "O\u0301 Neill \u1F600"
      firstName: Zo"e
      years: 5.0
      score: 1e3
      ratio: 0.1
      nothing: null
      emails: [{value: zoe@marker.example}]
    - {firstName: Bo, emails: [{value: bo@marker.example}]}
    - {firstName: Nobody}
  REST
---
apiVersion: v1
kind: ConfigMap
metadata: {name: files}
data:
  b.csv: "First Name,Email\nCy,cy@marker.example\n"
  a.ndjson: |
    {"firstName": "Dee", "emails": [{"value": "dee@marker.example"}]}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {name: files}
spec:
  integrationRef: {name: acme}
  source: {configMapRef: {name: files}}
  destination: {job: {reference: ENG-101, stage: Sourced}}
  duplicatePolicy: Skip
  REST
"#;

fn declared(rest: &str) -> String {
    EXPORTS.replace("REST", rest)
}

/// The digests that the command makes of these manifests, by name.
fn planned(world: &World, manifests: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let text =
        manifests.replace("NS", &world.namespace).replace("ORIGIN", &world.sandbox.base_url());
    fs::write(folder.path().join("all.yaml"), text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_clinch-operator"))
        .args(["plan", "--environment", "sandbox", "-o", "json", "-n", &world.namespace])
        .args(["--allowed-endpoints", &world.sandbox.base_url(), "-f"])
        .arg(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    let plan: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {shown}"));
    let exports = plan["exports"].as_array().unwrap();
    exports
        .iter()
        .map(|one| (one["name"].as_str().unwrap().to_owned(), one["digest"].clone()))
        .collect()
}

fn writes(counts: &RequestCounts) -> u64 {
    ["createCandidate", "updateCandidate", "createApplication"]
        .into_iter()
        .map(|operation| counts.of(operation))
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_and_the_command_name_a_plan_alike_and_it_is_pushed_once_approved() {
    let Some(world) = World::start().await else { return };
    let bo = json!({"email": "bo@marker.example", "first_name": "Robert"});
    world.sandbox.add_person("hireEZ", &bo).unwrap();
    world.apply(INTEGRATION);
    world.apply(&declared("mode: DryRun"));
    let kind = "CandidateExport";
    let mut digests = Vec::new();
    for name in ["inline", "files"] {
        let dry = world.ready(kind, name, "True", "DryRunComplete").await;
        digests.push((name, dry["status"]["plan"].clone()));
    }
    // Whatever the manifests say of when they run.
    for rest in ["mode: Push", "mode: DryRun", "interval: 1h", "guards: {maxCreates: 900}"] {
        let found = planned(&world, &format!("{INTEGRATION}\n---\n{}", declared(rest)));
        for (name, digest) in &digests {
            assert_eq!(found[name], *digest, "{name} with {rest}");
        }
    }
    let mine = |digest: &Value| format!("approvedPlan: {}", digest.as_str().unwrap());
    // The one of the other export.
    world.apply(&declared(&mine(&digests[0].1)));
    world.ready(kind, "inline", "True", "SyncedWithRejections").await;
    let held = world.ready(kind, "files", "False", "PlanChanged").await;
    assert_eq!(held["status"]["plan"], digests[1].1);
    let message = condition(&held, "Stalled")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("would create 2 and update 0"), "{message}");
    // With the right digest and another source: the message says how far they are apart.
    let other = digests[1].1.clone();
    let more = EXPORTS.replace("Email\\nCy", "Email\\nEve,eve@marker.example\\nCy");
    assert_ne!(more, EXPORTS);
    world.apply(&more.replace("REST", &mine(&other)));
    let held = world
        .wait(kind, "files", "another plan", crate::support::world::SOON, |object| {
            condition(object, "Ready")["reason"] == "PlanChanged"
                && object["status"]["plan"] != other
        })
        .await;
    let message = condition(&held, "Stalled")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("The approved one was to create 2 and update 0;"), "{message}");
    assert!(message.contains("would create 3 and update 0;"), "{message}");
    assert_eq!(writes(&world.sandbox.requests()), 2, "those of the one that was approved");
    world.apply(&declared(&mine(&digests[1].1)));
    world.ready(kind, "files", "True", "Synced").await;
    assert_eq!(writes(&world.sandbox.requests()), 6);
    // The approval was used, and the people are known: nothing is left to do, and nothing changes.
    let annotate =
        ["annotate", "clexp", "files", "clinch.hireez.dev/reconcile-requested-at=now", "-n"];
    world.kubectl(&[&annotate[..], &[&world.namespace]].concat());
    world
        .wait(kind, "files", "looked at again", crate::support::world::SOON, |object| {
            object["status"]["handled"]["reconcileRequestedAt"] == "now"
                && condition(object, "Ready")["reason"] == "Synced"
        })
        .await;
    assert_eq!(writes(&world.sandbox.requests()), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_demands_approved_plans_and_takes_the_demand_back() {
    let Some(world) = World::start().await else { return };
    let required = INTEGRATION.replace("{jobs:", "{approvedPlan: Required, jobs:");
    assert_ne!(required, INTEGRATION);
    world.apply(&required);
    world.apply(&declared(""));
    let kind = "CandidateExport";
    let refused = world.ready(kind, "inline", "False", "NotPermitted").await;
    let message = condition(&refused, "Stalled")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("spec.pushPermission.approvedPlan"), "{message}");
    assert_eq!(world.sandbox.people("hireEZ").len(), 0);
    let (ok, error) = world.try_apply(&declared("mode: DryRun\n  approvedPlan: v1:0"));
    assert!(!ok && error.contains("spec.approvedPlan"), "{error}");
    world.apply(INTEGRATION);
    world.ready(kind, "inline", "True", "SyncedWithRejections").await;
}
