//! What can be wrong with the header of a CSV part. Pure.

use thiserror::Error;

/// What is wrong with a CSV header. Columns are counted from one and not named: the first line
/// of a file without a header is personal data.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
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
    /// A NUL character.
    #[error("it has a NUL character: save the file as CSV UTF-8")]
    Nul,
    /// A `sep=` line without one usable separator.
    #[error("the line sep= names no separator: use one character, such as sep=;")]
    SepLine,
    /// Lines before the header.
    #[error("the header seems to be line {line}: remove the lines before it")]
    Title {
        /// One-based line of what looks like the header.
        line: u64,
    },
    /// One cell, where the lines after it have several.
    #[error(
        "line {line} is one cell, the lines after it have {cells}: if it is a title or comment, remove it"
    )]
    OneCell {
        /// One-based line.
        line: u64,
        /// Cells of the lines after it.
        cells: usize,
    },
    /// One cell that holds separators.
    #[error(
        "it is one cell that holds separators: remove the quotes around whole lines, or correct the \
         line sep="
    )]
    Separator,
    /// Two columns of one name, ignoring case, spaces and underscores.
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
    /// A column that fills a profile field, while the mapping reads it by its header.
    #[error(
        "column {column} is built in and fills {path}, but the mapping reads it by its header under x: \
         use {path} in the mapping, or map the column in spec.source.csv.headers"
    )]
    BuiltIn {
        /// The column.
        column: usize,
        /// The profile path that it fills.
        path: String,
    },
    /// The header map has an invalid path for a column.
    #[error("spec.source.csv.headers maps column {column} to an invalid path")]
    Path {
        /// The column.
        column: usize,
    },
}
