//! What a place held when it was listed: files of one version each, which can be opened more than
//! once. Pure, except that openings do I/O.

use std::{fmt, io, sync::Arc};

use super::ReadFault;
use crate::domain::{Digest, digest_parts};

/// The most files that one location may select.
pub(super) const MAX_FILES: usize = 1_000;
/// The most names that are compared with a pattern.
pub(super) const MAX_LISTED: usize = 200_000;

/// The bytes of a file. Blocks: use it on a blocking thread.
pub type Reader = Box<dyn io::Read + Send>;

type Open = dyn Fn() -> Result<Reader, ReadFault> + Send + Sync;

/// One file at one version: reading another version fails with [`ReadFault::Changed`].
#[derive(Clone)]
pub struct Opening {
    /// The name below the bucket or root, as shown in positions.
    pub name: Arc<str>,
    /// The character set that the server declares.
    pub charset: Option<Arc<str>>,
    open: Arc<Open>,
}

impl Opening {
    pub(super) fn new(
        name: &str,
        open: impl Fn() -> Result<Reader, ReadFault> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), charset: None, open: Arc::new(open) }
    }

    pub(super) fn with_charset(self, charset: Option<Arc<str>>) -> Self {
        Self { charset, ..self }
    }

    /// Opens it for reading. Blocks.
    pub fn open(&self) -> Result<Reader, ReadFault> {
        (self.open)()
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opening({})", self.name)
    }
}

/// One file as it was listed.
pub(super) struct ListedFile {
    pub(super) opening: Opening,
    /// Changes with the content; `None` where the server reports no version.
    pub(super) version: Option<String>,
    /// Stored bytes, where the server reports them.
    pub(super) size: Option<u64>,
}

/// What a pattern leaves out, because it holds no records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Skipped {
    /// Markers of folders: names that end in a slash, and Azure's `hdi_isfolder`.
    pub folders: usize,
    /// Empty files whose names tell no format, e.g. `_SUCCESS`.
    pub empty: usize,
    /// Names with empty or `.` segments or control characters, which the pattern does not select.
    pub odd_names: usize,
}

impl Skipped {
    /// How many there are.
    pub fn total(self) -> usize {
        self.folders + self.empty + self.odd_names
    }
}

/// Files as they were listed, and what was left out.
#[derive(Default)]
pub(super) struct Found {
    pub(super) files: Vec<ListedFile>,
    pub(super) skipped: Skipped,
}

impl Found {
    /// Leaves out files that hold nothing and whose names tell no format.
    pub(super) fn without_empty(mut self, has_format: fn(&str) -> bool) -> Self {
        let before = self.files.len();
        self.files.retain(|file| file.size != Some(0) || has_format(&file.opening.name));
        self.skipped.empty += before - self.files.len();
        self
    }

    /// The files, of which a pattern must select one.
    pub(super) fn of_pattern(self) -> Result<Self, ReadFault> {
        match self.files.len() {
            0 => Err(ReadFault::NoMatch { skipped: self.skipped.total() > 0 }),
            many if many > MAX_FILES => Err(ReadFault::TooMany { limit: MAX_FILES }),
            _ => Ok(self),
        }
    }
}

/// What a place held.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The files, by name.
    pub openings: Vec<Opening>,
    /// Changes when a file is changed, added or removed; `None` where only reading would show it.
    pub version: Option<Digest>,
    /// Stored bytes, where they are known.
    pub bytes: Option<u64>,
    /// What was left out.
    pub skipped: Skipped,
}

impl Listing {
    pub(super) fn of(found: Found) -> Self {
        let Found { files, skipped } = found;
        let versions: Option<Vec<(&str, &str)>> = files
            .iter()
            .map(|file| Some((&*file.opening.name, file.version.as_deref()?)))
            .collect();
        let version = versions.map(|versions| {
            digest_parts(versions.iter().flat_map(|(name, v)| [name.as_bytes(), v.as_bytes()]))
        });
        let bytes = files.iter().map(|file| file.size).sum();
        let openings = files.into_iter().map(|file| file.opening).collect();
        Self { openings, version, bytes, skipped }
    }
}
