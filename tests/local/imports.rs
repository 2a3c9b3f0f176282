//! Imports by `apply`, as a real process: who may take people out, what is in the folder, and what is said
//! of people who are gone.

use std::{fs, path::PathBuf, process::Output};

use clinch_operator::sandbox::{Options, Sandbox};
use serde_json::{Value, json};

use crate::apply::{self, condition, object, shown};

struct World {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
    /// Of the integration; OUT stands for the folder of imports.
    permission: Value,
    import: Value,
    /// Other objects, such as a mapping.
    more: Vec<Value>,
    /// `--allowed-destinations`, if it is given.
    allowed: Option<&'static str>,
}

impl World {
    /// An account of so many people, and an import of them that is permitted.
    async fn new(people: usize) -> Self {
        let options = Options::default().with_credential("hireEZ", "K", "S");
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("out")).unwrap();
        let sandbox = Sandbox::start(options).await.unwrap();
        for number in 0..people {
            let person = json!({"email": format!("p{number}@marker.example"),
                "first_name": format!("First{number}"), "last_name": "Secret"});
            sandbox.add_person("hireEZ", &person).unwrap();
        }
        Self {
            sandbox,
            folder,
            permission: json!({"candidates": "Allowed", "attributes": ["email", "first_name"],
                "destinations": ["OUT"]}),
            import: json!({"integrationRef": {"name": "clinch"},
                "sink": {"objectStore": {"url": "OUT/", "maxRecordsPerFile": 100}}}),
            more: Vec::new(),
            allowed: Some("OUT"),
        }
    }

    async fn apply(&self, annotations: Value) -> Output {
        let origin = self.sandbox.base_url();
        let out = format!("file://{}/out", self.folder.path().display());
        let api = "clinch.hireez.dev/v1alpha1";
        let objects = [
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "clinch"},
                "stringData": {"accessKey": "K", "secretKey": "S"}}),
            json!({"apiVersion": api, "kind": "ClinchIntegration", "metadata": {"name": "clinch"},
                "spec": {"endpoint": origin, "environment": "Sandbox",
                    "credentials": {"secretRef": {"name": "clinch"}},
                    "pushPermission": {"files": "Allowed"},
                    "readPermission": self.permission}}),
            json!({"apiVersion": api, "kind": "CandidateImport",
                "metadata": {"name": "back", "annotations": annotations}, "spec": self.import}),
        ];
        let text: Vec<String> = objects.iter().chain(&self.more).map(ToString::to_string).collect();
        let path = self.folder.path().join("manifests.yaml");
        fs::write(&path, text.join("\n---\n").replace("OUT", &out)).unwrap();
        let mut command = apply::apply(&path, &self.folder.path().join("state"), &origin);
        command.args(["-o", "json", "--timeout", "30"]);
        if let Some(allowed) = self.allowed {
            command.args(["--allowed-destinations", &allowed.replace("OUT", &out)]);
        }
        // The emulator is on this runtime.
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// Applies; the import has this reason. No value of a person and no id of Clinch is said anywhere.
    async fn expect_with(&self, annotations: Value, code: i32, reason: &str) -> Value {
        let output = self.apply(annotations).await;
        let text = shown(&output);
        assert_eq!(output.status.code(), Some(code), "{text}");
        let import = object(&output, "CandidateImport");
        assert_eq!(condition(&import, "Ready")["reason"], reason, "{import}");
        assert!(!text.contains("marker.example") && !text.contains("First0"), "{text}");
        for person in self.sandbox.people("hireEZ") {
            let id = person["id"].as_str().unwrap();
            assert!(!text.contains(id), "{id}: {text}");
        }
        import
    }

    async fn expect(&self, code: i32, reason: &str) -> Value {
        self.expect_with(json!({}), code, reason).await
    }

    /// The folder of the import.
    fn out(&self) -> PathBuf {
        let found = fs::read_dir(self.folder.path().join("out")).unwrap();
        let mut folders = found.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
        folders.next().unwrap()
    }

    /// Every record that the manifests list, in order: those of all runs up to the latest.
    fn records(&self) -> Vec<Value> {
        let out = self.out();
        let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
        let mut manifests = Vec::new();
        let mut next: Value = serde_json::from_str(&read("latest.json")).unwrap();
        loop {
            manifests.insert(0, next.clone());
            let Some(run) = next["previous"].as_u64() else { break };
            next = serde_json::from_str(&read(&format!("manifests/{run:010}.json"))).unwrap();
        }
        let parts = manifests.iter().flat_map(|manifest| manifest["parts"].as_array().unwrap());
        parts
            .map(|part| read(part["name"].as_str().unwrap()))
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .map(|line| serde_json::from_str(&line).unwrap())
            .collect()
    }

    fn is_empty(&self) -> bool {
        fs::read_dir(self.folder.path().join("out")).unwrap().next().is_none()
    }
}

