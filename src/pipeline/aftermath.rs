//! What is looked at once a run has created people: whether the list on which that rested was right,
//! and who is in Clinch more than once. Makes requests; writes nothing. Nobody is ever merged.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures::{StreamExt as _, stream};

use super::{
    census::Picture,
    crm::{Crm, CrmFailure, Found},
    guard::PeopleGuard,
    push::Work,
    report::Doubled,
};
use crate::{
    domain::{ClinchId, MatchKey},
    ledger::Keys,
};

/// One of so many people whose creation rested on a list is looked up at the end.
const ONE_OF: u64 = 100;
/// After a foreign change all of them are, up to this many of the latest.
const LATEST: usize = 10_000;

/// Whom a run created.
#[derive(Debug, Default)]
pub(super) struct Creations(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    /// The first one.
    witness: Option<(MatchKey, ClinchId)>,
    /// How many creations rested on a list.
    on_list: u64,
    sampled: Vec<MatchKey>,
    latest: VecDeque<MatchKey>,
}

impl Creations {
    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the person of a record was created.
    pub(super) fn note(&self, work: &Work, id: &ClinchId, on_list: bool) {
        let mut noted = self.lock();
        if noted.witness.is_none() {
            noted.witness = Some((work.key.clone(), id.clone()));
        }
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

    /// Somebody who was created.
    pub(super) fn witness(&self) -> Option<(MatchKey, ClinchId)> {
        self.lock().witness.clone()
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
        let looked_up = stream::iter(doubtful).map(|key| async move {
            let found = crm.find(&key).await;
            (key, found)
        });
        let mut looked_up = looked_up.buffer_unordered(at_a_time);
        let mut doubled = Doubled::default();
        while let Some((key, found)) = looked_up.next().await {
            if let Found::Several(_) = found? {
                doubled.note(keys.record_id(&key));
            }
        }
        doubled.records.sort_unstable();
        Ok(doubled)
    }
}
