//! `apply` ended by signals and by its time limit, as a real process. What it leaves behind is judged by
//! the emulator's own records after another run.

use std::{
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use clinch_operator::sandbox::{Action, Fault, Sandbox};

use crate::{
    apply::{apply, shown},
    killed::{SOON, assert_exactly_once, stage},
};

const PEOPLE: u64 = 60;
/// Longer than any test takes.
const FOREVER_MS: u64 = 3_600_000;

fn start(folder: &Path, sandbox: &Sandbox, request_timeout: &str) -> Child {
    let manifests = folder.join("manifests.yaml");
    apply(&manifests, &folder.join("state"), &sandbox.base_url())
        .args(["--request-timeout", request_timeout])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success(), "SIG{name}");
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < SOON, "not in {SOON:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Creates after the first ones.
fn later_creates(action: Action) -> Fault {
    let mut fault = Fault::always("createCandidate", action);
    fault.from = Some(20);
    fault
}

/// How it ended.
async fn end(child: Child) -> Output {
    tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap()
}

/// Another run delivers everybody, and nobody twice.
async fn recovered(folder: &Path, sandbox: &Sandbox) {
    sandbox.set_faults(Vec::new());
    let output = end(start(folder, sandbox, "2")).await;
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    assert_exactly_once(sandbox, PEOPLE, "after another run");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_lets_requests_in_flight_finish_and_starts_no_other_record() {
    let (sandbox, folder) = stage(PEOPLE).await;
    let late = Action::Late { commit_ms: 1000, answer_ms: None, code: None, html: false };
    sandbox.set_faults(vec![Fault::always("createCandidate", late)]);
    let child = start(folder.path(), &sandbox, "30");
    until("a create", || sandbox.requests().of("createCandidate") > 0).await;
    signal(&child, "TERM");
    let output = end(child).await;
    assert_eq!(output.status.code(), Some(143), "{}", shown(&output));
    let requests = sandbox.requests();
    assert_eq!(requests.under_way, 0, "nothing is cut off");
    let created = requests.with("createCandidate", 201);
    assert_eq!(created, sandbox.people("hireEZ").len() as u64);
    assert!(created < PEOPLE, "{created} were created");
    recovered(folder.path(), &sandbox).await;
    assert_eq!(sandbox.requests().of("createCandidate"), PEOPLE, "nobody was tried twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_a_run_that_waits_for_clinch() {
    let (sandbox, folder) = stage(PEOPLE).await;
    let limited = Action::Status { code: 429, retry_after: Some(3600), html: false };
    sandbox.set_faults(vec![later_creates(limited)]);
    let child = start(folder.path(), &sandbox, "60");
    until("the limit", || sandbox.requests().with("createCandidate", 429) > 0).await;
    // A look at the status meanwhile shows what it waits for.
    let status = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clinch-operator"));
        command.args(["status", "--state"]).arg(folder.path().join("state"));
        shown(&command.output().unwrap())
    };
    until("the wait in the status", || status().contains("for Clinch (429)")).await;
    signal(&child, "INT");
    let output = end(child).await;
    assert_eq!(output.status.code(), Some(130), "{}", shown(&output));
    recovered(folder.path(), &sandbox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_a_run_whose_requests_are_not_answered() {
    let (sandbox, folder) = stage(PEOPLE).await;
    sandbox.set_faults(vec![later_creates(Action::Stall { ms: FOREVER_MS })]);
    let child = start(folder.path(), &sandbox, "1");
    until("a create", || sandbox.requests().of("createCandidate") >= 19).await;
    signal(&child, "TERM");
    let output = end(child).await;
    assert_eq!(output.status.code(), Some(143), "{}", shown(&output));
    recovered(folder.path(), &sandbox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_process_at_once() {
    let (sandbox, folder) = stage(PEOPLE).await;
    let stall = Fault::always("createCandidate", Action::Stall { ms: FOREVER_MS });
    sandbox.set_faults(vec![stall]);
    let child = start(folder.path(), &sandbox, "60");
    until("a create", || sandbox.requests().under_way > 0).await;
    // Two of the same kind may arrive as one, and both may arrive before one is handled.
    signal(&child, "TERM");
    signal(&child, "INT");
    let output = end(child).await;
    let code = output.status.code();
    assert!(matches!(code, Some(130 | 143)), "{code:?} {}", shown(&output));
    assert!(shown(&output).contains("ended at once by a signal"), "{}", shown(&output));
    recovered(folder.path(), &sandbox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_limit_holds_while_manifests_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("never-written.yaml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let read = |path: &Path| {
        let mut command = apply(path, &folder.path().join("state"), "http://127.0.0.1:1");
        command.args(["--timeout", "1"]).output().unwrap()
    };
    let output = read(&pipe);
    assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
    let named = format!("{} was not read to its end in 1 s", pipe.display());
    assert!(shown(&output).contains(&named), "{}", shown(&output));
    // In a folder, too.
    assert_eq!(read(folder.path()).status.code(), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_without_an_end_is_refused_as_too_large() {
    let folder = tempfile::tempdir().unwrap();
    let output = apply(Path::new("/dev/zero"), &folder.path().join("state"), "http://127.0.0.1:1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", shown(&output));
    assert!(shown(&output).contains("larger than 16777216 bytes"), "{}", shown(&output));
}
