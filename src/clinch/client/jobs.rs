//! Jobs, their stages, and applications to them. Does network I/O through the client.

use std::collections::BTreeMap;

use super::{Client, create::without_id, encode, one};
use crate::{
    clinch::{
        contract::{Op, State},
        error::ClinchError,
        resources::{Application, Job, Stage, id},
    },
    domain::ClinchId,
    jsonapi::{Identifier, NewResource, Relationship},
};

impl Client {
    /// Every job.
    pub async fn jobs(&self) -> Result<Vec<Job>, ClinchError> {
        let names = &self.contract().names;
        let all = self.all(Op::ListJobs, None).await?;
        all.iter().map(|resource| Job::read(resource, names)).collect()
    }

    /// The job with that id, otherwise with that reference. `NotFound`: none, or several with that
    /// reference.
    pub async fn job_by(&self, id_or_reference: &str) -> Result<Job, ClinchError> {
        let offered = self.contract().operation(Op::GetJob).state != State::NotOffered;
        if let (true, Ok(id)) = (offered, ClinchId::parse(id_or_reference)) {
            match self.read_one(Op::GetJob, &id).await {
                Ok(resource) => return Job::read(&resource, &self.contract().names),
                // A reference may look like an id, and some servers reject a malformed id.
                Err(ClinchError::NotFound | ClinchError::Rejected { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let named = |job: &Job| {
            job.id.as_str() == id_or_reference || job.reference.as_deref() == Some(id_or_reference)
        };
        let mut matching = self.jobs().await?.into_iter().filter(named);
        match (matching.next(), matching.next()) {
            (Some(job), None) => Ok(job),
            _ => Err(ClinchError::NotFound),
        }
    }

    /// The stages of a job.
    pub async fn stages(&self, job: &ClinchId) -> Result<Vec<Stage>, ClinchError> {
        let names = &self.contract().names;
        let all = self.all(Op::ListStages, Some(job)).await?;
        all.iter().map(|resource| Stage::read(resource, names)).collect()
    }

    /// The applications of a person.
    pub async fn applications(
        &self,
        candidate: &ClinchId,
    ) -> Result<Vec<Application>, ClinchError> {
        let all = self.all(Op::ListApplications, Some(candidate)).await?;
        all.iter().map(Application::read).collect()
    }

    /// Adds a person to a job at a stage, once. `Ambiguous`: check [`Client::applications`] before
    /// anything else.
    pub async fn apply(
        &self,
        candidate: &ClinchId,
        job: &ClinchId,
        stage: Option<&ClinchId>,
    ) -> Result<ClinchId, ClinchError> {
        let to = |kind: &'static str, id| Relationship { data: Identifier { kind, id } };
        let mut relationships = BTreeMap::from([("job", to("job", job.as_str()))]);
        if let Some(stage) = stage {
            relationships.insert("stage", to("stage", stage.as_str()));
        }
        let attributes: BTreeMap<&str, &str> = BTreeMap::new();
        let body = encode(NewResource { kind: "application", id: None, attributes, relationships });
        self.create_part(Op::CreateApplication, candidate, body).await
    }

    /// Creates a resource attached to a person, once.
    pub(super) async fn create_part(
        &self,
        op: Op,
        candidate: &ClinchId,
        body: bytes::Bytes,
    ) -> Result<ClinchId, ClinchError> {
        let response = self.write(op, Some(candidate), body).await?;
        one(&response)
            .and_then(|resource| id(&resource).ok())
            .ok_or_else(|| ClinchError::Ambiguous(without_id(&response)))
    }
}
