//! Writes one object: a small one with one request, a larger one in parts that appear as an object
//! only when all of them are there. Does network I/O.

use std::{fmt, time::Duration};

use bytes::Bytes;
use object_store::{
    Attribute, Attributes, Error, MultipartUpload, ObjectMeta, ObjectStoreExt, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, path::Path,
};
use tokio::{runtime::Handle, task::JoinSet, time::timeout};

use super::{Bucket, WriteFault};

/// The size of a part, and of the largest object that is written with one request.
pub(super) const PART_BYTES: usize = 8 << 20;
/// The most parts that are sent at a time.
const IN_FLIGHT: usize = 4;
/// The most parts that stores accept.
const MAX_PARTS: u64 = 10_000;
/// Bounds one request, including the client's own retries: a part over a slow line, or a store that puts
/// many parts together.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(300);
/// Bounds the request that ends an upload that is given up.
const ABORT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long parts that are on their way may take before such an upload is ended.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);

/// An object that is being written. Dropping it gives the upload up.
pub(super) struct Upload {
    bucket: Bucket,
    path: Path,
    /// What was written and is not sent yet: at most one part.
    pending: Vec<u8>,
    parts: Option<Parts>,
    runtime: Handle,
}

/// A multipart upload.
struct Parts {
    upload: Box<dyn MultipartUpload>,
    in_flight: JoinSet<Result<(), WriteFault>>,
    count: u64,
}

impl Upload {
    pub(super) fn new(bucket: Bucket, path: Path) -> Self {
        Self { bucket, path, pending: Vec::new(), parts: None, runtime: Handle::current() }
    }

    /// Takes the next bytes. Sends a part when it is known that more follows.
    pub(super) async fn write(&mut self, mut bytes: &[u8]) -> Result<(), WriteFault> {
        while !bytes.is_empty() {
            if self.pending.len() == PART_BYTES {
                self.send_part().await?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(PART_BYTES - self.pending.len()));
            self.pending.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Puts the object in place; its version. `sha256`: of all its bytes.
    pub(super) async fn finish(mut self, sha256: &str) -> Result<String, WriteFault> {
        let in_parts = self.parts.is_some();
        let put = match self.put(sha256).await {
            Ok(put) => put,
            Err(fault) => {
                self.abort().await;
                return Err(fault);
            }
        };
        // Some stores have another ETag for an object in parts than the one that they answer.
        let seen = if in_parts { self.bucket.seen(&self.path).await.ok().flatten() } else { None };
        match (seen, put.e_tag.as_deref()) {
            (Some((version, _)), _) => Ok(version),
            (None, Some(etag)) => Ok(plain_etag(etag).to_owned()),
            (None, None) => Ok(version(&self.bucket.meta(&self.path).await?)),
        }
    }

    async fn put(&mut self, sha256: &str) -> Result<PutResult, WriteFault> {
        if self.parts.is_some() {
            if !self.pending.is_empty() {
                self.send_part().await?;
            }
            self.complete().await
        } else {
            let payload = PutPayload::from(std::mem::take(&mut self.pending));
            let attributes = attributes(&self.path, Some(sha256));
            let options = PutOptions { attributes, ..PutOptions::default() };
            let put = self.bucket.store.put_opts(&self.path, payload, options);
            bounded(&self.bucket, put).await
        }
    }

    /// Gives the upload up: nothing of it stays in the store.
    pub(super) async fn abort(mut self) {
        if let Some(parts) = self.parts.take() {
            parts.abort(&self.bucket, &self.path).await;
        }
    }

    /// Sends what is pending, once fewer than the most parts are on their way.
    async fn send_part(&mut self) -> Result<(), WriteFault> {
        if self.parts.is_none() {
            let attributes = attributes(&self.path, None);
            let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
            let upload = self.bucket.store.put_multipart_opts(&self.path, options);
            let upload = bounded(&self.bucket, upload).await?;
            self.parts = Some(Parts { upload, in_flight: JoinSet::new(), count: 0 });
        }
        let Some(parts) = &mut self.parts else { return Err(WriteFault::Interrupted) };
        while parts.in_flight.len() >= IN_FLIGHT {
            parts.one_sent().await?;
        }
        if parts.count == MAX_PARTS {
            return Err(WriteFault::TooLarge { limit: MAX_PARTS * PART_BYTES as u64 });
        }
        parts.count += 1;
        let part = Bytes::from(std::mem::take(&mut self.pending));
        let (sent, bucket) = (parts.upload.put_part(part.into()), self.bucket.clone());
        parts.in_flight.spawn(async move { bounded(&bucket, sent).await });
        Ok(())
    }

    async fn complete(&mut self) -> Result<PutResult, WriteFault> {
        let Some(parts) = &mut self.parts else { return Err(WriteFault::Interrupted) };
        while !parts.in_flight.is_empty() {
            parts.one_sent().await?;
        }
        let put = bounded(&self.bucket, parts.upload.complete()).await?;
        self.parts = None;
        Ok(put)
    }
}

impl Parts {
    /// Waits until one of the parts has arrived.
    async fn one_sent(&mut self) -> Result<(), WriteFault> {
        match self.in_flight.join_next().await {
            Some(Ok(sent)) => sent,
            Some(Err(_)) => Err(WriteFault::Interrupted),
            None => Ok(()),
        }
    }

    /// Ends the upload once the parts that are on their way have arrived. A store may still be receiving a
    /// part whose request is cut off, and keep it.
    async fn abort(mut self, bucket: &Bucket, path: &Path) {
        let settled = async { while self.in_flight.join_next().await.is_some() {} };
        if timeout(SETTLE_TIMEOUT, settled).await.is_err() {
            self.in_flight.shutdown().await;
        }
        let failed = match timeout(ABORT_TIMEOUT, self.upload.abort()).await {
            Ok(Ok(()) | Err(Error::NotFound { .. })) => return,
            Ok(Err(error)) => WriteFault::of_store(&error, bucket.has_sent()),
            Err(_) => WriteFault::TimedOut(ABORT_TIMEOUT),
        };
        tracing::warn!(
            bucket = ?bucket, object = %path, fault = %failed,
            "parts of an upload that was given up stay in the store until a rule of the store removes them"
        );
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            let (bucket, path) = (self.bucket.clone(), self.path.clone());
            self.runtime.spawn(async move { parts.abort(&bucket, &path).await });
        }
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("path", &self.path)
            .field("pending", &self.pending.len())
            .finish_non_exhaustive()
    }
}

impl Bucket {
    /// The metadata of an object.
    async fn meta(&self, path: &Path) -> Result<ObjectMeta, WriteFault> {
        bounded(self, self.store.head(path)).await
    }

