//! One client per integration, reused while its inputs stay the same. Building a client reads the
//! machine's root certificates; nothing is sent.
//!
//! A rotated Secret gets a new client that keeps the account state of the integration and the
//! connections to the endpoint: a new key does not reset what was learned about the rate limit.
//! Integrations with the same account (endpoint and access key) share its state, since their
//! requests share one rate limit and one outage.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{
    account::Account,
    bucket::Limits,
    client::{Client, ClientConfig, ClientDeps, ConnectError},
    endpoint::Endpoint,
    layers::transport::Transport,
};

/// The rates at which the accounts are used now.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// Accounts with a client.
    pub accounts: usize,
    /// Accounts whose reads, or writes, are answered with nothing but 429.
    pub limited: usize,
    /// Requests in flight.
    pub in_flight: usize,
    /// The lowest rate of an account, in requests per second, as configured or learned.
    pub lowest: Option<f64>,
}

/// Clients by integration UID.
pub struct Registry {
    deps: ClientDeps,
    entries: Mutex<HashMap<Arc<str>, Entry>>,
}

struct Entry {
    inputs: [u8; 32],
    client: Client,
    account: Arc<Account>,
    limits: Limits,
    endpoint: Endpoint,
    access_key: String,
    transport: Arc<dyn Transport>,
}

impl Registry {
    /// An empty registry.
    pub fn new(deps: ClientDeps) -> Self {
        Self { deps, entries: Mutex::default() }
    }

    /// The client of an integration: the existing one as long as its inputs are the same.
    pub fn client(&self, integration: &str, config: &ClientConfig) -> Result<Client, ConnectError> {
        let inputs = digest(config);
        let transport = match self.lock().get(integration) {
            Some(entry) if entry.inputs == inputs => return Ok(entry.client.clone()),
            Some(entry) if entry.endpoint == config.endpoint => Some(Arc::clone(&entry.transport)),
            _ => None,
        };
        // Slow, so outside the lock; a concurrent caller uses the client that was built first.
        let transport = match transport {
            Some(transport) => transport,
            None => self.deps.transport(&config.endpoint, config.timeouts.connect)?,
        };
        let mut entries = self.lock();
        let own = entries.get(integration);
        if let Some(entry) = own.filter(|entry| entry.inputs == inputs) {
            return Ok(entry.client.clone());
        }
        let account = account_of_another(&entries, integration, config)
            .or_else(|| Some(&own.filter(|entry| entry.endpoint == config.endpoint)?.account))
            .map_or_else(|| Arc::new(Account::new(config.limits)), Arc::clone);
        let client = Client::with_account(
            Arc::clone(&transport),
            Arc::clone(&account),
            integration,
            config.clone(),
            &self.deps,
        );
        let entry = Entry {
            inputs,
            client: client.clone(),
            account: Arc::clone(&account),
            limits: config.limits,
            endpoint: config.endpoint.clone(),
            access_key: config.credentials.access_key().to_owned(),
            transport,
        };
        let before = entries.insert(integration.into(), entry);
        set_limits(&entries, &account);
        if let Some(before) = before {
            // The integration may have left other users of its old account behind.
            set_limits(&entries, &before.account);
        }
        Ok(client)
    }

    /// The existing client of an integration, if any.
    pub fn current(&self, integration: &str) -> Option<Client> {
        self.lock().get(integration).map(|entry| entry.client.clone())
    }

    /// Number of requests in flight, of all clients.
    pub fn in_flight(&self) -> usize {
        let entries = self.lock();
        // Clients that share an account count its requests each: it matters whether there are any.
        entries.values().map(|entry| entry.account.bucket().in_flight()).sum()
    }

    /// The rates in force, over all accounts.
    pub fn rates(&self) -> Rates {
        let entries = self.lock();
        let accounts: HashMap<*const Account, &Arc<Account>> =
            entries.values().map(|entry| (Arc::as_ptr(&entry.account), &entry.account)).collect();
        let accounts: Vec<&Arc<Account>> = accounts.into_values().collect();
        let lowest = accounts.iter().map(|account| account.bucket().rate()).reduce(f64::min);
        Rates {
            accounts: accounts.len(),
            limited: accounts.iter().filter(|a| a.limited().lasted().is_some()).count(),
            in_flight: accounts.iter().map(|account| account.bucket().in_flight()).sum(),
            lowest,
        }
    }

    /// Removes an integration that was deleted.
    pub fn forget(&self, integration: &str) {
        let mut entries = self.lock();
        if let Some(gone) = entries.remove(integration) {
            set_limits(&entries, &gone.account);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state of the account of `config`, if another integration uses the same account.
fn account_of_another<'a>(
    entries: &'a HashMap<Arc<str>, Entry>,
    integration: &str,
    config: &ClientConfig,
) -> Option<&'a Arc<Account>> {
    let same = |entry: &Entry| {
        entry.endpoint == config.endpoint && entry.access_key == config.credentials.access_key()
    };
    let mut others = entries.iter().filter(|(uid, _)| &***uid != integration);
    others.find(|(_, entry)| same(entry)).map(|(_, entry)| &entry.account)
}

/// Gives an account the strictest limits of the integrations that use it.
fn set_limits(entries: &HashMap<Arc<str>, Entry>, account: &Arc<Account>) {
    let users = entries.values().filter(|entry| Arc::ptr_eq(&entry.account, account));
    if let Some(limits) = users.map(|entry| entry.limits).reduce(Limits::strictest) {
        account.bucket().reconfigure(limits);
    }
}

/// Digest of a client's inputs, keyed with the secret, so that it does not reveal the secret.
fn digest(config: &ClientConfig) -> [u8; 32] {
    let ClientConfig {
        endpoint,
        version,
        environment,
        credentials,
        contract,
        accepted_writes,
        limits,
        timeouts,
    } = config;
    let mut mac = Hmac::<Sha256>::new_from_slice(credentials.secret_bytes())
        .expect("HMAC takes a key of any length");
    let settings = format!(
        "{endpoint}\n{version:?}\n{environment:?}\n{accepted_writes:?}\n{limits:?}\n{timeouts:?}"
    );
    for part in [settings.as_bytes(), credentials.access_key().as_bytes()] {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.update(contract.digest().as_bytes());
    mac.finalize().into_bytes().into()
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Registry({} clients)", self.lock().len())
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
