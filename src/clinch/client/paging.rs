//! Walks lists whose paging is not documented. Does network I/O through the client.
//!
//! Rule: follow `links.next` while it stays on the list's own origin and path, otherwise count pages
//! until one holds no new id. A partly repeated page does not end the walk: people created during
//! the walk push others onto the next page.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
};

use http::Method;
use jiff::Timestamp;
use url::Url;

use super::{Client, MAX_LIST_BYTES, Purpose};
use crate::{
    clinch::{
        classify::answered_at,
        contract::Op,
        error::{ClinchError, NotClinchSign},
        wire::Request,
    },
    domain::ClinchId,
    jsonapi::{Document, PrimaryData, Resource},
};

/// Maximum pages of one walk: ends the walk of a list that never stops returning new ids. At 100
/// people a page that is ten million people. Not derived from the stated total, which on some
/// servers counts the page only.
pub const MAX_PAGES_OF_WALK: u64 = 100_000;
/// Maximum different ids of one walk, which are kept in memory meanwhile.
const MAX_IDS_OF_WALK: usize = 3_500_000;
/// Maximum pages of a list that belongs to one person or job.
const MAX_PAGES_OF_PART: usize = 1000;

/// The position of a walk.
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

    /// Number of different ids seen so far.
    pub fn seen(&self) -> usize {
        self.seen.len()
    }

    /// The next page, if there may be one; `Err`: there may be one, but the walk reached its limit.
    fn advance(self, at: Option<At>) -> Result<Option<Self>, TooLong> {
        match at {
            None => Ok(None),
            Some(_) if is_too_long(self.number, self.seen.len()) => Err(TooLong),
            Some(at) => Ok(Some(Self { at, number: self.number + 1, ..self })),
        }
    }
}

fn is_too_long(pages: u64, ids: usize) -> bool {
    pages >= MAX_PAGES_OF_WALK || ids >= MAX_IDS_OF_WALK
}

/// The walk reached its limit.
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
    /// How many resources it lists, with those seen before.
    pub listed: u64,
    /// When it was answered, by the server's clock.
    pub answered_at: Option<Timestamp>,
    pub next: Option<Cursor>,
    pub total: Option<u64>,
    pub seen: u64,
    pub cut_off: bool,
}

/// A list page as it was answered.
pub(super) struct Listed {
    pub resources: Vec<Resource>,
    pub document: Document,
    pub answered_at: Option<Timestamp>,
}

/// The total that a response states, under any of the usual names.
pub(in crate::clinch) fn stated_total(document: &Document) -> Option<u64> {
    ["total_count", "total", "count"]
        .iter()
        .find_map(|name| document.meta.get(*name).and_then(serde_json::Value::as_u64))
}

impl Client {
    /// The URL of a list, with page and page size.
    pub(super) fn list_url(
        &self,
        op: Op,
        id: Option<&ClinchId>,
        number: u64,
        per_page: u32,
    ) -> Url {
        let paging = &self.contract().paging;
        let mut url = self.url(op, id);
        url.query_pairs_mut()
            .append_pair(&paging.page, &number.to_string())
            .append_pair(&paging.per_page, &per_page.to_string());
        url
    }

    /// Reads one list page.
    pub(super) async fn list_document(
        &self,
        op: Op,
        url: Url,
        purpose: Purpose,
    ) -> Result<Listed, ClinchError> {
        let mut request = Request::new(op.name(), op.effect(), Method::GET, url);
        request.max_response_bytes = MAX_LIST_BYTES;
        request.time_limit = purpose.time_limit(self.0.config.timeouts);
        let response = self.send(op, request, purpose == Purpose::Probe).await?;
        let mut document: Document = serde_json::from_slice(&response.body)
            .map_err(|_| ClinchError::NotClinch(NotClinchSign::NoData))?;
        match std::mem::take(&mut document.data) {
            PrimaryData::Many(resources) => {
                Ok(Listed { resources, document, answered_at: answered_at(&response.headers) })
            }
            PrimaryData::One(_) | PrimaryData::None | PrimaryData::Absent => {
                Err(ClinchError::NotClinch(NotClinchSign::NoData))
            }
        }
    }

