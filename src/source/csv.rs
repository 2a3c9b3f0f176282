//! Comma-separated rows. They are split here and not by the `csv` crate, which buffers a row of any
//! size (with an unclosed quote, the rest of the part) and counts lines differently for CRLF and
//! blank lines. A property test compares the cells of both.

use std::collections::BTreeMap;

use super::{
    Decoded, Decoder, HeaderFault, RecordError, SourceError, columns::Columns, input::Input,
};
use crate::domain::{Profile, SourcePosition};

/// How CSV columns become profile fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CsvOptions {
    /// Profile path by column header; overrides the built-in names. Case, spaces and underscores of
    /// headers are ignored.
    pub headers: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    CellStart,
    Plain,
    Quoted,
    /// After a quote inside a quoted cell: its end, or the first half of a doubled quote.
    Quote,
}

enum Row {
    End,
    Whole { line: u64 },
    TooLarge { line: u64 },
}

/// Splits rows; keeps the cells of the last one.
struct Rows {
    input: Input,
    /// One-based line of the next byte.
    line: u64,
    after_return: bool,
    max_record: usize,
    text: Vec<u8>,
    /// Where each cell ends in `text`.
    ends: Vec<usize>,
}

impl Rows {
    fn new(input: Input, max_record: usize) -> Self {
        let (text, ends) = (Vec::new(), Vec::new());
        Self { input, line: 1, after_return: false, max_record, text, ends }
    }

    fn next(&mut self) -> Result<Row, SourceError> {
        self.text.clear();
        self.ends.clear();
        let (mut at, mut size, mut start) = (At::CellStart, 0_usize, self.line);
        loop {
            let bytes = self.input.fill()?;
            if bytes.is_empty() {
                return match (size, at) {
                    (0, _) => Ok(Row::End),
                    (_, At::Quoted) => {
                        let part = self.input.part().clone();
                        Err(SourceError::UnclosedQuote { part, line: start })
                    }
                    _ => Ok(self.complete(start, size)),
                };
            }
            let mut used = 0;
            for &byte in bytes {
                used += 1;
                let breaks = match byte {
                    b'\r' => true,
                    b'\n' => !self.after_return,
                    _ => false,
                };
                // The second half of CRLF belongs to the previous line.
                let paired = byte == b'\n' && self.after_return;
                self.line += u64::from(breaks);
                self.after_return = byte == b'\r';
                if at != At::Quoted && (breaks || paired) {
                    if size == 0 {
                        start = self.line;
                        continue;
                    }
                    self.input.consume(used);
                    return Ok(self.complete(start, size));
                }
                size += 1;
                let keep = size <= self.max_record;
                at = match (at, byte) {
                    (At::CellStart, b'"') => At::Quoted,
                    (At::Quoted, b'"') => At::Quote,
                    (At::CellStart | At::Plain | At::Quote, b',') => {
                        if keep {
                            self.ends.push(self.text.len());
                        }
                        At::CellStart
                    }
                    (At::Quoted, _) | (At::Quote, b'"') => {
                        if keep {
                            self.text.push(byte);
                        }
                        At::Quoted
                    }
                    (At::CellStart | At::Plain | At::Quote, _) => {
                        if keep {
                            self.text.push(byte);
                        }
                        At::Plain
                    }
                };
            }
            self.input.consume(used);
        }
    }

    fn complete(&mut self, line: u64, size: usize) -> Row {
        if size > self.max_record {
            return Row::TooLarge { line };
        }
        self.ends.push(self.text.len());
        Row::Whole { line }
    }

    /// The cells of the row, or the offset of the first byte that is not UTF-8. Each cell is checked
    /// on its own: two invalid ones can be valid together.
    fn cells(&self) -> Result<Vec<&str>, usize> {
        let mut start = 0;
        let mut cells = Vec::with_capacity(self.ends.len());
        for &end in &self.ends {
            let cell = std::str::from_utf8(&self.text[start..end]);
            cells.push(cell.map_err(|error| start + error.valid_up_to())?);
            start = end;
        }
        Ok(cells)
    }
}

pub(super) struct CsvDecoder {
    rows: Rows,
    columns: Columns,
    index: u64,
}

impl CsvDecoder {
    pub(super) fn open(
        input: Input,
        options: &CsvOptions,
        max_record: usize,
    ) -> Result<Self, SourceError> {
        let part = input.part().clone();
        let mut rows = Rows::new(input, max_record);
        let columns = match rows.next()? {
            Row::End => Err(HeaderFault::Missing),
            Row::TooLarge { .. } => Err(HeaderFault::TooLarge { limit: max_record }),
            Row::Whole { .. } => match rows.cells() {
                Ok(cells) => Columns::resolve(&cells, &options.headers),
                Err(_) => Err(HeaderFault::NotUtf8),
            },
        };
        let columns = columns.map_err(|fault| SourceError::Header { part, fault })?;
        Ok(Self { rows, columns, index: 0 })
    }

    /// The profile of the current row; `None` for a row of empty cells, which spreadsheets append.
    fn profile(&self, line: u64) -> Result<Option<Profile>, RecordError> {
        let cells = self.rows.cells().map_err(|at| {
            let breaks = self.rows.text[..at].split(|byte| *byte == b'\n').count() - 1;
            RecordError::NotUtf8 { line: line + breaks as u64 }
        })?;
        let (expected, found) = (self.columns.len(), cells.len());
        if expected != found {
            return Err(RecordError::CellCount { expected, found });
        }
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            return Ok(None);
        }
        Ok(Some(self.columns.profile(cells.into_iter())))
    }
}

impl Decoder for CsvDecoder {
    fn next_record(&mut self) -> Result<Option<Decoded>, SourceError> {
        loop {
            let (line, result) = match self.rows.next()? {
                Row::End => return Ok(None),
                Row::TooLarge { line } => {
                    (line, Err(RecordError::TooLarge { limit: self.rows.max_record }))
                }
                Row::Whole { line } => match self.profile(line).transpose() {
                    Some(result) => (line, result),
                    None => continue,
                },
            };
            let part = self.rows.input.part().clone();
            let position = SourcePosition { part, index: self.index, line: Some(line) };
            self.index += 1;
            return Ok(Some(Decoded { position, result }));
        }
    }
}
