//! The run that brings people back, against the emulator, into a folder and into a bucket of an S3 server.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Arc,
    time::Duration,
};

use clinch_operator::{
    clinch::{Contract, Overrides},
    domain::{Clock, Fence, Grant, GrantState, Reason},
    ledger::{ImportKeys, MemoryStore, SegmentStore},
    mapping::{ImportPlan, MappingSpec},
    pipeline::{
        AttributeFilter, ClinchFeed, Deletions, Ending, ImportMode, ImportName, ImportPorts,
        ImportProgress, ImportReport, ImportSpec, Manifest, MaxDeletions, ObjectSink, OwnWrites,
        PartFormat, run_import,
    },
    sandbox::{Action, Fault, OldId},
    storage::{AllowedPlaces, StoragePolicy},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::setup::{ACCOUNT, Export, World, account, contract, email, in_clinch, seeded};

/// Names and address; people without an address are rejected.
fn mapping() -> ImportPlan {
    let fields = json!([
        {"to": "emails[0].value", "from": "email", "required": true},
        {"to": "firstName", "from": "first_name"},
        {"to": "lastName", "from": "last_name"},
        {"to": "title", "from": "current_job_title"}]);
    let spec: MappingSpec = serde_json::from_value(json!({"fields": fields})).unwrap();
    ImportPlan::compile(&spec.fields).unwrap()
}

pub(crate) fn spec() -> ImportSpec {
    let permitted = ["email", "first_name", "last_name", "current_job_title", "updated_at"];
    let (namespace, name, uid) = ("talent".into(), "back".into(), "uid-import".into());
    ImportSpec {
        import: ImportName { namespace, name, uid },
        mapping: Arc::new(mapping()),
        attributes: AttributeFilter::Only(permitted.map(str::to_owned).into()),
        select: None,
        updated_after: None,
        deletions: Deletions::Tombstone,
        max_deletions: MaxDeletions::Percent(10),
        accept_deletions: None,
        full_scan_interval: Duration::from_hours(24),
        digest: "1".to_owned(),
    }
}

pub(crate) fn local(folder: &Path) -> ObjectSink {
    local_as(folder, PartFormat::Ndjson)
}

fn local_as(folder: &Path, format: PartFormat) -> ObjectSink {
    let place = format!("file://{}", folder.display());
    let allowed = AllowedPlaces::destinations([place.as_str()]).unwrap();
    let policy = Arc::new(StoragePolicy { allowed, ..StoragePolicy::default() });
    ObjectSink::open(&format!("{place}/back/"), None, &policy, "uid-import", (format, 100)).unwrap()
}

/// An import of the people of a world.
pub(crate) struct Import<'a> {
    pub(crate) world: &'a World,
    pub(crate) folder: &'a Path,
    pub(crate) state: MemoryStore,
}

impl Import<'_> {
    pub(crate) async fn run(&self, sink: ObjectSink) -> ImportReport {
        let ports = ImportPorts {
            feed: ClinchFeed::new(self.world.client.clone()),
            sink,
            known_max: None,
            store: self.state.clone(),
            keys: ImportKeys::of(&[7; 32], account(), "uid-import"),
            suppressions: self.world.suppressions.clone(),
            own: OwnWrites::Include,
            grant: Grant::new(|| GrantState::Valid),
            fence: Fence::open(),
            reported_scan: None,
            clock: Clock::new(jiff::Timestamp::now),
            progress: watch::channel(ImportProgress::default()).0,
            cancel: CancellationToken::new(),
        };
        run_import(spec(), ports).await
    }

    async fn completes(&self) -> ImportProgress {
        let report = self.run(local(self.folder)).await;
        assert_eq!(report.ending, Ending::Completed, "{:?}", report.progress);
        assert_follows(&self.folder.join("back/uid-import"));
        report.progress
    }

    pub(crate) fn records(&self) -> Vec<Value> {
        records(&self.folder.join("back/uid-import"))
    }
}

fn manifests(folder: &Path) -> Vec<Manifest> {
    let mut names: Vec<_> = fs::read_dir(folder.join("manifests"))
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    names.sort();
    names.iter().map(|name| serde_json::from_slice(&fs::read(name).unwrap()).unwrap()).collect()
}

