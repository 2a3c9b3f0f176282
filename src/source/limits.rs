//! How much may be read from one part. Pure.

/// Limits of one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest record, in bytes after decompression.
    pub max_record_bytes: usize,
    /// The largest part, in bytes after decompression.
    pub max_expanded_bytes: u64,
    /// The largest expansion ratio; checked from the second MiB on.
    pub max_ratio: u64,
    /// The most records of one part.
    pub max_records: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_record_bytes: 1 << 20,
            max_expanded_bytes: 64 << 20,
            max_ratio: 200,
            max_records: 1_000_000,
        }
    }
}
