//! Whom a ledger says were written: for people who have to find them in Clinch. I/O through the store only,
//! one segment at a time; a person takes little more memory than in a ledger.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::Timestamp;

use super::{
    Base, Effect, Entry, KeyHash, KeyId, Keys, Segment, SegmentError, SegmentStore, Steps,
    StoreError, Table,
    record::{self, Value},
};
use crate::domain::ClinchId;

/// A person who was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenPerson {
    /// Their id in Clinch.
    pub id: ClinchId,
    /// What was done to them.
    pub effect: Effect,
    /// What was written.
    pub steps: Steps,
    /// This was recorded at this time, to the second and rounded up: they were written then or earlier.
    pub written_by: Option<Timestamp>,
    /// Names the keys of the ledger: another account has others.
    pub keys: KeyId,
}

/// What the segments of a ledger say.
#[derive(Debug, Default)]
pub struct WrittenPeople {
    /// By the keys of their segments. A value is that of the entry, and the time in eight bytes.
    people: Vec<(KeyId, Table)>,
    /// How many people may have been written whose id is not known.
    pub undecided: usize,
    /// Segments that cannot be used, and why.
    pub unusable: Vec<(u64, SegmentError)>,
    /// How many segments were used whose authentication code could not be checked for lack of the key.
    pub unauthenticated: usize,
    /// Whether segments are missing between others.
    pub has_gap: bool,
    /// The position after the last segment.
    pub end: u64,
}

/// Stands for a time that is not known.
const NO_TIME: i64 = i64::MIN;
const TIME_BYTES: usize = size_of::<i64>();

impl WrittenPeople {
    /// Everybody who is named, in an order that depends on the ledger only.
    pub fn people(&self) -> impl Iterator<Item = WrittenPerson> {
        let all = self.people.iter();
        all.flat_map(|(keys, table)| {
            table.iter().filter_map(move |(_, value)| person(*keys, value))
        })
    }

    /// Why there may be others. `expected`: the position after the last segment, as a status names it.
    pub fn flaws(&self, expected: Option<u64>) -> Vec<String> {
        let mut flaws = Vec::new();
        if let Some(expected) = expected.filter(|expected| self.end < *expected) {
            flaws.push(format!(
                "the ledger ends before segment {expected}, which its status names: part of it is lost, or \
                 is kept elsewhere (--ledger-url)"
            ));
        }
        flaws.extend(self.has_gap.then(|| "segments of the ledger are missing".to_owned()));
        let unusable = self.unusable.iter();
        flaws.extend(unusable.map(|(seq, error)| format!("segment {seq} of the ledger: {error}")));
        flaws
    }

    fn put(&mut self, keys: KeyId, entry: &Entry, stored_at: Option<Timestamp>) {
        let known = self.people.iter().position(|(known, _)| *known == keys);
        let known = known.unwrap_or_else(|| {
            self.people.push((keys, Table::default()));
            self.people.len() - 1
        });
        let mut value = record::value(entry);
        // Never earlier than it was.
        let time = stored_at
            .map_or(NO_TIME, |time| time.as_second() + i64::from(time.subsec_nanosecond() > 0));
        value.extend_from_slice(&time.to_be_bytes());
        self.people[known].1.insert(&entry.key, &value);
    }
}

/// The person of a value, if anything was written.
fn person(keys: KeyId, value: &[u8]) -> Option<WrittenPerson> {
    let (value, time) = value.split_last_chunk::<TIME_BYTES>()?;
    let value = Value::checked(value);
    let time = i64::from_be_bytes(*time);
    let written_by = if time == NO_TIME { None } else { Timestamp::from_second(time).ok() };
    // Without steps once the ledger is distrusted; what was written stays written.
    let is_written =
        !value.steps().is_empty() || matches!(value.effect(), Effect::Created | Effect::Updated);
    is_written.then(|| WrittenPerson {
        id: value.id(),
        effect: value.effect(),
        steps: value.steps(),
        written_by,
        keys,
    })
}

/// Which segments are used.
#[derive(Debug, Clone, Copy)]
pub enum Believed<'a> {
    /// Those that were written with these keys and not changed since.
    Authentic(&'a [&'a Keys]),
    /// These, and those of other keys, which cannot be authenticated.
    AlsoOthers(&'a [&'a Keys]),
}

