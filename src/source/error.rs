//! What can be wrong with a record, and with a part as a whole. Pure. Errors carry names, numbers
//! and positions, never candidate data.

use std::{fmt, sync::Arc};

use thiserror::Error;

use super::{Compression, Found, HeaderFault, Outline};
use crate::{
    domain::{Disposition, Reason},
    storage::ReadFault,
};

/// Why one record has no profile. The records after it are still read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RecordError {
    /// The record's text is not JSON.
    #[error("not valid JSON at line {line}, column {column}")]
    Malformed {
        /// One-based line in the part.
        line: u64,
        /// One-based column, in bytes.
        column: u64,
    },
    /// JSON, but not an object.
    #[error("{found} where a profile object is expected")]
    NotAnObject {
        /// What was found, e.g. `a string`.
        found: &'static str,
    },
    /// Nested too deep.
    #[error("nested more than {limit} levels deep")]
    TooDeep {
        /// Levels accepted.
        limit: u32,
    },
    /// Bytes that are not UTF-8.
    #[error("not UTF-8 at line {line}: save the file as UTF-8")]
    NotUtf8 {
        /// One-based line in the part.
        line: u64,
    },
    /// Larger than `Limits::max_record_bytes`.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// Bytes accepted.
        limit: usize,
    },
    /// A CSV row that does not fit the header.
    #[error("{found} cells where the header has {expected}")]
    CellCount {
        /// Columns of the header.
        expected: usize,
        /// Cells of the row.
        found: usize,
    },
}

impl RecordError {
    /// The reason shown for the record.
    pub const fn reason(self) -> Reason {
        match self {
            Self::TooLarge { .. } => Reason::TooLarge,
            Self::Malformed { .. }
            | Self::NotAnObject { .. }
            | Self::TooDeep { .. }
            | Self::NotUtf8 { .. }
            | Self::CellCount { .. } => Reason::Malformed,
        }
    }
}

