//! The search for marked values, in what `apply` and `demo` print and keep.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use clinch_operator::sandbox::{Options, Sandbox};
use serde_json::Value;

use crate::canary::{assert_clean, leak, manifests, mark, sets};

/// Runs a command: its exit code, and everything that it printed on each stream.
fn said(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_clinch-operator"))
        .args(args)
        .current_dir(folder)
        .env_remove("KUBECONFIG")
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Returns how many files there are.
fn assert_files_clean(folder: &Path) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files += assert_files_clean(&path);
        } else {
            assert_clean(&path.display().to_string(), &fs::read(&path).expect("readable"));
            files += 1;
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_shows_and_keeps_no_marked_value() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options::default().with_credential("hireEZ", &mark("access"), &mark("secret"));
    let sandbox = Sandbox::start(options).await.expect("the emulator starts");
    let sets = sets(&sandbox.base_url()).await;
    let origins: Vec<&str> = sets.iter().map(|(_, origin)| origin.as_str()).collect();
    fs::create_dir(folder.path().join("manifests")).expect("a folder");
    for (name, origin) in &sets {
        let path = folder.path().join("manifests").join(format!("{name}.yaml"));
        fs::write(path, manifests(name, origin)).expect("written");
    }
    let applied = |output: &str, seconds: u32| {
        let (origins, seconds) = (origins.join(","), seconds.to_string());
        let mut args = vec!["apply", "-f", "manifests", "--environment", "sandbox"];
        args.extend(["--state", "state", "--allowed-endpoints", &origins, "--timeout", &seconds]);
        args.extend(["-o", output, "--log", "trace"]);
        let (code, out, err) = said(folder.path(), &args);
        assert!(matches!(code, Some(1 | 3)), "{code:?}: {err}");
        assert!(!err.contains("panicked"), "a panic: {err}");
        assert_clean("the log of apply", err.as_bytes());
        assert_files_clean(&folder.path().join("state"));
        out
    };
    // Some of these never settle, so each turn takes its whole time. A slow machine needs longer turns: the
    // next one waits for the requests that were cut by the end of this one.
    let mut seconds = 8;
    let table = loop {
        let table = applied("table", seconds);
        assert_clean("the table of apply", table.as_bytes());
        if (table.contains("RecordsRejected") && table.contains("Synced")) || seconds > 300 {
            break table;
        }
        seconds *= 2;
    };
    assert!(table.contains("RecordsRejected") && table.contains("Synced"), "{table}");
    // Specs are printed as they were given.
    let mut objects: Vec<Value> = serde_json::from_str(&applied("json", seconds)).expect("JSON");
    for object in &mut objects {
        object["spec"].take();
        assert_clean("an object of apply", object.to_string().as_bytes());
    }
    assert!(objects.len() > 50, "{}", objects.len());
    // Before they settled, a slow machine may have written none.
    assert!(assert_files_clean(&folder.path().join("state/ledger")) > 0, "no ledger");
    assert!(!sandbox.people("hireEZ").is_empty());

    // A manifest that is refused is not quoted either.
    let broken = manifests("served", "http://127.0.0.1:1").replace(
        "data:\n  people.ndjson: |",
        "data: [zqxcanarylist]\nzqxcanaryfield: 1\nother:\n  people.ndjson: |",
    );
    fs::write(folder.path().join("broken.yaml"), broken).expect("written");
    let refused = ["apply", "-f", "broken.yaml", "--environment", "sandbox", "--log", "trace"];
    let (code, out, err) = said(folder.path(), &refused);
    assert_eq!(code, Some(2), "{err}");
    assert_clean("the values of a refusal", out.as_bytes());
    let named = err.replace("zqxcanaryfield", "a field");
    assert_clean("the values of a refusal", named.as_bytes());
}

#[test]
fn the_demo_shows_marked_values_only_as_the_emulator_has_them() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("manifests")).expect("a folder");
    let text = manifests("served", "http://127.0.0.1:18080")
        .replace("zqxcanaryaccess", "DEMO-SANDBOX-KEY")
        .replace("zqxcanarysecret", "demo-sandbox-secret-not-a-real-one");
    fs::write(folder.path().join("manifests/all.yaml"), text).expect("written");
    let args = ["demo", "-f", "manifests", "--state", "state", "--log", "trace"];
    let (code, out, err) = said(folder.path(), &args);
    assert_eq!(code, Some(1), "some are stalled: {out}{err}");
    assert_clean("the log of the demo", err.as_bytes());
    let (summary, shown) = out.split_once("6. one candidate").expect("a candidate is shown");
    assert!(leak(shown.as_bytes()).is_some(), "the emulator's own data is what is shown");
    assert!(summary.contains("RecordsRejected") && summary.contains("Synced"), "{summary}");
    assert_clean("the demo", summary.as_bytes());
    assert!(assert_files_clean(&folder.path().join("state/objects")) > 0, "no object is kept");
}
