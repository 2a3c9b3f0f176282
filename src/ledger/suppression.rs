//! Whom an account must never be written again: people who were anonymised in Clinch, and those on
//! the admin's own list. One list for each account, shared by all of its runs and live while they
//! work. Does I/O through its store only.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use thiserror::Error;
use tokio::sync::Mutex;

use super::{
    AccountName, Entry, Extras, Journal, JournalError, KeyHash, Keys, Ledger, Listed, MemoryStore,
    Opened, PayloadDigest, SegmentStore, Steps, StoreError,
};
use crate::domain::{ClinchId, Disposition, MatchKey, Reason};

/// How often an entry is written again after another process was faster.
const WRITE_ATTEMPTS: usize = 5;
/// Stands for nobody: its entry names the account whose list is to be used instead.
const ALIAS: KeyHash = KeyHash([0; 16]);

/// Why a list cannot be trusted. Then nothing is created or updated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SuppressionError {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] JournalError),
    /// A segment is damaged, missing, or was written with another root key.
    #[error("segment {seq} of the list cannot be used")]
    Damaged {
        /// Its position.
        seq: u64,
    },
    /// Entries that were stored are not there any more.
    #[error("the list has {found} entries where it had {known}")]
    Missing {
        /// How many it has.
        found: usize,
        /// How many it had.
        known: usize,
    },
}

impl SuppressionError {
    /// What the owner of the list does next.
    pub const fn disposition(&self) -> Disposition {
        match self {
            Self::Store(error) => error.disposition(),
            Self::Damaged { .. } | Self::Missing { .. } => {
                Disposition::Stalled { reason: Reason::SuppressionUnreadable }
            }
        }
    }
}

/// Why a person is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suppressed {
    /// They were anonymised in Clinch.
    Anonymised,
    /// They are on the admin's own list.
    Listed,
}

impl Suppressed {
    /// The reason of the record.
    pub const fn reason(self) -> Reason {
        match self {
            Self::Anonymised => Reason::Anonymised,
            Self::Listed => Reason::Suppressed,
        }
    }

    /// What is said of the record.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Anonymised => "the person was anonymised in Clinch and is not written again",
            Self::Listed => "the person is on the list of spec.suppression and is not written",
        }
    }
}

/// The suppression list of one account. Clones share it.
#[derive(Clone)]
pub struct Suppressions {
    account: Arc<Inner>,
    listed: Arc<RwLock<Option<Arc<Listed>>>>,
}

struct Inner {
    keys: Keys,
    store: BoxedStore,
    anonymised: RwLock<HashSet<KeyHash>>,
    book: Mutex<Book>,
    changed: Box<dyn Fn() + Send + Sync>,
}

struct Book {
    /// What is stored, or about to be.
    ledger: Ledger,
    journal: Journal<BoxedStore>,
    /// Whom the store has refused so far.
    unstored: Vec<(KeyHash, ClinchId)>,
}

