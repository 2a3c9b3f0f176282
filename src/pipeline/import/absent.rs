//! People who are known and were not on a complete list. Absence alone proves nothing: each is read by id.
//! Makes requests.

use super::{
    feed::{Feed, FeedFault, FeedRead},
    halt::Halt,
    record::Gone,
    report::ImportFailure,
    sink::Sink,
    walk::Walked,
    work::Work,
};
use crate::{
    domain::{Cause, ClinchId, Reason},
    ledger::{HeldFact, SegmentStore},
};

/// How many more people may be missing than somebody accepted: some may be deleted meanwhile.
const SPARE: u64 = 10;

impl<F: Feed, K: Sink, S: SegmentStore> Work<'_, F, K, S> {
    /// Decides on the people who are missing, unless they are too many. `known`: how many were known before
    /// the scan. Returns how many are held back, if so.
    pub(super) async fn absent(
        &mut self,
        walked: &Walked,
        known: u64,
    ) -> Result<Option<HeldFact>, Halt> {
        debug_assert!(
            walked.complete,
            "absence from a list that was not read to its end says nothing"
        );
        let is_missing = |entry: &crate::ledger::ImportEntry| {
            entry.marks.is_live() && !self.seen.contains(&entry.id)
        };
        let absent = self.people.iter(&self.keys).filter(is_missing).count() as u64;
        let most = self.spec.max_deletions.of(known);
        if absent > most {
            if !self.is_accepted(absent) {
                return Ok(Some(self.hold(absent)));
            }
            self.progress.accepted = self.spec.accept_deletions;
        }
        let missing: Vec<ClinchId> =
            self.people.iter(&self.keys).filter(is_missing).map(|entry| entry.id).collect();
        for id in missing {
            self.check()?;
            let read = self.cancel.run_until_cancelled(self.feed.get(&id)).await;
            self.read_by_id(&id, read.ok_or(Halt::Stopped)?, true).await?;
            self.commit_full().await?;
        }
        Ok(None)
    }

    /// Decides on a person who was read by id. `counts`: as one of those whom this run has seen; otherwise they
    /// are of a window that is delivered once more.
    pub(super) async fn read_by_id(
        &mut self,
        id: &ClinchId,
        read: Result<FeedRead, FeedFault>,
        counts: bool,
    ) -> Result<(), Halt> {
        match read {
            Ok(FeedRead::Present(person)) if person.id == *id => {
                // Everybody is counted once.
                let is_new = if counts {
                    self.seen.insert(id) && !self.resent.contains(id)
                } else {
                    self.resent.insert(id)
                };
                self.progress.counts.scanned += u64::from(is_new);
                self.decide(person, is_new).await?;
            }
            // Another person answers to this id.
            Ok(FeedRead::Present(other)) => self.left(id, &Gone::Merged(other.id)),
            Ok(FeedRead::Merged(into)) => self.left(id, &Gone::Merged(into)),
            Ok(FeedRead::Gone) => self.left(id, &Gone::Deleted),
            // The next full scan asks again.
            Err(FeedFault::Person(cause)) => {
                if counts && !self.was_listed_without_name(&cause) {
                    let record = Some(self.keys.record_id(id));
                    self.fail(ImportFailure { record, place: None, cause });
                }
            }
            Err(fault) => return Err(fault.into()),
        }
        Ok(())
    }

    /// Whether a person who cannot be read is one of those whom the list could not show because they are too
    /// large: they count by their place on it.
    fn was_listed_without_name(&mut self, cause: &Cause) -> bool {
        let place = self.too_large.iter().next().copied();
        cause.reason == Reason::TooLarge && place.is_some_and(|place| self.too_large.remove(&place))
    }

    fn left(&mut self, id: &ClinchId, gone: &Gone) {
        if !self.refused.contains(id) {
            let known = self.people.get(&self.keys, id);
            self.gone(id, known, gone);
        }
    }

    /// Whether somebody accepted that so many are missing.
    fn is_accepted(&self, absent: u64) -> bool {
        self.facts.held.is_some_and(|held| {
            self.spec.accept_deletions == Some(held.run)
                && absent <= held.absent.saturating_add(SPARE)
        })
    }

    /// The number of a scan that was held back stays the same while no more people are missing, so that it
    /// can be accepted. It is never one that somebody named before: nobody accepts what they have not seen.
    fn hold(&self, absent: u64) -> HeldFact {
        let named = self.spec.accept_deletions;
        match self.facts.held {
            Some(held) if absent <= held.absent.saturating_add(SPARE) => held,
            other => {
                let run = self.facts.run + u64::from(!self.begun);
                let run = run.max(other.map_or(0, |held| held.run.saturating_add(1)));
                HeldFact { run: run.saturating_add(u64::from(named == Some(run))), absent }
            }
        }
    }
}
