//! Operations: their names, effects and paths. Pure.

use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::{api::AssumedWrite, domain::ClinchId};

/// An operation of the Clinch API that the operator knows how to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// List candidates.
    ListCandidates,
    /// Create a candidate.
    CreateCandidate,
    /// Read one candidate.
    GetCandidate,
    /// Change attributes of one candidate.
    UpdateCandidate,
    /// List jobs.
    ListJobs,
    /// Read one job.
    GetJob,
    /// List the stages of a job.
    ListStages,
    /// List the applications of a candidate.
    ListApplications,
    /// Add a candidate to a job at a stage.
    CreateApplication,
    /// List the files of a candidate.
    ListAttachments,
    /// Attach a file to a candidate.
    CreateAttachment,
    /// List the activities of a candidate.
    ListActivities,
    /// Add an activity to a candidate.
    CreateActivity,
}

/// What an operation does to Clinch, and so what a lost response means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: safe to retry.
    Read,
    /// The same result once or twice: safe to retry.
    Idempotent,
    /// Creates a new resource each time: never retried without a look-up.
    Create,
}

/// The method of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verb {
    /// GET
    Get,
    /// POST
    Post,
    /// PATCH
    Patch,
    /// PUT
    Put,
}

/// How well an operation is established.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum State {
    /// In the vendor's public documentation or client code.
    Documented,
    /// In the OpenAPI document that the endpoint publishes.
    Discovered,
    /// Follows convention only.
    Assumed,
    /// Named by an admin.
    Overridden,
    /// Not in the discovered document: not used.
    NotOffered,
}

impl State {
    /// The value in status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Documented => "Documented",
            Self::Discovered => "Discovered",
            Self::Assumed => "Assumed",
            Self::Overridden => "Overridden",
            Self::NotOffered => "NotOffered",
        }
    }
}

/// One operation of a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// Its method.
    pub method: Verb,
    /// Its path after the version prefix, with `{candidate_id}` or `{job_id}` if it needs one.
    pub path: String,
    /// How well it is established.
    pub state: State,
}

/// Why a text cannot be the path of an operation. Paths are configuration, not personal data.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PathError {
    /// Not a path of the same origin.
    #[error("{0:?} is not a path relative to the API's own origin; start it with one '/'")]
    Foreign(String),
    /// A character or segment that is not allowed in an API path.
    #[error("{0:?} contains a character or segment other than letters, digits, '-', '_', '.', '~'")]
    Character(String),
    /// The placeholders differ from the ones that the operation needs.
    #[error("{path:?} needs exactly {needs}")]
    Placeholder {
        /// The path.
        path: String,
        /// What it must contain.
        needs: &'static str,
    },
}

