//! The run that writes a file, into a bucket of an S3 server and into a folder: what appears, and what
//! does not.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use clinch_operator::{
    domain::{Fence, Grant, GrantState, MatchKey, Reason},
    ledger::{Keys, Listed, Suppressions},
    output::{Compression, CsvStyle},
    pipeline::{
        Encoding, Ending, FileInfo, FilePorts, FileSpec, Guards, LastFile, Mode, Progress,
        RecordLine, RecordOutcome, RecordReport, Renderer, Report, Source, run_file,
    },
    storage::{AllowedPlaces, Destination, StoragePolicy},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    fake_store::{FakeStore, answer, error},
    large::{lines, parts},
    s3,
    setup::profile,
};

pub(crate) fn spec(source: Source) -> FileSpec {
    FileSpec {
        source,
        select: None,
        limit: None,
        mapping: None,
        encoding: Encoding::Ndjson,
        compression: Compression::None,
        mode: Mode::Push,
        guards: Guards::default(),
        baseline: None,
        rows: None,
    }
}

fn text(count: usize) -> String {
    lines((0..count).map(|n| {
        let mut person = profile(n);
        person["summary"] = "x".repeat(400).into();
        person
    }))
}

pub(crate) fn people(count: usize) -> Source {
    parts("people.ndjson", text(count).into_bytes())
}

fn keys() -> Keys {
    Keys::derive(&[7; 32], "export")
}

