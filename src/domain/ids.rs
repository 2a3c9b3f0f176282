//! Identifiers, each a type of its own so that "string" never means two things. Pure.

use std::fmt;

use thiserror::Error;

/// Why a text is not a valid Clinch id. Does not carry the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ClinchIdError {
    /// Empty, or longer than [`ClinchId::MAX_BYTES`].
    #[error("an id of {0} bytes; 1 to 64 are taken")]
    Length(usize),
    /// A character that has no place in a URL path segment.
    #[error("an id holds a character other than letters, digits, '-', '_', '.', '~'")]
    Character,
}

/// The id of a Clinch resource: opaque, 1 to 64 bytes, safe as one URL path segment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClinchId(Box<str>);

impl ClinchId {
    /// The maximum length, in bytes: an id has to fit a ledger entry.
    pub const MAX_BYTES: usize = 64;

    /// Checks length and alphabet: an id becomes one segment of a URL path.
    pub fn parse(text: &str) -> Result<Self, ClinchIdError> {
        if text.is_empty() || text.len() > Self::MAX_BYTES {
            return Err(ClinchIdError::Length(text.len()));
        }
        let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
        if !text.bytes().all(unreserved) || text == "." || text == ".." {
            return Err(ClinchIdError::Character);
        }
        Ok(Self(text.into()))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClinchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Opaque name of a record in status and Events: a keyed hash, shown as 16 hex digits.
///
/// Pseudonymous: stable within one export, useless without the export's ledger key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(pub [u8; 8]);

impl RecordId {
    /// Reads it as it is shown.
    pub fn parse(text: &str) -> Option<Self> {
        let mut id = [0; 8];
        hex::decode_to_slice(text, &mut id).ok()?;
        Some(Self(id))
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_could_leave_its_path_segment_is_refused() {
        for bad in ["", "..", "a/b", "a?b", "a%2fb", "a b", &"x".repeat(65)] {
            assert!(ClinchId::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(ClinchId::parse("0f4c1d3a").unwrap().as_str(), "0f4c1d3a");
    }

    #[test]
    fn record_ids_are_read_as_they_are_shown() {
        let id = RecordId([1, 2, 3, 4, 5, 6, 7, 255]);
        assert_eq!(RecordId::parse(&id.to_string()), Some(id));
        assert_eq!(RecordId::parse("0102"), None);
    }
}
