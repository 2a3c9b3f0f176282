//! An export and an import of one account: what the export wrote does not come back, an edit by a person
//! does, and the two fall silent when they feed each other.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use clinch_operator::{
    domain::{Clock, Disposition, Fence, Grant, GrantState, Reason},
    ledger::{ImportKeys, MemoryStore, SegmentStore, StoreError},
    mapping::{ImportPlan, MappingSpec, compile},
    pipeline::{
        AttributeFilter, ClinchFeed, Counts, Ending, ExportLedger, ExportLedgers, ImportPorts,
        ImportProgress, ImportReport, ImportSpec, KeptWrites, OwnWrites, run, run_import,
    },
};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    import::{local, records, spec},
    setup::{ACCOUNT, Export, World, account, contract, email, keys, profile, profiles},
};

/// A store that can be out of reach, and counts segments that are read.
#[derive(Clone)]
struct Ledger {
    store: MemoryStore,
    fails: bool,
    reads: Arc<AtomicU64>,
}

impl SegmentStore for Ledger {
    async fn list(&self) -> Result<Vec<u64>, StoreError> {
        if self.fails {
            return Err(StoreError::Unavailable { what: "503".to_owned() });
        }
        self.store.list().await
    }

    async fn read(&self, seq: u64) -> Result<Option<Bytes>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.store.read(seq).await
    }

    async fn create(&self, seq: u64, bytes: Bytes) -> Result<(), StoreError> {
        self.store.create(seq, bytes).await
    }

    async fn delete(&self, seq: u64) -> Result<(), StoreError> {
        self.store.delete(seq).await
    }
}

/// An account, an export to it and an import from it.
struct Pair {
    world: World,
    folder: tempfile::TempDir,
    state: Ledger,
    ledger: Ledger,
    /// The export is there.
    exports: bool,
    own: fn(&Pair) -> OwnWrites<Ledger>,
    mapping: Value,
    kept: Arc<KeptWrites>,
}

fn mapping() -> Value {
    json!([{"to": "emails[0].value", "from": "email", "required": true},
        {"to": "firstName", "from": "first_name"},
        {"to": "lastName", "from": "last_name"},
        {"to": "title", "from": "current_job_title"},
        {"to": "phones[0].value", "from": "phone"}])
}

impl Pair {
    async fn new(options: Value) -> Self {
        let ledger =
            || Ledger { store: MemoryStore::default(), fails: false, reads: Arc::default() };
        Self {
            world: World::new(contract(options)).await,
            folder: tempfile::tempdir().unwrap(),
            state: ledger(),
            ledger: ledger(),
            exports: true,
            own: Self::excluded,
            mapping: mapping(),
            kept: Arc::default(),
        }
    }

    fn excluded(&self) -> OwnWrites<Ledger> {
        let mapping: MappingSpec = serde_json::from_value(Export::of(Vec::new()).mapping).unwrap();
        let (ledger, exports, kept) = (self.ledger.clone(), self.exports, self.kept.clone());
        OwnWrites::Exclude(Box::new(move || {
            Box::pin(async move {
                let export = Export::of(Vec::new());
                let ledger = ExportLedger {
                    name: "export-uid".to_owned(),
                    plan: compile(&mapping).unwrap(),
                    duplicates: export.duplicates,
                    open: Box::new(move || (keys(), ledger)),
                };
                let ledgers = if exports { vec![ledger] } else { Vec::new() };
                Ok(ExportLedgers { ledgers, unusable: 0, kept })
            })
        }))
    }

    async fn export(&self, people: Vec<Value>) -> Counts {
        let spec = self.world.spec(&Export::of(people));
        let report = run(spec, self.world.ports_on(self.ledger.clone())).await;
        assert_eq!(report.ending, Ending::Completed, "{:?}", report.progress);
        report.progress.counts
    }

    async fn import(&self) -> ImportReport {
        let fields: MappingSpec = serde_json::from_value(json!({"fields": self.mapping})).unwrap();
        let spec = ImportSpec {
            mapping: Arc::new(ImportPlan::compile(&fields.fields).unwrap()),
            attributes: AttributeFilter::All,
            ..spec()
        };
        let ports = ImportPorts {
            feed: ClinchFeed::new(self.world.client.clone()),
            sink: local(self.folder.path()),
            known_max: None,
            store: self.state.clone(),
            keys: ImportKeys::of(&[7; 32], account(), "uid-import"),
            suppressions: self.world.suppressions.clone(),
            own: (self.own)(self),
            grant: Grant::new(|| GrantState::Valid),
            fence: Fence::open(),
            reported_scan: None,
            clock: Clock::new(jiff::Timestamp::now),
            progress: watch::channel(ImportProgress::default()).0,
            cancel: CancellationToken::new(),
        };
        run_import(spec, ports).await
    }

