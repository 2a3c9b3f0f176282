//! Jobs and their stages, and what belongs to a person: paths and names that no documentation states.

use super::{
    finding::Verdict,
    inspector::{Inspector, path_of},
    people::names,
};
use crate::{
    clinch::contract::{NameOf, Op},
    domain::ClinchId,
    jsonapi::{PrimaryData, Resource},
};

/// How many people or jobs are tried to see one with a part.
const TRIED: usize = 3;

/// The attributes of a part, and the names that they may have.
type Attributes = &'static [(NameOf, &'static [&'static str])];

const JOB: Attributes = &[
    (
        NameOf::JobReference,
        &["reference", "job_reference", "requisition_id", "code", "external_id"],
    ),
    (NameOf::JobTitle, &["title", "name"]),
];
const STAGE: Attributes = &[(NameOf::StageName, &["name", "title", "label"])];
const ATTACHMENT: Attributes = &[
    (NameOf::FileName, &["file_name", "filename", "fileName", "name", "title"]),
    (
        NameOf::AttachmentKind,
        &["kind", "attachment_type", "document_type", "file_type", "category"],
    ),
];
const ACTIVITY: Attributes = &[
    (NameOf::ActivityKind, &["kind", "activity_type", "activityType", "type_name", "category"]),
    (NameOf::ActivityBody, &["body", "text", "note", "content", "description", "comment"]),
];

impl Inspector<'_> {
    /// Jobs with their stages.
    pub(super) async fn jobs(&mut self) {
        let jobs = self.part(Op::ListJobs, &[None], "a list of jobs", JOB).await;
        let ids = ids(&jobs);
        if let Some(Some(first)) = ids.first() {
            self.one_job(first).await;
        }
        self.part(Op::ListStages, &ids, "a list of stages", STAGE).await;
    }

    async fn one_job(&mut self, id: &ClinchId) {
        let op = Op::GetJob;
        if !self.offers(op) {
            return;
        }
        let operation = self.contract.operation(op);
        let (path, state) = (operation.path.clone(), operation.state.as_str());
        match self.read(op, Some(id), &[]).await {
            Ok(document) if matches!(&document.data, PrimaryData::One(one) if one.id == id.as_str()) =>
            {
                self.note(
                    path_of(op),
                    path,
                    state,
                    Verdict::Confirmed,
                    "a job of the list can be read",
                );
            }
            Ok(_) => {
                let seen = "the answer is not the job of this id";
                self.note(path_of(op), path, state, Verdict::Contradicted, seen);
            }
            Err(unread) => {
                self.note_unread(path_of(op), path, state, Verdict::Contradicted, &unread);
            }
        }
    }

    /// What belongs to a person.
    pub(super) async fn parts_of_people(&mut self) {
        let ids = ids(&self.people);
        self.part(Op::ListApplications, &ids, "a list of applications", &[]).await;
        self.part(Op::ListAttachments, &ids, "a list of files", ATTACHMENT).await;
        self.part(Op::ListActivities, &ids, "a list of activities", ACTIVITY).await;
    }

    /// Reads the list of a part, of one owner after the other until it shows something.
    async fn part(
        &mut self,
        op: Op,
        owners: &[Option<ClinchId>],
        what: &str,
        attributes: Attributes,
    ) -> Vec<Resource> {
        if !self.offers(op) {
            return Vec::new();
        }
        let operation = self.contract.operation(op);
        let (path, state) = (operation.path.clone(), operation.state.as_str());
        if owners.is_empty() {
            let seen = "needs somebody, or a job, to whom it belongs";
            self.note(path_of(op), path, state, Verdict::Unknown, seen);
            return Vec::new();
        }
        let mut found = Vec::new();
        for owner in owners.iter().take(TRIED) {
            match self.list(op, owner.as_ref(), &[]).await {
                Ok(items) => found = items,
                Err(unread) => {
                    self.note_unread(path_of(op), path, state, Verdict::Contradicted, &unread);
                    return Vec::new();
                }
            }
            if !found.is_empty() {
                break;
            }
        }
        self.note(path_of(op), path, state, Verdict::Confirmed, what);
        let shown = names(&found);
        for (of, usual) in attributes {
            let Some(own) = self.contract.names.name(*of).map(str::to_owned) else { continue };
            if found.is_empty() {
                let standing =
                    self.standing(|contract| contract.names.name(*of).map(str::to_owned));
                let topic = format!("attributes.{}", of.as_str());
                self.note(
                    topic,
                    own,
                    standing,
                    Verdict::Unknown,
                    "the lists that were read are empty",
                );
            } else {
                self.named(*of, &own, usual, |name| shown.contains(name));
            }
        }
        found
    }
}

fn ids(resources: &[Resource]) -> Vec<Option<ClinchId>> {
    let ids = resources.iter().filter_map(|resource| ClinchId::parse(&resource.id).ok());
    ids.map(Some).collect()
}
