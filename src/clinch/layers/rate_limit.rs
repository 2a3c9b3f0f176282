//! Takes one rate permit per attempt, then checks a last time whether the attempt may be sent: the
//! caller's access, the credential and, for writes, the fence. A 401 holds up other requests until it is
//! known whether it concerns the credential. Measures how long creates take.
//! Waits on the tokio clock; no other I/O.

use std::sync::Arc;

use http::StatusCode;
use tokio::time::Instant;

use super::{Call, given_up, observe::Observer};
use crate::{
    clinch::{
        account::Account,
        bucket::{NoPermit, Permit},
        circuit_breaker::{CredentialStanding, Standing},
        classify::{postpones, retry_after},
        contract::Effect,
        wire::{CallError, Request, Response},
    },
    domain::{Clock, Fence, GrantState},
};

/// The rate limit layer.
pub struct RateLimit<S> {
    inner: S,
    account: Arc<Account>,
    fence: Fence,
    standing: CredentialStanding,
    clock: Clock,
    observer: Arc<dyn Observer>,
    integration: Arc<str>,
}

impl<S> std::fmt::Debug for RateLimit<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RateLimit({})", self.integration)
    }
}

impl<S> RateLimit<S> {
    pub(super) fn new(
        inner: S,
        account: Arc<Account>,
        fence: Fence,
        standing: CredentialStanding,
        clock: Clock,
        (observer, integration): (Arc<dyn Observer>, Arc<str>),
    ) -> Self {
        Self { inner, account, fence, standing, clock, observer, integration }
    }

    /// Waits for a permit, and while it is checked whether the credential is rejected. Also returns whether
    /// it waited for more than its turn.
    async fn permit(&self, request: &Request) -> Result<(Permit, bool), CallError> {
        let (since, mut doubted) = (Instant::now(), false);
        loop {
            let permit = tokio::select! {
                biased;
                permit = self.account.bucket().acquire(request.deadline) => permit,
                () = given_up(request) => return Err(CallError::GrantRevoked),
            };
            let permit = permit.map_err(|NoPermit { retry_after, limited }| {
                CallError::NoPermit { retry_after, limited }
            })?;
            if request.force || self.standing.get() != Standing::Doubted {
                let paused = self.account.bucket().was_paused_since(since);
                return Ok((permit, doubted || paused));
            }
            drop(permit);
            doubted = true;
            self.standing.settled().await;
        }
    }

    /// Checked after the wait for a permit, which may have been long.
    fn check(&self, request: &Request, waited: bool) -> Result<(), CallError> {
        match request.granted() {
            GrantState::Valid => {}
            GrantState::Paused => return Err(CallError::GrantPaused),
            GrantState::Revoked => return Err(CallError::GrantRevoked),
        }
        if self.standing.get() == Standing::Rejected && !request.force {
            return Err(CallError::CredentialRejected);
        }
        if request.effect != Effect::Read && !self.fence.holds() {
            return Err(CallError::Fenced);
        }
        if request.is_outdated(waited) {
            return Err(CallError::Outdated);
        }
        Ok(())
    }
}

impl<S: Call<Request>> Call<Request> for RateLimit<S> {
    async fn call(&self, request: Request) -> Result<Response, CallError> {
        let (permit, waited) = self.permit(&request).await?;
        self.check(&request, waited)?;
        let (effect, force, sent) = (request.effect, request.force, Instant::now());
        let result = self.inner.call(request).await;
        if effect == Effect::Create && result.is_ok() {
            self.account.create_took(sent.elapsed());
        }
        if let Ok(response) = &result {
            if response.status == StatusCode::UNAUTHORIZED && !force {
                self.standing.doubt();
            }
            if let Some(delay) = postpones(response, self.clock.now()) {
                permit.postponed(delay);
            }
        }
        match &result {
            Ok(response) if response.status == StatusCode::TOO_MANY_REQUESTS => {
                let requested = retry_after(&response.headers, self.clock.now());
                self.account.limited().refused(effect, requested);
                let pause = permit.limited(requested);
                self.observer.rate_limited(&self.integration, pause);
            }
            Ok(response) if !response.status.is_server_error() => {
                self.account.limited().answered(effect);
                if response.status != StatusCode::UNAUTHORIZED {
                    permit.succeeded();
                }
            }
            // Says nothing about the rate.
            _ => {}
        }
        result
    }
}
