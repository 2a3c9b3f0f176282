//! What `apply` reads and refuses before it does anything, as a real process.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

/// A port on which nobody listens: nothing here may get that far.
const NOBODY: &str = "http://127.0.0.1:1";
const MAPPING: &str = "
apiVersion: clinch.hireez.dev/v1alpha1
kind: FieldMapping
metadata: {name: m}
spec: {fields: [{to: email, from: 'emails[0].value', required: true}]}
";

fn apply(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_clinch-operator"))
        .args(["apply", "--environment", "sandbox", "--allowed-endpoints", NOBODY])
        .args(["--timeout", "20"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading.
    let _closed = child.stdin.take().unwrap().write_all(input.as_bytes()).is_err();
    child.wait_with_output().unwrap()
}

fn shown(output: &Output) -> (Option<i32>, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), format!("{}{}", text(&output.stdout), text(&output.stderr)))
}

fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn manifests_are_read_from_standard_input_and_from_the_pipe_of_a_process() {
    let (code, text) = shown(&apply(&["-f", "-", "-o", "name"], MAPPING));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with("fieldmapping.clinch.hireez.dev/m\n"), "{text}");

    let folder = tempfile::tempdir().unwrap();
    let other = file(folder.path(), "m.yaml", &MAPPING.replace("name: m", "name: other"));
    let both = shown(&apply(&["-f", &other, "-f", "-", "-o", "name"], MAPPING)).1;
    assert!(both.contains("fieldmapping.clinch.hireez.dev/other"), "{both}");

    let (code, text) = shown(&apply(&["-f", "-", "-f", "-"], MAPPING));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("standard input can be read only once"), "{text}");

    let broken = shown(&apply(&["-f", "-"], &MAPPING.replace("fields", "feilds"))).1;
    assert!(broken.contains("standard input:5: spec.feilds: unknown field"), "{broken}");

    let command = format!(
        "{} apply --environment sandbox --allowed-endpoints {NOBODY} -f <(cat {other}) -o name",
        env!("CARGO_BIN_EXE_clinch-operator")
    );
    let output = Command::new("bash").args(["-c", &command]).output().unwrap();
    assert_eq!(shown(&output).0, Some(0), "{}", shown(&output).1);
}

#[test]
fn without_an_object_of_ours_there_is_nothing_to_apply() {
    let folder = tempfile::tempdir().unwrap();
    let namespace =
        file(folder.path(), "a.yaml", "{apiVersion: v1, kind: Namespace, metadata: {name: q}}");
    let foreign = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}}";
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {a: b}}";
    let list = "{apiVersion: v1, kind: List, items: []}";
    for (path, input) in [
        (namespace.as_str(), ""),
        ("-", ""),
        ("-", "---\n"),
        ("-", foreign),
        ("-", secret),
        ("-", list),
    ] {
        let (code, text) = shown(&apply(&["-f", path], input));
        assert_eq!(code, Some(2), "{input}: {text}");
        assert!(
            text.contains("nothing to apply: no object of clinch.hireez.dev/v1alpha1"),
            "{text}"
        );
    }
    let (_, text) = shown(&apply(&["-f", "-"], foreign));
    assert!(text.contains("kind Deployment (apps/v1) is not used here; skipped"), "{text}");
}

#[test]
fn an_object_of_ours_in_a_misspelt_group_is_refused_with_its_line() {
    let misspelt = MAPPING.replace("clinch.hireez.dev", "clinch.hireez.dv");
    // Beside one that could be applied.
    let (code, text) = shown(&apply(&["-f", "-"], &format!("{MAPPING}---{misspelt}")));
    assert_eq!(code, Some(2), "{text}");
    let expected = "standard input:7: apiVersion: clinch.hireez.dv/v1alpha1 has no FieldMapping; \
                    use clinch.hireez.dev/v1alpha1";
    assert!(text.contains(expected), "{text}");
    let version = MAPPING.replace("v1alpha1", "v1");
    let (code, text) = shown(&apply(&["-f", "-"], &version));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("unknown version; use clinch.hireez.dev/v1alpha1"), "{text}");
}

#[test]
fn arguments_that_cannot_be_used_are_refused_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let mapping = file(folder.path(), "m.yaml", MAPPING);
    let state = folder.path().join("state");
    let state = state.to_str().unwrap();
    for (arguments, expected) in [
        (["-f", "no-such-folder"], "no-such-folder: does not exist"),
        (["--log", "inof"], "--log: \"inof\" is no log filter"),
        (["--allowed-sources", "ftp://x"], "--allowed-sources"),
        (["--region-endpoints", "ZZ=https://x.example"], "ZZ is not US, EU or AU"),
        (["--output", "xml"], "possible values: table, wide, name, json, yaml"),
        (["--time-out", "1"], "--timeout"),
    ] {
        let all = [&["-f", &mapping, "--state", state][..], &arguments].concat();
        let (code, text) = shown(&apply(&all, ""));
        assert_eq!(code, Some(2), "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
    assert!(!Path::new(state).exists(), "nothing was done");
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure_and_a_reader_that_leaves_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let mapping = file(folder.path(), "m.yaml", MAPPING);
    let to = |target: &str| {
        let program = env!("CARGO_BIN_EXE_clinch-operator");
        let command = format!(
            "set -o pipefail; {program} apply --environment sandbox -f {mapping} -o json {target}"
        );
        shown(&Command::new("bash").args(["-c", &command]).output().unwrap())
    };
    let (code, text) = to("> /dev/full");
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains("cannot write to standard output"), "{text}");
    assert_eq!(to("| true").0, Some(0));
}
