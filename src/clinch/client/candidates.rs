//! Candidates: verify, find, walk, read, update. Does network I/O through the client.

use std::{borrow::Cow, collections::BTreeMap};

use http::Method;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    Client, Cursor, Purpose, encode, one,
    paging::{RawPage, stated_total},
};
use crate::{
    clinch::{
        contract::{Op, UpdatedSince},
        error::{ClinchError, NotClinchSign},
        resources::Candidate,
        social::{SOCIAL_PROFILE, SocialProfiles},
        wire::Request,
    },
    domain::{ClinchId, MatchKey, ProfilesShown},
    jsonapi::{NewResource, Resource},
};

/// The result of a signed read of the candidate list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The total number of people, if Clinch states it.
    pub total: Option<u64>,
}

/// One page of people that the walk has not returned before.
#[derive(Debug)]
pub struct Page {
    /// The people.
    pub people: Vec<Candidate>,
    /// How many people it lists, with those that the walk has returned before.
    pub listed: u64,
    /// When it was answered, by Clinch's own clock, if it states that.
    pub answered_at: Option<Timestamp>,
    /// Where the walk continues; `None`: this was the last page, or the last one allowed.
    pub next: Option<Cursor>,
    /// The total number of people, if Clinch states it. A hint: never used to end a walk.
    pub total: Option<u64>,
    /// Number of different people seen by the walk, including this page.
    pub seen: u64,
    /// The walk reached its limit, [`MAX_PAGES_OF_WALK`](super::MAX_PAGES_OF_WALK), before it saw
    /// everybody.
    pub cut_off: bool,
    /// How many people were requested.
    pub asked: u64,
    /// The place on the list, from 1, of the only person of this page, who is too large to be read.
    pub too_large: Option<u64>,
    /// What it shows of their profiles, where these were requested.
    pub profiles: ProfilesShown,
}

/// How often a person is read while each answer has another id than the one before it.
const MAX_READS: usize = 4;
/// No time of a change is later, whatever a clock says.
const FAR_FUTURE: i16 = 2500;
/// Every time of a change is later.
const LONG_AGO: i16 = 1971;

impl Client {
    /// Lists one person, signed: is this Clinch, and does it accept the credential?
    pub async fn verify(&self) -> Result<Verified, ClinchError> {
        self.verify_with(Purpose::Verify).await
    }

    /// As [`Client::verify`], but also sent while the credential is known to be rejected or the
    /// API to be down; success clears both.
    pub async fn probe(&self) -> Result<Verified, ClinchError> {
        self.verify_with(Purpose::Probe).await
    }

    async fn verify_with(&self, purpose: Purpose) -> Result<Verified, ClinchError> {
        Ok(Verified { total: self.total_for(purpose).await? })
    }

    /// The total number of people, if Clinch states it: one request for a list of one.
    pub async fn total(&self) -> Result<Option<u64>, ClinchError> {
        self.total_for(Purpose::Work).await
    }

    async fn total_for(&self, purpose: Purpose) -> Result<Option<u64>, ClinchError> {
        let (_, document) = self.list_first(Op::ListCandidates, 1, None, purpose).await?;
        Ok(stated_total(&document))
    }

    /// The people with that match value, in whichever spelling, also that of the source: one request for each. The filter is
    /// not trusted: if a response holds anybody else, the result is `FilterIgnored`.
    pub async fn find(&self, key: &MatchKey) -> Result<Vec<Candidate>, ClinchError> {
        let mut people = self.find_spelled(key, key.expose()).await?;
        let mut others = key.expose_others();
        let spelled = key.expose_spelled().map(Cow::Borrowed);
        others.extend(spelled.filter(|spelled| !others.contains(spelled)));
        for other in others {
            for person in self.find_spelled(key, &other).await? {
                if people.iter().all(|known| known.id != person.id) {
                    people.push(person);
                }
            }
        }
        Ok(people)
    }

