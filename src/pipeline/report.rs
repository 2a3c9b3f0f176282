//! What a run reports, while it runs and when it ends. Pure.

use std::{collections::BTreeMap, sync::Arc};

use super::{coverage::Coverage, drift::Drift, plan_digest::PlanDigest};
use crate::{
    domain::{Cause, Disposition, Reason, RecordId, SourcePosition},
    storage::Skipped,
};

/// How many rejected records a report lists; the rest are only counted.
pub const LISTED_REJECTIONS: usize = 20;

/// What became of the selected records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records read from the source, also those that cannot be decoded. A run with a limit ends
    /// reading when it has selected enough.
    pub read: u64,
    /// Records read that the selection leaves out.
    pub not_selected: u64,
    /// Records selected.
    pub total: u64,
    /// People created (dry run: would be).
    pub created: u64,
    /// People among these, in a dry run, whose profile somebody in Clinch has.
    pub possible: u64,
    /// People updated (dry run: would be).
    pub updated: u64,
    /// People already as mapped.
    pub unchanged: u64,
    /// People left alone by the duplicate policy.
    pub skipped: u64,
    /// Records among these that were delivered without all that the mapping asks for.
    pub warnings: u64,
    /// Records that are pending for their resume alone, which cannot be read for now: the person is in
    /// place with everything else.
    pub awaiting_resume: u64,
    /// Records refused before any request.
    pub invalid: u64,
    /// Records refused by Clinch.
    pub failed: u64,
    /// People not written: anonymised in Clinch, or on the admin's list.
    pub suppressed: u64,
}

impl Counts {
    /// Records not decided yet.
    pub fn pending(&self) -> u64 {
        self.total.saturating_sub(self.delivered() + self.rejected() + self.suppressed)
    }

    /// Records that are in Clinch as the spec asks.
    pub fn delivered(&self) -> u64 {
        self.created + self.updated + self.unchanged + self.skipped
    }

    /// Records that cannot be delivered as they are.
    pub fn rejected(&self) -> u64 {
        self.invalid + self.failed
    }

    /// Progress in percent; 100 for an empty selection.
    pub fn percent(&self) -> u8 {
        let decided = self.total - self.pending();
        (decided * 100).checked_div(self.total).map_or(100, |percent| percent.min(100) as u8)
    }
}

/// One rejected record. No candidate value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Its position in the source.
    pub position: SourcePosition,
    /// Its opaque id; absent if the record could not be mapped.
    pub record: Option<RecordId>,
    /// The place in the mapping or the spec that rejects it: `spec.fields[3].from`.
    pub place: Option<Box<str>>,
    /// Why, and where.
    pub cause: Cause,
}

/// How many records were rejected for each reason and place.
pub type RejectedByReason = BTreeMap<(Reason, Option<Box<str>>), u64>;

/// How many different reasons and places are counted: more than any mapping has.
const COUNTED_REASONS: usize = 1024;

/// People in Clinch more than once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Doubled {
    /// How many were found.
    pub found: u64,
    /// The opaque ids of some of them.
    pub records: Vec<RecordId>,
}

/// People of whom Clinch had more than one when they were last looked up.
#[derive(Debug, Clone, Default)]
pub struct Suspects {
    /// The listed records.
    pub records: Arc<[RecordId]>,
    /// More were found than are listed: everybody is checked.
    pub everybody: bool,
}

/// How many ids of people who are in Clinch more than once a report lists.
const LISTED_DOUBLED: usize = 20;

impl Doubled {
    /// Adds a person; each counts once.
    pub(super) fn note(&mut self, record: RecordId) {
        if self.records.contains(&record) {
            return;
        }
        self.found += 1;
        if self.records.len() < LISTED_DOUBLED {
            self.records.push(record);
        }
    }
}

/// What a run found at a remote source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceInfo {
    /// Number of files.
    pub files: usize,
    /// Stored bytes, if known.
    pub bytes: Option<u64>,
    /// Changes when any file changes; absent if the server states no version.
    pub version: Option<String>,
    /// What the pattern left out.
    pub skipped: Skipped,
}

/// Why a run does not believe what the ledger says about values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distrust {
    /// Somebody requested it.
    Requested,
    /// The ledger ends before a segment that an earlier run stored.
    LedgerBehind,
}

/// What earlier runs left behind, as the owner of the run knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LedgerTrust {
    /// Somebody requested that the ledger is not believed.
    pub distrust: bool,
    /// The position after the last segment that a run stored, if known.
    pub end: Option<u64>,
}

/// What a run found and left in the ledger. A dry run leaves nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LedgerInfo {
    /// The position after the last segment stored.
    pub end: Option<u64>,
    /// Number of people in it.
    pub people: Option<u64>,
    /// Why its values are not believed, if they are not. A push has recorded that in the ledger.
    pub distrust: Option<Distrust>,
}

