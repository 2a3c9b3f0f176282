//! Starts watches and controllers for each watched scope, and keeps them running until shutdown.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Resource, ResourceExt,
    core::PartialObjectMeta,
    runtime::{
        Controller,
        controller::{Action, Config},
        reflector::{self, Store, store::Writer},
    },
};
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::{sync::mpsc::UnboundedReceiver, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    KubeCluster,
    events::Events,
    lists::{FirstList, Lists},
    secrets::Secrets,
    stores::{ScopeStores, Stores},
    wake::{Waker, Wakes},
    watch::{self, SecretWatches, Seen, scoped},
};
use crate::{
    api::{CandidateExport, ClinchIntegration, FieldMapping},
    cluster::{ClusterError, Kind, ObjectKey, Reconciler, integration_of},
    ledger::ObjectLedgers,
};

/// How the operator sees its cluster.
#[derive(Debug, Clone)]
pub struct KubeConfig {
    /// Namespaces to watch; empty: all.
    pub namespaces: Vec<String>,
    /// The Secret that holds the ledger root key; its namespace is the operator's own.
    pub ledger_key: ObjectKey,
    /// Where ledgers are kept; etcd where it is absent.
    pub ledgers: Option<ObjectLedgers>,
    /// The most people a ledger in etcd is to hold.
    pub ledger_etcd_max: u64,
    /// Name of this process in Events.
    pub instance: String,
    /// Most reconciles of one kind at a time.
    pub concurrency: u16,
}

/// How long reconciles wait for the first lists.
const LISTS_WITHIN: Duration = Duration::from_secs(30);

/// The watches and controllers, ready to run.
pub struct Driver {
    client: Client,
    stores: Stores,
    waker: Waker,
    scopes: Vec<Scope>,
    namespaces: Option<(Writer<PartialObjectMeta<Namespace>>, FirstList)>,
    concurrency: u16,
    lists: Lists,
    stop: CancellationToken,
}

struct Scope {
    stores: ScopeStores,
    wakes: Wakes,
    integrations: Writer<ClinchIntegration>,
    mappings: Writer<FieldMapping>,
    exports: Writer<CandidateExport>,
    lists: [FirstList; 3],
}

impl KubeCluster {
    /// The port, the driver of its watches and controllers, and the way to wake reconciles.
    pub fn new(
        client: Client,
        config: KubeConfig,
        stop: CancellationToken,
    ) -> (Self, Driver, Waker) {
        let namespaces: Vec<Option<String>> = if config.namespaces.is_empty() {
            vec![None]
        } else {
            config.namespaces.into_iter().map(Some).collect()
        };
        let (waker, wakes) = Waker::new(&namespaces);
        let lists = Lists::new();
        let scopes: Vec<Scope> = namespaces
            .into_iter()
            .zip(wakes)
            .map(|(namespace, wakes)| {
                let (integrations_store, integrations) = reflector::store();
                let (mappings_store, mappings) = reflector::store();
                let (exports_store, exports) = reflector::store();
                let stores = ScopeStores {
                    namespace,
                    integrations: integrations_store,
                    mappings: mappings_store,
                    exports: exports_store,
                };
                let lists = [(); 3].map(|()| lists.expect());
                Scope { stores, wakes, integrations, mappings, exports, lists }
            })
            .collect();
        // Namespaces can be read only where all of them are watched.
        let everywhere = scopes.iter().any(|scope| scope.stores.namespace.is_none());
        let (namespaces_store, namespaces) = everywhere
            .then(|| {
                let (store, writer) = reflector::store();
                (store, (writer, lists.expect()))
            })
            .unzip();
        let stores = Stores::new(
            scopes.iter().map(|scope| scope.stores.clone()).collect(),
            namespaces_store,
        );
        let cluster = Self {
            stores: stores.clone(),
            home: config.ledger_key.namespace.clone(),
            secrets: Secrets::new(client.clone(), config.ledger_key),
            secret_watches: SecretWatches::new(
                client.clone(),
                stores.clone(),
                waker.clone(),
                stop.clone(),
            ),
            events: Events::new(client.clone(), config.instance),
            ledgers: config.ledgers,
            ledger_etcd_max: config.ledger_etcd_max,
            client: client.clone(),
        };
        let driver = Driver {
            client,
            stores,
            waker: waker.clone(),
            scopes,
            namespaces,
            concurrency: config.concurrency,
            lists,
            stop,
        };
        (cluster, driver, waker)
    }
}