/// Why a part cannot be read, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SourceError {
    /// Nothing but white space where a JSON document should be.
    #[error("{part} is empty")]
    Empty {
        /// Name of the part.
        part: Arc<str>,
    },
    /// Larger than `Limits::max_expanded_bytes`.
    #[error("{part} is larger than {limit} bytes when decompressed: split it into several parts")]
    TooLarge {
        /// Name of the part.
        part: Arc<str>,
        /// Bytes accepted.
        limit: u64,
    },
    /// Larger than `Limits::max_ratio` allows.
    #[error("{part} expands to more than {limit} times its size when decompressed")]
    Expansion {
        /// Name of the part.
        part: Arc<str>,
        /// Ratio accepted.
        limit: u64,
    },
    /// More records than `Limits::max_records`.
    #[error("{part} holds more than {limit} records: split it into several exports")]
    TooManyRecords {
        /// Name of the part.
        part: Arc<str>,
        /// Records accepted.
        limit: u64,
    },
    /// Compressed data that ends early or fails its own check.
    #[error("{part} cannot be decompressed: its {compression} data is cut off or damaged")]
    Compressed {
        /// Name of the part.
        part: Arc<str>,
        /// How it is compressed.
        compression: Compression,
    },
    /// Data of another kind.
    #[error("{part} is {found}")]
    NotData {
        /// Name of the part.
        part: Arc<str>,
        /// What it is.
        found: Found,
    },
    /// UTF-32.
    #[error("{part} is UTF-32 text, which is not supported: save it as UTF-8")]
    Utf32 {
        /// Name of the part.
        part: Arc<str>,
    },
    /// The server declares a character set that is not known.
    #[error("{part} has a charset in its Content-Type that is not supported: serve it as UTF-8")]
    UnknownCharset {
        /// Name of the part.
        part: Arc<str>,
    },
    /// The last character is not complete.
    #[error("{part} is cut off: it ends within a character")]
    HalfCharacter {
        /// Name of the part.
        part: Arc<str>,
    },
    /// JSON that ends before its closing bracket: a document, or the last line of NDJSON.
    #[error("{part} is cut off: its JSON ends at line {line} before the closing bracket")]
    CutOff {
        /// Name of the part.
        part: Arc<str>,
        /// One-based line.
        line: u64,
    },
    /// Not JSON from here on; where the next record starts is unknown.
    #[error("{part} is not valid JSON at line {line}, column {column}")]
    Syntax {
        /// Name of the part.
        part: Arc<str>,
        /// One-based line.
        line: u64,
        /// One-based column, in bytes.
        column: u64,
    },
    /// More data after the closing bracket of a JSON document.
    #[error("{part} continues after its JSON document, at line {line}: is its format NDJSON?")]
    Trailing {
        /// Name of the part.
        part: Arc<str>,
        /// One-based line.
        line: u64,
    },
    /// A JSON document that is neither an array nor an object.
    #[error("{part} is neither a profile nor an array of profiles")]
    NotProfiles {
        /// Name of the part.
        part: Arc<str>,
    },
    /// The CSV header cannot be used.
    #[error("the header of {part} cannot be used: {fault}")]
    Header {
        /// Name of the part.
        part: Arc<str>,
        /// What is wrong with it.
        fault: HeaderFault,
    },
    /// A quoted CSV cell that is never closed: the rest of the part would be inside it.
    #[error("{part} line {line}: a quoted cell is never closed: is the file cut off?")]
    UnclosedQuote {
        /// Name of the part.
        part: Arc<str>,
        /// One-based line on which the record starts.
        line: u64,
    },
    /// No record has what people are recognised by.
    #[error("{} {}", Nothing(*.records), Key(attribute, unusable.as_deref(), outline))]
    Nobody {
        /// How many records there are.
        records: u64,
        /// The attribute that is the match key.
        attribute: Arc<str>,
        /// The first value that is no address, if there is one: where, and why.
        unusable: Option<Box<str>>,
        /// What the source consists of.
        outline: Box<Outline>,
    },
    /// No record has any field of a profile.
    #[error("{} any field of a profile: {outline}", Nothing(*.records))]
    NoProfile {
        /// How many records there are.
        records: u64,
        /// What the source consists of.
        outline: Box<Outline>,
    },
    /// The place cannot be read.
    #[error("{part} {fault}")]
    Remote {
        /// Name of the part or place.
        part: Arc<str>,
        /// What is wrong.
        fault: ReadFault,
    },
    /// Reading failed.
    #[error("{part} cannot be read: {kind}")]
    Read {
        /// Name of the part.
        part: Arc<str>,
        /// Kind of the I/O error.
        kind: std::io::ErrorKind,
    },
}

impl SourceError {
    /// Whether the part has no content at all.
    pub const fn is_empty(&self) -> bool {
        matches!(self, Self::Empty { .. } | Self::Header { fault: HeaderFault::Missing, .. })
    }

    /// What the owner of the run does next.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Remote { fault, .. } => fault.disposition(),
            Self::Read { .. } => Disposition::retry(Reason::InternalError),
            Self::Empty { .. }
            | Self::TooLarge { .. }
            | Self::Expansion { .. }
            | Self::TooManyRecords { .. }
            | Self::Compressed { .. }
            | Self::NotData { .. }
            | Self::Nobody { .. }
            | Self::NoProfile { .. }
            | Self::Utf32 { .. }
            | Self::UnknownCharset { .. }
            | Self::HalfCharacter { .. }
            | Self::CutOff { .. }
            | Self::Syntax { .. }
            | Self::Trailing { .. }
            | Self::NotProfiles { .. }
            | Self::Header { .. }
            | Self::UnclosedQuote { .. } => Disposition::Stalled { reason: Reason::SourceInvalid },
        }
    }
}

/// That nothing of so many records has what is named next.
struct Nothing(u64);

impl fmt::Display for Nothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("there are no records, and no column gives"),
            1 => f.write_str("the only record does not have"),
            count => write!(f, "none of the {count} records has"),
        }
    }
}

/// What people are recognised by, and what there is instead.
struct Key<'a>(&'a str, Option<&'a str>, &'a Outline);

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(attribute, unusable, outline) = self;
        match unusable {
            Some(first) => {
                write!(f, "a usable value for '{attribute}', the match key; first: {first}")
            }
            None => write!(f, "a value for '{attribute}', the match key: {outline}"),
        }
    }
}
