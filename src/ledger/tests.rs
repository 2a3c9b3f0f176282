//! The pinned segment format, and the journal under faults.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::domain::{ClinchId, Disposition, MatchKey};

/// A base that leaves one person undecided, and changes without a window. Computed from
/// `docs/LEDGER.md` by another program, in another language.
const GOLDEN_BASE: &str = concat!(
    "434c534701f39066b870729cc91fcf3b1435bd318e615ef70d487741de00000000000000070000000100000002",
    "000000012702020202020202020202020202020202030303030303030303030303030303030105632d31323338",
    "e884fa2b8e335181dd17f57238d1754ad20862cc9b5b0394715777bf8690d7b003000f4c1d3a5b6c4d7e8f90a1",
    "b2c3d4e5f6376a6e741ef60909090909090909090909090909090998dbaa3abe466c8bacbaf49f14adcf4c6621",
    "3d9dc93384fda6f0daf5d056a2f7",
);
const GOLDEN: &str = concat!(
    "434c534701f39066b870729cc91fcf3b1435bd318e615ef70d487741de00000000000000070000000000000002",
    "ffffffff38e884fa2b8e335181dd17f57238d1754ad20862cc9b5b0394715777bf8690d7b003000f4c1d3a5b6c",
    "4d7e8f90a1b2c3d4e5f6376a6e741ef62702020202020202020202020202020202030303030303030303030303",
    "030303030105632d31323357f63c97cde01d423ee205786c6f59b0f434bd20705640bfcb47221f054b4561",
);

/// The same, where the export created the first person and has updated the second. From the same program.
const GOLDEN_EFFECTS: &str = concat!(
    "434c534703f39066b870729cc91fcf3b1435bd318e615ef70d487741de00000000000000070000000000000002",
    "ffffffff38e884fa2b8e335181dd17f57238d1754ad20862cc9b5b0394715777bf8690d7b013000f4c1d3a5b6c",
    "4d7e8f90a1b2c3d4e5f6376a6e741ef62702020202020202020202020202020202030303030303030303030303",
    "030303032105632d3132338257902f2807cab66b919c1ccdfc74e0f2b3994e11cac61c51d3ec51d066f3ea",
);

/// A sighting. From the same program.
const GOLDEN_SIGHTING: &str = concat!(
    "434c534705f39066b870729cc91fcf3b1435bd318e615ef70d487741de00000000000000080000000000000000",
    "ffffffff07070707070707070707070707070707000000000001e240000000000000000017979cfe362a000544",
    "0fc031697ea5ec7a047a419145d5f2cd40911a95f9821b4fca5e7a09072b2b",
);

fn keys() -> Keys {
    let root = std::array::from_fn(|i| u8::try_from(i).unwrap());
    Keys::derive(&root, "0a1b2c3d-0000-4000-8000-000000000001")
}

fn id(text: &str) -> ClinchId {
    ClinchId::parse(text).unwrap()
}

fn entry(n: u32, payload: u8) -> Entry {
    let mut key = KeyHash::default();
    // Spread over the key as a hash is.
    key.0[..4].copy_from_slice(&n.wrapping_mul(0x9e37_79b1).to_be_bytes());
    Entry {
        key,
        payload: PayloadDigest([payload; 16]),
        extras: Extras::default(),
        clinch_id: id(&format!("c-{n}")),
        steps: Steps::CANDIDATE,
        effect: Effect::Unknown,
    }
}

fn golden_entries() -> [Entry; 2] {
    let keys = keys();
    let person = MatchKey::fold("Jane.Doe@example.com").unwrap();
    let application = keys.step_digest(&"job-1/applied");
    let first = Entry {
        key: keys.key_hash(&person),
        payload: keys.payload_digest(&json!({"email": person.expose()})),
        extras: Extras { application, ..Extras::default() },
        clinch_id: id("0f4c1d3a-5b6c-4d7e-8f90-a1b2c3d4e5f6"),
        steps: Steps::CANDIDATE.with(Steps::APPLICATION),
        effect: Effect::Unknown,
    };
    let second = Entry {
        key: KeyHash([2; 16]),
        payload: PayloadDigest([3; 16]),
        extras: Extras::default(),
        clinch_id: id("c-123"),
        steps: Steps::CANDIDATE,
        effect: Effect::Unknown,
    };
    [first, second]
}

