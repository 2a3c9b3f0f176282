//! The first half of a run, on a thread of its own: decode, select, map. Every record ends up as
//! work or as a rejection; no request is made. What is read waits in windows of bounded size, so
//! that memory does not grow with the source.

use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::Arc,
};

use serde_json::Value;
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    crm::WantedDestination,
    push::{Duplicates, Tags, Work},
    report::Rejection,
    resume,
    spec::RunSpec,
};
use crate::{
    domain::{MatchKey, Profile, Reason, RecordId, SourcePosition},
    ledger::{Extras, KeyHash, Keys, Steps},
    mapping::{Mapped, RecordIssue, ResumeContent},
    source::Decoded,
};

/// Most records of a window.
const WINDOW_RECORDS: usize = 4096;
/// A window is closed once its work takes about this many bytes.
const WINDOW_BYTES: usize = 8 << 20;

/// So many records of a source, sorted out.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Records selected.
    pub(super) total: u64,
    /// Records that say what an earlier one said.
    pub(super) repeated: u64,
    /// Records refused.
    pub(super) rejections: Vec<Rejection>,
    /// Records to compare with the ledger, and to push.
    pub(super) work: Vec<Work>,
    /// The share of the source that is read, in thousandths; none where it cannot be told.
    pub(super) share: Option<u16>,
    /// Set on the last window.
    pub(super) end: Option<End>,
    weight: usize,
}

/// How a source ended.
#[derive(Debug)]
pub(super) enum End {
    /// All of it was read.
    Whole,
    /// Nothing more can be read.
    Fault(Reason, String),
}

/// The windows of a source, prepared one ahead.
pub(super) struct Windows {
    ready: mpsc::Receiver<Window>,
    thread: JoinHandle<()>,
}

impl Windows {
    /// Starts to read.
    pub(super) fn of(spec: Arc<RunSpec>, keys: Keys) -> Self {
        let (sender, ready) = mpsc::channel(1);
        let thread = tokio::task::spawn_blocking(move || {
            let send = |window| sender.blocking_send(window).is_ok();
            Preparing::new(&spec, &keys).all(send);
        });
        Self { ready, thread }
    }

    /// The next window; the one with an `end` is the last.
    pub(super) async fn next(&mut self) -> Window {
        if let Some(window) = self.ready.recv().await {
            return window;
        }
        // It ends without a last window only by a panic, which is the run's.
        if let Err(failed) = (&mut self.thread).await
            && failed.is_panic()
        {
            std::panic::resume_unwind(failed.into_panic());
        }
        Window { end: Some(End::Whole), ..Window::default() }
    }
}

/// Where a person was first named, and with what; small, as there is one for each record.
struct Seen {
    /// Tells whether everything that is sent for the record is the same.
    sent: u64,
    /// Line or index in the part.
    place: u32,
    /// Index in `Preparing::parts`.
    part: u16,
    is_line: bool,
}

struct Preparing<'a> {
    spec: &'a RunSpec,
    keys: &'a Keys,
    activity: Option<Arc<str>>,
    seen: HashMap<KeyHash, Seen>,
    parts: Vec<Arc<str>>,
    total: u64,
    window: Window,
}

impl<'a> Preparing<'a> {
    fn new(spec: &'a RunSpec, keys: &'a Keys) -> Self {
        let activity = spec.plan.tags_activity().map(Into::into);
        let (seen, parts, window) = (HashMap::new(), Vec::new(), Window::default());
        Self { spec, keys, activity, seen, parts, total: 0, window }
    }

    /// Sorts out every record; stops when nobody wants the windows any more.
    fn all(mut self, mut send: impl FnMut(Window) -> bool) {
        let mut reading = self.spec.source.read();
        let mut end = End::Whole;
        while self.spec.limit.is_none_or(|limit| self.total < limit) {
            let decoded = match reading.next() {
                Some(Ok(decoded)) => decoded,
                Some(Err(error)) => {
                    end = End::Fault(error.disposition().reason(), error.to_string());
                    break;
                }
                None => break,
            };
            self.take(decoded);
            if self.window.is_full() {
                self.window.share = reading.share();
                if !send(std::mem::take(&mut self.window)) {
                    return;
                }
            }
        }
        self.window.end = Some(end);
        send(self.window);
    }

