//! A run of an import, from what is known to what is delivered.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use super::{
    capacity::Capacity,
    feed::Feed,
    halt::Halt,
    own::{Own, OwnWrites},
    pending::Pending,
    refusals::Refusals,
    report::{ImportMode, ImportProgress, ImportReport},
    sink::Sink,
    spec::{Deletions, ImportSpec},
    walk::{MAX_PASSES, Walked},
    work::{ImportPorts, Seen, Work, at},
};
use crate::{
    domain::{Disposition, Reason},
    ledger::{HeldFact, ImportJournal, OpenedImport, SegmentStore},
    pipeline::report::Ending,
};

/// How far before the cursor changes are asked for: they may become visible late.
const OVERLAP: SignedDuration = SignedDuration::from_mins(5);

/// Runs until an ending. Never fails: every failure is an ending.
pub async fn run_import<F, K, S>(spec: ImportSpec, ports: ImportPorts<F, K, S>) -> ImportReport
where
    F: Feed,
    K: Sink,
    S: SegmentStore,
{
    let progress = ports.progress.clone();
    let cancel = ports.cancel.clone();
    let ending = match Box::pin(attempt(&spec, ports)).await {
        Ok(ending) => ending,
        // A failure while the run is being ended is not reported.
        Err(_) if cancel.is_cancelled() => Ending::Stopped,
        Err(Halt::Stopped) => Ending::Stopped,
        Err(Halt::Unread { disposition, message } | Halt::Unstored { disposition, message }) => {
            Ending::Interrupted { disposition, message }
        }
    };
    ImportReport { progress: progress.borrow().clone(), ending }
}

async fn attempt<F, K, S>(spec: &ImportSpec, ports: ImportPorts<F, K, S>) -> Result<Ending, Halt>
where
    F: Feed,
    K: Sink,
    S: SegmentStore,
{
    let OpenedImport { people, facts, parts, declared, lost, journal } =
        ImportJournal::open(ports.store, ports.keys.clone()).await?;
    let (excludes_own, find_exports) = match ports.own {
        OwnWrites::Include => (false, None),
        OwnWrites::Exclude(find) => (true, Some(find)),
    };
    let mut work = Work {
        spec,
        feed: &ports.feed,
        sink: &ports.sink,
        capacity: Capacity::of(ports.known_max),
        keys: ports.keys,
        suppressions: &ports.suppressions,
        excludes_own,
        find_exports,
        own: Own::default(),
        reads: spec.mapping.reads(),
        grant: &ports.grant,
        fence: &ports.fence,
        clock: &ports.clock,
        reported_scan: ports.reported_scan,
        cancel: &ports.cancel,
        reports: &ports.progress,
        updated_at: ports.feed.updated_at().map(str::to_owned),
        name: spec.import.to_string(),
        people,
        facts,
        journal,
        parts: Vec::new(),
        listed: None,
        begun: false,
        mode: ImportMode::FullScan,
        pending: Pending::default(),
        seen: Seen::default(),
        resent: Seen::default(),
        refused: Seen::default(),
        refusals: Refusals::default(),
        too_large: HashSet::new(),
        progress: ImportProgress::default(),
    };
    work.show();
    work.recover(parts, lost).await?;
    if let Some(declared) = declared.filter(|_| work.progress.state_lost.is_none()) {
        work.deliver_again(declared).await?;
    }
    // Not before: until then, the number is that of the window.
    work.facts.batch = work.facts.batch.max(ports.sink.before_batches_of_run());
    let ended = work.read().await;
    if matches!(ended, Err(Halt::Unread { .. })) {
        // Whatever becomes of it, the next run puts it in order.
        let closed = work.close_early().await;
        tracing::debug!(closed = closed.is_ok(), "a run of an import that was interrupted");
    }
    work.show();
    ended
}

