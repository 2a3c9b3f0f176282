//! One segment of an import's state as bytes. Pure; total on any input; allocates in proportion to the
//! input. `docs/LEDGER.md` specifies the layout.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    entry::{ImportEntry, ImportMarks, ImportTrace, Revision},
    facts::{ImportFacts, ImportPart},
    keys::ImportKeys,
};
use crate::ledger::{
    KeyHash,
    keys::MAC_BYTES,
    packed::{pack, packed_len, unpack},
    segment::{Base, MAX_SEGMENT_BYTES},
};

const MAGIC: &[u8; 4] = b"CLIM";
const VERSION: u8 = 1;
/// Of a segment that declares a window: version 1 would take its entries for people who were delivered.
const DECLARING: u8 = 2;
const HEADER_BYTES: usize = 4 + 1 + 8 + 16 + 8 + 2 + 2 + 4 + 4;
/// The most that facts and a part may take.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Form, id of one byte, marks, revision, person.
const MIN_ENTRY_BYTES: usize = 1 + 1 + 1 + 16 + 16;
/// Stands for no match key.
const NOBODY: [u8; 16] = [0; 16];

/// How many bytes of entries fit into a segment.
pub const IMPORT_ENTRY_ROOM: usize = MAX_SEGMENT_BYTES - HEADER_BYTES - MAX_HEAD_BYTES - MAC_BYTES;

/// Why bytes are not accepted as a segment of this import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ImportSegmentError {
    /// Not a segment of an import at all.
    #[error("it is not a segment of an import")]
    NotASegment,
    /// Written by another version of the format.
    #[error("it has format version {0}; this operator reads versions 1 and 2")]
    Version(u8),
    /// Written with another root key, for another account, or for another import's UID.
    #[error("it was written with another key")]
    ForeignKey,
    /// Changed after it was written.
    #[error("its authentication code does not match")]
    BadMac,
    /// Larger than any segment.
    #[error("it is larger than 512 KiB")]
    TooLarge,
    /// Authentic, but not valid.
    #[error("its content is malformed")]
    Malformed,
    /// A copy of another segment under this name.
    #[error("it belongs to another position")]
    Misplaced,
}

/// What a segment says besides its entries.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Head {
    after: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    facts: Option<ImportFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<ImportPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    declares: Option<u64>,
}

/// A segment. Later segments win over earlier ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportSegment {
    /// Position in the state of the import.
    pub seq: u64,
    /// Set for a part of a base; other segments hold changes only.
    pub base: Option<Base>,
    /// The first segment that is needed, as of this one.
    pub after: u64,
    /// The entries.
    pub entries: Vec<ImportEntry>,
    /// What is known of runs as of this segment.
    pub facts: Option<ImportFacts>,
    /// The part that holds what was emitted of the entries, if there is one.
    pub part: Option<ImportPart>,
    /// Set for a window that is delivered next: the number of its first batch. The entries are then its
    /// people, in order, and say nothing about what was delivered.
    pub declares: Option<u64>,
}

impl ImportSegment {
    /// How many bytes an entry takes at most.
    pub fn size_of(entry: &ImportEntry) -> usize {
        let text = entry.id.as_str().len();
        // A UUID takes less.
        MIN_ENTRY_BYTES - 1 + text + entry.trace.map_or(0, |_| ImportTrace::BYTES)
    }

