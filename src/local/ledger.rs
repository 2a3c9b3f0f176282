//! Ledgers of the local cluster: a folder for each export, or memory where no state is kept.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;

use super::LocalCluster;
use crate::{
    cluster::{Kind, ObjectKey, ObjectRef},
    ledger::{FolderStore, LedgerHome, LedgerOwner, MemoryStore, SegmentStore, StoreError},
};

/// Ledgers kept in memory, by export UID.
pub(super) type Memories = Arc<Mutex<HashMap<String, MemoryStore>>>;

/// The ledger of one export.
pub enum LocalLedger {
    /// In the state folder.
    Folder(FolderStore),
    /// In memory, for as long as the process lives.
    Memory(MemoryStore),
}

impl LedgerHome for LocalCluster {
    type Store = LocalLedger;

    fn ledger_store(&self, owner: &LedgerOwner) -> LocalLedger {
        let reference = ObjectRef {
            kind: Kind::Export,
            key: ObjectKey::new(&owner.namespace, &owner.name),
            uid: owner.uid.clone(),
        };
        if let Some(folder) = self.segments_dir(&reference) {
            return LocalLedger::Folder(FolderStore::new(folder));
        }
        let memories = self.memories();
        let mut memories = memories.lock().unwrap_or_else(PoisonError::into_inner);
        LocalLedger::Memory(memories.entry(owner.uid.clone()).or_default().clone())
    }
}

impl SegmentStore for LocalLedger {
    async fn list(&self) -> Result<Vec<u64>, StoreError> {
        match self {
            Self::Folder(store) => store.list().await,
            Self::Memory(store) => store.list().await,
        }
    }

    async fn read(&self, seq: u64) -> Result<Option<Bytes>, StoreError> {
        match self {
            Self::Folder(store) => store.read(seq).await,
            Self::Memory(store) => store.read(seq).await,
        }
    }

    async fn create(&self, seq: u64, bytes: Bytes) -> Result<(), StoreError> {
        match self {
            Self::Folder(store) => store.create(seq, bytes).await,
            Self::Memory(store) => store.create(seq, bytes).await,
        }
    }

    async fn delete(&self, seq: u64) -> Result<(), StoreError> {
        match self {
            Self::Folder(store) => store.delete(seq).await,
            Self::Memory(store) => store.delete(seq).await,
        }
    }
}
