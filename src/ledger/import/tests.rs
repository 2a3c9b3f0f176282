//! The pinned segment format, and the state under faults.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    domain::{ClinchId, MatchKey},
    ledger::{AccountName, JournalError, KeyHash, Keys, MemoryStore, SegmentStore, segment::Base},
};

/// Changes of two people, computed from `docs/LEDGER.md` by another program, in another language.
const GOLDEN: &str = concat!(
    "434c494d01ef7f442ca7a595301fcf3b1435bd318e615ef70d487741de00000000000000070000000000000002",
    "000000de7b226166746572223a302c226661637473223a7b2272756e223a332c226f70656e223a747275652c22",
    "66756c6c5363616e223a747275652c226261746368223a342c22637572736f72223a313730303030303030302c",
    "2273657474696e6773223a2273222c227363616e447565223a66616c73657d2c2270617274223a7b226e616d65",
    "223a2270617274732f303030303030303030342d303031313232333334343535363637372e6e646a736f6e222c",
    "226261746368223a342c22726f7773223a312c226279746573223a3130302c22736861323536223a223030227d",
    "7d000f4c1d3a5b6c4d7e8f90a1b2c3d4e5f601984eb2aa0901652aa705c4c9578d2f3c701707e297d6adb25cca",
    "dc1600b2894905632d313233020000000000000000000000000000000000000000000000000000000000000000",
    "072eb742931b6d43b772b5aebcfaa480b4e792f0724e182670bb1d3bc7be7820",
);

fn root() -> [u8; 32] {
    std::array::from_fn(|i| u8::try_from(i).unwrap())
}

fn keys() -> ImportKeys {
    let account = AccountName::parse("00112233445566aa").unwrap();
    ImportKeys::of(&root(), account, "0a1b2c3d-0000-4000-8000-000000000001")
}

fn entry(n: u32, revision: u8) -> ImportEntry {
    let id = if n.is_multiple_of(2) {
        format!("{n:08x}-5b6c-4d7e-8f90-a1b2c3d4e5f6")
    } else {
        format!("c-{n}")
    };
    ImportEntry {
        id: ClinchId::parse(&id).unwrap(),
        revision: Revision([revision; 16]),
        person: (!n.is_multiple_of(3)).then_some(KeyHash([9; 16])),
        marks: ImportMarks::EMITTED,
        trace: n.is_multiple_of(5).then_some(ImportTrace { written: [revision; 4], rest: [7; 4] }),
    }
}

fn facts(run: u64) -> ImportFacts {
    ImportFacts { run, batch: run * 10, cursor: Some(1_700_000_000), ..ImportFacts::default() }
}

fn part(batch: u64) -> ImportPart {
    let name = format!("parts/{batch:010}-0011223344556677.ndjson");
    ImportPart { name, batch, rows: 2, bytes: 100, sha256: "00".repeat(32) }
}

async fn open(store: &MemoryStore) -> OpenedImport<MemoryStore> {
    ImportJournal::open(store.clone(), keys()).await.unwrap()
}

fn known(opened: &OpenedImport<MemoryStore>) -> Vec<ImportEntry> {
    let mut known: Vec<_> = opened.people.iter(&keys()).collect();
    known.sort_by(|a, b| a.id.cmp(&b.id));
    known
}

#[test]
fn the_segment_format_is_the_documented_one() {
    let profile = json!({"firstName": "Jane", "emails": [{"value": "jane@example.com"}]});
    let account = Keys::of_account(&root(), AccountName::parse("00112233445566aa").unwrap());
    let known = |id: &str| ClinchId::parse(id).unwrap();
    let jane = ImportEntry {
        id: known("0f4c1d3a-5b6c-4d7e-8f90-a1b2c3d4e5f6"),
        revision: keys().revision(profile.as_object().unwrap()),
        person: Some(account.key_hash(&MatchKey::fold("Jane@example.com").unwrap())),
        marks: ImportMarks::EMITTED,
        trace: None,
    };
    let gone = ImportEntry {
        id: known("c-123"),
        revision: Revision::default(),
        person: None,
        marks: ImportMarks::TOMBSTONED,
        trace: None,
    };
    let facts = ImportFacts {
        run: 3,
        open: true,
        full_scan: true,
        batch: 4,
        cursor: Some(1_700_000_000),
        settings: "s".to_owned(),
        ..ImportFacts::default()
    };
    let part = ImportPart { rows: 1, sha256: "00".to_owned(), ..part(4) };
    let entries = vec![jane, gone];
    let segment = ImportSegment {
        seq: 7,
        base: None,
        after: 0,
        entries,
        facts: Some(facts),
        part: Some(part),
        declares: None,
    };
    assert_eq!(hex::encode(segment.encode(&keys()).unwrap()), GOLDEN);
    let bytes = hex::decode(GOLDEN).unwrap();
    assert_eq!(ImportSegment::decode(&keys(), 7, &bytes), Ok(segment));
}

