//! Files on a real API server: who may write where, with which Secret, and which two exports may not.

use std::{fs, path::Path};

use clinch_operator::controllers::Regions;
use serde_json::{Value, json};

use crate::support::{
    manifests::INTEGRATION,
    world::{World, condition},
};

const SECRET_VALUE: &str = "open-sesame-5309";

fn export(name: &str, url: &str, credentials: &str) -> String {
    format!(
        "
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {{name: {name}}}
spec:
  integrationRef: {{name: acme}}
  source:
    inline:
    - {{firstName: Ann, emails: [{{value: ann@marker.example}}]}}
    - {{firstName: Ben, emails: [{{value: ben@marker.example}}]}}
  destination: {{file: {{format: NDJSON, to: {{url: '{url}'{credentials}}}}}}}
"
    )
}

fn secret(purpose: &str, origin: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Secret
metadata:
  name: store
  labels: {{clinch.hireez.dev/use: {purpose}}}
  annotations: {{clinch.hireez.dev/allowed-origin: '{origin}'}}
stringData: {{AWS_ACCESS_KEY_ID: {SECRET_VALUE}, AWS_SECRET_ACCESS_KEY: {SECRET_VALUE}}}
"
    )
}

fn permit(world: &World, files: &str) {
    let patch = format!(r#"{{"spec": {{"pushPermission": {{"files": "{files}"}}}}}}"#);
    world.kubectl(&[
        "patch",
        "clinchintegration",
        "acme",
        "--type=merge",
        "-p",
        &patch,
        "-n",
        &world.namespace,
    ]);
}

fn people(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_written_only_as_both_admins_and_the_secrets_owner_allow() {
    let Some(mut world) = World::prepare().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let place = format!("file://{}", folder.path().display());
    world.allowed_destinations = vec![place.clone(), "s3://listed".to_owned()];
    // A place for sources is none for files.
    world.allowed_sources = vec!["s3://sources".to_owned()];
    world.run_operator(Regions::default());
    world.apply(INTEGRATION);
    let file = folder.path().join("people.ndjson");

    // The integration's admin: denied by default, allowed, and withdrawn.
    world.apply(&export("people", &format!("{place}/people.ndjson"), ""));
    let refused = world.ready("CandidateExport", "people", "False", "NotPermitted").await;
    assert_eq!(condition(&refused, "Permitted")["status"], "False");
    assert_eq!(people(&file), 0);
    permit(&world, "Allowed");
    let done = world.ready("CandidateExport", "people", "True", "FileWritten").await;
    assert_eq!((people(&file), &done["status"]["delivered"]), (2, &"2/2 rows".into()));
    assert_eq!(done["status"]["file"]["rows"], 2);

    // The operator's admin.
    world.apply(&export("elsewhere", "s3://sources/x.ndjson", ""));
    world.ready("CandidateExport", "elsewhere", "False", "DestinationNotAllowed").await;

    // The Secret's owner: one for sources is not used to write, nor one for another bucket.
    let with_secret = ", credentialsSecretRef: {name: store}";
    world.apply(&secret("source", "s3://listed"));
    world.apply(&export("bucket", "s3://listed/x.ndjson", with_secret));
    world.ready("CandidateExport", "bucket", "False", "ReferenceForbidden").await;
    world.apply(&secret("destination", "s3://another"));
    world.apply(&export("bucket2", "s3://listed/y.ndjson", with_secret));
    world.ready("CandidateExport", "bucket2", "False", "ReferenceForbidden").await;
    // And one for files is not used to read.
    world.apply(&secret("destination", "s3://sources"));
    let source = export("reads", &format!("{place}/other.ndjson"), "");
    let inline = source.find("    inline:").expect("a source");
    let end = source.find("  destination:").expect("a destination");
    let store =
        "    objectStore: {url: 's3://sources/x.csv', credentialsSecretRef: {name: store}}\n";
    world.apply(&format!("{}{store}{}", &source[..inline], &source[end..]));
    world.ready("CandidateExport", "reads", "False", "ReferenceForbidden").await;

    let events =
        world.kubectl(&["get", "events.events.k8s.io", "-n", &world.namespace, "-o", "yaml"]);
    let exports = world.kubectl(&[
        "get",
        "candidateexport",
        "-n",
        &world.namespace,
        "-o",
        "jsonpath={.items[*].status}",
    ]);
    assert!(events.contains("reason: FileWritten"), "{events}");
    for text in [events, exports] {
        for value in [SECRET_VALUE, "marker.example"] {
            assert!(!text.contains(value), "{value} leaked: {text}");
        }
    }
}

fn permit_reading(world: &World, permission: &str) {
    let patch = format!(r#"{{"spec": {{"readPermission": {permission}}}}}"#);
    let patch = ["patch", "clinchintegration", "acme", "--type=merge", "-p", &patch];
    world.kubectl(&[&patch[..], &["-n", &world.namespace]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_says_who_people_are_in_clinch_only_where_the_integration_permits_reading() {
    let Some(mut world) = World::prepare().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let place = format!("file://{}", folder.path().display());
    world.allowed_destinations = vec![place.clone()];
    world.run_operator(Regions::default());
    world.apply(INTEGRATION);
    permit(&world, "Allowed");
    let there = world.sandbox.add_person("hireEZ", &json!({"email": "ann@marker.example"}));
    there.expect("a person");
    let compare = |name: &str, file: &str| {
        let file = format!("{place}/{file}.ndjson");
        let export = export(name, &file, "");
        let (start, _) = export.split_once("  destination:").expect("a destination");
        world.apply(&format!(
            "{start}  destination: {{job: {{reference: ENG-101, stage: Sourced}}}}\n  mode: DryRun\n  \
             report: {{to: {{url: '{file}'}}}}\n"
        ));
    };
    let line = |file: &str| {
        let text = fs::read_to_string(folder.path().join(format!("{file}.ndjson")));
        let text = text.expect("a report");
        let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines.find(|line| line["position"] == "inline[0]").expect("a line")
    };
    compare("denied", "denied");
    world.ready("CandidateExport", "denied", "True", "DryRunComplete").await;
    assert_eq!(
        (&line("denied")["class"], line("denied").get("clinchId")),
        (&"Changed".into(), None)
    );
    permit_reading(&world, r#"{"candidates": "Allowed", "attributes": ["first_name"]}"#);
    compare("allowed", "allowed");
    world.ready("CandidateExport", "allowed", "True", "DryRunComplete").await;
    let allowed = line("allowed");
    assert!(allowed["clinchId"].is_string() && allowed["matchedBy"] == "Email", "{allowed}");
    assert_eq!(allowed["changed"], json!(["first_name"]));

    // The same permission narrows the places.
    permit_reading(&world, &format!(r#"{{"destinations": ["{place}/team"]}}"#));
    compare("elsewhere", "elsewhere");
    world.ready("CandidateExport", "elsewhere", "False", "NotPermitted").await;
    world.apply(&export("file", &format!("{place}/file.ndjson"), ""));
    world.ready("CandidateExport", "file", "False", "NotPermitted").await;
    world.apply(&export("inside", &format!("{place}/team/file.ndjson"), ""));
    world.ready("CandidateExport", "inside", "True", "FileWritten").await;
    assert!(!folder.path().join("elsewhere.ndjson").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_younger_of_two_exports_of_one_file_waits_for_the_older() {
    let Some(mut world) = World::prepare().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let place = format!("file://{}", folder.path().display());
    world.allowed_destinations = vec![place.clone()];
    world.run_operator(Regions::default());
    world.apply(INTEGRATION);
    permit(&world, "Allowed");
    world.apply(&export("a-first", &format!("{place}/z-second.ndjson"), ""));
    world.ready("CandidateExport", "a-first", "True", "FileWritten").await;
    world.apply(&export("z-second", &format!("{place}/{{export}}.ndjson"), ""));
    let refused = world.ready("CandidateExport", "z-second", "False", "DestinationConflict").await;
    assert_eq!(condition(&refused, "Stalled")["status"], "True");
    world.kubectl(&["delete", "candidateexport", "a-first", "-n", &world.namespace]);
    world.ready("CandidateExport", "z-second", "True", "FileWritten").await;
}

const DOCUMENTS: &str = "
apiVersion: clinch.hireez.dev/v1alpha1
kind: FieldMapping
metadata: {name: documents}
spec:
  fields: [{to: email, from: 'emails[0].value'}]
  resume: {attach: false, from: Resume}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_written_once_the_mapping_permits_rendered_profiles() {
    let Some(mut world) = World::prepare().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let place = format!("file://{}", folder.path().display());
    world.allowed_destinations = vec![place.clone()];
    world.run_operator(Regions::default());
    world.apply(INTEGRATION);
    permit(&world, "Allowed");
    world.apply(DOCUMENTS);
    let defaults = r#"{"spec": {"defaults": {"fieldMappingRef": {"name": "documents"}}}}"#;
    let patch = ["patch", "clinchintegration", "acme", "--type=merge", "-p", defaults];
    world.kubectl(&[&patch[..], &["-n", &world.namespace]].concat());
    let manifest = export("people", &format!("{place}/people.pdf"), "");
    world.apply(&manifest.replace("format: NDJSON", "format: PDF"));
    let refused = world.ready("CandidateExport", "people", "False", "NotPermitted").await;
    assert_eq!(condition(&refused, "MappingReady")["reason"], "NotPermitted");
    assert!(!folder.path().join("people.pdf").exists());
    world.apply(&DOCUMENTS.replace("from: Resume}", "from: RenderedProfile}"));
    let done = world.ready("CandidateExport", "people", "True", "FileWritten").await;
    let file = &done["status"]["file"];
    assert_eq!((&file["format"], &file["rows"]), (&"PDF".into(), &2.into()));
    let bytes = fs::read(folder.path().join("people.pdf")).expect("a document");
    assert!(bytes.starts_with(b"%PDF-") && file["bytes"] == bytes.len());
    assert!(!done["status"].to_string().contains("marker.example"), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_person_has_a_document_that_is_deleted_when_they_leave() {
    let Some(mut world) = World::prepare().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let place = format!("file://{}", folder.path().display());
    world.allowed_destinations = vec![place.clone()];
    world.run_operator(Regions::default());
    world.apply(INTEGRATION);
    permit(&world, "Allowed");
    let manifest = export("people", &format!("{place}/{{record}}.pdf"), "");
    let manifest = manifest.replace("format: NDJSON", "format: PDF, pdf: {layout: PerCandidate}");
    world.apply(&manifest);
    let done = world.ready("CandidateExport", "people", "True", "FileWritten").await;
    let names = || fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!((names(), &done["status"]["file"]["files"]), (2, &2.into()));
    // What was written is in a ledger of its own, which goes with the export.
    let uid = done["metadata"]["uid"].as_str().expect("a UID");
    let ledgers = || {
        let all = ["get", "candidateledgers", "-o", "name", "-n", &world.namespace];
        world.kubectl(&all).lines().filter(|name| name.contains("-files-")).count()
    };
    assert!(ledgers() > 0, "{uid}");
    // The URL of files that would be left behind does not change.
    let combined = manifest.replace("{record}", "all").replace(", pdf: {layout: PerCandidate}", "");
    for changed in [manifest.replace("{record}", "new-{record}"), combined] {
        let (ok, err) = world.try_apply(&changed);
        assert!(
            !ok && err.contains("to.url: Invalid value")
                && err.contains("is immutable with {record}"),
            "{err}"
        );
    }
    let ben = "    - {firstName: Ben, emails: [{value: ben@marker.example}]}\n";
    world.apply(&manifest.replace(ben, ""));
    let is_gone = |object: &serde_json::Value| object["status"]["file"]["deleted"] == 1;
    let within = std::time::Duration::from_secs(30);
    let done = world.wait("CandidateExport", "people", "without Ben", within, is_gone).await;
    assert_eq!((names(), &done["status"]["file"]["files"]), (1, &1.into()));
    assert!(!done["status"].to_string().contains("marker.example"), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_refuses_what_does_not_apply_to_files() {
    let Some(world) = World::prepare().await else { return };
    let manifest = export("people", "s3://b/{export}-{date}.ndjson", "");
    let (ok, err) = world.try_apply_dry(&manifest);
    assert!(ok, "{err}");
    for (from, to, message) in [
        ("{export}", "{name}", "braces are for"),
        ("s3://", "ftp://", "to.url: Invalid value"),
        (
            "  destination:",
            "  resume: {attach: true}\n  destination:",
            "spec.resume: Forbidden: does not apply to a file",
        ),
        ("{file:", "{prospect: {}, file:", "exactly one of prospect, job and file"),
        (
            "format: NDJSON",
            "format: NDJSON, csv: {bom: true}",
            "file.csv: Forbidden: applies to format CSV only",
        ),
        ("format: NDJSON", "format: XLSX", "Unsupported value"),
        (
            "format: NDJSON",
            "format: NDJSON, pdf: {locale: de}",
            "file.pdf: Forbidden: applies to format PDF only",
        ),
        ("format: NDJSON", "format: PDF, pdf: {pageSize: A5}", "Unsupported value"),
        ("format: NDJSON", "format: PDF, pdf: {locale: 'de_'}", "should match"),
    ] {
        let (ok, err) = world.try_apply_dry(&manifest.replace(from, to));
        assert!(!ok && err.contains(message), "{to}: {err}");
    }
}
