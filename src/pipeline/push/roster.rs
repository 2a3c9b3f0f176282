//! The people whom a verification has to look at: those whom the ledger knows and the source names.
//! Decodes the source once on a blocking thread. Keeps 31 bytes of each person: which attributes are
//! compared, a digest of their values, and the number of the record. Makes no request.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, Hash, Hasher as _, RandomState},
    sync::Arc,
};

use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::{
    changes::is_empty,
    crm::CrmPerson,
    known_as::{another_hash, compare_as},
};
use crate::{
    ledger::{KeyHash, Keys, Ledger, Steps, Suppressions, Table},
    pipeline::{
        blocking::join_blocking,
        opened::Opened,
        record_set::RecordSet,
        records::{Prepared, PreparedRecords},
        report::SourceInfo,
        spec::{Duplicates, RunSpec},
        work::Work,
    },
    source::SourceError,
};

/// The shape of a record whose values are not known to be in Clinch: only its person is looked for.
const PRESENCE: u16 = u16::MAX;
/// The shape of a record of which the list cannot say anything.
const UNLISTED: u16 = u16::MAX - 1;

/// What the records are compared with.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) keys: Keys,
    pub(super) suppressions: Suppressions,
}

/// The people who are still to be looked at.
#[derive(Debug, Default)]
pub(super) struct Roster {
    people: Table,
    shapes: Shapes,
    hasher: RandomState,
    /// Why the source cannot be read to its end.
    pub(super) fault: Option<SourceError>,
    /// What was found at a remote source.
    pub(super) source: Option<SourceInfo>,
}

/// Which attributes records have. Most records of a source have the same.
#[derive(Debug, Default)]
struct Shapes {
    /// Each attribute, and whether it only fills a gap.
    names: Vec<(String, bool)>,
    known: HashMap<Box<[u16]>, u16>,
    by_number: Vec<Box<[u16]>>,
}

impl Shapes {
    /// The shape of a record; `None` once there are too many.
    fn of(&mut self, work: &Work) -> Option<u16> {
        let mut shape = Vec::with_capacity(work.attributes.len());
        for name in work.attributes.keys() {
            let fills = work.only_if_empty.contains(name);
            let is_it = |known: &(String, bool)| known.0 == *name && known.1 == fills;
            let number = self.names.iter().position(is_it).unwrap_or_else(|| {
                self.names.push((name.clone(), fills));
                self.names.len() - 1
            });
            shape.push(u16::try_from(number).ok()?);
        }
        if let Some(number) = self.known.get(&*shape) {
            return Some(*number);
        }
        let number =
            u16::try_from(self.by_number.len()).ok().filter(|number| *number < UNLISTED)?;
        let shape: Box<[u16]> = shape.into();
        self.known.insert(shape.clone(), number);
        self.by_number.push(shape);
        Some(number)
    }

    fn names(&self, shape: u16) -> impl Iterator<Item = &(String, bool)> {
        let numbers = self.by_number.get(usize::from(shape)).map_or(&[][..], |shape| shape);
        numbers.iter().filter_map(|number| self.names.get(usize::from(*number)))
    }
}

/// What is kept of a person.
struct Kept {
    shape: u16,
    record: u32,
    digest: u64,
}

const KEPT_BYTES: usize = 14;

impl Kept {
    fn to_bytes(&self) -> [u8; KEPT_BYTES] {
        let mut bytes = [0; KEPT_BYTES];
        bytes[..2].copy_from_slice(&self.shape.to_be_bytes());
        bytes[2..6].copy_from_slice(&self.record.to_be_bytes());
        bytes[6..].copy_from_slice(&self.digest.to_be_bytes());
        bytes
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        let (shape, rest) = bytes.split_first_chunk()?;
        let (record, rest) = rest.split_first_chunk()?;
        let (digest, _) = rest.split_first_chunk()?;
        Some(Self {
            shape: u16::from_be_bytes(*shape),
            record: u32::from_be_bytes(*record),
            digest: u64::from_be_bytes(*digest),
        })
    }
}

