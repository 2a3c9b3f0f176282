//! The HTTP client of the exporter: the guarded client of all other requests. Does network I/O.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};

use crate::network::{OutboundProxy, Reach, SystemResolver, guarded_client};

/// How long DNS, TCP and TLS may take.
const CONNECT: Duration = Duration::from_secs(5);
/// As much of an answer is read; more says nothing of interest.
const MAX_ANSWER: usize = 64 * 1024;

/// A client for the collector, which may have any address: the admin names it.
#[derive(Debug)]
pub(super) struct Http(reqwest::Client);

impl Http {
    /// A client whose requests take `timeout` at most.
    pub(super) fn new(timeout: Duration, proxy: &OutboundProxy) -> reqwest::Result<Self> {
        guarded_client(Arc::new(SystemResolver), Reach::Any, CONNECT, proxy)?
            .timeout(timeout)
            .build()
            .map(Self)
    }
}

#[async_trait]
impl HttpClient for Http {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut response = self.0.execute(request.try_into()?).await?;
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk[..chunk.len().min(MAX_ANSWER - body.len())]);
            if body.len() == MAX_ANSWER {
                break;
            }
        }
        let mut answer = Response::new(body.freeze());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        Ok(answer)
    }
}