fn of_op<'a>(records: &'a [Value], op: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["clinch"]["op"] == op).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_writes_only_what_the_admins_allow() {
    let mut world = World::new(2).await;
    let permitted = std::mem::replace(&mut world.permission, json!({}));
    world.expect(1, "NotPermitted").await;
    world.permission = permitted.clone();
    world.permission["destinations"] = json!(["file:///elsewhere"]);
    let refused = world.expect(1, "NotPermitted").await;
    assert_eq!(condition(&refused, "Permitted")["status"], "False");
    world.permission = permitted;
    world.allowed = None;
    world.expect(1, "DestinationNotAllowed").await;
    assert!(world.is_empty(), "nothing was written so far");

    world.allowed = Some("OUT");
    let done = world.expect(0, "Imported").await;
    assert_eq!(done["status"]["counts"]["emitted"], 2);
    let message = condition(&done, "MappingReady")["message"].to_string();
    assert!(message.contains("leaves out") && message.contains("last_name"), "{message}");
    let records = world.records();
    let mut names: Vec<&Value> = records.iter().map(|record| &record["firstName"]).collect();
    names.sort_by_key(ToString::to_string);
    assert_eq!(names, ["First0", "First1"]);
    assert!(records.iter().all(|record| record.get("lastName").is_none()), "{records:?}");
    assert!(records[0]["emails"][0]["value"].as_str().unwrap().ends_with("@marker.example"));

    // A name that is misspelt is said; with no other name every profile would be empty.
    world.permission["attributes"] = json!(["nope", "email", "frist_name"]);
    let done = world.expect(0, "Imported").await;
    let message = condition(&done, "MappingReady")["message"].to_string();
    let unknown = "does not show: frist_name (did you mean first_name?), nope";
    assert!(message.contains(unknown), "{message}");
    world.permission["attributes"] = json!(["nope"]);
    let refused = world.expect(1, "MappingInvalid").await;
    let message = condition(&refused, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("every profile would be empty"), "{message}");
    assert!(message.ends_with("does not show: nope"), "{message}");
    assert_eq!(world.records().len(), 4, "nothing was written of it");

    // One attribute more is a change of everybody.
    world.permission["attributes"] = json!(["*"]);
    world.expect(0, "Imported").await;
    let records = world.records();
    assert_eq!(records.len(), 6);
    assert_eq!(records[5]["lastName"], "Secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_new_changed_or_gone_is_written_once() {
    let world = World::new(3).await;
    world.expect(0, "Imported").await;
    let before = world.records();
    assert_eq!(before.len(), 3);
    let quiet = world.expect(0, "Imported").await;
    assert_eq!(quiet["status"]["counts"]["emitted"], 3, "the last run that wrote something");
    assert_eq!(world.records(), before, "nothing new, nothing written");

    let sandbox = &world.sandbox;
    sandbox.edit("hireEZ", "p1@marker.example", &json!({"first_name": "Other"})).unwrap();
    let gone = sandbox.delete("hireEZ", "p2@marker.example").unwrap();
    sandbox.add_person("hireEZ", &json!({"email": "p3@marker.example"})).unwrap();
    let done = world.expect(0, "Imported").await;
    let counts = &done["status"]["counts"];
    assert_eq!((&counts["emitted"], &counts["tombstones"]), (&json!(2), &json!(1)), "{counts}");
    let records = world.records();
    assert_eq!(of_op(&records, "upsert").len(), 5);
    let tombstones = of_op(&records, "tombstone");
    assert_eq!(tombstones.len(), 1);
    assert_eq!(tombstones[0]["clinch"]["id"], gone);
    assert_eq!(tombstones[0]["clinch"]["reason"], "Deleted");
    assert_eq!(tombstones[0].as_object().unwrap().len(), 1, "no field of the profile");
    world.expect(0, "Imported").await;
    assert_eq!(world.records().len(), records.len(), "a tombstone is written once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_of_its_own_says_what_is_written_and_no_export_uses_it() {
    let mut world = World::new(2).await;
    let mapping = json!({"apiVersion": "clinch.hireez.dev/v1alpha1", "kind": "FieldMapping",
        "metadata": {"name": "own"}, "spec": {"direction": "Import", "fields": [
            {"to": "emails[0].value", "from": "email"},
            {"to": "fullName", "expression": "candidate.first_name + '!'"},
            {"to": "tags[]", "value": {"string": "from Clinch"}},
            {"to": "x.clinch_id", "from": "id"}]}});
    world.more = vec![mapping];
    world.import["fieldMappingRef"] = json!({"name": "own"});
    let done = world.expect(0, "Imported").await;
    let message = condition(&done, "MappingReady")["message"].to_string();
    assert_eq!(message, "\"FieldMapping own: 4 fields\"");
    let records = world.records();
    assert_eq!(records.len(), 2);
    for record in &records {
        assert_eq!(record["x"]["clinch_id"], record["clinch"]["id"]);
        assert_eq!(record["tags"], json!(["from Clinch"]));
        assert!(record["fullName"].as_str().unwrap().ends_with('!'), "{record}");
    }
    for (field, place, hint) in [
        (json!({"to": "fullName", "from": "frist_name"}), "spec.fields[1].from", "'first_name'"),
        (
            json!({"to": "fullName", "expression": "candidate.first_nam + '!'"}),
            "spec.fields[1].expression",
            "'first_name'",
        ),
        (json!({"to": "fulName", "from": "first_name"}), "spec.fields[1].to", "\"fullName\""),
    ] {
        let good = std::mem::replace(&mut world.more[0]["spec"]["fields"][1], field);
        let refused = world.expect(1, "MappingInvalid").await;
        let message = condition(&refused, "Ready")["message"].as_str().unwrap().to_owned();
        assert!(message.contains(place) && message.contains(hint), "{message}");
        world.more[0]["spec"]["fields"][1] = good;
    }

    let export = json!({"apiVersion": "clinch.hireez.dev/v1alpha1", "kind": "CandidateExport",
        "metadata": {"name": "there"}, "spec": {"integrationRef": {"name": "clinch"},
            "fieldMappingRef": {"name": "own"}, "destination": {"prospect": {}},
            "source": {"inline": [{"emails": [{"value": "new@marker.example"}]}]}}});
    world.more.push(export);
    let output = world.apply(json!({})).await;
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    let refused = object(&output, "CandidateExport");
    let ready = condition(&refused, "Ready");
    assert_eq!(ready["reason"], "MappingInvalid", "{refused}");
    let message = ready["message"].as_str().unwrap();
    assert!(message.contains("spec.fieldMappingRef names, has direction: Import"), "{message}");
    assert_eq!(world.sandbox.people("hireEZ").len(), 2, "nobody was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_compared_with_clinch_and_each_person_has_a_line() {
    let mut world = World::new(3).await;
    let list = |last: &str| {
        let people = [
            json!({"id": "hz-0", "firstName": "First0", "emails": [{"value": "p0@marker.example"}]}),
            json!({"id": "hz-1", "firstName": "Other", "emails": [{"value": "P1@marker.example"}]}),
            json!({"id": "hz-9", "firstName": "New", "emails": [{"value": last}]}),
            json!({"id": "hz-x", "firstName": "Nobody"}),
        ];
        let lines: Vec<String> = people.iter().map(Value::to_string).collect();
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "list"},
            "data": {"list.ndjson": lines.join("\n")}})
    };
    world.more = vec![list("p9@marker.example")];
    world.import["match"] = json!({"source": {"configMapRef": {"name": "list"}},
        "report": {"to": {"url": "OUT/match.ndjson"}}});
    let before = world.sandbox.people("hireEZ");
    let done = world.expect(0, "Imported").await;
    let expected = json!({"known": 1, "changed": 1, "new": 1, "ambiguous": 0, "suppressed": 0,
        "unmatchable": 1});
    assert_eq!(done["status"]["match"], expected);
    assert_eq!(condition(&done, "SourceReady")["status"], "True");
    assert_eq!(done["status"]["matchReport"]["lines"], 4);
    assert_eq!(world.sandbox.people("hireEZ").len(), before.len(), "nobody is written");

    let text = fs::read_to_string(world.folder.path().join("out/match.ndjson")).unwrap();
    assert!(!text.contains("marker.example") && !text.contains("First0"), "no value of a person");
    let mut lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.sort_by_key(|line| line["position"].to_string());
    let of = |member: &str| lines.iter().map(|line| line[member].clone()).collect::<Vec<_>>();
    assert_eq!(of("class"), ["Known", "Changed", "New", "Unmatchable"]);
    // The address is written in another case.
    let (same, other) = (json!([]), json!(["email", "first_name"]));
    assert_eq!(of("changed"), [same, other, Value::Null, Value::Null]);
    let id = |email: &str| {
        let found = before.iter().find(|person| person["attributes"]["email"] == email);
        found.unwrap()["id"].clone()
    };
    let (known, changed) = (id("p0@marker.example"), id("p1@marker.example"));
    assert_eq!(of("clinchId"), [known, changed, Value::Null, Value::Null]);
    assert_eq!(lines[0]["matchedBy"], "Email");

    // The list changes: the same import says so, and writes nobody again.
    world.more = vec![list("p2@marker.example")];
    let done = world.expect(0, "Imported").await;
    assert_eq!(done["status"]["match"]["changed"], 2);
    assert_eq!(world.records().len(), 3);

    // Without the list, nothing runs and nothing is deleted.
    world.more.clear();
    world.expect(1, "SourceNotFound").await;
    assert_eq!(world.records().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_of_a_list_who_has_the_profile_of_somebody_in_clinch_is_possible() {
    let mut world = World::new(2).await;
    let linkedin = json!({"linkedin_url": "https://www.linkedin.com/in/marked-profile"});
    world.sandbox.edit("hireEZ", "p1@marker.example", &linkedin).unwrap();
    let list = "Id,Home Email,LinkedIn\n\
        hz-1,new@elsewhere.example,http://linkedin.com/in/Marked-Profile/\n\
        hz-2,other@elsewhere.example,https://www.linkedin.com/in/somebody-else\n";
    world.more = vec![json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "list"}, "data": {"list.csv": list}})];
    world.import["match"] = json!({"source": {"configMapRef": {"name": "list"}},
        "report": {"to": {"url": "OUT/match.ndjson"}}});
    // The attribute may not leave: it is not compared either.
    let done = world.expect(0, "Imported").await;
    assert_eq!(done["status"]["match"]["new"], 2);
    assert!(done["status"]["match"].get("possible").is_none(), "not compared");
    world.permission["attributes"] = json!(["email", "linkedin_url"]);
    let done = world.expect(0, "Imported").await;
    let counts = &done["status"]["match"];
    assert_eq!((&counts["new"], &counts["possible"]), (&json!(1), &json!(1)), "{counts}");
    let text = fs::read_to_string(world.folder.path().join("out/match.ndjson")).unwrap();
    assert!(!text.to_lowercase().contains("marked-profile"), "no value of a person");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = lines.iter().find(|line| line["hireezId"] == "hz-1").unwrap();
    let people = world.sandbox.people("hireEZ");
    let person = people.iter().find(|one| one["attributes"]["email"] == "p1@marker.example");
    assert_eq!(line["clinchId"], person.unwrap()["id"]);
    assert_eq!(
        [&line["class"], &line["matchedBy"], &line["outcome"], &line["changed"]],
        [&json!("Possible"), &json!("ProfileUrl"), &json!("WouldCreate"), &Value::Null]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_cannot_be_read_is_named_by_its_own_field() {
    let mut world = World::new(1).await;
    let list = "Work Mail,E-Mail,Name\na@marker.example,b@marker.example,First0\n";
    world.more = vec![json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "list"}, "data": {"list.csv": list}})];
    world.import["match"] = json!({"source": {"configMapRef": {"name": "list"},
        "csv": {"headers": {"Work Mail": "emails[0].value", "E-Mail": "emails[0].value"}}}});
    let refused = world.expect(1, "SourceInvalid").await;
    let message = condition(&refused, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("spec.match: "), "{message}");
    assert!(message.contains("spec.match.source.csv.headers"), "{message}");
    assert!(!message.contains("spec.source"), "{message}");
    // An empty one has no remedy among the fields of an import.
    world.more[0]["data"]["list.csv"] = "Home Email,Name\n".into();
    world.import["match"] = json!({"source": {"configMapRef": {"name": "list"}}});
    let refused = world.expect(1, "SourceEmpty").await;
    let message = condition(&refused, "Ready")["message"].as_str().unwrap().to_owned();
    assert_eq!(message, "spec.match: the list has no records, so that nobody was compared");
    assert_eq!(world.records().len(), 1, "people are written whatever the list is");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_an_older_object_writes_is_not_overwritten() {
    let mut world = World::new(1).await;
    let list = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "list"},
        "data": {"list.ndjson": "{\"emails\": [{\"value\": \"p0@marker.example\"}]}"}});
    let export = |url: &str| {
        json!({"apiVersion": "clinch.hireez.dev/v1alpha1", "kind": "CandidateExport",
            "metadata": {"name": "there"}, "spec": {"integrationRef": {"name": "clinch"},
                "destination": {"prospect": {}}, "mode": "DryRun",
                "report": {"to": {"url": url}},
                "source": {"configMapRef": {"name": "list"}}}})
    };
    world.import["match"] = json!({"source": {"configMapRef": {"name": "list"}},
        "report": {"to": {"url": "OUT/match.ndjson"}}});
    world.more = vec![list.clone(), export("OUT/match.ndjson")];
    let refused = world.expect(1, "DestinationConflict").await;
    let message = condition(&refused, "Ready")["message"].as_str().unwrap().to_owned();
    let expected =
        "the older export default/there writes this file: change spec.match.report.to.url";
    assert_eq!(message, expected);
    assert!(refused["status"]["lastManifest"].is_null(), "nothing ran");
    // The export writes another file: the import continues.
    world.more = vec![list, export("OUT/other.ndjson")];
    world.expect(0, "Imported").await;
    assert!(world.folder.path().join("out/match.ndjson").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_import_reads_nothing_and_a_selection_is_respected() {
    let mut world = World::new(3).await;
    world.import["suspend"] = json!(true);
    world.expect(0, "Suspended").await;
    assert!(world.is_empty());
    world.import["suspend"] = json!(false);
    world.import["select"] = json!("candidate.first_name == 'First1'");
    let done = world.expect(0, "Imported").await;
    assert_eq!(done["status"]["counts"]["notSelected"], 2);
    assert_eq!(world.records().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_that_reads_what_it_never_sees_says_so() {
    let mut world = World::new(2).await;
    world.import["select"] =
        json!("candidate.frist_name == 'x' || candidate.last_name == 'Secret'");
    let done = world.expect(0, "NothingSelected").await;
    let message = condition(&done, "Ready")["message"].as_str().unwrap().to_owned();
    let unseen = "spec.select reads what it never sees: Clinch does not show frist_name (did you mean \
                  first_name?); spec.readPermission.attributes of the integration leaves out last_name";
    assert!(message.contains(unseen), "{message}");
    // Also while somebody is selected.
    world.import["select"] = json!("candidate.id != '' || candidate.last_name == 'Secret'");
    let done = world.expect(0, "Imported").await;
    let message = condition(&done, "Permitted")["message"].as_str().unwrap().to_owned();
    assert!(message.ends_with("leaves out last_name"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_deletions_wait_for_the_annotation() {
    let world = World::new(30).await;
    world.expect(0, "Imported").await;
    for number in 0..15 {
        world.sandbox.delete("hireEZ", &format!("p{number}@marker.example")).unwrap();
    }
    let held = world.expect(1, "DeletionsHeld").await;
    assert_eq!(condition(&held, "Imported")["status"], "False");
    let message = condition(&held, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("15 of 30 people"), "{message}");
    let run = message.rsplit('"').nth(1).unwrap().to_owned();
    assert!(of_op(&world.records(), "tombstone").is_empty());

    // The number of another run accepts nothing.
    let accept = |run: &str| json!({"clinch.hireez.dev/accept-deletions": run});
    let held = world.expect_with(accept("999"), 1, "DeletionsHeld").await;
    assert!(held["status"]["handled"].get("acceptDeletions").is_none(), "{held}");
    assert!(of_op(&world.records(), "tombstone").is_empty());
    let done = world.expect_with(accept(&run), 0, "Imported").await;
    assert_eq!(done["status"]["handled"]["acceptDeletions"], run);
    assert_eq!(of_op(&world.records(), "tombstone").len(), 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_writes_people_as_its_page_says() {
    const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/import");
    const PAGE: &str = include_str!("../../examples/import/README.md");
    let world = World::new(0).await;
    let (_, rest) = PAGE.split_once("--credential ").unwrap();
    let credential: Vec<&str> = rest.split_whitespace().next().unwrap().split(':').collect();
    let options = Options::default().with_credential(credential[0], credential[1], credential[2]);
    let sandbox = Sandbox::start(options).await.unwrap();
    let bodies = |what: &str| -> Vec<Value> {
        let start = format!("curl -s http://127.0.0.1:18080/_sandbox/{what} -d '");
        let found = PAGE.lines().filter_map(|line| line.strip_prefix(&start)?.strip_suffix('\''));
        found.map(|body| serde_json::from_str(body).unwrap()).collect()
    };
    for body in bodies("add") {
        sandbox.add_person("hireEZ", &body["attributes"]).unwrap();
    }
    let (origin, manifests) = (sandbox.base_url(), world.folder.path().join("manifests"));
    let out = format!("{}/out", world.folder.path().display());
    fs::create_dir(&manifests).unwrap();
    for name in ["00-namespace.yaml", "10-integration.yaml", "folder/30-import.yaml"] {
        assert!(
            PAGE.contains(&format!(
                "-f examples/import/{}",
                name.trim_end_matches("/30-import.yaml")
            ))
        );
        let text = fs::read_to_string(PathBuf::from(EXAMPLE).join(name)).unwrap();
        let text = text.replace("http://127.0.0.1:18080", &origin);
        let text = text.replace("/tmp/from-clinch", &out);
        fs::write(manifests.join(name.replace('/', "-")), text).unwrap();
    }
    let apply = async || {
        let mut command = apply::apply(&manifests, &world.folder.path().join("state"), &origin);
        command.args(["--timeout", "30", "--allowed-destinations", &format!("file://{out}")]);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = shown(&output);
        assert_eq!(output.status.code(), Some(0), "{text}");
        text
    };
    let text = apply().await;
    assert!(text.contains("import/from-clinch"), "{text}");
    assert!(text.contains("from-clinch: manifest file:///"), "{text}");
    assert_eq!(world.records().len(), 2);
    for body in bodies("edit") {
        sandbox.edit("hireEZ", body["email"].as_str().unwrap(), &body["attributes"]).unwrap();
    }
    for body in bodies("delete") {
        sandbox.delete("hireEZ", body["email"].as_str().unwrap()).unwrap();
    }
    apply().await;
    let records = world.records();
    assert_eq!((records.len(), of_op(&records, "tombstone").len()), (4, 1));
}
