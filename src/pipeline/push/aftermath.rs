//! Checks after a run has created people: whether the list it relied on was right, and who is in Clinch
//! more than once. Makes requests; writes nothing. Nobody is ever merged.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures::{StreamExt as _, stream};
use tokio::time::Instant;

use super::{
    census::Snapshot,
    crm::{Crm, CrmFailure, Lookup, unless_paused},
    guard::PeopleGuard,
};
use crate::{
    domain::MatchKey,
    ledger::Keys,
    pipeline::{report::Doubled, work::Work},
};

/// One in this many people who were created on the strength of a list is looked up at the end.
const SAMPLE_ONE_IN: u64 = 100;
/// After a foreign change all of them are looked up, up to this many of the latest.
const LATEST: usize = 10_000;

/// The people a run created.
#[derive(Debug, Default)]
pub(super) struct Creations {
    noted: Mutex<Noted>,
    /// Serialises creates that rely on look-ups before those are proved.
    trial: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Noted {
    /// Whether a create has set out to prove look-ups.
    proving: bool,
    /// Whether a look-up missed a person who was just created.
    look_up_missed: bool,
    /// Whether a request has no known outcome and may still be under way.
    timed_out: bool,
    /// Until when somebody cannot be decided, because a request for them may be carried out.
    undecidable_until: Option<Instant>,
    /// How many creates relied on a list.
    on_list: u64,
    sampled: Vec<MatchKey>,
    latest: VecDeque<MatchKey>,
}

impl Creations {
    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the person of a record was created.
    pub(super) fn note(&self, work: &Work, on_list: bool) {
        let mut noted = self.lock();
        if on_list {
            if noted.on_list.is_multiple_of(SAMPLE_ONE_IN) {
                noted.sampled.push(work.key.clone());
            }
            noted.on_list += 1;
        }
        // Also those who were looked up: another program that works through the same people may have
        // created them between look-up and create.
        noted.latest.push_back(work.key.clone());
        if noted.latest.len() > LATEST {
            noted.latest.pop_front();
        }
    }

    /// Waits until no other create relies on unproved look-ups.
    pub(super) async fn trial(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.trial.lock().await
    }

    /// Whether to prove look-ups with the person just created; true once.
    pub(super) fn try_prove(&self) -> bool {
        !std::mem::replace(&mut self.lock().proving, true)
    }

    /// The person just created could not be used for that.
    pub(super) fn prove_later(&self) {
        self.lock().proving = false;
    }

    /// Notes that a look-up missed a person who was just created.
    pub(super) fn note_look_up_missed(&self) {
        self.lock().look_up_missed = true;
    }

    /// Whether a look-up missed a person who was just created.
    pub(super) fn look_up_missed(&self) -> bool {
        self.lock().look_up_missed
    }

    /// Notes that a request was not answered in time.
    pub(super) fn note_timed_out(&self) {
        self.lock().timed_out = true;
    }

    /// Notes that somebody cannot be decided before then.
    pub(super) fn note_undecidable(&self, until: Instant) {
        let mut noted = self.lock();
        noted.undecidable_until = noted.undecidable_until.max(Some(until));
    }

    /// Until when somebody cannot be decided.
    pub(super) fn undecidable_until(&self) -> Option<Instant> {
        self.lock().undecidable_until
    }

    /// Whether a request may still be under way.
    pub(super) fn may_be_under_way(&self) -> bool {
        self.lock().timed_out
    }

    /// Compares the total again and looks up a sample of the people created on the strength of
    /// `snapshot`; if somebody else changed the account since, or one of them was found more than once,
    /// everybody the run created. Always looks up `suspects`.
    pub(super) async fn examine<C: Crm>(
        &self,
        crm: &C,
        account: &PeopleGuard,
        keys: &Keys,
        snapshot: Option<Snapshot>,
        suspects: Vec<MatchKey>,
        max_in_flight: usize,
    ) -> Result<Doubled, CrmFailure> {
        let rested = self.lock().on_list > 0;
        let mut doubtful: HashSet<MatchKey> = suspects.into_iter().collect();
        if let Some(snapshot) = snapshot.filter(|_| rested) {
            if account.census.is_current(snapshot) {
                unless_paused(crm, || account.census.close(crm)).await?;
            }
            let noted = self.lock();
            doubtful.extend(noted.sampled.iter().cloned());
            if !account.census.is_current(snapshot) {
                doubtful.extend(noted.latest.iter().cloned());
            }
        }
        if let Some(seen) = account.look_ups.doubled() {
            let noted = self.lock();
            // Something in between sends creates again, or another program works through the same people.
            if noted.latest.contains(&seen) {
                doubtful.extend(noted.latest.iter().cloned());
            }
        }
        let mut doubled = Doubled::default();
        look_up(crm, keys, doubtful, max_in_flight, &mut doubled).await?;
        if let Some(snapshot) = snapshot.filter(|_| rested && doubled.found > 0)
            && account.census.is_current(snapshot)
        {
            // The list missed a person who was there: everything that relied on it is in doubt.
            account.census.invalidate();
            let latest: HashSet<MatchKey> = self.lock().latest.iter().cloned().collect();
            look_up(crm, keys, latest, max_in_flight, &mut doubled).await?;
        }
        doubled.records.sort_unstable();
        Ok(doubled)
    }
}

/// Looks people up and notes who is there more than once.
async fn look_up(
    crm: &impl Crm,
    keys: &Keys,
    people: HashSet<MatchKey>,
    max_in_flight: usize,
    doubled: &mut Doubled,
) -> Result<(), CrmFailure> {
    // In the same order each time.
    let mut people: Vec<_> = people.into_iter().collect();
    people.sort_unstable_by(|one, other| one.expose().cmp(other.expose()));
    let looked_up = stream::iter(people).map(|key| async move {
        let found = unless_paused(crm, || crm.find(&key)).await;
        (key, found)
    });
    let mut looked_up = looked_up.buffer_unordered(max_in_flight);
    while let Some((key, found)) = looked_up.next().await {
        match found {
            Ok(Lookup::Several(_)) => doubled.note(keys.record_id(&key)),
            // Somebody who cannot be looked up is reported with their record.
            Ok(_) | Err(CrmFailure::Record(_)) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}
