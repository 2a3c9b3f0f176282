//! One segment of a ledger as bytes, and as the text of a CandidateLedger. Pure; total on any input;
//! allocates in proportion to the input. `docs/LEDGER.md` specifies the layout.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use thiserror::Error;

use super::{
    Effect, Entry, KeyHash, KeyId, Keys, RunFacts,
    keys::MAC_BYTES,
    record::{self, MIN_VALUE_BYTES, Value},
    sighting::Sighting,
};

/// The largest segment, in bytes before Base64.
pub const MAX_SEGMENT_BYTES: usize = 512 << 10;

const MAGIC: &[u8; 4] = b"CLSG";
const VERSION: u8 = 1;
/// As version 1, with facts about runs before the MAC.
const WITH_FACTS: u8 = 2;
/// As version 1 and 2, where entries say what was done to their people.
const WITH_EFFECTS: u8 = 3;
const WITH_EFFECTS_AND_FACTS: u8 = 4;
/// Nothing but a sighting.
const SIGHTING: u8 = 5;
const HEADER_BYTES: usize = 4 + 1 + 8 + 16 + 8 + 2 + 2 + 4 + 4;
/// Length byte, key and the shortest value.
const MIN_ENTRY_BYTES: usize = 1 + KEY_BYTES + MIN_VALUE_BYTES;
const KEY_BYTES: usize = size_of::<KeyHash>();
/// The number of keys in a window, if the segment declares no window.
const NO_WINDOW: u32 = u32::MAX;
/// The bytes of a segment without header, facts and MAC.
pub(super) const ROOM: usize = MAX_SEGMENT_BYTES - HEADER_BYTES - RunFacts::BYTES - MAC_BYTES;
/// The most keys of a window: they fit into half a segment.
pub const MAX_WINDOW: usize = ROOM / 2 / KEY_BYTES;

/// Why bytes are not accepted as a segment of this export. Their content is then unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SegmentError {
    /// Not a ledger segment at all.
    #[error("it is not a ledger segment")]
    NotASegment,
    /// Written by another version of the format.
    #[error("it has format version {0}; this operator reads versions 1 to 5")]
    Version(u8),
    /// Written with another root key, or for another export's UID.
    #[error("it was written with another key")]
    ForeignKey,
    /// Changed after it was written.
    #[error("its authentication code does not match")]
    BadMac,
    /// Shorter than its lengths say.
    #[error("it is cut off")]
    Truncated,
    /// Larger than any segment.
    #[error("it is larger than 512 KiB")]
    TooLarge,
    /// Authentic, but not a valid entry list.
    #[error("its entries are malformed")]
    Malformed,
    /// A copy of another segment under this name.
    #[error("it belongs to another position")]
    Misplaced,
}

/// Position of a segment in a base: a rewrite of the whole ledger as a sequence of segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// Zero-based number of this segment in the sequence.
    pub part: u16,
    /// Segments in the sequence.
    pub parts: u16,
}

/// A decoded segment. Later segments win over earlier ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Position in the export's ledger.
    pub seq: u64,
    /// Set for a part of a base; other segments hold changes only.
    pub base: Option<Base>,
    /// The entries.
    pub entries: Vec<Entry>,
    /// People whose push may have started and is not decided, as of the end of this segment; `None`
    /// when it declares no window.
    pub window: Option<Vec<KeyHash>>,
    /// What is known of runs as of the end of this segment; `None` when it says nothing about them.
    pub facts: Option<RunFacts>,
    /// That the process before was seen to have ended. Such a segment holds nothing else.
    pub sighting: Option<Sighting>,
}

/// A segment ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Position in the export's ledger.
    pub seq: u64,
    /// Set for a part of a base.
    pub base: Option<Base>,
    /// How many entries it holds.
    pub count: u32,
    /// The bytes, at most [`MAX_SEGMENT_BYTES`].
    pub bytes: Bytes,
}

impl Segment {
    /// Encodes changes, followed by a window and facts if there are any to declare, into as many
    /// segments as needed, with consecutive positions.
    pub fn encode_changes(
        keys: &Keys,
        first_seq: u64,
        entries: impl IntoIterator<Item = Entry>,
        window: Option<&[KeyHash]>,
        facts: Option<RunFacts>,
    ) -> Vec<Encoded> {
        let mut bodies = split(entries);
        if let Some(window) = window {
            let full = |body: &Body| body.bytes.len() + window.len() * KEY_BYTES > ROOM;
            if bodies.last().is_none_or(full) {
                bodies.push(Body::default());
            }
            if let Some(last) = bodies.last_mut() {
                last.declare(window);
            }
        }
        if facts.is_some() {
            if bodies.is_empty() {
                bodies.push(Body::default());
            }
            if let Some(last) = bodies.last_mut() {
                last.facts = facts;
            }
        }
        let segments = bodies.into_iter().zip(first_seq..);
        segments.map(|(body, seq)| body.seal(keys, seq, None)).collect()
    }

