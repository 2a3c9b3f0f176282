//! What `apply` says of guards, selections and records, as a process.

use std::{fs, path::Path, process::Output};

use clinch_operator::sandbox::{Options, Sandbox};
use serde_json::{Value, json};

use super::apply::{apply, condition, object, shown};

/// An emulator, and manifests for it.
struct World {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let options = Options::default().with_credential("hireEZ", "K", "S");
        let sandbox = Sandbox::start(options).await.unwrap();
        Self { sandbox, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `apply` on an export of this CSV file, with more members of its spec.
    fn apply(&self, csv: &str, spec: &Value, more: &[&str]) -> Output {
        let origin = self.sandbox.base_url();
        let mut export = json!({
            "apiVersion": "clinch.hireez.dev/v1alpha1", "kind": "CandidateExport",
            "metadata": {"name": "people"},
            "spec": {
                "integrationRef": {"name": "clinch"},
                "source": {"configMapRef": {"name": "people"}},
                "destination": {"prospect": {}},
            },
        });
        let members = export["spec"].as_object_mut().unwrap();
        members.extend(spec.as_object().unwrap().clone());
        let objects = [
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "clinch"},
                "stringData": {"accessKey": "K", "secretKey": "S"}}),
            json!({"apiVersion": "clinch.hireez.dev/v1alpha1", "kind": "ClinchIntegration",
                "metadata": {"name": "clinch"},
                "spec": {"endpoint": origin, "environment": "Sandbox",
                    "credentials": {"secretRef": {"name": "clinch"}},
                    "pushPermission": {"prospects": "Allowed"}}}),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "people"},
                "data": {"people.csv": csv}}),
            export,
        ];
        let manifests = self.path("manifests.yaml");
        let text: Vec<String> = objects.iter().map(Value::to_string).collect();
        fs::write(&manifests, text.join("\n---\n")).unwrap();
        let mut command = apply(&manifests, &self.path("state"), &origin);
        command.args(more).output().unwrap()
    }

    /// The export after `apply`, and the exit code.
    fn export(&self, csv: &str, spec: &Value) -> (Value, i32) {
        let output = self.apply(csv, spec, &["-o", "json"]);
        (object(&output, "CandidateExport"), output.status.code().unwrap())
    }

    fn people(&self) -> usize {
        self.sandbox.people("hireEZ").len()
    }
}

fn csv(people: usize) -> String {
    (0..people).fold("First Name,Email\n".to_owned(), |text, n| {
        format!("{text}First{n},person{n}@example.org\n")
    })
}

/// Reason and status of Ready.
fn ready(export: &Value) -> (String, String) {
    let ready = condition(export, "Ready");
    let text = |name: &str| ready[name].as_str().unwrap().to_owned();
    (text("reason"), text("status"))
}

