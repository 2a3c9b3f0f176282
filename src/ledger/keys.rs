//! The keys of one export's ledger, derived from the operator's root key. Pure.
//!
//! People are hashed with a key of their *account*, so that one export can look up what another
//! export of the account knows of a person. Everything else has keys of the export.

use std::{
    fmt,
    io::{self, BufWriter, Write},
};

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{
    AccountName, StepDigest,
    entry::{KeyHash, PayloadDigest},
};
use crate::domain::{MatchKey, RecordId};

pub(super) type HmacSha256 = Hmac<Sha256>;
pub(super) type Subkey = Zeroizing<[u8; 32]>;

const SALT: &[u8] = b"clinch-operator ledger v1";
/// How many bytes of JSON are hashed at a time; most candidates have no more.
const JSON_BUFFER: usize = 1024;
/// Bytes of a segment's MAC.
pub(super) const MAC_BYTES: usize = 32;

/// Identifies the keys that a segment was written with; reveals nothing about them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 8]);

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({})", hex::encode(self.0))
    }
}

/// A new root key. `fill`: a source of secret randomness.
pub fn new_root(fill: impl FnOnce(&mut [u8; 32])) -> Zeroizing<[u8; 32]> {
    let mut root = Zeroizing::new([0; 32]);
    fill(&mut root);
    root
}

/// The keys of one export: separate ones for each purpose. `Debug` shows the key id only.
#[derive(Clone)]
pub struct Keys {
    /// The keys of segments written before people were hashed per account.
    earlier: Option<Box<Keys>>,
    id: KeyId,
    export: [u8; 16],
    entry: HmacSha256,
    payload: HmacSha256,
    mac: HmacSha256,
    record: HmacSha256,
}

impl Keys {
    /// The keys of an export for what it pushes to an account.
    pub fn of(root: &[u8; 32], account: AccountName, export_uid: &str) -> Self {
        let owner = account.ledger_of(export_uid);
        let earlier = Some(Box::new(Self::derive(root, &owner)));
        Self { earlier, ..Self::expand(root, "key-id 2", &owner, &account_of(account)) }
    }

    /// The keys of an account's suppression list. A person has the same hash there as in the ledgers
    /// of its exports.
    pub fn of_account(root: &[u8; 32], account: AccountName) -> Self {
        let owner = account_of(account);
        Self::expand(root, "key-id 2", &owner, &owner)
    }

    /// The keys of the export with this UID, where no account is known; also those of segments written
    /// before people were hashed per account.
    pub fn derive(root: &[u8; 32], export_uid: &str) -> Self {
        Self::expand(root, "key-id", export_uid, export_uid)
    }

    /// Derives the keys of an owner. `people`: the owner whose key hashes match keys.
    fn expand(root: &[u8; 32], key_id: &str, export_uid: &str, people: &str) -> Self {
        let derived = |purpose: &str, owner: &str| subkey(root, purpose, owner);
        let subkey = |purpose: &str| derived(purpose, export_uid);
        let first = |key: &Subkey| {
            let mut id = [0; 8];
            id.copy_from_slice(&key[..8]);
            KeyId(id)
        };
        // Keyed once: a run uses two of them for each record.
        let hmac = |key: &Subkey| {
            HmacSha256::new_from_slice(&key[..]).expect("HMAC takes keys of any length")
        };
        let keyed = |purpose: &str| hmac(&subkey(purpose));
        let mut export = [0; 16];
        export.copy_from_slice(&Sha256::digest(export_uid.as_bytes())[..16]);
        Self {
            earlier: None,
            id: first(&subkey(key_id)),
            export,
            entry: hmac(&derived("entry", people)),
            payload: keyed("payload"),
            mac: keyed("mac"),
            record: keyed("record"),
        }
    }

    /// The keys of segments written before people were hashed per account.
    pub fn earlier(&self) -> Option<&Self> {
        self.earlier.as_deref()
    }

    /// Identifies these keys in segments.
    pub fn key_id(&self) -> KeyId {
        self.id
    }

    /// Unkeyed hash of the export's UID, which is no secret.
    pub fn export_hash(&self) -> [u8; 16] {
        self.export
    }

    /// The opaque id of a person in status and Events.
    pub fn record_id(&self, key: &MatchKey) -> RecordId {
        self.text_id(key.expose())
    }

