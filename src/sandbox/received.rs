//! A request as it was received, and how it is carried out: rate limit, signature, operation.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    call::{Call, not_found},
    contract::SandboxContract,
    operation::Operation,
    paging::Query,
    respond::Answer,
    shared::Shared,
    signature::{SignatureCheck, SignedRequest},
};

/// Makes the connection end without a response.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed on purpose")]
pub(super) struct Cut;

/// A request as it was received, independent of its connection.
pub(super) struct Received {
    pub(super) contract: Arc<SandboxContract>,
    /// Its name in the counts.
    pub(super) name: &'static str,
    pub(super) head: http::request::Parts,
    pub(super) routed: Option<(Operation, Vec<String>)>,
    /// The response, if it needs no signature.
    pub(super) page: Option<Answer>,
    pub(super) body: Bytes,
}

impl Received {
    /// Checks rate limit and signature, then carries the request out.
    pub(super) fn carry_out(self, shared: &Shared) -> Answer {
        if let Some(page) = self.page {
            return page;
        }
        if let Some(seconds) = shared.limited() {
            return too_many(seconds);
        }
        let Self { contract, head, body, .. } = self;
        let check =
            SignatureCheck { generation: contract.generation, legacy: contract.legacy_signatures };
        let request = SignedRequest {
            method: head.method.as_str(),
            path_and_query: head.uri.path_and_query().map_or("/", |uri| uri.as_str()),
            headers: &head.headers,
            body: &body,
        };
        let Some((credential, account)) = shared.signer(&request, check) else {
            return Answer::error(401, "invalid API credentials", None);
        };
        let Some((operation, ids)) = self.routed else { return not_found() };
        let content_type = head.headers.get("content-type").and_then(|value| value.to_str().ok());
        let call = Call {
            contract: &contract,
            operation,
            ids,
            path: head.uri.path(),
            query: Query::parse(head.uri.query().unwrap_or_default()),
            content_type: content_type.unwrap_or_default(),
            body: &body,
            source: &credential.name,
            now: shared.now(),
        };
        call.answer(&account)
    }
}

pub(super) fn too_many(seconds: u64) -> Answer {
    Answer::error(429, "too many requests", None).with("retry-after", seconds.to_string())
}

/// The response of a fault.
pub(super) fn scripted(code: u16, html: bool) -> Answer {
    if html {
        Answer::html(code, "<html><body>Bad gateway</body></html>")
    } else {
        Answer::error(code, "scripted", None)
    }
}
