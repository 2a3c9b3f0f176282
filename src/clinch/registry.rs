//! One client per integration, for as long as its inputs stay the same. Building a client reads
//! the machine's root certificates; nothing is sent.
//!
//! A rotated Secret makes another client, but what is known of the account stays with the
//! integration and the connections with the endpoint: a new key does not reset what was learned
//! about the limits. Integrations that name one account, by endpoint and access key, share what is
//! known of it: their requests meet one limit and one outage.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{
    account::Account,
    bucket::Limits,
    client::{Client, ClientConfig, ConnectError, Surroundings},
    endpoint::Endpoint,
    layers::transport::Transport,
};

/// Clients by integration UID.
pub struct Registry {
    surroundings: Surroundings,
    entries: Mutex<HashMap<Arc<str>, Entry>>,
}

struct Entry {
    inputs: [u8; 32],
    client: Client,
    account: Arc<Account>,
    limits: Limits,
    endpoint: Endpoint,
    access_key: String,
    transport: Transport,
}

impl Registry {
    /// An empty registry.
    pub fn new(surroundings: Surroundings) -> Self {
        Self { surroundings, entries: Mutex::default() }
    }

    /// The client of an integration: the same as before while its inputs are the same.
    pub fn client(&self, integration: &str, config: &ClientConfig) -> Result<Client, ConnectError> {
        let inputs = digest(config);
        let transport = match self.lock().get(integration) {
            Some(entry) if entry.inputs == inputs => return Ok(entry.client.clone()),
            Some(entry) if entry.endpoint == config.endpoint => Some(entry.transport.clone()),
            _ => None,
        };
        // Slow, hence outside the lock; whoever comes second takes what the first has made.
        let transport = match transport {
            Some(transport) => transport,
            None => self.surroundings.transport(&config.endpoint, config.timeouts.connect)?,
        };
        let mut entries = self.lock();
        let own = entries.get(integration);
        if let Some(entry) = own.filter(|entry| entry.inputs == inputs) {
            return Ok(entry.client.clone());
        }
        let account = account_of_another(&entries, integration, config)
            .or_else(|| Some(&own.filter(|entry| entry.endpoint == config.endpoint)?.account))
            .map_or_else(|| Arc::new(Account::new(config.limits)), Arc::clone);
        let client = Client::over(
            transport.clone(),
            Arc::clone(&account),
            integration,
            config.clone(),
            &self.surroundings,
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
            // Those it may have left behind with another account.
            set_limits(&entries, &before.account);
        }
        Ok(client)
    }

    /// The client of an integration, if there is one.
    pub fn current(&self, integration: &str) -> Option<Client> {
        self.lock().get(integration).map(|entry| entry.client.clone())
    }

    /// Forgets an integration that is gone.
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

/// What is known of the account of `config`, where another integration names it.
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

/// Digest of everything that makes a client, keyed with the secret: it tells nothing of it.
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
