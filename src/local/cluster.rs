//! The cluster port on checked manifests. Objects and Events are in memory; what must outlive the
//! process is in the state folder, if there is one. File writes are short and synchronous.

use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::Value as Json;
use tokio::sync::broadcast;

use super::{
    admission,
    assemble::{Assembler, uid},
    manifests::Manifests,
    memory::MemoryLedgers,
    object::{ByKind, Object, typed},
    state::{OpenError, Record, StateFolder},
};
use crate::{
    api::{CandidateExport, CandidateImport, ClinchIntegration, FieldMapping},
    cluster::{
        Bundle, Cluster, ClusterError, Kind, Lister, Notice, ObjectKey, ObjectRef, OurKind,
        Trigger, dependents, integration_of,
    },
    domain::{Clock, Shard},
    ledger::{AccountName, LedgerOwner},
};

/// How many Events are kept.
const MAX_EVENTS: usize = 1000;
/// How many changes a receiver may lag behind.
const MAX_LAG: usize = 1024;

/// An Event, when it was published, and of what.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalEvent {
    /// When it was published.
    pub at: Timestamp,
    /// The object it is about.
    pub object: ObjectRef,
    /// What it says.
    pub notice: Notice,
}

/// Something changed in a local cluster.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The status of an object was written.
    Status(ObjectRef),
    /// An Event was published.
    Event(LocalEvent),
}

/// A cluster on a folder of manifests.
#[derive(Clone)]
pub struct LocalCluster(Arc<Inner>);

struct Inner {
    objects: Mutex<Objects>,
    secrets: BTreeMap<ObjectKey, Bundle>,
    config_maps: BTreeMap<ObjectKey, Bundle>,
    folder: Option<StateFolder>,
    fresh_key: [u8; 32],
    events: Mutex<VecDeque<LocalEvent>>,
    changes: broadcast::Sender<Change>,
    ledgers: MemoryLedgers,
    clock: Clock,
}

struct Objects {
    by_kind: ByKind<Arc<dyn Object>>,
    /// By UID.
    records: BTreeMap<String, Record>,
}

impl Objects {
    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&ObjectKey, &Arc<dyn Object>)> {
        self.by_kind.get(&kind).into_iter().flatten()
    }

    fn all<K: OurKind>(&self, namespace: Option<&str>) -> Vec<(ObjectKey, Arc<K>)> {
        self.of_kind(K::KIND)
            .filter(|(key, _)| namespace.is_none_or(|namespace| key.namespace == namespace))
            .filter_map(|(key, object)| Some((key.clone(), typed(object.clone())?)))
            .collect()
    }

    fn get<K: OurKind>(&self, key: &ObjectKey) -> Option<Arc<K>> {
        typed(self.by_kind.get(&K::KIND)?.get(key)?.clone())
    }

    fn set_status<K: OurKind>(&mut self, key: &ObjectKey, status: K::Status) {
        let Some(objects) = self.by_kind.get_mut(&K::KIND) else { return };
        // Removed first, so that the object is changed in place unless a reader holds it.
        if let Some(mut object) = objects.remove(key).and_then(typed::<K>) {
            *Arc::make_mut(&mut object).status_mut() = Some(status);
            objects.insert(key.clone(), object);
        }
    }
}

impl Lister for Objects {
    fn integration(&self, key: &ObjectKey) -> Option<Arc<ClinchIntegration>> {
        self.get(key)
    }

    fn integrations(&self, namespace: Option<&str>) -> Vec<(ObjectKey, Arc<ClinchIntegration>)> {
        self.all(namespace)
    }

    fn export(&self, key: &ObjectKey) -> Option<Arc<CandidateExport>> {
        self.get(key)
    }

    fn exports(&self, namespace: Option<&str>) -> Vec<(ObjectKey, Arc<CandidateExport>)> {
        self.all(namespace)
    }

    fn import(&self, key: &ObjectKey) -> Option<Arc<CandidateImport>> {
        self.get(key)
    }

    fn imports(&self, namespace: Option<&str>) -> Vec<(ObjectKey, Arc<CandidateImport>)> {
        self.all(namespace)
    }
}

impl LocalCluster {
    /// The objects to reconcile after a change.
    pub(super) fn dependents(&self, trigger: &Trigger<'_>) -> Vec<(Kind, ObjectKey)> {
        dependents(trigger, &*self.objects())
    }

    /// The integration that an export or import names.
    pub(super) fn integration_named_by(&self, kind: Kind, key: &ObjectKey) -> Option<ObjectKey> {
        let objects = self.objects();
        match kind {
            Kind::Export => Some(integration_of(key, &objects.export(key)?.spec)),
            Kind::Import => Some(integration_of(key, &objects.import(key)?.spec)),
            Kind::Integration | Kind::Mapping => None,
        }
    }

