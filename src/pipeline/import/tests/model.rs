//! Clinch, a sink and a store in memory.

use std::{
    cmp::Ordering as Cmp,
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    domain::{Cause, ClinchId, Clock, Disposition, Fence, Grant, GrantState, MatchKey, Reason},
    ledger::{AccountName, ImportKeys, Keys, MemoryStore, SegmentStore, StoreError, Suppressions},
    mapping::MembersRead,
    pipeline::{AttributeFilter, import::*},
};

const ROOT: [u8; 32] = [7; 32];
/// When the models begin.
pub(super) const EPOCH: i64 = 1_790_000_000;

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Created,
    UpdatedFirst,
    UpdatedLast,
    Random,
}

/// What is wrong with a page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoiled {
    /// It is the one before it.
    Repeated,
    /// The one after it is in its place.
    Missing,
    /// Nobody is on it, and the list goes on.
    Empty,
}

/// A person of the model.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) id: u32,
    /// Counted up with each edit.
    pub(super) version: u32,
    pub(super) updated: i64,
    pub(super) anonymised: bool,
    /// Read by id, another person answers.
    pub(super) merged_into: Option<u32>,
}

/// Clinch.
pub(super) struct Model {
    pub(super) people: BTreeMap<u32, Person>,
    /// Merged people, who are on no list.
    pub(super) merged: BTreeMap<u32, u32>,
    /// On no list, but readable.
    pub(super) hidden: BTreeSet<u32>,
    next_id: u32,
    pub(super) order: Order,
    /// Whether a total is stated, and how wrong it is.
    pub(super) total: Option<i64>,
    pub(super) page_size: usize,
    /// How many people at the beginning of the list are too large to be read.
    pub(super) large: u32,
    /// Whether changes can be listed.
    pub(super) changes: bool,
    /// How the clock of the server differs, in seconds; `None`: it states none.
    pub(super) skew: Option<i64>,
    /// How likely something happens between two pages, in percent.
    pub(super) unrest: u32,
    /// Kinds of edits that happen: insert, delete, touch.
    pub(super) edits: u32,
    /// Every list page has other people.
    pub(super) endless: bool,
    /// Everybody has another id in every answer.
    pub(super) renames: bool,
    /// What is wrong with a page of the list, by its number.
    pub(super) spoiled: Option<(u64, Spoiled)>,
    pub(super) fault_at_page: Option<u64>,
    pub(super) requests: u64,
    rng: fastrand::Rng,
}

impl Model {
    pub(super) fn insert(&mut self, now: i64) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        let person = Person { id, version: 1, updated: now, anonymised: false, merged_into: None };
        self.people.insert(id, person);
        id
    }

    pub(super) fn touch(&mut self, id: u32, now: i64) {
        let person = self.people.get_mut(&id).unwrap();
        person.version += 1;
        person.updated = now;
    }

    pub(super) fn delete(&mut self, id: u32) {
        self.people.remove(&id);
    }

    fn some_id(&mut self) -> Option<u32> {
        let at = self.rng.usize(..self.people.len().max(1));
        self.people.keys().nth(at).copied()
    }

    /// Something happens, perhaps.
    fn live(&mut self, now: i64) {
        if self.rng.u32(..100) >= self.unrest {
            return;
        }
        match (self.rng.u32(..self.edits), self.some_id()) {
            (0, _) => {
                self.insert(now);
            }
            (1, Some(id)) => self.delete(id),
            (_, Some(id)) => self.touch(id, now),
            (_, None) => {}
        }
    }

    fn list(&mut self, since: Option<i64>) -> Vec<Person> {
        let mut listed: Vec<Person> = self
            .people
            .values()
            .filter(|person| !self.hidden.contains(&person.id))
            .filter(|person| since.is_none_or(|since| person.updated >= since))
            .cloned()
            .collect();
        match self.order {
            Order::Created => {}
            Order::UpdatedFirst => listed.sort_by_key(|person| (-person.updated, person.id)),
            Order::UpdatedLast => listed.sort_by_key(|person| (person.updated, person.id)),
            Order::Random => {
                // Stable while nobody changes.
                listed.sort_by_key(|person| {
                    (u64::from(person.id) << 32 | u64::from(person.version))
                        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                });
            }
        }
        listed
    }
}

pub(super) fn id(n: u32) -> ClinchId {
    ClinchId::parse(&format!("{n:08x}-5b6c-4d7e-8f90-a1b2c3d4e5f6")).unwrap()
}

