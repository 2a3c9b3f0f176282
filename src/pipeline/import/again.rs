//! A window that a process declared and may not have delivered: its people are read by id and decided on
//! again, in the same order, so that people who did not change since are delivered with the same bytes. Makes
//! requests.

use std::collections::HashSet;

use futures::{StreamExt as _, stream};

use super::{feed::Feed, halt::Halt, sink::Sink, work::Work};
use crate::{
    domain::ClinchId,
    ledger::{DeclaredWindow, ImportEntry, ImportMarks, Revision, SegmentStore},
};

/// How many people are read at a time.
const AT_A_TIME: usize = 8;

impl<F: Feed, K: Sink, S: SegmentStore> Work<'_, F, K, S> {
    /// Delivers the window once more. The sink may have it, and may not. So everybody in it counts as
    /// emitted with values that are not known: who is there is emitted, and who is gone gets a tombstone,
    /// even if nothing else is known of them.
    pub(super) async fn deliver_again(&mut self, window: DeclaredWindow) -> Result<(), Halt> {
        self.facts.batch = window.batch.saturating_sub(1);
        let mut seen = HashSet::new();
        let mut maybe = Vec::new();
        for (id, person) in window.people {
            if seen.insert(id.clone()) {
                let (revision, marks) = (Revision::default(), ImportMarks::EMITTED);
                maybe.push(ImportEntry { id, revision, person, marks, trace: None });
            }
        }
        for entry in &maybe {
            self.people.put(&self.keys, entry);
        }
        let (feed, cancel) = (self.feed, self.cancel);
        let ids: Vec<ClinchId> = maybe.iter().map(|entry| entry.id.clone()).collect();
        let mut reads = stream::iter(ids)
            .map(|id| async move {
                let read = feed.get(&id).await;
                (id, read)
            })
            .buffered(AT_A_TIME);
        loop {
            self.check()?;
            let next = cancel.run_until_cancelled(reads.next()).await;
            let Some((id, read)) = next.ok_or(Halt::Stopped)? else { break };
            self.read_by_id(&id, read, false).await?;
        }
        drop(reads);
        // Who could not be read, or is not to be delivered any more, stays known like this.
        for entry in maybe {
            if self.people.get(&self.keys, &entry.id).as_ref() == Some(&entry) {
                self.pending.know(entry);
            }
        }
        self.commit().await?;
        if self.facts.batch < window.batch {
            // Nothing of it is to be delivered any more. Its number is not used again.
            self.facts.batch = window.batch;
            self.store(Vec::new(), None).await?;
        }
        Ok(())
    }
}
