//! What passes between the layers: a request, its response, or why there is none. Pure.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use thiserror::Error;
use tokio::time::Instant;
use url::{Position, Url};

use super::{
    contract::{Contract, Effect, Op},
    error::Doubt,
    footing::{Footing, Tried},
};
use crate::{
    api::ApiVersion,
    domain::{Grant, GrantState},
    jsonapi,
    network::NoAnswer,
    signing::Signature,
};

/// The path of a request with placeholders instead of ids, and without its query. Written only where
/// somebody reads it.
#[derive(Clone)]
pub struct Route {
    pub(super) version: ApiVersion,
    pub(super) contract: Arc<Contract>,
    /// `None`: the API document.
    pub(super) op: Option<Op>,
}

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.version.prefix())?;
        self.op.map_or(Ok(()), |op| f.write_str(&self.contract.operation(op).path))
    }
}

/// A request before it is signed. Cheap to clone: each attempt gets a clone.
#[derive(Clone)]
pub struct Request {
    /// Operation name, for metrics and logs.
    pub operation: &'static str,
    /// Namespace and name of the export that it is for, if any; for logs.
    pub export: Option<Arc<str>>,
    /// Its path without ids, for traces.
    pub route: Option<Route>,
    /// Attempts of the same request before this one.
    pub attempt: u32,
    /// What the request does to Clinch.
    pub effect: Effect,
    /// The method.
    pub method: Method,
    /// The complete URL, exactly as sent: the signature covers path and query.
    pub url: Url,
    /// The JSON:API body.
    pub body: Option<Bytes>,
    /// Maximum response size in bytes, after decompression.
    pub max_response_bytes: usize,
    /// When the whole operation must end.
    pub deadline: Instant,
    /// A time limit for the operation that is shorter than the configured one.
    pub time_limit: Option<Duration>,
    /// Checked before each attempt: whether the caller may still use the account.
    pub grant: Option<Grant>,
    /// Checked before each attempt of a write: what it rests on.
    pub footing: Option<Footing>,
    /// Whether the response need not be JSON: it is not repeated for that.
    pub any_document: bool,
    /// Send even though the credential is known to be rejected: a deliberate check.
    pub force: bool,
    in_doubt: Arc<AtomicBool>,
}

impl Request {
    /// A request whose deadline is set by the outermost layer.
    pub fn new(operation: &'static str, effect: Effect, method: Method, url: Url) -> Self {
        let far = Instant::now() + Duration::from_secs(3600);
        Self {
            operation,
            export: None,
            route: None,
            attempt: 0,
            effect,
            method,
            url,
            body: None,
            max_response_bytes: 1024 * 1024,
            deadline: far,
            time_limit: None,
            grant: None,
            footing: None,
            any_document: false,
            force: false,
            in_doubt: Arc::default(),
        }
    }

    /// Whether the caller may use the account now.
    pub(super) fn granted(&self) -> GrantState {
        self.grant.as_ref().map_or(GrantState::Valid, Grant::state)
    }

    /// Whether the write must not be sent as it is. `waited`: it has waited because Clinch asked for that.
    pub(super) fn is_outdated(&self, waited: bool) -> bool {
        self.footing.as_ref().is_some_and(|footing| footing.is_lost(waited))
    }

    /// Its attempts before what it rests on was read again.
    pub(super) fn tried(&self) -> Option<Tried> {
        self.footing.as_ref()?.tried(self.operation)
    }

    /// Keeps its attempts for when what it rests on was read again, or forgets them.
    pub(super) fn keep_tried(&self, tried: Option<Tried>) {
        if let Some(footing) = &self.footing {
            footing.keep(tried);
        }
    }

    /// Path and query as sent.
    pub fn path_and_query(&self) -> &str {
        &self.url[Position::BeforePath..Position::AfterQuery]
    }

    /// Records that Clinch may have received the request, or that its outcome is known again.
    pub(super) fn set_in_doubt(&self, doubt: bool) {
        self.in_doubt.store(doubt, Ordering::Relaxed);
    }

    /// Whether Clinch may have received the request without a response.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.in_doubt.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request({} {})", self.method, self.operation)
    }
}

/// A request with its signature: what a transport sends.
#[derive(Debug, Clone)]
pub struct SignedRequest {
    /// The request.
    pub request: Request,
    /// Its `Date` and `Authorization`.
    pub signature: Signature,
}

impl SignedRequest {
    /// The headers to send. A transport adds those of the connection, such as `Host`.
    pub fn headers(&self) -> HeaderMap {
        let media_type = HeaderValue::from_static(jsonapi::MEDIA_TYPE);
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, media_type.clone());
        // What a cache in between kept proves nothing about who is there now; and it shall keep nobody.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
        headers.insert(header::DATE, self.signature.date.clone());
        headers.insert(header::AUTHORIZATION, self.signature.authorization.clone());
        if self.request.body.is_some() {
            headers.insert(header::CONTENT_TYPE, media_type);
        }
        headers
    }
}

/// A response of any status, with its complete body.
#[derive(Clone)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body. Personal data: never logged.
    pub body: Bytes,
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Response({}, {} bytes)", self.status.as_u16(), self.body.len())
    }
}

/// Why there is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CallError {
    /// The host resolves to an address that may not be used. Nothing was sent.
    #[error("address refused")]
    AddressRefused,
    /// No connection. Nothing was sent.
    #[error("no connection: the host {0}")]
    NoConnection(NoAnswer),
    /// No TLS session. Nothing was sent.
    #[error("no TLS session")]
    Tls,
    /// The attempt timed out after the request was sent.
    #[error("attempt timed out")]
    TimedOut,
    /// The connection was lost after the request was sent.
    #[error("connection cut")]
    Cut,
    /// The response exceeds [`Request::max_response_bytes`].
    #[error("response too large")]
    ResponseTooLarge,
    /// The rate bucket grants no permit before the deadline. Nothing was sent.
    #[error("no rate permit before the deadline")]
    NoPermit {
        /// Until the bucket may grant one.
        retry_after: Duration,
        /// Whether the rate limit is the reason.
        limited: bool,
    },
    /// The whole operation timed out; nothing is in doubt.
    #[error("operation timed out")]
    Deadline,
    /// This process may not write now. Nothing was sent.
    #[error("not permitted to write")]
    Fenced,
    /// The caller may no longer use the account. Nothing was sent.
    #[error("access revoked")]
    GrantRevoked,
    /// The caller may not use the account for a moment. Nothing of this attempt was sent.
    #[error("access paused")]
    GrantPaused,
    /// What the write rests on is outdated, or the person may not be written any more. Nothing of this
    /// attempt was sent.
    #[error("outdated")]
    Outdated,
    /// The credential was rejected while the request waited for its permit. Nothing was sent.
    #[error("credential rejected meanwhile")]
    CredentialRejected,
    /// It is unknown whether a create was carried out.
    #[error("outcome unknown")]
    InDoubt(Doubt),
}
