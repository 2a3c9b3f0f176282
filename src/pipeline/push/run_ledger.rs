//! The ledger of a run and how it is kept: a window is declared before it is pushed, and what
//! became of it is written down. I/O through the store only.

use std::collections::HashSet;

use tokio_util::sync::CancellationToken;

use super::crm::{Crm, CrmFailure};
use crate::{
    ledger::{Entry, Journal, KeyHash, Keys, Ledger, MAX_WINDOW, Opened, SegmentStore},
    pipeline::work::Work,
};

/// The ledger and how it is kept.
pub(super) struct RunLedger<S> {
    pub(super) ledger: Ledger,
    journal: Journal<S>,
    /// Left undecided by an earlier run, and by this one so far.
    carried: HashSet<KeyHash>,
    /// Pushed by this run, or about to be, and not decided.
    open: HashSet<KeyHash>,
    /// A segment cannot be read that may have declared a window.
    flawed: bool,
}

impl<S: SegmentStore> RunLedger<S> {
    /// Reads the ledger.
    pub(super) async fn open(store: S, keys: Keys) -> Result<Self, CrmFailure> {
        let Opened { ledger, journal, ignored } =
            Journal::open(store, keys).await.map_err(CrmFailure::from)?;
        for (seq, fault) in ignored {
            // Not an error: what the segment knew is checked in Clinch again.
            tracing::warn!(seq, %fault, "a ledger segment cannot be used");
        }
        let carried = ledger.undecided().clone();
        if !carried.is_empty() {
            let records = carried.len();
            tracing::info!(records, "an earlier run left records undecided; they are checked");
        }
        let flawed = journal.is_flawed();
        Ok(Self { ledger, journal, carried, open: HashSet::new(), flawed })
    }

    /// Waits until requests that an earlier run may have sent show their effect. Lists and look-ups
    /// from before would miss people who are just being created. `ended`: that run ended in this
    /// process, and its requests with it; of another process any request may still be under way.
    pub(super) async fn await_the_past(
        &self,
        crm: &impl Crm,
        ended: bool,
        cancel: &CancellationToken,
    ) {
        if self.flawed || !self.carried.is_empty() {
            let wait = if ended {
                crm.lookup_delay()
            } else {
                crm.longest_request().max(crm.lookup_delay())
            };
            let records = self.carried.len();
            tracing::info!(
                records,
                seconds = wait.as_secs(),
                "waiting for earlier requests to end"
            );
            let _ = tokio::time::timeout(wait, cancel.cancelled()).await;
        }
    }

    /// Whether a push of this person may have begun before, and has no known outcome.
    pub(super) fn was_undecided(&self, key: &KeyHash) -> bool {
        self.flawed || self.carried.contains(key)
    }

    /// Stores whose push is about to begin, and whatever waits.
    pub(super) async fn declare<'a>(
        &mut self,
        window: impl IntoIterator<Item = &'a Work>,
    ) -> Result<(), CrmFailure> {
        self.open.extend(window.into_iter().map(|work| work.key_hash));
        let room = MAX_WINDOW.saturating_sub(self.open.len());
        let carried = self.carried.difference(&self.open).take(room);
        self.ledger.declare(self.open.iter().chain(carried).copied().collect());
        self.checkpoint().await
    }

    /// Takes back that a record's push is about to begin.
    pub(super) fn withdraw(&mut self, work: &Work) {
        self.open.remove(&work.key_hash);
    }

    /// Notes what became of a record. One whose person is known is decided, whatever became of
    /// the steps that follow: those are looked for before they are done.
    pub(super) fn note(&mut self, work: &Work, entry: Option<&Entry>, decided: bool) {
        if let Some(entry) = entry {
            self.ledger.record(entry);
        }
        if decided || entry.is_some() {
            self.open.remove(&work.key_hash);
            self.carried.remove(&work.key_hash);
        }
    }

    /// Stores what is new.
    pub(super) async fn checkpoint(&mut self) -> Result<(), CrmFailure> {
        self.journal.queue_changes(&mut self.ledger);
        self.journal.flush(&self.ledger).await.map_err(CrmFailure::from)
    }

    /// Stores what is new, closes the window and tidies up. Of a run that went through to its
    /// end nothing is left undecided.
    pub(super) async fn seal(&mut self, through: bool) -> Result<(), CrmFailure> {
        if through {
            self.carried.clear();
        }
        self.declare([]).await?;
        if self.journal.compaction_due(self.ledger.len()) {
            self.journal.queue_base(&mut self.ledger);
            self.journal.flush(&self.ledger).await.map_err(CrmFailure::from)?;
        }
        if let Err(error) = self.journal.sweep().await {
            // Harmless: what is left over is overruled, and swept another time.
            tracing::warn!(%error, "old ledger segments were not deleted");
        }
        Ok(())
    }
}
