//! A verified connection to one Clinch account, as runs use it. No I/O.

use std::sync::{Arc, atomic::AtomicU64};

use super::account::{Account, KnownAccount, SharedAccount};
use crate::{
    api::ClinchIntegrationSpec,
    clinch::{Client, ClientConfig, Contract, Op, Successor, contract},
    domain::{Credentials, Digest, Grant, digest_json},
    ledger::{Listed, Suppressions},
    mapping::TargetAttributes,
    pipeline::{PeopleGuard, SeenSource, target_attributes},
};

/// Digest of the part of an integration that says which account is contacted and how; the rest may
/// change without another verification.
pub(in crate::controllers) fn basis(spec: &ClinchIntegrationSpec) -> Digest {
    digest_json(&(
        (spec.environment, spec.region, &spec.endpoint, spec.api_version),
        (&spec.credentials, &spec.accept_account),
        (&spec.contract_overrides, &spec.accept_assumed_writes),
        (&spec.suppression, &spec.accept_suppression_loss),
    ))
}

/// A verified connection to one Clinch account.
#[derive(Clone)]
pub(in crate::controllers) struct Connection {
    /// The [`basis`] of the integration as it was verified.
    pub(in crate::controllers) basis: Digest,
    /// The client.
    pub(in crate::controllers) client: Client,
    /// The contract before the integration's overrides.
    pub(in crate::controllers) contract: KnownContract,
    /// The attributes of candidates, as far as the contract lists them.
    pub(in crate::controllers) attributes: TargetAttributes,
    /// The source that Clinch shows for new people, once one was seen.
    pub(in crate::controllers) source: SeenSource,
    /// The account, as far as it is known.
    pub(in crate::controllers) account: Account,
    /// Paused or revoked when the account may not be used.
    pub(in crate::controllers) grant: Grant,
    /// How often the Secret had changed when a pass last found the value that is used here.
    pub(in crate::controllers) secret_seen: Arc<AtomicU64>,
    /// The client that takes over in runs in progress once the credential changed.
    pub(in crate::controllers) successor: Successor,
    /// Keeps the exports of the account from creating a person twice.
    pub(in crate::controllers) guard: Arc<PeopleGuard>,
    /// Who must not be written.
    pub(in crate::controllers) suppressions: Suppressions,
    /// Whether every person is looked up before being created.
    pub(in crate::controllers) look_up: bool,
    /// Maximum requests in flight.
    pub(in crate::controllers) max_in_flight: usize,
    /// The environment and the accepted writes, for [`Connection::unsupported`].
    pub(super) config: Arc<ClientConfig>,
}

impl Connection {
    /// Whether this is the credential that it signs with.
    pub(in crate::controllers) fn uses(&self, credentials: &Credentials) -> bool {
        let own = &self.config.credentials;
        own.access_key() == credentials.access_key()
            && own.secret_bytes() == credentials.secret_bytes()
    }

    /// Why one of the operations is not supported, if so.
    pub(in crate::controllers) fn unsupported(
        &self,
        needed: impl IntoIterator<Item = Op>,
    ) -> Option<String> {
        let ClientConfig { contract, environment, accepted_writes, .. } = &*self.config;
        needed.into_iter().find_map(|op| {
            Some(contract.permits(op, *environment, accepted_writes).err()?.to_string())
        })
    }
}

/// A contract before the integration's overrides, and how it is known.
#[derive(Clone)]
pub(in crate::controllers) struct KnownContract {
    /// The contract.
    pub(in crate::controllers) base: Arc<Contract>,
    /// Why the document that is published now is not used, if it is not.
    pub(in crate::controllers) fault: Option<String>,
}

impl KnownContract {
    /// The contract as published.
    pub(in crate::controllers) fn published(contract: Contract) -> Self {
        Self { base: Arc::new(contract), fault: None }
    }

    /// The built-in contract: nothing is published, as far as is known.
    pub(in crate::controllers) fn built_in() -> Self {
        Self { base: Arc::new(Contract::built_in()), fault: None }
    }

    /// Whether it was read from a document.
    pub(in crate::controllers) fn was_published(&self) -> bool {
        self.base.origin == contract::Origin::Discovered
    }
}

/// What was verified of an integration, and becomes its connection.
pub(in crate::controllers) struct Verified {
    /// The [`basis`] of the integration.
    pub(in crate::controllers) basis: Digest,
    pub(in crate::controllers) client: Client,
    /// The contract before the integration's overrides.
    pub(in crate::controllers) contract: KnownContract,
    pub(in crate::controllers) config: Arc<ClientConfig>,
    pub(in crate::controllers) account: KnownAccount,
    pub(in crate::controllers) shared: SharedAccount,
    /// The admin's own list of people who must not be written.
    pub(in crate::controllers) listed: Option<Arc<Listed>>,
    /// Whether every person is looked up before being created.
    pub(in crate::controllers) look_up: bool,
}

impl Verified {
    /// Whether runs that use `previous` may continue with this: it is the same account, and nothing
    /// they depend on differs but the credential.
    pub(super) fn succeeds(&self, previous: &Connection) -> bool {
        previous.account.name() == self.account.name && self.client.succeeds(&previous.client)
    }

    /// The connection, which takes over from `previous` what runs in progress hold on to.
    /// `changed` makes the callbacks that enqueue the integration.
    pub(super) fn connection<F>(
        self,
        previous: Option<Connection>,
        (grant, secret_seen): (Grant, Arc<AtomicU64>),
        changed: impl Fn() -> F,
    ) -> Connection
    where
        F: Fn() + Send + Sync + 'static,
    {
        let succeeded = previous.as_ref().filter(|previous| self.succeeds(previous));
        let (successor, source) = match succeeded {
            Some(Connection { client, successor, source, .. }) => {
                successor.set(&self.client);
                if !client.is_same(&self.client) {
                    // A credential that changed may have another name, and so another source.
                    source.forget();
                }
                (successor.clone(), source.clone())
            }
            None => (Successor::default(), SeenSource::new(changed())),
        };
        let Self { basis, client, contract, config, account, shared, listed, look_up } = self;
        // Runs in progress see a changed list of the admin's at once.
        let same = previous
            .as_ref()
            .filter(|previous| previous.suppressions.is_same(&shared.suppressions));
        let suppressions = same.map_or_else(
            || shared.suppressions.with_separate_listed(),
            |previous| previous.suppressions.clone(),
        );
        suppressions.set_listed(listed);
        // Runs in progress keep adding witnesses.
        let same = previous.filter(|previous| previous.account.is(&account));
        let account =
            same.map_or_else(|| Account::new(account, changed()), |previous| previous.account);
        Connection {
            basis,
            source,
            account,
            grant,
            secret_seen,
            successor,
            attributes: target_attributes(client.contract()),
            max_in_flight: config.limits.max_in_flight,
            client,
            contract,
            guard: shared.guard,
            suppressions,
            look_up,
            config,
        }
    }
}
