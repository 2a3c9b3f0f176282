//! Who is in Clinch already, among the people a run asks about: prefetched page by page when
//! that takes fewer requests than one look-up each.

use std::collections::{HashMap, HashSet};

use super::crm::{Crm, CrmFailure, Found, Person};
use crate::domain::MatchKey;

/// From how many unknown people on a first page is worth its request.
const WORTH_A_PAGE: usize = 3;

/// What is known of the people a run asks about.
#[derive(Debug, Default)]
pub(super) struct PeopleIndex {
    seen: HashMap<MatchKey, Vec<Person>>,
    /// Everybody was seen: who is not in `seen` does not exist.
    complete: bool,
}

impl PeopleIndex {
    /// Prefetches as far as it pays for `wanted` unknown people.
    pub(super) async fn prefetch(
        crm: &impl Crm,
        wanted: &HashSet<MatchKey>,
    ) -> Result<Self, CrmFailure> {
        let mut index = Self::default();
        if wanted.len() < WORTH_A_PAGE {
            return Ok(index);
        }
        index.scan(crm, wanted, wanted.len() as u64).await?;
        Ok(index)
    }

    /// Scans everybody, whatever it costs: for a Clinch that does not honour the filter.
    pub(super) async fn everybody(
        crm: &impl Crm,
        wanted: &HashSet<MatchKey>,
    ) -> Result<Self, CrmFailure> {
        let mut index = Self::default();
        index.scan(crm, wanted, u64::MAX).await?;
        Ok(index)
    }

    /// Reads pages while the pages still to come cost less than `budget` look-ups.
    async fn scan<C: Crm>(
        &mut self,
        crm: &C,
        wanted: &HashSet<MatchKey>,
        budget: u64,
    ) -> Result<(), CrmFailure> {
        let mut cursor: Option<C::Cursor> = None;
        let mut pages: u64 = 0;
        loop {
            let page = crm.scan(cursor).await?;
            pages += 1;
            for person in page.people {
                if let Some(key) = person.key.clone().filter(|key| wanted.contains(key)) {
                    self.seen.entry(key).or_default().push(person);
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

    /// Whether look-ups are not to be believed. No request when the index needs no look-ups;
    /// what the probe finds is remembered, so that it costs nothing more.
    pub(super) async fn filter_ignored(
        &mut self,
        crm: &impl Crm,
        probe: &MatchKey,
    ) -> Result<bool, CrmFailure> {
        if self.complete {
            return Ok(false);
        }
        let found = match crm.find(probe).await? {
            Found::FilterIgnored => return Ok(true),
            Found::Nobody => Vec::new(),
            Found::One(person) => vec![person],
            // Asked again when their turn comes: only the number is known.
            Found::Several(_) => return Ok(false),
        };
        self.seen.insert(probe.clone(), found);
        Ok(false)
    }

    /// Who has this key; a request only where the index cannot tell.
    pub(super) async fn find(&self, crm: &impl Crm, key: &MatchKey) -> Result<Found, CrmFailure> {
        match self.seen.get(key).map(Vec::as_slice) {
            Some([]) => Ok(Found::Nobody),
            Some([one]) => Ok(Found::One(one.clone())),
            Some(several) => Ok(Found::Several(several.len())),
            None if self.complete => Ok(Found::Nobody),
            None => crm.find(key).await,
        }
    }
}
