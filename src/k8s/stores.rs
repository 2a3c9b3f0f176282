//! What the watches have seen: one set of stores per watched scope. Exports are kept without
//! their inline candidates, and everything without managed fields: memory is for names, not data.

use std::sync::Arc;

use kube::{
    ResourceExt,
    runtime::reflector::{ObjectRef, Store},
};

use crate::{
    api::{CandidateExport, ClinchIntegration, FieldMapping},
    cluster::ObjectKey,
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
pub(crate) struct Stores(Arc<Vec<ScopeStores>>);

impl Stores {
    pub(crate) fn new(scopes: Vec<ScopeStores>) -> Self {
        Self(Arc::new(scopes))
    }

    fn scope(&self, namespace: &str) -> Option<&ScopeStores> {
        self.0
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

    /// Exports that use a mapping: by name, or through their integration's default.
    pub(crate) fn exports_using_mapping(&self, mapping: &ObjectKey) -> Vec<ObjectKey> {
        let by_default = self.integrations(&mapping.namespace, |integration| {
            let defaults = integration.spec.defaults.as_ref();
            defaults
                .and_then(|defaults| defaults.field_mapping_ref.as_ref())
                .is_some_and(|reference| reference.name == mapping.name)
        });
        self.exports(&mapping.namespace, |export| match &export.spec.field_mapping_ref {
            Some(reference) => reference.name == mapping.name,
            None => by_default.iter().any(|key| key.name == export.spec.integration_ref.name),
        })
    }

    /// Exports that name an integration.
    pub(crate) fn exports_of(&self, integration: &ObjectKey) -> Vec<ObjectKey> {
        self.exports(&integration.namespace, |export| {
            export.spec.integration_ref.name == integration.name
        })
    }
}

pub(crate) fn reference<K>(key: &ObjectKey) -> ObjectRef<K>
where
    K: kube::Resource<DynamicType = ()>,
{
    ObjectRef::new(&key.name).within(&key.namespace)
}
