//! A sink that cannot say what it has: windows are declared, and delivered again after a kill.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    model::{Fuse, World, number},
    scale,
};
use crate::{
    domain::{Clock, Disposition, Fence, Grant, GrantState, Reason},
    ledger::{MemoryStore, SegmentStore as _},
    pipeline::{
        Ending,
        import::{
            HttpSink, HttpSinkSettings, ImportProgress, ImportReport, MaxDeletions, Poster,
            SinkGate, run_import,
        },
    },
    signing::WebhookKeys,
    storage::{Posted, WriteFault},
};

/// A person, and their version; none of somebody who is gone.
type Version = (u32, Option<String>);

/// Keeps what it gets, and may be left before it answers.
#[derive(Clone, Default)]
struct Receiver {
    bodies: Arc<Mutex<BTreeMap<String, BTreeSet<Bytes>>>>,
    /// In which batches a version came, in order.
    versions: Arc<Mutex<Vec<(Version, String)>>>,
    /// The people whom it refuses.
    refuses: BTreeSet<u32>,
    /// How many requests there were.
    posts: Arc<std::sync::atomic::AtomicUsize>,
    /// How many runs there were: each is later than the one before.
    runs: i64,
    fuse: Fuse,
}

impl Poster for Receiver {
    async fn post(&self, headers: HeaderMap, body: Bytes) -> Result<Posted, WriteFault> {
        let answer = |status| Ok(Posted { status, retry_after: None });
        self.fuse.step().await;
        self.posts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let id = headers["webhook-id"].to_str().unwrap().to_owned();
        let read: Value = serde_json::from_slice(&body).unwrap();
        let records = read["records"].as_array().unwrap();
        let of = |record: &Value| number(record["clinch"]["id"].as_str().unwrap());
        if records.iter().any(|record| self.refuses.contains(&of(record))) {
            return answer(422);
        }
        if self.bodies.lock().unwrap().entry(id.clone()).or_default().insert(body.clone()) {
            let mut versions = self.versions.lock().unwrap();
            for record in records {
                let version = record["firstName"].as_str().map(str::to_owned);
                versions.push(((of(record), version), id.clone()));
            }
        }
        self.fuse.step().await;
        answer(200)
    }

    fn shown(&self) -> String {
        "receiver".to_owned()
    }
}

impl Receiver {
    /// Runs until an end, or until the fuse blows.
    async fn run(&mut self, world: &World, fuse: Fuse) -> Option<ImportReport> {
        self.run_with(world, fuse, Fence::open()).await
    }

    async fn run_with(&mut self, world: &World, fuse: Fuse, fence: Fence) -> Option<ImportReport> {
        self.fuse = fuse.clone();
        self.runs += 1;
        let fields = [("key".to_owned(), Bytes::from_static(b"0123456789abcdef01234567"))];
        let settings = HttpSinkSettings {
            import: world.spec().import,
            max_records: 4,
            max_bytes: 1 << 20,
            keys: WebhookKeys::of_fields(&fields.into()).unwrap(),
        };
        let gate = SinkGate {
            fence: fence.clone(),
            grant: Grant::new(|| GrantState::Valid),
            cancel: CancellationToken::new(),
            reports: tokio::sync::watch::Sender::new(ImportProgress::default()),
        };
        let clock =
            Clock::fixed(jiff::Timestamp::from_second(1_000_000 + self.runs * 3600).unwrap());
        let sink = HttpSink::new(self.clone(), settings, gate, clock);
        let ports = world.ports_to(sink, &fuse, fence);
        fuse.blown.run_until_cancelled(run_import(world.spec(), ports)).await
    }

