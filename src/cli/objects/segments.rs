//! The segments of a ledger that were read from a cluster: a store that takes none. In memory; those of a
//! cluster have 10 MiB at most.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;

use crate::ledger::{SegmentStore, StoreError};

/// Segments by position, each with the time at which it was stored.
#[derive(Debug, Default)]
pub(super) struct Segments(BTreeMap<u64, (Bytes, Option<Timestamp>)>);

impl Segments {
    /// Adds one.
    pub(super) fn add(&mut self, seq: u64, bytes: Bytes, stored_at: Option<Timestamp>) {
        self.0.insert(seq, (bytes, stored_at));
    }

    /// Adds those of another store.
    pub(super) async fn add_all(&mut self, store: &impl SegmentStore) -> Result<(), StoreError> {
        for seq in store.list().await? {
            if let Some(bytes) = store.read(seq).await? {
                self.add(seq, bytes, store.stored_at(seq).await?);
            }
        }
        Ok(())
    }
}

impl SegmentStore for Segments {
    async fn list(&self) -> Result<Vec<u64>, StoreError> {
        Ok(self.0.keys().copied().collect())
    }

    async fn read(&self, seq: u64) -> Result<Option<Bytes>, StoreError> {
        Ok(self.0.get(&seq).map(|(bytes, _)| bytes.clone()))
    }

    async fn stored_at(&self, seq: u64) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.0.get(&seq).and_then(|(_, stored_at)| *stored_at))
    }

    async fn create(&self, _: u64, _: Bytes) -> Result<(), StoreError> {
        Err(StoreError::Forbidden { verb: "create" })
    }

    async fn delete(&self, _: u64) -> Result<(), StoreError> {
        Err(StoreError::Forbidden { verb: "delete" })
    }
}
