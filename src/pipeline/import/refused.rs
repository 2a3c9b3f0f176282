//! People whom the sink refuses are known as before: they are delivered again when they are read again.
//! Pure, but for what it notes in the run.

use super::{pending::Pending, report::ImportFailure, sink::Refused, work::Work};
use crate::ledger::{ImportEntry, ImportMarks, Revision};

impl<F, K, S> Work<'_, F, K, S> {
    /// Takes back what was decided on these people. This run does not offer them again.
    pub(super) fn refuse(&mut self, refused: Vec<Refused>, pending: &mut Pending) {
        for Refused { at, id, cause } in refused {
            let gone = |entry: &ImportEntry| {
                entry.id == id && entry.marks.contains(ImportMarks::TOMBSTONED)
            };
            let counts = &mut self.progress.counts;
            let count = if pending.entries.iter().any(gone) {
                &mut counts.tombstones
            } else {
                &mut counts.emitted
            };
            *count = count.saturating_sub(1);
            counts.failed += 1;
            pending.entries.retain(|entry| entry.id != id);
            let before = pending.before.get(at).cloned().flatten();
            // Somebody who was never delivered is as good as unknown.
            let before = before.unwrap_or_else(|| ImportEntry {
                id: id.clone(),
                revision: Revision::default(),
                person: None,
                marks: ImportMarks::default(),
                trace: None,
            });
            self.people.put(&self.keys, &before);
            self.refused.insert(&id);
            self.progress.fail(ImportFailure {
                record: Some(self.keys.record_id(&id)),
                place: None,
                cause,
            });
        }
    }
}
