//! Exports with a PDF document for each person by `apply`, as a real process: what is written, what is said
//! of it, and what is deleted.

use std::fs;

use serde_json::{Value, json};

use crate::{
    apply::{condition, shown},
    files::{World, export, modified, people},
};

fn documents(name: &str, source: impl Into<Value>) -> Value {
    let mut export = export(name, "{export}/{record}.pdf", source);
    export["spec"]["destination"]["file"]["pdf"] = json!({"layout": "PerCandidate"});
    export
}

/// The names of the documents of an export, sorted.
fn names(world: &World, export: &str) -> Vec<String> {
    let found = fs::read_dir(world.out(export)).into_iter().flatten();
    let mut names: Vec<String> =
        found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_has_a_document_and_only_what_differs_is_written_or_deleted() {
    let mut world = World::new(vec![documents("people", people())]).await;
    let done = world.expect(0, "FileWritten").await;
    let (status, file) = (&done["status"], &done["status"]["file"]);
    assert_eq!(status["delivered"], "3/3 rows", "also who has no address");
    let first = names(&world, "people");
    assert_eq!((first.len(), &file["files"], &file["rows"]), (3, &json!(3), &json!(3)));
    for name in &first {
        let bytes = fs::read(world.out("people").join(name)).unwrap();
        assert!(bytes.starts_with(b"%PDF-"), "{name}");
        let id = name.strip_suffix(".pdf").unwrap();
        assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
    }
    let url = file["url"].as_str().unwrap();
    assert!(url.starts_with("file:///") && url.ends_with("/people/{record}.pdf"), "{url}");
    assert_eq!((&file["sha256"], &file["deleted"]), (&Value::Null, &json!(0)));
    let times = |world: &World| {
        let path = |name: &String| modified(&world.out("people").join(name));
        first.iter().map(path).collect::<Vec<_>>()
    };
    let before = times(&world);
    world.expect(0, "FileWritten").await;
    assert_eq!(times(&world), before, "nothing has changed");
    // One is edited, one leaves, one is new.
    let source = &mut world.exports[0]["spec"]["source"]["inline"];
    source[0]["title"] = json!("Director");
    source[1] = json!({"firstName": "Di", "emails": ["di@x.org"]});
    let done = world.expect(0, "FileWritten").await;
    let counts = &done["status"]["counts"];
    assert_eq!(
        (&counts["created"], &counts["updated"], &counts["unchanged"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(done["status"]["file"]["deleted"], 1);
    let second = names(&world, "people");
    assert_eq!((second.len(), first.iter().filter(|name| second.contains(name)).count()), (3, 2));
    // A person who must not leave, though the source is the same.
    world.never = Some("zoe@x.org");
    let done = world.expect(0, "FileWritten").await;
    assert_eq!(
        (names(&world, "people").len(), &done["status"]["counts"]["suppressed"]),
        (2, &json!(1))
    );
    // Nobody is selected: no file is left.
    world.exports[0]["spec"]["select"] = json!("false");
    let done = world.expect(0, "NothingSelected").await;
    let message = condition(&done, "Ready")["message"].to_string();
    assert!(message.contains("no files are left at file:///"), "{message}");
    assert_eq!(names(&world, "people"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_names_the_file_of_each_record() {
    let mut world = World::new(vec![documents("people", people())]).await;
    world.exports[0]["spec"]["report"] = json!({"to": {"url": "OUT/report.ndjson"}});
    world.expect(0, "FileWritten").await;
    let text = fs::read_to_string(world.out("report.ndjson")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    for line in &lines {
        assert_eq!(line["outcome"], "Written");
        let name = format!("{}.pdf", line["record"].as_str().unwrap());
        assert!(world.out("people").join(&name).exists(), "{line}");
    }
    assert!(!text.contains("x.org"), "{text}");
    // What deserves attention: a person who was delivered with a warning, too.
    world.exports[0]["spec"]["report"]["include"] = json!("Rejected");
    world.exports[0]["spec"]["source"]["inline"][2]["fullName"] = json!("\u{76f4}\u{5b50}");
    world.expect(0, "FileWritten").await;
    let text = fs::read_to_string(world.out("report.ndjson")).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("\"reason\":\"MissingGlyph\""), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_exports_of_the_same_names_exclude_each_other() {
    let mut exports = vec![documents("one", people()), documents("two", people())];
    for export in &mut exports {
        export["spec"]["destination"]["file"]["to"]["url"] = json!("OUT/all/{record}.pdf");
    }
    let mut world = World::new(exports).await;
    let text = shown(&world.apply().await);
    assert!(text.contains("DestinationConflict"), "{text}");
    assert!(text.contains("the older export default/one writes these files"), "{text}");
    assert_eq!(names(&world, "all").len(), 3, "of one of them");
    // At another place nothing is believed to be there.
    world.exports.remove(1);
    world.exports[0]["spec"]["destination"]["file"]["to"]["url"] = json!("OUT/other/{record}.pdf");
    world.expect(0, "FileWritten").await;
    assert_eq!(names(&world, "other"), names(&world, "all"));
    world.exports[0]["spec"]["mode"] = json!("DryRun");
    let done = world.expect(0, "DryRunComplete").await;
    assert_eq!(done["status"]["counts"]["unchanged"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_cannot_be_deleted_keep_the_export_from_being_ready() {
    let mut world = World::new(vec![documents("people", people())]).await;
    world.expect(0, "FileWritten").await;
    let before = names(&world, "people");
    let gone = world.exports[0]["spec"]["source"]["inline"].as_array_mut().unwrap().pop();
    world.expect(0, "FileWritten").await;
    let after = names(&world, "people");
    let name = before.iter().find(|name| !after.contains(name)).unwrap();
    world.exports[0]["spec"]["source"]["inline"].as_array_mut().unwrap().extend(gone);
    world.expect(0, "FileWritten").await;
    // A folder has taken its name: that is not deleted.
    let path = world.out("people").join(name);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    world.exports[0]["spec"]["source"]["inline"].as_array_mut().unwrap().pop();
    let refused = world.expect(1, "DeletionDenied").await;
    let message = condition(&refused, "Ready")["message"].to_string();
    assert!(message.contains("1 file of people who left is still there"), "{message}");
    assert!(path.is_dir());
    fs::remove_dir(&path).unwrap();
    world.expect(0, "FileWritten").await;
    assert_eq!(names(&world, "people"), after);
}
