//! The commands on objects of a cluster, as real processes with the rights of a user: `status`,
//! `failures`, `retry`, `reconcile`, `verify`, `suspend` and `resume`.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

use crate::{
    access::{approving, member_export, reason_is},
    support::{
        manifests::{INTEGRATION, PROSPECT, export},
        plane,
        world::World,
    },
};

/// A person without the attribute by which people are recognised.
const REJECTED: &str = "
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {name: rejected}
spec:
  integrationRef: {name: acme}
  source: {inline: [{firstName: Zoe}, {firstName: Ann, emails: [{value: ann@marker.example}]}]}
  destination: {prospect: {}}
";
const BROKEN: &str = "
apiVersion: clinch.hireez.dev/v1alpha1
kind: FieldMapping
metadata: {name: broken}
spec: {fields: [{to: email, from: 'emails[0'}]}
";

/// The program with the kubeconfig of the admin, under one of its names.
fn command(kubeconfig: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clinch-operator"));
    command.args(arguments).env("KUBECONFIG", kubeconfig);
    command
}

pub(crate) fn run(world: &World, arguments: &[&str]) -> Output {
    let arguments = [arguments, &["-n", &world.namespace]].concat();
    command(world.plane.kubeconfig_path(), &arguments).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it prints UTF-8")
}

/// What it printed to standard output, if it ended with this code.
pub(crate) fn printed(output: &Output, code: i32) -> String {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    out
}

