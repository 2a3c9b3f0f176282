//! Walking lists whose paging is not documented. Does network I/O through the client.
//!
//! Rule: follow `links.next` while it stays on the list's own origin and path, else count up until
//! a page brings no id that was not seen before. A partly repeated page is no end: people created
//! during the walk push others onto the next page.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
};

use http::Method;
use url::Url;

use super::{Client, Errand, MAX_LIST_BYTES};
use crate::{
    clinch::{
        contract::Op,
        error::{ClinchError, NotClinchSign},
        wire::Outgoing,
    },
    domain::ClinchId,
    jsonapi::{Document, PrimaryData, Resource},
};

/// Most pages of one walk: a list that brings somebody new on every page for ever would else be
/// read for ever. At 100 people a page that is ten million. Not taken from the stated total, which
/// some servers give for the page.
pub const MAX_PAGES_OF_WALK: u64 = 100_000;
/// Most pages of a list that hangs on one person or job.
const MAX_PAGES_OF_PART: usize = 1000;

/// Where a walk stands.
pub struct Cursor {
    at: At,
    number: u64,
    seen: HashSet<u64>,
    hasher: RandomState,
}

enum At {
    Number,
    Link(Box<Url>),
}

impl Cursor {
    /// The first page.
    pub fn first() -> Self {
        Self { at: At::Number, number: 1, seen: HashSet::new(), hasher: RandomState::new() }
    }

    /// How many different ids were seen so far.
    pub fn seen(&self) -> usize {
        self.seen.len()
    }

    /// The next page, if there may be one; `Err`: there may be, and the walk is long enough.
    fn onward(self, at: Option<At>) -> Result<Option<Self>, TooLong> {
        match at {
            None => Ok(None),
            Some(_) if self.number >= MAX_PAGES_OF_WALK => Err(TooLong),
            Some(at) => Ok(Some(Self { at, number: self.number + 1, ..self })),
        }
    }
}

/// The walk has reached its bound.
#[derive(Debug, PartialEq, Eq)]
struct TooLong;

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cursor(page {}, {} seen)", self.number, self.seen.len())
    }
}

/// One page of resources not seen before.
pub(super) struct RawPage {
    pub resources: Vec<Resource>,
    pub next: Option<Cursor>,
    pub total: Option<u64>,
    pub seen: u64,
    pub cut_off: bool,
}

/// How many there are, where an answer says so, under whichever of the usual names.
pub(super) fn stated_total(document: &Document) -> Option<u64> {
    ["total_count", "total", "count"]
        .iter()
        .find_map(|name| document.meta.get(*name).and_then(serde_json::Value::as_u64))
}

impl Client {
    /// The URL of a list, with page and page size.
    fn list_url(&self, op: Op, id: Option<&ClinchId>, number: u64, per_page: u32) -> Url {
        let paging = &self.contract().paging;
        let mut url = self.url(op, id);
        url.query_pairs_mut()
            .append_pair(&paging.page, &number.to_string())
            .append_pair(&paging.per_page, &per_page.to_string());
        url
    }

    /// Asks for one list page, without walking on.
    pub(super) async fn list_document(
        &self,
        op: Op,
        url: Url,
        errand: Errand,
    ) -> Result<(Vec<Resource>, Document), ClinchError> {
        let mut outgoing = Outgoing::new(op.name(), op.effect(), Method::GET, url);
        outgoing.answer_cap = MAX_LIST_BYTES;
        outgoing.patience = errand.patience();
        let answer = self.send(op, outgoing, errand == Errand::Probe).await?;
        let mut document: Document = serde_json::from_slice(&answer.body)
            .map_err(|_| ClinchError::NotClinch(NotClinchSign::NoData))?;
        match std::mem::take(&mut document.data) {
            PrimaryData::Many(resources) => Ok((resources, document)),
            PrimaryData::One(_) | PrimaryData::None | PrimaryData::Absent => {
                Err(ClinchError::NotClinch(NotClinchSign::NoData))
            }
        }
    }

