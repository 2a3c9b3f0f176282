//! The run that writes a document for each person, into a folder and a bucket of an S3 server: what is
//! written, what is left alone, what is deleted, and what is known of it after a kill.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use clinch_operator::{
    domain::{Fence, Grant, GrantState, MatchKey, Reason},
    ledger::{Keys, Listed, MemoryStore, Suppressions},
    pipeline::{
        Counts, DocumentStyle, Encoding, Ending, FileSpec, FilesInfo, Guards, InPlace, Mode,
        PersonFilePorts, Progress, RECORD, RecordLine, RecordOutcome, RecordReport, Renderer,
        Report, Source, run_person_files,
    },
    storage::{AllowedPlaces, FileSet, StoragePolicy},
};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    fake_store::{FakeStore, answer, error},
    files::{Lines, names, reason, spec},
    large::{lines, parts},
    s3,
    setup::profile,
    steps::damaged_font,
};

fn documents(source: Source) -> FileSpec {
    FileSpec { encoding: Encoding::Pdf(DocumentStyle::default()), ..spec(source) }
}

fn of(profiles: &[Value]) -> Source {
    parts("people.ndjson", lines(profiles.iter().cloned()).into_bytes())
}

fn people(count: usize) -> Vec<Value> {
    (0..count).map(profile).collect()
}

fn keys() -> Keys {
    Keys::derive(&[7; 32], "export")
}

/// The name of the file of a person with this address.
fn name(profile: &Value) -> String {
    let address = profile["emails"][0]["value"].as_str().unwrap();
    format!("p-{}.pdf", keys().record_id(&MatchKey::fold(address).unwrap()))
}

fn policy(allowed: &[&str]) -> Arc<StoragePolicy> {
    let allowed = AllowedPlaces::destinations(allowed.iter().copied()).unwrap();
    Arc::new(StoragePolicy { allowed, ..StoragePolicy::default() })
}

fn local(folder: &Path) -> FileSet {
    let place = format!("file://{}", folder.display());
    FileSet::open(&format!("{place}/p-{RECORD}.pdf"), RECORD, None, &policy(&[&place])).unwrap()
}

fn bucket(origin: &str) -> FileSet {
    let secret: BTreeMap<String, Bytes> = [
        ("AWS_ACCESS_KEY_ID", "AKIATEST"),
        ("AWS_SECRET_ACCESS_KEY", "s3-secret"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", origin),
    ]
    .map(|(name, value)| (name.to_owned(), Bytes::copy_from_slice(value.as_bytes())))
    .into();
    let policy = policy(&["s3://people", origin]);
    FileSet::open(&format!("s3://people/p-{RECORD}.pdf"), RECORD, Some(&secret), &policy).unwrap()
}

fn ports(files: FileSet, store: &MemoryStore) -> PersonFilePorts<MemoryStore> {
    PersonFilePorts {
        files,
        export: "uid".to_owned(),
        store: store.clone(),
        max_files: None,
        rewrite: false,
        in_place: None,
        tolerated: Box::new(|_| 0),
        suppressions: Suppressions::in_memory(keys()),
        keys: keys(),
        grant: Grant::new(|| GrantState::Valid),
        fence: Fence::open(),
        progress: watch::channel(Progress::default()).0,
        renderer: Renderer::default(),
        report: None,
        cancel: CancellationToken::new(),
    }
}

/// Calls something with each record that is decided.
struct Each(Box<dyn Fn(usize) + Send + Sync>, AtomicUsize);

impl Each {
    fn call(each: impl Fn(usize) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self(Box::new(each), AtomicUsize::new(0)))
    }
}

impl RecordReport for Each {
    fn add(&self, _: RecordLine) {
        (self.0)(self.1.fetch_add(1, Ordering::Relaxed));
    }
}

fn without(ports: &PersonFilePorts<MemoryStore>, address: &str) {
    let list = &ports.suppressions;
    let hash = |key: &MatchKey| list.key_hash(key);
    let text = Bytes::copy_from_slice(address.as_bytes());
    let listed = Listed::parse(&[("list".to_owned(), text)], None, hash);
    list.set_listed(Some(Arc::new(listed.unwrap())));
}

async fn run(profiles: &[Value], ports: PersonFilePorts<MemoryStore>) -> Report {
    run_person_files(documents(of(profiles)), ports).await
}

fn written(report: &Report) -> (Counts, FilesInfo) {
    assert_eq!(report.ending, Ending::Completed, "{:?}", report.progress);
    (report.progress.counts, report.progress.files.clone().unwrap())
}

