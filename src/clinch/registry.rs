//! One client per integration, for as long as its inputs stay the same. Building a client reads
//! the machine's root certificates; nothing is sent.
//!
//! A rotated Secret makes another client, but the rate bucket stays with the integration and the
//! connections with the endpoint: a new key does not reset what was learned about the limits.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{
    bucket::RateBucket,
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
    bucket: Arc<RateBucket>,
    endpoint: Endpoint,
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
        let bucket = match entries.get(integration) {
            Some(entry) if entry.inputs == inputs => return Ok(entry.client.clone()),
            // Another account or host has limits of its own.
            Some(entry) if entry.endpoint == config.endpoint => Arc::clone(&entry.bucket),
            _ => Arc::new(RateBucket::new(config.limits)),
        };
        bucket.reconfigure(config.limits);
        let client = Client::over(
            transport.clone(),
            Arc::clone(&bucket),
            integration,
            config.clone(),
            &self.surroundings,
        );
        let entry = Entry {
            inputs,
            client: client.clone(),
            bucket,
            endpoint: config.endpoint.clone(),
            transport,
        };
        entries.insert(integration.into(), entry);
        Ok(client)
    }

    /// The client of an integration, if there is one.
    pub fn current(&self, integration: &str) -> Option<Client> {
        self.lock().get(integration).map(|entry| entry.client.clone())
    }

    /// Forgets an integration that is gone.
    pub fn forget(&self, integration: &str) {
        self.lock().remove(integration);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
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
