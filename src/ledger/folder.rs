//! Segments as files of a folder. Does file I/O, on blocking threads. A file is either complete or
//! empty, and an empty one is no segment.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::{MAX_SEGMENT_BYTES, SegmentStore, StoreError};

/// How long the folder changes at most after the file of a segment: both change with the rename.
const AT_ONCE: SignedDuration = SignedDuration::from_secs(1);

/// A folder of `<sequence>.ledger` files; created on the first write.
#[derive(Debug, Clone)]
pub struct FolderStore {
    folder: PathBuf,
}

impl FolderStore {
    /// The store in `folder`, which must hold the segments of one export only.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn file(&self, seq: u64) -> PathBuf {
        self.folder.join(file_name(seq))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(Self) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.clone();
        match tokio::task::spawn_blocking(move || work(store)).await {
            Ok(done) => done.map_err(|error| store_error(&error)),
            Err(_) => Err(StoreError::Unavailable { what: "interrupted".to_owned() }),
        }
    }

    fn positions(&self) -> io::Result<Vec<u64>> {
        let files = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            files => files?,
        };
        let mut positions = Vec::new();
        for file in files {
            positions.extend(file?.file_name().to_str().and_then(position));
        }
        Ok(positions)
    }

    fn bytes(&self, seq: u64) -> io::Result<Option<Bytes>> {
        let file = match File::open(self.file(seq)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut bytes = Vec::new();
        // One byte more than the largest segment: the decoder notices that it is too large.
        file.take(MAX_SEGMENT_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok(Some(bytes.into()))
    }

    /// When the file was put there: a copy is younger, even where it keeps the time of the original. `None` if
    /// anything was put there or removed since the last segment was stored.
    #[cfg(unix)]
    fn placed(&self, seq: u64) -> io::Result<Option<Timestamp>> {
        use std::os::unix::fs::MetadataExt;
        let changed = |file: &fs::Metadata| {
            let nanos = i32::try_from(file.ctime_nsec()).ok()?;
            Timestamp::new(file.ctime(), nanos).ok()
        };
        let (mut placed, mut last) = (None, None);
        for position in self.positions()? {
            let time = match fs::metadata(self.file(position)) {
                // Deleted since it was listed.
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                file => changed(&file?),
            };
            last = last.max(time);
            if position == seq {
                placed = time;
            }
        }
        let Some(last) = last else { return Ok(None) };
        let folder = Timestamp::try_from(fs::metadata(&self.folder)?.modified()?).ok();
        let is_as_left = folder.is_some_and(|folder| folder.duration_since(last) <= AT_ONCE);
        Ok(placed.filter(|_| is_as_left))
    }

    #[cfg(not(unix))]
    fn placed(&self, _seq: u64) -> io::Result<Option<Timestamp>> {
        Ok(None)
    }

    /// Creating the empty file claims the position, for one process only; the rename fills it.
    fn write(&self, seq: u64, bytes: &[u8]) -> io::Result<()> {
        make_folder(&self.folder)?;
        let (file, partial) = (self.file(seq), self.folder.join(format!("{seq:020}.partial")));
        create_private(&file, true)?;
        let written = create_private(&partial, false)
            .and_then(|mut partial| partial.write_all(bytes).and_then(|()| partial.sync_all()))
            .and_then(|()| fs::rename(&partial, &file))
            .and_then(|()| File::open(&self.folder)?.sync_all());
        if written.is_err() {
            // Release the claim: a retry must not take it for that of another process.
            let _ = fs::remove_file(&partial);
            let _ = fs::remove_file(&file);
        }
        written
    }
}

impl SegmentStore for FolderStore {
    async fn list(&self) -> Result<Vec<u64>, StoreError> {
        self.blocking(|store| store.positions()).await
    }

    async fn read(&self, seq: u64) -> Result<Option<Bytes>, StoreError> {
        self.blocking(move |store| store.bytes(seq)).await
    }

    async fn stored_at(&self, seq: u64) -> Result<Option<Timestamp>, StoreError> {
        self.blocking(move |store| match fs::metadata(store.file(seq)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            found => Ok(Timestamp::try_from(found?.modified()?).ok()),
        })
        .await
    }

    async fn placed_at(&self, seq: u64) -> Result<Option<Timestamp>, StoreError> {
        self.blocking(move |store| store.placed(seq)).await
    }

    async fn create(&self, seq: u64, bytes: Bytes) -> Result<(), StoreError> {
        self.blocking(move |store| store.write(seq, &bytes)).await
    }

    async fn delete(&self, seq: u64) -> Result<(), StoreError> {
        self.blocking(move |store| match fs::remove_file(store.file(seq)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            done => done,
        })
        .await
    }
}

/// The names of what is in a folder; none if it does not exist.
pub async fn names_in(folder: &Path) -> Result<Vec<String>, StoreError> {
    let read = |store: FolderStore| {
        let entries = match fs::read_dir(&store.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let names: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.file_name())).collect();
        Ok(names?.into_iter().filter_map(|name| name.into_string().ok()).collect())
    };
    FolderStore::new(folder).blocking(read).await
}

