//! Sends one call: with the access of its caller, past the circuit breaker, through the layers. Does network
//! I/O.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::Method;
use serde::Serialize;
use serde_json::Value;
use url::Url;

use super::{Client, ClientConfig, Inner};
use crate::{
    clinch::{
        classify::interpret,
        contract::{Effect, Op, Verb},
        error::{ClinchError, Doubt, NotClinchSign},
        layers::{Call as _, Timeouts},
        wire::{CallError, Request, Response, Route},
    },
    domain::{ClinchId, GrantState},
    jsonapi::{self, Document, NewResource, PrimaryData, Resource},
};

/// The least time that a check of the account itself may take, with waits for the rate limit.
const VERIFY_WITHIN: Duration = Duration::from_secs(10);

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Regular work: the configured timeouts apply.
    Work,
    /// A check whether the account can be used: it may take little longer than one attempt, since
    /// a reconcile waits for its result.
    Verify,
    /// As `Verify`, and sent even if the credential is known to be rejected or the API to be down.
    Probe,
}

impl Purpose {
    pub(super) fn time_limit(self, timeouts: Timeouts) -> Option<Duration> {
        match self {
            Self::Work => None,
            Self::Verify | Self::Probe => Some(timeouts.attempt.max(VERIFY_WITHIN)),
        }
    }
}

impl Client {
    /// The URL of an operation, with `id` in its placeholder.
    pub(super) fn url(&self, op: Op, id: Option<&ClinchId>) -> Url {
        let mut url = self.0.base.clone();
        let path = format!("{}{}", url.path(), self.contract().operation(op).path_for(id));
        url.set_path(&path);
        url
    }

    /// Sends a request of an operation that the contract permits.
    pub(super) async fn send(
        &self,
        op: Op,
        request: Request,
        force: bool,
    ) -> Result<Response, ClinchError> {
        let config = &self.0.config;
        config.contract.permits(op, config.environment, &config.accepted_writes)?;
        self.send_any(Some(op), request, force).await
    }

    pub(super) async fn send_any(
        &self,
        op: Option<Op>,
        mut request: Request,
        force: bool,
    ) -> Result<Response, ClinchError> {
        request.grant = self.1.as_ref().map(|lease| lease.grant.clone());
        request.export = self.1.as_ref().map(|lease| lease.export.clone());
        request.footing = self.2.clone().filter(|_| request.effect != Effect::Read);
        request.force = force;
        if self.1.as_ref().is_some_and(|lease| !lease.waits) {
            return match request.granted() {
                GrantState::Valid => self.send_now(op, request, force).await,
                GrantState::Revoked => Err(ClinchError::GrantRevoked),
                GrantState::Paused => Err(ClinchError::GrantPaused),
            };
        }
        let reads = request.effect == Effect::Read;
        let mut paused = false;
        loop {
            paused |= self.admitted().await?;
            if paused && !reads {
                return Err(ClinchError::GrantPaused);
            }
            match self.send_now(op, request.clone(), force).await {
                Err(ClinchError::GrantPaused) => paused = true,
                result => return result,
            }
        }
    }

    async fn send_now(
        &self,
        op: Option<Op>,
        request: Request,
        force: bool,
    ) -> Result<Response, ClinchError> {
        let successor = self.1.as_ref().and_then(|lease| lease.successor.get());
        let inner = successor.as_ref().unwrap_or(&self.0);
        self.try_out(inner, &request, force).await?;
        let guard = inner.breaker.admit(force)?;
        // A check of the account itself is judged by its caller.
        let checked = !force && request.time_limit.is_none();
        let mut result = inner.exchange(op, request.clone()).await?;
        let is_401 = |error: &ClinchError| {
            matches!(error, ClinchError::Unauthorized | ClinchError::Ambiguous(Doubt::UNSIGNED))
        };
        if checked && result.as_ref().is_err_and(is_401) {
            let in_doubt = matches!(result, Err(ClinchError::Ambiguous(_)));
            result = self.check_401(inner, op, request, in_doubt).await?;
        }
        if guard.finish(&result) {
            inner.observer.credentials_rejected(&inner.integration);
        }
        result
    }

