//! Who is in Clinch already, among the people a run asks about: prefetched page by page when
//! that takes fewer requests than one look-up each.

use std::{
    collections::{HashMap, HashSet, hash_map::RandomState},
    hash::BuildHasher,
};

use super::{
    crm::{Crm, CrmFailure, Found, Person},
    prepare::value_weight,
};
use crate::domain::{ClinchId, MatchKey};

/// From how many unknown people on a first page is worth its request.
const WORTH_A_PAGE: u64 = 3;
/// How many people are remembered at most, for windows to come, unless look-ups do not work: 40 MB.
const MOST_REMEMBERED: u64 = 300_000;
/// How many bytes of attributes are kept of people whom nobody has asked about yet.
const ROOM: usize = 16 << 20;

/// What is known of the people a run asks about.
#[derive(Debug)]
pub(super) struct PeopleIndex {
    /// People with their attributes; an empty list for someone who does not exist.
    seen: HashMap<MatchKey, Vec<Person>>,
    /// People who were seen, and whose attributes are not kept.
    others: HashMap<u128, Other>,
    hashes: [RandomState; 2],
    /// Bytes that may still be kept of people nobody has asked about.
    room: usize,
    /// Everybody was seen: who is in neither map does not exist.
    complete: bool,
    /// How many pages everybody takes, once that is known.
    pages: Option<u64>,
    /// Look-ups so far, roughly.
    looked_up: u64,
    /// Look-ups are honoured.
    proven: bool,
}

#[derive(Debug)]
enum Other {
    One(ClinchId),
    Several(usize),
}

impl Default for PeopleIndex {
    fn default() -> Self {
        Self {
            seen: HashMap::new(),
            others: HashMap::new(),
            hashes: [RandomState::new(), RandomState::new()],
            room: ROOM,
            complete: false,
            pages: None,
            looked_up: 0,
            proven: false,
        }
    }
}

impl PeopleIndex {
    /// Gets ready to be asked about `wanted`: reads everybody when that costs fewer requests than
    /// to look each of them up. `more` says whether others will be asked about later.
    pub(super) async fn learn(
        &mut self,
        crm: &impl Crm,
        wanted: &HashSet<MatchKey>,
        more: bool,
    ) -> Result<(), CrmFailure> {
        let Some(probe) = wanted.iter().next() else { return Ok(()) };
        if self.complete {
            return Ok(());
        }
        // At least as many again are expected where there are more; what was spent on look-ups
        // already would have paid for pages, too: never more than twice the cheaper way.
        let count = wanted.len() as u64;
        let budget = self.looked_up + count * if more { 2 } else { 1 };
        if budget >= WORTH_A_PAGE && self.pages.is_none_or(|pages| pages <= budget) {
            self.scan(crm, wanted, more, budget).await?;
        }
        // One look-up proves that the filter is honoured; else everybody has to be read.
        if !self.complete && !self.proven {
            match crm.find(probe).await? {
                Found::FilterIgnored => self.scan(crm, wanted, more, u64::MAX).await?,
                // Remembered, so that the proof costs nothing more.
                Found::Nobody => self.remember(probe, Vec::new()),
                Found::One(person) => self.remember(probe, vec![person]),
                // Asked again when their turn comes: only the number is known.
                Found::Several(_) => {}
            }
            self.proven = true;
        }
        if !self.complete {
            self.looked_up += count;
        }
        Ok(())
    }

    fn remember(&mut self, key: &MatchKey, people: Vec<Person>) {
        self.seen.entry(key.clone()).or_insert(people);
    }

    /// Reads pages while the pages still to come cost less than `budget` look-ups.
    async fn scan<C: Crm>(
        &mut self,
        crm: &C,
        wanted: &HashSet<MatchKey>,
        more: bool,
        budget: u64,
    ) -> Result<(), CrmFailure> {
        self.seen.clear();
        self.others.clear();
        self.room = ROOM;
        let mut cursor: Option<C::Cursor> = None;
        let mut pages: u64 = 0;
        loop {
            let page = crm.scan(cursor).await?;
            pages += 1;
            for person in page.people {
                let Some(key) = person.key.clone() else { continue };
                if wanted.contains(&key) {
                    self.seen.entry(key).or_default().push(person);
                } else if more {
                    self.keep(key, person);
                }
            }
            let Some(next) = page.next else {
                self.complete = true;
                return Ok(());
            };
            let needed =
                page.total.map_or(pages + 1, |total| total.div_ceil(crm.page_size().max(1)));
            self.pages = Some(needed);
            let too_many = more && page.total.is_some_and(|total| total > MOST_REMEMBERED);
            if budget < u64::MAX && (too_many || needed > budget || pages >= budget) {
                if too_many {
                    self.pages = Some(u64::MAX);
                }
                return Ok(());
            }
            cursor = Some(next);
        }
    }

    /// Keeps someone nobody has asked about yet: whole while there is room, else the id alone.
    fn keep(&mut self, key: MatchKey, person: Person) {
        if let Some(people) = self.seen.get_mut(&key) {
            people.push(person);
            return;
        }
        let weight = person.attributes.values().map(value_weight).sum::<usize>() + 256;
        let hash = self.hash(&key);
        if let Some(known) = self.others.get_mut(&hash) {
            let count = if let Other::Several(count) = known { *count } else { 1 };
            *known = Other::Several(count + 1);
        } else if weight <= self.room {
            self.room -= weight;
            self.seen.insert(key, vec![person]);
        } else {
            self.others.insert(hash, Other::One(person.id));
        }
    }

    fn hash(&self, key: &MatchKey) -> u128 {
        let [high, low] = self.hashes.each_ref().map(|hash| u128::from(hash.hash_one(key)));
        (high << 64) | low
    }

    /// Forgets the attributes of people who will not be asked about again.
    pub(super) fn release(&mut self, asked: &HashSet<MatchKey>) {
        if self.complete {
            // Nobody is asked about twice: to forget them is not to say that they do not exist.
            asked.iter().for_each(|key| drop(self.seen.remove(key)));
        } else {
            self.seen.clear();
        }
    }

    /// Who has this key; a request only where the index cannot tell.
    pub(super) async fn find(&self, crm: &impl Crm, key: &MatchKey) -> Result<Found, CrmFailure> {
        match self.seen.get(key).map(Vec::as_slice) {
            Some([]) => return Ok(Found::Nobody),
            Some([one]) => return Ok(Found::One(one.clone())),
            Some(several) => return Ok(Found::Several(several.len())),
            None if !self.complete => return crm.find(key).await,
            None => {}
        }
        match self.others.get(&self.hash(key)) {
            None => Ok(Found::Nobody),
            Some(Other::Several(count)) => Ok(Found::Several(*count)),
            Some(Other::One(id)) => match crm.get(id).await? {
                Some(person) if person.key.as_ref() == Some(key) => Ok(Found::One(person)),
                // They have changed since.
                _ => crm.find(key).await,
            },
        }
    }
}
