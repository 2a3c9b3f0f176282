//! Decodes, selects and maps the records of a source, one at a time. Every selected record becomes
//! work or a rejection. Makes no request and keeps no record.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::{
    coverage::{Coverage, CoverageCount, lacking_glyphs},
    mode::Mode,
    opened::Opened,
    profiles,
    record_log::{RecordLog, SourceId},
    record_set::RecordSet,
    rendered::{Named, Preview, Renderer, Resume},
    report::Rejection,
    resume::{self, ResumeError, ResumeFile},
    spec::{DestinationSpec, RunSpec},
    work::{Tags, Work},
};
use crate::{
    domain::{Cause, MatchKey, Profile, Reason, SourcePosition},
    ledger::{Extras, Keys, PayloadDigest, Steps},
    mapping::{Mapped, NeverSeen, RecordIssue, ResumeContent, Select},
    source::{Decoded, SourceError},
    storage::NamedFile,
};

/// A selected record after mapping.
pub(super) enum Prepared {
    /// It can be pushed.
    Ready(Box<Work>),
    /// It cannot be pushed.
    Rejected(Rejection),
}

/// The selected records of a source, in order.
pub(super) struct PreparedRecords<'a> {
    spec: &'a RunSpec<Opened>,
    keys: &'a Keys,
    activity: Option<Arc<str>>,
    /// Digests of the steps of a record with neither resume nor tags.
    plain: Extras,
    items: Box<dyn Iterator<Item = Result<Decoded, SourceError>> + Send + 'a>,
    /// Which records are requested; all of them if absent.
    only: Option<&'a RecordSet>,
    read: usize,
    /// Records read that are profiles.
    decoded: u64,
    selected: u64,
    coverage: CoverageCount,
    /// The operands of the selection that no record had so far.
    never_seen: Option<NeverSeen>,
    /// What is noted of the records.
    pub(super) log: RecordLog,
}

