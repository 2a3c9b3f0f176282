//! The ledgers of the account's other exports: a person whom one export pushed is not created again by
//! another, even after their address was erased in Clinch, and whom a killed process was about to push is
//! waited for by every export. Reads ledgers through their stores; keeps 5 bytes of each person.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::sync::OwnedMutexGuard;

use super::{crm::CrmFailure, doubts::Doubts};
use crate::{
    domain::{Disposition, Reason},
    ledger::{Journal, KeyHash, Keys, Ledger, SegmentStore, Table},
};

/// The ledger of another export of the account.
pub struct Neighbour<S> {
    /// UID of the export.
    pub uid: String,
    /// Returns its ledger keys and its store.
    pub open: Box<dyn FnOnce() -> (Keys, S) + Send>,
}

/// Finds the other exports of the account; called only if the run may have to create people.
pub type Neighbours<S> =
    Arc<dyn Fn() -> BoxFuture<'static, Result<Vec<Neighbour<S>>, String>> + Send + Sync>;

/// For an account to which no other export pushes.
pub fn no_neighbours<S>() -> Neighbours<S> {
    Arc::new(|| Box::pin(async { Ok(Vec::new()) }))
}

/// Finds the other exports of the account.
pub(super) async fn found<S>(neighbours: &Neighbours<S>) -> Result<Vec<Neighbour<S>>, CrmFailure> {
    neighbours().await.map_err(|message| CrmFailure::Everything {
        disposition: Disposition::retry(Reason::InternalError),
        message,
    })
}

impl<S: SegmentStore> Neighbour<S> {
    /// Reads the ledger. Notes whom other processes may have begun to push.
    pub(super) async fn read(
        self,
        doubts: &Doubts,
        longest: Duration,
    ) -> Result<Ledger, CrmFailure> {
        let (keys, store) = (self.open)();
        let opened = Journal::open(store, keys).await?;
        let open = (opened.ledger.undecided(), opened.may_lack_a_window());
        let longest = match opened.journal.ended_for().await? {
            Some(ended) => longest.saturating_sub(ended),
            None => longest,
        };
        doubts.searched(&self.uid, Some(open), longest);
        Ok(opened.ledger)
    }
}

/// The most people of a ledger that stays noted while a run of its export works.
const NOTED_WHILE_PUSHED: usize = 10_000;

/// Who is in which ledger, as far as this process has read or written them. The first bytes of a hash
/// are enough: a hit is read from the ledger again.
#[derive(Debug, Default)]
pub(super) struct Directory {
    noted: Mutex<HashMap<String, Noted>>,
    /// The ledgers that are being read: runs that start together read each of them once.
    reading: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

/// The beginnings of hashes, sorted. They fill the memory that they were collected in: a copy would need as
/// much again, beside the ledger of a run that ends.
type Hashes = Arc<Vec<Short>>;
type Short = [u8; 5];

/// What is known of a ledger; nothing while a run adds too many people to keep up with.
type Noted = Option<Hashes>;

impl Directory {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Noted>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn to read a ledger.
    async fn turn(&self, uid: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
            reading.retain(|_, turn| turn.strong_count() > 0);
            let turn = reading.get(uid).and_then(Weak::upgrade).unwrap_or_default();
            reading.insert(uid.to_owned(), Arc::downgrade(&turn));
            turn
        };
        turn.lock_owned().await
    }

    /// Notes who is in a ledger now that a run of this process has ended.
    pub(super) fn note(&self, uid: &str, ledger: &Ledger) {
        self.lock().insert(uid.to_owned(), Some(hashes(ledger)));
    }

    /// Notes who is in a ledger that was read, unless a run of this process changes it since.
    fn note_read(&self, uid: &str, ledger: &Ledger) -> Hashes {
        let people = hashes(ledger);
        self.lock().entry(uid.to_owned()).or_insert_with(|| Some(people.clone()));
        people
    }

    /// Notes that a run of this process is about to change a ledger; `add` then says how.
    pub(super) fn begin(&self, uid: &str, ledger: &Ledger) {
        let noted = (ledger.len() <= NOTED_WHILE_PUSHED).then(|| hashes(ledger));
        self.lock().insert(uid.to_owned(), noted);
    }

    /// Notes who may be added to a ledger that this process changes, before they are.
    pub(super) fn add(&self, uid: &str, people: impl ExactSizeIterator<Item = KeyHash>) {
        let mut noted = self.lock();
        let Some(entry) = noted.get_mut(uid) else { return };
        let Some(known) = entry else { return };
        if known.len() + people.len() > NOTED_WHILE_PUSHED {
            *entry = None;
            return;
        }
        let known = Arc::make_mut(known);
        known.extend(people.map(|hash| short(&hash)));
        known.sort_unstable();
        known.dedup();
    }

    fn get(&self, uid: &str) -> Option<Hashes> {
        self.lock().get(uid).cloned().flatten()
    }

