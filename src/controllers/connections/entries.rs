//! What this process knows of each integration: one entry by UID. No I/O.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{connection::Connection, verification::Verification};
use crate::{cluster::ObjectKey, domain::Grant, ledger::AccountName};

/// What this process knows of an integration.
#[derive(Default)]
pub(super) struct Entry {
    /// Its name, to enqueue it.
    pub(super) key: Option<ObjectKey>,
    /// Its latest verification.
    pub(super) verification: Option<Verification>,
    /// The connection, while it is usable.
    pub(super) connection: Option<Connection>,
    /// How often its grants were revoked.
    revocations: Arc<AtomicU64>,
}

impl Entry {
    /// A grant that is valid until the next [`Entry::revoke`].
    pub(super) fn grant(&self) -> Grant {
        let revocations = self.revocations.clone();
        let granted = revocations.load(Ordering::Relaxed);
        Grant::new(move || revocations.load(Ordering::Relaxed) == granted)
    }

    /// Revokes every grant that was given.
    pub(super) fn revoke(&self) {
        self.revocations.fetch_add(1, Ordering::Relaxed);
    }
}

/// The entries of all integrations, by UID.
#[derive(Clone, Default)]
pub(super) struct Entries(Arc<Mutex<HashMap<String, Entry>>>);

/// Entries for what they own themselves: a connection's callbacks must not keep them alive.
pub(super) struct WeakEntries(Weak<Mutex<HashMap<String, Entry>>>);

impl WeakEntries {
    /// The entries, while they are in use.
    pub(super) fn upgrade(&self) -> Option<Entries> {
        self.0.upgrade().map(Entries)
    }
}

impl Entries {
    /// A reference that does not keep the entries alive.
    pub(super) fn downgrade(&self) -> WeakEntries {
        WeakEntries(Arc::downgrade(&self.0))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the entry of an integration, if there is one.
    pub(super) fn read<T>(&self, uid: &str, read: impl FnOnce(&Entry) -> Option<T>) -> Option<T> {
        self.lock().get(uid).and_then(read)
    }

    /// Changes the entry of an integration; there is one afterwards.
    pub(super) fn change<T>(&self, uid: &str, change: impl FnOnce(&mut Entry) -> T) -> T {
        change(self.lock().entry(uid.to_owned()).or_default())
    }

    /// Changes the entry of an integration, if there is one.
    pub(super) fn change_existing(&self, uid: &str, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.lock().get_mut(uid) {
            change(entry);
        }
    }

    /// Removes the entry of an integration.
    pub(super) fn remove(&self, uid: &str) {
        self.lock().remove(uid);
    }

    /// The names of all integrations.
    pub(super) fn keys(&self) -> Vec<ObjectKey> {
        self.lock().values().filter_map(|entry| entry.key.clone()).collect()
    }

    /// The names of the integrations that are connected to an account.
    pub(super) fn keys_of(&self, account: AccountName) -> Vec<ObjectKey> {
        let entries = self.lock();
        let connected = entries.values().filter(|entry| entry.account() == Some(account));
        connected.filter_map(|entry| entry.key.clone()).collect()
    }

    /// The accounts that integrations are connected to.
    pub(super) fn accounts(&self) -> Vec<AccountName> {
        self.lock().values().filter_map(Entry::account).collect()
    }
}

impl Entry {
    fn account(&self) -> Option<AccountName> {
        Some(self.connection.as_ref()?.account.name())
    }
}
