//! State shared by all connections: contract, credentials, accounts, faults, the clock. Locks are
//! held for look-ups only.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex, RwLock, RwLockReadGuard,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    contract::{Duplicates, SandboxContract},
    counts::Counter,
    faults::{self, Action, Called, Fault},
    limit::Bucket,
    options::{Credential, Options},
    people::Order,
    postponed::Postponed,
    seed::Seed,
    signature::{SignatureCheck, SignedRequest},
    state::{Account, SavedAccount, default_jobs, lock},
};

/// How long requests in progress may take to finish after a stop.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// Everything the connections share.
pub(super) struct Shared {
    contract: RwLock<Arc<SandboxContract>>,
    credentials: RwLock<HashMap<String, Arc<Credential>>>,
    accounts: RwLock<BTreeMap<String, Arc<Mutex<Account>>>>,
    seeds: BTreeMap<String, Seed>,
    faults: Mutex<Vec<Fault>>,
    pub(super) counter: Arc<Counter>,
    offset_seconds: AtomicI64,
    latency_ms: AtomicU64,
    bucket: Mutex<Option<Bucket>>,
    pub(super) base: String,
    pub(super) stop: CancellationToken,
    pub(super) postponed: Postponed<Self>,
    /// Connections, and requests that outlive their connection.
    pub(super) tasks: TaskTracker,
}

impl Shared {
    pub(super) fn new(options: Options, address: SocketAddr) -> Self {
        let mut credentials = options.credentials;
        if credentials.is_empty() {
            credentials.push(Credential::new("hireEZ", "AKSANDBOX", "sandbox-secret"));
        }
        let shared = Self {
            contract: RwLock::new(Arc::new(options.contract)),
            credentials: RwLock::default(),
            accounts: RwLock::default(),
            seeds: options.seeds,
            faults: Mutex::new(options.faults),
            counter: Arc::default(),
            offset_seconds: AtomicI64::new(0),
            latency_ms: AtomicU64::new(0),
            bucket: Mutex::default(),
            base: format!("http://{address}"),
            stop: CancellationToken::new(),
            postponed: Postponed::default(),
            tasks: TaskTracker::new(),
        };
        shared.set_latency(options.latency);
        for credential in credentials {
            shared.add_credential(credential);
        }
        shared
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the vendor's clock is its own, and can be set off"
    )]
    pub(super) fn now(&self) -> Timestamp {
        let offset = SignedDuration::from_secs(self.offset_seconds.load(Ordering::Relaxed));
        Timestamp::now().checked_add(offset).unwrap_or(Timestamp::MAX)
    }

    fn fresh_account(&self, name: &str) -> Account {
        let seed = self.seeds.get(name).cloned().unwrap_or_default();
        let jobs = if seed.jobs.is_empty() { default_jobs() } else { seed.jobs };
        let mut account = Account::new(name, jobs);
        for person in seed.people {
            account.add(person, "seed", Duration::ZERO, self.now());
        }
        self.in_order(account)
    }

    fn in_order(&self, mut account: Account) -> Account {
        match self.contract().paging.order {
            Order::Created => {}
            Order::Updated => account.people.keep_updates(),
            Order::Random => account.people.keep_chance(),
        }
        account
    }

    /// Saves all accounts to a file.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        let accounts: BTreeMap<String, SavedAccount> = read(&self.accounts)
            .iter()
            .map(|(name, account)| (name.clone(), lock(account).save()))
            .collect();
        std::fs::write(path, serde_json::to_vec(&accounts)?)
    }

    /// Loads the accounts of a file, if it exists.
    pub(super) fn load(&self, path: &Path) -> io::Result<()> {
        let text = match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            text => text?,
        };
        let saved: BTreeMap<String, SavedAccount> = serde_json::from_slice(&text)?;
        let mut accounts = write(&self.accounts);
        for (name, saved) in saved {
            let account = self.in_order(Account::restored(&name, saved));
            accounts.insert(name, Arc::new(Mutex::new(account)));
        }
        Ok(())
    }

    pub(super) fn add_credential(&self, credential: Credential) {
        let account = credential.account().to_owned();
        let fresh = self.fresh_account(&account);
        write(&self.accounts).entry(account).or_insert_with(|| Arc::new(Mutex::new(fresh)));
        write(&self.credentials).insert(credential.access_key.clone(), Arc::new(credential));
    }

    pub(super) fn revoke(&self, access_key: &str) {
        write(&self.credentials).remove(access_key);
    }

    pub(super) fn set_faults(&self, faults: Vec<Fault>) {
        *lock(&self.faults) = faults;
    }

    pub(super) fn set_offset(&self, seconds: i64) {
        self.offset_seconds.store(seconds, Ordering::Relaxed);
    }

    pub(super) fn set_latency(&self, latency: Duration) {
        let ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
        self.latency_ms.store(ms, Ordering::Relaxed);
    }

    pub(super) fn set_duplicates(&self, policy: Duplicates) {
        Arc::make_mut(&mut write(&self.contract)).duplicate_email = policy;
    }

    pub(super) fn reset(&self) {
        let names: Vec<String> = read(&self.accounts).keys().cloned().collect();
        for name in names {
            let fresh = self.fresh_account(&name);
            write(&self.accounts).insert(name, Arc::new(Mutex::new(fresh)));
        }
        self.counter.reset();
    }

    /// The current contract.
    pub(super) fn contract(&self) -> Arc<SandboxContract> {
        read(&self.contract).clone()
    }

    /// Minimum latency of each response.
    pub(super) fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms.load(Ordering::Relaxed))
    }

    /// The scripted fault for this call, if any.
    pub(super) fn fault(&self, call: Called<'_>) -> Option<Action> {
        faults::apply(&mut lock(&self.faults), call, Instant::now())
    }

    /// The credential that signed the request and its account, if the signature is valid.
    pub(super) fn signer(
        &self,
        request: &SignedRequest<'_>,
        check: SignatureCheck,
    ) -> Option<(Arc<Credential>, Arc<Mutex<Account>>)> {
        let credential = {
            let credentials = read(&self.credentials);
            let secret_of = |key: &str| credentials.get(key).map(|found| found.secret.as_str());
            let key = check.verify(request, secret_of, self.now())?;
            credentials.get(&key)?.clone()
        };
        let account = read(&self.accounts).get(credential.account())?.clone();
        Some((credential, account))
    }

    /// All accounts by name.
    pub(super) fn accounts(&self) -> RwLockReadGuard<'_, BTreeMap<String, Arc<Mutex<Account>>>> {
        read(&self.accounts)
    }

    /// The data of one account, or of all accounts by name.
    pub(super) fn dump(&self, account: Option<&str>) -> Value {
        let accounts = read(&self.accounts);
        let dump = |account: &Arc<Mutex<Account>>| {
            let account = lock(account);
            json!({"people": account.people.all(), "jobs": account.jobs})
        };
        match account {
            Some(name) => accounts.get(name).map(dump).unwrap_or_default(),
            None => accounts.iter().map(|(name, account)| (name.clone(), dump(account))).collect(),
        }
    }

    /// Seconds to wait, if the request exceeds the contract's rate limit.
    pub(super) fn limited(&self) -> Option<u64> {
        let limit = read(&self.contract).rate_limit?;
        lock(&self.bucket)
            .get_or_insert_with(|| Bucket::full(limit, Instant::now()))
            .take(limit, Instant::now())
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(std::sync::PoisonError::into_inner)
}
