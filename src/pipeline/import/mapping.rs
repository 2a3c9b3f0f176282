//! How a person of Clinch becomes a hireEZ profile. Pure.

use serde_json::{Map, Value};

use crate::{
    domain::Cause,
    mapping::{ImportPlan, MembersRead},
    pipeline::records::{decisive, summarize},
};

/// Why a person has no profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmapped {
    /// The place in the mapping that is to blame, e.g. `spec.fields[3].from`.
    pub place: Option<Box<str>>,
    /// Why, without a value of the person.
    pub cause: Cause,
}

/// How a person of Clinch becomes a hireEZ profile.
pub trait ProfileMapping: Send + Sync {
    /// The profile. `attributes`: those that may leave. The same input gives the same profile.
    fn profile(
        &self,
        id: &str,
        attributes: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Unmapped>;

    /// The attributes that the profile is made of.
    fn reads(&self) -> MembersRead;
}

impl ProfileMapping for ImportPlan {
    fn profile(
        &self,
        id: &str,
        attributes: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Unmapped> {
        self.map(id, attributes).map_err(|issues| Unmapped {
            place: decisive(&issues).map(|issue| issue.path.as_str().into()),
            cause: summarize(&issues),
        })
    }

    fn reads(&self) -> MembersRead {
        Self::reads(self)
    }
}
