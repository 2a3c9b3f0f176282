//! The first half of a run: decode, select, map, and compare with the ledger. Every record ends
//! up as work, as unchanged, or as a rejection; no request is made.

use std::{collections::HashMap, sync::Arc};

use super::{
    crm::WantedDestination,
    push::{Duplicates, Tags, Work},
    report::Rejection,
    resume,
};
use crate::{
    domain::{MatchKey, Profile, Reason, SourcePosition},
    ledger::{Extras, Keys, Ledger, PayloadDigest, Steps},
    mapping::{Mapped, Plan, RecordIssue, ResumeContent, Select},
    source::{CsvOptions, Decoded, Limits, Part, SourceError, decode, decode_values, digest},
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
                    .map(|part| part.format.map_or("", crate::source::Format::as_str).as_bytes())
                    .collect();
                let fixed = [&content.as_bytes()[..], &headers.as_bytes()[..]];
                crate::domain::digest_parts(fixed.into_iter().chain(formats))
            }
        }
    }

    fn records(&self) -> Box<dyn Iterator<Item = Result<Decoded, SourceError>> + Send + '_> {
        match self {
            Self::Inline(values) => Box::new(decode_values(&"inline".into(), values)),
            Self::Parts { parts, csv, limits } => {
                Box::new(parts.iter().flat_map(move |part| decode(part, csv, limits)))
            }
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

/// The records of a run, sorted out.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    /// Records selected.
    pub(super) total: u64,
    /// Records that the ledger knows as they are.
    pub(super) unchanged: u64,
    /// Records refused.
    pub(super) rejections: Vec<Rejection>,
    /// Records to push.
    pub(super) work: Vec<Work>,
    /// Why the source ended early, if it did.
    pub(super) fault: Option<(Reason, String)>,
}

/// Sorts out every record.
pub(super) async fn prepare(spec: &RunSpec, keys: &Keys, ledger: &Ledger) -> Prepared {
    let mut prepared = Prepared::default();
    let mut seen: HashMap<MatchKey, (PayloadDigest, Extras, SourcePosition)> = HashMap::new();
    let activity: Option<Arc<str>> = spec.plan.tags_activity().map(Into::into);
    for (count, item) in spec.source.records().enumerate() {
        if count % 256 == 255 {
            // Decoding is work for the processor; others get their turn.
            tokio::task::yield_now().await;
        }
        if spec.limit.is_some_and(|limit| prepared.total >= limit) {
            break;
        }
        let decoded = match item {
            Ok(decoded) => decoded,
            Err(error) => {
                prepared.fault = Some((error.disposition().reason(), error.to_string()));
                break;
            }
        };
        let position = decoded.position;
        let profile = match decoded.result {
            Ok(profile) => profile,
            Err(error) => {
                prepared.total += 1;
                prepared.reject(position, None, error.reason(), error.to_string());
                continue;
            }
        };
        match selected(spec, &profile) {
            Ok(false) => continue,
            Ok(true) => prepared.total += 1,
            Err(issue) => {
                prepared.total += 1;
                prepared.reject(position, None, issue.reason, issue.to_string());
                continue;
            }
        }
        let mapped = match spec.plan.apply(&profile) {
            Ok(mapped) => mapped,
            Err(issues) => {
                let (reason, message) = gist(&issues);
                prepared.reject(position, None, reason, message);
                continue;
            }
        };
        let work = match work(spec, keys, activity.as_ref(), position.clone(), mapped) {
            Ok(work) => work,
            Err((key, reason, message)) => {
                prepared.reject(position, Some(keys.record_id(&key)), reason, message);
                continue;
            }
        };
        match seen.get(&work.key) {
            // The same person again, in the same words: one of them is enough.
            Some((payload, extras, _)) if (*payload, *extras) == (work.payload, work.extras) => {
                prepared.unchanged += 1;
            }
            Some((_, _, first)) => {
                let message = format!("{first} names the same person with other values");
                let id = keys.record_id(&work.key);
                prepared.reject(position, Some(id), Reason::DuplicateInSource, message);
            }
            None => {
                seen.insert(work.key.clone(), (work.payload, work.extras, position));
                prepared.compare(work, ledger);
            }
        }
    }
    prepared
}

impl Prepared {
    fn reject(
        &mut self,
        position: SourcePosition,
        record: Option<crate::domain::RecordId>,
        reason: Reason,
        message: String,
    ) {
        self.rejections.push(Rejection { position, record, reason, message });
    }

    /// Takes over what the ledger knows of a record.
    fn compare(&mut self, mut work: Work, ledger: &Ledger) {
        if let Some(entry) = ledger.get(&work.key_hash) {
            let wanted = work.wanted();
            let missing = ledger.missing_steps(&work.key_hash, &work.payload, &work.extras, wanted);
            work.done = wanted.without(missing);
            work.ours = Some(entry.clinch_id);
            if work.is_done() {
                self.unchanged += 1;
                return;
            }
        }
        self.work.push(work);
    }
}

fn selected(spec: &RunSpec, profile: &Profile) -> Result<bool, RecordIssue> {
    spec.select.as_ref().map_or(Ok(true), |select| select.matches(profile))
}

fn work(
    spec: &RunSpec,
    keys: &Keys,
    activity: Option<&Arc<str>>,
    position: SourcePosition,
    mapped: Mapped,
) -> Result<Work, (MatchKey, Reason, String)> {
    // Someone who was left alone is not someone who was updated to the same values.
    let policy = if spec.duplicates == Duplicates::Skip { "skip" } else { "write" };
    let resume_base64 = mapped.resume.as_ref().map(|resume| match &resume.content {
        ResumeContent::Base64(text) => Some(text.as_str()),
        ResumeContent::Url(_) | ResumeContent::Unusable => None,
    });
    let tags = activity
        .filter(|_| !mapped.tags.is_empty())
        .map(|activity| Tags { activity: activity.clone(), body: mapped.tags.join(", ") });
    let extras = Extras {
        application: keys.step_digest(&(policy, &spec.destination)),
        resume: keys.step_digest(&(policy, resume_base64)),
        activity: keys.step_digest(&(policy, tags.as_ref().map(|t| (&*t.activity, &t.body)))),
    };
    let resume = resume_base64
        .map(|base64| resume::attachment(base64, &extras.resume.0))
        .transpose()
        .map_err(|error| (mapped.match_key.clone(), Reason::ResumeRefused, error.to_string()))?;
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
        done: Steps::NONE,
        extras,
    })
}

/// All faults of a record in one message; the reason is the first one's.
fn gist(issues: &[RecordIssue]) -> (Reason, String) {
    let reason = issues.first().map_or(Reason::InvalidValue, |issue| issue.reason);
    let texts: Vec<String> = issues.iter().map(ToString::to_string).collect();
    (reason, texts.join("; "))
}
