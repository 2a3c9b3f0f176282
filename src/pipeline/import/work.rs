//! A run in progress: what is known, what waits to be delivered, and the one place where both are stored.
//! Delivers through the sink and stores through the journal.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    capacity::Capacity,
    halt::Halt,
    own::{FindExports, Own, OwnWrites},
    pending::Pending,
    refusals::Refusals,
    report::{ImportFailure, ImportMode, ImportProgress, LastFullScan, LastManifest},
    sink::Sink,
    spec::ImportSpec,
};
use crate::{
    domain::{ClinchId, Clock, Fence, Grant, GrantState},
    ledger::{
        DeclaredWindow, ImportFacts, ImportJournal, ImportKeys, ImportPart, ImportedPeople,
        SegmentStore, Suppressions,
    },
    mapping::MembersRead,
};

/// What a run needs besides its spec.
pub struct ImportPorts<F, K, S> {
    /// Reads Clinch.
    pub feed: F,
    /// Takes what is emitted.
    pub sink: K,
    /// Keeps what is known.
    pub store: S,
    /// The most people that the store may hold, if there is a limit.
    pub known_max: Option<u64>,
    /// The keys of the import.
    pub keys: ImportKeys,
    /// The people who must not be written to Clinch; those seen as anonymised are added.
    pub suppressions: Suppressions,
    /// What becomes of people as exports wrote them.
    pub own: OwnWrites<S>,
    /// Whether the integration permits the import.
    pub grant: Grant,
    /// Whether this process may write.
    pub fence: Fence,
    /// When the last complete full scan began that the import has reported, if there was one, in seconds
    /// since 1970 by Clinch's clock.
    pub reported_scan: Option<i64>,
    /// The clock.
    pub clock: Clock,
    /// Where progress is reported.
    pub progress: watch::Sender<ImportProgress>,
    /// Ends the run at the border of a batch.
    pub cancel: CancellationToken,
}

/// The people whom a run has seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    hasher: RandomState,
    ids: HashSet<u64>,
}

impl Seen {
    /// Notes a person; true if they were not seen before.
    pub(super) fn insert(&mut self, id: &ClinchId) -> bool {
        self.ids.insert(self.hasher.hash_one(id.as_str()))
    }

    /// Forgets a person.
    pub(super) fn remove(&mut self, id: &ClinchId) {
        self.ids.remove(&self.hasher.hash_one(id.as_str()));
    }

    pub(super) fn contains(&self, id: &ClinchId) -> bool {
        self.ids.contains(&self.hasher.hash_one(id.as_str()))
    }

    pub(super) fn len(&self) -> u64 {
        self.ids.len() as u64
    }
}

/// A run in progress.
pub(super) struct Work<'a, F, K, S> {
    pub(super) spec: &'a ImportSpec,
    pub(super) feed: &'a F,
    pub(super) sink: &'a K,
    /// The most people who may be known.
    pub(super) capacity: Capacity,
    pub(super) keys: ImportKeys,
    pub(super) suppressions: &'a Suppressions,
    /// Whether people as exports wrote them are left out.
    pub(super) excludes_own: bool,
    /// Finds the exports, until they were found.
    pub(super) find_exports: Option<FindExports<S>>,
    /// What they wrote.
    pub(super) own: Own,
    /// The attributes that profiles are made of.
    pub(super) reads: MembersRead,
    pub(super) grant: &'a Grant,
    pub(super) fence: &'a Fence,
    pub(super) clock: &'a Clock,
    pub(super) reported_scan: Option<i64>,
    pub(super) cancel: &'a CancellationToken,
    pub(super) reports: &'a watch::Sender<ImportProgress>,
    /// The attribute with the time of the last change, if there is one.
    pub(super) updated_at: Option<String>,
    /// Namespace and name, as every record has it.
    pub(super) name: String,
    pub(super) people: ImportedPeople,
    /// As stored, but for the run that is being closed.
    pub(super) facts: ImportFacts,
    pub(super) journal: ImportJournal<S>,
    /// The parts of this run.
    pub(super) parts: Vec<ImportPart>,
    /// The run of the last manifest that the sink has.
    pub(super) listed: Option<u64>,
    /// Whether this run has stored something.
    pub(super) begun: bool,
    pub(super) mode: ImportMode,
    pub(super) pending: Pending,
    pub(super) seen: Seen,
    /// People of a window that an earlier process declared, who were read by id and counted before the list
    /// was read.
    pub(super) resent: Seen,
    /// People whom the sink refused in this run or, if they are not offered by this one, before.
    pub(super) refused: Seen,
    pub(super) refusals: Refusals,
    /// The places on the list of people who are too large to be read.
    pub(super) too_large: HashSet<u64>,
    pub(super) progress: ImportProgress,
}

