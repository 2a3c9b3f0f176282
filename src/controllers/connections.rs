//! The verified connections of this process: made by integrations, used by exports. An
//! integration without one is not usable, whatever its status says.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    candidate_export::Steps,
    clinch_integration::{Known, Memories},
    context::{Settings, Wake},
};
use crate::{
    clinch::{
        Attempt, Client, ClientConfig, ClientDeps, ConnectError, Contract, Jitter, Observer, Op,
        Registry, contract,
    },
    cluster::{Kind, ObjectKey},
    domain::{Clock, Fence, Leave},
    ledger::{AccountName, Keys, LedgerHome, Listed, SuppressionError, Suppressions},
    mapping::{AttributeKind, TargetAttribute, TargetAttributes},
    pipeline::{AtRest, PeopleGuard, SeenSource, Witnesses},
};

/// A verified connection to one Clinch account.
#[derive(Clone)]
pub(super) struct Connection {
    /// The client.
    pub(super) client: Client,
    /// The contract before the integration's overrides.
    pub(super) base: Arc<Contract>,
    /// What candidates take, as far as the contract tells.
    pub(super) attributes: TargetAttributes,
    /// The source that Clinch stamps, once it is seen.
    pub(super) source: SeenSource,
    /// The account, as far as it is known.
    pub(super) account: Account,
    /// Ends when the account may no longer be used.
    pub(super) leave: Leave,
    /// Keeps the exports of the account from creating a person twice.
    pub(super) guard: Arc<PeopleGuard>,
    /// Who must not be written.
    pub(super) suppressions: Suppressions,
    /// Whether everybody is looked up before they are created.
    pub(super) look_up: bool,
    /// Most requests in flight.
    pub(super) max_in_flight: usize,
    /// The environment and the accepted writes, for [`Connection::unsupported`].
    pub(super) config: Arc<ClientConfig>,
}

impl Connection {
    /// Why one of the steps cannot be taken, if so.
    pub(super) fn unsupported(&self, steps: &Steps) -> Option<String> {
        let wanted = [
            (steps.application, Op::CreateApplication),
            (steps.resume, Op::CreateAttachment),
            (steps.tags, Op::CreateActivity),
        ];
        wanted.into_iter().filter(|(wanted, _)| *wanted).find_map(|(_, op)| {
            let config = &self.config;
            let refused =
                config.contract.permits(op, config.environment, &config.accepted_writes).err()?;
            Some(refused.to_string())
        })
    }
}

/// The account of a connection.
#[derive(Clone)]
pub(super) struct Account {
    name: AccountName,
    credential: AccountName,
    /// Notes a few people who are written to it.
    pub(super) witnesses: Witnesses,
}

impl Account {
    fn new(known: Known, tell: impl Fn() + Send + Sync + 'static) -> Self {
        let Known { name, credential, witnesses } = known;
        Self { name, credential, witnesses: Witnesses::new(witnesses, tell) }
    }

    /// Names it.
    pub(super) fn name(&self) -> AccountName {
        self.name
    }

    fn is(&self, known: &Known) -> bool {
        (self.name, self.credential) == (known.name, known.credential)
    }

    /// What is known of it now.
    pub(super) fn known(&self) -> Known {
        let Self { name, credential, witnesses } = self;
        Known { name: *name, credential: *credential, witnesses: witnesses.get() }
    }
}

/// What the integrations that name one account share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) guard: Arc<PeopleGuard>,
    pub(super) suppressions: Suppressions,
}

/// What is verified of an integration, and becomes its connection.
pub(super) struct Opening {
    pub(super) client: Client,
    /// The contract before the integration's overrides.
    pub(super) base: Arc<Contract>,
    pub(super) config: Arc<ClientConfig>,
    pub(super) account: Known,
    pub(super) shared: Shared,
    /// The admin's own list of people who must not be written.
    pub(super) listed: Option<Arc<Listed>>,
    /// Whether everybody is looked up before they are created.
    pub(super) look_up: bool,
}

