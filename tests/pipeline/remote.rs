//! Remote sources: an S3 server that checks signatures, and an HTTP server that can be
//! made to misbehave.

use std::{
    collections::BTreeMap,
    io::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Method, Response, StatusCode, header},
};
use bytes::Bytes;
use clinch_operator::{
    domain::{Disposition, Reason},
    pipeline::{Counts, Ending, Report, RunSpec, Source, run},
    source::CsvOptions,
    storage::{AllowedPlaces, Location, Place, StoragePolicy},
};
use tokio::net::TcpListener;

use crate::{
    large::lines,
    s3,
    setup::{Export, World, careless, options, profile},
};

type Fields = BTreeMap<String, Bytes>;

fn fields(fields: &[(&str, &str)]) -> Fields {
    let owned = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    fields.iter().map(|(name, value)| ((*name).to_owned(), owned(value))).collect()
}

fn spec(location: Location, secret: Option<&Fields>, allowed: &[&str]) -> RunSpec {
    let policy = StoragePolicy {
        allowed: AllowedPlaces::listed(allowed.iter().copied()).unwrap(),
        ..StoragePolicy::default()
    };
    let remote = Place::open(location, secret, &Arc::new(policy)).unwrap();
    let csv = CsvOptions::default();
    let source = Source::Remote { remote, format: None, csv, applied_version: None };
    RunSpec { source, ..Export::of(Vec::new()).spec() }
}

/// Why a run did not complete.
fn reason(report: &Report) -> Reason {
    match &report.ending {
        Ending::SourceFailed(cause) => cause.reason,
        Ending::Interrupted { disposition, .. } => disposition.reason(),
        other => panic!("{other:?}"),
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &str) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest)
}

#[tokio::test]
async fn objects_of_a_bucket_are_read_by_pattern_and_again_only_when_they_change() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = folder.path().join("people/2026");
    std::fs::create_dir_all(&bucket).unwrap();
    std::fs::write(bucket.join("a.ndjson.gz"), gzip(&lines((0..300).map(profile)))).unwrap();
    std::fs::write(bucket.join("b.ndjson.zst"), zstd(&lines((300..600).map(profile)))).unwrap();
    std::fs::write(bucket.join("c.txt"), "not asked for").unwrap();
    let origin = s3::serve(folder.path(), "AKIATEST", "s3-secret").await;
    let allowed = ["s3://people/2026", origin.as_str()];
    let secret = |key: &str| {
        fields(&[
            ("AWS_ACCESS_KEY_ID", "AKIATEST"),
            ("AWS_SECRET_ACCESS_KEY", key),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", &origin),
        ])
    };
    let of =
        |url: &str, key: &str| spec(Location::objects(url).unwrap(), Some(&secret(key)), &allowed);
    let world = World::new(careless()).await;
    let url = "s3://people/2026/*.ndjson.*";

    let report = run(of(url, "s3-secret"), world.ports()).await;
    assert_eq!(report.ending, Ending::Completed, "{:?}", report.progress);
    assert_eq!(
        report.progress.counts,
        Counts { read: 600, total: 600, created: 600, ..Counts::default() }
    );
    world.assert_exactly_once(600);
    let looked = report.progress.source.unwrap();
    assert_eq!(looked.files, 2);

    let requests = world.requests();
    let mut same = of(url, "s3-secret");
    same.source.note_applied_version(looked.version.clone());
    assert_eq!(run(same, world.ports()).await.ending, Ending::SourceUnchanged);
    assert_eq!(world.requests(), requests);

    std::fs::write(bucket.join("c.ndjson.gz"), gzip(&lines((600..700).map(profile)))).unwrap();
    let mut other = of(url, "s3-secret");
    other.source.note_applied_version(looked.version);
    let report = run(other, world.ports()).await;
    let expected =
        Counts { read: 700, total: 700, created: 100, unchanged: 600, ..Counts::default() };
    assert_eq!(report.progress.counts, expected);

    assert_eq!(reason(&run(of(url, "wrong"), world.ports()).await), Reason::SourceDenied);
    let missing = run(of("s3://people/2026/z.csv", "s3-secret"), world.ports()).await;
    assert_eq!(reason(&missing), Reason::SourceNotFound);
    let nothing = run(of("s3://people/2026/*.csv", "s3-secret"), world.ports()).await;
    assert_eq!(reason(&nothing), Reason::SourceNotFound);
}

/// How many people each of two different readings has.
const MANY: usize = 500;

/// A profile with a value of this size that is exported.
fn padded(n: usize, size: usize) -> serde_json::Value {
    let mut profile = profile(n);
    profile["title"] = "x".repeat(size).into();
    profile
}

/// One of as many people as are not kept between the readings.
fn large(n: usize) -> serde_json::Value {
    padded(n, (9 << 20) / MANY)
}

/// A server of one file.
struct Files {
    content: Mutex<(Bytes, String)>,
    asked: AtomicUsize,
    how: How,
}