#[tokio::test]
async fn the_segment_format_is_the_documented_one() {
    let encoded = Segment::encode_changes(&keys(), 7, golden_entries(), None, None);
    assert_eq!(encoded.len(), 1);
    assert_eq!(hex::encode(&encoded[0].bytes), GOLDEN);
    let decoded = Segment::decode(&keys(), &hex::decode(GOLDEN).unwrap()).unwrap();
    let entries = golden_entries().to_vec();
    assert_eq!(
        decoded,
        Segment { seq: 7, base: None, entries, window: None, facts: None, sighting: None }
    );
    let person = MatchKey::fold("jane.doe@example.com").unwrap();
    assert_eq!(keys().record_id(&person).to_string(), "a17e0cb748e2c2dd");

    let store = MemoryStore::default();
    store.create(6, Bytes::from_static(b"unusable")).await.unwrap();
    let mut opened = open(store.clone()).await;
    golden_entries().iter().for_each(|entry| opened.ledger.record(entry));
    opened.ledger.declare([KeyHash([9; 16])].into());
    opened.journal.queue_base(&mut opened.ledger);
    opened.journal.flush(&opened.ledger).await.unwrap();
    assert_eq!(hex::encode(store.read(7).await.unwrap().unwrap()), GOLDEN_BASE);
    let opened = open(store).await;
    assert_eq!(contents(&opened.ledger).len(), 2);
    assert_eq!(*opened.ledger.undecided(), [KeyHash([9; 16])].into());
}

#[tokio::test]
async fn what_was_done_to_people_makes_another_version_and_survives_a_base() {
    let [first, second] = golden_entries();
    let entries =
        [Entry { effect: Effect::Created, ..first }, Entry { effect: Effect::Updated, ..second }];
    let encoded = Segment::encode_changes(&keys(), 7, entries.clone(), None, None);
    assert_eq!(hex::encode(&encoded[0].bytes), GOLDEN_EFFECTS);
    let decoded = Segment::decode(&keys(), &hex::decode(GOLDEN_EFFECTS).unwrap()).unwrap();
    assert_eq!(decoded.entries, entries);

    let store = MemoryStore::default();
    let mut opened = open(store.clone()).await;
    entries.iter().for_each(|entry| opened.ledger.record(entry));
    opened.ledger.set_facts(RunFacts { read: Some(2), admitted: None });
    opened.journal.queue_base(&mut opened.ledger);
    opened.journal.flush(&opened.ledger).await.unwrap();
    assert_eq!(store.read(0).await.unwrap().unwrap()[4], 4, "with facts about runs, too");
    let again = open(store).await.ledger;
    assert!(entries.iter().all(|entry| again.get(&entry.key).as_ref() == Some(entry)));
}

