//! Ledgers made of arbitrary, mutated, mixed-up and foreign segments. Nothing panics, nothing
//! large is allocated for a small input, and nothing is believed that was not written.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use clinch_operator::{
    domain::ClinchId,
    ledger::{
        Effect, Entry, Extras, Journal, KeyHash, Keys, MAX_SEGMENT_BYTES, MemoryStore,
        PayloadDigest, Segment, SegmentStore, StepDigest, Steps, from_text,
    },
};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use sha2::Sha256;

use crate::search::cases;

const ROOT: [u8; 32] = [1; 32];
const UID: &str = "uid";
const HEADER: usize = 49;

fn keys() -> Keys {
    Keys::derive(&ROOT, UID)
}

/// Signs bytes as the operator does, by the documentation: as if an operator had a fault.
fn signed(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut key = [0; 32];
    let hkdf = Hkdf::<Sha256>::new(Some(b"clinch-operator ledger v1"), &ROOT);
    hkdf.expand(&[b"mac\0", UID.as_bytes()].concat(), &mut key).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(&bytes);
    bytes.extend_from_slice(&mac.finalize().into_bytes());
    bytes
}

fn unsigned(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - 32);
    bytes
}

type Raw = ([u8; 16], [u8; 16], [u8; 6], u8, String);

fn raw() -> impl Strategy<Value = Raw> {
    let id = "[A-Za-z0-9_~-]{1,64}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    (any::<[u8; 16]>(), any::<[u8; 16]>(), any::<[u8; 6]>(), 0_u8..64, id)
}

fn entry((key, payload, digest, bits, id): Raw) -> Entry {
    let steps = Steps::from_bits(bits & 15).unwrap();
    let digest =
        |step| if steps.contains(step) { StepDigest(digest) } else { StepDigest::default() };
    Entry {
        key: KeyHash(key),
        payload: PayloadDigest(payload),
        extras: Extras {
            application: digest(Steps::APPLICATION),
            resume: digest(Steps::RESUME),
            activity: digest(Steps::ACTIVITY),
        },
        clinch_id: ClinchId::parse(&id).unwrap(),
        steps,
        effect: Effect::from_bits(bits >> 4).unwrap(),
    }
}

fn entries(most: usize) -> impl Strategy<Value = Vec<Entry>> {
    proptest::collection::vec(raw(), 0..most).prop_map(|raws| {
        let mut seen = HashSet::new();
        raws.into_iter().filter(|raw| seen.insert(raw.0)).map(entry).collect()
    })
}

fn window() -> impl Strategy<Value = Option<Vec<KeyHash>>> {
    proptest::option::of(proptest::collection::vec(any::<[u8; 16]>().prop_map(KeyHash), 0..20))
}

/// What becomes of a stored segment.
#[derive(Debug, Clone)]
enum Mishap {
    None,
    Lost,
    Cut(usize),
    Flip(usize, u8),
    Replace(Vec<u8>),
    CopyOf(usize),
    Foreign,
}

fn mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        6 => Just(Mishap::None),
        1 => Just(Mishap::Lost),
        1 => (0_usize..200).prop_map(Mishap::Cut),
        1 => (0_usize..400, 1_u8..=255).prop_map(|(at, bits)| Mishap::Flip(at, bits)),
        1 => proptest::collection::vec(any::<u8>(), 0..200).prop_map(Mishap::Replace),
        1 => (0_usize..12).prop_map(Mishap::CopyOf),
        1 => Just(Mishap::Foreign),
    ]
}

