//! `plan` and `apply --plan` as processes: what is shown, and that a push does what was planned, or
//! nothing. What was written is judged by what the emulator has counted.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use clinch_operator::sandbox::{Options, Sandbox};
use serde_json::{Value, json};

use super::apply::{condition, object, shown};

const WRITES: [&str; 5] = [
    "createCandidate",
    "updateCandidate",
    "createApplication",
    "createAttachment",
    "createActivity",
];

/// An emulator, and manifests for it.
fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

struct World {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
}

fn person(email: &str, more: &Value) -> Value {
    let mut person = json!({"emails": [{"value": email}]});
    person.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    person
}

fn people() -> Vec<Value> {
    let of = |name: &str| {
        person(&format!("{}@example.org", name.to_lowercase()), &json!({"firstName": name}))
    };
    ["Zyzzyva", "Bo", "Cy"].map(of).to_vec()
}

impl World {
    /// Bo is in Clinch, under another first name.
    async fn new() -> Self {
        let options = Options::default().with_credential("hireEZ", "K", "S");
        let sandbox = Sandbox::start(options).await.unwrap();
        let bo = json!({"email": "bo@example.org", "first_name": "Robert"});
        sandbox.add_person("hireEZ", &bo).unwrap();
        Self { sandbox, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the manifests: an integration, and an export of these people with more members.
    fn declare(&self, people: &[Value], spec: Value) {
        self.declare_all(json!({}), &[("people", people, spec)]);
    }

    fn declare_all(&self, permission: Value, exports: &[(&str, &[Value], Value)]) {
        let ours = |kind: &str, name: &str, spec: Value| {
            json!({"apiVersion": "clinch.hireez.dev/v1alpha1", "kind": kind,
                "metadata": {"name": name}, "spec": spec})
        };
        let merged = |mut value: Value, more: Value| {
            value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            value
        };
        let permission = merged(json!({"prospects": "Allowed", "files": "Allowed"}), permission);
        let mut objects = vec![
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "clinch"},
                "stringData": {"accessKey": "K", "secretKey": "S"}}),
            ours(
                "ClinchIntegration",
                "clinch",
                json!({
                    "endpoint": self.sandbox.base_url(), "environment": "Sandbox",
                    "credentials": {"secretRef": {"name": "clinch"}}, "pushPermission": permission,
                }),
            ),
        ];
        for (name, people, more) in exports {
            let spec = json!({"integrationRef": {"name": "clinch"},
                "source": {"inline": people}, "destination": {"prospect": {}}});
            objects.push(ours("CandidateExport", name, merged(spec, more.clone())));
        }
        let text: Vec<String> = objects.iter().map(Value::to_string).collect();
        fs::write(self.path("manifests.yaml"), text.join("\n---\n")).unwrap();
    }

    fn run(&self, command: &str, more: &[&str]) -> Output {
        let files = self.folder.path().join("files");
        fs::create_dir_all(&files).unwrap();
        Command::new(env!("CARGO_BIN_EXE_clinch-operator"))
            .args([command, "--environment", "sandbox"])
            .args(["--allowed-endpoints", &self.sandbox.base_url()])
            .args(["--allowed-destinations", &format!("file://{}", files.display()), "-f"])
            .arg(self.path("manifests.yaml"))
            .args(more)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The plan of what is declared, also as the file `plan.json`.
    fn plan(&self, more: &[&str]) -> (Value, i32) {
        let before = self.writes();
        let output = self.run("plan", &[&["-o", "json", "--out", "plan.json"], more].concat());
        assert_eq!(self.writes(), before, "a plan writes nothing");
        let plan: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", shown(&output)));
        assert!(!shown(&output).contains("Zyzzyva"), "{}", shown(&output));
        let file = fs::read(self.path("plan.json")).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&file).unwrap(), plan);
        (plan, output.status.code().unwrap())
    }

    /// Reason of Ready and exit code of `apply --plan`, with a state folder.
    fn push(&self) -> (String, i32) {
        let output = self.run("apply", &["--plan", "plan.json", "--state", "state", "-o", "json"]);
        let export = object(&output, "CandidateExport");
        let reason = condition(&export, "Ready")["reason"].as_str().unwrap().to_owned();
        let code = output.status.code().unwrap();
        let messages: Vec<Value> =
            String::from_utf8(output.stderr).unwrap().lines().map(json).collect();
        if code != 0 {
            let last = messages.last().unwrap();
            assert_eq!(last["exitCode"], code, "{last}");
            assert!(last["message"].as_str().unwrap().contains(&reason), "{last}");
        }
        if reason == "PlanChanged" {
            let names = |one: &Value| one["message"].as_str().unwrap().contains("--plan plan.json");
            assert!(messages.iter().any(names), "{messages:?}");
        }
        (reason, code)
    }

    fn writes(&self) -> u64 {
        let counts = self.sandbox.requests();
        WRITES.iter().map(|operation| counts.of(operation)).sum()
    }
}

