//! Decodes and encodes on a blocking thread, while the bytes are written elsewhere. A few chunks are in
//! memory at a time.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    encode::{Encoded, Encoder, Finished},
    rows::{Judge, Rows},
    spec::FileSpec,
};
use crate::{
    domain::Cause,
    pipeline::{opened::Opened, rendered::Renderer, report::Progress},
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
    /// Why the rows cannot be a file. The source was not read any further.
    pub(super) refused: Option<Cause>,
}

/// A source that is read, and where its rows go.
pub(super) struct Reading<'a> {
    pub(super) spec: &'a FileSpec<Opened>,
    pub(super) judge: &'a Judge,
    pub(super) renderer: &'a Renderer,
    pub(super) progress: &'a watch::Sender<Progress>,
    pub(super) cancel: &'a CancellationToken,
    /// Absent where nothing is written.
    pub(super) chunks: Option<mpsc::Sender<Bytes>>,
}

impl Reading<'_> {
    /// Reads the source. `None`: it was cancelled, or nobody takes the rows any more.
    pub(super) fn run(self) -> Option<Read> {
        let mut rows = Rows::of(self.spec, self.judge);
        let mut encoder = Encoder::of(self.spec, self.renderer);
        let encodes = self.chunks.is_some() || encoder.foretells();
        let (mut count, mut fault, mut refused) = (0, None, None);
        let mut waiting = VecDeque::new();
        while let Some(next) = rows.next() {
            if self.cancel.is_cancelled() {
                return None;
            }
            match next {
                Ok((written, row)) => {
                    waiting.push_back(written);
                    match encodes.then(|| encoder.row(&row)).transpose() {
                        Ok(encoded) => {
                            let Encoded { piece, people } = encoded.unwrap_or_else(Encoded::of_one);
                            piece.into_iter().try_for_each(|piece| self.send(piece))?;
                            rows.written(&mut waiting, &people);
                        }
                        Err(cause) => {
                            refused = Some(cause);
                            break;
                        }
                    }
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
        let altered = encoder.altered();
        if refused.is_none() {
            fault = fault.or_else(|| rows.count_rest()).or_else(|| rows.is_nobody());
            if encodes {
                match encoder.finish() {
                    Ok(Finished { pieces, people }) => {
                        pieces.into_iter().try_for_each(|piece| self.send(piece))?;
                        rows.written(&mut waiting, &people);
                    }
                    Err(cause) => refused = Some(cause),
                }
            }
        }
        Some(Read { progress: rows.finish(), rows: count, altered, fault, refused })
    }

    /// `None`: nobody takes it any more.
    fn send(&self, piece: Bytes) -> Option<()> {
        self.chunks.as_ref().map_or(Some(()), |chunks| chunks.blocking_send(piece).ok())
    }
}