pub(crate) fn ports(destination: Destination) -> FilePorts {
    FilePorts {
        destination,
        export: "uid".to_owned(),
        last: None,
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

fn policy(allowed: &[&str]) -> Arc<StoragePolicy> {
    let allowed = AllowedPlaces::destinations(allowed.iter().copied()).unwrap();
    Arc::new(StoragePolicy { allowed, ..StoragePolicy::default() })
}

/// A file of a folder.
pub(crate) fn local(folder: &Path, name: &str) -> Destination {
    let place = format!("file://{}", folder.display());
    Destination::open(&format!("{place}/{name}"), None, &policy(&[&place])).unwrap()
}

/// An object of the bucket `people` of a server.
pub(crate) fn object(origin: &str, name: &str) -> Destination {
    let secret: BTreeMap<String, Bytes> = [
        ("AWS_ACCESS_KEY_ID", "AKIATEST"),
        ("AWS_SECRET_ACCESS_KEY", "s3-secret"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", origin),
    ]
    .map(|(name, value)| (name.to_owned(), Bytes::copy_from_slice(value.as_bytes())))
    .into();
    let policy = policy(&["s3://people", origin]);
    Destination::open(&format!("s3://people/{name}"), Some(&secret), &policy).unwrap()
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub(crate) fn reason(report: &Report) -> Reason {
    match &report.ending {
        Ending::SourceFailed(cause) => cause.reason,
        Ending::Interrupted { disposition, .. } => disposition.reason(),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn file(report: &Report) -> Arc<FileInfo> {
    assert_eq!(report.ending, Ending::Completed, "{:?}", report.progress);
    report.progress.file.clone().unwrap()
}

/// Calls something with each record that is decided.
pub(crate) struct Each(Box<dyn Fn(usize) + Send + Sync>, AtomicUsize);

impl Each {
    pub(crate) fn call(each: impl Fn(usize) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self(Box::new(each), AtomicUsize::new(0)))
    }
}

impl RecordReport for Each {
    fn add(&self, line: RecordLine) {
        assert_eq!(line.outcome, RecordOutcome::Written);
        (self.0)(self.1.fetch_add(1, Ordering::Relaxed));
    }
}

/// Keeps the lines of all records.
#[derive(Default)]
pub(crate) struct Lines(pub(crate) Mutex<Vec<RecordLine>>);

impl RecordReport for Lines {
    fn add(&self, line: RecordLine) {
        self.0.lock().unwrap().push(line);
    }
}

pub(crate) fn last(info: &FileInfo, destination: Destination) -> LastFile {
    LastFile { destination, version: info.version.clone(), source: None }
}

#[tokio::test]
async fn a_line_of_ndjson_is_the_profile_as_the_source_gave_it() {
    let folder = tempfile::tempdir().unwrap();
    let given = r#"{"lastName":"B","emails":[{"value":"b@example.com","kind":"work"}],"x":{"z":1.50,"a":1e2},"id":"7"}"#;
    let array = format!("[\n  {} ]", given.replace(',', " ,\n "));
    for (name, text) in [("people.ndjson", format!("{given}\n")), ("people.json", array)] {
        let to = local(folder.path(), name);
        let report = run_file(spec(parts(name, text.into_bytes())), ports(to)).await;
        assert_eq!(file(&report).rows, 1);
        let written = fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(written, format!("{given}\n"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_is_streamed_into_a_bucket_and_left_alone_while_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = folder.path().join("people");
    fs::create_dir(&bucket).unwrap();
    let origin = s3::serve(folder.path(), "AKIATEST", "s3-secret").await;
    let to = || object(&origin, "out/people.ndjson");
    let text = text(20_000);
    assert!(text.len() > 9 << 20, "several parts: {}", text.len());
    let info = file(&run_file(spec(people(20_000)), ports(to())).await);
    assert_eq!((info.rows, info.bytes), (20_000, text.len() as u64));
    let path = bucket.join("out/people.ndjson");
    assert!(fs::read_to_string(&path).unwrap().lines().count() == 20_000);

    let again = |info: &FileInfo| FilePorts { last: Some(last(info, to())), ..ports(to()) };
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    assert_eq!(run_file(spec(people(9)), again(&info)).await.ending, Ending::SourceUnchanged);
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    fs::remove_file(&path).unwrap();
    assert_eq!(file(&run_file(spec(people(9)), again(&info)).await).rows, 9, "it was gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_ended_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = folder.path().join("people");
    fs::create_dir(&bucket).unwrap();
    fs::write(bucket.join("people.ndjson"), "old").unwrap();
    let origin = s3::serve(folder.path(), "AKIATEST", "s3-secret").await;
    let before = names(folder.path());
    for to in [object(&origin, "people.ndjson"), local(&bucket, "people.ndjson")] {
        // After more than one part was sent.
        let late = 19_000;
        let (cancelled, revoked, open) = (
            CancellationToken::new(),
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(true)),
        );
        let (cancel, revoke, close) = (cancelled.clone(), revoked.clone(), open.clone());
        let ends: [(&str, FilePorts); 3] = [
            (
                "cancelled",
                FilePorts {
                    cancel: cancelled,
                    report: Some(Each::call(move |n| {
                        if n == late {
                            cancel.cancel();
                        }
                    })),
                    ..ports(to.clone())
                },
            ),
            (
                "permission withdrawn",
                FilePorts {
                    grant: Grant::new(move || {
                        if revoked.load(Ordering::Relaxed) {
                            GrantState::Revoked
                        } else {
                            GrantState::Valid
                        }
                    }),
                    report: Some(Each::call(move |n| {
                        if n == late {
                            revoke.store(true, Ordering::Relaxed);
                        }
                    })),
                    ..ports(to.clone())
                },
            ),
            (
                "not the leader",
                FilePorts {
                    fence: Fence::new(move || open.load(Ordering::Relaxed)),
                    report: Some(Each::call(move |n| {
                        if n == late {
                            close.store(false, Ordering::Relaxed);
                        }
                    })),
                    ..ports(to.clone())
                },
            ),
        ];
        for (end, ports) in ends {
            let report = run_file(spec(people(20_000)), ports).await;
            assert_eq!(report.ending, Ending::Stopped, "{end}");
            assert_eq!(report.progress.file, None, "{end}");
            assert_eq!(fs::read_to_string(bucket.join("people.ndjson")).unwrap(), "old", "{end}");
            assert_eq!(names(&bucket), ["people.ndjson"], "{end}");
            assert_eq!(names(folder.path()), before, "{end}: no parts are left");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_ends_early_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x"), "old").unwrap();
    let text = text(2_000);
    let cut = parts("people.ndjson", text.as_bytes()[..text.len() - 9].to_vec());
    let report = run_file(spec(cut), ports(local(folder.path(), "x"))).await;
    assert_eq!(reason(&report), Reason::SourceInvalid);
    let none = FileSpec { baseline: Some(100), ..spec(people(0)) };
    assert_eq!(
        reason(&run_file(none, ports(local(folder.path(), "x"))).await),
        Reason::SourceEmpty
    );
    let guards = Guards { max_shrink_percent: Some(50), ..Guards::default() };
    let shrunk =
        |count| FileSpec { baseline: Some(100), guards: guards.clone(), ..spec(people(count)) };
    let report = run_file(shrunk(49), ports(local(folder.path(), "x"))).await;
    assert_eq!(reason(&report), Reason::GuardTripped);
    assert_eq!(
        (names(folder.path()), fs::read_to_string(folder.path().join("x")).unwrap()),
        (vec!["x".to_owned()], "old".to_owned())
    );
    // Whatever is the cause, a selection, too: but neither a lower limit nor people who must not leave.
    let rows = FileSpec { rows: Some(101), ..shrunk(50) };
    let report = run_file(rows, ports(local(folder.path(), "x"))).await;
    let Ending::Interrupted { message, .. } = &report.ending else { panic!("{report:?}") };
    assert!(message.starts_with("the file would have 50 rows, 101 in the last one"), "{message}");
    assert_eq!(fs::read_to_string(folder.path().join("x")).unwrap(), "old");
    let limited = FileSpec { limit: Some(3), rows: Some(101), ..shrunk(50) };
    assert_eq!(
        file(&run_file(limited, ports(local(folder.path(), "x"))).await).rows,
        3,
        "all are counted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_that_refuse_have_a_reason_each() {
    for (status, code, expected, stalled) in [
        (404, "NoSuchBucket", Reason::DestinationMissing, false),
        (403, "AccessDenied", Reason::DestinationDenied, true),
        (503, "SlowDown", Reason::DestinationUnreachable, false),
    ] {
        let store = FakeStore::start(move |_| error(status, code)).await;
        let report = run_file(spec(people(3)), ports(object(&store.origin, "x"))).await;
        assert_eq!(reason(&report), expected, "{code}");
        let Ending::Interrupted { disposition, message } = &report.ending else { panic!("{code}") };
        assert_eq!(
            matches!(disposition, clinch_operator::domain::Disposition::Stalled { .. }),
            stalled
        );
        assert!(message.starts_with("s3://people/x cannot be written"), "{message}");
        assert_eq!(report.progress.counts.created, 0, "nobody was written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_file_costs_one_request() {
    let store = FakeStore::start(|target| {
        let found = [
            ("etag", "\"e\""),
            ("content-length", "3"),
            ("last-modified", "Thu, 26 Nov 2026 10:00:00 GMT"),
        ];
        if target.starts_with("PUT") {
            answer(200, &found[..1], "")
        } else {
            answer(200, &found, "")
        }
    })
    .await;
    let to = || object(&store.origin, "x");
    let info = file(&run_file(spec(people(3)), ports(to())).await);
    let asked = store.asked().len();
    let again = FilePorts { last: Some(last(&info, to())), ..ports(to()) };
    assert_eq!(run_file(spec(people(3)), again).await.ending, Ending::SourceUnchanged);
    assert_eq!(store.asked()[asked..], ["HEAD /people/x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_left_out_for_any_of_their_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let source = parts(
        "people.ndjson",
        br#"{"id":"1","emails":[{"value":"new@x.org"},{"value":"Old@x.org","outdated":true}]}
{"id":"2","emails":[{"value":"two@x.org"}]}
{"id":"3","firstName":"No address"}
"#
        .to_vec(),
    );
    let mut ports = ports(local(folder.path(), "x.csv"));
    let list = &ports.suppressions;
    let hash = |key: &MatchKey| list.key_hash(key);
    let listed = Listed::parse(&[("list".to_owned(), Bytes::from("old@X.org"))], None, hash);
    list.set_listed(Some(Arc::new(listed.unwrap())));
    ports.export = "other".to_owned();
    let csv = FileSpec { encoding: Encoding::Csv(CsvStyle::default()), ..spec(source) };
    let report = run_file(csv, ports).await;
    assert_eq!(file(&report).rows, 2);
    let counts = report.progress.counts;
    assert_eq!((counts.total, counts.created, counts.suppressed, counts.pending()), (3, 2, 1, 0));
    assert_eq!(report.progress.rejections[0].cause.reason, Reason::Suppressed);
    let text = fs::read_to_string(folder.path().join("x.csv")).unwrap();
    assert!(!text.contains("new@x.org") && text.contains("two@x.org"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_are_written_as_the_source_gave_them() {
    let folder = tempfile::tempdir().unwrap();
    let text = "{\"lastName\":\"Z\",\"firstName\":\"A\",\"yearsOfExperience\":2.0,\"own\":{\"b\":1,\"a\":1e3}}\n";
    let source = parts("people.ndjson", text.as_bytes().to_vec());
    file(&run_file(spec(source), ports(local(folder.path(), "x.ndjson"))).await);
    assert_eq!(fs::read_to_string(folder.path().join("x.ndjson")).unwrap(), text);
}