impl<F: Feed, K: Sink, S: SegmentStore> Work<'_, F, K, S> {
    async fn read(&mut self) -> Result<Ending, Halt> {
        let reason = self.why_everybody().await?;
        let (mode, reason) = match reason {
            Some(reason) => (ImportMode::FullScan, reason),
            None => (ImportMode::Incremental, "changes since the last run"),
        };
        self.mode = mode;
        (self.progress.mode, self.progress.mode_reason) = (mode, reason);
        let since = self.since();
        let (known, confirm) = (self.people.live(), self.facts.last_full_scan.is_none());
        let mut walked = self.walk(since, confirm).await?;
        if since.is_some_and(|since| walked.began < since) {
            // What changes now has a time before the one that was asked for.
            self.mode = ImportMode::FullScan;
            self.progress.mode = self.mode;
            self.progress.mode_reason = "the clock of Clinch went back";
            walked = self.walk(None, confirm).await?;
        }
        self.offer_again().await?;
        if !walked.complete {
            self.close_incomplete(None).await?;
            self.progress.unlisted = walked.unlisted;
            return Ok(if walked.unlisted.is_some() {
                // To read it again would show the same.
                Ending::Completed
            } else {
                unsettled(&walked)
            });
        }
        if self.mode == ImportMode::FullScan && self.spec.deletions == Deletions::Tombstone {
            let held = self.absent(&walked, known).await?;
            if let Some(held) = held {
                self.close_incomplete(Some(held)).await?;
                return Ok(held_back(held, known, self.spec.accept_deletions));
            }
            // Tombstones of some of them.
            self.offer_again().await?;
        }
        self.close_complete(&walked).await?;
        Ok(Ending::Completed)
    }

    /// The time since which changes are asked for, if they are.
    fn since(&self) -> Option<Timestamp> {
        let cursor = self.facts.cursor.and_then(at)?;
        let since = cursor.saturating_sub(OVERLAP).unwrap_or(cursor);
        (self.mode == ImportMode::Incremental).then_some(since)
    }

    /// Why everybody has to be read, if so.
    async fn why_everybody(&self) -> Result<Option<&'static str>, Halt> {
        let Some(last) = self.facts.last_full_scan else {
            return Ok(Some("there was no complete full scan so far"));
        };
        if self.facts.settings != self.spec.digest {
            return Ok(Some("mapping, selection or permitted attributes changed"));
        }
        if self.facts.scan_due {
            return Ok(Some("the last run did not see everybody"));
        }
        let age = self.clock.now().as_second().saturating_sub(last.at);
        if u64::try_from(age).is_ok_and(|age| age >= self.spec.full_scan_interval.as_secs()) {
            return Ok(Some("spec.fullScanInterval has passed"));
        }
        if self.facts.cursor.is_none() {
            return Ok(Some("there is no cursor"));
        }
        Ok(self.feed.lists_changes().await?.err())
    }
}

fn unsettled(walked: &Walked) -> Ending {
    let message = if walked.passes < MAX_PASSES {
        "the list of people has many more pages than its total allows, so that it cannot be read to its \
         end; what was read is delivered, and nobody counts as deleted"
            .to_owned()
    } else {
        format!(
            "the list of people was read {MAX_PASSES} times and was different each time, or its total \
             is not the number of people on it; what was read is delivered, and nobody counts as \
             deleted. It is read again"
        )
    };
    Ending::Interrupted { disposition: Disposition::retry(Reason::SourceUnsettled), message }
}

/// `named`: by the annotation.
fn held_back(held: HeldFact, known: u64, named: Option<u64>) -> Ending {
    let HeldFact { run, absent } = held;
    let other = named.map(|named| format!(", instead of \"{named}\", which accepts nothing"));
    let other = other.unwrap_or_default();
    let message = format!(
        "{absent} of {known} people are not on the list of Clinch any more, which is more than \
         spec.maxDeletions; nobody counts as deleted. If this is right, set the annotation \
         clinch.hireez.dev/accept-deletions: \"{run}\"{other}"
    );
    Ending::Interrupted {
        disposition: Disposition::Stalled { reason: Reason::DeletionsHeld },
        message,
    }
}
