//! Objects of a bucket. Does network I/O.

use std::{ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, future::BoxFuture};
use object_store::{
    BackoffConfig, Error, GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, RetryConfig,
    aws::AmazonS3Builder, azure::MicrosoftAzureBuilder, gcp::GoogleCloudStorageBuilder, path::Path,
};
use tokio::runtime::Handle;

use super::{
    Found, RemoteFault, StoreKind, StoreOptions,
    blocks::{BlockReader, Blocks},
    connect::Guarded,
    listing::{MOST_FILES, MOST_LISTED, Opening},
    location::Wanted,
};
use crate::network::Reach;

/// One bucket.
pub(super) struct Bucket {
    store: Arc<dyn ObjectStore>,
    guarded: Guarded,
}

impl Bucket {
    pub(super) fn open(
        kind: StoreKind,
        bucket: &str,
        options: &StoreOptions,
    ) -> Result<Self, RemoteFault> {
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
                let mut builder = $builder.$named(bucket);
                for (name, value) in &options.settings {
                    // What the environment holds beside is another program's.
                    if let Ok(key) = name.to_ascii_lowercase().parse() {
                        builder = builder.with_config(key, value);
                    }
                }
                let built = builder.with_retry(retry).with_http_connector(guarded.clone()).build();
                // Something is wrong with the credentials: all else was checked before.
                Arc::new(built.map_err(|_| RemoteFault::Denied)?) as Arc<dyn ObjectStore>
            }};
        }
        let store = match kind {
            StoreKind::S3 => built!(AmazonS3Builder::new(), with_bucket_name),
            StoreKind::Gcs => built!(GoogleCloudStorageBuilder::new(), with_bucket_name),
            StoreKind::Azure => built!(MicrosoftAzureBuilder::new(), with_container_name),
        };
        Ok(Self { store, guarded })
    }

    /// What is wanted, by name.
    pub(super) async fn list(self, wanted: &Wanted) -> Result<Vec<Found>, RemoteFault> {
        let mut metas = if wanted.pattern.is_some() {
            self.matching(wanted).await?
        } else {
            let location = Path::parse(&wanted.text).map_err(|_| RemoteFault::Missing)?;
            vec![self.store.head(&location).await.map_err(|error| self.fault(&error))?]
        };
        metas.sort_by(|a, b| a.location.cmp(&b.location));
        let bucket = Arc::new(self);
        let found = metas.into_iter().map(|meta| {
            let name = meta.location.to_string();
            let etag = meta.e_tag.clone().unwrap_or_default();
            let version = format!("{etag} {} {}", meta.last_modified.timestamp_micros(), meta.size);
            let size = meta.size;
            let object = Arc::new(Object { bucket: bucket.clone(), meta });
            let runtime = Handle::current();
            let open = move || {
                let (runtime, blocks) = (runtime.clone(), object.clone());
                let reader = BlockReader { runtime, blocks, size, at: 0, present: Bytes::new() };
                Ok(Box::new(reader) as super::Reader)
            };
            Found { opening: Opening::new(&name, open), version: Some(version), size: Some(size) }
        });
        Ok(found.collect())
    }

    async fn matching(&self, wanted: &Wanted) -> Result<Vec<ObjectMeta>, RemoteFault> {
        let folder = wanted.folder();
        let prefix = Path::parse(folder.trim_end_matches('/')).map_err(|_| RemoteFault::NoMatch)?;
        let mut listed = self.store.list((!folder.is_empty()).then_some(&prefix));
        let (mut metas, mut seen) = (Vec::new(), 0_usize);
        while let Some(meta) = listed.next().await {
            let meta = meta.map_err(|error| self.fault(&error))?;
            seen += 1;
            if wanted.matches(meta.location.as_ref()) {
                metas.push(meta);
            }
            if metas.len() > MOST_FILES || seen > MOST_LISTED {
                return Err(RemoteFault::TooMany { limit: MOST_FILES });
            }
        }
        if metas.is_empty() { Err(RemoteFault::NoMatch) } else { Ok(metas) }
    }

    fn fault(&self, error: &Error) -> RemoteFault {
        match error {
            Error::NotFound { .. } => RemoteFault::Missing,
            Error::Precondition { .. } | Error::NotModified { .. } => RemoteFault::Changed,
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => RemoteFault::Denied,
            _ => self.guarded.fault(),
        }
    }
}

struct Object {
    bucket: Arc<Bucket>,
    meta: ObjectMeta,
}

impl Object {
    async fn read(&self, range: Range<u64>) -> Result<Bytes, RemoteFault> {
        let same = match &self.meta.e_tag {
            Some(etag) => GetOptions::new().with_if_match(Some(etag)),
            None => GetOptions::new().with_if_unmodified_since(Some(self.meta.last_modified)),
        };
        let options = same.with_range(Some(range));
        let read =
            async { self.bucket.store.get_opts(&self.meta.location, options).await?.bytes().await };
        let bytes = read.await.map_err(|error| match self.bucket.fault(&error) {
            // It was there when the run began.
            RemoteFault::Missing => RemoteFault::Changed,
            other => other,
        })?;
        Ok(bytes)
    }
}

impl Blocks for Object {
    fn block(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, RemoteFault>> {
        Box::pin(self.read(range))
    }
}
