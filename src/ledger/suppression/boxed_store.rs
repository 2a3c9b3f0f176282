//! A segment store whose type is erased. I/O through the store inside only.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::ledger::{SegmentStore, StoreError};

/// A store of any type, so that all suppression lists have one type.
#[derive(Clone)]
pub(super) struct BoxedStore(Arc<dyn AnyStore>);

impl BoxedStore {
    pub(super) fn new(store: impl SegmentStore + 'static) -> Self {
        Self(Arc::new(store))
    }
}

trait AnyStore: Send + Sync {
    fn list_boxed(&self) -> BoxFuture<'_, Result<Vec<u64>, StoreError>>;
    fn read_boxed(&self, seq: u64) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>>;
    fn create_boxed(&self, seq: u64, bytes: Bytes) -> BoxFuture<'_, Result<(), StoreError>>;
    fn delete_boxed(&self, seq: u64) -> BoxFuture<'_, Result<(), StoreError>>;
}

impl<S: SegmentStore> AnyStore for S {
    fn list_boxed(&self) -> BoxFuture<'_, Result<Vec<u64>, StoreError>> {
        Box::pin(SegmentStore::list(self))
    }

    fn read_boxed(&self, seq: u64) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>> {
        Box::pin(SegmentStore::read(self, seq))
    }

    fn create_boxed(&self, seq: u64, bytes: Bytes) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(SegmentStore::create(self, seq, bytes))
    }

    fn delete_boxed(&self, seq: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(SegmentStore::delete(self, seq))
    }
}

impl SegmentStore for BoxedStore {
    async fn list(&self) -> Result<Vec<u64>, StoreError> {
        self.0.list_boxed().await
    }

    async fn read(&self, seq: u64) -> Result<Option<Bytes>, StoreError> {
        self.0.read_boxed(seq).await
    }

    async fn create(&self, seq: u64, bytes: Bytes) -> Result<(), StoreError> {
        self.0.create_boxed(seq, bytes).await
    }

    async fn delete(&self, seq: u64) -> Result<(), StoreError> {
        self.0.delete_boxed(seq).await
    }
}