/// A snapshot of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// What became of the records so far.
    pub counts: Counts,
    /// The first rejections, in source order.
    pub rejections: Arc<Vec<Rejection>>,
    /// Rejections not listed.
    pub omitted: u64,
    /// All rejections, by reason and place.
    pub by_reason: Arc<RejectedByReason>,
    /// The plan of a dry run, or of a run that a guard holds back.
    pub plan: Option<PlanDigest>,
    /// How many seconds the run waits in all, while it waits for requests of an earlier run that Clinch may
    /// still carry out.
    pub earlier_requests: Option<u64>,
    /// The page of the candidate list that is being read, while it is.
    pub listing: Option<u64>,
    /// Whether the addresses of profiles were compared with those in Clinch.
    pub profiles_compared: bool,
    /// What was found at a remote source.
    pub source: Option<SourceInfo>,
    /// How the records fill the mapping.
    pub coverage: Arc<Coverage>,
    /// People found in Clinch more than once at the end of the run.
    pub doubled: Arc<Doubled>,
    /// The ledger.
    pub ledger: LedgerInfo,
    /// What a verification has found.
    pub drift: Arc<Drift>,
    /// The file that was written.
    pub file: Option<Arc<FileInfo>>,
    /// The files that there are, where each person has one.
    pub files: Option<FilesInfo>,
    /// The report that was written; its rows are its lines.
    pub report: Option<Arc<FileInfo>>,
}

/// A file that a run wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// Where it is.
    pub url: String,
    /// Number of people in it.
    pub rows: u64,
    /// Items of lists that were altered because they hold the separator of items.
    pub altered: u64,
    /// Its size.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Changes when the file does.
    pub version: String,
}

/// The files that there are after a run that writes one for each person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesInfo {
    /// Where they are, with `{record}` for the part of the name that differs.
    pub url: Arc<str>,
    /// How many people have a file that shows them as they are in the source.
    pub people: u64,
    /// How many files there are, as far as is known.
    pub files: u64,
    /// Their size, together.
    pub bytes: u64,
    /// How many files of people who left the run has deleted.
    pub deleted: u64,
}

impl Progress {
    /// Notes a rejection; its record is counted by the caller.
    pub fn reject(&mut self, rejection: Rejection) {
        let by_reason = Arc::make_mut(&mut self.by_reason);
        let kind = (rejection.cause.reason, rejection.place.clone());
        if by_reason.len() < COUNTED_REASONS || by_reason.contains_key(&kind) {
            *by_reason.entry(kind).or_default() += 1;
        }
        self.list(rejection);
    }

    /// Lists a record, keeping the list short and in source order.
    pub fn list(&mut self, rejection: Rejection) {
        let listed = Arc::make_mut(&mut self.rejections);
        let at = listed.partition_point(|known| known.position <= rejection.position);
        listed.insert(at, rejection);
        if listed.len() > LISTED_REJECTIONS {
            listed.pop();
            self.omitted += 1;
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Every selected record was decided.
    Completed,
    /// The source still has the version that is completely in Clinch; nothing was read.
    SourceUnchanged,
    /// The run was cancelled; records in flight were finished.
    Stopped,
    /// The run cannot continue now; some records are pending.
    Interrupted {
        /// What to do next.
        disposition: Disposition,
        /// Why, in one deterministic sentence.
        message: String,
    },
    /// The source cannot be read to its end, or names nobody; what the first reading saw was not pushed.
    SourceFailed(Cause),
}

/// A finished run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The last snapshot.
    pub progress: Progress,
    /// How it ended.
    pub ending: Ending,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(index: u64) -> Rejection {
        let position = SourcePosition { part: "a".into(), index, line: None };
        let cause = Cause::new(Reason::Malformed, "");
        Rejection { position, record: None, place: None, cause }
    }

    #[test]
    fn the_first_rejections_are_listed_and_the_rest_counted() {
        let mut progress = Progress::default();
        for index in (0..50).rev() {
            progress.list(rejection(index));
        }
        let listed: Vec<u64> = progress.rejections.iter().map(|r| r.position.index).collect();
        assert_eq!(listed, (0..20).collect::<Vec<_>>());
        assert_eq!(progress.omitted, 30);
    }

    #[test]
    fn all_rejections_are_counted_by_reason_and_place() {
        let mut progress = Progress::default();
        for index in 0..50 {
            let place = (index % 2 == 0).then(|| "spec.fields[1].from".into());
            progress.reject(Rejection { place, ..rejection(index) });
        }
        assert_eq!(progress.rejections.len(), LISTED_REJECTIONS);
        let counts: Vec<u64> = progress.by_reason.values().copied().collect();
        assert_eq!(counts, [25, 25]);
    }

    #[test]
    fn every_record_is_counted_once() {
        let counts = Counts {
            total: 11,
            created: 3,
            unchanged: 2,
            failed: 1,
            suppressed: 1,
            ..Counts::default()
        };
        assert_eq!((counts.delivered(), counts.rejected(), counts.pending()), (5, 1, 4));
        assert_eq!(counts.percent(), 63);
        assert_eq!(Counts::default().percent(), 100);
    }
}
