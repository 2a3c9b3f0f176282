//! Exports into files by `apply`, as a real process: what is in the file, what is said of it, and when it
//! is left alone.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use clinch_operator::sandbox::{Options, Sandbox};
use serde_json::{Value, json};

use crate::apply::{self, condition, object, shown};

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    folder: tempfile::TempDir,
    /// Of the integration.
    files: &'static str,
    pub(crate) read_permission: Value,
    secret: &'static str,
    pub(crate) exports: Vec<Value>,
    pub(crate) more: Vec<Value>,
    allowed: bool,
    /// The addresses on the list of the integration, if it has one.
    pub(crate) never: Option<&'static str>,
}

/// An export of this source into a file of the folder `out`.
pub(crate) fn export(name: &str, file: &str, source: impl Into<Value>) -> Value {
    let source: Value = source.into();
    let format = [(".csv", "CSV"), (".pdf", "PDF")].into_iter().find(|(end, _)| file.contains(end));
    let format = format.map_or("NDJSON", |(_, format)| format);
    json!({
        "apiVersion": "clinch.hireez.dev/v1alpha1", "kind": "CandidateExport",
        "metadata": {"name": name},
        "spec": {"integrationRef": {"name": "clinch"}, "source": source,
            "destination": {"file": {"format": format, "to": {"url": format!("OUT/{file}")}}}},
    })
}

pub(crate) fn people() -> Value {
    json!({"inline": [
        {"firstName": "Zoë", "lastName": "Ng", "emails": [{"value": "zoe@x.org"}], "skills": ["Go", "C;D"]},
        {"lastName": "=HYPERLINK()", "firstName": "Bo", "emails": ["bo@x.org"]},
        {"firstName": "Cy", "notes": ["no address"]},
    ]})
}

impl World {
    pub(crate) async fn new(exports: Vec<Value>) -> Self {
        let options = Options::default().with_credential("hireEZ", "K", "S");
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("out")).unwrap();
        Self {
            sandbox: Sandbox::start(options).await.unwrap(),
            folder,
            files: "Allowed",
            read_permission: json!({}),
            secret: "S",
            exports,
            more: Vec::new(),
            allowed: true,
            never: None,
        }
    }

    pub(crate) fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join("out").join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.out(name)).unwrap()
    }

    /// Asks for a run of the only export although nothing has changed.
    pub(crate) fn reconcile(&mut self) {
        let asked = &mut self.exports[0]["metadata"]["annotations"];
        let before = asked["clinch.hireez.dev/reconcile-requested-at"].as_str().unwrap_or("");
        let next = format!("{before}1");
        *asked = json!({"clinch.hireez.dev/reconcile-requested-at": next});
    }

    /// The names in the folder of files.
    pub(crate) fn names(&self) -> Vec<String> {
        let found = fs::read_dir(self.folder.path().join("out")).unwrap();
        let mut names: Vec<String> =
            found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) async fn apply(&self) -> Output {
        let mut command = self.command();
        // The emulator is on this runtime.
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// The command line of [`apply`](Self::apply), with its manifests in place.
    pub(crate) fn command(&self) -> Command {
        let origin = self.sandbox.base_url();
        let out = format!("file://{}/out", self.folder.path().display());
        let mut objects = vec![
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "clinch"},
                "stringData": {"accessKey": "K", "secretKey": self.secret}}),
            json!({"apiVersion": "clinch.hireez.dev/v1alpha1", "kind": "ClinchIntegration",
                "metadata": {"name": "clinch"},
                "spec": {"endpoint": origin, "environment": "Sandbox",
                    "credentials": {"secretRef": {"name": "clinch"}},
                    "readPermission": self.read_permission,
                    "pushPermission": {"files": self.files}}}),
        ];
        if let Some(never) = self.never {
            objects[1]["spec"]["suppression"] = json!({"secretRef": {"name": "never"}});
            objects.push(json!({"apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": "never",
                    "labels": {"clinch.hireez.dev/use": "suppression"}},
                "stringData": {"people.txt": never}}));
        }
        objects.extend(self.exports.iter().chain(&self.more).cloned());
        let text: Vec<String> = objects.iter().map(ToString::to_string).collect();
        let path = self.folder.path().join("manifests.yaml");
        fs::write(&path, text.join("\n---\n").replace("OUT", &out)).unwrap();
        let mut command = apply::apply(&path, &self.folder.path().join("state"), &origin);
        command.args(["-o", "json", "--timeout", "30", "--allowed-sources", &out]);
        if self.allowed {
            command.args(["--allowed-destinations", &out]);
        }
        command
    }

    /// Applies; the only export has this reason.
    pub(crate) async fn expect(&self, code: i32, reason: &str) -> Value {
        let output = self.apply().await;
        assert_eq!(output.status.code(), Some(code), "{}", shown(&output));
        let export = object(&output, "CandidateExport");
        assert_eq!(condition(&export, "Ready")["reason"], reason, "{export}");
        export
    }
}