fn is(reason: &str, status: &str) -> (String, String) {
    (reason.to_owned(), status.to_owned())
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_selected_and_nothing_there_are_different_things() {
    let world = World::new().await;
    let nobody = json!({"select": "candidate.firstName == 'Zoe'"});
    let (export, code) = world.export(&csv(3), &nobody);
    assert_eq!((ready(&export), code), (is("NothingSelected", "True"), 0));
    let counts = &export["status"]["counts"];
    assert_eq!((&counts["read"], &counts["notSelected"]), (&json!(3), &json!(3)));
    let (export, code) = world.export(&csv(0), &json!({}));
    assert_eq!((ready(&export), code), (is("SourceEmpty", "False"), 1));
    assert_eq!(condition(&export, "Stalled")["reason"], "SourceEmpty");
    let (export, code) = world.export("", &json!({}));
    assert_eq!((ready(&export), code), (is("SourceEmpty", "False"), 1), "no content at all");
    let (export, code) = world.export(&csv(0), &json!({"guards": {"minRecords": 0}}));
    assert_eq!((ready(&export), code), (is("SourceEmpty", "True"), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_names_the_plan_that_then_passes_it_once_approved() {
    let world = World::new().await;
    let guards = json!({"maxCreates": 2});
    let (export, code) = world.export(&csv(3), &json!({"guards": guards}));
    assert_eq!((ready(&export), code), (is("GuardTripped", "False"), 1));
    let plan = export["status"]["plan"].as_str().unwrap().to_owned();
    let message = condition(&export, "Stalled")["message"].as_str().unwrap().to_owned();
    assert!(message.contains(&plan), "{message}");
    assert_eq!(world.people(), 0);
    assert_eq!(export["status"]["delivered"], "0/3");
    // The same plan, from a dry run.
    let (dry, _) = world.export(&csv(3), &json!({"mode": "DryRun"}));
    assert_eq!(dry["status"]["plan"], *plan);
    assert_eq!(dry["status"]["delivered"], "would 3/3");
    let approved = json!({"guards": guards, "approvedPlan": plan});
    let (other, code) = world.export(&csv(4), &approved);
    assert_eq!((ready(&other), code), (is("GuardTripped", "False"), 1));
    assert_eq!(world.people(), 0);
    let (export, code) = world.export(&csv(3), &approved);
    assert_eq!((ready(&export), code), (is("Synced", "True"), 0));
    assert_eq!(world.people(), 3);
    let (export, code) = world.export(&csv(1), &json!({"guards": {"maxShrinkPercent": 50}}));
    assert_eq!((ready(&export), code), (is("GuardTripped", "False"), 1), "the ledger remembers");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_lists_every_record_without_a_value() {
    let world = World::new().await;
    let text = format!("{}Zyzzyva,\n", csv(2));
    let report = world.path("report.ndjson");
    let more = ["--report", report.to_str().unwrap()];
    let output = world.apply(&text, &json!({}), &more);
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    let found = lines(&report);
    let outcomes: Vec<&Value> = found.iter().map(|line| &line["outcome"]).collect();
    assert_eq!(outcomes, ["Created", "Created", "Rejected"]);
    let members: Vec<&String> = found[2].as_object().unwrap().keys().collect();
    let expected =
        ["class", "export", "message", "outcome", "place", "position", "reason", "record"];
    assert_eq!(members, expected);
    assert_eq!(found[2]["reason"], "MatchKeyMissing");
    assert_eq!(found[2]["position"], "people.csv line 4");
    assert_eq!(found[2]["place"], "spec.fields[0].from");
    assert!(!fs::read_to_string(&report).unwrap().contains("Zyzzyva"));
    // Again, although nothing has changed: the report is complete.
    world.apply(&text, &json!({}), &more);
    let outcomes: Vec<Value> = lines(&report).iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(outcomes, ["Unchanged", "Unchanged", "Rejected"]);
    world.apply(&csv(3), &json!({"mode": "DryRun"}), &more);
    let outcomes: Vec<Value> = lines(&report).iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(outcomes, ["Unchanged", "Unchanged", "WouldCreate"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_shows_the_result_without_a_value() {
    let world = World::new().await;
    let text = format!("{}Zyzzyva,\n", csv(2));
    let page = world.path("report.html");
    fs::write(&page, "of the last time").unwrap();
    let output = world.apply(&text, &json!({}), &["--report-html", page.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    let page = fs::read_to_string(&page).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"), "{page}");
    for expected in ["people.csv line 4", "MatchKeyMissing", "needs attention", "2 created"] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    assert!(!page.contains("Zyzzyva"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_cannot_be_written_is_an_error_before_anything_is_pushed() {
    let world = World::new().await;
    let missing = world.path("no/folder/report");
    for option in ["--report", "--report-html"] {
        let output = world.apply(&csv(2), &json!({}), &[option, missing.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(4), "{}", shown(&output));
        assert!(shown(&output).contains("cannot write the report"), "{}", shown(&output));
        assert_eq!(world.people(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn coverage_and_reasons_are_shown_without_values() {
    let world = World::new().await;
    let text = format!("{}Zyzzyva,\nZyzzyva,\n", csv(2));
    let output = world.apply(&text, &json!({}), &[]);
    let printed = shown(&output);
    assert!(printed.contains("people: filled: email "), "{printed}");
    assert!(printed.contains("first_name 4 of 4"), "{printed}");
    assert!(printed.contains("warning: NeverFilled: spec.fields[2].from"), "{printed}");
    assert!(!printed.contains("Zyzzyva"), "{printed}");
    let (export, _) = world.export(&text, &json!({}));
    let status = &export["status"];
    assert_eq!(status["coverage"]["records"], 4);
    assert_eq!(status["coverage"]["fields"][1], json!({"attribute": "first_name", "filled": 4}));
    assert_eq!(status["rejectedByReason"][0]["reason"], "MatchKeyMissing");
    assert_eq!(status["rejectedByReason"][0]["place"], "spec.fields[0].from");
}