/// Every connection, by integration UID.
pub(super) struct Connections {
    registry: Registry,
    deps: ClientDeps,
    open: Mutex<HashMap<String, Connection>>,
    accounts: Mutex<HashMap<AccountName, Shared>>,
    at_rest: Arc<AtRest>,
    /// How often each integration was refused while its runs were under way.
    refusals: Mutex<HashMap<String, Arc<AtomicU64>>>,
    wake: Wake,
    pub(super) memories: Memories,
    names: Arc<Names>,
}

/// Which integration a UID is, to wake it.
type Names = Mutex<HashMap<String, ObjectKey>>;

impl Connections {
    pub(super) fn new(
        settings: &Settings,
        clock: Clock,
        fence: Fence,
        wake: Wake,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let (memories, names) = (Memories::default(), Arc::<Names>::default());
        let deps = ClientDeps {
            allowed: settings.allowed_endpoints.clone(),
            clock,
            jitter: Jitter::new(fastrand::f64),
            resolver: Arc::new(crate::network::SystemResolver),
            observer: Arc::new(Watcher {
                memories: memories.clone(),
                names: names.clone(),
                wake: wake.clone(),
                next: observer,
            }),
            fence,
        };
        Self {
            registry: Registry::new(deps.clone()),
            deps,
            open: Mutex::default(),
            accounts: Mutex::default(),
            at_rest: Arc::default(),
            refusals: Mutex::default(),
            wake,
            memories,
            names,
        }
    }

    /// The client for these inputs.
    pub(super) fn client(
        &self,
        uid: &str,
        key: &ObjectKey,
        config: &ClientConfig,
    ) -> Result<Client, ConnectError> {
        lock(&self.names).insert(uid.to_owned(), key.clone());
        self.registry.client(uid, config)
    }

    /// A client for a single question, with nothing kept.
    pub(super) fn passing_client(&self, config: ClientConfig) -> Result<Client, ConnectError> {
        Client::connect("", config, &self.deps)
    }

    /// The connection of an integration, if it was verified.
    pub(super) fn get(&self, uid: &str) -> Option<Connection> {
        lock(&self.open).get(uid).cloned()
    }

    /// What the integrations of an account share. The suppression list is read, or read again: it
    /// must still hold whatever it held. `accept_loss`: what is left of a damaged one is enough.
    pub(super) async fn shared(
        &self,
        home: &impl LedgerHome,
        root: &[u8; 32],
        account: AccountName,
        accept_loss: bool,
    ) -> Result<Shared, SuppressionError> {
        let known = lock(&self.accounts).get(&account).cloned();
        if let Some(known) = known.filter(|_| !accept_loss) {
            known.suppressions.check_stored().await?;
            return Ok(known);
        }
        let (store, keys) = (home.suppression_store(account), Keys::of_account(root, account));
        let (names, wake) = (self.names.clone(), self.wake.clone());
        // How many there are stands in the status of integrations.
        let changed = move || {
            let keys: Vec<ObjectKey> = lock(&names).values().cloned().collect();
            keys.iter().for_each(|key| wake(Kind::Integration, key));
        };
        let suppressions = if accept_loss {
            Suppressions::open_damaged(store, keys, changed).await?
        } else {
            Suppressions::open(store, keys, changed).await?
        };
        let mut accounts = lock(&self.accounts);
        if let Some(known) = accounts.get_mut(&account) {
            if accept_loss {
                known.suppressions = suppressions;
            }
            return Ok(known.clone());
        }
        let guard = Arc::new(PeopleGuard::sharing(self.at_rest.clone()));
        let shared = Shared { guard, suppressions };
        accounts.insert(account, shared.clone());
        Ok(shared)
    }

    /// The integrations that were verified for an account.
    pub(super) fn of_account(&self, account: AccountName) -> Vec<ObjectKey> {
        let names = lock(&self.names).clone();
        let open = lock(&self.open);
        let named = open.iter().filter(|(_, connection)| connection.account.name() == account);
        named.filter_map(|(uid, _)| names.get(uid).cloned()).collect()
    }

