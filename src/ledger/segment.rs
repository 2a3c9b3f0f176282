//! One segment of a ledger as bytes, and as the text of a CandidateLedger. Pure; total on any
//! input; allocates no more than the input's size warrants. `docs/LEDGER.md` draws the layout.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use thiserror::Error;

use super::{
    Entry, Extras, KeyHash, Keys, PayloadDigest, Steps,
    keys::MAC_BYTES,
    packed::{pack, packed_len, unpack},
};

/// The largest segment, in bytes before Base64.
pub const MAX_SEGMENT_BYTES: usize = 512 << 10;

const MAGIC: &[u8; 4] = b"CLSG";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 4 + 1 + 8 + 16 + 8 + 2 + 2 + 4;
/// Key, payload digest, steps, form of the id: what every entry has.
const ENTRY_FIXED_BYTES: usize = 16 + 16 + 1 + 1;
/// Length byte, the fixed fields and an id of one byte.
const MIN_ENTRY_BYTES: usize = 1 + ENTRY_FIXED_BYTES + 1;

/// Why bytes are not taken as a segment of this export: then what they knew is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SegmentError {
    /// Not a ledger segment at all.
    #[error("it is not a ledger segment")]
    NotASegment,
    /// Written by another version of the format.
    #[error("it has format version {0}; this operator reads version 1")]
    Version(u8),
    /// Written with another root key, or for another export's UID.
    #[error("it was written with another key")]
    ForeignKey,
    /// Changed after it was written.
    #[error("its authentication code does not match")]
    BadMac,
    /// Shorter than it says.
    #[error("it is cut off")]
    Truncated,
    /// Larger than any segment.
    #[error("it is larger than 512 KiB")]
    TooLarge,
    /// Authentic, but not a valid entry list.
    #[error("its entries are malformed")]
    Malformed,
    /// A copy of another segment under this one's name.
    #[error("it belongs to another position")]
    Misplaced,
}

/// Place of a segment in a base: the whole ledger, rewritten as a run of segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// Zero-based number of this segment in the run.
    pub part: u16,
    /// Segments in the run.
    pub parts: u16,
}

/// A decoded segment. Later segments win over earlier ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Position in the export's ledger.
    pub seq: u64,
    /// Set when it is part of a base; else it holds changes only.
    pub base: Option<Base>,
    /// The entries.
    pub entries: Vec<Entry>,
}

/// A segment ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Position in the export's ledger.
    pub seq: u64,
    /// Set when it is part of a base.
    pub base: Option<Base>,
    /// How many entries it holds.
    pub count: u32,
    /// The bytes, at most [`MAX_SEGMENT_BYTES`].
    pub bytes: Bytes,
}

impl Segment {
    /// Encodes changes, in as many segments as they need, with consecutive positions.
    pub fn encode_changes(
        keys: &Keys,
        first_seq: u64,
        entries: impl IntoIterator<Item = Entry>,
    ) -> Vec<Encoded> {
        let bodies = split(entries);
        let segments = bodies.into_iter().zip(first_seq..);
        segments.map(|(body, seq)| seal(keys, seq, None, &body)).collect()
    }

    /// Encodes a base: all live entries, in at least one segment.
    pub fn encode_base(
        keys: &Keys,
        first_seq: u64,
        entries: impl IntoIterator<Item = Entry>,
    ) -> Vec<Encoded> {
        let mut bodies = split(entries);
        if bodies.is_empty() {
            bodies.push(Body::default());
        }
        let parts = u16::try_from(bodies.len()).expect("32 GiB of ledger exceed any export");
        let segments = bodies.into_iter().zip(first_seq..).zip(0..);
        segments
            .map(|((body, seq), part)| seal(keys, seq, Some(Base { part, parts }), &body))
            .collect()
    }

