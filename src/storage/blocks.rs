//! A remote object as a blocking reader. It is fetched block by block, so that no connection stays
//! open while records are pushed. Does I/O, on the blocking thread that decodes.

use std::{
    io::{self, Read},
    ops::Range,
    sync::{Arc, OnceLock},
};

use bytes::{Buf, Bytes};
use futures::{Stream, StreamExt, future::BoxFuture};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use super::ReadFault;

/// The most bytes of one request.
const BLOCK_BYTES: u64 = 4 << 20;

/// An object of one version that can be read in parts.
pub(super) trait Blocks: Send + Sync {
    /// Exactly these bytes; [`ReadFault::Changed`] when the version is another.
    fn block(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ReadFault>>;
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
            // What is consumed is in memory as long as it is here.
            self.present = Bytes::new();
            let end = self.size.min(self.at + BLOCK_BYTES);
            let block = self.runtime.block_on(self.blocks.block(self.at..end));
            let block = block.map_err(io::Error::other)?;
            if block.len() as u64 != end - self.at {
                return Err(io::Error::other(ReadFault::WrongBytes));
            }
            self.at = end;
            self.present = block;
        }
        Ok(take(&mut self.present, buffer))
    }
}

/// Reads an answer as it arrives, for servers without range requests.
pub(super) struct StreamReader<S> {
    pub(super) runtime: Handle,
    pub(super) stream: S,
    pub(super) present: Bytes,
}

impl<S> Read for StreamReader<S>
where
    S: Stream<Item = Result<Bytes, ReadFault>> + Unpin,
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

/// Hashes what it reads, and fails at the end when an earlier reading had another hash. For servers
/// that report no version.
pub(super) struct Hashed<R> {
    pub(super) inner: R,
    pub(super) hasher: Sha256,
    /// The hash of the first complete reading.
    pub(super) first: Arc<OnceLock<[u8; 32]>>,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        if count == 0 && !buffer.is_empty() {
            let hash: [u8; 32] = self.hasher.clone().finalize().into();
            if *self.first.get_or_init(|| hash) != hash {
                return Err(io::Error::other(ReadFault::Changed));
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::FutureExt as _;

    use super::*;

    /// Blocks of zeros, of which at most one may exist.
    #[derive(Clone, Default)]
    struct OneByOne(Arc<AtomicUsize>);

    struct Present(Vec<u8>, OneByOne);

    impl AsRef<[u8]> for Present {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    impl Drop for Present {
        fn drop(&mut self) {
            self.1.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    impl Blocks for OneByOne {
        fn block(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ReadFault>> {
            assert_eq!(self.0.fetch_add(1, Ordering::Relaxed), 0, "the one before is dropped");
            let length = usize::try_from(range.end - range.start).unwrap();
            let block = Bytes::from_owner(Present(vec![0; length], self.clone()));
            async { Ok(block) }.boxed()
        }
    }

    #[test]
    fn a_block_is_dropped_before_the_next_one_is_fetched() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let size = 2 * BLOCK_BYTES + 1;
        let mut reader = BlockReader {
            runtime: runtime.handle().clone(),
            blocks: Arc::new(OneByOne::default()),
            size,
            at: 0,
            present: Bytes::new(),
        };
        assert_eq!(io::copy(&mut reader, &mut io::sink()).unwrap(), size);
    }
}
