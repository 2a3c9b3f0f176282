//! What is looked at once a run has created people: whether the list on which that rested was right,
//! and who is in Clinch more than once. Makes requests; writes nothing. Nobody is ever merged.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures::{StreamExt as _, stream};

use super::{
    census::Picture,
    crm::{Crm, CrmFailure, Lookup},
    guard::PeopleGuard,
};
use crate::{
    domain::MatchKey,
    ledger::Keys,
    pipeline::{report::Doubled, work::Work},
};

/// One of so many people whose creation rested on a list is looked up at the end.
const ONE_OF: u64 = 100;
/// After a foreign change all of them are, up to this many of the latest.
const LATEST: usize = 10_000;

/// Whom a run created.
#[derive(Debug, Default)]
pub(super) struct Creations {
    noted: Mutex<Noted>,
    /// Held by the one create at a time that rests on look-ups which were not proved yet.
    trial: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Noted {
    /// Somebody tries to prove look-ups.
    proving: bool,
    /// A look-up did not find somebody who was just created.
    unseen: bool,
    /// The outcome of a create is not known, and it may still be under way.
    timed_out: bool,
    /// How many creations rested on a list.
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
            if noted.on_list.is_multiple_of(ONE_OF) {
                noted.sampled.push(work.key.clone());
            }
            noted.on_list += 1;
        }
        // Also those who were looked up: somebody who works through the same people may have met
        // this run between look-up and create.
        noted.latest.push_back(work.key.clone());
        if noted.latest.len() > LATEST {
            noted.latest.pop_front();
        }
    }

    /// Waits until no other create rests on look-ups that were not proved yet.
    pub(super) async fn trial(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.trial.lock().await
    }

    /// Whether look-ups are to be proved with the person just created: once.
    pub(super) fn try_prove(&self) -> bool {
        !std::mem::replace(&mut self.lock().proving, true)
    }

    /// Notes that a look-up did not find somebody who was just created.
    pub(super) fn note_unseen(&self) {
        self.lock().unseen = true;
    }

    /// Whether a look-up did not find somebody who was just created.
    pub(super) fn are_unseen(&self) -> bool {
        self.lock().unseen
    }

    /// Notes that a create was not answered in time.
    pub(super) fn note_timed_out(&self) {
        self.lock().timed_out = true;
    }

    /// Whether a create may still be under way.
    pub(super) fn may_be_under_way(&self) -> bool {
        self.lock().timed_out
    }

    /// Counts once more, and looks up a sample of those created on the strength of `picture`; everybody
    /// whom the run created, if somebody else changed the account since. `suspects` are looked up in any case.
    pub(super) async fn examine<C: Crm>(
        &self,
        crm: &C,
        account: &PeopleGuard,
        keys: &Keys,
        picture: Option<Picture>,
        suspects: Vec<MatchKey>,
        at_a_time: usize,
    ) -> Result<Doubled, CrmFailure> {
        let rested = self.lock().on_list > 0;
        let mut doubtful: HashSet<MatchKey> = suspects.into_iter().collect();
        if let Some(picture) = picture.filter(|_| rested) {
            if account.census.stands(picture) {
                account.census.close(crm).await?;
            }
            let noted = self.lock();
            doubtful.extend(noted.sampled.iter().cloned());
            if !account.census.stands(picture) {
                doubtful.extend(noted.latest.iter().cloned());
            }
        }
        let mut doubled = Doubled::default();
        look_up(crm, keys, doubtful, at_a_time, &mut doubled).await?;
        if let Some(picture) = picture.filter(|_| rested && doubled.found > 0)
            && account.census.stands(picture)
        {
            // The list did not show somebody who was there: everything that rests on it is doubtful.
            account.census.doubt();
            let latest: HashSet<MatchKey> = self.lock().latest.iter().cloned().collect();
            look_up(crm, keys, latest, at_a_time, &mut doubled).await?;
        }
        doubled.records.sort_unstable();
        Ok(doubled)
    }
}

/// Notes who is there more than once.
async fn look_up(
    crm: &impl Crm,
    keys: &Keys,
    people: HashSet<MatchKey>,
    at_a_time: usize,
    doubled: &mut Doubled,
) -> Result<(), CrmFailure> {
    let looked_up = stream::iter(people).map(|key| async move {
        let found = crm.find(&key).await;
        (key, found)
    });
    let mut looked_up = looked_up.buffer_unordered(at_a_time);
    while let Some((key, found)) = looked_up.next().await {
        if let Lookup::Several(_) = found? {
            doubled.note(keys.record_id(&key));
        }
    }
    Ok(())
}
