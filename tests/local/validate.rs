//! The commands that contact nothing, as real processes: `validate`, `explain`, `completion`, and the
//! JSON Schemas of `crds`.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// An integration, a mapping and an export without a fault.
const GOOD: &str = "apiVersion: clinch.hireez.dev/v1alpha1
kind: ClinchIntegration
metadata: {name: clinch, namespace: talent}
spec:
  region: EU
  environment: Sandbox
  credentials: {secretRef: {name: clinch}}
  pushPermission: {prospects: Allowed}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: FieldMapping
metadata: {name: people, namespace: talent}
spec:
  fields:
    - to: email
      from: emails[0].value
    - to: title
      from: title
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {name: engineers, namespace: talent}
spec:
  integrationRef: {name: clinch}
  fieldMappingRef: {name: people}
  source:
    inline:
      - firstName: Zoe
        emails: [{value: zoe.secretive@example.com}]
  select: candidate.title == 'Engineer'
  destination: {prospect: {}}
";

fn operator(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clinch-operator"));
    command.args(arguments).current_dir(ROOT);
    command
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

struct Files(tempfile::TempDir);

impl Files {
    /// A folder with the manifests, changed like this.
    fn with(changes: &[(&str, &str)]) -> Self {
        let mut text = GOOD.to_owned();
        for (old, new) in changes {
            assert!(text.contains(old), "{old}");
            text = text.replace(old, new);
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("all.yaml"), text).unwrap();
        Self(folder)
    }

    fn validate(&self, arguments: &[&str]) -> Output {
        let mut command = operator(&["validate", "-f", "all.yaml"]);
        command.args(arguments).current_dir(self.0.path());
        command.output().unwrap()
    }

    /// The problems as JSON, and the exit code.
    fn problems(&self, arguments: &[&str]) -> (Vec<Value>, Option<i32>) {
        let output = self.validate(&[arguments, &["-o", "json"]].concat());
        let result: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", text_of(&output.stderr)));
        (result["problems"].as_array().unwrap().clone(), output.status.code())
    }
}

/// The rules and paths of problems.
fn rules(problems: &[Value]) -> Vec<(&str, &str)> {
    let text = |problem: &'_ Value, member| problem[member].as_str().unwrap().to_owned().leak();
    problems.iter().map(|problem| (&*text(problem, "rule"), &*text(problem, "path"))).collect()
}

#[test]
fn the_examples_are_valid() {
    for folder in std::fs::read_dir(Path::new(ROOT).join("examples")).unwrap() {
        let mut folder = folder.unwrap().path();
        if folder.ends_with("gitops") {
            folder.push("talent");
        }
        let folder = folder.to_str().unwrap();
        let output = operator(&["validate", "--strict", "-f", folder]).output().unwrap();
        let shown = text_of(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{folder}: {shown}");
        assert_eq!(shown.lines().count(), 1, "{folder}: {shown}");
        assert!(shown.contains(" 0 errors, 0 warnings"), "{shown}");
    }
}

#[test]
fn what_apply_refuses_is_refused_with_the_same_words() {
    let mut folder: Vec<PathBuf> =
        std::fs::read_dir(Path::new(ROOT).join("tests/data/manifests/bad"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
    folder.sort();
    let mut files = folder.iter().step_by(4).collect::<Vec<_>>();
    files.extend(folder.iter().filter(|path| path.ends_with("every-problem-at-once.yaml")));
    for path in files {
        let path = path.to_str().unwrap();
        let output = operator(&["validate", "-f", path]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{path}");
        let arguments = ["apply", "-f", path, "--environment", "sandbox", "--timeout", "5"];
        let refused = operator(&arguments).output().unwrap();
        let shown = text_of(&output.stdout);
        for line in text_of(&refused.stderr).lines().filter(|line| line.starts_with(path)) {
            let skipped = line.contains("is not used here");
            assert!(skipped || shown.contains(line), "{path}: {line}\n{shown}");
        }
    }
}

#[test]
fn each_kind_of_fault_has_a_rule_and_a_place() {
    let pdf = "destination: {file: {format: PDF, to: {url: 's3://b/x.pdf'}}}";
    // Without the feature it is the format that cannot be used.
    let document = if cfg!(feature = "pdf") { "mapping/documents" } else { "destination/format" };
    let report = "destination: {prospect: {}}\n  report: {to: {url: 's3://b/x.csv'}}";
    let cases: [(&str, &str, &str, &str, i32); 18] = [
        ("destination: {prospect: {}}", pdf, document, "spec.destination.file.format", 2),
        ("destination: {prospect: {}}", report, "permission", "spec.report.to.url", 2),
        ("emails[0].value", "emails[0", "mapping/path", "spec.fields[0].from", 2),
        ("emails[0].value", "emial", "mapping/unknown-path", "spec.fields[0].from", 0),
        ("candidate.title ==", "candidate.titel ==", "mapping/unknown-path", "spec.select", 0),
        (
            "from: title",
            "expression: candidate.title +",
            "mapping/expression",
            "spec.fields[1].expression",
            2,
        ),
        (
            "candidate.title == 'Engineer'",
            "candidate.title = 1",
            "mapping/expression",
            "spec.select",
            2,
        ),
        ("prospects: Allowed", "prospects: Denied", "permission", "spec.destination", 2),
        (
            "destination: {prospect: {}}",
            "destination: {job: {id: '7', stage: New}}",
            "permission",
            "spec.destination",
            2,
        ),
        ("region: EU", "endpoint: 'ftp://clinch.example.com'", "schema/rule", "spec.endpoint", 2),
        ("{name: people}\n", "{name: others}\n", "reference/not-given", "spec.fieldMappingRef", 0),
        (
            "integrationRef: {name: clinch}",
            "integrationRef: {name: other}",
            "reference/not-given",
            "spec.integrationRef",
            0,
        ),
        (
            "engineers, namespace: talent}\nspec:\n  integrationRef: {name: clinch}",
            "engineers, namespace: team}\nspec:\n  integrationRef: {name: clinch, namespace: talent}",
            "reference/no-access",
            "spec.integrationRef",
            2,
        ),
        ("inline:\n", "inlin:\n", "schema/unknown-field", "spec.source.inlin", 2),
        (
            "  destination: {prospect: {}}",
            "  schedule: {cron: '75 1 * * *'}\n  destination: {prospect: {}}",
            "schedule",
            "spec.schedule.cron",
            2,
        ),
        ("environment: Sandbox", "environment: Test", "schema/value", "spec.environment", 2),
        ("  environment: Sandbox\n", "", "schema/required", "spec.environment", 2),
        (
            "metadata: {name: people, namespace: talent}",
            "metadata: {name: People, namespace: talent}",
            "metadata",
            "metadata.name",
            2,
        ),
    ];
    for (old, new, rule, path, code) in cases {
        let (problems, ended) = Files::with(&[(old, new)]).problems(&[]);
        assert!(rules(&problems).contains(&(rule, path)), "{new}: {problems:#?}");
        assert_eq!(ended, Some(code), "{new}: {problems:#?}");
        assert!(problems.iter().all(|problem| problem["line"].as_u64() > Some(0)), "{problems:#?}");
    }
}

#[test]
fn warnings_fail_only_where_that_is_asked_for() {
    let files =
        Files::with(&[("fieldMappingRef: {name: people}", "fieldMappingRef: {name: other}")]);
    assert_eq!(files.validate(&[]).status.code(), Some(0));
    assert_eq!(files.validate(&["--strict"]).status.code(), Some(1));
    let foreign = "---\napiVersion: v1\nkind: Service\nmetadata: {name: x}\n---\napiVersion: v1";
    let files = Files::with(&[(
        "---\napiVersion: clinch",
        &format!("{foreign}\nkind: Namespace\nmetadata: {{name: y}}\n---\napiVersion: clinch"),
    )]);
    let output = files.validate(&["--strict"]);
    let shown = text_of(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert_eq!(shown.trim(), "3 objects: 3 valid, 0 errors, 0 warnings, 2 of other kinds skipped");
    assert_eq!(files.validate(&["--fail-on-skipped"]).status.code(), Some(2));
}

#[test]
fn the_place_is_underlined_and_no_candidate_is_shown() {
    let files = Files::with(&[("emails[0].value", "emial")]);
    let shown = text_of(&files.validate(&[]).stdout);
    assert!(shown.contains("  16 |       from: emial\n     |             ^^^^^\n"), "{shown}");
    let files = Files::with(&[("firstName: Zoe", "firstName: Zoe\n        - x: secretive")]);
    for format in ["text", "json", "sarif", "github"] {
        let output = files.validate(&["-o", format]);
        let shown = text_of(&output.stdout);
        assert_eq!(output.status.code(), Some(2), "{shown}");
        assert!(!shown.contains("secretive"), "{shown}");
    }
}

#[test]
fn a_list_item_is_underlined_without_its_value() {
    let files = Files::with(&[("    - to: title\n      from: title", "    - to: title")]);
    let shown = text_of(&files.validate(&[]).stdout);
    assert!(shown.contains("  17 |     - ...\n     |       ^^^\n"), "{shown}");
    let doubled =
        "pushPermission: {prospects: Allowed}\n  access:\n    approved:\n      - a\n      - a";
    let files = Files::with(&[("pushPermission: {prospects: Allowed}", doubled)]);
    let shown = text_of(&files.validate(&[]).stdout);
    assert!(shown.contains("  12 |       - ...\n     |         ^^^\n"), "{shown}");
}

#[test]
fn a_key_that_a_config_map_lacks_is_shown_at_its_own_line() {
    let inline = "    inline:\n      - firstName: Zoe\n        emails: [{value: zoe.secretive@example.com}]\n";
    let keys =
        "    configMapRef:\n      name: people\n      keys:\n        - a.json\n        - b.json\n";
    let end = "  destination: {prospect: {}}\n";
    let map = "  destination: {prospect: {}}\n---\napiVersion: v1\nkind: ConfigMap\n\
               metadata: {name: people, namespace: talent}\ndata: {a.json: '[]'}\n";
    let files = Files::with(&[(inline, keys), (end, map)]);
    let (problems, code) = files.problems(&[]);
    let path = "spec.source.configMapRef.keys[1]";
    assert_eq!((rules(&problems), code), (vec![("source/key", path)], Some(2)), "{problems:#?}");
    let text = std::fs::read_to_string(files.0.path().join("all.yaml")).unwrap();
    let line = text.lines().position(|line| line.contains("- b.json")).unwrap() + 1;
    assert_eq!(problems[0]["line"], line);
    let one = "    configMapRef: {name: people, keys: [c]}\n";
    let (problems, _) = Files::with(&[(inline, one), (end, map)]).problems(&[]);
    assert_eq!(rules(&problems), [("source/key", "spec.source.configMapRef.keys[0]")]);
    assert!(problems[0]["column"].as_u64().is_some(), "{problems:#?}");
}

#[test]
fn one_run_shows_what_the_schema_refuses_and_what_else_is_wrong() {
    let files = Files::with(&[
        ("destination: {prospect: {}}", "destination: {prospect: {}}\n  moed: Push\n  mode: Pull"),
        ("candidate.title ==", "candidate.titel =="),
        ("fieldMappingRef: {name: people}", "fieldMappingRef: {name: others}"),
        ("      from: title", "      from: emails[0\n      writeMod: Always"),
    ]);
    let (problems, code) = files.problems(&[]);
    let expected = [
        ("mapping/path", "spec.fields[1].from"),
        ("schema/unknown-field", "spec.fields[1].writeMod"),
        ("reference/not-given", "spec.fieldMappingRef"),
        ("mapping/unknown-path", "spec.select"),
        ("schema/unknown-field", "spec.moed"),
        ("schema/value", "spec.mode"),
    ];
    assert_eq!((rules(&problems), code), (expected.to_vec(), Some(2)), "{problems:#?}");
    let shown = text_of(&files.validate(&[]).stdout);
    let last = "3 objects: 1 valid, 4 errors, 2 warnings";
    assert_eq!(shown.lines().last(), Some(last), "{shown}");
    // A fault in a list does not hide those of the other fields, nor those of the same field.
    let files = Files::with(&[
        (
            "      from: emails[0].value",
            "      from: emial[0].value\n      transforms: [{name: nope}]",
        ),
        ("      from: title", "      expression: candidate.title +"),
    ]);
    let (problems, code) = files.problems(&[]);
    let expected = [
        ("mapping/unknown-path", "spec.fields[0].from"),
        ("schema/value", "spec.fields[0].transforms[0].name"),
        ("mapping/expression", "spec.fields[1].expression"),
    ];
    assert_eq!((rules(&problems), code), (expected.to_vec(), Some(2)), "{problems:#?}");
    // What follows from a fault is not said again.
    let files = Files::with(&[("from: title", "from: title\n      expression: candidate.title")]);
    let (problems, _) = files.problems(&[]);
    assert_eq!(rules(&problems), [("schema/rule", "spec.fields[1]")], "{problems:#?}");
}

#[test]
fn a_secret_in_the_wrong_place_is_not_shown() {
    let keys = "credentials:\n    accessKey: SECRETIVE\n    secretKey: SECRETIVE";
    let row = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  a.csv: |\n    email\nsecretive@example.com, SECRETIVE: x\n---\napiVersion: clinch";
    for (old, new) in [
        ("credentials: {secretRef: {name: clinch}}", keys),
        ("region: EU", "endpoint: https://me:SECRETIVE@clinch.example.com"),
        ("candidate.title == 'Engineer'", "candidate.title = 'secretive@example.com'"),
        ("---\napiVersion: clinch", row),
    ] {
        let files = Files::with(&[(old, new)]);
        for format in ["text", "json", "sarif", "github"] {
            let output = files.validate(&["-o", format]);
            let shown = text_of(&output.stdout);
            assert_eq!(output.status.code(), Some(2), "{shown}");
            assert!(!shown.to_lowercase().contains("secretive"), "{shown}");
        }
    }
}

#[test]
fn code_scanning_and_workflows_read_the_result() {
    let files = Files::with(&[("emails[0].value", "emails[0")]);
    let sarif: Value = serde_json::from_slice(&files.validate(&["-o", "sarif"]).stdout).unwrap();
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(sarif["version"], "2.1.0");
    assert_eq!(result["ruleId"], "mapping/path");
    assert_eq!(result["level"], "error");
    assert_eq!(sarif["runs"][0]["tool"]["driver"]["rules"][0]["id"], "mapping/path");
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "all.yaml");
    assert_eq!(place["region"], serde_json::json!({"startLine": 16, "startColumn": 13}));
    let shown = text_of(&files.validate(&["-o", "github"]).stdout);
    let expected = "::error file=all.yaml,line=16,col=13,title=mapping/path::spec.fields[0].from: ";
    assert!(shown.starts_with(expected), "{shown}");
}

#[test]
fn a_contract_says_which_attributes_exist() {
    let files = Files::with(&[]);
    let schema = r#"{"type": "object", "properties": {"email": {"type": "string"}}}"#;
    let document = format!(
        r#"{{"openapi": "3.0.0", "paths": {{"/v2/candidates": {{
            "get": {{"parameters": [], "responses": {{}}}},
            "post": {{"requestBody": {{"content": {{"application/vnd.api+json": {{"schema": {{
                "type": "object", "properties": {{"data": {{"type": "object", "properties": {{
                    "attributes": {schema}}}}}}}}}}}}}}}, "responses": {{}}}}}}}}}}"#
    );
    let path = files.0.path().join("openapi.json");
    std::fs::write(&path, document).unwrap();
    let (problems, ended) = files.problems(&["--contract", "openapi.json"]);
    let expected = [("mapping/unknown-attribute", "spec.fields[1].to")];
    assert_eq!((rules(&problems).as_slice(), ended), (expected.as_slice(), Some(2)));
    assert_eq!(files.problems(&[]).1, Some(0));
    std::fs::write(&path, "<html>").unwrap();
    let output = files.validate(&["--contract", "openapi.json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text_of(&output.stderr).contains("--contract openapi.json"), "{output:?}");
}

#[test]
fn standard_input_is_read() {
    let mut child = operator(&["validate", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(GOOD.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text_of(&output.stdout));
}

#[test]
fn nothing_to_check_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.yaml");
    std::fs::write(&empty, "").unwrap();
    for path in [empty.to_str().unwrap(), "/does/not/exist.yaml"] {
        let output = operator(&["validate", "-f", path]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{path}");
    }
}

#[test]
fn it_works_where_there_is_no_network() {
    let examples = Path::new(ROOT).join("examples/quickstart");
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net", env!("CARGO_BIN_EXE_clinch-operator"), "validate", "-f"])
        .arg(examples)
        .output();
    match output {
        Ok(output) if !text_of(&output.stderr).contains("unshare") => {
            assert_eq!(output.status.code(), Some(0), "{}", text_of(&output.stdout));
        }
        other => eprintln!("not tried without a network: unshare does not work here: {other:?}"),
    }
}

#[test]
fn reasons_are_explained() {
    let output = operator(&["explain", "recordsrejected"]).output().unwrap();
    let shown = text_of(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    assert!(shown.starts_with("RecordsRejected  (Stalled: a human has to act)\n\n  "), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    let output = operator(&["explain", "RecordRejectd"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let shown = text_of(&output.stderr);
    assert!(shown.contains("did you mean RecordRejected?"), "{shown}");
}

#[test]
fn shells_complete_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = operator(&["completion", shell]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{shell}");
        let script = text_of(&output.stdout);
        assert!(["validate", "explain", "environment"].iter().all(|word| script.contains(word)));
        assert!(!script.contains("__complete"), "{shell} offers what help does not show");
    }
}

/// What a shell answers that has the program on its path; `None`: it is not installed.
fn answer_of(shell: &[&str], script: &str) -> Option<String> {
    let program = Path::new(env!("CARGO_BIN_EXE_clinch-operator"));
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
    let mut command = Command::new(shell[0]);
    let home = tempfile::tempdir().unwrap();
    command.args(&shell[1..]).arg(script).env("PATH", path).env("HOME", home.path());
    let output = command.output().ok()?;
    assert!(output.stderr.is_empty(), "{}: {}", shell[0], text_of(&output.stderr));
    Some(text_of(&output.stdout))
}

#[test]
fn bash_completes_commands_with_the_script_that_is_printed() {
    let script = "source <(clinch-operator completion bash)\nCOMP_WORDS=(clinch-operator appr)\n\
                  COMP_CWORD=1\n\
                  complete=$(complete -p clinch-operator | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n\
                  $complete clinch-operator appr clinch-operator\n\
                  echo \"${COMPREPLY[@]}\"";
    let Some(answer) = answer_of(&["bash", "-c"], script) else { return };
    assert_eq!(answer, "approve\n");
}

#[test]
fn fish_completes_commands_and_values_with_the_script_that_is_printed() {
    let script = "clinch-operator completion fish | source\n\
                  complete -C 'clinch-operator appr'\n\
                  complete -C 'clinch-operator status --all'\n\
                  complete -C 'clinch-operator written a -o j'";
    let Some(answer) = answer_of(&["fish", "--no-config", "-c"], script) else { return };
    let words: Vec<_> = answer.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(words, ["approve", "--all-namespaces", "json"]);
}

#[test]
fn zsh_completes_commands_and_values_with_the_script_that_is_printed() {
    // A terminal of its own, because zsh completes only what somebody types.
    let script = "zmodload zsh/zpty\n\
                  zpty shell zsh -f -i\n\
                  zpty -w shell \"autoload -Uz compinit; compinit -u -D; \
                  source <(clinch-operator completion zsh); PS1='prom''pt>'\"\n\
                  zpty -r shell text '*prompt>*'\n\
                  for line in appr 'status --all' 'written a -o js'; do\n\
                  zpty -n -w shell \"clinch-operator $line\"$'\\t\\C-u'\n\
                  done\n\
                  zpty -w shell \"print the-e''nd\"\n\
                  zpty -r shell text '*the-end*'\n\
                  print -r -- \"$text\"";
    let Some(answer) = answer_of(&["zsh", "-f", "-c"], script) else { return };
    for line in ["approve", "status --all-namespaces", "written a -o json"] {
        assert!(answer.contains(&format!("clinch-operator {line}")), "no {line}: {answer:?}");
    }
}

#[test]
fn editors_get_a_schema_of_each_kind() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["crds", "--json-schema", folder.path().to_str().unwrap()];
    assert_eq!(operator(&arguments).output().unwrap().status.code(), Some(0));
    let names = ["candidateexport", "candidateimport", "clinchintegration", "fieldmapping"];
    for name in names {
        let path = folder.path().join(format!("{name}_v1alpha1.json"));
        let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(schema["required"][3], "spec");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), names.len());
}

#[test]
fn a_secret_of_a_receiver_that_is_among_the_files_must_fit() {
    let permission = "pushPermission: {prospects: Allowed}";
    let notify = format!(
        "{permission}\n  notify: [{{name: ops, format: Webhook, secretRef: {{name: hook}}}}]"
    );
    let problems = |label: &str, fields: &str| {
        let last = "destination: {prospect: {}}";
        let secret = format!(
            "{last}
---
apiVersion: v1
kind: Secret
metadata: {{name: hook, namespace: talent, labels: {{clinch.hireez.dev/use: {label}}}}}
stringData: {{url: 'https://hooks.example.com/zqx', {fields}}}"
        );
        Files::with(&[(permission, &notify), (last, &secret)]).problems(&[])
    };
    let key = "signingKey: 0123456789abcdef01234567";
    let (found, code) = problems("notify", key);
    assert_eq!((found.len(), code), (0, Some(0)), "{found:?}");
    for (label, fields, says) in [
        ("source", key, "use=notify"),
        ("notify", "signingKey: zqx", "its field signingKey is no key"),
        ("notify", "token: zqx", "it has no field signingKey"),
    ] {
        let (found, code) = problems(label, fields);
        assert_eq!(code, Some(2), "{found:?}");
        assert_eq!(rules(&found), [("reference/secret", "spec.notify[0].secretRef")]);
        let message = found[0]["message"].as_str().unwrap();
        assert!(message.contains(says) && !message.contains("zqx"), "{message}");
    }
}