proptest! {
    #![proptest_config(cases(250))]

    #[test]
    fn no_bytes_are_taken_for_a_segment(
        data in proptest::collection::vec(any::<u8>(), 0..400),
        text in ".{0,80}",
    ) {
        prop_assert!(Segment::decode(&keys(), &data).is_err());
        let _ = from_text(&text);
    }

    #[test]
    fn entries_and_windows_come_back(all in entries(40), seq in 0_u64..1000, window in window()) {
        let encoded = Segment::encode_changes(&keys(), seq, all.clone(), window.as_deref(), None);
        prop_assert_eq!(encoded.len(), usize::from(!all.is_empty() || window.is_some()));
        if let [encoded] = &encoded[..] {
            let decoded = Segment::decode(&keys(), &encoded.bytes).unwrap();
            prop_assert_eq!(decoded, Segment { seq, base: None, entries: all, window, facts: None, sighting: None });
        }
    }

    #[test]
    fn whatever_is_cut_or_replaced_is_noticed(
        all in entries(5),
        keep in 0_usize..400,
        data in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let whole = Segment::encode_changes(&keys(), 0, all, Some(&[]), None)[0].bytes.to_vec();
        let mut bytes = whole.clone();
        bytes.truncate(keep);
        bytes.extend(&data);
        prop_assert_eq!(Segment::decode(&keys(), &bytes).is_ok(), bytes == whole);
    }

    /// Authentic bytes that no encoder of this version writes: counts, lengths, forms, steps.
    #[test]
    fn authentic_nonsense_is_decoded_within_its_own_size_or_refused(
        all in entries(4),
        window in window(),
        edits in proptest::collection::vec((29_usize..600, any::<u8>()), 0..6),
        tail in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let whole = Segment::encode_changes(&keys(), 0, all, Some(&window.unwrap_or_default()), None);
        let mut bytes = unsigned(whole[0].bytes.to_vec());
        bytes.extend(&tail);
        for (at, byte) in edits {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let size = bytes.len() - bytes.len().min(HEADER);
        if let Ok(segment) = Segment::decode(&keys(), &signed(bytes)) {
            prop_assert!(segment.entries.capacity() <= size / 36 + 4);
            prop_assert!(segment.window.is_none_or(|keys| keys.capacity() <= size / 16 + 4));
        }
    }

    #[test]
    fn of_a_damaged_ledger_nothing_is_believed_that_was_not_written(
        rounds in proptest::collection::vec((entries(6), window(), mishap(), any::<bool>()), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            // Everything that was ever written for a key.
            let mut written: BTreeMap<KeyHash, Vec<Entry>> = BTreeMap::new();
            let clean = MemoryStore::default();
            let mut opened = Journal::open(clean.clone(), keys()).await.unwrap();
            for (all, window, _, base) in &rounds {
                for entry in all {
                    opened.ledger.record(entry);
                    written.entry(entry.key).or_default().push(entry.clone());
                }
                if let Some(window) = window {
                    opened.ledger.declare(window.iter().copied().collect());
                }
                if *base {
                    opened.journal.queue_base(&mut opened.ledger);
                } else {
                    opened.journal.queue_changes(&mut opened.ledger);
                }
                opened.journal.flush(&opened.ledger).await.unwrap();
            }
            let damaged = damage(&clean, rounds.iter().map(|round| &round.2)).await;
            let found = Journal::open(damaged, keys()).await.unwrap();
            for entry in found.ledger.entries() {
                let known = written.get(&entry.key).unwrap();
                assert!(known.iter().any(|written| written.clinch_id == entry.clinch_id
                    && written.payload == entry.payload
                    && written.steps.contains(entry.steps)));
            }
            if rounds.iter().all(|round| matches!(round.2, Mishap::None)) {
                assert!(found.ignored.is_empty());
                assert_eq!(found.ledger.len(), written.len());
            }
            // Another root key, or another export: nobody is known.
            for keys in [Keys::derive(&[2; 32], UID), Keys::derive(&ROOT, "other")] {
                let foreign = Journal::open(clean.clone(), keys).await.unwrap();
                assert!(foreign.ledger.is_empty() && foreign.ledger.undecided().is_empty());
                assert_eq!(foreign.ignored.len(), clean.list().await.unwrap().len());
            }
        });
    }
}

async fn damage<'a>(clean: &MemoryStore, mishaps: impl Iterator<Item = &'a Mishap>) -> MemoryStore {
    let damaged = MemoryStore::default();
    let positions = clean.list().await.unwrap();
    for (&seq, mishap) in positions.iter().zip(mishaps) {
        let mut bytes = clean.read(seq).await.unwrap().unwrap().to_vec();
        match mishap {
            Mishap::None => {}
            Mishap::Lost => continue,
            Mishap::Cut(length) => bytes.truncate(*length),
            Mishap::Flip(at, bits) => {
                let at = at % bytes.len();
                bytes[at] ^= bits;
            }
            Mishap::Replace(other) => bytes.clone_from(other),
            Mishap::CopyOf(other) => {
                let other = positions[other % positions.len()];
                bytes = clean.read(other).await.unwrap().unwrap().to_vec();
            }
            Mishap::Foreign => bytes[5] ^= 1,
        }
        damaged.create(seq, Bytes::from(bytes)).await.unwrap();
    }
    damaged
}

#[test]
fn counts_of_four_billion_allocate_nothing() {
    let whole = Segment::encode_changes(&keys(), 0, Vec::new(), Some(&[]), None)[0].bytes.to_vec();
    for at in [41, 45] {
        let mut bytes = unsigned(whole.clone());
        bytes[at..at + 4].copy_from_slice(&[0xff, 0xff, 0xff, 0xfe]);
        assert!(Segment::decode(&keys(), &signed(bytes)).is_err());
    }
    assert!(Segment::decode(&keys(), &vec![0; MAX_SEGMENT_BYTES + 1]).is_err());
}
