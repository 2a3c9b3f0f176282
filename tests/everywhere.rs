//! An operator that watches all namespaces, under the chart's rules for that: namespaces let in by
//! their labels.
#![cfg(all(feature = "dev-tools", feature = "sandbox"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test stops at the first surprise"
)]

use std::{
    io::Write as _,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use clinch_operator::{
    control_plane::{ControlPlane, Options, StartError},
    sandbox::{self, Sandbox},
};
use serde_json::Value;

const RULES_WATCHED: &str = include_str!("../charts/clinch-operator/files/rules-watched.yaml");
const RULES_NAMESPACES: &str =
    include_str!("../charts/clinch-operator/files/rules-namespaces.yaml");
const RULES_SECRETS: &str = include_str!("../charts/clinch-operator/files/rules-secrets.yaml");
const RULES_OWN: &str = include_str!("../charts/clinch-operator/files/rules-own.yaml");
const USER: &str = "subjects: [{kind: ServiceAccount, name: clinch-operator, \
                    namespace: clinch-system}]";
const SOON: Duration = Duration::from_secs(30);

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
    let bound = |kind: &str, namespace: &str, rules: &str| {
        let meta = if namespace.is_empty() {
            "metadata: {name: clinch-operator}".to_owned()
        } else {
            format!("metadata: {{name: clinch-operator, namespace: {namespace}}}")
        };
        let api = "apiVersion: rbac.authorization.k8s.io/v1";
        let group = "apiGroup: rbac.authorization.k8s.io";
        format!(
            "---\n{api}\nkind: {kind}\n{meta}\nrules:\n{rules}\n---\n{api}\nkind: {kind}Binding\n\
             {meta}\nroleRef: {{{group}, kind: {kind}, name: clinch-operator}}\n{USER}\n"
        )
    };
    [
        "apiVersion: v1\nkind: ServiceAccount\n\
         metadata: {name: clinch-operator, namespace: clinch-system}\n\
         ---\napiVersion: v1\nkind: Secret\n\
         metadata: {name: clinch-operator-ledger-key, namespace: clinch-system}\n",
        &bound("ClusterRole", "", &format!("{RULES_WATCHED}\n{RULES_NAMESPACES}")),
        &bound("Role", "clinch-system", RULES_OWN),
        &bound("Role", "talent", RULES_SECRETS),
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

struct World(ControlPlane);

impl World {
    fn kubectl(&self, arguments: &[&str], input: &str) -> String {
        let mut child = Command::new(self.0.kubectl())
            .args(arguments)
            .env("KUBECONFIG", self.0.kubeconfig_path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "kubectl {}", arguments.join(" "));
        String::from_utf8(output.stdout).unwrap()
    }

    fn apply(&self, manifests: &str) {
        self.kubectl(&["apply", "--server-side", "-f", "-"], manifests);
    }

    /// Waits until Ready of an export has this reason.
    async fn reason(&self, namespace: &str, name: &str, wanted: &str, within: Duration) {
        let started = Instant::now();
        loop {
            let args = ["get", "candidateexport", name, "-n", namespace, "-o", "json"];
            let object: Value = serde_json::from_str(&self.kubectl(&args, "")).unwrap();
            let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let ready = conditions.iter().find(|c| c["type"] == "Ready").cloned();
            if ready.as_ref().is_some_and(|ready| ready["reason"] == wanted) {
                return;
            }
            assert!(started.elapsed() < within, "{namespace}/{name} is not {wanted}: {ready:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Ends with the test, however that ends.
struct Operator(Child);

impl Drop for Operator {
    fn drop(&mut self) {
        let _already_ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_of_a_namespace_let_its_exports_in_and_out() {
    clinch_operator::app::install_crypto();
    let world = match ControlPlane::start(Options::default()).await {
        Ok(plane) => World(plane),
        Err(StartError::MissingAssets { .. }) if std::env::var_os("CI").is_none() => {
            eprintln!("left out: no control plane here; run `make control-plane`");
            return;
        }
        Err(error) => panic!("the control plane does not start: {error}"),
    };
    let options = sandbox::Options::default().with_credential("hireEZ", "KEY-1", "secret-1");
    let sandbox = Sandbox::start(options).await.unwrap();
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    world.kubectl(&["apply", "--server-side", "-f", crds], "");
    for namespace in ["clinch-system", "talent", "team-a", "team-b"] {
        world.kubectl(&["create", "namespace", namespace], "");
    }
    world.kubectl(&["label", "namespace", "team-a", "team=sourcing"], "");
    world.apply(&rights());
    let token = world.kubectl(&["create", "token", "clinch-operator", "-n", "clinch-system"], "");
    let _operator = Operator(
        Command::new(env!("CARGO_BIN_EXE_clinch-operator"))
            .args(["run", "--environment", "sandbox", "--log", "warn"])
            .args(["--allowed-endpoints", &sandbox.base_url(), "--admin-listen", "127.0.0.1:0"])
            .env("KUBECONFIG", world.0.kubeconfig_for(token.trim()).unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap(),
    );
    world.apply(&INTEGRATION.replace("ORIGIN", &sandbox.base_url()));
    world.apply(&[export("team-a", "one"), export("team-b", "one")].concat());
    world.reason("team-a", "one", "Synced", SOON).await;
    world.reason("team-b", "one", "AwaitingApproval", SOON).await;
    let requests = ["get", "clint", "acme", "-n", "talent", "-o=jsonpath={.status.requests}"];
    let started = Instant::now();
    while world.kubectl(&requests, "") != "1" {
        assert!(started.elapsed() < SOON, "the request is not counted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    world.kubectl(&["label", "namespace", "team-b", "team=sourcing"], "");
    world.reason("team-b", "one", "Synced", Duration::from_secs(5)).await;
    world.kubectl(&["label", "namespace", "team-a", "team-"], "");
    world.apply(&export("team-a", "two"));
    world.reason("team-a", "two", "AwaitingApproval", SOON).await;
    let mut people: Vec<String> = sandbox
        .people("hireEZ")
        .iter()
        .map(|person| person["attributes"]["email"].as_str().unwrap().to_owned())
        .collect();
    people.sort();
    assert_eq!(people, ["team-a-one@example.com", "team-b-one@example.com"]);
    world.0.stop().await;
}
