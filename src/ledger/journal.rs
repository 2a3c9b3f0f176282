//! The order in which segments are stored, and which of them are still needed. Does I/O through the
//! store only. A queued segment is kept until it is stored, even if a call fails or is dropped: the
//! write is repeated byte for byte, and recognised if it had taken place.

use std::{collections::VecDeque, time::Duration};

use thiserror::Error;

use super::{
    Base, Encoded, Keys, Ledger, Segment, SegmentError, SegmentStore, StoreError, base::BasePlan,
    reader::Reader, sighting::Sighting, state::Changes,
};
use crate::domain::{Disposition, Reason};

/// More segments of changes than this cause a rewrite, whatever the size of the ledger.
pub const JOURNAL_MAX_DELTAS: usize = 64;
/// Up to this many cause no rewrite, unless they have more entries than the ledger.
const FEW_DELTAS: usize = 8;
/// A larger gap is left for nobody: what asks for it cannot be right.
const MAX_GAP: u64 = 1 << 32;
/// Positions are signed numbers in the cluster.
const MAX_SEQ: u64 = i64::MAX as u64;

/// What failed between a journal and its store. Its text includes the cause.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JournalError {
    /// The segments could not be read.
    #[error("the ledger cannot be read: {0}")]
    List(#[source] StoreError),
    /// A segment could not be stored; it stays queued.
    #[error("ledger segment {seq} cannot be stored: {source}")]
    Write {
        /// Its position.
        seq: u64,
        /// Why.
        source: StoreError,
    },
    /// A segment that is no longer needed could not be deleted; this is retried later.
    #[error("ledger segment {seq} cannot be deleted: {source}")]
    Delete {
        /// Its position.
        seq: u64,
        /// Why.
        source: StoreError,
    },
    /// No run can have stored a segment at this position, and none could be stored after it.
    #[error(
        "ledger segment {seq} cannot belong to this ledger: no run reaches that number. Delete it: it is \
         the CandidateLedger whose name ends in -{seq}, or the file or object {seq:020}.ledger; then set \
         the annotation clinch.hireez.dev/reconcile-requested-at"
    )]
    Absurd {
        /// The position.
        seq: u64,
    },
    /// Another process stored a segment at this position: the run must restart.
    #[error("ledger segment {seq} was written by another process")]
    Fenced {
        /// The position.
        seq: u64,
    },
}

impl JournalError {
    /// What the owner of the run does next.
    pub const fn disposition(&self) -> Disposition {
        match self {
            Self::List(source) | Self::Write { source, .. } | Self::Delete { source, .. } => {
                source.disposition()
            }
            Self::Absurd { .. } => Disposition::Stalled { reason: Reason::LedgerRefused },
            Self::Fenced { .. } => Disposition::retry(Reason::InternalError),
        }
    }
}

/// A ledger as found in its store.
#[derive(Debug)]
pub struct Opened<S> {
    /// What is known.
    pub ledger: Ledger,
    /// Writes more segments.
    pub journal: Journal<S>,
    /// Segments that could not be used, by position. Not an error: their content is unknown.
    pub ignored: Vec<(u64, SegmentError)>,
}

impl<S> Opened<S> {
    /// Whether a segment is missing or unusable that may have declared a window. One with other keys is of
    /// another account; if no segment at all can be read, this is the ledger of something else, or lost.
    pub fn may_lack_a_window(&self) -> bool {
        let is_foreign = |(_, fault): &&(u64, SegmentError)| *fault == SegmentError::ForeignKey;
        let foreign = self.ignored.iter().filter(is_foreign).count();
        self.ignored.len() < self.journal.current.len() && self.journal.flaws > foreign
    }
}

/// The segments of one export: those stored and those queued.
#[derive(Debug)]
pub struct Journal<S> {
    store: S,
    keys: Keys,
    next_seq: u64,
    /// The position after the last segment stored.
    end: u64,
    queue: VecDeque<Queued>,
    /// Stored and needed.
    current: Vec<u64>,
    /// Stored and no longer needed.
    obsolete: Vec<u64>,
    deltas: usize,
    delta_entries: u64,
    /// Gaps and unusable segments since the base.
    flaws: usize,
    /// Some segments were written with the earlier keys.
    outdated: bool,
    /// What the last segment says, if it is nothing but a sighting.
    sighting: Option<Sighting>,
}

#[derive(Debug)]
enum Queued {
    Segment(Encoded),
    /// Encoded one part at a time, so that it is never in memory as a whole.
    Base(BasePlan),
}

