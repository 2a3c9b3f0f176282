//! The contract: which operations Clinch offers, at which paths, and with which names. One plain
//! value, so that no path or attribute name is scattered through the code. Pure.
//!
//! It comes from three places: [`Contract::built_in`] (documented and assumed), [`discover`] (read
//! from the published OpenAPI document) and [`Contract::with`] (corrections by an admin, which win).

mod attribute;
mod built_in;
mod changes;
mod discover;
mod names;
mod operation;
mod overrides;
mod roles;
mod schema;
mod taken;
mod usable;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::Serialize;

pub use attribute::{Attribute, AttributeKind};
pub(super) use changes::UPDATED_SINCE_NAMES;
pub use changes::{Sort, TimeFormat, UpdatedSince};
pub use discover::{DiscoverError, MAX_DOCUMENT_BYTES, discover};
pub(super) use names::is_safe_name;
pub use names::{NameOf, Names};
pub use operation::{Effect, Op, Operation, PathError, State, Verb};
pub use overrides::{OverrideError, Overrides};
pub(super) use roles::ANONYMISED;
pub use taken::Taken;
pub use usable::Unsupported;

use crate::domain::{Digest, digest_json};

/// Everything known about the remote API.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Contract {
    /// Where the contract comes from.
    pub origin: Origin,
    /// Every operation; each [`Op`] has an entry.
    pub operations: BTreeMap<Op, Operation>,
    /// How lists are paged.
    pub paging: Paging,
    /// Query parameter that filters candidates by the match attribute; `None`: not offered.
    pub filter: Option<String>,
    /// Query parameter that restricts the candidate list to changes since a time; `None`: not offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_since: Option<UpdatedSince>,
    /// How the list of candidates is put in order; `None`: in the order that Clinch chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<Sort>,
    /// Query parameter of the candidate list that takes `social_profile`, the profiles of people in other
    /// networks; `None`: not offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include: Option<String>,
    /// The attributes that `createCandidate` accepts, by name; `None`: unknown.
    pub candidate_attributes: Option<BTreeMap<String, Attribute>>,
    /// The names of the attributes that reading a person shows; `None`: unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown_attributes: Option<BTreeSet<String>>,
    /// Whether reading a person shows that they were anonymised. False if the document lists the
    /// attributes of a person and the flag is not among them.
    pub shows_anonymised: bool,
    /// Names of attributes that the operator itself uses.
    pub names: Names,
    /// Whether a value outside a stated format, maximum length or `enum` is refused before it is sent.
    pub enforced: bool,
    /// How long until a look-up certainly finds a created person.
    pub lookup_settle: Duration,
}

/// Where a contract comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Origin {
    /// Read from the published OpenAPI document.
    Discovered,
    /// Built in: documented where possible, assumed otherwise.
    Assumed,
}

impl Origin {
    /// The value in status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Discovered => "Discovered",
            Self::Assumed => "Assumed",
        }
    }
}

/// How lists are paged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Paging {
    /// Query parameter with the page number, from 1.
    pub page: String,
    /// Query parameter with the page size.
    pub per_page: String,
    /// Largest page size, in records.
    pub max_per_page: u32,
    /// Page size without a page size parameter, in records.
    pub default_per_page: u32,
}

impl Contract {
    /// The operation's entry.
    pub fn operation(&self, op: Op) -> &Operation {
        self.operations.get(&op).expect("every contract has an entry for every operation")
    }

    /// Digest of the whole contract: equal digests mean equal behaviour.
    pub fn digest(&self) -> Digest {
        digest_json(self)
    }

    /// The state of each operation by name, for status.
    pub fn summary(&self) -> BTreeMap<String, String> {
        let entry = |(op, operation): (&Op, &Operation)| {
            (op.name().to_owned(), operation.state.as_str().to_owned())
        };
        self.operations.iter().map(entry).collect()
    }
}
