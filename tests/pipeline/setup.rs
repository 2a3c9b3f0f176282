//! An emulator, a client of it and a ledger; and an export.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use clinch_operator::{
    api::{ApiVersion, Environment},
    clinch::{
        AllowedEndpoints, Client, ClientConfig, ClientDeps, Contract, Endpoint, Jitter, Limits,
        Timeouts, Unobserved,
    },
    domain::{Clock, Credentials, Fence},
    ledger::{
        AccountName, Keys, MemoryStore, Moment, ObjectLedgers, ObjectSegments, SegmentStore,
        StoreError, Suppressions,
    },
    mapping::{MappingSpec, compile},
    pipeline::{
        ClinchCrm, Counts, DestinationSpec, Duplicates as Policy, Ending, Guards, JobRule,
        JobRules, LedgerTrust, Mode, PeopleGuard, Progress, Renderer, Report, RunPorts, RunSpec,
        SeenSource, Source, Suspects, no_neighbours, run, target_attributes,
    },
    sandbox::{Options, Sandbox, Seed},
    storage::NamedFiles,
};
use jiff::Timestamp;
use object_store::memory::InMemory;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) const ACCOUNT: &str = "hireEZ";
pub(crate) const SECRET: &str = "s3cr3t/Key+with=chars==";
pub(crate) const IN_FLIGHT: usize = 8;

pub(crate) fn options() -> Options {
    Options::default().with_credential(ACCOUNT, "AKTEST", SECRET)
}

/// Options under which a second create makes a second person, so that a duplicate shows.
pub(crate) fn careless() -> Options {
    contract(json!({"duplicateEmail": "allow"}))
}

/// Options with a contract of the emulator's.
pub(crate) fn contract(contract: Value) -> Options {
    Options { contract: serde_json::from_value(contract).unwrap(), ..options() }
}

/// Options with people who are in Clinch from the start.
pub(crate) fn with_people(people: impl IntoIterator<Item = Value>) -> Options {
    seeded(options(), people)
}

pub(crate) fn seeded(mut options: Options, people: impl IntoIterator<Item = Value>) -> Options {
    let people: Vec<Value> = people.into_iter().collect();
    let seed: Seed = serde_json::from_value(json!({"people": people})).unwrap();
    options.seeds.insert(ACCOUNT.to_owned(), seed);
    options
}

/// A person as Clinch has them, as `profile(n)` maps.
pub(crate) fn in_clinch(n: usize) -> Value {
    json!({"email": email(n), "first_name": format!("First{n}"), "last_name": "Test",
        "current_job_title": "Engineer"})
}

pub(crate) fn email(n: usize) -> String {
    format!("person{n}@example.com")
}

/// A profile as hireEZ has it.
pub(crate) fn profile(n: usize) -> Value {
    json!({"firstName": format!("First{n}"), "lastName": "Test", "title": "Engineer",
        "emails": [{"value": email(n)}]})
}

pub(crate) fn profiles(count: usize) -> Vec<Value> {
    (0..count).map(profile).collect()
}

/// What an export declares.
#[derive(Clone)]
pub(crate) struct Export {
    pub(crate) profiles: Vec<Value>,
    pub(crate) mapping: Value,
    pub(crate) destination: DestinationSpec,
    pub(crate) duplicates: Policy,
    pub(crate) mode: Mode,
    pub(crate) resumes: NamedFiles,
}

/// Every stage of every job.
pub(crate) fn any_job() -> JobRules {
    JobRules(vec![JobRule { job: "*".to_owned(), stages: vec!["*".to_owned()] }])
}

impl Export {
    pub(crate) fn of(profiles: Vec<Value>) -> Self {
        Self {
            profiles,
            mapping: json!({"fields": [
                {"to": "email", "from": "emails[0].value", "required": true},
                {"to": "first_name", "from": "firstName"},
                {"to": "last_name", "from": "lastName"},
                {"to": "current_job_title", "from": "title"}]}),
            destination: DestinationSpec::Prospect,
            duplicates: Policy::Update,
            mode: Mode::Push,
            resumes: NamedFiles::default(),
        }
    }

