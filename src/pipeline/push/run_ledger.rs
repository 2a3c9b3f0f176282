//! The write-ahead ledger of a run: a window is declared before it is pushed, and its outcome is
//! recorded afterwards. I/O through the store only.

use std::{collections::HashSet, time::Duration};

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    crm::{Crm, CrmFailure},
    guard::PeopleGuard,
};
use crate::{
    ledger::{Entry, Journal, KeyHash, Keys, Ledger, MAX_WINDOW, Opened, RunFacts, SegmentStore},
    pipeline::{
        mode::Mode,
        plan_digest::Admission,
        report::{Counts, Distrust, LedgerInfo, LedgerTrust, Progress},
        work::Work,
    },
};

/// A ledger with its journal and the windows declared in it.
pub(super) struct RunLedger<S> {
    pub(super) ledger: Ledger,
    journal: Journal<S>,
    /// Undecided since an earlier run, and so far in this one.
    carried: HashSet<KeyHash>,
    /// Declared by this run and not decided.
    open: HashSet<KeyHash>,
    /// Whether a segment that may declare a window cannot be read.
    flawed: bool,
    /// The position after the last segment that was found.
    found_end: u64,
}

impl<S: SegmentStore> RunLedger<S> {
    /// Opens the ledger.
    pub(super) async fn open(store: S, keys: Keys) -> Result<Self, CrmFailure> {
        let Opened { ledger, journal, ignored } =
            Journal::open(store, keys).await.map_err(CrmFailure::from)?;
        for (seq, fault) in ignored {
            // Not an error: what the segment recorded is checked in Clinch again.
            tracing::warn!(seq, %fault, "a ledger segment cannot be used");
        }
        let carried = ledger.undecided().clone();
        if !carried.is_empty() {
            let records = carried.len();
            tracing::info!(records, "an earlier run left records undecided; they are checked");
        }
        let flawed = journal.is_flawed();
        let found_end = journal.end();
        Ok(Self { ledger, journal, carried, open: HashSet::new(), flawed, found_end })
    }

    /// Forgets which values were written, if that was requested or if the ledger is older than it should
    /// be. A push records it, so that every later run knows, whatever ends this one.
    pub(super) async fn distrust(
        &mut self,
        trust: LedgerTrust,
        mode: Mode,
    ) -> Result<LedgerInfo, CrmFailure> {
        let expected = trust.end.unwrap_or_default();
        let distrust = if trust.distrust {
            Some(Distrust::Requested)
        } else {
            (expected > self.journal.end()).then_some(Distrust::LedgerBehind)
        };
        if let Some(why) = distrust {
            // What an earlier run declared may be among what is missing: anybody may be undecided.
            self.flawed |= why == Distrust::LedgerBehind;
            let people = self.ledger.len();
            tracing::warn!(?why, people, "the values in the ledger are not believed");
            if mode == Mode::DryRun {
                self.ledger.distrust();
            } else {
                self.journal.distrust(&mut self.ledger, expected);
                self.journal.flush(&self.ledger).await.map_err(CrmFailure::from)?;
            }
        }
        Ok(LedgerInfo { end: self.end(mode), people: Some(self.ledger.len() as u64), distrust })
    }

    /// Shows what the ledger holds now.
    pub(super) fn show(&self, info: &mut LedgerInfo, mode: Mode) {
        info.end = self.end(mode);
        info.people = Some(self.ledger.len() as u64);
    }

    /// The position after the last segment stored; a dry run stores none.
    pub(super) fn end(&self, mode: Mode) -> Option<u64> {
        (mode == Mode::Push).then(|| self.journal.end())
    }

    /// Waits until the requests of earlier runs of the account show their effect: a list or look-up made
    /// before could miss a person who is just being created. A run of this export that ended in this
    /// process has no request under way, unless one was not answered in time; one of another process may
    /// have. For how long that one is known to have ended is stored, so that short runs need not wait from
    /// the beginning.
    pub(super) async fn await_earlier_requests(
        &mut self,
        crm: &impl Crm,
        guard: &PeopleGuard,
        export: &str,
        progress: &watch::Sender<Progress>,
        cancel: &CancellationToken,
    ) -> Result<(), CrmFailure> {
        let doubts = &guard.doubts;
        let ended = self.was_at_rest(guard, export);
        let is_open = self.flawed || !self.carried.is_empty();
        let longest = crm.longest_request().max(crm.lookup_delay());
        let longest = if is_open && !ended {
            longest.saturating_sub(self.ended_for().await?)
        } else {
            longest
        };
        // Other exports of the account wait, too; and what is declared from now on is of this process.
        doubts.searched(export, Some((&self.carried, self.flawed)).filter(|_| !ended), longest);
        let own = match is_open {
            true if ended => crm.lookup_delay(),
            true => longest,
            false => Duration::ZERO,
        };
        let own = Instant::now() + own;
        // The run of another export may note more meanwhile.
        while !cancel.is_cancelled() {
            let wait = own.saturating_duration_since(Instant::now()).max(doubts.rest(export));
            if wait.is_zero() {
                break;
            }
            let (records, others) = (self.carried.len(), doubts.count_of_others());
            let seconds = wait.as_secs();
            tracing::info!(records, others, seconds, "waiting for earlier requests to end");
            progress.send_modify(|progress| progress.earlier_requests = Some(seconds.max(1)));
            let _ = tokio::time::timeout(wait, cancel.cancelled()).await;
            progress.send_modify(|progress| progress.earlier_requests = None);
        }
        Ok(())
    }

