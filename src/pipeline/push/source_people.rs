//! The people of a source: finds records that name the same person. Takes 31 bytes a person, and 14 if the
//! ledger knows them. Pure.

use std::sync::Arc;

use crate::{
    domain::SourcePosition,
    ledger::{KeyHash, Numbered, Table},
    pipeline::work::Work,
};

/// Whether an earlier record names the same person.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Duplicate {
    No,
    /// With the same values.
    Same,
    /// With the same values, except that the address is spelled otherwise; at this position.
    Respelled(SourcePosition),
    /// With other values, at this position.
    Conflicting(SourcePosition),
}

/// For each person the position and a digest of the first record that names them.
#[derive(Debug, Default)]
pub(super) struct SourcePeople {
    /// Of people whom the ledger does not know.
    first: Table,
    /// Of people whom it knows, by their number there; [`NOBODY`] if no record names them so far.
    of_known: Vec<First>,
    parts: Vec<Arc<str>>,
}

/// The first record of a person: digest, spelling and position.
type First = [u8; DIGEST + SPELLING + PART + 4];
const NOBODY: First = [0; DIGEST + SPELLING + PART + 4];

/// Bytes of the digest of the values, of the one that also tells spellings of the address apart, and
/// of the part's number; the index or line takes 4.
const DIGEST: usize = 6;
const SPELLING: usize = 2;
const PART: usize = 2;
/// Set in the number of the part if the position is a line.
const BY_LINE: u16 = 1 << 15;

impl SourcePeople {
    /// Everybody who is named, unless the ledger knew them.
    pub(super) fn hashes(&self) -> impl Iterator<Item = KeyHash> {
        self.first.iter().map(|(key, _)| key)
    }

    /// Whether a person is named whom the ledger did not know.
    pub(super) fn includes(&self, key: &KeyHash) -> bool {
        self.first.get(key).is_some()
    }

    /// Frees what is kept of people whom the ledger knows.
    pub(super) fn forget_known(&mut self) {
        self.of_known = Vec::new();
    }

    /// The memory that this takes, for another table.
    pub(super) fn into_table(self) -> Table {
        self.first
    }

    /// Adds a record. `known`: the people of the ledger, the same ones each time.
    pub(super) fn add(&mut self, work: &Work, known: &Numbered<'_>) -> Duplicate {
        let digest = content_digest(work);
        let spelling: [u8; SPELLING] = std::array::from_fn(|at| work.payload.0[at]);
        let number = known.of(&work.key_hash);
        let first = match number {
            Some(number) => self.of_known.get(number).filter(|first| **first != NOBODY),
            None => self.first.get(&work.key_hash).and_then(|first| first.try_into().ok()),
        };
        if let Some(value) = first {
            let same = value[..DIGEST] == digest;
            return if same && value[DIGEST..DIGEST + SPELLING] == spelling {
                Duplicate::Same
            } else if same {
                Duplicate::Respelled(self.position(value))
            } else {
                Duplicate::Conflicting(self.position(value))
            };
        }
        let part = &work.position.part;
        // Parts come one after the other: this one is nearly always the last.
        let part = self.parts.iter().rposition(|known| known == part).unwrap_or_else(|| {
            self.parts.push(part.clone());
            self.parts.len() - 1
        });
        let mut value = NOBODY;
        value[..DIGEST].copy_from_slice(&digest);
        value[DIGEST..DIGEST + SPELLING].copy_from_slice(&spelling);
        value[DIGEST + SPELLING..].copy_from_slice(&encode(&work.position, part));
        if let Some(number) = number {
            if self.of_known.is_empty() {
                self.of_known = vec![NOBODY; known.len()];
            }
            self.of_known[number] = value;
        } else {
            self.first.insert(&work.key_hash, &value);
        }
        Duplicate::No
    }

    /// The position that a value encodes.
    fn position(&self, value: &First) -> SourcePosition {
        let (part, number) = value[DIGEST + SPELLING..].split_at(PART);
        let part = part.iter().fold(0_u16, |all, byte| all << 8 | u16::from(*byte));
        let number = number.iter().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
        let number = number.saturating_sub(1);
        let line = (part & BY_LINE != 0).then_some(number);
        let name = self.parts.get(usize::from(part & !BY_LINE)).cloned();
        SourcePosition { part: name.unwrap_or_default(), index: number, line }
    }
}

/// A position in few bytes, never zero. Inexact beyond 32 767 parts or 4 billion records in one part.
fn encode(position: &SourcePosition, part: usize) -> [u8; PART + 4] {
    let by_line = if position.line.is_some() { BY_LINE } else { 0 };
    let part = u16::try_from(part).unwrap_or(u16::MAX) & !BY_LINE | by_line;
    let number = position.line.unwrap_or(position.index).saturating_add(1);
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let mut encoded = [0; PART + 4];
    encoded[..PART].copy_from_slice(&part.to_be_bytes());
    encoded[PART..].copy_from_slice(&number.to_be_bytes());
    encoded
}

/// Distinguishes the values of two records of one person, with their address folded: six bytes made of
/// keyed digests.
fn content_digest(work: &Work) -> [u8; DIGEST] {
    let (payload, extras) = (&work.folded.0, &work.extras);
    // Rotated, so that equal digests of two steps do not cancel each other out.
    std::array::from_fn(|at| {
        payload[at]
            ^ extras.application.0[at]
            ^ extras.resume.0[(at + 2) % DIGEST]
            ^ extras.activity.0[(at + 4) % DIGEST]
    })
}
