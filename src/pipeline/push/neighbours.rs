//! The ledgers of the account's other exports: a person whom one export pushed is not created again by
//! another, even after their address was erased in Clinch, and whom a killed process was about to push is
//! waited for by every export. Reads ledgers through their stores; keeps 5 bytes of each person.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;

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
        doubts.searched(&self.uid, Some(open), longest);
        Ok(opened.ledger)
    }
}

/// Who is in which ledger, as far as this process has read or written them. The first bytes of a hash
/// are enough: a hit is read from the ledger again.
#[derive(Debug, Default)]
pub(super) struct Directory(Mutex<HashMap<String, Hashes>>);

/// The beginnings of hashes, sorted. They fill the memory that they were collected in: a copy would need as
/// much again, beside the ledger of a run that ends.
type Hashes = Arc<Vec<Short>>;
type Short = [u8; 5];

impl Directory {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Hashes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes who is in a ledger now.
    pub(super) fn note(&self, uid: &str, ledger: &Ledger) -> Hashes {
        let mut people = Vec::with_capacity(ledger.len());
        people.extend(ledger.hashes().map(|hash| short(&hash)));
        people.sort_unstable();
        let people = Arc::new(people);
        self.lock().insert(uid.to_owned(), people.clone());
        people
    }

    /// Forgets a ledger that is about to change, so that it is read again.
    pub(super) fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn get(&self, uid: &str) -> Option<Hashes> {
        self.lock().get(uid).cloned()
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
            let noted = self.get(&uid);
            let is_hit =
                |known: &[Short], hash: &KeyHash| known.binary_search(&short(hash)).is_ok();
            if noted.as_ref().is_some_and(|known| !people.iter().any(|hash| is_hit(known, hash))) {
                continue;
            }
            let ledger = neighbour.read(doubts, longest).await?;
            let known = match noted {
                Some(known) => known,
                None => self.note(&uid, &ledger),
            };
            for hash in people.iter().filter(|hash| is_hit(&known, hash)) {
                if let Some(id) = ledger.id(hash) {
                    ids.insert(hash, id.as_str().as_bytes());
                }
            }
        }
        Ok(ids)
    }
}

fn short(hash: &KeyHash) -> Short {
    *hash.0.first_chunk().expect("a hash has 16 bytes")
}
