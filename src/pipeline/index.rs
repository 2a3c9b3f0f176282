//! Who is in Clinch already, among the people a run asks about: read page by page where that takes
//! fewer requests than one look-up each.
//!
//! Who is not on the list is absent only if the list was proved to be whole: its total is given, is
//! the same on every page and equals the people seen; a second reading finds the same people; and a
//! few of the people it does not show are looked up, and are not found. Else each person is looked up
//! before they are created.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher as _, RandomState},
};

use super::{
    census::{Picture, Stillness},
    crm::{Crm, CrmFailure, Found, Person, Read},
    guard::PeopleGuard,
    push::weight,
};
use crate::{
    domain::{ClinchId, Disposition, MatchKey, Reason},
    ledger::{KeyHash, Keys, Table},
};

/// From how many unknown people on a list is worth its requests and those that prove it.
const WORTH_A_LIST: u64 = 10;
/// A list of no more pages than this is read while nobody is created.
const SHORT: u64 = 100;
/// How many people may have to be looked up until one of them is still there.
const WITNESSES: usize = 8;
/// How many people that a list does not show are looked up.
const SAMPLE: usize = 3;
/// How many bytes of attributes are kept; of people beyond that only the id is, and their
/// attributes are read when their turn comes.
const KEPT_BYTES: usize = 16 << 20;

/// Whom a run asks about.
pub(super) struct Wanted<'a> {
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

/// What is known of the people a run asks about.
#[derive(Debug, Default)]
pub(super) struct PeopleIndex {
    seen: HashMap<KeyHash, Seen>,
    /// The ids of those seen beyond what is kept.
    more: Table,
    kept_bytes: usize,
    /// The ids under which other exports of the account know people.
    pub(super) elsewhere: Table,
    /// Everybody whom the pages showed as anonymised.
    pub(super) anonymised: HashSet<ClinchId>,
    /// The list, where it proves who is absent.
    pub(super) picture: Option<Picture>,
    /// Whether people can be looked up.
    filter: Filter,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Filter {
    /// It can be relied on, or there is nobody yet with whom to prove it.
    #[default]
    Honoured,
    /// What it gives is not to be believed.
    Ignored,
}

#[derive(Debug)]
enum Seen {
    One(Person),
    Several(usize),
}

/// What is known of one person.
#[derive(Debug)]
pub(super) enum Known {
    /// They are there. `fresh`: they were read just now.
    Person {
        /// The person.
        person: Person,
        /// Whether they were read just now.
        fresh: bool,
    },
    /// They were anonymised.
    Anonymised(ClinchId),
    /// Several people are there.
    Several(usize),
    /// They are not there. `Some`: as the list tells; `None`: as a look-up told just now.
    Absent(Option<Picture>),
}

impl Known {
    pub(super) fn looked_up(found: Found) -> Self {
        match found {
            Found::One(person) if person.anonymised => Self::Anonymised(person.id),
            Found::One(person) => Self::Person { person, fresh: true },
            Found::Several(count) => Self::Several(count),
            Found::Nobody | Found::FilterIgnored => Self::Absent(None),
        }
    }
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
        wanted: &Wanted<'_>,
    ) -> Result<Self, CrmFailure> {
        let mut index = Self::default();
        let lookups = crm.lookups();
        if lookups.is_empty() {
            return Self::everybody(crm, account, wanted).await;
        }
        let worth = wanted.count >= WORTH_A_LIST && !wanted.look_up;
        if !worth && account.is_proved(&lookups) {
            return Ok(index);
        }
        let hasher = RandomState::new();
        let mut still = if worth { Some(account.census.still().await) } else { None };
        let budget = if worth { wanted.count } else { 1 };
        let mut first = index.read(crm, wanted, &hasher, budget, None, &mut still).await?;
        if first.witnesses.is_empty() && !first.ended {
            // Nobody with an address so far: somebody may stand further on.
            first = index.read(crm, wanted, &hasher, u64::MAX, None, &mut still).await?;
            if first.witnesses.is_empty() && !first.ended {
                drop(still);
                return Self::everybody(crm, account, wanted).await;
            }
        }
        index.filter = prove(crm, account, &first, lookups).await?;
        if index.filter == Filter::Ignored {
            drop(still);
            return Self::everybody(crm, account, wanted).await;
        }
        if let Some(total) = first.whole().filter(|_| worth)
            && index.is_confirmed(crm, wanted, &hasher, &first, &mut still).await?
            && index.shows_all_of_sample(crm, wanted).await?
        {
            index.picture = agreed(crm, account, still, total).await?;
        }
        Ok(index)
    }