    /// The opaque id of a record that names nobody by an address. `text`: what distinguishes it.
    pub fn unaddressed_id(&self, text: &str) -> RecordId {
        // No folded address contains a zero byte.
        self.text_id(&format!("\0{text}"))
    }

    /// Ids that versions before, which folded addresses less, may have shown for the person.
    pub fn other_ids(&self, key: &MatchKey) -> Vec<RecordId> {
        key.expose_others().iter().map(|text| self.text_id(text)).collect()
    }

    fn text_id(&self, folded: &str) -> RecordId {
        RecordId(short(keyed(&self.record, &[folded.as_bytes()])))
    }

    /// The hash of a person in the ledger.
    pub fn key_hash(&self, key: &MatchKey) -> KeyHash {
        self.text_hash(key.expose())
    }

    /// Hashes under which versions before, which folded addresses less, may have recorded the person.
    /// None for an address in ASCII that was written plainly.
    pub fn other_hashes(&self, key: &MatchKey) -> Vec<KeyHash> {
        key.expose_others().iter().map(|text| self.text_hash(text)).collect()
    }

    fn text_hash(&self, folded: &str) -> KeyHash {
        KeyHash(short(keyed(&self.entry, &[folded.as_bytes()])))
    }

    /// Digest of the JSON of the mapped candidate; its maps must have a stable order.
    pub fn payload_digest(&self, payload: &impl Serialize) -> PayloadDigest {
        PayloadDigest(short(self.json(b"candidate\0", payload)))
    }

    /// Digest of the JSON that another step sends. Only digests of the same step are compared.
    pub fn step_digest(&self, sent: &impl Serialize) -> StepDigest {
        StepDigest(short(self.json(b"step\0", sent)))
    }

    fn json(&self, purpose: &[u8], value: &impl Serialize) -> HmacSha256 {
        let mut mac = MacWriter(keyed(&self.payload, &[purpose]));
        // JSON is written in pieces of a few bytes, and a hash takes blocks.
        let mut pieces = BufWriter::with_capacity(JSON_BUFFER, &mut mac);
        serde_json::to_writer(&mut pieces, value).expect("plain data serialises to JSON");
        pieces.flush().expect("a MAC takes everything");
        drop(pieces);
        mac.0
    }

    pub(super) fn mac(&self, bytes: &[u8]) -> [u8; MAC_BYTES] {
        keyed(&self.mac, &[bytes]).finalize().into_bytes().into()
    }

    /// Compares in constant time.
    pub(super) fn mac_matches(&self, bytes: &[u8], mac: &[u8]) -> bool {
        keyed(&self.mac, &[bytes]).verify_slice(mac).is_ok()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", hex::encode(self.id.0))
    }
}

/// An account as the owner of keys; no export has such a UID.
fn account_of(account: AccountName) -> String {
    format!("account/{account}")
}

/// The key of an owner for a purpose.
pub(super) fn subkey(root: &[u8; 32], purpose: &str, owner: &str) -> Subkey {
    let mut key = Zeroizing::new([0; 32]);
    // No purpose contains a zero byte, so no two inputs give the same bytes.
    let info = [purpose.as_bytes(), b"\0", owner.as_bytes()].concat();
    let hkdf = Hkdf::<Sha256>::new(Some(SALT), root);
    hkdf.expand(&info, key.as_mut()).expect("HKDF-SHA256 gives up to 8160 bytes");
    key
}

pub(super) fn keyed(key: &HmacSha256, parts: &[&[u8]]) -> HmacSha256 {
    let mut mac = key.clone();
    for part in parts {
        mac.update(part);
    }
    mac
}

pub(super) fn short<const N: usize>(mac: HmacSha256) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&mac.finalize().into_bytes()[..N]);
    out
}

/// Takes what is written to it into a MAC.
pub(super) struct MacWriter(pub(super) HmacSha256);