fn is(reason: &str, code: i32) -> (String, i32) {
    (reason.to_owned(), code)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_made_at_any_time_and_carried_out_within_a_window() {
    let world = World::new().await;
    let windows =
        |cron: &str, duration: &str| json!({"windows": [{"cron": cron, "duration": duration}]});
    // Open for a minute every four years.
    world.declare(&people(), windows("0 0 29 2 *", "1m"));
    let planned = world.run("plan", &["--out", "plan.json"]);
    assert_eq!(planned.status.code(), Some(0), "{}", shown(&planned));
    let waits = world.run("apply", &["--plan", "plan.json"]);
    assert_eq!(waits.status.code(), Some(5), "{}", shown(&waits));
    assert_eq!(world.sandbox.people("hireEZ").len(), 1);
    world.declare(&people(), windows("0 0 * * *", "24h"));
    let done = world.run("apply", &["--plan", "plan.json"]);
    assert_eq!(done.status.code(), Some(0), "{}", shown(&done));
    assert_eq!(world.sandbox.people("hireEZ").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_what_was_planned_is_pushed_and_then_nothing_is_left_to_do() {
    let world = World::new().await;
    world.declare(&people(), json!({}));
    let (plan, code) = world.plan(&["--detailed-exitcode"]);
    assert_eq!(code, 10);
    let export = &plan["exports"][0];
    assert_eq!((&export["result"], &export["approved"]), (&json!("Planned"), &Value::Null));
    let counts = &export["counts"];
    assert_eq!((&counts["create"], &counts["update"]), (&json!(2), &json!(1)), "{counts}");
    assert_eq!(export["changes"], json!({"first_name": 1}));
    assert_eq!(world.plan(&[]), (plan.clone(), 0), "the same plan, and changes are no failure");
    assert_eq!(world.push(), is("Synced", 0));
    assert_eq!((world.sandbox.people("hireEZ").len(), world.writes()), (3, 3));
    assert_eq!(
        world.push(),
        is("Synced", 0),
        "the people are known now, and the approval was used"
    );
    let (after, code) = world.plan(&["--detailed-exitcode", "--state", "state"]);
    assert_eq!((after["exports"][0]["counts"]["unchanged"].clone(), code), (json!(3), 0));
    assert_eq!(world.writes(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_between_plan_and_push_holds_the_push_back() {
    let world = World::new().await;
    world.declare(&people(), json!({}));
    world.plan(&[]);
    let mut edited = people();
    edited[2]["firstName"] = "Cyril".into();
    world.declare(&edited, json!({}));
    assert_eq!(world.push(), is("PlanChanged", 1), "a source that was replaced");
    world.declare(&people(), json!({"limit": 2}));
    assert_eq!(world.push(), is("PlanChanged", 1), "another spec");
    world.declare(&people(), json!({}));
    let elsewhere = json!({"email": "dee@example.org", "first_name": "Dee"});
    world.sandbox.add_person("hireEZ", &elsewhere).unwrap();
    let cy = json!({"email": "cy@example.org", "first_name": "Cy"});
    world.sandbox.add_person("hireEZ", &cy).unwrap();
    assert_eq!(world.push(), is("PlanChanged", 1), "somebody who was to be created is there now");
    let output = world.run("apply", &["--plan", "plan.json"]);
    let text = shown(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("would create 1 and update 1; 1 unchanged"), "{text}");
    assert!(text.contains("the plan was to create 2 and update 1; 0 unchanged"), "{text}");
    assert_eq!(world.writes(), 0);
    world.sandbox.delete("hireEZ", "cy@example.org").unwrap();
    assert_eq!(world.push(), is("Synced", 0), "an edit elsewhere changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_covers_the_exports_that_it_names_and_nothing_else_is_done() {
    let world = World::new().await;
    let folder = format!("file://{}", world.path("files").display());
    let file = json!({"destination": {"file": {"format": "CSV", "to": {"url": format!("{folder}/people.csv")}}},
        "report": {"to": {"url": format!("{folder}/report.csv")}}});
    let all = people();
    let exports = [
        ("file", &all[..], file.clone()),
        ("off", &all[..1], json!({"suspend": true})),
        ("one", &all[..1], json!({})),
        ("two", &all[1..], json!({"mode": "DryRun"})),
    ];
    world.declare_all(json!({}), &exports);
    let (plan, code) = world.plan(&["--detailed-exitcode"]);
    assert_eq!(code, 10, "{plan}");
    let results: Vec<&Value> =
        plan["exports"].as_array().unwrap().iter().map(|export| &export["result"]).collect();
    assert_eq!(results, ["File", "Suspended", "Planned", "Planned"], "{plan}");
    assert_eq!(plan["exports"][0]["counts"]["create"], 3);
    assert_eq!(plan["exports"][0]["digest"], Value::Null);
    assert_eq!(fs::read_dir(world.path("files")).unwrap().count(), 0, "no file, no report");
    let output = world.run("apply", &["--plan", "plan.json"]);
    let text = shown(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for left in [
        "left alone: export default/file: it writes a file",
        "left alone: export default/off: it was suspended when the plan was made",
        "left alone: export default/two: its spec.mode is DryRun",
    ] {
        assert!(text.contains(left), "{left}: {text}");
    }
    assert_eq!((world.writes(), fs::read_dir(world.path("files")).unwrap().count()), (1, 0));
    world.declare_all(json!({}), &exports[..3]);
    let output = world.run("apply", &["--plan", "plan.json"]);
    assert_eq!(output.status.code(), Some(2), "{}", shown(&output));
    assert!(shown(&output).contains("the plan names export default/two"), "{}", shown(&output));
    let more = ("new", &all[..1], json!({}));
    world.declare_all(json!({}), &[&exports[..], &[more]].concat());
    let output = world.run("apply", &["--plan", "plan.json"]);
    assert_eq!(output.status.code(), Some(2), "{}", shown(&output));
    assert!(shown(&output).contains("export default/new is not in the plan"), "{}", shown(&output));
    assert_eq!(world.writes(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_holds_a_plan_back_until_it_is_approved() {
    let world = World::new().await;
    world.declare(&people(), json!({"guards": {"maxCreates": 1}}));
    let (plan, code) = world.plan(&["--detailed-exitcode"]);
    assert_eq!((&plan["exports"][0]["result"], code), (&json!("HeldBack"), 1), "{plan}");
    assert_eq!(world.push(), is("Synced", 0));
    // In the manifest, the digest approves the same.
    let other = World::new().await;
    other.declare(&people(), json!({"approvedPlan": plan["exports"][0]["digest"]}));
    let (plan, _) = other.plan(&[]);
    assert_eq!(plan["exports"][0]["approved"], json!(false), "another account");
    let digest = plan["exports"][0]["digest"].clone();
    other.declare(&people(), json!({"approvedPlan": digest}));
    assert_eq!(other.plan(&[]).0["exports"][0]["approved"], json!(true));
    let output = other.run("apply", &[]);
    assert_eq!((output.status.code(), other.writes()), (Some(0), 3), "{}", shown(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integration_may_demand_approved_plans() {
    let world = World::new().await;
    let required = || json!({"approvedPlan": "Required"});
    world.declare_all(required(), &[("people", &people(), json!({}))]);
    let output = world.run("apply", &["-o", "json"]);
    let export = object(&output, "CandidateExport");
    let stalled = condition(&export, "Stalled");
    assert_eq!(stalled["reason"], "NotPermitted", "{export}");
    assert!(stalled["message"].as_str().unwrap().contains("set spec.approvedPlan"), "{stalled}");
    assert_eq!((output.status.code(), world.writes()), (Some(1), 0));
    let manifests = world.path("manifests.yaml");
    let validate = Command::new(env!("CARGO_BIN_EXE_clinch-operator"))
        .args(["validate", "-f", manifests.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(validate.status.code(), Some(0), "{}", shown(&validate));
    assert!(shown(&validate).contains("1 warning"), "{}", shown(&validate));
    assert!(shown(&validate).contains("spec.approvedPlan"), "{}", shown(&validate));
    assert_eq!(world.plan(&[]).1, 0, "a plan needs no approval");
    assert_eq!(world.push(), is("Synced", 0));
    world.declare_all(required(), &[("people", &people(), json!({"mode": "DryRun"}))]);
    let output = world.run("apply", &[]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_shown_in_80_columns_and_as_markdown_without_a_value() {
    let world = World::new().await;
    let mut many = people();
    many.push(json!({"firstName": "Zyzzyva"}));
    world.declare(&many, json!({"failureBudget": 1}));
    let text = world.run("plan", &[]);
    assert_eq!(text.status.code(), Some(0), "{}", shown(&text));
    let lines = String::from_utf8(text.stdout.clone()).unwrap();
    for expected in [
        "export/people (default)\n",
        "  create      2\n",
        "  update      1\n",
        "  changes     first_name 1\n",
        "  rejected    1 MatchKeyMissing at spec.fields[0].from\n",
        "\nPlan: 2 to create, 1 to update, 0 unchanged, 1 rejected. Nothing was written.\n",
    ] {
        assert!(lines.contains(expected), "{expected}: {lines}");
    }
    let wide = |line: &&str| line.chars().count() > 80 && !line.starts_with("  plan v1:");
    assert_eq!(lines.lines().find(wide), None, "{lines}");
    let markdown = world.run("plan", &["-o", "markdown"]);
    let markdown = String::from_utf8(markdown.stdout).unwrap();
    for expected in [
        "### Plan: 2 to create, 1 to update, ",
        "\n| `default/people` | planned | 2 | 1 | 0 | 0 | 1 |\n",
        "\n  approvedPlan: v1:",
    ] {
        assert!(markdown.contains(expected), "{expected}: {markdown}");
    }
    let report = world.run("plan", &["--report", "report.ndjson"]);
    let report = shown(&report) + &fs::read_to_string(world.path("report.ndjson")).unwrap();
    assert_eq!(report.matches("\"WouldCreate\"").count(), 2, "{report}");
    for text in [lines, markdown, report] {
        for value in ["Zyzzyva", "example.org", "Robert"] {
            assert!(!text.contains(value), "{value}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_is_refused_and_nothing_is_done() {
    let world = World::new().await;
    world.declare(&people(), json!({}));
    let refused = |command: &str, more: &[&str], expected: &str| {
        let output = world.run(command, more);
        assert_eq!(output.status.code(), Some(2), "{}", shown(&output));
        assert!(shown(&output).contains(expected), "{expected}: {}", shown(&output));
    };
    let file = world.run("plan", &["--state", "manifests.yaml"]);
    assert_eq!(file.status.code(), Some(4), "{}", shown(&file));
    let says = "cannot use the state folder manifests.yaml: it is not a folder";
    assert!(shown(&file).contains(says), "{}", shown(&file));
    // Before the first push there is no folder, and a plan makes none.
    let before = world.run("plan", &["--state", "nowhere"]);
    assert_eq!(before.status.code(), Some(0), "{}", shown(&before));
    let hint = "--state nowhere does not exist yet: planned as before the first push";
    assert!(shown(&before).contains(hint), "{}", shown(&before));
    assert!(!world.path("nowhere").exists());
    refused("plan", &["-f", "nowhere.yaml"], "nowhere.yaml");
    refused("apply", &["--plan", "nowhere.json"], "nowhere.json: not a file of plan --out");
    fs::write(world.path("plan.json"), "{\"format\": \"other\"}").unwrap();
    refused("apply", &["--plan", "plan.json"], "not a file of plan --out");
    // Neither are what somebody else has approved, or an export without a plan, pushed.
    world.plan(&[]);
    let approved = format!("v1:{}:{}", "0".repeat(32), "a".repeat(64));
    world.declare(&people(), json!({"approvedPlan": approved}));
    refused("apply", &["--plan", "plan.json"], "approves another plan");
    world.declare(&people(), json!({"fieldMappingRef": {"name": "nowhere"}}));
    let (plan, code) = world.plan(&[]);
    assert_eq!((&plan["exports"][0]["result"], code), (&json!("NotPlanned"), 1), "{plan}");
    refused("apply", &["--plan", "plan.json"], "has no plan: DependencyNotFound");
    world.declare_all(json!({}), &[]);
    refused("plan", &[], "there is no CandidateExport");
    let unwritable = world.run("plan", &["--out", "no/such/folder.json"]);
    assert_eq!(unwritable.status.code(), Some(2), "no export comes first: {}", shown(&unwritable));
    world.declare(&people(), json!({}));
    let unwritable = world.run("plan", &["--out", "no/such/folder.json"]);
    assert_eq!(unwritable.status.code(), Some(4), "{}", shown(&unwritable));
    assert_eq!(world.writes(), 0);
}
