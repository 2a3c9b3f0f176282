//! One JSON object per line. Lines are independent: a bad one is reported, and the next one is read.

use serde_json::Value;

use super::{
    Decoded, Decoder, END_OF_FILE, RecordError, SourceError, input::Input, profile,
    profile_with_text,
};
use crate::domain::{Profile, SourcePosition};

enum Line {
    End,
    /// `ended`: by a line break, not by the end of the part.
    Whole {
        ended: bool,
    },
    TooLarge,
}

pub(super) struct NdjsonDecoder {
    input: Input,
    /// Lines started so far.
    line: u64,
    index: u64,
    max_record: usize,
    keeps_text: bool,
    text: Vec<u8>,
}

impl NdjsonDecoder {
    pub(super) fn new(input: Input, max_record: usize, keeps_text: bool) -> Self {
        Self { input, line: 0, index: 0, max_record, keeps_text, text: Vec::new() }
    }

    /// Reads the next line into `text`, up to the size of a record.
    fn read_line(&mut self) -> Result<Line, SourceError> {
        self.text.clear();
        let (mut started, mut too_large, mut ended) = (false, false, false);
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
            ended = end.is_some();
            if ended {
                break;
            }
        }
        while !ended && self.text.last() == Some(&END_OF_FILE) {
            self.text.pop();
        }
        if self.text.last() == Some(&b'\r') {
            self.text.pop();
        }
        let too_large = too_large || self.text.len() > self.max_record;
        Ok(if too_large { Line::TooLarge } else { Line::Whole { ended } })
    }

    /// The profile of the line. A last line that ends within its JSON, or within a character, shows
    /// that the part is cut off.
    fn parse(&self, ended: bool) -> Result<Result<Profile, RecordError>, SourceError> {
        let (line, part) = (self.line, || self.input.part().clone());
        let text = match std::str::from_utf8(&self.text) {
            Ok(text) => text,
            Err(error) if !ended && error.error_len().is_none() => {
                return Err(SourceError::HalfCharacter { part: part() });
            }
            Err(_) => return Ok(Err(RecordError::NotUtf8 { line })),
        };
        match serde_json::from_str::<Value>(text) {
            Ok(value) if self.keeps_text => Ok(profile_with_text(value, &self.text)),
            Ok(value) => Ok(profile(value)),
            Err(error) if error.is_eof() && !ended => {
                Err(SourceError::CutOff { part: part(), line })
            }
            Err(error) => {
                let column = (error.column() as u64).max(1);
                Ok(Err(RecordError::Malformed { line, column }))
            }
        }
    }
}

impl Decoder for NdjsonDecoder {
    fn next_record(&mut self) -> Result<Option<Decoded>, SourceError> {
        let result = loop {
            match self.read_line()? {
                Line::End => return Ok(None),
                Line::TooLarge => break Err(RecordError::TooLarge { limit: self.max_record }),
                Line::Whole { .. } if self.text.trim_ascii().is_empty() => {}
                Line::Whole { ended } => break self.parse(ended)?,
            }
        };
        let part = self.input.part().clone();
        let position = SourcePosition { part, index: self.index, line: Some(self.line) };
        self.index += 1;
        Ok(Some(Decoded { position, result }))
    }
}
