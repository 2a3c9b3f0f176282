//! A file at a destination that is being written, with its checksum. Does I/O.

use std::fmt;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;

use super::{WriteFault, local_file::LocalFile, upload::Upload};

/// How much is collected before it is written to a file of this machine.
const CHUNK_BYTES: usize = 256 << 10;

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its size.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in lower-case hex digits.
    pub sha256: String,
    /// What [`Destination::seen`](super::Destination::seen) reports while the file is the same.
    pub version: String,
}

/// A file that is being written. It appears with [`finish`](Self::finish), as a whole, in place of what
/// was there before. Until then, and after any failure, that stays.
///
/// Dropping a writer gives the file up, in the background for an object store. Call [`abort`](Self::abort)
/// where the process may end soon: parts that are in the store already can be removed only while it runs.
#[must_use = "dropping it gives the file up"]
pub struct FileWriter {
    /// `None` once it was given up.
    target: Option<Target>,
    /// Whether all bytes so far were taken: false after a write that failed or was cancelled.
    whole: bool,
    hasher: Sha256,
    bytes: u64,
}

enum Target {
    Object(Upload),
    Local {
        file: LocalFile,
        /// What is not written yet.
        pending: Vec<u8>,
    },
}

impl FileWriter {
    pub(super) fn object(upload: Upload) -> Self {
        Self::of(Target::Object(upload))
    }

    pub(super) fn local(file: LocalFile) -> Self {
        Self::of(Target::Local { file, pending: Vec::with_capacity(CHUNK_BYTES) })
    }

    fn of(target: Target) -> Self {
        Self { target: Some(target), whole: true, hasher: Sha256::new(), bytes: 0 }
    }

    /// How many bytes were taken.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes the next bytes, of any number. A writer whose write failed or was cancelled can only be given
    /// up.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), WriteFault> {
        if !std::mem::take(&mut self.whole) {
            return Err(WriteFault::Interrupted);
        }
        self.hasher.update(&bytes);
        self.bytes += bytes.len() as u64;
        let taken = self.take(&bytes).await;
        match taken {
            Ok(()) => self.whole = true,
            Err(_) => self.give_up().await,
        }
        taken
    }

    async fn take(&mut self, bytes: &[u8]) -> Result<(), WriteFault> {
        // It stays here, so that it can still be given up if this is cancelled.
        if let Some(Target::Object(upload)) = &mut self.target {
            return upload.write(bytes).await;
        }
        // The blocking thread has the file meanwhile, and gives it up if this is cancelled.
        let Some(Target::Local { file, mut pending }) = self.target.take() else {
            return Err(WriteFault::Interrupted);
        };
        pending.extend_from_slice(bytes);
        self.target = Some(if pending.len() < CHUNK_BYTES {
            Target::Local { file, pending }
        } else {
            blocking(move || flush(file, pending)).await?
        });
        Ok(())
    }

    /// Puts the file in place, durably once this returns.
    pub async fn finish(mut self) -> Result<Written, WriteFault> {
        if !self.whole {
            self.give_up().await;
        }
        let target = self.target.take().ok_or(WriteFault::Interrupted)?;
        let sha256 = hex::encode(std::mem::take(&mut self.hasher).finalize());
        let version = match target {
            Target::Object(upload) => upload.finish(&sha256).await?,
            Target::Local { mut file, pending } => {
                let finish = move || {
                    file.write(&pending)?;
                    file.finish()
                };
                blocking(finish).await?
            }
        };
        Ok(Written { bytes: self.bytes, sha256, version })
    }

    /// Gives the file up, and removes what was written of it.
    pub async fn abort(mut self) {
        self.give_up().await;
    }

    async fn give_up(&mut self) {
        match self.target.take() {
            Some(Target::Object(upload)) => upload.abort().await,
            Some(Target::Local { file, .. }) => {
                spawn_blocking(move || drop(file)).await.ok();
            }
            None => {}
        }
    }
}

fn flush(mut file: LocalFile, mut pending: Vec<u8>) -> Result<Target, WriteFault> {
    file.write(&pending)?;
    pending.clear();
    Ok(Target::Local { file, pending })
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WriteFault> + Send + 'static,
) -> Result<T, WriteFault> {
    spawn_blocking(work).await.unwrap_or(Err(WriteFault::Unreachable))
}

impl fmt::Debug for FileWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileWriter({} bytes)", self.bytes)
    }
}
