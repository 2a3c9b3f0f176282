//! Lines of named members as NDJSON or CSV, as the name of the file says. Pure.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::output::{
    Compression, CsvEncoder, CsvStyle, Field, FileEncoder, NdjsonEncoder, Record, RowEncoder,
};

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineFormat {
    /// Whether they are CSV; else NDJSON.
    csv: bool,
    compression: Compression,
}

impl LineFormat {
    /// What the name of a file asks for: CSV if it ends in `.csv`, else NDJSON; compressed if `.gz`
    /// follows.
    pub fn of_name(name: &str) -> Self {
        let compression = Compression::of_name(name);
        let name = match compression {
            Compression::Gzip => &name[..name.len() - ".gz".len()],
            Compression::None => name,
        };
        let csv = name.rsplit_once('.').is_some_and(|(_, end)| end.eq_ignore_ascii_case("csv"));
        Self { csv, compression }
    }
}

/// A file of lines that all have the same members.
pub(super) struct LineEncoder {
    encoder: FileEncoder,
    names: &'static [&'static str],
}

impl LineEncoder {
    /// Begins a file. `names`: of the members, in their order.
    pub(super) fn new(format: LineFormat, names: &'static [&'static str]) -> Self {
        let rows: Box<dyn RowEncoder> = if format.csv {
            let field = |name: &&str| Field { attribute: (*name).to_owned(), path: None };
            let fields = names.iter().map(field).collect();
            Box::new(CsvEncoder::of_attributes(fields, CsvStyle::default()))
        } else {
            Box::new(NdjsonEncoder)
        };
        Self { encoder: FileEncoder::new(rows, format.compression), names }
    }

    /// Adds a line, of the values of the members in their order. Returns a piece of the file when enough
    /// has come together.
    pub(super) fn add(&mut self, values: impl IntoIterator<Item = Value>) -> Option<Bytes> {
        let names = self.names.iter().map(|name| (*name).to_owned());
        let members: Map<String, Value> = names.zip(values).collect();
        let member = |name: &&str| {
            let value = members.get(*name).unwrap_or(&Value::Null);
            format!("\"{name}\":{value}")
        };
        let text = format!("{{{}}}", self.names.iter().map(member).collect::<Vec<_>>().join(","));
        self.encoder.row(Record { members: &members, text: Some(&text) })
    }

    /// How many lines were added.
    pub(super) fn lines(&self) -> u64 {
        self.encoder.rows()
    }

    /// Ends the file; its last piece.
    pub(super) fn finish(self) -> Bytes {
        self.encoder.finish()
    }
}

/// A member that may be absent.
pub(super) fn text(text: Option<impl Into<String>>) -> Value {
    text.map_or(Value::Null, |text| Value::String(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> Bytes {
        let mut lines = LineEncoder::new(LineFormat::of_name(name), &["id", "outcome"]);
        assert_eq!(lines.add([text(Some("a,b")), text(None::<&str>)]), None);
        assert_eq!(lines.lines(), 1);
        lines.finish()
    }

    #[test]
    fn the_name_says_how_lines_are_written() {
        for name in ["x.ndjson", "x", "csv", "x.json"] {
            assert_eq!(file(name), "{\"id\":\"a,b\",\"outcome\":null}\n", "{name}");
        }
        for name in ["x.csv", "a/b.CSV"] {
            assert_eq!(file(name), "id,outcome\r\n\"a,b\",\r\n", "{name}");
        }
        assert_eq!(file("x.csv.gz")[..2], [0x1f, 0x8b]);
    }
}