    /// For how long the process that pushed last is known to have ended. If that is not known, it is from
    /// now on.
    async fn ended_for(&mut self) -> Result<Duration, CrmFailure> {
        if let Some(ended) = self.journal.ended_for().await? {
            return Ok(ended);
        }
        self.journal.sight_end(&self.ledger).await?;
        Ok(Duration::ZERO)
    }

    /// Whether the latest run of the export ended in this process, left no request under way, and no other
    /// process has had the export since.
    pub(super) fn was_at_rest(&self, guard: &PeopleGuard, export: &str) -> bool {
        guard.at_rest.contains(export, self.found_end)
    }

    /// Notes that this run of the export has left no request under way.
    pub(super) fn note_at_rest(&self, guard: &PeopleGuard, export: &str) {
        guard.at_rest.insert(export, self.journal.end());
    }

    /// Whether a push of this person may have started before and has no known outcome.
    pub(super) fn was_undecided(&self, key: &KeyHash) -> bool {
        self.flawed || self.carried.contains(key)
    }

    /// Declares records that are about to be pushed, and stores what is new.
    pub(super) async fn declare<'a>(
        &mut self,
        window: impl IntoIterator<Item = &'a Work>,
    ) -> Result<(), CrmFailure> {
        self.open.extend(window.into_iter().map(|work| work.key_hash));
        let room = MAX_WINDOW.saturating_sub(self.open.len());
        let carried = self.carried.difference(&self.open).take(room);
        self.ledger.declare(self.open.iter().chain(carried).copied().collect());
        if self.journal.ends_with_a_sighting() {
            // Even if they are the same people: from now on they are this process's.
            self.ledger.declare_again();
        }
        self.checkpoint().await
    }

    /// Takes back the declaration of a record.
    pub(super) fn undeclare(&mut self, work: &Work) {
        self.open.remove(&work.key_hash);
    }

    /// Records the outcome of a record. With a known person it is decided, whatever the following
    /// steps: those are read before they are written.
    pub(super) fn note(&mut self, work: &Work, entry: Option<&Entry>, decided: bool) {
        if let Some(entry) = entry {
            self.ledger.record(entry);
        }
        if decided || entry.is_some() {
            self.open.remove(&work.key_hash);
            self.carried.remove(&work.key_hash);
        }
    }

    /// Remembers how many records a completed push has read; stored with what is stored next.
    pub(super) fn note_read(&mut self, read: u64) {
        let facts = RunFacts { read: Some(read), ..self.ledger.facts() };
        self.ledger.set_facts(facts);
    }

    /// Remembers that an approved plan is carried out from now on.
    pub(super) fn note_admitted(&mut self, admission: Admission) {
        let facts = RunFacts { admitted: Some(admission.started), ..self.ledger.facts() };
        self.ledger.set_facts(facts);
    }

    /// Remembers that an approved plan is carried out, if it was, and everything is in place. What Clinch
    /// refused is tried again by later runs, and stays approved until then.
    pub(super) fn note_carried_out(&mut self, admission: Option<Admission>, counts: &Counts) {
        let Some(admission) = admission else { return };
        if counts.failed == 0 && counts.warnings == 0 {
            let facts = RunFacts { admitted: Some(admission.used), ..self.ledger.facts() };
            self.ledger.set_facts(facts);
        }
    }

    /// Whether nothing was ever stored.
    pub(super) fn is_new(&self) -> bool {
        self.journal.end() == 0
    }

    /// Stores what is new.
    pub(super) async fn checkpoint(&mut self) -> Result<(), CrmFailure> {
        self.journal.queue_changes(&mut self.ledger);
        self.journal.flush(&self.ledger).await.map_err(CrmFailure::from)
    }

    /// Stores what is new, closes the window and compacts. A complete run leaves nothing undecided.
    pub(super) async fn seal(&mut self, complete: bool) -> Result<(), CrmFailure> {
        if complete {
            self.carried.clear();
        }
        self.declare([]).await?;
        if self.journal.compaction_due(self.ledger.len()) {
            self.journal.queue_base(&mut self.ledger);
            self.journal.flush(&self.ledger).await.map_err(CrmFailure::from)?;
        }
        if let Err(error) = self.journal.sweep().await {
            // Harmless: newer segments overrule them, and the next run sweeps again.
            tracing::warn!(%error, "old ledger segments were not deleted");
        }
        Ok(())
    }
}
