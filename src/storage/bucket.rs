//! One bucket or container, and the requests to it: lists and reads objects of one version each,
//! creates and deletes them. `upload.rs` writes larger ones. Does network I/O.

use std::{fmt, ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future::BoxFuture};
use jiff::Timestamp;
use object_store::{
    Attribute, Error, GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    path::Path,
};
use tokio::{runtime::Handle, time::timeout};
use url::Url;

use super::{
    FolderError, ObjectFault, PathPattern, ReadFault, StoreKind,
    blocks::{BlockReader, Blocks},
    connect::Guarded,
    credentials::StoreOptions,
    fault::fault_in,
    listing::{Found, ListedFile, MAX_FILES, MAX_LISTED, Opening, Skipped},
    server::ServerFault,
    store::{self, Named},
};
use crate::network::{OutboundProxy, Reach};

/// Bounds one request for a whole object, including the client's own retries.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// An opened bucket or container. Clones share its connections. `Debug` shows no credential.
#[derive(Clone)]
pub struct Bucket {
    pub(super) store: Arc<dyn ObjectStore>,
    /// Its HTTP client; `None` for a store in memory.
    guarded: Option<Guarded>,
    /// `None` for a store in memory.
    kind: Option<StoreKind>,
}

/// What a request was for.
#[derive(Debug, Clone, Copy)]
enum Asked {
    List,
    Object,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({})", self.store)
    }
}

impl Bucket {
    /// Opens a bucket that a spec names, for a list of what `pattern` selects. The allow-list has been
    /// checked.
    pub(super) fn open(
        kind: StoreKind,
        name: &str,
        pattern: &PathPattern,
        options: &StoreOptions,
        proxy: &OutboundProxy,
    ) -> Result<Self, ReadFault> {
        let guarded = Guarded::new(options.reach(), proxy, Some(pattern))?;
        Self::of_spec(kind, name, options, guarded)
    }

    /// Opens a bucket that a spec names, for files to write. The allow-list has been checked.
    pub(super) fn open_for_writing(
        kind: StoreKind,
        name: &str,
        options: &StoreOptions,
        proxy: &OutboundProxy,
    ) -> Result<Self, ReadFault> {
        Self::of_spec(kind, name, options, Guarded::for_writing(options.reach(), proxy)?)
    }

    fn of_spec(
        kind: StoreKind,
        name: &str,
        options: &StoreOptions,
        guarded: Guarded,
    ) -> Result<Self, ReadFault> {
        // The credentials are at fault: everything else has been checked.
        let store = store::open(kind, &Named::Bucket(name), options, &guarded)
            .map_err(|_| ReadFault::Server(ServerFault::IdentityUnusable))?;
        Ok(Self { store, guarded: Some(guarded), kind: Some(kind) })
    }

    /// Opens the bucket at a URL of the admin's; also the path that the URL names in it.
    pub(super) fn of_admin(
        kind: StoreKind,
        url: &Url,
        options: &StoreOptions,
        proxy: &OutboundProxy,
    ) -> Result<(Self, Path), FolderError> {
        let guarded = Guarded::new(Reach::Any, proxy, None).map_err(|_| FolderError::Client)?;
        let path = Path::from_url_path(url.path()).map_err(|_| FolderError::NotPlain)?;
        let store = store::open(kind, &Named::Url(url), options, &guarded);
        let store = store.map_err(FolderError::SetUp)?;
        Ok((Self { store, guarded: Some(guarded), kind: Some(kind) }, path))
    }

