//! The user-facing kinds: a value ([`Kind`]) where objects of all kinds are handled alike, as in
//! queues, tables and logs; a type ([`OurKind`]) where an object is read or its status written.
//! Pure.

use std::fmt;

use kube::{
    Resource,
    core::{NamespaceResourceScope, object::HasStatus},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::api::{CandidateExport, CandidateImport, ClinchIntegration, CommonStatus, FieldMapping};

/// The user-facing kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// ClinchIntegration.
    Integration,
    /// FieldMapping.
    Mapping,
    /// CandidateExport.
    Export,
    /// CandidateImport.
    Import,
}

impl Kind {
    /// Every kind, each before those that refer to it.
    pub const ALL: [Self; 4] = [Self::Integration, Self::Mapping, Self::Export, Self::Import];

    /// The `kind` of a manifest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Integration => "ClinchIntegration",
            Self::Mapping => "FieldMapping",
            Self::Export => "CandidateExport",
            Self::Import => "CandidateImport",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The type of a user-facing kind.
pub trait OurKind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + HasStatus<Status: CommonStatus + Serialize + Send + Sync>
    + Clone
    + fmt::Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// The kind as a value.
    const KIND: Kind;
}

impl OurKind for ClinchIntegration {
    const KIND: Kind = Kind::Integration;
}

impl OurKind for FieldMapping {
    const KIND: Kind = Kind::Mapping;
}

impl OurKind for CandidateExport {
    const KIND: Kind = Kind::Export;
}

impl OurKind for CandidateImport {
    const KIND: Kind = Kind::Import;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_and_type_of_a_kind_have_one_name() {
        fn check<K: OurKind>() {
            assert_eq!(K::kind(&()), K::KIND.as_str());
        }
        check::<ClinchIntegration>();
        check::<FieldMapping>();
        check::<CandidateExport>();
        check::<CandidateImport>();
    }
}
