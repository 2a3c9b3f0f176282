//! The contract that is used when Clinch publishes no document. Pure.
//!
//! Only the candidate list, create and read are documented; the rest follows convention and is
//! marked `Assumed`, which `Contract::permits` restricts.

use std::{collections::BTreeMap, time::Duration};

use super::{Contract, Names, Op, Operation, Origin, Paging, State, Verb};

impl Op {
    /// Method and path in the built-in contract. Also identifies an operation in a document that
    /// uses other operation ids.
    pub(super) const fn usual_place(self) -> (Verb, &'static str) {
        match self {
            Self::ListCandidates => (Verb::Get, "/candidates"),
            Self::CreateCandidate => (Verb::Post, "/candidates"),
            Self::GetCandidate => (Verb::Get, "/candidates/{candidate_id}"),
            Self::UpdateCandidate => (Verb::Patch, "/candidates/{candidate_id}"),
            Self::ListJobs => (Verb::Get, "/jobs"),
            Self::GetJob => (Verb::Get, "/jobs/{job_id}"),
            Self::ListStages => (Verb::Get, "/jobs/{job_id}/stages"),
            Self::ListApplications => (Verb::Get, "/candidates/{candidate_id}/applications"),
            Self::CreateApplication => (Verb::Post, "/candidates/{candidate_id}/applications"),
            Self::ListAttachments => (Verb::Get, "/candidates/{candidate_id}/attachments"),
            Self::CreateAttachment => (Verb::Post, "/candidates/{candidate_id}/attachments"),
            Self::ListActivities => (Verb::Get, "/candidates/{candidate_id}/activities"),
            Self::CreateActivity => (Verb::Post, "/candidates/{candidate_id}/activities"),
        }
    }
}

impl Names {
    pub(super) fn built_in() -> Self {
        Self {
            email: "email".into(),
            source: "source".into(),
            job_reference: "reference".into(),
            job_title: "title".into(),
            stage_name: "name".into(),
            file_name: "file_name".into(),
            content_type: Some("content_type".into()),
            attachment_kind: Some("kind".into()),
            content: "content".into(),
            activity_kind: Some("kind".into()),
            activity_body: "body".into(),
            updated_at: None,
            merged_into: None,
            linkedin_url: None,
            github_url: None,
        }
    }
}

impl Paging {
    pub(super) fn built_in() -> Self {
        Self {
            page: "page".into(),
            per_page: "per_page".into(),
            max_per_page: 100,
            default_per_page: 25,
        }
    }
}

impl Contract {
    /// The built-in contract.
    pub fn built_in() -> Self {
        let entry = |op: Op| {
            let (method, path) = op.usual_place();
            let documented =
                matches!(op, Op::ListCandidates | Op::CreateCandidate | Op::GetCandidate);
            let state = if documented { State::Documented } else { State::Assumed };
            (op, Operation { method, path: path.to_owned(), state })
        };
        Self {
            origin: Origin::Assumed,
            operations: Op::ALL.into_iter().map(entry).collect::<BTreeMap<_, _>>(),
            paging: Paging::built_in(),
            filter: Some("filter[email]".into()),
            updated_since: None,
            sort: None,
            include: None,
            candidate_attributes: None,
            shown_attributes: None,
            enforced: false,
            shows_anonymised: true,
            names: Names::built_in(),
            lookup_settle: Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_path_passes_its_own_check() {
        for (op, operation) in Contract::built_in().operations {
            assert_eq!(op.check_path(&operation.path, true), Ok(operation.path.clone()));
            assert_eq!(Op::from_name(op.name()), Some(op));
        }
    }
}
