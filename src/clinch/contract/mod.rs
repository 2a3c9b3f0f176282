//! The contract: what Clinch offers, where, and under which names. One plain value, so that no
//! path and no attribute name is scattered through the code. Pure.
//!
//! Three ways to one: [`Contract::built_in`] (documented and assumed), [`discover`] (read from the
//! published OpenAPI document) and [`Contract::with`] (corrections by an admin, which win).

mod built_in;
mod discover;
mod names;
mod operation;
mod overrides;
mod permit;
mod roles;
mod schema;

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

pub use discover::{DiscoverError, MAX_DOCUMENT_BYTES, discover};
pub(super) use names::is_safe_name;
pub use names::{NameOf, Names};
pub use operation::{Effect, Op, Operation, PathError, State, Verb};
pub use overrides::{OverrideError, Overrides};
pub use permit::Unsupported;
pub(super) use roles::ANONYMISED;

use crate::domain::{Digest, digest_json};

/// Everything that is known of the remote API.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Contract {
    /// Where it comes from.
    pub origin: Origin,
    /// Every operation; each [`Op`] has an entry.
    pub operations: BTreeMap<Op, Operation>,
    /// How lists are paged.
    pub paging: Paging,
    /// Query parameter that filters candidates by the match attribute; `None`: not offered.
    pub filter: Option<String>,
    /// What `createCandidate` takes, by name; `None`: not known.
    pub candidate_attributes: Option<BTreeMap<String, Attribute>>,
    /// Whether a person who was anonymised can be told from others by reading them: not where the
    /// document lists the attributes of a person, and the flag is not among them.
    pub shows_anonymised: bool,
    /// Names of attributes that the operator itself has to know.
    pub names: Names,
    /// How long until a created person is surely found by a look-up.
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
    /// The word for status.
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
    /// Page size when none is asked for, in records.
    pub default_per_page: u32,
}

/// One attribute that `createCandidate` takes or shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attribute {
    /// Its JSON type.
    pub kind: AttributeKind,
    /// OpenAPI `format`, e.g. `email`.
    pub format: Option<String>,
    /// Whether a create without it is refused.
    pub required: bool,
    /// Whether it is set by Clinch only.
    pub read_only: bool,
    /// Most characters taken.
    pub max_length: Option<u64>,
}

/// The JSON type of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum AttributeKind {
    /// A string.
    String,
    /// Any number.
    Number,
    /// A whole number.
    Integer,
    /// A boolean.
    Boolean,
    /// An array.
    Array,
    /// An object.
    Object,
    /// Not said.
    Unknown,
}

impl Contract {
    /// The operation's entry.
    pub fn operation(&self, op: Op) -> &Operation {
        self.operations.get(&op).expect("every contract has an entry for every operation")
    }

    /// Digest of the whole value: equal digests, equal behaviour.
    pub fn digest(&self) -> Digest {
        digest_json(self)
    }

    /// Operations by name with the word for their state, for status.
    pub fn summary(&self) -> BTreeMap<String, String> {
        let entry = |(op, operation): (&Op, &Operation)| {
            (op.name().to_owned(), operation.state.as_str().to_owned())
        };
        self.operations.iter().map(entry).collect()
    }
}