    /// A bucket of a store that is set up already.
    pub(super) fn of_store(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, guarded: None, kind: None }
    }

    /// The objects that a pattern selects, sorted by name. `has_format`: whether a name tells what an
    /// object holds.
    pub(super) async fn list(
        self,
        pattern: &PathPattern,
        has_format: fn(&str) -> bool,
    ) -> Result<Found, ReadFault> {
        if pattern.glob.is_none() {
            let files = vec![self.listed(self.named(&pattern.text).await?)];
            return Ok(Found { files, skipped: Skipped::default() });
        }
        let mut metas = self.matching(pattern).await?;
        let unlisted = self.guarded.as_ref().map(Guarded::unlisted).unwrap_or_default();
        if let Some(name) = unlisted.selected {
            return Err(ReadFault::odd_name(&name));
        }
        let mut skipped = Skipped { folders: unlisted.folders, odd_names: unlisted.odd, empty: 0 };
        let before = metas.len();
        metas = self.without_azure_folders(metas).await?;
        skipped.folders += before - metas.len();
        metas.sort_by(|a, b| a.location.cmp(&b.location));
        let files = metas.into_iter().map(|meta| self.listed(meta)).collect();
        Found { files, skipped }.without_empty(has_format).of_pattern()
    }

    /// An object, to be read at this version.
    fn listed(&self, meta: ObjectMeta) -> ListedFile {
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
        let opening = Opening::new(&name, open);
        ListedFile { opening, version: Some(version), size: Some(size) }
    }

    /// The object of exactly this name.
    async fn named(&self, name: &str) -> Result<ObjectMeta, ReadFault> {
        let path = Path::parse(name).map_err(|_| ReadFault::Missing)?;
        let error = match self.store.head(&path).await {
            Ok(meta) => return Ok(meta),
            Err(error) => error,
        };
        // An answer to HEAD has no body, which would say more.
        let found = self.fault(&error, Asked::Object);
        let more = match &found {
            ReadFault::Missing => {
                let listed = self.store.list(Some(&path)).next().await.and_then(Result::err);
                let said = listed.map(|error| self.fault(&error, Asked::List));
                let no_bucket = ReadFault::Server(ServerFault::BucketMissing);
                said.filter(|fault| *fault == no_bucket)
            }
            ReadFault::Server(fault) if fault.needs_a_code() => {
                let options = GetOptions::new().with_range(Some(0..1));
                let read = self.store.get_opts(&path, options).await.err();
                read.map(|error| self.fault(&error, Asked::Object))
            }
            _ => None,
        };
        Err(more.unwrap_or(found))
    }

    async fn matching(&self, pattern: &PathPattern) -> Result<Vec<ObjectMeta>, ReadFault> {
        let folder = pattern.folder();
        let none = ReadFault::NoMatch { skipped: false };
        let prefix = Path::parse(folder.trim_end_matches('/')).map_err(|_| none)?;
        let mut listed = self.store.list((!folder.is_empty()).then_some(&prefix));
        let (mut metas, mut seen) = (Vec::new(), 0_usize);
        while let Some(meta) = listed.next().await {
            let meta = meta.map_err(|error| self.fault(&error, Asked::List))?;
            seen += 1;
            if pattern.matches(meta.location.as_ref()) {
                metas.push(meta);
            }
            if metas.len() > MAX_FILES || seen > MAX_LISTED {
                return Err(ReadFault::TooMany { limit: MAX_FILES });
            }
        }
        Ok(metas)
    }

    /// Leaves out the markers of folders that file systems on top of Azure write: empty objects with
    /// the metadata `hdi_isfolder`.
    async fn without_azure_folders(
        &self,
        metas: Vec<ObjectMeta>,
    ) -> Result<Vec<ObjectMeta>, ReadFault> {
        if self.kind != Some(StoreKind::Azure) {
            return Ok(metas);
        }
        let mut kept = Vec::with_capacity(metas.len());
        for meta in metas {
            if meta.size > 0 || !self.is_azure_folder(&meta.location).await? {
                kept.push(meta);
            }
        }
        Ok(kept)
    }

    async fn is_azure_folder(&self, path: &Path) -> Result<bool, ReadFault> {
        let found = self.store.get_opts(path, GetOptions::new().with_head(true)).await;
        let found = found.map_err(|error| self.fault(&error, Asked::Object))?;
        let marker = found.attributes.get(&Attribute::Metadata("hdi_isfolder".into()));
        Ok(marker.is_some_and(|value| value.as_ref().eq_ignore_ascii_case("true")))
    }

    fn fault(&self, error: &Error, asked: Asked) -> ReadFault {
        match (error, fault_in(error, self.has_sent()), asked) {
            (_, fault @ ReadFault::Server(ServerFault::BucketMissing), _) => fault,
            (Error::NotFound { .. }, _, Asked::List) => {
                ReadFault::Server(ServerFault::BucketMissing)
            }
            (Error::NotFound { .. }, _, Asked::Object) => ReadFault::Missing,
            (Error::Precondition { .. } | Error::NotModified { .. }, _, _)
            | (_, ReadFault::Server(ServerFault::Refused(416, _)), _) => ReadFault::Changed,
            (_, ReadFault::Server(fault), Asked::List) => ReadFault::Server(fault.of_list()),
            (_, fault, _) => fault,
        }
    }

    pub(super) fn has_sent(&self) -> bool {
        self.guarded.as_ref().is_none_or(Guarded::has_sent)
    }

    /// The paths of all objects below a folder, in any order.
    pub(super) async fn paths(&self, folder: &Path) -> Result<Vec<Path>, ObjectFault> {
        let paths = self.store.list(Some(folder)).map_ok(|meta| meta.location);
        self.bounded(paths.try_collect()).await
    }

    /// The names of the folders directly in a folder, in any order.
    pub(super) async fn folders(&self, folder: &Path) -> Result<Vec<String>, ObjectFault> {
        let listed = self.bounded(self.store.list_with_delimiter(Some(folder))).await?;
        let named = |path: &Path| path.filename().map(str::to_owned);
        Ok(listed.common_prefixes.iter().filter_map(named).collect())
    }

    /// The names of the objects in the folder of a path, and of those below it, that sort after the path.
    pub(super) async fn names_after(&self, path: &Path) -> Result<Vec<String>, ObjectFault> {
        let mut folder: Vec<_> = path.parts().collect();
        folder.pop();
        let folder: Path = folder.into_iter().collect();
        let listed = self.store.list_with_offset(Some(&folder), path);
        let names = listed.map_ok(|meta| meta.location.filename().map(str::to_owned));
        let names: Vec<Option<String>> = self.bounded(names.try_collect()).await?;
        Ok(names.into_iter().flatten().collect())
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
        match self.bounded(read).await {
            Err(ObjectFault::Missing) => Ok(None),
            read => read?,
        }
    }

    /// When an object was stored; `None` when there is none.
    pub(super) async fn stored_at(&self, path: &Path) -> Result<Option<Timestamp>, ObjectFault> {
        match self.bounded(self.store.head(path)).await {
            Err(ObjectFault::Missing) => Ok(None),
            found => {
                let micros = found?.last_modified.timestamp_micros();
                Ok(Timestamp::from_microsecond(micros).ok())
            }
        }
    }

    /// Writes an object, durably once it returns, unless one at this path exists.
    pub(super) async fn create(&self, path: &Path, bytes: Bytes) -> Result<(), ObjectFault> {
        let only_new = PutOptions::from(PutMode::Create);
        self.bounded(self.store.put_opts(path, bytes.into(), only_new)).await.map(drop)
    }

    /// Deletes an object; one that does not exist counts as deleted.
    pub(super) async fn delete(&self, path: &Path) -> Result<(), ObjectFault> {
        match self.bounded(self.store.delete(path)).await {
            Err(ObjectFault::Missing) => Ok(()),
            deleted => deleted,
        }
    }

    pub(super) async fn bounded<T>(
        &self,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, ObjectFault> {
        match timeout(REQUEST_TIMEOUT, request).await {
            Ok(answer) => answer.map_err(|error| ObjectFault::of(&error, self.has_sent())),
            Err(_) => Err(ObjectFault::TimedOut),
        }
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
        let bytes = read.await.map_err(|error| match self.bucket.fault(&error, Asked::Object) {
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