    async fn find_spelled(
        &self,
        key: &MatchKey,
        spelling: &str,
    ) -> Result<Vec<Candidate>, ClinchError> {
        let contract = self.contract();
        let filter = contract.filter.as_deref().ok_or(ClinchError::FilterIgnored)?;
        let (resources, _) = self
            .list_first(
                Op::ListCandidates,
                contract.paging.max_per_page,
                Some((filter, spelling)),
                Purpose::Work,
            )
            .await?;
        let mut people = Vec::with_capacity(resources.len());
        for resource in resources {
            let person = Candidate::read(resource, &contract.names)?;
            if person.match_key().as_ref() != Some(key) {
                return Err(ClinchError::FilterIgnored);
            }
            people.push(person);
        }
        Ok(people)
    }

    /// One page of the list of everybody. Start with [`Cursor::first`]; the walk ends when `next` is
    /// `None`, after at most [`MAX_PAGES_OF_WALK`](super::MAX_PAGES_OF_WALK) pages.
    pub async fn page(&self, cursor: Cursor) -> Result<Page, ClinchError> {
        let query = self.list_query(None);
        self.people_of(self.walk(Op::ListCandidates, None, &query, cursor).await?)
    }

    /// As [`Client::page`], with the addresses of people's profiles, if the contract offers them. Where they
    /// cannot be requested, the page is read without.
    pub async fn page_with_profiles(&self, cursor: Cursor) -> Result<Page, ClinchError> {
        let mut query = self.list_query(None);
        let Some(include) = &self.contract().include else { return self.page(cursor).await };
        query.push((include, SOCIAL_PROFILE));
        match self.read_page(Op::ListCandidates, None, &query, &cursor).await {
            Ok(page) => self.people_of(self.take_page(Op::ListCandidates, None, cursor, page)?),
            Err(ClinchError::Rejected { .. } | ClinchError::AnswerTooLarge { .. }) => {
                let page = self.page(cursor.without(include)).await?;
                Ok(Page { profiles: ProfilesShown::Missing, ..page })
            }
            Err(error) => Err(error),
        }
    }

    /// One page of the list of everybody, or of the people who changed since a time: only after
    /// [`Client::lists_changes`] said that Clinch can be asked for them. A page that is too large to be read
    /// is read in parts, down to the one person who is too large.
    pub async fn page_in_parts(
        &self,
        since: Option<Timestamp>,
        cursor: Cursor,
    ) -> Result<Page, ClinchError> {
        let value;
        let changes = match (since, &self.contract().updated_since) {
            (None, _) => None,
            (Some(_), None) => return Err(ClinchError::FilterIgnored),
            (Some(since), Some(offered)) => {
                value = offered.value(since);
                Some((offered.parameter.as_str(), value.as_str()))
            }
        };
        let query = self.list_query(changes);
        self.people_of(self.walk_in_parts(Op::ListCandidates, &query, cursor).await?)
    }

    /// Whether the list can be restricted to changes: the parameter is offered, nobody changed in a far
    /// future, and somebody did since long ago. Two requests, once for each client; none where nothing
    /// is offered.
    pub async fn lists_changes(&self) -> Result<bool, ClinchError> {
        let Some(offered) = &self.contract().updated_since else { return Ok(false) };
        let proved = self.0.lists_changes.get_or_try_init(|| async {
            Ok(self.anybody_since(offered, FAR_FUTURE).await? == Some(false)
                && self.anybody_since(offered, LONG_AGO).await? == Some(true))
        });
        proved.await.copied()
    }

