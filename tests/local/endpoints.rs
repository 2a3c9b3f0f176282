//! Imports to an HTTP endpoint by `apply`, as a real process: what arrives, who allows it, and what is done
//! about each answer.

use std::{fs, path::Path};

use clinch_operator::sandbox::{Options, Sandbox, SinkAnswer, SinkCut, SinkOptions, TestSink};
use serde_json::{Value, json};

use crate::apply::{self, condition, object, shown};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLD_KEY: &str = "marked-key-of-last-year-0123456789";

struct World {
    sandbox: Sandbox,
    sink: TestSink,
    folder: tempfile::TempDir,
    /// The fields of the signing Secret.
    keys: Value,
    /// The label of the Secrets.
    label: &'static str,
    /// More fields of the import.
    more: Value,
    allowed: Option<String>,
    /// `readPermission.destinations`.
    destinations: Vec<String>,
}

impl World {
    async fn new(people: usize) -> Self {
        let options = Options::default().with_credential("hireEZ", "K", "S");
        let sandbox = Sandbox::start(options).await.unwrap();
        for number in 0..people {
            let person = json!({"email": format!("p{number}@marker.example"),
                "first_name": format!("First{number}")});
            sandbox.add_person("hireEZ", &person).unwrap();
        }
        let sink = TestSink::start(SinkOptions::new(KEY)).await.unwrap();
        let allowed = Some(sink.origin());
        Self {
            sandbox,
            sink,
            folder: tempfile::tempdir().unwrap(),
            keys: json!({ "key": KEY }),
            label: "destination",
            more: json!({}),
            allowed,
            destinations: Vec::new(),
        }
    }

