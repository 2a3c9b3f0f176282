//! `contract check` as a process, against emulators that differ from what is assumed. What it reads is
//! judged by what the emulator has counted.

use std::process::{Command, Output, Stdio};

use clinch_operator::sandbox::{Options, Sandbox, SandboxContract};
use serde_json::{Value, json};

use super::apply::shown;

/// An emulator with people, and the manifests of an integration.
struct World {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
}

impl World {
    async fn new(contract: Value, people: usize) -> Self {
        let contract: SandboxContract = serde_json::from_value(contract).unwrap();
        let options = Options { contract, ..Options::default() };
        let options = options.with_credential("hireEZ", "K", "S");
        let sandbox = Sandbox::start(options).await.unwrap();
        for number in 0..people {
            let person = json!({"email": format!("Zyzzyva{number}@example.org"),
                "first_name": "Zyzzyva"});
            sandbox.add_person("hireEZ", &person).unwrap();
        }
        let world = Self { sandbox, folder: tempfile::tempdir().unwrap() };
        world.declare("S", &json!({}));
        world
    }

    /// Writes the manifests, with this secret key and these corrections.
    fn declare(&self, secret: &str, overrides: &Value) {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "clinch"},
            "stringData": {"accessKey": "K", "secretKey": secret}});
        let integration = json!({"apiVersion": "clinch.hireez.dev/v1alpha1",
            "kind": "ClinchIntegration", "metadata": {"name": "clinch"}, "spec": {
                "endpoint": self.sandbox.base_url(), "environment": "Sandbox",
                "credentials": {"secretRef": {"name": "clinch"}}, "contractOverrides": overrides}});
        // As `kubectl get clint,secret -o yaml` prints them.
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [secret, integration]});
        std::fs::write(self.folder.path().join("clinch.yaml"), list.to_string()).unwrap();
    }

    fn run(&self, environment: &str, more: &[&str]) -> Output {
        let output = Command::new(env!("CARGO_BIN_EXE_clinch-operator"))
            .args(["contract", "check", "--environment", environment])
            .args(["--allowed-endpoints", &self.sandbox.base_url(), "-f", "clinch.yaml"])
            .args(more)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = shown(&output).to_lowercase();
        assert!(!text.contains("zyzzyva") && !text.contains("@example"), "{text}");
        output
    }

    /// The result as JSON, and the exit code.
    fn check(&self) -> (Value, i32) {
        let before = self.requests();
        let output = self.run("sandbox", &["-o", "json"]);
        let found: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", shown(&output)));
        let made = self.requests() - before;
        assert_eq!(found["reads"], made, "{found}");
        assert!(made <= 60 && self.writes() == 0, "{made} requests, {} writes", self.writes());
        (found, output.status.code().unwrap())
    }

    fn requests(&self) -> u64 {
        self.sandbox.requests().total
    }

    fn writes(&self) -> u64 {
        let counts = self.sandbox.requests();
        let writes =
            ["createCandidate", "updateCandidate", "createApplication", "createAttachment"];
        writes.iter().map(|operation| counts.of(operation)).sum()
    }
}

/// The verdict on a topic.
fn verdict<'a>(found: &'a Value, topic: &str) -> &'a str {
    let findings = found["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["topic"] == topic);
    finding.unwrap_or_else(|| panic!("{topic}: {found:#}"))["verdict"].as_str().unwrap()
}

