//! Segments as objects of an object store, or as files where the URL names a folder. I/O through
//! [`storage`](crate::storage) only. Creating an object fails where one of its name exists: that is
//! the fence, as in every store.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use object_store::ObjectStore;
use url::Url;

use super::{
    FolderStore, MAX_SEGMENT_BYTES, SegmentStore, StoreError,
    folder::{file_name, names_in, position},
};
use crate::{
    network::OutboundProxy,
    storage::{AdminFolder, FolderError, ObjectFault, ObjectFolder, open_folder},
};

/// Where the ledgers of all exports are kept. `Debug` shows no credential.
#[derive(Clone, Debug)]
pub struct ObjectLedgers(AdminFolder);

impl ObjectLedgers {
    /// Ledgers under a URL. `environment`: variables, of which only those of the store's client
    /// are used. `proxy`: the proxy that the admin chose, if any.
    pub fn at(
        url: &Url,
        environment: impl IntoIterator<Item = (String, String)>,
        proxy: &OutboundProxy,
    ) -> Result<Self, FolderError> {
        open_folder(url, environment, proxy).map(Self)
    }

    /// Ledgers in a store that is set up already.
    pub fn within(store: Arc<dyn ObjectStore>, root: &str) -> Self {
        Self(AdminFolder::Objects(ObjectFolder::within(store, root)))
    }

    /// Checks that ledgers can be kept here: lists, creates, creates again, which must fail, and
    /// deletes. `name` distinguishes the processes that check at the same time.
    pub async fn check(&self, name: &str) -> Result<(), StoreError> {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' };
        let probe = self.of(&format!("probe-{}", name.chars().map(plain).collect::<String>()));
        // What an earlier check left behind.
        probe.delete_all().await?;
        let bytes = Bytes::from_static(b"probe");
        probe.create(0, bytes.clone()).await?;
        let again = probe.create(0, bytes).await;
        let listed = probe.list().await;
        let deleted = probe.delete(0).await;
        match again {
            Err(StoreError::AlreadyExists) => {}
            Err(error) => return Err(error),
            // Two processes could both write a segment.
            Ok(()) => return Err(StoreError::NoFence),
        }
        if !listed?.contains(&0) {
            let why = "an object that was just created is not listed".to_owned();
            return Err(StoreError::NoStore { verb: "list", why });
        }
        deleted
    }

    /// What there are ledgers of, in any order: the names given to [`Self::of`].
    pub async fn names(&self) -> Result<Vec<String>, StoreError> {
        match &self.0 {
            AdminFolder::Local(folder) => {
                names_in(folder).await.map_err(|error| of_folder("list", error))
            }
            AdminFolder::Objects(folder) => {
                folder.folders().await.map_err(|fault| store_error("list", fault))
            }
        }
    }

    /// The ledger of the export with this UID.
    pub fn of(&self, export_uid: &str) -> ObjectSegments {
        ObjectSegments(match &self.0 {
            AdminFolder::Local(folder) => {
                Segments::Files(FolderStore::new(folder.join(export_uid)))
            }
            AdminFolder::Objects(folder) => Segments::Objects(folder.folder(export_uid)),
        })
    }
}

/// The ledger of one export.
#[derive(Clone)]
pub struct ObjectSegments(Segments);

#[derive(Clone)]
enum Segments {
    Files(FolderStore),
    Objects(ObjectFolder),
}

impl ObjectSegments {
    /// Deletes all of it, after its export was deleted.
    pub async fn delete_all(&self) -> Result<(), StoreError> {
        for seq in self.list().await? {
            self.delete(seq).await?;
        }
        Ok(())
    }
}

impl SegmentStore for ObjectSegments {
    async fn list(&self) -> Result<Vec<u64>, StoreError> {
        match &self.0 {
            Segments::Files(files) => files.list().await.map_err(|error| of_folder("list", error)),
            Segments::Objects(folder) => {
                let names = folder.names().await.map_err(|fault| store_error("list", fault))?;
                Ok(names.iter().filter_map(|name| position(name)).collect())
            }
        }
    }

    async fn read(&self, seq: u64) -> Result<Option<Bytes>, StoreError> {
        match &self.0 {
            Segments::Files(files) => {
                files.read(seq).await.map_err(|error| of_folder("read", error))
            }
            Segments::Objects(folder) => {
                match folder.read(&file_name(seq), MAX_SEGMENT_BYTES).await {
                    // The decoder only has to notice that it is too large.
                    Err(ObjectFault::TooLarge) => Ok(Some(vec![0; MAX_SEGMENT_BYTES + 1].into())),
                    read => read.map_err(|fault| store_error("read", fault)),
                }
            }
        }
    }

    async fn stored_at(&self, seq: u64) -> Result<Option<Timestamp>, StoreError> {
        match &self.0 {
            Segments::Files(files) => {
                files.stored_at(seq).await.map_err(|error| of_folder("read", error))
            }
            Segments::Objects(folder) => {
                let stored_at = folder.stored_at(&file_name(seq)).await;
                stored_at.map_err(|fault| store_error("read", fault))
            }
        }
    }

    async fn placed_at(&self, seq: u64) -> Result<Option<Timestamp>, StoreError> {
        match &self.0 {
            Segments::Files(files) => {
                files.placed_at(seq).await.map_err(|error| of_folder("read", error))
            }
            Segments::Objects(_) => self.stored_at(seq).await,
        }
    }

