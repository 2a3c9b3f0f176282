//! Starts the watches and controllers of every watched scope, and keeps them running until
//! shutdown.

use std::{fmt, sync::Arc};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, ResourceExt,
    core::PartialObjectMeta,
    runtime::reflector::{self, Store, store::Writer},
};
use tokio::sync::{Notify, mpsc::UnboundedReceiver};
use tokio_util::sync::CancellationToken;

use super::{
    KubeCluster,
    controller::ControllerConfig,
    echoes::Echoes,
    events::Events,
    gauges::Gauges,
    pulse::Pulses,
    queue::{QueueBuilder, ReconcileQueue},
    secrets::Secrets,
    shards::ShardLeases,
    stores::{ScopeStores, Stores},
    sync::{CacheSync, InitialList},
    triggers::Triggers,
    waiting::Waiting,
    watch::{self, ObjectEvent, SecretWatches, scoped},
};
use crate::{
    api::{CandidateExport, CandidateImport, ClinchIntegration, FieldMapping},
    cluster::{ObjectKey, OurKind, Reconciler},
    domain::Shard,
    ledger::ObjectLedgers,
};

/// Settings of the cluster port.
#[derive(Debug, Clone)]
pub struct KubeConfig {
    /// Namespaces to watch; empty: all.
    pub namespaces: Vec<String>,
    /// The Secret that holds the ledger root key; its namespace is the operator's own.
    pub ledger_key: ObjectKey,
    /// Where ledgers are kept; `None`: in etcd.
    pub ledgers: Option<ObjectLedgers>,
    /// The largest ledger, in people, that etcd may hold.
    pub ledger_etcd_max: u64,
    /// Name of this process in Events.
    pub instance: String,
    /// Maximum concurrent reconciles of each kind.
    pub concurrency: u16,
    /// The shard that this process serves.
    pub shard: Shard,
    /// Name of the Lease of the default shard, from which those of the others follow.
    pub lease: String,
}

/// The watches and controllers, ready to run.
pub struct Runtime {
    client: Client,
    stores: Stores,
    queue: ReconcileQueue,
    scopes: Vec<Scope>,
    namespaces: Option<(Writer<PartialObjectMeta<Namespace>>, InitialList)>,
    concurrency: u16,
    sync: CacheSync,
    waiting: Waiting,
    echoes: Echoes,
    pulses: Pulses,
    stop: CancellationToken,
}

/// One watched namespace, or all of them.
struct Scope {
    namespace: Option<String>,
    integrations: Watched<ClinchIntegration>,
    mappings: Watched<FieldMapping>,
    exports: Watched<CandidateExport>,
    imports: Watched<CandidateImport>,
}

/// One kind in one scope.
struct Watched<K: OurKind> {
    store: Store<K>,
    writer: Writer<K>,
    list: InitialList,
    requests: UnboundedReceiver<ObjectKey>,
}

impl<K: OurKind> Watched<K> {
    fn new(namespace: Option<&String>, sync: &CacheSync, queues: &mut QueueBuilder) -> Self {
        let (store, writer) = reflector::store();
        let requests = queues.add(K::KIND, namespace.cloned());
        Self { store, writer, list: sync.expect(), requests }
    }
}

impl Scope {
    fn new(namespace: Option<String>, sync: &CacheSync, queues: &mut QueueBuilder) -> Self {
        Self {
            integrations: Watched::new(namespace.as_ref(), sync, queues),
            mappings: Watched::new(namespace.as_ref(), sync, queues),
            exports: Watched::new(namespace.as_ref(), sync, queues),
            imports: Watched::new(namespace.as_ref(), sync, queues),
            namespace,
        }
    }

    fn stores(&self) -> ScopeStores {
        ScopeStores {
            namespace: self.namespace.clone(),
            integrations: self.integrations.store.clone(),
            mappings: self.mappings.store.clone(),
            exports: self.exports.store.clone(),
            imports: self.imports.store.clone(),
        }
    }
}

impl KubeCluster {
    /// The port, the watches and controllers behind it, and the queue of reconciles.
    pub fn new(
        client: Client,
        config: KubeConfig,
        stop: CancellationToken,
    ) -> (Self, Runtime, ReconcileQueue) {
        let namespaces: Vec<Option<String>> = if config.namespaces.is_empty() {
            vec![None]
        } else {
            config.namespaces.into_iter().map(Some).collect()
        };
        let (sync, mut queues) = (CacheSync::new(), QueueBuilder::default());
        let scopes: Vec<Scope> = namespaces
            .into_iter()
            .map(|namespace| Scope::new(namespace, &sync, &mut queues))
            .collect();
        let (waiting, echoes) = (queues.waiting(), Echoes::default());
        let queue = queues.build();
        // Namespaces can be read only where all of them are watched.
        let everywhere = scopes.iter().any(|scope| scope.namespace.is_none());
        let (namespaces_store, namespaces) = everywhere
            .then(|| {
                let (store, writer) = reflector::store();
                (store, (writer, sync.expect()))
            })
            .unzip();
        let stores = scopes.iter().map(Scope::stores).collect();
        let stores = Stores::new(stores, namespaces_store, config.shard.clone());
        let home = config.ledger_key.namespace.clone();
        let cluster = Self {
            stores: stores.clone(),
            shard_leases: ShardLeases::new(client.clone(), &home, &config.lease),
            shard: config.shard,
            home,
            secrets: Secrets::new(client.clone(), config.ledger_key),
            secret_watches: SecretWatches::new(
                client.clone(),
                stores.clone(),
                queue.clone(),
                stop.clone(),
            ),
            events: Events::new(client.clone(), config.instance),
            ledgers: config.ledgers,
            ledger_etcd_max: config.ledger_etcd_max,
            echoes: echoes.clone(),
            unserved: sync.unserved(),
            client: client.clone(),
        };
        let runtime = Runtime {
            client,
            stores,
            queue: queue.clone(),
            scopes,
            namespaces,
            concurrency: config.concurrency,
            sync,
            waiting,
            echoes,
            pulses: Pulses::default(),
            stop,
        };
        (cluster, runtime, queue)
    }
}

