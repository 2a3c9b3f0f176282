//! The verified connections of this process: opened when an integration is verified, used by
//! exports. An integration without one is not usable, whatever its status says.

mod account;
mod connection;
mod entries;
mod verification;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;

use self::{
    account::Accounts,
    entries::{Entries, WeakEntries},
};
pub(super) use self::{
    account::{KnownAccount, SharedAccount},
    connection::{Connection, KnownContract, Verified, basis},
    verification::{Failure, Outcome, Verification},
};
use super::settings::{Enqueue, Settings};
use crate::{
    clinch::{
        Attempt, Client, ClientConfig, ClientDeps, ConnectError, Jitter, Observer, Rates, Registry,
        Transport,
    },
    cluster::{Kind, ObjectKey},
    domain::{Cause, Clock, Disposition, Fence},
    ledger::{AccountName, LedgerHome, Listed, SuppressionError, Suppressions},
};

/// How long runs in progress wait for a Secret that was deleted, or for the verification of another
/// value.
pub(super) const SECRET_GRACE: Duration = Duration::from_secs(30);

/// What this process knows of integrations and of their accounts.
pub(super) struct Connections {
    registry: Registry,
    deps: ClientDeps,
    entries: Entries,
    accounts: Accounts,
    enqueue: Enqueue,
}

impl Connections {
    pub(super) fn new(
        settings: &Settings,
        clock: Clock,
        fence: Fence,
        enqueue: Enqueue,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let entries = Entries::default();
        let watcher =
            Watcher { entries: entries.downgrade(), enqueue: enqueue.clone(), next: observer };
        let deps = ClientDeps {
            allowed: settings.allowed_endpoints.clone(),
            clock,
            jitter: Jitter::new(fastrand::f64),
            resolver: Arc::new(crate::network::SystemResolver),
            proxy: settings.proxy.clone(),
            observer: Arc::new(watcher),
            fence,
        };
        Self {
            registry: Registry::new(deps.clone()),
            deps,
            entries,
            accounts: Accounts::default(),
            enqueue,
        }
    }

    /// The client for this configuration.
    pub(super) fn client(
        &self,
        uid: &str,
        key: &ObjectKey,
        config: &ClientConfig,
    ) -> Result<Client, ConnectError> {
        self.entries.change(uid, |entry| entry.key = Some(key.clone()));
        self.registry.client(uid, config)
    }

