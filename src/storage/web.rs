//! A file of an HTTP server: fetched block by block where the server supports ranges, otherwise read
//! as it arrives. Does network I/O.

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
    FileRead, FileVersion, ReadFault,
    blocks::{BlockReader, Blocks, Hashed, StreamReader},
    connect::{self, READ_TIMEOUT},
    listing::{ListedFile, Opening},
    server::ServerFault,
};
use crate::network::{NoAnswer, OutboundProxy, Reach};

/// How long a server may take to start its answer.
const REQUEST_TIMEOUT: Duration = READ_TIMEOUT;

/// One URL of an allowed server, with the headers of a Secret.
#[derive(Clone)]
pub(super) struct Page {
    http: reqwest::Client,
    url: Url,
    headers: HeaderMap,
}

impl Page {
    pub(super) fn new(
        url: Url,
        headers: HeaderMap,
        proxy: &OutboundProxy,
    ) -> Result<Self, ReadFault> {
        // The allow-list has been checked, and names the origin.
        Ok(Self::with(connect::client(Reach::Any, proxy)?, url, headers))
    }

    /// The same, with a client that was built before.
    pub(super) fn with(http: reqwest::Client, url: Url, headers: HeaderMap) -> Self {
        Self { http, url, headers }
    }

    /// The whole file, unless it has the version that is known. Of a larger file no more than `max_bytes`
    /// are read.
    pub(super) async fn read(
        &self,
        max_bytes: usize,
        known: Option<&FileVersion>,
    ) -> Result<FileRead, ReadFault> {
        let condition = known.and_then(|known| HeaderValue::from_str(known.as_str()).ok());
        let condition = condition.map(|version| (header::IF_NONE_MATCH, version));
        let mut answer = self.request(Method::GET, condition.as_slice()).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if condition.is_some() => return Ok(FileRead::Unchanged),
            other => return Err(ReadFault::of_status(other.as_u16())),
        }
        if is_web_page(answer.headers()) {
            return Err(ReadFault::WebPage);
        }
        let etag = answer.headers().get(header::ETAG).and_then(|etag| etag.to_str().ok());
        let version = etag.and_then(FileVersion::of);
        // Not every server honours the condition.
        if known.is_some() && version.as_ref() == known {
            return Ok(FileRead::Unchanged);
        }
        // What the server states saves reading, and is not believed otherwise.
        if Metadata::of(&answer).size.is_some_and(|size| size > max_bytes as u64) {
            return Ok(FileRead::TooLarge(version));
        }
        let mut whole = BytesMut::new();
        while let Some(chunk) =
            answer.chunk().await.map_err(|error| ReadFault::no_answer(&error))?
        {
            if whole.len() + chunk.len() > max_bytes {
                return Ok(FileRead::TooLarge(version));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(FileRead::Whole(whole.freeze(), version))
    }

    /// Requests version and size, without reading the file.
    pub(super) async fn look(self) -> Result<ListedFile, ReadFault> {
        let head = self.request(Method::HEAD, &[]).await?;
        let head = match head.status().as_u16() {
            200..=299 if !is_web_page(head.headers()) => head,
            // A server may know better what it sends than what it would send.
            200..=299 |
            // Not every server supports HEAD, and a signed URL is valid for one method only.
            400 | 403 | 404 | 405 | 501 => {
                let first = (header::RANGE, HeaderValue::from_static("bytes=0-0"));
                let found = self.request(Method::GET, &[first]).await?;
                match found.status().as_u16() {
                    // An empty file has no first byte.
                    200..=299 if is_web_page(found.headers()) => return Err(ReadFault::WebPage),
                    200..=299 | 416 => found,
                    status => return Err(ReadFault::of_status(status)),
                }
            }
            status => return Err(ReadFault::of_status(status)),
        };
        let seen = Metadata::of(&head);
        let name = self.url.path_segments().and_then(|mut all| all.next_back()).unwrap_or_default();
        let name = if name.is_empty() { self.url.host_str().unwrap_or_default() } else { name };
        let name = name.to_owned();
        let charset = seen.charset.as_deref().map(Arc::from);
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
                Box::new(Hashed { inner, hasher: Sha256::new(), first: first.clone() })
                    as super::Reader
            }),
        };
        let opening = Opening::new(&name, open).with_charset(charset);
        Ok(ListedFile { opening, version, size })
    }

    async fn request(
        &self,
        method: Method,
        headers: &[(header::HeaderName, HeaderValue)],
    ) -> Result<reqwest::Response, ReadFault> {
        let mut request = reqwest::Request::new(method, self.url.clone());
        *request.headers_mut() = self.headers.clone();
        for (name, value) in headers {
            request.headers_mut().insert(name, value.clone());
        }
        match timeout(REQUEST_TIMEOUT, self.http.execute(request)).await {
            Ok(answer) => answer.map_err(|error| ReadFault::no_answer(&error)),
            Err(_) => Err(ReadFault::Server(ServerFault::NoAnswer(NoAnswer::TimedOut))),
        }
    }

    /// The whole file, unless it has changed.
    async fn whole(
        &self,
        seen: &Metadata,
    ) -> Result<impl futures::Stream<Item = Result<Bytes, ReadFault>> + Unpin + use<>, ReadFault>
    {
        let answer = self.request(Method::GET, &[]).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Err(ReadFault::Changed),
            other => return Err(ReadFault::of_status(other.as_u16())),
        }
        if is_web_page(answer.headers()) {
            return Err(ReadFault::WebPage);
        }
        if Metadata::of(&answer).version() != seen.version() {
            return Err(ReadFault::Changed);
        }
        Ok(answer.bytes_stream().map_err(|error| ReadFault::no_answer(&error)))
    }
}

