//! `written`: whom an export has written, from the state folder of `apply`, as real processes.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use clinch_operator::sandbox::{Options, Sandbox};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::apply::{apply, object, shown};

const ACCOUNT: &str = "hireEZ";
const NEW: &str = "new@example.com";
const SAME: &str = "same@example.com";
const OTHER: &str = "other@example.com";

struct World {
    sandbox: Sandbox,
    folder: TempDir,
}

impl World {
    /// Two people are in Clinch: one as the source has them, the other with another name.
    async fn new() -> Self {
        let person = |email: &str, first: &str| json!({"email": email, "first_name": first, "last_name": "B"});
        let seed = json!({"people": [person(SAME, "A"), person(OTHER, "Z")]});
        let options = Options::default().with_credential(ACCOUNT, "K1", "s1");
        let seeds = [(ACCOUNT.to_owned(), serde_json::from_value(seed).unwrap())].into();
        let sandbox = Sandbox::start(Options { seeds, ..options }).await.unwrap();
        Self { sandbox, folder: tempfile::tempdir().unwrap() }
    }

    fn state(&self) -> std::path::PathBuf {
        self.folder.path().join("state")
    }

    /// The objects: an export of three people with this last name.
    fn objects(&self, last: &str) -> [Value; 3] {
        let person =
            |email: &str| json!({"firstName": "A", "lastName": last, "emails": [{"value": email}]});
        let ours = "clinch.hireez.dev/v1alpha1";
        [
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "credential"},
                "stringData": {"accessKey": "K1", "secretKey": "s1"}}),
            json!({"apiVersion": ours, "kind": "ClinchIntegration", "metadata": {"name": "one"},
                "spec": {"endpoint": self.sandbox.base_url(), "environment": "Sandbox",
                    "acceptAssumedWrites": ["createApplication", "createAttachment", "createActivity"],
                    "credentials": {"secretRef": {"name": "credential"}}}}),
            json!({"apiVersion": ours, "kind": "CandidateExport", "metadata": {"name": "people"},
                "spec": {"integrationRef": {"name": "one"}, "destination": {"prospect": {}},
                    "source": {"inline": [person(NEW), person(SAME), person(OTHER)]}}}),
        ]
    }

    /// Applies them; returns the status of the export.
    fn apply_all(&self, objects: &[Value]) -> Value {
        let text: Vec<String> = objects.iter().map(Value::to_string).collect();
        let path = self.folder.path().join("all.yaml");
        fs::write(&path, text.join("\n---\n")).unwrap();
        let mut command = apply(&path, &self.state(), &self.sandbox.base_url());
        command.args(["-o", "json", "--allowed-destinations", &self.place()]);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
        object(&output, "CandidateExport")["status"].clone()
    }

    fn apply(&self, last: &str) {
        self.apply_all(&self.objects(last));
    }

    /// Where reports may be written.
    fn place(&self) -> String {
        format!("file://{}", self.folder.path().display())
    }

    /// Changes a bit of each segment of the ledger.
    fn change_segments(&self) {
        let ledger = fs::read_dir(self.state().join("ledger")).unwrap().next().unwrap().unwrap();
        for segment in fs::read_dir(ledger.path()).unwrap() {
            let path = segment.unwrap().path();
            let mut bytes = fs::read(&path).unwrap();
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            fs::write(&path, bytes).unwrap();
        }
    }

    /// Runs `written`. Returns its exit code and all that it printed.
    fn written(&self, to: &Path) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clinch-operator"));
        command.args(["written", "people", "--state"]).arg(self.state()).arg("--to").arg(to);
        let output = command.output().unwrap();
        (output.status.code(), shown(&output))
    }

    /// What the file says of each person: the outcome by address.
    fn outcomes(&self) -> BTreeMap<String, String> {
        let to = self.folder.path().join("written.ndjson");
        let (code, text) = self.written(&to);
        assert_eq!(code, Some(0), "{text}");
        let people = self.sandbox.people(ACCOUNT);
        let address = |id: &Value| {
            let person = people.iter().find(|person| person["id"] == *id).unwrap();
            person["attributes"]["email"].as_str().unwrap().to_owned()
        };
        let lines = fs::read_to_string(&to).unwrap();
        let outcome = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            (address(&line["id"]), line["outcome"].as_str().unwrap().to_owned())
        };
        lines.lines().map(outcome).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_whom_an_export_created_updated_and_left_as_they_were() {
    let world = World::new().await;
    world.apply("B");
    let of = |new: &str, same: &str, other: &str| -> BTreeMap<String, String> {
        [(NEW, new), (SAME, same), (OTHER, other)]
            .map(|(email, outcome)| (email.to_owned(), outcome.to_owned()))
            .into()
    };
    assert_eq!(world.outcomes(), of("Created", "Unchanged", "Updated"));
    let (_, text) = world.written(&world.folder.path().join("x.csv"));
    let expected =
        "export/people: 3 people: 1 created, 1 updated, 1 unchanged; steps: 3 candidate\n";
    assert!(text.starts_with(expected), "{text}");
    assert!(!text.contains("authenticated"), "the key is in the folder: {text}");
    let file = fs::read_to_string(world.folder.path().join("x.csv")).unwrap();
    assert!(file.starts_with("id,outcome,steps,writtenBy,keys"), "{file}");
    // The person who was created stays so; the second person is written now.
    world.apply("C");
    assert_eq!(world.outcomes(), of("Created", "Updated", "Updated"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_that_was_changed_names_nobody_and_one_without_its_key_is_not_vouched_for() {
    let world = World::new().await;
    world.apply("B");
    let to = world.folder.path().join("written.ndjson");
    world.change_segments();
    let (code, text) = world.written(&to);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("the ledger names nobody"), "{text}");
    assert!(text.contains("its authentication code does not match"), "{text}");
    fs::remove_file(world.state().join("ledger.key")).unwrap();
    let (code, text) = world.written(&to);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("3 people") && text.contains("not known whether"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_controller_writes_the_list_beside_the_report_where_that_is_permitted() {
    let world = World::new().await;
    world.apply("B");
    let mut objects = world.objects("B");
    // Whatever state the export is in.
    objects[2]["spec"]["suspend"] = true.into();
    let ask = |objects: &mut [Value; 3], value: &str| {
        objects[2]["metadata"]["annotations"] =
            json!({"clinch.hireez.dev/written-requested-at": value});
        let status = world.apply_all(&*objects);
        assert_eq!(status["handled"]["writtenRequestedAt"], value, "{status}");
        status["written"].clone()
    };
    let says = |written: &Value, text: &str| {
        assert!(written["report"].is_null(), "{written}");
        assert!(written["message"].as_str().is_some_and(|said| said.contains(text)), "{written}");
    };
    says(&ask(&mut objects, "1"), "set spec.report");
    let url = format!("{}/report.csv", world.place());
    objects[2]["spec"]["report"] = json!({"to": {"url": url}});
    says(&ask(&mut objects, "2"), "spec.readPermission.candidates: Allowed");
    objects[1]["spec"]["readPermission"] =
        json!({"candidates": "Allowed", "attributes": ["email"]});
    says(&ask(&mut objects, "3"), "spec.pushPermission.files: Allowed");
    objects[1]["spec"]["pushPermission"] = json!({"files": "Allowed"});
    let elsewhere = format!("{}-elsewhere/report.csv", world.place());
    objects[2]["spec"]["report"] = json!({"to": {"url": elsewhere}});
    says(&ask(&mut objects, "4"), "-elsewhere");
    objects[2]["spec"]["report"] = json!({"to": {"url": url}});
    let written = ask(&mut objects, "5");
    assert!(written["message"].is_null(), "{written}");
    let of = |name: &str| written[name].as_i64().unwrap();
    assert_eq!((of("created"), of("updated"), of("unchanged"), of("unknown")), (1, 1, 1, 0));
    let file = world.folder.path().join("report.written.csv");
    assert_eq!(written["report"]["url"], format!("file://{}", file.display()));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("id,outcome,steps,writtenBy,keys"), "{text}");
    assert_eq!((text.lines().count(), written["report"]["lines"].as_i64()), (4, Some(3)));
    assert!(!text.contains('@'), "{text}");
    assert!(!world.folder.path().join("report.csv").exists(), "the export is suspended");
    // An old request is not acted on again, and nothing is believed that was changed.
    fs::remove_file(&file).unwrap();
    assert_eq!(ask(&mut objects, "5"), written);
    assert!(!file.exists());
    world.change_segments();
    let changed = ask(&mut objects, "6");
    assert_eq!(changed["report"]["lines"], 0, "{changed}");
    let said = changed["message"].as_str().unwrap();
    assert!(said.contains("its authentication code does not match"), "{said}");
}