/// Reads a ledger as it is stored.
pub async fn written_people(
    store: &impl SegmentStore,
    believed: Believed<'_>,
) -> Result<WrittenPeople, StoreError> {
    let positions: BTreeSet<u64> = store.list().await?.into_iter().collect();
    let end = positions.last().map_or(0, |last| last.saturating_add(1));
    let mut found = WrittenPeople { end, ..WrittenPeople::default() };
    // What is before a complete base is obsolete.
    let first = latest_base(store, &positions, believed).await?.unwrap_or(0);
    found.has_gap = positions.range(first..).zip(first..).any(|(seq, expected)| *seq != expected);
    let mut open = HashSet::new();
    for &seq in positions.range(first..) {
        let (key_id, is_authentic, segment) = match read(store, seq, believed).await? {
            Ok(read) => read,
            Err(error) => {
                found.unusable.push((seq, error));
                continue;
            }
        };
        found.unauthenticated += usize::from(!is_authentic);
        let stored_at = store.stored_at(seq).await?;
        for entry in segment.entries {
            // A base only repeats what is known.
            if entry.steps.contains(Steps::CANDIDATE) && segment.base.is_none() {
                open.remove(&(key_id, entry.key));
            }
            found.put(key_id, &entry, stored_at);
        }
        if let Some(window) = segment.window {
            open = window.into_iter().map(|key: KeyHash| (key_id, key)).collect();
        }
    }
    found.undecided = open.len();
    Ok(found)
}

/// A segment, the name of its keys, and whether it was authenticated.
type Read = Result<(KeyId, bool, Segment), SegmentError>;

async fn read(
    store: &impl SegmentStore,
    seq: u64,
    believed: Believed<'_>,
) -> Result<Read, StoreError> {
    // One that was deleted since it was listed counts as unusable.
    let bytes = store.read(seq).await?.unwrap_or_default();
    Ok(decode(seq, &bytes, believed))
}

fn decode(seq: u64, bytes: &[u8], believed: Believed<'_>) -> Read {
    let (key_id, segment) = Segment::decode_unverified(bytes)?;
    let (Believed::Authentic(keys) | Believed::AlsoOthers(keys)) = believed;
    let mut all = keys.iter().flat_map(|keys| [Some(*keys), keys.earlier()]).flatten();
    let own = all.find(|keys| keys.key_id() == key_id);
    let segment = match (own, believed) {
        (Some(keys), _) => Segment::decode(keys, bytes)?,
        (None, Believed::AlsoOthers(_)) => segment,
        (None, Believed::Authentic(_)) => return Err(SegmentError::ForeignKey),
    };
    if segment.seq == seq {
        Ok((key_id, own.is_some(), segment))
    } else {
        Err(SegmentError::Misplaced)
    }
}

