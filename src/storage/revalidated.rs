//! Reads a file again only if it has changed: with the version that its server named before. Does network
//! I/O.

use bytes::Bytes;
use object_store::{Error, GetOptions, path::Path};

use super::{Bucket, ObjectFault};

/// The longest version that is kept.
const MAX_VERSION: usize = 128;

/// The version of a file, as its server names it: an `ETag`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileVersion(Box<str>);

/// What reading a file found.
#[derive(Clone, PartialEq, Eq)]
pub enum FileRead {
    /// It has the version that the caller knows. No bytes were read.
    Unchanged,
    /// Its bytes.
    Whole(Bytes, Option<FileVersion>),
    /// It has more bytes than the caller accepts.
    TooLarge(Option<FileVersion>),
}

impl FileVersion {
    /// The version that an `ETag` names.
    pub(super) fn of(etag: &str) -> Option<Self> {
        let fits = (1..=MAX_VERSION).contains(&etag.len());
        (fits && etag.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Self(etag.into()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Bucket {
    /// The bytes of an object, unless it has the version that is known; `None` when there is none. A larger
    /// object is not read.
    pub(super) async fn read_again(
        &self,
        path: &Path,
        max_bytes: usize,
        known: Option<&FileVersion>,
    ) -> Result<Option<FileRead>, ObjectFault> {
        let options = GetOptions::new().with_if_none_match(known.map(FileVersion::as_str));
        let read = async {
            let found = match self.store.get_opts(path, options).await {
                Err(Error::NotModified { .. }) if known.is_some() => {
                    return Ok(FileRead::Unchanged);
                }
                found => found?,
            };
            let version = found.meta.e_tag.as_deref().and_then(FileVersion::of);
            // Not every store honours the condition.
            if known.is_some() && version.as_ref() == known {
                return Ok(FileRead::Unchanged);
            }
            if found.meta.size > max_bytes as u64 {
                return Ok(FileRead::TooLarge(version));
            }
            Ok(FileRead::Whole(found.bytes().await?, version))
        };
        match self.bounded(read).await {
            Err(ObjectFault::Missing) => Ok(None),
            read => read.map(Some),
        }
    }
}
