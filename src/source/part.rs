//! Parts of a source and the bounds of reading them. Pure.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::Format;
use crate::domain::{Digest, digest_parts};

/// One named piece of a source: a key of a ConfigMap or Secret, a file.
///
/// `Debug` shows the size, never the bytes.
#[derive(Clone)]
pub struct Part {
    /// Name as shown in positions.
    pub name: Arc<str>,
    /// The data as stored; may be gzip-compressed.
    pub bytes: Bytes,
    /// The format, where the spec names one.
    pub format: Option<Format>,
}

impl Part {
    /// Whether the data as stored is compressed.
    pub fn is_compressed(&self) -> bool {
        super::input::compression(&self.bytes).is_some()
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Part({}, {} bytes, {:?})", self.name, self.bytes.len(), self.format)
    }
}

/// Bounds of what is read from one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest record, in bytes of the decompressed part.
    pub max_record_bytes: usize,
    /// Largest part, in bytes once decompressed.
    pub max_expanded_bytes: u64,
    /// Largest growth by decompression; judged from the second MiB on.
    pub max_ratio: u64,
    /// Most records of one part.
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

/// Digest of the parts as stored: their names, formats and bytes, in this order.
pub fn digest(parts: &[Part]) -> Digest {
    digest_parts(parts.iter().flat_map(|part| {
        let format = part.format.map_or("", Format::as_str);
        [part.name.as_bytes(), format.as_bytes(), part.bytes.as_ref()]
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, bytes: &'static [u8], format: Option<Format>) -> Part {
        Part { name: name.into(), bytes: Bytes::from_static(bytes), format }
    }

    #[test]
    fn name_format_bytes_and_order_all_change_the_digest() {
        let (a, b) = (part("a", b"1", None), part("b", b"2", None));
        let base = digest(&[a.clone(), b.clone()]);
        assert_eq!(base, digest(&[a.clone(), b.clone()]));
        assert_ne!(base, digest(&[b.clone(), a.clone()]));
        assert_ne!(base, digest(&[a.clone(), part("b", b"3", None)]));
        assert_ne!(base, digest(&[a.clone(), part("c", b"2", None)]));
        assert_ne!(base, digest(&[a, part("b", b"2", Some(Format::Csv))]));
    }

    #[test]
    fn debug_shows_no_data() {
        assert_eq!(format!("{:?}", part("k", b"Zyzzyva", None)), "Part(k, 7 bytes, None)");
    }
}
