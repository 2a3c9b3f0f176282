//! The recipes of `examples/gitops`: their commands are run, their manifests validated.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn gitops() -> PathBuf {
    Path::new(ROOT).join("examples/gitops")
}

/// Runs a command line in the folder of the recipes, with what stands for files that are made on the way.
fn run(arguments: &[String]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_clinch-operator"))
        .args(arguments)
        .current_dir(gitops())
        .output()
        .unwrap()
}

fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{:?}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr))
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn documents(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml_files() -> Vec<PathBuf> {
    let is_yaml =
        |path: &PathBuf| path.extension().is_some_and(|end| end == "yaml" || end == "yml");
    files(&gitops()).into_iter().filter(is_yaml).collect()
}

/// Every text in a document, at any depth.
fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => members.values().for_each(|member| texts(member, found)),
        _ => {}
    }
}

/// The arguments of every command line of the operator in the recipes, without quotes.
fn commands(subcommand: &str) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    for path in yaml_files() {
        let documents = documents(&path);
        let mut found = Vec::new();
        documents.iter().for_each(|document| texts(document, &mut found));
        for line in found.iter().flat_map(|text| text.lines()) {
            let start =
                [format!("clinch-operator {subcommand} "), format!("\"$IMAGE\" {subcommand} ")]
                    .iter()
                    .find_map(|start| line.split_once(start.as_str()))
                    .map(|(_, rest)| rest);
            let Some(rest) = start else { continue };
            let words = rest.split_whitespace().map(|word| word.trim_matches('"').to_owned());
            commands.push([subcommand.to_owned()].into_iter().chain(words).collect());
        }
    }
    commands
}

#[test]
fn every_validate_command_accepts_the_manifests_and_their_folder_is_read() {
    let commands = commands("validate");
    assert_eq!(commands.len(), 2, "GitHub and GitLab: {commands:?}");
    for command in commands {
        let output = run(&command);
        assert_eq!(output.status.code(), Some(0), "{command:?}: {}", shown(&output));
        if !command.contains(&"github".to_owned()) {
            assert!(shown(&output).contains("3 objects"), "{command:?}: {}", shown(&output));
        }
    }
}

/// A command of a recipe with the files that are made on the way in a folder. It may take a second, and
/// reaches nobody.
fn placed(command: &[String], folder: &Path) -> Vec<String> {
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let secret = at("secret.yaml");
    fs::write(
        &secret,
        "apiVersion: v1\nkind: Secret\nmetadata: {name: clinch-credentials, namespace: talent}\n\
         stringData: {accessKey: AN-EXAMPLE, secretKey: not-a-real-one}\n",
    )
    .unwrap();
    fs::create_dir(folder.join("state")).unwrap();
    let place = |word: &String| {
        word.replace("$RUNNER_TEMP/secret.yaml", &secret)
            .replace("$CLINCH_SECRET", &secret)
            .replace("$RUNNER_TEMP", folder.to_str().unwrap())
            .replace("/var/lib/clinch", &at("state"))
    };
    let words = command.iter().take_while(|word| *word != ">");
    let mut arguments: Vec<String> = words.map(place).collect();
    let made = |word: &&mut String| word.starts_with("report.") || word.starts_with("plan.");
    for word in arguments.iter_mut().filter(made) {
        *word = at(word);
    }
    let timeout = arguments.iter().position(|word| word == "1800").unwrap();
    "1".clone_into(&mut arguments[timeout]);
    // Nothing listens there: the recipe must not reach a real account.
    let nowhere = "https://127.0.0.1:1";
    arguments.extend(["--region-endpoints", &format!("EU={nowhere}")].map(str::to_owned));
    arguments.extend(["--allowed-endpoints", nowhere].map(str::to_owned));
    arguments
}

