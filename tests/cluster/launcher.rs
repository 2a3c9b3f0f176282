//! The launcher itself: a real API server boots, survives a restart, and leaves nothing behind.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use clinch_operator::control_plane::{ControlPlane, Options, StartError, audit::Entry};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};

use crate::support::{kubectl::Kubectl, plane};

const SOON: Duration = Duration::from_mins(2);

#[tokio::test]
async fn boots_counts_requests_restarts_and_leaves_nothing() {
    let Some(mut control_plane) = plane::start().await else { return };
    let log = control_plane.audit_log();
    let dir = control_plane.dir().to_owned();
    let mut groups = control_plane.process_groups();
    assert_eq!(groups.len(), 2);
    assert!(groups.iter().all(|group| is_alive(*group)));

    let mark = log.mark().expect("the log is readable");
    list_namespaces(&control_plane).await;
    let listed = log
        .wait_for(mark, 1, SOON, |entry| entry.verb == "list" && entry.resource == "namespaces")
        .await
        .expect("the list is in the audit log");
    assert_eq!(listed, 1);
    assert_eq!(log.count_since(mark, |_| true).expect("readable"), 1, "probes stay out of the log");

    control_plane.restart_apiserver().await.expect("restarts");
    list_namespaces(&control_plane).await;
    groups.extend(control_plane.process_groups());

    control_plane.stop().await;
    let left: Vec<_> = groups.into_iter().filter(|group| is_alive(*group)).collect();
    assert!(left.is_empty(), "process groups left: {left:?}");
    assert!(!dir.exists(), "{} is left", dir.display());
}

#[tokio::test]
async fn a_service_account_reaches_the_api_as_itself() {
    let Some(control_plane) = plane::shared().await else { return };
    let admin = Kubectl::admin(control_plane);
    admin.run(&["create", "serviceaccount", "tester"]);
    let token = admin.run(&["create", "token", "tester"]);
    let own = control_plane.kubeconfig_for(token.trim()).expect("written");
    let whoami = ["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"];
    let name = "system:serviceaccount:default:tester";
    assert_eq!(Kubectl::with(control_plane, &own).run(&whoami), name);

    let log = control_plane.audit_log();
    let mark = log.mark().expect("the log is readable");
    let secrets: Api<Secret> = Api::all(
        Client::try_from(control_plane.client_config_for(token.trim())).expect("a client"),
    );
    let refused = secrets.list(&ListParams::default()).await.expect_err("no role, no secrets");
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 403));
    let refusal =
        |entry: &Entry| entry.user == name && entry.resource == "secrets" && entry.code == 403;
    log.wait_for(mark, 1, SOON, refusal).await.expect("the refusal is in the audit log");
}

#[tokio::test]
async fn a_killed_api_server_and_a_killed_etcd_come_back_with_their_data() {
    let Some(mut control_plane) = plane::start().await else { return };
    let api: Api<Namespace> = Api::all(client(&control_plane));
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some("kept".to_owned());
    api.create(&PostParams::default(), &namespace).await.expect("created");

    control_plane.kill_apiserver().await;
    control_plane.kill_etcd().await;
    assert!(control_plane.process_groups().is_empty());
    control_plane.start_etcd().await.expect("etcd starts again");
    control_plane.start_apiserver().await.expect("the API server starts again");

    let api: Api<Namespace> = Api::all(client(&control_plane));
    assert!(api.get_opt("kept").await.expect("answers").is_some());

    control_plane.stop_etcd().await;
    control_plane.start_etcd().await.expect("etcd starts under a running API server");
    assert!(api.get_opt("kept").await.expect("answers").is_some());
}

#[tokio::test]
async fn a_named_folder_serves_its_objects_again_and_one_control_plane_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = || Some(folder.path().join("kept"));
    let Some(first) = plane::start_in(dir()).await else { return };
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some("kept".to_owned());
    let api: Api<Namespace> = Api::all(client(&first));
    api.create(&PostParams::default(), &namespace).await.expect("created");
    let second = ControlPlane::start(Options { dir: dir(), ..Options::default() }).await;
    let error = second.expect_err("in use");
    assert!(matches!(error, StartError::FolderInUse { .. }), "{error}");
    first.stop().await;

    for _ in 0..2 {
        let again = plane::start_in(dir()).await.expect("starts again");
        let api: Api<Namespace> = Api::all(client(&again));
        assert!(api.get_opt("kept").await.expect("answers").is_some());
        // Not asked to stop: as when the process is killed.
        drop(again);
    }
}

