//! Segments as objects of an object store, or as files where the URL names a folder. Does I/O.
//! An object is created only if there is none of its name: that is the fence, as elsewhere.

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::{
    Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, parse_url_opts, path::Path,
};
use thiserror::Error as ThisError;
use tokio::time::timeout;
use url::Url;

use super::{FolderStore, MAX_SEGMENT_BYTES, SegmentStore, StoreError};

/// How long one request may take, with the attempts that the client makes of it.
const PATIENCE: Duration = Duration::from_secs(60);
/// What tells a client which account it uses begins so; nothing else of the environment is read.
const PREFIXES: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];

/// Why a URL is not one that ledgers can be kept under. Does not carry the URL.
#[derive(Debug, ThisError)]
pub enum LedgerUrlError {
    /// Another scheme.
    #[error("ledgers can be kept under s3://, gs://, az://, abfss:// and file://, not {0}://")]
    Scheme(String),
    /// A folder that is not given from the root.
    #[error("a file:// URL for ledgers names an absolute folder: file:///path")]
    Folder,
    /// Credentials or a query in the URL.
    #[error("the URL for ledgers holds more than a place; credentials come from the environment")]
    MoreThanAPlace,
    /// The client cannot be set up.
    #[error(
        "the object store for ledgers cannot be set up; see the AWS_, GOOGLE_ or AZURE_ variables"
    )]
    SetUp(#[source] Error),
}

/// Where the ledgers of all exports are kept. `Debug` shows no credential.
#[derive(Clone)]
pub struct ObjectLedgers(Place);

impl std::fmt::Debug for ObjectLedgers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Place::Folder(_) => f.write_str("ObjectLedgers(folder)"),
            Place::Objects { store, .. } => write!(f, "ObjectLedgers({store})"),
        }
    }
}

#[derive(Clone)]
enum Place {
    Folder(PathBuf),
    Objects { store: Arc<dyn ObjectStore>, root: Path },
}

impl ObjectLedgers {
    /// Ledgers under a URL. `environment`: variables, of which those of the store's client count.
    pub fn at(
        url: &Url,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, LedgerUrlError> {
        if url.query().is_some() || url.fragment().is_some() || url.password().is_some() {
            return Err(LedgerUrlError::MoreThanAPlace);
        }
        match url.scheme() {
            "file" => {
                let folder = url.to_file_path().map_err(|()| LedgerUrlError::Folder)?;
                Ok(Self(Place::Folder(folder)))
            }
            "s3" | "s3a" | "gs" | "az" | "abfs" | "abfss" => {
                // The client does TLS with the provider of the process; one is enough.
                let _ = rustls::crypto::ring::default_provider().install_default();
                let (store, root) =
                    parse_url_opts(url, options(environment)).map_err(LedgerUrlError::SetUp)?;
                Ok(Self(Place::Objects { store: store.into(), root }))
            }
            other => Err(LedgerUrlError::Scheme(other.to_owned())),
        }
    }

    /// Ledgers in a store that is there already.
    pub fn within(store: Arc<dyn ObjectStore>, root: &str) -> Self {
        Self(Place::Objects { store, root: Path::from(root) })
    }

    /// The ledger of the export with this UID.
    pub fn of(&self, export_uid: &str) -> ObjectSegments {
        ObjectSegments(match &self.0 {
            Place::Folder(folder) => Segments::Files(FolderStore::new(folder.join(export_uid))),
            Place::Objects { store, root } => {
                Segments::Objects { store: store.clone(), folder: root.clone().join(export_uid) }
            }
        })
    }
}

/// What of an environment is the client's. It would take a plain `ENDPOINT` or `TOKEN` for its
/// own, too, which may be meant for somebody else.
fn options(
    environment: impl IntoIterator<Item = (String, String)>,
) -> impl Iterator<Item = (String, String)> {
    let ours = |name: &str| PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    environment.into_iter().filter(move |(name, _)| ours(name))
}

/// The ledger of one export.
#[derive(Clone)]
pub struct ObjectSegments(Segments);

#[derive(Clone)]
enum Segments {
    Files(FolderStore),
    Objects { store: Arc<dyn ObjectStore>, folder: Path },
}

fn object(folder: &Path, seq: u64) -> Path {
    // Twenty digits, as in a folder.
    folder.clone().join(format!("{seq:020}.ledger"))
}

fn position(location: &Path) -> Option<u64> {
    let digits = location.filename()?.strip_suffix(".ledger")?;
    (digits.len() == 20).then(|| digits.parse().ok())?
}

impl ObjectSegments {
    /// Deletes all of it, for an export that is gone.
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
            Segments::Objects { store, folder } => {
                let found = store.list(Some(folder));
                let positions = found
                    .try_filter_map(|meta| async move { Ok(position(&meta.location)) })
                    .boxed()
                    .try_collect();
                answered("list", positions).await
            }
        }
    }

    async fn read(&self, seq: u64) -> Result<Option<Bytes>, StoreError> {
        let (store, folder) = match &self.0 {
            Segments::Files(files) => return files.read(seq).await,
            Segments::Objects { store, folder } => (store, folder),
        };
        let location = object(folder, seq);
        let read = async {
            let found = store.get(&location).await?;
            if found.meta.size > MAX_SEGMENT_BYTES as u64 {
                // Not read: the decoder only has to see that it is too large.
                return Ok(Bytes::from(vec![0; MAX_SEGMENT_BYTES + 1]));
            }
            found.bytes().await
        };
        match timeout(PATIENCE, read).await {
            Ok(Err(Error::NotFound { .. })) => Ok(None),
            Ok(read) => read.map(Some).map_err(|error| refused("read", &error)),
            Err(_) => Err(no_answer()),
        }
    }

    async fn create(&self, seq: u64, bytes: Bytes) -> Result<(), StoreError> {
        match &self.0 {
            Segments::Files(files) => files.create(seq, bytes).await,
            Segments::Objects { store, folder } => {
                let only_new = PutOptions::from(PutMode::Create);
                let location = object(folder, seq);
                let put = store.put_opts(&location, bytes.into(), only_new);
                answered("create", put).await.map(|_| ())
            }
        }
    }

    async fn delete(&self, seq: u64) -> Result<(), StoreError> {
        let (store, folder) = match &self.0 {
            Segments::Files(files) => return files.delete(seq).await,
            Segments::Objects { store, folder } => (store, folder),
        };
        match timeout(PATIENCE, store.delete(&object(folder, seq))).await {
            Ok(Ok(()) | Err(Error::NotFound { .. })) => Ok(()),
            Ok(Err(error)) => Err(refused("delete", &error)),
            Err(_) => Err(no_answer()),
        }
    }
}

