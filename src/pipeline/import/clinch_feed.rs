//! The port `Feed` on the Clinch client. Does network I/O through the client.

use jiff::Timestamp;

use super::feed::{Feed, FeedFault, FeedPage, FeedPerson, FeedRead};
use crate::{
    clinch::{Candidate, Client, ClinchError, Cursor, MAX_LIST_BYTES},
    domain::{Cause, ClinchId, Disposition, Reason},
};

/// The Clinch client as an import sees it.
#[derive(Debug, Clone)]
pub struct ClinchFeed {
    client: Client,
}

impl ClinchFeed {
    /// Wraps a client whose reads wait while access is paused.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

impl Feed for ClinchFeed {
    type Cursor = Cursor;

    async fn page(
        &self,
        at: Option<Cursor>,
        since: Option<Timestamp>,
    ) -> Result<FeedPage<Cursor>, FeedFault> {
        let at = at.unwrap_or_else(Cursor::first);
        let page = self.client.page_in_parts(since, at).await?;
        Ok(FeedPage {
            people: page.people.into_iter().map(person).collect(),
            listed: page.listed,
            asked: page.asked,
            too_large: page.too_large,
            next: page.next,
            total: page.total,
            cut_off: page.cut_off,
            answered_at: page.answered_at,
        })
    }

    async fn get(&self, id: &ClinchId) -> Result<FeedRead, FeedFault> {
        match self.client.get(id).await {
            Ok(found) => Ok(FeedRead::Present(person(found))),
            Err(ClinchError::NotFound) => Ok(FeedRead::Gone),
            Err(error) => Err(of_person(error)),
        }
    }

    async fn lists_changes(&self) -> Result<Result<(), &'static str>, FeedFault> {
        if self.client.contract().updated_since.is_none() {
            return Ok(Err("Clinch offers no list of changes"));
        }
        let proved = self.client.lists_changes().await?;
        Ok(proved.then_some(()).ok_or("the list of changes that Clinch offers shows other people"))
    }

    fn largest_answer(&self) -> usize {
        MAX_LIST_BYTES
    }

    fn updated_at(&self) -> Option<&str> {
        Some(self.client.contract().names.updated_at())
    }
}

fn person(found: Candidate) -> FeedPerson {
    FeedPerson {
        key: found.match_key(),
        id: found.id,
        attributes: found.attributes,
        anonymised: found.anonymized,
        merged_into: found.merged_into,
    }
}

/// What a failed read by id means. The list of everybody was read with the same credential; what is about
/// this request alone keeps no other person from being read.
fn of_person(error: ClinchError) -> FeedFault {
    let reason = match &error {
        ClinchError::Errored { .. } | ClinchError::Unavailable { status: Some(_), .. } => {
            Reason::RecordErrored
        }
        ClinchError::Forbidden
        | ClinchError::NotClinch(_)
        | ClinchError::Rejected { .. }
        | ClinchError::Conflict
        | ClinchError::TooLarge
        | ClinchError::AnswerTooLarge { .. } => error.reason(),
        _ => return error.into(),
    };
    let message = format!("cannot be read by id, and does not count as deleted: {error}");
    FeedFault::Person(Cause::new(reason, message))
}

impl From<ClinchError> for FeedFault {
    fn from(error: ClinchError) -> Self {
        let message = error.to_string();
        let disposition = match error {
            ClinchError::GrantRevoked => return Self::Withdrawn,
            // The integration's own condition reports these.
            ClinchError::Unauthorized | ClinchError::ClockSkew { .. } | ClinchError::Forbidden => {
                Disposition::Wait { reason: Reason::DependencyNotReady }
            }
            ClinchError::NotFound => Disposition::Stalled { reason: Reason::EndpointNotClinch },
            other => other.disposition(),
        };
        Self::Everything { disposition, message }
    }
}
