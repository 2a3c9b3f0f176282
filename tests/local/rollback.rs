//! A state folder that was restored from an older copy.

use std::{fs, process::Output};

use clinch_operator::sandbox::{Options, Sandbox};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    apply::{apply, condition, object, shown},
    upgrade_fixtures::copy,
};

const ACCOUNT: &str = "hireEZ";
const PEOPLE: usize = 30;
const DISTRUST: &str = "clinch.hireez.dev/distrust-ledger-requested-at";

struct World {
    sandbox: Sandbox,
    state: TempDir,
}

impl World {
    async fn new() -> Self {
        let options = Options::default().with_credential(ACCOUNT, "K1", "s1");
        let contract = serde_json::from_value(json!({"duplicateEmail": "allow"})).unwrap();
        let sandbox = Sandbox::start(Options { contract, ..options }).await.unwrap();
        Self { sandbox, state: tempfile::tempdir().unwrap() }
    }

    fn apply(&self, title: &str, requested: Option<&str>) -> Output {
        let people: Vec<Value> = (0..PEOPLE)
            .map(|n| {
                json!({"firstName": "A", "lastName": format!("B{n}"), "title": title,
                    "emails": [{"value": format!("person{n}@example.com")}]})
            })
            .collect();
        let ours = "clinch.hireez.dev/v1alpha1";
        let annotations = requested.map(|value| json!({DISTRUST: value}));
        let objects = [
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "credential"},
                "stringData": {"accessKey": "K1", "secretKey": "s1"}}),
            json!({"apiVersion": ours, "kind": "ClinchIntegration", "metadata": {"name": "one"},
                "spec": {"endpoint": self.sandbox.base_url(), "environment": "Sandbox",
                    "credentials": {"secretRef": {"name": "credential"}}}}),
            json!({"apiVersion": ours, "kind": "CandidateExport",
                "metadata": {"name": "people", "annotations": annotations},
                "spec": {"integrationRef": {"name": "one"}, "source": {"inline": people},
                    "destination": {"prospect": {}}}}),
        ];
        let folder = tempfile::tempdir().unwrap();
        let text: Vec<String> = objects.iter().map(ToString::to_string).collect();
        fs::write(folder.path().join("all.yaml"), text.join("\n---\n")).unwrap();
        apply(folder.path(), self.state.path(), &self.sandbox.base_url())
            .args(["-o", "json", "--timeout", "60"])
            .output()
            .unwrap()
    }

    /// Applies; everything has to be Ready. Gives the export, with the message of Ready.
    fn synced(&self, title: &str, requested: Option<&str>) -> (Value, String) {
        let output = self.apply(title, requested);
        assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
        let export = object(&output, "CandidateExport");
        let ready = condition(&export, "Ready");
        assert_eq!(ready["reason"], "Synced");
        let message = ready["message"].as_str().unwrap().to_owned();
        (export, message)
    }

    fn with_title(&self, title: &str) -> usize {
        let people = self.sandbox.people(ACCOUNT);
        assert_eq!(people.len(), PEOPLE, "each person once");
        people.iter().filter(|person| person["attributes"]["current_job_title"] == title).count()
    }

    fn reads(&self) -> u64 {
        self.sandbox.requests().of("getCandidate")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_state_folder_is_checked_on_request_and_once() {
    let world = World::new().await;
    world.synced("Engineer", None);
    let backup = tempfile::tempdir().unwrap();
    copy(world.state.path(), backup.path());
    world.synced("Director", None);
    assert_eq!(world.with_title("Director"), PEOPLE);
    // Ledger and status are from the same moment: nothing shows that they are old.
    copy(backup.path(), world.state.path());
    world.synced("Engineer", None);
    assert_eq!(world.with_title("Director"), PEOPLE, "what makes the request necessary");

    let before = world.reads();
    let (export, message) = world.synced("Engineer", Some("monday"));
    assert_eq!(world.with_title("Engineer"), PEOPLE);
    assert_eq!(world.reads() - before, PEOPLE as u64, "about one request for each person");
    assert_eq!(export["status"]["handled"]["distrustLedgerRequestedAt"], "monday");
    assert_eq!(export["status"]["counts"]["updated"], PEOPLE);
    assert!(message.contains("requested by annotation"), "{message}");

    // Another process, with the same manifests.
    let before = world.sandbox.requests();
    world.synced("Engineer", Some("monday"));
    assert_eq!(world.reads(), before.of("getCandidate"), "it has its receipt");
    // A new request within the hour.
    let (export, message) = world.synced("Engineer", Some("tuesday"));
    assert_eq!(world.reads(), before.of("getCandidate"));
    assert_eq!(export["status"]["handled"]["distrustLedgerRequestedAt"], "monday");
    let at: jiff::Timestamp =
        export["status"]["ledger"]["distrustedAt"].as_str().unwrap().parse().unwrap();
    let from = at + jiff::SignedDuration::from_hours(1);
    assert!(message.contains(&format!("accepted at {from}")), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_ledger_that_is_older_than_the_status_is_checked_by_itself() {
    let world = World::new().await;
    world.synced("Engineer", None);
    let backup = tempfile::tempdir().unwrap();
    let ledger = world.state.path().join("ledger");
    copy(&ledger, backup.path());
    world.synced("Director", None);
    copy(backup.path(), &ledger);
    let before = world.reads();
    let (export, message) = world.synced("Engineer", None);
    assert_eq!(world.with_title("Engineer"), PEOPLE);
    assert_eq!(world.reads() - before, PEOPLE as u64);
    assert_eq!(export["status"]["ledger"]["checked"], "LedgerBehind");
    assert!(message.contains("older than the last run in the status"), "{message}");
    // From now on it is believed again.
    let before = world.reads();
    let (_, message) = world.synced("Architect", None);
    assert_eq!(message, format!("{PEOPLE}/{PEOPLE} delivered"));
    assert_eq!(world.reads() - before, PEOPLE as u64, "each person once, before their update");
    world.synced("Architect", None);
    assert_eq!(world.with_title("Architect"), PEOPLE);
}
