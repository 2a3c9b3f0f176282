//! The rows of a run as the bytes of its file. Pure.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{
    rows::Row,
    spec::{Encoding, FileSpec},
};
use crate::{
    mapping::Plan,
    output::{CsvEncoder, Field, FileEncoder, NdjsonEncoder, Record, RowEncoder},
};

/// Encodes rows.
pub(super) struct Encoder {
    file: FileEncoder,
    /// The attributes in the order of the mapping, where the order of members shows in the file.
    order: Option<Vec<String>>,
    text: Vec<u8>,
}

impl Encoder {
    pub(super) fn of<S>(spec: &FileSpec<S>) -> Self {
        let mapping = spec.mapping.as_ref();
        let rows: Box<dyn RowEncoder> = match (spec.encoding, mapping) {
            (Encoding::Csv(style), None) => Box::new(CsvEncoder::of_profiles(style)),
            (Encoding::Csv(style), Some(mapping)) => {
                Box::new(CsvEncoder::of_attributes(columns(mapping), style))
            }
            (Encoding::Ndjson, _) => Box::new(NdjsonEncoder),
        };
        let ordered = mapping.filter(|_| spec.encoding == Encoding::Ndjson);
        Self {
            file: FileEncoder::new(rows, spec.compression),
            order: ordered.map(|mapping| mapping.attributes().map(str::to_owned).collect()),
            text: Vec::new(),
        }
    }

    /// Adds a row. Returns a piece of the file when enough has come together.
    pub(super) fn row(&mut self, row: &Row) -> Option<Bytes> {
        match (row, &self.order) {
            (Row::Profile(profile), _) => self.file.row(profile.into()),
            (Row::Mapped(members), None) => self.file.row(members.into()),
            (Row::Mapped(members), Some(order)) => {
                self.text.clear();
                write_ordered(members, order, &mut self.text);
                let text = std::str::from_utf8(&self.text).ok();
                self.file.row(Record { members, text })
            }
        }
    }

    /// How many values differ from those of their records.
    pub(super) fn altered(&self) -> u64 {
        self.file.altered()
    }

    /// Ends the file; its last piece.
    pub(super) fn finish(self) -> Bytes {
        self.file.finish()
    }
}

fn columns(mapping: &Plan) -> Vec<Field> {
    let origins = mapping.origins();
    origins.map(|(attribute, path)| Field { attribute: attribute.to_owned(), path }).collect()
}

/// Appends an object whose members have this order.
fn write_ordered(members: &Map<String, Value>, order: &[String], out: &mut Vec<u8>) {
    let fault = "a value with text as names serialises into memory";
    let mut before = b'{';
    for name in order {
        let Some(value) = members.get(name) else { continue };
        out.push(before);
        serde_json::to_writer(&mut *out, name).expect(fault);
        out.push(b':');
        serde_json::to_writer(&mut *out, value).expect(fault);
        before = b',';
    }
    if before == b'{' {
        out.push(b'{');
    }
    out.push(b'}');
}
