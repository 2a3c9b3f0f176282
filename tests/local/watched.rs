//! `watch` on the state folder of `apply`, while that works and afterwards.

use std::{
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use clinch_operator::sandbox::{Action, Fault};

use crate::{
    apply::{apply, shown},
    killed::{SOON, assert_exactly_once, stage},
};

const PEOPLE: u64 = 60;

/// Watches an export of a state folder until its work ends.
fn watch(state: &Path, target: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_clinch-operator"))
        .args(["watch", target, "--state"])
        .arg(state)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

async fn end(child: Child) -> Output {
    tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_a_state_folder_is_watched_until_its_apply_ends() {
    let (sandbox, folder) = stage(PEOPLE).await;
    let limited = Action::Status { code: 429, retry_after: Some(3600), html: false };
    let mut fault = Fault::always("createCandidate", limited);
    fault.from = Some(20);
    sandbox.set_faults(vec![fault]);
    let (manifests, state) = (folder.path().join("manifests.yaml"), folder.path().join("state"));
    let start = || {
        let mut command = apply(&manifests, &state, &sandbox.base_url());
        command.args(["--request-timeout", "2"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut first = start();
    let started = Instant::now();
    let shows = |child: Child| async {
        let output = end(child).await;
        (output.status.code(), shown(&output))
    };
    // A look at the folder of a process that works does not disturb it, nor one that starts.
    let status = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clinch-operator"));
        shown(&command.args(["status", "--state"]).arg(&state).output().unwrap())
    };
    while !status().contains("for Clinch (429)") {
        assert!(started.elapsed() < SOON, "{}", status());
    }
    assert!(!status().contains("no `apply` works"), "it works");
    let watcher = watch(&state, "export/people");
    first.kill().unwrap();
    let _ = end(first).await;
    let (code, text) = shows(watcher).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("429"), "{text}");
    assert!(text.contains("no `apply` works on the state folder: run it again"), "{text}");
    let left = status();
    assert!(left.contains("Retrying") && left.contains("no `apply` works"), "{left}");
    // Another one completes it, which `watch` shows.
    sandbox.set_faults(Vec::new());
    sandbox.set_latency(Duration::from_millis(20));
    let second = start();
    let started = Instant::now();
    loop {
        let (code, text) = shows(watch(&state, "people")).await;
        if code == Some(0) {
            assert!(text.contains("Ready Synced"), "{text}");
            break;
        }
        // Before it had the folder.
        assert!(started.elapsed() < SOON && code == Some(1), "{text}");
    }
    let output = end(second).await;
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    assert_exactly_once(&sandbox, PEOPLE, "after both");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_says_that_clinch_limits_requests_before_anything_was_verified() {
    let (sandbox, folder) = stage(3).await;
    let limited = Action::Status { code: 429, retry_after: Some(1), html: false };
    sandbox.set_faults(vec![Fault::always("listCandidates", limited)]);
    let (manifests, state) = (folder.path().join("manifests.yaml"), folder.path().join("state"));
    let mut working = apply(&manifests, &state, &sandbox.base_url())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let status = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clinch-operator"));
        shown(&command.args(["status", "--state"]).arg(&state).output().unwrap())
    };
    // The integration and its export.
    while status().matches("RateLimited").count() < 2 {
        assert!(started.elapsed() < SOON, "{}", status());
        assert!(working.try_wait().unwrap().is_none(), "{}", status());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    sandbox.set_faults(Vec::new());
    assert_eq!(working.wait().unwrap().code(), Some(0));
    assert_exactly_once(&sandbox, 3, "once it is over");
}
