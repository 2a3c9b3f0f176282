//! A transport in memory: keeps every request, and answers it as a Clinch that knows nobody.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode};

use crate::clinch::{CallError, Request, Response, SignedRequest, Transport};

const NOBODY: &str = r#"{"data":[]}"#;
const WRITTEN: &str = r#"{"data":{"type":"candidate","id":"candidate-id","attributes":{}}}"#;

/// Keeps requests.
#[derive(Default)]
pub(super) struct Recorder(Mutex<Vec<Request>>);

impl Recorder {
    /// The requests made since the last call.
    pub(super) fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Transport for Recorder {
    fn send(&self, signed: SignedRequest) -> BoxFuture<'_, Result<Response, CallError>> {
        let (status, body) = match signed.request.method {
            Method::GET => (StatusCode::OK, NOBODY),
            Method::POST => (StatusCode::CREATED, WRITTEN),
            _ => (StatusCode::OK, WRITTEN),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(signed.request);
        let body = Bytes::from_static(body.as_bytes());
        Box::pin(async move { Ok(Response { status, headers: HeaderMap::new(), body }) })
    }
}