    /// Encodes a sighting.
    pub fn encode_sighting(keys: &Keys, seq: u64, sighting: Sighting) -> Encoded {
        let body = Body { bytes: sighting.bytes().into(), ..Body::default() };
        body.seal_as(SIGHTING, keys, seq, None)
    }

    /// Decodes and authenticates.
    pub fn decode(keys: &Keys, bytes: &[u8]) -> Result<Self, SegmentError> {
        Self::parse(Some(keys), bytes).map(|(_, segment)| segment)
    }

    /// Decodes without the keys: who wrote it, and whether it was changed since, is not known. Returns
    /// the name of its keys, too.
    pub fn decode_unverified(bytes: &[u8]) -> Result<(KeyId, Self), SegmentError> {
        Self::parse(None, bytes)
    }

    fn parse(keys: Option<&Keys>, bytes: &[u8]) -> Result<(KeyId, Self), SegmentError> {
        if bytes.len() > MAX_SEGMENT_BYTES {
            return Err(SegmentError::TooLarge);
        }
        let mut rest = Unread(bytes);
        if rest.array::<4>().ok().as_ref() != Some(MAGIC) {
            return Err(SegmentError::NotASegment);
        }
        let (has_facts, has_effects, is_sighting) = match rest.byte()? {
            VERSION => (false, false, false),
            WITH_FACTS => (true, false, false),
            WITH_EFFECTS => (false, true, false),
            WITH_EFFECTS_AND_FACTS => (true, true, false),
            SIGHTING => (false, false, true),
            other => return Err(SegmentError::Version(other)),
        };
        let (key_id, export) = (KeyId(rest.array()?), rest.array()?);
        if keys.is_some_and(|keys| keys.key_id() != key_id || keys.export_hash() != export) {
            return Err(SegmentError::ForeignKey);
        }
        if bytes.len() < HEADER_BYTES + MAC_BYTES {
            return Err(SegmentError::Truncated);
        }
        let (signed, mac) = bytes.split_at(bytes.len() - MAC_BYTES);
        if keys.is_some_and(|keys| !keys.mac_matches(signed, mac)) {
            return Err(SegmentError::BadMac);
        }
        let seq = u64::from_be_bytes(rest.array()?);
        let (part, parts) = (u16::from_be_bytes(rest.array()?), u16::from_be_bytes(rest.array()?));
        let base = match (part, parts) {
            (0, 0) => None,
            (part, parts) if part < parts => Some(Base { part, parts }),
            _ => return Err(SegmentError::Malformed),
        };
        let count = u32::from_be_bytes(rest.array()?) as usize;
        let declared = u32::from_be_bytes(rest.array()?);
        if is_sighting {
            let is_empty = base.is_none() && count == 0 && declared == NO_WINDOW;
            let bytes = signed[HEADER_BYTES..].try_into().ok().filter(|_| is_empty);
            let sighting = bytes.and_then(Sighting::parse).ok_or(SegmentError::Malformed)?;
            return Ok((key_id, Self::of_sighting(seq, sighting)));
        }
        let (body, facts) = split_facts(&signed[HEADER_BYTES..], has_facts)?;
        let (body, window) = match declared {
            NO_WINDOW => (body, None),
            // At most 64 GiB, but only compared: nothing is allocated for it.
            keys => {
                let bytes = u64::from(keys) * KEY_BYTES as u64;
                let bytes = usize::try_from(bytes).map_err(|_| SegmentError::Malformed)?;
                let at = body.len().checked_sub(bytes).ok_or(SegmentError::Malformed)?;
                let (body, window) = body.split_at(at);
                let (keys, _) = window.as_chunks::<KEY_BYTES>();
                (body, Some(keys.iter().copied().map(KeyHash).collect()))
            }
        };
        let mut rest = Unread(body);
        let mut entries = Vec::with_capacity(count.min(body.len() / MIN_ENTRY_BYTES));
        while !rest.0.is_empty() {
            let length = usize::from(rest.byte()?);
            let (key, value) =
                rest.take(length)?.split_first_chunk().ok_or(SegmentError::Malformed)?;
            let value = Value::parse(value).ok_or(SegmentError::Malformed)?;
            if !has_effects && value.effect() != Effect::Unknown {
                return Err(SegmentError::Malformed);
            }
            entries.push(value.entry(KeyHash(*key)));
        }
        if entries.len() != count {
            return Err(SegmentError::Malformed);
        }
        Ok((key_id, Self { seq, base, entries, window, facts, sighting: None }))
    }

