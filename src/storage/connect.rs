//! The guarded HTTP client as storage uses it: with timeouts, bounded answers, and as the connector
//! of an object store. Does network I/O when used.

use std::{
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

use super::ReadFault;
use crate::network::{
    AddressRefused, Reach, SystemResolver, guarded_client, is_address_refused, is_public,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest pause within an answer.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer of a store: a block, or a page of names.
const MAX_ANSWER: usize = 32 << 20;

/// A client within `reach`.
pub(super) fn client(reach: Reach) -> Result<reqwest::Client, ReadFault> {
    guarded_client(Arc::new(SystemResolver), reach, CONNECT_TIMEOUT)
        .no_gzip()
        .read_timeout(READ_TIMEOUT)
        .build()
        .map_err(|_| ReadFault::Unreachable)
}

/// The fault behind a request without an answer.
pub(super) fn fault(error: &reqwest::Error) -> ReadFault {
    if is_address_refused(error) { ReadFault::AddressRefused } else { ReadFault::Unreachable }
}

/// Connects a store's client through the guarded HTTP client, and remembers how the last request
/// ended.
#[derive(Clone)]
pub(super) struct Guarded {
    http: reqwest::Client,
    reach: Reach,
    last_status: Arc<AtomicU16>,
}

/// Stored instead of a status when the address was refused.
const REFUSED: u16 = 1;

impl Guarded {
    pub(super) fn new(reach: Reach) -> Result<Self, ReadFault> {
        Ok(Self { http: client(reach)?, reach, last_status: Arc::default() })
    }

    /// The fault behind the latest request, which failed.
    pub(super) fn fault(&self) -> ReadFault {
        match self.last_status.load(Ordering::Relaxed) {
            REFUSED => ReadFault::AddressRefused,
            // S3 answers expired tokens with 400; no other request here is malformed.
            400 => ReadFault::Denied,
            status @ 300.. => ReadFault::of_status(status),
            _ => ReadFault::Unreachable,
        }
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.last_status.store(0, Ordering::Relaxed);
        // A literal address is not resolved, so the resolver cannot check it.
        let host = request.uri().host().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse();
        if self.reach == Reach::Public && literal.is_ok_and(|address| !is_public(address)) {
            self.last_status.store(REFUSED, Ordering::Relaxed);
            return Err(HttpError::new(HttpErrorKind::Request, AddressRefused));
        }
        let sent = self.http.call(request).await;
        match &sent {
            Ok(response) => self.last_status.store(response.status().as_u16(), Ordering::Relaxed),
            Err(error) if is_address_refused(error) => {
                self.last_status.store(REFUSED, Ordering::Relaxed);
            }
            Err(_) => {}
        }
        let (parts, body) = sent?.into_parts();
        let bounded =
            Limited::new(body, MAX_ANSWER).map_err(|error| match error.downcast::<HttpError>() {
                Ok(error) => *error,
                Err(_) => HttpError::new(HttpErrorKind::Decode, ReadFault::WrongBytes),
            });
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(bounded)))
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
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}