fn line_with<'a>(text: &'a str, part: &str) -> &'a str {
    text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("no {part}:\n{text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_what_blocks_what_and_the_command_that_helps() {
    let Some(world) = World::start_with_members(1).await else { return };
    let member = world.members[0].clone();
    world.apply(&(approving("") + "---" + BROKEN + "---" + REJECTED));
    world.apply(&export("fine", 2, PROSPECT));
    let with_mapping = format!("  fieldMappingRef: {{name: broken}}\n{PROSPECT}");
    world.apply(&export("blocked", 1, &with_mapping));
    world.apply_in(&member, &member_export("asking", 1, PROSPECT));
    world.ready("CandidateExport", "fine", "True", "Synced").await;
    world.ready("CandidateExport", "rejected", "False", "RecordsRejected").await;
    world.ready("CandidateExport", "blocked", "False", "MappingInvalid").await;
    reason_is(&world, &member, "asking", "AwaitingApproval").await;
    let listed = |object: &Value| object["status"]["requests"] == 1;
    let soon = crate::support::world::SOON;
    world.wait("ClinchIntegration", "acme", "asked", soon, listed).await;

    let output = run(&world, &["status"]);
    let tree = printed(&output, 0);
    assert!(tree.lines().all(|line| line.chars().count() <= 80), "{tree}");
    let place = |part: &str| tree.find(part).unwrap_or_else(|| panic!("no {part}:\n{tree}"));
    assert!(line_with(&tree, "integration/acme").contains("Ready"), "{tree}");
    assert!(line_with(&tree, "export/fine").contains("2/2"), "{tree}");
    assert!(place("export/blocked") < place("export/fine"), "the worst first:\n{tree}");
    assert!(place("export/rejected") < place("export/fine"), "{tree}");
    // The mapping's own message says what is wrong, and is not cut.
    assert!(place("mapping/broken STALLED:") < place("export/fine"), "{tree}");
    assert!(tree.contains("expected [0], [*]"), "{tree}");
    assert!(tree.contains("rejected: MatchKeyMissing 1"), "{tree}");
    let failures = format!("→ clinch-operator failures export/rejected -n {}", world.namespace);
    assert!(tree.contains(&failures), "{tree}");
    assert!(line_with(&tree, &format!("request/{member}")).contains("Waiting"), "{tree}");
    assert!(
        tree.split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .contains(&format!("→ clinch-operator approve acme {member} -n {}", world.namespace))
    );
    assert!(text(&output.stderr).contains("explain REASON"));
    assert!(!tree.contains("marker.example"), "no value of a person:\n{tree}");

    let json: Value =
        serde_json::from_slice(&run(&world, &["status", "-o", "json"]).stdout).expect("JSON");
    let exports = json.as_array().expect("roots").iter().find(|root| root["kind"] == "integration");
    let exports = exports.expect("the integration")["children"].as_array().expect("children");
    let blocked = exports.iter().find(|node| node["name"] == "blocked").expect("the export");
    assert_eq!(blocked["state"], "Stalled");
    assert_eq!(blocked["blockers"][0]["name"], "broken");

    let one = printed(&run(&world, &["status", "clexp/fine"]), 0);
    assert!(one.contains("integration/acme") && one.contains("export/fine"), "{one}");
    assert!(!one.contains("rejected"), "{one}");
    let names = printed(&run(&world, &["status", "-o", "name"]), 0);
    assert!(names.contains("candidateexport.clinch.hireez.dev/fine"), "{names}");
    // In the member's namespace the integration is somewhere else, and is found.
    let arguments = ["status", "-n", &member];
    let theirs = command(world.plane.kubeconfig_path(), &arguments).output().expect("it runs");
    let theirs = printed(&theirs, 0);
    assert!(theirs.contains(&format!("integration/acme ({})", world.namespace)), "{theirs}");
    assert!(line_with(&theirs, "export/asking").contains("AwaitingApproval"), "{theirs}");

    let attributes = printed(&run(&world, &["attributes", "acme", "-o", "json"]), 0);
    let attributes: Value = serde_json::from_str(&attributes).expect("JSON");
    let email = attributes[0]["attributes"].as_array().expect("attributes").iter();
    let email = email.clone().find(|one| one["name"] == "email").expect("an attribute");
    assert_eq!((&email["required"], &email["standing"]), (&true.into(), &"Discovered".into()));

    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("written.ndjson");
    let written = run(&world, &["written", "fine", "--to", to.to_str().expect("a name")]);
    let expected = "export/fine: 2 people: 2 created; steps: 2 candidate\n";
    assert_eq!(printed(&written, 0), expected);
    assert!(text(&written.stderr).contains("only the operator has the key"));
    assert_eq!(std::fs::read_to_string(&to).expect("written").lines().count(), 2);

    let page = printed(&run(&world, &["report", "rejected"]), 0);
    assert!(page.contains("/rejected</h2>") && page.contains("MatchKeyMissing"), "{page}");
    assert!(!page.contains("marker.example") && !page.contains("Zoe"), "{page}");

    let failures = printed(&run(&world, &["failures", "rejected", "-o", "csv"]), 0);
    assert!(failures.starts_with("position,record,reason,message\n"), "{failures}");
    assert!(failures.contains("MatchKeyMissing") && failures.lines().count() == 2, "{failures}");
    let table = printed(&run(&world, &["failures", "export/rejected"]), 0);
    assert!(table.trim_start().starts_with("1  MatchKeyMissing"), "{table}");
    let none = run(&world, &["failures", "fine"]);
    assert_eq!(printed(&none, 0), "");
    assert!(text(&none.stderr).contains("no record is rejected"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_lists_whom_an_export_wrote_beside_its_report() {
    let Some(mut world) = World::prepare().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let place = format!("file://{}", folder.path().display());
    world.allowed_destinations = vec![place.clone()];
    world.run_operator(clinch_operator::controllers::Regions::default());
    let permitted = "  readPermission: {candidates: Allowed, attributes: [email]}\n";
    let files = INTEGRATION.replace("pushPermission: {", "pushPermission: {files: Allowed, ");
    world.apply(&(files + permitted));
    let report = format!("  report: {{to: {{url: '{place}/{{export}}.ndjson'}}}}\n");
    world.apply(&export("fine", 2, &format!("{report}{PROSPECT}")));
    world.apply(&export("bare", 1, PROSPECT));
    world.ready("CandidateExport", "fine", "True", "Synced").await;
    world.ready("CandidateExport", "bare", "True", "Synced").await;

    let file = folder.path().join("fine.written.ndjson");
    let written = printed(&run(&world, &["written", "fine"]), 0);
    let expected = format!("export/fine: 2 people: 2 created\n  file://{}\n", file.display());
    assert_eq!(written, expected);
    let lines = std::fs::read_to_string(&file).expect("written");
    assert_eq!(lines.lines().count(), 2);
    let line: Value = serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
    assert_eq!(line["outcome"], "Created");
    assert!(line["writtenBy"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
    // Also while it is suspended, as the runbook has it.
    printed(&run(&world, &["suspend", "export/fine"]), 0);
    std::fs::remove_file(&file).expect("removed");
    assert_eq!(printed(&run(&world, &["written", "export/fine"]), 0), expected);
    assert!(file.exists());
    let listed = printed(&run(&world, &["written", "fine", "-o", "json"]), 0);
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let (export, written) = (&listed[0], &listed[0]["written"]);
    assert_eq!((&export["name"], &export["state"]), (&"fine".into(), &"Suspended".into()));
    assert_eq!((&written["created"], &written["unknown"]), (&2.into(), &0.into()), "{written}");
    assert_eq!(written["report"]["url"], format!("file://{}", file.display()));
    assert_eq!(printed(&run(&world, &["written", "bare", "-o", "json"]), 1), "[]\n");
    let refused = run(&world, &["written", "bare"]);
    assert_eq!(printed(&refused, 1), "");
    assert!(text(&refused.stderr).contains("set spec.report"), "{}", text(&refused.stderr));
    let says = "export/bare: nothing was written: ";
    assert!(text(&refused.stderr).contains(says), "{}", text(&refused.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_wait_for_their_receipt_and_say_why_there_is_none() {
    let Some(world) = World::start().await else { return };
    world.apply(&(INTEGRATION.to_owned() + "---" + REJECTED));
    world.apply(&export("fine", 2, PROSPECT));
    world.ready("CandidateExport", "fine", "True", "Synced").await;
    world.ready("CandidateExport", "rejected", "False", "RecordsRejected").await;

    let both = ["reconcile", "integration/acme", "export/fine", "--wait"];
    let reconciled = printed(&run(&world, &both), 0);
    assert!(reconciled.contains("integration/acme: Ready Verified:"), "{reconciled}");
    assert!(reconciled.contains("export/fine: Ready Synced:"), "{reconciled}");
    assert!(printed(&run(&world, &["retry", "fine"]), 0).contains("export/fine: retry accepted"));
    // It is tried again, is rejected again, and a person must act.
    let again = printed(&run(&world, &["retry", "rejected", "--wait"]), 1);
    assert!(again.contains("export/rejected: STALLED RecordsRejected:"), "{again}");
    let verified = printed(&run(&world, &["verify", "fine"]), 0);
    let expected = "export/fine: 2 verified: 0 missing, 0 changed, 0 anonymised";
    assert!(verified.contains(expected), "{verified}");
    // What is delivered of an export with rejected records is verified, too.
    let verified = printed(&run(&world, &["verify", "rejected", "-o", "json"]), 0);
    let verified: Value = serde_json::from_str(&verified).expect("JSON");
    assert_eq!(
        (&verified[0]["name"], &verified[0]["state"]),
        (&"rejected".into(), &"Stalled".into())
    );
    let drift = &verified[0]["drift"];
    assert_eq!((&drift["people"], &drift["missing"]), (&1.into(), &0.into()), "{verified}");
    let again = run(&world, &["verify", "fine"]);
    assert_eq!(printed(&again, 1), "");
    assert!(text(&again.stderr).contains("once an hour at most"), "{}", text(&again.stderr));
    let object = world.get("CandidateExport", "fine").await;
    let managers = object["metadata"]["managedFields"].as_array().expect("managers");
    assert!(managers.iter().any(|entry| entry["manager"] == "clinch-cli"), "{managers:?}");

    let label = ["label", "clexp", "fine", "argocd.argoproj.io/instance=talent"];
    world.kubectl(&[&label[..], &["-n", &world.namespace]].concat());
    // A mapping has its name, and cannot be suspended.
    world.apply(&BROKEN.replace("broken", "fine"));
    let suspended = run(&world, &["suspend", "fine"]);
    assert!(printed(&suspended, 0).contains("export/fine: suspended"));
    let warning = text(&suspended.stderr);
    assert!(warning.contains("the Argo CD application talent"), "{warning}");
    world.ready("CandidateExport", "fine", "True", "Synced").await;
    for command in ["retry", "reconcile"] {
        let refused = run(&world, &[command, "export/fine"]);
        printed(&refused, 1);
        let hint = text(&refused.stderr);
        assert!(hint.contains("clinch-operator resume export/fine"), "{hint}");
    }
    let resumed = printed(&run(&world, &["resume", "export/fine", "-o", "name"]), 0);
    assert_eq!(resumed, "candidateexport.clinch.hireez.dev/fine\n");
    // A name of the wrong kind is refused before anything is requested.
    let arguments = ["retry", "fine", "integration/acme"];
    printed(&run(&world, &arguments), 2);

    // By label: exports and imports, and never an integration.
    for object in ["clexp/fine", "clint/acme"] {
        world.kubectl(&["label", object, "team=a", "-n", &world.namespace]);
    }
    let suspended = printed(&run(&world, &["suspend", "-l", "team=a"]), 0);
    assert_eq!(suspended, "export/fine: suspended\n");
    assert_eq!(printed(&run(&world, &["resume", "-l", "team=a"]), 0), "export/fine: resumed\n");
    let both = printed(&run(&world, &["reconcile", "-l", "team=a", "-o", "name"]), 0);
    let names = ["candidateexport", "clinchintegration"];
    assert!(both.lines().count() == 2 && names.iter().all(|name| both.contains(name)), "{both}");
    let none = run(&world, &["retry", "-l", "team=b"]);
    assert_eq!(printed(&none, 2), "");
    let says = text(&none.stderr);
    assert!(says.contains("-l team=b: nothing in namespace") && says.contains("export"), "{says}");
    printed(&run(&world, &["suspend", "-l", "team=a", "export/fine"]), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_back_ends_a_command_at_once_with_what_to_do() {
    let Some(world) = World::start_with_members(1).await else { return };
    let member = world.members[0].clone();
    world.apply(&approving(""));
    world.apply(&export("fine", 2, PROSPECT));
    world.apply(&export("dry", 1, &format!("  mode: DryRun\n{PROSPECT}")));
    let file = "  destination: {file: {format: CSV, to: {url: 'file:///nowhere/a.csv'}}}\n";
    world.apply(&export("file", 1, file));
    world.apply_in(&member, &member_export("asking", 1, PROSPECT));
    world.ready("CandidateExport", "fine", "True", "Synced").await;
    world.ready("CandidateExport", "dry", "True", "DryRunComplete").await;
    reason_is(&world, &member, "asking", "AwaitingApproval").await;
    // Far more time than the test may take.
    let refused = |arguments: &str, code: i32, says: &str| {
        let arguments: Vec<&str> = arguments.split(' ').chain(["--timeout", "9999"]).collect();
        let output = run(&world, &arguments);
        printed(&output, code);
        let error = text(&output.stderr);
        assert!(error.contains(says), "{arguments:?}: {error}");
        output
    };
    refused("verify dry", 1, "export/dry: verify is not requested: it is a dry run");
    refused("verify file", 1, "export/file: verify is not requested: it writes a file");
    let arguments = ["verify", "asking", "-n", &member, "--timeout", "9999"];
    let asking = command(world.plane.kubeconfig_path(), &arguments).output().expect("it runs");
    printed(&asking, 5);
    assert!(text(&asking.stderr).contains("not requested: AwaitingApproval"));

    printed(&run(&world, &["suspend", "integration/acme"]), 0);
    world.apply(&export("late", 1, PROSPECT));
    let resume = format!(
        "its integration is suspended: clinch-operator resume integration/acme -n {}",
        world.namespace
    );
    world.ready("CandidateExport", "late", "False", "IntegrationSuspended").await;
    refused("verify late", 1, &resume);
    let held = |object: &Value| {
        object["status"]["conditions"].to_string().contains("IntegrationSuspended")
    };
    world.wait("CandidateExport", "fine", "held", crate::support::world::SOON, held).await;
    refused("verify fine", 1, &resume);
    refused("reconcile export/late", 1, &resume);
    let watched = refused("watch export/late", 1, &resume);
    assert!(text(&watched.stdout).contains("export/late: Suspended IntegrationSuspended: "));
    let watched = refused("watch export/late -o json", 1, &resume);
    let change: Value = serde_json::from_slice(&watched.stdout).expect("one line of JSON");
    assert_eq!((&change["state"], &change["name"]), (&"Suspended".into(), &"late".into()));
    let error: Value = serde_json::from_slice(&watched.stderr).expect("one line of JSON");
    assert_eq!((&error["exitCode"], &error["severity"]), (&1.into(), &"error".into()));
    // What is in place is as declared.
    let fine = run(&world, &["watch", "export/fine", "integration/acme", "-o", "name"]);
    let mut names: Vec<_> = printed(&fine, 0).lines().map(str::to_owned).collect();
    names.sort();
    let expected =
        ["candidateexport", "clinchintegration"].map(|kind| format!("{kind}.clinch.hireez.dev"));
    assert_eq!(names, [format!("{}/fine", expected[0]), format!("{}/acme", expected[1])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_ends_with_the_state_of_what_it_watches() {
    let Some(world) = World::start_with_members(1).await else { return };
    let member = world.members[0].clone();
    world.apply(&(approving("") + "---" + REJECTED));
    world.apply(&export("fine", 2, PROSPECT));
    world.apply_in(&member, &member_export("asking", 1, PROSPECT));
    let fine = printed(&run(&world, &["watch", "export/fine", "integration/acme"]), 0);
    assert!(fine.contains("export/fine: Ready Synced: "), "{fine}");
    assert!(fine.contains("integration/acme: Ready Verified: "), "{fine}");
    let both = printed(&run(&world, &["watch", "export/rejected", "export/fine"]), 1);
    assert!(both.contains("export/rejected: STALLED RecordsRejected: "), "{both}");
    reason_is(&world, &member, "asking", "AwaitingApproval").await;
    let arguments = ["watch", "asking", "-n", &member];
    let asking = command(world.plane.kubeconfig_path(), &arguments).output().expect("it runs");
    assert!(printed(&asking, 5).contains("export/asking: Waiting AwaitingApproval: "));
    // Nobody looks at it.
    let unwatched = ["create", "namespace", &format!("{member}-x")];
    world.kubectl(&unwatched);
    world.apply_in(&format!("{member}-x"), &export("alone", 1, PROSPECT));
    let watch = |limit: &str| {
        let arguments = ["watch", "alone", "-n", &format!("{member}-x"), "--timeout", limit];
        command(world.plane.kubeconfig_path(), &arguments).output().expect("it runs")
    };
    let mut alone = watch("1");
    if alone.stdout.is_empty() {
        // A slow machine needs longer to get there.
        alone = watch("60");
    }
    assert!(printed(&alone, 3).contains("export/alone: Pending"));
    assert!(text(&alone.stderr).contains("time ran out"));
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_completes_commands_and_names_of_objects() {
    let Some(world) = World::prepare().await else { return };
    world.apply(&(INTEGRATION.to_owned() + "---" + REJECTED));
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["kubectl-clinch", "kubectl_complete-clinch"] {
        let program = env!("CARGO_BIN_EXE_clinch-operator");
        std::os::unix::fs::symlink(program, folder.path().join(name)).expect("a link");
    }
    let complete = |words: &[&str]| {
        let mut command = Command::new(world.plane.kubectl());
        command.args(["__complete", "clinch"]).args(words).env("PATH", folder.path());
        command.env("KUBECONFIG", world.plane.kubeconfig_path());
        text(&command.output().expect("kubectl runs").stdout)
    };
    assert_eq!(complete(&["attr"]), "attributes\n:4\n");
    let namespace = world.namespace.as_str();
    assert_eq!(complete(&["failures", "-n", namespace, ""]), "rejected\n:4\n");
    assert_eq!(complete(&["watch", "-n", namespace, "integration/"]), "integration/acme\n:4\n");
    assert_eq!(complete(&["failures", "-n", "other", ""]), ":4\n");
}

/// Bad input: the arguments, the exit code, and what the one line on standard error says.
struct Bad {
    kubeconfig: PathBuf,
    arguments: Vec<String>,
    code: i32,
    says: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_said_in_one_line() {
    let Some(world) = World::prepare().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let admin = world.plane.kubeconfig_path().to_owned();
    world.apply(&format!("{INTEGRATION}---{}", BROKEN.replace("broken", "acme")));
    let gone = folder.path().join("gone");
    let nowhere = folder.path().join("nowhere");
    let text_of = std::fs::read_to_string(&admin).expect("a kubeconfig");
    let server = regex::Regex::new("https://[^\"\\s,}]+").expect("a pattern");
    let dead = server.replace_all(&text_of, "https://127.0.0.1:1");
    std::fs::write(&nowhere, &*dead).expect("written");
    let gone_name = gone.display().to_string();
    let case = |kubeconfig: &Path, arguments: &str, code, says: &str| Bad {
        kubeconfig: kubeconfig.to_owned(),
        arguments: arguments.split(' ').map(str::to_owned).collect(),
        code,
        says: says.to_owned(),
    };
    let mut cases = Vec::new();
    let commands = [
        "status export/x",
        "watch export/x",
        "failures x",
        "retry x",
        "reconcile export/x",
        "verify x",
        "suspend export/x",
        "resume export/x",
    ];
    for command in commands {
        cases.push(case(&gone, command, 2, "KUBECONFIG: there is no such file"));
        cases.push(case(&nowhere, command, 4, "cannot reach https://127.0.0.1:1"));
        cases.push(case(&admin, command, 2, "there is no export/x in namespace"));
        let nobody = format!("{command} --as nobody");
        cases.push(case(&admin, &nobody, 4, "you may not get candidateexports"));
        let context = format!("{command} --context other");
        cases.push(case(&admin, &context, 2, "--context other: the kubeconfig has no such"));
        let file = format!("{command} --kubeconfig {gone_name}");
        cases.push(case(&admin, &file, 2, &format!("--kubeconfig {gone_name}")));
    }
    cases.push(case(&admin, "written x --to /dev/null", 4, "cannot write the file /dev/null"));
    let to = format!("--to {}", folder.path().join("written").display());
    cases.push(case(&gone, &format!("written x {to}"), 2, "KUBECONFIG: there is no such file"));
    cases.push(case(&admin, &format!("written x {to}"), 2, "there is no export/x in namespace"));
    let nobody = format!("written x {to} --as nobody");
    cases.push(case(&admin, &nobody, 4, "you may not get candidateexports"));
    cases.push(case(&gone, "report x", 2, "KUBECONFIG: there is no such file"));
    cases.push(case(&admin, "report x", 2, "there is no export/x in namespace"));
    cases.push(case(&admin, "report --as nobody", 4, "you may not list clinchintegrations"));
    cases.push(case(&admin, "report x --to /dev/null", 4, "cannot write the report /dev/null"));
    cases.push(case(&gone, "attributes", 2, "KUBECONFIG: there is no such file"));
    cases.push(case(&admin, "status -l !!", 2, "-l !!: it is not a selector: "));
    cases.push(case(&admin, "attributes -l a=b=c", 2, "-l a=b=c: it is not a selector: "));
    cases.push(case(&admin, "attributes --as nobody", 4, "you may not list clinchintegrations"));
    cases.push(case(&admin, "attributes x", 2, "there is no integration/x in namespace"));
    cases.push(case(
        &admin,
        "attributes export/x",
        2,
        "this command takes an integration, not an export",
    ));
    cases.push(case(&admin, "attributes -A acme", 2, "not with -A"));
    cases.push(case(&admin, "status --as nobody", 4, "you may not list clinchintegrations"));
    cases.push(case(&admin, "status -A export/x", 2, "not with -A"));
    cases.push(case(&admin, "status acme", 2, "integration/acme, mapping/acme"));
    cases.push(case(&admin, "status integration/acm", 2, "did you mean acme?"));
    cases.push(case(&admin, "status exprot/x", 2, "did you mean export?"));
    cases.push(case(&admin, "retry integration/acme", 2, "this command takes an export"));
    let takes = "takes an integration or an export or an import, not a mapping";
    cases.push(case(&admin, "suspend mapping/acme", 2, takes));
    cases.push(case(&admin, "status --state gone", 2, "--state gone"));
    for case in cases {
        check(&world.namespace, &case);
    }
}

/// The line is one, unless clap adds its usage.
fn check(namespace: &str, case: &Bad) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clinch-operator"));
    command.args(&case.arguments).env("KUBECONFIG", &case.kubeconfig);
    if !case.arguments.iter().any(|argument| argument == "-A" || argument == "--state") {
        command.args(["-n", namespace]);
    }
    let output = command.output().expect("it runs");
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(case.code), "{:?}: {error}", case.arguments);
    assert!(error.contains(&case.says), "{:?}: {error}", case.arguments);
    assert!(error.lines().count() == 1 || error.contains("--help"), "{error}");
    assert!(output.stdout.is_empty(), "{:?}", case.arguments);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_crds_the_error_says_how_to_install_them() {
    let Some(plane) = plane::start().await else { return };
    for arguments in [vec!["status"], vec!["status", "export/x"], vec!["retry", "x"]] {
        let output = command(plane.kubeconfig_path(), &arguments).output().expect("it runs");
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{error}");
        assert!(error.contains("clinch-operator crds | kubectl apply"), "{arguments:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_names_nothing_that_exists_ends_each_wait_with_1() {
    let Some(world) = World::start().await else { return };
    world.apply(&export("orphan", 1, PROSPECT));
    world.ready("CandidateExport", "orphan", "False", "DependencyNotFound").await;
    for arguments in [&["watch", "export/orphan"][..], &["retry", "orphan"], &["verify", "orphan"]]
    {
        let output = run(&world, arguments);
        let all = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {all}");
        assert!(all.contains("DependencyNotFound"), "{arguments:?}: {all}");
    }
    // Without time to wait it shows what is there.
    world.apply(&(INTEGRATION.to_owned() + "---" + &export("fine", 1, PROSPECT)));
    world.ready("CandidateExport", "fine", "True", "Synced").await;
    let out = printed(&run(&world, &["watch", "export/fine", "--timeout", "0"]), 0);
    assert!(out.contains("Ready Synced"), "{out}");
}
