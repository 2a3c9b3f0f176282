//! Creating people exactly once. Does network I/O through the client; waits on the tokio clock.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep, sleep_until};

use super::{Client, encode, one, send::method};
use crate::{
    clinch::{
        contract::Op,
        error::{ClinchError, Doubt},
        resources::Candidate,
        wire::Response,
    },
    domain::MatchKey,
    jsonapi::{Document, NewResource, PrimaryData},
};

/// Maximum creates sent for one person, not counting those answered with 429.
const MAX_ROUNDS: u32 = 3;
/// Maximum of those that something in between may have answered with 429.
const MAX_LIMITED: u32 = 16;

/// The response to a create.
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    /// A new person.
    New(Candidate),
    /// 200 instead of 201, or anonymised: the person existed and was changed.
    Upserted(Candidate),
}

impl Created {
    const fn person(&self) -> &Candidate {
        match self {
            Self::New(person) | Self::Upserted(person) => person,
        }
    }
}

/// How a person came to be in Clinch.
#[derive(Debug, Clone, PartialEq)]
pub enum Creation {
    /// Created by this call.
    Created(Candidate),
    /// Clinch treated the create as an update of an existing person.
    Upserted(Candidate),
    /// Created by this call, as a look-up showed after the response was lost.
    Recovered(Candidate),
    /// Existed before: nothing was created. More than one if several match.
    Found(Vec<Candidate>),
}

impl Client {
    /// Creates a person, once and without any look-up. `Ambiguous`: the person may exist now; look
    /// them up before anything else.
    pub async fn create(&self, attributes: &Map<String, Value>) -> Result<Created, ClinchError> {
        let sent = attributes.get(&self.contract().names.email).and_then(Value::as_str);
        let created = self.create_encoded(candidate(attributes)).await?;
        match &created {
            Created::Upserted(person)
                if is_other(person, sent.and_then(MatchKey::fold).as_ref()) =>
            {
                Err(ClinchError::Ambiguous(Doubt::Unclear))
            }
            Created::New(_) | Created::Upserted(_) => Ok(created),
        }
    }

    async fn create_encoded(&self, body: Bytes) -> Result<Created, ClinchError> {
        let response = self.write(Op::CreateCandidate, None, body).await?;
        let person = one(&response)
            .and_then(|resource| Candidate::read(resource, &self.contract().names).ok())
            .ok_or_else(|| ClinchError::Ambiguous(without_id(&response)))?;
        // Nobody who was just created is anonymised.
        Ok(if response.status == StatusCode::OK || person.anonymized {
            Created::Upserted(person)
        } else {
            Created::New(person)
        })
    }

    /// What became of a create whose answer shows somebody with another address: the answer to another
    /// request, or an address that Clinch keeps in another form.
    async fn resolve_other<G: Send>(
        &self,
        key: &MatchKey,
        created: Created,
        in_doubt: &(impl Fn() -> G + Sync),
    ) -> Result<Creation, ClinchError> {
        match self.look_again(key, Doubt::Unclear, in_doubt).await {
            Ok(found) if !found.is_empty() => Ok(recovered(found)),
            // If this is not believed either, each attempt would create another one.
            Ok(_) | Err(ClinchError::FilterIgnored) => match created {
                Created::New(person) => Ok(Creation::Created(person)),
                Created::Upserted(_) => Err(ClinchError::OtherPerson),
            },
            Err(_) => Err(ClinchError::Ambiguous(Doubt::Unclear)),
        }
    }

    /// Creates a person who may exist already: looks them up, creates them only if they are
    /// certainly absent, and looks them up again whenever the outcome of a create is in doubt. The
    /// create is sent again only once the previous one cannot be in progress any more. A create that
    /// timed out is never sent again, because nothing shows when it ends. `Errored`, `RateLimited`,
    /// `SignatureRefused`: so the last one was answered, and nobody was created.
    ///
    /// `known_absent`: the caller has just looked the person up. `attributes` must hold the match
    /// attribute. Requires an honoured filter (otherwise `FilterIgnored`, before anything is
    /// created). The caller must ensure that nobody else creates the same person meanwhile.
    pub async fn create_or_find(
        &self,
        key: &MatchKey,
        attributes: &Map<String, Value>,
        known_absent: bool,
    ) -> Result<Creation, ClinchError> {
        self.create_or_find_meanwhile(key, attributes, known_absent, || ()).await
    }

