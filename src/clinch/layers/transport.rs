//! The innermost service: one request over the network, one whole answer back. The only place of
//! the client that does network I/O. Follows no redirect, uses no proxy, reads no more than asked.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, header};
use thiserror::Error;
use tower::Service;

use super::{Calling, sign::Signed};
use crate::{
    clinch::{
        endpoint::Allowed,
        wire::{Answer, Failure},
    },
    jsonapi,
    network::{self, Reach, Resolver},
};

/// The HTTP client could not be set up: no trusted roots, or no TLS.
#[derive(Debug, Error)]
#[error("cannot set up the HTTP client; are there trusted root certificates on this machine?")]
pub struct SetUpTransport(#[source] reqwest::Error);

/// One connection pool to one endpoint.
#[derive(Debug, Clone)]
pub struct Transport {
    http: reqwest::Client,
}

impl Transport {
    /// A pool that resolves and checks names as `allowed` says.
    pub(in crate::clinch) fn new(
        resolver: Arc<dyn Resolver>,
        allowed: Allowed,
        connect: Duration,
    ) -> Result<Self, SetUpTransport> {
        let reach = match allowed {
            Allowed::Documented => Reach::Public,
            Allowed::Listed => Reach::Any,
        };
        network::guarded_client(resolver, reach, connect)
            .retry(reqwest::retry::never())
            .pool_idle_timeout(Duration::from_secs(30))
            .tcp_keepalive(Duration::from_secs(30))
            .build()
            .map(|http| Self { http })
            .map_err(SetUpTransport)
    }

    async fn send(self, signed: Signed) -> Result<Answer, Failure> {
        let Signed { outgoing, signature } = signed;
        let cap = outgoing.answer_cap;
        let mut request = reqwest::Request::new(outgoing.method, outgoing.url);
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static(jsonapi::MEDIA_TYPE));
        headers.insert(header::DATE, signature.date);
        headers.insert(header::AUTHORIZATION, signature.authorization);
        if let Some(body) = outgoing.body {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(jsonapi::MEDIA_TYPE));
            *request.body_mut() = Some(body.into());
        }
        let mut response = self.http.execute(request).await.map_err(|error| sort(&error))?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let body = read(&mut response, cap).await?;
        Ok(Answer { status, headers, body })
    }
}

/// Reads a body up to `cap` bytes, counted after decompression.
async fn read(response: &mut reqwest::Response, cap: usize) -> Result<Bytes, Failure> {
    let announced = response.content_length().unwrap_or(0);
    if announced > cap as u64 {
        return Err(Failure::AnswerTooLarge);
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| sort_body(&error))? {
        if body.len() + chunk.len() > cap {
            return Err(Failure::AnswerTooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn sort_body(error: &reqwest::Error) -> Failure {
    if error.is_timeout() { Failure::TimedOut } else { Failure::Cut }
}

/// Sorts an error by what it says about the request: sent or not. What cannot be told was sent.
fn sort(error: &reqwest::Error) -> Failure {
    match () {
        () if network::is_address_refused(error) => Failure::AddressRefused,
        () if error.is_connect() && network::causes(error).any(is_tls) => Failure::Tls,
        () if error.is_connect() || error.is_dns() || error.is_builder() => Failure::NoConnection,
        () if error.is_timeout() => Failure::TimedOut,
        () => Failure::Cut,
    }
}

/// Whether it is a TLS error. An I/O error hides the one it carries from `source`, also behind
/// another I/O error.
fn is_tls(cause: &(dyn std::error::Error + 'static)) -> bool {
    if cause.is::<rustls::Error>() {
        return true;
    }
    let mut inner = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    while let Some(error) = inner {
        if error.is::<rustls::Error>() {
            return true;
        }
        inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    }
    false
}

impl Service<Signed> for Transport {
    type Response = Answer;
    type Error = Failure;
    type Future = Calling;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, signed: Signed) -> Calling {
        Box::pin(self.clone().send(signed))
    }
}
