//! The reads of an inspection, and what is noted of them. Does network I/O through the client.

use std::fmt;

use super::finding::{Finding, Verdict};
use crate::{
    api::ContractOverrides,
    clinch::{
        client::Client,
        contract::{Contract, Op, State},
        error::{ClinchError, NotClinchSign},
    },
    domain::ClinchId,
    jsonapi::{Document, PrimaryData, Resource},
};

/// Why a read says nothing.
pub(super) enum Unread {
    /// All reads that may be made were made.
    Spent,
    /// Clinch refuses this very request: the path or the parameter is wrong, or not permitted.
    Refused(ClinchError),
    /// It would have failed whatever was asked.
    Failed(ClinchError),
}

impl From<ClinchError> for Unread {
    fn from(error: ClinchError) -> Self {
        match error {
            ClinchError::NotFound
            | ClinchError::Forbidden
            | ClinchError::Rejected { .. }
            | ClinchError::Conflict
            | ClinchError::NotClinch(_)
            | ClinchError::TooLarge
            | ClinchError::AnswerTooLarge { .. } => Self::Refused(error),
            _ => Self::Failed(error),
        }
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spent => f.write_str("not looked at: all reads of this check were made"),
            Self::Refused(
                ClinchError::NotFound | ClinchError::NotClinch(NotClinchSign::NoList),
            ) => f.write_str("there is nothing at this path (404)"),
            Self::Refused(error) | Self::Failed(error) => write!(f, "{error}"),
        }
    }
}

/// What is known so far.
pub(super) struct Inspector<'a> {
    client: &'a Client,
    /// What is published, or the built-in contract.
    pub(super) published: Contract,
    /// The contract in use, with what was found out meanwhile.
    pub(super) contract: Contract,
    /// People of the list. Personal data: never noted.
    pub(super) people: Vec<Resource>,
    /// The parameter that sets the page size, if one was proved to.
    pub(super) size: Option<String>,
    pub(super) corrections: ContractOverrides,
    pub(super) findings: Vec<Finding>,
    limit: u32,
    pub(super) reads: u32,
}

impl<'a> Inspector<'a> {
    pub(super) fn new(
        client: &'a Client,
        published: Contract,
        contract: Contract,
        limit: u32,
    ) -> Self {
        Self {
            client,
            published,
            contract,
            people: Vec::new(),
            size: None,
            corrections: ContractOverrides::default(),
            findings: Vec::new(),
            limit,
            reads: 0,
        }
    }

    /// Reads a document of an operation.
    pub(super) async fn read(
        &mut self,
        op: Op,
        id: Option<&ClinchId>,
        query: &[(&str, &str)],
    ) -> Result<Document, Unread> {
        if self.reads >= self.limit {
            return Err(Unread::Spent);
        }
        self.reads += 1;
        let path = self.contract.operation(op).path_for(id);
        Ok(self.client.read_at(op, &path, query).await?)
    }

    /// Reads a list.
    pub(super) async fn list(
        &mut self,
        op: Op,
        id: Option<&ClinchId>,
        query: &[(&str, &str)],
    ) -> Result<Vec<Resource>, Unread> {
        listed(&mut self.read(op, id, query).await?)
    }

    /// Whether an operation is offered; notes that it is not.
    pub(super) fn offers(&mut self, op: Op) -> bool {
        let operation = self.contract.operation(op);
        if operation.state != State::NotOffered {
            return true;
        }
        let (topic, standing) = (path_of(op), operation.state.as_str());
        let seen = "the published document does not offer it, so it is not used";
        self.note(topic, "not offered", standing, Verdict::Unknown, seen);
        false
    }

    /// How well a value of the contract is established.
    pub(super) fn standing<T: PartialEq>(&self, value: impl Fn(&Contract) -> T) -> &'static str {
        let (published, used) = (value(&self.published), value(&self.contract));
        let state = if used != published {
            State::Overridden
        } else if published != value(&Contract::built_in()) {
            State::Discovered
        } else {
            State::Assumed
        };
        state.as_str()
    }

    /// Notes what was found.
    pub(super) fn note(
        &mut self,
        topic: impl Into<String>,
        assumed: impl Into<String>,
        standing: &'static str,
        verdict: Verdict,
        seen: impl Into<String>,
    ) {
        let (topic, assumed, seen) = (topic.into(), assumed.into(), seen.into());
        self.findings.push(Finding { topic, assumed, standing, verdict, seen });
    }

    /// Notes that a read says nothing. `refused`: what it says if Clinch refuses this very request.
    pub(super) fn note_unread(
        &mut self,
        topic: impl Into<String>,
        assumed: impl Into<String>,
        standing: &'static str,
        refused: Verdict,
        unread: &Unread,
    ) {
        let verdict = match unread {
            // 403: it is there, and this credential may not read it.
            Unread::Refused(ClinchError::Forbidden) | Unread::Spent | Unread::Failed(_) => {
                Verdict::Unknown
            }
            Unread::Refused(_) => refused,
        };
        self.note(topic, assumed, standing, verdict, unread.to_string());
    }
}

/// The resources of a list.
pub(super) fn listed(document: &mut Document) -> Result<Vec<Resource>, Unread> {
    match std::mem::take(&mut document.data) {
        PrimaryData::Many(resources) => Ok(resources),
        PrimaryData::One(_) | PrimaryData::None | PrimaryData::Absent => {
            Err(ClinchError::NotClinch(NotClinchSign::NoData).into())
        }
    }
}

/// The field that corrects the path of an operation.
pub(super) fn path_of(op: Op) -> String {
    format!("paths.{op}")
}

/// First the spelling in use, then the usual ones.
pub(super) fn spellings<'a>(own: Option<&'a str>, usual: &[&'a str]) -> Vec<String> {
    let others = usual.iter().copied().filter(|name| Some(*name) != own);
    own.into_iter().chain(others).map(str::to_owned).collect()
}
