//! Decoders: they turn the parts of a source into records, with one record in memory at a time.
//! They read only from the readers they are given. A bad record never hides the ones after it, and
//! no error carries candidate data.

mod columns;
mod compression;
mod csv;
mod dialect;
mod error;
mod format;
mod found;
mod gzip;
mod header_fault;
mod input;
mod json;
mod limits;
mod names;
mod ndjson;
mod outline;
mod padding;
mod part;
mod path;
mod rows;
mod stored;
mod text;
mod tree;
mod zstd;

use std::{io::Read, sync::Arc};

pub use compression::Compression;
pub use csv::CsvOptions;
pub use error::{RecordError, SourceError};
pub use format::{Format, is_told_by_name};
pub use found::Found;
pub use header_fault::HeaderFault;
pub use limits::Limits;
pub use names::{PROFILE_FIELDS, built_in_headers, is_root};
pub use outline::{Outline, OwnColumns};
pub use part::{Part, digest};

use crate::{
    domain::{Profile, SourcePosition},
    storage::Opening,
};
use input::Input;
use serde_json::Value;

/// The character that ended a file in CP/M and DOS; some programs still write it.
const END_OF_FILE: u8 = 0x1a;

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

struct Unopened {
    reader: Box<dyn Read + Send>,
    charset: Option<Arc<str>>,
    format: Option<Format>,
    csv: CsvOptions,
    /// Whether profiles keep their text.
    keeps_text: bool,
}

enum Stage {
    Unopened(Unopened),
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
    let csv = csv.clone();
    let (reader, charset, keeps_text) = (Box::new(reader), None, false);
    let unopened = Unopened { reader, charset, format, csv, keeps_text };
    Records::of(name.clone(), unopened, limits)
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
        Ok(reader) => {
            let charset = opening.charset.clone();
            let (csv, keeps_text) = (csv.clone(), false);
            Records::of(part, Unopened { reader, charset, format, csv, keeps_text }, limits)
        }
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

/// What the first of some values consists of.
pub fn outline_values(name: &Arc<str>, values: &[Value]) -> Option<Outline> {
    values.first().map(|value| Outline::of_json(name, value.to_string().as_bytes()))
}

fn profile(value: Value) -> Result<Profile, RecordError> {
    Profile::try_from(value).map_err(|found| RecordError::NotAnObject { found })
}

/// The same, with the text that it was read from. It was read before, so it is UTF-8.
fn profile_with_text(value: Value, text: &[u8]) -> Result<Profile, RecordError> {
    let profile = profile(value)?;
    Ok(match std::str::from_utf8(text) {
        Ok(text) => profile.with_text(text.trim()),
        Err(_) => profile,
    })
}

impl Records {
    /// The same, where each profile of a JSON or NDJSON part keeps its text: [`Profile::text`].
    #[must_use]
    pub fn with_text(mut self) -> Self {
        if let Stage::Unopened(unopened) = &mut self.stage {
            unopened.keeps_text = true;
        }
        self
    }

    fn of(part: Arc<str>, unopened: Unopened, limits: &Limits) -> Self {
        Self { part, limits: *limits, yielded: 0, stage: Stage::Unopened(unopened) }
    }

    fn advance(&mut self) -> Result<Option<Decoded>, SourceError> {
        if let Stage::Unopened(_) = self.stage {
            let Stage::Unopened(unopened) = std::mem::replace(&mut self.stage, Stage::Done) else {
                return Ok(None);
            };
            self.stage = Stage::Open(self.open(unopened)?);
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

    /// What the part consists of, if it can be read so far.
    pub fn outline(self) -> Option<Outline> {
        let Self { part, limits, stage: Stage::Unopened(unopened), .. } = self else { return None };
        let Unopened { reader, charset, format, csv, .. } = unopened;
        let mut input = Input::open(&part, reader, charset.as_deref(), &limits).ok()?;
        match format.unwrap_or_else(|| format::detect(&part, &mut input)) {
            Format::Json | Format::Ndjson => Some(Outline::of_json(&part, input.look_ahead())),
            Format::Csv => {
                let opened = csv::CsvDecoder::open(input, &csv, limits.max_record_bytes);
                opened.ok().map(|decoder| decoder.outline())
            }
        }
    }

    fn open(&self, unopened: Unopened) -> Result<Box<dyn Decoder>, SourceError> {
        let Unopened { reader, charset, format, csv, keeps_text } = unopened;
        let mut input = Input::open(&self.part, reader, charset.as_deref(), &self.limits)?;
        let format = format.unwrap_or_else(|| format::detect(&self.part, &mut input));
        let max_record = self.limits.max_record_bytes;
        Ok(match format {
            Format::Json => Box::new(json::JsonDecoder::new(input, max_record, keeps_text)),
            Format::Ndjson => Box::new(ndjson::NdjsonDecoder::new(input, max_record, keeps_text)),
            Format::Csv => Box::new(csv::CsvDecoder::open(input, &csv, max_record)?),
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
