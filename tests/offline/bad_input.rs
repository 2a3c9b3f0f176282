//! Bad input of every command: one line that says what to do, and the exit code of the table. As real
//! processes, without a cluster; `tests/cluster/commands.rs` has the cases that need one.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Stdio},
};

use clap::CommandFactory as _;
use clinch_operator::cli::Cli;

/// A command line, the exit code, and what the message says.
type Case = (&'static str, i32, &'static str);

const NO_CLUSTER: &str = "cannot find a Kubernetes API server";

const CASES: [Case; 50] = [
    ("run --environment sandbox", 4, NO_CLUSTER),
    ("run --environment sandbox --allowed-sources ftp://x", 2, "--allowed-sources"),
    ("run --environment sandbox --allowed-notify s3://x", 2, "--allowed-notify"),
    ("apply -f gone --environment sandbox", 2, "gone: does not exist"),
    ("apply -f empty --environment sandbox", 2, "empty"),
    (
        "apply -f good.yaml --environment sandbox --state file",
        4,
        "cannot use the state folder file: it is not a folder",
    ),
    (
        "apply -f good.yaml --environment sandbox --report-html /dev/null",
        4,
        "cannot write the report",
    ),
    ("apply -f good.yaml --environment sandbox --plan gone", 2, "--plan gone"),
    ("plan -f gone --environment sandbox", 2, "gone: does not exist"),
    ("plan -f good.yaml --environment sandbox", 2, "there is no CandidateExport"),
    ("demo -f gone --state demo", 2, "-f gone: there is no such folder"),
    ("contract check --environment sandbox", 2, "--filename <PATH>"),
    ("contract check -f good.yaml", 2, "--environment <ENV>"),
    ("contract check -f gone --environment sandbox", 2, "gone"),
    ("contract check -f good.yaml --environment sandbox", 2, "ClinchIntegration"),
    ("validate -f gone", 2, "gone: does not exist"),
    ("validate -f good.yaml --contract gone", 2, "--contract gone"),
    ("render -f gone", 2, "gone: does not exist"),
    ("render -f good.yaml", 2, "there is no CandidateExport in these files"),
    ("status", 4, NO_CLUSTER),
    ("status --state gone", 2, "--state gone"),
    ("status --state file", 4, "cannot use the state folder file: it is not a folder"),
    ("status export/a/b", 2, "KIND/NAME"),
    ("watch export/a", 4, NO_CLUSTER),
    ("watch", 2, "KIND/NAME"),
    ("watch export/a --state gone", 2, "--state gone"),
    ("watch export/a --state gone --context c", 2, "--state"),
    ("failures a", 4, NO_CLUSTER),
    ("failures a --state gone", 2, "--state gone"),
    ("attributes", 4, NO_CLUSTER),
    ("attributes --state gone", 2, "--state gone"),
    ("report a", 4, NO_CLUSTER),
    ("report --state gone", 2, "--state gone"),
    ("written a --to written", 4, NO_CLUSTER),
    ("written a --state gone --to written", 2, "--state gone"),
    ("written a --to no/such/folder", 4, "cannot write the file no/such/folder"),
    ("written a", 4, NO_CLUSTER),
    ("written a --state gone", 2, "--to"),
    ("retry a", 4, NO_CLUSTER),
    ("reconcile export/a", 4, NO_CLUSTER),
    ("verify a", 4, NO_CLUSTER),
    ("approve a b", 4, NO_CLUSTER),
    ("deny a b", 4, NO_CLUSTER),
    ("revoke a b", 4, NO_CLUSTER),
    ("suspend export/a", 4, NO_CLUSTER),
    ("resume export/a", 4, NO_CLUSTER),
    ("explain Nothing", 2, "there is no reason or condition Nothing"),
    ("crds --dir file", 4, "cannot create file"),
    ("completion csh", 2, "possible values"),
    ("completion bash --kubeconfig x", 2, "--kubeconfig"),
];

/// The program, in an environment without a cluster.
fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clinch-operator"));
    command
        .current_dir(folder)
        .env_remove("KUBECONFIG")
        .env_remove("KUBERNETES_SERVICE_HOST")
        .env("HOME", folder)
        .stdin(Stdio::null());
    command
}

/// Exit code and everything that is printed.
fn run(folder: &Path, line: &str) -> (Option<i32>, String) {
    let output = program(folder).args(line.split(' ')).output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code(), text.concat())
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let mapping = "apiVersion: clinch.hireez.dev/v1alpha1\nkind: FieldMapping\nmetadata: {name: m}\n\
                   spec: {fields: [{to: email, from: 'emails[0].value'}]}\n";
    std::fs::write(folder.path().join("good.yaml"), mapping).unwrap();
    std::fs::write(folder.path().join("bad.yaml"), mapping.replace("to:", "too:")).unwrap();
    let export = r#"{"namespace": "default", "name": "a", "result": "Suspended", "reason": "", "message": "",
        "periodic": false, "changes": {}, "rejectedByReason": []}"#;
    let plan = format!(
        r#"{{"format": "clinch-operator-plan/v1", "exports": [{export}], "obstacles": []}}"#
    );
    std::fs::write(folder.path().join("plan.json"), plan).unwrap();
    let kubeconfig = "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
                      contexts: [{name: here, context: {cluster: one, user: me}}]\n\
                      users: [{name: me, user: {token: t}}]\n\
                      clusters: [{name: one, cluster: {server: 'https://127.0.0.1:1'}}]\n";
    std::fs::write(folder.path().join("kubeconfig"), kubeconfig).unwrap();
    folder
}

