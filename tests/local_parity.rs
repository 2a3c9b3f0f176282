//! Reading manifests without a cluster comes to the same verdicts and the same stored specs as a
//! real API server with strict field validation.
#![cfg(feature = "dev-tools")]
#![allow(
    clippy::print_stderr,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test file: clippy spares only test functions"
)]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use clinch_operator::{
    cluster::Kind,
    control_plane::{ControlPlane, Options, StartError},
    domain::Clock,
    local::{LoadOptions, LocalCluster, load},
};
use serde_json::Value;

/// Refused here although a cluster takes them: what is declared twice, and YAML that `kubectl`
/// reads without its tag or its first of two keys.
const STRICTER_HERE: [&str; 3] = ["declared-twice", "yaml-duplicate-key", "yaml-tag"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn kubectl(control_plane: &ControlPlane, arguments: &[&str]) -> Output {
    let kubeconfig = control_plane.kubeconfig_path();
    Command::new(control_plane.kubectl())
        .current_dir(root())
        .env("KUBECONFIG", kubeconfig)
        .args(arguments)
        .output()
        .unwrap()
}

fn must(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Nulls and empty members, which typed objects leave out, do not count as a difference.
fn compact(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| (key.clone(), compact(value)))
            .filter(|(_, value)| !value.is_null() && value.as_array().is_none_or(|a| !a.is_empty()))
            .collect(),
        Value::Array(items) => items.iter().map(compact).collect(),
        // 1 and 1.0 are one number; the API server keeps what was written.
        Value::Number(number) => number.as_f64().into(),
        other => other.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_refuses_and_stores_the_same() {
    let control_plane = match ControlPlane::start(Options::default()).await {
        Ok(control_plane) => control_plane,
        Err(error @ StartError::MissingAssets { .. }) if std::env::var_os("CI").is_none() => {
            eprintln!("skipped: {error}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    must(kubectl(&control_plane, &["apply", "--server-side", "-f", "crds"]));
    let wait = ["wait", "crd", "--all", "--for=condition=Established", "--timeout=30s"];
    must(kubectl(&control_plane, &wait));
    for namespace in ["crm", "talent"] {
        must(kubectl(&control_plane, &["create", "namespace", namespace]));
    }
    let strict = |file: &str, more: &[&str]| {
        let apply = ["apply", "--server-side", "--validate=strict", "-f", file];
        kubectl(&control_plane, &[&apply, more].concat())
    };

    let bad = std::fs::read_dir(root().join("tests/data/manifests/bad")).unwrap();
    for file in bad.map(|entry| entry.unwrap().path()) {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let accepted = strict(file.to_str().unwrap(), &["--dry-run=server"]).status.success();
        assert_eq!(accepted, STRICTER_HERE.contains(&name), "{name}");
    }

    let folders = ["tests/data/manifests/good", "examples/quickstart", "examples/approval"];
    for folder in folders {
        must(strict(folder, &[]));
    }
    let paths: Vec<PathBuf> = folders.map(|folder| root().join(folder)).to_vec();
    let manifests = load(&paths, &LoadOptions::default()).unwrap();
    let clock = Clock::fixed("2025-05-01T12:00:00Z".parse().unwrap());
    let cluster = LocalCluster::open(manifests, None, [0; 32], clock).unwrap();
    let mut compared = 0;
    for kind in [Kind::Integration, Kind::Mapping, Kind::Export] {
        for ours in cluster.objects_as_json(kind) {
            let text = |part: &str| ours["metadata"][part].as_str().unwrap().to_owned();
            let (namespace, name) = (text("namespace"), text("name"));
            let get = ["get", kind.as_str(), "-n", &namespace, &name, "-o", "json"];
            let theirs: Value = serde_json::from_str(&must(kubectl(&control_plane, &get))).unwrap();
            for part in ["spec", "status"] {
                assert_eq!(compact(&ours[part]), compact(&theirs[part]), "{kind} {name} {part}");
            }
            compared += 1;
        }
    }
    assert!(compared >= 9, "{compared}");
    control_plane.stop().await;
}
