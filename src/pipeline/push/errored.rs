//! The records that could not be decided in earlier runs of this process: they are pushed after all
//! others, and one that Clinch answers with an error often enough counts as failed. No I/O; reads the
//! tokio clock.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::ledger::{KeyHash, PayloadDigest};

/// How many runs have to meet an error before a record counts as failed.
pub(super) const ATTEMPTS: u32 = 5;
/// For how long at least.
pub(super) const PERIOD: Duration = Duration::from_mins(1);
/// How many records may fail although nothing was written meanwhile. If more are answered with an error
/// while nothing can be written at all, it is not the records' fault.
const MOST_WITHOUT_A_WRITE: usize = 16;
/// How many records are remembered.
const REMEMBERED: usize = 100_000;

/// The undecided records of the runs of one account.
#[derive(Debug, Default)]
pub(super) struct ErroredRecords(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    records: HashMap<KeyHash, Tried>,
    /// When somebody was written last.
    written: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Tried {
    /// What was sent: another one starts from the beginning.
    payload: PayloadDigest,
    attempts: u32,
    since: Instant,
}

/// What is known of a record that was just answered with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// In how many runs.
    pub(super) attempts: u32,
    /// Whether that is enough.
    pub(super) failed: bool,
}

impl ErroredRecords {
    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether every record was decided.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().records.is_empty()
    }

    /// Whether a record could not be decided in an earlier run.
    pub(super) fn contains(&self, record: &KeyHash) -> bool {
        self.lock().records.contains_key(record)
    }

    /// Notes that Clinch answered a record with an error in this run.
    pub(super) fn note(&self, record: KeyHash, payload: PayloadDigest) -> Standing {
        let mut memory = self.lock();
        let Some(mut tried) = memory.tried(record, payload) else {
            return Standing { attempts: 1, failed: false };
        };
        tried.attempts = tried.attempts.saturating_add(1);
        memory.records.insert(record, tried);
        let answers = memory.written.is_some_and(|written| written >= tried.since)
            || memory.records.len() <= MOST_WITHOUT_A_WRITE;
        let failed = tried.attempts >= ATTEMPTS && tried.since.elapsed() >= PERIOD && answers;
        Standing { attempts: tried.attempts, failed }
    }

    /// Notes that it is not known what became of a record. It never fails for that.
    pub(super) fn note_undecided(&self, record: KeyHash, payload: PayloadDigest) {
        let mut memory = self.lock();
        if let Some(tried) = memory.tried(record, payload) {
            memory.records.insert(record, tried);
        }
    }

    /// Notes that a record was decided.
    pub(super) fn forget(&self, record: &KeyHash) {
        self.lock().records.remove(record);
    }

    /// Notes that somebody was written.
    pub(super) fn note_written(&self) {
        self.lock().written = Some(Instant::now());
    }
}

impl Memory {
    /// What is remembered of a record, or a beginning; `None` if nothing more is remembered.
    fn tried(&self, record: KeyHash, payload: PayloadDigest) -> Option<Tried> {
        let known = self.records.get(&record).copied();
        if known.is_none() && self.records.len() >= REMEMBERED {
            return None;
        }
        let new = Tried { payload, attempts: 0, since: Instant::now() };
        Some(known.filter(|tried| tried.payload == payload).unwrap_or(new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(n: u8) -> (KeyHash, PayloadDigest) {
        (KeyHash([n; 16]), PayloadDigest([1; 16]))
    }

    fn noted(errored: &ErroredRecords, n: u8) -> Standing {
        let (record, payload) = record(n);
        errored.note(record, payload)
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_fails_after_enough_attempts_over_enough_time() {
        let errored = ErroredRecords::default();
        for attempts in 1..ATTEMPTS {
            assert_eq!(noted(&errored, 1), Standing { attempts, failed: false });
        }
        assert!(!noted(&errored, 1).failed, "too soon");
        tokio::time::advance(PERIOD).await;
        assert!(noted(&errored, 1).failed);
        assert!(!noted(&errored, 2).failed, "another record");
        let changed = errored.note(record(1).0, PayloadDigest([2; 16]));
        assert_eq!(changed, Standing { attempts: 1, failed: false }, "the record was corrected");
        errored.forget(&record(1).0);
        assert!(!errored.contains(&record(1).0));
    }

    #[tokio::test(start_paused = true)]
    async fn an_undecided_record_is_remembered_and_its_attempts_are_not_counted() {
        let errored = ErroredRecords::default();
        let (undecided, payload) = record(1);
        for _ in 0..2 * ATTEMPTS {
            errored.note_undecided(undecided, payload);
            tokio::time::advance(PERIOD).await;
        }
        assert!(errored.contains(&undecided));
        assert_eq!(noted(&errored, 1), Standing { attempts: 1, failed: false });
    }

    #[tokio::test(start_paused = true)]
    async fn many_records_fail_only_if_others_are_written() {
        let errored = ErroredRecords::default();
        let most = u8::try_from(MOST_WITHOUT_A_WRITE).unwrap();
        let all_fail = || (0..=most).map(|n| noted(&errored, n).failed).collect::<Vec<_>>();
        for _ in 0..ATTEMPTS {
            all_fail();
            tokio::time::advance(PERIOD).await;
        }
        assert!(all_fail().iter().all(|failed| !failed), "nothing can be written at all");
        errored.note_written();
        assert!(all_fail().iter().all(|failed| *failed));
    }
}