impl<S: SegmentStore> Journal<S> {
    /// The journal of a ledger with nothing stored.
    pub(super) fn new(store: S, keys: Keys) -> Self {
        Self {
            store,
            keys,
            next_seq: 0,
            end: 0,
            queue: VecDeque::new(),
            current: Vec::new(),
            obsolete: Vec::new(),
            deltas: 0,
            delta_entries: 0,
            flaws: 0,
            outdated: false,
            sighting: None,
        }
    }

    /// Reads a ledger, one segment at a time. Writes nothing.
    pub async fn open(store: S, keys: Keys) -> Result<Opened<S>, JournalError> {
        let mut present = store.list().await.map_err(JournalError::List)?;
        present.sort_unstable();
        if let Some(seq) = absurd(&present) {
            return Err(JournalError::Absurd { seq });
        }
        let mut reader = Reader::new(&store, &keys);
        let base = reader.latest_base(&present).await.map_err(JournalError::List)?;
        let first = base.map_or(0, |(first, _)| first);
        let needed = present.split_off(present.partition_point(|seq| *seq < first));
        let next_seq = needed.last().map_or(0, |seq| seq.saturating_add(1));
        let (mut expected, after_base) =
            base.map_or((0, 0), |(first, parts)| (first, first.saturating_add(parts.into())));
        let (mut ledger, mut ignored) = (Ledger::default(), Vec::new());
        let (mut deltas, mut delta_entries, mut flaws) = (0, 0, 0);
        let mut sighting = None;
        for &seq in &needed {
            let segment = reader.read(seq).await.map_err(JournalError::List)?;
            // The lost segment may have overridden any entry before it.
            if seq != expected || segment.is_err() {
                ledger.distrust();
                flaws += 1;
            }
            expected = seq.saturating_add(1);
            sighting = segment.as_ref().ok().and_then(|segment| segment.sighting);
            match segment {
                Ok(segment) => {
                    if seq >= after_base {
                        deltas += 1;
                        delta_entries += segment.entries.len() as u64;
                    }
                    ledger.merge(segment);
                }
                Err(fault) => ignored.push((seq, fault)),
            }
        }
        ledger.distrust_undecided();
        let outdated = reader.met_earlier();
        if outdated {
            ledger.note_earlier();
        }
        let journal = Self {
            next_seq: next_seq.min(MAX_SEQ),
            end: next_seq.min(MAX_SEQ),
            current: needed,
            obsolete: present,
            deltas,
            delta_entries,
            flaws,
            outdated,
            sighting,
            ..Self::new(store, keys)
        };
        Ok(Opened { ledger, journal, ignored })
    }

    /// The position of the next segment to be queued.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The keys of this export.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whether segments are missing or unusable: one of them may have declared a window.
    pub fn is_flawed(&self) -> bool {
        self.flaws > 0
    }

    /// Queues what the ledger has not stored yet; returns the number of entries.
    pub fn queue_changes(&mut self, ledger: &mut Ledger) -> usize {
        let Changes { entries, window, facts } = ledger.take_changes();
        let count = entries.len();
        let window = window.as_deref();
        let segments = Segment::encode_changes(&self.keys, self.next_seq, entries, window, facts);
        if let Some(last) = segments.last() {
            self.next_seq = last.seq.saturating_add(1).min(MAX_SEQ);
        }
        self.queue.extend(segments.into_iter().map(Queued::Segment));
        count
    }

    /// The position after the last segment stored.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Whether the last segment is a sighting: nobody was pushed since.
    pub fn ends_with_a_sighting(&self) -> bool {
        self.sighting.is_some()
    }

    /// For how long the process that pushed last is known to have ended, if the ledger shows that, and is no
    /// copy.
    pub async fn ended_for(&self) -> Result<Option<Duration>, JournalError> {
        let (Some(sighting), [.., before, _]) = (self.sighting, &self.current[..]) else {
            return Ok(None);
        };
        let placed = self.store.placed_at(*before).await.map_err(JournalError::List)?;
        let is_original = placed == Some(sighting.placed);
        let now = self.store.moment().filter(|_| is_original);
        Ok(now.and_then(|now| now.since(sighting.at)))
    }

    /// Stores that the process that pushed last was seen to have ended now, where a later process can use it.
    /// Nothing may be queued. Before anybody is pushed, the people must be declared again.
    pub async fn sight_end(&mut self, ledger: &Ledger) -> Result<(), JournalError> {
        let (Some(at), Some(last)) = (self.store.moment(), self.current.last()) else {
            return Ok(());
        };
        let placed = self.store.placed_at(*last).await.map_err(JournalError::List)?;
        let Some(placed) = placed else { return Ok(()) };
        let sighting = Sighting { at, placed };
        let segment = Segment::encode_sighting(&self.keys, self.next_seq, sighting);
        self.next_seq = self.next_seq.saturating_add(1).min(MAX_SEQ);
        self.queue.push_back(Queued::Segment(segment));
        self.flush(ledger).await?;
        self.sighting = Some(sighting);
        Ok(())
    }

