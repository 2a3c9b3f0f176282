//! One JSON object per line. Lines are independent: a bad one is reported, and the next one is read.

use serde_json::Value;

use super::{Decoded, Decoder, RecordError, SourceError, input::Input, profile};
use crate::domain::{Profile, SourcePosition};

enum Line {
    End,
    Whole,
    TooLarge,
}

pub(super) struct NdjsonDecoder {
    input: Input,
    /// Lines started so far.
    line: u64,
    index: u64,
    max_record: usize,
    text: Vec<u8>,
}

impl NdjsonDecoder {
    pub(super) fn new(input: Input, max_record: usize) -> Self {
        Self { input, line: 0, index: 0, max_record, text: Vec::new() }
    }

    /// Reads the next line into `text`, up to the size of a record.
    fn read_line(&mut self) -> Result<Line, SourceError> {
        self.text.clear();
        let (mut started, mut too_large) = (false, false);
        loop {
            let bytes = self.input.fill()?;
            if bytes.is_empty() {
                if !started {
                    return Ok(Line::End);
                }
                break;
            }
            if !started {
                started = true;
                self.line += 1;
            }
            let end = bytes.iter().position(|b| *b == b'\n');
            let content = &bytes[..end.unwrap_or(bytes.len())];
            // One byte more than accepted may turn out to be a carriage return.
            too_large |= self.text.len() + content.len() > self.max_record + 1;
            if !too_large {
                self.text.extend_from_slice(content);
            }
            let used = content.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                break;
            }
        }
        if self.text.last() == Some(&b'\r') {
            self.text.pop();
        }
        let too_large = too_large || self.text.len() > self.max_record;
        Ok(if too_large { Line::TooLarge } else { Line::Whole })
    }

    fn parse(&self) -> Result<Profile, RecordError> {
        let line = self.line;
        if std::str::from_utf8(&self.text).is_err() {
            return Err(RecordError::NotUtf8 { line });
        }
        let value = serde_json::from_slice::<Value>(&self.text).map_err(|error| {
            RecordError::Malformed { line, column: (error.column() as u64).max(1) }
        })?;
        profile(value)
    }
}

impl Decoder for NdjsonDecoder {
    fn next_record(&mut self) -> Result<Option<Decoded>, SourceError> {
        let result = loop {
            match self.read_line()? {
                Line::End => return Ok(None),
                Line::TooLarge => break Err(RecordError::TooLarge { limit: self.max_record }),
                Line::Whole if self.text.trim_ascii().is_empty() => {}
                Line::Whole => break self.parse(),
            }
        };
        let part = self.input.part().clone();
        let position = SourcePosition { part, index: self.index, line: Some(self.line) };
        self.index += 1;
        Ok(Some(Decoded { position, result }))
    }
}