#[tokio::test]
async fn what_is_stored_is_known_again_and_later_segments_win() {
    let store = MemoryStore::default();
    let mut opened = open(&store).await;
    assert!(opened.people.is_empty() && opened.lost.is_none());
    let journal = &mut opened.journal;
    let open_facts = ImportFacts { open: true, ..facts(1) };
    journal
        .append(vec![entry(1, 1), entry(2, 1)], open_facts.clone(), Some(part(1)))
        .await
        .unwrap();
    journal.append(vec![entry(2, 2)], open_facts, Some(part(2))).await.unwrap();
    let opened = open(&store).await;
    assert_eq!(opened.people.get(&keys(), &entry(2, 0).id), Some(entry(2, 2)));
    assert_eq!(opened.people.get(&keys(), &entry(4, 0).id), None);
    assert_eq!((opened.people.len(), opened.people.live()), (2, 2));
    assert_eq!(opened.parts, [part(1), part(2)], "of a run that has not ended");
    let mut journal = opened.journal;
    journal.append(Vec::new(), facts(1), None).await.unwrap();
    let opened = open(&store).await;
    assert_eq!((opened.facts, opened.parts.len()), (facts(1), 0));
}

#[tokio::test]
async fn a_rewritten_state_is_the_same_in_fewer_segments() {
    let store = MemoryStore::default();
    let mut journal = open(&store).await.journal;
    for n in 0..70 {
        let entries = (0..300).map(|i| entry(n * 300 + i, 1)).collect();
        journal.append(entries, facts(u64::from(n)), None).await.unwrap();
    }
    let before = open(&store).await;
    assert!(before.journal.rewrite_due(before.people.len()));
    let expected = known(&before);
    let mut journal = before.journal;
    journal.rewrite(&before.people, &before.facts).await.unwrap();
    assert!(!journal.rewrite_due(before.people.len()));
    let with_both = open(&store).await;
    assert_eq!(known(&with_both), expected);
    journal.sweep().await.unwrap();
    assert_eq!(store.list().await.unwrap().len(), 3, "21 000 people");
    let after = open(&store).await;
    assert_eq!(known(&after), expected);
    assert_eq!((after.facts, after.lost), (facts(69), None));
    journal.append(vec![entry(1, 7)], facts(70), None).await.unwrap();
    let last = open(&store).await;
    assert_eq!(last.people.get(&keys(), &entry(1, 0).id), Some(entry(1, 7)));
}

#[tokio::test]
async fn a_rewrite_that_was_cut_off_changes_nothing() {
    let store = MemoryStore::default();
    let mut journal = open(&store).await.journal;
    for n in 0..30 {
        let entries = (0..1000).map(|i| entry(n * 1000 + i, 1)).collect();
        journal.append(entries, facts(1), None).await.unwrap();
    }
    let before = open(&store).await;
    let expected = known(&before);
    let mut journal = before.journal;
    journal.rewrite(&before.people, &before.facts).await.unwrap();
    let last = store.list().await.unwrap().into_iter().max().unwrap();
    store.delete(last).await.unwrap();
    let cut = open(&store).await;
    assert_eq!(known(&cut), expected);
    assert_eq!((&cut.facts, cut.lost), (&facts(1), None));
    let mut journal = cut.journal;
    journal.rewrite(&cut.people, &cut.facts).await.unwrap();
    journal.sweep().await.unwrap();
    assert_eq!(known(&open(&store).await), expected);
}

#[tokio::test]
async fn a_state_that_cannot_be_used_is_none_and_is_replaced() {
    for damage in ["foreign", "cut", "missing", "misplaced"] {
        let store = MemoryStore::default();
        let mut journal = open(&store).await.journal;
        for n in 1..4 {
            journal.append(vec![entry(n, 1)], facts(n.into()), None).await.unwrap();
        }
        let bytes = store.read(1).await.unwrap().unwrap();
        store.delete(1).await.unwrap();
        let damaged = match damage {
            "foreign" => {
                let account = AccountName::parse("0000000000000000").unwrap();
                let other = ImportKeys::of(&root(), account, "another");
                let segment = ImportSegment::decode(&keys(), 1, &bytes).unwrap();
                segment.encode(&other)
            }
            "cut" => Some(bytes.slice(..bytes.len() - 1)),
            "misplaced" => store.read(2).await.unwrap(),
            _ => None,
        };
        if let Some(damaged) = damaged {
            store.create(1, damaged).await.unwrap();
        }
        let mut opened = open(&store).await;
        assert!(opened.people.is_empty() && opened.lost.is_some(), "{damage}");
        assert_eq!(opened.facts, ImportFacts::default());
        opened.journal.append(vec![entry(9, 1)], facts(9), None).await.unwrap();
        let again = open(&store).await;
        assert_eq!((known(&again), again.lost), (vec![entry(9, 1)], None), "{damage}");
        opened.journal.sweep().await.unwrap();
        assert_eq!(store.list().await.unwrap(), [3], "{damage}");
    }
}

