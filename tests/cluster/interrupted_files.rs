//! Runs that write a file and are ended in the middle, by a suspension and by an edit, on a real API
//! server: the file is the one before, as a whole, until a run has completed.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Body, extract::Request, http::Method};
use clinch_operator::controllers::Regions;
use futures::{StreamExt as _, stream};
use tokio::{net::TcpListener, sync::watch};

use crate::support::{
    manifests::INTEGRATION,
    world::{SOON, World},
};

const PEOPLE: usize = 3000;

/// A source whose second version stops in the middle until it is released.
struct Source {
    origin: String,
    /// How often the second version was begun.
    begun: Arc<AtomicUsize>,
    version: watch::Sender<Version>,
}

#[derive(Clone, Copy, PartialEq)]
enum Version {
    First,
    SecondInPart,
    Second,
}

impl Source {
    async fn start() -> Self {
        let (version, seen) = watch::channel(Version::First);
        let begun = Arc::<AtomicUsize>::default();
        let count = begun.clone();
        let router = Router::new().fallback(move |request: Request| {
            let (mut seen, count) = (seen.clone(), count.clone());
            async move {
                if request.method() == Method::HEAD {
                    return Body::empty();
                }
                if *seen.borrow() == Version::First {
                    return lines("first", 0..2).into();
                }
                count.fetch_add(1, Ordering::SeqCst);
                let rest = stream::once(async move {
                    // The sender lives as long as the test.
                    let _ = seen.wait_for(|version| *version == Version::Second).await;
                    Ok::<_, std::io::Error>(lines("second", PEOPLE / 2..PEOPLE))
                });
                let head = stream::iter([Ok(lines("second", 0..PEOPLE / 2))]);
                Body::from_stream(head.chain(rest))
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { origin, begun, version }
    }

    /// Waits until the second version was begun this often.
    async fn begun(&self, times: usize) {
        let started = std::time::Instant::now();
        while self.begun.load(Ordering::SeqCst) < times {
            assert!(started.elapsed() < SOON, "not begun {times} times");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

fn lines(version: &str, people: std::ops::Range<usize>) -> String {
    let mut text = String::new();
    for n in people {
        writeln!(text, "{{\"title\":\"{version}\",\"emails\":[{{\"value\":\"p{n}@x.example\"}}]}}")
            .unwrap();
    }
    text
}

fn patch(world: &World, kind: &str, name: &str, patch: &str) {
    let args = ["patch", kind, name, "--type=merge", "-p", patch, "-n", &world.namespace];
    world.kubectl(&args);
}

/// The lines of the file, of one version.
fn found(folder: &Path, version: &str) -> usize {
    let text = fs::read_to_string(folder.join("people.ndjson")).unwrap();
    assert!(text.lines().all(|line| line.contains(version)), "only {version}");
    text.lines().count()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_suspended_or_edited_in_the_middle_leaves_the_file_as_it_was() {
    let Some(mut world) = World::prepare().await else { return };
    let source = Source::start().await;
    let folder = tempfile::tempdir().unwrap();
    let place = format!("file://{}", folder.path().display());
    world.allowed_destinations = vec![place.clone()];
    world.allowed_sources = vec![source.origin.clone()];
    world.run_operator(Regions::default());
    world.apply(INTEGRATION);
    patch(
        &world,
        "clinchintegration",
        "acme",
        r#"{"spec": {"pushPermission": {"files": "Allowed"}}}"#,
    );
    world.apply(&format!(
        "
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {{name: people}}
spec:
  integrationRef: {{name: acme}}
  source: {{http: {{url: '{}/people.ndjson'}}, format: NDJSON}}
  destination: {{file: {{format: NDJSON, to: {{url: '{place}/people.ndjson'}}}}}}
",
        source.origin
    ));
    world.ready("CandidateExport", "people", "True", "FileWritten").await;
    assert_eq!(found(folder.path(), "first"), 2);

    // Suspended while the second version is read.
    source.version.send_replace(Version::SecondInPart);
    let export = |spec: &str| {
        patch(&world, "candidateexport", "people", &format!("{{\"spec\": {spec}}}"));
    };
    export(r#"{"limit": 5000}"#);
    source.begun(1).await;
    assert_eq!(found(folder.path(), "first"), 2);
    export(r#"{"suspend": true}"#);
    world.ready("CandidateExport", "people", "False", "Suspended").await;
    assert_eq!(found(folder.path(), "first"), 2);

    // Continued, and edited in the middle: the run of the edit writes the file, and that of before nothing.
    let before = source.begun.load(Ordering::SeqCst);
    export(r#"{"suspend": false}"#);
    source.begun(before + 1).await;
    export(r#"{"limit": 1000}"#);
    assert_eq!(found(folder.path(), "first"), 2);
    source.version.send_replace(Version::Second);
    let done = world.ready("CandidateExport", "people", "True", "FileWritten").await;
    assert_eq!(done["status"]["file"]["rows"], 1000, "{}", done["status"]);
    assert_eq!(found(folder.path(), "second"), 1000);
    let started = std::time::Instant::now();
    while names(folder.path()) != ["people.ndjson"] {
        assert!(started.elapsed() < SOON, "{:?}", names(folder.path()));
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
