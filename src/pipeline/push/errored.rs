//! The records that could not be decided in earlier runs of this process: they are pushed after all
//! others, and one that Clinch answers with an error often enough counts as failed. No I/O; reads the
//! tokio clock.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::ledger::{KeyHash, PayloadDigest};

/// How many runs have to meet an error before a record counts as failed.
pub(super) const ATTEMPTS: u32 = 5;
/// For how long at least.
pub(super) const PERIOD: Duration = Duration::from_mins(1);
/// For how long if it is not certain that writes are possible at all.
pub(super) const LONG_PERIOD: Duration = Duration::from_mins(30);
/// How many records may fail after `PERIOD` although nobody was written since they were first tried. If
/// more are answered with an error meanwhile, it may not be the records' fault.
const MOST_WITHOUT_A_WRITE: usize = 16;
/// How many records are remembered.
const REMEMBERED: usize = 100_000;

/// The undecided records of the runs of one account.
#[derive(Debug, Default)]
pub(super) struct ErroredRecords(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    records: HashMap<KeyHash, Tried>,
    /// Those of them that were first tried after somebody was written last.
    unblamed: HashSet<KeyHash>,
    /// When somebody was written last.
    written: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Tried {
    /// What was sent: another one starts from the beginning.
    payload: PayloadDigest,
    attempts: u32,
    /// When it was first tried.
    since: Instant,
}

/// What is known of a record that was just answered with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// In how many runs.
    pub(super) attempts: u32,
    /// Whether that is enough, if Clinch is up.
    pub(super) fails: bool,
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

    /// Notes that Clinch answered a record with an error in this run, which began to push it at `started`.
    pub(super) fn note(
        &self,
        record: KeyHash,
        payload: PayloadDigest,
        started: Instant,
    ) -> Standing {
        let mut memory = self.lock();
        let Some(mut tried) = memory.tried(record, payload, started) else {
            return Standing { attempts: 1, fails: false };
        };
        tried.attempts = tried.attempts.saturating_add(1);
        memory.insert(record, tried);
        let least = if memory.blames(&record) { PERIOD } else { LONG_PERIOD };
        let fails = tried.attempts >= ATTEMPTS && tried.since.elapsed() >= least;
        Standing { attempts: tried.attempts, fails }
    }

    /// Notes that it is not known what became of a record. It never fails for that.
    pub(super) fn note_undecided(&self, record: KeyHash, payload: PayloadDigest, started: Instant) {
        let mut memory = self.lock();
        if let Some(tried) = memory.tried(record, payload, started) {
            memory.insert(record, tried);
        }
    }

    /// Notes that a record was decided.
    pub(super) fn forget(&self, record: &KeyHash) {
        let mut memory = self.lock();
        memory.records.remove(record);
        memory.unblamed.remove(record);
    }

    /// Notes that somebody was written.
    pub(super) fn note_written(&self) {
        let mut memory = self.lock();
        memory.written = Some(Instant::now());
        memory.unblamed.clear();
    }
}

impl Memory {
    fn insert(&mut self, record: KeyHash, tried: Tried) {
        if self.written.is_none_or(|written| written < tried.since) {
            self.unblamed.insert(record);
        }
        self.records.insert(record, tried);
    }

    /// Whether the errors of a record are about it: somebody was written since it was first tried, or
    /// hardly any others are answered with errors since somebody was.
    fn blames(&self, record: &KeyHash) -> bool {
        self.unblamed.len() <= MOST_WITHOUT_A_WRITE || !self.unblamed.contains(record)
    }

    /// What is remembered of a record, or a beginning; `None` if nothing more is remembered.
    fn tried(&self, record: KeyHash, payload: PayloadDigest, started: Instant) -> Option<Tried> {
        let known = self.records.get(&record).copied();
        if known.is_none() && self.records.len() >= REMEMBERED {
            return None;
        }
        let new = Tried { payload, attempts: 0, since: started };
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
        errored.note(record, payload, Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_fails_after_enough_attempts_over_enough_time() {
        let errored = ErroredRecords::default();
        for attempts in 1..ATTEMPTS {
            assert_eq!(noted(&errored, 1), Standing { attempts, fails: false });
        }
        assert!(!noted(&errored, 1).fails, "too soon");
        tokio::time::advance(PERIOD).await;
        assert!(noted(&errored, 1).fails);
        assert!(!noted(&errored, 2).fails, "another record");
        let changed = errored.note(record(1).0, PayloadDigest([2; 16]), Instant::now());
        assert_eq!(changed, Standing { attempts: 1, fails: false }, "the record was corrected");
        errored.forget(&record(1).0);
        assert!(!errored.contains(&record(1).0));
    }

    #[tokio::test(start_paused = true)]
    async fn an_undecided_record_is_remembered_and_its_attempts_are_not_counted() {
        let errored = ErroredRecords::default();
        let (undecided, payload) = record(1);
        for _ in 0..2 * ATTEMPTS {
            errored.note_undecided(undecided, payload, Instant::now());
            tokio::time::advance(PERIOD).await;
        }
        assert!(errored.contains(&undecided));
        assert_eq!(noted(&errored, 1), Standing { attempts: 1, fails: false });
    }

    #[tokio::test(start_paused = true)]
    async fn many_records_fail_soon_only_if_others_are_written() {
        let errored = ErroredRecords::default();
        let most = u8::try_from(MOST_WITHOUT_A_WRITE).unwrap();
        let all = |records: std::ops::RangeInclusive<u8>| {
            records.map(|n| noted(&errored, n).fails).collect::<Vec<_>>()
        };
        for _ in 0..ATTEMPTS {
            all(0..=most);
            tokio::time::advance(PERIOD).await;
        }
        assert!(all(0..=most).iter().all(|fails| !fails), "nothing can be written at all");
        errored.note_written();
        assert!(all(0..=most).iter().all(|fails| *fails));

        // A few that were first tried after that fail as soon.
        tokio::time::advance(PERIOD).await;
        for _ in 0..ATTEMPTS {
            all(100..=99 + most);
            tokio::time::advance(PERIOD).await;
        }
        assert!(all(100..=99 + most).iter().all(|fails| *fails));
        assert!(all(0..=most).iter().all(|fails| *fails));
    }

    #[tokio::test(start_paused = true)]
    async fn many_records_fail_late_if_nobody_is_written() {
        let errored = ErroredRecords::default();
        let start = Instant::now();
        let all_fail = || {
            let fails: Vec<_> = (0..100).map(|n| noted(&errored, n).fails).collect();
            !fails.contains(&false)
        };
        while !all_fail() {
            tokio::time::advance(PERIOD).await;
        }
        assert_eq!(start.elapsed(), LONG_PERIOD);
    }
}