    /// As [`Client::create_or_find`]. `in_doubt` is called when a create of unknown outcome may still be
    /// in progress; what it returns is held as long as nothing is sent because of that.
    pub async fn create_or_find_meanwhile<G: Send>(
        &self,
        key: &MatchKey,
        attributes: &Map<String, Value>,
        known_absent: bool,
        in_doubt: impl Fn() -> G + Sync,
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
        let mut rounds = Rounds::of(self.0.config.timeouts.operation);
        loop {
            let error = match self.create_encoded(body.clone()).await {
                Ok(created) if is_other(created.person(), Some(key)) => {
                    return self.resolve_other(key, created, &in_doubt).await;
                }
                Ok(Created::New(person)) => return Ok(Creation::Created(person)),
                Ok(Created::Upserted(person)) => return Ok(Creation::Upserted(person)),
                Err(error) => error,
            };
            if let ClinchError::Ambiguous(doubt) = error {
                // If the look-up fails, the doubt is still what the caller must know.
                match self.look_again(key, doubt, &in_doubt).await {
                    Err(_) => return Err(ClinchError::Ambiguous(doubt)),
                    // Whether it was there before or this request created it, nobody knows.
                    Ok(found) if !found.is_empty() && doubt == Doubt::Status(409) => {
                        return Ok(Creation::Found(found));
                    }
                    Ok(found) if !found.is_empty() => return Ok(recovered(found)),
                    Ok(_) if doubt == Doubt::Timeout => {
                        return Err(ClinchError::Ambiguous(doubt));
                    }
                    Ok(_) if rounds.is_another_due(doubt) && !self.has_ended() => {}
                    Ok(_) => {
                        return Err(doubt.after_the_last_look(&self.shown(Op::CreateCandidate)));
                    }
                }
            } else if self.reports_existing(&error) {
                sleep(self.contract().lookup_settle).await;
                let found = self.find(key).await?;
                return if found.is_empty() { Err(error) } else { Ok(Creation::Found(found)) };
            } else {
                return Err(error);
            }
        }
    }

    /// Method and path of an operation, without any value.
    pub fn shown(&self, op: Op) -> String {
        let operation = self.contract().operation(op);
        format!("{} {}", method(operation.method), operation.path)
    }

    /// Whether the caller's access has ended, so that it waits for nothing more.
    fn has_ended(&self) -> bool {
        self.1.as_ref().is_some_and(|lease| lease.grant.has_ended())
    }

    /// How long to wait after a request of unknown outcome before a look-up shows its effect. Based
    /// on how long creates took so far, so it may grow: call it when it is needed.
    pub fn lookup_delay(&self) -> Duration {
        self.quiet() + self.contract().lookup_settle
    }

    /// How long to wait after a process died until its last requests have finished and a look-up
    /// shows their effect.
    pub fn longest_request(&self) -> Duration {
        self.0.config.timeouts.orphaned + self.contract().lookup_settle
    }

    /// Waits until a request of unknown outcome must have finished and a look-up shows its effect.
    /// After [`Doubt::Timeout`] and [`Doubt::NoId`] that is likely but not certain: if the look-up
    /// finds something, the request was carried out; if not, it must not be sent again yet.
    pub async fn await_doubt(&self, doubt: Doubt) {
        sleep(self.quiet_after(doubt) + self.contract().lookup_settle).await;
    }

