//! Rows of separated cells. They are split here and not by the `csv` crate, which buffers a row of any
//! size (with an unclosed quote, the rest of the part) and counts lines differently for CRLF and
//! blank lines. A property test compares the cells of both.

use std::sync::Arc;

use super::{END_OF_FILE, SourceError, input::Input};

/// Where the next byte of a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    CellStart,
    Plain,
    Quoted,
    /// After a quote inside a quoted cell: its end, or the first half of a doubled quote.
    Quote,
}

/// What a byte of a row does.
enum Effect {
    EndsCell,
    IsText,
    /// A quote that is no text.
    None,
}

impl At {
    /// Takes the next byte, which is not one that ends the row.
    fn step(self, byte: u8, separator: u8) -> (Self, Effect) {
        match (self, byte) {
            (Self::CellStart, b'"') => (Self::Quoted, Effect::None),
            (Self::Quoted, b'"') => (Self::Quote, Effect::None),
            (Self::Quoted, _) | (Self::Quote, b'"') => (Self::Quoted, Effect::IsText),
            (_, byte) if byte == separator => (Self::CellStart, Effect::EndsCell),
            _ => (Self::Plain, Effect::IsText),
        }
    }
}

/// One row, of which [`Rows::cells`] are the cells.
pub(super) enum Row {
    End,
    Whole { line: u64 },
    TooLarge { line: u64 },
}

/// Splits rows; keeps the cells of the last one.
pub(super) struct Rows {
    input: Input,
    separator: u8,
    /// One-based line of the next byte.
    line: u64,
    after_return: bool,
    max_record: usize,
    text: Vec<u8>,
    /// Whether the last row ended with the part, not with a line break.
    at_end: bool,
    /// Where each cell ends in `text`.
    ends: Vec<usize>,
}

impl Rows {
    pub(super) fn new(input: Input, separator: u8, max_record: usize) -> Self {
        Self {
            input,
            separator,
            line: 1,
            after_return: false,
            max_record,
            text: Vec::new(),
            at_end: false,
            ends: Vec::new(),
        }
    }

    pub(super) fn part(&self) -> &Arc<str> {
        self.input.part()
    }

    pub(super) fn max_record(&self) -> usize {
        self.max_record
    }

    /// Reads the next row that is not an empty line.
    pub(super) fn next(&mut self) -> Result<Row, SourceError> {
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
                    _ => {
                        self.at_end = true;
                        Ok(self.complete(start, size))
                    }
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
                let (next, effect) = at.step(byte, self.separator);
                at = next;
                match effect {
                    Effect::EndsCell if keep => self.ends.push(self.text.len()),
                    Effect::IsText if keep => self.text.push(byte),
                    _ => {}
                }
            }
            self.input.consume(used);
        }
    }

    fn complete(&mut self, line: u64, size: usize) -> Row {
        if size > self.max_record {
            return Row::TooLarge { line };
        }
        let start = self.ends.last().copied().unwrap_or_default();
        while self.at_end && self.text.len() > start && self.text.last() == Some(&END_OF_FILE) {
            self.text.pop();
        }
        self.ends.push(self.text.len());
        Row::Whole { line }
    }

    /// The cells of the row. Each is checked on its own: two that are not UTF-8 can be valid together.
    pub(super) fn cells(&self) -> Result<Vec<&str>, NotUtf8> {
        let mut start = 0;
        let mut cells = Vec::with_capacity(self.ends.len());
        for &end in &self.ends {
            let cell = std::str::from_utf8(&self.text[start..end]);
            cells.push(cell.map_err(|error| {
                let before = &self.text[..start + error.valid_up_to()];
                NotUtf8 {
                    breaks: before.split(|byte| *byte == b'\n').count() as u64 - 1,
                    cut_off: self.at_end && end == self.text.len() && error.error_len().is_none(),
                }
            })?);
            start = end;
        }
        Ok(cells)
    }
}

/// A cell that is not UTF-8.
#[derive(Debug, Clone, Copy)]
pub(super) struct NotUtf8 {
    /// Line breaks between the start of the row and the first wrong byte.
    pub(super) breaks: u64,
    /// The part ends within a character.
    pub(super) cut_off: bool,
}

/// A row of a sample.
pub(super) struct SampleRow {
    /// One-based line on which it starts.
    pub(super) line: u64,
    pub(super) cells: Vec<String>,
}

/// The first rows of a part, at most `most`; the last one only if it is `whole` or the first.
pub(super) fn sample(text: &[u8], separator: u8, whole: bool, most: usize) -> Vec<SampleRow> {
    let mut rows: Vec<SampleRow> = Vec::new();
    let (mut cells, mut cell, mut at) = (Vec::new(), Vec::new(), At::CellStart);
    let (mut line, mut start, mut after_return) = (1, 1, false);
    let finish = |cell: &mut Vec<u8>| String::from_utf8_lossy(&std::mem::take(cell)).into_owned();
    for &byte in text {
        let paired = byte == b'\n' && after_return;
        after_return = byte == b'\r';
        let breaks = matches!(byte, b'\r' | b'\n');
        line += u64::from(breaks && !paired);
        if breaks && at != At::Quoted {
            if at != At::CellStart || !cells.is_empty() {
                cells.push(finish(&mut cell));
                rows.push(SampleRow { line: start, cells: std::mem::take(&mut cells) });
                if rows.len() == most {
                    return rows;
                }
            }
            (at, start) = (At::CellStart, line);
            continue;
        }
        let (next, effect) = at.step(byte, separator);
        at = next;
        match effect {
            Effect::EndsCell => cells.push(finish(&mut cell)),
            Effect::IsText => cell.push(byte),
            Effect::None => {}
        }
    }
    if (at != At::CellStart || !cells.is_empty()) && (whole || rows.is_empty()) {
        cells.push(finish(&mut cell));
        rows.push(SampleRow { line: start, cells });
    }
    rows
}
