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
        Attempt, Client, ClientConfig, ConnectError, Contract, Jitter, Observer, Op, Registry,
        Surroundings, contract,
    },
    cluster::{Kind, ObjectKey},
    domain::{Clock, Fence, Leave},
    ledger::AccountName,
    mapping::{AttributeKind, TargetAttribute, TargetAttributes},
    pipeline::{PeopleGuard, SeenSource, Witnesses},
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
    /// Keeps the integration's exports from creating a person twice.
    pub(super) guard: Arc<PeopleGuard>,
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

/// Every connection, by integration UID.
pub(super) struct Connections {
    registry: Registry,
    surroundings: Surroundings,
    open: Mutex<HashMap<String, Connection>>,
    guards: Mutex<HashMap<String, (AccountName, Arc<PeopleGuard>)>>,
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
        let surroundings = Surroundings {
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
            registry: Registry::new(surroundings.clone()),
            surroundings,
            open: Mutex::default(),
            guards: Mutex::default(),
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
        Client::connect("", config, &self.surroundings)
    }

    /// The connection of an integration, if it was verified.
    pub(super) fn get(&self, uid: &str) -> Option<Connection> {
        lock(&self.open).get(uid).cloned()
    }

    /// Makes a verified connection usable.
    pub(super) fn open(
        &self,
        uid: &str,
        key: &ObjectKey,
        client: Client,
        base: Arc<Contract>,
        config: Arc<ClientConfig>,
        account: Known,
    ) {
        let guard = self.guard(uid, account.name);
        // A credential that changed may have another name, and so another source.
        let open = self.get(uid);
        let same = open.as_ref().filter(|open| open.client.is_same(&client));
        let source =
            same.map_or_else(|| SeenSource::new(self.waking(key)), |open| open.source.clone());
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
            guard,
            config,
        };
        lock(&self.open).insert(uid.to_owned(), connection);
    }

    /// People of one account are of no interest to those who write to another.
    fn guard(&self, uid: &str, account: AccountName) -> Arc<PeopleGuard> {
        let mut guards = lock(&self.guards);
        let fresh = || (account, Arc::default());
        let (of, guard) = guards.entry(uid.to_owned()).or_insert_with(fresh);
        if *of != account {
            (*of, *guard) = fresh();
        }
        guard.clone()
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
        lock(&self.guards).remove(uid);
        lock(&self.refusals).remove(uid);
        lock(&self.names).remove(uid);
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
