//! Segments in memory, for dry runs and tests. No I/O. Clones share their segments.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use super::{SegmentStore, StoreError, StoredSegment};

/// A store that ends with its last clone.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Mutex<BTreeMap<u64, Bytes>>>);

impl MemoryStore {
    fn segments(&self) -> MutexGuard<'_, BTreeMap<u64, Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SegmentStore for MemoryStore {
    async fn list(&self) -> Result<Vec<StoredSegment>, StoreError> {
        let stored =
            |(seq, bytes): (&u64, &Bytes)| StoredSegment { seq: *seq, bytes: bytes.clone() };
        Ok(self.segments().iter().map(stored).collect())
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
