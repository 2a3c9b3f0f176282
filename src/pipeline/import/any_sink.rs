//! One of the sinks that a spec can name.

use super::{
    http::HttpSink,
    objects::ObjectSink,
    report::LastManifest,
    sink::{Batch, BatchLimits, Delivered, Manifest, Patience, Sink, SinkFault, SinkPosition},
};
use crate::storage::Endpoint;

/// One of the sinks that a spec can name.
#[derive(Debug)]
pub enum AnySink {
    /// A folder of an object store or of this machine.
    Objects(Box<ObjectSink>),
    /// An HTTP endpoint.
    Http(Box<HttpSink<Endpoint>>),
}

impl Sink for AnySink {
    fn limits(&self) -> BatchLimits {
        match self {
            Self::Objects(sink) => sink.limits(),
            Self::Http(sink) => sink.limits(),
        }
    }

    fn is_declared_to(&self) -> bool {
        match self {
            Self::Objects(sink) => sink.is_declared_to(),
            Self::Http(sink) => sink.is_declared_to(),
        }
    }

    fn before_batches_of_run(&self) -> u64 {
        match self {
            Self::Objects(sink) => sink.before_batches_of_run(),
            Self::Http(sink) => sink.before_batches_of_run(),
        }
    }

    async fn position(&self) -> Result<Option<SinkPosition>, SinkFault> {
        match self {
            Self::Objects(sink) => sink.position().await,
            Self::Http(sink) => sink.position().await,
        }
    }

    async fn leftovers(&self, after_batch: u64) -> Result<Vec<String>, SinkFault> {
        match self {
            Self::Objects(sink) => sink.leftovers(after_batch).await,
            Self::Http(sink) => sink.leftovers(after_batch).await,
        }
    }

    async fn remove(&self, leftovers: &[String]) -> Result<(), SinkFault> {
        match self {
            Self::Objects(sink) => sink.remove(leftovers).await,
            Self::Http(sink) => sink.remove(leftovers).await,
        }
    }

    async fn deliver(
        &self,
        batch: &Batch,
        patience: &mut Patience,
    ) -> Result<Delivered, SinkFault> {
        match self {
            Self::Objects(sink) => sink.deliver(batch, patience).await,
            Self::Http(sink) => sink.deliver(batch, patience).await,
        }
    }

    async fn close(&self, manifest: &Manifest) -> Result<Option<LastManifest>, SinkFault> {
        match self {
            Self::Objects(sink) => sink.close(manifest).await,
            Self::Http(sink) => sink.close(manifest).await,
        }
    }
}
