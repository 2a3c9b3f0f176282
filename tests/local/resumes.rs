//! Resumes that profiles name by URL, with the real process: what it prints, and killed between reading
//! and attaching one.

use std::{
    fmt::Write as _,
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use clinch_operator::sandbox::{Options, Sandbox};
use serde_json::{Value, json};

use crate::{
    apply::{apply, object, shown},
    fake_store::{FakeStore, answer},
    killed::SOON,
};

const MANIFESTS: &str = r#"
apiVersion: v1
kind: Secret
metadata: {name: clinch}
stringData: {accessKey: AKCV, secretKey: cv-secret}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: ClinchIntegration
metadata: {name: acme}
spec:
  endpoint: ORIGIN
  environment: Sandbox
  credentials: {secretRef: {name: clinch}}
  pushPermission: {prospects: Allowed}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: FieldMapping
metadata: {name: resumes}
spec:
  fields:
  - {to: email, from: "emails[0].value", required: true}
  - {to: first_name, from: firstName}
  resume: {attach: true}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {name: people}
spec:
  integrationRef: {name: acme}
  fieldMappingRef: {name: resumes}
  source: {configMapRef: {name: people}}
  destination: {prospect: {}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: people}
data:
  people.ndjson: |
"#;

struct Stage {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
    file_server: FakeStore,
}

impl Stage {
    /// An emulator, a server of resumes, and an export of people whose resumes are there.
    async fn of(people: usize) -> Self {
        let options = Options::default().with_credential("hireEZ", "AKCV", "cv-secret");
        let sandbox = Sandbox::start(options).await.unwrap();
        let file_server = FakeStore::start(|target| match target {
            "GET /hush/gone.pdf?token=hush" => answer(404, &[], "no"),
            other => {
                answer(200, &[("content-type", "application/pdf")], format!("%PDF-1.7 {other}"))
            }
        })
        .await;
        let mut manifests = MANIFESTS.replace("ORIGIN", &sandbox.base_url());
        for n in 0..people {
            let name = if n == 0 { "gone".to_owned() } else { n.to_string() };
            let url = format!("{}/hush/{name}.pdf?token=hush", file_server.origin);
            let profile = json!({"firstName": "Test", "resume": {"url": url},
                "emails": [{"value": format!("person{n}@example.com")}]});
            writeln!(manifests, "    {profile}").unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("manifests.yaml"), manifests).unwrap();
        Self { sandbox, folder, file_server }
    }

    fn command(&self) -> std::process::Command {
        let manifests = self.folder.path().join("manifests.yaml");
        let state = self.folder.path().join("state");
        let mut command = apply(&manifests, Path::new(&state), &self.sandbox.base_url());
        command.args(["--request-timeout", "2", "-o", "json"]);
        command
    }

    fn listing(&self) -> std::process::Command {
        let mut command = self.command();
        command.args(["--allowed-sources", &self.file_server.origin]);
        command
    }

    /// How many attachments people have, and how many people there are.
    fn attachments(&self) -> (Vec<usize>, usize) {
        let people = self.sandbox.people("hireEZ");
        let of = |person: &Value| person["attachments"].as_array().map_or(0, Vec::len);
        let mut counts: Vec<_> = people.iter().map(of).collect();
        counts.sort_unstable();
        (counts, people.len())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn resumes_are_read_where_the_admin_allows_it_and_nothing_shows_their_urls() {
    let stage = Stage::of(3).await;
    let refused = stage.command().output().unwrap();
    assert_eq!(refused.status.code(), Some(0), "{}", shown(&refused));
    assert!(stage.file_server.asked().is_empty(), "not listed");
    assert_eq!(stage.attachments(), (vec![0, 0, 0], 3), "the people are delivered");
    let status = &object(&refused, "CandidateExport")["status"];
    assert_eq!(status["counts"]["warnings"], 3, "{status}");
    // The list is longer: what it allows now is attached without any other change.
    let lines = stage.folder.path().join("lines.ndjson");
    let listed = stage.listing().arg("--report").arg(&lines).output().unwrap();
    assert_eq!(listed.status.code(), Some(0), "{}", shown(&listed));
    assert_eq!(stage.attachments(), (vec![0, 1, 1], 3));
    let status = &object(&listed, "CandidateExport")["status"];
    assert_eq!(status["failures"][0]["reason"], "ResumeRefused", "{status}");
    assert_eq!(status["failures"].as_array().unwrap().len(), 1, "{status}");
    let lines = std::fs::read_to_string(lines).unwrap();
    let warned: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["reason"] == "ResumeRefused")
        .collect();
    let [warned] = &warned[..] else { panic!("{lines}") };
    assert_eq!(
        (&warned["outcome"], &warned["record"]),
        (&json!("Unchanged"), &status["failures"][0]["record"])
    );
    assert_eq!(warned["message"], status["failures"][0]["message"]);
    assert!(!lines.contains("hush"), "{lines}");
    let asked = stage.file_server.asked().len();
    let again = stage.listing().output().unwrap();
    assert_eq!(again.status.code(), Some(0), "{}", shown(&again));
    assert_eq!(stage.file_server.asked().len(), asked + 1, "only the missing one is tried again");
    assert_eq!(stage.attachments(), (vec![0, 1, 1], 3));
    for output in [refused, listed, again] {
        assert!(!shown(&output).contains("hush"), "{}", shown(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_between_reading_and_attaching_attaches_each_once() {
    let people = 60;
    let stage = Stage::of(people).await;
    stage.sandbox.set_latency(Duration::from_millis(5));
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..8 {
        let until = stage.file_server.asked().len() + random.usize(1..=6);
        let mut child = stage.listing().stdout(Stdio::null()).spawn().unwrap();
        wait_until(&mut child, || stage.file_server.asked().len() >= until).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    stage.sandbox.set_latency(Duration::ZERO);
    let last = stage.listing().output().unwrap();
    assert_eq!(last.status.code(), Some(0), "{}", shown(&last));
    let (counts, everybody) = stage.attachments();
    assert_eq!((everybody, counts[0]), (people, 0));
    assert!(counts[1..].iter().all(|count| *count == 1), "{counts:?}");
    let attached = stage.sandbox.requests().with("createAttachment", 201);
    assert_eq!(attached, people as u64 - 1);
}

async fn wait_until(child: &mut Child, reached: impl Fn() -> bool) {
    let started = Instant::now();
    while !reached() {
        assert_eq!(child.try_wait().unwrap(), None, "it ended by itself");
        assert!(started.elapsed() < SOON, "not within {SOON:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_attaches_files_and_documents() {
    let profile = |n: usize, resume: &str| {
        json!({"firstName": "Test", "lastName": "Person", "resume": {"url": resume},
            "emails": [{"value": format!("person{n}@example.com")}]})
        .to_string()
    };
    let people = ["https://files.example.com/hireez/cv/1.pdf", "https://files.example.com/no.pdf"];
    let people: Vec<_> = people.iter().enumerate().map(|(n, url)| profile(n, url)).collect();
    let source = people.join("\n");
    let origin = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let own = origin.clone();
    let file_server = FakeStore::start(move |target| {
        let own = own.get().unwrap();
        match target.split_once(' ').unwrap().1 {
            "/hireez/engineers.ndjson" => {
                answer(200, &[], source.replace("https://files.example.com", own))
            }
            "/hireez/cv/1.pdf" => answer(200, &[], "%PDF-1.7 words"),
            _ => answer(404, &[], ""),
        }
    })
    .await;
    origin.set(file_server.origin.clone()).unwrap();
    let options = Options::default().with_credential(
        "hireEZ",
        "DEMO-SANDBOX-KEY",
        "demo-sandbox-secret-not-a-real-one",
    );
    let sandbox = Sandbox::start(options).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for entry in
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/resumes")).unwrap()
    {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text
            .replace("http://127.0.0.1:18080", &sandbox.base_url())
            .replace("https://files.example.com", &file_server.origin);
        std::fs::write(folder.path().join(path.file_name().unwrap()), text).unwrap();
    }
    let mut command = apply(folder.path(), &folder.path().join("state"), &sandbox.base_url());
    let listed = format!("{}/hireez", file_server.origin);
    command.args(["--allowed-sources", &listed, "--timeout", "30"]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    let mut names: Vec<_> = sandbox
        .people("hireEZ")
        .iter()
        .map(|person| {
            person["attachments"][0]["file_name"].as_str().unwrap_or_default()[..6].to_owned()
        })
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["profil", "resume"]);
}