    fn manifests(&self) -> String {
        let api = "clinch.hireez.dev/v1alpha1";
        let secret = |name: &str, fields: &Value| {
            json!({"apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": name, "labels": {"clinch.hireez.dev/use": self.label},
                    "annotations": {"clinch.hireez.dev/allowed-origin": self.sink.origin()}},
                "stringData": fields})
        };
        let mut import = json!({"integrationRef": {"name": "clinch"},
            "sink": {"http": {"url": format!("{}?token=marked-query", self.sink.url()),
                "headersSecretRef": {"name": "headers"}, "signingSecretRef": {"name": "keys"},
                "maxRecords": 10}}});
        for (name, value) in self.more.as_object().unwrap() {
            import[name] = value.clone();
        }
        let objects = [
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "clinch"},
                "stringData": {"accessKey": "K", "secretKey": "S"}}),
            secret("keys", &self.keys),
            secret("headers", &json!({"Authorization": "Bearer marked-token"})),
            json!({"apiVersion": api, "kind": "ClinchIntegration", "metadata": {"name": "clinch"},
                "spec": {"endpoint": self.sandbox.base_url(), "environment": "Sandbox",
                    "credentials": {"secretRef": {"name": "clinch"}},
                    "readPermission": {"candidates": "Allowed", "attributes": ["*"],
                        "destinations": self.destinations}}}),
            json!({"apiVersion": api, "kind": "CandidateImport", "metadata": {"name": "out"},
                "spec": import}),
        ];
        objects.map(|object| object.to_string()).join("\n---\n")
    }

    /// Applies; the import has this reason. Nothing that is secret or of a person is said.
    async fn expect(&self, code: i32, reason: &str) -> Value {
        let path = self.folder.path().join("manifests.yaml");
        fs::write(&path, self.manifests()).unwrap();
        let origin = self.sandbox.base_url();
        let mut command = apply::apply(&path, &self.folder.path().join("state"), &origin);
        command.args(["-o", "json", "--timeout", "30", "--log", "debug"]);
        if let Some(allowed) = &self.allowed {
            command.args(["--allowed-destinations", allowed]);
        }
        // The emulator is on this runtime.
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        // The spec is shown as it is; nothing else shows the query of its URL.
        let text = shown(&output).replace(&format!("{}?token=marked-query", self.sink.url()), "");
        assert_eq!(output.status.code(), Some(code), "{text}");
        let import = object(&output, "CandidateImport");
        assert_eq!(condition(&import, "Ready")["reason"], reason, "{import}");
        for secret in ["marker.example", "First0", "marked-", "MfKQ9r8GKYqrTw"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
        import
    }

    fn names(&self) -> Vec<String> {
        let name = |record: &Value| record["firstName"].as_str().unwrap_or("-").to_owned();
        let mut names: Vec<String> = self.sink.records().iter().map(name).collect();
        names.sort();
        names
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_arrive_at_an_endpoint_in_signed_batches_and_then_only_who_changed() {
    let mut world = World::new(25).await;
    world.keys = json!({ "key": OLD_KEY, "previousKey": KEY });
    let done = world.expect(0, "Imported").await;
    assert_eq!(done["status"]["counts"]["emitted"], 25);
    assert!(done["status"].get("lastManifest").is_none());
    let received = world.sink.received();
    assert_eq!((received.deliveries.len(), received.unsigned), (3, 0), "batches of ten");
    let uid = done["metadata"]["uid"].as_str().unwrap();
    let number = |id: &str| id.split('.').nth(1).and_then(|number| number.parse::<u64>().ok());
    let first = number(&received.deliveries[0].id).unwrap();
    for (at, delivery) in (first..).zip(&received.deliveries) {
        assert!(delivery.id.starts_with(&format!("{uid}.{at}.")) && delivery.kept, "{delivery:?}");
    }
    assert!(received.records.len() == 25 && received.records.iter().all(|one| one.times == 1));

    world.expect(0, "Imported").await;
    assert_eq!(world.sink.received().requests, 3, "nothing new, nothing sent");
    world.sandbox.edit("hireEZ", "p1@marker.example", &json!({"first_name": "Other"})).unwrap();
    let gone = world.sandbox.delete("hireEZ", "p2@marker.example").unwrap();
    world.expect(0, "Imported").await;
    let records = world.sink.records();
    assert_eq!(records.len(), 27);
    assert!(records[25..].iter().any(|record| record["firstName"] == "Other"));
    let tombstone = records[25..].iter().find(|record| record["clinch"]["op"] == "tombstone");
    assert_eq!(tombstone.unwrap()["clinch"]["id"], gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_gets_only_what_admins_and_owners_of_secrets_allow() {
    let mut world = World::new(2).await;
    let allowed = world.allowed.take();
    world.expect(1, "DestinationNotAllowed").await;
    world.allowed = Some("http://127.0.0.1:9".to_owned());
    world.expect(1, "DestinationNotAllowed").await;
    world.allowed = allowed;
    world.label = "source";
    world.expect(1, "ReferenceForbidden").await;
    world.label = "destination";
    for keys in
        [json!({"key": "short"}), json!({"previousKey": KEY}), json!({"key": KEY, "a": "b"})]
    {
        world.keys = keys;
        let refused = world.expect(1, "DestinationDenied").await;
        assert_eq!(condition(&refused, "SinkReady")["status"], "False");
    }
    assert_eq!(world.sink.received().requests, 0, "nothing was sent so far");
    world.keys = json!({ "key": OLD_KEY });
    let refused = world.expect(1, "DestinationDenied").await;
    let message = condition(&refused, "Ready")["message"].to_string();
    assert!(message.contains("401") && message.contains("signing key"), "{message}");
    let received = world.sink.received();
    assert_eq!((received.requests, received.unsigned, received.records.len()), (1, 1, 0));
    world.keys = json!({ "key": KEY });
    world.expect(0, "Imported").await;
    assert_eq!(world.names(), ["First0", "First1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integration_may_narrow_imports_to_an_endpoint() {
    let mut world = World::new(2).await;
    let origin = world.sink.origin();
    for others in [
        vec!["https://hooks.example.com/".to_owned()],
        vec![format!("{origin}/elsewhere"), "s3://bucket/".to_owned()],
    ] {
        world.destinations = others;
        let refused = world.expect(1, "NotPermitted").await;
        let message = condition(&refused, "Permitted")["message"].to_string();
        assert!(message.contains("spec.readPermission.destinations"), "{message}");
    }
    assert_eq!(world.sink.received().requests, 0, "nothing was sent so far");
    // Itself, or all of its server.
    let itself = world.sink.url();
    world.allowed = Some(itself.clone());
    world.destinations = vec!["s3://bucket/".to_owned(), itself];
    world.expect(0, "Imported").await;
    world.destinations = vec!["s3://bucket/".to_owned(), origin];
    world.expect(0, "Imported").await;
    assert_eq!(world.names(), ["First0", "First1"]);
    // The operator's own list applies as well.
    world.allowed = Some("https://hooks.example.com".to_owned());
    world.expect(1, "DestinationNotAllowed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_pass_are_waited_for_and_a_batch_never_has_two_bodies() {
    let world = World::new(25).await;
    world.sink.set_answers(vec![
        SinkAnswer::status(500).times(2),
        SinkAnswer { retry_after: Some(1), ..SinkAnswer::status(429).times(1) },
        SinkAnswer::cut(SinkCut::BeforeCommit).times(1),
        SinkAnswer::cut(SinkCut::AfterCommit).times(1),
    ]);
    world.expect(0, "Imported").await;
    let received = world.sink.received();
    assert_eq!((received.unsigned, received.conflicts), (0, 0));
    for delivery in &received.deliveries {
        assert_eq!(delivery.bodies.len(), 1, "{delivery:?}");
    }
    assert!(received.records.len() == 25 && received.records.iter().all(|one| one.times == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_whom_the_endpoint_refuses_is_a_failure_and_the_others_arrive() {
    let mut world = World::new(25).await;
    let refuses =
        SinkAnswer { with_record: Some("p7@marker.example".to_owned()), ..SinkAnswer::status(422) };
    world.sink.set_answers(vec![refuses]);
    world.more = json!({"failureBudget": 1});
    let done = world.expect(0, "ImportedWithRejections").await;
    let (counts, failures) = (&done["status"]["counts"], &done["status"]["failures"]);
    assert_eq!((&counts["emitted"], &counts["failed"]), (&json!(24), &json!(1)), "{counts}");
    assert_eq!(failures[0]["reason"], "SinkRejected");
    assert_eq!(world.names().len(), 24);
    world.sink.set_answers(Vec::new());
    world.expect(0, "Imported").await;
    assert_eq!(world.names().len(), 25);

    world.sandbox.edit("hireEZ", "p1@marker.example", &json!({"first_name": "Other"})).unwrap();
    let redirect = SinkAnswer {
        location: Some("http://127.0.0.1:9/marked-elsewhere".to_owned()),
        ..SinkAnswer::status(307)
    };
    world.sink.set_answers(vec![redirect]);
    let denied = world.expect(1, "DestinationDenied").await;
    assert!(condition(&denied, "Ready")["message"].to_string().contains("redirects"));
    world.sink.set_answers(Vec::new());
    let done = world.expect(0, "Imported").await;
    assert!(world.names().contains(&"Other".to_owned()));
    // Who is sent again is not unchanged, too.
    let counts = &done["status"]["counts"];
    let count = |name: &str| counts[name].as_i64().unwrap();
    assert_eq!(count("emitted"), 1, "{counts}");
    assert_eq!(count("emitted") + count("unchanged"), count("scanned"), "{counts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_sends_people_as_its_page_says() {
    const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/import-endpoint");
    let page = fs::read_to_string(Path::new(EXAMPLE).join("README.md")).unwrap();
    let after = |marker: &str| {
        let (_, rest) = page.split_once(marker).unwrap();
        rest.split_whitespace().next().unwrap().to_owned()
    };
    let credential = after("--credential ");
    let [account, key, secret] = credential.split(':').collect::<Vec<_>>()[..] else {
        panic!("{credential}")
    };
    let options = Options::default().with_credential(account, key, secret);
    let sandbox = Sandbox::start(options).await.unwrap();
    let sink = TestSink::start(SinkOptions::new(&after("--sink-key "))).await.unwrap();
    for (email, name) in [("ada@example.com", "Ada"), ("alan@example.com", "Alan")] {
        assert!(page.contains(&format!(r#"{{"email": "{email}", "first_name": "{name}"}}"#)));
        let person = json!({"email": email, "first_name": name});
        sandbox.add_person(account, &person).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let manifests = folder.path().join("manifests");
    fs::create_dir(&manifests).unwrap();
    for entry in fs::read_dir(EXAMPLE).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace("http://127.0.0.1:18080", &sandbox.base_url());
        let text = text.replace("http://127.0.0.1:18081", &sink.origin());
        fs::write(manifests.join(path.file_name().unwrap()), text).unwrap();
    }
    let apply = async || {
        let (state, origin) = (folder.path().join("state"), sandbox.base_url());
        let mut command = apply::apply(&manifests, &state, &origin);
        command.args(["--timeout", "30", "--allowed-destinations", &sink.origin()]);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    };
    apply().await;
    assert_eq!(sink.records().len(), 2);
    sandbox.edit(account, "ada@example.com", &json!({"first_name": "Augusta"})).unwrap();
    sandbox.delete(account, "alan@example.com").unwrap();
    apply().await;
    let records = sink.records();
    let mut ops: Vec<&str> =
        records[2..].iter().map(|record| record["clinch"]["op"].as_str().unwrap()).collect();
    ops.sort_unstable();
    assert_eq!(ops, ["tombstone", "upsert"]);
    assert_eq!(sink.received().unsigned, 0);
}
