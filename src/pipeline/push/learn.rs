//! Reads the candidate list before people are pushed, and decides what it proves.
//!
//! Who is not on the list is absent only if the list was proved to be whole: its total is given, is
//! the same on every page and equals the people seen; a second reading finds the same people; and a
//! few of the people it does not show are looked up, and are not found. Else each person is looked up
//! before they are created.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
};

use super::{
    census::{Picture, Stillness},
    crm::{Crm, CrmFailure, CrmPerson, Lookup, Read},
    guard::PeopleGuard,
    index::{Filter, PeopleIndex},
    neighbours::Neighbours,
    survey::Survey,
};
use crate::{
    domain::{ClinchId, Disposition, MatchKey, Reason},
    ledger::{KeyHash, Keys, Ledger, SegmentStore},
};

/// From how many unknown people on a list is worth its requests and those that prove it.
const WORTH_A_LIST: u64 = 10;
/// A list of no more pages than this is read while nobody is created.
const SHORT: u64 = 100;
/// How many people may have to be looked up until one of them is still there.
const WITNESSES: usize = 8;
/// How many people that a list does not show are looked up.
const SAMPLE: usize = 3;
/// What is needed to learn who of the unknown people is in Clinch already.
pub(super) struct Learning<'a, C> {
    pub(super) crm: &'a C,
    pub(super) keys: &'a Keys,
    pub(super) guard: &'a PeopleGuard,
    pub(super) look_up: bool,
}

impl<C: Crm> Learning<'_, C> {
    pub(super) async fn people<S: SegmentStore>(
        &self,
        survey: &Survey,
        ledger: &Ledger,
        neighbours: Neighbours<S>,
    ) -> Result<PeopleIndex, CrmFailure> {
        if survey.unknown == 0 {
            return Ok(PeopleIndex::default());
        }
        let includes = |key: &KeyHash| survey.people.includes(key) && !ledger.knows(key);
        let unknown = UnknownPeople {
            keys: self.keys,
            includes: &includes,
            count: survey.unknown,
            sample: &survey.sample,
            look_up: self.look_up,
        };
        let mut index = PeopleIndex::learn(self.crm, self.guard, &unknown).await?;
        let neighbours = neighbours().await.map_err(|message| CrmFailure::Everything {
            disposition: Disposition::retry(Reason::InternalError),
            message,
        })?;
        if !neighbours.is_empty() {
            let hashes: Vec<KeyHash> =
                survey.people.hashes().filter(|hash| !ledger.knows(hash)).collect();
            index.elsewhere = self.guard.directory.find(neighbours, &hashes).await?;
        }
        Ok(index)
    }
}

/// The people a run asks about: the ledger does not know them.
pub(super) struct UnknownPeople<'a> {
    pub(super) keys: &'a Keys,
    /// Whether somebody is among them.
    pub(super) includes: &'a (dyn Fn(&KeyHash) -> bool + Sync),
    /// How many they are.
    pub(super) count: u64,
    /// Some of them, from all over the source.
    pub(super) sample: &'a [(MatchKey, KeyHash)],
    /// Whether a list is never to prove that somebody is absent.
    pub(super) look_up: bool,
}

/// One reading of the list.
#[derive(Debug, Default)]
struct Reading {
    /// Fingerprints of the ids seen.
    ids: HashSet<u64>,
    /// The total on the pages; `None` when it is missing or differs.
    total: Option<u64>,
    pages: u64,
    /// The list was read to its end.
    ended: bool,
    /// Some people with a match key, whom a look-up has to find.
    witnesses: Vec<(MatchKey, ClinchId)>,
}

impl Reading {
    /// The total, if everything says that the list is whole.
    fn whole(&self) -> Option<u64> {
        self.total.filter(|total| self.ended && *total == self.ids.len() as u64)
    }
}

