//! The port through which reconcile steps see their cluster: objects by reference, the bytes of
//! a ConfigMap or Secret, one status writer, Events. Implemented on the Kubernetes API (`k8s`)
//! and on a folder of manifests (`local`). No I/O here.

mod census;
mod dependents;
mod error;
mod kind;
mod lister;
mod object;
mod reference;
mod shards;

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

pub use census::{Census, Standing};
pub use dependents::{ObjectChange, Trigger, dependents};
pub use error::ClusterError;
pub use kind::{Kind, OurKind};
pub use lister::Lister;
pub use object::{Bundle, Notice, NoticeType, ObjectKey, ObjectRef};
pub use reference::{Refers, integration_of, mapping_of};
pub use shards::{accounts, holding_shard, is_held_by, is_served_by, precedes, wanted_shard};

use crate::{
    api::{CandidateExport, CandidateImport, ClinchIntegration, FieldMapping},
    domain::Shard,
};

/// What reconcile steps may ask of a cluster. Not found is data (`None`), not an error.
pub trait Cluster: Clone + Send + Sync + 'static {
    /// The shard that this process serves; `None`: there is no other process, and labels mean nothing.
    fn shard(&self) -> Option<&Shard>;

    /// Whether a shard has a process, or may still have one: its Lease is held, and has not been seen to expire.
    fn shard_is_alive(
        &self,
        shard: &str,
    ) -> impl Future<Output = Result<bool, ClusterError>> + Send;

    /// The integration of this name as last seen, without I/O: runs ask before every request.
    fn integration(&self, key: &ObjectKey) -> Option<Arc<ClinchIntegration>>;

    /// Every integration as last seen; waits until all of them were listed once.
    fn integrations(
        &self,
    ) -> impl Future<Output = Result<Vec<(ObjectKey, Arc<ClinchIntegration>)>, ClusterError>> + Send;

    /// Whether the labels of namespaces can be read.
    fn reads_namespaces(&self) -> bool;

    /// The labels of a namespace as last seen, without I/O; `None` where there is no such
    /// namespace, or labels cannot be read.
    fn namespace_labels(&self, namespace: &str) -> Option<BTreeMap<String, String>>;

    /// The object of this name, read fresh and whole: its status is compared with the next one,
    /// and caches leave candidates out.
    fn read<K: OurKind>(
        &self,
        key: &ObjectKey,
    ) -> impl Future<Output = Result<Option<Arc<K>>, ClusterError>> + Send;

    /// The mapping of this name; may be served from a watch.
    fn mapping(
        &self,
        key: &ObjectKey,
    ) -> impl Future<Output = Result<Option<Arc<FieldMapping>>, ClusterError>> + Send;

    /// Whether exactly this export, by UID, exists as last seen, without I/O. Once it does not,
    /// [`Reconciler::deleted`] is called, before or after this answer.
    fn has_export(&self, export: &ObjectRef) -> bool;

    /// The UID of an export, as last seen and without I/O; `None` also while no run of it was
    /// attempted: it has no ledger yet.
    fn attempted_export(&self, key: &ObjectKey) -> Option<String>;

    /// The exports that name an integration; may be served from a watch.
    fn exports_of(
        &self,
        integration: &ObjectKey,
    ) -> impl Future<Output = Result<Vec<ObjectKey>, ClusterError>> + Send;

    /// Whether exactly this import, by UID, exists; as for [`Cluster::has_export`].
    fn has_import(&self, import: &ObjectRef) -> bool;

    /// The imports that name an integration; may be served from a watch.
    fn imports_of(
        &self,
        integration: &ObjectKey,
    ) -> impl Future<Output = Result<Vec<ObjectKey>, ClusterError>> + Send;

    /// The exports that write files or reports, as last seen and without I/O.
    fn file_exports(&self) -> Vec<(ObjectKey, Arc<CandidateExport>)>;

    /// The imports that write a report on a list, as last seen and without I/O.
    fn file_imports(&self) -> Vec<(ObjectKey, Arc<CandidateImport>)>;

    /// The data of a ConfigMap.
    fn config_map(
        &self,
        key: &ObjectKey,
    ) -> impl Future<Output = Result<Option<Bundle>, ClusterError>> + Send;

    /// The data of a Secret. `key.namespace` must be the namespace of the object that refers to
    /// it: no caller has a way to name another one.
    fn secret(
        &self,
        key: &ObjectKey,
    ) -> impl Future<Output = Result<Option<Bundle>, ClusterError>> + Send;

    /// Whether a Secret that was read before is known to be deleted. Answers at once.
    fn secret_gone(&self, key: &ObjectKey) -> bool;

    /// How often a Secret that was read before was seen to change; the number only grows. Answers at
    /// once.
    fn secret_changes(&self, key: &ObjectKey) -> u64;

    /// Applies a status. Callers have checked that it differs from the current one.
    fn write_status<K: OurKind>(
        &self,
        object: &ObjectRef,
        status: K::Status,
    ) -> impl Future<Output = Result<(), ClusterError>> + Send;

    /// The same, if the object still has this version; else [`ClusterError::Conflict`].
    fn write_status_of<K: OurKind>(
        &self,
        object: &ObjectRef,
        version: &str,
        status: K::Status,
    ) -> impl Future<Output = Result<(), ClusterError>> + Send;

    /// Publishes an Event. Best effort: failures are logged by the implementation.
    fn publish(&self, object: &ObjectRef, notice: Notice) -> impl Future<Output = ()> + Send;

    /// The 32 bytes from which every ledger key is derived; generated on first use.
    fn ledger_root_key(&self) -> impl Future<Output = Result<[u8; 32], ClusterError>> + Send;
}

/// The controllers, as the code that schedules reconciles sees them.
pub trait Reconciler: Send + Sync + 'static {
    /// Reconciles one object. `Ok(Some(delay))`: again after `delay`; `Ok(None)`: on the next
    /// change; `Err`: again with backoff.
    fn reconcile(
        &self,
        kind: Kind,
        key: &ObjectKey,
    ) -> impl Future<Output = Result<Option<Duration>, ClusterError>> + Send;

    /// The object with this UID was deleted: stop what runs for it.
    fn deleted(&self, kind: Kind, uid: &str);
}
