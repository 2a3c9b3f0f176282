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
    output::{CsvEncoder, CsvStyle, Field, FileEncoder, NdjsonEncoder, Record, RowEncoder},
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
            Encoding::Csv(style) => Self::Rows(RowFile::of(spec, Box::new(csv(spec, *style)))),
            Encoding::Ndjson => Self::Rows(RowFile::of(spec, Box::new(NdjsonEncoder))),
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
    fn of<S>(spec: &FileSpec<S>, rows: Box<dyn RowEncoder>) -> Self {
        let file = FileEncoder::new(rows, spec.compression);
        Self { file, order: order(spec), text: Vec::new() }
    }

    fn row(&mut self, row: &Row) -> Option<Bytes> {
        self.file.row(record(row, self.order.as_deref(), &mut self.text))
    }
}

/// Encodes one row after the other, as text.
pub(super) struct RowText {
    rows: Box<dyn RowEncoder>,
    order: Option<Vec<String>>,
    text: Vec<u8>,
    out: Vec<u8>,
}

impl RowText {
    /// `None` where rows are not lines of text.
    pub(super) fn of<S>(spec: &FileSpec<S>) -> Option<Self> {
        let rows = rows(spec)?;
        Some(Self { rows, order: order(spec), text: Vec::new(), out: Vec::new() })
    }

    /// What is in front of the first row; empty where there is nothing.
    pub(super) fn header(&mut self) -> String {
        self.out.clear();
        self.rows.header(&mut self.out);
        self.taken()
    }

    /// A row.
    pub(super) fn row(&mut self, row: &Row) -> String {
        self.out.clear();
        let record = record(row, self.order.as_deref(), &mut self.text);
        self.rows.row(record, &mut self.out);
        self.taken()
    }

    fn taken(&self) -> String {
        String::from_utf8_lossy(&self.out).trim_start_matches('\u{feff}').trim_end().to_owned()
    }
}

/// The encoder of rows; `None` where rows are not lines of text.
fn rows<S>(spec: &FileSpec<S>) -> Option<Box<dyn RowEncoder>> {
    match &spec.encoding {
        Encoding::Csv(style) => Some(Box::new(csv(spec, *style))),
        Encoding::Ndjson => Some(Box::new(NdjsonEncoder)),
        Encoding::Pdf(_) => None,
    }
}

fn csv<S>(spec: &FileSpec<S>, style: CsvStyle) -> CsvEncoder {
    match &spec.mapping {
        None => CsvEncoder::of_profiles(style),
        Some(mapping) => CsvEncoder::of_attributes(columns(mapping), style),
    }
}

/// The order of a row's members, where it shows in the file.
fn order<S>(spec: &FileSpec<S>) -> Option<Vec<String>> {
    let names = |mapping: &Plan| mapping.attributes().map(str::to_owned).collect();
    spec.mapping.as_ref().filter(|_| spec.encoding == Encoding::Ndjson).map(names)
}

/// What is encoded of a row. `text` holds its text, where the order of members shows.
fn record<'a>(row: &'a Row, order: Option<&[String]>, text: &'a mut Vec<u8>) -> Record<'a> {
    match (row, order) {
        (Row::Profile(profile), _) => profile.into(),
        (Row::Mapped(members), None) => members.into(),
        (Row::Mapped(members), Some(order)) => {
            text.clear();
            write_ordered(members, order, text);
            Record { members, text: std::str::from_utf8(text).ok() }
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
