//! Walks lists whose paging is not documented. Does network I/O through the client.
//!
//! Rule: follow `links.next` while it stays on the list's own origin and path, otherwise count pages
//! until one holds no new id. A partly repeated page does not end the walk: people created during
//! the walk push others onto the next page.

use http::Method;
use jiff::Timestamp;
use url::Url;

use super::{
    Client, MAX_LIST_BYTES, Purpose,
    cursor::{At, Cursor, Narrowed},
};
use crate::{
    clinch::{
        classify::answered_at,
        contract::{Op, Paging},
        error::{ClinchError, NotClinchSign},
        wire::Request,
    },
    domain::ClinchId,
    jsonapi::{Document, Included, PrimaryData, Resource},
};

/// Maximum pages of a list that belongs to one person or job.
const MAX_PAGES_OF_PART: usize = 1000;

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
    /// How many resources were requested.
    pub asked: u64,
    /// The place on the list, from 1, of the only resource of this page, which is too large to be read.
    pub too_large: Option<u64>,
    /// Related resources that came along; `None`: none were mentioned.
    pub included: Option<Vec<Included>>,
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

/// The page of one resource that is too large to be read.
fn beyond(cursor: Cursor, paging: &Paging) -> RawPage {
    let (seen, too_large) = (cursor.seen() as u64, Some(cursor.before(paging) + 1));
    let advanced = cursor.advance(Some(At::Number));
    RawPage {
        resources: Vec::new(),
        listed: 1,
        answered_at: None,
        cut_off: advanced.is_err(),
        next: advanced.unwrap_or_default(),
        total: None,
        seen,
        asked: 1,
        too_large,
        included: None,
    }
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
        cursor: Cursor,
    ) -> Result<RawPage, ClinchError> {
        let listed = self.read_page(op, id, query, &cursor).await?;
        self.take_page(op, id, cursor, listed)
    }

    /// The page at `cursor`, or the part of it that can be read.
    pub(super) async fn walk_in_parts(
        &self,
        op: Op,
        query: &[(&str, &str)],
        mut cursor: Cursor,
    ) -> Result<RawPage, ClinchError> {
        let paging = &self.contract().paging;
        loop {
            let error = match self.read_page(op, None, query, &cursor).await {
                Err(error @ ClinchError::AnswerTooLarge { .. }) => error,
                Err(error) => return Err(error),
                Ok(listed) => return self.take_page(op, None, cursor, listed),
            };
            match cursor.narrow(paging) {
                Narrowed::Part => {}
                Narrowed::One => return Ok(beyond(cursor, paging)),
                Narrowed::Not => return Err(error),
            }
        }
    }

    /// Reads the page at `cursor`.
    pub(super) async fn read_page(
        &self,
        op: Op,
        id: Option<&ClinchId>,
        query: &[(&str, &str)],
        cursor: &Cursor,
    ) -> Result<Listed, ClinchError> {
        let url = match &cursor.at {
            At::Link(url) => Url::clone(url),
            At::Number => {
                let size = cursor.size(&self.contract().paging);
                let mut url = self.list_url(op, id, cursor.number, size);
                if !query.is_empty() {
                    url.query_pairs_mut().extend_pairs(query);
                }
                url
            }
        };
        self.list_document(op, url, Purpose::Work).await
    }

    /// What is new on a page, and where the walk continues.
    pub(super) fn take_page(
        &self,
        op: Op,
        id: Option<&ClinchId>,
        mut cursor: Cursor,
        page: Listed,
    ) -> Result<RawPage, ClinchError> {
        let Listed { mut resources, document, answered_at } = page;
        let paging = &self.contract().paging;
        let listed = resources.len() as u64;
        for resource in &resources {
            crate::clinch::resources::id(resource)?;
        }
        cursor.retain_new(&mut resources);
        let asked = u64::from(cursor.size(paging));

        let own = self.list_url(op, id, cursor.number, paging.max_per_page);
        let (from, linked) = match &cursor.at {
            At::Number => (&own, false),
            At::Link(url) => (&**url, true),
        };
        let link = document.links.next.as_deref().map(|next| self.follow(from, &own, next));
        let linked = cursor.part.map_or(linked, |part| part.linked);
        let at = match link {
            None if linked => None,
            Some(Some(next)) if cursor.part.is_none() => Some(At::Link(Box::new(next))),
            // No link, one to another place, or the one of a part, which leads to another part: count
            // pages.
            Some(_) | None => Some(At::Number),
        };
        let seen = cursor.seen() as u64;
        let advanced = cursor.advance(at.filter(|_| !resources.is_empty()));
        let cut_off = advanced.is_err();
        let next = advanced.unwrap_or_default();
        let (total, included) = (stated_total(&document), document.included);
        let too_large = None;
        Ok(RawPage {
            resources,
            listed,
            answered_at,
            next,
            total,
            seen,
            cut_off,
            asked,
            too_large,
            included,
        })
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
    fn a_total_is_read_under_each_of_its_names() {
        let of = |text: &str| stated_total(&serde_json::from_str(text).unwrap());
        assert_eq!(of(r#"{"meta": {"count": 3, "total": 2, "total_count": 1}}"#), Some(1));
        assert_eq!(of(r#"{"meta": {"count": 3, "total": 2}}"#), Some(2));
        assert_eq!(of(r#"{"meta": {"count": 3, "total_count": "many"}}"#), Some(3));
        assert_eq!(of(r#"{"meta": {}}"#), None);
    }
}
