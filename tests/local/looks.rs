//! One-shot `apply` is the request to look: what changed is noticed with a state folder, too. As a real
//! process.

use std::{
    path::Path,
    process::Output,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use clinch_operator::sandbox::{Action, Fault, Options, Sandbox};
use tokio::net::TcpListener;

use crate::apply::{self, condition, object, shown};

const MANIFESTS: &str = "
apiVersion: v1
kind: Secret
metadata: {name: clinch}
stringData: {accessKey: K, secretKey: S}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: ClinchIntegration
metadata: {name: clinch}
spec:
  endpoint: ORIGIN
  environment: Sandbox
  credentials: {secretRef: {name: clinch}}
  pushPermission: {prospects: Allowed}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {name: people}
spec:
  integrationRef: {name: clinch}
  source: SOURCE
  destination: {prospect: {}}
  REST
";

struct World {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
    source: String,
    allowed: String,
}

impl World {
    async fn new(source: impl FnOnce(&Path) -> (String, String)) -> Self {
        let options = Options::default().with_credential("hireEZ", "K", "S");
        let folder = tempfile::tempdir().unwrap();
        let (source, allowed) = source(folder.path());
        Self { sandbox: Sandbox::start(options).await.unwrap(), folder, source, allowed }
    }

    /// An export of a CSV file in the folder.
    async fn of_file() -> Self {
        let place = |folder: &Path| {
            let url = format!("file://{}", folder.display());
            (format!("{{objectStore: {{url: '{url}/people.csv'}}}}"), url)
        };
        let world = Self::new(place).await;
        world.write(&["ann"]);
        world
    }

    fn write(&self, names: &[&str]) {
        std::fs::write(self.folder.path().join("people.csv"), csv(names)).unwrap();
    }

    async fn apply(&self, rest: &str) -> Output {
        let origin = self.sandbox.base_url();
        let text = MANIFESTS.replace("ORIGIN", &origin).replace("SOURCE", &self.source);
        let path = self.folder.path().join("manifests.yaml");
        std::fs::write(&path, text.replace("REST", rest)).unwrap();
        let mut command = apply::apply(&path, &self.folder.path().join("state"), &origin);
        command.args(["-o", "json", "--timeout", "30", "--allowed-sources", &self.allowed]);
        // The servers of the test are on this runtime.
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    fn people(&self) -> usize {
        self.sandbox.people("hireEZ").len()
    }
}

fn csv(names: &[&str]) -> String {
    let line = |name: &&str| format!("{name},{name}@example.com\n");
    format!("First Name,Email\n{}", names.iter().map(line).collect::<String>())
}

/// Exit code, reason of Ready, and what was delivered.
fn result(output: &Output) -> (Option<i32>, String, String) {
    let export = object(output, "CandidateExport");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let reason = text(&condition(&export, "Ready")["reason"]);
    (output.status.code(), reason, text(&export["status"]["delivered"]))
}

fn is(code: i32, reason: &str, delivered: &str) -> (Option<i32>, String, String) {
    (Some(code), reason.to_owned(), delivered.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_noticed_whatever_the_schedule_and_an_unchanged_one_costs_no_request() {
    let world = World::of_file().await;
    let nightly = "schedule: {cron: '0 3 1 1 *'}";
    assert_eq!(result(&world.apply(nightly).await), is(0, "Synced", "1/1"));

    let writes = || world.sandbox.requests().of("createCandidate");
    let before = writes();
    let unchanged = world.apply(nightly).await;
    assert_eq!(result(&unchanged), is(0, "Synced", "1/1"));
    let history = &object(&unchanged, "CandidateExport")["status"]["history"];
    assert_eq!(history.as_array().unwrap().len(), 1, "a look that finds nothing is not reported");
    assert_eq!(writes(), before);

    world.write(&["ann", "bob"]);
    assert_eq!(result(&world.apply(nightly).await), is(0, "Synced", "2/2"));
    assert_eq!(world.people(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_is_reported_at_once() {
    let world = World::of_file().await;
    assert_eq!(result(&world.apply("").await), is(0, "Synced", "1/1"));
    std::fs::remove_file(world.folder.path().join("people.csv")).unwrap();
    let gone = world.apply("readyGrace: 1h\n  interval: 1h").await;
    assert_eq!(result(&gone).0, Some(1), "{}", shown(&gone));
    assert_eq!(result(&gone).1, "SourceNotFound");
    let again = world.apply("readyGrace: 1h\n  interval: 1h").await;
    assert_eq!(result(&again).1, "SourceNotFound");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_behind_an_integration_that_does_not_answer_is_not_green() {
    let world = World::of_file().await;
    assert_eq!(result(&world.apply("").await), is(0, "Synced", "1/1"));
    world.write(&["ann", "bob"]);
    let unavailable = Action::Status { code: 503, retry_after: None, html: false };
    world.sandbox.set_faults(vec![Fault::always("listCandidates", unavailable)]);
    let mut text = MANIFESTS.replace("ORIGIN", &world.sandbox.base_url()).replace("REST", "");
    text = text.replace("SOURCE", &world.source);
    let path = world.folder.path().join("manifests.yaml");
    std::fs::write(&path, text).unwrap();
    let state = world.folder.path().join("state");
    let apply = async |limit: &str| {
        let mut command = apply::apply(&path, &state, &world.sandbox.base_url());
        command.args(["-o", "json", "--timeout", limit, "--allowed-sources", &world.allowed]);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    };
    let mut down = apply("15").await;
    if result(&down).1 != "DependencyNotReady" {
        // A slow machine needs longer to get there.
        down = apply("90").await;
    }
    assert_eq!(result(&down).0, Some(3), "{}", shown(&down));
    assert_eq!(result(&down).1, "DependencyNotReady");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_answer_of_a_server_is_noticed() {
    let body = Arc::new(Mutex::new(csv(&["ann"])));
    let asked = Arc::new(AtomicUsize::new(0));
    let (served, counted) = (body.clone(), asked.clone());
    let answer = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        let text = served.lock().unwrap().clone();
        async move { ([("content-type", "text/csv")], text) }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/export", get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let place = |_: &Path| (format!("{{http: {{url: '{server}/export'}}}}"), server.clone());
    let world = World::new(place).await;
    assert_eq!(result(&world.apply("").await), is(0, "Synced", "1/1"));
    let before = asked.load(Ordering::Relaxed);
    *body.lock().unwrap() = csv(&["ann", "bob"]);
    assert_eq!(result(&world.apply("").await), is(0, "Synced", "2/2"));
    assert!(asked.load(Ordering::Relaxed) > before);
    assert_eq!(world.people(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_that_is_due_and_finds_nothing_new_ends_ready() {
    let inline = "{inline: [{firstName: Ann, emails: [{value: ann@example.com}]}]}";
    let world = World::new(|_| (inline.to_owned(), "file:///nowhere".to_owned())).await;
    assert_eq!(result(&world.apply("interval: 1m").await), is(0, "Synced", "1/1"));
    // As if the last run had been long ago.
    let mut changed = 0;
    for record in std::fs::read_dir(world.folder.path().join("state/objects")).unwrap() {
        let path = record.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let field = "\"finishedAt\": \"";
        if let Some(at) = text.find(field).map(|at| at + field.len()) {
            std::fs::write(&path, format!("{}1999{}", &text[..at], &text[at + 4..])).unwrap();
            changed += 1;
        }
    }
    assert_eq!(changed, 1, "the state of the export has the time of its last run");
    let again = world.apply("interval: 1m").await;
    assert_eq!(result(&again), is(0, "Synced", "1/1"));
    assert_eq!(world.people(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_records_are_tried_again_and_a_dry_run_counts_anew() {
    let world = World::of_file().await;
    let refused = Action::Status { code: 422, retry_after: None, html: false };
    world.sandbox.set_faults(vec![Fault::always("createCandidate", refused)]);
    assert_eq!(result(&world.apply("").await), is(1, "RecordsRejected", "0/1"));
    world.sandbox.set_faults(Vec::new());

    let dry = world.apply("mode: DryRun").await;
    let counts = object(&dry, "CandidateExport")["status"]["counts"].clone();
    assert_eq!((&counts["created"], &counts["unchanged"]), (&1.into(), &0.into()), "{counts}");
    assert_eq!(result(&world.apply("").await), is(0, "Synced", "1/1"));

    // Mended in Clinch, with the same manifest and file.
    world.sandbox.set_faults(vec![Fault::always(
        "createCandidate",
        Action::Status { code: 422, retry_after: None, html: false },
    )]);
    world.write(&["ann", "bob"]);
    assert_eq!(result(&world.apply("").await), is(1, "RecordsRejected", "1/2"));
    world.sandbox.set_faults(Vec::new());
    assert_eq!(result(&world.apply("").await), is(0, "Synced", "2/2"));
    let dry = world.apply("mode: DryRun").await;
    assert_eq!(object(&dry, "CandidateExport")["status"]["counts"]["unchanged"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_answers_429_only_is_named_and_the_time_limit_is_kept() {
    let world = World::of_file().await;
    let limited = Action::Status { code: 429, retry_after: None, html: false };
    world.sandbox.set_faults(vec![Fault::always("createCandidate", limited)]);
    let origin = world.sandbox.base_url();
    let text = MANIFESTS.replace("ORIGIN", &origin).replace("SOURCE", &world.source);
    let path = world.folder.path().join("manifests.yaml");
    std::fs::write(&path, text.replace("REST", "")).unwrap();
    let apply = async |limit: &str| {
        let mut command = apply::apply(&path, &world.folder.path().join("state"), &origin);
        command.args(["--timeout", limit, "--log", "clinch_operator=debug"]);
        command.args(["--allowed-sources", &world.allowed]);
        let started = std::time::Instant::now();
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let (took, text) = (started.elapsed(), shown(&output));
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(took < Duration::from_mins(3), "{took:?}: {text}");
        text
    };
    let attempt = "export=\"default/people\" operation=\"createCandidate\" status=429";
    let mut text = apply("8").await;
    if !text.contains(attempt) {
        // A slow machine needs longer to get there.
        text = apply("60").await;
    }
    assert!(text.contains("CandidateExport default/people: RateLimited: "), "{text}");
    assert!(text.contains(attempt), "{text}");
    assert!(text.contains(" WARN ") && text.contains("reason=RateLimited"), "{text}");
}
