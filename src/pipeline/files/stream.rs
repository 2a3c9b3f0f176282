//! Decodes and encodes on a blocking thread, while the bytes are written elsewhere. A few chunks are in
//! memory at a time.

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    encode::Encoder,
    rows::{Judge, Rows},
    spec::FileSpec,
};
use crate::{
    pipeline::{opened::Opened, report::Progress},
    source::SourceError,
};

/// How many chunks wait to be written.
pub(super) const CHUNKS: usize = 4;
/// After how many records progress is reported.
const PROGRESS_EVERY: u64 = 4096;

/// What reading a source to its end has found.
pub(super) struct Read {
    /// What became of the records. Those to be written are pending.
    pub(super) progress: Progress,
    /// How many rows there are.
    pub(super) rows: u64,
    /// How many items of lists were altered.
    pub(super) altered: u64,
    /// Why the source cannot be read to its end, or is of nobody.
    pub(super) fault: Option<SourceError>,
}

/// A source that is read, and where its rows go.
pub(super) struct Reading<'a> {
    pub(super) spec: &'a FileSpec<Opened>,
    pub(super) judge: &'a Judge,
    pub(super) progress: &'a watch::Sender<Progress>,
    pub(super) cancel: &'a CancellationToken,
    /// Absent where nothing is written.
    pub(super) chunks: Option<mpsc::Sender<Bytes>>,
}

impl Reading<'_> {
    /// Reads the source. `None`: it was cancelled, or nobody takes the rows any more.
    pub(super) fn run(self) -> Option<Read> {
        let mut rows = Rows::of(self.spec, self.judge);
        let mut encoder = Encoder::of(self.spec);
        let (mut count, mut fault) = (0, None);
        while let Some(next) = rows.next() {
            if self.cancel.is_cancelled() {
                return None;
            }
            match next {
                Ok((written, row)) => {
                    if let Some(chunks) = &self.chunks
                        && let Some(piece) = encoder.row(&row)
                    {
                        chunks.blocking_send(piece).ok()?;
                    }
                    rows.written(written);
                    count += 1;
                }
                Err(error) => {
                    fault = Some(error);
                    break;
                }
            }
            if rows.progress.counts.read.is_multiple_of(PROGRESS_EVERY) {
                self.progress.send_replace(rows.progress.clone());
            }
        }
        fault = fault.or_else(|| rows.count_rest()).or_else(|| rows.is_nobody());
        let altered = encoder.altered();
        if let Some(chunks) = &self.chunks {
            chunks.blocking_send(encoder.finish()).ok()?;
        }
        Some(Read { progress: rows.finish(), rows: count, altered, fault })
    }
}
