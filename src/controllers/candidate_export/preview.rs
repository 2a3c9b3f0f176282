//! What a push of an export would do, for the command `render`. Pure, except that the objects are read.

use super::{
    gather::{Gathered, gather},
    validate::{file_without_connection, without_connection},
};
use crate::{
    api::CandidateExport,
    cluster::{Cluster, Kind, ObjectKey, integration_of},
    controllers::{
        context::Context, not_previewed::NotPreviewed, publish::object_ref,
        references::IntegrationFound,
    },
    ledger::Keys,
    mapping::TargetAttributes,
    pipeline::{FileSpec, RunSpec},
};

/// The integration that an export names.
pub(in crate::controllers) async fn integration_named<C: Cluster>(
    context: &Context<C>,
    key: &ObjectKey,
) -> Result<ObjectKey, NotPreviewed> {
    let export = context.cluster.read::<CandidateExport>(key).await?;
    let export = export.ok_or(NotPreviewed::Incomplete)?;
    Ok(integration_of(key, &export.spec))
}

/// What a push of it would do, and the keys of its records.
pub(in crate::controllers) async fn spec<C: Cluster>(
    context: &Context<C>,
    key: &ObjectKey,
    target: &TargetAttributes,
) -> Result<(RunSpec, Keys), NotPreviewed> {
    let gathered = of(context, key).await?;
    if gathered.is_file() {
        return Err(NotPreviewed::File);
    }
    if gathered.is_remote() {
        return Err(NotPreviewed::Remote);
    }
    let mut spec = without_connection(&gathered, target).ok_or(NotPreviewed::Incomplete)?;
    spec.renderer = context.settings.renderer.clone();
    Ok((spec, gathered.keys))
}

/// What a run that writes its file would do, the keys of its records, and whether each person has a file of
/// their own.
pub(in crate::controllers) async fn file_spec<C: Cluster>(
    context: &Context<C>,
    key: &ObjectKey,
) -> Result<(FileSpec, Keys, bool), NotPreviewed> {
    let gathered = of(context, key).await?;
    if gathered.is_remote() {
        return Err(NotPreviewed::Remote);
    }
    let spec = file_without_connection(&gathered).ok_or(NotPreviewed::Incomplete)?;
    let per_candidate = gathered.file.is_some_and(|file| file.spec.is_per_candidate());
    Ok((spec, gathered.keys, per_candidate))
}

/// Everything that an export refers to.
async fn of<C: Cluster>(context: &Context<C>, key: &ObjectKey) -> Result<Gathered, NotPreviewed> {
    let export = context.cluster.read::<CandidateExport>(key).await?;
    let export = export.ok_or(NotPreviewed::Incomplete)?;
    let reference = object_ref(Kind::Export, key, &export.metadata);
    let gathered: Gathered = gather(context, &reference, &export, None).await?;
    if !matches!(gathered.integration, IntegrationFound::Granted(_)) {
        return Err(NotPreviewed::NoIntegration);
    }
    Ok(gathered)
}
