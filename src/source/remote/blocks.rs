//! A distant object as a reader: block by block, so that no connection waits while records are
//! pushed. Does I/O, on the blocking thread that decodes.

use std::{
    io::{self, Read},
    ops::Range,
    sync::{Arc, OnceLock},
};

use bytes::{Buf, Bytes};
use futures::{Stream, StreamExt, future::BoxFuture};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use super::RemoteFault;

/// Most bytes asked for at once.
const BLOCK_BYTES: u64 = 4 << 20;

/// Something whose parts can be asked for, all of one version.
pub(super) trait Blocks: Send + Sync {
    /// Exactly these bytes, or a fault; `Changed` when they are of another version.
    fn block(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, RemoteFault>>;
}

/// Reads blocks one after the other.
pub(super) struct BlockReader {
    pub(super) runtime: Handle,
    pub(super) blocks: Arc<dyn Blocks>,
    pub(super) size: u64,
    pub(super) at: u64,
    pub(super) present: Bytes,
}

impl Read for BlockReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.present.is_empty() && self.at < self.size {
            let end = self.size.min(self.at + BLOCK_BYTES);
            let block = self.runtime.block_on(self.blocks.block(self.at..end));
            let block = block.map_err(io::Error::other)?;
            if block.len() as u64 != end - self.at {
                return Err(io::Error::other(RemoteFault::NotAsAsked));
            }
            self.at = end;
            self.present = block;
        }
        Ok(take(&mut self.present, buffer))
    }
}

/// Reads an answer as it comes, for servers that send nothing but the whole.
pub(super) struct StreamReader<S> {
    pub(super) runtime: Handle,
    pub(super) stream: S,
    pub(super) present: Bytes,
}

impl<S> Read for StreamReader<S>
where
    S: Stream<Item = Result<Bytes, RemoteFault>> + Unpin,
{
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.present.is_empty() {
            match self.runtime.block_on(self.stream.next()) {
                Some(chunk) => self.present = chunk.map_err(io::Error::other)?,
                None => return Ok(0),
            }
        }
        Ok(take(&mut self.present, buffer))
    }
}

/// Sums up what it reads, and fails at the end when an earlier reading came to another sum: for
/// servers that tell no version.
pub(super) struct Summed<R> {
    pub(super) inner: R,
    pub(super) hasher: Sha256,
    /// The sum of the first whole reading.
    pub(super) first: Arc<OnceLock<[u8; 32]>>,
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        if count == 0 && !buffer.is_empty() {
            let sum: [u8; 32] = self.hasher.clone().finalize().into();
            if *self.first.get_or_init(|| sum) != sum {
                return Err(io::Error::other(RemoteFault::Changed));
            }
        }
        Ok(count)
    }
}

fn take(present: &mut Bytes, buffer: &mut [u8]) -> usize {
    let count = present.len().min(buffer.len());
    present.copy_to_slice(&mut buffer[..count]);
    count
}
