//! Who is in Clinch already, among the people a run asks about: prefetched page by page when
//! that takes fewer requests than one look-up each.

use std::collections::HashMap;

use super::{
    crm::{Crm, CrmFailure, Found, Person},
    push::weight,
};
use crate::{
    domain::{ClinchId, MatchKey},
    ledger::{KeyHash, Keys, Table},
};

/// From how many unknown people on a first page is worth its request.
const WORTH_A_PAGE: u64 = 3;

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
}

/// What is known of the people a run asks about.
#[derive(Debug, Default)]
pub(super) struct PeopleIndex {
    seen: HashMap<KeyHash, Seen>,
    /// The ids of those seen beyond what is kept.
    more: Table,
    kept_bytes: usize,
    /// Everybody was seen: who is not in `seen` or `more` does not exist.
    complete: bool,
}

#[derive(Debug)]
enum Seen {
    Nobody,
    One(Person),
    Several(usize),
}

impl PeopleIndex {
    /// Prefetches as far as it pays for the people wanted.
    pub(super) async fn prefetch(crm: &impl Crm, wanted: &Wanted<'_>) -> Result<Self, CrmFailure> {
        let mut index = Self::default();
        if wanted.count < WORTH_A_PAGE {
            return Ok(index);
        }
        index.scan(crm, wanted, wanted.count).await?;
        Ok(index)
    }

    /// Scans everybody, whatever it costs: for a Clinch that does not honour the filter.
    pub(super) async fn everybody(crm: &impl Crm, wanted: &Wanted<'_>) -> Result<Self, CrmFailure> {
        let mut index = Self::default();
        index.scan(crm, wanted, u64::MAX).await?;
        Ok(index)
    }

    /// Reads pages while the pages still to come cost less than `budget` look-ups.
    async fn scan<C: Crm>(
        &mut self,
        crm: &C,
        wanted: &Wanted<'_>,
        budget: u64,
    ) -> Result<(), CrmFailure> {
        let mut cursor: Option<C::Cursor> = None;
        let mut pages: u64 = 0;
        loop {
            let page = crm.scan(cursor).await?;
            pages += 1;
            for person in page.people {
                let Some(key) = person.key.as_ref().map(|key| wanted.keys.key_hash(key)) else {
                    continue;
                };
                if (wanted.includes)(&key) {
                    self.note(key, person);
                }
            }
            let Some(next) = page.next else {
                self.complete = true;
                return Ok(());
            };
            let needed =
                page.total.map_or(pages + 1, |total| total.div_ceil(crm.page_size().max(1)));
            if needed > budget || pages >= budget {
                return Ok(());
            }
            cursor = Some(next);
        }
    }

    fn note(&mut self, key: KeyHash, person: Person) {
        if let Some(seen) = self.seen.get_mut(&key) {
            *seen = match seen {
                Seen::Nobody => Seen::One(person),
                // A page that moved while it was read shows somebody twice.
                Seen::One(known) if known.id == person.id => return,
                Seen::One(_) => Seen::Several(2),
                Seen::Several(count) => Seen::Several(*count + 1),
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

    /// Whether look-ups are not to be believed. No request when the index needs no look-ups;
    /// what the probe finds is remembered, so that it costs nothing more.
    pub(super) async fn filter_ignored(
        &mut self,
        crm: &impl Crm,
        probe: &MatchKey,
        hash: KeyHash,
    ) -> Result<bool, CrmFailure> {
        if self.complete {
            return Ok(false);
        }
        let found = match crm.find(probe).await? {
            Found::FilterIgnored => return Ok(true),
            Found::Nobody => Seen::Nobody,
            Found::One(person) => Seen::One(person),
            Found::Several(count) => Seen::Several(count),
        };
        self.seen.insert(hash, found);
        Ok(false)
    }

    /// Who has this key; a request only where the index cannot tell.
    pub(super) async fn find(
        &self,
        crm: &impl Crm,
        key: &MatchKey,
        hash: &KeyHash,
    ) -> Result<Found, CrmFailure> {
        match self.seen.get(hash) {
            Some(Seen::Nobody) => return Ok(Found::Nobody),
            Some(Seen::One(one)) => return Ok(Found::One(one.clone())),
            Some(Seen::Several(count)) => return Ok(Found::Several(*count)),
            None => {}
        }
        let id = self.more.get(hash).and_then(|id| std::str::from_utf8(id).ok());
        if let Some(id) = id.and_then(|id| ClinchId::parse(id).ok()) {
            return match crm.get(&id).await? {
                Some(person) => Ok(Found::One(person)),
                // Gone since: perhaps merged into somebody else.
                None => crm.find(key).await,
            };
        }
        if self.complete {
            return Ok(Found::Nobody);
        }
        crm.find(key).await
    }
}