    /// The ledgers kept in memory.
    pub(super) fn memory_ledgers(&self) -> MemoryLedgers {
        self.0.ledgers.clone()
    }

    /// Opens a cluster. `state`: the folder that outlives the process; `None`: memory only.
    /// `fresh_key`: 32 random bytes, the ledger key if there is none yet.
    pub fn open(
        manifests: Manifests,
        state: Option<&Path>,
        fresh_key: [u8; 32],
        clock: Clock,
    ) -> Result<Self, OpenError> {
        let folder = state.map(StateFolder::open).transpose()?;
        let Manifests { objects, secrets, config_maps, .. } = manifests;
        let mut assembler = Assembler {
            folder: folder.as_ref(),
            now: clock.now(),
            records: BTreeMap::new(),
            refused: Vec::new(),
        };
        let by_kind = assembler.assemble(&objects)?;
        let Assembler { records, refused, .. } = assembler;
        if !refused.is_empty() {
            return Err(OpenError::RefuseChange(refused));
        }
        if let (Some(folder), Some(dir)) = (&folder, state) {
            for (uid, record) in &records {
                folder.write_record(uid, record).map_err(|error| OpenError::UseFolder {
                    dir: dir.to_owned(),
                    source: std::io::Error::other(error),
                })?;
            }
        }
        let (changes, _) = broadcast::channel(MAX_LAG);
        Ok(Self(Arc::new(Inner {
            ledgers: MemoryLedgers::default(),
            objects: Mutex::new(Objects { by_kind, records }),
            secrets,
            config_maps,
            folder,
            fresh_key,
            events: Mutex::new(VecDeque::new()),
            changes,
            clock,
        })))
    }

    /// The names of one kind, in order.
    pub fn keys(&self, kind: Kind) -> Vec<ObjectKey> {
        self.objects().of_kind(kind).map(|(key, _)| key.clone()).collect()
    }

    /// An object as Events and status writes name it.
    pub fn object_ref(&self, kind: Kind, key: &ObjectKey) -> Option<ObjectRef> {
        self.keys(kind).contains(key).then(|| ObjectRef {
            kind,
            key: key.clone(),
            uid: uid(kind, key),
        })
    }

    /// The status of an object as last written; `None` when there is no such object.
    pub fn status<K: OurKind>(&self, key: &ObjectKey) -> Option<K::Status> {
        let object = self.objects().get::<K>(key)?;
        Some(object.status().cloned().unwrap_or_default())
    }

    /// The conditions of an object and the generation they were computed for: -1 before the first
    /// visit. `None` when there is no such object.
    pub fn conditions(&self, kind: Kind, key: &ObjectKey) -> Option<(i64, Vec<Condition>)> {
        let objects = self.objects();
        let object = objects.by_kind.get(&kind)?.get(key)?;
        let (generation, conditions) = object.observed().unwrap_or((-1, &[]));
        Some((generation, conditions.to_vec()))
    }

    /// The objects of one kind as JSON, in order of their names: the rows of a table.
    pub fn objects_as_json(&self, kind: Kind) -> Vec<Json> {
        self.objects().of_kind(kind).map(|(_, object)| object.to_json()).collect()
    }

    /// The latest Events, oldest first.
    pub fn events(&self) -> Vec<LocalEvent> {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Status writes and Events from now on. A receiver that lags too far behind gets an error.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.0.changes.subscribe()
    }

    /// The folder for the ledger of an export or import, not created yet; `None` when all is in memory.
    pub fn segments_dir(&self, object: &ObjectRef) -> Option<PathBuf> {
        self.0.folder.as_ref().map(|folder| folder.segments_dir(&object.uid))
    }

    /// The folder for an account's anonymised people, not created yet; `None` when all is in memory.
    pub(super) fn suppression_dir(&self, account: AccountName) -> Option<PathBuf> {
        self.0.folder.as_ref().map(|folder| folder.suppression_dir(account))
    }

    /// The folder of all of these; `None` when all is in memory.
    pub(super) fn suppressions_dir(&self) -> Option<PathBuf> {
        self.0.folder.as_ref().map(StateFolder::suppressions_dir)
    }

