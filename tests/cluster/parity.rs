//! Reading manifests without a cluster comes to the same verdicts and the same stored specs as a
//! real API server with strict field validation.

use std::path::{Path, PathBuf};

use clinch_operator::{
    cluster::Kind,
    domain::Clock,
    local::{LoadOptions, LocalCluster, load},
};
use serde_json::Value;

use crate::support::{
    kubectl::{Answer, Kubectl},
    plane,
};

/// Refused here although a cluster takes them: what is declared twice, and YAML that `kubectl`
/// reads without its tag or its first of two keys.
const STRICTER_HERE: [&str; 3] = ["declared-twice", "yaml-duplicate-key", "yaml-tag"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn must(answer: Answer) -> String {
    assert!(answer.succeeded, "{}", answer.errors);
    answer.output
}

/// Nulls and empty members, which typed objects leave out, do not count as a difference.
pub fn compact(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| (key.clone(), compact(value)))
            .filter(|(_, value)| !value.is_null() && value.as_array().is_none_or(|a| !a.is_empty()))
            .collect(),
        Value::Array(items) => items.iter().map(compact).collect(),
        // Numbers with a type of their own here: 1 and 1.0 are one.
        Value::Number(number) => number.as_f64().into(),
        other => other.clone(),
    }
}

/// The namespaces of the manifests; other tests make them, too.
pub fn make_namespaces(kubectl: &Kubectl) {
    for name in ["crm", "talent"] {
        kubectl.apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_refuses_and_stores_the_same() {
    let Some(plane) = plane::shared().await else { return };
    let kubectl = Kubectl::admin(plane);
    make_namespaces(&kubectl);
    let strict = |file: &str, more: &[&str]| {
        // Another test applies the same objects from the client.
        let apply =
            ["apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", file];
        kubectl.call(&[&apply, more].concat(), "")
    };

    let bad = std::fs::read_dir(root().join("tests/data/manifests/bad")).unwrap();
    for file in bad.map(|entry| entry.unwrap().path()) {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let accepted = strict(file.to_str().unwrap(), &["--dry-run=server"]).succeeded;
        assert_eq!(accepted, STRICTER_HERE.contains(&name), "{name}");
    }

    let folders = [
        "tests/data/manifests/good",
        "examples/quickstart",
        "examples/approval",
        "examples/files",
        "examples/rediscovery",
        "examples/import",
        "examples/import-endpoint",
        "examples/plan",
    ];
    for folder in folders {
        must(strict(folder, &[]));
    }
    let paths: Vec<PathBuf> = folders.map(|folder| root().join(folder)).to_vec();
    let manifests = load(&paths, &LoadOptions::default()).unwrap();
    let clock = Clock::fixed("2025-05-01T12:00:00Z".parse().unwrap());
    let cluster = LocalCluster::open(manifests, None, [0; 32], clock).unwrap();
    let mut compared = 0;
    for kind in Kind::ALL {
        for ours in cluster.objects_as_json(kind) {
            let text = |part: &str| ours["metadata"][part].as_str().unwrap().to_owned();
            let (namespace, name) = (text("namespace"), text("name"));
            let get = ["get", kind.as_str(), "-n", &namespace, &name, "-o", "json"];
            let theirs: Value = serde_json::from_str(&kubectl.run(&get)).unwrap();
            for part in ["spec", "status"] {
                assert_eq!(compact(&ours[part]), compact(&theirs[part]), "{kind} {name} {part}");
            }
            // What a candidate holds has no type: there, 5 and 5.0 are not the same.
            let inline = |object: &Value| object["spec"]["source"]["inline"].clone();
            assert_eq!(inline(&ours), inline(&theirs), "{name}");
            compared += 1;
        }
    }
    assert!(compared >= 9, "{compared}");
}
