//! A Clinch that publishes a document whose schemas stand for any amount of work.

use std::process::Output;

use clinch_operator::sandbox::{Options, Sandbox};
use serde_json::{Value, json};

use crate::apply::{apply, condition, object, shown};

const MANIFESTS: &str = "
apiVersion: v1
kind: Secret
metadata: {name: clinch}
stringData: {accessKey: K, secretKey: s}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: ClinchIntegration
metadata: {name: acme}
spec:
  endpoint: ORIGIN
  environment: Sandbox
  credentials: {secretRef: {name: clinch}}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {name: people}
spec:
  integrationRef: {name: acme}
  source: {inline: [{firstName: A, lastName: B, emails: [{value: a@example.com}]}]}
  destination: {prospect: {}}
";

/// Applies one person to an emulator that publishes this document.
async fn delivered(document: Value) -> Output {
    let options = Options::default().with_credential("hireEZ", "K", "s");
    let contract = serde_json::from_value(json!({"document": document})).unwrap();
    let sandbox = Sandbox::start(Options { contract, ..options }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let manifests = folder.path().join("all.yaml");
    std::fs::write(&manifests, MANIFESTS.replace("ORIGIN", &sandbox.base_url())).unwrap();
    let output = apply(&manifests, &folder.path().join("state"), &sandbox.base_url())
        .args(["-o", "json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    assert_eq!(sandbox.people("hireEZ").len(), 1);
    output
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_too_much_to_read_is_not_used_and_the_status_says_why() {
    let wide = json!({"allOf": vec![0; 300_000]});
    let reference = json!({"$ref": "#/components/schemas/wide"});
    let parameter = json!({"name": "page", "in": "query", "schema": reference});
    let operations = |list: Value| json!({"/candidates": {"get": list, "post": {}}});
    for (list, bound) in [
        (json!({"parameters": vec![parameter; 30_000]}), "has 30000 parameters; at most 256"),
        (
            json!({"responses": {"200": {"content": {"application/json": {"schema": reference}}}}}),
            "takes more than 100000 steps to read",
        ),
    ] {
        let document =
            json!({"paths": operations(list), "components": {"schemas": {"wide": wide}}});
        let output = delivered(document).await;
        let resolved = condition(&object(&output, "ClinchIntegration"), "ContractResolved");
        assert_eq!(resolved["reason"], "Assumed");
        let message = resolved["message"].as_str().unwrap();
        assert!(message.contains(bound), "{message}");
        assert!(message.ends_with("the built-in contract is assumed"), "{message}");
    }
}
