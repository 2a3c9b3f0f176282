//! One rate permit per attempt, a last look at the leave, at whether the credential still stands
//! and, for writes, at the fence. Measures how long creates take. Waits on the tokio clock; no
//! other I/O.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::StatusCode;
use tokio::time::Instant;
use tower::{Service, ServiceExt as _};

use super::Calling;
use crate::{
    clinch::{
        account::Account,
        classify::retry_after,
        contract::Effect,
        gate::Shutter,
        wire::{Answer, Failure, Outgoing},
    },
    domain::{Clock, Fence},
};

/// The permit layer.
#[derive(Debug, Clone)]
pub struct RatePermit<S> {
    inner: S,
    account: Arc<Account>,
    fence: Fence,
    shutter: Shutter,
    clock: Clock,
}

impl<S> RatePermit<S> {
    pub(super) fn new(
        inner: S,
        account: Arc<Account>,
        fence: Fence,
        shutter: Shutter,
        clock: Clock,
    ) -> Self {
        Self { inner, account, fence, shutter, clock }
    }
}

impl<S> Service<Outgoing> for RatePermit<S>
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
        let (inner, account) = (self.inner.clone(), Arc::clone(&self.account));
        let (fence, shutter) = (self.fence.clone(), self.shutter.clone());
        let clock = self.clock.clone();
        Box::pin(async move {
            let permit = account
                .bucket()
                .acquire(outgoing.deadline)
                .await
                .map_err(|none| Failure::NoPermit { retry_after: none.retry_after })?;
            // After the wait, which may have been long: what was allowed may be no more.
            if outgoing.is_withdrawn() {
                return Err(Failure::Withdrawn);
            }
            if shutter.is_shut() && !outgoing.asked {
                return Err(Failure::Shut);
            }
            if outgoing.effect != Effect::Read && !fence.holds() {
                return Err(Failure::Fenced);
            }
            let (creates, sent) = (outgoing.effect == Effect::Create, Instant::now());
            let result = inner.oneshot(outgoing).await;
            if creates && result.is_ok() {
                account.create_took(sent.elapsed());
            }
            match &result {
                Ok(answer) if answer.status == StatusCode::UNAUTHORIZED => shutter.shut(),
                Ok(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS => {
                    permit.limited(retry_after(&answer.headers, clock.now()));
                }
                Ok(answer) if !answer.status.is_server_error() => permit.succeeded(),
                _ => {}
            }
            result
        })
    }
}