pub(super) fn number(id: &str) -> u32 {
    u32::from_str_radix(&id[..8], 16).unwrap()
}

fn read(person: &Person) -> FeedPerson {
    let mut attributes = Map::new();
    let email = format!("p{}@example.com", person.id);
    if !person.anonymised {
        attributes.insert("email".into(), email.as_str().into());
        attributes.insert("first_name".into(), format!("v{}", person.version).into());
        attributes.insert("notes".into(), "private".into());
    }
    attributes.insert("updated_at".into(), at(person.updated).to_string().into());
    FeedPerson {
        id: id(person.merged_into.unwrap_or(person.id)),
        key: MatchKey::fold(&email).filter(|_| !person.anonymised),
        attributes,
        anonymised: person.anonymised,
        merged_into: None,
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

/// Stops a run at a chosen step, before or after it takes effect.
#[derive(Clone, Default)]
pub(super) struct Fuse {
    /// Steps left; each has two halves.
    left: Arc<AtomicU64>,
    pub(super) blown: CancellationToken,
}

impl Fuse {
    pub(super) fn after(steps: u64) -> Self {
        Self { left: Arc::new(AtomicU64::new(steps)), blown: CancellationToken::new() }
    }

    pub(super) fn never() -> Self {
        Self::after(u64::MAX)
    }

    pub(super) async fn step(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 0 {
            self.blown.cancel();
            std::future::pending::<()>().await;
        }
        // Others get their turn at every step.
        tokio::task::yield_now().await;
    }
}

/// Everything that survives a process.
#[derive(Clone)]
pub(super) struct World {
    pub(super) model: Arc<Mutex<Model>>,
    now: Arc<AtomicI64>,
    pub(super) store: MemoryStore,
    pub(super) sink: Arc<Mutex<Kept>>,
    pub(super) suppressions: Suppressions,
    pub(super) deletions: MaxDeletions,
    /// How many people the store may hold.
    pub(super) known_max: Option<u64>,
    pub(super) ignore_deletions: bool,
    pub(super) accept: Option<u64>,
    /// When the last scan began, as the status says.
    pub(super) reported_scan: Option<i64>,
    /// Who is there, and cannot be read by id.
    pub(super) unreadable: BTreeSet<u32>,
    pub(super) digest: String,
    pub(super) max_rows: usize,
}

/// What a sink keeps.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) parts: BTreeMap<String, Bytes>,
    pub(super) manifests: BTreeMap<u64, Manifest>,
    pub(super) latest: Option<u64>,
    pub(super) writes: u64,
    /// Fails so many times.
    pub(super) failures: u64,
}

impl World {
    pub(super) fn new(people: u32, seed: u64) -> Self {
        let mut model = Model {
            people: BTreeMap::new(),
            merged: BTreeMap::new(),
            hidden: BTreeSet::new(),
            next_id: 1,
            order: Order::Created,
            total: Some(0),
            page_size: 10,
            large: 0,
            changes: false,
            skew: Some(0),
            unrest: 0,
            edits: 3,
            endless: false,
            renames: false,
            spoiled: None,
            fault_at_page: None,
            requests: 0,
            rng: fastrand::Rng::with_seed(seed),
        };
        for _ in 0..people {
            model.insert(EPOCH - 1_000_000);
        }
        let account = AccountName::parse("00112233445566aa").unwrap();
        Self {
            model: Arc::new(Mutex::new(model)),
            now: Arc::new(AtomicI64::new(EPOCH)),
            store: MemoryStore::default(),
            sink: Arc::default(),
            suppressions: Suppressions::in_memory(Keys::of_account(&ROOT, account)),
            deletions: MaxDeletions::Percent(10),
            known_max: None,
            ignore_deletions: false,
            accept: None,
            reported_scan: None,
            unreadable: BTreeSet::new(),
            digest: "d1".to_owned(),
            max_rows: 7,
        }
    }

    pub(super) fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap()
    }

    pub(super) fn delete(&self, people: std::ops::RangeInclusive<u32>) {
        people.for_each(|id| self.model().delete(id));
    }

    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.sink.lock().unwrap()
    }

    pub(super) fn now(&self) -> i64 {
        self.now.load(Ordering::Relaxed)
    }

    pub(super) fn wait(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::Relaxed);
    }

    /// A run that nothing ends.
    pub(super) async fn run(&self) -> ImportReport {
        self.run_until(&Fuse::never()).await.expect("nothing ends it")
    }

    /// A run that is killed when the fuse blows: `None`.
    pub(super) async fn run_until(&self, fuse: &Fuse) -> Option<ImportReport> {
        let (spec, ports) = (self.spec(), self.ports(fuse, Fence::open()));
        fuse.blown.run_until_cancelled(run_import(spec, ports)).await
    }

    pub(super) fn spec(&self) -> ImportSpec {
        let permitted = ["email", "first_name", "updated_at"].map(str::to_owned);
        ImportSpec {
            import: ImportName { namespace: "a".into(), name: "b".into(), uid: "uid".into() },
            mapping: Arc::new(Mapping),
            attributes: AttributeFilter::Only(permitted.into()),
            select: None,
            updated_after: None,
            deletions: if self.ignore_deletions { Deletions::Ignore } else { Deletions::Tombstone },
            max_deletions: self.deletions,
            accept_deletions: self.accept,
            full_scan_interval: Duration::from_hours(24),
            digest: self.digest.clone(),
        }
    }

    pub(super) fn ports(
        &self,
        fuse: &Fuse,
        fence: Fence,
    ) -> ImportPorts<ModelFeed, ModelSink, FusedStore> {
        self.ports_to(ModelSink { world: self.clone(), fuse: fuse.clone() }, fuse, fence)
    }

    pub(super) fn ports_to<K: Sink>(
        &self,
        sink: K,
        fuse: &Fuse,
        fence: Fence,
    ) -> ImportPorts<ModelFeed, K, FusedStore> {
        let account = AccountName::parse("00112233445566aa").unwrap();
        let now = self.now.clone();
        ImportPorts {
            feed: ModelFeed { world: self.clone() },
            sink,
            known_max: self.known_max,
            store: FusedStore { store: self.store.clone(), fuse: fuse.clone() },
            keys: ImportKeys::of(&ROOT, account, "uid"),
            suppressions: self.suppressions.clone(),
            own: OwnWrites::Include,
            grant: Grant::new(|| GrantState::Valid),
            fence,
            reported_scan: self.reported_scan,
            clock: Clock::new(move || at(now.load(Ordering::Relaxed))),
            progress: watch::Sender::new(ImportProgress::default()),
            cancel: CancellationToken::new(),
        }
    }

    /// The records that the manifests list, in order.
    pub(super) fn listed(&self) -> Vec<Value> {
        let kept = self.kept();
        let parts = kept.manifests.values().flat_map(|manifest| &manifest.parts);
        let mut parts: Vec<_> = parts.collect();
        parts.sort_by_key(|part| part.batch);
        let lines = parts.iter().flat_map(|part| kept.parts[&part.name].split(|b| *b == b'\n'));
        lines
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    /// Fails unless what the manifests list is what Clinch has, each version is listed once, and nothing
    /// else is there.
    pub(super) fn assert_delivered(&self) {
        self.assert_listed();
        self.assert_tidy();
    }

    /// As `assert_delivered`, whatever else is there.
    pub(super) fn assert_listed(&self) {
        let mut versions = HashSet::new();
        let mut last: BTreeMap<u32, Option<String>> = BTreeMap::new();
        for record in self.listed() {
            let id = number(record["clinch"]["id"].as_str().unwrap());
            let version = record["firstName"].as_str().map(str::to_owned);
            assert!(versions.insert((id, version.clone())), "{id} {version:?} is listed twice");
            last.insert(id, version);
        }
        let model = self.model();
        for person in model.people.values().filter(|person| !person.anonymised) {
            let expected = Some(Some(format!("v{}", person.version)));
            assert_eq!(last.get(&person.id).cloned(), expected, "person {}", person.id);
        }
        for (id, version) in &last {
            let there = model.people.get(id).is_some_and(|person| !person.anonymised);
            assert!(there || version.is_none(), "{id} is gone without a tombstone");
        }
    }

    /// Fails if there is a part that no manifest lists.
    pub(super) fn assert_tidy(&self) {
        let kept = self.kept();
        let listed: HashSet<_> = kept
            .manifests
            .values()
            .flat_map(|manifest| manifest.parts.iter().map(|part| part.name.clone()))
            .collect();
        assert_eq!(listed, kept.parts.keys().cloned().collect());
        assert_eq!(kept.latest, kept.manifests.keys().last().copied());
    }

    /// How many tombstones the manifests list, by their reasons.
    pub(super) fn tombstones(&self) -> BTreeMap<String, u32> {
        let mut counts = BTreeMap::new();
        for record in self.listed() {
            if record["clinch"]["op"] == "tombstone" {
                *counts
                    .entry(record["clinch"]["reason"].as_str().unwrap().to_owned())
                    .or_default() += 1;
            }
        }
        counts
    }
}

