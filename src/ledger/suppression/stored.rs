//! The stored part of an account's suppression list: a ledger whose entries have no steps. Does I/O
//! through its store only.

use std::{
    collections::HashSet,
    sync::{PoisonError, RwLock},
};

use super::{SuppressionError, boxed_store::BoxedStore};
use crate::{
    domain::ClinchId,
    ledger::{
        AccountName, Effect, Entry, Extras, Journal, JournalError, KeyHash, Keys, Ledger,
        MemoryStore, Opened, PayloadDigest, SegmentStore, Steps,
    },
};

/// How often an entry is written after another process was faster.
const WRITE_ATTEMPTS: usize = 5;
/// No person has this hash. Its entry names the account whose list is used instead.
const ALIAS: KeyHash = KeyHash([0; 16]);

/// The anonymised people in memory, for checks that do not wait.
#[derive(Default)]
pub(super) struct Anonymised(RwLock<HashSet<KeyHash>>);

impl Anonymised {
    pub(super) fn contains(&self, hash: &KeyHash) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(hash)
    }

    pub(super) fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Changes with the people. Their hashes are keyed, so that no two sets have one value.
    pub(super) fn folded(&self) -> [u8; 16] {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().fold([0; 16], |mut folded, KeyHash(hash)| {
            folded.iter_mut().zip(hash).for_each(|(byte, other)| *byte ^= other);
            folded
        })
    }

    pub(super) fn extend(&self, people: impl IntoIterator<Item = KeyHash>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).extend(people);
    }
}

/// A list as stored, and who waits to be stored.
pub(super) struct StoredList {
    store: BoxedStore,
    keys: Keys,
    /// What is stored, or about to be.
    ledger: Ledger,
    journal: Journal<BoxedStore>,
    /// The people that the store has refused so far.
    unstored: Vec<(KeyHash, ClinchId)>,
}

impl StoredList {
    pub(super) async fn open(store: BoxedStore, keys: Keys) -> Result<Self, SuppressionError> {
        let (ledger, journal) = read(&store, &keys).await?;
        Ok(Self { store, keys, ledger, journal, unstored: Vec::new() })
    }

    /// Accepts what is left of a damaged list, and stores it again as a whole one.
    pub(super) async fn open_damaged(
        store: BoxedStore,
        keys: Keys,
    ) -> Result<Self, SuppressionError> {
        let Opened { mut ledger, mut journal, .. } =
            Journal::open(store.clone(), keys.clone()).await?;
        if journal.is_flawed() {
            write(&mut ledger, &mut journal).await?;
        }
        Ok(Self { store, keys, ledger, journal, unstored: Vec::new() })
    }

    pub(super) fn in_memory(keys: Keys) -> Self {
        let store = BoxedStore::new(MemoryStore::default());
        let journal = Journal::new(store.clone(), keys.clone());
        Self { store, keys, ledger: Ledger::default(), journal, unstored: Vec::new() }
    }

    /// The people on the list.
    pub(super) fn people(&self) -> impl Iterator<Item = KeyHash> {
        self.ledger.hashes().filter(|hash| *hash != ALIAS)
    }

    /// The ids in Clinch of the people on the list.
    pub(super) fn ids(&self) -> impl Iterator<Item = ClinchId> {
        let people = self.ledger.entries().filter(|entry| entry.key != ALIAS);
        people.map(|entry| entry.clinch_id)
    }

    pub(super) fn alias(&self) -> Option<AccountName> {
        self.ledger.id(&ALIAS).and_then(|id| AccountName::parse(id.as_str()))
    }

    pub(super) async fn set_alias(
        &mut self,
        name: AccountName,
        known: &Anonymised,
    ) -> Result<(), SuppressionError> {
        let id = ClinchId::parse(&name.to_string()).expect("16 hex digits are an id");
        self.add(vec![(ALIAS, id)], known).await
    }

    /// Reads the list again. It must still hold every entry that it held before. `known` learns the
    /// people that other processes added.
    pub(super) async fn reload(&mut self, known: &Anonymised) -> Result<(), SuppressionError> {
        let (ledger, journal) = read(&self.store, &self.keys).await?;
        let before = self.ledger.len();
        let missing = self.ledger.hashes().filter(|hash| !ledger.knows(hash)).count();
        if missing > 0 {
            return Err(SuppressionError::Missing { found: before - missing, known: before });
        }
        (self.ledger, self.journal) = (ledger, journal);
        known.extend(self.people());
        Ok(())
    }

    /// Stores people, and those who could not be stored before. `known` learns the people that other
    /// processes added meanwhile.
    pub(super) async fn add(
        &mut self,
        new: Vec<(KeyHash, ClinchId)>,
        known: &Anonymised,
    ) -> Result<(), SuppressionError> {
        self.unstored.extend(new);
        if self.unstored.is_empty() {
            return Ok(());
        }
        for attempt in 1.. {
            for (key, id) in &self.unstored {
                self.ledger.record(&entry(*key, id.clone()));
            }
            match write(&mut self.ledger, &mut self.journal).await {
                Ok(()) => {
                    self.unstored.clear();
                    return Ok(());
                }
                // Another process wrote at the same time: its entries count here, too.
                Err(JournalError::Fenced { .. }) if attempt < WRITE_ATTEMPTS => {
                    (self.ledger, self.journal) = read(&self.store, &self.keys).await?;
                    known.extend(self.people());
                }
                Err(error) => {
                    // The next reload must not miss what was never stored.
                    if let Ok(stored) = read(&self.store, &self.keys).await {
                        (self.ledger, self.journal) = stored;
                    }
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }
}

/// Reads a list. Unlike an export's ledger, a list with a gap is not used: people in the gap would be
/// written again.
async fn read(
    store: &BoxedStore,
    keys: &Keys,
) -> Result<(Ledger, Journal<BoxedStore>), SuppressionError> {
    let mut opened = Journal::open(store.clone(), keys.clone()).await?;
    if let [(seq, _)] = opened.ignored[..]
        && opened.journal.next_seq() == seq.saturating_add(1)
        && store.read(seq).await.map_err(JournalError::List)?.is_some_and(|bytes| bytes.is_empty())
    {
        // A process ended between creating the last file and filling it: nothing is lost.
        store.delete(seq).await.map_err(|source| JournalError::Delete { seq, source })?;
        opened = Journal::open(store.clone(), keys.clone()).await?;
    }
    let Opened { ledger, journal, ignored } = opened;
    if let Some((seq, _)) = ignored.first() {
        return Err(SuppressionError::Damaged { seq: *seq });
    }
    if journal.is_flawed() {
        return Err(SuppressionError::Damaged { seq: journal.next_seq().saturating_sub(1) });
    }
    Ok((ledger, journal))
}

async fn write(ledger: &mut Ledger, journal: &mut Journal<BoxedStore>) -> Result<(), JournalError> {
    journal.queue_changes(ledger);
    journal.flush(ledger).await?;
    if journal.compaction_due(ledger.len()) {
        journal.queue_base(ledger);
        journal.flush(ledger).await?;
        if let Err(error) = journal.sweep().await {
            tracing::warn!(%error, "old segments of a suppression list were not deleted");
        }
    }
    Ok(())
}

fn entry(key: KeyHash, clinch_id: ClinchId) -> Entry {
    let (payload, extras) = (PayloadDigest::default(), Extras::default());
    Entry { key, payload, extras, clinch_id, steps: Steps::NONE, effect: Effect::Unknown }
}
