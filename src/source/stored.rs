//! The readers between stored bytes and text: they bound, count and look ahead. Pure but for the reader
//! they are given.

use std::{
    fmt,
    io::{self, Read},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::SourceError;
use crate::storage::ReadFault;

/// A high ratio below this size is harmless, and common.
const RATIO_FREE_BYTES: u64 = 1 << 20;

pub(super) type Source = Box<dyn Read + Send>;

/// Fails once more was read than is accepted, after the bytes that are.
pub(super) struct Bounded {
    pub(super) inner: Source,
    /// Compressed bytes read so far; `None` for plain data.
    pub(super) consumed: Option<Arc<AtomicU64>>,
    pub(super) taken: u64,
    pub(super) limit: u64,
    pub(super) ratio: u64,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let refused = |why| Err(io::Error::other(why));
        let Some(left) = self.limit.checked_sub(self.taken) else {
            return refused(Refused::Size(self.limit));
        };
        let count = uninterrupted(&mut self.inner, buffer)?;
        self.taken += count as u64;
        if let Some(consumed) = &self.consumed {
            let accepted = consumed.load(Ordering::Relaxed).saturating_mul(self.ratio);
            if self.taken > RATIO_FREE_BYTES && self.taken > accepted {
                return refused(Refused::Ratio(self.ratio));
            }
        }
        let within = usize::try_from(left).map_or(count, |left| count.min(left));
        if within == 0 && count > 0 {
            return refused(Refused::Size(self.limit));
        }
        Ok(within)
    }
}

fn uninterrupted(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Returns as many bytes as are asked for, fewer only where the data ends or fails. Decompression works in steps of
/// its input, and what it returns before a damage depends on them: with this they are the same, however bytes arrive.
pub(super) struct Gathered<R> {
    inner: R,
    /// Found after bytes that had to be returned first.
    failure: Option<io::Error>,
}

impl<R: Read> Gathered<R> {
    pub(super) fn of(inner: R) -> Self {
        Self { inner, failure: None }
    }
}

impl<R: Read> Read for Gathered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let mut filled = 0;
        while filled < buffer.len() {
            match uninterrupted(&mut self.inner, &mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(failure) if filled == 0 => return Err(failure),
                Err(failure) => {
                    self.failure = Some(failure);
                    break;
                }
            }
        }
        Ok(filled)
    }
}

/// Counts the stored bytes, and keeps the first failure to read them.
pub(super) struct Counted {
    pub(super) inner: Source,
    pub(super) count: Arc<AtomicU64>,
    pub(super) failure: Arc<OnceLock<ReadFailure>>,
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

/// Reads the first bytes ahead. A failure among them is returned after the bytes before it.
pub(super) struct Ahead<R> {
    inner: R,
    head: Vec<u8>,
    at: usize,
    failure: Option<io::Error>,
}

impl<R: Read> Ahead<R> {
    pub(super) fn of(mut inner: R, bytes: u64) -> Self {
        let mut head = Vec::new();
        let failure = inner.by_ref().take(bytes).read_to_end(&mut head).err();
        Self { inner, head, at: 0, failure }
    }

    /// The first bytes: fewer than requested only where the data ends or fails.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Whether a failure ended the first bytes early, so that they say little about the data.
    pub(super) fn is_cut(&self) -> bool {
        self.failure.is_some()
    }

    /// Leaves out the first `count` bytes.
    pub(super) fn skip(&mut self, count: usize) {
        self.at = count.min(self.head.len());
    }
}

impl<R: Read> Read for Ahead<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at < self.head.len() {
            let count = buffer.len().min(self.head.len() - self.at);
            buffer[..count].copy_from_slice(&self.head[self.at..self.at + count]);
            self.at += count;
            return Ok(count);
        }
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => uninterrupted(&mut self.inner, buffer),
        }
    }
}

/// Why the stored bytes cannot be read.
#[derive(Debug, Clone)]
pub(super) enum ReadFailure {
    Remote(ReadFault),
    Local(io::ErrorKind),
}

impl ReadFailure {
    pub(super) fn of(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<ReadFault>()) {
            Some(fault) => Self::Remote(fault.clone()),
            None => Self::Local(error.kind()),
        }
    }

    pub(super) fn in_part(&self, part: &Arc<str>) -> SourceError {
        let part = part.clone();
        match self {
            Self::Remote(fault) => SourceError::Remote { part, fault: fault.clone() },
            Self::Local(kind) => SourceError::Read { part, kind: *kind },
        }
    }
}

/// More data than accepted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refused {
    Size(u64),
    Ratio(u64),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("more data than accepted")
    }
}

impl std::error::Error for Refused {}
