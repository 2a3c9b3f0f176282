//! The keys of one import's state, derived from the operator's root key. Pure.

use std::fmt;

use hmac::{KeyInit, Mac};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::entry::Revision;
use crate::{
    domain::{ClinchId, RecordId},
    ledger::{
        AccountName, KeyHash,
        keys::{HmacSha256, MAC_BYTES, MacWriter, keyed, short, subkey},
        packed::{UUID, pack, unpack},
    },
};

/// The keys of one import: separate ones for each purpose. `Debug` shows the key id only.
#[derive(Clone)]
pub struct ImportKeys {
    id: [u8; 8],
    owner: [u8; 16],
    spread: Spread,
    texts: HmacSha256,
    revision: HmacSha256,
    mac: HmacSha256,
    record: HmacSha256,
}

impl ImportKeys {
    /// The keys of an import for what it reads of an account.
    pub fn of(root: &[u8; 32], account: AccountName, import_uid: &str) -> Self {
        let name = account.ledger_of(import_uid);
        let derived = |purpose: &str| subkey(root, purpose, &name);
        let hmac = |purpose: &str| {
            let key = derived(purpose);
            HmacSha256::new_from_slice(&key[..]).expect("HMAC takes keys of any length")
        };
        let (mut id, mut owner) = ([0; 8], [0; 16]);
        id.copy_from_slice(&derived("import-key-id")[..8]);
        owner.copy_from_slice(&Sha256::digest(import_uid.as_bytes())[..16]);
        Self {
            id,
            owner,
            spread: Spread::of(&derived("import-spread")),
            texts: hmac("import-entry"),
            revision: hmac("import-revision"),
            mac: hmac("import-mac"),
            record: hmac("import-record"),
        }
    }

    /// Identifies these keys in segments; reveals nothing about them.
    pub fn key_id(&self) -> [u8; 8] {
        self.id
    }

    /// Unkeyed hash of the import's UID, which is no secret.
    pub(super) fn owner_hash(&self) -> [u8; 16] {
        self.owner
    }

    /// The digest of a profile.
    pub fn revision(&self, profile: &Map<String, Value>) -> Revision {
        let mut mac = MacWriter(self.revision.clone());
        serde_json::to_writer(&mut mac, profile).expect("plain data serialises to JSON");
        Revision(short(mac.0))
    }

    /// A short digest of what a [`super::ImportTrace`] remembers.
    pub fn trace(&self, of: &impl Serialize) -> [u8; 4] {
        let mut mac = MacWriter(keyed(&self.revision, &[b"trace\0"]));
        serde_json::to_writer(&mut mac, of).expect("plain data serialises to JSON");
        short(mac.0)
    }

    /// The opaque id of a person in status and Events.
    pub fn record_id(&self, id: &ClinchId) -> RecordId {
        RecordId(short(keyed(&self.record, &[id.as_str().as_bytes()])))
    }

    /// Where a person is in a table: spread evenly, in an order that nobody else can choose. A UUID can be
    /// computed back from it; of any other id, the text is returned, too.
    pub(super) fn slot<'a>(&self, id: &'a ClinchId) -> (KeyHash, Option<&'a str>) {
        let mut packed = Vec::with_capacity(16);
        if pack(id, &mut packed) == UUID
            && let Ok(bytes) = <[u8; 16]>::try_from(&packed[..])
        {
            return (self.spread.there(bytes), None);
        }
        let text = id.as_str();
        (KeyHash(short(keyed(&self.texts, &[text.as_bytes()]))), Some(text))
    }

    /// The UUID at a place in a table.
    pub(super) fn uuid_at(&self, slot: KeyHash) -> Option<ClinchId> {
        unpack(UUID, &self.spread.back(slot))
    }

    pub(super) fn mac(&self, bytes: &[u8]) -> [u8; MAC_BYTES] {
        keyed(&self.mac, &[bytes]).finalize().into_bytes().into()
    }

    /// Compares in constant time.
    pub(super) fn mac_matches(&self, bytes: &[u8], mac: &[u8]) -> bool {
        keyed(&self.mac, &[bytes]).verify_slice(mac).is_ok()
    }
}

impl fmt::Debug for ImportKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImportKeys({})", hex::encode(self.id))
    }
}

/// A secret one-to-one map of 16 bytes: it saves keeping a UUID besides its hash.
#[derive(Clone)]
struct Spread {
    mask: u128,
    factor: u128,
    inverse: u128,
}

impl Spread {
    fn of(key: &[u8; 32]) -> Self {
        let half = |at: usize| {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&key[at..at + 16]);
            u128::from_be_bytes(bytes)
        };
        // Odd numbers have an inverse.
        let factor = half(16) | 1;
        let mut inverse = factor;
        // Each step doubles the number of right bits, of which there are three at first.
        for _ in 0..6 {
            let error = factor.wrapping_mul(inverse);
            inverse = inverse.wrapping_mul(2_u128.wrapping_sub(error));
        }
        Self { mask: half(0), factor, inverse }
    }

    fn there(&self, bytes: [u8; 16]) -> KeyHash {
        let mixed = (u128::from_be_bytes(bytes) ^ self.mask).wrapping_mul(self.factor);
        KeyHash(mixed.to_be_bytes())
    }

    fn back(&self, slot: KeyHash) -> [u8; 16] {
        let mixed = u128::from_be_bytes(slot.0).wrapping_mul(self.inverse);
        (mixed ^ self.mask).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn keys(uid: &str) -> ImportKeys {
        let account = AccountName::of(&[7; 32], "https://a.example", "K1");
        ImportKeys::of(&[7; 32], account, uid)
    }

    proptest! {
        #[test]
        fn a_uuid_comes_back_from_its_place(key: [u8; 32], id: [u8; 16]) {
            let spread = Spread::of(&key);
            prop_assert_eq!(spread.back(spread.there(id)), id);
        }
    }

    #[test]
    fn ids_that_are_counted_up_are_spread_evenly() {
        let keys = keys("uid-1");
        for shift in [0, 48, 80, 100] {
            let mut shards = BTreeMap::<u16, u32>::new();
            for n in 0..10_000_u128 {
                let bytes = ((n << shift) | (7 << 76)).to_be_bytes();
                let slot = keys.spread.there(bytes);
                *shards.entry(u16::from_be_bytes([slot.0[0], slot.0[1]]) >> 6).or_default() += 1;
            }
            let most = shards.values().max().unwrap();
            assert!(*most < 100, "{most} of 10 000 in one of 1024 places, shifted by {shift}");
        }
    }

    #[test]
    fn another_import_has_other_hashes() {
        let (one, other) = (keys("uid-1"), keys("uid-2"));
        let id = ClinchId::parse("c-1").unwrap();
        let profile = json!({"firstName": "Jane"}).as_object().unwrap().clone();
        assert_ne!(one.key_id(), other.key_id());
        assert_ne!(one.revision(&profile), other.revision(&profile));
        assert_ne!(one.record_id(&id), other.record_id(&id));
        assert_ne!(one.slot(&id).0, other.slot(&id).0);
        assert_eq!(format!("{one:?}"), format!("ImportKeys({})", hex::encode(one.key_id())));
    }
}