pub(crate) fn records(folder: &Path) -> Vec<Value> {
    let parts = manifests(folder).into_iter().flat_map(|manifest| manifest.parts);
    let texts = parts.map(|part| fs::read_to_string(folder.join(part.name)).unwrap());
    let lines: Vec<String> =
        texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Fails unless `latest.json` leads to every part, each as it is described, and nothing else is there.
fn assert_follows(folder: &Path) {
    let all = manifests(folder);
    let mut next = all.last().map(|_| fs::read(folder.join("latest.json")).unwrap());
    let (mut followed, mut listed) = (0, BTreeSet::new());
    while let Some(bytes) = next {
        let manifest: Manifest = serde_json::from_slice(&bytes).unwrap();
        followed += 1;
        for part in &manifest.parts {
            let bytes = fs::read(folder.join(&part.name)).unwrap();
            assert_eq!(hex::encode(Sha256::digest(&bytes)), part.sha256);
            assert_eq!(bytes.len() as u64, part.bytes);
            assert_eq!(String::from_utf8(bytes).unwrap().lines().count() as u64, part.rows);
            listed.insert(part.name.clone());
        }
        let file = |run: u64| folder.join(format!("manifests/{run:010}.json"));
        next = manifest.previous.map(|run| fs::read(file(run)).unwrap());
    }
    assert_eq!(followed, all.len());
    let there: BTreeSet<String> = fs::read_dir(folder.join("parts"))
        .map(|entries| {
            let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
            entries.map(|entry| format!("parts/{}", name(entry.unwrap()))).collect()
        })
        .unwrap_or_default();
    assert_eq!(there, listed, "every part is in a manifest, and no temporary file is left");
}

fn by_op(records: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for record in records {
        *counts.entry(record["clinch"]["op"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn people_come_back_once_and_then_only_what_changed() {
    let world = World::new(seeded(contract(json!({})), (0..250).map(in_clinch))).await;
    let folder = tempfile::tempdir().unwrap();
    let import = Import { world: &world, folder: folder.path(), state: MemoryStore::default() };
    let first = import.completes().await;
    assert_eq!((first.counts.emitted, first.counts.scanned, first.known), (250, 250, 250));
    assert_eq!(manifests(&folder.path().join("back/uid-import"))[0].parts.len(), 3);
    let requests = world.requests();
    let quiet = import.completes().await;
    assert_eq!((quiet.counts.emitted, quiet.counts.unchanged), (0, 250));
    assert!(world.requests() - requests <= 4, "three pages, and an empty one");
    assert_eq!(quiet.last_manifest, first.last_manifest, "nothing is written");

    world.sandbox.edit(ACCOUNT, &email(1), &json!({"current_job_title": "Director"})).unwrap();
    world.sandbox.edit(ACCOUNT, &email(2), &json!({"phone": "not permitted to leave"})).unwrap();
    world.sandbox.delete(ACCOUNT, &email(3)).unwrap();
    world.sandbox.anonymise(ACCOUNT, &email(4)).unwrap();
    world.sandbox.add_person(ACCOUNT, &json!({"first_name": "Nameless"})).unwrap();
    let next = import.completes().await;
    let counts = next.counts;
    assert_eq!((counts.emitted, counts.tombstones, counts.invalid), (1, 2, 1));
    assert_eq!(next.failures[0].cause.reason, Reason::RequiredMissing);
    assert_eq!(import.completes().await.counts.invalid, 1, "tried again each time");
    let records = import.records();
    let expected = [("tombstone".to_owned(), 2), ("upsert".to_owned(), 251)];
    assert_eq!(by_op(&records), expected.into());
    let text = records.iter().map(Value::to_string).collect::<String>();
    assert!(text.contains("Director") && !text.contains("not permitted"));
    assert!(records[0]["clinch"]["updatedAt"].is_string(), "{}", records[0]);

    // An export of the account does not write the anonymised person.
    let counts = world.counts(&Export::of((4..6).map(crate::setup::profile).collect())).await;
    assert_eq!((counts.suppressed, counts.unchanged), (1, 1));
}

#[tokio::test]
async fn only_the_answer_of_the_application_says_that_somebody_is_gone() {
    let world = World::new(seeded(contract(json!({})), (0..40).map(in_clinch))).await;
    let folder = tempfile::tempdir().unwrap();
    let import = Import { world: &world, folder: folder.path(), state: MemoryStore::default() };
    import.completes().await;
    let id = world.sandbox.delete(ACCOUNT, &email(3)).unwrap();
    let status = |code, html| Action::Status { code, retry_after: None, html };
    let elsewhere = Action::Redirect { location: "https://login.example/".to_owned() };
    for (action, reason) in [
        (status(403, false), Reason::PermissionDenied),
        (status(403, true), Reason::EndpointNotClinch),
        (status(500, false), Reason::RecordErrored),
        (status(404, true), Reason::EndpointNotClinch),
        (status(422, false), Reason::RecordRejected),
        (elsewhere, Reason::EndpointNotClinch),
        (Action::Html {}, Reason::EndpointNotClinch),
    ] {
        let shown = format!("{action:?}");
        world.sandbox.set_faults(vec![Fault::always("getCandidate", action)]);
        let found = import.completes().await;
        assert_eq!((found.counts.tombstones, found.counts.invalid), (0, 1), "{shown}");
        let [failure] = &found.failures[..] else { panic!("{shown}: {:?}", found.failures) };
        assert_eq!(failure.cause.reason, reason, "{shown}: {}", failure.cause.message);
        assert!(failure.record.is_some() && !failure.cause.message.contains(&id), "{shown}");
    }
    world.sandbox.set_faults(Vec::new());
    let found = import.completes().await;
    assert_eq!((found.counts.tombstones, found.counts.invalid), (1, 0));
}

#[tokio::test]
async fn what_comes_back_is_a_source() {
    let world = World::new(seeded(contract(json!({})), (0..30).map(in_clinch))).await;
    let folder = tempfile::tempdir().unwrap();
    let import = Import { world: &world, folder: folder.path(), state: MemoryStore::default() };
    import.completes().await;
    world.sandbox.delete(ACCOUNT, &email(3)).unwrap();
    import.completes().await;
    let lines: Vec<String> = import.records().iter().map(Value::to_string).collect();
    let source = crate::large::parts("back.ndjson", lines.join("\n").into_bytes());
    let target = World::new(contract(json!({}))).await;
    let mut run = target.spec(&Export::of(Vec::new()));
    run.source = source;
    let report = clinch_operator::pipeline::run(run, target.ports()).await;
    assert_eq!(report.ending, Ending::Completed);
    let counts = report.progress.counts;
    assert_eq!((counts.created, counts.not_selected, counts.rejected()), (30, 1, 0));
}

#[tokio::test]
async fn what_comes_back_as_csv_is_a_source_too() {
    let more =
        json!({"email": "formula@example.com", "first_name": "=1+1", "last_name": "'quoted"});
    let people = (0..150).map(in_clinch).chain([more]);
    let world = World::new(seeded(contract(json!({})), people)).await;
    let folder = tempfile::tempdir().unwrap();
    let import = Import { world: &world, folder: folder.path(), state: MemoryStore::default() };
    let run = async || {
        let report = import.run(local_as(folder.path(), PartFormat::Csv)).await;
        assert_eq!(report.ending, Ending::Completed);
        report.progress
    };
    assert_eq!(run().await.counts.emitted, 151);
    let manifest = run().await.last_manifest;
    world.sandbox.delete(ACCOUNT, &email(3)).unwrap();
    assert_ne!(run().await.last_manifest, manifest);
    let uid = folder.path().join("back/uid-import");
    let parts: Vec<_> = manifests(&uid).into_iter().flat_map(|one| one.parts).collect();
    assert_eq!(parts.iter().map(|part| part.rows).collect::<Vec<_>>(), [100, 51, 1]);
    let mut whole = Vec::new();
    for part in &parts {
        assert_eq!(Path::new(&part.name).extension(), Some("csv".as_ref()));
        let bytes = fs::read(uid.join(&part.name)).unwrap();
        assert_eq!(hex::encode(Sha256::digest(&bytes)), part.sha256);
        let text = String::from_utf8(bytes).unwrap();
        let (header, rows) = text.split_once("\r\n").unwrap();
        assert!(header.starts_with("Clinch Id,Clinch Op,Clinch Revision,Clinch Updated At,Id,"));
        if whole.is_empty() {
            whole.extend_from_slice(format!("{header}\r\n").as_bytes());
        }
        whole.extend_from_slice(rows.as_bytes());
    }
    let target = World::new(contract(json!({}))).await;
    let mut run = target.spec(&Export::of(Vec::new()));
    run.source = crate::large::escaped("back.csv", whole);
    let report = clinch_operator::pipeline::run(run, target.ports()).await;
    assert_eq!(report.ending, Ending::Completed);
    let counts = report.progress.counts;
    assert_eq!((counts.created, counts.not_selected, counts.rejected()), (151, 1, 0));
    let people = target.sandbox.people(ACCOUNT);
    let formula = people.iter().find(|one| one["attributes"]["email"] == "formula@example.com");
    let attributes = &formula.unwrap()["attributes"];
    assert_eq!(
        (&attributes["first_name"], &attributes["last_name"]),
        (&json!("=1+1"), &json!("'quoted"))
    );
}

#[tokio::test]
async fn only_changes_are_asked_for_where_that_is_proved() {
    for (filtering, resolution, mode) in [
        ("honoured", "second", ImportMode::Incremental),
        ("honoured", "day", ImportMode::Incremental),
        ("ignored", "second", ImportMode::FullScan),
    ] {
        let offered =
            json!({"parameter": "updated_since", "filtering": filtering, "resolution": resolution});
        let options = contract(json!({"updatedSince": offered}));
        let world = World::discovering(seeded(options, (0..250).map(in_clinch))).await;
        let folder = tempfile::tempdir().unwrap();
        let import = Import { world: &world, folder: folder.path(), state: MemoryStore::default() };
        import.completes().await;
        import.completes().await;
        let (requests, segments) = (world.requests(), import.state.list().await.unwrap());
        let quiet = import.completes().await;
        assert_eq!((quiet.mode, quiet.counts.emitted), (mode, 0), "{}", quiet.mode_reason);
        if mode == ImportMode::Incremental && resolution == "second" {
            // Everybody is of the last five minutes.
            assert!(world.requests() - requests <= 4, "{}", world.requests() - requests);
        }
        if mode == ImportMode::FullScan {
            assert!(quiet.mode_reason.contains("shows other people"), "{}", quiet.mode_reason);
        } else {
            assert!(import.state.list().await.unwrap().len() <= segments.len() + 1);
        }
        world.sandbox.edit(ACCOUNT, &email(1), &json!({"current_job_title": "Director"})).unwrap();
        let next = import.completes().await;
        assert_eq!((next.mode, next.counts.emitted), (mode, 1));
    }
}

#[tokio::test]
async fn merged_people_are_gone_if_clinch_says_so_and_stay_if_it_says_nothing() {
    for (old_id, tombstones) in [(OldId::NotFound, 1), (OldId::Moved, 0)] {
        let world = World::new(seeded(contract(json!({})), (0..30).map(in_clinch))).await;
        let folder = tempfile::tempdir().unwrap();
        let import = Import { world: &world, folder: folder.path(), state: MemoryStore::default() };
        import.completes().await;
        world.sandbox.merge(ACCOUNT, &email(1), &email(2), old_id).unwrap();
        for _ in 0..2 {
            import.completes().await;
            let gone = by_op(&import.records()).remove("tombstone").unwrap_or_default();
            assert_eq!(gone, tombstones);
        }
    }
}

#[tokio::test]
async fn an_attribute_may_name_the_person_into_whom_somebody_was_merged() {
    let mut overrides = Overrides::default();
    // Any attribute that the emulator has will do.
    overrides.attribute("merged_into", "phone").unwrap();
    let contract_of = Contract::built_in().with(&overrides);
    let options = seeded(contract(json!({})), (0..30).map(in_clinch));
    let world = World::speaking(options, contract_of).await;
    let folder = tempfile::tempdir().unwrap();
    let import = Import { world: &world, folder: folder.path(), state: MemoryStore::default() };
    import.completes().await;
    let survivor = world.person(2)["id"].clone();
    world.sandbox.edit(ACCOUNT, &email(1), &json!({"phone": survivor})).unwrap();
    world.sandbox.edit(ACCOUNT, &email(3), &json!({"phone": null})).unwrap();
    for _ in 0..2 {
        import.completes().await;
        let records = import.records();
        let gone: Vec<&Value> =
            records.iter().filter(|record| record["clinch"]["op"] == "tombstone").collect();
        assert_eq!(gone.len(), 1);
        assert_eq!(gone[0]["clinch"]["reason"], "Merged");
        assert_eq!(gone[0]["clinch"]["mergedInto"], survivor);
    }
}

#[tokio::test]
async fn a_list_that_shifts_loses_nobody() {
    for order in ["created", "updated", "random"] {
        let shifting = json!({"paging": {"order": order},
            "shift": {"delete": 1, "insert": 2, "touch": 1, "times": 20}});
        let world = World::new(seeded(contract(shifting), (0..600).map(in_clinch))).await;
        let folder = tempfile::tempdir().unwrap();
        let import = Import { world: &world, folder: folder.path(), state: MemoryStore::default() };
        for _ in 0..4 {
            import.run(local(folder.path())).await;
        }
        import.completes().await;
        let mut last = BTreeMap::new();
        for record in import.records() {
            last.insert(record["clinch"]["id"].as_str().unwrap().to_owned(), record);
        }
        last.retain(|_, record| record["clinch"]["op"] == "upsert");
        let there: BTreeSet<String> = world
            .sandbox
            .people(ACCOUNT)
            .into_iter()
            .map(|person| person["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(last.into_keys().collect::<BTreeSet<_>>(), there, "{order}");
    }
}

fn with_summary(world: &World, person: usize, bytes: usize) {
    let summary = json!({ "summary": "x".repeat(bytes) });
    world.sandbox.edit(ACCOUNT, &email(person), &summary).unwrap();
}

#[tokio::test]
async fn a_person_of_megabytes_is_left_out_with_a_reason_and_everybody_else_arrives() {
    for paging in [json!({}), json!({"links": false}), json!({"links": false, "meta": false})] {
        let options = contract(json!({ "paging": paging }));
        let world = World::new(seeded(options, (0..250).map(in_clinch))).await;
        let folder = tempfile::tempdir().unwrap();
        let import = Import { world: &world, folder: folder.path(), state: MemoryStore::default() };
        import.completes().await;
        with_summary(&world, 120, 4 << 20);
        world.sandbox.delete(ACCOUNT, &email(3)).unwrap();
        for person in [119, 121, 249] {
            let title = json!({"current_job_title": "Changed"});
            world.sandbox.edit(ACCOUNT, &email(person), &title).unwrap();
        }
        for (emitted, tombstones) in [(3, 1), (0, 0)] {
            let requests = world.requests();
            let progress = import.completes().await;
            let counts = progress.counts;
            assert_eq!((counts.emitted, counts.tombstones), (emitted, tombstones), "{paging}");
            assert_eq!((counts.scanned, counts.invalid), (248, 1), "{paging}");
            let [failure] = progress.failures.as_slice() else { panic!("one failure") };
            assert_eq!((failure.record, failure.cause.reason), (None, Reason::TooLarge));
            let message = "person 120 on the list of Clinch has more than 4 MiB, and is not read";
            assert_eq!(failure.cause.message, message);
            assert!(world.requests() - requests <= 60, "{}", world.requests() - requests);
        }
        assert_eq!(by_op(&import.records()).get("tombstone"), Some(&1), "nobody else is gone");
        with_summary(&world, 120, 10);
        let counts = import.completes().await.counts;
        assert_eq!((counts.scanned, counts.emitted, counts.invalid), (249, 0, 0), "{paging}");
    }
}

#[tokio::test]
async fn people_who_are_large_together_are_read_in_smaller_pages() {
    let world = World::new(seeded(contract(json!({})), (0..250).map(in_clinch))).await;
    for person in 0..150 {
        with_summary(&world, person, 60 << 10);
    }
    let folder = tempfile::tempdir().unwrap();
    let import = Import { world: &world, folder: folder.path(), state: MemoryStore::default() };
    let requests = world.requests();
    let counts = import.completes().await.counts;
    assert_eq!((counts.scanned, counts.emitted, counts.invalid), (250, 250, 0));
    // Twice, since the first scan is confirmed: 100 + 50 + 50, 100 instead of one page each.
    assert!(world.requests() - requests <= 20, "{}", world.requests() - requests);
}

#[tokio::test]
async fn a_bucket_holds_the_same_as_a_folder() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("people")).unwrap();
    let origin = crate::s3::serve(root.path(), "AKIATEST", "s3-secret").await;
    let allowed = AllowedPlaces::destinations(["s3://people/back/", &origin]).unwrap();
    let policy = Arc::new(StoragePolicy { allowed, ..StoragePolicy::default() });
    let secret: BTreeMap<String, bytes::Bytes> = [
        ("AWS_ACCESS_KEY_ID", "AKIATEST"),
        ("AWS_SECRET_ACCESS_KEY", "s3-secret"),
        ("AWS_ENDPOINT_URL", origin.as_str()),
        ("AWS_REGION", "us-east-1"),
    ]
    .map(|(name, value)| (name.to_owned(), bytes::Bytes::copy_from_slice(value.as_bytes())))
    .into();
    let sink = || {
        let parts = (PartFormat::Ndjson, 100);
        ObjectSink::open("s3://people/back/", Some(&secret), &policy, "uid-import", parts).unwrap()
    };
    let world = World::new(seeded(contract(json!({})), (0..150).map(in_clinch))).await;
    let import = Import { world: &world, folder: root.path(), state: MemoryStore::default() };
    for _ in 0..2 {
        let report = import.run(sink()).await;
        assert_eq!(report.ending, Ending::Completed);
    }
    world.sandbox.edit(ACCOUNT, &email(1), &json!({"current_job_title": "Director"})).unwrap();
    let report = import.run(sink()).await;
    assert_eq!((report.ending, report.progress.counts.emitted), (Ending::Completed, 1));
    let last = report.progress.last_manifest.unwrap();
    assert!(last.url.starts_with("s3://people/back/uid-import/manifests/"), "{}", last.url);
    assert_follows(&root.path().join("people/back/uid-import"));
    assert_eq!(records(&root.path().join("people/back/uid-import")).len(), 151);
    // What is known is lost: everything comes again, beside what is there.
    for seq in import.state.list().await.unwrap() {
        import.state.delete(seq).await.unwrap();
    }
    let report = import.run(sink()).await;
    assert!(report.progress.state_lost.is_some());
    assert_follows(&root.path().join("people/back/uid-import"));
    assert_eq!(records(&root.path().join("people/back/uid-import")).len(), 301);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_and_a_part_of_a_killed_process() {
    let world = World::new(seeded(contract(json!({})), (0..30).map(in_clinch))).await;
    let folder = tempfile::tempdir().unwrap();
    let import = Import { world: &world, folder: folder.path(), state: MemoryStore::default() };
    let parts = folder.path().join("back/uid-import/parts");
    fs::create_dir_all(folder.path().join("back/uid-import")).unwrap();
    fs::write(&parts, "in the way").unwrap();
    let report = import.run(local(folder.path())).await;
    let Ending::Interrupted { disposition, message } = report.ending else { panic!("it fails") };
    assert_eq!(disposition.reason(), Reason::DestinationInvalid, "{message}");
    assert!(message.contains("/parts/"), "{message}");
    fs::remove_file(&parts).unwrap();
    fs::create_dir_all(&parts).unwrap();
    fs::write(parts.join("0000000001-00112233445566aa.ndjson"), "left by a killed process")
        .unwrap();
    fs::write(parts.join("notes.txt"), "of somebody else").unwrap();
    let report = import.run(local(folder.path())).await;
    assert_eq!(report.ending, Ending::Completed);
    assert!(!parts.join("0000000001-00112233445566aa.ndjson").exists());
    assert!(parts.join("notes.txt").exists());
    assert_eq!(import.records().len(), 30);
}