    /// Makes a verified connection usable.
    pub(super) fn open(&self, uid: &str, key: &ObjectKey, opening: Opening) {
        let Opening { client, base, config, account, shared, listed, look_up } = opening;
        // A credential that changed may have another name, and so another source.
        let open = self.get(uid);
        let same = open.as_ref().filter(|open| open.client.is_same(&client));
        let source =
            same.map_or_else(|| SeenSource::new(self.waking(key)), |open| open.source.clone());
        // Runs under way see another list of the admin's at once.
        let same = open.as_ref().filter(|open| open.suppressions.is_same(&shared.suppressions));
        let suppressions =
            same.map_or_else(|| shared.suppressions.with_room(), |open| open.suppressions.clone());
        suppressions.set_listed(listed);
        // Runs under way go on noting whom they write.
        let same = open.filter(|open| open.account.is(&account));
        let account =
            same.map_or_else(|| Account::new(account, self.waking(key)), |open| open.account);
        let connection = Connection {
            source,
            account,
            leave: self.leave(uid),
            attributes: target_attributes(client.contract()),
            max_in_flight: config.limits.max_in_flight,
            client,
            base,
            guard: shared.guard,
            suppressions,
            look_up,
            config,
        };
        lock(&self.open).insert(uid.to_owned(), connection);
    }

    fn waking(&self, key: &ObjectKey) -> impl Fn() + Send + Sync + 'static {
        let (wake, key) = (self.wake.clone(), key.clone());
        move || wake(Kind::Integration, &key)
    }

    fn leave(&self, uid: &str) -> Leave {
        let refusals = lock(&self.refusals).entry(uid.to_owned()).or_default().clone();
        let granted = refusals.load(Ordering::Relaxed);
        Leave::new(move || refusals.load(Ordering::Relaxed) == granted)
    }

    /// Makes an integration unusable at once, also for runs under way: no request of theirs
    /// starts after this.
    pub(super) fn refuse(&self, uid: &str) {
        lock(&self.refusals).entry(uid.to_owned()).or_default().fetch_add(1, Ordering::Relaxed);
        self.close(uid);
    }

    /// Makes an integration unusable; what was learned about its limits is kept.
    pub(super) fn close(&self, uid: &str) {
        lock(&self.open).remove(uid);
    }

    /// Forgets an integration that is gone.
    pub(super) fn forget(&self, uid: &str) {
        self.close(uid);
        self.registry.forget(uid);
        self.memories.forget(uid);
        lock(&self.refusals).remove(uid);
        lock(&self.names).remove(uid);
        // Of an account that nobody names any more only the stored list is kept.
        let used: Vec<AccountName> =
            lock(&self.open).values().map(|connection| connection.account.name()).collect();
        lock(&self.accounts).retain(|account, _| used.contains(account));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Turns a 401 on any call into a reconcile of the integration.
struct Watcher {
    memories: Memories,
    names: Arc<Names>,
    wake: Wake,
    next: Arc<dyn Observer>,
}

impl Observer for Watcher {
    fn attempt(&self, integration: &str, attempt: &Attempt) {
        self.next.attempt(integration, attempt);
    }

    fn credentials_rejected(&self, integration: &str) {
        self.next.credentials_rejected(integration);
        self.memories.doubt(integration);
        let key = lock(&self.names).get(integration).cloned();
        if let Some(key) = key {
            (self.wake)(Kind::Integration, &key);
        }
    }
}

/// What candidates take, in the mapping engine's words.
fn target_attributes(contract: &Contract) -> TargetAttributes {
    let convert = |(name, attribute): (&String, &contract::Attribute)| {
        let kind = match attribute.kind {
            contract::AttributeKind::String => AttributeKind::String,
            contract::AttributeKind::Number | contract::AttributeKind::Integer => {
                AttributeKind::Number
            }
            contract::AttributeKind::Boolean => AttributeKind::Boolean,
            contract::AttributeKind::Array => AttributeKind::StringList,
            contract::AttributeKind::Object => AttributeKind::Object,
            contract::AttributeKind::Unknown => AttributeKind::Any,
        };
        let attribute = TargetAttribute {
            kind,
            required: attribute.required,
            read_only: attribute.read_only,
            max_length: attribute.max_length.and_then(|length| usize::try_from(length).ok()),
        };
        (name.clone(), attribute)
    };
    let attributes = contract.candidate_attributes.as_ref();
    TargetAttributes(attributes.map(|all| all.iter().map(convert).collect::<BTreeMap<_, _>>()))
}
