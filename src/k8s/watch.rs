//! The watches: they fill the stores and report what happens to each object.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api, Client, Resource, ResourceExt,
    core::{NamespaceResourceScope, PartialObjectMeta},
    runtime::{
        WatchStreamExt,
        reflector::store::Writer,
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    attempts::patient, interruption::Interruptions, key_of, pulse::Hearing, queue::ReconcileQueue,
    stores::Stores, sync::InitialList,
};
use crate::{
    api::{
        ACCEPT_DELETIONS, DISTRUST_LEDGER_REQUESTED_AT, FLUX_RECONCILE_REQUESTED_AT,
        RECONCILE_REQUESTED_AT, RETRY_REQUESTED_AT, SHARD_LABEL, VERIFY_REQUESTED_AT,
        WRITTEN_REQUESTED_AT,
    },
    cluster::{ObjectChange, ObjectKey, Trigger, dependents},
};

/// The API of a namespaced kind in a scope.
pub(crate) fn scoped<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// What a watch saw happen to an object.
pub(super) struct ObjectEvent<'a, K> {
    pub(super) uid: &'a str,
    pub(super) key: &'a ObjectKey,
    pub(super) change: ObjectChange,
    /// The object as it is now; `None` when it is gone.
    pub(super) object: Option<&'a K>,
}

/// Fills `writer` from a watch and reports what happens to each object, until `stop`.
///
/// An object is reported once the store holds it. After a relist that is once the list is complete;
/// objects that it no longer holds are reported as deleted.
pub(crate) async fn reflect<K>(
    (api, hearing): (Api<K>, Hearing),
    mut writer: Writer<K>,
    list: InitialList,
    prune: fn(&mut K),
    seen: impl Fn(ObjectEvent<'_, K>),
    stop: CancellationToken,
) where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let kind = K::kind(&());
    let store = writer.as_reader();
    let unserved = list.unserved();
    let (mut known, mut list) = (Known::default(), Some(list));
    let mut interruptions = Interruptions::default();
    let stream = patient(watcher::watcher(api, watcher::Config::default())).modify(prune);
    let mut stream = pin!(stream.take_until(stop.cancelled_owned()));
    while let Some(event) = stream.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                interruptions.log(&kind, &error);
                hearing.lost(&error);
                if is_not_found(&error) {
                    unserved.notify_one();
                }
                continue;
            }
        };
        if !matches!(event, Event::Init | Event::InitApply(_)) {
            interruptions.over();
        }
        writer.apply_watcher_event(&event);
        match &event {
            Event::Apply(object) => known.applied(object, &seen),
            Event::Delete(object) => known.gone(&object.uid().unwrap_or_default(), &seen),
            Event::InitDone => {
                let present = store.state();
                let uids: HashSet<String> = present.iter().filter_map(|o| o.uid()).collect();
                present.iter().for_each(|object| known.applied(object.as_ref(), &seen));
                known.missing_from(&uids).iter().for_each(|uid| known.gone(uid, &seen));
                if let Some(list) = list.take() {
                    list.done();
                }
            }
            Event::Init | Event::InitApply(_) => {}
        }
    }
}

/// The objects reported so far, by UID.
#[derive(Default)]
struct Known(HashMap<String, (u64, ObjectKey)>);

impl Known {
    fn applied<K: Resource>(&mut self, object: &K, seen: &impl Fn(ObjectEvent<'_, K>)) {
        let (uid, mark, key) = (object.uid().unwrap_or_default(), mark(object), key_of(object));
        let before = self.0.insert(uid.clone(), (mark, key.clone()));
        let change = match before {
            Some((known, _)) if known == mark => ObjectChange::StatusOnly,
            _ => ObjectChange::Requested,
        };
        seen(ObjectEvent { uid: &uid, key: &key, change, object: Some(object) });
    }

    fn gone<K: Resource>(&mut self, uid: &str, seen: &impl Fn(ObjectEvent<'_, K>)) {
        if let Some((_, key)) = self.0.remove(uid) {
            seen(ObjectEvent { uid, key: &key, change: ObjectChange::Deleted, object: None });
        }
    }

    fn missing_from(&self, present: &HashSet<String>) -> Vec<String> {
        self.0.keys().filter(|uid| !present.contains(*uid)).cloned().collect()
    }
}

/// Changes exactly when something other than our own status write calls for a reconcile.
fn mark<K: Resource>(object: &K) -> u64 {
    let mut hasher = DefaultHasher::new();
    let meta = object.meta();
    meta.generation.hash(&mut hasher);
    meta.deletion_timestamp.is_some().hash(&mut hasher);
    for annotation in [
        RECONCILE_REQUESTED_AT,
        FLUX_RECONCILE_REQUESTED_AT,
        RETRY_REQUESTED_AT,
        DISTRUST_LEDGER_REQUESTED_AT,
        VERIFY_REQUESTED_AT,
        WRITTEN_REQUESTED_AT,
        ACCEPT_DELETIONS,
    ] {
        object.annotations().get(annotation).hash(&mut hasher);
    }
    object.labels().get(SHARD_LABEL).hash(&mut hasher);
    hasher.finish()
}

/// Whether the API server does not serve the kind.
fn is_not_found(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        // Not by its reason: the answer is plain text.
        | watcher::Error::WatchError(status) => status.code == 404,
        _ => false,
    }
}

/// Enqueues the exports that read a ConfigMap whenever it changes. Metadata only.
pub(crate) async fn config_maps(
    (client, hearing): (Client, Hearing),
    namespace: Option<String>,
    stores: Stores,
    queue: ReconcileQueue,
    stop: CancellationToken,
) {
    let api: Api<PartialObjectMeta<ConfigMap>> = match &namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    each_touched((api, hearing), watcher::Config::default(), stop, |key| {
        queue.enqueue_dependents(&Trigger::ConfigMap(key), &stores);
    })
    .await;
}

async fn each_touched<K>(
    (api, hearing): (Api<PartialObjectMeta<K>>, Hearing),
    config: watcher::Config,
    stop: CancellationToken,
    touched: impl Fn(&ObjectKey),
) where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + Send
        + Sync
        + 'static,
{
    let kind = K::kind(&());
    let stream = patient(watcher::watcher(api, config)).touched_objects();
    let mut stream = pin!(stream.take_until(stop.cancelled_owned()));
    let mut interruptions = Interruptions::default();
    while let Some(event) = stream.next().await {
        match event {
            Ok(object) => {
                interruptions.over();
                touched(&key_of(&object));
            }
            Err(error) => {
                interruptions.log(&kind, &error);
                hearing.lost(&error);
            }
        }
    }
}

/// One metadata-only watch for each Secret in use, by name, so that a role with `resourceNames`
/// is enough.
#[derive(Clone)]
pub(crate) struct SecretWatches {
    client: Client,
    stores: Stores,
    queue: ReconcileQueue,
    stop: CancellationToken,
    running: Arc<Mutex<HashMap<ObjectKey, SecretWatch>>>,
}

struct SecretWatch {
    /// Whether the watch has seen that there is no such Secret.
    seen: Arc<SecretSeen>,
    _task: AbortOnDropHandle<()>,
}

/// What a watch has seen of a Secret.
#[derive(Default)]
struct SecretSeen {
    /// Whether there is no such Secret.
    gone: AtomicBool,
    /// How often it changed.
    changes: AtomicU64,
}

impl SecretWatches {
    pub(crate) fn new(
        client: Client,
        stores: Stores,
        queue: ReconcileQueue,
        stop: CancellationToken,
    ) -> Self {
        Self { client, stores, queue, stop, running: Arc::default() }
    }

