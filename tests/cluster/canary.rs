//! Marked values in every field of every input, then a search through everything that the
//! operator writes: nothing of a candidate, a Secret or an answer may come out anywhere but at
//! Clinch.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clinch_operator::sandbox::Credential;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    collector::Collector,
    hostile,
    support::{
        process::Process,
        world::{SOON, World, condition},
    },
};

/// Every marked text starts with this.
pub const MARK: &str = "zqxcanary";
/// Marked numbers hold these digits.
const DIGITS: &str = "91827364";

pub fn mark(word: &str) -> String {
    format!("{MARK}{word}")
}

/// The surroundings of the first marked value in a text, plain or encoded.
pub fn leak(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let lower = text.to_lowercase();
    let mut needles = vec![MARK.to_owned(), DIGITS.to_owned()];
    needles.extend([MARK, DIGITS].map(hex::encode));
    // A Base64 digit depends on its neighbours: those at the ends are left out, at each offset.
    let encoded = (0..3).map(|offset| {
        let text = STANDARD.encode([&b"..."[..offset], MARK.as_bytes()].concat());
        text[(offset * 8).div_ceil(6)..(offset + MARK.len()) * 8 / 6].to_owned()
    });
    let around = |text: &str, at: usize| {
        let (from, to) = (at.saturating_sub(200), (at + 80).min(text.len()));
        String::from_utf8_lossy(&text.as_bytes()[from..to]).into_owned()
    };
    let plain = needles.iter().find_map(|needle| Some(around(&lower, lower.find(needle)?)));
    plain.or_else(|| encoded.into_iter().find_map(|n| Some(around(&text, text.find(&n)?))))
}

pub fn assert_clean(sink: &str, bytes: &[u8]) {
    let found = leak(bytes);
    assert!(found.is_none(), "{sink} holds a marked value: {}", found.unwrap_or_default());
}

#[test]
fn the_search_finds_a_marked_value_however_it_is_written() {
    for text in [
        "x zqxcanaryname".to_owned(),
        "ZQXCanaryName".to_owned(),
        hex::encode("a zqxcanaryname"),
        STANDARD.encode("zqxcanaryname"),
        STANDARD.encode("1zqxcanaryname"),
        STANDARD.encode("12zqxcanaryname"),
        "+1 91827364 55".to_owned(),
    ] {
        assert!(leak(text.as_bytes()).is_some(), "{text}");
    }
    assert!(leak(b"zqx canary, 9182 7364").is_none());
}

/// A person with a marked value in every member, known and unknown.
fn person(tag: &str) -> String {
    let resume = STANDARD.encode(format!("%PDF-1.4 {}", mark("resumecontent")));
    include_str!("../data/canary/person.json")
        .replace("TAG", tag)
        .replace('~', MARK)
        .replace("RESUME", &resume)
        .replace('\n', " ")
}

/// Secret, integration, one mapping that fits and two that do not, and exports of every source.
pub fn manifests(name: &str, origin: &str) -> String {
    let people: Vec<String> = (0..3).map(|i| person(&format!("{name}{i}"))).collect();
    let lines = people.join("\n    ");
    let inline = people.join("\n    - ");
    include_str!("../data/canary/manifests.yaml")
        .replace("NAME", name)
        .replace("HERE", origin)
        .replace('~', MARK)
        .replace("INLINE", &inline)
        .replace("LINES", &lines)
}

/// The exports of one set of manifests.
const EXPORTS: &[&str] =
    &["good", "inline", "rejected", "broken", "malformed", "csv", "unpermitted"];

/// One set for the emulator, one for nobody, and one for each endpoint that misbehaves.
pub async fn sets(sandbox: &str) -> Vec<(String, String)> {
    let mut sets = vec![
        ("served".to_owned(), sandbox.to_owned()),
        ("unreachable".to_owned(), "http://127.0.0.1:1".to_owned()),
    ];
    for (name, behaviour) in hostile::ALL {
        sets.push(((*name).to_owned(), hostile::start(*behaviour, mark).await));
    }
    sets
}

/// The operator, with everything that it prints in a file.
struct Operator {
    process: Process,
    log: PathBuf,
}