    fn posts(&self) -> usize {
        self.posts.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// The numbers of the batches that it got, in the order of their ids.
    fn numbers(&self) -> BTreeSet<u64> {
        let bodies = self.bodies.lock().unwrap();
        let number = |id: &String| id.split('.').nth(1).unwrap().parse().unwrap();
        bodies.keys().map(number).collect()
    }

    async fn completes(&mut self, world: &World) -> ImportReport {
        let report = self.run(world, Fuse::never()).await.expect("nothing ends it");
        assert_eq!(report.ending, Ending::Completed);
        report
    }

    /// Fails unless the last that it heard of everybody is what Clinch has, and no id came with two bodies.
    fn assert_delivered(&self, world: &World, context: &str) {
        for (id, bodies) in self.bodies.lock().unwrap().iter() {
            assert_eq!(bodies.len(), 1, "{context}: {id}");
        }
        let versions = self.versions.lock().unwrap();
        let last: BTreeMap<u32, Option<String>> =
            versions.iter().map(|((id, version), _)| (*id, version.clone())).collect();
        let model = world.model();
        for person in model.people.values().filter(|person| !person.anonymised) {
            let expected = Some(Some(format!("v{}", person.version)));
            assert_eq!(last.get(&person.id).cloned(), expected, "{context}: {}", person.id);
        }
        for (id, version) in &last {
            let there = model.people.get(id).is_some_and(|person| !person.anonymised);
            assert!(there || version.is_none(), "{context}: {id} is gone without a tombstone");
        }
    }

    /// Fails unless it has what Clinch has of everybody, in whatever order it came, and no id came with two
    /// bodies.
    fn assert_heard_of_everybody(&self, world: &World, context: &str) {
        assert!(self.bodies.lock().unwrap().values().all(|bodies| bodies.len() == 1), "{context}");
        let versions = self.versions.lock().unwrap();
        let came: BTreeSet<&Version> = versions.iter().map(|(version, _)| version).collect();
        let model = world.model();
        for person in model.people.values() {
            let present = (person.id, Some(format!("v{}", person.version)));
            assert!(came.contains(&present), "{context}: {present:?}");
        }
        let gone = came.iter().filter(|(id, _)| !model.people.contains_key(id));
        for (id, _) in gone {
            assert!(came.contains(&(*id, None)), "{context}: {id} is gone without a tombstone");
        }
    }

    /// How many versions came in more than one batch.
    fn repeated(&self) -> usize {
        let mut batches: BTreeMap<Version, BTreeSet<String>> = BTreeMap::new();
        for (version, id) in self.versions.lock().unwrap().iter() {
            batches.entry(version.clone()).or_default().insert(id.clone());
        }
        batches.values().filter(|ids| ids.len() > 1).count()
    }
}

#[tokio::test]
async fn a_kill_at_any_step_repeats_batches_with_the_same_bytes_and_id() {
    for steps in 0..150 {
        let mut world = World::new(90, steps);
        world.deletions = MaxDeletions::Percent(100);
        let mut receiver = Receiver::default();
        let first = receiver.run(&world, Fuse::after(steps)).await;
        let counts = receiver.completes(&world).await.progress.counts;
        // Who is sent again is not unchanged, too.
        let counted = (counts.emitted + counts.unchanged, counts.scanned);
        assert_eq!(counted, (90, 90), "{steps} steps: {counts:?}");
        receiver.assert_delivered(&world, &format!("{steps} steps"));
        assert_eq!(receiver.repeated(), 0, "{steps} steps: nobody was edited");
        if first.is_some() {
            assert!(steps > 40, "a run has so many steps");
        }
    }
}

#[tokio::test]
async fn a_version_that_comes_back_is_sent_though_the_state_was_lost() {
    let mut world = World::new(3, 1);
    let mut receiver = Receiver::default();
    receiver.completes(&world).await;
    let before = world.model().people.clone();
    world.wait(3600);
    let now = world.now();
    for person in before.keys() {
        world.model().touch(*person, now);
    }
    receiver.completes(&world).await;
    receiver.assert_delivered(&world, "edited");
    // As they were, so that the batch has the bytes of the first one but for its number.
    world.model().people = before;
    world.store = MemoryStore::default();
    receiver.completes(&world).await;
    receiver.assert_delivered(&world, "edited back");
}

#[tokio::test]
async fn kills_with_edits_between_them_lose_nobody_and_give_no_id_two_bodies() {
    for seed in 0..60 * u64::from(scale()) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut world = World::new(80, seed);
        world.deletions = MaxDeletions::Percent(100);
        world.model().changes = rng.bool();
        let mut receiver = Receiver::default();
        for _ in 0..12 {
            world.wait(3600);
            let now = world.now();
            for _ in 0..rng.u32(..10) {
                let mut model = world.model();
                match (rng.u32(..4), model.people.keys().nth(rng.usize(..60)).copied()) {
                    (0, _) => {
                        model.insert(now);
                    }
                    (1, Some(id)) => model.delete(id),
                    (2, Some(id)) => {
                        model.touch(id, now);
                        model.people.get_mut(&id).unwrap().anonymised = true;
                    }
                    (_, Some(id)) => model.touch(id, now),
                    (_, None) => {}
                }
            }
            receiver.run(&world, Fuse::after(rng.u64(1..60))).await;
        }
        world.digest = "d2".to_owned();
        receiver.completes(&world).await;
        receiver.assert_delivered(&world, &format!("seed {seed}"));
    }
}