impl Driver {
    /// Resolves once every watch has seen its first list: the operator is then ready.
    pub fn synced(&self) -> impl Future<Output = ()> + Send + 'static {
        self.lists.all()
    }

    /// Runs until `stop` is cancelled and reconciles under way have ended.
    pub async fn run(self, reconciler: Arc<impl Reconciler>) {
        let Self { client, stores, waker, scopes, namespaces, concurrency, lists, stop } = self;
        let mut tasks: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
        if let Some((writer, first)) = namespaces {
            let prune = |namespace: &mut PartialObjectMeta<Namespace>| {
                namespace.managed_fields_mut().clear();
                namespace.annotations_mut().clear();
            };
            let seen = on_namespace(&stores, &waker);
            let api = Api::all(client.clone());
            tasks.push(watch::reflect(api, writer, first, prune, seen, stop.clone()).boxed());
        }
        for scope in scopes {
            let namespace = scope.stores.namespace.clone();
            let api_namespace = namespace.as_deref();
            let [first_integrations, first_mappings, first_exports] = scope.lists;
            tasks.push(
                watch::reflect(
                    scoped(&client, api_namespace),
                    scope.integrations,
                    first_integrations,
                    |object: &mut ClinchIntegration| object.managed_fields_mut().clear(),
                    on_integration(&stores, &waker, &reconciler),
                    stop.clone(),
                )
                .boxed(),
            );
            tasks.push(
                watch::reflect(
                    scoped(&client, api_namespace),
                    scope.mappings,
                    first_mappings,
                    |object: &mut FieldMapping| object.managed_fields_mut().clear(),
                    on_mapping(&stores, &waker, &reconciler),
                    stop.clone(),
                )
                .boxed(),
            );
            tasks.push(
                watch::reflect(
                    scoped(&client, api_namespace),
                    scope.exports,
                    first_exports,
                    prune_export,
                    on_export(&waker, &reconciler),
                    stop.clone(),
                )
                .boxed(),
            );
            tasks.push(
                watch::config_maps(
                    client.clone(),
                    namespace,
                    stores.clone(),
                    waker.clone(),
                    stop.clone(),
                )
                .boxed(),
            );
            let run = Run {
                reconciler: reconciler.clone(),
                concurrency,
                lists: lists.clone(),
                stop: stop.clone(),
            };
            tasks.push(
                run.controller(
                    Kind::Integration,
                    scope.stores.integrations,
                    scope.wakes.integrations,
                )
                .boxed(),
            );
            tasks.push(
                run.controller(Kind::Mapping, scope.stores.mappings, scope.wakes.mappings).boxed(),
            );
            tasks.push(
                run.controller(Kind::Export, scope.stores.exports, scope.wakes.exports).boxed(),
            );
        }
        while tasks.next().await.is_some() {}
    }
}

/// Candidates stay out of memory: a run reads its export fresh.
fn prune_export(object: &mut CandidateExport) {
    object.managed_fields_mut().clear();
    if object.spec.source.inline.is_some() {
        object.spec.source.inline = Some(Vec::new());
    }
}

fn key_of(object: &impl ResourceExt) -> ObjectKey {
    ObjectKey::new(object.namespace().unwrap_or_default(), object.name_any())
}

/// Whoever is let in by labels may be let in, or no longer.
fn on_namespace(
    stores: &Stores,
    waker: &Waker,
) -> impl Fn(Seen<'_, PartialObjectMeta<Namespace>>) + use<> {
    let (stores, waker) = (stores.clone(), waker.clone());
    move |seen| {
        let name = match seen {
            Seen::Applied { object, .. } => object.name_any(),
            Seen::Gone { key, .. } => key.name.clone(),
        };
        for integration in stores.selecting() {
            let exports = stores.exports_of(&integration);
            let mut here = exports.iter().filter(|export| export.namespace == name).peekable();
            if here.peek().is_some() {
                waker.wake(Kind::Integration, &integration);
            }
            here.for_each(|export| waker.wake(Kind::Export, export));
        }
    }
}

fn on_integration<R: Reconciler>(
    stores: &Stores,
    waker: &Waker,
    reconciler: &Arc<R>,
) -> impl Fn(Seen<'_, ClinchIntegration>) + use<R> {
    let (stores, waker, reconciler) = (stores.clone(), waker.clone(), reconciler.clone());
    move |seen| {
        let key = match seen {
            Seen::Applied { object, new } => {
                let key = key_of(object);
                if new {
                    waker.wake(Kind::Integration, &key);
                }
                key
            }
            Seen::Gone { uid, key } => {
                reconciler.deleted(Kind::Integration, uid);
                // One of the others may have been stopped because of it.
                let others = stores.all_integrations();
                others.iter().for_each(|(other, _)| waker.wake(Kind::Integration, other));
                key.clone()
            }
        };
        // Status counts too: exports wait for their integration to become ready.
        stores.exports_of(&key).iter().for_each(|export| waker.wake(Kind::Export, export));
    }
}

fn on_mapping<R: Reconciler>(
    stores: &Stores,
    waker: &Waker,
    reconciler: &Arc<R>,
) -> impl Fn(Seen<'_, FieldMapping>) + use<R> {
    let (stores, waker, reconciler) = (stores.clone(), waker.clone(), reconciler.clone());
    move |seen| {
        let key = match seen {
            Seen::Applied { new: false, .. } => return,
            Seen::Applied { object, new: true } => {
                let key = key_of(object);
                waker.wake(Kind::Mapping, &key);
                key
            }
            Seen::Gone { uid, key } => {
                reconciler.deleted(Kind::Mapping, uid);
                key.clone()
            }
        };
        let users = stores.exports_using_mapping(&key);
        users.iter().for_each(|export| waker.wake(Kind::Export, export));
    }
}