/// The mapping of the models.
pub(super) struct Mapping;

impl ProfileMapping for Mapping {
    fn profile(
        &self,
        _: &str,
        attributes: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Unmapped> {
        assert!(!attributes.contains_key("notes"), "what may not leave is not mapped");
        let profile = json!({
            "firstName": attributes.get("first_name"),
            "emails": [{"value": attributes.get("email")}],
        });
        let Value::Object(profile) = profile else { unreachable!("an object") };
        Ok(profile)
    }

    fn reads(&self) -> MembersRead {
        MembersRead { all: false, names: ["email", "first_name"].map(str::to_owned).into() }
    }
}

pub(super) struct ModelFeed {
    world: World,
}

pub(super) struct ModelCursor {
    page: u64,
    seen: HashSet<u32>,
}

impl Feed for ModelFeed {
    type Cursor = ModelCursor;

    async fn page(
        &self,
        cursor: Option<ModelCursor>,
        since: Option<Timestamp>,
    ) -> Result<FeedPage<ModelCursor>, FeedFault> {
        tokio::task::yield_now().await;
        let mut cursor = cursor.unwrap_or(ModelCursor { page: 1, seen: HashSet::new() });
        let mut model = self.world.model();
        model.requests += 1;
        if model.fault_at_page == Some(cursor.page) {
            let disposition = Disposition::retry(Reason::VendorUnavailable);
            return Err(FeedFault::Everything { disposition, message: "503".to_owned() });
        }
        self.world.wait(1);
        if cursor.page <= u64::from(model.large) {
            let too_large = Some(cursor.page);
            cursor.page += 1;
            return Ok(FeedPage {
                people: Vec::new(),
                listed: 1,
                asked: 1,
                too_large,
                next: Some(cursor),
                total: None,
                cut_off: false,
                answered_at: None,
            });
        }
        let now = self.world.now();
        if cursor.page > 1 {
            model.live(now);
        }
        let server = model.skew.map(|skew| now + skew);
        if model.endless {
            for _ in 0..model.page_size {
                model.insert(now);
            }
        }
        let listed = model.list(since.map(Timestamp::as_second));
        let total = model.total.and_then(|off| (listed.len() as u64).checked_add_signed(off));
        let spoiled = model.spoiled.map(|(at, what)| (cursor.page.cmp(&at), what));
        let shown = match spoiled {
            Some((Cmp::Equal, Spoiled::Repeated)) => cursor.page - 1,
            Some((Cmp::Equal | Cmp::Greater, Spoiled::Missing)) => cursor.page + 1,
            _ => cursor.page,
        };
        let is_empty = spoiled == Some((Cmp::Equal, Spoiled::Empty));
        let before = shown - 1 - u64::from(model.large);
        let from = usize::try_from(before).unwrap() * model.page_size;
        let page_size = if is_empty { 0 } else { model.page_size };
        let page: Vec<&Person> = listed.iter().skip(from).take(page_size).collect();
        let on_page = page.len() as u64;
        let mut people: Vec<FeedPerson> =
            page.into_iter().filter(|person| cursor.seen.insert(person.id)).map(read).collect();
        if model.renames {
            for person in &mut people {
                let other =
                    number(person.id.as_str()) + 0x1_0000 * u32::try_from(model.requests).unwrap();
                person.id = id(other);
            }
        }
        cursor.page += 1;
        let goes_on = is_empty || !people.is_empty();
        let next = (goes_on && cursor.page < 1000).then_some(cursor);
        let cut_off = goes_on && next.is_none();
        let answered_at = server.map(at);
        let asked = model.page_size as u64;
        Ok(FeedPage {
            people,
            listed: on_page,
            asked,
            too_large: None,
            next,
            total,
            cut_off,
            answered_at,
        })
    }