#[test]
fn bad_input_ends_with_what_to_do_and_the_exit_code_of_the_table() {
    let folder = folder();
    let is_built = |line: &str| cfg!(feature = "sandbox") || !line.starts_with("demo ");
    for (line, code, says) in CASES.into_iter().filter(|(line, ..)| is_built(line)) {
        let (found, text) = run(folder.path(), line);
        assert_eq!(found, Some(code), "{line}: {text}");
        assert!(text.contains(says), "{line}: {text}");
        assert!(!text.contains("panicked") && !text.contains("backtrace"), "{line}: {text}");
        let errors = text.lines().filter(|text| text.starts_with("error")).count();
        assert!(errors <= 1, "one line says it: {line}: {text}");
    }
}

#[test]
fn every_command_refuses_a_flag_that_it_does_not_have() {
    let folder = folder();
    let all = Cli::command();
    let tested: BTreeSet<&str> =
        CASES.iter().filter_map(|(line, ..)| line.split(' ').next()).collect();
    for command in all.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name();
        assert!(tested.contains(name), "no bad input of {name} is tested");
        let (code, text) = run(folder.path(), &format!("{name} --no-such-flag"));
        assert_eq!(code, Some(2), "{name}: {text}");
        assert!(text.contains("--no-such-flag"), "{name}: {text}");
    }
}

#[test]
fn with_json_every_message_is_json_and_the_last_one_has_the_exit_code() {
    let folder = folder();
    for (line, code) in [
        ("status -o json", 4),
        ("watch export/a -o json", 4),
        ("watch -o json", 2),
        ("approve -o json", 4),
        ("deny a b -o json", 4),
        ("revoke a b -o json", 4),
        ("failures a -o json", 4),
        ("retry a -o json", 4),
        ("reconcile export/a -o json", 4),
        ("verify a -o json", 4),
        ("suspend export/a -o json", 4),
        ("resume export/a -o json", 4),
        ("attributes --state gone -o json", 2),
        ("explain Nothing -o json", 2),
        ("render -f good.yaml -o json", 2),
        ("render -f bad.yaml -o json", 2),
        ("validate -f good.yaml --contract gone -o json", 2),
        ("validate -f bad.yaml -o json", 2),
        ("apply -f good.yaml -o json", 2),
        ("apply -f bad.yaml --environment sandbox -o json", 2),
        ("apply -f good.yaml --environment sandbox --plan gone -o json", 2),
        ("apply -f good.yaml --environment sandbox --plan plan.json -o json", 2),
        ("plan -f good.yaml --environment sandbox -o json", 2),
        ("plan -f bad.yaml --environment sandbox -o json", 2),
        ("plan -f good.yaml --no-such-flag --output=json", 2),
        ("contract check -f good.yaml --environment sandbox -o json", 2),
    ] {
        let output = program(folder.path()).args(line.split(' ')).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{line}: {text}");
        let parsed = |text: &str| -> serde_json::Value {
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {line}: {text}"))
        };
        let all: Vec<_> = text.lines().map(parsed).collect();
        let error = all.last().unwrap_or_else(|| panic!("{line} says nothing"));
        assert_eq!((&error["exitCode"], &error["severity"]), (&code.into(), &"error".into()));
        assert!(error["message"].as_str().is_some_and(|text| !text.contains('\n')), "{text}");
    }
}

#[test]
fn a_refused_plan_names_the_option_and_the_file() {
    let folder = folder();
    let line = "apply -f good.yaml --environment sandbox --plan plan.json";
    let (code, text) = run(folder.path(), line);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("--plan plan.json: the plan names export default/a"), "{text}");
}

#[test]
fn files_of_kubeconfig_are_those_that_exist_and_one_has_to() {
    let folder = folder();
    let with = |files: &str, line: &str| {
        let mut command = program(folder.path());
        let output = command.args(line.split(' ')).env("KUBECONFIG", files).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = with("gone:kubeconfig", "status");
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains("cannot reach https://127.0.0.1:1"), "{text}");
    for (files, line) in [
        ("gone", "status"),
        ("gone:none", "status"),
        ("kubeconfig", "status --kubeconfig gone"),
        ("gone", "run --environment sandbox"),
    ] {
        let (code, text) = with(files, line);
        assert_eq!(code, Some(2), "{files}: {line}: {text}");
        assert!(text.contains("gone") && text.lines().count() == 1, "{text}");
    }
    // A list of nothing is no list.
    let (code, text) = with(":", "status");
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains(NO_CLUSTER), "{text}");
}