/// The name of the file or object of a segment.
pub(super) fn file_name(seq: u64) -> String {
    // Twenty digits: names sort as numbers.
    format!("{seq:020}.ledger")
}

/// The position in a name; `None` for names of other kinds.
pub(super) fn position(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".ledger")?;
    (digits.len() == 20).then(|| digits.parse().ok())?
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// Creates a file for its owner only: ledgers are pseudonymous, not public.
fn create_private(path: &Path, exclusive: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true);
    if exclusive {
        options.create_new(true);
    } else {
        options.create(true).truncate(true);
    }
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn store_error(error: &io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::AlreadyExists => StoreError::AlreadyExists,
        ErrorKind::QuotaExceeded => StoreError::Quota,
        ErrorKind::StorageFull => StoreError::Full,
        ErrorKind::FileTooLarge => StoreError::TooLarge,
        kind => StoreError::Unavailable { what: kind.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_are_created_once_listed_and_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::new(folder.path().join("a/b"));
        assert!(store.list().await.unwrap().is_empty());
        store.create(7, Bytes::from_static(b"seven")).await.unwrap();
        let again = store.create(7, Bytes::from_static(b"other")).await;
        assert_eq!(again, Err(StoreError::AlreadyExists));
        assert_eq!(store.list().await.unwrap(), [7]);
        assert_eq!(store.read(7).await.unwrap(), Some(Bytes::from_static(b"seven")));
        assert_eq!(store.read(8).await.unwrap(), None);
        store.delete(7).await.unwrap();
        store.delete(7).await.unwrap();
        assert!(store.list().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn other_files_and_unfinished_ones_are_not_segments() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["00000000000000000001.partial", "1.ledger", "note.txt", "x.ledger"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        assert!(FolderStore::new(folder.path()).list().await.unwrap().is_empty());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn files_are_readable_by_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::new(folder.path());
        store.create(0, Bytes::from_static(b"x")).await.unwrap();
        assert_eq!(fs::metadata(store.file(0)).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_copy_of_a_segment_and_a_folder_that_was_changed_are_recognised() {
        let folder = tempfile::tempdir().unwrap();
        let [store, copy] = ["a", "b"].map(|name| FolderStore::new(folder.path().join(name)));
        assert_eq!(store.placed_at(0).await.unwrap(), None, "there is none");
        store.create(0, Bytes::from_static(b"x")).await.unwrap();
        let placed = store.placed_at(0).await.unwrap();
        assert!(placed.is_some());
        store.create(1, Bytes::from_static(b"y")).await.unwrap();
        assert_eq!(store.placed_at(0).await.unwrap(), placed);
        // With the time of the original, as `cp -a` makes it. The clock of a file system is a coarse one.
        make_folder(&copy.folder).unwrap();
        let modified = fs::metadata(store.file(0)).unwrap().modified().unwrap();
        while [placed, None].contains(&copy.placed_at(0).await.unwrap()) {
            fs::copy(store.file(0), copy.file(0)).unwrap();
            File::open(copy.file(0)).unwrap().set_modified(modified).unwrap();
        }
        assert_eq!(copy.stored_at(0).await.unwrap(), store.stored_at(0).await.unwrap());
        // As after a deletion.
        let later = modified + std::time::Duration::from_secs(5);
        File::open(&store.folder).unwrap().set_modified(later).unwrap();
        assert_eq!(store.placed_at(0).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_failed_write_releases_its_position() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::new(folder.path());
        let obstacle = folder.path().join("00000000000000000003.partial");
        fs::create_dir(&obstacle).unwrap();
        let failed = store.create(3, Bytes::from_static(b"x")).await;
        assert!(matches!(failed, Err(StoreError::Unavailable { .. })), "{failed:?}");
        fs::remove_dir(&obstacle).unwrap();
        store.create(3, Bytes::from_static(b"x")).await.unwrap();
    }
}
