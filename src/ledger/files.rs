//! Which files an export has written, one for each person. Kept in segments like those about people; an
//! entry stands for a file:
//!
//! - its key is the opaque id of the record, which is in the name of the file;
//! - the step of the resume: the file may be there;
//! - the step of the candidate: it is there, and shows what the digest stands for;
//! - in place of an id in Clinch: its size.
//!
//! A file is noted as one that may be there before it is written, and forgotten after it was deleted. So
//! no file of a killed process is unknown. What cannot be trusted counts as a file that may be there.

use thiserror::Error;

use super::{
    Effect, Entry, Extras, Journal, JournalError, KeyHash, Keys, Ledger, Opened, PayloadDigest,
    RunFacts, SegmentStore, Steps,
};
use crate::domain::{ClinchId, Disposition, RecordId};

/// The step that says that a file may be there.
const THERE: Steps = Steps::RESUME;
/// The steps of a file that is there as the digest says.
const AS_WRITTEN: Steps = THERE.with(Steps::CANDIDATE);

/// The files of an export.
#[derive(Debug)]
pub struct FileLedger<S> {
    ledger: Ledger,
    journal: Journal<S>,
    /// What is stored is not what is known: it is rewritten as a whole with the first change.
    differs: bool,
}

/// Why it is not known which files an export has written, or why that cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("what is known of the files of this export: {0}")]
pub struct NoFiles(#[from] JournalError);

impl NoFiles {
    /// What the owner of the run does next.
    pub const fn disposition(&self) -> Disposition {
        self.0.disposition()
    }
}

impl<S: SegmentStore> FileLedger<S> {
    /// Reads what is stored. `place`: digest of where the files are written; files of another place are
    /// written again. `rewrite`: all of them are. Writes nothing.
    pub async fn open(
        store: S,
        keys: Keys,
        place: [u8; 16],
        rewrite: bool,
    ) -> Result<Self, NoFiles> {
        let Opened { mut ledger, journal, .. } = Journal::open(store, keys).await?;
        let facts = RunFacts { read: None, admitted: Some(place) };
        let differs = (rewrite || ledger.facts() != facts) && !ledger.is_empty();
        if differs {
            ledger.distrust();
        }
        ledger.set_facts(facts);
        Ok(Self { ledger, journal, differs })
    }

    /// Whether the file of a record is there and shows what this digest stands for.
    pub fn shows(&self, record: RecordId, digest: &PayloadDigest) -> bool {
        let known = self.ledger.get(&key(record));
        known.is_some_and(|known| known.steps == AS_WRITTEN && known.payload == *digest)
    }

    /// Whether the file of a record may be there.
    pub fn may_have(&self, record: RecordId) -> bool {
        self.ledger.get(&key(record)).is_some_and(|known| known.steps.contains(THERE))
    }

    /// The records of all files that may be there, in no particular order.
    pub fn records(&self) -> impl Iterator<Item = RecordId> {
        self.there().map(|entry| record(&entry.key))
    }

    /// How many files there are, as far as is known, and their bytes.
    pub fn totals(&self) -> (u64, u64) {
        let bytes = |entry: &Entry| entry.clinch_id.as_str().parse::<u64>().unwrap_or_default();
        self.there().fold((0, 0), |(files, total), entry| (files + 1, total + bytes(&entry)))
    }

    fn there(&self) -> impl Iterator<Item = Entry> {
        self.ledger.entries().filter(|entry| entry.steps.contains(THERE))
    }

    /// Stores that the files of these records may be there from now on, and what was noted before.
    pub async fn begin(&mut self, records: &[RecordId]) -> Result<(), NoFiles> {
        for record in records {
            let size = self.ledger.id(&key(*record));
            let size = size.unwrap_or_else(|| number(0));
            self.note(*record, PayloadDigest::default(), size, THERE);
        }
        self.store().await
    }

    /// Notes that a file was written.
    pub fn written(&mut self, record: RecordId, digest: PayloadDigest, bytes: u64) {
        self.note(record, digest, number(bytes), AS_WRITTEN);
    }

    /// Notes that a file was deleted.
    pub fn deleted(&mut self, record: RecordId) {
        self.note(record, PayloadDigest::default(), number(0), Steps::NONE);
    }

    fn note(&mut self, record: RecordId, payload: PayloadDigest, size: ClinchId, steps: Steps) {
        let (key, extras) = (key(record), Extras::default());
        self.ledger.record(&Entry {
            key,
            payload,
            extras,
            clinch_id: size,
            steps,
            effect: Effect::Unknown,
        });
    }

    /// Stores what was noted.
    pub async fn store(&mut self) -> Result<(), NoFiles> {
        if std::mem::take(&mut self.differs) {
            self.journal.queue_base(&mut self.ledger);
        } else {
            self.journal.queue_changes(&mut self.ledger);
        }
        Ok(self.journal.flush(&self.ledger).await?)
    }

    /// Stores what was noted, and rewrites what is stored if it has become much more than is known. Files
    /// that were deleted are forgotten with that.
    pub async fn close(&mut self) -> Result<(), NoFiles> {
        self.store().await?;
        let there = usize::try_from(self.totals().0).unwrap_or(usize::MAX);
        if self.journal.compaction_due(there) {
            let gone: Vec<KeyHash> = self
                .ledger
                .entries()
                .filter(|entry| entry.steps.is_empty())
                .map(|entry| entry.key)
                .collect();
            gone.iter().for_each(|key| self.ledger.forget(key));
            self.journal.queue_base(&mut self.ledger);
            self.journal.flush(&self.ledger).await?;
        }
        if let Err(error) = self.journal.sweep().await {
            // They are overridden, and deleted later.
            tracing::debug!(%error, "segments that are not needed stay");
        }
        Ok(())
    }
}

fn key(record: RecordId) -> KeyHash {
    let mut key = KeyHash::default();
    key.0[..record.0.len()].copy_from_slice(&record.0);
    key
}

fn record(key: &KeyHash) -> RecordId {
    let (id, _) = key.0.split_first_chunk().expect("a key has 16 bytes");
    RecordId(*id)
}

fn number(bytes: u64) -> ClinchId {
    ClinchId::parse(&bytes.to_string()).expect("digits are an id")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::MemoryStore;

    const PLACE: [u8; 16] = [1; 16];

    fn id(n: u8) -> RecordId {
        RecordId([n; 8])
    }

    fn digest(n: u8) -> PayloadDigest {
        PayloadDigest([n; 16])
    }

    async fn open(store: &MemoryStore) -> FileLedger<MemoryStore> {
        open_at(store, PLACE, false).await
    }

    async fn open_at(
        store: &MemoryStore,
        place: [u8; 16],
        rewrite: bool,
    ) -> FileLedger<MemoryStore> {
        let keys = Keys::derive(&[7; 32], "uid");
        FileLedger::open(store.clone(), keys, place, rewrite).await.unwrap()
    }

    #[tokio::test]
    async fn a_file_of_a_killed_process_may_be_there() {
        let store = MemoryStore::default();
        let mut files = open(&store).await;
        files.begin(&[id(1), id(2)]).await.unwrap();
        files.written(id(1), digest(5), 400);
        // Killed before that was stored.
        let mut files = open(&store).await;
        assert!(files.may_have(id(1)) && files.may_have(id(2)) && !files.may_have(id(3)));
        assert!(!files.shows(id(1), &digest(5)));
        files.written(id(1), digest(5), 400);
        files.begin(&[id(3)]).await.unwrap();
        let files = open(&store).await;
        assert!(files.shows(id(1), &digest(5)) && !files.shows(id(1), &digest(6)));
        assert_eq!(files.totals(), (3, 400));
    }

    #[tokio::test]
    async fn a_file_that_is_written_again_is_in_doubt_meanwhile() {
        let store = MemoryStore::default();
        let mut files = open(&store).await;
        files.written(id(1), digest(5), 400);
        files.begin(&[id(1)]).await.unwrap();
        let files = open(&store).await;
        assert!(files.may_have(id(1)) && !files.shows(id(1), &digest(5)));
        assert_eq!(files.totals(), (1, 400), "the size of the one that was there");
    }

    #[tokio::test]
    async fn a_file_that_was_deleted_is_forgotten_in_time_and_may_come_back() {
        let store = MemoryStore::default();
        let mut files = open(&store).await;
        for n in 1..=40 {
            files.written(id(n), digest(5), 1);
        }
        files.close().await.unwrap();
        for n in 1..=39 {
            files.deleted(id(n));
        }
        files.close().await.unwrap();
        let mut files = open(&store).await;
        assert_eq!(files.records().collect::<Vec<_>>(), [id(40)]);
        assert_eq!(files.ledger.len(), 1, "nothing of the others is kept");
        files.begin(&[id(1)]).await.unwrap();
        assert_eq!(open(&store).await.totals(), (2, 1));
    }

    #[tokio::test]
    async fn at_another_place_and_on_request_all_files_are_written_again() {
        let store = MemoryStore::default();
        let mut files = open(&store).await;
        files.written(id(1), digest(5), 400);
        files.close().await.unwrap();
        assert!(open(&store).await.shows(id(1), &digest(5)));
        for (place, rewrite) in [([2; 16], false), (PLACE, true)] {
            let files = open_at(&store, place, rewrite).await;
            assert!(files.may_have(id(1)) && !files.shows(id(1), &digest(5)));
        }
        assert!(open(&store).await.shows(id(1), &digest(5)), "opening stores nothing");
        // A run that is killed after its first change does not forget it.
        open_at(&store, PLACE, true).await.begin(&[id(2)]).await.unwrap();
        let files = open(&store).await;
        assert!(files.may_have(id(1)) && !files.shows(id(1), &digest(5)));
    }

    #[tokio::test]
    async fn a_damaged_segment_leaves_no_file_unknown_that_another_names() {
        let store = MemoryStore::default();
        let mut files = open(&store).await;
        files.written(id(1), digest(5), 400);
        files.begin(&[id(2)]).await.unwrap();
        store.create(1, bytes::Bytes::from_static(b"damaged")).await.unwrap();
        let files = open(&store).await;
        assert!(files.may_have(id(1)) && !files.shows(id(1), &digest(5)));
        assert!(files.may_have(id(2)));
    }
}
