//! Segments as objects of an object store, or as files where the URL names a folder. I/O through
//! [`storage`](crate::storage) only. Creating an object fails where one of its name exists: that is
//! the fence, as in every store.

use std::sync::Arc;

use bytes::Bytes;
use object_store::ObjectStore;
use url::Url;

use super::{
    FolderStore, MAX_SEGMENT_BYTES, SegmentStore, StoreError,
    folder::{file_name, position},
};
use crate::storage::{AdminFolder, FolderError, ObjectFault, ObjectFolder, open_folder};

/// Where the ledgers of all exports are kept. `Debug` shows no credential.
#[derive(Clone, Debug)]
pub struct ObjectLedgers(AdminFolder);

impl ObjectLedgers {
    /// Ledgers under a URL. `environment`: variables, of which only those of the store's client
    /// are used.
    pub fn at(
        url: &Url,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, FolderError> {
        open_folder(url, environment).map(Self)
    }

    /// Ledgers in a store that is set up already.
    pub fn within(store: Arc<dyn ObjectStore>, root: &str) -> Self {
        Self(AdminFolder::Objects(ObjectFolder::within(store, root)))
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
            Segments::Files(files) => files.list().await,
            Segments::Objects(folder) => {
                let names = folder.names().await.map_err(|fault| store_error("list", fault))?;
                Ok(names.iter().filter_map(|name| position(name)).collect())
            }
        }
    }

    async fn read(&self, seq: u64) -> Result<Option<Bytes>, StoreError> {
        match &self.0 {
            Segments::Files(files) => files.read(seq).await,
            Segments::Objects(folder) => {
                match folder.read(&file_name(seq), MAX_SEGMENT_BYTES).await {
                    // The decoder only has to notice that it is too large.
                    Err(ObjectFault::TooLarge) => Ok(Some(vec![0; MAX_SEGMENT_BYTES + 1].into())),
                    read => read.map_err(|fault| store_error("read", fault)),
                }
            }
        }
    }

    async fn create(&self, seq: u64, bytes: Bytes) -> Result<(), StoreError> {
        match &self.0 {
            Segments::Files(files) => files.create(seq, bytes).await,
            Segments::Objects(folder) => {
                let created = folder.create(&file_name(seq), bytes).await;
                created.map_err(|fault| store_error("create", fault))
            }
        }
    }

    async fn delete(&self, seq: u64) -> Result<(), StoreError> {
        match &self.0 {
            Segments::Files(files) => files.delete(seq).await,
            Segments::Objects(folder) => {
                let deleted = folder.delete(&file_name(seq)).await;
                deleted.map_err(|fault| store_error("delete", fault))
            }
        }
    }
}

fn store_error(verb: &'static str, fault: ObjectFault) -> StoreError {
    let what = match fault {
        ObjectFault::AlreadyExists => return StoreError::AlreadyExists,
        ObjectFault::Denied => return StoreError::Forbidden { verb },
        ObjectFault::NoConditionalWrites => return StoreError::NoFence,
        ObjectFault::Missing => "no such bucket",
        ObjectFault::TimedOut => "no answer in 60 s",
        // Only reads have a limit, and they handle it.
        ObjectFault::TooLarge | ObjectFault::Failed => "the object store",
    };
    StoreError::Unavailable { what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use object_store::{ObjectStoreExt, memory::InMemory, path::Path};

    use super::*;

    async fn holds_segments(ledgers: ObjectLedgers) {
        let (one, other) = (ledgers.of("uid-1"), ledgers.of("uid-2"));
        assert!(one.list().await.unwrap().is_empty());
        assert_eq!(one.read(7).await.unwrap(), None);
        one.create(7, Bytes::from_static(b"seven")).await.unwrap();
        let again = one.create(7, Bytes::from_static(b"other")).await;
        assert_eq!(again, Err(StoreError::AlreadyExists), "creating is the fence");
        one.create(8, Bytes::from_static(b"eight")).await.unwrap();
        assert_eq!(one.read(7).await.unwrap(), Some(Bytes::from_static(b"seven")));
        other.create(7, Bytes::from_static(b"another export's")).await.unwrap();
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
    async fn objects_hold_segments() {
        holds_segments(ObjectLedgers::within(Arc::new(InMemory::new()), "a/b")).await;
    }

    #[tokio::test]
    async fn a_folder_holds_segments() {
        let folder = tempfile::tempdir().unwrap();
        let url = Url::from_directory_path(folder.path().join("ledgers")).unwrap();
        holds_segments(ObjectLedgers::at(&url, []).unwrap()).await;
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
