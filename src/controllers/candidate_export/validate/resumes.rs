//! From where resumes are read that profiles name by URL. Pure.

use crate::{
    controllers::{candidate_export::gather::Gathered, sources::SourceFound},
    domain::{Digest, digest_json},
    mapping::Plan,
    storage::NamedFiles,
};

/// Reads them under the rules of the export's source: its allow-list and its Secret.
pub(super) fn files(gathered: &Gathered) -> NamedFiles {
    let source = match &gathered.source {
        SourceFound::Remote(location, secret) => Some((location.clone(), secret.clone())),
        _ => None,
    };
    NamedFiles::of(gathered.policy.clone(), source)
}

/// The places that decide which resumes can be read: a run follows if they change. Absent where none
/// can be, so that the revision is what it was before there were any.
pub(super) fn digest(gathered: &Gathered, plan: &Plan) -> Option<Digest> {
    let allowed = &gathered.policy.allowed;
    if !plan.attaches_resume() || !plan.resume_from().takes_own() || allowed.is_empty() {
        return None;
    }
    let origins = match &gathered.source {
        SourceFound::Remote(_, secret) => secret.as_ref().map(|secret| &secret.origins),
        _ => None,
    };
    Some(digest_json(&("resumes", allowed.identity(), origins)))
}
