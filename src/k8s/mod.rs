//! The cluster port on the Kubernetes API: the only status writer, the only Secret reader,
//! Events, the Lease, and the watches and controllers that trigger reconciles.

mod attempts;
mod controller;
mod echoes;
mod error;
mod events;
mod gauges;
mod interruption;
mod lease;
mod ledger;
mod pulse;
mod queue;
mod runtime;
mod secrets;
mod served;
mod shards;
mod status;
mod stores;
mod sync;
mod triggers;
mod waiting;
mod watch;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
pub use gauges::Gauges;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, ResourceExt};
pub use lease::{Elector, LeaseConfig, Waits};
pub use pulse::{Deafness, Pulse, Pulses};
pub use queue::ReconcileQueue;
pub use runtime::{KubeConfig, Runtime};
pub use served::{Lack, ServedApi};
use tokio::{sync::Notify, time::timeout};

use self::{
    echoes::Echoes, error::cluster_error, events::Events, secrets::Secrets, shards::ShardLeases,
    stores::Stores, watch::SecretWatches,
};
use crate::{
    api::{CandidateExport, CandidateImport, ClinchIntegration, FieldMapping},
    cluster::{Bundle, Cluster, ClusterError, Lister, Notice, ObjectKey, ObjectRef, OurKind},
    domain::Shard,
    ledger::ObjectLedgers,
};

/// The timeout of one read.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The cluster port on the Kubernetes API.
#[derive(Clone)]
pub struct KubeCluster {
    client: Client,
    stores: Stores,
    secrets: Secrets,
    secret_watches: SecretWatches,
    events: Events,
    /// The operator's own namespace.
    home: String,
    shard: Shard,
    shard_leases: ShardLeases,
    ledgers: Option<ObjectLedgers>,
    ledger_etcd_max: u64,
    echoes: Echoes,
    /// Notified when the CRDs may be the reason why something failed.
    unserved: Arc<Notify>,
}

impl KubeCluster {
    async fn apply_status<K: OurKind>(
        &self,
        object: &ObjectRef,
        version: Option<&str>,
        status: K::Status,
    ) -> Result<(), ClusterError> {
        let written = status::apply::<K>(&self.client, object, version, &status).await;
        if matches!(written, Err(ClusterError::Unavailable { .. })) {
            // As for a field that the CRD does not have.
            self.unserved.notify_one();
        }
        if let Some(version) = written? {
            let seen = || self.stores.version(object);
            self.echoes.written(object.kind, &object.uid, &version, seen);
        }
        Ok(())
    }
}

impl Cluster for KubeCluster {
    fn shard(&self) -> Option<&Shard> {
        Some(&self.shard)
    }

    async fn shard_is_alive(&self, shard: &str) -> Result<bool, ClusterError> {
        self.shard_leases.is_held(shard).await
    }

    fn reads_namespaces(&self) -> bool {
        self.stores.namespaces.is_some()
    }

    fn namespace_labels(&self, namespace: &str) -> Option<BTreeMap<String, String>> {
        self.stores.namespace_labels(namespace)
    }

    fn integration(&self, key: &ObjectKey) -> Option<Arc<ClinchIntegration>> {
        self.stores.integration(key)
    }

    async fn integrations(&self) -> Result<Vec<(ObjectKey, Arc<ClinchIntegration>)>, ClusterError> {
        match timeout(REQUEST_TIMEOUT, self.stores.seen_integrations()).await {
            Ok(()) => Ok(self.stores.integrations(None)),
            Err(_) => Err(ClusterError::Unavailable {
                verb: "list",
                what: "clinchintegrations of every watched namespace".to_owned(),
                code: "no answer yet".to_owned(),
            }),
        }
    }

    async fn mapping(&self, key: &ObjectKey) -> Result<Option<Arc<FieldMapping>>, ClusterError> {
        Ok(self.stores.mapping(key))
    }

    async fn read<K: OurKind>(&self, key: &ObjectKey) -> Result<Option<Arc<K>>, ClusterError> {
        let api: Api<K> = Api::namespaced(self.client.clone(), &key.namespace);
        let found = get(&K::plural(&()), key, api.get_opt(&key.name)).await?;
        Ok(found.map(Arc::new))
    }

    fn has_export(&self, export: &ObjectRef) -> bool {
        self.stores.has_export(export)
    }

    fn attempted_export(&self, key: &ObjectKey) -> Option<String> {
        self.stores.attempted_export(key)
    }

    async fn exports_of(&self, integration: &ObjectKey) -> Result<Vec<ObjectKey>, ClusterError> {
        Ok(self.stores.exports_of(integration))
    }

    fn has_import(&self, import: &ObjectRef) -> bool {
        self.stores.has_import(import)
    }

    async fn imports_of(&self, integration: &ObjectKey) -> Result<Vec<ObjectKey>, ClusterError> {
        Ok(self.stores.imports_of(integration))
    }

    fn file_exports(&self) -> Vec<(ObjectKey, Arc<CandidateExport>)> {
        self.stores.file_exports()
    }

    fn file_imports(&self) -> Vec<(ObjectKey, Arc<CandidateImport>)> {
        self.stores.file_imports()
    }

    async fn config_map(&self, key: &ObjectKey) -> Result<Option<Bundle>, ClusterError> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &key.namespace);
        let found = get("configmaps", key, api.get_opt(&key.name)).await?;
        Ok(found.map(|found| {
            let text = found.data.unwrap_or_default().into_iter();
            let binary = found.binary_data.unwrap_or_default().into_iter();
            let data = text
                .map(|(key, value)| (key, Bytes::from(value)))
                .chain(binary.map(|(key, value)| (key, Bytes::from(value.0))))
                .collect();
            Bundle {
                data,
                labels: found.metadata.labels.unwrap_or_default(),
                annotations: BTreeMap::new(),
                secret_type: String::new(),
            }
        }))
    }

    async fn secret(&self, key: &ObjectKey) -> Result<Option<Bundle>, ClusterError> {
        self.secret_watches.ensure(key);
        self.secrets.read(key).await
    }

    fn secret_gone(&self, key: &ObjectKey) -> bool {
        self.secret_watches.gone(key)
    }

    fn secret_changes(&self, key: &ObjectKey) -> u64 {
        self.secret_watches.changes(key)
    }

    async fn write_status<K: OurKind>(
        &self,
        object: &ObjectRef,
        status: K::Status,
    ) -> Result<(), ClusterError> {
        self.apply_status::<K>(object, None, status).await
    }

    async fn write_status_of<K: OurKind>(
        &self,
        object: &ObjectRef,
        version: &str,
        status: K::Status,
    ) -> Result<(), ClusterError> {
        self.apply_status::<K>(object, Some(version), status).await
    }

    async fn publish(&self, object: &ObjectRef, notice: Notice) {
        self.events.publish(object, notice).await;
    }

    async fn ledger_root_key(&self) -> Result<[u8; 32], ClusterError> {
        self.secrets.root_key().await
    }
}

async fn get<T>(
    plural: &str,
    key: &ObjectKey,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, ClusterError> {
    let what = || format!("{plural} {key}");
    timeout(REQUEST_TIMEOUT, request)
        .await
        .map_err(|_| ClusterError::Unavailable {
            verb: "get",
            what: what(),
            code: "no answer in 10 s".to_owned(),
        })?
        .map_err(|error| cluster_error("get", what(), &error))
}

fn key_of(object: &impl ResourceExt) -> ObjectKey {
    ObjectKey::new(object.namespace().unwrap_or_default(), object.name_any())
}
