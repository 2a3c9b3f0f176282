//! A report with a line for each record, streamed to a file at a destination while a run works. The file
//! appears only if the run completes. Lines are in the order in which records are decided.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{
    attribute_filter::AttributeFilter,
    lines::{LineEncoder, LineFormat, text},
    record_log::{MatchedBy, RecordLine, RecordReport},
    record_outcome::{MatchClass, RecordOutcome},
    report::{Ending, FileInfo, Report},
};
use crate::{
    domain::digest_parts,
    storage::{Destination, FileWriter, WriteFault, Written},
};

/// The members of a line, in their order. They are API.
const MEMBERS: &[&str] = &[
    "position",
    "record",
    "outcome",
    "reason",
    "place",
    "message",
    "class",
    "clinchId",
    "matchedBy",
    "changed",
    "clinchUpdatedAt",
    "hireezId",
];
/// How many of them say neither what was read in Clinch, nor who somebody is.
const UNREAD: usize = 7;

/// How many bytes may wait to be written before readers of a source wait.
const BACKLOG: usize = 4 << 20;

/// A report that is wanted.
#[derive(Debug, Clone)]
pub struct ReportSpec {
    /// Where it is written.
    pub destination: Destination,
    /// How it is written.
    pub format: LineFormat,
    /// Whether only records with a reason have a line: rejected or suppressed ones, those that could not be
    /// decided, and those with a warning.
    pub rejected_only: bool,
    /// Whether the run only foretells what it would do.
    pub dry_run: bool,
    /// Which attributes may be named, if lines may say what was read in Clinch.
    pub reveals: Option<AttributeFilter>,
    /// Identifies what is left of a report by a killed process.
    pub owner: String,
}

/// Runs with a report. What cannot be written is noticed before the run starts, as far as possible; if it
/// cannot be put in place, the run counts as interrupted.
pub async fn with_report<F>(
    spec: ReportSpec,
    also: Option<Arc<dyn RecordReport>>,
    run: impl FnOnce(Arc<dyn RecordReport>) -> F,
) -> Report
where
    F: Future<Output = Report>,
{
    let url = spec.destination.location().to_string();
    let failed = |progress, fault: &WriteFault| Report {
        progress,
        ending: Ending::Interrupted {
            disposition: fault.disposition(),
            message: format!("the report {url} {fault}"),
        },
    };
    let writer = match begin(&spec).await {
        Ok(writer) => writer,
        Err(fault) => return failed(super::Progress::default(), &fault),
    };
    let (pieces, receiver) = unbounded_channel();
    let sink = Arc::new(Sink::new(&spec, also, pieces));
    let writing = tokio::spawn(write(writer, receiver, sink.backlog.clone()));
    let mut report = run(sink.clone()).await;
    let (lines, complete) = (sink.end(), report.ending == Ending::Completed);
    // A panic of the writing task counts as its failure.
    let written = match writing.await {
        Ok(Ok(writer)) if complete => writer.finish().await,
        Ok(Ok(writer)) => {
            writer.abort().await;
            return report;
        }
        Ok(Err(fault)) => Err(fault),
        Err(_) => Err(WriteFault::Interrupted),
    };
    match written {
        Ok(Written { bytes, sha256, version }) => {
            let version = digest_parts([version.as_bytes()]).short();
            let info = FileInfo { url, rows: lines, altered: 0, bytes, sha256, version };
            report.progress.report = Some(info.into());
            report
        }
        Err(fault) if complete => failed(report.progress, &fault),
        Err(_) => report,
    }
}

async fn begin(spec: &ReportSpec) -> Result<FileWriter, WriteFault> {
    spec.destination.clean_up(&spec.owner).await?;
    spec.destination.create(&spec.owner).await
}

async fn write(
    mut writer: FileWriter,
    mut pieces: UnboundedReceiver<Bytes>,
    backlog: Arc<Backlog>,
) -> Result<FileWriter, WriteFault> {
    let mut result = Ok(());
    // Also after a failure: nobody has to wait for room.
    while let Some(piece) = pieces.recv().await {
        let size = piece.len();
        if result.is_ok() {
            result = writer.write(piece).await;
        }
        backlog.shrink(size);
    }
    result.map(|()| writer)
}

/// How many bytes wait to be written.
#[derive(Default)]
struct Backlog {
    bytes: Mutex<usize>,
    shrunk: Condvar,
}

impl Backlog {
    fn grow(&self, size: usize) {
        *lock(&self.bytes) += size;
    }

