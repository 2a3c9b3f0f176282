//! `status`, `failures` and `attributes` on the state folder that `apply` left, as real processes.

use std::process::Command;

use clinch_operator::sandbox::{Options, Sandbox};
use serde_json::{Value, json};

use crate::apply::{self, shown};

const MANIFESTS: &str = "
apiVersion: v1
kind: Secret
metadata: {name: clinch}
stringData: {accessKey: K, secretKey: S}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: ClinchIntegration
metadata: {name: clinch}
spec:
  endpoint: ORIGIN
  environment: Sandbox
  credentials: {secretRef: {name: clinch}}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {name: people}
spec:
  integrationRef: {name: clinch}
  source: {inline: [{firstName: Ann, emails: [{value: ann@example.com}]}, {firstName: Bob}]}
  destination: {prospect: {}}
";

#[tokio::test(flavor = "multi_thread")]
async fn the_state_folder_is_shown_without_a_cluster_and_without_its_lock() {
    let options = Options::default().with_credential("hireEZ", "K", "S");
    let sandbox = Sandbox::start(options).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (path, state) = (folder.path().join("manifests.yaml"), folder.path().join("state"));
    std::fs::write(&path, MANIFESTS.replace("ORIGIN", &sandbox.base_url())).unwrap();
    let applied = apply::apply(&path, &state, &sandbox.base_url()).output().unwrap();
    assert_eq!(applied.status.code(), Some(1), "{}", shown(&applied));

    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clinch-operator"));
        command.args(arguments).arg("--state").arg(&state);
        // No cluster can be reached.
        command.env("KUBECONFIG", folder.path().join("none")).output().unwrap()
    };
    let status = run(&["status"]);
    assert_eq!(status.status.code(), Some(0), "{}", shown(&status));
    let text = shown(&status);
    for part in ["export/people", "STALLED", "RecordsRejected", "1/2, 1 rejected"] {
        assert!(text.contains(part), "no {part}:\n{text}");
    }
    assert!(text.contains("integration/clinch") && text.contains("Verified"), "{text}");
    assert!(text.contains("└─ export/people"), "below its integration:\n{text}");
    let failures = run(&["failures", "people", "-o", "json"]);
    assert_eq!(failures.status.code(), Some(0), "{}", shown(&failures));
    let json: Value = serde_json::from_slice(&failures.stdout).unwrap();
    assert_eq!(json["rejected"], 1);
    assert_eq!(json["failures"][0]["reason"], "MatchKeyMissing");
    let attributes = run(&["attributes", "clinch"]);
    assert_eq!(attributes.status.code(), Some(0), "{}", shown(&attributes));
    let text = shown(&attributes);
    let email = text.lines().find(|line| line.trim_start().starts_with("email "));
    let email = email.unwrap_or_else(|| panic!("no email:\n{text}"));
    assert!(email.contains("required") && email.contains("Discovered"), "{text}");
    let names = shown(&run(&["attributes", "-o", "name"]));
    assert!(names.lines().any(|line| line == "first_name"), "{names}");
    let other = run(&["attributes", "other"]);
    assert_eq!(other.status.code(), Some(2), "{}", shown(&other));
    assert!(shown(&other).contains("there is no integration/other in"), "{}", shown(&other));
    let page = shown(&run(&["report", "people"]));
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("default/people"), "{page}");
    assert!(page.contains("MatchKeyMissing") && !page.contains("ann@example.com"), "{page}");
    let all = folder.path().join("all.html");
    let written = run(&["report", "--to", all.to_str().unwrap()]);
    assert_eq!(written.status.code(), Some(0), "{}", shown(&written));
    assert!(std::fs::read_to_string(&all).unwrap().contains("ClinchIntegration"));
    let to = folder.path().join("written.csv");
    let written = run(&["written", "people", "--to", to.to_str().unwrap()]);
    assert_eq!(written.status.code(), Some(0), "{}", shown(&written));
    assert!(
        shown(&written).contains("export/people: 1 person: 1 created; steps: 1 candidate"),
        "{}",
        shown(&written)
    );
    let lines = std::fs::read_to_string(&to).unwrap();
    let id = sandbox.people("hireEZ")[0]["id"].as_str().unwrap().to_owned();
    assert!(lines.starts_with("id,outcome,steps,writtenBy,keys"), "{lines}");
    assert!(lines.contains(&format!("\n{id},Created,candidate,2")), "{lines}");
    let to_text = to.to_str().unwrap();
    let counted = run(&["written", "people", "--to", to_text, "-o", "json"]);
    let counted: Value = serde_json::from_slice(&counted.stdout).unwrap();
    let expected = json!({"file": to_text, "created": 1, "updated": 0, "unchanged": 0, "unknown": 0,
        "undecided": 0});
    assert_eq!((&counted[0]["name"], &counted[0]["written"]), (&"people".into(), &expected));
    // A ledger that is lost is not taken for one of nobody.
    let ledger = std::fs::read_dir(state.join("ledger")).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_dir_all(&ledger).unwrap();
    std::fs::create_dir(&ledger).unwrap();
    let lost = run(&["written", "people", "--to", to.to_str().unwrap()]);
    assert_eq!(lost.status.code(), Some(1), "{}", shown(&lost));
    assert!(shown(&lost).contains("the ledger ends before segment"), "{}", shown(&lost));
    for unknown in [["status", "export/other"], ["failures", "other"], ["report", "other"]] {
        let unknown = run(&unknown);
        assert_eq!(unknown.status.code(), Some(2), "{}", shown(&unknown));
        assert!(shown(&unknown).contains("there is no export/other in"), "{}", shown(&unknown));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_object_is_shown_below_its_integration() {
    let options = Options::default().with_credential("hireEZ", "K", "S");
    let sandbox = Sandbox::start(options).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (path, state) = (folder.path().join("manifests.yaml"), folder.path().join("state"));
    let import = "---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateImport
metadata: {name: back}
spec:
  integrationRef: {name: clinch}
  sink: {objectStore: {url: 's3://talent/back/'}}
";
    std::fs::write(&path, MANIFESTS.replace("ORIGIN", &sandbox.base_url()) + import).unwrap();
    let applied = apply::apply(&path, &state, &sandbox.base_url()).output().unwrap();
    assert_eq!(applied.status.code(), Some(1), "{}", shown(&applied));
    let status = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clinch-operator"));
        command.arg("status").args(arguments).output().unwrap()
    };
    let at = state.to_str().unwrap();
    for (target, shown_below) in [("export/people", "└─ export/people"), ("back", "└─ import/back")]
    {
        let text = shown(&status(&[target, "--state", at]));
        assert!(text.contains("integration/clinch") && text.contains("Verified"), "{text}");
        assert!(text.contains(shown_below) && text.matches("─ ").count() == 1, "{text}");
    }
    let elsewhere = status(&["--state", folder.path().to_str().unwrap()]);
    assert_eq!(elsewhere.status.code(), Some(2), "{}", shown(&elsewhere));
    assert!(shown(&elsewhere).contains("no state folder of `apply`"), "{}", shown(&elsewhere));
}
