//! Why it cannot be said what an export would send.

use thiserror::Error;

use crate::{cluster::ClusterError, source::SourceError};

/// Why it cannot be said what an export would send.
#[derive(Debug, Error)]
pub enum NotPreviewed {
    /// An object is not there, or may not be used.
    #[error("its integration is not among the manifests, or does not let it in")]
    NoIntegration,
    /// The integration cannot be used as it is.
    #[error("its integration: {0}")]
    Integration(String),
    /// It writes a file, which has a preview of its own.
    #[error("it writes a file and sends nothing to Clinch")]
    File,
    /// Its records are elsewhere.
    #[error("its source is remote and is not read offline")]
    Remote,
    /// A part of it is not there or has faults.
    #[error("its mapping or source is not among the manifests, or has faults")]
    Incomplete,
    /// The source cannot be read.
    #[error("its source: {0}")]
    Source(#[source] SourceError),
    /// The objects cannot be read.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}
