//! What a place held when it was looked at: the files, each of one version, ready to be opened as
//! often as needed. Pure but for what the openings do.

use std::{fmt, io, sync::Arc};

use super::RemoteFault;
use crate::domain::{Digest, digest_parts};

/// Most files of one source.
pub(super) const MOST_FILES: usize = 1_000;
/// Most names looked at for a pattern.
pub(super) const MOST_LISTED: usize = 200_000;

/// The bytes of a file, read on a thread that may wait.
pub type Reader = Box<dyn io::Read + Send>;

type Open = dyn Fn() -> Result<Reader, RemoteFault> + Send + Sync;

/// One file of a source, at one version: reading ends with `Changed` when it is another.
#[derive(Clone)]
pub struct Opening {
    /// As shown in positions: the name below the bucket or root.
    pub name: Arc<str>,
    open: Arc<Open>,
}

impl Opening {
    pub(super) fn new(
        name: &str,
        open: impl Fn() -> Result<Reader, RemoteFault> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), open: Arc::new(open) }
    }

    /// Begins to read it. Only on a thread that may wait.
    pub fn open(&self) -> Result<Reader, RemoteFault> {
        (self.open)()
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opening({})", self.name)
    }
}

/// One file as it was found.
pub(super) struct Found {
    pub(super) opening: Opening,
    /// Changes with the content; `None` where the server tells nothing of the kind.
    pub(super) version: Option<String>,
    /// In bytes as stored, where the server tells it.
    pub(super) size: Option<u64>,
}

/// What a place held.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The files, by name.
    pub openings: Vec<Opening>,
    /// Changes when a file does, comes or goes; `None` where that cannot be told without reading.
    pub version: Option<Digest>,
    /// Bytes as stored, where they are known.
    pub bytes: Option<u64>,
}

impl Listing {
    pub(super) fn of(found: Vec<Found>) -> Self {
        let versions: Option<Vec<(&str, &str)>> = found
            .iter()
            .map(|found| Some((&*found.opening.name, found.version.as_deref()?)))
            .collect();
        let version = versions.map(|versions| {
            digest_parts(versions.iter().flat_map(|(name, v)| [name.as_bytes(), v.as_bytes()]))
        });
        let bytes = found.iter().map(|found| found.size).sum();
        Self { openings: found.into_iter().map(|found| found.opening).collect(), version, bytes }
    }
}