    /// The exports of the state folder that the manifests do not name.
    pub(super) fn exports_not_applied(&self) -> Vec<LedgerOwner> {
        let Some(folder) = &self.0.folder else { return Vec::new() };
        let kept = folder.names(Kind::Export);
        let objects = self.objects();
        let unnamed = kept.into_iter().filter(|key| objects.export(key).is_none());
        let owner = |key: ObjectKey| LedgerOwner {
            uid: uid(Kind::Export, &key),
            namespace: key.namespace,
            name: key.name,
        };
        unnamed.map(owner).collect()
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.0.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cluster for LocalCluster {
    fn shard(&self) -> Option<&Shard> {
        None
    }

    async fn shard_is_alive(&self, _: &str) -> Result<bool, ClusterError> {
        Ok(false)
    }

    // There is no other process.
    async fn write_status_of<K: OurKind>(
        &self,
        object: &ObjectRef,
        _: &str,
        status: K::Status,
    ) -> Result<(), ClusterError> {
        self.write_status::<K>(object, status).await
    }

    fn reads_namespaces(&self) -> bool {
        false
    }

    fn namespace_labels(&self, _: &str) -> Option<BTreeMap<String, String>> {
        None
    }

    fn integration(&self, key: &ObjectKey) -> Option<Arc<ClinchIntegration>> {
        self.objects().get(key)
    }

    async fn integrations(&self) -> Result<Vec<(ObjectKey, Arc<ClinchIntegration>)>, ClusterError> {
        Ok(self.objects().integrations(None))
    }

    async fn read<K: OurKind>(&self, key: &ObjectKey) -> Result<Option<Arc<K>>, ClusterError> {
        Ok(self.objects().get(key))
    }

    async fn mapping(&self, key: &ObjectKey) -> Result<Option<Arc<FieldMapping>>, ClusterError> {
        Ok(self.objects().get(key))
    }

    fn has_export(&self, export: &ObjectRef) -> bool {
        self.objects().has_export(export)
    }

    fn attempted_export(&self, key: &ObjectKey) -> Option<String> {
        self.objects().attempted_export(key)
    }

    async fn exports_of(&self, integration: &ObjectKey) -> Result<Vec<ObjectKey>, ClusterError> {
        Ok(self.objects().exports_of(integration))
    }

    fn has_import(&self, import: &ObjectRef) -> bool {
        self.objects().has_import(import)
    }

    async fn imports_of(&self, integration: &ObjectKey) -> Result<Vec<ObjectKey>, ClusterError> {
        Ok(self.objects().imports_of(integration))
    }

    fn file_exports(&self) -> Vec<(ObjectKey, Arc<CandidateExport>)> {
        self.objects().file_exports()
    }

    fn file_imports(&self) -> Vec<(ObjectKey, Arc<CandidateImport>)> {
        self.objects().file_imports()
    }

    async fn config_map(&self, key: &ObjectKey) -> Result<Option<Bundle>, ClusterError> {
        Ok(self.0.config_maps.get(key).cloned())
    }

    async fn secret(&self, key: &ObjectKey) -> Result<Option<Bundle>, ClusterError> {
        Ok(self.0.secrets.get(key).cloned())
    }

    // Files do not change.
    fn secret_gone(&self, _: &ObjectKey) -> bool {
        false
    }

    fn secret_changes(&self, _: &ObjectKey) -> u64 {
        0
    }

    async fn write_status<K: OurKind>(
        &self,
        object: &ObjectRef,
        status: K::Status,
    ) -> Result<(), ClusterError> {
        self.write::<K>(object, status)?;
        // There may be no receiver.
        let _ = self.0.changes.send(Change::Status(object.clone()));
        Ok(())
    }

    async fn publish(&self, object: &ObjectRef, notice: Notice) {
        let event = LocalEvent { at: self.0.clock.now(), object: object.clone(), notice };
        let mut events = self.0.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() == MAX_EVENTS {
            events.pop_front();
        }
        events.push_back(event.clone());
        drop(events);
        let _ = self.0.changes.send(Change::Event(event));
    }

    async fn ledger_root_key(&self) -> Result<[u8; 32], ClusterError> {
        match &self.0.folder {
            Some(folder) => folder.root_key(self.0.fresh_key),
            None => Ok(self.0.fresh_key),
        }
    }
}

impl LocalCluster {
    fn write<K: OurKind>(&self, object: &ObjectRef, status: K::Status) -> Result<(), ClusterError> {
        let json = serde_json::to_value(&status).expect("a status serialises to JSON");
        let what = || format!("{} {} status", object.kind, object.key);
        if let Some(fault) = admission::status_faults(object.kind, &json).first() {
            tracing::error!(object = %object.key, path = %fault.path, "status violates its schema");
            return Err(ClusterError::Refused { what: what(), why: "invalid" });
        }
        let mut objects = self.objects();
        // Written to the folder first: a status that was read must survive the process.
        let Some(record) = objects.records.get_mut(&object.uid) else { return Ok(()) };
        record.status = Some(json);
        if let Some(folder) = &self.0.folder {
            folder.write_record(&object.uid, record)?;
        }
        objects.set_status::<K>(&object.key, status);
        Ok(())
    }
}
