//! Who was anonymised in Clinch, or is on the admin's list, is not written by `apply`: whichever
//! integration of the account is used, and for as long as the state folder is there.

use std::{
    fs,
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use clinch_operator::sandbox::{Credential, Options, Sandbox};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;

use crate::apply::{apply, condition, object, shown};

const ACCOUNT: &str = "hireEZ";

/// What is applied; each run writes it again.
struct Applied {
    integration: Value,
    export: &'static str,
    credential: (&'static str, &'static str),
    titles: &'static str,
    list: Option<Value>,
}

struct World {
    sandbox: Sandbox,
    state: TempDir,
    applied: Applied,
}

fn email(n: usize) -> String {
    format!("person{n}@example.com")
}

impl World {
    async fn new() -> Self {
        Self::with(json!({"duplicateEmail": "allow"})).await
    }

    async fn with(contract: Value) -> Self {
        let options = Options::default().with_credential(ACCOUNT, "K1", "s1");
        let contract = serde_json::from_value(contract).unwrap();
        let sandbox = Sandbox::start(Options { contract, ..options }).await.unwrap();
        let integration = json!({
            "metadata": {"name": "one"},
            "spec": {"endpoint": sandbox.base_url(), "environment": "Sandbox",
                "credentials": {"secretRef": {"name": "credential"}}}});
        let applied = Applied {
            integration,
            export: "first",
            credential: ("K1", "s1"),
            titles: "Engineer",
            list: None,
        };
        Self { sandbox, state: tempfile::tempdir().unwrap(), applied }
    }

    fn apply(&self) -> Output {
        let folder = tempfile::tempdir().unwrap();
        let Applied { integration, export, credential, titles, list } = &self.applied;
        let people: Vec<Value> = (0..4)
            .map(|n| {
                json!({"firstName": "A", "lastName": format!("B{n}"), "title": titles,
                    "emails": [{"value": email(n)}]})
            })
            .collect();
        let object = |kind: &str, version: &str, mut object: Value| {
            object["kind"] = kind.into();
            object["apiVersion"] = version.into();
            object["metadata"]["namespace"] = "talent".into();
            object
        };
        let ours = "clinch.hireez.dev/v1alpha1";
        let name = integration["metadata"]["name"].clone();
        let mut objects = vec![
            object("Namespace", "v1", json!({"metadata": {"name": "talent"}})),
            object(
                "Secret",
                "v1",
                json!({"metadata": {"name": "credential"},
                    "stringData": {"accessKey": credential.0, "secretKey": credential.1}}),
            ),
            object("ClinchIntegration", ours, integration.clone()),
            object(
                "CandidateExport",
                ours,
                json!({"metadata": {"name": export}, "spec": {"integrationRef": {"name": name},
                    "source": {"inline": people}, "destination": {"prospect": {}}}}),
            ),
        ];
        objects[0]["metadata"].as_object_mut().unwrap().remove("namespace");
        if let Some(list) = list {
            objects.push(object(
                "Secret",
                "v1",
                json!({"metadata": {"name": "list",
                    "labels": {"clinch.hireez.dev/use": "suppression"}}, "stringData": list}),
            ));
        }
        let text: Vec<String> = objects.iter().map(ToString::to_string).collect();
        std::fs::write(folder.path().join("all.yaml"), text.join("\n---\n")).unwrap();
        apply(folder.path(), self.state.path(), &self.sandbox.base_url())
            .args(["-o", "json", "--timeout", "60", "--request-timeout", "1"])
            .output()
            .unwrap()
    }

    /// Applies; everything has to be Ready. Gives the export's counts.
    fn delivered(&self) -> Value {
        let output = self.apply();
        assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
        let export = object(&output, "CandidateExport");
        assert_eq!(condition(&export, "Ready")["reason"], "Synced");
        export["status"]["counts"].clone()
    }

    fn addresses(&self) -> Vec<String> {
        let people = self.sandbox.people(ACCOUNT);
        let address = |person: &Value| person["attributes"]["email"].as_str().map(str::to_owned);
        let mut addresses: Vec<String> = people.iter().filter_map(address).collect();
        addresses.sort_unstable();
        addresses
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recreated_integration_and_a_rotated_credential_know_who_was_anonymised() {
    let mut world = World::new().await;
    assert_eq!(world.delivered()["created"], 4);
    world.sandbox.anonymise(ACCOUNT, &email(1)).unwrap();
    world.applied.titles = "Director";
    let counts = world.delivered();
    assert_eq!((&counts["suppressed"], &counts["updated"]), (&1.into(), &3.into()));
    let status = object(&world.apply(), "ClinchIntegration")["status"]["suppression"].clone();
    assert_eq!(status["entries"], 1, "{status}");

    // The credential is rotated; then integration and export are recreated.
    let rotated =
        Credential { account: Some(ACCOUNT.to_owned()), ..Credential::new("hireEZ", "K2", "s2") };
    world.sandbox.add_credential(rotated);
    world.applied.credential = ("K2", "s2");
    assert_eq!(world.delivered()["suppressed"], 1);
    world.applied.integration["metadata"]["name"] = "two".into();
    world.applied.export = "second";
    let counts = world.delivered();
    assert_eq!((&counts["suppressed"], &counts["created"]), (&1.into(), &0.into()));
    // It has written to nobody, so that no witness identifies the account after another rotation: the
    // people anonymised in it do.
    let again =
        Credential { account: Some(ACCOUNT.to_owned()), ..Credential::new("hireEZ", "K3", "s3") };
    world.sandbox.add_credential(again);
    world.applied.credential = ("K3", "s3");
    world.applied.export = "third";
    let counts = world.delivered();
    assert_eq!((&counts["suppressed"], &counts["created"]), (&1.into(), &0.into()));
    // Another integration of the account beside it, with the oldest credential.
    world.applied.integration["metadata"]["name"] = "three".into();
    world.applied.credential = ("K1", "s1");
    assert_eq!(world.delivered()["suppressed"], 1);
    assert_eq!(world.addresses(), [email(0), email(2), email(3)]);
    assert_eq!(world.sandbox.people(ACCOUNT).len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integration_that_is_renamed_while_its_key_is_rotated_knows_who_was_anonymised() {
    let mut world = World::new().await;
    world.delivered();
    world.sandbox.anonymise(ACCOUNT, &email(1)).unwrap();
    world.applied.titles = "Director";
    assert_eq!(world.delivered()["suppressed"], 1);

    let rotated =
        Credential { account: Some(ACCOUNT.to_owned()), ..Credential::new("hireEZ", "K2", "s2") };
    world.sandbox.add_credential(rotated);
    world.applied.credential = ("K2", "s2");
    world.applied.integration["metadata"]["name"] = "two".into();
    world.applied.titles = "Architect";
    let counts = world.delivered();
    assert_eq!((&counts["suppressed"], &counts["created"]), (&1.into(), &0.into()));
    assert_eq!(counts["updated"], 3, "the ledger counts, too");
    assert_eq!(world.addresses(), [email(0), email(2), email(3)]);

    // In another account that list is about nobody.
    world.sandbox.add_credential(Credential::new("other", "K3", "s3"));
    world.applied.credential = ("K3", "s3");
    world.applied.integration["metadata"]["name"] = "three".into();
    world.applied.export = "second";
    let counts = world.delivered();
    assert_eq!((&counts["suppressed"], &counts["created"]), (&0.into(), &4.into()));
    assert_eq!(world.addresses(), [email(0), email(2), email(3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integration_says_that_nobody_can_be_recognised_where_clinch_shows_no_flag() {
    for (flag, says_so) in [(true, false), (false, true)] {
        let world = World::with(json!({"anonymizedFlag": flag})).await;
        world.delivered();
        let list = condition(&object(&world.apply(), "ClinchIntegration"), "SuppressionReadable");
        let message = list["message"].as_str().unwrap();
        assert_eq!(
            message.contains("Clinch does not show who was anonymised"),
            says_so,
            "{message}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_list_stops_all_writing_until_its_loss_is_accepted() {
    let mut world = World::new().await;
    world.delivered();
    world.sandbox.anonymise(ACCOUNT, &email(1)).unwrap();
    world.applied.titles = "Director";
    world.delivered();
    // Everything that remembers them is lost but the statuses.
    std::fs::remove_dir_all(world.state.path().join("suppression")).unwrap();
    std::fs::remove_dir_all(world.state.path().join("ledger")).unwrap();
    world.applied.titles = "Architect";
    let writes = |world: &World| {
        let requests = world.sandbox.requests();
        requests.of("createCandidate") + requests.of("updateCandidate")
    };
    let before = writes(&world);
    let stopped = world.apply();
    assert_eq!(stopped.status.code(), Some(1), "{}", shown(&stopped));
    let integration = object(&stopped, "ClinchIntegration");
    for kind in ["Ready", "Stalled", "SuppressionReadable"] {
        assert_eq!(condition(&integration, kind)["reason"], "SuppressionUnreadable");
    }
    assert_eq!(
        condition(&object(&stopped, "CandidateExport"), "IntegrationReady")["reason"],
        "SuppressionUnreadable"
    );
    assert_eq!(writes(&world), before, "nobody is created or updated");

    let since = integration["status"]["suppression"]["since"].as_str().unwrap();
    let message = condition(&integration, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(message.contains(&format!("spec.acceptSuppressionLoss: {since:?}")), "{message}");
    world.applied.integration["spec"]["acceptSuppressionLoss"] = since.into();
    // Documented: people on the lost list may then be written again.
    assert_eq!(world.delivered()["created"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_on_the_admins_list_are_not_written_until_they_are_taken_off() {
    let mut world = World::new().await;
    let mut mac = Hmac::<Sha256>::new_from_slice(b"a key").unwrap();
    mac.update(email(2).as_bytes());
    let digest = hex::encode(mac.finalize().into_bytes());
    world.applied.integration["spec"]["suppression"] = json!({"secretRef": {"name": "list"}});
    world.applied.list = Some(json!({"hmacKey": "a key",
        "people.txt": format!("# by order\nPerson1@Example.com\nhmac-sha256:{digest}\n")}));
    let counts = world.delivered();
    assert_eq!((&counts["suppressed"], &counts["created"]), (&2.into(), &2.into()));
    let output = world.apply();
    let export = object(&output, "CandidateExport");
    assert_eq!(export["status"]["delivered"], "2/2");
    let ready = condition(&export, "Ready");
    assert_eq!(ready["message"], "2/2 delivered, 2 suppressed");
    assert_eq!(export["status"]["failures"][0]["reason"], "Suppressed");
    assert_eq!(object(&output, "ClinchIntegration")["status"]["suppression"]["listed"], 2);
    assert_eq!(world.addresses(), [email(0), email(3)]);

    // A line that cannot be read fails closed, and is not repeated.
    world.applied.list =
        Some(json!({"people.txt": "person1@example.com\nperson2(at)example.com\n"}));
    let stopped = world.apply();
    assert_eq!(stopped.status.code(), Some(1));
    let message = condition(&object(&stopped, "ClinchIntegration"), "Ready")["message"].clone();
    assert!(message.as_str().unwrap().contains("people.txt, line 2"), "{message}");
    assert!(!shown(&stopped).contains("person2(at)"), "{}", shown(&stopped));
    world.applied.list = None;
    let stopped = world.apply();
    let reason = condition(&object(&stopped, "ClinchIntegration"), "Ready")["reason"].clone();
    assert_eq!((stopped.status.code(), reason), (Some(1), "SuppressionUnreadable".into()));

    // Taken off the list: pushed.
    world.applied.list = Some(json!({"people.txt": "person2@example.com\n"}));
    let counts = world.delivered();
    assert_eq!((&counts["suppressed"], &counts["created"]), (&1.into(), &1.into()));
    assert_eq!(world.addresses(), [email(0), email(1), email(3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_in_the_folder_is_asked_although_its_export_is_not_applied_any_more() {
    let mut world = World::new().await;
    assert_eq!(world.delivered()["created"], 4);
    // Only that export's ledger can tell who they were.
    world.sandbox.anonymise(ACCOUNT, &email(1)).unwrap();
    world.applied.export = "second";
    let counts = world.delivered();
    assert_eq!((&counts["suppressed"], &counts["created"]), (&1.into(), &0.into()));
    // Nor its integration.
    world.sandbox.anonymise(ACCOUNT, &email(2)).unwrap();
    world.applied.integration["metadata"]["name"] = "two".into();
    world.applied.export = "third";
    let counts = world.delivered();
    assert_eq!((&counts["suppressed"], &counts["created"]), (&2.into(), &0.into()));
    assert_eq!(world.addresses(), [email(0), email(3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_whose_witnesses_were_deleted_is_recognised_by_who_was_anonymised() {
    let mut world = World::new().await;
    world.delivered();
    let status = object(&world.apply(), "ClinchIntegration")["status"]["account"].clone();
    let witnesses = status["witnesses"].as_array().unwrap().clone();
    let people = world.sandbox.people(ACCOUNT);
    let (seen, others): (Vec<_>, Vec<_>) =
        people.iter().partition(|person| witnesses.contains(&person["id"]));
    let address = |person: &Value| person["attributes"]["email"].as_str().unwrap().to_owned();
    world.sandbox.anonymise(ACCOUNT, &address(others[0])).unwrap();
    world.applied.titles = "Director";
    assert_eq!(world.delivered()["suppressed"], 1);
    for person in &seen {
        world.sandbox.delete(ACCOUNT, &address(person)).unwrap();
    }
    let rotated =
        Credential { account: Some(ACCOUNT.to_owned()), ..Credential::new("hireEZ", "K2", "s2") };
    world.sandbox.add_credential(rotated);
    world.applied.credential = ("K2", "s2");
    world.applied.titles = "Architect";
    let counts = world.delivered();
    assert_eq!((&counts["suppressed"], &counts["created"]), (&1.into(), &3.into()));
}

/// Applies an export of many people, through an integration with an admin's list or none; calls `change`
/// once some are in Clinch.
async fn applied_while(
    world: &World,
    people: usize,
    list: Option<&Path>,
    change: impl FnOnce(),
) -> Output {
    world.sandbox.set_latency(Duration::from_millis(50));
    let profiles: Vec<String> = (100..100 + people)
        .map(|n| {
            let person = json!({"firstName": "A", "lastName": format!("B{n}"),
                "title": "Engineer", "emails": [{"value": email(n)}]});
            person.to_string()
        })
        .collect();
    let people = json!({"metadata": {"name": "people"},
        "data": {"people.ndjson": profiles.join("\n")}});
    let mut integration = world.applied.integration.clone();
    integration["spec"]["limits"] = json!({"maxInFlight": 2});
    if let Some(list) = list {
        integration["spec"]["suppression"] =
            json!({"objectStore": {"url": format!("file://{}", list.display())}});
    }
    let export = json!({"metadata": {"name": "many"}, "spec": {"integrationRef": {"name": "one"},
        "source": {"configMapRef": {"name": "people"}}, "destination": {"prospect": {}}}});
    let secret = json!({"metadata": {"name": "credential"},
        "stringData": {"accessKey": "K1", "secretKey": "s1"}});
    let ours = "clinch.hireez.dev/v1alpha1";
    let objects = [
        ("Secret", "v1", secret),
        ("ConfigMap", "v1", people),
        ("ClinchIntegration", ours, integration),
        ("CandidateExport", ours, export),
    ];
    let mut text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: talent}".to_owned();
    for (kind, version, mut object) in objects {
        object["kind"] = kind.into();
        object["apiVersion"] = version.into();
        object["metadata"]["namespace"] = "talent".into();
        text = format!("{text}\n---\n{object}");
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("all.yaml"), text).unwrap();
    let allowed = list.map(|list| format!("file://{}", list.parent().unwrap().display()));
    let before = world.sandbox.requests().of("createCandidate");
    let mut process = apply(folder.path(), world.state.path(), &world.sandbox.base_url())
        .args(["-o", "json", "--timeout", "100"])
        .args(allowed.iter().flat_map(|allowed| ["--allowed-sources", allowed]))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while world.sandbox.requests().of("createCandidate") < before + 20 {
        assert!(process.try_wait().unwrap().is_none(), "it has ended before");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    change();
    tokio::task::spawn_blocking(|| process.wait_with_output()).await.unwrap().unwrap()
}

fn assert_unreadable(output: &Output) {
    assert_eq!(output.status.code(), Some(1), "{}", shown(output));
    let ready = condition(&object(output, "ClinchIntegration"), "Ready");
    assert_eq!(ready["reason"], "SuppressionUnreadable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_in_a_folder_takes_effect_while_a_run_works() {
    const PEOPLE: usize = 300;
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().canonicalize().unwrap().join("never.txt");
    fs::write(&list, "nobody@elsewhere.example\n").unwrap();
    // At 40 people a second at most, these are more than 4 s away.
    let late: Vec<String> = (300..100 + PEOPLE).map(email).collect();
    let world = World::new().await;
    let added = || fs::write(&list, late.join("\n")).unwrap();
    let output = applied_while(&world, PEOPLE, Some(&list), added).await;
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    // The change may have ended the run, and another one went on.
    let counts = &object(&output, "CandidateExport")["status"]["counts"];
    let count = |name: &str| counts[name].as_u64().unwrap();
    assert_eq!(
        (count("suppressed"), count("created") + count("unchanged")),
        (100, 200),
        "{counts}"
    );
    assert_eq!(world.sandbox.people(ACCOUNT).len(), 200);

    // Without it, it is not known who must not be written.
    let world = World::new().await;
    let removed = || fs::remove_file(&list).unwrap();
    assert_unreadable(&applied_while(&world, PEOPLE, Some(&list), removed).await);
    assert!(world.sandbox.people(ACCOUNT).len() < 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_when_the_list_of_anonymised_people_is_deleted_meanwhile() {
    const PEOPLE: usize = 700;
    let mut world = World::new().await;
    world.delivered();
    world.sandbox.anonymise(ACCOUNT, &email(1)).unwrap();
    world.applied.titles = "Director";
    world.delivered();
    let deleted = || fs::remove_dir_all(world.state.path().join("suppression")).unwrap();
    assert_unreadable(&applied_while(&world, PEOPLE, None, deleted).await);
    assert!(world.sandbox.people(ACCOUNT).len() < PEOPLE);
}