    /// One list page asked for by number and size.
    pub(super) async fn list_first(
        &self,
        op: Op,
        per_page: u32,
        query: Option<(&str, &str)>,
        errand: Errand,
    ) -> Result<(Vec<Resource>, Document), ClinchError> {
        let mut url = self.list_url(op, None, 1, per_page);
        if let Some((name, value)) = query {
            url.query_pairs_mut().append_pair(name, value);
        }
        self.list_document(op, url, errand).await
    }

    /// The page at `cursor`.
    pub(super) async fn walk(
        &self,
        op: Op,
        id: Option<&ClinchId>,
        mut cursor: Cursor,
    ) -> Result<RawPage, ClinchError> {
        let own = self.list_url(op, id, cursor.number, self.contract().paging.max_per_page);
        let (url, linked) = match &cursor.at {
            At::Number => (own.clone(), false),
            At::Link(url) => (Url::clone(url), true),
        };
        let (mut resources, document) = self.list_document(op, url.clone(), Errand::Call).await?;
        for resource in &resources {
            crate::clinch::person::id(resource)?;
        }
        let hasher = &cursor.hasher;
        resources.retain(|resource| cursor.seen.insert(hasher.hash_one(&resource.id)));

        let link = document.links.next.as_deref().map(|next| self.follow(&url, &own, next));
        let at = match link {
            Some(Some(next)) => Some(At::Link(Box::new(next))),
            None if linked => None,
            // No link at all, or one that leads elsewhere: the count still leads on.
            Some(None) | None => Some(At::Number),
        };
        let seen = cursor.seen.len() as u64;
        let onward = cursor.onward(at.filter(|_| !resources.is_empty()));
        let cut_off = onward.is_err();
        let next = onward.unwrap_or_default();
        Ok(RawPage { resources, next, total: stated_total(&document), seen, cut_off })
    }

    /// `next` as a URL, if it stays on the origin and path of the list.
    fn follow(&self, from: &Url, own: &Url, next: &str) -> Option<Url> {
        let mut url = from.join(next).ok()?;
        url.set_fragment(None);
        (self.endpoint().is_origin_of(&url) && url.path() == own.path()).then_some(url)
    }

    /// Every resource of a list that hangs on one person or job, or of the jobs.
    pub(super) async fn all(
        &self,
        op: Op,
        id: Option<&ClinchId>,
    ) -> Result<Vec<Resource>, ClinchError> {
        let mut all: Vec<Resource> = Vec::new();
        let mut cursor = Some(Cursor::first());
        for _ in 0..MAX_PAGES_OF_PART {
            let Some(at) = cursor.take() else { return Ok(all) };
            let page = self.walk(op, id, at).await?;
            all.extend(page.resources);
            // These lists are short and decide no identity: the count may be believed.
            let complete = page.total.is_some_and(|total| all.len() as u64 >= total);
            cursor = page.next.filter(|_| !complete);
        }
        Err(ClinchError::TooLarge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_ends_though_every_page_brings_somebody_new() {
        let mut cursor = Cursor::first();
        let pages = loop {
            let number = cursor.number;
            match cursor.onward(Some(At::Number)) {
                Ok(next) => cursor = next.expect("there may be another page"),
                Err(TooLong) => break number,
            }
        };
        assert_eq!(pages, MAX_PAGES_OF_WALK);
        assert!(matches!(Cursor::first().onward(None), Ok(None)), "the last page is no bound");
    }

    #[test]
    fn a_total_is_read_under_each_of_its_names() {
        let of = |text: &str| stated_total(&serde_json::from_str(text).unwrap());
        assert_eq!(of(r#"{"meta": {"count": 3, "total": 2, "total_count": 1}}"#), Some(1));
        assert_eq!(of(r#"{"meta": {"count": 3, "total": 2}}"#), Some(2));
        assert_eq!(of(r#"{"meta": {"count": 3, "total_count": "many"}}"#), Some(3));
        assert_eq!(of(r#"{"meta": {}}"#), None);
    }
}