    /// The first page of a list, with a given page size.
    pub(super) async fn list_first(
        &self,
        op: Op,
        per_page: u32,
        query: Option<(&str, &str)>,
        purpose: Purpose,
    ) -> Result<(Vec<Resource>, Document), ClinchError> {
        let mut url = self.list_url(op, None, 1, per_page);
        if let Some((name, value)) = query {
            url.query_pairs_mut().append_pair(name, value);
        }
        let Listed { resources, document, .. } = self.list_document(op, url, purpose).await?;
        Ok((resources, document))
    }

    /// The page at `cursor`.
    pub(super) async fn walk(
        &self,
        op: Op,
        id: Option<&ClinchId>,
        query: &[(&str, &str)],
        mut cursor: Cursor,
    ) -> Result<RawPage, ClinchError> {
        let mut own = self.list_url(op, id, cursor.number, self.contract().paging.max_per_page);
        if !query.is_empty() {
            own.query_pairs_mut().extend_pairs(query);
        }
        let (url, linked) = match &cursor.at {
            At::Number => (own.clone(), false),
            At::Link(url) => (Url::clone(url), true),
        };
        let Listed { mut resources, document, answered_at } =
            self.list_document(op, url.clone(), Purpose::Work).await?;
        let listed = resources.len() as u64;
        for resource in &resources {
            crate::clinch::resources::id(resource)?;
        }
        let hasher = &cursor.hasher;
        resources.retain(|resource| cursor.seen.insert(hasher.hash_one(&resource.id)));

        let link = document.links.next.as_deref().map(|next| self.follow(&url, &own, next));
        let at = match link {
            Some(Some(next)) => Some(At::Link(Box::new(next))),
            None if linked => None,
            // No link, or one to another place: count pages.
            Some(None) | None => Some(At::Number),
        };
        let seen = cursor.seen.len() as u64;
        let advanced = cursor.advance(at.filter(|_| !resources.is_empty()));
        let cut_off = advanced.is_err();
        let next = advanced.unwrap_or_default();
        let total = stated_total(&document);
        Ok(RawPage { resources, listed, answered_at, next, total, seen, cut_off })
    }

    /// `next` as a URL, if it stays on the origin and path of the list.
    fn follow(&self, from: &Url, own: &Url, next: &str) -> Option<Url> {
        let mut url = from.join(next).ok()?;
        url.set_fragment(None);
        (self.endpoint().is_origin_of(&url) && url.path() == own.path()).then_some(url)
    }

    /// Every resource of a list that belongs to one person or job, or of the list of jobs.
    pub(super) async fn all(
        &self,
        op: Op,
        id: Option<&ClinchId>,
    ) -> Result<Vec<Resource>, ClinchError> {
        let mut all: Vec<Resource> = Vec::new();
        let mut cursor = Some(Cursor::first());
        for _ in 0..MAX_PAGES_OF_PART {
            let Some(at) = cursor.take() else { return Ok(all) };
            let page = self.walk(op, id, &[], at).await?;
            all.extend(page.resources);
            // These lists are short and identify nobody: their total is good enough to stop at.
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
    fn a_walk_ends_even_if_every_page_holds_new_ids() {
        let mut cursor = Cursor::first();
        let pages = loop {
            let number = cursor.number;
            match cursor.advance(Some(At::Number)) {
                Ok(next) => cursor = next.expect("there may be another page"),
                Err(TooLong) => break number,
            }
        };
        assert_eq!(pages, MAX_PAGES_OF_WALK);
        assert!(
            matches!(Cursor::first().advance(None), Ok(None)),
            "the last page is not the limit"
        );
    }

    #[test]
    fn a_walk_ends_before_its_ids_fill_the_memory() {
        assert!(!is_too_long(MAX_PAGES_OF_WALK - 1, MAX_IDS_OF_WALK - 1));
        assert!(is_too_long(1, MAX_IDS_OF_WALK));
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
