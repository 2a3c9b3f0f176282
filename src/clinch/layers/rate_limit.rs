//! Takes one rate permit per attempt, then checks a last time whether the attempt may be sent: the
//! caller's access, the credential and, for writes, the fence. Measures how long creates take.
//! Waits on the tokio clock; no other I/O.

use std::sync::Arc;

use http::StatusCode;
use tokio::time::Instant;

use super::Call;
use crate::{
    clinch::{
        account::Account,
        circuit_breaker::RejectedFlag,
        classify::retry_after,
        contract::Effect,
        wire::{CallError, Request, Response},
    },
    domain::{Clock, Fence, GrantState},
};

/// The rate limit layer.
#[derive(Debug)]
pub struct RateLimit<S> {
    inner: S,
    account: Arc<Account>,
    fence: Fence,
    rejected: RejectedFlag,
    clock: Clock,
}

impl<S> RateLimit<S> {
    pub(super) fn new(
        inner: S,
        account: Arc<Account>,
        fence: Fence,
        rejected: RejectedFlag,
        clock: Clock,
    ) -> Self {
        Self { inner, account, fence, rejected, clock }
    }

    /// Checked after the wait for a permit, which may have been long.
    fn check(&self, request: &Request) -> Result<(), CallError> {
        match request.granted() {
            GrantState::Valid => {}
            GrantState::Paused => return Err(CallError::GrantPaused),
            GrantState::Revoked => return Err(CallError::GrantRevoked),
        }
        if self.rejected.is_set() && !request.force {
            return Err(CallError::CredentialRejected);
        }
        if request.effect != Effect::Read && !self.fence.holds() {
            return Err(CallError::Fenced);
        }
        Ok(())
    }
}

impl<S: Call<Request>> Call<Request> for RateLimit<S> {
    async fn call(&self, request: Request) -> Result<Response, CallError> {
        let bucket = self.account.bucket();
        let permit = bucket
            .acquire(request.deadline)
            .await
            .map_err(|none| CallError::NoPermit { retry_after: none.retry_after })?;
        self.check(&request)?;
        let (effect, sent) = (request.effect, Instant::now());
        let result = self.inner.call(request).await;
        if effect == Effect::Create && result.is_ok() {
            self.account.create_took(sent.elapsed());
        }
        match &result {
            Ok(response) if response.status == StatusCode::UNAUTHORIZED => self.rejected.set(),
            Ok(response) if response.status == StatusCode::TOO_MANY_REQUESTS => {
                let requested = retry_after(&response.headers, self.clock.now());
                self.account.limited().refused(effect, requested);
                permit.limited(requested);
            }
            Ok(response) if !response.status.is_server_error() => {
                self.account.limited().answered(effect);
                permit.succeeded();
            }
            _ => {}
        }
        result
    }
}
