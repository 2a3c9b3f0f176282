//! What the watches have seen: one set of stores per watched scope. Exports are kept without
//! their inline candidates, and everything without managed fields: memory is for names, not data.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    core::PartialObjectMeta,
    runtime::reflector::{ObjectRef, Store},
};

use super::key_of;
use crate::{
    api::{CandidateExport, CandidateImport, ClinchIntegration, FieldMapping},
    cluster::{
        Census, Kind, Lister, ObjectKey, ObjectRef as Reference, OurKind, is_held_by, is_served_by,
    },
    domain::Shard,
};

/// The stores of one scope: a namespace, or all of them.
#[derive(Clone)]
pub(crate) struct ScopeStores {
    pub(crate) namespace: Option<String>,
    pub(crate) integrations: Store<ClinchIntegration>,
    pub(crate) mappings: Store<FieldMapping>,
    pub(crate) exports: Store<CandidateExport>,
    pub(crate) imports: Store<CandidateImport>,
}

/// Every scope's stores.
#[derive(Clone)]
pub(crate) struct Stores {
    scopes: Arc<Vec<ScopeStores>>,
    /// Where all namespaces are watched: their labels.
    pub(crate) namespaces: Option<Store<PartialObjectMeta<Namespace>>>,
    /// The shard that this process serves.
    shard: Shard,
}

impl Stores {
    pub(crate) fn new(
        scopes: Vec<ScopeStores>,
        namespaces: Option<Store<PartialObjectMeta<Namespace>>>,
        shard: Shard,
    ) -> Self {
        Self { scopes: Arc::new(scopes), namespaces, shard }
    }

    /// Whether this process reconciles an object.
    pub(crate) fn serves(&self, kind: Kind, key: &ObjectKey) -> bool {
        is_served_by(&self.shard, kind, key, self)
    }

    pub(crate) fn namespace_labels(&self, namespace: &str) -> Option<BTreeMap<String, String>> {
        let found = self.namespaces.as_ref()?.get(&ObjectRef::new(namespace))?;
        Some(found.metadata.labels.clone().unwrap_or_default())
    }

    fn scope(&self, namespace: &str) -> Option<&ScopeStores> {
        self.scopes
            .iter()
            .find(|scope| scope.namespace.as_deref().is_none_or(|watched| watched == namespace))
    }

    pub(crate) fn mapping(&self, key: &ObjectKey) -> Option<Arc<FieldMapping>> {
        self.scope(&key.namespace)?.mappings.get(&reference(key))
    }

    /// The version of an object that its watch has delivered.
    pub(crate) fn version(&self, object: &Reference) -> Option<String> {
        fn of<K: OurKind>(store: &Store<K>, object: &Reference) -> Option<String> {
            let found = store.get(&reference(&object.key))?;
            let meta = found.meta();
            meta.resource_version.clone().filter(|_| meta.uid.as_ref() == Some(&object.uid))
        }
        let scope = self.scope(&object.key.namespace)?;
        match object.kind {
            Kind::Integration => of(&scope.integrations, object),
            Kind::Mapping => of(&scope.mappings, object),
            Kind::Export => of(&scope.exports, object),
            Kind::Import => of(&scope.imports, object),
        }
    }

    /// Counts over the objects that this process has, so that the sum over all processes is true.
    pub(crate) fn census(&self) -> Census {
        let mut census = Census::default();
        for scope in self.scopes.iter() {
            self.held(&scope.integrations).for_each(|object| census.add(object.as_ref()));
            self.held(&scope.mappings).for_each(|object| census.add(object.as_ref()));
            for import in self.held(&scope.imports) {
                census.add(import.as_ref());
                census.add_imports(&import);
            }
            for export in self.held(&scope.exports) {
                census.add(export.as_ref());
                census.add_records(&export);
                census.add_runs(&export);
            }
        }
        census
    }

    fn held<K: OurKind>(&self, store: &Store<K>) -> impl Iterator<Item = Arc<K>> {
        let holds =
            |object: &Arc<K>| is_held_by(&self.shard, K::KIND, &key_of(object.as_ref()), self);
        store.state().into_iter().filter(holds)
    }

    /// Waits until the integrations of every scope were listed once.
    pub(crate) async fn seen_integrations(&self) {
        for scope in self.scopes.iter() {
            // A dropped writer means shutdown.
            let _ended = scope.integrations.wait_until_ready().await.is_err();
        }
    }

    /// The scopes that hold objects of a namespace; `None`: all of them.
    fn scopes_of(&self, namespace: Option<&str>) -> impl Iterator<Item = &ScopeStores> {
        let holds = move |scope: &&ScopeStores| {
            scope.namespace.as_deref().is_none_or(|watched| namespace.is_none_or(|n| n == watched))
        };
        self.scopes.iter().filter(holds)
    }
}

impl Lister for Stores {
    fn integration(&self, key: &ObjectKey) -> Option<Arc<ClinchIntegration>> {
        self.scope(&key.namespace)?.integrations.get(&reference(key))
    }

    fn integrations(&self, namespace: Option<&str>) -> Vec<(ObjectKey, Arc<ClinchIntegration>)> {
        named(namespace, self.scopes_of(namespace).map(|scope| &scope.integrations))
    }

    fn export(&self, key: &ObjectKey) -> Option<Arc<CandidateExport>> {
        self.scope(&key.namespace)?.exports.get(&reference(key))
    }

    fn exports(&self, namespace: Option<&str>) -> Vec<(ObjectKey, Arc<CandidateExport>)> {
        named(namespace, self.scopes_of(namespace).map(|scope| &scope.exports))
    }

    fn import(&self, key: &ObjectKey) -> Option<Arc<CandidateImport>> {
        self.scope(&key.namespace)?.imports.get(&reference(key))
    }

    fn imports(&self, namespace: Option<&str>) -> Vec<(ObjectKey, Arc<CandidateImport>)> {
        named(namespace, self.scopes_of(namespace).map(|scope| &scope.imports))
    }
}

/// The objects of a namespace, or all of them, with their names.
fn named<'a, K: OurKind>(
    namespace: Option<&str>,
    stores: impl Iterator<Item = &'a Store<K>>,
) -> Vec<(ObjectKey, Arc<K>)> {
    let matches =
        |found: &Arc<K>| namespace.is_none() || found.meta().namespace.as_deref() == namespace;
    let found = stores.flat_map(Store::state).filter(matches);
    found.map(|object| (key_of(object.as_ref()), object)).collect()
}

pub(crate) fn reference<K>(key: &ObjectKey) -> ObjectRef<K>
where
    K: kube::Resource<DynamicType = ()>,
{
    ObjectRef::new(&key.name).within(&key.namespace)
}