#[tokio::test]
async fn nothing_outlives_a_killed_launcher() {
    let parent = tempfile::tempdir().expect("a folder");
    let kubeconfig = parent.path().join("kubeconfig");
    let mut launcher = Command::new(env!("CARGO_BIN_EXE_clinch-control-plane"))
        .arg("--kubeconfig")
        .arg(&kubeconfig)
        .env("TMPDIR", parent.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the launcher starts");
    let mut ended = None;
    wait_until("the kubeconfig is written", || {
        ended = launcher.try_wait().expect("a status");
        ended.is_some() || kubeconfig.exists()
    })
    .await;
    if ended.is_some() {
        let mut said = String::new();
        launcher.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        assert!(said.contains("hack/control-plane.sh") && !plane::in_ci(), "{said}");
        return plane::skipped(&said);
    }
    let dir = only_folder_in(parent.path()).expect("the temporary folder");
    launcher.kill().expect("killed");
    launcher.wait().expect("reaped");
    // The folder is removed when the last component that uses it has ended.
    wait_until("the folder is removed", || !dir.exists()).await;
}

#[tokio::test]
async fn a_taken_port_is_answered_with_other_ports() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "echo \"$*\" >>\"$0.starts\"; echo 'bind: address already in use'; exit 1";
    let error = start_fake(folder.path(), script).await;
    assert!(matches!(error, StartError::Exited { component: "etcd", .. }), "{error}");
    let starts = std::fs::read_to_string(folder.path().join("etcd.starts")).expect("started");
    let different: std::collections::BTreeSet<_> = starts.lines().collect();
    assert_eq!(different.len(), 5, "five attempts, each elsewhere:\n{starts}");
}

#[tokio::test]
async fn a_component_that_ends_at_once_is_quoted() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = start_fake(folder.path(), "echo 'the disk is on strike'; exit 3").await;
    assert!(error.to_string().contains("the disk is on strike"), "{error}");
}

/// Starts with a script in place of etcd, which fails.
async fn start_fake(folder: &Path, etcd: &str) -> StartError {
    let script = folder.join("script");
    std::fs::write(&script, format!("#!/bin/sh\n{etcd}\n")).expect("written");
    // Copied by another process: a file that this one ever had open for writing may be refused as
    // busy, while the other tests start processes.
    let copy = r#"cd "$1"; for name in etcd kube-apiserver kubectl; do
        cp script "$name"; chmod 755 "$name"; done"#;
    let copied = Command::new("sh").args(["-c", copy, "sh"]).arg(folder).status();
    assert!(copied.expect("sh runs").success());
    let options = Options { assets: Some(folder.to_owned()), ..Options::default() };
    ControlPlane::start(options).await.expect_err("no such etcd")
}

fn client(control_plane: &ControlPlane) -> Client {
    Client::try_from(control_plane.client_config()).expect("a client")
}

async fn list_namespaces(control_plane: &ControlPlane) {
    let api: Api<Namespace> = Api::all(client(control_plane));
    let names: Vec<_> = api
        .list(&ListParams::default())
        .await
        .expect("lists")
        .items
        .into_iter()
        .filter_map(|namespace| namespace.metadata.name)
        .collect();
    assert!(names.iter().any(|name| name == "default"), "{names:?}");
}

fn is_alive(process_group: u32) -> bool {
    Command::new("sh")
        .args(["-c", "kill -s 0 -- \"-$1\"", "sh", &process_group.to_string()])
        .stderr(Stdio::null())
        .status()
        .expect("sh runs")
        .success()
}

fn only_folder_in(parent: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(parent).expect("readable").flatten();
    entries.map(|entry| entry.path()).find(|path| path.is_dir())
}

async fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !done() {
        assert!(Instant::now() < deadline, "timed out: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
