//! Everything a set of manifests declares, checked and with defaults filled in. Pure.

use std::collections::BTreeMap;

use kube::core::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::{
    lines::Lines,
    metadata::Metadata,
    problem::{Problem, Severity},
};
use crate::{
    api::{CandidateExport, ClinchIntegration, FieldMapping, GROUP, VERSION},
    cluster::{Bundle, Kind, ObjectKey},
};

/// An object, and where it was declared.
#[derive(Debug, Clone)]
pub(super) struct Declared<T> {
    pub object: T,
    pub lines: Lines,
}

/// The objects of a set of manifests. As the API server would store them, but without UID,
/// generation, creation time and status: those are the cluster's.
#[derive(Debug, Clone, Default)]
pub struct Manifests {
    pub(super) integrations: BTreeMap<ObjectKey, Declared<ClinchIntegration>>,
    pub(super) mappings: BTreeMap<ObjectKey, Declared<FieldMapping>>,
    pub(super) exports: BTreeMap<ObjectKey, Declared<CandidateExport>>,
    pub(super) secrets: BTreeMap<ObjectKey, Bundle>,
    pub(super) config_maps: BTreeMap<ObjectKey, Bundle>,
    pub(super) warnings: Vec<Problem>,
}

impl Manifests {
    /// The names of one kind, in order.
    pub fn keys(&self, kind: Kind) -> Vec<ObjectKey> {
        match kind {
            Kind::Integration => self.integrations.keys().cloned().collect(),
            Kind::Mapping => self.mappings.keys().cloned().collect(),
            Kind::Export => self.exports.keys().cloned().collect(),
        }
    }

    /// An integration.
    pub fn integration(&self, key: &ObjectKey) -> Option<&ClinchIntegration> {
        self.integrations.get(key).map(|declared| &declared.object)
    }

    /// A mapping.
    pub fn mapping(&self, key: &ObjectKey) -> Option<&FieldMapping> {
        self.mappings.get(key).map(|declared| &declared.object)
    }

    /// An export.
    pub fn export(&self, key: &ObjectKey) -> Option<&CandidateExport> {
        self.exports.get(key).map(|declared| &declared.object)
    }

    /// A Secret's data.
    pub fn secret(&self, key: &ObjectKey) -> Option<&Bundle> {
        self.secrets.get(key)
    }

    /// A ConfigMap's data.
    pub fn config_map(&self, key: &ObjectKey) -> Option<&Bundle> {
        self.config_maps.get(key)
    }

    /// What is accepted, but probably not what was meant.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// A problem found later, placed at the line of `path` in the object's manifest (or of the
    /// nearest parent that is written down). `None` when there is no such object.
    pub fn problem(
        &self,
        kind: Kind,
        key: &ObjectKey,
        path: &str,
        message: impl Into<String>,
        severity: Severity,
    ) -> Option<Problem> {
        Some(self.lines(kind, key)?.problem(path, message, severity))
    }

    pub(super) fn lines(&self, kind: Kind, key: &ObjectKey) -> Option<&Lines> {
        match kind {
            Kind::Integration => self.integrations.get(key).map(|declared| &declared.lines),
            Kind::Mapping => self.mappings.get(key).map(|declared| &declared.lines),
            Kind::Export => self.exports.get(key).map(|declared| &declared.lines),
        }
    }

    /// Adds an admitted object of our kinds.
    pub(super) fn insert(
        &mut self,
        kind: Kind,
        metadata: Metadata,
        spec: &Json,
        lines: Lines,
    ) -> Result<(), serde_json::Error> {
        let key = ObjectKey::new(&metadata.namespace, &metadata.name);
        match kind {
            Kind::Integration => {
                let object = typed(kind, metadata, spec)?;
                self.integrations.insert(key, Declared { object, lines });
            }
            Kind::Mapping => {
                let object = typed(kind, metadata, spec)?;
                self.mappings.insert(key, Declared { object, lines });
            }
            Kind::Export => {
                let object = typed(kind, metadata, spec)?;
                self.exports.insert(key, Declared { object, lines });
            }
        }
        Ok(())
    }
}

fn typed<T: DeserializeOwned>(
    kind: Kind,
    metadata: Metadata,
    spec: &Json,
) -> Result<T, serde_json::Error> {
    let metadata = ObjectMeta {
        name: Some(metadata.name),
        namespace: Some(metadata.namespace),
        labels: (!metadata.labels.is_empty()).then_some(metadata.labels),
        annotations: (!metadata.annotations.is_empty()).then_some(metadata.annotations),
        ..ObjectMeta::default()
    };
    serde_json::from_value(serde_json::json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": kind.as_str(),
        "metadata": metadata,
        "spec": spec,
    }))
}
