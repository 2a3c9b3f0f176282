//! What changed. Pure.

use crate::cluster::{Kind, ObjectKey};

/// How an object of our kinds changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectChange {
    /// It was created, its spec changed, its deletion started, or an annotation requests something.
    Requested,
    /// Anything else: mostly its status.
    StatusOnly,
    /// It no longer exists.
    Deleted,
}

/// A change that may call for reconciles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger<'a> {
    /// Of a ClinchIntegration.
    Integration(&'a ObjectKey, ObjectChange),
    /// Of a FieldMapping.
    Mapping(&'a ObjectKey, ObjectChange),
    /// Of a CandidateExport.
    Export {
        /// The export.
        key: &'a ObjectKey,
        /// How it changed.
        change: ObjectChange,
        /// The integrations that it named before the change and names now.
        integrations: &'a [ObjectKey],
    },
    /// Of a CandidateImport.
    Import {
        /// The import.
        key: &'a ObjectKey,
        /// How it changed.
        change: ObjectChange,
        /// The integrations that it named before the change and names now.
        integrations: &'a [ObjectKey],
    },
    /// Of a ConfigMap.
    ConfigMap(&'a ObjectKey),
    /// Of a Secret.
    Secret(&'a ObjectKey),
    /// Of a namespace or its labels.
    Namespace(&'a str),
}

impl<'a> Trigger<'a> {
    /// A status was written.
    pub fn status_of(kind: Kind, key: &'a ObjectKey) -> Self {
        let change = ObjectChange::StatusOnly;
        match kind {
            Kind::Integration => Self::Integration(key, change),
            Kind::Mapping => Self::Mapping(key, change),
            Kind::Export => Self::Export { key, change, integrations: &[] },
            Kind::Import => Self::Import { key, change, integrations: &[] },
        }
    }
}
