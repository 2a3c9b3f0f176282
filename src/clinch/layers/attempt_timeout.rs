//! Ends one attempt. Waits on the tokio clock; no other I/O.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::timeout;
use tower::{Service, ServiceExt as _};

use super::Calling;
use crate::clinch::wire::{Answer, Failure, Outgoing};

/// The attempt timeout. Also where a request becomes doubtful: from here on it may be on its way.
#[derive(Debug, Clone)]
pub struct AttemptTimeout<S> {
    inner: S,
    within: Duration,
}

impl<S> AttemptTimeout<S> {
    pub(super) fn new(inner: S, within: Duration) -> Self {
        Self { inner, within }
    }
}

impl<S> Service<Outgoing> for AttemptTimeout<S>
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

    fn call(&mut self, outgoing: Outgoing) -> Calling {
        let (inner, within) = (self.inner.clone(), self.within);
        Box::pin(async move {
            outgoing.set_in_doubt(true);
            timeout(within, inner.oneshot(outgoing)).await.unwrap_or(Err(Failure::TimedOut))
        })
    }
}