impl Operator {
    fn start(world: &World, origins: &[&str], folder: &Path, collector: &Collector) -> Self {
        let log = folder.join("log");
        let file =
            || Stdio::from(File::options().create(true).append(true).open(&log).expect("a file"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_clinch-operator"));
        command
            .args(["run", "--environment", "sandbox", "--identity", "canary"])
            .args(["--allowed-endpoints", &origins.join(",")])
            .args(["--watch-namespaces", &world.namespace, "--namespace", &world.namespace])
            .args(["--admin-listen", "127.0.0.1:0", "--log", "trace", "--log-format", "json"])
            .env("KUBECONFIG", world.operator_kubeconfig())
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.origin)
            .env("RUST_BACKTRACE", "full")
            .stdin(Stdio::null())
            .stdout(file())
            .stderr(file());
        Self { process: Process::spawn(&mut command), log }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("the log is there")
    }

    /// Where health and metrics are served, as the log says.
    async fn admin(&self) -> String {
        let started = Instant::now();
        loop {
            let log = self.log();
            let line = log.lines().find(|line| line.contains("serving health and metrics"));
            if let Some(line) = line {
                let line: Value = serde_json::from_str(line).expect("JSON");
                return line["address"].as_str().expect("an address").to_owned();
            }
            assert!(started.elapsed() < SOON, "the operator does not serve");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Terminates it; everything that it printed.
    async fn stop(mut self) -> String {
        self.process.signal("TERM");
        assert_eq!(self.process.code().await, Some(0));
        self.log()
    }
}

async fn fetched(address: &str, path: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("read");
    answer
}

/// Waits until an export is done, stalled, or retried for a reason.
async fn settled(world: &World, name: &str) -> String {
    let object = world
        .wait("CandidateExport", name, "settled", 3 * SOON, |object| {
            let ready = condition(object, "Ready");
            object["metadata"]["generation"] == object["status"]["observedGeneration"]
                && (ready["status"] == "True"
                    || (ready["status"] == "False" && ready["reason"] != "Progressing"))
        })
        .await;
    condition(&object, "Ready")["reason"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_marked_value_comes_out_anywhere_but_at_clinch() {
    let Some(world) = World::prepare().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let credential = Credential::new("hireEZ", &mark("access"), &mark("secret"));
    world.sandbox.add_credential(credential);
    let sets = sets(&world.sandbox.base_url()).await;
    let origins: Vec<&str> = sets.iter().map(|(_, origin)| origin.as_str()).collect();
    let collector = Collector::start(StatusCode::OK).await;
    let operator = Operator::start(&world, &origins, folder.path(), &collector);
    let admin = operator.admin().await;
    for (name, origin) in &sets {
        world.apply(&manifests(name, origin));
    }
    let mut reasons = BTreeSet::new();
    for (name, _) in &sets {
        for export in EXPORTS {
            let reason = settled(&world, &format!("{name}-{export}")).await;
            reasons.insert(reason);
        }
    }

    // Specs are the user's; everything else in the namespace is the operator's.
    for kind in ["clint", "clmap", "clexp"] {
        let listed = world.kubectl(&["get", kind, "-o", "json", "-n", &world.namespace]);
        let listed: Value = serde_json::from_str(&listed).expect("JSON");
        let items = listed["items"].as_array().expect("a list");
        assert!(items.len() >= sets.len(), "{kind}");
        for item in items {
            let name = item["metadata"]["name"].as_str().expect("a name");
            assert!(item["status"]["conditions"].is_array(), "{kind} {name} has no status");
            assert_clean(&format!("{kind} {name}"), item["status"].to_string().as_bytes());
            let annotations = item["metadata"]["annotations"].to_string();
            assert_clean(&format!("{kind} {name}"), annotations.as_bytes());
        }
    }
    let ledgers = world.kubectl(&["get", "candidateledgers", "-o", "json", "-n", &world.namespace]);
    assert_clean("the ledgers", ledgers.as_bytes());
    let ledgers: Value = serde_json::from_str(&ledgers).expect("JSON");
    let mut segments = 0;
    for ledger in ledgers["items"].as_array().expect("a list") {
        let data = ledger["data"].as_str().or(ledger["spec"]["data"].as_str());
        let bytes = STANDARD.decode(data.expect("data")).expect("Base64");
        assert_clean("a ledger's data", &bytes);
        segments += 1;
    }
    assert!(segments > 0, "a ledger was written");
    for kind in ["events", "events.events.k8s.io", "leases"] {
        let listed = world.kubectl(&["get", kind, "-o", "json", "-n", &world.namespace]);
        assert!(listed.contains("clinch-operator"), "no {kind}");
        assert_clean(kind, listed.as_bytes());
    }
    for path in ["/metrics", "/readyz", "/healthz"] {
        let answer = fetched(&admin, path).await;
        let text = String::from_utf8_lossy(&answer);
        assert!(text.starts_with("HTTP/1.1 200"), "{path}: {text}");
        assert_clean(path, &answer);
    }
    let log = operator.stop().await;
    assert!(log.contains("clinch attempt"), "the log has its lowest levels");
    assert!(!log.contains("panicked"), "a panic");
    for line in log.lines() {
        assert_clean("the log", line.as_bytes());
    }
    for body in collector.bodies() {
        assert_clean("a trace", &body);
    }
    let spans = collector.spans();
    for text in spans.iter().flat_map(|span| span.attributes.values().chain([&span.name])) {
        assert!(!text.contains("://") && !text.contains('?'), "{text} is of a URL");
    }
    for kind in ["ClinchIntegration", "FieldMapping", "CandidateExport"] {
        assert!(spans.iter().any(|span| span.get("clinch.object.kind") == kind), "no {kind}");
    }
    assert!(spans.iter().any(|span| span.name == "run"), "no run");
    assert!(spans.iter().any(|span| span.get("error.type") == "no_response"), "no failed call");
    // The marked values did arrive where they belong.
    let people = world.sandbox.people("hireEZ");
    assert!(people.iter().any(|person| leak(person.to_string().as_bytes()).is_some()));
    for reason in [
        "Synced",
        "RecordsRejected",
        "MappingInvalid",
        "SourceInvalid",
        "NotPermitted",
        "DependencyNotReady",
    ] {
        assert!(reasons.contains(reason), "{reason} was not met: {reasons:?}");
    }
}
