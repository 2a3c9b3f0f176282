//! The bytes of a part as decoders see them: decompressed, bounded, without a byte order mark.
//! Reads from the reader it is given.

use std::{
    fmt,
    io::{self, Read},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::read::MultiGzDecoder;

use super::{Compression, Limits, SourceError, zstd::ZstdFrames};
use crate::storage::ReadFault;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const BUFFER_BYTES: usize = 64 << 10;
/// A high ratio below this size is harmless, and common.
const RATIO_FREE_BYTES: u64 = 1 << 20;

type Source = Box<dyn Read + Send>;

/// How data is compressed, by its first bytes.
pub(super) fn compression(head: &[u8]) -> Option<Compression> {
    match head {
        head if head.starts_with(GZIP_MAGIC) => Some(Compression::Gzip),
        head if head.starts_with(ZSTD_MAGIC) => Some(Compression::Zstd),
        _ => None,
    }
}

pub(super) struct Input {
    part: Arc<str>,
    reader: Bounded,
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
    pub(super) fn open(
        part: &Arc<str>,
        mut reader: Source,
        limits: &Limits,
    ) -> Result<Self, SourceError> {
        let read_failure: Arc<OnceLock<ReadFailure>> = Arc::default();
        let mut head = Vec::with_capacity(ZSTD_MAGIC.len());
        reader
            .by_ref()
            .take(ZSTD_MAGIC.len() as u64)
            .read_to_end(&mut head)
            .map_err(|error| ReadFailure::of(&error).in_part(part))?;
        let compression = compression(&head);
        let whole: Source = Box::new(io::Cursor::new(head).chain(reader));
        let count = Arc::new(AtomicU64::new(0));
        let counted = Counted { inner: whole, count: count.clone(), failure: read_failure.clone() };
        let inner: Source = match compression {
            Some(Compression::Gzip) => Box::new(MultiGzDecoder::new(counted)),
            Some(Compression::Zstd) => Box::new(ZstdFrames::new(counted)),
            None => Box::new(counted),
        };
        let consumed = compression.map(|_| count);
        let (limit, ratio) = (limits.max_expanded_bytes, limits.max_ratio);
        let mut input = Self {
            part: part.clone(),
            reader: Bounded { inner, consumed, taken: 0, limit, ratio },
            buffer: vec![0; BUFFER_BYTES].into(),
            start: 0,
            end: 0,
            ended: false,
            failure: None,
            compression,
            read_failure,
        };
        if input.look_ahead().starts_with(BYTE_ORDER_MARK) {
            input.consume(BYTE_ORDER_MARK.len());
        }
        Ok(input)
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
}

impl Input {
    fn source_error(&self, error: &io::Error) -> SourceError {
        let part = self.part.clone();
        if let Some(refused) = error.get_ref().and_then(|inner| inner.downcast_ref::<Refused>()) {
            return match *refused {
                Refused::Size(limit) => SourceError::TooLarge { part, limit },
                Refused::Ratio(limit) => SourceError::Expansion { part, limit },
            };
        }
        // A failed read makes decompression fail, too: the read is the cause.
        match (self.read_failure.get(), self.compression) {
            (Some(failure), _) => failure.in_part(&part),
            (None, Some(compression)) => SourceError::Compressed { part, compression },
            (None, None) => ReadFailure::of(error).in_part(&part),
        }
    }
}

/// Fails once more was read than is accepted.
struct Bounded {
    inner: Source,
    /// Compressed bytes read so far; `None` for plain data.
    consumed: Option<Arc<AtomicU64>>,
    taken: u64,
    limit: u64,
    ratio: u64,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = loop {
            match self.inner.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => break done?,
            }
        };
        self.taken += count as u64;
        if self.taken > self.limit {
            return Err(io::Error::other(Refused::Size(self.limit)));
        }
        if let Some(consumed) = &self.consumed {
            let accepted = consumed.load(Ordering::Relaxed).saturating_mul(self.ratio);
            if self.taken > RATIO_FREE_BYTES && self.taken > accepted {
                return Err(io::Error::other(Refused::Ratio(self.ratio)));
            }
        }
        Ok(count)
    }
}

/// Counts the stored bytes, and keeps the first failure to read them.
struct Counted {
    inner: Source,
    count: Arc<AtomicU64>,
    failure: Arc<OnceLock<ReadFailure>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer);
        match &read {
            Ok(count) => {
                self.count.fetch_add(*count as u64, Ordering::Relaxed);
            }
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                // Later failures do not replace the first one.
                let _ = self.failure.set(ReadFailure::of(error));
            }
            Err(_) => {}
        }
        read
    }
}

/// Why the stored bytes cannot be read.
#[derive(Debug, Clone, Copy)]
enum ReadFailure {
    Remote(ReadFault),
    Local(io::ErrorKind),
}

impl ReadFailure {
    fn of(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<ReadFault>()) {
            Some(fault) => Self::Remote(*fault),
            None => Self::Local(error.kind()),
        }
    }

    fn in_part(self, part: &Arc<str>) -> SourceError {
        let part = part.clone();
        match self {
            Self::Remote(fault) => SourceError::Remote { part, fault },
            Self::Local(kind) => SourceError::Read { part, kind },
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Refused {
    Size(u64),
    Ratio(u64),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("more data than accepted")
    }
}

impl std::error::Error for Refused {}
