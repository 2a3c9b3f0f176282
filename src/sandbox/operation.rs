//! The thirteen operations, by OpenAPI operation id, with their built-in paths. Pure.

use serde::Deserialize;

/// The operations, by their OpenAPI operation id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Operation {
    ListCandidates,
    CreateCandidate,
    GetCandidate,
    UpdateCandidate,
    ListJobs,
    GetJob,
    ListStages,
    ListApplications,
    CreateApplication,
    ListAttachments,
    CreateAttachment,
    ListActivities,
    CreateActivity,
}

impl Operation {
    pub(super) const ALL: [Self; 13] = [
        Self::ListCandidates,
        Self::CreateCandidate,
        Self::GetCandidate,
        Self::UpdateCandidate,
        Self::ListJobs,
        Self::GetJob,
        Self::ListStages,
        Self::ListApplications,
        Self::CreateApplication,
        Self::ListAttachments,
        Self::CreateAttachment,
        Self::ListActivities,
        Self::CreateActivity,
    ];

    /// Operation id, method and built-in path.
    pub(super) const fn built_in(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::ListCandidates => ("listCandidates", "GET", "/candidates"),
            Self::CreateCandidate => ("createCandidate", "POST", "/candidates"),
            Self::GetCandidate => ("getCandidate", "GET", "/candidates/{candidate_id}"),
            Self::UpdateCandidate => ("updateCandidate", "PATCH", "/candidates/{candidate_id}"),
            Self::ListJobs => ("listJobs", "GET", "/jobs"),
            Self::GetJob => ("getJob", "GET", "/jobs/{job_id}"),
            Self::ListStages => ("listStages", "GET", "/jobs/{job_id}/stages"),
            Self::ListApplications => {
                ("listApplications", "GET", "/candidates/{candidate_id}/applications")
            }
            Self::CreateApplication => {
                ("createApplication", "POST", "/candidates/{candidate_id}/applications")
            }
            Self::ListAttachments => {
                ("listAttachments", "GET", "/candidates/{candidate_id}/attachments")
            }
            Self::CreateAttachment => {
                ("createAttachment", "POST", "/candidates/{candidate_id}/attachments")
            }
            Self::ListActivities => {
                ("listActivities", "GET", "/candidates/{candidate_id}/activities")
            }
            Self::CreateActivity => {
                ("createActivity", "POST", "/candidates/{candidate_id}/activities")
            }
        }
    }

    pub(super) const fn id(self) -> &'static str {
        self.built_in().0
    }

    pub(super) const fn method(self) -> &'static str {
        self.built_in().1
    }

    /// The `type` of its resource.
    pub(super) const fn resource(self) -> &'static str {
        match self {
            Self::ListCandidates
            | Self::CreateCandidate
            | Self::GetCandidate
            | Self::UpdateCandidate => "candidate",
            Self::ListJobs | Self::GetJob => "job",
            Self::ListStages => "stage",
            Self::ListApplications | Self::CreateApplication => "application",
            Self::ListAttachments | Self::CreateAttachment => "attachment",
            Self::ListActivities | Self::CreateActivity => "activity",
        }
    }

    /// Whether the vendor documents it.
    pub(super) const fn is_documented(self) -> bool {
        matches!(self, Self::ListCandidates | Self::CreateCandidate)
    }
}
