//! One bucket or container, and every request to it: lists and reads objects of one version each,
//! creates and deletes them. Does network I/O.

use std::{fmt, ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future::BoxFuture};
use object_store::{
    BackoffConfig, Error, GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    RetryConfig, aws::AmazonS3Builder, azure::MicrosoftAzureBuilder,
    gcp::GoogleCloudStorageBuilder, parse_url_opts, path::Path,
};
use tokio::{runtime::Handle, time::timeout};
use url::Url;

use super::{
    ObjectFault, PathPattern, ReadFault, StoreKind,
    blocks::{BlockReader, Blocks},
    connect::Guarded,
    credentials::StoreOptions,
    listing::{ListedFile, MAX_FILES, MAX_LISTED, Opening},
};
use crate::network::{self, Reach};

/// Bounds one request for a whole object, including the client's own retries.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// An opened bucket or container. Clones share its connections. `Debug` shows no credential.
#[derive(Clone)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    /// The client of places that specs name. Buckets of the admin use the store's own, which
    /// follows the proxy and TLS settings of the environment.
    guarded: Option<Guarded>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({})", self.store)
    }
}

impl Bucket {
    /// Opens a bucket that a spec names. The allow-list has been checked.
    pub(super) fn open(
        kind: StoreKind,
        name: &str,
        options: &StoreOptions,
    ) -> Result<Self, ReadFault> {
        let reach =
            if options.trusted || options.listed_endpoint { Reach::Any } else { Reach::Public };
        let guarded = Guarded::new(reach)?;
        let retry = RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: 3,
            retry_timeout: Duration::from_secs(30),
        };
        macro_rules! built {
            ($builder:expr, $named:ident) => {{
                let mut builder = $builder.$named(name);
                for (field, value) in &options.settings {
                    // The environment holds variables of other programs, too.
                    if let Ok(key) = field.to_ascii_lowercase().parse() {
                        builder = builder.with_config(key, value);
                    }
                }
                let built = builder.with_retry(retry).with_http_connector(guarded.clone()).build();
                // The credentials are at fault: everything else has been checked.
                Arc::new(built.map_err(|_| ReadFault::Denied)?) as Arc<dyn ObjectStore>
            }};
        }
        let store = match kind {
            StoreKind::S3 => built!(AmazonS3Builder::new(), with_bucket_name),
            StoreKind::Gcs => built!(GoogleCloudStorageBuilder::new(), with_bucket_name),
            StoreKind::Azure => built!(MicrosoftAzureBuilder::new(), with_container_name),
        };
        Ok(Self { store, guarded: Some(guarded) })
    }

    /// Opens the bucket at a URL of the admin's; also the path that the URL names in it.
    pub(super) fn of_admin(url: &Url, options: StoreOptions) -> Result<(Self, Path), Error> {
        network::install_tls_provider();
        let (store, path) = parse_url_opts(url, options.settings)?;
        Ok((Self { store: store.into(), guarded: None }, path))
    }

    /// A bucket of a store that is set up already.
    pub(super) fn of_store(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, guarded: None }
    }

    /// The objects that a pattern selects, sorted by name.
    pub(super) async fn list(self, pattern: &PathPattern) -> Result<Vec<ListedFile>, ReadFault> {
        let mut metas = if pattern.glob.is_some() {
            self.matching(pattern).await?
        } else {
            let path = Path::parse(&pattern.text).map_err(|_| ReadFault::Missing)?;
            vec![self.store.head(&path).await.map_err(|error| self.fault(&error))?]
        };
        metas.sort_by(|a, b| a.location.cmp(&b.location));
        let files = metas.into_iter().map(|meta| {
            let name = meta.location.to_string();
            let etag = meta.e_tag.clone().unwrap_or_default();
            let version = format!("{etag} {} {}", meta.last_modified.timestamp_micros(), meta.size);
            let size = meta.size;
            let object = Arc::new(Object { bucket: self.clone(), meta });
            let runtime = Handle::current();
            let open = move || {
                let (runtime, blocks) = (runtime.clone(), object.clone());
                let reader = BlockReader { runtime, blocks, size, at: 0, present: Bytes::new() };
                Ok(Box::new(reader) as super::Reader)
            };
            ListedFile {
                opening: Opening::new(&name, open),
                version: Some(version),
                size: Some(size),
            }
        });
        Ok(files.collect())
    }

    async fn matching(&self, pattern: &PathPattern) -> Result<Vec<ObjectMeta>, ReadFault> {
        let folder = pattern.folder();
        let prefix = Path::parse(folder.trim_end_matches('/')).map_err(|_| ReadFault::NoMatch)?;
        let mut listed = self.store.list((!folder.is_empty()).then_some(&prefix));
        let (mut metas, mut seen) = (Vec::new(), 0_usize);
        while let Some(meta) = listed.next().await {
            let meta = meta.map_err(|error| self.fault(&error))?;
            seen += 1;
            if pattern.matches(meta.location.as_ref()) {
                metas.push(meta);
            }
            if metas.len() > MAX_FILES || seen > MAX_LISTED {
                return Err(ReadFault::TooMany { limit: MAX_FILES });
            }
        }
        if metas.is_empty() { Err(ReadFault::NoMatch) } else { Ok(metas) }
    }

    fn fault(&self, error: &Error) -> ReadFault {
        match error {
            Error::NotFound { .. } => ReadFault::Missing,
            Error::Precondition { .. } | Error::NotModified { .. } => ReadFault::Changed,
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => ReadFault::Denied,
            _ => self.guarded.as_ref().map_or(ReadFault::Unreachable, Guarded::fault),
        }
    }

    /// The paths of all objects below a folder, in any order.
    pub(super) async fn paths(&self, folder: &Path) -> Result<Vec<Path>, ObjectFault> {
        let paths = self.store.list(Some(folder)).map_ok(|meta| meta.location);
        bounded(paths.try_collect()).await
    }

    /// The bytes of an object; `None` when there is none. A larger object is not read.
    pub(super) async fn read(
        &self,
        path: &Path,
        max_bytes: usize,
    ) -> Result<Option<Bytes>, ObjectFault> {
        let read = async {
            let found = self.store.get(path).await?;
            if found.meta.size > max_bytes as u64 {
                return Ok(Err(ObjectFault::TooLarge));
            }
            found.bytes().await.map(Some).map(Ok)
        };
        match bounded(read).await {
            Err(ObjectFault::Missing) => Ok(None),
            read => read?,
        }
    }

    /// Writes an object, durably once it returns, unless one at this path exists.
    pub(super) async fn create(&self, path: &Path, bytes: Bytes) -> Result<(), ObjectFault> {
        let only_new = PutOptions::from(PutMode::Create);
        bounded(self.store.put_opts(path, bytes.into(), only_new)).await.map(drop)
    }

    /// Deletes an object; one that does not exist counts as deleted.
    pub(super) async fn delete(&self, path: &Path) -> Result<(), ObjectFault> {
        match bounded(self.store.delete(path)).await {
            Err(ObjectFault::Missing) => Ok(()),
            deleted => deleted,
        }
    }
}

async fn bounded<T>(request: impl Future<Output = Result<T, Error>>) -> Result<T, ObjectFault> {
    match timeout(REQUEST_TIMEOUT, request).await {
        Ok(answer) => answer.map_err(|error| ObjectFault::of(&error)),
        Err(_) => Err(ObjectFault::TimedOut),
    }
}

/// One version of an object.
struct Object {
    bucket: Bucket,
    meta: ObjectMeta,
}

impl Object {
    async fn read(&self, range: Range<u64>) -> Result<Bytes, ReadFault> {
        let same = match &self.meta.e_tag {
            Some(etag) => GetOptions::new().with_if_match(Some(etag)),
            None => GetOptions::new().with_if_unmodified_since(Some(self.meta.last_modified)),
        };
        let options = same.with_range(Some(range));
        let read =
            async { self.bucket.store.get_opts(&self.meta.location, options).await?.bytes().await };
        let bytes = read.await.map_err(|error| match self.bucket.fault(&error) {
            // It existed when it was listed.
            ReadFault::Missing => ReadFault::Changed,
            other => other,
        })?;
        Ok(bytes)
    }
}

impl Blocks for Object {
    fn block(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ReadFault>> {
        Box::pin(self.read(range))
    }
}
