//! The source of an export. Pure.

use crate::{
    controllers::{candidate_export::gather::Gathered, check::Check, sources},
    pipeline::Source,
};

/// The source that a run reads.
pub(super) fn check(gathered: &Gathered) -> Check<Source> {
    sources::check(&gathered.export.spec.source, &gathered.source, &gathered.policy)
}
