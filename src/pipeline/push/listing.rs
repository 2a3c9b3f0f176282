//! One reading of the candidate list, page by page, bounded by what it may cost. Decides nothing: what
//! a reading proves is for its caller to say. Makes requests; writes nothing.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
};

use super::{
    census::CreatesPaused,
    crm::{Crm, CrmFailure, CrmPerson},
    look_ups::keep,
};
use crate::domain::{ClinchId, MatchKey, ProfilesShown};

/// Creates are paused while a list of at most this many pages is read.
const SHORT_LIST_PAGES: u64 = 100;
/// How many pages a short list may have beyond those that its total allows.
const SPARE_PAGES: u64 = 10;

/// How a list is read.
pub(super) struct Listing<'a> {
    pub(super) hasher: &'a RandomState,
    /// Called with the number of each page before it is read.
    pub(super) reads_page: &'a (dyn Fn(u64) + Sync),
    /// How many requests all readings together may cost.
    pub(super) budget: u64,
    /// How often the list will be read.
    pub(super) readings: u64,
    /// Stops at the first person who is not among these.
    pub(super) expected: Option<&'a HashSet<u64>>,
    /// Whether related profiles are requested.
    pub(super) profiles: bool,
}

/// One reading of the list.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Hashes of the ids seen.
    pub(super) ids: HashSet<u64>,
    /// The total on the pages; `None` if it is missing or differs between pages.
    pub(super) total: Option<u64>,
    pub(super) pages: u64,
    /// Number of people on the first page.
    page_len: u64,
    /// Whether the list was read to its end.
    pub(super) ended: bool,
    /// Whether it has many more pages than its total allows.
    pub(super) endless: bool,
    /// Some people with a match key, whom a look-up must find.
    pub(super) witnesses: Vec<(MatchKey, ClinchId)>,
    /// What it shows of related profiles, where these were requested.
    pub(super) profiles: ProfilesShown,
}

impl Reading {
    /// The total, if the list was complete.
    pub(super) fn complete(&self) -> Option<u64> {
        self.total.filter(|total| self.ended && *total == self.ids.len() as u64)
    }

    /// Whether everybody seen has the same address: then what was read is also the answer for this address.
    pub(super) fn shows_one_address(&self) -> bool {
        self.witnesses.windows(2).all(|pair| pair[0].0 == pair[1].0)
    }

    /// Whether it has many more pages than its total allows. Pages that shift while they are read hold
    /// people seen before, and so make a list longer; it may have twice the pages.
    fn is_endless(&self, total: u64) -> bool {
        let pages = total.div_ceil(self.page_len.max(1));
        self.pages >= pages.saturating_mul(2).saturating_add(SPARE_PAGES)
    }

    fn bear_witness(&mut self, person: &CrmPerson) {
        if let Some(key) = &person.key
            && !person.anonymised
        {
            keep(&mut self.witnesses, key, &person.id);
        }
    }
}

impl Listing<'_> {
    /// Reads pages while the list costs no more requests than the budget, and passes each person on.
    pub(super) async fn read<C: Crm>(
        &self,
        crm: &C,
        paused: &mut Option<CreatesPaused<'_>>,
        mut take: impl FnMut(CrmPerson) + Send,
    ) -> Result<Reading, CrmFailure> {
        let mut reading = Reading::default();
        let mut cursor: Option<C::Cursor> = None;
        let mut shown = None;
        loop {
            (self.reads_page)(reading.pages + 1);
            let page = crm.scan(cursor, self.profiles).await?;
            reading.pages += 1;
            if !page.people.is_empty() {
                let shown = shown.get_or_insert(page.profiles);
                if *shown != page.profiles {
                    *shown = ProfilesShown::Missing;
                }
                reading.profiles = *shown;
            }
            if reading.pages == 1 {
                reading.total = page.total;
                reading.page_len = page.people.len() as u64;
            } else if reading.total != page.total {
                reading.total = None;
            }
            let mut unexpected = false;
            for person in page.people {
                let id = self.hasher.hash_one(person.id.as_str());
                unexpected |= self.expected.is_some_and(|expected| !expected.contains(&id));
                reading.ids.insert(id);
                reading.bear_witness(&person);
                take(person);
            }
            let Some(next) = page.next.filter(|_| !unexpected) else {
                reading.ended = !unexpected;
                return Ok(reading);
            };
            // A list that contradicts itself proves nothing.
            let Some(total) = reading.total.filter(|total| *total >= reading.ids.len() as u64)
            else {
                reading.total = None;
                return Ok(reading);
            };
            if reading.is_endless(total) {
                (reading.total, reading.endless) = (None, true);
                return Ok(reading);
            }
            // A server may give smaller pages than requested.
            let page_len = reading.page_len.clamp(1, crm.page_size().max(1));
            let pages = total.div_ceil(page_len);
            if pages > SHORT_LIST_PAGES {
                *paused = None;
            }
            let cost = |pages: u64| pages.saturating_mul(self.readings);
            if cost(pages) > self.budget || cost(reading.pages) >= self.budget {
                return Ok(reading);
            }
            cursor = Some(next);
        }
    }
}
