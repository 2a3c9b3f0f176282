//! Reads the candidate list before people are pushed, and decides what it proves.
//!
//! A person who is not on the list is absent only if the list is proved complete: every page states the
//! same total, which equals the number of people seen; a second reading shows the same people; and a few
//! people whom the list does not show are looked up and not found. Otherwise each person is looked up
//! before they are created. Makes requests; writes nothing.

use std::{collections::HashSet, hash::RandomState, time::Duration};

use futures::{StreamExt as _, stream};
use tokio::{sync::watch, time::Instant};

use super::{
    census::{CreatesPaused, Snapshot},
    crm::{Crm, CrmFailure, CrmPerson, Lookup, unless_paused},
    guard::PeopleGuard,
    index::{Filter, PeopleIndex},
    listing::{Listing, Reading},
    look_ups::{finds, finds_nobody},
    neighbours::{Neighbours, found},
    suggestions::Wanted,
    survey::Survey,
};
use crate::{
    domain::{Disposition, MatchKey, Reason},
    ledger::{KeyHash, Keys, Ledger, SegmentStore, Table},
    pipeline::report::Progress,
};

/// The number of unknown people from which a list is worth its requests and those that prove it.
const LIST_WORTH_FROM: u64 = 10;
/// The list is read for the profiles on it if it has at most so many pages, or one for each unknown person.
const PROFILE_PAGES: u64 = 1000;
/// How many people that a list does not show are looked up at least,
const SAMPLE: usize = 10;
/// and one for this many unknown people,
const SAMPLE_ONE_IN: u64 = 200;
/// at most so many of them at once.
const SAMPLE_AT_ONCE: usize = 4;

/// Finds out who of the unknown people is in Clinch already.
pub(super) struct Learning<'a, C> {
    pub(super) crm: &'a C,
    pub(super) keys: &'a Keys,
    pub(super) guard: &'a PeopleGuard,
    pub(super) look_up: bool,
    /// The profiles that are compared, if any are.
    pub(super) profiles: Option<&'a Wanted>,
    pub(super) progress: &'a watch::Sender<Progress>,
}

impl<C: Crm> Learning<'_, C> {
    /// `of_neighbours`: the ids under which other exports know some of them.
    pub(super) async fn people(
        &self,
        survey: &Survey,
        ledger: &Ledger,
        of_neighbours: Table,
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
            profiles: self.profiles.filter(|wanted| !wanted.is_empty()),
            reads_page: &|page| {
                self.progress.send_modify(|progress| progress.listing = Some(page));
            },
        };
        let learn = || PeopleIndex::learn(self.crm, self.guard, &unknown);
        let index = async {
            let mut index = unless_paused(self.crm, learn).await?;
            if unknown.profiles.is_some() && !index.suggestions.is_whole {
                index.read_for_profiles(self.crm, &unknown).await?;
            }
            Ok::<_, CrmFailure>(index)
        };
        let index = index.await;
        self.progress.send_modify(|progress| progress.listing = None);
        let mut index = index?;
        index.of_neighbours = of_neighbours;
        Ok(index)
    }
}

/// The people of a source whom the ledger does not know.
pub(super) struct UnknownPeople<'a> {
    pub(super) keys: &'a Keys,
    /// Whether a person is among them.
    pub(super) includes: &'a (dyn Fn(&KeyHash) -> bool + Sync),
    /// How many there are.
    pub(super) count: u64,
    /// A sample of them from the whole source.
    pub(super) sample: &'a [(MatchKey, KeyHash)],
    /// Whether absence must be proved by look-ups, never by a list.
    pub(super) look_up: bool,
    /// Their profiles, where these are compared.
    pub(super) profiles: Option<&'a Wanted>,
    /// Called with the number of each page before it is read.
    pub(super) reads_page: &'a (dyn Fn(u64) + Sync),
}

