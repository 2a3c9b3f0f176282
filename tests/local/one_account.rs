//! Integrations that name one account, and the way in which absence is proved, as they are declared.

use clinch_operator::sandbox::{Options, Sandbox};
use serde_json::{Value, json};

use crate::apply::{apply, shown};

async fn sandbox() -> Sandbox {
    let contract = serde_json::from_value(json!({"duplicateEmail": "allow"})).unwrap();
    let options = Options::default().with_credential("hireEZ", "K1", "s1");
    Sandbox::start(Options { contract, ..options }).await.unwrap()
}

/// Applies an export of the same people for each integration.
fn deliver(sandbox: &Sandbox, integrations: &[&str], people: usize, limits: &Value) {
    let ours = "clinch.hireez.dev/v1alpha1";
    let people: Vec<Value> = (0..people)
        .map(|n| json!({"lastName": "A", "emails": [{"value": format!("p{n}@example.com")}]}))
        .collect();
    let mut objects = vec![
        json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "talent"}}),
        json!({"kind": "Secret", "apiVersion": "v1",
            "metadata": {"name": "credential", "namespace": "talent"},
            "stringData": {"accessKey": "K1", "secretKey": "s1"}}),
    ];
    for name in integrations {
        let metadata = json!({"name": name, "namespace": "talent"});
        objects.push(json!({"kind": "ClinchIntegration", "apiVersion": ours, "metadata": metadata,
            "spec": {"endpoint": sandbox.base_url(), "environment": "Sandbox", "limits": limits,
                "credentials": {"secretRef": {"name": "credential"}}}}));
        objects.push(json!({"kind": "CandidateExport", "apiVersion": ours, "metadata": metadata,
            "spec": {"integrationRef": {"name": name}, "source": {"inline": people},
                "destination": {"prospect": {}}}}));
    }
    let folder = tempfile::tempdir().unwrap();
    let text: Vec<String> = objects.iter().map(ToString::to_string).collect();
    std::fs::write(folder.path().join("all.yaml"), text.join("\n---\n")).unwrap();
    let state = tempfile::tempdir().unwrap();
    let applied =
        apply(folder.path(), state.path(), &sandbox.base_url()).args(["--timeout", "120"]).output();
    let applied = applied.unwrap();
    assert_eq!(applied.status.code(), Some(0), "{}", shown(&applied));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_integrations_of_one_account_that_run_at_once_make_nobody_twice() {
    let sandbox = sandbox().await;
    sandbox.set_latency(std::time::Duration::from_millis(20));
    deliver(&sandbox, &["one", "two"], 50, &json!({}));
    assert_eq!((sandbox.doubled("hireEZ"), sandbox.people("hireEZ").len()), (0, 50));
    assert_eq!(sandbox.requests().of("createCandidate"), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn how_absence_is_proved_is_what_the_integration_declares() {
    let mut look_ups = Vec::new();
    for limits in [json!({"absence": "List"}), json!({"absence": "LookUp"})] {
        let sandbox = sandbox().await;
        deliver(&sandbox, &["one"], 50, &limits);
        assert_eq!(sandbox.requests().of("createCandidate"), 50);
        look_ups.push(sandbox.requests().of("listCandidates"));
    }
    assert!(look_ups[0] < 30 && look_ups[1] > 50, "{look_ups:?}");
}
