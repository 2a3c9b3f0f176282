//! The collector of the OpenTelemetry project reads the traces. `hack/verify.sh traces` builds it, and
//! names it in `CLINCH_TEST_COLLECTOR`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use crate::{
    apply::{apply, shown},
    killed::{SOON, assert_exactly_once, stage},
};

const PEOPLE: u64 = 20;

/// A collector that writes what it receives into a file.
struct Collector {
    process: Child,
    origin: String,
    log: PathBuf,
}

impl Collector {
    async fn start(folder: &Path) -> Self {
        let program = std::env::var_os("CLINCH_TEST_COLLECTOR").expect("CLINCH_TEST_COLLECTOR");
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let (config, log) = (folder.join("collector.yaml"), folder.join("collector.log"));
        let text = include_str!("../data/collector/config.yaml").replace("ADDRESS", &address);
        fs::write(&config, text).unwrap();
        let output = File::create(&log).unwrap();
        let process = Command::new(program)
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let collector = Self { process, origin: format!("http://{address}"), log };
        collector.until("Everything is ready").await;
        collector
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    async fn until(&self, text: &str) {
        let started = Instant::now();
        while !self.log().contains(text) {
            assert!(started.elapsed() < SOON, "not {text}: {}", self.log());
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Ends it; what it wrote.
    async fn end(mut self) -> String {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
        self.until("Shutdown complete").await;
        self.process.wait().unwrap();
        self.log()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _already_ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// A line of a span: `    Name           : run`.
fn field<'a>(span: &'a str, name: &str) -> &'a str {
    let line = span.lines().find(|line| line.trim_start().starts_with(name));
    line.and_then(|line| line.split_once(": ")).map_or("", |(_, value)| value.trim())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a collector: make verify-traces"]
async fn the_collector_of_the_project_reads_the_traces() {
    let (sandbox, folder) = stage(PEOPLE).await;
    let collector = Collector::start(folder.path()).await;
    let state = folder.path().join("state");
    let mut command = apply(&folder.path().join("manifests.yaml"), &state, &sandbox.base_url());
    command.args(["--otlp-endpoint", &collector.origin]);
    command.env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test");
    command.env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    let done = tokio::process::Command::from(command).output().await.unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", shown(&done));
    assert!(!shown(&done).contains("traces"), "{}", shown(&done));
    assert_exactly_once(&sandbox, PEOPLE, "traced");
    let log = collector.end().await;
    for expected in [
        "-> service.name: Str(clinch-operator)",
        "-> deployment.environment.name: Str(test)",
        "-> clinch.object.kind: Str(CandidateExport)",
        "-> clinch.run.outcome: Str(completed)",
        "-> http.response.status_code: Int(201)",
        "-> url.template: Str(/v2/candidates/{candidate_id}/applications)",
    ] {
        assert!(log.contains(expected), "{expected}: {log}");
    }
    assert!(!log.contains("example.com") && !log.contains(&sandbox.base_url()));
    let spans: Vec<&str> = log.split("\nSpan #").skip(1).collect();
    let ids: BTreeSet<&str> = spans.iter().map(|span| field(span, "ID ")).collect();
    let mut names = BTreeMap::<&str, usize>::new();
    for span in &spans {
        let (name, parent) = (field(span, "Name"), field(span, "Parent ID"));
        assert_eq!(parent.is_empty(), name == "reconcile", "{span}");
        assert!(parent.is_empty() || ids.contains(parent), "{span}");
        assert_eq!(field(span, "Kind") == "Client", name.contains('/'), "{span}");
        *names.entry(name).or_default() += 1;
    }
    assert_eq!(names["POST /v2/candidates"], usize::try_from(PEOPLE).unwrap());
    assert!(names["run"] >= 1 && names["reconcile"] >= 3, "{names:?}");
    println!("collector: {} spans, each with its parent", spans.len());
}
