//! Brings the documents of people in place and deletes those of people who left, a few at a time. What may
//! be there is stored before it is written.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{reading::Document, sighted::Sighted};
use crate::{
    domain::{Disposition, Fence, Grant, GrantState, RecordId},
    ledger::{FileLedger, NoFiles, PayloadDigest, SegmentStore},
    pipeline::report::{FilesInfo, Progress},
    storage::{ConnectedSet, WriteFault},
};

/// How many files are written or deleted at a time.
const AT_A_TIME: usize = 4;
/// After how many files what was written is stored. A process that is killed writes so many again, at most.
const WINDOW: usize = 1024;
/// The same for files that are deleted.
const DELETED_WINDOW: usize = 256;

/// How long files that are on their way may take when a run is ended.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);

/// A file that was written: whose, what it shows, whether there was none before, its size.
type Put = Result<(RecordId, PayloadDigest, bool, u64), WriteFault>;

/// A document that could not be rendered.
struct Unrendered {
    record: RecordId,
    is_new: bool,
}

/// Why files cannot be written or deleted now.
pub(super) enum Fault {
    /// A file cannot be written or deleted.
    Write(WriteFault),
    /// What is known of the files cannot be read or stored.
    Unknown(NoFiles),
    /// The source does not hold who was in it a moment ago.
    SourceChanged,
    /// The run is over: ended, or not permitted any more. The one who withdrew it reports why.
    Stopped,
}

impl From<WriteFault> for Fault {
    fn from(fault: WriteFault) -> Self {
        Self::Write(fault)
    }
}

impl From<NoFiles> for Fault {
    fn from(fault: NoFiles) -> Self {
        Self::Unknown(fault)
    }
}

/// The files of an export, while a run changes them.
pub(super) struct Delivery<S> {
    pub(super) set: ConnectedSet,
    pub(super) known: FileLedger<S>,
    /// UID of the export.
    pub(super) owner: String,
    pub(super) grant: Grant,
    pub(super) fence: Fence,
    pub(super) cancel: CancellationToken,
    pub(super) progress: watch::Sender<Progress>,
    /// Files of people who had none, and of people whose file showed something else.
    pub(super) written: (u64, u64),
    /// Files of people who left.
    pub(super) deleted: u64,
    /// How many of these could not be deleted, and why the first of them could not.
    pub(super) denied: Option<(u64, WriteFault)>,
}

impl<S: SegmentStore> Delivery<S> {
    fn may(&self) -> Result<(), Fault> {
        let may = self.grant.state() == GrantState::Valid && self.fence.holds();
        if may && !self.cancel.is_cancelled() { Ok(()) } else { Err(Fault::Stopped) }
    }

    /// Everybody who has a file and is not in the source any more.
    pub(super) fn gone(&self, sighted: &Sighted) -> Vec<RecordId> {
        self.known.records().filter(|record| !sighted.has(*record)).collect()
    }

    /// Deletes the files of these people, of those who have one. A right that is missing is noted, and keeps
    /// nothing else from being done.
    pub(super) async fn delete(&mut self, mut people: Vec<RecordId>) -> Result<(), Fault> {
        people.retain(|record| self.known.may_have(*record));
        people.sort_unstable();
        people.dedup();
        for window in people.chunks(DELETED_WINDOW) {
            let mut fault = None;
            let mut waiting = window.iter().copied();
            let mut in_flight = FuturesUnordered::new();
            loop {
                while in_flight.len() < AT_A_TIME
                    && fault.is_none()
                    && self.may().is_ok()
                    && let Some(record) = waiting.next()
                {
                    let set = self.set.clone();
                    in_flight.push(async move { (record, set.delete(&record.to_string()).await) });
                }
                let Some((record, deleted)) = in_flight.next().await else { break };
                match deleted {
                    Ok(()) => {
                        self.known.deleted(record);
                        self.deleted += 1;
                    }
                    Err(why) if is_denied(&why) => {
                        self.denied.get_or_insert((0, why)).0 += 1;
                    }
                    Err(why) => fault = Some(why),
                }
            }
            self.store().await?;
            if let Some(fault) = fault {
                return Err(fault.into());
            }
            self.may()?;
        }
        Ok(())
    }

