//! The guarded HTTP client as storage uses it: with timeouts, bounded answers, and as the connector
//! of an object store. Answers that say why a store does not do what it is asked become errors of
//! ours before the store's client, which would lose the reason, sees them. Does network I/O when used.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, StatusCode, Uri, response::Parts};
use http_body_util::{BodyExt, Limited};
use object_store::{
    ClientConfigKey, ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
        HttpResponseBody, HttpService,
    },
};

use super::{
    PathPattern, ReadFault,
    listing::{MAX_FILES, MAX_LISTED},
    page::{Unusable, without_unusable},
    server::{ServerFault, is_page},
};
use crate::network::{
    AddressRefused, OutboundProxy, Reach, SystemResolver, guarded_client, is_public,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest pause within an answer.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer of a store: a block, or a page of names.
const MAX_ANSWER: usize = 32 << 20;

/// The same for an answer to a request that takes long to send: a part of a file.
const SEND_TIMEOUT: Duration = Duration::from_secs(120);

/// A client within `reach`.
pub(super) fn client(reach: Reach, proxy: &OutboundProxy) -> Result<reqwest::Client, ReadFault> {
    client_that_waits(reach, proxy, READ_TIMEOUT)
}

fn client_that_waits(
    reach: Reach,
    proxy: &OutboundProxy,
    for_an_answer: Duration,
) -> Result<reqwest::Client, ReadFault> {
    guarded_client(Arc::new(SystemResolver), reach, CONNECT_TIMEOUT, proxy)
        .map_err(|_| ReadFault::Unreachable)?
        .no_gzip()
        .read_timeout(for_an_answer)
        .build()
        .map_err(|_| ReadFault::Unreachable)
}

/// What a list had besides objects that can be read.
#[derive(Debug, Clone, Default)]
pub(super) struct Unlisted {
    /// Markers of folders.
    pub(super) folders: usize,
    /// Odd names.
    pub(super) odd: usize,
    /// The first odd name that the pattern would select.
    pub(super) selected: Option<String>,
}

/// Connects a store's client through the guarded HTTP client. Clones share what they found.
#[derive(Clone)]
pub(super) struct Guarded {
    http: reqwest::Client,
    reach: Reach,
    /// Whether plain http may be used: as the store's own client would ask its options.
    plain_http: bool,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Whether any request was sent.
    sent: AtomicBool,
    /// What lists are read for; `None`: odd names do not matter.
    pattern: Option<PathPattern>,
    unlisted: Mutex<Unlisted>,
}

impl Guarded {
    /// `pattern`: what lists are read for.
    pub(super) fn new(
        reach: Reach,
        proxy: &OutboundProxy,
        pattern: Option<&PathPattern>,
    ) -> Result<Self, ReadFault> {
        let shared = Shared { pattern: pattern.cloned(), ..Shared::default() };
        let http = client(reach, proxy)?;
        Ok(Self { http, reach, plain_http: false, shared: Arc::new(shared) })
    }

    /// For files to write.
    pub(super) fn for_writing(reach: Reach, proxy: &OutboundProxy) -> Result<Self, ReadFault> {
        let http = client_that_waits(reach, proxy, SEND_TIMEOUT)?;
        Ok(Self { http, reach, plain_http: false, shared: Arc::default() })
    }

    /// Whether any request was sent.
    pub(super) fn has_sent(&self) -> bool {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// What the lists so far had besides objects.
    pub(super) fn unlisted(&self) -> Unlisted {
        self.shared.unlisted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let fault = |fault| HttpError::new(HttpErrorKind::Unknown, fault);
        let asked = Asked::of(request.method(), request.uri());
        if request.uri().scheme_str() == Some("http") && !self.plain_http {
            return Err(fault(ServerFault::PlainHttp));
        }
        // A literal address is not resolved, so the resolver cannot check it.
        let host = request.uri().host().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse();
        if self.reach == Reach::Public && literal.is_ok_and(|address| !is_public(address)) {
            return Err(HttpError::new(HttpErrorKind::Unknown, AddressRefused));
        }
        self.shared.sent.store(true, Ordering::Relaxed);
        let sent = self.http.call(request).await.map_err(|error| match asked {
            Asked::Identity => HttpError::new(error.kind(), ServerFault::NoIdentity),
            _ => error,
        });
        let (parts, body) = sent?.into_parts();
        let bounded =
            Limited::new(body, MAX_ANSWER).map_err(|error| match error.downcast::<HttpError>() {
                Ok(error) => *error,
                Err(_) => HttpError::new(HttpErrorKind::Decode, ReadFault::WrongBytes),
            });
        let body = HttpResponseBody::new(bounded);
        match (asked, parts.status.as_u16()) {
            (Asked::List, 200..=299) => self.listed(parts, body).await,
            // What the store's client has to see.
            (_, 200..=299 | 304 | 412) => Ok(HttpResponse::from_parts(parts, body)),
            _ => refused(asked, parts, body).await,
        }
    }

    /// A page of a list, without the names that the store's client cannot represent.
    async fn listed(
        &self,
        parts: Parts,
        body: HttpResponseBody,
    ) -> Result<HttpResponse, HttpError> {
        let page = body.collect().await?.to_bytes();
        if is_page(&parts.headers, &page) {
            let page = ServerFault::Page(parts.status.as_u16());
            return Err(HttpError::new(HttpErrorKind::Decode, page));
        }
        let mut unlisted = Unlisted::default();
        let kept = without_unusable(&page, |name, why| match why {
            Unusable::Folder => unlisted.folders += 1,
            Unusable::Odd => {
                unlisted.odd += 1;
                let selects = |pattern: &PathPattern| pattern.matches(name);
                if unlisted.selected.is_none() && self.shared.pattern.as_ref().is_some_and(selects)
                {
                    unlisted.selected = Some(name.to_owned());
                }
            }
        });
        let mut all = self.shared.unlisted.lock().unwrap_or_else(PoisonError::into_inner);
        all.folders += unlisted.folders;
        all.odd += unlisted.odd;
        all.selected = all.selected.take().or(unlisted.selected);
        if self.shared.pattern.is_some() && all.folders + all.odd > MAX_LISTED {
            let many = ReadFault::TooMany { limit: MAX_FILES };
            return Err(HttpError::new(HttpErrorKind::Unknown, many));
        }
        drop(all);
        let page = kept.map_or(page, Bytes::from);
        Ok(HttpResponse::from_parts(parts, page.into()))
    }
}

/// An answer other than success, as an error where it says more than its status.
async fn refused(
    asked: Asked,
    parts: Parts,
    body: HttpResponseBody,
) -> Result<HttpResponse, HttpError> {
    let body = match asked {
        Asked::Head => Bytes::new(),
        _ => body.collect().await?.to_bytes(),
    };
    let fault = match (ServerFault::of_answer(parts.status, &parts.headers, &body), asked) {
        (ServerFault::Denied(code) | ServerFault::Expired(code), Asked::Identity) => {
            ServerFault::IdentityRefused(code)
        }
        (ServerFault::Refused(..), Asked::Identity) => {
            ServerFault::IdentityRefused(super::server::Code::default())
        }
        (fault, _) => fault,
    };
    let means_more = !matches!(fault, ServerFault::Refused(..) | ServerFault::Page(_));
    match parts.status {
        // The store's client tells these apart by their status, unless a code says more.
        StatusCode::NOT_FOUND | StatusCode::CONFLICT if !means_more => {
            Ok(HttpResponse::from_parts(parts, body.into()))
        }
        status => {
            let again = ServerFault::is_worth_a_retry(status);
            // The store's client repeats requests of the first kind.
            let kind = if again { HttpErrorKind::Request } else { HttpErrorKind::Unknown };
            Err(HttpError::new(kind, fault))
        }
    }
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Credentials.
    Identity,
    /// A page of a list.
    List,
    /// An object's metadata: the answer has no body.
    Head,
    /// Anything else of the store.
    Object,
}

impl Asked {
    fn of(method: &Method, uri: &Uri) -> Self {
        let host = uri.host().unwrap_or_default();
        let identity = host.starts_with("169.254.")
            || host.starts_with("[fd00:ec2:")
            || host.starts_with("sts.")
            || host.starts_with("login.")
            || ["metadata.google.internal", "metadata", "oauth2.googleapis.com"].contains(&host);
        let query = uri.query().unwrap_or_default();
        let lists = |pair: &str| matches!(pair, "list-type=2" | "comp=list");
        match *method {
            _ if identity => Self::Identity,
            Method::GET if query.split('&').any(lists) => Self::List,
            Method::HEAD => Self::Head,
            _ => Self::Object,
        }
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guarded({:?})", self.reach)
    }
}

impl HttpService for Guarded {
    fn call<'s, 'f>(
        &'s self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(self.send(request))
    }
}

impl HttpConnector for Guarded {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let allowed = options.get_config_value(&ClientConfigKey::AllowHttp);
        let plain_http = allowed.is_some_and(|value| value == "true");
        Ok(HttpClient::new(Self { plain_http, ..self.clone() }))
    }
}
