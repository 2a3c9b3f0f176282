//! Ends an operation, whatever it is waiting for. Waits on the tokio clock; no other I/O.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, timeout_at};
use tower::{Service, ServiceExt as _};

use super::Calling;
use crate::clinch::{
    contract::Effect,
    error::Doubt,
    wire::{Answer, Failure, Outgoing},
};

/// Outermost layer: one deadline for all attempts, pauses and permits of an operation.
#[derive(Debug, Clone)]
pub struct Deadline<S> {
    inner: S,
    within: Duration,
}

impl<S> Deadline<S> {
    pub(super) fn new(inner: S, within: Duration) -> Self {
        Self { inner, within }
    }
}

impl<S> Service<Outgoing> for Deadline<S>
where
    S: Service<Outgoing, Response = Answer, Error = Failure> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Answer;
    type Error = Failure;
    type Future = Calling;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut outgoing: Outgoing) -> Calling {
        let within = outgoing.patience.map_or(self.within, |patience| patience.min(self.within));
        outgoing.deadline = Instant::now() + within;
        let (inner, seen) = (self.inner.clone(), outgoing.clone());
        Box::pin(async move {
            timeout_at(seen.deadline, inner.oneshot(outgoing)).await.unwrap_or_else(|_| {
                // Cut off in the middle of an attempt: what was being created may exist.
                let in_doubt = seen.effect == Effect::Create && seen.is_in_doubt();
                Err(if in_doubt { Failure::InDoubt(Doubt::Timeout) } else { Failure::Deadline })
            })
        })
    }
}
