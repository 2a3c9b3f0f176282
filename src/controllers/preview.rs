//! What exports would send, for the command `render`: the parts of several kinds put together. Contacts
//! nothing, if the transport does not.

use std::sync::Arc;

use super::{Controllers, candidate_export, clinch_integration, not_previewed::NotPreviewed};
use crate::{
    clinch::{Contract, Transport},
    cluster::{Cluster, ObjectKey},
    pipeline::{
        self, ClinchCrm, FilePreview, FilePreviewLog, PreviewLog, PreviewedFile, SeenSource,
        target_attributes,
    },
};

impl<C: Cluster> Controllers<C> {
    /// Makes every request that an export would send, over this transport. `contract` is what Clinch
    /// publishes, or the built-in one; the integration's corrections are added. Returns the contract
    /// with them.
    pub async fn preview(
        &self,
        key: &ObjectKey,
        contract: &Contract,
        transport: Arc<dyn Transport>,
        log: &mut impl PreviewLog,
    ) -> Result<Arc<Contract>, NotPreviewed> {
        let context = &self.0;
        let integration = candidate_export::integration_named(context, key).await?;
        let config = clinch_integration::config(context, &integration, contract).await?;
        let contract = config.contract.clone();
        let target = target_attributes(&contract);
        let (spec, keys) = candidate_export::spec(context, key, &target).await?;
        let client = context.connections.client_over(transport, config);
        let crm = ClinchCrm::new(client, SeenSource::new(|| ()));
        pipeline::preview(spec, &crm, &keys, log).await.map_err(NotPreviewed::Source)?;
        Ok(contract)
    }

    /// Makes every line that an export would write to its file. `mask` stands for each value of a person,
    /// if it is given; `whole`: the bytes of files are wanted, too.
    pub async fn preview_file(
        &self,
        key: &ObjectKey,
        mask: Option<&'static str>,
        whole: bool,
        log: &mut impl FilePreviewLog,
    ) -> Result<PreviewedFile, NotPreviewed> {
        let context = &self.0;
        let (spec, keys, per_candidate) = candidate_export::file_spec(context, key).await?;
        let preview = FilePreview { mask, whole, per_candidate };
        let renderer = &context.settings.renderer;
        let previewed = pipeline::preview_file(spec, keys, renderer, preview, log).await;
        previewed.map_err(NotPreviewed::Source)
    }
}
