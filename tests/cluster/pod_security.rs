//! The pod of the chart under the Pod Security Standard `restricted`, as a real API server enforces it.

use serde_json::{Value, json};

use crate::support::world::World;

/// What Helm renders from the chart's default values.
const RENDERED: &str = include_str!("../../deploy/kustomize/sandbox/operator.yaml");

/// The pod that the Deployment makes.
fn pod() -> Value {
    let objects: Vec<Value> = serde_saphyr::from_multiple(RENDERED).unwrap();
    let deployment = objects.into_iter().find(|object| object["kind"] == "Deployment").unwrap();
    let template = &deployment["spec"]["template"];
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "operator", "labels": template["metadata"]["labels"]},
        "spec": template["spec"],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pod_of_the_chart_meets_the_restricted_standard() {
    let Some(world) = World::prepare().await else { return };
    let enforced = "pod-security.kubernetes.io/enforce=restricted";
    world.kubectl(&["label", "namespace", &world.namespace, enforced]);
    let mut pod = pod();
    let (accepted, said) = world.try_apply_dry(&pod.to_string());
    assert!(accepted, "{said}");
    // The standard is enforced.
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
    let (accepted, said) = world.try_apply_dry(&pod.to_string());
    assert!(!accepted && said.contains("violates PodSecurity \"restricted"), "{said}");
}