    /// An import that completes: how many people it emitted, left out as own, and found gone.
    async fn imports(&self) -> (u64, u64, u64) {
        let report = self.import().await;
        assert_eq!(report.ending, Ending::Completed, "{:?}", report.progress);
        let counts = report.progress.counts;
        (counts.emitted, counts.own, counts.tombstones)
    }

    fn edit(&self, n: usize, attributes: &Value) {
        self.world.sandbox.edit(ACCOUNT, &email(n), attributes).unwrap();
    }

    /// Everybody whom the manifests list, as a reader that follows them has them at the end.
    fn received(&self) -> BTreeMap<String, Value> {
        let folder = self.folder.path().join("back/uid-import");
        let mut people = BTreeMap::new();
        if !Path::exists(&folder.join("latest.json")) {
            return people;
        }
        for mut record in records(&folder) {
            let meta = record.as_object_mut().unwrap().remove("clinch").unwrap();
            let id = meta["id"].as_str().unwrap().to_owned();
            if meta["op"] == "upsert" {
                people.insert(id, record);
            } else {
                people.remove(&id);
            }
        }
        people
    }

    /// What hireEZ has: its own people, replaced by those received.
    fn merged(&self, own: &[Value]) -> Vec<Value> {
        let address = |person: &Value| person["emails"][0]["value"].as_str().unwrap().to_owned();
        let mut people: BTreeMap<String, Value> =
            own.iter().map(|person| (address(person), person.clone())).collect();
        people.extend(self.received().into_values().map(|person| (address(&person), person)));
        people.into_values().collect()
    }
}

fn titled(n: usize, title: &str) -> Value {
    let mut person = profile(n);
    person["title"] = title.into();
    person
}

#[tokio::test]
async fn what_an_export_wrote_does_not_come_back_and_an_edit_does() {
    let pair = Pair::new(json!({})).await;
    let mut people = profiles(20);
    pair.export(people.clone()).await;
    assert_eq!(pair.imports().await, (0, 20, 0));
    assert_eq!(pair.imports().await, (0, 0, 0), "nothing changed");
    assert!(pair.received().is_empty(), "nothing was written");

    pair.edit(1, &json!({"current_job_title": "Director"}));
    let edited = pair.import().await.progress;
    assert_eq!((edited.counts.emitted, edited.counts.own, edited.near_misses), (1, 0, 1));

    // The value that was there before is an edit, too: a receiver of Director needs it.
    pair.edit(1, &json!({"current_job_title": "Engineer"}));
    assert_eq!(pair.imports().await, (1, 0, 0));
    assert_eq!(pair.received().values().next().unwrap()["title"], "Engineer");

    // Somebody who was received, and somebody who was not.
    people[1] = titled(1, "Boss");
    people[2] = titled(2, "Boss");
    assert_eq!(pair.export(people).await.updated, 2);
    assert_eq!(pair.imports().await, (0, 2, 0));
    assert_eq!(pair.received().values().next().unwrap()["title"], "Engineer");

    for n in [1, 2] {
        pair.world.sandbox.delete(ACCOUNT, &email(n)).unwrap();
    }
    assert_eq!(pair.imports().await, (0, 0, 1), "who was never received is not gone");
}

#[tokio::test]
async fn an_attribute_that_no_export_writes_comes_back() {
    let pair = Pair::new(json!({})).await;
    let mut people = profiles(3);
    pair.export(people.clone()).await;
    pair.edit(0, &json!({"phone": "+1 555 0100"}));
    assert_eq!(pair.imports().await, (1, 2, 0));
    assert_eq!(pair.received().values().next().unwrap()["phones"][0]["value"], "+1 555 0100");
    // A write of the export beside it is still one of the export.
    people[0] = titled(0, "Boss");
    pair.export(people.clone()).await;
    assert_eq!(pair.imports().await, (0, 1, 0));
    // Both at once: the edit counts.
    people[0] = titled(0, "Chair");
    pair.export(people).await;
    pair.edit(0, &json!({"phone": "+1 555 0199"}));
    assert_eq!(pair.imports().await, (1, 0, 0));
    let received = pair.received();
    let person = received.values().next().unwrap();
    assert_eq!(
        (&person["title"], &person["phones"][0]["value"]),
        (&json!("Chair"), &json!("+1 555 0199"))
    );
}