impl<'a> PreparedRecords<'a> {
    pub(super) fn of(spec: &'a RunSpec<Opened>, keys: &'a Keys) -> Self {
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
            decoded: 0,
            selected: 0,
            coverage: CoverageCount::of(Some(&spec.plan)),
            never_seen: spec.select.as_ref().map(Select::never_seen),
            log: RecordLog::default(),
        }
    }

    /// Only the records of a set.
    pub(super) fn among(spec: &'a RunSpec<Opened>, keys: &'a Keys, set: &'a RecordSet) -> Self {
        Self { only: Some(set), ..Self::of(spec, keys) }
    }

    /// How many records were read.
    pub(super) fn read(&self) -> u64 {
        self.read as u64
    }

    /// How the records read so far fill the mapping, whether they have what the selection needs, and
    /// what was noted of them.
    pub(super) fn finish(mut self) -> (Coverage, RecordLog) {
        let decoded = self.decoded;
        let missing = self.never_seen.as_ref().map(NeverSeen::paths).unwrap_or_default();
        if let Some(select) = self.spec.select.as_ref().filter(|_| decoded > 0) {
            self.coverage.warn_never_seen(select, missing, decoded);
        }
        (self.coverage.finish(Some(&self.spec.plan)), self.log)
    }

    /// Whether reading ended because enough records are selected.
    pub(super) fn is_limited(&self) -> bool {
        self.spec.limit.is_some_and(|limit| self.selected >= limit)
    }

    /// Counts the records behind the limit. Returns the first error of the source.
    pub(super) fn count_rest(&mut self) -> Option<SourceError> {
        for decoded in self.items.by_ref() {
            match decoded {
                Ok(_) => self.read += 1,
                Err(error) => return Some(error),
            }
        }
        None
    }

    /// The number in the source of the record read last.
    pub(super) fn number(&self) -> usize {
        self.read.saturating_sub(1)
    }

    /// The next selected record. `None` at the end of the source, at the limit, and after an error,
    /// which is one of the source.
    pub(super) fn next(&mut self) -> Option<Result<Prepared, SourceError>> {
        loop {
            if self.is_limited() {
                return None;
            }
            let decoded = match self.items.next()? {
                Ok(decoded) => decoded,
                Err(error) => return Some(Err(error)),
            };
            self.read += 1;
            self.log.read(&decoded);
            if self.only.is_some_and(|set| !set.contains(self.number())) {
                continue;
            }
            if let Some(prepared) = self.prepare(decoded) {
                self.selected += 1;
                return Some(Ok(prepared));
            }
        }
    }

    /// Reads to the end of the source and returns its first error.
    pub(super) fn rest(&mut self) -> Option<SourceError> {
        self.items.find_map(Result::err)
    }

    fn prepare(&mut self, decoded: Decoded) -> Option<Prepared> {
        let position = decoded.position;
        let reject = |record, place: Option<&str>, cause| {
            let (position, place) = (position.clone(), place.map(Into::into));
            Some(Prepared::Rejected(Rejection { position, record, place, cause }))
        };
        let profile = match decoded.result {
            Ok(profile) => profile,
            Err(error) => {
                return reject(None, None, Cause::new(error.reason(), error.to_string()));
            }
        };
        self.decoded += 1;
        if let Some(never_seen) = &mut self.never_seen {
            never_seen.note(&profile);
        }
        match selected(self.spec.select.as_ref(), &profile) {
            Ok(false) => return None,
            Ok(true) => {}
            Err(issue) => {
                let cause = Cause::new(issue.reason, issue.to_string());
                return reject(None, Some(&issue.path), cause);
            }
        }
        let mapped = match self.spec.plan.apply_noting(&profile, &mut self.coverage.record()) {
            Ok(mapped) => mapped,
            Err(issues) => {
                let place = decisive(&issues).map(|issue| issue.path.as_str());
                return reject(None, place, summarize(&issues));
            }
        };
        for doubt in &mapped.doubts {
            let cause = Cause::new(Reason::OutsideContract, doubt.beyond.words());
            self.coverage.warn(&doubt.place(), cause, 1);
        }
        match self.work(position.clone(), mapped, &profile) {
            Ok(work) => Some(Prepared::Ready(Box::new(work))),
            Err((key, cause)) => {
                reject(Some(self.keys.record_id(&key)), Some("spec.resume"), cause)
            }
        }
    }

    fn work(
        &mut self,
        position: SourcePosition,
        mapped: Mapped,
        profile: &Profile,
    ) -> Result<Work, (MatchKey, Cause)> {
        let policy = policy(self.spec);
        let tags = self
            .activity
            .as_ref()
            .filter(|_| !mapped.tags.is_empty())
            .map(|activity| Tags { activity: activity.clone(), body: mapped.tags.join(", ") });
        let mut extras = self.plain;
        let resume = self.resume(&mapped, profile, &mut extras);
        let Self { spec, keys, .. } = &*self;
        if let Some(tags) = &tags {
            extras.activity = keys.step_digest(&(policy, Some((&*tags.activity, &tags.body))));
        }
        let (resume, warning) = match resume {
            Ok(resume) => (resume, None),
            Err(error) => {
                let cause = Cause::new(Reason::ResumeRefused, error.to_string());
                if spec.plan.requires_resume() {
                    return Err((mapped.match_key, cause));
                }
                // The person is delivered; the ledger does not record the step, and the next run tries
                // it again.
                (None, Some(Box::new(cause)))
            }
        };
        let payload = keys.payload_digest(&(policy, &mapped.attributes));
        Ok(Work {
            number: self.number(),
            position,
            key_hash: keys.key_hash(&mapped.match_key),
            payload,
            folded: self.folded(&mapped).unwrap_or(payload),
            key: mapped.match_key,
            attributes: mapped.attributes,
            only_if_empty: mapped.only_if_empty,
            lacking: mapped.lacking,
            resume,
            warning,
            tags,
            applies: matches!(spec.destination, DestinationSpec::Job { .. }),
            ours: None,
            undecided: false,
            done: Steps::NONE,
            extras,
            source_id: spec.reveals.as_ref().and_then(|_| SourceId::of(profile)),
            profiles: match (&spec.reveals, spec.mode) {
                (Some(_), Mode::DryRun) => profiles::hashes_of(keys, profile),
                _ => Box::default(),
            },
            spent: OnceLock::new(),
        })
    }
}

