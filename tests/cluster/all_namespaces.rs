//! An operator that watches all namespaces, under the chart's rules for that: namespaces let in by
//! their labels.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use clinch_operator::sandbox::{self, Sandbox};
use serde_json::Value;

use crate::support::{
    chart,
    kubectl::Kubectl,
    plane,
    process::Process,
    world::{SOON, condition},
};

/// Where the operator runs.
const HOME: &str = "clinch-system";

const INTEGRATION: &str = "
apiVersion: v1
kind: Secret
metadata: {name: clinch, namespace: talent}
stringData: {accessKey: KEY-1, secretKey: secret-1}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: ClinchIntegration
metadata: {name: acme, namespace: talent}
spec:
  endpoint: ORIGIN
  environment: Sandbox
  credentials: {secretRef: {name: clinch}}
  access: {mode: Approval, namespaceSelector: {matchLabels: {team: sourcing}}}
";

fn rights() -> String {
    [
        chart::identity(HOME),
        chart::cluster_role(&format!("{}\n{}", chart::WATCHED, chart::NAMESPACES), HOME),
        chart::role(HOME, chart::OWN, HOME),
        chart::role("talent", chart::SECRETS, HOME),
    ]
    .concat()
}

fn export(namespace: &str, name: &str) -> String {
    format!(
        "---\napiVersion: clinch.hireez.dev/v1alpha1\nkind: CandidateExport\n\
         metadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  \
         integrationRef: {{name: acme, namespace: talent}}\n  \
         source: {{inline: [{{emails: [{{value: {namespace}-{name}@example.com}}]}}]}}\n  \
         destination: {{prospect: {{}}}}\n"
    )
}

/// Waits until Ready of an export has this reason.
async fn reason(kubectl: &Kubectl, namespace: &str, name: &str, expected: &str, within: Duration) {
    let started = Instant::now();
    loop {
        let args = ["get", "candidateexport", name, "-n", namespace, "-o", "json"];
        let object: Value = serde_json::from_str(&kubectl.run(&args)).unwrap();
        let ready = condition(&object, "Ready");
        if ready["reason"] == expected {
            return;
        }
        assert!(started.elapsed() < within, "{namespace}/{name} is not {expected}: {ready:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_of_a_namespace_let_its_exports_in_and_out() {
    let Some(plane) = plane::start().await else { return };
    let kubectl = Kubectl::admin(&plane);
    let options = sandbox::Options::default().with_credential("hireEZ", "KEY-1", "secret-1");
    let sandbox = Sandbox::start(options).await.unwrap();
    plane::install_crds(&kubectl);
    for namespace in [HOME, "talent", "team-a", "team-b"] {
        kubectl.run(&["create", "namespace", namespace]);
    }
    kubectl.run(&["label", "namespace", "team-a", "team=sourcing"]);
    kubectl.apply(&rights());
    let token = kubectl.run(&["create", "token", "clinch-operator", "-n", HOME]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_clinch-operator"));
    command
        .args(["run", "--environment", "sandbox", "--log", "warn"])
        .args(["--allowed-endpoints", &sandbox.base_url(), "--admin-listen", "127.0.0.1:0"])
        .env("KUBECONFIG", plane.kubeconfig_for(token.trim()).unwrap())
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let _operator = Process::spawn(&mut command);
    kubectl.apply(&INTEGRATION.replace("ORIGIN", &sandbox.base_url()));
    kubectl.apply(&[export("team-a", "one"), export("team-b", "one")].concat());
    reason(&kubectl, "team-a", "one", "Synced", SOON).await;
    reason(&kubectl, "team-b", "one", "AwaitingApproval", SOON).await;
    let requests = ["get", "clint", "acme", "-n", "talent", "-o=jsonpath={.status.requests}"];
    let started = Instant::now();
    while kubectl.run(&requests) != "1" {
        assert!(started.elapsed() < SOON, "the request is not counted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    kubectl.run(&["label", "namespace", "team-b", "team=sourcing"]);
    reason(&kubectl, "team-b", "one", "Synced", SOON).await;
    kubectl.run(&["label", "namespace", "team-a", "team-"]);
    kubectl.apply(&export("team-a", "two"));
    reason(&kubectl, "team-a", "two", "AwaitingApproval", SOON).await;
    let mut people: Vec<String> = sandbox
        .people("hireEZ")
        .iter()
        .map(|person| person["attributes"]["email"].as_str().unwrap().to_owned())
        .collect();
    people.sort();
    assert_eq!(people, ["team-a-one@example.com", "team-b-one@example.com"]);
    plane.stop().await;
}
