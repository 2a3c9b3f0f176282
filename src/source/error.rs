//! What can be wrong with a record, and with a part as a whole. Pure. Errors carry names, numbers
//! and positions, never candidate data.

use std::{fmt, sync::Arc};

use thiserror::Error;

use crate::{
    domain::{Disposition, Reason},
    storage::ReadFault,
};

/// How a part is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

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
    /// A JSON document that ends before its closing bracket.
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
    #[error("{part} line {line}: a quoted cell is never closed")]
    UnclosedQuote {
        /// Name of the part.
        part: Arc<str>,
        /// One-based line on which the record starts.
        line: u64,
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
    /// What the owner of the run does next.
    pub const fn disposition(&self) -> Disposition {
        match self {
            Self::Remote { fault, .. } => fault.disposition(),
            Self::Read { .. } => Disposition::retry(Reason::InternalError),
            Self::Empty { .. }
            | Self::TooLarge { .. }
            | Self::Expansion { .. }
            | Self::TooManyRecords { .. }
            | Self::Compressed { .. }
            | Self::CutOff { .. }
            | Self::Syntax { .. }
            | Self::Trailing { .. }
            | Self::NotProfiles { .. }
            | Self::Header { .. }
            | Self::UnclosedQuote { .. } => Disposition::Stalled { reason: Reason::SourceInvalid },
        }
    }
}

/// What is wrong with a CSV header. Columns are counted from one and not named: the first line
/// of a file without a header is personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HeaderFault {
    /// There is no header line.
    #[error("there is none")]
    Missing,
    /// The header is not UTF-8.
    #[error("it is not UTF-8: save the file as CSV UTF-8")]
    NotUtf8,
    /// The header line is longer than a record may be.
    #[error("it is larger than {limit} bytes")]
    TooLarge {
        /// Bytes accepted.
        limit: usize,
    },
    /// Too many columns.
    #[error("it has more than {limit} columns")]
    TooManyColumns {
        /// Columns accepted.
        limit: usize,
    },
    /// A cell of the first line is an e-mail address.
    #[error("column {column} looks like data: is the header line missing?")]
    LooksLikeData {
        /// The column.
        column: usize,
    },
    /// One cell that holds another separator.
    #[error("its cells are separated by a {separator}: save the file with commas")]
    Separator {
        /// `semicolon` or `tab`.
        separator: &'static str,
    },
    /// Two columns of one name, ignoring case and spaces.
    #[error("columns {first} and {second} have the same name")]
    Duplicate {
        /// The earlier column.
        first: usize,
        /// The later column.
        second: usize,
    },
    /// Two columns for one profile field, or for a field and a field inside it.
    #[error(
        "column {column} sets a profile field that an earlier column sets: \
         map one of them to another field in spec.source.csv.headers"
    )]
    Conflict {
        /// The later column.
        column: usize,
    },
    /// The header map has an invalid path for a column.
    #[error("spec.source.csv.headers maps column {column} to an invalid path")]
    Path {
        /// The column.
        column: usize,
    },
}