#[test]
fn every_apply_command_is_accepted_and_writes_its_reports() {
    let commands = commands("apply");
    assert_eq!(commands.len(), 4, "GitHub and GitLab, with and without a plan: {commands:?}");
    for command in commands {
        let folder = tempfile::tempdir().unwrap();
        let arguments = placed(&command, folder.path());
        let digest = format!("v1:{}:{}", "0".repeat(32), "a".repeat(64));
        let plan = serde_json::json!({"format": "clinch-operator-plan/v1", "obstacles": [],
            "exports": [{"namespace": "talent", "name": "engineers", "result": "Planned",
                "reason": "DryRunComplete", "message": "", "digest": digest, "approved": null,
                "periodic": true, "counts": null, "changes": {}, "rejectedByReason": [],
                "coverage": null}]});
        fs::write(folder.path().join("plan.json"), plan.to_string()).unwrap();
        let output = run(&arguments);
        let printed = shown(&output);
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {printed}");
        assert!(folder.path().join("report.ndjson").is_file(), "{arguments:?}: {printed}");
        assert!(folder.path().join("report.html").is_file(), "{arguments:?}: {printed}");
    }
}

#[test]
fn every_plan_command_is_accepted_and_writes_its_plan() {
    let commands = commands("plan");
    assert_eq!(commands.len(), 2, "GitHub and GitLab: {commands:?}");
    for command in commands {
        let folder = tempfile::tempdir().unwrap();
        let output = run(&placed(&command, folder.path()));
        let printed = shown(&output);
        assert_eq!(output.status.code(), Some(3), "{command:?}: {printed}");
        assert!(printed.contains("| `talent/engineers` | **not planned** |"), "{printed}");
        let plan = fs::read_to_string(folder.path().join("plan.json")).unwrap();
        let plan: Value = serde_json::from_str(&plan).unwrap();
        assert_eq!(plan["exports"][0]["result"], "NotPlanned", "{plan}");
        assert_eq!(plan["exports"][0]["digest"], Value::Null, "{plan}");
    }
}

#[test]
fn the_pre_commit_hook_checks_the_folder_it_is_given() {
    let hooks = documents(&Path::new(ROOT).join(".pre-commit-hooks.yaml"));
    let hook = &hooks[0][0];
    let words = hook["entry"].as_str().unwrap().split_whitespace().skip(1).map(str::to_owned);
    let command: Vec<String> = words.chain(["talent".to_owned()]).collect();
    let output = run(&command);
    assert_eq!(output.status.code(), Some(0), "{command:?}: {}", shown(&output));
    assert_eq!(hook["pass_filenames"], Value::Bool(false));
}

#[test]
fn no_recipe_gives_secrets_to_code_that_was_not_reviewed() {
    for path in files(&gitops()) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("pull_request_target"), "{}", path.display());
    }
    for document in documents(&gitops().join("github-actions/clinch.yaml")) {
        let validate = document["jobs"]["validate"].to_string();
        assert!(!validate.contains("secrets."), "{validate}");
        assert_eq!(document["jobs"]["apply"]["if"], "github.event_name == 'push'");
    }
    for document in documents(&gitops().join("github-actions/plan.yaml")) {
        let plan = &document["jobs"]["plan"];
        let branches = "github.event.pull_request.head.repo.full_name == github.repository";
        assert!(plan["if"].as_str().unwrap().contains(branches), "{plan}");
        assert_eq!(plan["environment"], "clinch-plan");
        assert_eq!(document["jobs"]["apply"]["if"], "github.event_name == 'push'");
    }
    for document in documents(&gitops().join("gitlab/plan.yml")) {
        let rule = document["plan"]["rules"][0]["if"].as_str().unwrap();
        let branches = "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID";
        assert!(rule.contains(branches), "{rule}");
        assert_eq!(document["plan"]["environment"], "clinch-plan");
    }
}

#[test]
fn no_recipe_holds_a_candidate_or_a_secret() {
    let mut kinds = Vec::new();
    for path in yaml_files() {
        for document in documents(&path) {
            let Some(kind) = document["kind"].as_str() else { continue };
            kinds.push(kind.to_owned());
            assert_ne!(kind, "Secret", "{}", path.display());
            assert!(document["spec"]["source"]["inline"].is_null(), "{}", path.display());
        }
    }
    for expected in
        ["CandidateExport", "ExternalSecret", "HelmRelease", "Kustomization", "Application"]
    {
        assert!(kinds.iter().any(|kind| kind == expected), "{expected}: {kinds:?}");
    }
}
