//! What a run is made of: decode, select, map, one record at a time. Every selected record ends
//! up as work or as a rejection; no request is made, and no record is kept.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::{
    crm::WantedDestination,
    push::{Duplicates, Tags, Work},
    report::Rejection,
    resume,
    survey::Marked,
};
use crate::{
    domain::{MatchKey, Profile, Reason, SourcePosition},
    ledger::{Extras, Keys, Steps},
    mapping::{Mapped, Plan, RecordIssue, ResumeContent, Select},
    source::{
        CsvOptions, Decoded, Format, Limits, Opening, Part, Remote, SourceError, decode,
        decode_opening, decode_values, digest,
    },
};

/// Bounds on each file that lies elsewhere: it is read as it comes, and may be large.
const DISTANT: Limits = Limits {
    max_record_bytes: 8 << 20,
    max_expanded_bytes: 1 << 40,
    max_ratio: 200,
    max_records: 100_000_000,
};

/// Where the records come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Profiles that are values already.
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
    /// A place that is looked at when the run begins.
    Remote {
        /// The place.
        remote: Remote,
        /// The format, where the spec names one.
        format: Option<Format>,
        /// How CSV columns become profile fields.
        csv: CsvOptions,
        /// The version that is in Clinch as a whole: nothing is to be done while it is the same.
        known: Option<String>,
    },
    /// What the place held.
    Listed {
        /// The files, in order.
        openings: Vec<Opening>,
        /// The format, where the spec names one.
        format: Option<Format>,
        /// How CSV columns become profile fields.
        csv: CsvOptions,
        /// Whether each reading is held to one version; else only its end tells.
        versioned: bool,
    },
}

/// What a look at a distant source found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// How many files.
    pub files: usize,
    /// Bytes as stored, where they are known.
    pub bytes: Option<u64>,
    /// Changes with any of the files; absent where the server tells nothing of the kind.
    pub version: Option<String>,
}

impl Source {
    /// Digest of the content and of how it is read.
    pub fn fingerprint(&self) -> crate::domain::Digest {
        match self {
            Self::Inline(values) => crate::domain::digest_json(values),
            Self::Parts { parts, csv, .. } => {
                let content = digest(parts);
                let headers = crate::domain::digest_json(&csv.headers);
                let formats: Vec<&[u8]> = parts
                    .iter()
                    .map(|part| part.format.map_or("", Format::as_str).as_bytes())
                    .collect();
                let fixed = [&content.as_bytes()[..], &headers.as_bytes()[..]];
                crate::domain::digest_parts(fixed.into_iter().chain(formats))
            }
            // Of the place, not of what lies there: that is not known before a run.
            Self::Remote { remote, format, csv, .. } => crate::domain::digest_json(&(
                remote.identity(),
                format.map_or("", Format::as_str),
                &csv.headers,
            )),
            Self::Listed { openings, .. } => crate::domain::digest_json(&openings.len()),
        }
    }

    /// Notes the version of a distant source that is in Clinch as a whole.
    pub fn know(&mut self, version: Option<String>) {
        if let Self::Remote { known, .. } = self {
            *known = version;
        }
    }

    /// Looks at a distant source. `None`: it is the version that is in Clinch already.
    pub(super) async fn look(self) -> Result<Option<(Self, Option<Looked>)>, SourceError> {
        let Self::Remote { remote, format, csv, known } = self else {
            return Ok(Some((self, None)));
        };
        let listing = remote.list().await.map_err(|fault| SourceError::Remote {
            part: remote.location().to_string().into(),
            fault,
        })?;
        let version = listing.version.map(|version| version.short());
        if version.is_some() && version == known {
            return Ok(None);
        }
        let versioned = version.is_some();
        let looked = Looked { files: listing.openings.len(), bytes: listing.bytes, version };
        Ok(Some((
            Self::Listed { openings: listing.openings, format, csv, versioned },
            Some(looked),
        )))
    }