    fn shrink(&self, size: usize) {
        *lock(&self.bytes) -= size;
        self.shrunk.notify_all();
    }

    fn wait(&self) {
        let bytes = lock(&self.bytes);
        let waited = self.shrunk.wait_while(bytes, |bytes| *bytes > BACKLOG);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

struct Sink {
    /// Until the end.
    open: Mutex<Option<Open>>,
    backlog: Arc<Backlog>,
    also: Option<Arc<dyn RecordReport>>,
    rejected_only: bool,
    dry_run: bool,
    reveals: Option<AttributeFilter>,
}

/// A file that takes lines.
struct Open {
    encoder: LineEncoder,
    pieces: UnboundedSender<Bytes>,
}

impl Sink {
    fn new(
        spec: &ReportSpec,
        also: Option<Arc<dyn RecordReport>>,
        pieces: UnboundedSender<Bytes>,
    ) -> Self {
        let encoder = LineEncoder::new(spec.format, names(spec.reveals.as_ref()));
        Self {
            open: Mutex::new(Some(Open { encoder, pieces })),
            backlog: Arc::default(),
            also,
            rejected_only: spec.rejected_only,
            dry_run: spec.dry_run,
            reveals: spec.reveals.clone(),
        }
    }

    /// Passes on what is left. Returns how many lines there are; later lines are dropped.
    fn end(&self) -> u64 {
        // The writing task ends when nobody can send any more.
        let Some(Open { encoder, pieces }) = lock(&self.open).take() else { return 0 };
        let lines = encoder.lines();
        self.pass_on(&pieces, encoder.finish());
        lines
    }

    fn pass_on(&self, pieces: &UnboundedSender<Bytes>, piece: Bytes) {
        self.backlog.grow(piece.len());
        // The task takes pieces until its sender is gone, unless it panicked.
        let _panicked = pieces.send(piece).is_err();
    }

    fn wants(&self, line: &RecordLine) -> bool {
        // What a push plans before it is done has a line once it is done.
        (self.dry_run || !line.foretold)
            // Only what deserves attention has a reason.
            && (!self.rejected_only || line.cause.is_some())
    }
}

impl RecordReport for Sink {
    fn add(&self, line: RecordLine) {
        if self.wants(&line) {
            let values = values(&line, self.reveals.as_ref());
            if let Some(open) = lock(&self.open).as_mut()
                && let Some(piece) = open.encoder.add(values)
            {
                self.pass_on(&open.pieces, piece);
            }
        }
        if let Some(also) = &self.also {
            also.add(line);
        }
    }

    fn make_room(&self) {
        self.backlog.wait();
        if let Some(also) = &self.also {
            also.make_room();
        }
    }
}

/// The members of each line of a report.
fn names(reveals: Option<&AttributeFilter>) -> &'static [&'static str] {
    if reveals.is_some() { MEMBERS } else { &MEMBERS[..UNREAD] }
}

/// The values of the members of a line.
fn values(line: &RecordLine, reveals: Option<&AttributeFilter>) -> Vec<Value> {
    let cause = line.cause.as_ref();
    let values = [
        Value::String(line.position.to_string()),
        text(line.record.map(|record| record.to_string())),
        Value::String(line.outcome.as_str().to_owned()),
        text(cause.map(|cause| cause.reason.as_str())),
        text(line.place.as_ref().map(ToString::to_string)),
        text(cause.map(|cause| cause.message.clone())),
        text(line.class.map(MatchClass::as_str)),
    ];
    let mut values = Vec::from(values);
    if let Some(reveals) = reveals {
        let person = line.person.as_ref();
        let by = person.and_then(|person| person.by);
        // Nobody else was compared.
        let compared =
            [RecordOutcome::Updated, RecordOutcome::WouldUpdate, RecordOutcome::Unchanged];
        let changed = compared.contains(&line.outcome).then(|| {
            let names = line.changed.iter().filter(|name| reveals.permits(name));
            names.map(|name| Value::String(name.clone())).collect()
        });
        let changed_at = person.and_then(|person| person.changed_at.as_ref());
        let changed_at = changed_at.filter(|changed| reveals.permits(&changed.attribute));
        values.extend([
            text(person.map(|person| person.id.to_string())),
            text(by.map(MatchedBy::as_str)),
            changed.unwrap_or(Value::Null),
            text(changed_at.map(|changed| changed.at.to_string())),
            text(line.source_id.as_ref().map(|id| id.as_str().to_owned())),
        ]);
    }
    values
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
