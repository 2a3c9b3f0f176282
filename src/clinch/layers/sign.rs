//! Signs each attempt with a date of its own. Pure but for the injected clock.

use std::task::{Context, Poll};

use tower::{Service, ServiceExt as _};

use crate::{
    clinch::wire::{Answer, Failure, Outgoing},
    domain::{Clock, Credentials},
    jsonapi,
    signing::{Signature, Unsigned, sign},
};

/// A request with its signature: what is sent.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The request.
    pub outgoing: Outgoing,
    /// Its `Date` and `Authorization`.
    pub signature: Signature,
}

/// The signing layer.
#[derive(Debug, Clone)]
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

impl<S> Service<Outgoing> for Sign<S>
where
    S: Service<Signed, Response = Answer, Error = Failure> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Answer;
    type Error = Failure;
    type Future = tower::util::Oneshot<S, Signed>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, outgoing: Outgoing) -> Self::Future {
        let request = Unsigned {
            method: outgoing.method.as_str(),
            path_and_query: outgoing.path_and_query(),
            content_type: outgoing.body.as_ref().map(|_| jsonapi::MEDIA_TYPE),
        };
        let signature = sign(&request, &self.credentials, self.clock.now());
        self.inner.clone().oneshot(Signed { outgoing, signature })
    }
}
