//! The binary: its listening line, what it refuses, and how it stops.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Output, Stdio},
};

use super::support::{Caller, FIRST};

fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_clinch-sandbox"))
}

fn refused(args: &[&str]) -> String {
    let Output { status, stderr, .. } = command().args(args).output().unwrap();
    assert!(!status.success());
    String::from_utf8(stderr).unwrap()
}

#[tokio::test]
async fn the_binary_says_where_it_listens_serves_stops_on_sigterm_and_keeps_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data.json");
    assert_eq!(one_life(&data).await, 201);
    assert_eq!(one_life(&data).await, 422, "the person of the first life is still there");
}

/// Starts the binary, creates a person, stops it; the status of the create.
async fn one_life(data: &Path) -> u16 {
    let mut child = command()
        .args(["--listen", "127.0.0.1:0", "--credential", "first:AKFIRST:secret/one+="])
        .arg("--data")
        .arg(data)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let base = line.trim_end().strip_prefix("clinch-sandbox listening on ").unwrap();
    let reply = Caller::new(base, FIRST).person("a@example.com").await;
    let signal = format!("kill -TERM {}", child.id());
    assert!(Command::new("sh").args(["-c", &signal]).status().unwrap().success());
    let stopped = child.wait().unwrap();
    assert_eq!(stopped.code(), Some(0));
    reply.status
}

#[test]
fn an_address_that_others_reach_needs_to_be_allowed() {
    let problem = refused(&["--listen", "0.0.0.0:0"]);
    assert!(problem.contains("--allow-remote"), "{problem}");
}

#[test]
fn a_bad_file_or_credential_is_named_but_no_secret_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contract.yaml");
    std::fs::write(&path, "searchLag: 5\n").unwrap();
    let problem = refused(&["--contract", path.to_str().unwrap()]);
    assert!(problem.contains("searchLag") && problem.contains("contract.yaml"), "{problem}");
    let problem = refused(&["--seed", folder.path().join("none.yaml").to_str().unwrap()]);
    assert!(problem.contains("none.yaml"), "{problem}");
    let problem = refused(&["--credential", "only-hush-hush"]);
    assert!(problem.contains("NAME:KEY:SECRET") && !problem.contains("hush"), "{problem}");
}