    fn of_sighting(seq: u64, sighting: Sighting) -> Self {
        let sighting = Some(sighting);
        Self { seq, base: None, entries: Vec::new(), window: None, facts: None, sighting }
    }
}

/// Takes the facts off the end of a body that has them.
fn split_facts(body: &[u8], has_facts: bool) -> Result<(&[u8], Option<RunFacts>), SegmentError> {
    if !has_facts {
        return Ok((body, None));
    }
    let (body, facts) = body.split_last_chunk().ok_or(SegmentError::Malformed)?;
    let facts = RunFacts::parse(facts).ok_or(SegmentError::Malformed)?;
    Ok((body, Some(facts)))
}

/// The bytes between header and MAC.
#[derive(Debug, Default)]
pub(super) struct Body {
    count: u32,
    bytes: Vec<u8>,
    /// Whether an entry says what was done to its person.
    has_effects: bool,
    window: Option<u32>,
    pub(super) facts: Option<RunFacts>,
}

impl Body {
    /// A body of this many entries, encoded.
    pub(super) fn of(count: u32, bytes: Vec<u8>, has_effects: bool) -> Self {
        Self { count, bytes, has_effects, window: None, facts: None }
    }

    /// Appends a window; only facts may follow it.
    pub(super) fn declare(&mut self, window: &[KeyHash]) {
        self.window = Some(u32::try_from(window.len()).expect("a window fits into a segment"));
        self.bytes.extend(window.iter().flat_map(|key| key.0));
    }

    /// Frames and signs it.
    pub(super) fn seal(self, keys: &Keys, seq: u64, base: Option<Base>) -> Encoded {
        let version = match (self.has_effects, self.facts.is_some()) {
            (false, false) => VERSION,
            (false, true) => WITH_FACTS,
            (true, false) => WITH_EFFECTS,
            (true, true) => WITH_EFFECTS_AND_FACTS,
        };
        self.seal_as(version, keys, seq, base)
    }

    fn seal_as(self, version: u8, keys: &Keys, seq: u64, base: Option<Base>) -> Encoded {
        let size = HEADER_BYTES + self.bytes.len() + RunFacts::BYTES + MAC_BYTES;
        let mut bytes = Vec::with_capacity(size);
        bytes.extend_from_slice(MAGIC);
        bytes.push(version);
        bytes.extend_from_slice(&keys.key_id().0);
        bytes.extend_from_slice(&keys.export_hash());
        bytes.extend_from_slice(&seq.to_be_bytes());
        let (part, parts) = base.map_or((0, 0), |base| (base.part, base.parts));
        bytes.extend_from_slice(&part.to_be_bytes());
        bytes.extend_from_slice(&parts.to_be_bytes());
        bytes.extend_from_slice(&self.count.to_be_bytes());
        bytes.extend_from_slice(&self.window.unwrap_or(NO_WINDOW).to_be_bytes());
        bytes.extend_from_slice(&self.bytes);
        if let Some(facts) = self.facts {
            bytes.extend_from_slice(&facts.bytes());
        }
        let mac = keys.mac(&bytes);
        bytes.extend_from_slice(&mac);
        Encoded { seq, base, count: self.count, bytes: bytes.into() }
    }
}

fn split(entries: impl IntoIterator<Item = Entry>) -> Vec<Body> {
    let mut bodies: Vec<Body> = Vec::new();
    for entry in entries {
        let value = record::value(&entry);
        let needed = 1 + KEY_BYTES + value.len();
        if bodies.last().is_none_or(|body| body.bytes.len() + needed > ROOM) {
            bodies.push(Body::default());
        }
        let body = bodies.last_mut().expect("one was pushed where there was none");
        body.count += 1;
        body.has_effects |= entry.effect != Effect::Unknown;
        body.bytes.push(u8::try_from(needed - 1).expect("an entry has at most 116 bytes"));
        body.bytes.extend_from_slice(&entry.key.0);
        body.bytes.extend_from_slice(&value);
    }
    bodies
}

/// Bytes not read yet.
struct Unread<'a>(&'a [u8]);

impl<'a> Unread<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], SegmentError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(SegmentError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SegmentError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    fn byte(&mut self) -> Result<u8, SegmentError> {
        self.array::<1>().map(|[byte]| byte)
    }
}

/// The text form of a segment: Base64, at most 699 052 characters.
pub fn to_text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes behind a text form. Text that is not Base64 is no segment.
pub fn from_text(text: &str) -> Result<Bytes, SegmentError> {
    if text.len() > MAX_SEGMENT_BYTES.div_ceil(3) * 4 {
        return Err(SegmentError::TooLarge);
    }
    STANDARD.decode(text).map(Bytes::from).map_err(|_| SegmentError::NotASegment)
}
