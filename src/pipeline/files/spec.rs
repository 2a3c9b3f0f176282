//! What a run that writes a file is asked to do. Pure.

use crate::{
    mapping::{Plan, Select},
    output::{Compression, CsvStyle},
    pipeline::{DocumentStyle, Guards, Mode, Source},
    storage::Destination,
};

/// What a run is asked to do: everything that decides what is in the file.
#[derive(Debug)]
pub struct FileSpec<S = Source> {
    /// Where the records come from.
    pub source: S,
    /// Which records are written.
    pub select: Option<Select>,
    /// Maximum number of records written, counted after `select`.
    pub limit: Option<u64>,
    /// How a profile becomes attributes. Absent: profiles are written as they are. A document shows
    /// profiles, and has none.
    pub mapping: Option<Plan>,
    /// How rows become bytes.
    pub encoding: Encoding,
    /// How these are compressed.
    pub compression: Compression,
    /// Whether anything is written.
    pub mode: Mode,
    /// Limits on what is read.
    pub guards: Guards,
    /// How many records the source had in the last completed run, if that is known.
    pub baseline: Option<u64>,
    /// How many rows the file has that was written last, if there is one.
    pub rows: Option<u64>,
}

/// How rows become bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encoding {
    /// As CSV.
    Csv(CsvStyle),
    /// As NDJSON.
    Ndjson,
    /// As one PDF document, each person on pages of their own.
    Pdf(DocumentStyle),
}

/// The file that the last run wrote.
#[derive(Debug, Clone)]
pub struct LastFile {
    /// Where it is.
    pub destination: Destination,
    /// Its version then, as [`FileInfo`](crate::pipeline::FileInfo) has it.
    pub version: String,
    /// The version of a remote source then.
    pub source: Option<String>,
}
