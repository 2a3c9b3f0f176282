//! Lists of people who must never be written. A person on an accepted list must be found on it, however the address is
//! spelled.

#![no_main]

use bytes::Bytes;
use clinch_operator::{
    domain::MatchKey,
    ledger::{Keys, Listed},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let keys = Keys::derive(&[1; 32], "uid");
    let list = [("list".to_owned(), Bytes::copy_from_slice(data))];
    let Ok(listed) = Listed::parse(&list, Some(b"key"), |key| keys.key_hash(key)) else { return };
    let lines = data.split(|byte| *byte == b'\n').count();
    assert!((1..=lines).contains(&listed.len()));
    let Ok(text) = std::str::from_utf8(data) else { return };
    for line in text.trim_start_matches('\u{feff}').lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || line.starts_with("hmac-sha256:") {
            continue;
        }
        if let Some(key) = MatchKey::fold(line) {
            assert!(listed.contains(&key, &keys.key_hash(&key)), "an accepted line has no effect");
        }
    }
});