    /// Whether its records may be others when it is read again.
    pub(super) fn is_distant(&self) -> bool {
        matches!(self, Self::Remote { .. } | Self::Listed { .. })
    }

    /// Whether only the end of a reading tells that it is another than the one before.
    pub(super) fn is_told_at_the_end(&self) -> bool {
        matches!(self, Self::Listed { versioned: false, .. })
    }

    fn records(&self) -> Box<dyn Iterator<Item = Result<Decoded, SourceError>> + Send + '_> {
        match self {
            Self::Inline(values) => Box::new(decode_values(&"inline".into(), values)),
            Self::Parts { parts, csv, limits } => {
                Box::new(parts.iter().flat_map(move |part| decode(part, csv, limits)))
            }
            Self::Listed { openings, format, csv, .. } => Box::new(
                openings.iter().flat_map(move |one| decode_opening(one, *format, csv, &DISTANT)),
            ),
            // It is looked at before it is read.
            Self::Remote { .. } => Box::new(std::iter::empty()),
        }
    }
}

/// What a run is to do; everything that decides its outcome.
#[derive(Debug)]
pub struct RunSpec {
    /// Where the records come from.
    pub source: Source,
    /// Which of them are exported.
    pub select: Option<Select>,
    /// Most records exported, counted after `select`.
    pub limit: Option<u64>,
    /// How a profile becomes attributes.
    pub plan: Plan,
    /// Where people go.
    pub destination: WantedDestination,
    /// What happens to people who are in Clinch already.
    pub duplicates: Duplicates,
    /// Whether anything is written.
    pub mode: super::push::Mode,
}

/// What one selected record is.
pub(super) enum Sorted {
    /// Something to be delivered.
    Wanted(Box<Work>),
    /// Something that cannot be.
    Refused(Rejection),
}

/// The selected records of a source, from its beginning.
pub(super) struct Records<'a> {
    spec: &'a RunSpec,
    keys: &'a Keys,
    activity: Option<Arc<str>>,
    /// Digests of the steps of a record that has neither resume nor tags.
    plain: Extras,
    items: Box<dyn Iterator<Item = Result<Decoded, SourceError>> + Send + 'a>,
    /// Which of them are asked for; all of them where it is absent.
    only: Option<&'a Marked>,
    read: usize,
    selected: u64,
}

impl<'a> Records<'a> {
    pub(super) fn of(spec: &'a RunSpec, keys: &'a Keys) -> Self {
        let activity = spec.plan.tags_activity().map(Into::into);
        let plain = Extras {
            application: keys.step_digest(&(policy(spec), &spec.destination)),
            resume: keys.step_digest(&(policy(spec), None::<&str>)),
            activity: keys.step_digest(&(policy(spec), None::<(&str, &str)>)),
        };
        Self {
            spec,
            keys,
            activity,
            plain,
            items: spec.source.records(),
            only: None,
            read: 0,
            selected: 0,
        }
    }

    /// Those that a survey marked.
    pub(super) fn marked(spec: &'a RunSpec, keys: &'a Keys, marked: &'a Marked) -> Self {
        Self { only: Some(marked), ..Self::of(spec, keys) }
    }

    /// The number of the latest record in the source.
    pub(super) fn number(&self) -> usize {
        self.read.saturating_sub(1)
    }

    /// The next selected record. `None` at the end of the source, at the limit, and after an
    /// error, which concerns the source.
    pub(super) fn next(&mut self) -> Option<Result<Sorted, SourceError>> {
        loop {
            if self.spec.limit.is_some_and(|limit| self.selected >= limit) {
                return None;
            }
            let decoded = match self.items.next()? {
                Ok(decoded) => decoded,
                Err(error) => return Some(Err(error)),
            };
            self.read += 1;
            if self.only.is_some_and(|marked| !marked.contains(self.number())) {
                continue;
            }
            if let Some(sorted) = self.sort(decoded) {
                self.selected += 1;
                return Some(Ok(sorted));
            }
        }
    }

