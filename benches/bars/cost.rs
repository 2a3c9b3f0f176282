//! What a person costs the process that exports them: `apply` against a bare client that decodes, maps,
//! encodes, signs and sends the same people. Each is a process of its own, and so is the emulator, which
//! does not count. Two numbers of people are taken and their difference divided, so that what a process
//! costs to start does not count either.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, anyhow, ensure};
use clinch_operator::{
    clinch::Limits,
    domain::{Credentials, Profile},
    jsonapi::MEDIA_TYPE,
    mapping::Plan,
    signing::{Unsigned, sign},
    source::{CsvOptions, Format, decode_reader},
};
use tempfile::TempDir;
use tokio::{process::Command, time::sleep};

use crate::{
    Row,
    emulator::{self, Emulator},
    encoding::encode,
    people::{median, ndjson, plan},
};

/// The argument that makes this program the bare client.
pub(crate) const BARE: &str = "bare-client";
/// How many people: for processor time, and for instructions, which are counted fifty times slower.
const FOR_TIME: [usize; 2] = [4_000, 40_000];
const FOR_INSTRUCTIONS: [usize; 2] = [500, 3_000];
const ROUNDS: usize = 9;

/// What is measured.
#[derive(Clone, Copy)]
enum Subject {
    Bare,
    Apply,
}

pub(crate) async fn measure() -> anyhow::Result<Vec<Row>> {
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(each(Subject::Bare, FOR_TIME, processor_time).await? * 1e6);
        ours.push(each(Subject::Apply, FOR_TIME, processor_time).await? * 1e6);
    }
    let (bare, ours) = (median(bare), median(ours));
    let mut rows = vec![
        Row::shown("processor time: bare client", format!("{bare:.1} us")),
        Row::shown("processor time: apply", format!("{ours:.1} us")),
        Row::at_most("processor time: apply : bare client", ours / bare, 2.0, ""),
    ];
    if Command::new("valgrind").arg("--version").output().await.is_err() {
        rows.push(Row::shown("instructions", "valgrind is not installed"));
        return Ok(rows);
    }
    let bare = each(Subject::Bare, FOR_INSTRUCTIONS, instructions).await?;
    let ours = each(Subject::Apply, FOR_INSTRUCTIONS, instructions).await?;
    rows.extend([
        Row::shown("instructions: bare client", format!("{bare:.0}")),
        Row::shown("instructions: apply", format!("{ours:.0}")),
        Row::at_most("instructions: apply : bare client", ours / bare, 2.0, ""),
    ]);
    Ok(rows)
}

/// What one person costs a subject.
async fn each(
    subject: Subject,
    [few, many]: [usize; 2],
    of: impl AsyncFn(&[OsString]) -> anyhow::Result<f64>,
) -> anyhow::Result<f64> {
    let mut used = [0.0; 2];
    for (used, people) in used.iter_mut().zip([few, many]) {
        let emulator = Emulator::start(&[]).await?;
        let stage = Stage::of(people, &emulator.origin)?;
        *used = of(&stage.command(subject, &emulator.origin)?).await?;
        emulator.check_created(people).await?;
    }
    Ok((used[1] - used[0]) / (many - few) as f64)
}

/// The files that both subjects read.
struct Stage {
    folder: TempDir,
}

impl Stage {
    fn of(people: usize, clinch: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let stage = Self { folder };
        fs::write(stage.people(), ndjson(people))?;
        fs::write(stage.manifests(), manifest(clinch, &stage.people()))?;
        Ok(stage)
    }

    fn people(&self) -> PathBuf {
        self.folder.path().join("people.ndjson")
    }

    fn manifests(&self) -> PathBuf {
        self.folder.path().join("manifests.yaml")
    }

    fn command(&self, subject: Subject, clinch: &str) -> anyhow::Result<Vec<OsString>> {
        Ok(match subject {
            Subject::Bare => vec![
                std::env::current_exe()?.into(),
                BARE.into(),
                clinch.into(),
                self.people().into(),
            ],
            Subject::Apply => {
                let mut command = vec![env!("CARGO_BIN_EXE_clinch-operator").into()];
                command.extend(
                    ["apply", "--environment", "sandbox", "--timeout", "1200"].map(Into::into),
                );
                command.extend(["-f".into(), self.manifests().into()]);
                command.extend(["--state".into(), self.folder.path().join("state").into()]);
                command.extend(["--allowed-endpoints".into(), clinch.into()]);
                let places = format!("file://{}/", self.folder.path().display());
                command.extend(["--allowed-sources".into(), places.into()]);
                command
            }
        })
    }
}