#[tokio::test]
async fn an_export_and_an_import_that_feed_each_other_fall_silent() {
    // With a Clinch that stores values as they are, and one that does not.
    for forms in [json!({}), json!({"storedForms": {"first_name": "upperCase", "phone": "digits"}})]
    {
        let pair = Pair::new(forms.clone()).await;
        let own = profiles(20);
        let mut silent_after = None;
        for round in 1..=4 {
            let before = pair.world.writes();
            pair.export(pair.merged(&own)).await;
            let (emitted, ..) = pair.imports().await;
            let silent = pair.world.writes() == before && emitted == 0;
            match silent_after {
                None if silent => silent_after = Some(round - 1),
                Some(_) => assert!(silent, "{forms}: round {round} is loud again"),
                None => {}
            }
        }
        assert!(silent_after.is_some_and(|rounds| rounds <= 2), "{forms}: {silent_after:?}");

        pair.edit(3, &json!({"current_job_title": "Director"}));
        assert_eq!(pair.imports().await.0, 1);
        for _ in 0..2 {
            let before = pair.world.writes();
            pair.export(pair.merged(&own)).await;
            assert_eq!(pair.world.writes(), before, "{forms}: the edit is not written back");
            assert_eq!(pair.imports().await.0, 0, "{forms}");
        }
        let person = pair.world.person(3);
        assert_eq!(person["attributes"]["current_job_title"], "Director");
    }
}

#[tokio::test]
async fn an_export_that_is_deleted_leaves_only_edits_to_come_back() {
    let mut pair = Pair::new(json!({})).await;
    pair.export(profiles(5)).await;
    assert_eq!(pair.imports().await, (0, 5, 0));
    pair.exports = false;
    assert_eq!(pair.imports().await, (0, 0, 0));
    pair.edit(1, &json!({"current_job_title": "Director"}));
    assert_eq!(pair.imports().await, (1, 0, 0));
    pair.own = |_| OwnWrites::Include;
    assert_eq!(pair.imports().await, (4, 0, 0), "those who were left out so far");
}

#[tokio::test]
async fn a_ledger_out_of_reach_stops_the_import_and_a_damaged_one_hides_nobody() {
    let mut pair = Pair::new(json!({})).await;
    pair.export(profiles(5)).await;
    pair.ledger.fails = true;
    let report = pair.import().await;
    let Ending::Interrupted { disposition, message } = &report.ending else {
        panic!("{report:?}");
    };
    assert_eq!(*disposition, Disposition::retry(Reason::InternalError));
    assert!(message.contains("ledger of an export") && message.contains("ownWrites"), "{message}");
    assert_eq!(report.progress.counts.emitted, 0);
    pair.ledger.fails = false;
    assert_eq!(pair.imports().await, (0, 5, 0));

    let mut pair = Pair::new(json!({})).await;
    pair.export(profiles(5)).await;
    let damaged = MemoryStore::default();
    for seq in pair.ledger.list().await.unwrap() {
        let mut bytes = pair.ledger.read(seq).await.unwrap().unwrap().to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        damaged.create(seq, bytes.into()).await.unwrap();
    }
    pair.ledger.store = damaged;
    assert_eq!(pair.imports().await, (5, 0, 0));
}

#[tokio::test]
async fn ledgers_that_did_not_change_are_not_read_again() {
    let pair = Pair::new(json!({})).await;
    // Each run of the export adds segments to its ledger.
    for people in 1..=8 {
        pair.export(profiles(people * 10)).await;
    }
    let segments = pair.ledger.store.list().await.unwrap().len() as u64;
    assert!(segments >= 4, "{segments}");
    let reads = async |expected: (u64, u64)| {
        pair.ledger.reads.store(0, Ordering::Relaxed);
        let (emitted, own, _) = pair.imports().await;
        assert_eq!((emitted, own), expected);
        pair.ledger.reads.load(Ordering::Relaxed)
    };
    let first = reads((0, 80)).await;
    assert!(first > 2, "{first}: the ledger from its last base on, and its last segment");
    assert_eq!(reads((0, 0)).await, 0, "nobody changed");
    for n in 0..3 {
        pair.edit(n, &json!({"current_job_title": "Director"}));
        assert_eq!(reads((1, 0)).await, 1, "the last segment says that nothing was stored since");
    }
    // The export writes: what it wrote is known at once.
    let mut people = profiles(80);
    people[40]["title"] = "Chief".into();
    people[41]["title"] = "Chief".into();
    pair.export(people).await;
    pair.edit(41, &json!({"current_job_title": "Director"}));
    assert!(reads((1, 1)).await > 1, "what it wrote is own, the edit is not");
}