pub(crate) fn modified(path: &Path) -> std::time::SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_csv_file_has_everybody_and_the_status_says_what_is_in_it() {
    let world = World::new(vec![export("people", "{namespace}-{export}.csv", people())]).await;
    let done = world.expect(0, "FileWritten").await;
    let text = world.read("default-people.csv");
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(lines[0].starts_with("Id,First Name,Last Name,"), "{text}");
    assert!(lines[1].contains(",Zoë,Ng,") && lines[1].contains("Go;C,D"), "{text}");
    assert!(lines[2].contains(",Bo,'=HYPERLINK(),"), "{text}");
    assert!(lines[3].contains(",Cy,,"), "a person without an address: {text}");
    let (status, file) = (&done["status"], &done["status"]["file"]);
    assert_eq!(status["delivered"], "3/3 rows");
    assert_eq!(
        (&file["rows"], &file["format"], &file["altered"]),
        (&json!(3), &json!("CSV"), &json!(1))
    );
    assert_eq!(file["bytes"], text.len());
    let digest = <sha2::Sha256 as sha2::Digest>::digest(text.as_bytes());
    assert_eq!(file["sha256"], hex::encode(digest));
    assert!(file["url"].as_str().unwrap().ends_with("/out/default-people.csv"));
    assert!(
        condition(&done, "Ready")["message"]
            .as_str()
            .unwrap()
            .starts_with("3/3 rows written to file:///")
    );
    assert_eq!(world.names(), ["default-people.csv"], "nothing else is left there");
    assert_eq!(world.sandbox.people("hireEZ").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_written_again_only_if_something_differs() {
    let mut world = World::new(vec![export("people", "people.ndjson", people())]).await;
    world.expect(0, "FileWritten").await;
    let (path, first) = (world.out("people.ndjson"), world.read("people.ndjson"));
    assert_eq!(first.lines().count(), 3);
    let before = modified(&path);
    world.expect(0, "FileWritten").await;
    assert_eq!(modified(&path), before, "nothing has changed");
    fs::write(&path, "edited").unwrap();
    world.expect(0, "FileWritten").await;
    assert_eq!(world.read("people.ndjson"), first, "it was edited");
    fs::remove_file(&path).unwrap();
    world.expect(0, "FileWritten").await;
    assert_eq!(world.read("people.ndjson"), first, "it was deleted");
    world.exports[0]["spec"]["limit"] = json!(1);
    let done = world.expect(0, "FileWritten").await;
    assert_eq!(
        (world.read("people.ndjson").lines().count(), &done["status"]["file"]["rows"]),
        (1, &json!(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_decides_the_columns_and_their_order() {
    let fields = json!([
        {"to": "mail", "from": "emails[0].value"},
        {"to": "a_name", "from": "firstName", "transforms": [{"name": "upper"}]},
    ]);
    for (file, expected) in [
        ("people.csv", "mail,a_name\r\nzoe@x.org,ZOË\r\n"),
        ("people.ndjson", "{\"mail\":\"zoe@x.org\",\"a_name\":\"ZOË\"}\n"),
    ] {
        let mut world = World::new(vec![export("people", file, people())]).await;
        world.exports[0]["spec"]["fieldMappingRef"] = json!({"name": "columns"});
        world.exports[0]["spec"]["failureBudget"] = json!(2);
        world.more =
            vec![json!({"apiVersion": "clinch.hireez.dev/v1alpha1", "kind": "FieldMapping",
            "metadata": {"name": "columns"},
            "spec": {"fields": fields, "matchKeys": ["mail"]}})];
        let done = world.expect(0, "SyncedWithRejections").await;
        assert_eq!(world.read(file), expected);
        assert_eq!(done["status"]["delivered"], "1/3 rows");
        assert_eq!(done["status"]["failures"][0]["reason"], "MatchKeyMissing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_without_the_permission_of_both_admins() {
    let mut world = World::new(vec![export("people", "people.csv", people())]).await;
    world.files = "Denied";
    let refused = world.expect(1, "NotPermitted").await;
    assert_eq!(condition(&refused, "Permitted")["status"], "False");
    world.files = "Allowed";
    world.allowed = false;
    world.expect(1, "DestinationNotAllowed").await;
    assert_eq!(world.names(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_needs_no_credential_that_clinch_accepts() {
    let mut world = World::new(vec![export("people", "people.csv", people())]).await;
    world.secret = "wrong";
    let output = world.apply().await;
    let done = object(&output, "CandidateExport");
    assert_eq!(condition(&done, "Ready")["reason"], "FileWritten", "{}", shown(&output));
    assert_eq!(world.read("people.csv").lines().count(), 4);
    assert_eq!(condition(&object(&output, "ClinchIntegration"), "Ready")["status"], "False");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_counts_and_writes_nothing() {
    let mut world = World::new(vec![export("people", "people.csv", people())]).await;
    world.exports[0]["spec"]["mode"] = json!("DryRun");
    let done = world.expect(0, "DryRunComplete").await;
    assert_eq!(done["status"]["delivered"], "would 3/3 rows");
    assert_eq!(done["status"]["file"], Value::Null);
    assert_eq!(world.names(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_file_stays_when_the_new_one_cannot_be_made() {
    let source = json!({"objectStore": {"url": "OUT/people.in.csv"}});
    let mut world = World::new(vec![export("people", "people.csv", source)]).await;
    let write = |text: &str| fs::write(world.out("people.in.csv"), text).unwrap();
    write("First Name,Email\nann,ann@x.org\nben,ben@x.org\n");
    world.expect(0, "FileWritten").await;
    let first = world.read("people.csv");
    let same = |world: &World| assert_eq!(world.read("people.csv"), first);
    write("First Name,Email\nann,ann@x.org\n\"ben,");
    world.expect(1, "SourceInvalid").await;
    same(&world);
    write("First Name,Email\n");
    world.expect(1, "SourceEmpty").await;
    same(&world);
    write("Vorname des Menschen,Haus\nann,1\n");
    let refused = world.expect(1, "SourceInvalid").await;
    let message = condition(&refused, "Ready")["message"].to_string();
    assert!(message.contains("any field of a profile: the columns of"), "{message}");
    same(&world);
    write("First Name,Email\nann,ann@x.org\n");
    world.exports[0]["spec"]["guards"] = json!({"maxShrinkPercent": 10});
    world.expect(1, "GuardTripped").await;
    same(&world);
    assert_eq!(world.names(), ["people.csv", "people.in.csv"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_place_that_cannot_be_written_has_a_reason() {
    for (file, reason, code) in [
        ("../people.csv", "InvalidSpec", 1),
        ("folder/", "InvalidSpec", 1),
        ("folder", "DestinationInvalid", 1),
        ("peo*ple.csv", "InvalidSpec", 1),
    ] {
        let world = World::new(vec![export("people", file, people())]).await;
        fs::create_dir(world.out("folder")).unwrap();
        let refused = world.expect(code, reason).await;
        assert!(condition(&refused, "Stalled")["status"] == "True", "{file}");
        assert_eq!(world.names(), ["folder"], "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_exports_into_one_file_the_first_by_name_writes_it() {
    let one = json!({"inline": [{"firstName": "One"}]});
    let exports =
        vec![export("one", "people.ndjson", one), export("two", "people.ndjson", people())];
    let mut world = World::new(exports).await;
    let output = world.apply().await;
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    let text = shown(&output);
    assert!(text.contains("DestinationConflict"), "{text}");
    assert!(text.contains("the older export default/one writes this file"), "{text}");
    assert_eq!(world.read("people.ndjson"), "{\"firstName\":\"One\"}\n");
    world.exports[0]["spec"]["suspend"] = json!(true);
    let output = world.apply().await;
    assert!(!shown(&output).contains("DestinationConflict"), "{}", shown(&output));
    assert_eq!(world.read("people.ndjson").lines().count(), 3);
    world.exports.remove(0);
    world.expect(0, "FileWritten").await;
    assert_eq!(world.read("people.ndjson").lines().count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_on_the_lists_are_left_out_and_the_file_is_written_again_for_them() {
    let mut world = World::new(vec![export("people", "people.ndjson", people())]).await;
    world.expect(0, "FileWritten").await;
    assert!(world.read("people.ndjson").contains("bo@x.org"));
    // Pushed to Clinch, then anonymised there, then noticed by the next push.
    let mut push = export("push", "x.csv", people());
    push["spec"]["destination"] = json!({"prospect": {}});
    push["spec"]["failureBudget"] = json!(1);
    world.exports.push(push);
    world.apply().await;
    assert_eq!(world.sandbox.people("hireEZ").len(), 2);
    world.sandbox.anonymise("hireEZ", "bo@x.org").unwrap();
    world.exports[1]["spec"]["source"]["inline"][1]["firstName"] = json!("Bob");
    let output = world.apply().await;
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    let text = world.read("people.ndjson");
    assert_eq!(text.lines().count(), 2, "{text}\n{}", shown(&output));
    assert!(!text.contains("bo@x.org"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_of_nobody_empties_the_file_unless_a_guard_forbids_it() {
    let mut world = World::new(vec![export("people", "people.ndjson", people())]).await;
    world.expect(0, "FileWritten").await;
    let first = world.read("people.ndjson");
    world.exports[0]["spec"]["select"] = json!("candidate.firstName == 'Nobody'");
    world.exports[0]["spec"]["guards"] = json!({"maxShrinkPercent": 50});
    let held = world.expect(1, "GuardTripped").await;
    let message = condition(&held, "Ready")["message"].to_string();
    assert!(message.contains("the file would have 0 rows, 3 in the last one"), "{message}");
    assert_eq!(world.read("people.ndjson"), first);
    world.exports[0]["spec"]["guards"] = json!({});
    let done = world.expect(0, "NothingSelected").await;
    let message = condition(&done, "Ready")["message"].to_string();
    assert!(message.contains("people.ndjson was replaced and now has no rows"), "{message}");
    assert_eq!(world.read("people.ndjson"), "");
}

fn columns(fields: &Value) -> Value {
    json!({"apiVersion": "clinch.hireez.dev/v1alpha1", "kind": "FieldMapping",
        "metadata": {"name": "columns"}, "spec": {"fields": fields, "matchKeys": ["mail"]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_which_nobody_may_stay_is_replaced_by_one_without_rows() {
    let source = json!({"inline": [{"id": "1", "emails": [{"value": "p3@x.org"}]}, {"id": "2"}]});
    let mut world = World::new(vec![export("people", "people.csv", source)]).await;
    world.exports[0]["spec"]["fieldMappingRef"] = json!({"name": "columns"});
    world.exports[0]["spec"]["failureBudget"] = json!(5);
    world.more = vec![columns(&json!([{"to": "mail", "from": "emails[0].value"}]))];
    world.never = Some("nobody@x.org");
    world.expect(0, "SyncedWithRejections").await;
    assert_eq!(world.read("people.csv"), "mail\r\np3@x.org\r\n");
    world.never = Some("p3@x.org");
    let done = world.expect(0, "SyncedWithRejections").await;
    assert_eq!(world.read("people.csv"), "mail\r\n", "{done}");
    let message = condition(&done, "Ready")["message"].to_string();
    assert!(
        message.contains("0/1 row written to ") && message.contains("1 suppressed"),
        "{message}"
    );
    assert_eq!(done["status"]["file"]["rows"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_left_out_for_any_address_that_is_written() {
    let ann = json!([{"value": "ann@x.org"}]);
    let source = json!({"inline": [
        {"id": "1", "emails": ann, "x": {"other": "q@x.org; P3@x.org"}},
        {"id": "2", "emails": "bo@x.org, p3@x.org."},
        {"id": "3", "emails": ann, "x": {"other": "cy@x.org"}},
    ]});
    for file in ["people.csv", "people.ndjson"] {
        let mut world = World::new(vec![export("people", file, source.clone())]).await;
        world.never = Some("p3@x.org");
        let done = world.expect(0, "FileWritten").await;
        assert_eq!(done["status"]["delivered"], "1/1 row", "{done}");
        assert!(!world.read(file).to_lowercase().contains("p3@"), "{}", world.read(file));
        world.exports[0]["spec"]["fieldMappingRef"] = json!({"name": "columns"});
        world.exports[0]["spec"]["failureBudget"] = json!(1);
        world.more = vec![columns(&json!([
            {"to": "mail", "from": "emails[0].value"},
            {"to": "work_email", "from": "x.other"},
        ]))];
        let done = world.expect(0, "FileWritten").await;
        assert_eq!(done["status"]["counts"]["suppressed"], 2, "{done}");
        let text = world.read(file);
        assert!(!text.to_lowercase().contains("p3@") && text.contains("cy@x.org"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_writes_its_files() {
    let world = World::new(Vec::new()).await;
    let (origin, out) =
        (world.sandbox.base_url(), format!("file://{}/out", world.folder.path().display()));
    let manifests = world.folder.path().join("manifests");
    fs::create_dir(&manifests).unwrap();
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/files")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let text = text
            .replace("http://127.0.0.1:18080", &origin)
            .replace("s3://talent-exports/out", &out)
            .replace("        credentialsSecretRef:\n          name: talent-exports\n", "");
        fs::write(manifests.join(path.file_name().unwrap()), text).unwrap();
    }
    let mut command = apply::apply(&manifests, &world.folder.path().join("state"), &origin);
    command.args(["--timeout", "30", "--allowed-destinations", &out]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = shown(&output);
    assert!(text.contains("3/3 rows") && text.contains("2/3 rows"), "{text}");
    let document = fs::read(world.out("engineers-pdf.pdf")).unwrap_or_default();
    assert_eq!(document.starts_with(b"%PDF-"), cfg!(feature = "pdf"), "{text}");
    assert!(world.read("engineers-csv.csv").starts_with("\u{feff}Id,First Name,"));
    let daily: Vec<_> = fs::read_dir(world.out("engineers-daily")).unwrap().collect();
    assert_eq!(daily.len(), 1);
}

/// A push of these people with a report.
pub(crate) fn reported(report: &str, source: Value) -> Value {
    let mut push = export("people", "x.csv", source);
    push["spec"]["destination"] = json!({"prospect": {}});
    push["spec"]["failureBudget"] = json!(1);
    push["spec"]["report"] = json!({"to": {"url": format!("OUT/{report}")}});
    push
}

fn outcomes(text: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let word = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        (word("outcome"), word("reason"))
    };
    text.lines().map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_has_a_line_for_each_record_of_a_push() {
    let mut world = World::new(vec![reported("report.ndjson", people())]).await;
    world.exports[0]["spec"]["guards"] = json!({"maxCreates": 2});
    world.exports[0]["spec"]["mode"] = json!("DryRun");
    world.expect(0, "DryRunComplete").await;
    let pair = |outcome: &str, reason: &str| (outcome.to_owned(), reason.to_owned());
    let mut found = outcomes(&world.read("report.ndjson"));
    found.sort();
    let rejected = pair("Rejected", "MatchKeyMissing");
    assert_eq!(found, [rejected.clone(), pair("WouldCreate", ""), pair("WouldCreate", "")]);
    assert_eq!(world.sandbox.people("hireEZ").len(), 0);
    // A push that plans first: what it did has one line, not what it planned.
    world.exports[0]["spec"]["mode"] = json!("Push");
    let done = world.expect(0, "SyncedWithRejections").await;
    let text = world.read("report.ndjson");
    let mut found = outcomes(&text);
    found.sort();
    assert_eq!(found, [pair("Created", ""), pair("Created", ""), rejected]);
    assert!(
        text.contains("{\"position\":\"inline[2]\",\"record\":null,\"outcome\":\"Rejected\","),
        "{text}"
    );
    for value in ["zoe", "Zoë", "bo@x.org"] {
        assert!(!text.contains(value), "{text}");
    }
    let report = &done["status"]["report"];
    assert_eq!((&report["lines"], &report["bytes"]), (&json!(3), &json!(text.len())));
    assert_eq!(world.names(), ["report.ndjson"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_may_list_what_is_rejected_and_needs_the_permission_of_files() {
    let mut world = World::new(vec![reported("report.csv", people())]).await;
    world.exports[0]["spec"]["report"]["include"] = json!("Rejected");
    world.files = "Denied";
    world.expect(1, "NotPermitted").await;
    assert_eq!(world.sandbox.people("hireEZ").len(), 0, "nothing is pushed without its report");
    world.files = "Allowed";
    fs::create_dir(world.out("report.csv")).unwrap();
    world.expect(1, "DestinationInvalid").await;
    assert_eq!(world.sandbox.people("hireEZ").len(), 0, "nor where it cannot be written");
    fs::remove_dir(world.out("report.csv")).unwrap();
    world.expect(0, "SyncedWithRejections").await;
    let text = world.read("report.csv");
    assert!(
        text.starts_with(
            "position,record,outcome,reason,place,message,class\r\ninline[2],,Rejected,MatchKeyMissing,"
        ),
        "{text}"
    );
    assert_eq!(text.lines().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_may_have_a_report_too() {
    let mut world = World::new(vec![export("people", "people.csv", people())]).await;
    world.exports[0]["spec"]["report"] = json!({"to": {"url": "OUT/{export}.report.ndjson.gz"}});
    world.expect(0, "FileWritten").await;
    let bytes = fs::read(world.out("people.report.ndjson.gz")).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut text)
        .unwrap();
    assert_eq!(outcomes(&text).len(), 3);
    assert!(outcomes(&text).iter().all(|(outcome, _)| outcome == "Written"), "{text}");
}
