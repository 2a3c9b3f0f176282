//! Signs each attempt with its own date. Pure except for the injected clock.

use super::Call;
use crate::{
    clinch::wire::{CallError, Request, Response, SignedRequest},
    domain::{Clock, Credentials},
    jsonapi,
    signing::{Unsigned, sign},
};

/// The signing layer.
#[derive(Debug)]
pub struct Sign<S> {
    inner: S,
    credentials: Credentials,
    clock: Clock,
}

impl<S> Sign<S> {
    pub(super) fn new(inner: S, credentials: Credentials, clock: Clock) -> Self {
        Self { inner, credentials, clock }
    }
}

impl<S: Call<SignedRequest>> Call<Request> for Sign<S> {
    async fn call(&self, request: Request) -> Result<Response, CallError> {
        let unsigned = Unsigned {
            method: request.method.as_str(),
            path_and_query: request.path_and_query(),
            content_type: request.body.as_ref().map(|_| jsonapi::MEDIA_TYPE),
        };
        let signature = sign(&unsigned, &self.credentials, self.clock.now());
        self.inner.call(SignedRequest { request, signature }).await
    }
}
