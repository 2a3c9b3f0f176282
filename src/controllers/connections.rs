//! The verified connections of this process: made by integrations, used by exports. An
//! integration without one is not usable, whatever its status says.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    candidate_export::Steps,
    clinch_integration::Memories,
    context::{Settings, Wake},
};
use crate::{
    clinch::{
        Attempt, Client, ClientConfig, ConnectError, Contract, Jitter, Observer, Op, Registry,
        Surroundings, SystemResolver, contract,
    },
    cluster::{Kind, ObjectKey},
    domain::{Clock, Fence},
    mapping::{AttributeKind, TargetAttribute, TargetAttributes},
    pipeline::{PeopleGuard, SeenSource},
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

/// Every connection, by integration UID.
pub(super) struct Connections {
    registry: Registry,
    surroundings: Surroundings,
    open: Mutex<HashMap<String, Connection>>,
    guards: Mutex<HashMap<String, Arc<PeopleGuard>>>,
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
            resolver: Arc::new(SystemResolver),
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
    ) {
        let guard = lock(&self.guards).entry(uid.to_owned()).or_default().clone();
        // A credential that changed may have another name, and so another source.
        let same = self.get(uid).filter(|open| open.client.is_same(&client));
        let source = same.map_or_else(|| self.unseen(key), |open| open.source);
        let connection = Connection {
            source,
            attributes: target_attributes(client.contract()),
            max_in_flight: config.limits.max_in_flight,
            client,
            base,
            guard,
            config,
        };
        lock(&self.open).insert(uid.to_owned(), connection);
    }

    fn unseen(&self, key: &ObjectKey) -> SeenSource {
        let (wake, key) = (self.wake.clone(), key.clone());
        SeenSource::new(move || wake(Kind::Integration, &key))
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
