//! What exports wrote, kept between runs as long as their ledgers do not change: a run that met one change
//! does not read ledgers of a million people again. Asks stores for versions.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    domain::{ClinchId, Digest, digest_parts},
    ledger::{JournalError, SegmentStore},
};

/// The most people of whom something is kept between runs: 16 MB.
const MOST_KEPT: usize = 1_000_000;

/// Of each person in a ledger, a hash of the id and the beginning of the digest of what was written; sorted.
pub(super) type WrittenPeople = Arc<[(u64, u64)]>;

/// Identifies the content of a ledger. Segments are never changed; the last one says when it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    segments: Vec<u64>,
    last: Digest,
}

impl Version {
    /// That of a store; `None` if it changes at this moment. Two requests.
    pub(super) async fn of(store: &impl SegmentStore) -> Result<Option<Self>, JournalError> {
        let mut segments = store.list().await.map_err(JournalError::List)?;
        segments.sort_unstable();
        let last = match segments.last() {
            Some(last) => store.read(*last).await.map_err(JournalError::List)?,
            None => Some(bytes::Bytes::new()),
        };
        Ok(last.map(|last| Self { segments, last: digest_parts([&last[..]]) }))
    }
}

/// What was read of one ledger.
struct Kept {
    ledger: String,
    version: Version,
    people: WrittenPeople,
}

/// What exports wrote, shared by the imports of a process. Bounded: what was not used for the longest time is
/// forgotten first.
#[derive(Default)]
pub struct KeptWrites {
    hasher: RandomState,
    /// The one used last is at the end.
    kept: Mutex<Vec<Kept>>,
}

impl KeptWrites {
    /// The hash of an id, the same as long as the process lives.
    pub(super) fn hash(&self, id: &ClinchId) -> u64 {
        self.hasher.hash_one(id.as_str())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a ledger in this version.
    pub(super) fn get(&self, ledger: &str, version: &Version) -> Option<WrittenPeople> {
        let mut kept = self.lock();
        let at = kept.iter().position(|one| one.ledger == ledger && one.version == *version)?;
        let found = kept.remove(at);
        let people = found.people.clone();
        kept.push(found);
        Some(people)
    }

    /// Keeps what was read of a ledger, in place of an earlier version.
    pub(super) fn keep(&self, ledger: String, version: Version, people: WrittenPeople) {
        let mut kept = self.lock();
        kept.retain(|one| one.ledger != ledger);
        if people.len() > MOST_KEPT {
            return;
        }
        kept.push(Kept { ledger, version, people });
        let mut total: usize = kept.iter().map(|one| one.people.len()).sum();
        while total > MOST_KEPT {
            total -= kept.remove(0).people.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::ledger::MemoryStore;

    fn people(count: usize) -> WrittenPeople {
        vec![(1, 2); count].into()
    }

    async fn version(store: &MemoryStore) -> Version {
        Version::of(store).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_ledger_that_changed_is_another_one() {
        let store = MemoryStore::default();
        let mut seen = vec![version(&store).await];
        for seq in 0..3 {
            store.create(seq, Bytes::from(vec![7; 10])).await.unwrap();
            seen.push(version(&store).await);
        }
        store.delete(0).await.unwrap();
        seen.push(version(&store).await);
        // Lost, and begun again at the same position.
        store.delete(2).await.unwrap();
        store.create(2, Bytes::from(vec![8; 10])).await.unwrap();
        seen.push(version(&store).await);
        for (at, one) in seen.iter().enumerate() {
            assert!(!seen[..at].contains(one), "{at}");
        }
        assert_eq!(version(&store).await, seen[5]);
        let (kept, old, new) = (KeptWrites::default(), &seen[4], &seen[5]);
        kept.keep("a".to_owned(), old.clone(), people(3));
        assert!(kept.get("a", old).is_some() && kept.get("b", old).is_none());
        kept.keep("a".to_owned(), new.clone(), people(4));
        assert!(kept.get("a", old).is_none());
        assert_eq!(kept.get("a", new).map(|people| people.len()), Some(4));
    }

    #[tokio::test]
    async fn the_longest_unused_is_forgotten_and_what_is_too_large_is_not_kept() {
        let (kept, now) = (KeptWrites::default(), version(&MemoryStore::default()).await);
        let third = MOST_KEPT / 3;
        for ledger in ["a", "b", "c"] {
            kept.keep(ledger.to_owned(), now.clone(), people(third));
        }
        assert!(kept.get("a", &now).is_some());
        kept.keep("d".to_owned(), now.clone(), people(third));
        let is_kept = |ledger: &str| kept.get(ledger, &now).is_some();
        assert_eq!(["a", "b", "c", "d"].map(is_kept), [true, false, true, true]);
        kept.keep("d".to_owned(), now.clone(), people(MOST_KEPT + 1));
        assert_eq!(["a", "c", "d"].map(is_kept), [true, true, false]);
    }
}