#[tokio::test]
async fn a_window_is_declared_until_its_batch_is_stored_and_makes_nobody_known() {
    let store = MemoryStore::default();
    let mut journal = open(&store).await.journal;
    let so_far = |batch| ImportFacts { batch, ..facts(1) };
    journal.append(vec![entry(1, 1)], so_far(4), None).await.unwrap();
    let people = [entry(2, 1), entry(1, 1)].map(|entry| (entry.id, entry.person)).to_vec();
    let window = DeclaredWindow { batch: 5, people };
    journal.declare(window.clone(), so_far(4)).await.unwrap();
    let bytes = store.read(1).await.unwrap().unwrap();
    assert_eq!(bytes[4], 2, "an operator that does not know windows takes nobody for delivered");
    let opened = open(&store).await;
    assert_eq!((opened.declared.as_ref(), opened.lost.as_ref()), (Some(&window), None));
    assert_eq!(known(&opened), [entry(1, 1)]);
    // Another run began, and stored nothing of the window.
    let mut journal = opened.journal;
    journal.append(Vec::new(), so_far(4), None).await.unwrap();
    assert_eq!(open(&store).await.declared, Some(window));
    journal.append(vec![entry(2, 2)], so_far(6), None).await.unwrap();
    let opened = open(&store).await;
    assert_eq!((opened.declared.as_ref(), known(&opened).len()), (None, 2));
}

#[tokio::test]
async fn a_position_that_a_killed_process_claimed_and_did_not_fill_loses_nothing() {
    let store = MemoryStore::default();
    store.create(0, Bytes::new()).await.unwrap();
    let mut journal = open(&store).await.journal;
    journal.append(vec![entry(1, 1)], facts(1), None).await.unwrap();
    store.create(2, Bytes::new()).await.unwrap();
    let opened = open(&store).await;
    assert_eq!((known(&opened), opened.lost), (vec![entry(1, 1)], None));
    let mut journal = opened.journal;
    journal.append(vec![entry(2, 1)], facts(2), None).await.unwrap();
    store.create(4, Bytes::new()).await.unwrap();
    let opened = open(&store).await;
    assert_eq!((known(&opened).len(), &opened.facts, &opened.lost), (2, &facts(2), &None));
    let mut journal = opened.journal;
    journal.rewrite(&opened.people, &opened.facts).await.unwrap();
    journal.sweep().await.unwrap();
    assert_eq!(store.list().await.unwrap(), [5]);
    assert_eq!(known(&open(&store).await).len(), 2);
}

#[tokio::test]
async fn two_writers_of_one_state_are_told_apart() {
    let store = MemoryStore::default();
    let (mut one, mut other) = (open(&store).await.journal, open(&store).await.journal);
    one.append(vec![entry(1, 1)], facts(1), None).await.unwrap();
    let error = other.append(vec![entry(2, 1)], facts(1), None).await.unwrap_err();
    assert_eq!(error, JournalError::Fenced { seq: 0 });
    // The same bytes are the same write, repeated.
    other.append(vec![entry(1, 1)], facts(1), None).await.unwrap();
}

proptest! {
    #[test]
    fn a_segment_is_read_as_it_was_written(
        people in proptest::collection::vec((any::<u32>(), any::<u8>(), 0_u8..8), 0..50),
        seq: u64,
        base in proptest::option::of((0_u16..5, 5_u16..9)),
        run: u64,
        declares: Option<u64>,
    ) {
        let entries: Vec<_> = people.into_iter().map(|(n, revision, marks)| ImportEntry {
            marks: ImportMarks::from_bits(marks).unwrap(),
            ..entry(n, revision)
        }).collect();
        let base = base.map(|(part, parts)| Base { part, parts });
        let facts = Some(facts(run / 10));
        let part = Some(part(run));
        let segment = ImportSegment { seq, base, after: 7, entries, facts, part, declares };
        let bytes = segment.encode(&keys()).unwrap();
        prop_assert_eq!(ImportSegment::decode(&keys(), seq, &bytes), Ok(segment));
    }

    #[test]
    fn bytes_that_were_changed_are_no_segment(at: prop::sample::Index, bit in 0_u8..8) {
        let entries = vec![entry(1, 1), entry(2, 2)];
        let facts = Some(facts(1));
        let (base, part, declares) = (None, None, None);
        let segment = ImportSegment { seq: 3, base, after: 0, entries, facts, part, declares };
        let mut bytes = segment.encode(&keys()).unwrap().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(ImportSegment::decode(&keys(), 3, &bytes).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_no_segment(bytes: Vec<u8>) {
        let authentic = keys();
        prop_assert!(ImportSegment::decode(&authentic, 0, &bytes).is_err());
        let prefixed = [b"CLIM\x01".as_slice(), &authentic.key_id(), &bytes].concat();
        prop_assert!(ImportSegment::decode(&authentic, 0, &Bytes::from(prefixed)).is_err());
    }
}
