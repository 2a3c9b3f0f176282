//! Segments in memory, for dry runs and tests. No I/O. Clones share their segments.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use super::{SegmentStore, StoreError};

/// A store that lives as long as its last clone.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Mutex<BTreeMap<u64, Bytes>>>);

impl MemoryStore {
    fn segments(&self) -> MutexGuard<'_, BTreeMap<u64, Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SegmentStore for MemoryStore {
    async fn list(&self) -> Result<Vec<u64>, StoreError> {
        Ok(self.segments().keys().copied().collect())
    }

    async fn read(&self, seq: u64) -> Result<Option<Bytes>, StoreError> {
        Ok(self.segments().get(&seq).cloned())
    }

    async fn create(&self, seq: u64, bytes: Bytes) -> Result<(), StoreError> {
        let mut segments = self.segments();
        if segments.contains_key(&seq) {
            return Err(StoreError::AlreadyExists);
        }
        segments.insert(seq, bytes);
        Ok(())
    }

    async fn delete(&self, seq: u64) -> Result<(), StoreError> {
        self.segments().remove(&seq);
        Ok(())
    }
}