/// What a server reports about a file.
struct Metadata {
    /// Strong ones only.
    etag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
    size: Option<u64>,
    ranges: bool,
    /// The character set of its Content-Type.
    charset: Option<String>,
}

/// The media type and the parameters of a Content-Type.
fn content_type(headers: &HeaderMap) -> Option<(&str, &str)> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (kind, parameters) = value.split_once(';').unwrap_or((value, ""));
    Some((kind.trim(), parameters))
}

fn is_web_page(headers: &HeaderMap) -> bool {
    content_type(headers).is_some_and(|(kind, _)| {
        ["text/html", "application/xhtml+xml"].iter().any(|page| kind.eq_ignore_ascii_case(page))
    })
}

fn charset(headers: &HeaderMap) -> Option<String> {
    let (_, parameters) = content_type(headers)?;
    let named = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
    let mut charsets = named.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    charsets.next().map(|(_, value)| value.trim().trim_matches(['"', '\'']).to_owned())
}

impl Metadata {
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
            charset: charset(headers),
        }
    }

    fn version(&self) -> Option<String> {
        let version = self.etag.as_ref().or(self.modified.as_ref())?;
        Some(format!("{} {}", String::from_utf8_lossy(version.as_bytes()), self.size?))
    }
}

/// A page at one version.
struct Pinned {
    page: Page,
    etag: HeaderValue,
}

impl Pinned {
    async fn read(&self, range: Range<u64>) -> Result<Bytes, ReadFault> {
        let length = range.end - range.start;
        let bytes = format!("bytes={}-{}", range.start, range.end - 1);
        let bytes = HeaderValue::try_from(bytes).map_err(|_| ReadFault::WrongBytes)?;
        let headers = [(header::RANGE, bytes), (header::IF_MATCH, self.etag.clone())];
        let mut answer = self.page.request(Method::GET, &headers).await?;
        match answer.status() {
            StatusCode::PARTIAL_CONTENT => {}
            StatusCode::OK | StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(ReadFault::Changed);
            }
            other => return Err(ReadFault::of_status(other.as_u16())),
        }
        // Not every server honours If-Match.
        if answer.headers().get(header::ETAG).is_some_and(|etag| *etag != self.etag) {
            return Err(ReadFault::Changed);
        }
        let mut block = BytesMut::new();
        while let Some(chunk) =
            answer.chunk().await.map_err(|error| ReadFault::no_answer(&error))?
        {
            block.extend_from_slice(&chunk);
            if block.len() as u64 > length {
                return Err(ReadFault::WrongBytes);
            }
        }
        Ok(block.freeze())
    }
}

/// Attempts for each block before the run gives up for now.
const ATTEMPTS: u32 = 4;

impl Blocks for Pinned {
    fn block(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ReadFault>> {
        Box::pin(async move {
            let mut attempt = 1;
            loop {
                match self.read(range.clone()).await {
                    Err(ReadFault::Server(fault)) if fault.is_transient() && attempt < ATTEMPTS => {
                        tokio::time::sleep(Duration::from_millis(250 << attempt)).await;
                        attempt += 1;
                    }
                    done => return done,
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_type_and_charset_are_read_in_any_spelling() {
        let of = |value: &str| {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]);
            (is_web_page(&headers), charset(&headers))
        };
        let named = |name: &str| Some(name.to_owned());
        assert_eq!(of("Text/HTML; charset=UTF-8"), (true, named("UTF-8")));
        assert_eq!(of("application/xhtml+xml"), (true, None));
        assert_eq!(
            of("text/csv; header=present; Charset=\"iso-8859-1\""),
            (false, named("iso-8859-1"))
        );
        assert_eq!(of("text/csv;charset=windows-1252 "), (false, named("windows-1252")));
        assert_eq!(of("text/csv"), (false, None));
        assert_eq!(of(""), (false, None));
    }
}