impl Suppressions {
    /// Reads the list of an account; an empty one where nothing is stored. `keys` are those of
    /// [`Keys::of_account`]; `changed` is called when somebody is added.
    pub async fn open(
        store: impl SegmentStore + 'static,
        keys: Keys,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, SuppressionError> {
        let store = BoxedStore(Arc::new(store));
        let book = read(&store, &keys).await?;
        Ok(Self::of(store, keys, book, changed))
    }

    /// As [`Suppressions::open`], but takes what is left of a damaged list for the whole of it, and
    /// stores it anew.
    pub async fn open_damaged(
        store: impl SegmentStore + 'static,
        keys: Keys,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, SuppressionError> {
        let store = BoxedStore(Arc::new(store));
        let Opened { mut ledger, mut journal, .. } =
            Journal::open(store.clone(), keys.clone()).await?;
        if journal.is_flawed() {
            write(&mut ledger, &mut journal).await?;
        }
        Ok(Self::of(store, keys, (ledger, journal), changed))
    }

    /// An empty list that ends with its last handle.
    pub fn in_memory(keys: Keys) -> Self {
        let store = BoxedStore(Arc::new(MemoryStore::default()));
        let journal = Journal::new(store.clone(), keys.clone());
        Self::of(store, keys, (Ledger::default(), journal), || {})
    }

    fn of(
        store: BoxedStore,
        keys: Keys,
        book: (Ledger, Journal<BoxedStore>),
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let anonymised = RwLock::new(people(&book.0).collect());
        let (ledger, journal) = book;
        let book = Mutex::new(Book { ledger, journal, unstored: Vec::new() });
        let changed = Box::new(changed);
        let account = Arc::new(Inner { keys, store, anonymised, book, changed });
        Self { account, listed: Arc::default() }
    }

    /// The same account's list, with room for another list of an admin's.
    #[must_use]
    pub fn with_room(&self) -> Self {
        Self { account: self.account.clone(), listed: Arc::default() }
    }

    /// Whether two handles are of one account's list.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.account, &other.account)
    }

    /// How many anonymised people are recorded.
    pub fn len(&self) -> usize {
        self.account.anonymised.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether no anonymised person is recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The hash under which a person stands here and in the ledgers of the account's exports.
    pub fn key_hash(&self, key: &MatchKey) -> KeyHash {
        self.account.keys.key_hash(key)
    }

    /// Replaces the admin's own list; runs under way see it at once.
    pub fn set_listed(&self, listed: Option<Arc<Listed>>) {
        *self.listed.write().unwrap_or_else(PoisonError::into_inner) = listed;
    }

    /// The admin's own list.
    pub fn listed(&self) -> Option<Arc<Listed>> {
        self.listed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records in Clinch of some of the people: still there, though they say nothing any more.
    pub async fn some_ids(&self, most: usize) -> Vec<ClinchId> {
        let book = self.account.book.lock().await;
        let entries = book.ledger.entries().filter(|entry| entry.key != ALIAS);
        entries.map(|entry| entry.clinch_id).take(most).collect()
    }

    /// The account whose list is to be used instead of this one: the credential that this one is
    /// named after was issued for an account with an older name.
    pub async fn alias(&self) -> Option<AccountName> {
        let book = self.account.book.lock().await;
        book.ledger.id(&ALIAS).and_then(|id| AccountName::parse(id.as_str()))
    }

    /// Notes that another list is to be used instead of this one.
    pub async fn set_alias(&self, name: AccountName) -> Result<(), SuppressionError> {
        if self.alias().await == Some(name) {
            return Ok(());
        }
        let id = ClinchId::parse(&name.to_string()).expect("16 hex digits are an id");
        self.add(vec![(ALIAS, id)]).await
    }

    /// Reads the list again: it must hold whatever it held before. Takes over what other processes
    /// added.
    pub async fn check_stored(&self) -> Result<(), SuppressionError> {
        self.flush().await?;
        let mut book = self.account.book.lock().await;
        let (ledger, journal) = read(&self.account.store, &self.account.keys).await?;
        let known = book.ledger.len();
        let missing = book.ledger.hashes().filter(|hash| !ledger.knows(hash)).count();
        if missing > 0 {
            return Err(SuppressionError::Missing { found: known - missing, known });
        }
        self.take_over(&ledger);
        (book.ledger, book.journal) = (ledger, journal);
        Ok(())
    }

    fn take_over(&self, ledger: &Ledger) {
        let mut known = self.account.anonymised.write().unwrap_or_else(PoisonError::into_inner);
        known.extend(people(ledger));
    }

    /// Why a person must not be written, if so. No I/O.
    pub fn check(&self, key: &MatchKey, hash: &KeyHash) -> Option<Suppressed> {
        if self.has_anonymised(hash) {
            return Some(Suppressed::Anonymised);
        }
        let listed = self.listed();
        listed.is_some_and(|listed| listed.contains(key, hash)).then_some(Suppressed::Listed)
    }

    fn has_anonymised(&self, hash: &KeyHash) -> bool {
        self.account.anonymised.read().unwrap_or_else(PoisonError::into_inner).contains(hash)
    }

    /// Records anonymised people, durably once it returns. They count from the start of the call,
    /// also where the store refuses.
    pub async fn record(
        &self,
        people: impl IntoIterator<Item = (KeyHash, ClinchId)>,
    ) -> Result<(), SuppressionError> {
        let new: Vec<_> =
            people.into_iter().filter(|(hash, _)| !self.has_anonymised(hash)).collect();
        if new.is_empty() {
            return self.flush().await;
        }
        {
            let mut known = self.account.anonymised.write().unwrap_or_else(PoisonError::into_inner);
            known.extend(new.iter().map(|(hash, _)| *hash));
        }
        self.add(new).await?;
        (self.account.changed)();
        Ok(())
    }

    /// Stores whoever could not be stored so far.
    pub async fn flush(&self) -> Result<(), SuppressionError> {
        self.add(Vec::new()).await
    }

    async fn add(&self, new: Vec<(KeyHash, ClinchId)>) -> Result<(), SuppressionError> {
        let mut book = self.account.book.lock().await;
        book.unstored.extend(new);
        if book.unstored.is_empty() {
            return Ok(());
        }
        for attempt in 1.. {
            let Book { ledger, journal, unstored } = &mut *book;
            for (key, id) in unstored.iter() {
                ledger.record(&entry(*key, id.clone()));
            }
            match write(ledger, journal).await {
                Ok(()) => {
                    unstored.clear();
                    return Ok(());
                }
                // Another process wrote at the same time: what it knows counts here, too.
                Err(JournalError::Fenced { .. }) if attempt < WRITE_ATTEMPTS => {
                    (*ledger, *journal) = read(&self.account.store, &self.account.keys).await?;
                    self.take_over(ledger);
                }
                Err(error) => {
                    // What was not stored is not to be missed in the store.
                    if let Ok(stored) = read(&self.account.store, &self.account.keys).await {
                        (*ledger, *journal) = stored;
                    }
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }
}

/// The people of a list.
fn people(ledger: &Ledger) -> impl Iterator<Item = KeyHash> {
    ledger.hashes().filter(|hash| *hash != ALIAS)
}

impl fmt::Debug for Suppressions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Suppressions({} anonymised)", self.len())
    }
}

/// Reads a list. Unlike an export's ledger, a list with a hole is not used: who stands in the hole
/// would be written again.
async fn read(
    store: &BoxedStore,
    keys: &Keys,
) -> Result<(Ledger, Journal<BoxedStore>), SuppressionError> {
    let mut opened = Journal::open(store.clone(), keys.clone()).await?;
    if let [(seq, _)] = opened.ignored[..]
        && opened.journal.next_seq() == seq.saturating_add(1)
        && store.read(seq).await.map_err(JournalError::List)?.is_some_and(|bytes| bytes.is_empty())
    {
        // A process ended between making the last file and filling it: nothing is lost.
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
    Entry { key, payload, extras, clinch_id, steps: Steps::NONE }
}

/// A store of any kind, so that the list of an account is one type.
#[derive(Clone)]
struct BoxedStore(Arc<dyn AnyStore>);

trait AnyStore: Send + Sync {
    fn list_boxed(&self) -> BoxFuture<'_, Result<Vec<u64>, StoreError>>;
    fn read_boxed(&self, seq: u64) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>>;
    fn create_boxed(&self, seq: u64, bytes: Bytes) -> BoxFuture<'_, Result<(), StoreError>>;
    fn delete_boxed(&self, seq: u64) -> BoxFuture<'_, Result<(), StoreError>>;
}

impl<S: SegmentStore> AnyStore for S {
    fn list_boxed(&self) -> BoxFuture<'_, Result<Vec<u64>, StoreError>> {
        Box::pin(SegmentStore::list(self))
    }

    fn read_boxed(&self, seq: u64) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>> {
        Box::pin(SegmentStore::read(self, seq))
    }

    fn create_boxed(&self, seq: u64, bytes: Bytes) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(SegmentStore::create(self, seq, bytes))
    }

    fn delete_boxed(&self, seq: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(SegmentStore::delete(self, seq))
    }
}

impl SegmentStore for BoxedStore {
    async fn list(&self) -> Result<Vec<u64>, StoreError> {
        self.0.list_boxed().await
    }

    async fn read(&self, seq: u64) -> Result<Option<Bytes>, StoreError> {
        self.0.read_boxed(seq).await
    }

    async fn create(&self, seq: u64, bytes: Bytes) -> Result<(), StoreError> {
        self.0.create_boxed(seq, bytes).await
    }

    async fn delete(&self, seq: u64) -> Result<(), StoreError> {
        self.0.delete_boxed(seq).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::AccountName;

    fn keys() -> Keys {
        Keys::of_account(&[7; 32], AccountName::of(&[7; 32], "https://a.example", "K1"))
    }

    fn person(n: usize) -> MatchKey {
        MatchKey::fold(&format!("p{n}@example.com")).unwrap()
    }

    fn id(n: usize) -> ClinchId {
        ClinchId::parse(&format!("c{n}")).unwrap()
    }

    async fn open(store: &MemoryStore) -> Result<Suppressions, SuppressionError> {
        Suppressions::open(store.clone(), keys(), || {}).await
    }

    fn has(list: &Suppressions, n: usize) -> bool {
        let key = person(n);
        list.check(&key, &list.key_hash(&key)) == Some(Suppressed::Anonymised)
    }

    #[tokio::test]
    async fn who_was_recorded_is_known_to_every_handle_and_after_a_restart() {
        let store = MemoryStore::default();
        let list = open(&store).await.unwrap();
        assert!(list.is_empty());
        list.record([(list.key_hash(&person(1)), id(1))]).await.unwrap();
        assert!(has(&list.clone(), 1) && !has(&list, 2));
        let again = open(&store).await.unwrap();
        assert!(has(&again, 1) && again.len() == 1);
    }

    #[tokio::test]
    async fn two_processes_that_record_at_once_keep_each_others_people() {
        let store = MemoryStore::default();
        let (one, other) = (open(&store).await.unwrap(), open(&store).await.unwrap());
        one.record([(one.key_hash(&person(1)), id(1))]).await.unwrap();
        other.record([(other.key_hash(&person(2)), id(2))]).await.unwrap();
        assert!(has(&other, 1), "learned from the store when it was met there");
        let again = open(&store).await.unwrap();
        assert!(has(&again, 1) && has(&again, 2));
    }

    #[tokio::test]
    async fn a_damaged_or_incomplete_list_is_not_used() {
        let store = MemoryStore::default();
        let list = open(&store).await.unwrap();
        for n in 0..3 {
            list.record([(list.key_hash(&person(n)), id(n))]).await.unwrap();
        }
        store.delete(1).await.unwrap();
        assert!(matches!(open(&store).await, Err(SuppressionError::Damaged { .. })), "a gap");
        store.create(1, Bytes::from_static(b"rubbish")).await.unwrap();
        assert_eq!(open(&store).await.unwrap_err(), SuppressionError::Damaged { seq: 1 });
        let other_root =
            Keys::of_account(&[8; 32], AccountName::of(&[7; 32], "https://a.example", "K1"));
        store.delete(1).await.unwrap();
        let foreign = Suppressions::open(store, other_root, || {}).await.unwrap_err();
        assert_eq!(foreign.disposition().reason(), Reason::SuppressionUnreadable);
    }

    #[tokio::test]
    async fn a_list_that_lost_entries_says_so_until_that_is_accepted() {
        let store = MemoryStore::default();
        let list = open(&store).await.unwrap();
        for n in 0..2 {
            list.record([(list.key_hash(&person(n)), id(n))]).await.unwrap();
        }
        list.check_stored().await.unwrap();
        store.delete(1).await.unwrap();
        let missing = SuppressionError::Missing { found: 1, known: 2 };
        assert_eq!(list.check_stored().await, Err(missing), "the last one: no gap shows it");
        store.create(1, Bytes::from_static(b"rubbish")).await.unwrap();
        let left = Suppressions::open_damaged(store.clone(), keys(), || {}).await.unwrap();
        assert!(has(&left, 0) && !has(&left, 1));
        assert_eq!(open(&store).await.unwrap().len(), 1, "and it is whole again");
    }

    #[tokio::test]
    async fn who_could_not_be_stored_counts_at_once_and_is_stored_later() {
        let store = Flaky { store: MemoryStore::default(), refuses: Arc::new(true.into()) };
        let list = Suppressions::open(store.clone(), keys(), || {}).await.unwrap();
        let person = |n| (list.key_hash(&person(n)), id(n));
        list.record([person(1)]).await.unwrap_err();
        assert!(has(&list, 1), "in this process");
        assert_eq!(open(&store.store).await.unwrap().len(), 0);
        list.record([person(1)]).await.unwrap_err();
        store.refuses.store(false, std::sync::atomic::Ordering::Relaxed);
        list.check_stored().await.unwrap();
        assert_eq!(open(&store.store).await.unwrap().len(), 1);
        list.record([person(2)]).await.unwrap();
        assert_eq!(open(&store.store).await.unwrap().len(), 2);
    }

    /// A store that refuses writes while it is told to.
    #[derive(Clone)]
    struct Flaky {
        store: MemoryStore,
        refuses: Arc<std::sync::atomic::AtomicBool>,
    }

    impl SegmentStore for Flaky {
        async fn list(&self) -> Result<Vec<u64>, StoreError> {
            self.store.list().await
        }

        async fn read(&self, seq: u64) -> Result<Option<Bytes>, StoreError> {
            self.store.read(seq).await
        }

        async fn create(&self, seq: u64, bytes: Bytes) -> Result<(), StoreError> {
            if self.refuses.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(StoreError::Full);
            }
            self.store.create(seq, bytes).await
        }

        async fn delete(&self, seq: u64) -> Result<(), StoreError> {
            self.store.delete(seq).await
        }
    }

    #[tokio::test]
    async fn a_last_file_that_was_never_filled_is_no_loss() {
        let store = MemoryStore::default();
        let list = open(&store).await.unwrap();
        list.record([(list.key_hash(&person(1)), id(1))]).await.unwrap();
        store.create(1, Bytes::new()).await.unwrap();
        assert_eq!(open(&store).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn another_name_of_an_account_is_remembered_and_counts_as_nobody() {
        let store = MemoryStore::default();
        let list = open(&store).await.unwrap();
        assert_eq!(list.alias().await, None);
        let older = AccountName::of(&[7; 32], "https://a.example", "K0");
        list.set_alias(older).await.unwrap();
        let again = open(&store).await.unwrap();
        assert_eq!((again.alias().await, again.len()), (Some(older), 0));
    }

    #[tokio::test]
    async fn many_entries_are_kept_in_few_segments() {
        let store = MemoryStore::default();
        let list = open(&store).await.unwrap();
        for n in 0..200 {
            list.record([(list.key_hash(&person(n)), id(n))]).await.unwrap();
        }
        assert!(store.list().await.unwrap().len() < 100);
        assert_eq!(open(&store).await.unwrap().len(), 200);
    }
}