    /// Number of requests in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.registry.in_flight()
    }

    /// The rates in force, over all accounts.
    pub(super) fn rates(&self) -> Rates {
        self.registry.rates()
    }

    /// A client for a single request, or for one command; nothing of it is kept.
    pub(super) fn passing_client(&self, config: ClientConfig) -> Result<Client, ConnectError> {
        Client::connect("", config, &self.deps)
    }

    /// A client over a transport of the caller, who decides what is contacted.
    pub(super) fn client_over(
        &self,
        transport: Arc<dyn Transport>,
        config: ClientConfig,
    ) -> Client {
        Client::over(transport, "", config, &self.deps)
    }

    /// The connection of an integration, if it was verified and is not paused.
    pub(super) fn get(&self, uid: &str) -> Option<Connection> {
        self.entries.read(uid, |entry| entry.usable().cloned())
    }

    /// The connection of an integration, which only runs in progress may use while it is paused.
    pub(super) fn known(&self, uid: &str) -> Option<Known> {
        self.entries.read(uid, |entry| {
            let paused = entry.paused_until().is_some();
            Some(Known { connection: entry.connection.clone()?, paused })
        })
    }

    /// The latest verification of an integration.
    pub(super) fn verification(&self, uid: &str) -> Option<Verification> {
        self.entries.read(uid, |entry| entry.verification.clone())
    }

    /// Keeps the latest verification of an integration.
    pub(super) fn set_verification(&self, uid: &str, verification: Verification) {
        self.entries.change(uid, |entry| entry.verification = Some(verification));
    }

    /// What was found in the latest verification of an integration does not hold any more.
    pub(super) fn verify_again(&self, uid: &str) {
        self.entries.change_existing(uid, |entry| entry.verification = None);
    }

    /// The people who must not leave with a file, or why that is not known. Unlike a connection it
    /// needs no verified credential, only the name of the account.
    pub(super) fn lists(&self, uid: &str) -> Option<Result<Suppressions, Cause>> {
        self.entries.read(uid, |entry| entry.lists.clone())
    }

    /// Keeps the people who must not leave with a file. Runs in progress see a changed list of the
    /// admin's at once. Returns whether something is different.
    pub(super) fn set_lists(&self, uid: &str, key: &ObjectKey, lists: ReadLists) -> bool {
        self.entries.change(uid, |entry| {
            entry.key = Some(key.clone());
            let before = entry.lists.take();
            let known = before.as_ref().and_then(|known| known.as_ref().ok());
            let was = known.map(Suppressions::revision);
            let fault = before.as_ref().and_then(|known| known.as_ref().err());
            let (next, changed) = match lists {
                // As for a connection, an outage leaves everything as it is.
                Err(Failure { disposition: Disposition::Retry { .. }, .. }) if known.is_some() => {
                    entry.lists = before;
                    return false;
                }
                Err(Failure { disposition, message }) => {
                    let cause = Cause::new(disposition.reason(), message);
                    let changed = fault != Some(&cause);
                    (Err(cause), changed)
                }
                Ok((shared, listed)) => {
                    let same = known.filter(|known| known.is_same(&shared));
                    let next =
                        same.map_or_else(|| shared.with_separate_listed(), Suppressions::clone);
                    next.set_listed(listed);
                    let changed = was != Some(next.revision());
                    (Ok(next), changed)
                }
            };
            entry.lists = Some(next);
            changed
        })
    }

    /// Forgets who must not leave with a file: no file is written before it is known again.
    pub(super) fn drop_lists(&self, uid: &str) {
        self.entries.change_existing(uid, |entry| entry.lists = None);
    }

    /// What the integrations of an account share; see [`Accounts::shared`].
    pub(super) async fn shared(
        &self,
        home: &impl LedgerHome,
        root: &[u8; 32],
        account: AccountName,
        accept_loss: bool,
    ) -> Result<SharedAccount, SuppressionError> {
        let (entries, enqueue) = (self.entries.downgrade(), self.enqueue.clone());
        // The number of entries is in the status of integrations.
        let changed = move || {
            let keys = entries.upgrade().map(|entries| entries.keys()).unwrap_or_default();
            keys.iter().for_each(|key| enqueue(Kind::Integration, key));
        };
        self.accounts.shared(home, root, account, accept_loss, changed).await
    }

    /// The integrations that are connected to an account.
    pub(super) fn of_account(&self, account: AccountName) -> Vec<ObjectKey> {
        self.entries.keys_of(account)
    }

    /// Makes a verified integration usable.
    pub(super) fn open(&self, uid: &str, key: &ObjectKey, verified: Verified) {
        let changed = || {
            let (enqueue, key) = (self.enqueue.clone(), key.clone());
            move || enqueue(Kind::Integration, &key)
        };
        let (previous, grant) = self.entries.change(uid, |entry| {
            let previous = entry.connection.clone();
            let same = previous.as_ref().is_some_and(|previous| verified.succeeds(previous));
            entry.end_paused(same, Instant::now());
            (previous, (entry.grant(), entry.secret_seen.clone()))
        });
        let connection = verified.connection(previous, grant, changed);
        self.entries.change(uid, |entry| {
            // It also learns who is found to be anonymised from now on.
            entry.lists = Some(Ok(connection.suppressions.clone()));
            entry.connection = Some(connection);
            // Not before: runs that were paused continue with the new credential.
            entry.resume();
        });
    }

    /// A pass has read the value that the connection uses, when the Secret had changed so often. Until
    /// then its runs pause after each change.
    pub(super) fn saw_secret(&self, uid: &str, changes: u64) {
        self.entries.change_existing(uid, |entry| {
            entry.secret_seen.store(changes, Ordering::Relaxed);
        });
    }

    /// Makes an integration unusable at once, also for runs in progress: none of their requests
    /// starts after this.
    pub(super) fn revoke(&self, uid: &str) {
        self.entries.change_existing(uid, |entry| {
            entry.revoke();
            entry.connection = None;
        });
    }

    /// Pauses an integration whose Secret is gone or has changed: runs in progress send nothing until
    /// it is opened again. Returns how long they still wait; `None` when there is nothing to wait for, and then
    /// the integration is revoked.
    pub(super) fn pause(&self, uid: &str) -> Option<Duration> {
        let now = Instant::now();
        let left = self.entries.read(uid, |entry| {
            entry.connection.as_ref()?;
            entry.pause(now + SECRET_GRACE);
            let left = entry.paused_until()?.saturating_duration_since(now);
            (!left.is_zero()).then_some(left)
        });
        if left.is_none() {
            self.revoke(uid);
        }
        left
    }

    /// Makes an integration unusable for new runs; what was learned about its limits is kept.
    pub(super) fn close(&self, uid: &str) {
        self.entries.change_existing(uid, |entry| entry.connection = None);
    }

    /// Forgets a deleted integration.
    pub(super) fn forget(&self, uid: &str) {
        self.registry.forget(uid);
        self.entries.remove(uid);
        self.accounts.keep(&self.entries.accounts());
    }
}

/// The list of an account and the admin's own, as a pass has read them, or why it could not.
pub(super) type ReadLists = Result<(Suppressions, Option<Arc<Listed>>), Failure>;

/// A connection, and whether it is paused.
pub(super) struct Known {
    pub(super) connection: Connection,
    pub(super) paused: bool,
}

/// Turns a 401 on any call into a reconcile of the integration.
struct Watcher {
    entries: WeakEntries,
    enqueue: Enqueue,
    next: Arc<dyn Observer>,
}

impl Observer for Watcher {
    fn attempt(&self, integration: &str, attempt: &Attempt) {
        self.next.attempt(integration, attempt);
    }

    fn rate_limited(&self, integration: &str, pause: Duration) {
        self.next.rate_limited(integration, pause);
    }

    fn credentials_rejected(&self, integration: &str) {
        self.next.credentials_rejected(integration);
        let Some(entries) = self.entries.upgrade() else { return };
        entries.change_existing(integration, |entry| {
            if let Some(verification) = &mut entry.verification {
                verification.invalidated = true;
            }
        });
        if let Some(key) = entries.read(integration, |entry| entry.key.clone()) {
            (self.enqueue)(Kind::Integration, &key);
        }
    }
}
