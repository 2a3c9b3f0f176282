//! A folder at an allowed place, for files that are written once and never changed. Opening sends no
//! request; everything else does I/O.

use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;

use super::{
    Destination, Location, LocationError, ObjectFault, Place, PlaceError, StoragePolicy,
    WriteFault, destination::Target, writer::blocking,
};

/// The name of a file that every folder can be checked with.
const ANY_NAME: &str = "x";

/// A folder that a spec names, at an allowed place. `Debug` shows the place only.
#[derive(Clone)]
pub struct WrittenFolder {
    /// Of a file in it.
    place: Place,
    /// The path of the folder, with a slash at its end.
    path: String,
}

impl WrittenFolder {
    /// Checks everything that can be checked without a request. `url`: of a folder, with a slash at its
    /// end. `secret` and `policy`: as for [`Destination::open`].
    pub fn open(
        url: &str,
        secret: Option<&BTreeMap<String, Bytes>>,
        policy: &Arc<StoragePolicy>,
    ) -> Result<Self, PlaceError> {
        if !url.ends_with('/') {
            return Err(PlaceError::Url(LocationError::NotAFolder));
        }
        let Destination(place) = Destination::open(&format!("{url}{ANY_NAME}"), secret, policy)?;
        let path = match place.location() {
            Location::Objects { pattern, .. } | Location::Files(pattern) => {
                pattern.folder().to_owned()
            }
            Location::Web(_) => return Err(PlaceError::Url(LocationError::NotObjects)),
        };
        Ok(Self { place, path })
    }

    /// A folder in this one.
    #[must_use]
    pub fn folder(&self, name: &str) -> Self {
        Self { place: self.place.clone(), path: format!("{}{name}/", self.path) }
    }

    /// A file in it. Names have no characters of patterns, and no segment that means another folder.
    fn file(&self, name: &str) -> Destination {
        let mut place = self.place.clone();
        if let Location::Objects { pattern, .. } | Location::Files(pattern) = &mut place.location {
            pattern.text = format!("{}{name}", self.path);
        }
        Destination(place)
    }

    /// The URL of a file in it.
    pub fn url(&self, name: &str) -> String {
        self.file(name).location().to_string()
    }

    /// Writes a file, durably once it returns, unless one of its name exists. False: one exists. `owner`: as
    /// for [`Destination::create`].
    ///
    /// In a folder of this machine, two processes that write one name at the same time may both succeed.
    pub async fn create(&self, name: &str, bytes: Bytes, owner: &str) -> Result<bool, WriteFault> {
        let file = self.file(name);
        match file.target()? {
            Target::Object(bucket, path) => match bucket.create(&path, bytes).await {
                Ok(()) => Ok(true),
                Err(ObjectFault::AlreadyExists) => Ok(false),
                Err(fault) => Err(fault.into()),
            },
            Target::Local(target) => {
                if blocking({
                    let target = target.clone();
                    move || target.seen()
                })
                .await?
                .is_some()
                {
                    return Ok(false);
                }
                put(&file, bytes, owner).await.map(|()| true)
            }
        }
    }

    /// Writes a file in place of the one of its name, durably once it returns.
    pub async fn replace(&self, name: &str, bytes: Bytes, owner: &str) -> Result<(), WriteFault> {
        put(&self.file(name), bytes, owner).await
    }

    /// The bytes of a file of at most `max_bytes`; `None` when there is none.
    pub async fn read(&self, name: &str, max_bytes: usize) -> Result<Option<Bytes>, WriteFault> {
        match self.file(name).target()? {
            Target::Object(bucket, path) => Ok(bucket.read(&path, max_bytes).await?),
            Target::Local(target) => blocking(move || target.read(max_bytes)).await,
        }
    }

    /// Whether there is a file of this name.
    pub async fn has(&self, name: &str) -> Result<bool, WriteFault> {
        Ok(self.file(name).seen().await?.is_some())
    }

    /// The names of the files directly in it that sort after `after`, in any order.
    pub async fn names_after(&self, after: &str) -> Result<Vec<String>, WriteFault> {
        let names = match self.file(after).target()? {
            Target::Object(bucket, path) => bucket.names_after(&path).await?,
            Target::Local(target) => blocking(move || target.names()).await?,
        };
        Ok(names.into_iter().filter(|name| name.as_str() > after).collect())
    }

    /// Deletes a file; one that does not exist counts as deleted.
    pub async fn delete(&self, name: &str) -> Result<(), WriteFault> {
        match self.file(name).target()? {
            Target::Object(bucket, path) => Ok(bucket.delete(&path).await?),
            Target::Local(target) => blocking(move || target.delete()).await,
        }
    }

    /// Removes temporary files of this owner, as [`Destination::clean_up`].
    pub async fn clean_up(&self, owner: &str) -> Result<usize, WriteFault> {
        self.file(ANY_NAME).clean_up(owner).await
    }
}

async fn put(file: &Destination, bytes: Bytes, owner: &str) -> Result<(), WriteFault> {
    let mut writer = file.create(owner).await?;
    writer.write(bytes).await?;
    writer.finish().await.map(drop)
}

impl fmt::Debug for WrittenFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrittenFolder({})", self.url(""))
    }
}