    pub(crate) fn applying(mut self) -> Self {
        self.destination = DestinationSpec::Job {
            id: None,
            reference: Some("ENG-101".to_owned()),
            stage: "Screen".to_owned(),
            permitted: any_job(),
        };
        self
    }

    pub(crate) fn with_resume_and_tags(mut self) -> Self {
        self.mapping["resume"] = json!({"attach": true});
        self.mapping["tags"] = json!({"enabled": true, "activity": "hireez_tags"});
        self
    }

    pub(crate) fn dry(&self) -> Self {
        Self { mode: Mode::DryRun, ..self.clone() }
    }

    pub(crate) fn duplicates(self, duplicates: Policy) -> Self {
        Self { duplicates, ..self }
    }

    pub(crate) fn spec(&self) -> RunSpec {
        let mapping: MappingSpec = serde_json::from_value(self.mapping.clone()).unwrap();
        RunSpec {
            source: Source::Inline(self.profiles.clone().into()),
            select: None,
            limit: None,
            plan: compile(&mapping).unwrap(),
            destination: self.destination.clone(),
            duplicates: self.duplicates,
            mode: self.mode,
            guards: Guards::default(),
            renderer: Renderer::default(),
            resumes: self.resumes.clone(),
            reveals: None,
        }
    }
}

/// A client of the emulator, as a new process creates it.
pub(crate) fn client(sandbox: &Sandbox, contract: Contract, fence: Fence) -> Client {
    client_of(sandbox, "AKTEST", contract, fence)
}

/// As `client`, with an access key of its own.
pub(crate) fn client_of(
    sandbox: &Sandbox,
    access_key: &str,
    contract: Contract,
    fence: Fence,
) -> Client {
    client_with(sandbox, access_key, contract, fence, timeouts(ORPHANED))
}

/// A client of a process whose predecessor's requests may be carried out for this long.
pub(crate) fn patient_client(sandbox: &Sandbox, orphaned: Duration) -> Client {
    client_with(sandbox, "AKTEST", Contract::built_in(), Fence::open(), timeouts(orphaned))
}

/// A client that does not wait for answers for longer than `attempt`.
pub(crate) fn hasty_client(sandbox: &Sandbox, attempt: Duration, orphaned: Duration) -> Client {
    let timeouts = Timeouts { attempt, ..timeouts(orphaned) };
    client_with(sandbox, "AKTEST", Contract::built_in(), Fence::open(), timeouts)
}

fn timeouts(orphaned: Duration) -> Timeouts {
    Timeouts {
        operation: Duration::from_secs(20),
        attempt: Duration::from_secs(5),
        connect: Duration::from_secs(1),
        quiet: Duration::from_millis(50),
        orphaned,
    }
}

/// Requests of a run that was dropped end with it.
const ORPHANED: Duration = Duration::from_millis(50);

fn client_with(
    sandbox: &Sandbox,
    access_key: &str,
    contract: Contract,
    fence: Fence,
    timeouts: Timeouts,
) -> Client {
    let origin = sandbox.base_url();
    let config = ClientConfig {
        endpoint: Endpoint::parse(&origin, Environment::Sandbox).unwrap(),
        version: ApiVersion::V2,
        environment: Environment::Sandbox,
        credentials: Credentials::parse(access_key, SECRET).unwrap(),
        contract: Arc::new(contract),
        accepted_writes: Vec::new(),
        limits: Limits { requests_per_second: Some(5000), max_in_flight: IN_FLIGHT },
        timeouts,
    };
    let deps = ClientDeps {
        allowed: AllowedEndpoints::listed([origin.as_str()]).unwrap(),
        clock: Clock::new(jiff::Timestamp::now),
        jitter: Jitter::new(|| 0.05),
        resolver: Arc::new(clinch_operator::network::SystemResolver),
        proxy: clinch_operator::network::OutboundProxy::default(),
        observer: Arc::new(Unobserved),
        fence,
    };
    Client::connect("uid", config, &deps).unwrap()
}

const ROOT: [u8; 32] = [7; 32];

pub(crate) fn keys() -> Keys {
    keys_of("export-uid")
}

/// The ledger keys of another export of the same account.
pub(crate) fn keys_of(export: &str) -> Keys {
    Keys::of(&ROOT, account(), export)
}

pub(crate) fn account() -> AccountName {
    AccountName::of(&ROOT, "http://sandbox", "AKTEST")
}

