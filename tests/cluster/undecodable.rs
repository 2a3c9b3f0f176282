//! An API server that serves objects which the operator cannot read, as after a downgrade. Their
//! contents must not reach the log through the client's own messages.

use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::Request,
    http::{Method, StatusCode},
    response::IntoResponse,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{process::Process, world::SOON};

const MARK: &str = "zqxcanary";
const GROUP: &str = "clinch.hireez.dev/v1alpha1";

/// Everything is there, and every object holds a marked value where another type is expected.
fn answer(method: &Method, path: &str) -> (StatusCode, Value) {
    let missing = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "not found", "reason": "NotFound", "code": 404});
    let kinds = [
        "ClinchIntegration",
        "FieldMapping",
        "CandidateExport",
        "CandidateImport",
        "CandidateLedger",
    ];
    let resource = |kind: &&str| {
        json!({"name": format!("{}s", kind.to_lowercase()), "singularName": "", "kind": kind,
            "namespaced": true, "verbs": ["get", "list", "watch"]})
    };
    if path == format!("/apis/{GROUP}") {
        let resources: Vec<Value> = kinds.iter().map(resource).collect();
        let list = json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": GROUP,
            "resources": resources});
        return (StatusCode::OK, list);
    }
    if path.contains("/leases") {
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "clinch-operator", "namespace": "n", "resourceVersion": "1"},
            "spec": {"holderIdentity": "canary", "leaseDurationSeconds": 15}});
        let first = method == Method::GET;
        return if first { (StatusCode::NOT_FOUND, missing) } else { (StatusCode::CREATED, lease) };
    }
    let object = json!({"apiVersion": GROUP, "kind": MARK, "metadata": {"name": "x", "uid": "1"},
        "data": MARK, "spec": {"source": {"inline": MARK}, "environment": MARK, "fields": MARK}});
    let list = json!({"kind": "List", "apiVersion": GROUP, "metadata": {"resourceVersion": "1"},
        "items": [object]});
    (StatusCode::OK, list)
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_cannot_be_read_are_not_quoted_in_the_log() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let server = format!("http://{}", listener.local_addr().expect("bound"));
    let said = |request: Request| {
        let (status, body) = answer(request.method(), request.uri().path());
        let json = [("content-type", "application/json")];
        std::future::ready((status, json, body.to_string()).into_response())
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(said)).await });
    let folder = tempfile::tempdir().expect("a folder");
    let (config, log) = (folder.path().join("kubeconfig"), folder.path().join("log"));
    let kubeconfig = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server}}], "users": [],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": ""}}]});
    fs::write(&config, kubeconfig.to_string()).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_clinch-operator"));
    command
        .args(["run", "--environment", "sandbox", "--identity", "canary", "--namespace", "n"])
        .args(["--admin-listen", "127.0.0.1:0", "--log", "trace", "--log-format", "json"])
        .env("KUBECONFIG", &config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).expect("a file"));
    let _operator = Process::spawn(&mut command);
    let started = Instant::now();
    let mut text = String::new();
    // Each of the five watches receives its objects.
    while text.matches("watch interrupted").count() < 5 {
        assert!(started.elapsed() < SOON, "the objects were not met:\n{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        text = fs::read_to_string(&log).expect("the log");
    }
    assert!(!text.contains(MARK), "an object is quoted in the log:\n{text}");
}
