//! Suppression lists over stores that fail, lose and share entries.

use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::ledger::{MemoryStore, SegmentStore, StoreError};

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
async fn recorded_people_are_known_to_every_handle_and_after_a_restart() {
    let store = MemoryStore::default();
    let list = open(&store).await.unwrap();
    assert!(list.is_empty());
    list.record([(list.key_hash(&person(1)), id(1))]).await.unwrap();
    assert!(has(&list.clone(), 1) && !has(&list, 2));
    let again = open(&store).await.unwrap();
    assert!(has(&again, 1) && again.len() == 1);
}

#[tokio::test]
async fn two_processes_that_record_at_the_same_time_keep_each_others_people() {
    let store = MemoryStore::default();
    let (one, other) = (open(&store).await.unwrap(), open(&store).await.unwrap());
    one.record([(one.key_hash(&person(1)), id(1))]).await.unwrap();
    other.record([(other.key_hash(&person(2)), id(2))]).await.unwrap();
    assert!(has(&other, 1), "learned from the store when the write was fenced");
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
async fn a_list_that_lost_entries_is_refused_until_that_is_accepted() {
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
async fn people_who_could_not_be_stored_are_suppressed_at_once_and_stored_later() {
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

/// A store that can be made to refuse writes.
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
async fn a_last_file_that_was_never_filled_loses_nothing() {
    let store = MemoryStore::default();
    let list = open(&store).await.unwrap();
    list.record([(list.key_hash(&person(1)), id(1))]).await.unwrap();
    store.create(1, Bytes::new()).await.unwrap();
    assert_eq!(open(&store).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_alias_of_an_account_is_remembered_and_is_not_a_person() {
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
