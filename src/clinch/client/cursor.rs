//! Where a walk of a list is: which page is next, by number or by link, and in which parts a page is read that
//! is too large as a whole. Pure.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
};

use url::Url;

use crate::{clinch::contract::Paging, jsonapi::Resource};

/// Maximum pages of one walk: ends the walk of a list that never stops returning new ids. At 100
/// people a page that is ten million people. Not derived from the stated total, which on some
/// servers counts the page only.
pub const MAX_PAGES_OF_WALK: u64 = 100_000;
/// Maximum different ids of one walk, which are kept in memory meanwhile.
const MAX_IDS_OF_WALK: usize = 3_500_000;

/// The position of a walk.
pub struct Cursor {
    pub(super) at: At,
    /// The number of the page, from 1.
    pub(super) number: u64,
    /// Pages read.
    pages: u64,
    /// Set while a page is read in parts; `number` counts these then.
    pub(super) part: Option<Part>,
    /// How many resources a whole page lists: a server may give fewer than requested.
    page_len: Option<u32>,
    seen: HashSet<u64>,
    hasher: RandomState,
}

/// How the page is requested.
pub(super) enum At {
    /// By its number.
    Number,
    /// By the link of the page before.
    Link(Box<Url>),
}

/// A page size below the usual one, for a page that is too large to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// Resources of a part; divides `whole`.
    size: u32,
    /// Resources of a whole page.
    whole: u32,
    /// Whether the page was found by a link, so that a part without one is the last.
    pub(super) linked: bool,
}

/// What can be done about a page that is too large to be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Narrowed {
    /// Its first part is read.
    Part,
    /// It has one resource only.
    One,
    /// Nothing: nobody knows which resources it has.
    Not,
}

impl Cursor {
    /// The first page.
    pub fn first() -> Self {
        Self {
            at: At::Number,
            number: 1,
            pages: 0,
            part: None,
            page_len: None,
            seen: HashSet::new(),
            hasher: RandomState::new(),
        }
    }

    /// Number of different ids seen so far.
    pub fn seen(&self) -> usize {
        self.seen.len()
    }

    /// The same page, requested without a parameter that the link to it has.
    pub(super) fn without(mut self, parameter: &str) -> Self {
        if let At::Link(url) = &mut self.at {
            let others: Vec<(String, String)> = url
                .query_pairs()
                .filter(|(name, _)| name != parameter)
                .map(|pair| (pair.0.into_owned(), pair.1.into_owned()))
                .collect();
            url.query_pairs_mut().clear().extend_pairs(others);
        }
        self
    }

    /// Drops those of a page that were on an earlier one.
    pub(super) fn retain_new(&mut self, resources: &mut Vec<Resource>) {
        let listed = u32::try_from(resources.len()).ok();
        if self.part.is_none() {
            self.page_len = self.page_len.or(listed);
        }
        let hasher = &self.hasher;
        resources.retain(|resource| self.seen.insert(hasher.hash_one(&resource.id)));
    }

    /// The next page, if there may be one; `Err`: there may be one, but the walk reached its limit.
    pub(super) fn advance(self, at: Option<At>) -> Result<Option<Self>, TooLong> {
        let pages = self.pages + 1;
        match at {
            None => Ok(None),
            Some(_) if is_too_long(pages, self.seen.len()) => Err(TooLong),
            Some(at) => {
                let next = Self { at, number: self.number + 1, pages, ..self };
                Ok(Some(next.widened()))
            }
        }
    }

    /// The size of the page to request.
    pub(super) fn size(&self, paging: &Paging) -> u32 {
        self.part.map_or(paging.max_per_page, |part| part.size)
    }

    /// How many resources come before this page.
    pub(super) fn before(&self, paging: &Paging) -> u64 {
        let size = match (self.part, self.page_len) {
            (Some(part), _) => part.size,
            (None, Some(len)) => len,
            (None, None) => paging.max_per_page,
        };
        (self.number - 1).saturating_mul(u64::from(size))
    }

    /// Goes on with the first part of a page that is too large to be read.
    pub(super) fn narrow(&mut self, paging: &Paging) -> Narrowed {
        let whole = self.page_len.unwrap_or(paging.max_per_page).max(1);
        let linked = match &self.at {
            At::Number => self.part.is_some_and(|part| part.linked),
            At::Link(url) if is_numbered(url, paging, self.number) => true,
            At::Link(_) => return Narrowed::Not,
        };
        let part = self.part.unwrap_or(Part { size: whole, whole, linked });
        let Some(size) = largest_part(part.size) else { return Narrowed::One };
        self.number = (self.number - 1) * u64::from(part.size / size) + 1;
        (self.part, self.at) = (Some(Part { size, ..part }), At::Number);
        Narrowed::Part
    }