    /// Version and size of an object; `None` if there is none, or if the credentials may perhaps write and
    /// not read: the answer to this request has no body that would say more. A write will show it.
    pub(super) async fn seen(&self, path: &Path) -> Result<Option<(String, u64)>, WriteFault> {
        match timeout(REQUEST_TIMEOUT, self.store.head(path)).await {
            Ok(Ok(meta)) => Ok(Some((version(&meta), meta.size))),
            Ok(Err(Error::NotFound { .. })) => Ok(None),
            Ok(Err(error)) => match WriteFault::of_store(&error, self.has_sent()) {
                WriteFault::Server(fault) if fault.may_concern_reading() => Ok(None),
                fault => Err(fault),
            },
            Err(_) => Err(WriteFault::TimedOut(REQUEST_TIMEOUT)),
        }
    }
}

async fn bounded<T>(
    bucket: &Bucket,
    request: impl Future<Output = Result<T, Error>>,
) -> Result<T, WriteFault> {
    match timeout(REQUEST_TIMEOUT, request).await {
        Ok(answer) => answer.map_err(|error| WriteFault::of_store(&error, bucket.has_sent())),
        Err(_) => Err(WriteFault::TimedOut(REQUEST_TIMEOUT)),
    }
}

/// The version of an object: its ETag, where the store has one.
fn version(meta: &ObjectMeta) -> String {
    match meta.e_tag.as_deref() {
        Some(etag) => plain_etag(etag).to_owned(),
        None => format!("{} {}", meta.last_modified.timestamp_micros(), meta.size),
    }
}

/// An ETag without what the answers of one store may differ in.
fn plain_etag(etag: &str) -> &str {
    etag.trim().trim_start_matches("W/").trim_matches('"')
}

/// What the store keeps with an object: the type that its name tells, and the checksum if it is known before
/// the first byte is sent.
fn attributes(path: &Path, sha256: Option<&str>) -> Attributes {
    let name = path.filename().unwrap_or_default().to_ascii_lowercase();
    let types = [
        (".csv", "text/csv; charset=utf-8"),
        (".ndjson", "application/x-ndjson"),
        (".jsonl", "application/x-ndjson"),
        (".pdf", "application/pdf"),
        (".gz", "application/gzip"),
    ];
    let media = types.iter().find(|(suffix, _)| name.ends_with(suffix));
    let media = media.map_or("application/octet-stream", |(_, media)| media);
    let mut attributes = Attributes::from_iter([(Attribute::ContentType, media)]);
    if let Some(sha256) = sha256 {
        attributes.insert(Attribute::Metadata("sha256".into()), sha256.to_owned().into());
    }
    attributes
}