fn contradicted(found: &Value) -> Vec<&str> {
    let findings = found["findings"].as_array().unwrap().iter();
    let wrong = findings.filter(|finding| finding["verdict"] == "Contradicted");
    wrong.map(|finding| finding["topic"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_as_assumed_is_confirmed_as_far_as_reads_can_say() {
    let world = World::new(json!({"openapi": false}), 130).await;
    let (found, code) = world.check();
    assert_eq!((contradicted(&found), code), (Vec::<&str>::new(), 0), "{found:#}");
    for topic in [
        "paths.listCandidates",
        "paths.getCandidate",
        "paths.listJobs",
        "paths.getJob",
        "paths.listStages",
        "paths.listApplications",
        "paths.listAttachments",
        "paths.listActivities",
        "attributes.email",
        "attributes.source",
        "attributes.updated_at",
        "attributes.job_reference",
        "attributes.stage_name",
        "pageParameter",
        "pageSizeParameter",
        "maxPageSize",
        "filterParameter",
        "letter case of addresses",
        "total of the list",
        "link to the next page",
        "an id that nobody has",
        "flag of anonymised people",
    ] {
        assert_eq!(verdict(&found, topic), "Confirmed", "{topic}: {found:#}");
    }
    for topic in
        ["OpenAPI document", "paths.createCandidate", "paths.createActivity", "lookupSettle"]
    {
        assert_eq!(verdict(&found, topic), "Unknown", "{topic}: {found:#}");
    }
    assert_eq!((&found["corrected"], &found["contractOverrides"]), (&json!(false), &json!({})));
}

#[tokio::test(flavor = "multi_thread")]
async fn corrections_of_an_odd_account_are_found_and_are_right() {
    let odd = json!({
        "openapi": false,
        "attributes": {"email": "email_address", "source": "origin"},
        "job": {"reference": "code", "title": "name"},
        "stage": {"name": "label"},
        "paging": {"page": "page[number]", "perPage": "page[size]", "max": 50},
        "updatedSince": {"parameter": "modified_since"},
    });
    let world = World::new(odd, 120).await;
    let (found, code) = world.check();
    assert_eq!(code, 1, "{found:#}");
    let expected = json!({
        "attributes": {"email": "email_address", "job_reference": "code", "job_title": "name",
            "source": "origin", "stage_name": "label"},
        "pageParameter": "page[number]", "pageSizeParameter": "page[size]", "maxPageSize": 50,
        "filterParameter": "filter[email_address]",
        "updatedSince": {"parameter": "modified_since", "format": "RFC3339"},
    });
    assert_eq!(found["contractOverrides"], expected, "{found:#}");
    let text = shown(&world.run("sandbox", &[]));
    assert!(text.contains("For integration/clinch:\n\n  spec:\n    contractOverrides:"), "{text}");
    assert!(text.contains("      pageParameter: page[number]\n"), "{text}");
    // With them, nothing is contradicted any more.
    world.declare("S", &expected);
    let (found, code) = world.check();
    assert_eq!((contradicted(&found), code), (Vec::<&str>::new(), 0), "{found:#}");
    assert_eq!((&found["corrected"], &found["contractOverrides"]), (&json!(false), &expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_correction_helps_is_said_too() {
    let world = World::new(
        json!({"openapi": false, "ignoreFilter": true, "paging": {"meta": false, "links": false},
            "operations": {"listActivities": "off", "listJobs": "off"}}),
        30,
    )
    .await;
    let (found, code) = world.check();
    let wrong = ["total of the list", "filterParameter", "paths.listJobs", "paths.listActivities"];
    assert_eq!((contradicted(&found), code), (wrong.to_vec(), 1), "{found:#}");
    assert_eq!(verdict(&found, "paths.listStages"), "Unknown", "no job is known");
    assert_eq!(found["corrected"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_account_publishes_is_taken_from_there() {
    let world = World::new(
        json!({"attributes": {"email": "email_address"},
            "operations": {"listCandidates": "/people", "createCandidate": "/people",
                "listActivities": "off", "createActivity": "off"},
            "paging": {"page": "page[number]", "perPage": "page[size]", "max": 50}}),
        60,
    )
    .await;
    let (found, code) = world.check();
    assert_eq!((contradicted(&found), code), (Vec::<&str>::new(), 0), "{found:#}");
    assert_eq!(verdict(&found, "OpenAPI document"), "Confirmed");
    assert_eq!(verdict(&found, "pageParameter"), "Confirmed");
    let list = &found["findings"].as_array().unwrap()[1];
    assert_eq!((&list["assumed"], &list["standing"]), (&json!("/people"), &json!("Discovered")));
    assert_eq!(verdict(&found, "paths.listActivities"), "Unknown", "it is not offered");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_people_settles_little_and_contradicts_nothing() {
    let world = World::new(json!({}), 0).await;
    let (found, code) = world.check();
    assert_eq!((contradicted(&found), code), (Vec::<&str>::new(), 0), "{found:#}");
    for topic in ["pageParameter", "filterParameter", "attributes.email", "paths.getCandidate"] {
        assert_eq!(verdict(&found, topic), "Unknown", "{topic}");
    }
    assert_eq!(verdict(&found, "paths.listStages"), "Confirmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_contacted_or_read_ends_the_check_with_its_reason() {
    let world = World::new(json!({}), 3).await;
    let output = world.run("production", &[]);
    let text = shown(&output);
    assert!(output.status.code() == Some(1) && text.contains("EnvironmentMismatch"), "{text}");
    assert_eq!(world.requests(), 0);
    let output = world.run("sandbox", &["--integration", "other"]);
    assert_eq!(output.status.code(), Some(2), "{}", shown(&output));
    world.declare("wrong", &json!({}));
    let output = world.run("sandbox", &["-o", "json"]);
    let text = shown(&output);
    assert!(output.status.code() == Some(1) && text.contains("CredentialsRejected"), "{text}");
    assert!(world.requests() <= 3, "{}", world.requests());
}
