//! A run that writes a file: look whether it is still there, read the source once, stream the rows, and
//! put the file in place only if everything was read and nothing forbids it.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    rows::Judge,
    spec::{Encoding, FileSpec, LastFile},
    stream::{CHUNKS, Read, Reading},
};
use crate::{
    domain::{Cause, Disposition, Fence, Grant, GrantState, Reason, digest_parts},
    ledger::{Keys, RunFacts, Suppressions},
    pipeline::{
        blocking::join_blocking,
        ending::unread,
        mode::Mode,
        opened::{Opened, own_columns},
        record_log::RecordReport,
        rendered::Renderer,
        report::{Ending, FileInfo, Progress, Report},
    },
    source::SourceError,
    storage::{Destination, FileWriter, WriteFault, Written},
};

/// What a run that writes a file needs besides its spec.
pub struct FilePorts {
    /// Where the file is written.
    pub destination: Destination,
    /// UID of the export.
    pub export: String,
    /// The file that is in place if nothing has changed: then the run looks at it, and ends.
    pub last: Option<LastFile>,
    /// The people who must not leave.
    pub suppressions: Suppressions,
    /// The keys for opaque ids of records.
    pub keys: Keys,
    /// Whether the integration permits the file.
    pub grant: Grant,
    /// Whether this process may write.
    pub fence: Fence,
    /// Where progress is reported.
    pub progress: watch::Sender<Progress>,
    /// Renders profiles.
    pub renderer: Renderer,
    /// Takes a line for each record that is decided.
    pub report: Option<Arc<dyn RecordReport>>,
    /// Ends the run. Nothing of it appears.
    pub cancel: CancellationToken,
}

/// Runs until an ending. Never fails: every failure is an ending.
pub async fn run_file(spec: FileSpec, ports: FilePorts) -> Report {
    let progress = ports.progress.clone();
    let (url, cancel) = (ports.destination.location().to_string(), ports.cancel.clone());
    let ending = match Box::pin(attempt(spec, ports)).await {
        Ok(ending) => ending,
        // A failure while the run is being ended is not reported.
        Err(_) if cancel.is_cancelled() => Ending::Stopped,
        Err(fault) => Ending::Interrupted {
            disposition: fault.disposition(),
            message: format!("{url} {fault}"),
        },
    };
    Report { progress: progress.borrow().clone(), ending }
}

async fn attempt(mut spec: FileSpec, ports: FilePorts) -> Result<Ending, WriteFault> {
    let cancel = ports.cancel.clone();
    if let Some(last) = &ports.last {
        let Some(is_there) = cancel.run_until_cancelled(is_there(last)).await.transpose()? else {
            return Ok(Ending::Stopped);
        };
        if is_there {
            match &last.source {
                // Nothing else that decides what is in the file is unknown before a run.
                None if !spec.source.is_remote() => return Ok(Ending::SourceUnchanged),
                version => spec.source.note_applied_version(version.clone()),
            }
        }
    }
    let spec = match cancel.run_until_cancelled(open(spec)).await {
        Some(Ok(Some(spec))) => Arc::new(spec),
        Some(Ok(None)) => return Ok(Ending::SourceUnchanged),
        Some(Err(error)) => return Ok(unread(&error)),
        None => return Ok(Ending::Stopped),
    };
    let writer = match spec.mode {
        Mode::Push => {
            ports.destination.clean_up(&ports.export).await?;
            Some(ports.destination.create(&ports.export).await?)
        }
        Mode::DryRun => None,
    };
    // After the place was seen to be one that can be written: others may take a while.
    let alone = match &spec.encoding {
        // Others wait: it is in memory as a whole until it is written.
        Encoding::Pdf(_) => cancel.run_until_cancelled(ports.renderer.alone()).await,
        Encoding::Csv(_) | Encoding::Ndjson => Some(None),
    };
    let Some(_alone) = alone else { return Ok(Ending::Stopped) };
    let judge = Judge {
        keys: ports.keys.clone(),
        suppressions: ports.suppressions.clone(),
        report: ports.report.clone(),
    };
    let (sender, mut chunks) = mpsc::channel(CHUNKS);
    let chunk_sender = writer.is_some().then_some(sender);
    let thread = tokio::task::spawn_blocking({
        let (spec, cancel) = (spec.clone(), cancel.clone());
        let (progress, renderer) = (ports.progress.clone(), ports.renderer.clone());
        move || {
            let reading = Reading {
                spec: &spec,
                judge: &judge,
                renderer: &renderer,
                progress: &progress,
                cancel: &cancel,
                chunks: chunk_sender,
            };
            reading.run()
        }
    });
    let writer = match writer {
        Some(writer) => Some(stream(writer, &mut chunks, &cancel).await),
        None => None,
    };
    // The thread notices that nobody takes its rows.
    drop(chunks);
    let read = join_blocking(thread).await;
    let writer = match writer {
        Some(Ok(writer)) => writer.map(Some),
        Some(Err(fault)) => return Err(fault),
        None => Some(None),
    };
    match (writer, read) {
        (Some(writer), Some(read)) => conclude(&spec, &ports, writer, read).await,
        (Some(Some(writer)), None) => {
            writer.abort().await;
            Ok(Ending::Stopped)
        }
        (Some(None), None) | (None, _) => Ok(Ending::Stopped),
    }
}

