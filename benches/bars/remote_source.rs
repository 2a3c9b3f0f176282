//! A million people in a bucket, through a process of its own: what memory it takes, and how long.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use tokio::{process::Command, time::sleep};

use crate::{
    Row,
    emulator::{self, Emulator},
    people::profile,
    s3,
};

const PEOPLE: usize = 1_000_000;
/// Of less than 4 MiB each, a block: the server sums up a whole file for each answer.
const FILES: usize = 250;
const KEY: &str = "AKIABENCH";
const SECRET: &str = "bench-store-secret";

pub(crate) async fn measure() -> anyhow::Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let bucket = folder.path().join("buckets/people");
    fs::create_dir_all(&bucket)?;
    let mut bytes = 0;
    for file in 0..FILES {
        let mut out =
            std::io::BufWriter::new(fs::File::create(bucket.join(format!("{file:03}.ndjson")))?);
        for n in file * PEOPLE / FILES..(file + 1) * PEOPLE / FILES {
            let line = profile(n);
            bytes += line.len() + 1;
            writeln!(out, "{line}")?;
        }
        out.flush()?;
    }
    let store = s3::serve(&folder.path().join("buckets"), KEY, SECRET).await;
    let emulator = Emulator::start(&[]).await?;
    let manifests = folder.path().join("manifests.yaml");
    fs::write(&manifests, manifest(&emulator.origin, &store)?)?;
    let state = folder.path().join("state");
    let mut rows = vec![Row::shown("source", format!("{} MiB", bytes >> 20))];
    for round in ["first run", "again, on request"] {
        if round != "first run" {
            // Otherwise nothing is due, and nothing is read.
            let asked =
                "{name: million, annotations: {clinch.hireez.dev/reconcile-requested-at: again}}";
            let text = fs::read_to_string(&manifests)?.replace("{name: million}", asked);
            fs::write(&manifests, text)?;
        }
        let before = emulator.requests().await?["total"].as_u64().unwrap_or_default();
        let start = Instant::now();
        let peak = apply(&manifests, &state, &emulator.origin, &store).await?;
        let took = start.elapsed().as_secs_f64();
        let requests = emulator.requests().await?["total"].as_u64().unwrap_or_default() - before;
        let rate = PEOPLE as f64 / took;
        rows.push(Row::shown(&format!("{round}: people a second"), format!("{rate:.0}/s")));
        rows.push(Row::at_most(&format!("{round}: peak memory (VmHWM)"), peak, 128.0, "MiB"));
        rows.push(Row::shown(&format!("{round}: requests to Clinch"), requests.to_string()));
    }
    emulator.check_created(PEOPLE).await?;
    Ok(rows)
}

fn manifest(clinch: &str, store: &str) -> anyhow::Result<String> {
    let account = emulator::account(clinch);
    let mut text = String::new();
    write!(
        text,
        "{account}---
apiVersion: v1
kind: Secret
metadata:
  name: store
  labels: {{clinch.hireez.dev/use: source}}
  annotations: {{clinch.hireez.dev/allowed-origin: 's3://people'}}
stringData:
  AWS_ACCESS_KEY_ID: {KEY}
  AWS_SECRET_ACCESS_KEY: {SECRET}
  AWS_REGION: us-east-1
  AWS_ENDPOINT_URL: {store}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {{name: million}}
spec:
  integrationRef: {{name: clinch}}
  fieldMappingRef: {{name: default}}
  source:
    objectStore: {{url: 's3://people/*.ndjson', credentialsSecretRef: {{name: store}}}}
  destination: {{prospect: {{}}}}
"
    )?;
    Ok(text)
}

/// Applies, and gives the most memory that the process had resident, in MiB.
async fn apply(manifests: &Path, state: &Path, clinch: &str, store: &str) -> anyhow::Result<f64> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_clinch-operator"))
        .args(["apply", "--environment", "sandbox", "--timeout", "1200", "-f"])
        .arg(manifests)
        .arg("--state")
        .arg(state)
        .args(["--allowed-endpoints", clinch])
        .args(["--allowed-sources", &format!("s3://people,{store}")])
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start apply")?;
    let status = format!("/proc/{}/status", child.id().context("it ended")?);
    let mut peak = 0.0_f64;
    let ended = loop {
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        if let Ok(text) = fs::read_to_string(&status) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
            peak = peak.max(kib.unwrap_or_default() / 1024.0);
        }
        sleep(Duration::from_millis(50)).await;
    };
    ensure!(ended.success(), "apply ended with {ended}");
    Ok(peak)
}