impl Write for MacWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> MatchKey {
        MatchKey::fold("jane@example.com").unwrap()
    }

    #[test]
    fn another_export_or_root_key_gives_the_same_person_other_hashes() {
        let base = Keys::derive(&[7; 32], "uid-1");
        for other in [Keys::derive(&[7; 32], "uid-2"), Keys::derive(&[8; 32], "uid-1")] {
            assert_ne!(base.key_id(), other.key_id());
            assert_ne!(base.key_hash(&person()), other.key_hash(&person()));
            assert_ne!(base.record_id(&person()), other.record_id(&person()));
            assert_ne!(base.payload_digest(&"p"), other.payload_digest(&"p"));
            assert!(!other.mac_matches(b"x", &base.mac(b"x")));
        }
    }

    #[test]
    fn exports_of_one_account_share_the_hash_of_a_person_and_nothing_else() {
        let account = |key| AccountName::of(&[7; 32], "https://a.example", key);
        let one = Keys::of(&[7; 32], account("K1"), "uid-1");
        let other = Keys::of(&[7; 32], account("K1"), "uid-2");
        assert_eq!(one.key_hash(&person()), other.key_hash(&person()));
        assert_eq!(
            one.key_hash(&person()),
            Keys::of_account(&[7; 32], account("K1")).key_hash(&person())
        );
        assert_ne!(one.key_id(), other.key_id());
        assert_ne!(one.record_id(&person()), other.record_id(&person()));
        assert_ne!(one.payload_digest(&"p"), other.payload_digest(&"p"));
        let other_account = Keys::of(&[7; 32], account("K2"), "uid-1");
        assert_ne!(one.key_hash(&person()), other_account.key_hash(&person()));
    }

    #[test]
    fn the_earlier_keys_are_those_of_segments_written_before_hashing_per_account() {
        let account = AccountName::of(&[7; 32], "https://a.example", "K1");
        let keys = Keys::of(&[7; 32], account, "uid-1");
        let earlier = Keys::derive(&[7; 32], &account.ledger_of("uid-1"));
        assert_eq!(keys.earlier().unwrap().key_id(), earlier.key_id());
        assert_ne!(keys.key_id(), earlier.key_id());
        assert_eq!(keys.payload_digest(&"p"), earlier.payload_digest(&"p"), "values stay known");
        assert_eq!(keys.record_id(&person()), earlier.record_id(&person()), "and ids in status");
    }

    #[test]
    fn a_person_is_found_by_the_hash_of_every_spelling() {
        let keys = Keys::derive(&[7; 32], "uid-1");
        let fold = |text: &str| MatchKey::fold(text).unwrap();
        assert!(keys.other_hashes(&person()).is_empty() && keys.other_ids(&person()).is_empty());
        let before = |text: &str| keys.text_hash(text);
        let (letters, ascii) = (fold("a@m\u{fc}nchen.example"), fold("a@xn--mnchen-3ya.example"));
        assert_eq!(keys.key_hash(&letters), keys.key_hash(&ascii));
        for key in [letters, ascii] {
            assert!(keys.other_hashes(&key).contains(&before("a@m\u{fc}nchen.example")));
        }
        assert_eq!(keys.other_hashes(&fold("\u{200b}A@x.org")), [before("\u{200b}a@x.org")]);
    }

    #[test]
    fn a_digest_is_that_of_the_whole_json_however_long() {
        let keys = Keys::derive(&[7; 32], "uid-1");
        for length in [0, 1, JSON_BUFFER - 3, JSON_BUFFER - 2, JSON_BUFFER, 3 * JSON_BUFFER] {
            let payload = serde_json::json!({"a": "x".repeat(length), "b": [1, null]});
            let json = payload.to_string();
            let whole = keyed(&keys.payload, &[b"candidate\0", json.as_bytes()]);
            assert_eq!(keys.payload_digest(&payload).0, short(whole), "{length}");
        }
    }

    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        let keys = Keys::derive(&[7; 32], "uid-1");
        let (hash, record) = (keys.key_hash(&person()), keys.record_id(&person()));
        assert_ne!(hash.0[..8], record.0, "a status must not reveal ledger keys");
        assert_ne!(keys.payload_digest(&"p").0[..6], keys.step_digest(&"p").0);
    }

    #[test]
    fn debug_shows_no_key() {
        let keys = Keys::derive(&[7; 32], "uid-1");
        assert_eq!(format!("{keys:?}"), format!("Keys({})", hex::encode(keys.key_id().0)));
        let root = new_root(|bytes| bytes.fill(9));
        assert_eq!(*root, [9; 32]);
    }
}
