//! A JSON document, read one profile at a time. A scanner that knows only strings and brackets finds
//! where each element ends, so that a large array is never in memory as a whole.

use serde_json::Value;

use super::{
    Decoded, Decoder, END_OF_FILE, RecordError, SourceError, input::Input, profile,
    profile_with_text,
};
use crate::domain::SourcePosition;

/// Levels of nesting accepted in one profile; below what the JSON parser itself refuses.
const MAX_DEPTH: u32 = 100;

/// One-based line and column of the next byte.
#[derive(Debug, Clone, Copy)]
struct LineColumn {
    line: u64,
    column: u64,
}

impl LineColumn {
    fn advance(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
    }
}

/// Finds the end of one JSON value in bytes that arrive in pieces.
#[derive(Debug, Default)]
pub(super) struct Scan {
    depth: u32,
    deepest: u32,
    /// The outermost open brackets.
    open: Vec<u8>,
    mismatched: bool,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    /// Scans the next piece. Returns how many of its bytes belong to the value, and whether the value
    /// ends there.
    pub(super) fn feed(&mut self, piece: &[u8]) -> (usize, bool) {
        for (i, &byte) in piece.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.in_string = false;
                        if self.depth == 0 {
                            return (i + 1, true);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    if self.depth <= MAX_DEPTH {
                        self.open.push(byte);
                    }
                    self.depth += 1;
                    self.deepest = self.deepest.max(self.depth);
                }
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth <= MAX_DEPTH {
                        // `{` and `[` come two before their counterparts.
                        self.mismatched |= self.open.pop() != Some(byte - 2);
                    }
                    if self.depth == 0 {
                        return (i + 1, true);
                    }
                }
                // The delimiter after a number or word is not part of it.
                b'}' | b']' | b',' | b' ' | b'\t' | b'\r' | b'\n' if self.depth == 0 => {
                    return (i, true);
                }
                _ => {}
            }
        }
        (piece.len(), false)
    }
}

#[derive(Debug, Clone, Copy)]
enum Next {
    Document,
    FirstElement,
    Separator,
    End,
}

pub(super) struct JsonDecoder {
    input: Input,
    place: LineColumn,
    next: Next,
    /// Whether the document is an array: its elements fail alone.
    array: bool,
    index: u64,
    max_record: usize,
    keeps_text: bool,
    element: Vec<u8>,
}

impl JsonDecoder {
    pub(super) fn new(input: Input, max_record: usize, keeps_text: bool) -> Self {
        let (place, element) = (LineColumn { line: 1, column: 1 }, Vec::new());
        let (next, array, index) = (Next::Document, false, 0);
        Self { input, place, next, array, index, max_record, keeps_text, element }
    }

    fn consume(&mut self, count: usize) -> Result<(), SourceError> {
        self.place.advance(&self.input.fill()?[..count]);
        self.input.consume(count);
        Ok(())
    }

    /// The next byte that is not white space. Does not consume it.
    fn peek(&mut self) -> Result<Option<u8>, SourceError> {
        loop {
            let bytes = self.input.fill()?;
            if bytes.is_empty() {
                return Ok(None);
            }
            let at = bytes.iter().position(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n'));
            let found = at.map(|at| bytes[at]);
            let passed = at.unwrap_or(bytes.len());
            self.consume(passed)?;
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    fn cut_off(&self) -> SourceError {
        SourceError::CutOff { part: self.input.part().clone(), line: self.place.line }
    }

    fn syntax(&self, place: LineColumn) -> SourceError {
        let part = self.input.part().clone();
        SourceError::Syntax { part, line: place.line, column: place.column }
    }

    fn read_element(&mut self) -> Result<Decoded, SourceError> {
        let start = self.place;
        let mut scan = Scan::default();
        let mut size = 0;
        self.element.clear();
        loop {
            let bytes = self.input.fill()?;
            if bytes.is_empty() {
                return Err(self.cut_off());
            }
            let (used, complete) = scan.feed(bytes);
            size += used;
            if size <= self.max_record {
                self.element.extend_from_slice(&bytes[..used]);
            }
            self.consume(used)?;
            if complete {
                break;
            }
        }
        let result = if size > self.max_record {
            Err(RecordError::TooLarge { limit: self.max_record })
        } else if scan.deepest > MAX_DEPTH {
            Err(RecordError::TooDeep { limit: MAX_DEPTH })
        } else {
            self.parse(start, &scan)?
        };
        let part = self.input.part().clone();
        let position = SourcePosition { part, index: self.index, line: None };
        self.index += 1;
        Ok(Decoded { position, result })
    }

    /// An element of an array that is not JSON is rejected alone if its brackets and strings show where
    /// it ends; otherwise the start of the next one is unknown, and the whole part fails.
    fn parse(
        &self,
        start: LineColumn,
        scan: &Scan,
    ) -> Result<Result<super::Profile, RecordError>, SourceError> {
        if let Err(error) = std::str::from_utf8(&self.element) {
            let mut place = start;
            place.advance(&self.element[..error.valid_up_to()]);
            return Ok(Err(RecordError::NotUtf8 { line: place.line }));
        }
        match serde_json::from_slice::<Value>(&self.element) {
            Ok(value) if self.keeps_text => Ok(profile_with_text(value, &self.element)),
            Ok(value) => Ok(profile(value)),
            Err(error) => {
                let (line, column) = (error.line() as u64, error.column() as u64);
                let column = if line <= 1 { start.column + column.max(1) - 1 } else { column };
                let line = start.line + line.max(1) - 1;
                if self.array && !scan.mismatched {
                    return Ok(Err(RecordError::Malformed { line, column }));
                }
                Err(self.syntax(LineColumn { line, column }))
            }
        }
    }
}

impl Decoder for JsonDecoder {
    fn next_record(&mut self) -> Result<Option<Decoded>, SourceError> {
        loop {
            let peeked = self.peek()?;
            match (self.next, peeked) {
                (Next::Document, None) => {
                    return Err(SourceError::Empty { part: self.input.part().clone() });
                }
                (Next::Document, Some(b'[')) => {
                    self.consume(1)?;
                    self.array = true;
                    self.next = Next::FirstElement;
                }
                (Next::Document, Some(b'{')) => {
                    self.next = Next::End;
                    return self.read_element().map(Some);
                }
                (Next::Document, Some(_)) => {
                    return Err(SourceError::NotProfiles { part: self.input.part().clone() });
                }
                (Next::FirstElement | Next::Separator, Some(b']')) => {
                    self.consume(1)?;
                    self.next = Next::End;
                }
                (Next::FirstElement, Some(_)) => {
                    self.next = Next::Separator;
                    return self.read_element().map(Some);
                }
                (Next::Separator, Some(b',')) => {
                    self.consume(1)?;
                    return match self.peek()? {
                        Some(b']') => Err(self.syntax(self.place)),
                        Some(_) => self.read_element().map(Some),
                        None => Err(self.cut_off()),
                    };
                }
                (Next::Separator, Some(_)) => return Err(self.syntax(self.place)),
                (Next::FirstElement | Next::Separator, None) => return Err(self.cut_off()),
                (Next::End, None) => return Ok(None),
                (Next::End, Some(END_OF_FILE)) => self.consume(1)?,
                (Next::End, Some(_)) => {
                    let (part, line) = (self.input.part().clone(), self.place.line);
                    return Err(SourceError::Trailing { part, line });
                }
            }
        }
    }
}