/// The account's suppression list in a store.
pub(crate) async fn suppressions(store: &MemoryStore) -> Suppressions {
    let keys = Keys::of_account(&ROOT, account());
    Suppressions::open(store.clone(), keys, || {}).await.unwrap()
}

/// An emulator, a client and a ledger.
pub(crate) struct World {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) client: Client,
    pub(crate) guard: Arc<PeopleGuard>,
    pub(crate) store: Store,
    pub(crate) suppressions: Suppressions,
}

impl World {
    pub(crate) async fn new(options: Options) -> Self {
        Self::speaking(options, Contract::built_in()).await
    }

    pub(crate) async fn speaking(options: Options, contract: Contract) -> Self {
        let sandbox = Arc::new(Sandbox::start(options).await.unwrap());
        let client = client(&sandbox, contract, Fence::open());
        let suppressions = suppressions(&MemoryStore::default()).await;
        let (guard, store) = (Arc::new(PeopleGuard::with_seed(1)), Store::default());
        Self { sandbox, client, guard, store, suppressions }
    }

    /// With the contract that the emulator publishes.
    pub(crate) async fn discovering(options: Options) -> Self {
        let world = Self::new(options).await;
        let document = world.client.openapi().await.unwrap();
        let contract = clinch_operator::clinch::contract::discover(&document).unwrap();
        Self { client: client(&world.sandbox, contract, Fence::open()), ..world }
    }

    pub(crate) fn ports(&self) -> RunPorts<ClinchCrm, Store> {
        self.ports_on(self.store.clone())
    }

    /// The ports of a run whose ledger is in another store.
    pub(crate) fn ports_on<S: SegmentStore>(&self, store: S) -> RunPorts<ClinchCrm, S> {
        RunPorts {
            crm: ClinchCrm::new(self.client.clone(), SeenSource::new(|| {})),
            guard: self.guard.clone(),
            suppressions: self.suppressions.clone(),
            look_up: false,
            export: "export-uid".to_owned(),
            neighbours: no_neighbours(),
            suspects: Suspects::default(),
            keys: keys(),
            store,
            trust: LedgerTrust::default(),
            ledger_max: None,
            fence: Fence::open(),
            max_in_flight: IN_FLIGHT,
            progress: watch::channel(Progress::default()).0,
            report: None,
            cancel: CancellationToken::new(),
        }
    }

    pub(crate) async fn run(&self, export: &Export) -> Report {
        run(self.spec(export), self.ports()).await
    }

    /// What an export asks for, with the mapping checked against the contract.
    pub(crate) fn spec(&self, export: &Export) -> RunSpec {
        let spec = export.spec();
        let plan = spec.plan.for_target(&target_attributes(self.client.contract()));
        RunSpec { plan, ..spec }
    }