impl PeopleIndex {
    /// Learns what it pays to learn before people are pushed.
    pub(super) async fn learn(
        crm: &impl Crm,
        account: &PeopleGuard,
        unknown: &UnknownPeople<'_>,
    ) -> Result<Self, CrmFailure> {
        let mut index = Self::default();
        let lookups = crm.lookups();
        if lookups.is_empty() {
            return Self::everybody(crm, account, unknown).await;
        }
        let worth = unknown.count >= WORTH_A_LIST && !unknown.look_up;
        if !worth && account.is_proved(&lookups) {
            return Ok(index);
        }
        let hasher = RandomState::new();
        let mut still = if worth { Some(account.census.still().await) } else { None };
        let budget = if worth { unknown.count } else { 1 };
        let mut first = index.read(crm, unknown, &hasher, budget, None, &mut still).await?;
        if first.witnesses.is_empty() && !first.ended {
            // Nobody with an address so far: somebody may stand further on.
            first = index.read(crm, unknown, &hasher, u64::MAX, None, &mut still).await?;
            if first.witnesses.is_empty() && !first.ended {
                drop(still);
                return Self::everybody(crm, account, unknown).await;
            }
        }
        index.filter = prove(crm, account, &first, lookups).await?;
        if index.filter == Filter::Ignored {
            drop(still);
            return Self::everybody(crm, account, unknown).await;
        }
        if let Some(total) = first.whole().filter(|_| worth)
            && index.is_confirmed(crm, unknown, &hasher, &first, &mut still).await?
            && index.shows_all_of_sample(crm, unknown).await?
        {
            index.picture = agreed(crm, account, still, total).await?;
        }
        Ok(index)
    }

    /// Reads everybody, whatever it costs: for a Clinch whose look-ups are of no use.
    async fn everybody(
        crm: &impl Crm,
        account: &PeopleGuard,
        unknown: &UnknownPeople<'_>,
    ) -> Result<Self, CrmFailure> {
        let mut index = Self::without_look_ups();
        let hasher = RandomState::new();
        let mut still = Some(account.census.still().await);
        let first = index.read(crm, unknown, &hasher, u64::MAX, None, &mut still).await?;
        if let Some(total) = first.whole()
            && index.is_confirmed(crm, unknown, &hasher, &first, &mut still).await?
        {
            index.picture = agreed(crm, account, still, total).await?;
        }
        if index.picture.is_some() {
            return Ok(index);
        }
        // A total that is given and merely does not agree is that of a list that just changed.
        let disposition = match first.total {
            Some(_) => Disposition::retry(Reason::VendorUnavailable),
            None => Disposition::Stalled { reason: Reason::ContractUnsupported },
        };
        let message = "Clinch does not find people by e-mail address, and its candidate list cannot \
                       be proved to be whole: nobody can be created without the risk of a second \
                       person; set contractOverrides.filterParameter, or pageParameter and \
                       pageSizeParameter";
        Err(CrmFailure::Everything { disposition, message: message.to_owned() })
    }

    /// Reads pages while the list costs less than `budget` look-ups. With `expected`, the reading
    /// ends as soon as it shows somebody else.
    async fn read<C: Crm>(
        &mut self,
        crm: &C,
        unknown: &UnknownPeople<'_>,
        hasher: &RandomState,
        budget: u64,
        expected: Option<&HashSet<u64>>,
        still: &mut Option<Stillness<'_>>,
    ) -> Result<Reading, CrmFailure> {
        let mut reading = Reading::default();
        let mut cursor: Option<C::Cursor> = None;
        loop {
            let page = crm.scan(cursor).await?;
            reading.pages += 1;
            if reading.pages == 1 {
                reading.total = page.total;
            } else if reading.total != page.total {
                reading.total = None;
            }
            let mut strangers = false;
            for person in page.people {
                let id = hasher.hash_one(person.id.as_str());
                strangers |= expected.is_some_and(|expected| !expected.contains(&id));
                reading.ids.insert(id);
                self.take(unknown, person, &mut reading);
            }
            let Some(next) = page.next.filter(|_| !strangers) else {
                reading.ended = !strangers;
                return Ok(reading);
            };
            // Of a list that contradicts itself nothing can be proved any more.
            let Some(total) = reading.total.filter(|total| *total >= reading.ids.len() as u64)
            else {
                reading.total = None;
                return Ok(reading);
            };
            let pages = total.div_ceil(crm.page_size().max(1));
            if pages > SHORT {
                *still = None;
            }
            // It is read twice.
            if pages.saturating_mul(2) > budget || reading.pages.saturating_mul(2) >= budget {
                return Ok(reading);
            }
            cursor = Some(next);
        }
    }

