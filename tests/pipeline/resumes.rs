//! Resumes that profiles name by URL: where they may be read, how often, and what becomes of the person
//! if they cannot be.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, http::Response};
use clinch_operator::{
    domain::{Disposition, Reason},
    pipeline::{Ending, MAX_RESUME_BYTES, Report, RunPorts, run},
    sandbox::{Action, Fault},
    storage::{AllowedPlaces, Location, NamedFiles, SecretFields, StoragePolicy},
};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    s3,
    setup::{ACCOUNT, Export, Store, World, careless, email, options, profiles},
};

/// What is sent of a file: whole, in pieces without a length, or another way.
#[derive(Clone)]
enum Sent {
    Whole(&'static str, Vec<u8>),
    Unmeasured(usize),
    Status(u16, &'static str),
    /// Its beginning, and nothing more.
    Stalled,
    /// After some milliseconds.
    Slowly(u64, Vec<u8>),
}

/// The target and the Authorization header of a request.
type Asked = (String, Option<String>);

/// A server of files.
struct FileServer {
    origin: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    most_at_once: Arc<AtomicUsize>,
}

impl FileServer {
    async fn start(file: impl Fn(&str) -> Sent + Send + Sync + 'static) -> Self {
        let (asked, now, most) =
            <(Arc<Mutex<Vec<_>>>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let (record, most_at_once) = (asked.clone(), most.clone());
        let file = Arc::new(file);
        let router = Router::new().fallback(move |request: Request| {
            let authorization = request.headers().get("authorization");
            let authorization = authorization.map(|value| value.to_str().unwrap().to_owned());
            let target = request.uri().to_string();
            let sent = file(&target);
            record.lock().unwrap().push((target, authorization));
            let (now, most) = (now.clone(), most.clone());
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let answer = answer(sent).await;
                now.fetch_sub(1, Ordering::SeqCst);
                answer
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { origin, asked, most_at_once }
    }

    fn requests(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// Reads files under this server only.
    fn files(&self) -> NamedFiles {
        NamedFiles::of(policy(&[&self.origin]), None)
    }
}

async fn answer(sent: Sent) -> Response<Body> {
    let typed = |kind: &str| Response::builder().header("content-type", kind);
    match sent {
        Sent::Whole(kind, bytes) => typed(kind).body(bytes.into()),
        Sent::Slowly(millis, bytes) => {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            typed("application/pdf").body(bytes.into())
        }
        Sent::Unmeasured(bytes) => {
            let pieces =
                (0..bytes.div_ceil(65_536)).map(|_| Ok::<_, std::io::Error>(vec![b' '; 65_536]));
            let head = stream::iter([Ok(b"%PDF-1.7".to_vec())]);
            typed("application/pdf").body(Body::from_stream(head.chain(stream::iter(pieces))))
        }
        Sent::Stalled => {
            let head = stream::iter([Ok::<_, std::io::Error>(b"%PDF-1.7".to_vec())]);
            typed("application/pdf").body(Body::from_stream(head.chain(stream::pending())))
        }
        Sent::Status(status, location) => {
            Response::builder().status(status).header("location", location).body("no".into())
        }
    }
    .unwrap()
}

fn pdf(words: &str) -> Sent {
    Sent::Whole("application/octet-stream", format!("%PDF-1.7 {words}").into_bytes())
}

pub(crate) fn policy(places: &[&str]) -> Arc<StoragePolicy> {
    let allowed = AllowedPlaces::listed(places.iter().copied()).unwrap();
    StoragePolicy { allowed, ..StoragePolicy::default() }.into()
}

/// An export of people with tags, whose resumes are at these URLs.
pub(crate) fn export(urls: &[String], resumes: NamedFiles) -> Export {
    let mut export = Export::of(profiles(urls.len())).with_resume_and_tags();
    for (profile, url) in export.profiles.iter_mut().zip(urls) {
        profile["resume"] = json!({"name": "cv.pdf", "url": url});
        profile["tags"] = json!(["rust"]);
    }
    Export { resumes, ..export }
}

pub(crate) fn attached(world: &World, n: usize) -> Vec<String> {
    let attachments = world.person(n)["attachments"].as_array().unwrap().clone();
    attachments.iter().map(|file| file["file_name"].as_str().unwrap().to_owned()).collect()
}

fn tags(world: &World, n: usize) -> usize {
    world.person(n)["activities"].as_array().unwrap().len()
}

/// Why records are listed; none of it may show where a resume is.
fn listed(report: &Report, secret: &str) -> Vec<(Reason, String)> {
    assert!(!format!("{report:?}").contains(secret), "{report:?}");
    let rejections = report.progress.rejections.iter();
    rejections.map(|one| (one.cause.reason, one.cause.message.clone())).collect()
}

#[tokio::test]
async fn a_resume_is_read_once_for_each_url_and_attached_once_for_each_content() {
    let file_server = FileServer::start(|target| match target.split('?').next().unwrap() {
        "/0.docx" => Sent::Whole("text/plain", b"PK\x03\x04 word/document.xml".to_vec()),
        "/1.pdf" | "/moved/1.pdf" => pdf("one"),
        _ => pdf("other words"),
    })
    .await;
    let url = |path: &str| format!("{}{path}", file_server.origin);
    let world = World::new(options()).await;
    let signed = "/1.pdf?X-Amz-Date=1&X-Amz-Signature=s";
    let mut export = export(&["/0.docx", signed].map(url), file_server.files());
    let dry = world.run(&export.dry()).await;
    assert_eq!(
        (dry.progress.counts.created, file_server.requests()),
        (2, 0),
        "a dry run reads nothing"
    );
    assert_eq!(world.counts(&export).await.created, 2);
    assert_eq!(file_server.requests(), 2);
    assert_eq!([attached(&world, 0).len(), attached(&world, 1).len()], [1, 1]);
    assert_eq!(attached(&world, 0)[0].split('.').next_back(), Some("docx"), "by its bytes");
    let requests = world.requests();
    // Signed again: it is the same file.
    export.profiles[1]["resume"]["url"] = url("/1.pdf?X-Amz-Date=2&X-Amz-Signature=t").into();
    assert_eq!(world.counts(&export).await.unchanged, 2);
    assert_eq!((file_server.requests(), world.requests()), (2, requests), "nothing is due");
    // Elsewhere, with the same content.
    export.profiles[1]["resume"]["url"] = url("/moved/1.pdf").into();
    world.counts(&export).await;
    assert_eq!((file_server.requests(), attached(&world, 1).len()), (3, 1));
    // Another member of the resume says that it is another one.
    export.profiles[0]["resume"]["updatedAt"] = "2026-11-01".into();
    world.counts(&export).await;
    assert_eq!((file_server.requests(), attached(&world, 0).len()), (4, 1));
    export.profiles[1]["resume"]["url"] = url("/new.pdf").into();
    assert_eq!(world.counts(&export).await.updated, 1);
    assert_eq!((file_server.requests(), attached(&world, 1).len()), (5, 2));
    // Without its ledger the export reads them again, and attaches none twice.
    let forgetful = World { store: Store::default(), ..world };
    assert_eq!(forgetful.counts(&export).await.unchanged, 2);
    assert_eq!(file_server.requests(), 7);
    assert_eq!([attached(&forgetful, 0).len(), attached(&forgetful, 1).len()], [1, 2]);
}

#[tokio::test]
async fn what_cannot_be_attached_is_a_warning_and_the_person_is_delivered() {
    let elsewhere = FileServer::start(|_| pdf("metadata")).await;
    let redirect: &'static str = Box::leak(format!("{}/x", elsewhere.origin).into_boxed_str());
    let file_server = FileServer::start(move |target| match target {
        "/token/403" => Sent::Status(403, ""),
        "/token/login" => Sent::Whole("text/html", b"<html>sign in</html>".to_vec()),
        "/token/error" => Sent::Whole("application/pdf", b"<html>error</html>".to_vec()),
        "/token/empty" => Sent::Whole("application/pdf", Vec::new()),
        "/token/large" => {
            let mut large = b"%PDF-1.7".to_vec();
            large.resize(MAX_RESUME_BYTES + 1, b' ');
            Sent::Whole("application/pdf", large)
        }
        "/token/unmeasured" => Sent::Unmeasured(6 << 20),
        "/token/redirect" => Sent::Status(302, redirect),
        _ => Sent::Status(404, ""),
    })
    .await;
    let of = |path: &str| format!("{}/token/{path}", file_server.origin);
    let cases = [
        (of("404"), "does not exist"),
        (of("403"), "the credentials are refused"),
        (of("login"), "web page"),
        (of("error"), "is not a PDF"),
        (of("empty"), "is empty"),
        (of("large"), "larger than 5 MiB"),
        (of("unmeasured"), "larger than 5 MiB"),
        (of("redirect"), "redirects, which is not followed"),
        (format!("{}/token", elsewhere.origin), "--allowed-sources"),
        ("http://169.254.169.254/token".to_owned(), "--allowed-sources"),
        (of("404").replace("http://", "http://user:token@"), "not a usable"),
        ("token.pdf".to_owned(), "not a usable"),
        ("s3://token/cv.pdf".to_owned(), "--allowed-sources"),
    ];
    let urls: Vec<_> = cases.iter().map(|(url, _)| url.clone()).collect();
    let world = World::new(options()).await;
    let export = export(&urls, file_server.files());
    let report = world.run(&export).await;
    assert_eq!(report.ending, Ending::Completed, "{report:?}");
    let counts = report.progress.counts;
    assert_eq!((counts.created, counts.warnings), (cases.len() as u64, cases.len() as u64));
    let listed = listed(&report, "token");
    for ((reason, message), (url, expected)) in listed.iter().zip(&cases) {
        assert_eq!(*reason, Reason::ResumeRefused);
        assert!(message.contains(expected), "{url}: {message}");
    }
    assert_eq!(listed.len(), cases.len());
    assert!((0..cases.len()).all(|n| attached(&world, n).is_empty() && tags(&world, n) == 1));
    assert_eq!(elsewhere.requests(), 0, "neither listed nor followed");
    assert_eq!(file_server.requests(), 8, "none of these is tried again");
}

#[tokio::test]
async fn who_is_anonymised_while_their_resume_is_read_gets_none() {
    let file_server = FileServer::start(|_| Sent::Slowly(1100, b"%PDF-1.7 words".to_vec())).await;
    let world = World::new(options()).await;
    let export = export(&[format!("{}/a.pdf", file_server.origin)], file_server.files());
    let erased = async {
        while file_server.requests() == 0 {
            tokio::task::yield_now().await;
        }
        world.sandbox.anonymise(ACCOUNT, &email(0)).unwrap();
    };
    let (report, ()) = tokio::join!(world.run(&export), erased);
    assert_eq!(report.progress.counts.pending(), 1, "{report:?}");
    assert_eq!(world.counts(&export).await.suppressed, 1);
    let people = world.sandbox.people(ACCOUNT);
    assert_eq!(people.len(), 1);
    for part in ["attachments", "activities"] {
        assert_eq!(people[0][part].as_array().map_or(0, Vec::len), 0, "{part}");
    }
}

fn unreachable(report: &Report) -> &str {
    let Ending::Interrupted { disposition: Disposition::Retry { reason, .. }, message } =
        &report.ending
    else {
        panic!("{report:?}")
    };
    assert_eq!(*reason, Reason::ResumeUnreachable);
    message
}

#[tokio::test]
async fn a_server_that_fails_is_tried_again_later_and_costs_nobody_anything_else() {
    let down = Arc::new(AtomicUsize::new(1));
    let state = down.clone();
    let file_server = FileServer::start(move |_| match state.load(Ordering::SeqCst) {
        0 => pdf("words"),
        _ => Sent::Status(503, ""),
    })
    .await;
    let urls: Vec<_> = (0..60).map(|n| format!("{}/token/{n}.pdf", file_server.origin)).collect();
    let world = World::new(options()).await;
    let export = export(&urls, file_server.files());
    let report = world.run(&export).await;
    let message = unreachable(&report);
    assert!(message.contains("60 records wait for their resume"), "{message}");
    let counts = report.progress.counts;
    assert_eq!((counts.awaiting_resume, counts.pending(), counts.created), (60, 60, 0));
    assert!(message.contains("the server fails (status 503)"), "{message}");
    assert!(listed(&report, "token").is_empty(), "not refused");
    world.assert_exactly_once(60);
    assert!((0..60).all(|n| attached(&world, n).is_empty() && tags(&world, n) == 1));
    assert!(
        file_server.requests() <= 3 * 8,
        "{} requests to a dead server",
        file_server.requests()
    );
    down.store(0, Ordering::SeqCst);
    let (before, writes) = (file_server.requests(), world.writes());
    assert_eq!(world.counts(&export).await.updated, 60);
    assert_eq!((file_server.requests(), world.writes()), (before + 60, writes + 60));
    assert!((0..60).all(|n| attached(&world, n).len() == 1));
    assert_eq!(world.counts(&export).await.unchanged, 60);
    assert_eq!(file_server.requests(), before + 60);
}

/// Lets time pass once each time that the file server was asked.
async fn outwait(file_server: &FileServer, until: usize) {
    for asked in file_server.requests() + 1..=until {
        while file_server.requests() < asked {
            tokio::task::yield_now().await;
        }
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(61)).await;
        tokio::time::resume();
    }
}

#[tokio::test]
async fn an_answer_that_does_not_end_is_given_up_and_tried_again() {
    let file_server = FileServer::start(|target| match target {
        "/stalls" => Sent::Stalled,
        _ => pdf("words"),
    })
    .await;
    let world = World::new(options()).await;
    let export = export(&[format!("{}/stalls", file_server.origin)], file_server.files());
    let (report, ()) = tokio::join!(world.run(&export), outwait(&file_server, 3));
    assert!(unreachable(&report).contains("does not answer in time"), "{report:?}");
    assert_eq!((world.people().len(), tags(&world, 0)), (1, 1));
}

#[tokio::test]
async fn one_resume_that_never_comes_is_given_up_if_others_come() {
    let file_server = FileServer::start(|target| match target {
        "/broken" => Sent::Status(500, ""),
        _ => pdf("words"),
    })
    .await;
    let urls = ["/broken", "/a"].map(|path| format!("{}{path}", file_server.origin));
    let world = World::new(options()).await;
    let mut export = export(&urls, file_server.files());
    for n in 0..5 {
        unreachable(&world.run(&export).await);
        // Others are read all the time.
        export.profiles[1]["resume"]["url"] = format!("{}/{n}", file_server.origin).into();
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    let mut ended = world.run(&export).await;
    if ended.ending != Ending::Completed {
        ended = world.run(&export).await;
    }
    assert_eq!(ended.ending, Ending::Completed);
    assert_eq!(ended.progress.counts.warnings, 1);
    let [(reason, message)] = &listed(&ended, "broken")[..] else { panic!("one") };
    assert_eq!(*reason, Reason::ResumeRefused);
    assert!(message.contains("attempts"), "{message}");
}

#[tokio::test]
async fn nobody_is_created_without_a_resume_that_is_required() {
    let file_server = FileServer::start(|target| match target {
        "/busy" => Sent::Status(503, ""),
        "/gone" => Sent::Status(404, ""),
        _ => pdf("words"),
    })
    .await;
    let urls = ["/busy", "/gone", "/fine"].map(|path| format!("{}{path}", file_server.origin));
    let world = World::new(options()).await;
    let mut export = export(&urls, file_server.files());
    export.mapping["resume"]["required"] = true.into();
    let report = world.run(&export).await;
    unreachable(&report);
    let counts = report.progress.counts;
    assert_eq!((counts.created, counts.failed, counts.warnings), (1, 1, 0));
    assert_eq!(world.people().len(), 1);
    assert_eq!(attached(&world, 2).len(), 1);
}

#[cfg(feature = "pdf")]
#[tokio::test]
async fn the_rendered_profile_takes_the_place_of_a_file_that_cannot_be_attached() {
    let file_server = FileServer::start(|target| match target {
        "/gone" => Sent::Status(404, ""),
        _ => pdf("words"),
    })
    .await;
    let urls = ["/gone", "/fine"].map(|path| format!("{}{path}", file_server.origin));
    let world = World::new(options()).await;
    let mut export = export(&urls, file_server.files());
    export.mapping["resume"] = json!({"attach": true, "from": "ResumeOrRenderedProfile"});
    assert_eq!(world.counts(&export).await.warnings, 0);
    assert!(attached(&world, 0)[0].starts_with("profile-"));
    assert!(attached(&world, 1)[0].starts_with("resume-"));
    let asked = file_server.requests();
    assert_eq!(world.counts(&export).await.unchanged, 2);
    assert_eq!(file_server.requests(), asked);
}

#[tokio::test]
async fn headers_of_a_secret_go_only_to_the_servers_that_it_names() {
    let own = FileServer::start(|_| pdf("own")).await;
    let other = FileServer::start(|_| pdf("other")).await;
    let secret = SecretFields {
        fields: [("Authorization".to_owned(), "Bearer hunter2".into())].into(),
        origins: vec![own.origin.clone()],
    };
    let source = Location::web(&format!("{}/people.csv", own.origin)).unwrap();
    let policy = policy(&[&own.origin, &other.origin]);
    let files = NamedFiles::of(policy, Some((source, Some(secret))));
    let urls = [&own, &other].map(|file_server| format!("{}/cv.pdf", file_server.origin));
    let world = World::new(options()).await;
    assert_eq!(world.counts(&export(&urls, files)).await.warnings, 0);
    let sent = |file_server: &FileServer| file_server.asked.lock().unwrap()[0].1.clone();
    assert_eq!([sent(&own).as_deref(), sent(&other).as_deref()], [Some("Bearer hunter2"), None]);
}

#[tokio::test]
async fn buckets_are_read_with_the_secret_of_the_source() {
    let folder = tempfile::tempdir().unwrap();
    for bucket in ["exports", "resumes", "others"] {
        std::fs::create_dir_all(folder.path().join(bucket)).unwrap();
        std::fs::write(folder.path().join(bucket).join("cv.pdf"), b"%PDF-1.7 words").unwrap();
    }
    std::fs::write(folder.path().join("resumes/large.pdf"), vec![b'%'; 6 << 20]).unwrap();
    let origin = s3::serve(folder.path(), "AKIA", "hunter2").await;
    let fields = [
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("AWS_ENDPOINT_URL", &*origin),
    ];
    let secret = SecretFields {
        fields: fields.map(|(name, value)| (name.to_owned(), value.to_owned().into())).into(),
        origins: vec!["s3://exports".to_owned(), "s3://resumes".to_owned()],
    };
    let policy = policy(&["s3://exports", "s3://resumes", "s3://others", &origin]);
    let source = Location::objects("s3://exports/people.csv").unwrap();
    let files = NamedFiles::of(policy, Some((source, Some(secret))));
    let urls = [
        "exports/cv.pdf",
        "resumes/cv.pdf",
        "resumes/large.pdf",
        "resumes/no.pdf",
        "others/cv.pdf",
    ];
    let urls = urls.map(|path| format!("s3://{path}"));
    let world = World::new(options()).await;
    let report = world.run(&export(&urls, files)).await;
    assert_eq!(report.ending, Ending::Completed, "{report:?}");
    let attached = (0..5).map(|n| attached(&world, n).len());
    assert_eq!(attached.collect::<Vec<_>>(), [1, 1, 0, 0, 0]);
    let messages: Vec<_> =
        listed(&report, "s3://").into_iter().map(|(_, message)| message).collect();
    assert!(messages[0].contains("larger than 5 MiB"), "{messages:?}");
    assert!(messages[1].contains("does not exist"), "{messages:?}");
    assert!(messages[2].contains("allowed-origin"), "{messages:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn files_of_this_machine_are_read_below_the_folder_of_the_source_only() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    std::fs::create_dir(root.join("exports")).unwrap();
    std::fs::write(root.join("secret.pdf"), b"%PDF-1.7 secret").unwrap();
    std::fs::write(root.join("exports/cv.pdf"), b"%PDF-1.7 words").unwrap();
    std::os::unix::fs::symlink("../secret.pdf", root.join("exports/link.pdf")).unwrap();
    let of = |path: &str| format!("file://{}/{path}", root.display());
    let policy = policy(&[&of("exports")]);
    let urls = ["exports/cv.pdf", "exports/link.pdf", "secret.pdf"].map(of);
    let source = Location::objects(&of("exports/people.csv")).unwrap();
    let world = World::new(options()).await;
    let files = NamedFiles::of(policy.clone(), Some((source, None)));
    assert_eq!(world.counts(&export(&urls, files)).await.warnings, 2);
    assert_eq!([0, 1, 2].map(|n| attached(&world, n).len()), [1, 0, 0]);
    let inline = NamedFiles::of(policy, None);
    let world = World::new(options()).await;
    assert_eq!(world.counts(&export(&urls, inline)).await.warnings, 3, "the source is elsewhere");
}

#[tokio::test]
async fn few_resumes_are_in_memory_at_a_time() {
    let file_server = FileServer::start(|_| {
        let mut words = b"%PDF-1.7".to_vec();
        words.resize(MAX_RESUME_BYTES, b' ');
        Sent::Slowly(20, words)
    })
    .await;
    let urls: Vec<_> = (0..24).map(|n| format!("{}/{n}", file_server.origin)).collect();
    let world = World::new(options()).await;
    assert_eq!(world.counts(&export(&urls, file_server.files())).await.warnings, 0);
    assert!((0..24).all(|n| attached(&world, n).len() == 1));
    assert!(file_server.most_at_once.load(Ordering::SeqCst) <= 4);
}

#[tokio::test]
async fn a_run_that_ends_between_reading_and_attaching_is_continued() {
    let file_server = FileServer::start(pdf).await;
    let urls: Vec<_> = (0..12).map(|n| format!("{}/{n}", file_server.origin)).collect();
    let world = World::new(careless()).await;
    let lost = Fault::always("createAttachment", Action::ResetAfterCommit {}).nth(2);
    world.sandbox.set_faults(vec![lost]);
    let export = export(&urls, file_server.files());
    for asked in [1, 4, 8, 13, 16] {
        // Dropped, as by a kill.
        let running = world.run(&export);
        tokio::select! {
            _ = running => {}
            () = async {
                while file_server.requests() < asked {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            } => {}
        }
    }
    world.counts(&export).await;
    world.assert_exactly_once(12);
    assert!((0..12).all(|n| attached(&world, n).len() == 1));
}

#[tokio::test]
async fn a_run_that_is_stopped_does_not_wait_for_a_server() {
    let file_server = FileServer::start(|_| Sent::Stalled).await;
    let world = World::new(options()).await;
    let export = export(&[format!("{}/stalls", file_server.origin)], file_server.files());
    let cancel = CancellationToken::new();
    let ports = RunPorts { cancel: cancel.clone(), ..world.ports() };
    let asked = async {
        while file_server.requests() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        cancel.cancel();
    };
    let stopped = async { tokio::join!(run(world.spec(&export), ports), asked) };
    let (report, ()) = tokio::time::timeout(Duration::from_mins(2), stopped).await.unwrap();
    assert_ne!(report.ending, Ending::Completed);
    let people: Vec<Value> = world.sandbox.people(ACCOUNT);
    assert_eq!(people.len(), 1);
}
