//! People who must never be written to an account again: those anonymised in Clinch, and those on the
//! admin's own list. There is one list for each account, shared by all of its runs and live while
//! they work. Does I/O through its store only.

mod boxed_store;
mod stored;

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use thiserror::Error;
use tokio::sync::Mutex;

use self::{
    boxed_store::BoxedStore,
    stored::{Anonymised, StoredList},
};
use super::{AccountName, JournalError, KeyHash, Keys, Listed, SegmentStore};
use crate::domain::{Cause, ClinchId, Digest, Disposition, MatchKey, Reason, digest_parts};

/// Why a list cannot be trusted. Then nobody is created or updated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SuppressionError {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] JournalError),
    /// A segment is damaged or missing, or was written with another root key.
    #[error("segment {seq} of the list cannot be used")]
    Damaged {
        /// Its position.
        seq: u64,
    },
    /// Stored entries are gone.
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
            Self::Store(error) if !matches!(error, JournalError::Absurd { .. }) => {
                error.disposition()
            }
            Self::Store(_) | Self::Damaged { .. } | Self::Missing { .. } => {
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
    /// Why the person is not written.
    pub fn cause(self) -> Cause {
        match self {
            Self::Anonymised => Cause::new(
                Reason::Anonymised,
                "the person was anonymised in Clinch and is not written again",
            ),
            Self::Listed => Cause::new(
                Reason::Suppressed,
                "the person is on the list of spec.suppression and is not written",
            ),
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
    anonymised: Anonymised,
    stored: Mutex<StoredList>,
    changed: Box<dyn Fn() + Send + Sync>,
}

impl Suppressions {
    /// Reads the list of an account; an empty one where nothing is stored. `keys`: those of
    /// [`Keys::of_account`]. `changed`: called when a person is added.
    pub async fn open(
        store: impl SegmentStore + 'static,
        keys: Keys,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, SuppressionError> {
        let stored = StoredList::open(BoxedStore::new(store), keys.clone()).await?;
        Ok(Self::of(stored, keys, changed))
    }

    /// As [`Suppressions::open`], but accepts what is left of a damaged list, and stores it again as
    /// a whole one.
    pub async fn open_damaged(
        store: impl SegmentStore + 'static,
        keys: Keys,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, SuppressionError> {
        let stored = StoredList::open_damaged(BoxedStore::new(store), keys.clone()).await?;
        Ok(Self::of(stored, keys, changed))
    }

    /// An empty list that lives as long as its last handle.
    pub fn in_memory(keys: Keys) -> Self {
        Self::of(StoredList::in_memory(keys.clone()), keys, || {})
    }

    fn of(stored: StoredList, keys: Keys, changed: impl Fn() + Send + Sync + 'static) -> Self {
        let anonymised = Anonymised::default();
        anonymised.extend(stored.people());
        let (stored, changed) = (Mutex::new(stored), Box::new(changed));
        let account = Arc::new(Inner { keys, anonymised, stored, changed });
        Self { account, listed: Arc::default() }
    }

    /// The list of the same account, with an admin's list of its own.
    #[must_use]
    pub fn with_separate_listed(&self) -> Self {
        Self { account: self.account.clone(), listed: Arc::default() }
    }

    /// Whether two handles are of one account's list.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.account, &other.account)
    }

    /// How many anonymised people are recorded.
    pub fn len(&self) -> usize {
        self.account.anonymised.len()
    }

    /// Whether no anonymised person is recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The hash of a person, here and in the ledgers of the account's exports.
    pub fn key_hash(&self, key: &MatchKey) -> KeyHash {
        self.account.keys.key_hash(key)
    }

    /// Replaces the admin's own list. Runs in progress see the new one at once.
    pub fn set_listed(&self, listed: Option<Arc<Listed>>) {
        *self.listed.write().unwrap_or_else(PoisonError::into_inner) = listed;
    }

    /// The admin's own list.
    pub fn listed(&self) -> Option<Arc<Listed>> {
        self.listed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The ids in Clinch of some of the people: their records still exist, without personal data.
    pub async fn some_ids(&self, most: usize) -> Vec<ClinchId> {
        self.account.stored.lock().await.ids().take(most).collect()
    }

    /// The account whose list is used instead of this one: the credential that this one is named
    /// after belongs to an account with an older name.
    pub async fn alias(&self) -> Option<AccountName> {
        self.account.stored.lock().await.alias()
    }

    /// Records that another list is used instead of this one.
    pub async fn set_alias(&self, name: AccountName) -> Result<(), SuppressionError> {
        if self.alias().await == Some(name) {
            return Ok(());
        }
        self.account.stored.lock().await.set_alias(name, &self.account.anonymised).await
    }

    /// Reads the list again: it must still hold whatever it held before. Also learns what other
    /// processes added.
    pub async fn check_stored(&self) -> Result<(), SuppressionError> {
        self.flush().await?;
        self.account.stored.lock().await.reload(&self.account.anonymised).await
    }

    /// Changes with who must not be written.
    pub fn revision(&self) -> Digest {
        let listed = self.listed().map(|listed| listed.digest());
        let count = self.len().to_be_bytes();
        let folded = self.account.anonymised.folded();
        let fixed: [&[u8]; 2] = [&count, &folded];
        digest_parts(fixed.into_iter().chain(listed.as_ref().map(|digest| &digest[..])))
    }

    /// Why a person must not be written, if so. No I/O.
    pub fn check(&self, key: &MatchKey, hash: &KeyHash) -> Option<Suppressed> {
        let Inner { keys, anonymised, .. } = &*self.account;
        // Versions before may have recorded them by another spelling of their address.
        if anonymised.contains(hash)
            || keys.other_hashes(key).iter().any(|other| anonymised.contains(other))
        {
            return Some(Suppressed::Anonymised);
        }
        let listed = self.listed();
        listed.is_some_and(|listed| listed.contains(key, hash)).then_some(Suppressed::Listed)
    }

    /// Records anonymised people, durably once it returns. They are suppressed from the start of the
    /// call, even if the store refuses them.
    pub async fn record(
        &self,
        people: impl IntoIterator<Item = (KeyHash, ClinchId)>,
    ) -> Result<(), SuppressionError> {
        let known = &self.account.anonymised;
        let new: Vec<_> = people.into_iter().filter(|(hash, _)| !known.contains(hash)).collect();
        if new.is_empty() {
            return self.flush().await;
        }
        known.extend(new.iter().map(|(hash, _)| *hash));
        self.add(new).await?;
        (self.account.changed)();
        Ok(())
    }

    /// Stores everyone who could not be stored so far.
    pub async fn flush(&self) -> Result<(), SuppressionError> {
        self.add(Vec::new()).await
    }

    async fn add(&self, new: Vec<(KeyHash, ClinchId)>) -> Result<(), SuppressionError> {
        self.account.stored.lock().await.add(new, &self.account.anonymised).await
    }
}

impl fmt::Debug for Suppressions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Suppressions({} anonymised)", self.len())
    }
}

#[cfg(test)]
mod tests;