    fn take(&mut self, unknown: &UnknownPeople<'_>, person: CrmPerson, reading: &mut Reading) {
        if person.anonymised {
            self.anonymised.insert(person.id);
            return;
        }
        let Some(key) = &person.key else { return };
        if reading.witnesses.len() < WITNESSES {
            reading.witnesses.push((key.clone(), person.id.clone()));
        }
        let hash = unknown.keys.key_hash(key);
        if (unknown.includes)(&hash) {
            self.note(hash, person);
        }
    }

    /// Whether a second reading shows the same people. One page cannot move while it is read.
    async fn is_confirmed(
        &mut self,
        crm: &impl Crm,
        unknown: &UnknownPeople<'_>,
        hasher: &RandomState,
        first: &Reading,
        still: &mut Option<Stillness<'_>>,
    ) -> Result<bool, CrmFailure> {
        if first.pages == 1 {
            return Ok(true);
        }
        let again = self.read(crm, unknown, hasher, u64::MAX, Some(&first.ids), still).await?;
        Ok(again.whole().is_some() && again.ids.len() == first.ids.len())
    }

    /// Whether people whom the list does not show are not found either.
    async fn shows_all_of_sample(
        &mut self,
        crm: &impl Crm,
        unknown: &UnknownPeople<'_>,
    ) -> Result<bool, CrmFailure> {
        let sample: Vec<_> =
            unknown.sample.iter().filter(|(_, hash)| !self.shows(hash)).take(SAMPLE).collect();
        for (key, hash) in sample {
            match crm.find(key).await? {
                Lookup::Nobody => {}
                Lookup::One(person) => {
                    self.note(*hash, person);
                    return Ok(false);
                }
                Lookup::Several(_) | Lookup::FilterIgnored => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Proves that look-ups are to be believed: somebody who is there is found, and nobody else is.
async fn prove(
    crm: &impl Crm,
    account: &PeopleGuard,
    reading: &Reading,
    lookups: String,
) -> Result<Filter, CrmFailure> {
    if account.is_proved(&lookups) {
        return Ok(Filter::Honoured);
    }
    for (key, id) in &reading.witnesses {
        match crm.find(key).await? {
            // Whoever has the same address is found, too.
            Lookup::One(_) | Lookup::Several(_) => {
                account.note_proved(lookups);
                return Ok(Filter::Honoured);
            }
            Lookup::FilterIgnored => return Ok(Filter::Ignored),
            Lookup::Nobody => match crm.get(id).await? {
                Read::Present(person) if person.key.as_ref() == Some(key) => {
                    return Ok(Filter::Ignored);
                }
                // Deleted or changed since the page was read: no proof, and no disproof.
                Read::Present(_) | Read::Anonymised | Read::Gone => {}
            },
        }
    }
    // Nobody is there with whom to prove it: the first person created has to.
    Ok(Filter::Honoured)
}

/// Takes a list over as the account's, unless the account changed since it was read.
async fn agreed(
    crm: &impl Crm,
    account: &PeopleGuard,
    still: Option<Stillness<'_>>,
    total: u64,
) -> Result<Option<Picture>, CrmFailure> {
    let Some(still) = still else {
        // Runs of this process went on creating while it was read: compare once more.
        let still = account.census.still().await;
        let unchanged = still.total(crm).await? == Some(total);
        return Ok(unchanged.then(|| still.believe(total)));
    };
    Ok(Some(still.believe(total)))
}