    /// Decodes and authenticates.
    pub fn decode(keys: &Keys, bytes: &[u8]) -> Result<Self, SegmentError> {
        if bytes.len() > MAX_SEGMENT_BYTES {
            return Err(SegmentError::TooLarge);
        }
        let mut rest = Cut(bytes);
        if rest.array::<4>().ok().as_ref() != Some(MAGIC) {
            return Err(SegmentError::NotASegment);
        }
        match rest.byte()? {
            VERSION => {}
            other => return Err(SegmentError::Version(other)),
        }
        if rest.array()? != keys.key_id().0 || rest.array()? != keys.export_hash() {
            return Err(SegmentError::ForeignKey);
        }
        if bytes.len() < HEADER_BYTES + MAC_BYTES {
            return Err(SegmentError::Truncated);
        }
        let (signed, mac) = bytes.split_at(bytes.len() - MAC_BYTES);
        if !keys.mac_matches(signed, mac) {
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
        let mut rest = Cut(&signed[HEADER_BYTES..]);
        let mut entries = Vec::with_capacity(count.min(rest.0.len() / MIN_ENTRY_BYTES));
        while !rest.0.is_empty() {
            let length = usize::from(rest.byte()?);
            entries.push(read_entry(rest.take(length)?)?);
        }
        if entries.len() != count {
            return Err(SegmentError::Malformed);
        }
        Ok(Self { seq, base, entries })
    }
}

#[derive(Default)]
struct Body {
    count: u32,
    bytes: Vec<u8>,
}

fn split(entries: impl IntoIterator<Item = Entry>) -> Vec<Body> {
    let mut bodies: Vec<Body> = Vec::new();
    let mut scratch = Vec::new();
    for entry in entries {
        write_entry(&entry, &mut scratch);
        let room = MAX_SEGMENT_BYTES - HEADER_BYTES - MAC_BYTES;
        let fits = bodies.last().is_some_and(|body| body.bytes.len() + scratch.len() <= room);
        if !fits {
            bodies.push(Body::default());
        }
        let body = bodies.last_mut().expect("one was pushed where there was none");
        body.count += 1;
        body.bytes.extend_from_slice(&scratch);
    }
    bodies
}

fn seal(keys: &Keys, seq: u64, base: Option<Base>, body: &Body) -> Encoded {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body.bytes.len() + MAC_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.push(VERSION);
    bytes.extend_from_slice(&keys.key_id().0);
    bytes.extend_from_slice(&keys.export_hash());
    bytes.extend_from_slice(&seq.to_be_bytes());
    let (part, parts) = base.map_or((0, 0), |base| (base.part, base.parts));
    bytes.extend_from_slice(&part.to_be_bytes());
    bytes.extend_from_slice(&parts.to_be_bytes());
    bytes.extend_from_slice(&body.count.to_be_bytes());
    bytes.extend_from_slice(&body.bytes);
    let mac = keys.mac(&bytes);
    bytes.extend_from_slice(&mac);
    Encoded { seq, base, count: body.count, bytes: bytes.into() }
}

fn write_entry(entry: &Entry, out: &mut Vec<u8>) {
    out.clear();
    out.push(0);
    out.extend_from_slice(&entry.key.0);
    out.extend_from_slice(&entry.payload.0);
    out.push(entry.steps.bits());
    let form_at = out.len();
    out.push(0);
    out[form_at] = pack(&entry.clinch_id, out);
    let mut extras = entry.extras;
    for (step, digest) in extras.by_step() {
        if entry.steps.contains(step) {
            out.extend_from_slice(&digest.0);
        }
    }
    out[0] = u8::try_from(out.len() - 1).expect("an entry has at most 116 bytes");
}

fn read_entry(bytes: &[u8]) -> Result<Entry, SegmentError> {
    let mut rest = Cut(bytes);
    let malformed = |_| SegmentError::Malformed;
    let key = KeyHash(rest.array().map_err(malformed)?);
    let payload = PayloadDigest(rest.array().map_err(malformed)?);
    let steps = Steps::from_bits(rest.byte().map_err(malformed)?).ok_or(SegmentError::Malformed)?;
    let form = rest.byte().map_err(malformed)?;
    let id = rest.take(packed_len(form)).map_err(malformed)?;
    let clinch_id = unpack(form, id).ok_or(SegmentError::Malformed)?;
    let mut extras = Extras::default();
    for (step, digest) in extras.by_step() {
        if steps.contains(step) {
            digest.0 = rest.array().map_err(malformed)?;
        }
    }
    if !rest.0.is_empty() {
        return Err(SegmentError::Malformed);
    }
    Ok(Entry { key, payload, extras, clinch_id, steps })
}

/// Bytes not read yet.
struct Cut<'a>(&'a [u8]);

impl<'a> Cut<'a> {
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

/// The bytes behind a text form. Text that is none is no segment.
pub fn from_text(text: &str) -> Result<Bytes, SegmentError> {
    if text.len() > MAX_SEGMENT_BYTES.div_ceil(3) * 4 {
        return Err(SegmentError::TooLarge);
    }
    STANDARD.decode(text).map(Bytes::from).map_err(|_| SegmentError::NotASegment)
}
