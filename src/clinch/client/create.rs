//! Creating people exactly once. Does network I/O through the client; waits on the tokio clock.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep, sleep_until};

use super::{Client, encode, one};
use crate::{
    clinch::{
        contract::Op,
        error::{ClinchError, Doubt},
        person::Person,
        wire::Answer,
    },
    domain::MatchKey,
    jsonapi::{Document, NewResource, PrimaryData},
};

/// Most creates sent for one person.
const MAX_ROUNDS: usize = 3;

/// What a create was answered with.
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    /// A new person.
    New(Person),
    /// 200 instead of 201: the person was there, and was changed.
    Upserted(Person),
}

/// How it came that a person is in Clinch.
#[derive(Debug, Clone, PartialEq)]
pub enum Creation {
    /// Created by this call.
    Created(Person),
    /// Clinch took the create for an existing person and changed it.
    Upserted(Person),
    /// Created by this call, as a look-up told after its answer was lost.
    Recovered(Person),
    /// There before: nothing was created. More than one when several match.
    Found(Vec<Person>),
}

impl Client {
    /// Creates a person, once and without any look-up. `Ambiguous`: it may exist now; look it up
    /// before anything else.
    pub async fn create(&self, attributes: &Map<String, Value>) -> Result<Created, ClinchError> {
        self.create_encoded(candidate(attributes)).await
    }

    async fn create_encoded(&self, body: Bytes) -> Result<Created, ClinchError> {
        let answer = self.write(Op::CreateCandidate, None, body).await?;
        let person = one(&answer)
            .and_then(|resource| Person::read(resource, &self.contract().names).ok())
            .ok_or_else(|| ClinchError::Ambiguous(without_id(&answer)))?;
        Ok(if answer.status == StatusCode::OK {
            Created::Upserted(person)
        } else {
            Created::New(person)
        })
    }

    /// Brings a person into Clinch who may be there already: looks up, creates only who is surely
    /// absent, and looks up again whenever it is in doubt whether a create was carried out. It is
    /// sent again only when the one before cannot be under way any more; one that was not answered
    /// in time is never sent again, for nobody can tell when it is over.
    ///
    /// `known_absent`: the caller has just looked. `attributes` must hold the match attribute.
    /// Needs an honoured filter (`FilterIgnored` otherwise, before anything is created), and the
    /// caller's care that no one else creates the same person meanwhile.
    pub async fn create_or_find(
        &self,
        key: &MatchKey,
        attributes: &Map<String, Value>,
        known_absent: bool,
    ) -> Result<Creation, ClinchError> {
        if self.contract().filter.is_none() {
            return Err(ClinchError::FilterIgnored);
        }
        if !known_absent {
            let found = self.find(key).await?;
            if !found.is_empty() {
                return Ok(Creation::Found(found));
            }
        }
        let body = candidate(attributes);
        let mut last = Doubt::NoId;
        for _ in 0..MAX_ROUNDS {
            let error = match self.create_encoded(body.clone()).await {
                Ok(Created::New(person)) => return Ok(Creation::Created(person)),
                Ok(Created::Upserted(person)) => return Ok(Creation::Upserted(person)),
                Err(error) => error,
            };
            if let ClinchError::Ambiguous(doubt) = error {
                last = doubt;
                // Whatever goes wrong while looking: the doubt is what the caller has to know.
                match self.look_again(key, doubt).await {
                    Err(_) => return Err(ClinchError::Ambiguous(doubt)),
                    Ok(found) if !found.is_empty() => return Ok(recovered(found)),
                    Ok(_) if doubt == Doubt::Timeout => {
                        return Err(ClinchError::Ambiguous(doubt));
                    }
                    Ok(_) => {}
                }
            } else if self.says_it_exists(&error) {
                sleep(self.contract().lookup_settle).await;
                let found = self.find(key).await?;
                return if found.is_empty() { Err(error) } else { Ok(Creation::Found(found)) };
            } else {
                return Err(error);
            }
        }
        Err(ClinchError::Ambiguous(last))
    }

    /// How long after a request of unknown outcome its effect shows at the latest, going by how
    /// long creates took so far. It may grow; ask when it is needed.
    pub fn settle(&self) -> Duration {
        self.quiet() + self.contract().lookup_settle
    }

    /// How long a request of a process that died may still be carried out, and until its effect
    /// shows.
    pub fn longest_request(&self) -> Duration {
        self.0.config.timeouts.orphaned + self.contract().lookup_settle
    }

    /// Waits until a request that ended in doubt must have ended and show its effect: after that,
    /// and not before, a look tells whether it was carried out. After [`Doubt::Timeout`] that is
    /// likely and not certain: found, it was carried out; absent, it must not be sent again yet.
    pub async fn await_doubt(&self, doubt: Doubt) {
        sleep(self.quiet_after(doubt) + self.contract().lookup_settle).await;
    }

    /// How long a request may still be carried out that a gateway answered: twice as long as the
    /// slowest create took, since what ended in doubt is rather slower than what did not.
    fn quiet(&self) -> Duration {
        let timeouts = self.0.config.timeouts;
        let learned = self.0.account.slowest_create().saturating_mul(2);
        timeouts.quiet.max(learned).min(timeouts.attempt)
    }

    fn quiet_after(&self, doubt: Doubt) -> Duration {
        if doubt.may_be_under_way() { self.quiet() } else { Duration::ZERO }
    }

    /// Looks up after a doubtful create: once what was created must be visible, and once more
    /// when a request that is still under way must have ended.
    async fn look_again(&self, key: &MatchKey, doubt: Doubt) -> Result<Vec<Person>, ClinchError> {
        let settle = self.contract().lookup_settle;
        let lost = Instant::now();
        sleep(settle).await;
        let found = self.find(key).await?;
        let quiet = self.quiet_after(doubt);
        if !found.is_empty() || quiet.is_zero() {
            return Ok(found);
        }
        sleep_until(lost + quiet + settle).await;
        self.find(key).await
    }

    /// 409, or a refusal of the match attribute: two ways to say that the person exists.
    fn says_it_exists(&self, error: &ClinchError) -> bool {
        match error {
            ClinchError::Conflict => true,
            ClinchError::Rejected { status: 422, fields, .. } => {
                fields.contains(&self.contract().names.email)
            }
            _ => false,
        }
    }
}

/// Absent before, there now: ours. Several: someone else was at it as well.
fn recovered(mut found: Vec<Person>) -> Creation {
    match (found.pop(), found.is_empty()) {
        (Some(person), true) => Creation::Recovered(person),
        (last, _) => {
            found.extend(last);
            Creation::Found(found)
        }
    }
}

/// The doubt after a success that names nobody: only a JSON:API document is the application's for
/// sure, and even that one may promise to do it later.
pub(super) fn without_id(answer: &Answer) -> Doubt {
    let document = serde_json::from_slice::<Document>(&answer.body).unwrap_or_default();
    match document.data {
        PrimaryData::Absent => Doubt::Unclear,
        _ if answer.status == StatusCode::ACCEPTED => Doubt::Unclear,
        PrimaryData::None | PrimaryData::One(_) | PrimaryData::Many(_) => Doubt::NoId,
    }
}

fn candidate(attributes: &Map<String, Value>) -> Bytes {
    encode(NewResource { kind: "candidate", id: None, attributes, relationships: BTreeMap::new() })
}
