//! Decoders: they turn the parts of a source into records, with one record in memory at a time.
//! They read only from the readers they are given. A bad record never hides the ones after it, and
//! no error carries candidate data.

mod columns;
mod csv;
mod error;
mod format;
mod input;
mod json;
mod limits;
mod names;
mod ndjson;
mod part;
mod path;
mod tree;
mod zstd;

use std::{io::Read, sync::Arc};

pub use csv::CsvOptions;
pub use error::{Compression, HeaderFault, RecordError, SourceError};
pub use format::Format;
pub use limits::Limits;
pub use part::{Part, digest};

use crate::{
    domain::{Profile, SourcePosition},
    storage::Opening,
};
use input::Input;
use serde_json::Value;

/// One record of a source: its position, and its profile or why it has none.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// Where the record is.
    pub position: SourcePosition,
    /// The profile, or what is wrong with this one record.
    pub result: Result<Profile, RecordError>,
}

/// Reads the next record; `None` at the end. Not called again after an error.
trait Decoder: Send {
    fn next_record(&mut self) -> Result<Option<Decoded>, SourceError>;
}

/// The records of one part, in order. An `Err` item concerns the part and is the last item.
pub struct Records {
    part: Arc<str>,
    limits: Limits,
    yielded: u64,
    stage: Stage,
}

enum Stage {
    Unopened { reader: Box<dyn Read + Send>, format: Option<Format>, csv: CsvOptions },
    Open(Box<dyn Decoder>),
    Failed(SourceError),
    Done,
}

/// Decodes a part held in memory.
pub fn decode(part: &Part, csv: &CsvOptions, limits: &Limits) -> Records {
    let reader = std::io::Cursor::new(part.bytes.clone());
    decode_reader(&part.name, reader, part.format, csv, limits)
}

/// Decodes a part from a reader, which is read only as far as records are requested.
pub fn decode_reader(
    name: &Arc<str>,
    reader: impl Read + Send + 'static,
    format: Option<Format>,
    csv: &CsvOptions,
    limits: &Limits,
) -> Records {
    let stage = Stage::Unopened { reader: Box::new(reader), format, csv: csv.clone() };
    Records { part: name.clone(), limits: *limits, yielded: 0, stage }
}

/// Decodes a file outside the cluster. Blocks: use it on a blocking thread.
pub fn decode_opening(
    opening: &Opening,
    format: Option<Format>,
    csv: &CsvOptions,
    limits: &Limits,
) -> Records {
    let part = opening.name.clone();
    match opening.open() {
        Ok(reader) => decode_reader(&part, reader, format, csv, limits),
        Err(fault) => {
            let stage = Stage::Failed(SourceError::Remote { part: part.clone(), fault });
            Records { part, limits: *limits, yielded: 0, stage }
        }
    }
}

/// Profiles that are values already, e.g. `spec.source.inline`. Never ends with an error.
pub fn decode_values<'a>(
    name: &Arc<str>,
    values: &'a [Value],
) -> impl Iterator<Item = Result<Decoded, SourceError>> + Send + use<'a> {
    let part = name.clone();
    values.iter().zip(0..).map(move |(value, index)| {
        Ok(Decoded {
            position: SourcePosition { part: part.clone(), index, line: None },
            result: profile(value.clone()),
        })
    })
}

fn profile(value: Value) -> Result<Profile, RecordError> {
    Profile::try_from(value).map_err(|found| RecordError::NotAnObject { found })
}

impl Records {
    fn advance(&mut self) -> Result<Option<Decoded>, SourceError> {
        if let Stage::Unopened { .. } = self.stage {
            let Stage::Unopened { reader, format, csv } =
                std::mem::replace(&mut self.stage, Stage::Done)
            else {
                return Ok(None);
            };
            self.stage = Stage::Open(self.open(reader, format, &csv)?);
        }
        if let Stage::Failed(error) = &self.stage {
            return Err(error.clone());
        }
        let Stage::Open(decoder) = &mut self.stage else { return Ok(None) };
        let record = decoder.next_record()?;
        if record.is_some() {
            if self.yielded == self.limits.max_records {
                let (part, limit) = (self.part.clone(), self.limits.max_records);
                return Err(SourceError::TooManyRecords { part, limit });
            }
            self.yielded += 1;
        }
        Ok(record)
    }

    fn open(
        &self,
        reader: Box<dyn Read + Send>,
        format: Option<Format>,
        csv: &CsvOptions,
    ) -> Result<Box<dyn Decoder>, SourceError> {
        let mut input = Input::open(&self.part, reader, &self.limits)?;
        let format = match format {
            Some(format) => format,
            None => format::detect(&self.part, &mut input),
        };
        let max_record = self.limits.max_record_bytes;
        Ok(match format {
            Format::Json => Box::new(json::JsonDecoder::new(input, max_record)),
            Format::Ndjson => Box::new(ndjson::NdjsonDecoder::new(input, max_record)),
            Format::Csv => Box::new(csv::CsvDecoder::open(input, csv, max_record)?),
        })
    }
}

impl Iterator for Records {
    type Item = Result<Decoded, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if !matches!(next, Ok(Some(_))) {
            self.stage = Stage::Done;
        }
        next.transpose()
    }
}

impl std::iter::FusedIterator for Records {}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records")
            .field("part", &self.part)
            .field("yielded", &self.yielded)
            .finish_non_exhaustive()
    }
}