    /// How long a request may still be in progress after a gateway answered it: twice the slowest
    /// create so far, since requests that end in doubt tend to be the slow ones.
    fn quiet(&self) -> Duration {
        let timeouts = self.0.config.timeouts;
        let learned = self.0.account.slowest_create().saturating_mul(2);
        timeouts.quiet.max(learned).min(timeouts.attempt)
    }

    fn quiet_after(&self, doubt: Doubt) -> Duration {
        if doubt.is_likely_in_progress() { self.quiet() } else { Duration::ZERO }
    }

    /// Looks a person up after a create in doubt: once a finished create must be visible, and again
    /// once a create still in progress must have finished.
    async fn look_again<G: Send>(
        &self,
        key: &MatchKey,
        doubt: Doubt,
        in_doubt: &(impl Fn() -> G + Sync),
    ) -> Result<Vec<Candidate>, ClinchError> {
        let settle = self.contract().lookup_settle;
        let lost = Instant::now();
        let quiet = self.quiet();
        // A 429 rarely follows a create that was carried out, and another request is the last thing that is
        // wanted then.
        if doubt != Doubt::LIMITED {
            sleep(settle).await;
            let found = self.find(key).await;
            if found.as_ref().is_ok_and(|found| !found.is_empty()) || quiet.is_zero() {
                return found;
            }
        }
        // Also if the look-up failed: the caller's claim on the person ends when this returns.
        let waits = in_doubt();
        sleep_until(lost + quiet + settle).await;
        drop(waits);
        self.find(key).await
    }

    /// Whether the error means that the person exists: a 409, or a refusal of the match attribute.
    fn reports_existing(&self, error: &ClinchError) -> bool {
        match error {
            ClinchError::Conflict => true,
            ClinchError::Rejected { status: 422, fields, .. } => {
                fields.contains(&self.contract().names.email)
            }
            _ => false,
        }
    }
}

/// How often a create was sent.
struct Rounds {
    /// Not counting those answered with 429.
    sent: u32,
    limited: u32,
    unsigned: u32,
    /// After this nothing is sent again because of a 429.
    until: Instant,
}

impl Rounds {
    fn of(operation: Duration) -> Self {
        Self { sent: 0, limited: 0, unsigned: 0, until: Instant::now() + operation }
    }

    /// Whether it is sent again after this doubt, which left nobody.
    fn is_another_due(&mut self, doubt: Doubt) -> bool {
        if doubt == Doubt::LIMITED {
            self.limited += 1;
            return self.limited < MAX_LIMITED && Instant::now() < self.until;
        }
        self.sent += 1;
        self.unsigned += u32::from(doubt.is_unsigned());
        !doubt.is_refusal() && self.unsigned < 2 && self.sent < MAX_ROUNDS
    }
}

/// Whether an answer shows a person with another address than the one that was sent.
fn is_other(person: &Candidate, sent: Option<&MatchKey>) -> bool {
    person.match_key().is_some_and(|shown| sent.is_some_and(|sent| *sent != shown))
}

/// Absent before and present now: created by us. Several: somebody else created one as well.
fn recovered(mut found: Vec<Candidate>) -> Creation {
    match (found.pop(), found.is_empty()) {
        (Some(person), true) => Creation::Recovered(person),
        (last, _) => {
            found.extend(last);
            Creation::Found(found)
        }
    }
}

/// The doubt after a success without an id: only a JSON:API document certainly comes from the
/// application, and a 202 only promises to do it later.
pub(super) fn without_id(response: &Response) -> Doubt {
    let document = serde_json::from_slice::<Document>(&response.body).unwrap_or_default();
    match document.data {
        PrimaryData::Absent => Doubt::Unclear,
        _ if response.status == StatusCode::ACCEPTED => Doubt::Unclear,
        PrimaryData::None | PrimaryData::One(_) | PrimaryData::Many(_) => Doubt::NoId,
    }
}

fn candidate(attributes: &Map<String, Value>) -> Bytes {
    encode(NewResource { kind: "candidate", id: None, attributes, relationships: BTreeMap::new() })
}