/// The position of the latest complete base.
async fn latest_base(
    store: &impl SegmentStore,
    positions: &BTreeSet<u64>,
    believed: Believed<'_>,
) -> Result<Option<u64>, StoreError> {
    let mut bases: BTreeMap<u64, Base> = BTreeMap::new();
    for &first in positions.iter().rev() {
        let Ok((_, _, Segment { base: Some(base), .. })) = read(store, first, believed).await?
        else {
            continue;
        };
        bases.insert(first, base);
        let Base { part: 0, parts } = base else { continue };
        let is_part = |part: u16| {
            bases.get(&first.saturating_add(part.into())) == Some(&Base { part, parts })
        };
        if (0..parts).all(is_part) {
            return Ok(Some(first));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::ledger::{Extras, MemoryStore, PayloadDigest};

    fn keys(account: &str) -> Keys {
        Keys::derive(&[7; 32], account)
    }

    fn entry(number: u8, steps: Steps, effect: Effect) -> Entry {
        Entry {
            key: KeyHash([number; 16]),
            payload: PayloadDigest::default(),
            extras: Extras::default(),
            clinch_id: ClinchId::parse(&format!("person-{number}")).unwrap(),
            steps,
            effect,
        }
    }

    fn created(number: u8) -> Entry {
        entry(number, Steps::CANDIDATE, Effect::Created)
    }

    async fn store(
        store: &MemoryStore,
        keys: &Keys,
        seq: u64,
        entries: Vec<Entry>,
        window: Option<&[KeyHash]>,
    ) {
        let encoded = Segment::encode_changes(keys, seq, entries, window, None);
        let [one] = &*encoded else { panic!("one segment") };
        store.create(seq, one.bytes.clone()).await.unwrap();
    }

    fn ids(found: &WrittenPeople) -> Vec<String> {
        let mut ids: Vec<_> = found.people().map(|person| person.id.to_string()).collect();
        ids.sort();
        ids
    }

    #[tokio::test]
    async fn later_entries_win_and_people_without_an_outcome_are_counted() {
        let (keys, segments) = (keys("a"), MemoryStore::default());
        let open = [KeyHash([3; 16]), KeyHash([2; 16])];
        let all = Steps::CANDIDATE.with(Steps::RESUME);
        store(&segments, &keys, 0, vec![created(1)], Some(&open)).await;
        let later =
            vec![entry(2, Steps::CANDIDATE, Effect::Unchanged), entry(1, all, Effect::Created)];
        store(&segments, &keys, 1, later, None).await;
        let found = written_people(&segments, Believed::AlsoOthers(&[&keys])).await.unwrap();
        assert_eq!(ids(&found), ["person-1", "person-2"]);
        let first = found.people().find(|person| person.id.as_str() == "person-1").unwrap();
        assert_eq!((first.steps, first.effect, first.keys), (all, Effect::Created, keys.key_id()));
        assert_eq!((found.undecided, found.has_gap, found.end), (1, false, 2));
        assert_eq!((found.unauthenticated, found.unusable.len()), (0, 0));
        let unchecked = written_people(&segments, Believed::AlsoOthers(&[])).await.unwrap();
        assert_eq!((ids(&unchecked).len(), unchecked.unauthenticated), (2, 2));
    }

    #[tokio::test]
    async fn the_time_is_that_of_the_store_and_never_too_early() {
        let folder = tempfile::tempdir().unwrap();
        let files = crate::ledger::FolderStore::new(folder.path().join("ledger"));
        let keys = keys("a");
        let encoded = Segment::encode_changes(&keys, 0, vec![created(1)], None, None);
        files.create(0, encoded[0].bytes.clone()).await.unwrap();
        let found = written_people(&files, Believed::Authentic(&[&keys])).await.unwrap();
        let stored_at = files.stored_at(0).await.unwrap().unwrap();
        let written_by = found.people().next().unwrap().written_by.unwrap();
        assert!(written_by >= stored_at && written_by.as_second() - stored_at.as_second() <= 1);
        assert_eq!(written_by.subsec_nanosecond(), 0);
    }

    #[tokio::test]
    async fn people_of_another_account_are_told_apart_and_what_is_missing_is_said() {
        let (one, other, segments) = (keys("a"), keys("b"), MemoryStore::default());
        store(&segments, &one, 0, vec![created(1)], None).await;
        store(&segments, &other, 1, vec![created(1)], None).await;
        store(&segments, &one, 3, vec![entry(9, Steps::NONE, Effect::Unknown)], None).await;
        segments.create(4, Bytes::from_static(b"CLSG")).await.unwrap();
        let found = written_people(&segments, Believed::AlsoOthers(&[&one])).await.unwrap();
        assert_eq!(ids(&found), ["person-1", "person-1"], "the second of another account");
        assert!(found.has_gap);
        assert_eq!((found.unusable.len(), found.end, found.unauthenticated), (1, 5, 1));
        let strict = written_people(&segments, Believed::Authentic(&[&one])).await.unwrap();
        assert_eq!((ids(&strict).len(), strict.unauthenticated), (1, 0));
        assert_eq!(strict.unusable[0], (1, SegmentError::ForeignKey));
        let late = MemoryStore::default();
        store(&late, &one, 5, vec![created(1)], None).await;
        assert!(
            written_people(&late, Believed::AlsoOthers(&[])).await.unwrap().has_gap,
            "no beginning"
        );
        assert_eq!(
            written_people(&MemoryStore::default(), Believed::Authentic(&[])).await.unwrap().end,
            0
        );
    }

    #[tokio::test]
    async fn a_segment_that_was_changed_names_nobody_where_the_key_is_at_hand() {
        let (keys, segments) = (keys("a"), MemoryStore::default());
        let encoded = Segment::encode_changes(&keys, 0, vec![created(1)], None, None);
        let mut bytes = encoded[0].bytes.to_vec();
        let id = bytes.windows(8).position(|part| part == b"person-1").unwrap();
        bytes[id + 7] = b'2';
        segments.create(0, bytes.into()).await.unwrap();
        let checked = written_people(&segments, Believed::AlsoOthers(&[&keys])).await.unwrap();
        assert_eq!(
            (ids(&checked).len(), &*checked.unusable),
            (0, &[(0, SegmentError::BadMac)][..])
        );
        let unchecked = written_people(&segments, Believed::AlsoOthers(&[])).await.unwrap();
        assert_eq!(
            (&*ids(&unchecked), unchecked.unauthenticated),
            (&["person-2".to_owned()][..], 1)
        );
    }
}