    /// Watches a Secret from now on, and ends the watches of those that nothing refers to any more.
    pub(crate) fn ensure(&self, key: &ObjectKey) {
        let mut running = self.running();
        if running.contains_key(key) {
            return;
        }
        running
            .retain(|watched, _| !dependents(&Trigger::Secret(watched), &self.stores).is_empty());
        let seen = Arc::new(SecretSeen::default());
        let task = tokio::spawn(self.clone().watch(key.clone(), Arc::clone(&seen)));
        let watch = SecretWatch { seen, _task: AbortOnDropHandle::new(task) };
        running.insert(key.clone(), watch);
    }

    /// Whether a watched Secret is known to be deleted.
    pub(crate) fn gone(&self, key: &ObjectKey) -> bool {
        self.running().get(key).is_some_and(|watch| watch.seen.gone.load(Ordering::Relaxed))
    }

    /// How often a watched Secret was seen to change.
    pub(crate) fn changes(&self, key: &ObjectKey) -> u64 {
        self.running().get(key).map_or(0, |watch| watch.seen.changes.load(Ordering::Relaxed))
    }

    /// Ends the watch of a Secret to which nothing refers any more. Returns whether it did.
    fn end_unused(&self, secret: &ObjectKey) -> bool {
        let mut running = self.running();
        let unused = dependents(&Trigger::Secret(secret), &self.stores).is_empty();
        if unused {
            running.remove(secret);
        }
        unused
    }

    fn running(&self) -> MutexGuard<'_, HashMap<ObjectKey, SecretWatch>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn watch(self, secret: ObjectKey, seen: Arc<SecretSeen>) {
        let api: Api<PartialObjectMeta<Secret>> =
            Api::namespaced(self.client.clone(), &secret.namespace);
        let only = watcher::Config::default().fields(&format!("metadata.name={}", secret.name));
        let stream = patient(watcher::watcher(api, only));
        let mut stream = pin!(stream.take_until(self.stop.cancelled()));
        let (mut listed, mut version) = (false, None);
        // Metadata counts, too: it is not known what changed. The next pass looks.
        let mut note = |object: &PartialObjectMeta<Secret>| {
            let now = object.resource_version();
            if version.is_some() && version != now {
                seen.changes.fetch_add(1, Ordering::Relaxed);
            }
            version = now;
        };
        let mut interruptions = Interruptions::default();
        while let Some(event) = stream.next().await {
            let is_gone = match event {
                Ok(Event::Init) => {
                    listed = false;
                    continue;
                }
                Ok(Event::InitApply(object)) => {
                    note(&object);
                    listed = true;
                    continue;
                }
                // It may have been deleted while the watch was interrupted.
                Ok(Event::InitDone) => !listed,
                Ok(Event::Apply(object)) => {
                    note(&object);
                    false
                }
                Ok(Event::Delete(_)) => true,
                Err(error) => {
                    if self.end_unused(&secret) {
                        return;
                    }
                    interruptions.log(format_args!("Secret {secret}"), &error);
                    continue;
                }
            };
            interruptions.over();
            // First, so that no request of a run starts before its reconcile.
            seen.gone.store(is_gone, Ordering::Relaxed);
            self.queue.enqueue_dependents(&Trigger::Secret(&secret), &self.stores);
        }
    }
}
