//! A header line, then one profile per row.

use std::collections::BTreeMap;

use super::{
    Decoded, Decoder, HeaderFault, Outline, OwnColumns, RecordError, SourceError,
    columns::{Columns, is_blank},
    dialect,
    input::Input,
    names::Names,
    rows::{NotUtf8, Row, Rows},
};
use crate::domain::{Profile, SourcePosition};

/// How CSV columns become profile fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CsvOptions {
    /// Profile path by column header; overrides the built-in names. Case, spaces, hyphens and underscores
    /// of headers are ignored.
    pub headers: BTreeMap<String, String>,
    /// Whether one leading `'` is removed from each cell: the file was escaped against spreadsheets.
    pub unescape: bool,
    /// The columns that the mapping reads by their header, under `x`.
    pub read: OwnColumns,
}

pub(super) struct CsvDecoder {
    rows: Rows,
    columns: Columns,
    unescape: bool,
    index: u64,
}

impl CsvDecoder {
    pub(super) fn open(
        mut input: Input,
        options: &CsvOptions,
        max_record: usize,
    ) -> Result<Self, SourceError> {
        let part = input.part().clone();
        let in_header = |fault| SourceError::Header { part: part.clone(), fault };
        let names = Names::of(&options.headers);
        input.look_ahead();
        let whole = input.is_whole();
        let found = dialect::find(input.look_ahead(), whole, &names);
        let dialect = found.map_err(in_header)?;
        let mut rows = Rows::new(input, dialect.separator, max_record);
        if dialect.has_line {
            rows.next()?;
        }
        let columns = loop {
            break match rows.next()? {
                Row::End => Err(HeaderFault::Missing),
                Row::TooLarge { .. } => Err(HeaderFault::TooLarge { limit: max_record }),
                Row::Whole { .. } => match cells(&rows, options.unescape) {
                    Ok(cells) if cells.iter().all(|cell| is_blank(cell)) => continue,
                    Ok(cells) => Columns::resolve(&cells, &names, &options.read),
                    Err(_) => Err(HeaderFault::NotUtf8),
                },
            };
        };
        let columns = columns.map_err(in_header)?;
        Ok(Self { columns, rows, unescape: options.unescape, index: 0 })
    }

    /// What the header consists of.
    pub(super) fn outline(&self) -> Outline {
        let (known, unknown) = self.columns.headers();
        Outline::Columns { part: self.rows.part().clone(), known, unknown }
    }

    /// The profile of the current row; `None` for a row of empty cells, which spreadsheets append.
    fn profile(&self, line: u64) -> Result<Option<Result<Profile, RecordError>>, SourceError> {
        let cells = match cells(&self.rows, self.unescape) {
            Ok(cells) => cells,
            Err(fault) if fault.cut_off => {
                return Err(SourceError::HalfCharacter { part: self.rows.part().clone() });
            }
            Err(fault) => {
                return Ok(Some(Err(RecordError::NotUtf8 { line: line + fault.breaks })));
            }
        };
        if cells.iter().all(|cell| is_blank(cell)) {
            return Ok(None);
        }
        let (accepted, found) = (self.columns.accepted(), cells.len());
        let beyond = cells.iter().skip(*accepted.end());
        if found < *accepted.start() || !beyond.clone().all(|cell| is_blank(cell)) {
            let expected =
                if found < *accepted.start() { *accepted.start() } else { *accepted.end() };
            return Ok(Some(Err(RecordError::CellCount { expected, found })));
        }
        Ok(Some(Ok(self.columns.profile(cells.into_iter()))))
    }
}

/// The cells of the current row.
fn cells(rows: &Rows, unescape: bool) -> Result<Vec<&str>, NotUtf8> {
    let mut cells = rows.cells()?;
    if unescape {
        for cell in &mut cells {
            *cell = cell.strip_prefix('\'').unwrap_or(cell);
        }
    }
    Ok(cells)
}

impl Decoder for CsvDecoder {
    fn next_record(&mut self) -> Result<Option<Decoded>, SourceError> {
        loop {
            let (line, result) = match self.rows.next()? {
                Row::End => return Ok(None),
                Row::TooLarge { line } => {
                    (line, Err(RecordError::TooLarge { limit: self.rows.max_record() }))
                }
                Row::Whole { line } => match self.profile(line)? {
                    Some(result) => (line, result),
                    None => continue,
                },
            };
            let part = self.rows.part().clone();
            let position = SourcePosition { part, index: self.index, line: Some(line) };
            self.index += 1;
            return Ok(Some(Decoded { position, result }));
        }
    }
}