#[tokio::test]
async fn a_process_that_loses_the_lease_among_batches_sends_no_more_and_the_next_one_repeats_them()
{
    for batches in [1, 2, 7, 11] {
        let world = World::new(90, batches);
        let mut receiver = Receiver::default();
        let bodies = receiver.bodies.clone();
        let sent = move || bodies.lock().unwrap().len() as u64;
        let (before, seen) = (sent.clone(), sent.clone());
        let fence = Fence::new(move || before() < batches);
        let report = receiver.run_with(&world, Fuse::never(), fence).await.unwrap();
        assert_eq!((report.ending, seen()), (Ending::Stopped, batches));
        receiver.completes(&world).await;
        receiver.assert_delivered(&world, &format!("{batches} batches"));
        assert_eq!(receiver.repeated(), 0, "the same batches, with the same ids");
        assert_eq!(sent(), 23, "90 people, four at a time");
    }
}

#[tokio::test]
async fn two_processes_at_one_endpoint_lose_nobody_and_give_no_id_two_bodies() {
    for seed in 0..20 * u64::from(scale()) {
        let mut world = World::new(60, seed);
        world.deletions = MaxDeletions::Percent(100);
        world.model().unrest = 40;
        let mut receiver = Receiver::default();
        for _ in 0..4 {
            let mut other = receiver.clone();
            let (one, two) =
                tokio::join!(receiver.run(&world, Fuse::never()), other.run(&world, Fuse::never()));
            assert!(one.is_some() && two.is_some(), "neither is killed");
        }
        world.model().unrest = 0;
        receiver.completes(&world).await;
        receiver.assert_heard_of_everybody(&world, &format!("seed {seed}"));
    }
}

/// A copy of what is stored.
async fn copied(store: &MemoryStore) -> MemoryStore {
    let copy = MemoryStore::default();
    for seq in store.list().await.unwrap() {
        let bytes = store.read(seq).await.unwrap().unwrap();
        copy.create(seq, bytes).await.unwrap();
    }
    copy
}

#[tokio::test]
async fn a_state_that_was_put_back_gives_no_number_of_a_batch_again() {
    let mut world = World::new(30, 1);
    let mut receiver = Receiver::default();
    receiver.completes(&world).await;
    let backup = copied(&world.store).await;
    for put_back in [false, true] {
        if put_back {
            world.store = copied(&backup).await;
        }
        let before = receiver.numbers();
        world.wait(3600);
        let now = world.now();
        (1..=30).for_each(|person| world.model().touch(person, now));
        receiver.completes(&world).await;
        receiver.assert_delivered(&world, "edited");
        let (last, after) = (before.last().unwrap(), receiver.numbers());
        assert_eq!(after.range(last + 1..).count(), 8, "each batch has a number of its own");
    }
}