    fn largest_answer(&self) -> usize {
        4 << 20
    }

    async fn get(&self, of: &ClinchId) -> Result<FeedRead, FeedFault> {
        tokio::task::yield_now().await;
        let mut model = self.world.model();
        model.requests += 1;
        let n = number(of.as_str());
        if self.world.unreadable.contains(&n) {
            let cause = Cause::new(Reason::RecordErrored, "it cannot be read by id: 500");
            return Err(FeedFault::Person(cause));
        }
        if let Some(into) = model.merged.get(&n) {
            return Ok(FeedRead::Merged(id(*into)));
        }
        Ok(model.people.get(&n).map_or(FeedRead::Gone, |person| FeedRead::Present(read(person))))
    }

    async fn lists_changes(&self) -> Result<Result<(), &'static str>, FeedFault> {
        Ok(self.world.model().changes.then_some(()).ok_or("not offered"))
    }

    fn updated_at(&self) -> Option<&str> {
        Some("updated_at")
    }
}

pub(super) struct ModelSink {
    world: World,
    fuse: Fuse,
}

impl ModelSink {
    fn fault(&self) -> Result<(), SinkFault> {
        let mut kept = self.world.kept();
        kept.writes += 1;
        if kept.failures > 0 {
            kept.failures -= 1;
            let disposition = Disposition::retry(Reason::DestinationUnreachable);
            return Err(SinkFault::Failed { disposition, message: "500".to_owned() });
        }
        Ok(())
    }
}

