//! A million people written to a bucket as CSV and as NDJSON, by a process of its own: decoded from NDJSON,
//! encoded, summed up and uploaded. What memory and how much of a core that takes.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    process::Stdio,
    sync::Arc,
    time::Instant,
};

use anyhow::{Context as _, anyhow, ensure};
use bytes::{Buf as _, Bytes};
use clinch_operator::{
    output::{Compression, CsvEncoder, CsvStyle, FileEncoder, NdjsonEncoder, RowEncoder},
    source::{CsvOptions, Format, Limits, decode_reader},
    storage::{AllowedPlaces, Destination, StoragePolicy},
};
use serde_json::{Value, json};
use tokio::{process::Command, sync::mpsc};

use crate::{Row, ledger::kib, people::ndjson, s3};

const PEOPLE: u64 = 1_000_000;
/// How many different ones there are.
const DIFFERENT: usize = 5_000;
const KEY: &str = "AKIABENCH";
const SECRET: &str = "bench-store-secret";
/// The argument that makes this program the process that writes.
pub(crate) const WRITER: &str = "write-a-file";

pub(crate) async fn measure() -> anyhow::Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("people"))?;
    let store = s3::serve(folder.path(), KEY, SECRET).await;
    let mut rows = Vec::new();
    for name in ["people.csv", "people.ndjson", "people.csv.gz"] {
        let output = Command::new(std::env::current_exe()?)
            .args([WRITER, name, &store])
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .output()
            .await?;
        ensure!(output.status.success(), "{name}: {}", output.status);
        let measured: Value = serde_json::from_slice(&output.stdout)?;
        let number = |what: &str| measured[what].as_f64().with_context(|| format!("no {what}"));
        let size = fs::metadata(folder.path().join("people").join(name))?.len();
        ensure!(measured["bytes"].as_u64() == Some(size), "{name} has {size} bytes: {measured}");
        let (cpu, took) = (number("cpu")?, number("took")?);
        rows.push(Row::shown(&format!("{name}: size"), format!("{} MiB", size >> 20)));
        rows.push(Row::at_least(
            &format!("{name}: rows per second of a core"),
            PEOPLE as f64 / cpu,
            30_000.0,
        ));
        let rate = format!("{:.0}/s", PEOPLE as f64 / took);
        rows.push(Row::shown(&format!("{name}: rows a second, beside the store"), rate));
        let peak = number("peak")?;
        rows.push(Row::at_most(&format!("{name}: peak memory (VmHWM)"), peak, 128.0, "MiB"));
        let tenth = number("peakOfFirstTenth")?;
        rows.push(Row::shown(
            &format!("{name}: the same after a tenth"),
            format!("{tenth:.0} MiB"),
        ));
    }
    Ok(rows)
}

/// Writes one file and prints what it took.
pub(crate) async fn write(arguments: &[String]) -> anyhow::Result<String> {
    let [name, store] = arguments else { return Err(anyhow!("a name and a server")) };
    let allowed = AllowedPlaces::destinations(["s3://people", store])?;
    let policy = Arc::new(StoragePolicy { allowed, ..StoragePolicy::default() });
    let secret: BTreeMap<String, Bytes> = [
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", store),
    ]
    .map(|(field, value)| (field.to_owned(), Bytes::copy_from_slice(value.as_bytes())))
    .into();
    let to = Destination::open(&format!("s3://people/{name}"), Some(&secret), &policy)?;
    let (start, cpu) = (Instant::now(), cpu_seconds()?);
    let (pieces, mut encoded) = mpsc::channel(2);
    let file_name = name.clone();
    let encoding = tokio::task::spawn_blocking(move || encode(&file_name, &pieces));
    let mut file = to.create("bench").await.map_err(|fault| anyhow!("{fault}"))?;
    while let Some(piece) = encoded.recv().await {
        file.write(piece).await?;
    }
    let tenth = encoding.await??;
    let written = file.finish().await?;
    let measured = json!({
        "bytes": written.bytes,
        "cpu": cpu_seconds()? - cpu,
        "took": start.elapsed().as_secs_f64(),
        "peak": kib("VmHWM:")? / 1024.0,
        "peakOfFirstTenth": tenth,
    });
    Ok(measured.to_string())
}

/// Encodes everybody; the peak of memory after a tenth of them.
fn encode(name: &str, pieces: &mpsc::Sender<Bytes>) -> anyhow::Result<f64> {
    let rows: Box<dyn RowEncoder> = if name.contains(".csv") {
        Box::new(CsvEncoder::of_profiles(CsvStyle::default()))
    } else {
        Box::new(NdjsonEncoder)
    };
    let mut file = FileEncoder::new(rows, Compression::of_name(name));
    let all = ndjson(DIFFERENT);
    let people = Repeated { present: all.clone(), all, times: PEOPLE / DIFFERENT as u64 - 1 };
    let limits = Limits { max_expanded_bytes: u64::MAX, max_records: PEOPLE, ..Limits::default() };
    let format = Some(Format::Ndjson);
    let mut tenth = 0.0;
    for item in
        decode_reader(&"people".into(), people, format, &CsvOptions::default(), &limits).with_text()
    {
        let profile = item?.result.map_err(|error| anyhow!("{error}"))?;
        if let Some(piece) = file.row((&profile).into()) {
            pieces.blocking_send(piece)?;
        }
        if file.rows() == PEOPLE / 10 {
            tenth = kib("VmHWM:")? / 1024.0;
        }
    }
    ensure!(file.rows() == PEOPLE, "{} rows", file.rows());
    pieces.blocking_send(file.finish())?;
    Ok(tenth)
}

/// The same bytes again and again.
struct Repeated {
    all: Bytes,
    present: Bytes,
    times: u64,
}

impl Read for Repeated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.present.is_empty() && self.times > 0 {
            self.present = self.all.clone();
            self.times -= 1;
        }
        let count = self.present.len().min(buffer.len());
        self.present.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// What this process has used of the processor, in user and system mode.
fn cpu_seconds() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name of the program is in brackets, and may have blanks.
    let fields = stat.rsplit_once(") ").context("no end of the name")?.1;
    let ticks = |at: usize| -> anyhow::Result<f64> {
        Ok(fields.split(' ').nth(at).context("no such field")?.parse()?)
    };
    // Fields 14 and 15 of the line; a tick is 10 ms.
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}
