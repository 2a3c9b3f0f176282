//! Limits the time of a whole operation. Waits on the tokio clock; no other I/O.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::Call;
use crate::clinch::{
    contract::Effect,
    error::Doubt,
    wire::{CallError, Request, Response},
};

/// The outermost layer: one deadline for all attempts, pauses and permits of an operation.
#[derive(Debug)]
pub struct Deadline<S> {
    inner: S,
    within: Duration,
}

impl<S> Deadline<S> {
    pub(super) fn new(inner: S, within: Duration) -> Self {
        Self { inner, within }
    }
}

impl<S: Call<Request>> Call<Request> for Deadline<S> {
    async fn call(&self, mut request: Request) -> Result<Response, CallError> {
        let within = request.time_limit.map_or(self.within, |limit| limit.min(self.within));
        let deadline = Instant::now() + within;
        // Also if what it rests on was read again in between.
        request.deadline = request.tried().map_or(deadline, |tried| tried.deadline);
        let sent = request.clone();
        timeout_at(sent.deadline, self.inner.call(request)).await.unwrap_or_else(|_| {
            // Cut off in the middle of an attempt: the create may have been carried out.
            let in_doubt = sent.effect == Effect::Create && sent.is_in_doubt();
            Err(if in_doubt { CallError::InDoubt(Doubt::Timeout) } else { CallError::Deadline })
        })
    }
}