impl Sink for ModelSink {
    fn limits(&self) -> BatchLimits {
        BatchLimits { rows: self.world.max_rows, bytes: 8 << 20 }
    }

    async fn position(&self) -> Result<Option<SinkPosition>, SinkFault> {
        self.fuse.step().await;
        let kept = self.world.kept();
        Ok(kept
            .manifests
            .values()
            .last()
            .map(|last| SinkPosition { run: last.run, batch: last.to_batch }))
    }

    async fn leftovers(&self, after_batch: u64) -> Result<Vec<String>, SinkFault> {
        self.fuse.step().await;
        let is_left = |name: &&String| name[..10].parse::<u64>().unwrap() > after_batch;
        Ok(self.world.kept().parts.keys().filter(is_left).cloned().collect())
    }

    async fn remove(&self, leftovers: &[String]) -> Result<(), SinkFault> {
        for name in leftovers {
            self.fuse.step().await;
            self.world.kept().parts.remove(name);
        }
        Ok(())
    }

    async fn deliver(&self, batch: &Batch, _: &mut Patience) -> Result<Delivered, SinkFault> {
        self.fuse.step().await;
        self.fault()?;
        let sha256 = crate::domain::digest_parts([&batch.lines[..]]).to_string();
        let name = format!("{:010}-{}", batch.number, &sha256[..16]);
        self.world.kept().parts.insert(name.clone(), batch.lines.clone());
        self.fuse.step().await;
        let (rows, bytes) = (batch.ids.len() as u64, batch.lines.len() as u64);
        assert_eq!(batch.records().count() as u64, rows);
        let part = crate::ledger::ImportPart { name, batch: batch.number, rows, bytes, sha256 };
        Ok(Delivered { last: batch.number, part: Some(part), ..Delivered::default() })
    }

    async fn close(&self, manifest: &Manifest) -> Result<Option<LastManifest>, SinkFault> {
        self.fuse.step().await;
        self.fault()?;
        let run = manifest.run;
        let kept = |change: &dyn Fn(&mut Kept)| change(&mut self.world.kept());
        kept(&|kept| {
            let there = kept.manifests.entry(run).or_insert_with(|| manifest.clone());
            assert_eq!(there.parts, manifest.parts, "a manifest never changes");
        });
        self.fuse.step().await;
        kept(&|kept| kept.latest = Some(run));
        self.fuse.step().await;
        Ok(Some(LastManifest { url: format!("m/{run}"), sequence: run, sha256: String::new() }))
    }
}

pub(super) struct FusedStore {
    store: MemoryStore,
    fuse: Fuse,
}

impl SegmentStore for FusedStore {
    async fn list(&self) -> Result<Vec<u64>, StoreError> {
        self.fuse.step().await;
        self.store.list().await
    }

    async fn read(&self, seq: u64) -> Result<Option<Bytes>, StoreError> {
        self.store.read(seq).await
    }

    async fn create(&self, seq: u64, bytes: Bytes) -> Result<(), StoreError> {
        self.fuse.step().await;
        self.store.create(seq, bytes).await?;
        self.fuse.step().await;
        Ok(())
    }

    async fn delete(&self, seq: u64) -> Result<(), StoreError> {
        self.fuse.step().await;
        self.store.delete(seq).await
    }
}
