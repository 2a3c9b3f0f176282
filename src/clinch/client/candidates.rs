//! Candidates: verify, find, walk, read, update. Does network I/O through the client.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Map, Value};

use super::{Client, Cursor, Errand, encode, one, paging::stated_total};
use crate::{
    clinch::{
        contract::Op,
        error::{ClinchError, NotClinchSign},
        person::Person,
        wire::Outgoing,
    },
    domain::{ClinchId, MatchKey},
    jsonapi::NewResource,
};

/// What a signed read of the candidate list tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many people there are, where Clinch says so.
    pub total: Option<u64>,
}

/// One page of people, each seen for the first time in its walk.
#[derive(Debug)]
pub struct Page {
    /// The people.
    pub people: Vec<Person>,
    /// Where the walk goes on; `None`: this was the last page, or as many as a walk may have.
    pub next: Option<Cursor>,
    /// How many people there are, where Clinch says so. A hint: never used to end a walk.
    pub total: Option<u64>,
    /// How many different people the walk has seen, this page included.
    pub seen: u64,
    /// The walk was ended by its bound, [`MAX_PAGES_OF_WALK`](super::MAX_PAGES_OF_WALK): it has not seen everybody.
    pub cut_off: bool,
}

impl Client {
    /// A signed list of one: is this Clinch, and does it take the credential?
    pub async fn verify(&self) -> Result<Verified, ClinchError> {
        self.verify_with(Errand::Verify).await
    }

    /// As [`Client::verify`], but also while the credential is known as rejected or the API as
    /// down; acceptance clears either.
    pub async fn probe(&self) -> Result<Verified, ClinchError> {
        self.verify_with(Errand::Probe).await
    }

    async fn verify_with(&self, errand: Errand) -> Result<Verified, ClinchError> {
        Ok(Verified { total: self.ask_total(errand).await? })
    }

    /// How many people there are, where Clinch says so: one request for a list of one.
    pub async fn total(&self) -> Result<Option<u64>, ClinchError> {
        self.ask_total(Errand::Call).await
    }

    async fn ask_total(&self, errand: Errand) -> Result<Option<u64>, ClinchError> {
        let (_, document) = self.list_first(Op::ListCandidates, 1, None, errand).await?;
        Ok(stated_total(&document))
    }

    /// The people with that match value: what is returned was checked here, not trusted. An
    /// answer that holds anyone else means that the filter is not honoured: `FilterIgnored`.
    pub async fn find(&self, key: &MatchKey) -> Result<Vec<Person>, ClinchError> {
        let contract = self.contract();
        let filter = contract.filter.as_deref().ok_or(ClinchError::FilterIgnored)?;
        let (resources, _) = self
            .list_first(
                Op::ListCandidates,
                contract.paging.max_per_page,
                Some((filter, key.expose())),
                Errand::Call,
            )
            .await?;
        let mut people = Vec::with_capacity(resources.len());
        for resource in resources {
            let person = Person::read(resource, &contract.names)?;
            if person.match_value.as_ref() != Some(key) {
                return Err(ClinchError::FilterIgnored);
            }
            people.push(person);
        }
        Ok(people)
    }

    /// One page of everyone. Begin with [`Cursor::first`]; the walk is over when `next` is
    /// `None`, which it is after [`MAX_PAGES_OF_WALK`](super::MAX_PAGES_OF_WALK) pages at the latest.
    pub async fn page(&self, cursor: Cursor) -> Result<Page, ClinchError> {
        let page = self.walk(Op::ListCandidates, None, cursor).await?;
        let names = &self.contract().names;
        let people = page.resources.into_iter().map(|resource| Person::read(resource, names));
        Ok(Page {
            people: people.collect::<Result<_, _>>()?,
            next: page.next,
            total: page.total,
            seen: page.seen,
            cut_off: page.cut_off,
        })
    }

    /// One person.
    pub async fn get(&self, id: &ClinchId) -> Result<Person, ClinchError> {
        let resource = self.read_one(Op::GetCandidate, id).await?;
        Person::read(resource, &self.contract().names)
    }

    /// Whether there is such a person: asked to tell one account from another, hence soon.
    pub async fn has(&self, id: &ClinchId) -> Result<bool, ClinchError> {
        let op = Op::GetCandidate;
        let url = self.url(op, Some(id));
        let mut outgoing = Outgoing::new(op.name(), op.effect(), Method::GET, url);
        outgoing.patience = Errand::Verify.patience();
        match self.send(op, outgoing, false).await {
            Ok(answer) => match one(&answer) {
                Some(_) => Ok(true),
                None => Err(ClinchError::NotClinch(NotClinchSign::NoData)),
            },
            Err(ClinchError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Changes the given attributes of one person, and no other. The person as changed, where
    /// the answer shows it.
    pub async fn update(
        &self,
        id: &ClinchId,
        attributes: &Map<String, Value>,
    ) -> Result<Option<Person>, ClinchError> {
        let body = encode(NewResource {
            kind: "candidate",
            id: Some(id.as_str()),
            attributes,
            relationships: BTreeMap::new(),
        });
        let answer = self.write(Op::UpdateCandidate, Some(id), body).await?;
        let names = &self.contract().names;
        Ok(one(&answer).and_then(|resource| Person::read(resource, names).ok()))
    }
}
