//! The innermost layer: sends one signed request and reads the complete response.
//! [`HttpTransport`] is the only place of the client that does network I/O. It follows no redirect,
//! uses no proxy but the admin's, and reads at most as many bytes as the request allows.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use thiserror::Error;

use super::Call;
use crate::{
    clinch::{
        contract::Effect,
        endpoint::Allowed,
        wire::{CallError, Response, SignedRequest},
    },
    network::{self, NoAnswer, OutboundProxy, Reach, Resolver},
};

/// Sends requests: over HTTP, or in memory for tests and dry runs.
pub trait Transport: Send + Sync {
    /// Sends one request and reads its response.
    fn send(&self, request: SignedRequest) -> BoxFuture<'_, Result<Response, CallError>>;
}

/// A transport as a layer. An `impl Call for Arc<dyn Transport>` would be "not general enough" for
/// async callers: the compiler looks for it for every lifetime of the trait object.
pub struct Innermost(pub(super) Arc<dyn Transport>);

impl Call<SignedRequest> for Innermost {
    async fn call(&self, request: SignedRequest) -> Result<Response, CallError> {
        self.0.send(request).await
    }
}

/// The HTTP client could not be set up: no trusted roots, or no TLS.
#[derive(Debug, Error)]
#[error("cannot set up the HTTP client; are there trusted root certificates on this machine?")]
pub struct TransportSetupError(#[source] reqwest::Error);

/// A connection pool to one endpoint.
#[derive(Debug)]
pub struct HttpTransport {
    http: reqwest::Client,
    has_proxy: bool,
}

impl HttpTransport {
    /// A pool that resolves and checks names as `allowed` requires.
    pub(in crate::clinch) fn new(
        resolver: Arc<dyn Resolver>,
        allowed: Allowed,
        connect: Duration,
        proxy: &OutboundProxy,
    ) -> Result<Self, TransportSetupError> {
        let reach = match allowed {
            Allowed::Documented => Reach::Public,
            Allowed::Listed => Reach::Any,
        };
        network::guarded_client(resolver, reach, connect, proxy)
            .map_err(TransportSetupError)?
            .retry(reqwest::retry::never())
            .pool_idle_timeout(Duration::from_secs(30))
            .tcp_keepalive(Duration::from_secs(30))
            .build()
            .map(|http| Self { http, has_proxy: proxy.is_set() })
            .map_err(TransportSetupError)
    }

    async fn exchange(&self, signed: SignedRequest) -> Result<Response, CallError> {
        let headers = signed.headers();
        let cap = signed.request.max_response_bytes;
        // Within a tunnel there is no proxy's answer. Whatever answers it, a create is never taken for not sent.
        let by_proxy = self.has_proxy
            && signed.request.url.scheme() == "http"
            && signed.request.effect != Effect::Create;
        let mut request = reqwest::Request::new(signed.request.method, signed.request.url);
        *request.headers_mut() = headers;
        *request.body_mut() = signed.request.body.map(Into::into);
        let mut response = self.http.execute(request).await.map_err(|error| classify(&error))?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        // The proxy's answer, not the host's.
        if by_proxy && status == http::StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return Err(CallError::NoConnection(NoAnswer::ProxyCredentials));
        }
        let body = read_body(&mut response, cap).await?;
        Ok(Response { status, headers, body })
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: SignedRequest) -> BoxFuture<'_, Result<Response, CallError>> {
        Box::pin(self.exchange(request))
    }
}

/// Reads a body of at most `cap` bytes, counted after decompression.
async fn read_body(response: &mut reqwest::Response, cap: usize) -> Result<Bytes, CallError> {
    let announced = response.content_length().unwrap_or(0);
    if announced > cap as u64 {
        return Err(CallError::ResponseTooLarge);
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| classify_body(&error))? {
        if body.len() + chunk.len() > cap {
            return Err(CallError::ResponseTooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn classify_body(error: &reqwest::Error) -> CallError {
    if error.is_timeout() { CallError::TimedOut } else { CallError::Cut }
}

/// Classifies an error by whether the request was sent. When unsure, it was.
fn classify(error: &reqwest::Error) -> CallError {
    let why = NoAnswer::of(error);
    match () {
        () if why == NoAnswer::AddressRefused => CallError::AddressRefused,
        () if error.is_connect() && network::tls_error(error).is_some() => CallError::Tls,
        () if error.is_connect() || error.is_dns() || error.is_builder() => {
            CallError::NoConnection(why)
        }
        () if error.is_timeout() => CallError::TimedOut,
        () => CallError::Cut,
    }
}
