//! Limits the time of one attempt. Waits on the tokio clock; no other I/O.

use std::time::Duration;

use tokio::time::timeout;

use super::Call;
use crate::clinch::wire::{CallError, Request, Response};

/// The attempt timeout. From here on the outcome of a request is in doubt: Clinch may receive it.
#[derive(Debug)]
pub struct AttemptTimeout<S> {
    inner: S,
    within: Duration,
}

impl<S> AttemptTimeout<S> {
    pub(super) fn new(inner: S, within: Duration) -> Self {
        Self { inner, within }
    }
}

impl<S: Call<Request>> Call<Request> for AttemptTimeout<S> {
    async fn call(&self, request: Request) -> Result<Response, CallError> {
        request.set_in_doubt(true);
        let attempt = self.inner.call(request);
        timeout(self.within, attempt).await.unwrap_or(Err(CallError::TimedOut))
    }
}
