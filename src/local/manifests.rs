//! Everything a set of manifests declares, checked and with defaults filled in. Pure.

use std::{collections::BTreeMap, sync::Arc};

use kube::core::ObjectMeta;
use serde_json::Value as Json;

use super::{
    lines::Lines,
    metadata::Metadata,
    object::{ByKind, Object, parse, typed_ref},
    problem::{Problem, Rule, Severity},
};
use crate::{
    api::{GROUP, VERSION},
    cluster::{Bundle, Kind, ObjectKey, OurKind},
};

/// An object, and where it was declared.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    pub object: Arc<dyn Object>,
    pub lines: Lines,
}

/// The objects of a set of manifests. As the API server would store them, but without UID,
/// generation, creation time and status: those are the cluster's.
#[derive(Debug, Clone, Default)]
pub struct Manifests {
    pub(super) objects: ByKind<Declared>,
    pub(super) secrets: BTreeMap<ObjectKey, Bundle>,
    pub(super) config_maps: BTreeMap<ObjectKey, Bundle>,
    pub(super) warnings: Vec<Problem>,
}

impl Manifests {
    /// The names of one kind, in order.
    pub fn keys(&self, kind: Kind) -> Vec<ObjectKey> {
        self.objects.get(&kind).into_iter().flatten().map(|(key, _)| key.clone()).collect()
    }

    /// Whether there is no object of our kinds.
    pub fn is_empty(&self) -> bool {
        self.objects.values().all(BTreeMap::is_empty)
    }

    /// An object.
    pub fn get<K: OurKind>(&self, key: &ObjectKey) -> Option<&K> {
        typed_ref(&*self.objects.get(&K::KIND)?.get(key)?.object)
    }

    /// Changes every object of a kind.
    pub fn edit<K: OurKind>(&mut self, mut change: impl FnMut(&ObjectKey, &mut K)) {
        for (key, declared) in self.objects.get_mut(&K::KIND).into_iter().flatten() {
            if let Some(object) = typed_ref::<K>(&*declared.object) {
                let mut object = object.clone();
                change(key, &mut object);
                declared.object = Arc::new(object);
            }
        }
    }

    /// A Secret's data.
    pub fn secret(&self, key: &ObjectKey) -> Option<&Bundle> {
        self.secrets.get(key)
    }

    /// A ConfigMap's data.
    pub fn config_map(&self, key: &ObjectKey) -> Option<&Bundle> {
        self.config_maps.get(key)
    }

    /// Problems that do not keep the manifests from being used.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// A problem found later, placed at the line of `path` in the object's manifest (or of the
    /// nearest parent in the manifest). `None` when there is no such object.
    pub fn problem(
        &self,
        kind: Kind,
        key: &ObjectKey,
        path: &str,
        message: impl Into<String>,
        severity: Severity,
        rule: Rule,
    ) -> Option<Problem> {
        Some(self.lines(kind, key)?.problem(path, message, severity, rule))
    }

    pub(super) fn lines(&self, kind: Kind, key: &ObjectKey) -> Option<&Lines> {
        Some(&self.objects.get(&kind)?.get(key)?.lines)
    }

    /// Adds an admitted object.
    pub(super) fn insert(
        &mut self,
        kind: Kind,
        metadata: Metadata,
        spec: &Json,
        lines: Lines,
    ) -> Result<(), serde_json::Error> {
        let key = ObjectKey::new(&metadata.namespace, &metadata.name);
        let metadata = ObjectMeta {
            name: Some(metadata.name),
            namespace: Some(metadata.namespace),
            labels: (!metadata.labels.is_empty()).then_some(metadata.labels),
            annotations: (!metadata.annotations.is_empty()).then_some(metadata.annotations),
            ..ObjectMeta::default()
        };
        let object = parse(
            kind,
            serde_json::json!({
                "apiVersion": format!("{GROUP}/{VERSION}"),
                "kind": kind.as_str(),
                "metadata": metadata,
                "spec": spec,
            }),
        )?;
        self.objects
            .entry(kind)
            .or_default()
            .insert(key, Declared { object: object.into(), lines });
        Ok(())
    }
}
