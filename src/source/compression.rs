//! How a part is compressed, by its first bytes. Pure.

use std::fmt;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// How many bytes decide.
pub(super) const MAGIC_BYTES: usize = ZSTD_MAGIC.len();

/// How a part is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

impl Compression {
    /// The compression of data that begins with `head`.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head {
            head if head.starts_with(GZIP_MAGIC) => Some(Self::Gzip),
            head if head.starts_with(ZSTD_MAGIC) => Some(Self::Zstd),
            _ => None,
        }
    }
}
