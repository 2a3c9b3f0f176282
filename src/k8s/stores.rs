//! What the watches have seen: one set of stores per watched scope. Exports are kept without
//! their inline candidates, and everything without managed fields: memory is for names, not data.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    ResourceExt,
    core::PartialObjectMeta,
    runtime::reflector::{ObjectRef, Store},
};

use crate::{
    api::{CandidateExport, ClinchIntegration, FieldMapping},
    cluster::{ObjectKey, integration_of, mapping_of},
};

/// The stores of one scope: a namespace, or all of them.
#[derive(Clone)]
pub(crate) struct ScopeStores {
    pub(crate) namespace: Option<String>,
    pub(crate) integrations: Store<ClinchIntegration>,
    pub(crate) mappings: Store<FieldMapping>,
    pub(crate) exports: Store<CandidateExport>,
}

/// Every scope's stores.
#[derive(Clone)]
pub(crate) struct Stores {
    scopes: Arc<Vec<ScopeStores>>,
    /// Where all namespaces are watched: their labels.
    pub(crate) namespaces: Option<Store<PartialObjectMeta<Namespace>>>,
}

impl Stores {
    pub(crate) fn new(
        scopes: Vec<ScopeStores>,
        namespaces: Option<Store<PartialObjectMeta<Namespace>>>,
    ) -> Self {
        Self { scopes: Arc::new(scopes), namespaces }
    }

    pub(crate) fn namespace_labels(&self, namespace: &str) -> Option<BTreeMap<String, String>> {
        let found = self.namespaces.as_ref()?.get(&ObjectRef::new(namespace))?;
        Some(found.metadata.labels.clone().unwrap_or_default())
    }

    /// Integrations that let namespaces in by their labels.
    pub(crate) fn selecting(&self) -> Vec<ObjectKey> {
        self.scopes
            .iter()
            .flat_map(|scope| scope.integrations.state())
            .filter(|found| found.spec.access.namespace_selector.is_some())
            .map(|found| ObjectKey::new(found.namespace().unwrap_or_default(), found.name_any()))
            .collect()
    }

    fn scope(&self, namespace: &str) -> Option<&ScopeStores> {
        self.scopes
            .iter()
            .find(|scope| scope.namespace.as_deref().is_none_or(|watched| watched == namespace))
    }

    pub(crate) fn integration(&self, key: &ObjectKey) -> Option<Arc<ClinchIntegration>> {
        self.scope(&key.namespace)?.integrations.get(&reference(key))
    }

    pub(crate) fn mapping(&self, key: &ObjectKey) -> Option<Arc<FieldMapping>> {
        self.scope(&key.namespace)?.mappings.get(&reference(key))
    }

    /// Exports of a namespace that `wanted` picks.
    pub(crate) fn exports(
        &self,
        namespace: &str,
        wanted: impl Fn(&CandidateExport) -> bool,
    ) -> Vec<ObjectKey> {
        let Some(scope) = self.scope(namespace) else { return Vec::new() };
        scope
            .exports
            .state()
            .iter()
            .filter(|export| export.namespace().as_deref() == Some(namespace) && wanted(export))
            .map(|export| ObjectKey::new(namespace, export.name_any()))
            .collect()
    }

    /// Integrations of a namespace that `wanted` picks.
    pub(crate) fn integrations(
        &self,
        namespace: &str,
        wanted: impl Fn(&ClinchIntegration) -> bool,
    ) -> Vec<ObjectKey> {
        let Some(scope) = self.scope(namespace) else { return Vec::new() };
        scope
            .integrations
            .state()
            .iter()
            .filter(|found| found.namespace().as_deref() == Some(namespace) && wanted(found))
            .map(|found| ObjectKey::new(namespace, found.name_any()))
            .collect()
    }

    /// Waits until the integrations of every scope were listed once.
    pub(crate) async fn seen_integrations(&self) {
        for scope in self.scopes.iter() {
            // A dropped writer means shutdown: then nothing is sent any more.
            let _ended = scope.integrations.wait_until_ready().await.is_err();
        }
    }

    /// Integrations of every scope.
    pub(crate) fn all_integrations(&self) -> Vec<(ObjectKey, Arc<ClinchIntegration>)> {
        let states = self.scopes.iter().flat_map(|scope| scope.integrations.state());
        let named = |found: Arc<ClinchIntegration>| {
            let namespace = found.namespace().unwrap_or_default();
            (ObjectKey::new(namespace, found.name_any()), found)
        };
        states.map(named).collect()
    }

    /// Exports of every scope that `wanted` picks.
    fn all_exports(&self, wanted: impl Fn(&ObjectKey, &CandidateExport) -> bool) -> Vec<ObjectKey> {
        let mut found = Vec::new();
        for scope in self.scopes.iter() {
            for export in scope.exports.state() {
                let namespace = export.namespace().unwrap_or_default();
                let key = ObjectKey::new(namespace, export.name_any());
                if wanted(&key, &export) {
                    found.push(key);
                }
            }
        }
        found
    }

    /// Exports that use a mapping: by name, or through their integration's default.
    pub(crate) fn exports_using_mapping(&self, mapping: &ObjectKey) -> Vec<ObjectKey> {
        self.all_exports(|key, export| {
            let integration = integration_of(key, &export.spec);
            let found = self.integration(&integration);
            let defaults = found.as_ref().and_then(|found| found.spec.defaults.as_ref());
            mapping_of(&integration, &export.spec, defaults).as_ref() == Some(mapping)
        })
    }

    /// Whether this very export is there.
    pub(crate) fn has_export(&self, export: &crate::cluster::ObjectRef) -> bool {
        let scope = self.scope(&export.key.namespace);
        let found = scope.and_then(|scope| scope.exports.get(&reference(&export.key)));
        found.is_some_and(|found| found.metadata.uid.as_deref() == Some(export.uid.as_str()))
    }

    /// The UID of an export of which a run was attempted.
    pub(crate) fn attempted_export(&self, key: &ObjectKey) -> Option<String> {
        let export = self.scope(&key.namespace)?.exports.get(&reference(key))?;
        export.status.as_ref()?.last_attempted_revision.as_ref()?;
        export.metadata.uid.clone()
    }

    /// Exports that name an integration, of whatever namespace.
    pub(crate) fn exports_of(&self, integration: &ObjectKey) -> Vec<ObjectKey> {
        self.all_exports(|key, export| integration_of(key, &export.spec) == *integration)
    }
}

pub(crate) fn reference<K>(key: &ObjectKey) -> ObjectRef<K>
where
    K: kube::Resource<DynamicType = ()>,
{
    ObjectRef::new(&key.name).within(&key.namespace)
}