    /// Reads on to the end of the source, and tells what is wrong with it.
    pub(super) fn rest(&mut self) -> Option<SourceError> {
        self.items.find_map(Result::err)
    }

    fn sort(&self, decoded: Decoded) -> Option<Sorted> {
        let position = decoded.position;
        let refused = |record, reason, message| {
            let position = position.clone();
            Some(Sorted::Refused(Rejection { position, record, reason, message }))
        };
        let profile = match decoded.result {
            Ok(profile) => profile,
            Err(error) => return refused(None, error.reason(), error.to_string()),
        };
        match selected(self.spec, &profile) {
            Ok(false) => return None,
            Ok(true) => {}
            Err(issue) => return refused(None, issue.reason, issue.to_string()),
        }
        let mapped = match self.spec.plan.apply(&profile) {
            Ok(mapped) => mapped,
            Err(issues) => {
                let (reason, message) = gist(&issues);
                return refused(None, reason, message);
            }
        };
        match self.work(position.clone(), mapped) {
            Ok(work) => Some(Sorted::Wanted(Box::new(work))),
            Err((key, reason, message)) => {
                refused(Some(self.keys.record_id(&key)), reason, message)
            }
        }
    }

    fn work(
        &self,
        position: SourcePosition,
        mapped: Mapped,
    ) -> Result<Work, (MatchKey, Reason, String)> {
        let Self { spec, keys, .. } = self;
        let policy = policy(spec);
        let resume_base64 = mapped.resume.as_ref().map(|resume| match &resume.content {
            ResumeContent::Base64(text) => Some(text.as_str()),
            ResumeContent::Url(_) | ResumeContent::Unusable => None,
        });
        let tags = self
            .activity
            .as_ref()
            .filter(|_| !mapped.tags.is_empty())
            .map(|activity| Tags { activity: activity.clone(), body: mapped.tags.join(", ") });
        let mut extras = self.plain;
        if resume_base64.is_some() {
            extras.resume = keys.step_digest(&(policy, resume_base64));
        }
        if let Some(tags) = &tags {
            extras.activity = keys.step_digest(&(policy, Some((&*tags.activity, &tags.body))));
        }
        let resume = resume_base64
            .map(|base64| resume::attachment(base64, &extras.resume.0))
            .transpose()
            .map_err(|error| {
                (mapped.match_key.clone(), Reason::ResumeRefused, error.to_string())
            })?;
        Ok(Work {
            position,
            key_hash: keys.key_hash(&mapped.match_key),
            payload: keys.payload_digest(&(policy, &mapped.attributes)),
            key: mapped.match_key,
            attributes: mapped.attributes,
            only_if_empty: mapped.only_if_empty,
            resume,
            tags,
            applies: matches!(spec.destination, WantedDestination::Job { .. }),
            ours: None,
            undecided: false,
            done: Steps::NONE,
            extras,
        })
    }
}

/// What a thread of its own made; its panic is the caller's.
pub(super) async fn finished<T>(thread: JoinHandle<T>) -> T {
    match thread.await {
        Ok(made) => made,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and the caller with it.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Part of every digest: someone who was left alone is not someone who was updated to the same
/// values.
fn policy(spec: &RunSpec) -> &'static str {
    if spec.duplicates == Duplicates::Skip { "skip" } else { "write" }
}

fn selected(spec: &RunSpec, profile: &Profile) -> Result<bool, RecordIssue> {
    spec.select.as_ref().map_or(Ok(true), |select| select.matches(profile))
}

/// All faults of a record in one message; the reason is the first one's.
fn gist(issues: &[RecordIssue]) -> (Reason, String) {
    let reason = issues.first().map_or(Reason::InvalidValue, |issue| issue.reason);
    let texts: Vec<String> = issues.iter().map(ToString::to_string).collect();
    (reason, texts.join("; "))
}