    /// Reads one resource.
    pub(super) async fn read_one(&self, op: Op, id: &ClinchId) -> Result<Resource, ClinchError> {
        let request = Request::new(op.name(), op.effect(), Method::GET, self.url(op, Some(id)));
        let response = self.send(op, request, false).await?;
        one(&response).ok_or(ClinchError::NotClinch(NotClinchSign::NoData))
    }

    /// Writes one resource; the body is encoded once and shared by all attempts.
    pub(super) async fn write(
        &self,
        op: Op,
        id: Option<&ClinchId>,
        body: Bytes,
    ) -> Result<Response, ClinchError> {
        let method = method(self.contract().operation(op).method);
        let mut request = Request::new(op.name(), op.effect(), method, self.url(op, id));
        request.body = Some(body);
        let result = self.send(op, request, false).await;
        match (op.effect(), result) {
            // An HTML page or a redirect does not prove that nothing was created.
            (
                Effect::Create,
                Err(ClinchError::NotClinch(NotClinchSign::Html | NotClinchSign::Redirect)),
            ) => Err(ClinchError::Ambiguous(Doubt::Unclear)),
            (_, result) => result,
        }
    }
}

impl Inner {
    /// Sends one request. The outer error is concluded from another request, which reports its own result
    /// to the breaker.
    ///
    /// Boxed: it is large, and each of the many futures around it would be moved with it.
    pub(super) fn exchange(
        &self,
        op: Option<Op>,
        request: Request,
    ) -> BoxFuture<'_, Result<Result<Response, ClinchError>, ClinchError>> {
        Box::pin(self.exchanged(op, request))
    }

    async fn exchanged(
        &self,
        op: Option<Op>,
        mut request: Request,
    ) -> Result<Result<Response, ClinchError>, ClinchError> {
        let ClientConfig { version, contract, .. } = &self.config;
        request.route = Some(Route { version: *version, contract: Arc::clone(contract), op });
        let sent = request.body.clone();
        let too_large = ClinchError::AnswerTooLarge {
            request: request.operation,
            limit: request.max_response_bytes,
            list: op.is_some_and(Op::is_list),
        };
        let mut result = match self.stack.call(request).await {
            Err(error @ CallError::CredentialRejected) => return Err(error.into()),
            Err(CallError::ResponseTooLarge) => Err(too_large),
            Ok(response) => interpret(response, op, self.clock.now()),
            Err(error) => Err(error.into()),
        };
        if let Err(ClinchError::Rejected { fields, .. }) = &mut result {
            keep_sent(fields, sent.as_deref().unwrap_or_default());
        }
        Ok(result)
    }
}

pub(super) fn method(verb: Verb) -> Method {
    match verb {
        Verb::Get => Method::GET,
        Verb::Post => Method::POST,
        Verb::Patch => Method::PATCH,
        Verb::Put => Method::PUT,
    }
}

/// The one resource of a response.
pub(super) fn one(response: &Response) -> Option<Resource> {
    match serde_json::from_slice::<Document>(&response.body).ok()?.data {
        PrimaryData::One(resource) => Some(*resource),
        PrimaryData::Absent | PrimaryData::None | PrimaryData::Many(_) => None,
    }
}

/// Drops names that are not among the sent attributes: they are text of the response that only
/// looks like a name.
fn keep_sent(fields: &mut Vec<String>, body: &[u8]) {
    let sent = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let sent = sent.pointer("/data/attributes").and_then(Value::as_object);
    fields.retain(|field| sent.is_some_and(|sent| sent.contains_key(field)));
}

/// Encodes a request document.
pub(super) fn encode<A: Serialize>(resource: NewResource<'_, A>) -> Bytes {
    let bytes = serde_json::to_vec(&jsonapi::Request { data: resource });
    bytes.expect("JSON values with text keys always serialise").into()
}