    /// Whether anybody changed since the start of a year; `None`: Clinch does not take that time.
    async fn anybody_since(
        &self,
        offered: &UpdatedSince,
        year: i16,
    ) -> Result<Option<bool>, ClinchError> {
        let since = jiff::civil::date(year, 1, 1).to_zoned(jiff::tz::TimeZone::UTC);
        let value = offered.value(since.map(|since| since.timestamp()).unwrap_or_default());
        let query = Some((offered.parameter.as_str(), value.as_str()));
        match self.list_first(Op::ListCandidates, 1, query, Purpose::Work).await {
            Ok((resources, _)) => Ok(Some(!resources.is_empty())),
            Err(ClinchError::Rejected { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What the list of people is asked for, besides a page.
    fn list_query<'a>(&'a self, other: Option<(&'a str, &'a str)>) -> Vec<(&'a str, &'a str)> {
        let sort = self.contract().sort.as_ref();
        let sort = sort.map(|sort| (sort.parameter.as_str(), sort.ascending.as_str()));
        other.into_iter().chain(sort).collect()
    }

    fn people_of(&self, page: RawPage) -> Result<Page, ClinchError> {
        let names = &self.contract().names;
        let mut profiles = SocialProfiles::of(page.included);
        let people = page.resources.into_iter().map(|resource| {
            let profile_urls = profiles.of_person(&resource);
            let mut candidate = Candidate::read(resource, names)?;
            candidate.profile_urls = profile_urls;
            Ok(candidate)
        });
        Ok(Page {
            people: people.collect::<Result<_, ClinchError>>()?,
            listed: page.listed,
            answered_at: page.answered_at,
            next: page.next,
            total: page.total,
            seen: page.seen,
            cut_off: page.cut_off,
            asked: page.asked,
            too_large: page.too_large,
            profiles: profiles.shown(),
        })
    }

    /// One person. If they were merged into somebody else, Clinch may answer with that person; an answer with
    /// another id is believed only if the next one has it, too, as it may be that to another request.
    pub async fn get(&self, id: &ClinchId) -> Result<Candidate, ClinchError> {
        let mut other = None;
        for _ in 0..MAX_READS {
            let person = self.get_once(id).await?;
            if person.id == *id || other.as_ref() == Some(&person.id) {
                return Ok(person);
            }
            other = Some(person.id);
        }
        Err(ClinchError::NotClinch(NotClinchSign::NoData))
    }

    async fn get_once(&self, id: &ClinchId) -> Result<Candidate, ClinchError> {
        let resource = self.read_one(Op::GetCandidate, id).await?;
        Candidate::read(resource, &self.contract().names)
    }

    /// Whether the person exists.
    pub async fn has(&self, id: &ClinchId) -> Result<bool, ClinchError> {
        Ok(self.one_of_account(id).await?.is_some())
    }

    /// Whether the person was anonymised; `None` if there is none of this id.
    pub async fn is_anonymised(&self, id: &ClinchId) -> Result<Option<bool>, ClinchError> {
        let Some(resource) = self.one_of_account(id).await? else { return Ok(None) };
        Ok(Some(Candidate::read(resource, &self.contract().names)?.anonymized))
    }

    /// A person by whom the account is identified, so the shorter time limit applies.
    async fn one_of_account(&self, id: &ClinchId) -> Result<Option<Resource>, ClinchError> {
        let op = Op::GetCandidate;
        let url = self.url(op, Some(id));
        let mut request = Request::new(op.name(), op.effect(), Method::GET, url);
        request.time_limit = Purpose::Verify.time_limit(self.0.config.timeouts);
        match self.send(op, request, false).await {
            Ok(response) => match one(&response) {
                Some(resource) => Ok(Some(resource)),
                None => Err(ClinchError::NotClinch(NotClinchSign::NoData)),
            },
            Err(ClinchError::NotFound | ClinchError::NotClinch(NotClinchSign::BareNotFound)) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Changes only the given attributes of one person. Returns the changed person if the response
    /// shows it.
    pub async fn update(
        &self,
        id: &ClinchId,
        attributes: &Map<String, Value>,
    ) -> Result<Option<Candidate>, ClinchError> {
        let body = encode(NewResource {
            kind: "candidate",
            id: Some(id.as_str()),
            attributes,
            relationships: BTreeMap::new(),
        });
        let response = self.write(Op::UpdateCandidate, Some(id), body).await?;
        let names = &self.contract().names;
        Ok(one(&response).and_then(|resource| Candidate::read(resource, names).ok()))
    }
}