/// Whether the file of the last run is as it was left.
async fn is_there(last: &LastFile) -> Result<bool, WriteFault> {
    let seen = last.destination.seen().await?;
    Ok(seen.is_some_and(|seen| short(&seen.version) == last.version))
}

/// A version in few characters.
fn short(version: &str) -> String {
    digest_parts([version.as_bytes()]).short()
}

/// Opens its source. `None`: it has not changed since it was applied.
pub(super) async fn open(spec: FileSpec) -> Result<Option<FileSpec<Opened>>, SourceError> {
    let read = own_columns(spec.mapping.as_ref(), spec.select.as_ref());
    let FileSpec {
        source,
        select,
        limit,
        mapping,
        encoding,
        compression,
        mode,
        guards,
        baseline,
        rows,
    } = spec;
    let opened = source.open(read).await?;
    Ok(opened.map(|source| FileSpec {
        source,
        select,
        limit,
        mapping,
        encoding,
        compression,
        mode,
        guards,
        baseline,
        rows,
    }))
}

/// Writes what arrives. `None`: it was cancelled, and the file was given up.
async fn stream(
    mut writer: FileWriter,
    chunks: &mut mpsc::Receiver<bytes::Bytes>,
    cancel: &CancellationToken,
) -> Result<Option<FileWriter>, WriteFault> {
    loop {
        let Some(next) = cancel.run_until_cancelled(chunks.recv()).await else {
            writer.abort().await;
            return Ok(None);
        };
        let Some(bytes) = next else { return Ok(Some(writer)) };
        let Some(written) = cancel.run_until_cancelled(writer.write(bytes)).await else {
            writer.abort().await;
            return Ok(None);
        };
        written?;
    }
}

/// Puts the file in place, unless something is wrong with what was read.
async fn conclude(
    spec: &FileSpec<Opened>,
    ports: &FilePorts,
    writer: Option<FileWriter>,
    read: Read,
) -> Result<Ending, WriteFault> {
    let Read { mut progress, rows, altered, fault, refused } = read;
    let refused = refused.map(|Cause { reason, message }| {
        let url = ports.destination.location();
        let message = format!("{url} was not written: {message}");
        Ending::Interrupted { disposition: Disposition::Stalled { reason }, message }
    });
    let refusal = refused.or_else(|| refusal(spec, &progress, rows, fault)).or_else(|| {
        // The one who withdrew it reports why.
        let may = ports.grant.state() == GrantState::Valid && ports.fence.holds();
        (!may || ports.cancel.is_cancelled()).then_some(Ending::Stopped)
    });
    if let Some(ending) = refusal {
        ports.progress.send_replace(progress);
        if let Some(writer) = writer {
            writer.abort().await;
        }
        return Ok(ending);
    }
    ports.progress.send_replace(progress.clone());
    if let Some(writer) = writer {
        let counts = progress.counts;
        if rows == 0 && counts.invalid > 0 && counts.suppressed == 0 {
            // Every record is rejected: that does not replace a file. Where somebody must not leave, the
            // file that is there may hold them.
            writer.abort().await;
            return Ok(Ending::Completed);
        }
        let written = writer.finish().await?;
        let url = ports.destination.location().to_string();
        let Written { bytes, sha256, version } = written;
        let version = short(&version);
        progress.file = Some(FileInfo { url, rows, altered, bytes, sha256, version }.into());
    }
    progress.counts.created = rows;
    ports.progress.send_replace(progress);
    Ok(Ending::Completed)
}

/// Why nothing may be written of what was read, if so.
pub(super) fn refusal(
    spec: &FileSpec<Opened>,
    progress: &Progress,
    rows: u64,
    fault: Option<SourceError>,
) -> Option<Ending> {
    let read = progress.counts.read;
    let is_empty = fault.as_ref().is_none_or(SourceError::is_empty);
    if read == 0 && is_empty {
        return spec.guards.empty(0).map(Ending::SourceFailed);
    }
    if let Some(error) = fault {
        return Some(unread(&error));
    }
    let facts = RunFacts { read: spec.baseline, ..RunFacts::default() };
    let mut exceeded = spec.guards.on_source(read, facts);
    // A lower limit is meant, and people who must not leave have to disappear.
    let had = spec.rows.map(|had| spec.limit.map_or(had, |limit| had.min(limit)));
    exceeded.extend(spec.guards.on_rows(rows, progress.counts.suppressed, had));
    if exceeded.is_empty() {
        return None;
    }
    let message = format!(
        "{}. Nothing was written, and the file is as it was; change spec.guards if this is right",
        exceeded.join("; ")
    );
    let disposition = Disposition::Stalled { reason: Reason::GuardTripped };
    Some(Ending::Interrupted { disposition, message })
}
