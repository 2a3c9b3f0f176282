//! The two readings of a source of which each person gets a document: the first finds out who there is and
//! whose document differs, the second renders those. On a blocking thread; keeps no profile.

use std::mem;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    rows::{Judge, Row, Rows},
    sighted::{Due, Sight, Sighted, record_id},
    spec::{Encoding, FileSpec},
};
use crate::{
    domain::{Cause, Profile, Reason, RecordId},
    ledger::{FileLedger, PayloadDigest, SegmentStore},
    pipeline::{
        document::{DocumentStyle, single},
        mode::Mode,
        opened::Opened,
        rendered::Renderer,
        report::Progress,
    },
    source::SourceError,
};

/// What a reading needs.
pub(super) struct Reader<'a> {
    pub(super) spec: &'a FileSpec<Opened>,
    pub(super) judge: &'a Judge,
    pub(super) renderer: &'a Renderer,
    pub(super) cancel: &'a CancellationToken,
}

/// What the first reading has found.
pub(super) struct Surveyed {
    /// What is decided before anything is written.
    pub(super) progress: Progress,
    /// Who is in the source.
    pub(super) sighted: Sighted,
    /// Who is in it and must not leave.
    pub(super) suppressed: Vec<RecordId>,
    /// Records that may be about anybody.
    pub(super) unidentified: u64,
    /// Whose document is to be written, in the order of the source.
    pub(super) due: Vec<RecordId>,
    /// Why the source cannot be read to its end, or is of nobody.
    pub(super) fault: Option<SourceError>,
}

/// What the second reading has found.
pub(super) struct Rendered {
    pub(super) progress: Progress,
    /// How many documents could not be rendered.
    pub(super) failed: u64,
    /// Why it ended early.
    pub(super) fault: Option<ReadingFault>,
}

/// Why the second reading ended early.
pub(super) enum ReadingFault {
    /// The source cannot be read any more.
    Source(SourceError),
    /// It holds other people than in the first reading.
    Changed,
}

/// A document that is to be written.
pub(super) struct Document {
    pub(super) record: RecordId,
    pub(super) digest: PayloadDigest,
    /// Whether the person has no file yet.
    pub(super) is_new: bool,
    /// Absent if it could not be rendered.
    pub(super) bytes: Option<Bytes>,
}

/// What is known of a record without rendering it.
struct Looked {
    record: RecordId,
    digest: PayloadDigest,
    lacking: Vec<&'static str>,
}

impl Reader<'_> {
    /// The first reading. `None`: it was cancelled.
    pub(super) fn survey<S: SegmentStore>(&self, files: &FileLedger<S>) -> Option<Surveyed> {
        let judge = Judge { report: None, ..self.judge.clone() };
        let mut rows = Rows::of(self.spec, &judge);
        let (mut sighted, mut due, mut fault) = (Sighted::default(), Vec::new(), None);
        while let Some(next) = rows.next() {
            if self.cancel.is_cancelled() {
                return None;
            }
            let (written, row) = match next {
                Ok(next) => next,
                Err(error) => {
                    fault = Some(error);
                    break;
                }
            };
            let Row::Profile(profile) = row else { continue };
            let Looked { record, digest, lacking } = self.look(&written, &profile);
            match sighted.note(record, digest, files) {
                Sight::First(Due::Nothing) => rows.has_file(record, written, &lacking, true),
                Sight::First(_) => due.push(record),
                Sight::Repeated => rows.has_file(record, written, &[], true),
                Sight::Differs => rows.no_file(record, written, differs()),
            }
        }
        fault = fault.or_else(|| rows.count_rest()).or_else(|| rows.is_nobody());
        let (suppressed, unidentified) = (mem::take(&mut rows.suppressed), rows.unidentified);
        let progress = rows.finish();
        Some(Surveyed { progress, sighted, suppressed, unidentified, due, fault })
    }

    /// The second reading: renders what is due. `documents`: absent where nothing is written. `None`: it was
    /// cancelled, or nobody takes the documents any more.
    pub(super) fn render(
        &self,
        mut sighted: Sighted,
        documents: Option<&mpsc::Sender<Document>>,
    ) -> Option<Rendered> {
        let mut rows = Rows::of(self.spec, self.judge);
        let (mut failed, mut fault) = (0, None);
        while let Some(next) = rows.next() {
            if self.cancel.is_cancelled() {
                return None;
            }
            let (written, row) = match next {
                Ok(next) => next,
                Err(error) => {
                    fault = Some(ReadingFault::Source(error));
                    break;
                }
            };
            let Row::Profile(profile) = row else { continue };
            let Looked { record, digest, lacking } = self.look(&written, &profile);
            let due = match sighted.again(record, digest) {
                Some(Sight::First(Due::Nothing)) => {
                    rows.has_file(record, written, &lacking, true);
                    continue;
                }
                Some(Sight::First(due)) => due,
                Some(Sight::Repeated) => {
                    rows.has_file(record, written, &[], true);
                    continue;
                }
                Some(Sight::Differs) => {
                    rows.no_file(record, written, differs());
                    continue;
                }
                None => {
                    fault = Some(ReadingFault::Changed);
                    break;
                }
            };
            let bytes = match single(self.renderer, self.style(), &profile) {
                Ok(bytes) => {
                    rows.has_file(record, written, &lacking, false);
                    Some(Bytes::from(bytes))
                }
                Err(cause) => {
                    failed += 1;
                    rows.no_file(record, written, cause);
                    None
                }
            };
            let is_new = due == Due::New;
            match documents {
                Some(documents) => {
                    documents.blocking_send(Document { record, digest, is_new, bytes }).ok()?;
                }
                None if bytes.is_some() => rows.would_write(is_new),
                None => {}
            }
        }
        if fault.is_none() {
            fault = rows.count_rest().map(ReadingFault::Source);
        }
        Some(Rendered { progress: rows.finish(), failed, fault })
    }

    fn look(&self, written: &super::rows::Written, profile: &Profile) -> Looked {
        let preview = self.renderer.preview(profile);
        let keys = &self.judge.keys;
        let record = record_id(keys, written, profile, &preview.inputs);
        let DocumentStyle { letter, locale, .. } = self.style();
        let shown = (self.renderer.version(), letter, locale, &preview.inputs);
        Looked { record, digest: keys.payload_digest(&shown), lacking: preview.lacking }
    }

    fn style(&self) -> &DocumentStyle {
        static PLAIN: std::sync::LazyLock<DocumentStyle> =
            std::sync::LazyLock::new(DocumentStyle::default);
        match &self.spec.encoding {
            Encoding::Pdf(style) => style,
            // Not asked for.
            Encoding::Csv(_) | Encoding::Ndjson => &PLAIN,
        }
    }
}

impl Reader<'_> {
    /// Whether anything is written.
    pub(super) fn writes(&self) -> bool {
        self.spec.mode == Mode::Push
    }
}

fn differs() -> Cause {
    let message = "an earlier record names the same person, and shows something else";
    Cause::new(Reason::DuplicateInSource, message)
}
