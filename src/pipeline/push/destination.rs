//! Finds the requested job and stage in Clinch and checks that the integration permits them.
//! Does network I/O through the client; sends no record.

use super::crm::{CrmFailure, Destination, JobStage};
use crate::{
    clinch::{Client, ClinchError, Job},
    domain::{Disposition, Reason, did_you_mean},
    pipeline::{
        job_rules::{JobRules, RuleVerdict, hint},
        spec::DestinationSpec,
    },
};

/// The job and stage as Clinch has them. What a message suggests is permitted and exists.
pub(super) async fn resolve(
    client: &Client,
    spec: &DestinationSpec,
) -> Result<Destination, CrmFailure> {
    let DestinationSpec::Job { id, reference, stage, permitted } = spec else {
        return Ok(Destination::Prospect);
    };
    let by_id = id.is_some();
    let named = id.as_deref().or(reference.as_deref()).unwrap_or_default();
    let found =
        if by_id { of_id(client, named).await? } else { of_reference(client, named).await? };
    let Some(job) = found else {
        // The answer for a name that is not permitted is the same whether or not Clinch knows it.
        if permitted.evaluate(named, stage) != RuleVerdict::Allowed {
            return Err(not_permitted(permitted, named, stage));
        }
        let jobs = client.jobs().await.map_err(CrmFailure::from)?;
        let allowed = jobs.iter().filter(|job| permitted.allow(names(job), stage));
        let alike = allowed
            .filter_map(|job| if by_id { Some(job.id.as_str()) } else { job.reference.as_deref() });
        let near = did_you_mean(named, alike).map(|near| hint("job", near)).unwrap_or_default();
        let what = if by_id { "id" } else { "reference" };
        return Err(missing(format!("Clinch has no single job with {what} {named:?}{near}")));
    };
    if !permitted.allow(names(&job), stage) {
        return Err(not_permitted(permitted, named, stage));
    }
    let stages = client.stages(&job.id).await.map_err(CrmFailure::from)?;
    if let Some(found) = stages.iter().find(|found| found.name == *stage) {
        return Ok(Destination::Job(JobStage { job: job.id, stage: found.id.clone() }));
    }
    let alike = stages.iter().map(|found| found.name.as_str());
    let allowed = alike.filter(|name| permitted.allow(names(&job), name));
    let near = did_you_mean(stage, allowed).map(|near| hint("stage", near)).unwrap_or_default();
    Err(missing(format!("job {named:?} has no stage {stage:?}{near}")))
}

async fn of_id(client: &Client, id: &str) -> Result<Option<Job>, CrmFailure> {
    match client.job_by(id).await {
        Ok(job) => Ok(Some(job).filter(|job| job.id.as_str() == id)),
        Err(ClinchError::NotFound) => Ok(None),
        Err(error) => Err(CrmFailure::from(error)),
    }
}

/// `None` also when several jobs have the reference.
async fn of_reference(client: &Client, reference: &str) -> Result<Option<Job>, CrmFailure> {
    let jobs = client.jobs().await.map_err(CrmFailure::from)?;
    let mut named = jobs.into_iter().filter(|job| job.reference.as_deref() == Some(reference));
    let first = named.next();
    Ok(if named.next().is_none() { first } else { None })
}

/// The names of a job.
fn names(job: &Job) -> impl Iterator<Item = &str> {
    [Some(job.id.as_str()), job.reference.as_deref()].into_iter().flatten()
}

fn not_permitted(permitted: &JobRules, named: &str, stage: &str) -> CrmFailure {
    stalled(Reason::NotPermitted, permitted.refusal(named, stage))
}

fn missing(message: String) -> CrmFailure {
    stalled(Reason::DestinationNotFound, message)
}

fn stalled(reason: Reason, message: String) -> CrmFailure {
    CrmFailure::Everything { disposition: Disposition::Stalled { reason }, message }
}