    /// Forgets which values were written, for this process and for every later one: leaves a gap in the
    /// positions, which reaches `at_least`, and queues a segment after it. The gap lasts until the ledger
    /// is rewritten. Nothing may be queued.
    pub fn distrust(&mut self, ledger: &mut Ledger, at_least: u64) {
        ledger.distrust();
        if self.end == 0 {
            // There is nothing before the gap.
            return;
        }
        let gap = self.next_seq.saturating_add(1);
        let far = if at_least - at_least.min(gap) > MAX_GAP { 0 } else { at_least };
        self.next_seq = gap.max(far).min(MAX_SEQ);
        self.flaws += 1;
        ledger.declare_again();
        self.queue_changes(ledger);
    }

    /// Queues a rewrite of the whole ledger, which makes everything stored before it obsolete. The
    /// ledger must not change until the rewrite is stored.
    pub fn queue_base(&mut self, ledger: &mut Ledger) {
        // They are part of the base.
        drop(ledger.take_changes());
        let plan = BasePlan::of(ledger, self.next_seq);
        self.next_seq = self.next_seq.saturating_add(plan.parts().into()).min(MAX_SEQ);
        self.queue.push_back(Queued::Base(plan));
    }

    /// Whether a ledger of `live` entries should be rewritten: because its changes have more entries
    /// than it or are too many segments for its size, because of gaps or unusable segments, or
    /// because of segments written with the earlier keys.
    pub fn compaction_due(&self, live: usize) -> bool {
        let live = live as u64;
        self.flaws > 0
            || self.outdated
            || self.deltas > JOURNAL_MAX_DELTAS
            || self.delta_entries > live
            || (self.deltas > FEW_DELTAS && self.delta_entries * 2 > live)
    }

    /// Stores what is queued, in order. Can be called again after it failed or was dropped.
    pub async fn flush(&mut self, ledger: &Ledger) -> Result<(), JournalError> {
        while let Some(next) = self.queue.front_mut() {
            let (segment, is_last) = match next {
                Queued::Segment(segment) => (segment.clone(), true),
                Queued::Base(plan) => (plan.part(ledger, &self.keys), plan.at_last()),
            };
            self.store(&segment).await?;
            match self.queue.front_mut() {
                Some(Queued::Base(plan)) if !is_last => plan.advance(),
                _ => drop(self.queue.pop_front()),
            }
            self.note_stored(&segment);
        }
        Ok(())
    }

    async fn store(&self, segment: &Encoded) -> Result<(), JournalError> {
        let seq = segment.seq;
        match self.store.create(seq, segment.bytes.clone()).await {
            Ok(()) => Ok(()),
            Err(StoreError::AlreadyExists) => {
                let stored = self.store.read(seq).await.map_err(JournalError::List)?;
                if stored.as_ref() == Some(&segment.bytes) {
                    return Ok(());
                }
                Err(JournalError::Fenced { seq })
            }
            Err(source) => Err(JournalError::Write { seq, source }),
        }
    }

    fn note_stored(&mut self, stored: &Encoded) {
        self.current.push(stored.seq);
        self.sighting = None;
        self.end = stored.seq.saturating_add(1).min(MAX_SEQ);
        let Some(Base { part, parts }) = stored.base else {
            self.deltas += 1;
            self.delta_entries += u64::from(stored.count);
            return;
        };
        if part + 1 == parts {
            let first = stored.seq - u64::from(part);
            let (needed, obsolete) = self.current.drain(..).partition(|seq| *seq >= first);
            self.current = needed;
            self.obsolete.extend::<Vec<u64>>(obsolete);
            (self.deltas, self.delta_entries, self.flaws) = (0, 0, 0);
            self.outdated = false;
        }
    }

    /// Deletes segments that are no longer needed. A failure is harmless: they are overridden.
    pub async fn sweep(&mut self) -> Result<(), JournalError> {
        while let Some(&seq) = self.obsolete.last() {
            let deleted = self.store.delete(seq).await;
            deleted.map_err(|source| JournalError::Delete { seq, source })?;
            self.obsolete.pop();
        }
        Ok(())
    }
}

/// The first position behind a gap that no run leaves.
pub(super) fn absurd(sorted: &[u64]) -> Option<u64> {
    let before = std::iter::once(&0).chain(sorted);
    let mut gaps = sorted.iter().zip(before);
    gaps.find(|(seq, before)| **seq - **before > MAX_GAP).map(|(seq, _)| *seq)
}