    /// Writes the documents that arrive: those of these records, in this order.
    pub(super) async fn write(
        &mut self,
        due: &[RecordId],
        documents: &mut mpsc::Receiver<Document>,
    ) -> Result<(), Fault> {
        for window in due.chunks(WINDOW) {
            self.may()?;
            self.known.begin(window).await?;
            let written = self.write_window(window.len(), documents).await;
            if let Err(fault) = written {
                // What was written need not be written again.
                self.store().await.ok();
                return Err(fault);
            }
        }
        Ok(())
    }

    async fn write_window(
        &mut self,
        count: usize,
        documents: &mut mpsc::Receiver<Document>,
    ) -> Result<(), Fault> {
        let mut in_flight = FuturesUnordered::new();
        let written = self.write_all(count, documents, &mut in_flight).await;
        if written.is_err() {
            let settled = async {
                while let Some(put) = in_flight.next().await {
                    self.note(put).ok();
                }
            };
            // What is on its way is there in a moment.
            tokio::time::timeout(SETTLE_TIMEOUT, settled).await.ok();
        }
        written
    }

    async fn write_all(
        &mut self,
        count: usize,
        documents: &mut mpsc::Receiver<Document>,
        in_flight: &mut FuturesUnordered<BoxFuture<'static, Put>>,
    ) -> Result<(), Fault> {
        let (cancel, mut waiting) = (self.cancel.clone(), count);
        loop {
            while in_flight.len() < AT_A_TIME && waiting > 0 {
                let next = cancel.run_until_cancelled(documents.recv()).await;
                let document = next.ok_or(Fault::Stopped)?.ok_or(Fault::SourceChanged)?;
                waiting -= 1;
                self.may()?;
                match self.put(document) {
                    Ok(put) => in_flight.push(put),
                    // There is no file, and none that may be there.
                    Err(Unrendered { record, is_new: true }) => self.known.deleted(record),
                    Err(Unrendered { is_new: false, .. }) => {}
                }
            }
            let next = cancel.run_until_cancelled(in_flight.next()).await;
            let Some(put) = next.ok_or(Fault::Stopped)? else { return Ok(()) };
            self.note(put)?;
        }
    }

    fn put(&self, document: Document) -> Result<BoxFuture<'static, Put>, Unrendered> {
        let Document { record, digest, is_new, bytes } = document;
        let bytes = bytes.ok_or(Unrendered { record, is_new })?;
        let (set, owner, size) = (self.set.clone(), self.owner.clone(), bytes.len() as u64);
        Ok(Box::pin(async move {
            let put = set.put(&record.to_string(), bytes, &owner).await;
            put.map(|()| (record, digest, is_new, size))
        }))
    }

    fn note(&mut self, put: Put) -> Result<(), WriteFault> {
        let (record, digest, is_new, size) = put?;
        self.known.written(record, digest, size);
        let (created, updated) = &mut self.written;
        *if is_new { created } else { updated } += 1;
        let (created, updated) = self.written;
        self.progress.send_modify(|progress| {
            (progress.counts.created, progress.counts.updated) = (created, updated);
        });
        Ok(())
    }

    /// Stores what was done, unless another process may have begun.
    async fn store(&mut self) -> Result<(), Fault> {
        if !self.fence.holds() {
            return Err(Fault::Stopped);
        }
        Ok(self.known.store().await?)
    }

    /// Stores the rest. `people`: who has a file as the source asks.
    pub(super) async fn close(&mut self, url: Arc<str>, people: u64) -> Result<FilesInfo, Fault> {
        if !self.fence.holds() {
            return Err(Fault::Stopped);
        }
        self.known.close().await?;
        let (files, bytes) = self.known.totals();
        Ok(FilesInfo { url, people, files, bytes, deleted: self.deleted })
    }
}

/// Whether somebody has to change something before it can be done.
fn is_denied(fault: &WriteFault) -> bool {
    matches!(fault.disposition(), Disposition::Stalled { .. })
}
