//! What an HTTP server answers. Asked for block by block where it can do that, else read as it
//! comes. Does network I/O.

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures::{TryStreamExt, future::BoxFuture};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use sha2::{Digest as _, Sha256};
use tokio::{runtime::Handle, time::timeout};
use url::Url;

use super::{
    Found, RemoteFault,
    blocks::{BlockReader, Blocks, StreamReader, Summed},
    connect::{self, READ},
    listing::Opening,
};
use crate::network::Reach;

/// How long a server may take to begin its answer.
const PATIENCE: Duration = READ;

/// One URL of a listed server, with the headers that a Secret gives.
#[derive(Clone)]
pub(super) struct Page {
    http: reqwest::Client,
    url: Url,
    headers: HeaderMap,
}

impl Page {
    pub(super) fn new(url: Url, headers: HeaderMap) -> Result<Self, RemoteFault> {
        // The origin is listed, or it would not have come so far.
        Ok(Self { http: connect::client(Reach::Any)?, url, headers })
    }

    /// Looks at what is there, without reading it.
    pub(super) async fn look(self) -> Result<Found, RemoteFault> {
        let head = self.ask(Method::HEAD, &[]).await?;
        let head = match head.status().as_u16() {
            200..=299 => head,
            // Not every server knows HEAD, and a signed URL is for one method only.
            400 | 403 | 404 | 405 | 501 => {
                let first = (header::RANGE, HeaderValue::from_static("bytes=0-0"));
                let found = self.ask(Method::GET, &[first]).await?;
                match found.status().as_u16() {
                    // Of an empty file there is no first byte.
                    200..=299 | 416 => found,
                    status => return Err(RemoteFault::of_status(status)),
                }
            }
            status => return Err(RemoteFault::of_status(status)),
        };
        let seen = Seen::of(&head);
        let name = self.url.path_segments().and_then(|mut all| all.next_back()).unwrap_or_default();
        let name = if name.is_empty() { self.url.host_str().unwrap_or_default() } else { name };
        let name = name.to_owned();
        let (version, size, runtime) = (seen.version(), seen.size, Handle::current());
        let first = Arc::<OnceLock<[u8; 32]>>::default();
        let open = move || match (&seen.etag, seen.size) {
            (Some(etag), Some(size)) if seen.ranges => {
                let part = Arc::new(Pinned { page: self.clone(), etag: etag.clone() });
                let runtime = runtime.clone();
                let reader =
                    BlockReader { runtime, blocks: part, size, at: 0, present: Bytes::new() };
                Ok(Box::new(reader) as super::Reader)
            }
            _ => runtime.block_on(self.whole(&seen)).map(|stream| {
                let runtime = runtime.clone();
                let inner = StreamReader { runtime, stream, present: Bytes::new() };
                Box::new(Summed { inner, hasher: Sha256::new(), first: first.clone() })
                    as super::Reader
            }),
        };
        Ok(Found { opening: Opening::new(&name, open), version, size })
    }

    async fn ask(
        &self,
        method: Method,
        more: &[(header::HeaderName, HeaderValue)],
    ) -> Result<reqwest::Response, RemoteFault> {
        let mut request = reqwest::Request::new(method, self.url.clone());
        *request.headers_mut() = self.headers.clone();
        for (name, value) in more {
            request.headers_mut().insert(name, value.clone());
        }
        match timeout(PATIENCE, self.http.execute(request)).await {
            Ok(answer) => answer.map_err(|error| connect::sort(&error)),
            Err(_) => Err(RemoteFault::Unreachable),
        }
    }

    /// The whole of it, as long as it is still what was seen.
    async fn whole(
        &self,
        seen: &Seen,
    ) -> Result<impl futures::Stream<Item = Result<Bytes, RemoteFault>> + Unpin + use<>, RemoteFault>
    {
        let answer = self.ask(Method::GET, &[]).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Err(RemoteFault::Changed),
            other => return Err(RemoteFault::of_status(other.as_u16())),
        }
        if Seen::of(&answer).version() != seen.version() {
            return Err(RemoteFault::Changed);
        }
        Ok(answer.bytes_stream().map_err(|error| connect::sort(&error)))
    }
}

/// What a server tells of a file.
struct Seen {
    /// A strong one.
    etag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
    size: Option<u64>,
    ranges: bool,
}

impl Seen {
    fn of(answer: &reqwest::Response) -> Self {
        let headers = answer.headers();
        let number = |name: header::HeaderName| -> Option<u64> {
            headers.get(name)?.to_str().ok()?.trim().parse().ok()
        };
        let partial = answer.status() == StatusCode::PARTIAL_CONTENT;
        let size = if partial {
            let range = headers.get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
            range.and_then(|range| range.rsplit_once('/')?.1.parse().ok())
        } else {
            number(header::CONTENT_LENGTH)
        };
        let etag = headers.get(header::ETAG).filter(|etag| etag.as_bytes().starts_with(b"\""));
        let accepts = headers.get(header::ACCEPT_RANGES).is_some_and(|unit| unit == "bytes");
        Self {
            etag: etag.cloned(),
            modified: headers.get(header::LAST_MODIFIED).cloned(),
            size,
            ranges: partial || accepts,
        }
    }

    fn version(&self) -> Option<String> {
        let told = self.etag.as_ref().or(self.modified.as_ref())?;
        Some(format!("{} {}", String::from_utf8_lossy(told.as_bytes()), self.size?))
    }
}

/// A page at one version.
struct Pinned {
    page: Page,
    etag: HeaderValue,
}

impl Pinned {
    async fn read(&self, range: Range<u64>) -> Result<Bytes, RemoteFault> {
        let wanted = range.end - range.start;
        let bytes = format!("bytes={}-{}", range.start, range.end - 1);
        let bytes = HeaderValue::try_from(bytes).map_err(|_| RemoteFault::NotAsAsked)?;
        let asked = [(header::RANGE, bytes), (header::IF_MATCH, self.etag.clone())];
        let mut answer = self.page.ask(Method::GET, &asked).await?;
        match answer.status() {
            StatusCode::PARTIAL_CONTENT => {}
            StatusCode::OK | StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(RemoteFault::Changed);
            }
            other => return Err(RemoteFault::of_status(other.as_u16())),
        }
        // Not every server heeds If-Match.
        if answer.headers().get(header::ETAG).is_some_and(|etag| *etag != self.etag) {
            return Err(RemoteFault::Changed);
        }
        let mut block = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| connect::sort(&error))? {
            block.extend_from_slice(&chunk);
            if block.len() as u64 > wanted {
                return Err(RemoteFault::NotAsAsked);
            }
        }
        Ok(block.freeze())
    }
}

/// How often a block is asked for again before the run gives up for now.
const ATTEMPTS: u32 = 4;

impl Blocks for Pinned {
    fn block(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, RemoteFault>> {
        Box::pin(async move {
            let mut attempt = 1;
            loop {
                match self.read(range.clone()).await {
                    Err(RemoteFault::Unreachable) if attempt < ATTEMPTS => {
                        tokio::time::sleep(Duration::from_millis(250 << attempt)).await;
                        attempt += 1;
                    }
                    done => return done,
                }
            }
        })
    }
}