impl PreparedRecords<'_> {
    /// What is attached as a resume, and its digest: of the profile's own file, of its `resume` member
    /// if that names a file, or of what a rendered profile depends on.
    fn resume(
        &mut self,
        mapped: &Mapped,
        profile: &Profile,
        extras: &mut Extras,
    ) -> Result<Option<Resume>, ResumeError> {
        let (keys, policy, plan) = (self.keys, policy(self.spec), &self.spec.plan);
        let renders = plan.attaches_resume() && plan.resume_from().renders();
        let own = match mapped.resume.as_ref().map(|resume| &resume.content) {
            None => None,
            Some(ResumeContent::Base64(text)) => {
                extras.resume = keys.step_digest(&(policy, Some(text)));
                Some(resume::attachment(text, &extras.resume.0).map(Own::File))
            }
            Some(ResumeContent::Url(url)) => {
                Some(self.spec.resumes.find(url).map(Own::Named).map_err(ResumeError::Url))
            }
            Some(ResumeContent::Unusable) => Some(Err(ResumeError::Nothing)),
        };
        match own {
            Some(Ok(Own::File(file))) => return Ok(Some(Resume::File(file))),
            Some(Ok(Own::Named(file))) => {
                let (otherwise, inputs) = if renders {
                    let preview = self.preview(profile);
                    (Some(Renderer::later(profile, &preview)), preview.inputs)
                } else {
                    (None, String::new())
                };
                let shown = named(profile, &file);
                extras.resume = keys.step_digest(&(policy, "url", shown, inputs));
                return Ok(Some(Resume::Named(Box::new(Named { file, otherwise }))));
            }
            Some(Err(error)) if !renders => return Err(error),
            None if !renders => return Ok(None),
            Some(Err(_)) | None => {}
        }
        let preview = self.preview(profile);
        extras.resume = keys.step_digest(&(policy, "profile", &preview.inputs));
        Ok(Some(Resume::Profile(Box::new(Renderer::later(profile, &preview)))))
    }

    /// What a document of a profile would show. Warns of what it lacks.
    fn preview(&mut self, profile: &Profile) -> Preview {
        let renderer = &self.spec.renderer;
        let preview = renderer.preview(profile);
        for script in &preview.lacking {
            self.coverage.warn("spec.resume", lacking_glyphs(script), 1);
        }
        preview
    }

    /// The digest of the values with the address folded; `None` where it is written that way.
    fn folded(&self, mapped: &Mapped) -> Option<PayloadDigest> {
        let (name, folded) = (self.spec.plan.match_attribute(), mapped.match_key.expose());
        if mapped.attributes.get(name).and_then(Value::as_str) == Some(folded) {
            return None;
        }
        let mut attributes = mapped.attributes.clone();
        attributes.insert(name.to_owned(), folded.into());
        Some(self.keys.payload_digest(&(policy(self.spec), &attributes)))
    }
}

/// The resume of a profile itself.
enum Own {
    File(ResumeFile),
    Named(NamedFile),
}

/// The `resume` member of a profile, with the identity of the file instead of its URL: if any of it
/// changes, the file is read again.
fn named(profile: &Profile, file: &NamedFile) -> Value {
    let mut member = profile.members().get("resume").cloned().unwrap_or_default();
    if let Some(url) = member.get_mut("url") {
        *url = file.identity().into();
    }
    member
}

fn policy(spec: &RunSpec<Opened>) -> &'static str {
    spec.duplicates.policy()
}

/// Whether a profile is selected. A record that an import wrote of a person who is gone is not.
pub(super) fn selected(select: Option<&Select>, profile: &Profile) -> Result<bool, RecordIssue> {
    if is_tombstone(profile) {
        return Ok(false);
    }
    select.map_or(Ok(true), |select| select.matches(profile))
}

/// Whether a record says that a person is gone, as an import does.
fn is_tombstone(profile: &Profile) -> bool {
    let op = profile.members().get("clinch").and_then(|clinch| clinch.get("op"));
    op.is_some_and(|op| op == "tombstone")
}

/// The fault that gives a record its reason and place: that nobody is named, or the first.
pub(super) fn decisive(issues: &[RecordIssue]) -> Option<&RecordIssue> {
    let nobody = issues.iter().find(|issue| issue.reason == Reason::MatchKeyMissing);
    nobody.or(issues.first())
}

/// All faults of a record in one message, with the reason of the decisive one.
pub(super) fn summarize(issues: &[RecordIssue]) -> Cause {
    let reason = decisive(issues).map_or(Reason::InvalidValue, |issue| issue.reason);
    let texts: Vec<String> = issues.iter().map(ToString::to_string).collect();
    Cause::new(reason, texts.join("; "))
}
