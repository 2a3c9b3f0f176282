//! People who are no longer in Clinch as they were delivered, as `apply` reports them. As a real process.

use std::{fs, process::Output};

use clinch_operator::sandbox::{Options, Sandbox};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::apply::{apply, condition, object, shown};

const ACCOUNT: &str = "hireEZ";
const VERIFY: &str = "clinch.hireez.dev/verify-requested-at";

struct World {
    sandbox: Sandbox,
    state: TempDir,
}

impl World {
    async fn new() -> Self {
        let options = Options::default().with_credential(ACCOUNT, "K1", "s1");
        let sandbox = Sandbox::start(options).await.unwrap();
        Self { sandbox, state: tempfile::tempdir().unwrap() }
    }

    fn apply(&self, requested: Option<&str>, rest: &Value, output: &str) -> Output {
        let people: Vec<Value> = (0..4)
            .map(|n| {
                json!({"firstName": "A", "lastName": format!("B{n}"), "title": "Engineer",
                    "emails": [{"value": format!("person{n}@example.com")}]})
            })
            .collect();
        let ours = "clinch.hireez.dev/v1alpha1";
        let annotations = requested.map(|value| json!({VERIFY: value}));
        let mut spec = json!({"integrationRef": {"name": "one"}, "source": {"inline": people},
            "destination": {"prospect": {}}});
        spec.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        let objects = [
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "credential"},
                "stringData": {"accessKey": "K1", "secretKey": "s1"}}),
            json!({"apiVersion": ours, "kind": "ClinchIntegration", "metadata": {"name": "one"},
                "spec": {"endpoint": self.sandbox.base_url(), "environment": "Sandbox",
                    "credentials": {"secretRef": {"name": "credential"}}}}),
            json!({"apiVersion": ours, "kind": "CandidateExport",
                "metadata": {"name": "people", "annotations": annotations}, "spec": spec}),
        ];
        let folder = tempfile::tempdir().unwrap();
        let text: Vec<String> = objects.iter().map(ToString::to_string).collect();
        fs::write(folder.path().join("all.yaml"), text.join("\n---\n")).unwrap();
        apply(folder.path(), self.state.path(), &self.sandbox.base_url())
            .args(["-o", output, "--timeout", "60"])
            .output()
            .unwrap()
    }

    /// Applies, which ends with 0. Gives the export, and status and reason of `Drifted`.
    fn applied(&self, requested: Option<&str>, rest: &Value) -> (Value, String) {
        let output = self.apply(requested, rest, "json");
        assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
        let export = object(&output, "CandidateExport");
        let drifted = condition(&export, "Drifted");
        let text = |name: &str| drifted[name].as_str().unwrap().to_owned();
        let drifted = format!("{} {}", text("status"), text("reason"));
        (export, drifted)
    }

    fn edit(&self, n: usize, title: &str) {
        let (email, title) =
            (format!("person{n}@example.com"), json!({"current_job_title": title}));
        self.sandbox.edit(ACCOUNT, &email, &title).unwrap();
    }

    fn reads(&self) -> u64 {
        self.sandbox.requests().of("getCandidate")
    }

    /// As if the last verification had been long ago.
    fn age(&self) {
        for record in fs::read_dir(self.state.path().join("objects")).unwrap() {
            let path = record.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let Some(at) = text.find("\"checkedAt\"") else { continue };
            let year = at + text[at..].find("20").unwrap();
            fs::write(&path, format!("{}1999{}", &text[..year], &text[year + 4..])).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_answered_once_with_who_differs() {
    let world = World::new().await;
    let none = json!({});
    let first = world.apply(None, &none, "json");
    let export = object(&first, "CandidateExport");
    let conditions = export["status"]["conditions"].as_array().unwrap();
    assert!(conditions.iter().all(|condition| condition["type"] != "Drifted"), "nobody asked");
    world.edit(1, "Canary");
    world.sandbox.delete(ACCOUNT, "person2@example.com").unwrap();

    let before = world.reads();
    let (export, drifted) = world.applied(Some("monday"), &none);
    assert_eq!(drifted, "True DriftFound");
    assert_eq!(world.reads() - before, 4, "one request for each person");
    let status = &export["status"];
    assert_eq!(status["handled"]["verifyRequestedAt"], "monday");
    assert_eq!(condition(&export, "Ready")["reason"], "Synced");
    assert_eq!(status["drift"]["changed"], 1);
    let positions = &status["drift"]["positions"];
    assert_eq!(positions[0]["position"], "inline[1]");
    assert_eq!(positions[0]["attributes"], json!(["current_job_title"]));
    assert_eq!(
        (&positions[1]["kind"], &positions[1]["attributes"]),
        (&"Missing".into(), &Value::Null)
    );
    assert_eq!(status["progress"], 100);
    assert!(!status.to_string().contains("Canary"));

    let before = world.reads();
    assert_eq!(world.applied(Some("monday"), &none).1, "True DriftFound");
    let (export, drifted) = world.applied(Some("tuesday"), &none);
    assert_eq!(drifted, "True DriftFound");
    assert_eq!(world.reads(), before, "within an hour of the last one");
    assert_eq!(export["status"]["handled"]["verifyRequestedAt"], "monday");
    let message = condition(&export, "Drifted")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("is accepted at"), "{message}");
    let table = shown(&world.apply(Some("monday"), &none, "table"));
    assert!(table.contains("people: inline[1] Changed: current_job_title"), "{table}");
    assert!(table.contains("CandidateExport default/people: DriftFound: of 4 people"), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_due_verification_corrects_before_apply_ends() {
    let world = World::new().await;
    let daily = json!({"verifyInterval": "24h", "driftPolicy": "Correct"});
    assert_eq!(world.applied(None, &daily).1, "False NoDrift", "the first follows the push");
    world.edit(1, "Other");
    world.sandbox.delete(ACCOUNT, "person2@example.com").unwrap();
    let before = world.reads();
    assert_eq!(world.applied(None, &daily).1, "False NoDrift");
    assert_eq!(world.reads(), before, "not due");
    world.age();
    let (export, drifted) = world.applied(None, &daily);
    assert_eq!(drifted, "True DriftFound", "who is missing is not created again");
    let drift = &export["status"]["drift"];
    assert_eq!((&drift["changed"], &drift["corrected"]), (&1.into(), &1.into()));
    let people = world.sandbox.people(ACCOUNT);
    assert_eq!(people.len(), 3);
    assert!(people.iter().all(|person| person["attributes"]["current_job_title"] == "Engineer"));
    // A push of the same source leaves them alone, too, and the ledger is not behind.
    let (export, _) = world.applied(None, &json!({"verifyInterval": "24h"}));
    assert_eq!(world.sandbox.people(ACCOUNT).len(), 3);
    assert_eq!(export["status"]["ledger"]["checked"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_and_a_suspended_export_verify_nobody() {
    let world = World::new().await;
    world.apply(None, &json!({}), "json");
    let before = world.sandbox.requests().of("getCandidate");
    let (export, drifted) = world.applied(Some("1"), &json!({"mode": "DryRun"}));
    assert_eq!(drifted, "Unknown NotVerified");
    let message = condition(&export, "Drifted")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("a dry run delivers nobody"), "{message}");
    assert_eq!(export["status"]["handled"]["verifyRequestedAt"], Value::Null);
    let (_, drifted) = world.applied(Some("1"), &json!({"suspend": true}));
    assert_eq!(drifted, "Unknown NotVerified");
    assert_eq!(world.sandbox.requests().of("getCandidate"), before);
    let (export, drifted) = world.applied(Some("1"), &json!({}));
    assert_eq!(drifted, "False NoDrift");
    assert_eq!(export["status"]["handled"]["verifyRequestedAt"], "1");
}
