//! Reads at a path and with parameters of the caller, to find out what an account answers. Does network
//! I/O through the client.

use http::Method;

use super::{Client, MAX_LIST_BYTES};
use crate::{
    clinch::{
        contract::{Effect, Op},
        error::{ClinchError, NotClinchSign},
        wire::Request,
    },
    jsonapi::Document,
};

impl Client {
    /// Reads a document, whatever the contract of this client says of it. `op` names the request in logs
    /// and metrics; it must be one that reads.
    pub(in crate::clinch) async fn read_at(
        &self,
        op: Op,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Document, ClinchError> {
        let mut url = self.0.base.clone();
        let path = format!("{}{path}", url.path());
        url.set_path(&path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = Request::new(op.name(), Effect::Read, Method::GET, url);
        request.max_response_bytes = MAX_LIST_BYTES;
        let response = self.send_any(Some(op), request, false).await?;
        serde_json::from_slice(&response.body)
            .map_err(|_| ClinchError::NotClinch(NotClinchSign::NoData))
    }
}
