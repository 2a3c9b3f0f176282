//! What an import reports, while it runs and when it ends. Pure.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    domain::{Cause, RecordId},
    pipeline::report::{Ending, Progress},
};

/// How many failures a report lists; the rest are only counted.
pub const LISTED_FAILURES: usize = 20;

/// What became of the people that a run read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImportCounts {
    /// Different people read.
    pub scanned: u64,
    /// People emitted because they are new or changed.
    pub emitted: u64,
    /// People emitted before as they are now.
    pub unchanged: u64,
    /// People as an export of the same account wrote them.
    pub own: u64,
    /// People that the selection leaves out.
    pub not_selected: u64,
    /// People on the admin's list of those who must not be written, of whom nobody has heard.
    pub suppressed: u64,
    /// People emitted as gone.
    pub tombstones: u64,
    /// People who cannot be read or mapped.
    pub invalid: u64,
    /// People whom this run offered, and the sink refused.
    pub failed: u64,
    /// People whom the sink refused in an earlier run, and whom this one did not offer.
    #[serde(skip_serializing_if = "is_zero")]
    pub refused_before: u64,
}

/// Only sinks that refuse single people have any.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl ImportCounts {
    /// People who are not delivered because of a fault of theirs.
    pub const fn rejected(&self) -> u64 {
        self.invalid + self.failed + self.refused_before
    }
}

/// What a run reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImportMode {
    /// People changed since the last run.
    Incremental,
    /// Everybody.
    #[default]
    FullScan,
}

/// The last full scan that was complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastFullScan {
    /// When it began, by Clinch's clock.
    pub at: Timestamp,
    /// How often the list was read.
    pub passes: u32,
    /// How many people were known after it.
    pub known: u64,
}

/// Where a manifest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastManifest {
    /// Its URL.
    pub url: String,
    /// The number of its run.
    pub sequence: u64,
    /// The SHA-256 of its bytes, in lower-case hex digits.
    pub sha256: String,
}

/// One person who was not emitted. No value of theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportFailure {
    /// Their opaque id; `None` if they could not be read.
    pub record: Option<RecordId>,
    /// The place in the mapping that is to blame.
    pub place: Option<Box<str>>,
    /// Why.
    pub cause: Cause,
}

/// Why a sink does not take what a run offers it again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkTrouble {
    /// What the last attempt met.
    pub cause: Cause,
    /// When the first one met something.
    pub since: Timestamp,
    /// When the next one is due.
    pub until: Timestamp,
}

/// A snapshot of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportProgress {
    /// What became of the people so far.
    pub counts: ImportCounts,
    /// What the run reads.
    pub mode: ImportMode,
    /// Why it reads that.
    pub mode_reason: &'static str,
    /// How often the list was begun.
    pub pass: u32,
    /// The page that is being read.
    pub page: u64,
    /// The time up to which changes were read, by Clinch's clock.
    pub cursor: Option<Timestamp>,
    /// The last full scan that was complete.
    pub last_full_scan: Option<LastFullScan>,
    /// The last manifest.
    pub last_manifest: Option<LastManifest>,
    /// People who are known and were emitted.
    pub known: u64,
    /// How many more people the list says it has than it shows, however often it is read. While it does,
    /// nobody counts as deleted, and every run reads everybody.
    pub unlisted: Option<u64>,
    /// People who are not as an export wrote them, though an export knows them, and were emitted.
    pub near_misses: u64,
    /// What a list is to Clinch, if it was compared with it.
    pub compared: Option<Arc<Progress>>,
    /// The first failures.
    pub failures: Arc<Vec<ImportFailure>>,
    /// What was known of earlier runs cannot be used, and why: everybody is emitted again.
    pub state_lost: Option<String>,
    /// The sink does not take a batch at this moment, which is offered again.
    pub trouble: Option<SinkTrouble>,
    /// The run whose missing people count as deleted because somebody accepted them.
    pub accepted: Option<u64>,
}

impl ImportProgress {
    /// Lists a failure; it is counted by the caller.
    pub(super) fn fail(&mut self, failure: ImportFailure) {
        if self.failures.len() < LISTED_FAILURES {
            Arc::make_mut(&mut self.failures).push(failure);
        }
    }

    /// Lists the failures of a person no longer.
    pub(super) fn unfail(&mut self, record: RecordId) {
        Arc::make_mut(&mut self.failures).retain(|failure| failure.record != Some(record));
    }
}

/// A finished run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportReport {
    /// The last snapshot.
    pub progress: ImportProgress,
    /// How it ended.
    pub ending: Ending,
}
