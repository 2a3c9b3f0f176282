//! Finds out whether Clinch is down, or only fails to handle some records. Does network I/O through the
//! client.

use http::Method;

use super::{Client, Inner, Purpose};
use crate::clinch::{
    contract::{Effect, Op},
    error::ClinchError,
    wire::Request,
};

impl Client {
    /// If many calls in a row failed: reads the plain list, which concerns no record. `Err`: the call is
    /// not sent.
    pub(super) async fn try_out(
        &self,
        inner: &Inner,
        request: &Request,
        force: bool,
    ) -> Result<(), ClinchError> {
        let Some(trial) = inner.breaker.trial(force).await? else { return Ok(()) };
        let op = Op::ListCandidates;
        let url = self.list_url(op, None, 1, 1);
        let mut plain = Request::new(op.name(), Effect::Read, Method::GET, url);
        plain.max_response_bytes = super::MAX_LIST_BYTES;
        plain.time_limit = Purpose::Verify.time_limit(inner.config.timeouts);
        (plain.grant, plain.export) = (request.grant.clone(), request.export.clone());
        let result = inner.exchange(Some(op), plain).await?;
        trial.ended(result).map_err(|error| match error {
            // Not about the record of this call.
            ClinchError::Unavailable { retry_after, .. } if request.time_limit.is_none() => {
                ClinchError::Unavailable { status: None, retry_after }
            }
            error => error,
        })
    }
}
