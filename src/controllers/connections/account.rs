//! The account behind a connection: its name, who was written to it, and what all integrations of
//! one account share. Reads the suppression list through the ledger's port.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    domain::ClinchId,
    ledger::{AccountName, Keys, LedgerHome, SuppressionError, Suppressions},
    pipeline::{AtRest, PeopleGuard, Witnesses},
};

/// What is known of the account of an integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::controllers) struct KnownAccount {
    /// The account that the ledgers belong to.
    pub(in crate::controllers) name: AccountName,
    /// The account name of the credential that reached it last.
    pub(in crate::controllers) credential: AccountName,
    /// People written to it.
    pub(in crate::controllers) witnesses: Vec<ClinchId>,
}

impl KnownAccount {
    /// An account of which nothing is known but the credential.
    pub(in crate::controllers) fn new(credential: AccountName) -> Self {
        Self { name: credential, credential, witnesses: Vec::new() }
    }
}

/// The account of a connection.
#[derive(Clone)]
pub(in crate::controllers) struct Account {
    name: AccountName,
    credential: AccountName,
    /// Keeps the ids of a few people who are written to it.
    pub(in crate::controllers) witnesses: Witnesses,
}

impl Account {
    /// An account; `changed` is called when its witnesses change.
    pub(super) fn new(known: KnownAccount, changed: impl Fn() + Send + Sync + 'static) -> Self {
        let KnownAccount { name, credential, witnesses } = known;
        Self { name, credential, witnesses: Witnesses::new(witnesses, changed) }
    }

    /// Its name.
    pub(in crate::controllers) fn name(&self) -> AccountName {
        self.name
    }

    /// Whether it is this account, reached with the same credential.
    pub(super) fn is(&self, known: &KnownAccount) -> bool {
        (self.name, self.credential) == (known.name, known.credential)
    }

    /// What is known of it now.
    pub(in crate::controllers) fn known(&self) -> KnownAccount {
        let Self { name, credential, witnesses } = self;
        KnownAccount { name: *name, credential: *credential, witnesses: witnesses.get() }
    }
}

/// What the integrations of one account share.
#[derive(Clone)]
pub(in crate::controllers) struct SharedAccount {
    /// Keeps the exports of the account from creating a person twice.
    pub(in crate::controllers) guard: Arc<PeopleGuard>,
    /// Who must not be written.
    pub(in crate::controllers) suppressions: Suppressions,
}

/// The accounts that this process uses.
#[derive(Default)]
pub(super) struct Accounts {
    shared: Mutex<HashMap<AccountName, SharedAccount>>,
    at_rest: Arc<AtRest>,
}

impl Accounts {
    fn lock(&self) -> MutexGuard<'_, HashMap<AccountName, SharedAccount>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the integrations of an account share. Reads the suppression list, or checks that the
    /// stored list still holds what was read before. `accept_loss`: what is left of a damaged list
    /// is enough. `changed` is called when the list changes.
    pub(super) async fn shared(
        &self,
        home: &impl LedgerHome,
        root: &[u8; 32],
        account: AccountName,
        accept_loss: bool,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Result<SharedAccount, SuppressionError> {
        let known = self.lock().get(&account).cloned();
        if let Some(known) = known.filter(|_| !accept_loss) {
            known.suppressions.check_stored().await?;
            return Ok(known);
        }
        let (store, keys) = (home.suppression_store(account), Keys::of_account(root, account));
        let suppressions = if accept_loss {
            Suppressions::open_damaged(store, keys, changed).await?
        } else {
            Suppressions::open(store, keys, changed).await?
        };
        let mut accounts = self.lock();
        if let Some(known) = accounts.get_mut(&account) {
            if accept_loss {
                known.suppressions = suppressions;
            }
            return Ok(known.clone());
        }
        let guard = Arc::new(PeopleGuard::sharing(self.at_rest.clone()));
        let shared = SharedAccount { guard, suppressions };
        accounts.insert(account, shared.clone());
        Ok(shared)
    }

    /// Drops every account but these. Of the others only the stored list is kept.
    pub(super) fn keep(&self, used: &[AccountName]) {
        self.lock().retain(|account, _| used.contains(account));
    }
}
