//! People whom the sink refuses. What it took of them before stays known, and that it refused them is
//! stored: later runs offer them after everybody else, so that they hold nobody up. Makes requests.

use std::collections::HashMap;

use super::{
    feed::Feed,
    halt::Halt,
    pending::{Offered, Pending},
    report::ImportFailure,
    sink::{Delivered, Sink},
    work::Work,
};
use crate::{
    domain::{Cause, ClinchId, Reason},
    ledger::{ImportEntry, ImportMarks, Revision, SegmentStore},
};

/// How many people are read by id before they are offered again.
const AT_A_TIME: usize = 100;

impl<F: Sync, K: Sink, S: SegmentStore> Work<'_, F, K, S> {
    /// Whether the sink refused exactly this of a person before, and they wait until everybody else was
    /// offered. `revision`: zero for a tombstone.
    pub(super) fn is_refused(&self, known: &ImportEntry, revision: Revision) -> bool {
        !self.refusals.again
            && known.marks.contains(ImportMarks::REFUSED)
            && known.revision == revision
    }

    /// Leaves a person out until everybody else was offered. Until then they count as refused before.
    pub(super) fn put_off(&mut self, id: &ClinchId) {
        if !self.refused.insert(id) {
            return;
        }
        self.progress.counts.refused_before += 1;
        let message =
            "the endpoint refused the record in an earlier run; this run did not offer it";
        self.list_refused(id, Cause::new(Reason::SinkRejected, message));
        self.refusals.put_off(id);
    }

    /// Counts who was delivered, and takes back what was decided on the others. Returns why the run ends,
    /// if it does.
    pub(super) fn settle(&mut self, delivered: Delivered, pending: &mut Pending) -> Option<Halt> {
        let from = delivered.gave_up.as_ref().map_or(usize::MAX, |gave_up| gave_up.from);
        let mut refused = delivered.refused.into_iter().peekable();
        // Somebody may have two records, of which the second was decided as if the first were delivered.
        let (mut taken_back, mut unknown) = (HashMap::new(), Vec::new());
        let all = std::mem::take(&mut pending.offered).into_iter().enumerate();
        for (at, Offered { before, entry }) in all {
            let offered = &pending.entries[entry];
            let gone = offered.marks.contains(ImportMarks::TOMBSTONED);
            let refused = refused.next_if(|refused| refused.at == at);
            if refused.is_none() && at < from {
                let counts = &mut self.progress.counts;
                let count = if gone { &mut counts.tombstones } else { &mut counts.emitted };
                *count += 1;
                taken_back.remove(&offered.id);
                continue;
            }
            let before = taken_back.remove(&offered.id).unwrap_or(before);
            let known = before.is_some();
            // Somebody who was never delivered is as good as unknown.
            let before = before.unwrap_or_else(|| ImportEntry {
                id: offered.id.clone(),
                revision: Revision::default(),
                person: None,
                marks: ImportMarks::default(),
                trace: None,
            });
            let id = before.id.clone();
            let after = if let Some(refused) = refused {
                let revision = if gone { Revision::default() } else { offered.revision };
                let (person, marks) = (offered.person, before.marks.with(ImportMarks::REFUSED));
                self.refused.insert(&id);
                self.count_refused(&id, refused.cause);
                ImportEntry { revision, person, marks, ..before }
            } else {
                if self.refusals.again {
                    self.put_off(&id);
                }
                if !known {
                    unknown.push(entry);
                }
                before
            };
            let stored = after.marks.contains(ImportMarks::REFUSED) || known;
            taken_back.insert(id, stored.then(|| after.clone()));
            self.people.put(&self.keys, &after);
            pending.entries[entry] = after;
        }
        for entry in unknown.into_iter().rev() {
            pending.entries.remove(entry);
        }
        let gave_up = delivered.gave_up?;
        if self.refusals.again {
            self.refusals.gave_up = true;
            return None;
        }
        let (disposition, message) = (gave_up.disposition, gave_up.message);
        Some(Halt::Unstored { disposition, message })
    }

    fn count_refused(&mut self, id: &ClinchId, cause: Cause) {
        self.progress.counts.failed += 1;
        self.list_refused(id, cause);
    }

    fn list_refused(&mut self, id: &ClinchId, cause: Cause) {
        let record = Some(self.keys.record_id(id));
        self.progress.fail(ImportFailure { record, place: None, cause });
    }

    /// They are about to be offered: what becomes of them is counted then.
    fn uncount_put_off(&mut self, id: &ClinchId) {
        self.refused.remove(id);
        let counts = &mut self.progress.counts;
        counts.refused_before = counts.refused_before.saturating_sub(1);
        self.progress.unfail(self.keys.record_id(id));
    }
}

impl<F: Feed, K: Sink, S: SegmentStore> Work<'_, F, K, S> {
    /// Offers the people whom the sink refused before, now that everybody else was offered. If it refuses
    /// them again, the rest of them wait for a later run, which offers them in another order.
    pub(super) async fn offer_again(&mut self) -> Result<(), Halt> {
        if self.refusals.has_nobody() {
            return Ok(());
        }
        self.commit().await?;
        for id in self.refusals.begin_again() {
            self.check()?;
            let read = self.cancel.run_until_cancelled(self.feed.get(&id)).await;
            let read = read.ok_or(Halt::Stopped)?;
            self.uncount_put_off(&id);
            self.read_by_id(&id, read, true).await?;
            // Whether the others are worth a request is soon known.
            if self.pending.ids.len() >= AT_A_TIME {
                self.commit().await?;
            }
            self.commit_full().await?;
            if self.refusals.gave_up {
                break;
            }
        }
        self.commit().await?;
        self.refusals.again = false;
        Ok(())
    }
}
