//! The beginning and the end of a run: what an interrupted one left is put in order, and what this one
//! delivered is listed. Delivers through the sink and stores through the journal.

use super::{
    halt::Halt,
    report::{ImportCounts, ImportMode},
    sink::{Manifest, Sink, SinkPosition},
    walk::Walked,
    work::{Work, at},
};
use crate::ledger::{
    FullScanFact, HeldFact, ImportFacts, ImportPart, ImportedPeople, ManifestFact, SegmentStore,
};

/// An incremental run that read more pages stores its cursor even if nothing else changed: what it read
/// would be read again.
const FEW_PAGES: u64 = 2;

impl<F: Sync, K: Sink, S: SegmentStore> Work<'_, F, K, S> {
    /// Puts in order what earlier runs left. `left`: the parts of a run that has not ended. `lost`: why
    /// what was known cannot be used, if so.
    pub(super) async fn recover(
        &mut self,
        left: Vec<ImportPart>,
        lost: Option<String>,
    ) -> Result<(), Halt> {
        let position = self.sink.position().await?;
        self.listed = position.map(|position| position.run);
        let SinkPosition { run, batch } = position.unwrap_or_default();
        let behind = run > self.facts.run || batch > self.facts.batch;
        let last = self.facts.last_full_scan.map(|scan| scan.at).max(self.facts.lost_after);
        if lost.is_some() || behind || last < self.reported_scan {
            let nothing = "nothing is known of earlier runs any more";
            let older = "what is known of earlier runs is older than what they delivered";
            let why = if self.facts == ImportFacts::default() { nothing } else { older };
            self.progress.state_lost = Some(lost.unwrap_or_else(|| why.to_owned()));
            self.journal.start_over();
            self.people = ImportedPeople::default();
            let lost_after = self.reported_scan;
            self.facts = ImportFacts { run, batch, lost_after, ..ImportFacts::default() };
        }
        let leftovers = self.sink.leftovers(self.facts.batch).await?;
        if !leftovers.is_empty() {
            self.check_writes()?;
            // A process that still works on them cannot list them any more.
            self.journal.append(Vec::new(), self.facts.clone(), None).await?;
            self.sink.remove(&leftovers).await?;
        }
        if self.facts.open {
            self.list(left, false, None).await?;
            self.facts.open = false;
            self.journal.append(Vec::new(), self.facts.clone(), None).await?;
        }
        Ok(())
    }

    /// Delivers the index of parts, if there are any.
    async fn list(
        &mut self,
        parts: Vec<ImportPart>,
        complete: bool,
        counts: Option<ImportCounts>,
    ) -> Result<(), Halt> {
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return Ok(()) };
        let run = self.facts.run;
        let mode =
            if self.facts.full_scan { ImportMode::FullScan } else { ImportMode::Incremental };
        let previous = self.facts.manifest.as_ref().map(|manifest| manifest.run);
        let manifest = Manifest {
            import: self.name.clone(),
            run,
            previous: previous.or(self.listed.filter(|listed| *listed < run)),
            mode,
            complete,
            cursor: self.facts.cursor.and_then(at).map(|at| at.to_string()),
            from_batch: first.batch,
            to_batch: last.batch,
            parts,
            counts,
        };
        self.check_writes()?;
        if let Some(listed) = self.sink.close(&manifest).await? {
            let (url, sha256) = (listed.url, listed.sha256);
            self.facts.manifest = Some(ManifestFact { run, url, sha256 });
        }
        Ok(())
    }

    /// Ends a run that has seen everybody it had to.
    pub(super) async fn close_complete(&mut self, walked: &Walked) -> Result<(), Halt> {
        self.commit().await?;
        let began = walked.began.as_second();
        let quiet = !self.begun && self.mode == ImportMode::Incremental;
        if quiet && walked.pages <= FEW_PAGES {
            return Ok(());
        }
        self.begin();
        self.facts.cursor = self.facts.cursor.max(Some(began));
        if self.mode == ImportMode::FullScan {
            let known = self.people.live();
            self.facts.last_full_scan =
                Some(FullScanFact { at: began, passes: walked.passes, known });
            self.facts.settings.clone_from(&self.spec.digest);
            self.facts.scan_due = false;
            self.facts.held = None;
        }
        self.end(true).await
    }

    /// Ends a run that has not, or whose missing people are held back. The next one is a full scan.
    pub(super) async fn close_incomplete(&mut self, held: Option<HeldFact>) -> Result<(), Halt> {
        self.commit().await?;
        let known = self.facts.scan_due && (held.is_none() || self.facts.held == held);
        if !self.begun && known {
            return Ok(());
        }
        self.begin();
        self.facts.scan_due = true;
        self.facts.held = held.or(self.facts.held);
        self.end(false).await
    }

    /// Ends a run that could not read on: what it delivered is listed. What waits is dropped, and decided
    /// again by the next run.
    pub(super) async fn close_early(&mut self) -> Result<(), Halt> {
        if self.begun { self.end(false).await } else { Ok(()) }
    }

    async fn end(&mut self, complete: bool) -> Result<(), Halt> {
        let parts = std::mem::take(&mut self.parts);
        let counts = self.progress.counts;
        self.list(parts, complete, Some(counts)).await?;
        self.check_writes()?;
        self.facts.open = false;
        self.journal.append(Vec::new(), self.facts.clone(), None).await?;
        // Who waits is known in memory, and was not delivered: a new base would say that they were.
        if self.pending.is_empty() && self.journal.rewrite_due(self.people.len()) {
            self.journal.rewrite(&self.people, &self.facts).await?;
        }
        self.journal.sweep().await?;
        Ok(())
    }
}
