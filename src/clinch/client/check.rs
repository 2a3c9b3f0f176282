//! Finds out whether a 401 concerns the credential or one request. Does network I/O through the client.

use std::collections::BTreeSet;

use super::{Client, Inner};
use crate::clinch::{
    circuit_breaker::{CredentialStanding, Standing},
    contract::Op,
    error::{ClinchError, Doubt},
    wire::{Request, Response},
};

/// A check in progress: other requests wait until it is dropped.
struct Check<'a>(&'a CredentialStanding);

impl Drop for Check<'_> {
    fn drop(&mut self) {
        self.0.end_doubt();
    }
}

impl Client {
    /// A request was answered 401. Reads a plain list: if that is accepted, the credential is good, and
    /// the request is sent once more. If it is in doubt (a create that something in between may have
    /// answered), the caller has to find out first what became of it. The outer error is concluded from
    /// another request.
    pub(super) async fn check_401(
        &self,
        inner: &Inner,
        op: Option<Op>,
        request: Request,
        in_doubt: bool,
    ) -> Result<Result<Response, ClinchError>, ClinchError> {
        let doubt = || Ok(Err(ClinchError::Ambiguous(Doubt::UNSIGNED)));
        let _check = Check(&inner.standing);
        let _alone = inner.check.lock().await;
        if inner.standing.get() == Standing::Rejected {
            return Err(ClinchError::Unauthorized);
        }
        // Boxed because it recurses: a probe is not checked again. Other requests wait for it.
        match Box::pin(self.clone().without_waiting().probe()).await {
            Ok(_) if in_doubt => return doubt(),
            Ok(_) => {}
            Err(ClinchError::GrantRevoked | ClinchError::GrantPaused) if in_doubt => {
                return doubt();
            }
            Err(error @ (ClinchError::GrantRevoked | ClinchError::GrantPaused)) => {
                return Err(error);
            }
            // Of a response that is in doubt, the clock was not compared.
            Err(error @ ClinchError::ClockSkew { .. }) => return Ok(Err(error)),
            // Rejected as well, or not known: the next check decides.
            Err(_) => return Ok(Err(ClinchError::Unauthorized)),
        }
        Ok(match inner.exchange(op, request.clone()).await? {
            Err(ClinchError::Unauthorized) => {
                Err(ClinchError::SignatureRefused { request: inner.shape(op, &request) })
            }
            result => result,
        })
    }
}

impl Inner {
    /// What distinguishes a request from others, without any value.
    fn shape(&self, op: Option<Op>, request: &Request) -> String {
        let path = op.map_or("", |op| self.config.contract.operation(op).path.as_str());
        let method = &request.method;
        let names: BTreeSet<_> = request.url.query_pairs().map(|(name, _)| name).collect();
        let query =
            names.into_iter().map(|name| format!("{name}=...")).collect::<Vec<_>>().join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{method} {path}{mark}{query}")
    }
}
