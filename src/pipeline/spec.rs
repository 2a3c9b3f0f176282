//! What a run is asked to do: the source, the mapping, the destination and the mode. Pure.

use std::sync::Arc;

use serde::Serialize;

use super::{
    attribute_filter::AttributeFilter, guards::Guards, job_rules::JobRules, mode::Mode,
    rendered::Renderer,
};
use crate::{
    domain::{Digest, digest_json, digest_parts},
    mapping::{Plan, Select},
    source::{CsvOptions, Format, Limits, Part, digest},
    storage::{NamedFiles, Place},
};

/// Where the records come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Profiles given as values.
    Inline(Arc<[serde_json::Value]>),
    /// Encoded parts, in order.
    Parts {
        /// The parts.
        parts: Vec<Part>,
        /// How CSV columns become profile fields.
        csv: CsvOptions,
        /// Bounds on records and expansion.
        limits: Limits,
    },
    /// A remote place; a run lists its files when it starts.
    Remote {
        /// Where the files are.
        remote: Place,
        /// The format, if the spec names one.
        format: Option<Format>,
        /// How CSV columns become profile fields.
        csv: CsvOptions,
        /// The version that is completely in Clinch: a run ends at once while it is the same.
        applied_version: Option<String>,
    },
}

impl Source {
    /// Digest of the content and of how it is read.
    pub fn fingerprint(&self) -> Digest {
        match self {
            Self::Inline(values) => digest_json(values),
            Self::Parts { parts, csv, .. } => {
                let content = digest(parts);
                let headers = how_read(csv);
                let formats: Vec<&[u8]> = parts
                    .iter()
                    .map(|part| part.format.map_or("", Format::as_str).as_bytes())
                    .collect();
                let fixed = [&content.as_bytes()[..], &headers.as_bytes()[..]];
                digest_parts(fixed.into_iter().chain(formats))
            }
            // The place, not its content: that is unknown before a run.
            Self::Remote { remote, format, csv, .. } => {
                let place = (remote.identity(), format.map_or("", Format::as_str), &csv.headers);
                let digest = digest_json(&place);
                if csv.unescape { unescaped(digest) } else { digest }
            }
        }
    }

    /// Whether its content is not known before a run.
    pub fn is_remote(&self) -> bool {
        matches!(self, Self::Remote { .. })
    }

    /// Notes the version of a remote source that is completely in Clinch.
    pub fn note_applied_version(&mut self, version: Option<String>) {
        if let Self::Remote { applied_version, .. } = self {
            *applied_version = version;
        }
    }
}

/// Digest of how columns become fields. That of files without escapes is what it was before they were
/// known, so that nothing runs again after an upgrade.
fn how_read(csv: &CsvOptions) -> Digest {
    let headers = digest_json(&csv.headers);
    if csv.unescape { unescaped(headers) } else { headers }
}

fn unescaped(digest: Digest) -> Digest {
    digest_parts([&digest.as_bytes()[..], b"unescaped"])
}

/// The requested destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum DestinationSpec {
    /// As prospects.
    Prospect,
    /// To a stage of a job, named by id or by reference.
    Job {
        /// The job's id.
        id: Option<String>,
        /// The job's reference.
        reference: Option<String>,
        /// The stage's name.
        stage: String,
        /// The jobs and stages that the integration permits.
        permitted: JobRules,
    },
}

/// What happens to people who are in Clinch already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// Updated.
    Update,
    /// Left alone.
    Skip,
    /// The record is rejected.
    Fail,
}

impl Duplicates {
    /// Part of every digest in the ledger: a person who was left alone differs from one who was updated to
    /// the same values.
    pub(super) const fn policy(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Update | Self::Fail => "write",
        }
    }
}

/// What a run is asked to do: everything that decides its outcome.
#[derive(Debug)]
pub struct RunSpec<S = Source> {
    /// Where the records come from.
    pub source: S,
    /// Which records are exported.
    pub select: Option<Select>,
    /// Maximum number of records exported, counted after `select`.
    pub limit: Option<u64>,
    /// How a profile becomes attributes.
    pub plan: Plan,
    /// Where people are pushed.
    pub destination: DestinationSpec,
    /// What happens to people who are in Clinch already.
    pub duplicates: Duplicates,
    /// Whether anything is written.
    pub mode: Mode,
    /// Limits on what is read and written.
    pub guards: Guards,
    /// Renders profiles, if the mapping attaches them.
    pub renderer: Renderer,
    /// Reads resumes that profiles name by URL.
    pub resumes: NamedFiles,
    /// Which attributes of people in Clinch may be compared and named beside those that are mapped, if the
    /// result of each person is wanted. A dry run then compares LinkedIn and GitHub profiles, too.
    pub reveals: Option<AttributeFilter>,
}
