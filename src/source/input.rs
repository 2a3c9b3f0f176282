//! The bytes of a part as decoders see them: decompressed, bounded, UTF-8 without a byte order mark.
//! Reads from the reader it is given.

use std::{
    io::{self, Read},
    sync::{Arc, OnceLock, atomic::AtomicU64},
};

use encoding_rs::UTF_8;

use super::{
    Compression, Limits, SourceError,
    compression::MAGIC_BYTES,
    found,
    gzip::GzipMembers,
    stored::{Ahead, Bounded, Counted, Gathered, ReadFailure, Refused, Source},
    text::{self, HalfCharacter, Transcoded, Undecodable},
    zstd::ZstdFrames,
};

const BUFFER_BYTES: usize = 64 << 10;
/// How many bytes decide about encoding and kind.
const HEAD_BYTES: u64 = 4096;

pub(super) struct Input {
    part: Arc<str>,
    reader: Source,
    /// Holds unconsumed bytes from `start` to `end`.
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    ended: bool,
    /// Returned once the bytes before it are consumed.
    failure: Option<SourceError>,
    compression: Option<Compression>,
    /// The first failure below the decompression.
    read_failure: Arc<OnceLock<ReadFailure>>,
}

impl Input {
    /// `charset`: what the server declares, if it does.
    pub(super) fn open(
        part: &Arc<str>,
        mut reader: Source,
        charset: Option<&str>,
        limits: &Limits,
    ) -> Result<Self, SourceError> {
        let read_failure: Arc<OnceLock<ReadFailure>> = Arc::default();
        let mut head = Vec::with_capacity(MAGIC_BYTES);
        reader
            .by_ref()
            .take(MAGIC_BYTES as u64)
            .read_to_end(&mut head)
            .map_err(|error| ReadFailure::of(&error).in_part(part))?;
        let compression = Compression::of(&head);
        let whole: Source = Box::new(io::Cursor::new(head).chain(reader));
        let count = Arc::new(AtomicU64::new(0));
        let counted = Counted { inner: whole, count: count.clone(), failure: read_failure.clone() };
        let inner: Source = match compression {
            Some(Compression::Gzip) => Box::new(GzipMembers::new(Gathered::of(counted))),
            Some(Compression::Zstd) => Box::new(ZstdFrames::new(Gathered::of(counted))),
            None => Box::new(counted),
        };
        let consumed = compression.map(|_| count);
        let (limit, ratio) = (limits.max_expanded_bytes, limits.max_ratio);
        let bounded = Bounded { inner, consumed, taken: 0, limit, ratio };
        let mut input = Self {
            part: part.clone(),
            reader: as_text(part, Ahead::of(bounded, HEAD_BYTES), charset)?,
            buffer: vec![0; BUFFER_BYTES].into(),
            start: 0,
            end: 0,
            ended: false,
            failure: None,
            compression,
            read_failure,
        };
        let head = input.look_ahead();
        let whole = head.len() < BUFFER_BYTES;
        match found::look(head, whole) {
            Some(found) => Err(SourceError::NotData { part: part.clone(), found }),
            None => Ok(input),
        }
    }

    pub(super) fn part(&self) -> &Arc<str> {
        &self.part
    }

    /// Fills the buffer and returns it: partly filled only where the part ends or fails.
    pub(super) fn look_ahead(&mut self) -> &[u8] {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < self.buffer.len() && !self.ended && self.failure.is_none() {
            self.read_more();
        }
        &self.buffer[..self.end]
    }

    /// Whether the buffer holds all that is left.
    pub(super) fn is_whole(&self) -> bool {
        self.ended
    }

    /// The buffered bytes; empty only at the end of the part.
    pub(super) fn fill(&mut self) -> Result<&[u8], SourceError> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if !self.ended && self.failure.is_none() {
                self.read_more();
            }
            if self.end == 0
                && let Some(failure) = &self.failure
            {
                return Err(failure.clone());
            }
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// Consumes `count` of the buffered bytes.
    pub(super) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    fn read_more(&mut self) {
        match self.reader.read(&mut self.buffer[self.end..]) {
            Ok(count) => {
                self.end += count;
                self.ended = count == 0;
            }
            Err(error) => {
                self.failure = Some(self.source_error(&error));
            }
        }
    }

    fn source_error(&self, error: &io::Error) -> SourceError {
        let part = self.part.clone();
        if let Some(refused) = error.get_ref().and_then(|inner| inner.downcast_ref::<Refused>()) {
            return match *refused {
                Refused::Size(limit) => SourceError::TooLarge { part, limit },
                Refused::Ratio(limit) => SourceError::Expansion { part, limit },
            };
        }
        if error.get_ref().and_then(|inner| inner.downcast_ref::<HalfCharacter>()).is_some() {
            return SourceError::HalfCharacter { part };
        }
        // A failed read makes decompression fail, too: the read is the cause.
        match (self.read_failure.get(), self.compression) {
            (Some(failure), _) => failure.in_part(&part),
            (None, Some(compression)) => SourceError::Compressed { part, compression },
            (None, None) => ReadFailure::of(error).in_part(&part),
        }
    }
}

/// The data as UTF-8 without a byte order mark, unless it is no text.
fn as_text(
    part: &Arc<str>,
    mut data: Ahead<Bounded>,
    charset: Option<&str>,
) -> Result<Source, SourceError> {
    if let Some(found) = found::signature(data.head()) {
        return Err(SourceError::NotData { part: part.clone(), found });
    }
    let part = part.clone();
    let (encoding, mark) = match text::encoding(data.head(), charset) {
        Ok(found) => found,
        // A few bytes before a failure may look like anything: the failure follows.
        Err(Undecodable::Utf32) if data.is_cut() => (UTF_8, 0),
        Err(Undecodable::Utf32) => return Err(SourceError::Utf32 { part }),
        Err(Undecodable::Unknown) => return Err(SourceError::UnknownCharset { part }),
    };
    data.skip(mark);
    Ok(if encoding == UTF_8 { Box::new(data) } else { Box::new(Transcoded::new(data, encoding)) })
}