    /// Returns to larger parts where one begins, and to whole pages in the end.
    fn widened(mut self) -> Self {
        if let Some(part) = self.part {
            let before = (self.number - 1) * u64::from(part.size);
            let mut size = part.whole;
            while !before.is_multiple_of(u64::from(size)) {
                size = largest_part(size).unwrap_or(1);
            }
            self.number = before / u64::from(size) + 1;
            self.part = (size < part.whole).then_some(Part { size, ..part });
        }
        self
    }
}

/// Whether a link leads to the page of a number, of the usual size.
fn is_numbered(url: &Url, paging: &Paging, number: u64) -> bool {
    let (number, size) = (number.to_string(), paging.max_per_page.to_string());
    let is = |name: &str, value: &str| {
        url.query_pairs().any(|(key, given)| key == name && given == value)
    };
    is(&paging.page, &number) && is(&paging.per_page, &size)
}

/// The largest size of equal parts of a page, if it has more than one resource.
fn largest_part(size: u32) -> Option<u32> {
    (2..=size).find(|divisor| size.is_multiple_of(*divisor)).map(|divisor| size / divisor)
}

fn is_too_long(pages: u64, ids: usize) -> bool {
    pages >= MAX_PAGES_OF_WALK || ids >= MAX_IDS_OF_WALK
}

/// The walk reached its limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cursor(page {}, {} seen)", self.number, self.seen.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clinch::contract::Contract;

    #[test]
    fn a_walk_ends_even_if_every_page_holds_new_ids() {
        let mut cursor = Cursor::first();
        let pages = loop {
            let pages = cursor.pages + 1;
            match cursor.advance(Some(At::Number)) {
                Ok(next) => cursor = next.expect("there may be another page"),
                Err(TooLong) => break pages,
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

    /// Walks a list of so many people by number; which of them are read, which are too large, and in how
    /// many requests.
    fn walk(people: u64, paging: &Paging, large: &[u64]) -> (Vec<u64>, Vec<u64>, u32) {
        let (mut cursor, mut read, mut left_out, mut requests) =
            (Cursor::first(), Vec::new(), Vec::new(), 0);
        loop {
            requests += 1;
            let size = u64::from(cursor.size(paging));
            let page = (cursor.number - 1) * size..(cursor.number * size).min(people);
            if large.iter().any(|one| page.contains(one)) {
                match cursor.narrow(paging) {
                    Narrowed::Part => continue,
                    Narrowed::One => left_out.push(cursor.before(paging)),
                    Narrowed::Not => panic!("the page has a number"),
                }
            } else if page.is_empty() {
                return (read, left_out, requests);
            } else {
                read.extend(page);
            }
            cursor = cursor.advance(Some(At::Number)).unwrap().unwrap();
        }
    }

    #[test]
    fn a_page_that_is_too_large_is_read_in_parts_down_to_the_person_at_fault() {
        for (size, large, most) in [
            (100, vec![], 4),
            (100, vec![119], 24),
            (100, vec![0], 20),
            (100, vec![249], 24),
            (97, vec![100], 104),
            (1, vec![3], 251),
            (64, vec![5, 6, 200], 34),
            (100, (0..250).collect(), 320),
        ] {
            let paging = Paging { max_per_page: size, ..Contract::built_in().paging };
            let (read, left_out, requests) = walk(250, &paging, &large);
            let others: Vec<u64> = (0..250).filter(|one| !large.contains(one)).collect();
            assert_eq!((read, &left_out), (others, &large), "{size}");
            assert!(requests <= most, "{size} {large:?}: {requests}");
        }
    }

    #[test]
    fn a_page_behind_a_link_is_read_in_parts_only_if_its_place_is_known() {
        let paging = Contract::built_in().paging;
        let narrowed = |link: &str| {
            let at = At::Link(Box::new(Url::parse(link).unwrap()));
            let mut cursor = Cursor { at, number: 3, ..Cursor::first() };
            let narrowed = cursor.narrow(&paging);
            (narrowed, cursor.number, cursor.part)
        };
        let (found, number, part) = narrowed("https://c.example/x?a=b&per_page=100&page=3");
        let linked = Some(Part { size: 50, whole: 100, linked: true });
        assert_eq!((found, number, part), (Narrowed::Part, 5, linked));
        for link in ["?page=2&per_page=100", "?page=3&per_page=25", "?cursor=abc", "?page=3"] {
            let link = format!("https://c.example/x{link}");
            assert_eq!(narrowed(&link), (Narrowed::Not, 3, None), "{link}");
        }
    }

    #[test]
    fn a_parameter_is_taken_off_a_link() {
        let link = "https://c.example/x?page=2&include=social_profile&a=b%20c";
        let at = At::Link(Box::new(Url::parse(link).unwrap()));
        let cursor = Cursor { at, ..Cursor::first() }.without("include");
        let At::Link(url) = cursor.at else { panic!("a link") };
        assert_eq!(url.as_str(), "https://c.example/x?page=2&a=b+c");
    }
}