#[tokio::test]
async fn a_state_that_is_gone_or_older_than_what_was_reported_begins_anew_once() {
    let mut world = World::new(90, 1);
    let mut receiver = Receiver::default();
    let scan = |report: &ImportReport| report.progress.last_full_scan.unwrap().at.as_second();
    world.reported_scan = Some(scan(&receiver.completes(&world).await));
    let backup = copied(&world.store).await;
    let quiet = receiver.completes(&world).await;
    assert_eq!((quiet.progress.state_lost.clone(), quiet.progress.counts.emitted), (None, 0));
    world.reported_scan = Some(scan(&quiet));
    for (store, why) in [(MemoryStore::default(), "nothing is known"), (backup, "is older than")] {
        world.store = store;
        // It is cut off, and what it has delivered counts.
        let cut = receiver.run(&world, Fuse::after(45)).await;
        assert!(cut.is_none());
        let lost = receiver.completes(&world).await.progress;
        assert!(lost.counts.emitted > 0 && lost.counts.emitted < 90, "{:?}", lost.counts);
        assert_eq!(lost.state_lost, None, "{why}: said by the run before");
        world.reported_scan = Some(lost.last_full_scan.unwrap().at.as_second());
        let quiet = receiver.completes(&world).await.progress;
        assert_eq!((quiet.state_lost, quiet.counts.emitted), (None, 0));
    }
    world.store = MemoryStore::default();
    let lost = receiver.completes(&world).await.progress;
    assert!(lost.state_lost.unwrap().contains("nothing is known"));
    assert_eq!(lost.counts.emitted, 90, "everybody once more");
}

#[tokio::test]
async fn many_people_who_are_refused_in_front_do_not_starve_those_behind_them() {
    let mut world = World::new(420, 1);
    world.model().page_size = 100;
    let mut receiver = Receiver { refuses: (1..=400).collect(), ..Receiver::default() };
    let counts = receiver.completes(&world).await.progress.counts;
    assert_eq!((counts.emitted, counts.failed, counts.scanned), (20, 400, 420));
    // In later runs they come after the others.
    let now = world.now();
    (415..=420).for_each(|person| world.model().touch(person, now));
    world.digest = "d2".to_owned();
    let before = receiver.posts();
    let counts = receiver.completes(&world).await.progress.counts;
    assert_eq!((counts.emitted, counts.unchanged), (6, 14));
    assert_eq!((counts.failed, counts.refused_before), (100, 300), "only who was offered failed");
    let posts = receiver.posts() - before;
    assert!(posts < 300, "{posts}: they are not all offered again while it refuses them");
    // What is put right is delivered by one run, however many others are refused.
    receiver.refuses = (1..=20).collect();
    world.digest = "d3".to_owned();
    let counts = receiver.completes(&world).await.progress.counts;
    assert_eq!((counts.emitted, counts.failed), (380, 20));
    receiver.refuses.clear();
    world.digest = "d4".to_owned();
    let counts = receiver.completes(&world).await.progress.counts;
    assert_eq!((counts.emitted, counts.failed), (20, 0));
    receiver.assert_delivered(&world, "all of them");
}

#[tokio::test]
async fn an_endpoint_that_refuses_everybody_ends_a_run_and_the_next_one_goes_on_behind_them() {
    let world = World::new(1600, 1);
    world.model().page_size = 100;
    let mut receiver = Receiver { refuses: (1..=1500).collect(), ..Receiver::default() };
    let report = receiver.run(&world, Fuse::never()).await.unwrap();
    let Ending::Interrupted { disposition, message } = &report.ending else { panic!("refused") };
    assert_eq!(*disposition, Disposition::Stalled { reason: Reason::SinkRejected });
    assert!(message.contains("refused 1000 people in a row"), "{message}");
    let counts = report.progress.counts;
    assert_eq!((counts.emitted, counts.failed), (0, 1000), "only who was offered");
    assert!(receiver.posts() < 1500, "{}", receiver.posts());
    let counts = receiver.completes(&world).await.progress.counts;
    assert_eq!((counts.emitted, counts.rejected()), (100, 1500));
    assert_eq!((counts.failed, counts.refused_before), (600, 900), "only who was offered failed");
    receiver.refuses.clear();
    assert_eq!(receiver.completes(&world).await.progress.counts.emitted, 1500);
    receiver.assert_delivered(&world, "all of them");
}