impl PeopleIndex {
    /// Reads as much of the list as is worth its requests.
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
        let worth = unknown.count >= LIST_WORTH_FROM && !unknown.look_up;
        if !worth && account.look_ups.is_proved(&lookups) {
            return Ok(index);
        }
        index.read_at = Some(Instant::now());
        let hasher = RandomState::new();
        let mut paused = if worth { Some(account.census.pause_creates().await) } else { None };
        let budget = if worth { unknown.count } else { 1 };
        let mut first = index.read(crm, unknown, &hasher, budget, None, &mut paused).await?;
        if first.witnesses.is_empty() && !first.ended {
            // Nobody with an address so far: later pages may have one.
            first = index.read(crm, unknown, &hasher, u64::MAX, None, &mut paused).await?;
            if first.witnesses.is_empty() && !first.ended {
                drop(paused);
                return Self::everybody(crm, account, unknown).await;
            }
        }
        index.filter = prove(crm, account, &first, lookups).await?;
        if index.filter == Filter::Ignored {
            drop(paused);
            return Self::everybody(crm, account, unknown).await;
        }
        if let Some(total) = first.complete().filter(|_| worth)
            && index.is_confirmed(crm, unknown, &hasher, &first, &mut paused).await?
            && index.shows_all_of_sample(crm, unknown).await?
        {
            index.snapshot = accepted(crm, account, paused, total).await?;
        }
        Ok(index)
    }

    /// Reads the whole list, whatever it costs: for a Clinch whose look-ups cannot be used.
    async fn everybody(
        crm: &impl Crm,
        account: &PeopleGuard,
        unknown: &UnknownPeople<'_>,
    ) -> Result<Self, CrmFailure> {
        let mut index = Self::without_look_ups();
        index.read_at = Some(Instant::now());
        let hasher = RandomState::new();
        let mut paused = Some(account.census.pause_creates().await);
        let first = index.read(crm, unknown, &hasher, u64::MAX, None, &mut paused).await?;
        if account.census.is_unmoved(first.total) {
            let list = "the total of its candidate list does not grow when a person is created";
            let reason = Reason::ContractUnsupported;
            return Err(unprovable(list, Disposition::Stalled { reason }));
        }
        if let Some(total) = first.complete()
            && index.is_confirmed(crm, unknown, &hasher, &first, &mut paused).await?
        {
            index.snapshot = accepted(crm, account, paused, total).await?;
        }
        if index.snapshot.is_some() {
            return Ok(index);
        }
        // A total that is stated but does not match is that of a list that just changed.
        let disposition = match first.total {
            Some(_) => Disposition::retry(Reason::VendorUnavailable),
            None => Disposition::Stalled { reason: Reason::ContractUnsupported },
        };
        let list = match first {
            Reading { endless: true, pages, .. } => {
                format!(
                    "its candidate list did not end after {pages} pages, many more than its total \
                     allows"
                )
            }
            _ => "its candidate list cannot be proved complete".to_owned(),
        };
        Err(unprovable(&list, disposition))
    }

    /// Reads pages while the list costs fewer requests than `budget`; it is read twice. With `expected`,
    /// stops at the first person who is not expected.
    async fn read(
        &mut self,
        crm: &impl Crm,
        unknown: &UnknownPeople<'_>,
        hasher: &RandomState,
        budget: u64,
        expected: Option<&HashSet<u64>>,
        paused: &mut Option<CreatesPaused<'_>>,
    ) -> Result<Reading, CrmFailure> {
        let reads_page = unknown.reads_page;
        let profiles = unknown.profiles.is_some_and(Wanted::is_of_related);
        let listing = Listing { hasher, reads_page, budget, readings: 2, expected, profiles };
        let reading = listing.read(crm, paused, |person| self.take(unknown, person)).await?;
        let is_whole = reading.complete().is_some();
        self.suggestions.note_reading(unknown.profiles, is_whole, reading.profiles);
        Ok(reading)
    }

    /// Reads the list for the profiles on it, if it has no more pages than that is worth.
    async fn read_for_profiles(
        &mut self,
        crm: &impl Crm,
        unknown: &UnknownPeople<'_>,
    ) -> Result<(), CrmFailure> {
        let hasher = RandomState::new();
        let listing = Listing {
            hasher: &hasher,
            reads_page: unknown.reads_page,
            budget: unknown.count.max(PROFILE_PAGES),
            readings: 1,
            expected: None,
            profiles: unknown.profiles.is_some_and(Wanted::is_of_related),
        };
        loop {
            let reading = listing.read(crm, &mut None, |person| self.take(unknown, person)).await;
            match reading {
                Err(CrmFailure::Paused) => crm.admitted().await?,
                reading => {
                    let reading = reading?;
                    let is_whole = reading.complete().is_some();
                    self.suggestions.note_reading(unknown.profiles, is_whole, reading.profiles);
                    return Ok(());
                }
            }
        }
    }

    fn take(&mut self, unknown: &UnknownPeople<'_>, person: CrmPerson) {
        if person.anonymised {
            self.anonymised.insert(person.id);
            return;
        }
        if let Some(wanted) = unknown.profiles {
            self.suggestions.note(wanted, unknown.keys, &person);
        }
        let Some(key) = &person.key else { return };
        let hash = unknown.keys.key_hash(key);
        if (unknown.includes)(&hash) {
            self.note(hash, person);
        }
    }

    /// Whether a second reading shows the same people. A single page cannot shift while it is read.
    async fn is_confirmed(
        &mut self,
        crm: &impl Crm,
        unknown: &UnknownPeople<'_>,
        hasher: &RandomState,
        first: &Reading,
        paused: &mut Option<CreatesPaused<'_>>,
    ) -> Result<bool, CrmFailure> {
        if first.pages == 1 {
            return Ok(true);
        }
        let again = self.read(crm, unknown, hasher, u64::MAX, Some(&first.ids), paused).await?;
        Ok(again.complete().is_some() && again.ids.len() == first.ids.len())
    }

    /// Whether look-ups, too, do not find people whom the list does not show.
    async fn shows_all_of_sample(
        &mut self,
        crm: &impl Crm,
        unknown: &UnknownPeople<'_>,
    ) -> Result<bool, CrmFailure> {
        let share = usize::try_from(unknown.count / SAMPLE_ONE_IN).unwrap_or(usize::MAX);
        let hidden = unknown.sample.iter().filter(|(_, hash)| !self.shows(hash)).cloned();
        let sample: Vec<_> = hidden.take(share.max(SAMPLE)).collect();
        let found = stream::iter(sample).map(|(key, hash)| async move {
            let found = crm.find(&key).await;
            (hash, found)
        });
        let mut found = found.buffer_unordered(SAMPLE_AT_ONCE);
        while let Some((hash, found)) = found.next().await {
            match found {
                Ok(Lookup::Nobody) => {}
                Ok(Lookup::One(person)) => {
                    self.note(hash, person);
                    return Ok(false);
                }
                // This person alone cannot be looked up: their own record reports it.
                Ok(Lookup::Several(_) | Lookup::FilterIgnored) | Err(CrmFailure::Record(_)) => {
                    return Ok(false);
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(true)
    }
}

/// Neither look-ups nor the list prove who is absent. `list`: what is wrong with it.
fn unprovable(list: &str, disposition: Disposition) -> CrmFailure {
    let message = format!(
        "Clinch does not find people by e-mail address, and {list}: creating people could create them \
         twice; set contractOverrides.filterParameter, or pageParameter and pageSizeParameter"
    );
    CrmFailure::Everything { disposition, message }
}

/// Proves that look-ups can be trusted: they find a person who exists, and nobody else.
async fn prove(
    crm: &impl Crm,
    account: &PeopleGuard,
    reading: &Reading,
    lookups: String,
) -> Result<Filter, CrmFailure> {
    let mut refused = None;
    for (key, id) in &reading.witnesses {
        match finds(crm, key, id).await {
            Ok(Some(true)) if reading.shows_one_address() && !finds_nobody(crm).await? => {
                account.look_ups.note_proved(None);
                return Ok(Filter::Ignored);
            }
            Ok(Some(true)) => {
                account.look_ups.note_proved(Some(lookups));
                reading.witnesses.iter().for_each(|(key, id)| account.look_ups.note(key, id));
                return Ok(Filter::Honoured);
            }
            Ok(Some(false)) => {
                account.look_ups.note_proved(None);
                return Ok(Filter::Ignored);
            }
            // They prove nothing.
            Ok(None) => {}
            // Perhaps this witness alone.
            Err(failure @ CrmFailure::Record(_)) => refused = Some(failure),
            Err(failure) => return Err(failure),
        }
    }
    if account.look_ups.is_proved(&lookups) {
        return Ok(Filter::Honoured);
    }
    // Nobody to prove it with: the first person created proves it.
    refused.map_or(Ok(Filter::Unproved), Err)
}

/// Accepts a list for the account, unless the account changed since it was read.
async fn accepted(
    crm: &impl Crm,
    account: &PeopleGuard,
    paused: Option<CreatesPaused<'_>>,
    total: u64,
) -> Result<Option<Snapshot>, CrmFailure> {
    let Some(paused) = paused else {
        // Runs of this process created people while it was read: compare the total once more.
        let paused = account.census.pause_creates().await;
        let unchanged = paused.total(crm).await? == Some(total);
        return Ok(unchanged.then(|| paused.accept(total)));
    };
    Ok(Some(paused.accept(total)))
}

/// The ids under which the neighbours know people of a source whom the ledger of the export does not know.
/// Notes whom other processes may have begun to push.
pub(super) async fn of_neighbours<S: SegmentStore>(
    neighbours: &Neighbours<S>,
    survey: &Survey,
    ledger: &Ledger,
    guard: &PeopleGuard,
    longest: Duration,
) -> Result<Table, CrmFailure> {
    if survey.unknown == 0 {
        return Ok(Table::default());
    }
    let neighbours = found(neighbours).await?;
    if neighbours.is_empty() {
        return Ok(Table::default());
    }
    let others = survey.others.iter().map(|(other, _)| *other);
    let hashes: Vec<KeyHash> =
        survey.people.hashes().filter(|hash| !ledger.knows(hash)).chain(others).collect();
    let mut found = guard.directory.find(neighbours, &hashes, (&guard.doubts, longest)).await?;
    for (other, present) in &survey.others {
        let id = found.get(other).filter(|_| found.get(present).is_none());
        if let Some(id) = id.map(<[u8]>::to_vec) {
            found.insert(present, &id);
        }
    }
    Ok(found)
}