/// The manifests of one export of everybody in a file.
fn manifest(clinch: &str, people: &Path) -> String {
    let account = emulator::account(clinch);
    let people = people.display();
    format!(
        "{account}---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {{name: everybody}}
spec:
  integrationRef: {{name: clinch}}
  fieldMappingRef: {{name: default}}
  source: {{objectStore: {{url: 'file://{people}'}}}}
  destination: {{prospect: {{}}}}
"
    )
}

/// The seconds that a process used of the processor, in user and system mode.
async fn processor_time(command: &[OsString]) -> anyhow::Result<f64> {
    let mut child = started(command)?;
    let stat = format!("/proc/{}/stat", child.id().context("it ended")?);
    // An ended process keeps its numbers until it is waited for.
    let used = loop {
        let text = fs::read_to_string(&stat)?;
        if let Some(used) = used_if_ended(&text)? {
            break used;
        }
        sleep(Duration::from_millis(20)).await;
    };
    let ended = child.wait().await?;
    ensure!(ended.success(), "{} ended with {ended}", command[0].display());
    Ok(used)
}

/// What an ended process used in seconds, by its line in `/proc`; `None` if it has not ended.
fn used_if_ended(stat: &str) -> anyhow::Result<Option<f64>> {
    // The name of the program is in brackets, and may have blanks.
    let fields: Vec<&str> =
        stat.rsplit_once(") ").context("no end of the name")?.1.split(' ').collect();
    // Fields 14 and 15 of the line; a tick is 10 ms.
    let ticks = |at: usize| -> anyhow::Result<f64> { Ok(fields[at].parse()?) };
    let used = (ticks(11)? + ticks(12)?) / 100.0;
    Ok((fields[0] == "Z").then_some(used))
}

/// The instructions that a process executed in user mode.
async fn instructions(command: &[OsString]) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let counts = folder.path().join("counts");
    let mut to = OsString::from("--callgrind-out-file=");
    to.push(&counts);
    let mut whole: Vec<OsString> = ["valgrind", "--tool=callgrind"].map(Into::into).to_vec();
    whole.push(to);
    whole.extend_from_slice(command);
    let ended = started(&whole)?.wait().await?;
    ensure!(ended.success(), "{} ended with {ended}", command[0].display());
    let text = fs::read_to_string(counts)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    Ok(total.context("no total")?.trim().parse()?)
}

fn started(command: &[OsString]) -> anyhow::Result<tokio::process::Child> {
    Command::new(&command[0])
        .args(&command[1..])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {}", command[0].display()))
}

/// Sends everybody in a file, as many at a time as a run: the bare client.
pub(crate) async fn send_all(arguments: &[String]) -> anyhow::Result<()> {
    let [origin, file] = arguments else { return Err(anyhow!("an origin and a file")) };
    let (csv, limits) = (
        CsvOptions::default(),
        clinch_operator::source::Limits {
            max_expanded_bytes: u64::MAX,
            max_records: u64::MAX,
            ..clinch_operator::source::Limits::default()
        },
    );
    let records =
        decode_reader(&"people".into(), fs::File::open(file)?, Some(Format::Ndjson), &csv, &limits);
    let profiles = records.filter_map(Result::ok).filter_map(|decoded| decoded.result.ok());
    let client = Arc::new(BareClient {
        profiles: Mutex::new(Box::new(profiles)),
        plan: plan()?,
        credentials: emulator::credentials()?,
        http: emulator::http()?,
        url: format!("{origin}/v2/candidates"),
    });
    let senders: Vec<_> = (0..Limits::default().max_in_flight)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.send_rest().await })
        })
        .collect();
    for sender in senders {
        sender.await??;
    }
    Ok(())
}

struct BareClient {
    profiles: Mutex<Box<dyn Iterator<Item = Profile> + Send>>,
    plan: Plan,
    credentials: Credentials,
    http: reqwest::Client,
    url: String,
}

impl BareClient {
    fn next(&self) -> Option<Profile> {
        self.profiles.lock().unwrap_or_else(PoisonError::into_inner).next()
    }

    async fn send_rest(&self) -> anyhow::Result<()> {
        let unsigned = Unsigned {
            method: "POST",
            path_and_query: "/v2/candidates",
            content_type: Some(MEDIA_TYPE),
        };
        while let Some(profile) = self.next() {
            let mapped = self.plan.apply(&profile).map_err(|issues| anyhow!("{issues:?}"))?;
            let signature = sign(&unsigned, &self.credentials, jiff::Timestamp::now());
            let answer = self
                .http
                .post(&self.url)
                .header("accept", MEDIA_TYPE)
                .header("content-type", MEDIA_TYPE)
                .header("date", signature.date)
                .header("authorization", signature.authorization)
                .body(encode(&mapped))
                .send()
                .await?;
            ensure!(answer.status() == 201, "{}", answer.status());
            answer.bytes().await?;
        }
        Ok(())
    }
}
