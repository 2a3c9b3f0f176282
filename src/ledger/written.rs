//! Whom a ledger says were written, read without its keys: for people who have to find them in Clinch. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;

use super::{Base, Entry, KeyHash, KeyId, Segment, SegmentError, Steps};
use crate::domain::ClinchId;

/// A segment as it is stored.
#[derive(Debug, Clone)]
pub struct StoredSegment {
    /// Its position, as its name says.
    pub seq: u64,
    /// Its bytes, unchecked.
    pub bytes: bytes::Bytes,
    /// When it was stored, if that is known.
    pub stored_at: Option<Timestamp>,
}

/// A person who was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenPerson {
    /// Their id in Clinch.
    pub id: ClinchId,
    /// What was written.
    pub steps: Steps,
    /// They were written at this time or before it, if that is known.
    pub written_by: Option<Timestamp>,
    /// Names the keys of the ledger: another account has others.
    pub keys: KeyId,
}

/// What the segments of a ledger say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WrittenPeople {
    /// Whom they name, in the order of the segments.
    pub people: Vec<WrittenPerson>,
    /// People who may have been written, and whose id is not known.
    pub undecided: usize,
    /// Segments that cannot be read.
    pub unreadable: Vec<(u64, SegmentError)>,
    /// Whether segments are missing between others.
    pub has_gap: bool,
    /// The position after the last segment.
    pub end: u64,
}

/// A segment that was read: when it was stored, and the name of its keys.
type Read = BTreeMap<u64, (Option<Timestamp>, KeyId, Segment)>;

/// Reads the segments of a ledger, in any order.
pub fn written_people(segments: Vec<StoredSegment>) -> WrittenPeople {
    let mut found = WrittenPeople::default();
    let (mut read, mut positions) = (Read::new(), BTreeSet::new());
    for StoredSegment { seq, bytes, stored_at } in segments {
        positions.insert(seq);
        match Segment::decode_unverified(&bytes) {
            Ok((keys, segment)) if segment.seq == seq => {
                read.insert(seq, (stored_at, keys, segment));
            }
            Ok(_) => found.unreadable.push((seq, SegmentError::Misplaced)),
            Err(error) => found.unreadable.push((seq, error)),
        }
    }
    found.end = positions.last().map_or(0, |last| last.saturating_add(1));
    // What is before a complete base is obsolete.
    let first = latest_base(&read).unwrap_or(0);
    found.unreadable.retain(|(seq, _)| *seq >= first);
    found.unreadable.sort_by_key(|(seq, _)| *seq);
    found.has_gap = positions.range(first..).zip(first..).any(|(seq, expected)| *seq != expected);
    let mut people: HashMap<(KeyId, KeyHash), (usize, WrittenPerson)> = HashMap::new();
    let mut open = HashSet::new();
    for (stored_at, keys, segment) in read.split_off(&first).into_values() {
        for Entry { key, clinch_id: id, steps, .. } in segment.entries {
            // A base only repeats what is known.
            if steps.contains(Steps::CANDIDATE) && segment.base.is_none() {
                open.remove(&(keys, key));
            }
            let person = WrittenPerson { id, steps, written_by: stored_at, keys };
            let number = people.len();
            let entry = people.entry((keys, key)).or_insert_with(|| (number, person.clone()));
            entry.1 = person;
        }
        if let Some(window) = segment.window {
            open = window.into_iter().map(|key| (keys, key)).collect();
        }
    }
    found.undecided = open.len();
    let mut people: Vec<(usize, WrittenPerson)> =
        people.into_values().filter(|(_, person)| person.steps != Steps::NONE).collect();
    people.sort_by_key(|(number, _)| *number);
    found.people = people.into_iter().map(|(_, person)| person).collect();
    found
}

/// The position of the latest complete base.
fn latest_base(read: &Read) -> Option<u64> {
    let base_at = |seq: u64| read.get(&seq).and_then(|(_, _, segment)| segment.base);
    read.keys().rev().copied().find(|first| match base_at(*first) {
        Some(Base { part: 0, parts }) => (0..parts)
            .all(|part| base_at(first.saturating_add(part.into())) == Some(Base { part, parts })),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::ledger::{Extras, Keys, PayloadDigest};

    fn keys(account: &str) -> Keys {
        Keys::derive(&[7; 32], account)
    }

    fn entry(number: u8, steps: Steps) -> Entry {
        Entry {
            key: KeyHash([number; 16]),
            payload: PayloadDigest::default(),
            extras: Extras::default(),
            clinch_id: ClinchId::parse(&format!("person-{number}")).unwrap(),
            steps,
        }
    }

    fn at(hour: u64) -> Timestamp {
        format!("2026-11-26T{hour:02}:00:00Z").parse().unwrap()
    }

    fn stored(
        keys: &Keys,
        seq: u64,
        entries: Vec<Entry>,
        window: Option<&[KeyHash]>,
    ) -> StoredSegment {
        let encoded = Segment::encode_changes(keys, seq, entries, window, None);
        let [one] = &*encoded else { panic!("one segment") };
        StoredSegment { seq, bytes: one.bytes.clone(), stored_at: Some(at(seq)) }
    }

    fn ids(found: &WrittenPeople) -> Vec<String> {
        found.people.iter().map(|person| person.id.to_string()).collect()
    }

    #[test]
    fn later_entries_win_and_people_without_an_outcome_are_counted() {
        let keys = keys("a");
        let open = [KeyHash([3; 16]), KeyHash([2; 16])];
        let all = Steps::CANDIDATE.with(Steps::RESUME);
        let found = written_people(vec![
            stored(&keys, 1, vec![entry(2, Steps::CANDIDATE), entry(1, all)], None),
            stored(&keys, 0, vec![entry(1, Steps::CANDIDATE)], Some(&open)),
        ]);
        assert_eq!(ids(&found), ["person-1", "person-2"]);
        assert_eq!((found.people[0].steps, found.people[0].written_by), (all, Some(at(1))));
        assert_eq!((found.undecided, found.has_gap, found.end), (1, false, 2));
        assert_eq!(found.people[0].keys, keys.key_id());
    }

    #[test]
    fn people_of_another_account_are_told_apart_and_what_is_missing_is_said() {
        let (one, other) = (keys("a"), keys("b"));
        let person = || vec![entry(1, Steps::CANDIDATE)];
        let mut cut = stored(&one, 4, person(), None);
        cut.bytes = Bytes::from_static(b"CLSG");
        let found = written_people(vec![
            stored(&one, 0, person(), None),
            stored(&other, 1, person(), None),
            stored(&one, 3, vec![entry(9, Steps::NONE)], None),
            cut,
        ]);
        assert_eq!(ids(&found), ["person-1", "person-1"], "the second of another account");
        assert!(found.has_gap);
        assert_eq!((found.unreadable.len(), found.end), (1, 5));
        assert_eq!(written_people(Vec::new()), WrittenPeople::default());
        assert!(written_people(vec![stored(&one, 5, person(), None)]).has_gap, "no beginning");
    }
}
