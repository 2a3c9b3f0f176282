//! What this process knows of each integration: one entry by UID. No I/O.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::AtomicU64},
};

use tokio::time::Instant;

use super::{connection::Connection, verification::Verification};
use crate::{
    cluster::ObjectKey,
    domain::{Cause, Grant, GrantState},
    ledger::{AccountName, Suppressions},
};

/// What this process knows of an integration.
#[derive(Default)]
pub(super) struct Entry {
    /// Its name, to enqueue it.
    pub(super) key: Option<ObjectKey>,
    /// Its latest verification.
    pub(super) verification: Option<Verification>,
    /// The connection, while it is usable.
    pub(super) connection: Option<Connection>,
    /// Who must not leave with a file, or why that is not known; absent before a pass has read it.
    pub(super) lists: Option<Result<Suppressions, Cause>>,
    /// What its grants depend on.
    access: Arc<Mutex<Access>>,
    /// How often its Secret had changed when a pass read the value that the connection uses.
    pub(super) secret_seen: Arc<AtomicU64>,
}

/// What the grants of an integration depend on.
#[derive(Default)]
struct Access {
    /// How often they were revoked.
    revocations: u64,
    /// Until when they are paused; after that they count as revoked.
    paused_until: Option<Instant>,
}

impl Access {
    /// The state of a grant that was given after so many revocations.
    fn state(&self, granted: u64, now: Instant) -> GrantState {
        match self.paused_until {
            _ if self.revocations != granted => GrantState::Revoked,
            Some(until) if now >= until => GrantState::Revoked,
            Some(_) => GrantState::Paused,
            None => GrantState::Valid,
        }
    }
}

impl Entry {
    fn access(&self) -> MutexGuard<'_, Access> {
        self.access.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A grant that is valid until the next [`Entry::revoke`], and paused meanwhile by
    /// [`Entry::pause`].
    pub(super) fn grant(&self) -> Grant {
        let granted = self.access().revocations;
        let access = self.access.clone();
        Grant::new(move || {
            let access = access.lock().unwrap_or_else(PoisonError::into_inner);
            access.state(granted, Instant::now())
        })
    }

    /// Revokes every grant that was given.
    pub(super) fn revoke(&self) {
        let mut access = self.access();
        access.revocations += 1;
        access.paused_until = None;
    }

    /// Pauses every grant that was given, unless they are paused already.
    pub(super) fn pause(&self, until: Instant) {
        self.access().paused_until.get_or_insert(until);
    }

    /// Until when its grants are paused.
    pub(super) fn paused_until(&self) -> Option<Instant> {
        self.access().paused_until
    }

    /// Revokes grants that are paused, unless they may be resumed: the account is the `same`, and
    /// they were not paused for too long.
    pub(super) fn end_paused(&self, same: bool, now: Instant) {
        if self.paused_until().is_some_and(|until| !same || now >= until) {
            self.revoke();
        }
    }

    /// Ends the pause: the grants are valid again.
    pub(super) fn resume(&self) {
        self.access().paused_until = None;
    }

    /// The connection, unless it is paused.
    pub(super) fn usable(&self) -> Option<&Connection> {
        self.connection.as_ref().filter(|_| self.paused_until().is_none())
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_pause_ends_with_the_grace_or_with_the_resumption() {
        let entry = Entry::default();
        let grant = entry.grant();
        let pause = || entry.pause(Instant::now() + GRACE);
        assert_eq!(grant.state(), GrantState::Valid);
        pause();
        assert_eq!(grant.state(), GrantState::Paused);
        entry.end_paused(true, Instant::now());
        assert_eq!(grant.state(), GrantState::Paused, "not before there is a connection");
        entry.resume();
        assert_eq!(grant.state(), GrantState::Valid);
        pause();
        tokio::time::advance(GRACE / 2).await;
        pause();
        tokio::time::advance(GRACE / 2).await;
        assert_eq!(grant.state(), GrantState::Revoked, "the second pass does not prolong it");
        entry.end_paused(true, Instant::now());
        entry.resume();
        assert_eq!(grant.state(), GrantState::Revoked, "too late");
        assert_eq!(entry.grant().state(), GrantState::Valid, "a new run may start");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_can_end_in_a_revocation() {
        let entry = Entry::default();
        let grant = entry.grant();
        entry.pause(Instant::now() + GRACE);
        entry.end_paused(false, Instant::now());
        entry.resume();
        assert_eq!(grant.state(), GrantState::Revoked, "another account");
        let grant = entry.grant();
        entry.end_paused(false, Instant::now());
        assert_eq!(grant.state(), GrantState::Valid, "it was not paused");
        entry.revoke();
        assert_eq!(grant.state(), GrantState::Revoked);
    }
}