/// Created, updated, unchanged and deleted.
fn done(report: &Report) -> (u64, u64, u64, u64) {
    let (counts, files) = written(report);
    (counts.created, counts.updated, counts.unchanged, files.deleted)
}

fn sorted(profiles: &[Value]) -> Vec<String> {
    let mut names: Vec<String> = profiles.iter().map(name).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn only_documents_that_differ_are_written_and_those_of_people_who_left_are_deleted() {
    let root = tempfile::tempdir().unwrap();
    let (folder, objects) = (root.path().join("folder"), root.path().join("people"));
    fs::create_dir(&folder).unwrap();
    fs::create_dir(&objects).unwrap();
    let origin = s3::serve(root.path(), "AKIATEST", "s3-secret").await;
    for (path, files) in [(folder, local(&root.path().join("folder"))), (objects, bucket(&origin))]
    {
        let store = MemoryStore::default();
        let to = || ports(files.clone(), &store);
        // Named as one of ours would be, and not ours.
        let other = "p-0123456789abcdef.pdf".to_owned();
        fs::write(path.join(&other), "other").unwrap();
        let mut profiles = people(5);
        let report = run(&profiles, to()).await;
        assert_eq!(done(&report), (5, 0, 0, 0));
        let (_, info) = written(&report);
        let mut expected = sorted(&profiles);
        expected.push(other.clone());
        expected.sort();
        assert_eq!(names(&path), expected);
        let size = |profile: &Value| fs::metadata(path.join(name(profile))).unwrap().len();
        assert_eq!((info.people, info.files), (5, 5));
        assert_eq!(info.bytes, profiles.iter().map(size).sum::<u64>());
        assert!(info.url.ends_with("/p-{record}.pdf"), "{}", info.url);
        let modified =
            |profile: &Value| fs::metadata(path.join(name(profile))).unwrap().modified().unwrap();
        let before: Vec<_> = profiles.iter().map(modified).collect();
        assert_eq!(done(&run(&profiles, to()).await), (0, 0, 5, 0));
        // What the document does not show does not count.
        profiles[0]["x"] = json!({"note": 1});
        assert_eq!(done(&run(&profiles, to()).await), (0, 0, 5, 0));
        profiles[1]["title"] = json!("Director");
        assert_eq!(done(&run(&profiles, to()).await), (0, 1, 4, 0));
        let after: Vec<_> = profiles.iter().map(modified).collect();
        let same: Vec<_> = before.iter().zip(&after).map(|(one, other)| one == other).collect();
        assert_eq!(same, [true, false, true, true, true]);
        // One left, one must not leave.
        let address = profiles[3]["emails"][0]["value"].as_str().unwrap().to_owned();
        let suppressing = to();
        without(&suppressing, &address);
        let report = run(&profiles[..4], suppressing).await;
        assert_eq!(done(&report), (0, 0, 3, 2));
        assert_eq!(report.progress.counts.suppressed, 1);
        let mut expected = sorted(&profiles[..3]);
        expected.push(other.clone());
        expected.sort();
        assert_eq!(names(&path), expected, "and nothing else was deleted");
        // They come back.
        assert_eq!(done(&run(&profiles, to()).await), (2, 0, 3, 0));
        // On request all are written again, e.g. because somebody deleted one.
        fs::remove_file(path.join(name(&profiles[0]))).unwrap();
        assert_eq!(done(&run(&profiles, to()).await), (0, 0, 5, 0), "nothing is looked at");
        let again = PersonFilePorts { rewrite: true, ..to() };
        assert_eq!(done(&run(&profiles, again).await), (0, 5, 0, 0));
        assert!(path.join(name(&profiles[0])).exists());
        let letter = DocumentStyle { letter: true, ..DocumentStyle::default() };
        let letter = FileSpec { encoding: Encoding::Pdf(letter), ..spec(of(&profiles)) };
        assert_eq!(done(&run_person_files(letter, to()).await), (0, 5, 0, 0), "another paper");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_source_costs_no_request_and_a_dry_run_writes_nothing() {
    let store = FakeStore::start(|_| answer(200, &[("etag", "\"e\"")], "")).await;
    let known = MemoryStore::default();
    let to = || ports(bucket(&store.origin), &known);
    let dry = FileSpec { mode: Mode::DryRun, ..documents(of(&people(3))) };
    let report = run_person_files(dry, to()).await;
    assert_eq!((report.ending, report.progress.counts.created), (Ending::Completed, 3));
    assert_eq!(report.progress.files, None);
    assert_eq!(store.asked(), [""; 0]);
    assert_eq!(done(&run(&people(3), to()).await), (3, 0, 0, 0));
    let asked = store.asked().len();
    assert_eq!(asked, 3, "one request for each file: {:?}", store.asked());
    let same = PersonFilePorts { in_place: Some(InPlace { source: None }), ..to() };
    assert_eq!(run(&people(3), same).await.ending, Ending::SourceUnchanged);
    assert_eq!(done(&run(&people(3), to()).await), (0, 0, 3, 0));
    assert_eq!(store.asked().len(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_judged_before_anything_is_written_or_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = MemoryStore::default();
    let to = || ports(local(folder.path()), &store);
    let (four, nine) = (people(4), people(9));
    assert_eq!(done(&run(&four, to()).await), (4, 0, 0, 0));
    let before = names(folder.path());
    let text = lines(nine.iter().cloned());
    let cut = parts("people.ndjson", text.as_bytes()[..text.len() - 9].to_vec());
    assert_eq!(reason(&run_person_files(documents(cut), to()).await), Reason::SourceInvalid);
    assert_eq!(reason(&run(&[], to()).await), Reason::SourceEmpty);
    let guards = Guards { max_shrink_percent: Some(50), ..Guards::default() };
    let shrunk = |profiles: &[Value]| FileSpec {
        baseline: Some(4),
        rows: Some(4),
        guards: guards.clone(),
        ..documents(of(profiles))
    };
    let report = run_person_files(shrunk(&nine[8..]), to()).await;
    assert_eq!(reason(&report), Reason::GuardTripped);
    // No record can be used: that removes nobody.
    let report = run(&[json!(1), json!(2)], to()).await;
    assert_eq!((&report.ending, report.progress.counts.invalid), (&Ending::Completed, 2));
    assert_eq!(names(folder.path()), before);
    assert_eq!(done(&run_person_files(shrunk(&nine[..3]), to()).await), (0, 0, 3, 1));
    let limited = FileSpec { limit: Some(1), ..shrunk(&four) };
    assert_eq!(done(&run_person_files(limited, to()).await), (0, 0, 1, 2), "a limit is meant");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_may_be_about_anybody_and_deletes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = MemoryStore::default();
    let to = || ports(local(folder.path()), &store);
    let four = people(4);
    assert_eq!(done(&run(&four, to()).await), (4, 0, 0, 0));
    // The record of the second is damaged, the third left, the fourth must not leave.
    let damaged = [four[0].clone(), json!("damaged"), four[3].clone()];
    let suppressing = |tolerated: u64| {
        let to = PersonFilePorts { tolerated: Box::new(move |_| tolerated), ..to() };
        without(&to, four[3]["emails"][0]["value"].as_str().unwrap());
        to
    };
    let report = run(&damaged, suppressing(0)).await;
    assert_eq!((done(&report), report.progress.counts.invalid), ((0, 0, 1, 1), 1));
    assert_eq!(names(folder.path()), sorted(&four[..3]), "only who must not leave lost a file");
    assert_eq!(done(&run(&damaged, suppressing(1)).await), (0, 0, 1, 2), "within the budget");
    assert_eq!(names(folder.path()), sorted(&four[..1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_to_delete_that_is_missing_has_its_reason_and_keeps_nothing_else_from_being_done() {
    let status = Arc::new(AtomicU16::new(403));
    let answers = status.clone();
    let store = FakeStore::start(move |target| match answers.load(Ordering::Relaxed) {
        403 if target.starts_with("DELETE") => error(403, "AccessDenied"),
        503 if target.starts_with("DELETE") => error(503, "SlowDown"),
        _ => answer(200, &[("etag", "\"e\"")], ""),
    })
    .await;
    let known = MemoryStore::default();
    let to = || ports(bucket(&store.origin), &known);
    let all = people(6);
    assert_eq!(done(&run(&all[..3], to()).await), (3, 0, 0, 0));
    let report = run(&all[2..], to()).await;
    let Ending::Interrupted { message, .. } = &report.ending else { panic!("{report:?}") };
    assert_eq!(reason(&report), Reason::DeletionDenied);
    assert!(message.starts_with("2 files of people who left are still there: s3://people/p-"));
    assert!(message.contains("Permit that files are deleted there"), "{message}");
    assert_eq!(report.progress.counts.created, 3, "the others have their files");
    let asked = store.asked().len();
    assert_eq!(reason(&run(&all[2..], to()).await), Reason::DeletionDenied);
    assert!(store.asked()[asked..].iter().all(|asked| asked.starts_with("DELETE")));
    status.store(503, Ordering::Relaxed);
    assert_eq!(reason(&run(&all[2..], to()).await), Reason::DestinationUnreachable);
    status.store(200, Ordering::Relaxed);
    assert_eq!(done(&run(&all[2..], to()).await), (0, 0, 4, 2));
    assert_eq!(done(&run(&all[2..], to()).await), (0, 0, 4, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_refuses_has_a_reason() {
    for (status, code, expected) in [
        (404, "NoSuchBucket", Reason::DestinationMissing),
        (403, "AccessDenied", Reason::DestinationDenied),
        (503, "SlowDown", Reason::DestinationUnreachable),
    ] {
        let store = FakeStore::start(move |_| error(status, code)).await;
        let report = run(&people(3), ports(bucket(&store.origin), &MemoryStore::default())).await;
        assert_eq!((reason(&report), report.progress.counts.created), (expected, 0), "{code}");
        let Ending::Interrupted { message, .. } = &report.ending else { panic!("{code}") };
        assert!(message.starts_with("s3://people/p-{record}.pdf cannot be written"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_without_an_address_have_a_file_and_people_named_twice_have_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = MemoryStore::default();
    let lines = Arc::new(Lines::default());
    let to = || ports(local(folder.path()), &store);
    let mut profiles = people(2);
    profiles.push(json!({"fullName": "No Address"}));
    profiles.push(json!({"fullName": "Other", "emails": ["n/a"], "id": "17"}));
    profiles.push(json!({"fullName": "Third", "email": "n/a", "id": 18}));
    // Twice: with the same content, and with another.
    profiles.push(profiles[0].clone());
    let mut other = profiles[1].clone();
    other["title"] = json!("Director");
    profiles.push(other);
    let report = run(&profiles, PersonFilePorts { report: Some(lines.clone()), ..to() }).await;
    assert_eq!(done(&report), (5, 0, 1, 0));
    assert_eq!(report.progress.rejections[0].cause.reason, Reason::DuplicateInSource);
    assert_eq!(names(folder.path()).len(), 5);
    let lines = std::mem::take(&mut *lines.0.lock().unwrap());
    let outcomes: Vec<_> = lines.iter().map(|line| line.outcome).collect();
    let mut expected = vec![RecordOutcome::Written; 5];
    expected.extend([RecordOutcome::Unchanged, RecordOutcome::Rejected]);
    assert_eq!(outcomes, expected);
    for line in &lines {
        let name = format!("p-{}.pdf", line.record.unwrap());
        assert!(folder.path().join(name).exists(), "a line names the file");
    }
    // Their id stays when what is known of them changes.
    profiles[3]["title"] = json!("Director");
    assert_eq!(done(&run(&profiles, to()).await), (0, 1, 5, 0));
    // Without one, the person is another one.
    profiles[2]["title"] = json!("Director");
    assert_eq!(done(&run(&profiles, to()).await), (1, 0, 5, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn characters_without_a_font_are_a_warning_whether_a_file_is_written_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = MemoryStore::default();
    let mut profiles = people(3);
    profiles[1]["fullName"] = json!("\u{76f4}\u{5b50}");
    for mode in [Mode::DryRun, Mode::Push, Mode::Push] {
        let lines = Arc::new(Lines::default());
        let ports =
            PersonFilePorts { report: Some(lines.clone()), ..ports(local(folder.path()), &store) };
        let spec = FileSpec { mode, ..documents(of(&profiles)) };
        let report = run_person_files(spec, ports).await;
        assert_eq!(report.ending, Ending::Completed);
        let [warning] = &report.progress.coverage.warnings[..] else { panic!("{report:?}") };
        assert_eq!((warning.cause.reason, warning.records), (Reason::MissingGlyph, 1));
        let lines = lines.0.lock().unwrap();
        let lacks: Vec<_> = lines.iter().map(|line| line.cause.is_some()).collect();
        assert_eq!(lacks, [false, true, false]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_cannot_be_rendered_rejects_its_record_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = MemoryStore::default();
    let mut profiles = people(3);
    assert_eq!(done(&run(&profiles[1..], ports(local(folder.path()), &store)).await).0, 2);
    for profile in &mut profiles[..2] {
        profile["title"] = json!("\u{633}\u{644}\u{627}\u{645}");
    }
    let old = fs::read(folder.path().join(name(&profiles[1]))).unwrap();
    let renderer = Renderer::with([("damaged.ttf".to_owned(), damaged_font())]).0;
    let damaged = PersonFilePorts { renderer, ..ports(local(folder.path()), &store) };
    let report = run(&profiles, damaged).await;
    let (counts, files) = written(&report);
    assert_eq!((counts.updated, counts.invalid), (1, 2), "other fonts, and two failures");
    assert_eq!(report.progress.rejections[0].cause.reason, Reason::RenderFailed);
    assert_eq!((files.people, files.files), (1, 2), "the old one of the second is still there");
    assert_eq!(fs::read(folder.path().join(name(&profiles[1]))).unwrap(), old);
    let report = run(&profiles, ports(local(folder.path()), &store)).await;
    assert_eq!(done(&report), (1, 2, 0, 0), "with the fonts as they were");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_ended_is_continued_where_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let store = MemoryStore::default();
    let profiles = people(60);
    let flag = || Arc::new(AtomicBool::new(false));
    for end in ["cancelled", "permission withdrawn", "not the leader"] {
        let (cancel, raised) = (CancellationToken::new(), flag());
        let (cancelled, raise) = (cancel.clone(), raised.clone());
        let (revoked, deposed) = (raised.clone(), raised);
        let at = names(folder.path()).len() + 9;
        let report = Each::call(move |n| {
            if n == at {
                match end {
                    "cancelled" => cancelled.cancel(),
                    _ => raise.store(true, Ordering::Relaxed),
                }
            }
        });
        let ports = ports(local(folder.path()), &store);
        let ports = PersonFilePorts { cancel, report: Some(report), ..ports };
        let ports = match end {
            "permission withdrawn" => PersonFilePorts {
                grant: Grant::new(move || {
                    let revoked = revoked.load(Ordering::Relaxed);
                    if revoked { GrantState::Revoked } else { GrantState::Valid }
                }),
                ..ports
            },
            "not the leader" => PersonFilePorts {
                fence: Fence::new(move || !deposed.load(Ordering::Relaxed)),
                ..ports
            },
            _ => ports,
        };
        let report = run(&profiles, ports).await;
        assert_eq!(report.ending, Ending::Stopped, "{end}");
        let there = names(folder.path());
        assert!(there.len() < 60, "{end}: {}", there.len());
        assert!(there.iter().all(|name| !name.starts_with('.')), "{end}: {there:?}");
    }
    let report = run(&profiles, ports(local(folder.path()), &store)).await;
    let (created, updated, unchanged, deleted) = done(&report);
    assert_eq!((created + updated + unchanged, deleted), (60, 0));
    assert!(unchanged > 0, "what was stored is not written again");
    assert_eq!(names(folder.path()), sorted(&profiles));
}

/// Runs on a runtime of its own. When it is gone, nothing of the run works any more, as of a killed process.
fn alone<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(work)
}

#[test]
fn no_file_of_a_run_that_vanished_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let store = MemoryStore::default();
    let profiles = people(12);
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..12 {
        let life = Duration::from_micros(random.u64(0..30_000));
        let from = random.usize(0..6);
        // Dropped at some await.
        let _ = alone(async {
            let work = run(&profiles[from..from + 6], ports(local(folder.path()), &store));
            tokio::time::timeout(life, work).await
        });
        if round % 4 == 3 {
            let left = random.usize(0..6);
            let stay = &profiles[left..left + 3];
            let report = alone(run(stay, ports(local(folder.path()), &store)));
            let (_, files) = written(&report);
            assert_eq!(files.files, 3);
            assert_eq!(names(folder.path()), sorted(stay), "round {round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_files_that_is_too_large_for_its_store_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = MemoryStore::default();
    let few = PersonFilePorts { max_files: Some(3), ..ports(local(folder.path()), &store) };
    let report = run(&people(4), few).await;
    assert_eq!(reason(&report), Reason::LedgerTooLarge);
    assert_eq!(names(folder.path()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_a_run_come_once_for_each_record() {
    let folder = tempfile::tempdir().unwrap();
    let count = Arc::new(Mutex::new(0));
    let counted = count.clone();
    let report = Each::call(move |_| *counted.lock().unwrap() += 1);
    let ports = ports(local(folder.path()), &MemoryStore::default());
    written(&run(&people(7), PersonFilePorts { report: Some(report), ..ports }).await);
    assert_eq!(*count.lock().unwrap(), 7, "though the source is read twice");
}
