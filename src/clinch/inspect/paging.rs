//! How the list of candidates is paged.

use super::{
    finding::Verdict,
    inspector::{Inspector, Unread, listed, path_of, spellings},
};
use crate::{
    clinch::{client::stated_total, contract::Op, error::ClinchError},
    jsonapi::Document,
};

/// Names of a page size parameter.
const SIZES: [&str; 6] =
    ["per_page", "page[size]", "page[per_page]", "perPage", "page_size", "limit"];
/// Names of a page number parameter.
const PAGES: [&str; 4] = ["page", "page[number]", "page[page]", "pageNumber"];

const OP: Op = Op::ListCandidates;

impl Inspector<'_> {
    /// Reads the list of people, and how it is paged. `Err`: the list cannot be read, so nothing can.
    pub(super) async fn paging(&mut self) -> Result<(), ClinchError> {
        let mut first = match self.read(OP, None, &[]).await {
            Ok(document) => document,
            Err(Unread::Spent) => return Ok(()),
            Err(Unread::Refused(error) | Unread::Failed(error)) => return Err(error),
        };
        let state = self.contract.operation(OP).state.as_str();
        let path = self.contract.operation(OP).path.clone();
        match listed(&mut first) {
            Ok(people) => self.people = people,
            Err(unread) => {
                self.note_unread(path_of(OP), path, state, Verdict::Contradicted, &unread);
                return Ok(());
            }
        }
        let without_id =
            self.people.iter().any(|person| crate::clinch::resources::id(person).is_err());
        let (verdict, seen) = if without_id {
            (Verdict::Contradicted, "a list with people whose ids cannot be used in a path")
        } else {
            (Verdict::Confirmed, "a JSON:API list of people with ids")
        };
        self.note(path_of(OP), path, state, verdict, seen);
        if without_id {
            self.people.clear();
        }
        self.page_size().await;
        self.page_number().await;
        self.total_and_link(&first);
        self.largest_page(&first).await;
        Ok(())
    }

    async fn page_size(&mut self) {
        let own = self.contract.paging.per_page.clone();
        let standing = self.standing(|contract| contract.paging.per_page.clone());
        let topic = "pageSizeParameter";
        if self.people.len() < 2 {
            self.note(topic, own, standing, Verdict::Unknown, "needs two people in the account");
            return;
        }
        for name in spellings(Some(&own), &SIZES) {
            match self.list(OP, None, &[(name.as_str(), "1")]).await {
                Ok(people) if people.len() == 1 => {
                    self.size = Some(name);
                    break;
                }
                Ok(_) | Err(Unread::Refused(_)) => {}
                Err(unread) => {
                    return self.note_unread(topic, own, standing, Verdict::Unknown, &unread);
                }
            }
        }
        match self.size.clone() {
            Some(name) if name == own => {
                self.note(topic, own, standing, Verdict::Confirmed, "a page of 1 shows one person");
            }
            Some(name) => {
                let seen = format!("{name} sets the size of a page, and {own} does not");
                self.note(topic, own, standing, Verdict::Contradicted, seen);
                self.contract.paging.per_page.clone_from(&name);
                self.corrections.page_size_parameter = Some(name);
            }
            None => {
                let seen = format!(
                    "none of the usual names sets the size of a page; pages have {} people",
                    self.people.len()
                );
                self.note(topic, own, standing, Verdict::Contradicted, seen);
            }
        }
    }

    async fn page_number(&mut self) {
        let own = self.contract.paging.page.clone();
        let standing = self.standing(|contract| contract.paging.page.clone());
        let topic = "pageParameter";
        let size = self.size.clone();
        let sized: Vec<(&str, &str)> = size.iter().map(|name| (name.as_str(), "1")).collect();
        if self.people.len() < 2 {
            self.note(topic, own, standing, Verdict::Unknown, "needs two people in the account");
            return;
        }
        // With pages of one, page 2 shows one person who is not the first.
        let first: Vec<String> = if size.is_some() {
            vec![self.people[0].id.clone()]
        } else {
            self.people.iter().map(|person| person.id.clone()).collect()
        };
        let mut found = None;
        for name in spellings(Some(&own), &PAGES) {
            let query: Vec<_> =
                std::iter::once((name.as_str(), "2")).chain(sized.clone()).collect();
            match self.list(OP, None, &query).await {
                Ok(people) if people.first().is_some_and(|person| !first.contains(&person.id)) => {
                    found = Some(name);
                    break;
                }
                Ok(_) | Err(Unread::Refused(_)) => {}
                Err(unread) => {
                    return self.note_unread(topic, own, standing, Verdict::Unknown, &unread);
                }
            }
        }
        let Some(name) = found else {
            let (verdict, seen) = if size.is_some() {
                (Verdict::Contradicted, "none of the usual names turns pages")
            } else {
                (Verdict::Unknown, "no second page was found; the account may have only one")
            };
            return self.note(topic, own, standing, verdict, seen);
        };
        let query: Vec<_> = std::iter::once((name.as_str(), "1")).chain(sized).collect();
        let from_one = match self.list(OP, None, &query).await {
            Ok(people) => people.first().is_some_and(|person| person.id == first[0]),
            Err(unread) => {
                return self.note_unread(topic, own, standing, Verdict::Unknown, &unread);
            }
        };
        if !from_one {
            let seen = format!(
                "{name} turns pages, but page 1 is not the start of the list: pages are counted from 0, or \
                 the order changes between two reads"
            );
            self.note(topic, own, standing, Verdict::Contradicted, seen);
        } else if name == own {
            let seen = "page 1 is the start of the list, and page 2 shows others";
            self.note(topic, own, standing, Verdict::Confirmed, seen);
        } else {
            let seen = format!("{name} turns pages, and {own} does not");
            self.note(topic, own, standing, Verdict::Contradicted, seen);
            self.contract.paging.page.clone_from(&name);
            self.corrections.page_parameter = Some(name);
        }
    }

    fn total_and_link(&mut self, first: &Document) {
        let (listed, assumed) = (self.people.len() as u64, "states the number of all people");
        let standing = "Assumed";
        match stated_total(first) {
            None => self.note(
                "total of the list",
                assumed,
                standing,
                Verdict::Contradicted,
                "no total: absence is proved by looking each person up (2 requests a person)",
            ),
            Some(total) if total < listed => {
                let seen = "a total that is smaller than the page that states it";
                self.note("total of the list", assumed, standing, Verdict::Contradicted, seen);
            }
            Some(total) if total == listed && first.links.next.is_some() => self.note(
                "total of the list",
                assumed,
                standing,
                Verdict::Contradicted,
                "the number of people on the page, although there is a next one",
            ),
            Some(total) => {
                let seen =
                    format!("a total of {total}; pushes compare it with the people they see");
                self.note("total of the list", assumed, standing, Verdict::Confirmed, seen);
            }
        }
        let seen = match &first.links.next {
            Some(_) => "links.next is given and followed",
            None => "no links.next on the first page: pages are counted",
        };
        let assumed = "leads to the next page, or is absent";
        self.note("link to the next page", assumed, standing, Verdict::Confirmed, seen);
    }

    async fn largest_page(&mut self, first: &Document) {
        let own = self.contract.paging.max_per_page;
        let standing = self.standing(|contract| contract.paging.max_per_page);
        let (topic, assumed) = ("maxPageSize", own.to_string());
        let Some(size) = self.size.clone() else {
            let seen = "needs a parameter that sets the size of a page";
            return self.note(topic, assumed, standing, Verdict::Unknown, seen);
        };
        let mut page = match self.read(OP, None, &[(size.as_str(), assumed.as_str())]).await {
            Ok(page) => page,
            Err(unread) => {
                return self.note_unread(topic, assumed, standing, Verdict::Contradicted, &unread);
            }
        };
        let has_more = page.links.next.is_some();
        let people = match listed(&mut page) {
            Ok(people) => people,
            Err(unread) => {
                return self.note_unread(topic, assumed, standing, Verdict::Contradicted, &unread);
            }
        };
        let (shown, total) = (people.len(), stated_total(first).or_else(|| stated_total(&page)));
        let has_more = has_more || total.is_some_and(|total| total > shown as u64);
        if people.len() > self.people.len() {
            self.people = people;
        }
        match u32::try_from(shown) {
            Ok(shown) if shown >= own => {
                self.note(
                    topic,
                    assumed,
                    standing,
                    Verdict::Confirmed,
                    "a page of that size is full",
                );
            }
            Ok(shown) if shown > 0 && has_more => {
                let seen = format!("a page has at most {shown} people");
                self.note(topic, assumed, standing, Verdict::Contradicted, seen);
                self.contract.paging.max_per_page = shown;
                self.corrections.max_page_size = i32::try_from(shown).ok();
            }
            _ => {
                let seen = format!("the account has {shown} people, fewer than such a page holds");
                self.note(topic, assumed, standing, Verdict::Unknown, seen);
            }
        }
    }
}