async fn answered<T>(
    verb: &'static str,
    request: impl Future<Output = Result<T, Error>>,
) -> Result<T, StoreError> {
    match timeout(PATIENCE, request).await {
        Ok(answer) => answer.map_err(|error| refused(verb, &error)),
        Err(_) => Err(no_answer()),
    }
}

fn no_answer() -> StoreError {
    StoreError::Unavailable { what: "no answer in 60 s".to_owned() }
}

/// What an answer means. Its text is not passed on: it may hold a URL.
fn refused(verb: &'static str, error: &Error) -> StoreError {
    match error {
        Error::AlreadyExists { .. } | Error::Precondition { .. } => StoreError::AlreadyExists,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            StoreError::Forbidden { verb }
        }
        Error::NotSupported { .. } | Error::NotImplemented { .. } => StoreError::NoFence,
        Error::NotFound { .. } => StoreError::Unavailable { what: "no such bucket".to_owned() },
        _ => StoreError::Unavailable { what: "the object store".to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    fn at(url: &str) -> Result<ObjectLedgers, LedgerUrlError> {
        ObjectLedgers::at(&Url::parse(url).unwrap(), [])
    }

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
        holds_segments(at(url.as_str()).unwrap()).await;
        assert!(folder.path().join("ledgers/uid-2/00000000000000000007.ledger").exists());
    }

    #[tokio::test]
    async fn what_is_too_large_or_no_segment_is_not_read() {
        let store = Arc::new(InMemory::new());
        let segments = ObjectLedgers::within(store.clone(), "").of("uid");
        let large = vec![1; MAX_SEGMENT_BYTES + 100];
        segments.create(3, large.into()).await.unwrap();
        assert_eq!(segments.read(3).await.unwrap().unwrap().len(), MAX_SEGMENT_BYTES + 1);
        store.put(&Path::from("uid/note.txt"), Bytes::new().into()).await.unwrap();
        store.put(&Path::from("uid/4.ledger"), Bytes::new().into()).await.unwrap();
        assert_eq!(segments.list().await.unwrap(), [3]);
    }

    #[test]
    fn only_places_are_taken_and_what_is_wrong_is_told() {
        let told = |url: &str| at(url).unwrap_err().to_string();
        assert!(told("https://ledgers.example.com/").contains("not https://"));
        assert!(told("memory:///").contains("not memory://"));
        assert!(told("s3://bucket/a?key=secret").contains("environment"));
        assert!(told("s3://user:secret@bucket/a").contains("environment"));
        assert!(at("s3://bucket/ledgers").is_ok(), "credentials are asked for when needed");
    }

    #[test]
    fn of_the_environment_only_the_clients_own_variables_count() {
        let names = ["AWS_REGION", "ENDPOINT", "TOKEN", "GOOGLE_SERVICE_ACCOUNT", "PATH"];
        let environment = names.map(|name| (name.to_owned(), "value".to_owned()));
        let taken: Vec<String> = options(environment).map(|(name, _)| name).collect();
        assert_eq!(taken, ["AWS_REGION", "GOOGLE_SERVICE_ACCOUNT"]);
    }

    #[test]
    fn no_credential_is_shown() {
        let url = Url::parse("s3://bucket/a").unwrap();
        let secret = |name: &str| (name.to_owned(), "s3cr3t".to_owned());
        let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(secret);
        assert!(!format!("{:?}", ObjectLedgers::at(&url, keys).unwrap()).contains("s3cr3t"));
    }
}
