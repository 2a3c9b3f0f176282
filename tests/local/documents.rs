//! Exports into PDF documents by `apply`, as a real process. What a document shows is tested with the
//! renderer; here, that it is written, what is said of it, and who may.

use std::fs;

use serde_json::{Value, json};

use crate::{
    apply::{condition, shown},
    files::{World, export, modified, people},
};

/// A mapping that names what is attached as a resume.
fn mapping(from: &str) -> Value {
    json!({"apiVersion": "clinch.hireez.dev/v1alpha1", "kind": "FieldMapping",
        "metadata": {"name": "documents"},
        "spec": {"fields": [{"to": "mail", "from": "emails[0].value"}], "matchKeys": ["mail"],
            "resume": {"attach": false, "from": from}}})
}

fn message(export: &Value) -> String {
    condition(export, "Ready")["message"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_has_everybody_and_is_written_again_only_if_something_differs() {
    let mut world = World::new(vec![export("people", "{export}.pdf", people())]).await;
    let done = world.expect(0, "FileWritten").await;
    let path = world.out("people.pdf");
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.starts_with(b"%PDF-"));
    let (status, file) = (&done["status"], &done["status"]["file"]);
    assert_eq!(status["delivered"], "3/3 rows", "also who has no address");
    assert_eq!(
        (&file["format"], &file["rows"], &file["files"]),
        (&json!("PDF"), &json!(3), &json!(1))
    );
    assert_eq!(file["sha256"], hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&bytes)));
    assert!(message(&done).contains("3/3 rows written to file:///"), "{done}");
    assert_eq!(
        condition(&done, "MappingReady")["message"],
        "no mapping is named: profiles are written"
    );
    let before = modified(&path);
    world.expect(0, "FileWritten").await;
    assert_eq!(modified(&path), before, "nothing has changed");
    fs::write(&path, "edited").unwrap();
    world.expect(0, "FileWritten").await;
    assert!(fs::read(&path).unwrap() == bytes, "it was edited");
    world.exports[0]["spec"]["destination"]["file"]["pdf"] =
        json!({"pageSize": "Letter", "locale": "de"});
    world.expect(0, "FileWritten").await;
    assert!(fs::read(&path).unwrap() != bytes, "another paper and language");
    assert_eq!(world.names(), ["people.pdf"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_in_use_must_name_rendered_profiles() {
    let mut world = World::new(vec![export("people", "people.pdf", people())]).await;
    world.exports[0]["spec"]["fieldMappingRef"] = json!({"name": "documents"});
    world.more = vec![mapping("Resume")];
    let refused = world.expect(1, "NotPermitted").await;
    assert_eq!(condition(&refused, "MappingReady")["reason"], "NotPermitted");
    assert!(message(&refused).contains("FieldMapping documents names what may leave"), "{refused}");
    assert_eq!(world.names(), [""; 0]);
    for from in ["RenderedProfile", "ResumeOrRenderedProfile"] {
        world.more = vec![mapping(from)];
        let done = world.expect(0, "FileWritten").await;
        assert_eq!(done["status"]["delivered"], "3/3 rows", "the match key does not matter");
        let said = condition(&done, "MappingReady")["message"].to_string();
        assert!(said.contains("its fields do not limit what a document shows"), "{said}");
    }
    let before = fs::read(world.out("people.pdf")).unwrap();
    world.more = vec![mapping("Resume")];
    world.expect(1, "NotPermitted").await;
    assert!(fs::read(world.out("people.pdf")).unwrap() == before, "it is as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn characters_without_a_font_are_reported_and_people_on_the_list_left_out() {
    let source = json!({"inline": [
        {"fullName": "\u{76f4}\u{5b50}", "emails": ["n@x.org"]},
        {"fullName": "Ann", "emails": ["ann@x.org"]},
    ]});
    let mut world = World::new(vec![export("people", "people.pdf", source)]).await;
    let done = world.expect(0, "FileWritten").await;
    let warnings = &done["status"]["coverage"]["warnings"];
    assert_eq!(
        (&warnings[0]["reason"], &warnings[0]["records"]),
        (&json!("MissingGlyph"), &json!(1))
    );
    assert!(!done["status"].to_string().contains('\u{76f4}'), "{done}");
    world.never = Some("n@x.org");
    let done = world.expect(0, "FileWritten").await;
    assert_eq!(done["status"]["counts"]["suppressed"], 1);
    assert_eq!(done["status"]["coverage"], Value::Null, "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_makes_the_document_and_writes_nothing_and_two_exports_exclude_each_other() {
    let exports =
        vec![export("one", "people.pdf", people()), export("two", "people.pdf", people())];
    let mut world = World::new(exports).await;
    let output = world.apply().await;
    let text = shown(&output);
    assert!(text.contains("DestinationConflict"), "{text}");
    assert!(text.contains("the older export default/one writes this file"), "{text}");
    world.exports.remove(1);
    fs::remove_file(world.out("people.pdf")).unwrap();
    world.exports[0]["spec"]["mode"] = json!("DryRun");
    let done = world.expect(0, "DryRunComplete").await;
    assert_eq!(done["status"]["delivered"], "would 3/3 rows");
    assert_eq!(world.names(), [""; 0]);
}