impl Roster {
    /// Reads the source and returns the ledger, too. Stops early on `cancel`.
    pub(super) async fn of(
        spec: Arc<RunSpec<Opened>>,
        known: Known,
        mut ledger: Ledger,
        cancel: CancellationToken,
    ) -> (Self, Ledger) {
        let read = move || {
            let roster = Self::read(&spec, &known, &mut ledger, &cancel);
            (roster, ledger)
        };
        join_blocking(tokio::task::spawn_blocking(read)).await
    }

    fn read(
        spec: &RunSpec<Opened>,
        known: &Known,
        ledger: &mut Ledger,
        cancel: &CancellationToken,
    ) -> Self {
        let mut roster = Self { source: spec.source.info().cloned(), ..Self::default() };
        let compares = spec.duplicates != Duplicates::Skip;
        let mut records = PreparedRecords::of(spec, &known.keys);
        while let Some(record) = records.next() {
            if cancel.is_cancelled() {
                break;
            }
            match record {
                Ok(Prepared::Ready(work)) => roster.add(*work, known, ledger, compares),
                // It was not delivered as it is.
                Ok(Prepared::Rejected(_)) => {}
                Err(error) => {
                    roster.fault = Some(error);
                    break;
                }
            }
        }
        roster
    }

    fn add(&mut self, mut work: Work, known: &Known, ledger: &mut Ledger, compares: bool) {
        if known.suppressions.check(&work.key, &work.key_hash).is_some()
            || self.people.get(&work.key_hash).is_some()
        {
            // Not written, so not verified; or the first record that names them is what was delivered.
            return;
        }
        if !work.compare(ledger) {
            let Some(hash) = another_hash(&work, &known.keys, ledger) else { return };
            compare_as(&mut work, hash, ledger);
            ledger.rename(&hash, &work.key_hash);
        }
        let as_written = compares && work.done.contains(Steps::CANDIDATE);
        let shape = if as_written { self.shapes.of(&work).unwrap_or(UNLISTED) } else { PRESENCE };
        let (record, shape) = match u32::try_from(work.number) {
            Ok(record) => (record, shape),
            // More records than any limit allows.
            Err(_) => return,
        };
        let digest = self.digest(shape, &work.attributes);
        self.people.insert(&work.key_hash, &Kept { shape, record, digest }.to_bytes());
    }

    /// How many people are still to be looked at.
    pub(super) fn len(&self) -> u64 {
        self.people.len() as u64
    }

    /// Strikes a person of the candidate list off, if they are as they were delivered. Anybody else
    /// stays, and is read by id.
    pub(super) fn strike_off(&mut self, hash: &KeyHash, person: &CrmPerson, ledger: &Ledger) {
        let Some(kept) = self.people.get(hash).and_then(Kept::of) else { return };
        let is_same = ledger.id(hash).as_ref() == Some(&person.id);
        if is_same && !person.anonymised && self.is_as_delivered(&kept, &person.attributes) {
            self.people.remove(hash);
        }
    }

    fn is_as_delivered(&self, kept: &Kept, present: &Map<String, Value>) -> bool {
        match kept.shape {
            PRESENCE => true,
            UNLISTED => false,
            shape => {
                let has = |name: &str| present.get(name).unwrap_or(&Value::Null);
                let filled =
                    self.shapes.names(shape).all(|(name, fills)| !fills || !is_empty(has(name)));
                filled && self.digest(shape, present) == kept.digest
            }
        }
    }

    /// Digest of the attributes that are compared; those that only fill a gap may have any value.
    fn digest(&self, shape: u16, attributes: &Map<String, Value>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        for (name, _) in self.shapes.names(shape).filter(|(_, fills)| !fills) {
            attributes.get(name).unwrap_or(&Value::Null).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The records of the people who are still to be looked at. Frees the memory.
    pub(super) fn into_records(self) -> RecordSet {
        let mut records: Vec<u32> =
            self.people.iter().filter_map(|(_, value)| Some(Kept::of(value)?.record)).collect();
        records.sort_unstable();
        let mut set = RecordSet::default();
        for record in records {
            set.add(record as usize);
        }
        set
    }
}