impl Runtime {
    /// Resolves once every watch has listed its objects: the operator is then ready.
    pub fn synced(&self) -> impl Future<Output = ()> + Send + 'static {
        self.sync.wait()
    }

    /// Notified each time that the API server does not serve a watched kind, or does not take a status:
    /// a CRD may have been deleted or replaced.
    pub fn unserved(&self) -> Arc<Notify> {
        self.sync.unserved()
    }

    /// What metrics show of watches and queues.
    pub fn gauges(&self) -> Gauges {
        let (stores, waiting) = (self.stores.clone(), self.waiting.clone());
        Gauges { stores, waiting, echoes: self.echoes.clone(), pulses: self.pulses.clone() }
    }

    /// The signs of life of its watches, once it runs.
    pub fn pulses(&self) -> Pulses {
        self.pulses.clone()
    }

    /// Runs until `stop` is cancelled and reconciles under way have ended.
    pub async fn run(self, reconciler: Arc<impl Reconciler>) {
        let Self { client, stores, queue, scopes, namespaces, concurrency, sync, .. } = self;
        let Self { waiting, echoes, pulses, stop, .. } = self;
        let triggers = Triggers::new(stores.clone(), queue.clone(), reconciler.clone(), echoes);
        let mut tasks = Tasks {
            client: client.clone(),
            pulses: pulses.clone(),
            controllers: ControllerConfig {
                reconciler,
                concurrency,
                sync,
                stores: stores.clone(),
                waiting,
                stop: stop.clone(),
            },
            stop: stop.clone(),
            running: FuturesUnordered::new(),
        };
        if let Some((writer, list)) = namespaces {
            let (observed, hearing) = pulses.observe(&client, "Namespace", "namespaces");
            let (api, seen) = ((Api::all(observed), hearing), triggers.namespaces());
            let namespaces = watch::reflect(api, writer, list, prune_namespace, seen, stop.clone());
            tasks.running.push(namespaces.boxed());
        }
        for scope in scopes {
            let namespace = scope.namespace;
            let in_scope = namespace.as_deref();
            tasks.start(in_scope, scope.integrations, prune, triggers.integrations());
            tasks.start(in_scope, scope.mappings, prune, triggers.mappings());
            tasks.start(in_scope, scope.exports, prune_export, triggers.exports());
            tasks.start(in_scope, scope.imports, prune, triggers.imports());
            let (stores, queue) = (stores.clone(), queue.clone());
            let observed = pulses.observe(&client, "ConfigMap", Watch("configmaps", in_scope));
            let config_maps = watch::config_maps(observed, namespace, stores, queue, stop.clone());
            tasks.running.push(config_maps.boxed());
        }
        while tasks.running.next().await.is_some() {}
    }
}

/// What runs until shutdown.
struct Tasks<R> {
    client: Client,
    pulses: Pulses,
    controllers: ControllerConfig<R>,
    stop: CancellationToken,
    running: FuturesUnordered<BoxFuture<'static, ()>>,
}

impl<R: Reconciler> Tasks<R> {
    /// Starts the watch and the controller of one kind in one scope.
    fn start<K: OurKind>(
        &mut self,
        namespace: Option<&str>,
        watched: Watched<K>,
        prune: fn(&mut K),
        seen: impl Fn(ObjectEvent<'_, K>) + Send + 'static,
    ) {
        let Watched { store, writer, list, requests } = watched;
        let what = K::plural(&());
        let (client, hearing) =
            self.pulses.observe(&self.client, K::KIND.as_str(), Watch(&what, namespace));
        let (api, stop) = ((scoped(&client, namespace), hearing), self.stop.clone());
        self.running.push(watch::reflect(api, writer, list, prune, seen, stop).boxed());
        self.running.push(self.controllers.run(store, requests).boxed());
    }
}

/// The name of a watch: what it watches, and where.
struct Watch<'a>(&'a str, Option<&'a str>);

impl fmt::Display for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(what, namespace) = self;
        match namespace {
            Some(namespace) => write!(f, "{what} in {namespace}"),
            None => write!(f, "{what}"),
        }
    }
}

fn prune<K: ResourceExt>(object: &mut K) {
    object.managed_fields_mut().clear();
}

fn prune_namespace(namespace: &mut PartialObjectMeta<Namespace>) {
    prune(namespace);
    namespace.annotations_mut().clear();
}

/// Candidates stay out of memory: a run reads its export fresh.
fn prune_export(export: &mut CandidateExport) {
    prune(export);
    if export.spec.source.inline.is_some() {
        export.spec.source.inline = Some(Vec::new());
    }
}