    fn take(&mut self, Decoded { position, result }: Decoded) {
        let profile = match result {
            Ok(profile) => profile,
            Err(error) => {
                self.count();
                return self.window.reject(position, None, error.reason(), error.to_string());
            }
        };
        match selected(self.spec, &profile) {
            Ok(false) => return,
            Ok(true) => self.count(),
            Err(issue) => {
                self.count();
                return self.window.reject(position, None, issue.reason, issue.to_string());
            }
        }
        let mapped = match self.spec.plan.apply(&profile) {
            Ok(mapped) => mapped,
            Err(issues) => {
                let (reason, message) = gist(&issues);
                return self.window.reject(position, None, reason, message);
            }
        };
        match work(self.spec, self.keys, self.activity.as_ref(), position.clone(), mapped) {
            Ok(work) => self.once(work),
            Err((key, reason, message)) => {
                self.window.reject(position, Some(self.keys.record_id(&key)), reason, message);
            }
        }
    }

    fn count(&mut self) {
        self.total += 1;
        self.window.total += 1;
    }

    /// Takes one record for each person.
    fn once(&mut self, work: Work) {
        let mut sent = DefaultHasher::new();
        (work.payload, work.extras).hash(&mut sent);
        let sent = sent.finish();
        match self.seen.get(&work.key_hash) {
            // The same person again, in the same words: one of them is enough.
            Some(seen) if seen.sent == sent => self.window.repeated += 1,
            Some(seen) => {
                let first = self.position(seen);
                let message = format!("{first} names the same person with other values");
                let id = self.keys.record_id(&work.key);
                let reason = Reason::DuplicateInSource;
                self.window.reject(work.position, Some(id), reason, message);
            }
            None => {
                let seen = self.seen(sent, &work.position);
                self.seen.insert(work.key_hash, seen);
                self.window.weight += weight(&work);
                self.window.work.push(work);
            }
        }
    }

    fn seen(&mut self, sent: u64, position: &SourcePosition) -> Seen {
        if self.parts.last() != Some(&position.part) {
            self.parts.push(position.part.clone());
        }
        Seen {
            sent,
            place: u32::try_from(position.line.unwrap_or(position.index)).unwrap_or(u32::MAX),
            part: u16::try_from(self.parts.len() - 1).unwrap_or(u16::MAX),
            is_line: position.line.is_some(),
        }
    }

    fn position(&self, seen: &Seen) -> SourcePosition {
        let part = self.parts.get(usize::from(seen.part)).cloned().unwrap_or_default();
        let line = seen.is_line.then(|| seen.place.into());
        SourcePosition { part, index: seen.place.into(), line }
    }
}

impl Window {
    fn is_full(&self) -> bool {
        self.work.len() + self.rejections.len() >= WINDOW_RECORDS || self.weight >= WINDOW_BYTES
    }

    fn reject(
        &mut self,
        position: SourcePosition,
        record: Option<RecordId>,
        reason: Reason,
        message: String,
    ) {
        self.rejections.push(Rejection { position, record, reason, message });
    }
}

/// About how many bytes a record takes.
fn weight(work: &Work) -> usize {
    const FIXED: usize = 512;
    let resume = work.resume.as_ref().map_or(0, |resume| resume.bytes.len());
    let tags = work.tags.as_ref().map_or(0, |tags| tags.body.len());
    let values = work.attributes.values().map(value_weight).sum::<usize>();
    FIXED + resume + tags + values
}

pub(super) fn value_weight(value: &Value) -> usize {
    const FIXED: usize = 64;
    FIXED
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(value_weight).sum(),
            Value::Object(fields) => fields.values().map(value_weight).sum(),
            _ => 0,
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