#[derive(Clone, Copy, PartialEq)]
enum How {
    /// As a file server does: HEAD, ranges, a strong ETag.
    Well,
    /// GET of the whole only, without anything that states a version.
    Bare,
    /// As `Bare`, and the first answer is cut off half way.
    CutOnce,
    /// As `Bare`, and from the second answer on another file of as many people.
    Changing,
    /// Redirects.
    Redirect,
    /// As `Bare`, with this Content-Type.
    Typed(&'static str),
}

impl Files {
    fn set(&self, text: String, version: &str) {
        *self.content.lock().unwrap() = (text.into(), format!("\"{version}\""));
    }
}

async fn answer(
    State(files): State<Arc<Files>>,
    method: Method,
    headers: HeaderMap,
) -> Response<Body> {
    let (content, etag) = files.content.lock().unwrap().clone();
    let status = |status| Response::builder().status(status);
    if headers.get("x-key").is_none_or(|key| key != "open sesame") {
        return status(StatusCode::UNAUTHORIZED).body(Body::empty()).unwrap();
    }
    let asked = files.asked.fetch_add(1, Ordering::Relaxed);
    match files.how {
        How::Redirect => {
            let to = status(StatusCode::FOUND).header(header::LOCATION, "http://169.254.169.254/");
            to.body(Body::empty()).unwrap()
        }
        How::Typed(kind) => status(StatusCode::OK)
            .header(header::CONTENT_TYPE, kind)
            .body(Body::from(content))
            .unwrap(),
        How::Bare | How::CutOnce | How::Changing if method == Method::HEAD => {
            status(StatusCode::METHOD_NOT_ALLOWED).body(Body::empty()).unwrap()
        }
        // The second GET is the first whose body is read.
        How::CutOnce if asked == 2 => {
            let half = content.slice(..content.len() / 2);
            let cut = futures::stream::iter([Ok(half), Err(std::io::Error::other("cut"))]);
            Response::new(Body::from_stream(cut))
        }
        How::Bare | How::CutOnce | How::Changing => {
            let content = match files.how {
                How::Changing if asked > 2 => lines((MANY..2 * MANY).map(large)).into(),
                _ => content,
            };
            let whole = futures::stream::iter([Ok::<_, std::io::Error>(content)]);
            Response::new(Body::from_stream(whole))
        }
        How::Well => {
            let known = headers.get(header::IF_MATCH).is_none_or(|one| *one == etag);
            if !known {
                return status(StatusCode::PRECONDITION_FAILED).body(Body::empty()).unwrap();
            }
            let about = |builder: axum::http::response::Builder| {
                builder.header(header::ETAG, &etag).header(header::ACCEPT_RANGES, "bytes")
            };
            let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
            let Some((from, to)) =
                range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'))
            else {
                return about(status(StatusCode::OK)).body(Body::from(content)).unwrap();
            };
            let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
            let place = format!("bytes {from}-{to}/{}", content.len());
            about(status(StatusCode::PARTIAL_CONTENT))
                .header(header::CONTENT_RANGE, place)
                .body(Body::from(content.slice(from..=to)))
                .unwrap()
        }
    }
}

async fn serve(how: How, text: impl Into<Bytes>) -> (Arc<Files>, String) {
    let content = Mutex::new((text.into(), "\"1\"".to_owned()));
    let files = Arc::new(Files { content, asked: AtomicUsize::new(0), how });
    let router = Router::new().fallback(answer).with_state(files.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (files, origin)
}

fn page(origin: &str) -> RunSpec {
    let location = Location::web(&format!("{origin}/people.ndjson?page=all")).unwrap();
    spec(location, Some(&fields(&[("X-Key", "open sesame")])), &[origin])
}

#[tokio::test]
async fn a_file_of_a_server_is_read_whichever_way_it_is_served() {
    for how in [How::Well, How::Bare] {
        let (files, origin) = serve(how, lines((0..500).map(profile))).await;
        let world = World::new(careless()).await;
        let report = run(page(&origin), world.ports()).await;
        assert_eq!(report.ending, Ending::Completed, "{:?}", report.progress);
        world.assert_exactly_once(500);
        let version = report.progress.source.unwrap().version;
        assert_eq!(version.is_some(), how == How::Well, "reported only where it can be");
        let asked = files.asked.load(Ordering::Relaxed);
        assert!(asked <= 3, "looks, and it is read once: {asked}");
    }
}

#[tokio::test]
async fn a_source_that_changes_while_it_is_read_is_noticed_and_nobody_is_lost() {
    // Too large to be kept, and several windows and blocks long, so that the change falls between two of
    // them.
    let padded = |n: usize| padded(n, 6_000);
    let (files, origin) = serve(How::Well, lines((0..4_000).map(padded))).await;
    let world = World::new(careless()).await;
    let ports = world.ports();
    let mut progress = ports.progress.subscribe();
    let running = tokio::spawn(run(page(&origin), ports));
    // Surveyed, and some of the windows that follow are pushed.
    progress.wait_for(|progress| progress.counts.created > 0).await.unwrap();
    files.set(lines((2_000..4_500).map(padded)), "2");
    let report = running.await.unwrap();
    match &report.ending {
        Ending::Interrupted { disposition, .. } => {
            assert_eq!(*disposition, Disposition::retry(Reason::SourceChanged));
        }
        // All of it was in memory before the change.
        other => panic!("{other:?}: the source is too small for this test"),
    }
    let report = run(page(&origin), world.ports()).await;
    assert_eq!(report.ending, Ending::Completed, "{:?}", report.progress);
    let people = world.people();
    assert!(people.values().all(|count| *count == 1), "nobody twice");
    assert!((2_000..4_500).all(|n| people.contains_key(&crate::setup::email(n))), "nobody lost");
}

#[tokio::test]
async fn a_change_is_noticed_even_if_a_server_states_no_version() {
    let (_, origin) = serve(How::Changing, lines((0..MANY).map(large))).await;
    let world = World::new(careless()).await;
    let report = run(page(&origin), world.ports()).await;
    assert_eq!(reason(&report), Reason::SourceChanged);
    let report = run(page(&origin), world.ports()).await;
    assert_eq!(report.ending, Ending::Completed, "{:?}", report.progress);
    let people = world.people();
    assert!(people.values().all(|count| *count == 1), "nobody twice");
    assert!((MANY..2 * MANY).all(|n| people.contains_key(&crate::setup::email(n))), "nobody lost");
}

#[tokio::test]
async fn cancellation_does_not_wait_for_a_server_that_does_not_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let world = World::new(options()).await;
    let ports = world.ports();
    let cancel = ports.cancel.clone();
    let running = tokio::spawn(run(page(&origin), ports));
    // The request arrives, and is never answered.
    let _asked = listener.accept().await.unwrap();
    cancel.cancel();
    let ended = tokio::time::timeout(std::time::Duration::from_mins(2), running).await;
    assert_eq!(ended.expect("it ends at once").unwrap().ending, Ending::Stopped);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_read_again() {
    let (_, origin) = serve(How::CutOnce, lines((0..400).map(profile))).await;
    let world = World::new(careless()).await;
    let report = run(page(&origin), world.ports()).await;
    assert_eq!(reason(&report), Reason::SourceUnreachable);
    let report = run(page(&origin), world.ports()).await;
    assert_eq!(report.ending, Ending::Completed, "{:?}", report.progress);
    world.assert_exactly_once(400);
}

#[tokio::test]
async fn a_web_page_is_refused_and_a_declared_charset_is_used() {
    let world = World::new(options()).await;
    let (_, origin) =
        serve(How::Typed("text/html; charset=utf-8"), "Session expired".to_owned()).await;
    let report = run(page(&origin), world.ports()).await;
    assert_eq!(reason(&report), Reason::SourceInvalid);
    let Ending::SourceFailed(cause) = &report.ending else { panic!("{report:?}") };
    assert!(cause.message.contains("web page"), "{}", cause.message);

    let mut person = profile(0);
    person["firstName"] = "Zo\u{eb}".into();
    let latin: Vec<u8> =
        person.to_string().chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let (_, origin) = serve(How::Typed("application/x-ndjson; charset=ISO-8859-1"), latin).await;
    let report = run(page(&origin), world.ports()).await;
    assert_eq!(report.ending, Ending::Completed, "{:?}", report.progress);
    assert_eq!(world.person(0)["attributes"]["first_name"], "Zo\u{eb}");
    let (_, origin) = serve(How::Typed("text/csv; charset=x-unknown"), "Email\n".to_owned()).await;
    assert_eq!(reason(&run(page(&origin), world.ports()).await), Reason::SourceInvalid);
}

#[tokio::test]
async fn what_a_server_refuses_or_redirects_is_reported() {
    let world = World::new(options()).await;
    let (_, origin) = serve(How::Redirect, String::new()).await;
    let report = run(page(&origin), world.ports()).await;
    assert_eq!(reason(&report), Reason::SourceInvalid);
    let Ending::SourceFailed(cause) = &report.ending else { panic!("{report:?}") };
    let message = &cause.message;
    assert!(message.contains("redirect") && !message.contains("169.254"), "{message}");
    assert!(message.contains("/people.ndjson") && !message.contains("page=all"), "{message}");

    let (files, origin) = serve(How::Well, String::new()).await;
    let location = Location::web(&format!("{origin}/people.ndjson")).unwrap();
    let unsigned = run(spec(location, None, &[&origin]), world.ports()).await;
    assert_eq!(reason(&unsigned), Reason::SourceDenied);
    assert_eq!(files.asked.load(Ordering::Relaxed), 0);

    // A port without a listener.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(reason(&run(page(&closed), world.ports()).await), Reason::SourceUnreachable);
    assert_eq!(world.requests(), 0, "Clinch is not asked about a source that cannot be read");
}
