//! Resumes by URL whose server names their version: a file that has not changed is not sent again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{Response, StatusCode, header},
};
use clinch_operator::{
    pipeline::MAX_RESUME_BYTES,
    storage::{FileRead, Location, NamedFiles, SecretFields},
};
use tokio::net::TcpListener;

use crate::{
    resumes::{attached, export, policy},
    s3,
    setup::{ACCOUNT, Store, World, email, options},
};

/// Path, and then ETag and bytes.
type Files = Arc<Mutex<BTreeMap<String, (String, Vec<u8>)>>>;

/// A server of files with versions.
struct Server {
    origin: String,
    files: Files,
    /// The status of each answer, and how many bytes it had.
    answers: Arc<Mutex<Vec<(u16, usize)>>>,
}

#[derive(Clone)]
struct Served {
    files: Files,
    answers: Arc<Mutex<Vec<(u16, usize)>>>,
    honours: bool,
}

impl Server {
    /// `honours`: whether it answers 304.
    async fn start(honours: bool) -> Self {
        let served = Served { files: Files::default(), answers: Arc::default(), honours };
        let (files, answers) = (served.files.clone(), served.answers.clone());
        let router = Router::new().fallback(serve).with_state(served);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { origin, files, answers }
    }

    fn put(&self, path: &str, version: &str, bytes: &[u8]) {
        let file = (version.to_owned(), bytes.to_owned());
        self.files.lock().unwrap().insert(path.to_owned(), file);
    }

    fn urls<const N: usize>(&self, paths: [&str; N]) -> [String; N] {
        paths.map(|path| format!("{}{path}", self.origin))
    }

    fn named(&self) -> NamedFiles {
        NamedFiles::of(policy(&[&self.origin]), None)
    }

    /// The answers since this was called last, sorted.
    fn answered(&self) -> Vec<(u16, usize)> {
        let mut answers = std::mem::take(&mut *self.answers.lock().unwrap());
        answers.sort_unstable();
        answers
    }
}

async fn serve(State(served): State<Served>, request: Request) -> Response<axum::body::Body> {
    let found = served.files.lock().unwrap().get(request.uri().path()).cloned();
    let known = request.headers().get(header::IF_NONE_MATCH).map(|value| value.to_str().unwrap());
    let (status, version, bytes) = match found {
        None => (StatusCode::NOT_FOUND, String::new(), Vec::new()),
        Some((version, _)) if served.honours && known == Some(&*version) => {
            (StatusCode::NOT_MODIFIED, version, Vec::new())
        }
        Some((version, bytes)) => (StatusCode::OK, version, bytes),
    };
    served.answers.lock().unwrap().push((status.as_u16(), bytes.len()));
    let mut answer = Response::builder().status(status);
    if !version.is_empty() {
        answer = answer.header(header::ETAG, version);
    }
    answer.body(bytes.into()).unwrap()
}

#[tokio::test]
async fn a_refused_resume_is_not_sent_again_until_it_changes() {
    let server = Server::start(true).await;
    server.put("/text", "\"t1\"", b"this is no document");
    server.put("/large", "W/\"l1\"", &vec![b'%'; MAX_RESUME_BYTES + 1]);
    server.put("/unversioned", "", b"neither is this");
    let world = World::new(options()).await;
    let urls = server.urls(["/text", "/large", "/unversioned", "/gone"]);
    let export = export(&urls, server.named());
    let counts = world.counts(&export).await;
    assert_eq!((counts.created, counts.warnings), (4, 4));
    let (text, large, other) = ((200, 19), (200, MAX_RESUME_BYTES + 1), (200, 15));
    assert_eq!(server.answered(), [other, text, large, (404, 0)]);
    for _ in 0..3 {
        assert_eq!(world.counts(&export).await.warnings, 4, "each run tries again");
        assert_eq!(server.answered(), [other, (304, 0), (304, 0), (404, 0)]);
    }
    server.put("/text", "\"t2\"", b"%PDF-1.7 words");
    server.put("/gone", "\"g1\"", b"%PDF-1.7 other words");
    let counts = world.counts(&export).await;
    assert_eq!((counts.updated, counts.warnings), (2, 2));
    assert_eq!([attached(&world, 0).len(), attached(&world, 3).len()], [1, 1]);
}

#[tokio::test]
async fn a_resume_that_is_attached_and_has_not_changed_costs_no_body() {
    for honours in [true, false] {
        let server = Server::start(honours).await;
        server.put("/cv", "\"1\"", b"%PDF-1.7 words");
        server.put("/other", "\"1\"", b"%PDF-1.7 other words");
        let world = World::new(options()).await;
        let mut export = export(&server.urls(["/cv", "/other"]), server.named());
        assert_eq!(world.counts(&export).await.created, 2);
        assert_eq!(server.answered(), [(200, 14), (200, 20)]);
        // The source says that they may be others, and one of them is.
        for profile in &mut export.profiles {
            profile["resume"]["updatedAt"] = "2026-11-01".into();
        }
        server.put("/other", "\"2\"", b"%PDF-1.7 new words");
        let counts = world.counts(&export).await;
        assert_eq!((counts.updated, counts.unchanged), (1, 1));
        let same = if honours { (304, 0) } else { (200, 14) };
        assert!(server.answered().contains(&same));
        assert_eq!([attached(&world, 0).len(), attached(&world, 1).len()], [1, 2]);
        // What is known of a file does not replace what a person has: they are deleted, and created again.
        for n in 0..2 {
            world.sandbox.delete(ACCOUNT, &email(n)).unwrap();
        }
        let world = World { store: Store::default(), ..world };
        assert_eq!(world.counts(&export).await.created, 2);
        assert_eq!([attached(&world, 0).len(), attached(&world, 1).len()], [1, 1]);
        assert_eq!(server.answered(), [(200, 14), (200, 18)]);
    }
}

#[tokio::test]
async fn an_object_that_has_not_changed_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("resumes")).unwrap();
    let object = folder.path().join("resumes/cv.pdf");
    std::fs::write(&object, b"%PDF-1.7 words").unwrap();
    let origin = s3::serve(folder.path(), "AKIA", "hunter2").await;
    let fields = [
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("AWS_ENDPOINT_URL", &*origin),
    ];
    let secret = SecretFields {
        fields: fields.map(|(name, value)| (name.to_owned(), value.to_owned().into())).into(),
        origins: vec!["s3://resumes".to_owned()],
    };
    let source = Location::objects("s3://resumes/people.csv").unwrap();
    let files = NamedFiles::of(policy(&["s3://resumes", &origin]), Some((source, Some(secret))));
    let file = files.find("s3://resumes/cv.pdf").unwrap();
    let Ok(FileRead::Whole(bytes, version)) = files.read(&file, 100, None).await else {
        panic!("it is read")
    };
    assert_eq!(bytes, b"%PDF-1.7 words"[..]);
    assert!(version.is_some());
    let again = files.read(&file, 100, version.as_ref()).await.unwrap();
    assert!(again == FileRead::Unchanged);
    std::fs::write(&object, b"%PDF-1.7 other words").unwrap();
    let changed = files.read(&file, 100, version.as_ref()).await.unwrap();
    assert!(matches!(changed, FileRead::Whole(bytes, _) if bytes == b"%PDF-1.7 other words"[..]));
}