    /// The ids under which the neighbours know the given people. Notes whom other processes may have begun
    /// to push, with requests that take no longer than `longest`.
    pub(super) async fn find<S: SegmentStore>(
        &self,
        neighbours: Vec<Neighbour<S>>,
        people: &[KeyHash],
        (doubts, longest): (&Doubts, Duration),
    ) -> Result<Table, CrmFailure> {
        let mut ids = Table::default();
        for neighbour in neighbours {
            let uid = neighbour.uid.clone();
            let (mut noted, mut turn) = (self.get(&uid), None);
            if noted.is_none() {
                turn = Some(self.turn(&uid).await);
                noted = self.get(&uid);
            }
            let is_hit =
                |known: &[Short], hash: &KeyHash| known.binary_search(&short(hash)).is_ok();
            if noted.as_ref().is_some_and(|known| !people.iter().any(|hash| is_hit(known, hash))) {
                continue;
            }
            let ledger = neighbour.read(doubts, longest).await?;
            let known = match noted {
                Some(known) => known,
                None => self.note_read(&uid, &ledger),
            };
            drop(turn);
            for hash in people.iter().filter(|hash| is_hit(&known, hash)) {
                if let Some(id) = ledger.id(hash) {
                    ids.insert(hash, id.as_str().as_bytes());
                }
            }
        }
        Ok(ids)
    }
}

fn hashes(ledger: &Ledger) -> Hashes {
    let mut people = Vec::with_capacity(ledger.len());
    people.extend(ledger.hashes().map(|hash| short(&hash)));
    people.sort_unstable();
    Arc::new(people)
}

fn short(hash: &KeyHash) -> Short {
    *hash.0.first_chunk().expect("a hash has 16 bytes")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use futures::future::join_all;
    use tokio::task::yield_now;

    use super::*;
    use crate::ledger::{MemoryStore, StoreError};

    const LONGEST: Duration = Duration::from_secs(30);

    /// A store whose lists take a while.
    struct Slow(MemoryStore);

    impl SegmentStore for Slow {
        async fn list(&self) -> Result<Vec<u64>, StoreError> {
            yield_now().await;
            self.0.list().await
        }

        async fn read(&self, seq: u64) -> Result<Option<Bytes>, StoreError> {
            self.0.read(seq).await
        }

        async fn create(&self, seq: u64, bytes: Bytes) -> Result<(), StoreError> {
            self.0.create(seq, bytes).await
        }

        async fn delete(&self, seq: u64) -> Result<(), StoreError> {
            self.0.delete(seq).await
        }
    }

    fn person(n: u16) -> KeyHash {
        let mut hash = [0; 16];
        hash[..2].copy_from_slice(&n.to_be_bytes());
        KeyHash(hash)
    }

    /// How often the ledger of a neighbour is read, and finds that read those.
    #[derive(Default)]
    struct Reads {
        directory: Directory,
        count: Arc<AtomicUsize>,
    }

    impl Reads {
        async fn find(&self, people: &[u16]) {
            let count = Arc::clone(&self.count);
            let open = Box::new(move || {
                count.fetch_add(1, Ordering::Relaxed);
                (Keys::derive(&[7; 32], "one"), Slow(MemoryStore::default()))
            });
            let neighbour = Neighbour { uid: "one".to_owned(), open };
            let people: Vec<KeyHash> = people.iter().copied().map(person).collect();
            let doubts = Doubts::default();
            self.directory.find(vec![neighbour], &people, (&doubts, LONGEST)).await.unwrap();
        }

        /// How often it was read since the last call.
        fn count(&self) -> usize {
            self.count.swap(0, Ordering::Relaxed)
        }
    }

    #[tokio::test]
    async fn runs_that_start_together_read_a_ledger_once() {
        let reads = Reads::default();
        join_all((0..8).map(|_| reads.find(&[1]))).await;
        assert_eq!(reads.count(), 1);
    }

    #[tokio::test]
    async fn a_ledger_that_a_run_changes_is_read_only_for_people_who_may_be_in_it() {
        let reads = Reads::default();
        reads.directory.begin("one", &Ledger::default());
        reads.directory.add("one", [person(1), person(2)].into_iter());
        // Read before the run began.
        reads.directory.note_read("one", &Ledger::default());
        for (people, times) in [(&[3][..], 0), (&[3, 2], 1), (&[1], 1)] {
            reads.find(people).await;
            assert_eq!(reads.count(), times, "{people:?}");
        }
        reads.directory.note("one", &Ledger::default());
        reads.find(&[1]).await;
        assert_eq!(reads.count(), 0, "they were not added");
    }

    #[tokio::test]
    async fn a_ledger_that_a_run_adds_many_people_to_is_read_each_time() {
        let reads = Reads::default();
        let most = u16::try_from(NOTED_WHILE_PUSHED).unwrap();
        reads.directory.begin("one", &Ledger::default());
        reads.directory.add("one", (0..most).map(person));
        reads.find(&[most]).await;
        assert_eq!(reads.count(), 0);
        reads.directory.add("one", [person(most)].into_iter());
        for _ in 0..2 {
            reads.find(&[most + 1]).await;
            assert_eq!(reads.count(), 1);
        }
    }
}
