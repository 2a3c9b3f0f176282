//! The port to Clinch: what an import needs of it. Only reads. No I/O here; `clinch_feed.rs` implements
//! it.

use std::{fmt, future::Future};

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::domain::{Cause, ClinchId, Disposition, MatchKey};

/// A person as Clinch returns them.
#[derive(Clone, PartialEq)]
pub struct FeedPerson {
    /// Their id.
    pub id: ClinchId,
    /// Their match key, if they have one.
    pub key: Option<MatchKey>,
    /// Their attributes, all of them.
    pub attributes: Map<String, Value>,
    /// Whether they were anonymised.
    pub anonymised: bool,
    /// The person into whom they were merged, if their attributes say so.
    pub merged_into: Option<ClinchId>,
}

impl fmt::Debug for FeedPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FeedPerson({}, {} attributes)", self.id, self.attributes.len())
    }
}

/// One page of a list.
#[derive(Debug)]
pub struct FeedPage<C> {
    /// The people on it whom this walk has not returned before.
    pub people: Vec<FeedPerson>,
    /// How many people it lists, with those returned before, and one who is too large to be read.
    pub listed: u64,
    /// How many people it may have.
    pub asked: u64,
    /// The place on the list, from 1, of the only person of this page, who is too large to be read.
    pub too_large: Option<u64>,
    /// Where the walk continues, if it does.
    pub next: Option<C>,
    /// How many people the list has, if Clinch states it.
    pub total: Option<u64>,
    /// The list has more pages than a walk may read.
    pub cut_off: bool,
    /// The time of the answer by Clinch's own clock, if it states one.
    pub answered_at: Option<Timestamp>,
}

/// Result of a read by id.
#[derive(Debug, PartialEq)]
pub enum FeedRead {
    /// The person.
    Present(FeedPerson),
    /// They do not exist any more.
    Gone,
    /// They were merged into another person.
    Merged(ClinchId),
}

/// Why a read failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedFault {
    /// This person cannot be read now; others may be.
    Person(Cause),
    /// The run may not use the account any more. The one who withdrew it reports why.
    Withdrawn,
    /// Nobody can be read now.
    Everything {
        /// What to do next.
        disposition: Disposition,
        /// What is wrong.
        message: String,
    },
}

/// What an import needs of Clinch. The implementation retries within a call, and waits while access is
/// paused.
pub trait Feed: Send + Sync {
    /// Position of a walk.
    type Cursor: Send;

    /// A page of the list of everybody, or of those changed since a time; the first one for `None`.
    fn page(
        &self,
        at: Option<Self::Cursor>,
        since: Option<Timestamp>,
    ) -> impl Future<Output = Result<FeedPage<Self::Cursor>, FeedFault>> + Send;

    /// Reads a person by id.
    fn get(&self, id: &ClinchId) -> impl Future<Output = Result<FeedRead, FeedFault>> + Send;

    /// Whether Clinch can be asked for people changed since a time. Asks at most once for each contract;
    /// `Err` says why not, in a few words.
    fn lists_changes(
        &self,
    ) -> impl Future<Output = Result<Result<(), &'static str>, FeedFault>> + Send;

    /// The size in bytes beyond which the answer for one person is not read.
    fn largest_answer(&self) -> usize;

    /// The name of the attribute that holds the time of the last change.
    fn updated_at(&self) -> Option<&str>;
}