fn on_export<R: Reconciler>(
    waker: &Waker,
    reconciler: &Arc<R>,
) -> impl Fn(Seen<'_, CandidateExport>) + use<R> {
    let (waker, reconciler) = (waker.clone(), reconciler.clone());
    // The integration each export named when it was last seen, by the export's UID.
    let named = Mutex::new(HashMap::<String, ObjectKey>::new());
    let note = move |uid: &str, now: Option<ObjectKey>| {
        let mut named = named.lock().unwrap_or_else(PoisonError::into_inner);
        match now {
            Some(key) => named.insert(uid.to_owned(), key),
            None => named.remove(uid),
        }
    };
    move |seen| match seen {
        Seen::Applied { new: false, .. } => {}
        Seen::Applied { object, new: true } => {
            let key = key_of(object);
            waker.wake(Kind::Export, &key);
            // The integration counts its exports, and so does the one it named before.
            let integration = integration_of(&key, &object.spec);
            let before = note(&object.uid().unwrap_or_default(), Some(integration.clone()));
            if let Some(before) = before.filter(|before| *before != integration) {
                waker.wake(Kind::Integration, &before);
            }
            waker.wake(Kind::Integration, &integration);
        }
        Seen::Gone { uid, key: _ } => {
            reconciler.deleted(Kind::Export, uid);
            if let Some(integration) = note(uid, None) {
                waker.wake(Kind::Integration, &integration);
            }
        }
    }
}

/// A reconcile that did not end well.
#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("the reconcile panicked; this is a defect of the operator")]
    Panicked,
}

struct Run<R> {
    reconciler: Arc<R>,
    concurrency: u16,
    lists: Lists,
    stop: CancellationToken,
}

impl<R: Reconciler> Run<R> {
    fn controller<K>(
        &self,
        kind: Kind,
        store: Store<K>,
        wakes: UnboundedReceiver<reflector::ObjectRef<K>>,
    ) -> impl Future<Output = ()> + Send + use<R, K>
    where
        K: Resource<DynamicType = ()>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug
            + Send
            + Sync
            + 'static,
    {
        let wakes = futures::stream::unfold(wakes, |mut wakes| async {
            wakes.recv().await.map(|wake| (wake, wakes))
        });
        let (reconciler, lists, stop) =
            (self.reconciler.clone(), self.lists.clone(), self.stop.clone());
        let failures = Arc::new(Failures::default());
        let noted = failures.clone();
        let reconcile = move |object: Arc<K>, _: Arc<()>| {
            let (reconciler, failures) = (reconciler.clone(), failures.clone());
            let (lists, stop) = (lists.clone(), stop.clone());
            async move {
                // What is not in a store yet would be taken for missing. A namespace that cannot
                // be listed holds up the others for a while only.
                tokio::select! {
                    _ = timeout(LISTS_WITHIN, lists.all()) => {}
                    () = stop.cancelled() => return Ok(Action::await_change()),
                }
                let key = key_of(object.as_ref());
                let attempt = AssertUnwindSafe(reconciler.reconcile(kind, &key)).catch_unwind();
                let next = attempt.await.map_err(|_| Failure::Panicked)??;
                failures.forget(&key);
                Ok(next.map_or_else(Action::await_change, Action::requeue))
            }
        };
        let on_error = move |object: Arc<K>, error: &Failure, _: Arc<()>| {
            let key = key_of(object.as_ref());
            let delay = noted.note(&key);
            tracing::warn!(%kind, object = %key, %error, retry_in = ?delay, "reconcile failed");
            Action::requeue(delay)
        };
        let config = Config::default().concurrency(self.concurrency);
        Controller::for_stream(futures::stream::pending(), store)
            .with_config(config)
            .reconcile_on(wakes)
            .graceful_shutdown_on(self.stop.clone().cancelled_owned())
            .run(reconcile, on_error, Arc::new(()))
            .for_each(|_| std::future::ready(()))
    }
}

/// Failed attempts in a row, by object: exponential backoff with jitter, 1 s to 10 min.
#[derive(Default)]
struct Failures(Mutex<HashMap<ObjectKey, u32>>);

impl Failures {
    fn note(&self, key: &ObjectKey) -> Duration {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(key.clone()).or_default();
        let ceiling = Duration::from_secs(1 << (*count).min(10)).min(Duration::from_mins(10));
        *count = count.saturating_add(1);
        ceiling.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    fn forget(&self, key: &ObjectKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_is_bounded_and_is_forgotten_on_success() {
        let failures = Failures::default();
        let key = ObjectKey::new("a", "b");
        let first = failures.note(&key);
        assert!(first <= Duration::from_secs(1));
        let mut last = first;
        for _ in 0..20 {
            last = failures.note(&key);
        }
        assert!(last > Duration::from_mins(4) && last <= Duration::from_mins(10), "{last:?}");
        failures.forget(&key);
        assert!(failures.note(&key) <= Duration::from_secs(1));
    }
}
