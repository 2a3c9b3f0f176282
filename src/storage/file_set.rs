//! Several files whose names differ in one part, at an allowed place: written, replaced and deleted one at
//! a time, over one connection. Opening sends no request; everything else does I/O.

use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;
use object_store::path::Path;

use super::{
    Bucket, Destination, FileWriter, Location, LocationError, PlaceError, StoragePolicy,
    WriteFault, destination::Target, local_file::LocalTarget, upload::Upload, writer::blocking,
};

/// Stands for the part that differs where a set is checked.
const SAMPLE: &str = "0000000000000000";

/// The names of several files, at an allowed place. `Debug` shows the place only.
#[derive(Clone)]
pub struct FileSet {
    /// Of the file whose part is [`SAMPLE`].
    sample: Destination,
    /// The path in front of the part that differs, and behind it.
    path: (String, String),
    url: (String, String),
}

impl FileSet {
    /// Checks everything that can be checked without a request. `url`: of the files, with `placeholder` for
    /// the part that differs: once, and in the last segment. `secret` and `policy`: as for
    /// [`Destination::open`].
    pub fn open(
        url: &str,
        placeholder: &str,
        secret: Option<&BTreeMap<String, Bytes>>,
        policy: &Arc<StoragePolicy>,
    ) -> Result<Self, PlaceError> {
        let no_set = || PlaceError::Url(LocationError::NotOneFile);
        let (front, behind) = url.split_once(placeholder).ok_or_else(no_set)?;
        if behind.contains('/') {
            return Err(no_set());
        }
        let sample = Destination::open(&format!("{front}{SAMPLE}{behind}"), secret, policy)?;
        let (Location::Objects { pattern, .. } | Location::Files(pattern)) = sample.location()
        else {
            return Err(PlaceError::Url(LocationError::NotObjects));
        };
        // Paths are what URLs say, as they say it.
        let before = pattern.text.strip_suffix(behind).and_then(|text| text.strip_suffix(SAMPLE));
        let path = (before.ok_or_else(no_set)?.to_owned(), behind.to_owned());
        Ok(Self { sample, path, url: (front.to_owned(), behind.to_owned()) })
    }

    /// The URL of a file, or of all of them if the placeholder is given.
    pub fn url(&self, part: &str) -> String {
        let (front, behind) = &self.url;
        format!("{front}{part}{behind}")
    }

    /// Equal for sets that are the same files, whatever credentials they are written with. Holds no
    /// credential.
    pub fn identity(&self) -> String {
        self.sample.identity()
    }

    /// Connects: the files are then written over connections that are kept.
    pub fn connect(&self) -> Result<ConnectedSet, WriteFault> {
        Ok(ConnectedSet { target: self.sample.target()?.into(), path: self.path.clone() })
    }
}

impl fmt::Debug for FileSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileSet({})", self.url("*"))
    }
}

/// Several files, and the connections to their place. Clones share them.
#[derive(Clone)]
pub struct ConnectedSet {
    target: Arc<Target>,
    path: (String, String),
}

impl ConnectedSet {
    fn path(&self, part: &str) -> String {
        let (before, behind) = &self.path;
        format!("{before}{part}{behind}")
    }

    fn object(&self, part: &str) -> Result<Path, WriteFault> {
        Path::parse(self.path(part)).map_err(|_| WriteFault::BadName)
    }

    /// Writes a file in place of the one of its name, durably once it returns. It appears as a whole.
    /// `owner`: the UID of the object that the files belong to.
    pub async fn put(&self, part: &str, bytes: Bytes, owner: &str) -> Result<(), WriteFault> {
        let mut writer = match &*self.target {
            Target::Object(bucket, _) => {
                let bucket: Bucket = bucket.clone();
                FileWriter::object(Upload::new(bucket, self.object(part)?))
            }
            Target::Local(sample) => {
                let (target, owner) = (self.local(sample, part), owner.to_owned());
                FileWriter::local(blocking(move || target.create(&owner)).await?)
            }
        };
        writer.write(bytes).await?;
        writer.finish().await.map(drop)
    }

    /// Deletes a file; one that does not exist counts as deleted.
    pub async fn delete(&self, part: &str) -> Result<(), WriteFault> {
        match &*self.target {
            Target::Object(bucket, _) => Ok(bucket.delete(&self.object(part)?).await?),
            Target::Local(sample) => {
                let target = self.local(sample, part);
                blocking(move || target.delete()).await
            }
        }
    }

    /// Removes temporary files of this owner, as [`Destination::clean_up`].
    pub async fn clean_up(&self, owner: &str) -> Result<usize, WriteFault> {
        match &*self.target {
            Target::Object(..) => Ok(0),
            Target::Local(sample) => {
                let (target, owner) = (sample.clone(), owner.to_owned());
                blocking(move || target.clean_up(&owner)).await
            }
        }
    }

    fn local(&self, sample: &LocalTarget, part: &str) -> LocalTarget {
        let path = self.path(part);
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let mut target = sample.clone();
        target.name = name;
        target
    }
}

impl fmt::Debug for ConnectedSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectedSet({})", self.path("*"))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::storage::AllowedPlaces;

    fn set(folder: &std::path::Path, name: &str) -> Result<FileSet, PlaceError> {
        let place = format!("file://{}", folder.display());
        let allowed = AllowedPlaces::destinations([place.as_str()]).unwrap();
        let policy = Arc::new(StoragePolicy { allowed, ..StoragePolicy::default() });
        FileSet::open(&format!("{place}/{name}"), "{record}", None, &policy)
    }

    #[tokio::test]
    async fn files_are_written_replaced_and_deleted_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let set = set(folder.path(), "a/p-{record}.pdf").unwrap();
        assert!(set.url("{record}").ends_with("/a/p-{record}.pdf"));
        let files = set.connect().unwrap();
        files.put("one", Bytes::from_static(b"old"), "owner").await.unwrap();
        files.put("one", Bytes::from_static(b"new"), "owner").await.unwrap();
        files.put("two", Bytes::from_static(b"2"), "owner").await.unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join("a").join(name)).ok();
        assert_eq!(read("p-one.pdf").as_deref(), Some("new"));
        files.delete("one").await.unwrap();
        files.delete("one").await.unwrap();
        assert_eq!((read("p-one.pdf"), read("p-two.pdf").as_deref()), (None, Some("2")));
        assert_eq!(files.clean_up("owner").await, Ok(0));
    }

    #[test]
    fn the_part_that_differs_is_in_the_name() {
        let folder = tempfile::tempdir().unwrap();
        for bad in ["x.pdf", "{record}/x.pdf", "{record}-{record}.pdf", "*/{record}.pdf"] {
            assert!(set(folder.path(), bad).is_err(), "{bad}");
        }
    }
}
