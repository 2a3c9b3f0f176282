//! NDJSON: one profile per line, as the source gave it. Pure.

use super::{Record, RowEncoder, given};

/// Writes one record per line, with `\n` and without a byte order mark. A profile whose text is known keeps
/// the order of its members and the spelling of its numbers; otherwise members are in the order of
/// their names.
#[derive(Debug, Default)]
pub struct NdjsonEncoder;

impl RowEncoder for NdjsonEncoder {
    fn header(&mut self, _out: &mut Vec<u8>) {}

    fn row(&mut self, record: Record<'_>, out: &mut Vec<u8>) {
        if !record.text.is_some_and(|text| given::append(text, out)) {
            serde_json::to_writer(&mut *out, record.members)
                .expect("a value with text as names serialises into memory");
        }
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_text_of_a_profile_is_kept_unless_it_is_ambiguous() {
        let line = |text: Option<&str>| {
            let value = json!({"b": "\u{2028}\n", "a": 2});
            let mut out = Vec::new();
            let members = value.as_object().unwrap();
            NdjsonEncoder.row(Record { members, text }, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(line(Some("{\"b\": 1,\n\"a\": 2.0}")), "{\"b\":1,\"a\":2.0}\n");
        let sorted = "{\"a\":2,\"b\":\"\u{2028}\\n\"}\n";
        assert_eq!(line(None), sorted);
        assert_eq!(line(Some(r#"{"a":1,"b":1,"a":2}"#)), sorted);
    }
}