impl<F: Sync, K: Sink, S: SegmentStore> Work<'_, F, K, S> {
    /// Fails if the run has to end.
    pub(super) fn check(&self) -> Result<(), Halt> {
        let may = !self.cancel.is_cancelled() && self.grant.state() != GrantState::Revoked;
        if may { Ok(()) } else { Err(Halt::Stopped) }
    }

    /// Fails if this process may not write, or the import may not read.
    pub(super) fn check_writes(&self) -> Result<(), Halt> {
        self.check()?;
        if self.fence.holds() { Ok(()) } else { Err(Halt::Stopped) }
    }

    /// Shows how far the run is.
    pub(super) fn show(&mut self) {
        self.progress.known = self.people.live();
        self.progress.cursor = self.facts.cursor.and_then(at);
        self.progress.last_full_scan = self.facts.last_full_scan.and_then(|scan| {
            Some(LastFullScan { at: at(scan.at)?, passes: scan.passes, known: scan.known })
        });
        self.progress.last_manifest = self.facts.manifest.as_ref().map(|manifest| LastManifest {
            url: manifest.url.clone(),
            sequence: manifest.run,
            sha256: manifest.sha256.clone(),
        });
        self.reports.send_replace(self.progress.clone());
    }

    /// Delivers and stores what waits, if it is as much as a batch may be.
    pub(super) async fn commit_full(&mut self) -> Result<(), Halt> {
        if self.pending.is_full(self.sink.limits()) { self.commit().await } else { Ok(()) }
    }

    /// Delivers what waits, and then stores that it was delivered.
    pub(super) async fn commit(&mut self) -> Result<(), Halt> {
        if self.pending.is_empty() && self.pending.anonymised.is_empty() {
            return Ok(());
        }
        self.check_writes()?;
        let mut pending = std::mem::take(&mut self.pending);
        // Before anybody learns that they are gone: nobody may write them again.
        self.suppressions.record(std::mem::take(&mut pending.anonymised)).await?;
        if pending.is_empty() {
            return Ok(());
        }
        let number = self.facts.batch + 1;
        let (mut part, mut halt) = (None, None);
        if let Some(batch) = pending.take_batch(number) {
            if self.sink.is_declared_to() {
                self.begin();
                let window = DeclaredWindow { batch: number, people: pending.people(&batch) };
                self.journal.declare(window, self.facts.clone()).await?;
            }
            let mut delivered = self.sink.deliver(&batch, &mut self.refusals.patience).await?;
            part = delivered.part.take();
            self.facts.batch = delivered.last;
            halt = self.settle(delivered, &mut pending);
        }
        self.check_writes()?;
        self.store(std::mem::take(&mut pending.entries), part).await?;
        halt.map_or(Ok(()), Err)
    }

    /// Stores what is known, as part of this run.
    pub(super) async fn store(
        &mut self,
        entries: Vec<crate::ledger::ImportEntry>,
        part: Option<ImportPart>,
    ) -> Result<(), Halt> {
        self.begin();
        self.journal.append(entries, self.facts.clone(), part.clone()).await?;
        self.parts.extend(part);
        Ok(())
    }

    /// Gives the run its number, with the first thing that it stores.
    pub(super) fn begin(&mut self) {
        if !self.begun {
            self.begun = true;
            self.facts.run += 1;
            self.facts.open = true;
            self.facts.full_scan = self.mode == ImportMode::FullScan;
        }
    }

    /// Notes why a person is not emitted.
    pub(super) fn fail(&mut self, failure: ImportFailure) {
        self.progress.counts.invalid += 1;
        self.progress.fail(failure);
    }
}

/// A time in seconds since 1970.
pub(super) fn at(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok()
}
