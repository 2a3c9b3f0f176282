//! Segments of ledgers, of exports and of imports. They are authenticated before they are parsed, so the target signs what
//! it is given, as an operator with a fault would. The first byte selects the kind.

#![no_main]

use clinch_operator::ledger::{
    AccountName, ImportKeys, ImportSegment, Keys, Segment, from_text, to_text,
};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

const ROOT: [u8; 32] = [1; 32];
const UID: &str = "uid";
const ACCOUNT: &str = "0123456789abcdef";

fn signed(mut bytes: Vec<u8>, purpose: &str, owner: &str) -> Vec<u8> {
    let mut key = [0; 32];
    let hkdf = Hkdf::<Sha256>::new(Some(b"clinch-operator ledger v1"), &ROOT);
    let info = [purpose.as_bytes(), b"\0", owner.as_bytes()].concat();
    hkdf.expand(&info, &mut key).expect("32 bytes are few");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any length will do");
    mac.update(&bytes);
    bytes.extend_from_slice(&mac.finalize().into_bytes());
    bytes
}

fn of_export(data: &[u8]) {
    let keys = Keys::derive(&ROOT, UID);
    let _ = Segment::decode_unverified(data);
    let Some((&version, rest)) = data.split_first() else { return };
    let head = [&b"CLSG"[..], &[version], &keys.key_id().0, &keys.export_hash(), rest].concat();
    if let Ok(segment) = Segment::decode(&keys, &signed(head, "mac", UID)) {
        assert!(segment.entries.capacity() <= rest.len() / 36 + 4);
        assert!(segment.window.as_ref().is_none_or(|keys| keys.capacity() <= rest.len() / 16 + 4));
        if segment.base.is_none() {
            let (entries, window) = (segment.entries.clone(), segment.window.as_deref());
            let again =
                Segment::encode_changes(&keys, segment.seq, entries, window, segment.facts);
            if let [encoded] = &again[..] {
                let decoded = Segment::decode(&keys, &encoded.bytes).expect("it was just encoded");
                assert!(decoded == segment, "what is read is what is written");
            }
        }
    }
}

fn of_import(data: &[u8]) {
    let account = AccountName::parse(ACCOUNT).expect("16 hexadecimal digits");
    let keys = ImportKeys::of(&ROOT, account, UID);
    let Some((&version, rest)) = data.split_first() else { return };
    let owner = &Sha256::digest(UID.as_bytes())[..16];
    let head = [&b"CLIM"[..], &[version], &keys.key_id(), owner, rest].concat();
    let bytes = signed(head, "import-mac", &account.ledger_of(UID));
    let Some(seq) = rest.first_chunk().map(|seq| u64::from_be_bytes(*seq)) else { return };
    if let Ok(segment) = ImportSegment::decode(&keys, seq, &bytes) {
        assert!(segment.entries.capacity() <= rest.len() / 26 + 4);
        if let Some(bytes) = segment.encode(&keys) {
            let again = ImportSegment::decode(&keys, seq, &bytes).expect("it was just encoded");
            assert!(again == segment, "what is read is what is written");
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&kind, rest)) = data.split_first() else { return };
    match kind % 3 {
        0 => of_export(rest),
        1 => of_import(rest),
        _ => {
            let Ok(text) = std::str::from_utf8(rest) else { return };
            if let Ok(bytes) = from_text(text) {
                assert!(from_text(&to_text(&bytes)).is_ok_and(|again| again == bytes));
            }
        }
    }
});
