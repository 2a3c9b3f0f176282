//! The HTTP client that distant sources are read with: checked addresses, no redirects, no proxy,
//! bounded answers. Does network I/O when used.

use std::{
    error::Error as _,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use http_body_util::{BodyExt, Limited};
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
        HttpResponseBody, HttpService,
    },
};

use super::RemoteFault;
use crate::network::{AddressRefused, CheckedResolver, Reach, SystemResolver, is_public};

const CONNECT: Duration = Duration::from_secs(10);
/// The longest pause within an answer.
pub(super) const READ: Duration = Duration::from_secs(30);
/// The largest answer of a store: a block, or a page of names.
const MOST_ANSWERED: usize = 32 << 20;

const USER_AGENT: &str = concat!("clinch-operator/", env!("CARGO_PKG_VERSION"));

/// A client within `reach`.
#[expect(clippy::disallowed_methods, reason = "this is the guarded client")]
pub(super) fn client(reach: Reach) -> Result<reqwest::Client, RemoteFault> {
    // One provider per process; when another part was first it installed the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .no_gzip()
        .referer(false)
        .connect_timeout(CONNECT)
        .read_timeout(READ)
        .dns_resolver(Arc::new(CheckedResolver::new(Arc::new(SystemResolver), reach)))
        .build()
        .map_err(|_| RemoteFault::Unreachable)
}

/// Sorts an error that came instead of an answer.
pub(super) fn sort(error: &reqwest::Error) -> RemoteFault {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.is::<AddressRefused>() {
            return RemoteFault::AddressRefused;
        }
        source = cause.source();
    }
    RemoteFault::Unreachable
}

/// Hands a store's client the guarded HTTP client, and remembers how the last request ended.
#[derive(Clone)]
pub(super) struct Guarded {
    http: reqwest::Client,
    reach: Reach,
    last_status: Arc<AtomicU16>,
}

/// In place of a status: the address was refused.
const REFUSED: u16 = 1;

impl Guarded {
    pub(super) fn new(reach: Reach) -> Result<Self, RemoteFault> {
        Ok(Self { http: client(reach)?, reach, last_status: Arc::default() })
    }

    /// What the latest answer says about a request that failed.
    pub(super) fn fault(&self) -> RemoteFault {
        match self.last_status.load(Ordering::Relaxed) {
            REFUSED => RemoteFault::AddressRefused,
            // Expired tokens are answered so by S3; nothing else that is asked is malformed.
            400 => RemoteFault::Denied,
            status @ 300.. => RemoteFault::of_status(status),
            _ => RemoteFault::Unreachable,
        }
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.last_status.store(0, Ordering::Relaxed);
        // An address in place of a name is not resolved, and so not checked there.
        let host = request.uri().host().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse();
        if self.reach == Reach::Public && literal.is_ok_and(|address| !is_public(address)) {
            self.last_status.store(REFUSED, Ordering::Relaxed);
            return Err(HttpError::new(HttpErrorKind::Request, AddressRefused));
        }
        let sent = self.http.call(request).await;
        match &sent {
            Ok(response) => self.last_status.store(response.status().as_u16(), Ordering::Relaxed),
            Err(error) if refused(error) => self.last_status.store(REFUSED, Ordering::Relaxed),
            Err(_) => {}
        }
        let (parts, body) = sent?.into_parts();
        let bounded = Limited::new(body, MOST_ANSWERED).map_err(|error| {
            match error.downcast::<HttpError>() {
                Ok(error) => *error,
                Err(_) => HttpError::new(HttpErrorKind::Decode, RemoteFault::NotAsAsked),
            }
        });
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(bounded)))
    }
}

fn refused(error: &HttpError) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.is::<AddressRefused>() {
            return true;
        }
        source = cause.source();
    }
    false
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
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}
