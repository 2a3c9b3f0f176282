//! The bodies that batches are sent as, and how records are divided into them. Pure: the same records give
//! the same bytes.

use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::domain::ClinchId;

/// What is around the records of a body.
const FRAME_BYTES: usize = 64;

/// A record of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent<'a> {
    /// Which one of the batch it is.
    pub(super) at: usize,
    /// Whose it is.
    pub(super) id: &'a ClinchId,
    /// Its JSON.
    pub(super) json: &'a [u8],
}

/// A body, and the id that its receiver recognises it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) id: String,
    pub(super) bytes: Bytes,
}

/// The body of a batch. `uid` and `name`: of the import.
pub(super) fn body(uid: &str, name: &str, number: u64, records: &[Sent<'_>]) -> Body {
    let size = records.iter().map(|record| record.json.len() + 1).sum::<usize>();
    let mut bytes = Vec::with_capacity(size + name.len() + FRAME_BYTES);
    bytes.extend_from_slice(b"{\"import\":");
    bytes.extend_from_slice(Value::from(name).to_string().as_bytes());
    bytes.extend_from_slice(format!(",\"batch\":{number},\"records\":[").as_bytes());
    for (at, record) in records.iter().enumerate() {
        if at > 0 {
            bytes.push(b',');
        }
        bytes.extend_from_slice(record.json);
    }
    bytes.extend_from_slice(b"]}");
    let digest = hex::encode(Sha256::digest(&bytes));
    Body { id: format!("{uid}.{number}.{}", &digest[..16]), bytes: bytes.into() }
}

/// Divides records into batches of at most so many records and bytes. One record may be larger.
pub(super) fn divided<'a, 'b>(
    records: &'b [Sent<'a>],
    max_records: usize,
    max_bytes: usize,
) -> Vec<&'b [Sent<'a>]> {
    let (mut batches, mut start, mut bytes) = (Vec::new(), 0, FRAME_BYTES);
    for (at, record) in records.iter().enumerate() {
        let more = record.json.len() + 1;
        if at > start && (at - start == max_records || bytes + more > max_bytes) {
            batches.push(&records[start..at]);
            (start, bytes) = (at, FRAME_BYTES);
        }
        bytes += more;
    }
    if start < records.len() {
        batches.push(&records[start..]);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_json_and_its_id_depends_on_every_byte() {
        let id = ClinchId::parse("c1").unwrap();
        let record = |json| Sent { at: 0, id: &id, json };
        let of = |number, records: &[Sent<'_>]| body("uid", "team/back \"x\"", number, records);
        let two = of(42, &[record(br#"{"a":1}"#), record(br#"{"b":2}"#)]);
        let read: Value = serde_json::from_slice(&two.bytes).unwrap();
        let expected = serde_json::json!({"import": "team/back \"x\"", "batch": 42,
            "records": [{"a": 1}, {"b": 2}]});
        assert_eq!(read, expected);
        assert!(two.id.starts_with("uid.42.") && two.id.len() == "uid.42.".len() + 16);
        assert_eq!(of(42, &[record(br#"{"a":1}"#), record(br#"{"b":2}"#)]), two);
        let half = of(42, &[record(br#"{"a":1}"#)]);
        assert!(half.id.starts_with("uid.42.") && half.id != two.id);
        assert_ne!(of(43, &[record(br#"{"a":1}"#)]).id, half.id);
    }

    #[test]
    fn batches_hold_as_much_as_they_may_and_everything_once() {
        let id = ClinchId::parse("c1").unwrap();
        let json = vec![b'1'; 1000];
        let lengths = [10, 10, 10, 500, 10, 10, 10, 10];
        let records: Vec<Sent<'_>> = lengths
            .iter()
            .enumerate()
            .map(|(at, length)| Sent { at, id: &id, json: &json[..*length] })
            .collect();
        let of = |max_records, max_bytes| -> Vec<usize> {
            divided(&records, max_records, max_bytes).iter().map(|batch| batch.len()).collect()
        };
        assert_eq!(of(3, 10_000), [3, 3, 2]);
        assert_eq!(of(100, FRAME_BYTES + 40), [3, 1, 3, 1], "one may be larger");
        assert_eq!(of(1, 1), [1; 8]);
        assert!(divided(&[], 3, 100).is_empty());
    }
}
