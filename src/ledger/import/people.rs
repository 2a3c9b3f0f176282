//! The people that an import knows, in memory. Pure. A person with a UUID takes 50 bytes, and a million of
//! them 56 MB. People whom exports know, and who were emitted, take 8 bytes more.

use super::{
    entry::{ImportEntry, ImportMarks, ImportTrace, Revision},
    keys::ImportKeys,
};
use crate::{
    domain::ClinchId,
    ledger::{KeyHash, Table},
};

const MARKS_AT: usize = 0;
const REVISION_AT: usize = 1;
const PERSON_AT: usize = 17;
const TRACE_AT: usize = 33;
/// Stands for no match key: no person has this hash.
const NOBODY: KeyHash = KeyHash([0; 16]);

/// People by their id in Clinch.
#[derive(Debug, Default)]
pub struct ImportedPeople {
    table: Table,
    live: u64,
}

impl ImportedPeople {
    /// How many people are known.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether nobody is known.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// How many people were emitted and are not gone.
    pub fn live(&self) -> u64 {
        self.live
    }

    /// Bytes allocated.
    pub fn memory(&self) -> usize {
        self.table.memory()
    }

    /// What is known of a person.
    pub fn get(&self, keys: &ImportKeys, id: &ClinchId) -> Option<ImportEntry> {
        let (slot, text) = keys.slot(id);
        let value = self.table.get(&slot)?;
        // A text and a UUID never share a place, but for a chance of 2^-128.
        (value.get(text_at(value)..)? == text.unwrap_or_default().as_bytes())
            .then(|| entry(id.clone(), value))
    }

    /// Replaces what is known of a person.
    pub fn put(&mut self, keys: &ImportKeys, entry: &ImportEntry) {
        let (slot, text) = keys.slot(&entry.id);
        let mut value = Vec::with_capacity(TRACE_AT);
        value.push(entry.stored_marks());
        value.extend_from_slice(&entry.revision.0);
        value.extend_from_slice(&entry.person.unwrap_or(NOBODY).0);
        if let Some(trace) = entry.trace {
            value.extend_from_slice(&trace.bytes());
        }
        value.extend_from_slice(text.unwrap_or_default().as_bytes());
        let before = self.table.get(&slot).is_some_and(|value| marks(value).is_live());
        self.live -= u64::from(before);
        self.live += u64::from(entry.marks.is_live());
        self.table.insert(&slot, &value);
    }

    /// Everybody, in no particular order.
    pub fn iter(&self, keys: &ImportKeys) -> impl Iterator<Item = ImportEntry> {
        self.table.iter().filter_map(|(slot, value)| {
            let text = std::str::from_utf8(value.get(text_at(value)..)?).ok()?;
            let id = if text.is_empty() { keys.uuid_at(slot) } else { ClinchId::parse(text).ok() };
            Some(entry(id?, value))
        })
    }
}

fn marks(value: &[u8]) -> ImportMarks {
    ImportMarks::from_bits(value[MARKS_AT]).unwrap_or_default()
}

/// Where the text of an id begins.
fn text_at(value: &[u8]) -> usize {
    let traced = marks(value).contains(ImportMarks::TRACED);
    TRACE_AT + if traced { ImportTrace::BYTES } else { 0 }
}

fn entry(id: ClinchId, value: &[u8]) -> ImportEntry {
    let (mut revision, mut person) = (Revision::default(), NOBODY);
    revision.0.copy_from_slice(&value[REVISION_AT..PERSON_AT]);
    person.0.copy_from_slice(&value[PERSON_AT..TRACE_AT]);
    let trace = value[TRACE_AT..text_at(value)].first_chunk().copied().map(ImportTrace::of);
    ImportEntry {
        id,
        revision,
        person: Some(person).filter(|person| *person != NOBODY),
        marks: marks(value).without(ImportMarks::TRACED),
        trace,
    }
}
