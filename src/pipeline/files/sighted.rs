//! Who is in a source, and what their file shows: 40 bytes a person. Pure.

use crate::{
    domain::{Profile, RecordId},
    ledger::{FileLedger, KeyHash, Keys, PayloadDigest, SegmentStore, Table},
};

use super::rows::Written;

/// What a record is among those of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// The first of its person.
    First(Due),
    /// An earlier one shows the same.
    Repeated,
    /// An earlier one of the same person shows something else.
    Differs,
}

/// What is to be done for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// There is no file.
    New,
    /// The file shows something else.
    Changed,
    /// Nothing.
    Nothing,
}

/// Everybody in a source.
#[derive(Default)]
pub(super) struct Sighted(Table);

const DIGEST_BYTES: usize = 16;
/// Set in the second reading.
const SEEN_AGAIN: u8 = 4;

impl Sighted {
    /// How many people there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a person is in the source.
    pub(super) fn has(&self, record: RecordId) -> bool {
        self.0.get(&key(record)).is_some()
    }

    /// Notes a record of the first reading.
    pub(super) fn note<S: SegmentStore>(
        &mut self,
        record: RecordId,
        digest: PayloadDigest,
        files: &FileLedger<S>,
    ) -> Sight {
        if let Some(known) = self.0.get(&key(record)) {
            return another(known, digest);
        }
        let due = if files.shows(record, &digest) {
            Due::Nothing
        } else if files.may_have(record) {
            Due::Changed
        } else {
            Due::New
        };
        self.0.insert(&key(record), &[&digest.0[..], &[due as u8]].concat());
        Sight::First(due)
    }

    /// Recognises a record of the second reading. `None`: it was not in the first one.
    pub(super) fn again(&mut self, record: RecordId, digest: PayloadDigest) -> Option<Sight> {
        let known = self.0.get(&key(record))?;
        let state = known[DIGEST_BYTES];
        if state & SEEN_AGAIN != 0 {
            return Some(another(known, digest));
        }
        if known[..DIGEST_BYTES] != digest.0 {
            return None;
        }
        self.0.insert(&key(record), &[&digest.0[..], &[state | SEEN_AGAIN]].concat());
        let all = [Due::New, Due::Changed, Due::Nothing];
        all.into_iter().find(|due| *due as u8 == state).map(Sight::First)
    }
}

fn another(known: &[u8], digest: PayloadDigest) -> Sight {
    if known[..DIGEST_BYTES] == digest.0 { Sight::Repeated } else { Sight::Differs }
}

fn key(record: RecordId) -> KeyHash {
    let mut key = KeyHash::default();
    key.0[..record.0.len()].copy_from_slice(&record.0);
    key
}

/// The opaque id of a record, by which its file is named: of its address, where it has one; else of the id
/// that the source gives it; else of what its document shows.
pub(super) fn record_id(
    keys: &Keys,
    written: &Written,
    profile: &Profile,
    inputs: &str,
) -> RecordId {
    // Anything may stand in place of an address.
    let address = written.person.as_ref().filter(|key| key.expose().contains('@'));
    if let Some(address) = address {
        return keys.record_id(address);
    }
    let id = match profile.members().get("id") {
        Some(serde_json::Value::String(text)) => Some(text.trim().to_owned()),
        Some(serde_json::Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    match id.filter(|id| !id.is_empty()) {
        Some(id) => keys.unaddressed_id(&format!("id\0{id}")),
        None => keys.unaddressed_id(&format!("facts\0{inputs}")),
    }
}
