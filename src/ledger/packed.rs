//! Compact Clinch ids: a lower-case UUID takes 16 bytes, any other id its text. Pure; used both in
//! segments and in memory.

use crate::domain::ClinchId;

/// The form of a UUID; that of any other id is the length of its text.
pub(super) const UUID: u8 = 0;
const UUID_BYTES: usize = 16;
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Appends the packed bytes of an id and returns their form: [`UUID`] or the text's length.
pub(super) fn pack(id: &ClinchId, out: &mut Vec<u8>) -> u8 {
    let text = id.as_str();
    if let Some(bytes) = uuid_bytes(text) {
        out.extend_from_slice(&bytes);
        return UUID;
    }
    out.extend_from_slice(text.as_bytes());
    u8::try_from(text.len()).expect("an id has at most 64 bytes")
}

/// How many bytes an id of this form takes.
pub(super) fn packed_len(form: u8) -> usize {
    if form == UUID { UUID_BYTES } else { usize::from(form) }
}

/// The id behind packed bytes; `None` when they are not an id.
pub(super) fn unpack(form: u8, bytes: &[u8]) -> Option<ClinchId> {
    if bytes.len() != packed_len(form) {
        return None;
    }
    if form != UUID {
        return ClinchId::parse(std::str::from_utf8(bytes).ok()?).ok();
    }
    let mut text = hex::encode(bytes);
    for at in HYPHENS {
        text.insert(at, '-');
    }
    ClinchId::parse(&text).ok()
}

fn uuid_bytes(text: &str) -> Option<[u8; UUID_BYTES]> {
    let hyphenated = text.len() == 36 && HYPHENS.iter().all(|at| text.as_bytes()[*at] == b'-');
    if !hyphenated || text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let mut bytes = [0; UUID_BYTES];
    hex::decode_to_slice(text.replace('-', ""), &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_comes_back_as_it_was_spelled() {
        let longest = "x".repeat(64);
        for (text, size) in [
            ("0f4c1d3a-5b6c-4d7e-8f90-a1b2c3d4e5f6", 16),
            ("0F4C1D3A-5b6c-4d7e-8f90-a1b2c3d4e5f6", 36),
            ("0f4c1d3a-5b6c-4d7e-8f90a-1b2c3d4e5f6", 36),
            ("------------------------------------", 36),
            ("17", 2),
            (&longest, 64),
        ] {
            let id = ClinchId::parse(text).unwrap();
            let mut bytes = Vec::new();
            let form = pack(&id, &mut bytes);
            assert_eq!(bytes.len(), size, "{text}");
            assert_eq!(unpack(form, &bytes), Some(id));
        }
    }

    #[test]
    fn bytes_that_are_no_id_are_refused() {
        assert_eq!(unpack(3, b"a/b"), None);
        assert_eq!(unpack(2, b"abc"), None);
        assert_eq!(unpack(2, b"\xff\xff"), None);
        assert_eq!(unpack(UUID, b"short"), None);
        assert_eq!(unpack(65, &[b'x'; 65]), None);
    }
}