#[test]
fn a_sighting_is_a_segment_of_its_own() {
    let placed = "2023-11-14T22:13:20.000000005Z".parse().unwrap();
    let at = Moment::new([7; 16], std::time::Duration::from_millis(123_456));
    let sighting = Sighting { at, placed };
    let encoded = Segment::encode_sighting(&keys(), 8, sighting);
    assert_eq!(hex::encode(&encoded.bytes), GOLDEN_SIGHTING);
    let decoded = Segment::decode(&keys(), &encoded.bytes).unwrap();
    let nothing = (decoded.base, decoded.window, decoded.facts, decoded.entries.len());
    assert_eq!((nothing, decoded.sighting), ((None, None, None, 0), Some(sighting)));
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let golden = hex::decode(GOLDEN).unwrap();
    for at in 0..golden.len() {
        for bit in 0..8 {
            let mut bytes = golden.clone();
            bytes[at] ^= 1 << bit;
            assert!(Segment::decode(&keys(), &bytes).is_err(), "byte {at} bit {bit}");
        }
        assert!(Segment::decode(&keys(), &golden[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn each_way_of_being_unusable_has_its_own_error() {
    let golden = hex::decode(GOLDEN).unwrap();
    let with = |at: usize, byte: u8| {
        let mut bytes = golden.clone();
        bytes[at] = byte;
        Segment::decode(&keys(), &bytes).unwrap_err()
    };
    assert_eq!(with(0, b'X'), SegmentError::NotASegment);
    assert_eq!(with(4, 6), SegmentError::Version(6));
    assert_eq!(with(5, 0), SegmentError::ForeignKey);
    assert_eq!(with(13, 0), SegmentError::ForeignKey);
    assert_eq!(with(60, 0), SegmentError::BadMac);
    let foreign = Keys::derive(&[0; 32], "0a1b2c3d-0000-4000-8000-000000000001");
    assert_eq!(Segment::decode(&foreign, &golden), Err(SegmentError::ForeignKey));
    assert_eq!(Segment::decode(&keys(), &golden[..40]), Err(SegmentError::Truncated));
    assert_eq!(Segment::decode(&keys(), b"").unwrap_err(), SegmentError::NotASegment);
    let large = vec![0; MAX_SEGMENT_BYTES + 1];
    assert_eq!(Segment::decode(&keys(), &large), Err(SegmentError::TooLarge));
}

fn empty_window() -> Segment {
    let entries = golden_entries().to_vec();
    Segment { seq: 7, base: None, entries, window: Some(Vec::new()), facts: None, sighting: None }
}

/// Authentic segments that no encoder writes, as from a later build with a bug.
#[test]
fn authentic_but_hostile_lengths_are_refused_without_large_allocations() {
    let golden = hex::decode(GOLDEN).unwrap();
    let signed = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = golden[..golden.len() - 32].to_vec();
        edit(&mut bytes);
        let mac = keys().mac(&bytes);
        bytes.extend_from_slice(&mac);
        Segment::decode(&keys(), &bytes)
    };
    assert!(signed(&|_| {}).is_ok());
    let malformed = Err(SegmentError::Malformed);
    let truncated = Err(SegmentError::Truncated);
    assert_eq!(signed(&|b| b[41..45].fill(0xff)), malformed, "count of 4 billion");
    assert_eq!(signed(&|b| b[44] = 1), malformed, "count too small");
    assert_eq!(signed(&|b| b[37..41].copy_from_slice(&[0, 5, 0, 5])), malformed, "part of parts");
    assert_eq!(signed(&|b| b[45..49].fill(0)), Ok(empty_window()), "an empty window");
    assert_eq!(
        signed(&|b| b[45..49].copy_from_slice(&[0xff, 0xff, 0xff, 0xfe])),
        malformed,
        "a window of 4 billion"
    );
    assert_eq!(signed(&|b| b[49] = 0xff), truncated, "entry length past the end");
    assert_eq!(signed(&|b| b[49] = 0), malformed, "empty entry");
    assert_eq!(signed(&|b| b[82] = 0x13), malformed, "unknown step");
    assert_eq!(signed(&|b| b[83] = 64), malformed, "id longer than its entry");
    assert_eq!(signed(&|b| b.push(9)), truncated, "trailing byte");
    assert_eq!(signed(&|b| b.truncate(49)), malformed, "no entries");
}

#[tokio::test]
async fn large_ledgers_are_split_and_come_back_whole() {
    let all: Vec<Entry> = (0..60_000).map(|n| entry(n, 1)).collect();
    let encoded = Segment::encode_changes(&keys(), 3, all.clone(), Some(&[]), None);
    assert_eq!(encoded.len(), 5);
    let mut back = Vec::new();
    for (part, segment) in encoded.iter().enumerate() {
        assert!(segment.bytes.len() <= MAX_SEGMENT_BYTES);
        let text = to_text(&segment.bytes);
        assert!(text.len() <= 700_000, "the CRD takes that many characters");
        let decoded = Segment::decode(&keys(), &from_text(&text).unwrap()).unwrap();
        assert_eq!(decoded.seq, 3 + part as u64);
        assert_eq!(decoded.window.is_some(), part == 4, "declared once all of them are stored");
        back.extend(decoded.entries);
    }
    assert_eq!(back, all);
    assert_eq!(from_text("not base64!"), Err(SegmentError::NotASegment));

    let store = MemoryStore::default();
    let mut opened = open(store.clone()).await;
    all.iter().for_each(|entry| opened.ledger.record(entry));
    let window: HashSet<KeyHash> =
        (0..MAX_WINDOW).map(|n| entry(u32::try_from(n).unwrap(), 1).key).collect();
    opened.ledger.declare(window.clone());
    opened.journal.queue_base(&mut opened.ledger);
    opened.journal.flush(&opened.ledger).await.unwrap();
    let opened = open(store.clone()).await;
    assert_eq!(store.list().await.unwrap().len(), 6, "the window does not fit into the fifth");
    assert_eq!(*opened.ledger.undecided(), window);
    assert_eq!(opened.ledger.len(), 60_000);
    assert!(!opened.journal.compaction_due(opened.ledger.len()));
}

async fn open<S: SegmentStore>(store: S) -> Opened<S> {
    Journal::open(store, keys()).await.unwrap()
}

async fn write(store: &MemoryStore, entries: &[Entry]) {
    let mut opened = open(store.clone()).await;
    for entry in entries {
        opened.ledger.record(entry);
    }
    opened.journal.queue_changes(&mut opened.ledger);
    opened.journal.flush(&opened.ledger).await.unwrap();
}

fn missing(ledger: &Ledger, n: u32) -> Option<Steps> {
    let entry = entry(n, 1);
    ledger.missing_steps(&entry.key, &entry.payload, &entry.extras, Steps::CANDIDATE)
}

fn contents(ledger: &Ledger) -> BTreeMap<KeyHash, Entry> {
    ledger.entries().map(|entry| (entry.key, entry)).collect()
}

#[tokio::test]
async fn later_changes_win_and_nothing_is_written_when_nothing_changed() {
    let store = MemoryStore::default();
    write(&store, &[entry(1, 1), entry(2, 1)]).await;
    write(&store, &[entry(1, 2)]).await;
    write(&store, &[entry(1, 2), entry(2, 1)]).await;
    let opened = open(store.clone()).await;
    assert_eq!(store.list().await.unwrap().len(), 2);
    assert_eq!(opened.journal.next_seq(), 2);
    assert_eq!(
        contents(&opened.ledger),
        BTreeMap::from([entry(1, 2), entry(2, 1)].map(|e| (e.key, e)))
    );
}

#[tokio::test]
async fn a_base_replaces_everything_before_it() {
    let store = MemoryStore::default();
    for payload in 0..10 {
        write(&store, &[entry(1, payload), entry(2, payload)]).await;
    }
    let mut opened = open(store.clone()).await;
    assert!(opened.journal.compaction_due(opened.ledger.len()));
    opened.ledger.record(&entry(3, 1));
    let before = contents(&opened.ledger);
    opened.journal.queue_base(&mut opened.ledger);
    opened.journal.flush(&opened.ledger).await.unwrap();
    opened.journal.sweep().await.unwrap();
    assert!(!opened.journal.compaction_due(opened.ledger.len()));
    assert_eq!(store.list().await.unwrap().len(), 1);
    assert_eq!(contents(&open(store).await.ledger), before);
}

#[tokio::test]
async fn many_small_changes_are_rewritten_a_logarithmic_number_of_times() {
    let store = MemoryStore::default();
    let mut opened = open(store.clone()).await;
    let mut bases = 0;
    for window in 0..60_u32 {
        for n in 0..10 {
            opened.ledger.record(&entry(window * 10 + n, 1));
        }
        opened.journal.queue_changes(&mut opened.ledger);
        if opened.journal.compaction_due(opened.ledger.len()) {
            opened.journal.queue_base(&mut opened.ledger);
            bases += 1;
        }
        opened.journal.flush(&opened.ledger).await.unwrap();
        opened.journal.sweep().await.unwrap();
        assert!(store.list().await.unwrap().len() <= JOURNAL_MAX_DELTAS + 1);
    }
    assert!((1..=4).contains(&bases), "{bases}");
    assert_eq!(open(store).await.ledger.len(), 600);
}

#[tokio::test]
async fn an_unusable_segment_keeps_people_known_and_their_values_unknown() {
    let store = MemoryStore::default();
    write(&store, &[entry(1, 1)]).await;
    write(&store, &[entry(1, 2)]).await;
    write(&store, &[entry(2, 1)]).await;
    store.delete(1).await.unwrap();
    store.create(1, Bytes::from_static(b"CLSG\x06")).await.unwrap();
    let opened = open(store.clone()).await;
    assert_eq!(opened.ignored, [(1, SegmentError::Version(6))]);
    assert_eq!(missing(&opened.ledger, 1), Some(Steps::CANDIDATE), "may have been overridden");
    assert_eq!(missing(&opened.ledger, 2), Some(Steps::NONE));
    assert!(opened.journal.compaction_due(opened.ledger.len()), "a base ends the doubt");
    store.delete(1).await.unwrap();
    let gap = open(store).await;
    assert_eq!(missing(&gap.ledger, 1), Some(Steps::CANDIDATE));
    assert!(gap.journal.compaction_due(gap.ledger.len()));
}

#[tokio::test]
async fn distrust_lasts_until_a_person_is_recorded_again_or_the_ledger_is_rewritten() {
    let store = MemoryStore::default();
    write(&store, &[entry(1, 1), entry(2, 1)]).await;
    let mut opened = open(store.clone()).await;
    opened.journal.distrust(&mut opened.ledger, 9);
    assert_eq!(missing(&opened.ledger, 1), Some(Steps::CANDIDATE));
    assert_eq!(opened.journal.end(), 1, "nothing is stored yet");
    opened.journal.flush(&opened.ledger).await.unwrap();
    assert_eq!((store.list().await.unwrap(), opened.journal.end()), (vec![0, 9], 10));
    // Another process, which nobody tells of it.
    write(&store, &[entry(2, 1)]).await;
    let mut opened = open(store.clone()).await;
    assert_eq!(missing(&opened.ledger, 1), Some(Steps::CANDIDATE), "not recorded since");
    assert_eq!(missing(&opened.ledger, 2), Some(Steps::NONE));
    assert!(opened.journal.compaction_due(opened.ledger.len()));
    opened.journal.queue_base(&mut opened.ledger);
    opened.journal.flush(&opened.ledger).await.unwrap();
    let opened = open(store).await;
    assert!(!opened.journal.is_flawed());
    assert_eq!(missing(&opened.ledger, 1), Some(Steps::CANDIDATE));
    assert_eq!(missing(&opened.ledger, 2), Some(Steps::NONE));
}

#[tokio::test]
async fn an_absurd_position_is_not_followed_and_an_empty_ledger_has_no_gap() {
    let store = MemoryStore::default();
    let mut opened = open(store.clone()).await;
    opened.journal.distrust(&mut opened.ledger, 9);
    opened.journal.flush(&opened.ledger).await.unwrap();
    assert!(store.list().await.unwrap().is_empty());
    write(&store, &[entry(1, 1)]).await;
    let mut opened = open(store.clone()).await;
    opened.journal.distrust(&mut opened.ledger, u64::MAX);
    opened.journal.flush(&opened.ledger).await.unwrap();
    assert_eq!(store.list().await.unwrap(), [0, 2]);
}

#[tokio::test]
async fn a_segment_at_an_absurd_position_is_named_and_says_what_to_delete() {
    let store = MemoryStore::default();
    write(&store, &[entry(1, 1)]).await;
    for seq in [1 << 40, i64::MAX as u64, u64::MAX] {
        store.create(seq, Bytes::from_static(b"made up")).await.unwrap();
        let error = Journal::open(store.clone(), keys()).await.unwrap_err();
        assert_eq!(error, JournalError::Absurd { seq });
        assert!(error.to_string().contains(&format!("name ends in -{seq}")), "{error}");
        assert!(matches!(error.disposition(), Disposition::Stalled { .. }));
        store.delete(seq).await.unwrap();
        assert_eq!(open(store.clone()).await.ledger.len(), 1);
    }
}

#[tokio::test]
async fn a_copy_at_another_position_is_ignored() {
    let store = MemoryStore::default();
    write(&store, &[entry(1, 1)]).await;
    write(&store, &[entry(1, 2)]).await;
    let first = store.read(0).await.unwrap().unwrap();
    store.create(2, first).await.unwrap();
    let opened = open(store).await;
    assert_eq!(opened.ignored, [(2, SegmentError::Misplaced)]);
    assert_eq!(opened.journal.next_seq(), 3);
}

#[tokio::test]
async fn the_second_of_two_writers_is_fenced() {
    let store = MemoryStore::default();
    let (mut one, mut two) = (open(store.clone()).await, open(store.clone()).await);
    one.ledger.record(&entry(1, 1));
    two.ledger.record(&entry(2, 1));
    one.journal.queue_changes(&mut one.ledger);
    two.journal.queue_changes(&mut two.ledger);
    one.journal.flush(&one.ledger).await.unwrap();
    assert_eq!(two.journal.flush(&two.ledger).await, Err(JournalError::Fenced { seq: 0 }));
}

/// Fails one operation, before or after it takes place.
#[derive(Clone)]
struct Faulty {
    inner: MemoryStore,
    countdown: Arc<AtomicUsize>,
    after: bool,
}

impl Faulty {
    async fn run(
        &self,
        operation: impl Future<Output = Result<(), StoreError>>,
    ) -> Result<(), StoreError> {
        let failing = self.countdown.fetch_sub(1, Ordering::SeqCst) == 0;
        if failing && !self.after {
            return Err(StoreError::Unavailable { what: "503".to_owned() });
        }
        let done = operation.await;
        if failing { Err(StoreError::Unavailable { what: "no answer".to_owned() }) } else { done }
    }
}

impl SegmentStore for Faulty {
    async fn list(&self) -> Result<Vec<u64>, StoreError> {
        self.inner.list().await
    }

    async fn read(&self, seq: u64) -> Result<Option<Bytes>, StoreError> {
        self.inner.read(seq).await
    }

    async fn create(&self, seq: u64, bytes: Bytes) -> Result<(), StoreError> {
        self.run(self.inner.create(seq, bytes)).await
    }

    async fn delete(&self, seq: u64) -> Result<(), StoreError> {
        self.run(self.inner.delete(seq)).await
    }
}

/// An entry of the largest size, so that few make several segments.
fn long_entry(n: u32, payload: u8) -> Entry {
    Entry { clinch_id: id(&format!("{n:064}")), steps: Steps::ALL, ..entry(n, payload) }
}

#[tokio::test]
async fn a_window_lasts_until_it_is_decided_or_another_is_declared() {
    let store = MemoryStore::default();
    let key = |n: u32| entry(n, 1).key;
    let mut opened = open(store.clone()).await;
    for n in 1..=2 {
        opened.ledger.record(&entry(n, 1));
    }
    opened.ledger.declare([1, 2, 3].map(key).into());
    opened.journal.queue_changes(&mut opened.ledger);
    opened.journal.flush(&opened.ledger).await.unwrap();
    assert_eq!(store.list().await.unwrap().len(), 1, "results and the next window in one");
    let crashed = open(store.clone()).await;
    assert_eq!(*crashed.ledger.undecided(), [1, 2, 3].map(key).into());
    assert_eq!(missing(&crashed.ledger, 1), Some(Steps::CANDIDATE), "may be overwritten");
    write(&store, &[entry(2, 1)]).await;
    let half = open(store.clone()).await;
    assert_eq!(*half.ledger.undecided(), [1, 3].map(key).into());
    assert_eq!(missing(&half.ledger, 2), Some(Steps::NONE));
    let mut next = half;
    next.ledger.declare(HashSet::new());
    next.journal.queue_changes(&mut next.ledger);
    next.journal.flush(&next.ledger).await.unwrap();
    let closed = open(store).await;
    assert!(closed.ledger.undecided().is_empty());
    assert_eq!(missing(&closed.ledger, 1), Some(Steps::CANDIDATE), "the doubt was written down");
}

#[tokio::test]
async fn a_base_cut_short_decides_nothing() {
    let inner = MemoryStore::default();
    let mut opened = open(inner.clone()).await;
    (0..5_000).for_each(|n| opened.ledger.record(&long_entry(n, 1)));
    opened.ledger.declare([long_entry(1, 1).key].into());
    opened.journal.queue_changes(&mut opened.ledger);
    opened.journal.flush(&opened.ledger).await.unwrap();
    let parts = inner.list().await.unwrap().len();
    opened.journal.queue_base(&mut opened.ledger);
    opened.journal.flush(&opened.ledger).await.unwrap();
    let all = inner.list().await.unwrap();
    assert_eq!(open(inner.clone()).await.ledger.undecided().len(), 1);
    assert!(all.len() > parts + 1, "a base of several segments");
    inner.delete(all[all.len() - 1]).await.unwrap();
    assert_eq!(open(inner).await.ledger.undecided().len(), 1, "the previous window applies");
}

/// Two segments of changes, two small ones, a base of two parts, the sweep, one more change.
async fn scenario<S: SegmentStore>(store: S, retry: bool) -> Result<usize, JournalError> {
    let mut opened = Journal::open(store, keys()).await?;
    let mut failures = 0;
    for round in 0..5_u8 {
        let count = if round == 0 { 5_000 } else { 20 };
        for n in 0..count {
            opened.ledger.record(&long_entry(n, round));
        }
        if round == 3 {
            opened.journal.queue_base(&mut opened.ledger);
        } else {
            opened.journal.queue_changes(&mut opened.ledger);
        }
        loop {
            let result = match opened.journal.flush(&opened.ledger).await {
                Ok(()) if round == 3 => opened.journal.sweep().await,
                result => result,
            };
            match result {
                Ok(()) => break,
                Err(_) if retry && failures < 3 => failures += 1,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(failures)
}

#[tokio::test]
async fn no_fault_loses_an_entry_and_a_retry_is_never_fenced() {
    let clean = MemoryStore::default();
    assert_eq!(scenario(clean.clone(), false).await, Ok(0));
    let expected = contents(&open(clean).await.ledger);
    assert_eq!(expected.len(), 5_000);
    let mut failed_at = BTreeSet::new();
    // Two, one and one segments of changes, two of the base, four deletes, one more segment.
    for fault in 0..11 {
        for after in [false, true] {
            let inner = MemoryStore::default();
            let countdown = Arc::new(AtomicUsize::new(fault));
            let store = Faulty { inner: inner.clone(), countdown: countdown.clone(), after };
            let failures = scenario(store.clone(), true).await.unwrap();
            assert_eq!(contents(&open(inner.clone()).await.ledger), expected, "{fault} {after}");
            if failures == 1 {
                failed_at.insert(fault);
            }
            // A crash at the same point: what was stored before it is used and completed.
            let inner = MemoryStore::default();
            let countdown = Arc::new(AtomicUsize::new(fault));
            let crashed = Faulty { inner: inner.clone(), countdown, after };
            let _ = scenario(crashed, false).await;
            let opened = open(inner.clone()).await;
            assert!(opened.ignored.is_empty(), "{fault} {after}");
            scenario(inner.clone(), false).await.unwrap();
            assert_eq!(contents(&open(inner).await.ledger), expected, "{fault} {after}");
        }
    }
    assert_eq!(failed_at.len(), 11, "every create and delete was hit: {failed_at:?}");
}

#[tokio::test]
async fn folders_hold_a_ledger_as_memory_does() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::new(folder.path());
    // On another thread, as runs do.
    tokio::spawn(scenario(store.clone(), false)).await.unwrap().unwrap();
    let (on_disk, in_memory) = (open(store).await, MemoryStore::default());
    scenario(in_memory.clone(), false).await.unwrap();
    assert_eq!(contents(&on_disk.ledger), contents(&open(in_memory).await.ledger));
}
