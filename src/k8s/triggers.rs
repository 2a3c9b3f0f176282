//! What follows a watch event: reconciles, by the rule of `cluster::dependents`, and the end of what
//! the process does for an object that was deleted.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;

use super::{echoes::Echoes, queue::ReconcileQueue, stores::Stores, watch::ObjectEvent};
use crate::{
    api::{CandidateExport, CandidateImport, ClinchIntegration, FieldMapping},
    cluster::{ObjectChange, ObjectKey, OurKind, Reconciler, Trigger, integration_of},
};

/// The handlers of watch events.
pub(super) struct Triggers<R> {
    stores: Stores,
    queue: ReconcileQueue,
    reconciler: Arc<R>,
    echoes: Echoes,
}

impl<R> Clone for Triggers<R> {
    fn clone(&self) -> Self {
        let Self { stores, queue, reconciler, echoes } = self;
        Self {
            stores: stores.clone(),
            queue: queue.clone(),
            reconciler: reconciler.clone(),
            echoes: echoes.clone(),
        }
    }
}

impl<R: Reconciler> Triggers<R> {
    pub(super) fn new(
        stores: Stores,
        queue: ReconcileQueue,
        reconciler: Arc<R>,
        echoes: Echoes,
    ) -> Self {
        Self { stores, queue, reconciler, echoes }
    }

    pub(super) fn namespaces(
        &self,
    ) -> impl Fn(ObjectEvent<'_, PartialObjectMeta<Namespace>>) + use<R> {
        let triggers = self.clone();
        move |event| triggers.enqueue(&Trigger::Namespace(&event.key.name))
    }

    pub(super) fn integrations(&self) -> impl Fn(ObjectEvent<'_, ClinchIntegration>) + use<R> {
        let triggers = self.clone();
        move |event| {
            triggers.note(&event);
            triggers.enqueue(&Trigger::Integration(event.key, event.change));
        }
    }

    pub(super) fn mappings(&self) -> impl Fn(ObjectEvent<'_, FieldMapping>) + use<R> {
        let triggers = self.clone();
        move |event| {
            triggers.note(&event);
            triggers.enqueue(&Trigger::Mapping(event.key, event.change));
        }
    }

    pub(super) fn exports(&self) -> impl Fn(ObjectEvent<'_, CandidateExport>) + use<R> {
        let triggers = self.clone();
        let named = NamedIntegrations::default();
        move |event| {
            triggers.note(&event);
            if event.change == ObjectChange::StatusOnly {
                return;
            }
            let now = event.object.map(|export| integration_of(event.key, &export.spec));
            let integrations = named.before_and_now(event.uid, now);
            let (key, change) = (event.key, event.change);
            triggers.enqueue(&Trigger::Export { key, change, integrations: &integrations });
        }
    }

    pub(super) fn imports(&self) -> impl Fn(ObjectEvent<'_, CandidateImport>) + use<R> {
        let triggers = self.clone();
        let named = NamedIntegrations::default();
        move |event| {
            triggers.note(&event);
            if event.change == ObjectChange::StatusOnly {
                return;
            }
            let now = event.object.map(|import| integration_of(event.key, &import.spec));
            let integrations = named.before_and_now(event.uid, now);
            let (key, change) = (event.key, event.change);
            triggers.enqueue(&Trigger::Import { key, change, integrations: &integrations });
        }
    }

    fn enqueue(&self, trigger: &Trigger<'_>) {
        self.queue.enqueue_dependents(trigger, &self.stores);
    }

    /// Notes how far the watch is, and reports a deletion.
    fn note<K: OurKind>(&self, event: &ObjectEvent<'_, K>) {
        if let Some(version) =
            event.object.and_then(|object| object.meta().resource_version.as_ref())
        {
            self.echoes.seen(event.uid, version);
        }
        if event.change == ObjectChange::Deleted {
            self.echoes.gone(event.uid);
            self.reconciler.deleted(K::KIND, event.uid);
        }
    }
}

/// The integration that each export or import named when it was last seen, by its UID.
#[derive(Default)]
struct NamedIntegrations(Mutex<HashMap<String, ObjectKey>>);

impl NamedIntegrations {
    /// Notes what an object names now, if it still exists; what it named before, and names now.
    fn before_and_now(&self, uid: &str, now: Option<ObjectKey>) -> Vec<ObjectKey> {
        let mut named = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match &now {
            Some(key) => named.insert(uid.to_owned(), key.clone()),
            None => named.remove(uid),
        };
        let mut integrations: Vec<ObjectKey> = before.into_iter().chain(now).collect();
        integrations.dedup();
        integrations
    }
}
