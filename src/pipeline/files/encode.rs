//! The rows of a run as the bytes of its file. Pure.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{
    rows::Row,
    spec::{Encoding, FileSpec},
};
use crate::{
    domain::Cause,
    mapping::Plan,
    output::{CsvEncoder, CsvStyle, Field, FileEncoder, NdjsonEncoder, Record},
    pipeline::{
        document::{Combined, LaidOut},
        rendered::Renderer,
    },
};

/// The size of the pieces of a document.
const PIECE_BYTES: usize = 256 << 10;

/// Encodes rows.
pub(super) enum Encoder<'a> {
    /// One row after the other.
    Rows(RowFile),
    /// One document, complete with the last person.
    Document(Box<Combined<'a>>),
}

/// What comes of a row.
pub(super) struct Encoded {
    /// A piece of the file, when enough has come together.
    pub(super) piece: Option<Bytes>,
    /// The people who are in the file with this: of a document not always the one of the row.
    pub(super) people: LaidOut,
}

impl Encoded {
    /// Of a row that needs nothing else.
    pub(super) fn of_one() -> Self {
        Self { piece: None, people: LaidOut { people: 1, ..LaidOut::default() } }
    }
}

/// What ends a file.
#[derive(Default)]
pub(super) struct Finished {
    /// The last pieces of the file.
    pub(super) pieces: Vec<Bytes>,
    /// The people who are in the file only with this.
    pub(super) people: LaidOut,
}

impl<'a> Encoder<'a> {
    pub(super) fn of<S>(spec: &FileSpec<S>, renderer: &'a Renderer) -> Self {
        match &spec.encoding {
            Encoding::Csv(style) => Self::Rows(RowFile::csv(spec, *style)),
            Encoding::Ndjson => Self::Rows(RowFile::ndjson(spec)),
            Encoding::Pdf(style) => Self::Document(Box::new(Combined::new(renderer, style))),
        }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, row: &Row) -> Result<Encoded, Cause> {
        match (self, row) {
            (Self::Rows(file), row) => Ok(Encoded { piece: file.row(row), ..Encoded::of_one() }),
            (Self::Document(document), Row::Profile(profile)) => {
                Ok(Encoded { piece: None, people: document.add(profile)? })
            }
            // A document has no mapping.
            (Self::Document(_), Row::Mapped(_)) => Ok(Encoded::of_one()),
        }
    }

    /// Whether rows are encoded even if nothing is written: only that shows whether they can be.
    pub(super) fn foretells(&self) -> bool {
        matches!(self, Self::Document(_))
    }

    /// How many values differ from those of their records.
    pub(super) fn altered(&self) -> u64 {
        match self {
            Self::Rows(file) => file.file.altered(),
            Self::Document(_) => 0,
        }
    }

    /// Ends the file.
    pub(super) fn finish(self) -> Result<Finished, Cause> {
        match self {
            Self::Rows(file) => {
                Ok(Finished { pieces: vec![file.file.finish()], ..Finished::default() })
            }
            Self::Document(document) => {
                let (bytes, people) = document.finish()?;
                let bytes = Bytes::from(bytes);
                let piece = |at| bytes.slice(at..bytes.len().min(at + PIECE_BYTES));
                let pieces = (0..bytes.len()).step_by(PIECE_BYTES).map(piece).collect();
                Ok(Finished { pieces, people })
            }
        }
    }
}

/// A file of rows.
pub(super) struct RowFile {
    file: FileEncoder,
    /// The attributes in the order of the mapping, where the order of members shows in the file.
    order: Option<Vec<String>>,
    text: Vec<u8>,
}

impl RowFile {
    fn csv<S>(spec: &FileSpec<S>, style: CsvStyle) -> Self {
        let rows = match &spec.mapping {
            None => CsvEncoder::of_profiles(style),
            Some(mapping) => CsvEncoder::of_attributes(columns(mapping), style),
        };
        let file = FileEncoder::new(Box::new(rows), spec.compression);
        Self { file, order: None, text: Vec::new() }
    }

    fn ndjson<S>(spec: &FileSpec<S>) -> Self {
        let names = |mapping: &Plan| mapping.attributes().map(str::to_owned).collect();
        let file = FileEncoder::new(Box::new(NdjsonEncoder), spec.compression);
        Self { file, order: spec.mapping.as_ref().map(names), text: Vec::new() }
    }

    fn row(&mut self, row: &Row) -> Option<Bytes> {
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