impl Op {
    /// Every operation.
    pub const ALL: [Self; 13] = [
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

    /// Its name: the `operationId`, and its key in `contractOverrides.paths`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ListCandidates => "listCandidates",
            Self::CreateCandidate => "createCandidate",
            Self::GetCandidate => "getCandidate",
            Self::UpdateCandidate => "updateCandidate",
            Self::ListJobs => "listJobs",
            Self::GetJob => "getJob",
            Self::ListStages => "listStages",
            Self::ListApplications => "listApplications",
            Self::CreateApplication => "createApplication",
            Self::ListAttachments => "listAttachments",
            Self::CreateAttachment => "createAttachment",
            Self::ListActivities => "listActivities",
            Self::CreateActivity => "createActivity",
        }
    }

    /// The operation of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.name() == name)
    }

    /// What it does to Clinch.
    pub const fn effect(self) -> Effect {
        match self {
            Self::CreateCandidate
            | Self::CreateApplication
            | Self::CreateAttachment
            | Self::CreateActivity => Effect::Create,
            Self::UpdateCandidate => Effect::Idempotent,
            _ => Effect::Read,
        }
    }

    /// Whether it is one of the four on candidates themselves.
    pub const fn is_candidate(self) -> bool {
        matches!(
            self,
            Self::ListCandidates
                | Self::CreateCandidate
                | Self::GetCandidate
                | Self::UpdateCandidate
        )
    }

    /// Whether its response is a collection.
    pub const fn is_list(self) -> bool {
        matches!(
            self,
            Self::ListCandidates
                | Self::ListJobs
                | Self::ListStages
                | Self::ListApplications
                | Self::ListAttachments
                | Self::ListActivities
        )
    }

    /// The placeholder its path needs.
    pub(super) const fn placeholder(self) -> Option<&'static str> {
        match self {
            Self::ListCandidates | Self::CreateCandidate | Self::ListJobs => None,
            Self::GetJob | Self::ListStages => Some("{job_id}"),
            _ => Some("{candidate_id}"),
        }
    }

    /// Checks a path for this operation and renames its placeholder to the operator's own name.
    /// `exact`: the placeholder must already have that name.
    pub(super) fn check_path(self, path: &str, exact: bool) -> Result<String, PathError> {
        if !path.starts_with('/') || path.starts_with("//") || path.contains("://") {
            return Err(PathError::Foreign(path.to_owned()));
        }
        let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
        let mut placeholders = 0;
        let mut out = String::with_capacity(path.len());
        for segment in path[1..].split('/') {
            out.push('/');
            let inner = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}'));
            match (inner, self.placeholder()) {
                (Some(_), Some(own)) if !exact || segment == own => {
                    placeholders += 1;
                    out.push_str(own);
                }
                (Some(_), _) => {
                    placeholders = usize::MAX;
                    break;
                }
                (None, _) if segment.is_empty() || segment == "." || segment == ".." => {
                    return Err(PathError::Character(path.to_owned()));
                }
                (None, _) if segment.bytes().all(unreserved) => out.push_str(segment),
                (None, _) => return Err(PathError::Character(path.to_owned())),
            }
        }
        if placeholders != usize::from(self.placeholder().is_some()) {
            let needs = self.placeholder().unwrap_or("no placeholder");
            return Err(PathError::Placeholder { path: path.to_owned(), needs });
        }
        Ok(out)
    }
}

impl Operation {
    /// The path with `id` in its placeholder. An id is a safe path segment by construction.
    pub fn path_for(&self, id: Option<&ClinchId>) -> String {
        match (self.path.find('{'), self.path.find('}'), id) {
            (Some(start), Some(end), Some(id)) => {
                format!("{}{id}{}", &self.path[..start], &self.path[end + 1..])
            }
            _ => self.path.clone(),
        }
    }
}

impl From<AssumedWrite> for Op {
    fn from(write: AssumedWrite) -> Self {
        match write {
            AssumedWrite::CreateApplication => Self::CreateApplication,
            AssumedWrite::CreateAttachment => Self::CreateAttachment,
            AssumedWrite::CreateActivity => Self::CreateActivity,
        }
    }
}

impl Serialize for Op {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl std::fmt::Display for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_the_origin_or_a_segment_are_rejected() {
        for bad in ["https://evil.example/c", "//evil.example/c", "candidates", "/x://y"] {
            let refused = Op::ListCandidates.check_path(bad, false);
            assert!(matches!(refused, Err(PathError::Foreign(_))), "{bad}");
        }
        for bad in ["/a/../b", "/a//b", "/a?b=c", "/a b", "/a%2f", "/"] {
            let refused = Op::ListCandidates.check_path(bad, false);
            assert!(matches!(refused, Err(PathError::Character(_))), "{bad}");
        }
    }

    #[test]
    fn a_placeholder_is_required_if_needed_and_gets_our_name() {
        let renamed = Op::GetCandidate.check_path("/people/{uuid}", false).unwrap();
        assert_eq!(renamed, "/people/{candidate_id}");
        assert!(Op::GetCandidate.check_path("/people", false).is_err());
        assert!(Op::GetCandidate.check_path("/people/{uuid}", true).is_err());
        assert!(Op::ListCandidates.check_path("/people/{candidate_id}", true).is_err());
        assert!(Op::GetCandidate.check_path("/t/{a}/p/{b}", false).is_err());
    }

    #[test]
    fn an_id_replaces_the_placeholder() {
        let operation = Operation {
            method: Verb::Get,
            path: "/jobs/{job_id}/stages".into(),
            state: State::Assumed,
        };
        let id = ClinchId::parse("j1").unwrap();
        assert_eq!(operation.path_for(Some(&id)), "/jobs/j1/stages");
    }
}