    /// Reads everybody, whatever it costs: for a Clinch whose look-ups are of no use.
    async fn everybody(
        crm: &impl Crm,
        account: &PeopleGuard,
        wanted: &Wanted<'_>,
    ) -> Result<Self, CrmFailure> {
        let mut index = Self { filter: Filter::Ignored, ..Self::default() };
        let hasher = RandomState::new();
        let mut still = Some(account.census.still().await);
        let first = index.read(crm, wanted, &hasher, u64::MAX, None, &mut still).await?;
        if let Some(total) = first.whole()
            && index.is_confirmed(crm, wanted, &hasher, &first, &mut still).await?
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
        wanted: &Wanted<'_>,
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
                self.take(wanted, person, &mut reading);
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

    fn take(&mut self, wanted: &Wanted<'_>, person: Person, reading: &mut Reading) {
        if person.anonymised {
            self.anonymised.insert(person.id);
            return;
        }
        let Some(key) = &person.key else { return };
        if reading.witnesses.len() < WITNESSES {
            reading.witnesses.push((key.clone(), person.id.clone()));
        }
        let hash = wanted.keys.key_hash(key);
        if (wanted.includes)(&hash) {
            self.note(hash, person);
        }
    }

    fn note(&mut self, key: KeyHash, person: Person) {
        if let Some(seen) = self.seen.get_mut(&key) {
            *seen = match seen {
                // A page that moved while it was read shows somebody twice; a second reading does.
                Seen::One(known) if known.id == person.id => return,
                Seen::One(_) => Seen::Several(2),
                Seen::Several(count) => Seen::Several(*count),
            };
        } else if let Some(id) = self.more.get(&key) {
            if id != person.id.as_str().as_bytes() {
                self.seen.insert(key, Seen::Several(2));
            }
        } else if self.kept_bytes < KEPT_BYTES {
            self.kept_bytes += size_of::<(KeyHash, Seen)>() + weight(&person.attributes);
            self.seen.insert(key, Seen::One(person));
        } else {
            self.more.insert(&key, person.id.as_str().as_bytes());
        }
    }

    /// Whether a second reading shows the same people. One page cannot move while it is read.
    async fn is_confirmed(
        &mut self,
        crm: &impl Crm,
        wanted: &Wanted<'_>,
        hasher: &RandomState,
        first: &Reading,
        still: &mut Option<Stillness<'_>>,
    ) -> Result<bool, CrmFailure> {
        if first.pages == 1 {
            return Ok(true);
        }
        let again = self.read(crm, wanted, hasher, u64::MAX, Some(&first.ids), still).await?;
        Ok(again.whole().is_some() && again.ids.len() == first.ids.len())
    }

    /// Whether people whom the list does not show are not found either.
    async fn shows_all_of_sample(
        &mut self,
        crm: &impl Crm,
        wanted: &Wanted<'_>,
    ) -> Result<bool, CrmFailure> {
        let absent =
            |hash: &KeyHash| !self.seen.contains_key(hash) && self.more.get(hash).is_none();
        let sample: Vec<_> =
            wanted.sample.iter().filter(|(_, hash)| absent(hash)).take(SAMPLE).collect();
        for (key, hash) in sample {
            match crm.find(key).await? {
                Found::Nobody => {}
                Found::One(person) => {
                    self.note(*hash, person);
                    return Ok(false);
                }
                Found::Several(_) | Found::FilterIgnored => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Whether people can be looked up.
    pub(super) fn can_look_up(&self) -> bool {
        self.filter == Filter::Honoured
    }

    /// Who has this key; a request only where the index cannot tell. `anew`: what a list says is
    /// not enough.
    pub(super) async fn find(
        &self,
        crm: &impl Crm,
        key: &MatchKey,
        hash: &KeyHash,
        anew: bool,
    ) -> Result<Known, CrmFailure> {
        match self.seen.get(hash) {
            Some(Seen::One(one)) => return Ok(Known::Person { person: one.clone(), fresh: false }),
            Some(Seen::Several(count)) => return Ok(Known::Several(*count)),
            None => {}
        }
        for known in [&self.more, &self.elsewhere] {
            let id = known.get(hash).and_then(|id| std::str::from_utf8(id).ok());
            let Some(id) = id.and_then(|id| ClinchId::parse(id).ok()) else { continue };
            if self.anonymised.contains(&id) {
                return Ok(Known::Anonymised(id));
            }
            match crm.get(&id).await? {
                Read::Present(person) => return Ok(Known::Person { person, fresh: true }),
                Read::Anonymised => return Ok(Known::Anonymised(id)),
                // Gone since: perhaps merged into somebody else.
                Read::Gone if self.can_look_up() => return self.look_up(crm, key).await,
                Read::Gone => {}
            }
        }
        match self.picture {
            Some(picture) if !anew || !self.can_look_up() => Ok(Known::Absent(Some(picture))),
            _ => self.look_up(crm, key).await,
        }
    }

    /// Looks a person up now.
    pub(super) async fn look_up(
        &self,
        crm: &impl Crm,
        key: &MatchKey,
    ) -> Result<Known, CrmFailure> {
        if !self.can_look_up() {
            return Err(unlisted());
        }
        match crm.find(key).await? {
            Found::FilterIgnored => Err(CrmFailure::Everything {
                disposition: Disposition::Stalled { reason: Reason::ContractUnsupported },
                message: "Clinch ignores the e-mail filter; set contractOverrides.filterParameter"
                    .to_owned(),
            }),
            found => Ok(Known::looked_up(found)),
        }
    }
}

/// The list is not to be believed any more, and nothing else tells who is there.
fn unlisted() -> CrmFailure {
    CrmFailure::Everything {
        disposition: Disposition::retry(Reason::VendorUnavailable),
        message: "somebody else changed the account, and Clinch does not find people by e-mail \
                  address: the candidate list is read again"
            .to_owned(),
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
            Found::One(_) | Found::Several(_) => {
                account.note_proved(lookups);
                return Ok(Filter::Honoured);
            }
            Found::FilterIgnored => return Ok(Filter::Ignored),
            Found::Nobody => match crm.get(id).await? {
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