#[tokio::test]
async fn somebody_who_changes_while_they_are_refused_is_offered_as_they_are() {
    let mut world = World::new(12, 1);
    let mut receiver = Receiver { refuses: [3].into(), ..Receiver::default() };
    receiver.completes(&world).await;
    // They are known as refused, and not as delivered: nobody hears that they are gone.
    let now = world.now();
    world.model().touch(3, now);
    world.digest = "d2".to_owned();
    assert_eq!(receiver.completes(&world).await.progress.counts.failed, 1);
    world.delete(3..=3);
    receiver.refuses.clear();
    world.digest = "d3".to_owned();
    let counts = receiver.completes(&world).await.progress.counts;
    assert_eq!((counts.emitted, counts.tombstones, counts.failed), (0, 0, 0));
    // What was taken before an edit that is refused stays known.
    let now = world.now();
    world.model().touch(5, now);
    receiver.refuses.insert(5);
    world.digest = "d4".to_owned();
    assert_eq!(receiver.completes(&world).await.progress.counts.failed, 1);
    receiver.refuses.clear();
    world.delete(5..=5);
    world.digest = "d5".to_owned();
    assert_eq!(receiver.completes(&world).await.progress.counts.tombstones, 1);
    receiver.assert_delivered(&world, "gone");
}

#[tokio::test]
async fn kills_among_people_who_are_refused_lose_nobody() {
    for steps in (0..200).step_by(3) {
        let mut world = World::new(90, steps);
        world.deletions = MaxDeletions::Percent(100);
        let mut receiver = Receiver { refuses: (10..=40).collect(), ..Receiver::default() };
        receiver.run(&world, Fuse::after(steps)).await;
        receiver.run(&world, Fuse::after(steps)).await;
        receiver.refuses.clear();
        world.digest = "d2".to_owned();
        receiver.completes(&world).await;
        receiver.assert_delivered(&world, &format!("{steps} steps"));
    }
}

#[tokio::test]
async fn people_whom_the_endpoint_refuses_are_offered_again_and_hold_nobody_up() {
    let mut world = World::new(30, 1);
    let mut receiver = Receiver { refuses: [3, 17].into(), ..Receiver::default() };
    let report = receiver.completes(&world).await;
    let counts = report.progress.counts;
    assert_eq!((counts.emitted, counts.failed, counts.scanned), (28, 2, 30));
    assert_eq!(report.progress.failures.len(), 2, "once each, although the list was read twice");
    assert!(report.progress.failures.iter().all(|one| one.cause.reason == Reason::SinkRejected));
    // What is known is rewritten as a whole at times: they are not known from then on, either.
    for digest in ["d2", "d3", "d4"] {
        world.digest = digest.to_owned();
        let counts = receiver.completes(&world).await.progress.counts;
        assert_eq!((counts.emitted, counts.failed, counts.unchanged), (0, 2, 28));
    }
    receiver.refuses.clear();
    world.digest = "d5".to_owned();
    assert_eq!(receiver.completes(&world).await.progress.counts.emitted, 2);
    receiver.assert_delivered(&world, "all of them");

    // A tombstone that is refused is offered again, too.
    world.delete(3..=3);
    receiver.refuses.insert(3);
    world.digest = "d6".to_owned();
    let counts = receiver.completes(&world).await.progress.counts;
    assert_eq!((counts.tombstones, counts.failed), (0, 1));
    receiver.refuses.clear();
    world.digest = "d7".to_owned();
    assert_eq!(receiver.completes(&world).await.progress.counts.tombstones, 1);
    receiver.assert_delivered(&world, "and who is gone");
}
