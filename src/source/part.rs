//! Parts of a source. Pure.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::{Compression, Format};
use crate::domain::{Digest, digest_parts};

/// One named piece of a source: a key of a ConfigMap or Secret, a file.
///
/// `Debug` shows the size, never the bytes.
#[derive(Clone)]
pub struct Part {
    /// The name, as shown in positions.
    pub name: Arc<str>,
    /// The data as stored, which may be compressed.
    pub bytes: Bytes,
    /// The format, where the spec names one.
    pub format: Option<Format>,
}

impl Part {
    /// Whether the stored data is compressed.
    pub fn is_compressed(&self) -> bool {
        Compression::of(&self.bytes).is_some()
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Part({}, {} bytes, {:?})", self.name, self.bytes.len(), self.format)
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