    async fn create(&self, seq: u64, bytes: Bytes) -> Result<(), StoreError> {
        match &self.0 {
            Segments::Files(files) => {
                files.create(seq, bytes).await.map_err(|error| of_folder("create", error))
            }
            Segments::Objects(folder) => {
                let created = folder.create(&file_name(seq), bytes).await;
                created.map_err(|fault| store_error("create", fault))
            }
        }
    }

    async fn delete(&self, seq: u64) -> Result<(), StoreError> {
        match &self.0 {
            Segments::Files(files) => {
                files.delete(seq).await.map_err(|error| of_folder("delete", error))
            }
            Segments::Objects(folder) => {
                let deleted = folder.delete(&file_name(seq)).await;
                deleted.map_err(|fault| store_error("delete", fault))
            }
        }
    }
}

/// The same error, of the folder that `--ledger-url` names.
fn of_folder(verb: &'static str, error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable { what } => StoreError::NoStore { verb, why: what },
        other => other,
    }
}

fn store_error(verb: &'static str, fault: ObjectFault) -> StoreError {
    match fault {
        ObjectFault::AlreadyExists => StoreError::AlreadyExists,
        ObjectFault::NoConditionalWrites => StoreError::NoFence,
        ObjectFault::Server(fault) if !fault.is_transient() => {
            StoreError::Refused { verb, why: fault.to_string() }
        }
        // Only reads have a limit, and they handle it.
        ObjectFault::TooLarge | ObjectFault::TimedOut | ObjectFault::Server(_) => {
            StoreError::NoStore { verb, why: fault.to_string() }
        }
        ObjectFault::Missing => StoreError::Refused { verb, why: fault.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use object_store::{ObjectStoreExt, memory::InMemory, path::Path};

    use super::*;

    async fn holds_segments(ledgers: ObjectLedgers) {
        let (one, other) = (ledgers.of("uid-1"), ledgers.of("uid-2"));
        assert!(one.list().await.unwrap().is_empty());
        assert_eq!(one.read(7).await.unwrap(), None);
        assert_eq!(one.stored_at(7).await.unwrap(), None);
        one.create(7, Bytes::from_static(b"seven")).await.unwrap();
        let again = one.create(7, Bytes::from_static(b"other")).await;
        assert_eq!(again, Err(StoreError::AlreadyExists), "creating is the fence");
        one.create(8, Bytes::from_static(b"eight")).await.unwrap();
        assert_eq!(one.read(7).await.unwrap(), Some(Bytes::from_static(b"seven")));
        assert!(one.stored_at(8).await.unwrap().is_some());
        other.create(7, Bytes::from_static(b"another export's")).await.unwrap();
        let mut names = ledgers.names().await.unwrap();
        names.sort_unstable();
        assert_eq!(names, ["uid-1", "uid-2"]);
        let mut positions = one.list().await.unwrap();
        positions.sort_unstable();
        assert_eq!(positions, [7, 8]);
        one.delete(7).await.unwrap();
        one.delete(7).await.unwrap();
        assert_eq!(one.list().await.unwrap(), [8]);
        one.delete_all().await.unwrap();
        assert!(one.list().await.unwrap().is_empty());
        assert_eq!(other.list().await.unwrap(), [7]);
    }

    #[tokio::test]
    async fn a_check_leaves_nothing_behind() {
        let store = Arc::new(InMemory::new());
        let ledgers = ObjectLedgers::within(store.clone(), "a");
        ledgers.of("probe-pod-1").create(0, Bytes::from_static(b"left")).await.unwrap();
        ledgers.check("pod.1").await.unwrap();
        assert!(ledgers.of("probe-pod-1").list().await.unwrap().is_empty());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let at = |path: &std::path::Path| {
            let url = Url::from_directory_path(path).unwrap();
            ObjectLedgers::at(&url, [], &OutboundProxy::default()).unwrap()
        };
        at(&folder.path().join("ledgers")).check("a/../b").await.unwrap();
        let error = at(&file).check("pod").await.unwrap_err();
        assert!(matches!(error, StoreError::NoStore { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn objects_hold_segments() {
        holds_segments(ObjectLedgers::within(Arc::new(InMemory::new()), "a/b")).await;
    }

    #[tokio::test]
    async fn a_folder_holds_segments() {
        let folder = tempfile::tempdir().unwrap();
        let url = Url::from_directory_path(folder.path().join("ledgers")).unwrap();
        holds_segments(ObjectLedgers::at(&url, [], &OutboundProxy::default()).unwrap()).await;
        assert!(folder.path().join("ledgers/uid-2/00000000000000000007.ledger").exists());
    }

    #[tokio::test]
    async fn objects_that_are_too_large_or_no_segments_are_not_read() {
        let store = Arc::new(InMemory::new());
        let segments = ObjectLedgers::within(store.clone(), "").of("uid");
        let large = vec![1; MAX_SEGMENT_BYTES + 100];
        segments.create(3, large.into()).await.unwrap();
        assert_eq!(segments.read(3).await.unwrap().unwrap().len(), MAX_SEGMENT_BYTES + 1);
        store.put(&Path::from("uid/note.txt"), Bytes::new().into()).await.unwrap();
        store.put(&Path::from("uid/4.ledger"), Bytes::new().into()).await.unwrap();
        assert_eq!(segments.list().await.unwrap(), [3]);
    }
}
