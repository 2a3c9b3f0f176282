//! The bytes of a part as decoders see them: decompressed, bounded, without a byte order mark.
//! Reads from what it is handed.

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
/// Up to here a high ratio is harmless, and says little.
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
    /// Those from `start` to `end` are read and not done with.
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    ended: bool,
    /// Told once the bytes before it are done with.
    failure: Option<SourceError>,
    compression: Option<Compression>,
    /// What failed below the decompression.
    failed: Arc<OnceLock<Failed>>,
}

impl Input {
    pub(super) fn open(
        part: &Arc<str>,
        mut reader: Source,
        limits: &Limits,
    ) -> Result<Self, SourceError> {
        let failed: Arc<OnceLock<Failed>> = Arc::default();
        let mut head = Vec::with_capacity(ZSTD_MAGIC.len());
        reader
            .by_ref()
            .take(ZSTD_MAGIC.len() as u64)
            .read_to_end(&mut head)
            .map_err(|error| Failed::of(&error).told(part))?;
        let compression = compression(&head);
        let whole: Source = Box::new(io::Cursor::new(head).chain(reader));
        let count = Arc::new(AtomicU64::new(0));
        let counted = Counted { inner: whole, count: count.clone(), failed: failed.clone() };
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
            failed,
        };
        if input.look_ahead().starts_with(BYTE_ORDER_MARK) {
            input.consume(BYTE_ORDER_MARK.len());
        }
        Ok(input)
    }

    pub(super) fn part(&self) -> &Arc<str> {
        &self.part
    }

    /// As many of the next bytes as the buffer takes: fewer only where the part ends or fails.
    pub(super) fn look_ahead(&mut self) -> &[u8] {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < self.buffer.len() && !self.ended && self.failure.is_none() {
            self.read_more();
        }
        &self.buffer[..self.end]
    }

    /// The bytes at hand; empty only at the end of the part.
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

    /// Moves on by `count` bytes of those at hand.
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
                self.failure = Some(self.told(&error));
            }
        }
    }
}

impl Input {
    fn told(&self, error: &io::Error) -> SourceError {
        let part = self.part.clone();
        if let Some(refused) = error.get_ref().and_then(|inner| inner.downcast_ref::<Refused>()) {
            return match *refused {
                Refused::Size(limit) => SourceError::TooLarge { part, limit },
                Refused::Ratio(limit) => SourceError::Expansion { part, limit },
            };
        }
        // What cannot be read cannot be decompressed: the first of the two is the cause.
        match (self.failed.get(), self.compression) {
            (Some(failed), _) => failed.told(&part),
            (None, Some(compression)) => SourceError::Compressed { part, compression },
            (None, None) => Failed::of(error).told(&part),
        }
    }
}

/// Ends with an error once more was read than accepted.
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

struct Counted {
    inner: Source,
    count: Arc<AtomicU64>,
    failed: Arc<OnceLock<Failed>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer);
        match &read {
            Ok(count) => {
                self.count.fetch_add(*count as u64, Ordering::Relaxed);
            }
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                // The first failure is the one that is told.
                let _ = self.failed.set(Failed::of(error));
            }
            Err(_) => {}
        }
        read
    }
}

/// Why the bytes as stored cannot be read.
#[derive(Debug, Clone, Copy)]
enum Failed {
    Remote(ReadFault),
    Here(io::ErrorKind),
}

impl Failed {
    fn of(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<ReadFault>()) {
            Some(fault) => Self::Remote(*fault),
            None => Self::Here(error.kind()),
        }
    }

    fn told(self, part: &Arc<str>) -> SourceError {
        let part = part.clone();
        match self {
            Self::Remote(fault) => SourceError::Remote { part, fault },
            Self::Here(kind) => SourceError::Read { part, kind },
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
