//! What was decided and is not delivered yet. Pure.

use std::collections::HashMap;

use super::sink::{Batch, BatchLimits};
use crate::{
    domain::ClinchId,
    ledger::{IMPORT_ENTRY_ROOM, ImportEntry, ImportSegment, KeyHash},
};

/// The most people whose state is stored together.
const MAX_ENTRIES: usize = 8000;

/// What is taken back if the sink refuses a record.
#[derive(Debug)]
pub(super) struct Offered {
    /// What was known of the person before.
    pub(super) before: Option<ImportEntry>,
    /// Which of the entries says that they were delivered.
    pub(super) entry: usize,
}

/// Records and states that will be delivered and stored together.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) lines: Vec<u8>,
    pub(super) ids: Vec<ClinchId>,
    /// One for each of `ids`.
    pub(super) offered: Vec<Offered>,
    pub(super) entries: Vec<ImportEntry>,
    entry_bytes: usize,
    /// People who must not be written to Clinch any more.
    pub(super) anonymised: Vec<(KeyHash, ClinchId)>,
}

impl Pending {
    /// Adds whose record was written, before what is known of them from then on is added.
    pub(super) fn offer(&mut self, id: ClinchId, before: Option<ImportEntry>) {
        self.ids.push(id);
        self.offered.push(Offered { before, entry: self.entries.len() });
    }

    /// Adds what is known of a person from now on.
    pub(super) fn know(&mut self, entry: ImportEntry) {
        self.entry_bytes += ImportSegment::size_of(&entry);
        self.entries.push(entry);
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether it has to be delivered before anything is added.
    pub(super) fn is_full(&self, limits: BatchLimits) -> bool {
        /// More than any entry takes.
        const ONE_MORE: usize = 128;
        self.ids.len() >= limits.rows
            || self.lines.len() >= limits.bytes
            || self.entries.len() >= MAX_ENTRIES
            || self.entry_bytes + ONE_MORE > IMPORT_ENTRY_ROOM
    }

    /// The people of a batch that was taken, in the order of their records.
    pub(super) fn people(&self, batch: &Batch) -> Vec<(ClinchId, Option<KeyHash>)> {
        let entries = self.entries.iter().map(|entry| (&entry.id, entry.person));
        let persons: HashMap<_, _> = entries.collect();
        batch.ids.iter().map(|id| (id.clone(), persons.get(id).copied().flatten())).collect()
    }

    /// The records as a batch, if there are any.
    pub(super) fn take_batch(&mut self, number: u64) -> Option<Batch> {
        let (ids, lines) = (std::mem::take(&mut self.ids), std::mem::take(&mut self.lines));
        (!ids.is_empty()).then(|| Batch { number, ids, lines: lines.into() })
    }
}
