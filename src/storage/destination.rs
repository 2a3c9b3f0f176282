//! Where a spec wants a file to be written: one name, checked against the allow-list and opened with a
//! Secret's fields. Opening sends no request; everything else does I/O.

use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;
use object_store::path::Path;

use super::{
    Bucket, FileWriter, Location, Place, PlaceError, StoragePolicy, WriteFault,
    local_file::LocalTarget, place::Access, upload::Upload, writer::blocking,
};

/// The file at a destination, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenFile {
    /// Changes when the file does; compare it with [`Written::version`](super::Written::version).
    pub version: String,
    /// Its size.
    pub bytes: u64,
}

/// The name of a file to write, at an allowed place. `Debug` shows the place only.
#[derive(Clone)]
pub struct Destination(pub(super) Place);

/// What the name is resolved to for an operation.
pub(super) enum Target {
    Object(Bucket, Path),
    Local(LocalTarget),
}

impl Destination {
    /// Checks everything that can be checked without a request. `url`: of one file, with its placeholders
    /// replaced. `secret`: the fields of the Secret that the spec names for it. `policy`: of
    /// destinations, with [`AllowedPlaces::destinations`](super::AllowedPlaces::destinations).
    pub fn open(
        url: &str,
        secret: Option<&BTreeMap<String, Bytes>>,
        policy: &Arc<StoragePolicy>,
    ) -> Result<Self, PlaceError> {
        let location = Location::file(url).map_err(PlaceError::Url)?;
        Place::open(location, secret, policy).map(Self)
    }

    /// Its location.
    pub fn location(&self) -> &Location {
        self.0.location()
    }

    /// Equal for destinations that are the same file, whatever credentials they are written with. Holds
    /// no credential.
    pub fn identity(&self) -> String {
        let location = self.location();
        match &self.0.access {
            Access::Store(options) => {
                let account = options.account().filter(|_| location.is_azure());
                let endpoint = options.endpoint().unwrap_or_default();
                format!("{location} {endpoint} {}", account.unwrap_or_default())
            }
            _ => location.to_string(),
        }
    }

    /// The file that is there now; `None` if there is none, or if the credentials may not look: with
    /// credentials that may only write, each run writes the file again. One request at most.
    pub async fn seen(&self) -> Result<Option<SeenFile>, WriteFault> {
        let found = match self.target()? {
            Target::Object(bucket, path) => bucket.seen(&path).await?,
            Target::Local(target) => blocking(move || target.seen()).await?,
        };
        Ok(found.map(|(version, bytes)| SeenFile { version, bytes }))
    }

    /// Begins to write the file. `owner`: the UID of the object that the file belongs to. Sends no request
    /// before there is more than one part.
    pub async fn create(&self, owner: &str) -> Result<FileWriter, WriteFault> {
        match self.target()? {
            Target::Object(bucket, path) => Ok(FileWriter::object(Upload::new(bucket, path))),
            Target::Local(target) => {
                let owner = owner.to_owned();
                blocking(move || target.create(&owner)).await.map(FileWriter::local)
            }
        }
    }

    /// Removes temporary files that killed processes left in the folder for this owner; how many. Call it
    /// before the owner's first writer is created: those of its writers would be removed, too. In an
    /// object store a rule of the bucket removes parts that were left
    /// (`AbortIncompleteMultipartUpload`).
    pub async fn clean_up(&self, owner: &str) -> Result<usize, WriteFault> {
        match self.target()? {
            Target::Object(..) => Ok(0),
            Target::Local(target) => {
                let owner = owner.to_owned();
                blocking(move || target.clean_up(&owner)).await
            }
        }
    }

    pub(super) fn target(&self) -> Result<Target, WriteFault> {
        match (&self.0.location, &self.0.access) {
            (Location::Objects { kind, bucket, pattern }, Access::Store(options)) => {
                let path = Path::parse(&pattern.text).map_err(|_| WriteFault::BadName)?;
                let bucket =
                    Bucket::open_for_writing(*kind, bucket, options, &self.0.policy.proxy)?;
                Ok(Target::Object(bucket, path))
            }
            (Location::Files(pattern), _) => {
                let root = self.0.policy.allowed.root_of(pattern).ok_or(WriteFault::Denied)?;
                Ok(Target::Local(LocalTarget::new(&root, &pattern.text)))
            }
            // `open` makes no other pairs.
            _ => Err(WriteFault::Denied),
        }
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Destination({})", self.location())
    }
}