    /// The bytes of the segment; `None` if they are more than a segment may have.
    pub fn encode(&self, keys: &ImportKeys) -> Option<Bytes> {
        let (facts, part) = (self.facts.clone(), self.part.clone());
        let head = Head { after: self.after, facts, part, declares: self.declares };
        let head = serde_json::to_vec(&head).ok()?;
        let mut bytes = Vec::with_capacity(HEADER_BYTES + head.len() + 60 * self.entries.len());
        bytes.extend_from_slice(MAGIC);
        bytes.push(if self.declares.is_some() { DECLARING } else { VERSION });
        bytes.extend_from_slice(&keys.key_id());
        bytes.extend_from_slice(&keys.owner_hash());
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        let (part, parts) = self.base.map_or((0, 0), |base| (base.part, base.parts));
        bytes.extend_from_slice(&part.to_be_bytes());
        bytes.extend_from_slice(&parts.to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(self.entries.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(head.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(&head);
        for entry in &self.entries {
            let at = bytes.len();
            bytes.push(0);
            bytes[at] = pack(&entry.id, &mut bytes);
            bytes.push(entry.stored_marks());
            bytes.extend_from_slice(&entry.revision.0);
            bytes.extend_from_slice(&entry.person.map_or(NOBODY, |person| person.0));
            if let Some(trace) = entry.trace {
                bytes.extend_from_slice(&trace.bytes());
            }
        }
        let mac = keys.mac(&bytes);
        bytes.extend_from_slice(&mac);
        (head.len() <= MAX_HEAD_BYTES && bytes.len() <= MAX_SEGMENT_BYTES).then(|| bytes.into())
    }

    /// Decodes and authenticates the segment at a position.
    pub fn decode(keys: &ImportKeys, seq: u64, bytes: &[u8]) -> Result<Self, ImportSegmentError> {
        use ImportSegmentError::{
            BadMac, ForeignKey, Malformed, Misplaced, NotASegment, TooLarge, Version,
        };
        if bytes.len() > MAX_SEGMENT_BYTES {
            return Err(TooLarge);
        }
        let mut rest = Unread(bytes);
        if rest.array::<4>().as_ref() != Some(MAGIC) {
            return Err(NotASegment);
        }
        match rest.byte() {
            Some(VERSION | DECLARING) => {}
            Some(other) => return Err(Version(other)),
            None => return Err(NotASegment),
        }
        if rest.array() != Some(keys.key_id()) || rest.array() != Some(keys.owner_hash()) {
            return Err(ForeignKey);
        }
        let signed = bytes.len().checked_sub(MAC_BYTES).filter(|end| *end >= HEADER_BYTES);
        let (signed, mac) = bytes.split_at(signed.ok_or(Malformed)?);
        if !keys.mac_matches(signed, mac) {
            return Err(BadMac);
        }
        let segment = Self::parse(&signed[HEADER_BYTES - 20..]).ok_or(Malformed)?;
        if segment.seq == seq { Ok(segment) } else { Err(Misplaced) }
    }

    /// Parses what follows the hash of the owner.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = Unread(bytes);
        let seq = u64::from_be_bytes(rest.array()?);
        let (part, parts) = (u16::from_be_bytes(rest.array()?), u16::from_be_bytes(rest.array()?));
        let base = match (part, parts) {
            (0, 0) => None,
            (part, parts) if part < parts => Some(Base { part, parts }),
            _ => return None,
        };
        let count = u32::from_be_bytes(rest.array()?) as usize;
        let head = u32::from_be_bytes(rest.array()?) as usize;
        let Head { after, facts, part, declares } =
            serde_json::from_slice(rest.take(head)?).ok()?;
        let mut entries = Vec::with_capacity(count.min(rest.0.len() / MIN_ENTRY_BYTES));
        while !rest.0.is_empty() {
            let form = rest.byte()?;
            let id = unpack(form, rest.take(packed_len(form))?)?;
            let marks = ImportMarks::from_bits(rest.byte()?)?;
            let revision = Revision(rest.array()?);
            let person = Some(rest.array()?).filter(|hash| *hash != NOBODY).map(KeyHash);
            let traced = marks.contains(ImportMarks::TRACED);
            let trace = if traced { Some(ImportTrace::of(rest.array()?)) } else { None };
            let marks = marks.without(ImportMarks::TRACED);
            entries.push(ImportEntry { id, revision, person, marks, trace });
        }
        let segment = Self { seq, base, after, entries, facts, part, declares };
        (segment.entries.len() == count).then_some(segment)
    }
}

/// Bytes not read yet.
struct Unread<'a>(&'a [u8]);

impl<'a> Unread<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }
}