    /// Runs to completion and gives the counts; `pending` must be none.
    pub(crate) async fn counts(&self, export: &Export) -> Counts {
        let report = self.run(export).await;
        assert_eq!(report.ending, Ending::Completed, "{:?}", report.progress);
        assert_eq!(report.progress.counts.pending(), 0);
        report.progress.counts
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> u64 {
        self.sandbox.requests().total
    }

    /// Writing requests so far, whatever their answer.
    pub(crate) fn writes(&self) -> u64 {
        let counts = self.sandbox.requests();
        let operations = [
            "createCandidate",
            "updateCandidate",
            "createApplication",
            "createAttachment",
            "createActivity",
        ];
        operations.into_iter().map(|operation| counts.of(operation)).sum()
    }

    /// Everybody in Clinch, with how often their address occurs.
    pub(crate) fn people(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for person in self.sandbox.people(ACCOUNT) {
            let email = person["attributes"]["email"].as_str().unwrap().to_owned();
            *counts.entry(email).or_default() += 1;
        }
        counts
    }

    /// Everybody who has an address.
    pub(crate) fn people_with_address(&self) -> Vec<Value> {
        let mut people = self.sandbox.people(ACCOUNT);
        people.retain(|person| person["attributes"]["email"].is_string());
        people
    }

    /// A person in Clinch, with everything attached to them.
    pub(crate) fn person(&self, n: usize) -> Value {
        let email = email(n);
        let people = self.sandbox.people(ACCOUNT);
        let mut found = people.into_iter().filter(|p| p["attributes"]["email"] == *email);
        let person = found.next().unwrap();
        assert!(found.next().is_none(), "{email} is there twice");
        person
    }

    /// The people `0..count`, each exactly once, and nobody else.
    pub(crate) fn assert_exactly_once(&self, count: usize) {
        let expected: BTreeMap<_, _> = (0..count).map(|n| (email(n), 1)).collect();
        assert_eq!(self.people(), expected);
    }
}

/// A ledger in memory, with room for a limited number of segments: a row of objects in an object
/// store, which is what every run of these tests writes.
#[derive(Clone)]
pub(crate) struct Store {
    segments: ObjectSegments,
    room: Arc<AtomicUsize>,
    clock: Arc<Mutex<StoreClock>>,
}

/// What the store tells of time: seconds since the boot of this number, and since when its segments are in
/// place, if it tells that.
#[derive(Clone, Copy)]
struct StoreClock {
    boot: u8,
    seconds: u64,
    placed: Option<Timestamp>,
}

impl Default for Store {
    fn default() -> Self {
        let ledgers = ObjectLedgers::within(Arc::new(InMemory::new()), "ledgers");
        let clock = StoreClock { boot: 1, seconds: 100, placed: another_place() };
        Self {
            segments: ledgers.of("export-uid"),
            room: Arc::new(usize::MAX.into()),
            clock: Arc::new(Mutex::new(clock)),
        }
    }
}

/// A time that no other store has.
fn another_place() -> Option<Timestamp> {
    static PLACES: AtomicI64 = AtomicI64::new(1_700_000_000);
    Timestamp::from_second(PLACES.fetch_add(1, Ordering::Relaxed)).ok()
}

impl Store {
    pub(crate) fn set_room(&self, segments: usize) {
        self.room.store(segments, Ordering::Relaxed);
    }

    /// A copy of what is stored now.
    pub(crate) async fn copy(&self) -> Self {
        let copy = Self::default();
        for seq in self.list().await.unwrap() {
            let bytes = self.read(seq).await.unwrap().unwrap();
            copy.create(seq, bytes).await.unwrap();
        }
        let StoreClock { boot, seconds, .. } = *self.clock.lock().unwrap();
        let mut clock = copy.clock.lock().unwrap();
        (clock.boot, clock.seconds) = (boot, seconds);
        drop(clock);
        copy
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.lock().unwrap().seconds += seconds;
    }

    /// Starts the machine again.
    pub(crate) fn boot(&self) {
        self.clock.lock().unwrap().boot += 1;
    }

    /// From now on it does not tell since when segments are in place.
    pub(crate) fn forget_place(&self) {
        self.clock.lock().unwrap().placed = None;
    }

    /// How many segments there are.
    pub(crate) async fn segments(&self) -> usize {
        self.segments.list().await.unwrap().len()
    }
}

impl SegmentStore for Store {
    async fn list(&self) -> Result<Vec<u64>, StoreError> {
        tokio::task::yield_now().await;
        self.segments.list().await
    }

    async fn read(&self, seq: u64) -> Result<Option<Bytes>, StoreError> {
        tokio::task::yield_now().await;
        self.segments.read(seq).await
    }

    async fn placed_at(&self, _seq: u64) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.clock.lock().unwrap().placed)
    }

    fn moment(&self) -> Option<Moment> {
        let StoreClock { boot, seconds, .. } = *self.clock.lock().unwrap();
        Some(Moment::new([boot; 16], Duration::from_secs(seconds)))
    }

    async fn create(&self, seq: u64, bytes: Bytes) -> Result<(), StoreError> {
        tokio::task::yield_now().await;
        let room = self.room.load(Ordering::Relaxed);
        self.room.store(room.checked_sub(1).ok_or(StoreError::Quota)?, Ordering::Relaxed);
        let created = self.segments.create(seq, bytes).await;
        // The write has happened, and its answer is still in flight.
        tokio::task::yield_now().await;
        created
    }

    async fn delete(&self, seq: u64) -> Result<(), StoreError> {
        tokio::task::yield_now().await;
        self.segments.delete(seq).await
    }
}
