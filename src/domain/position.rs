//! The position of a record in its source. Pure.

use std::{fmt, sync::Arc};

/// The place of a record in its source, as shown to people: `candidates.csv line 17`,
/// `inline[3]`. Holds no candidate value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourcePosition {
    /// Name of the part: `inline`, a ConfigMap key, a file name.
    pub part: Arc<str>,
    /// Zero-based index of the record within the part.
    pub index: u64,
    /// One-based line on which the record starts, for line-oriented formats.
    pub line: Option<u64>,
}

impl fmt::Display for SourcePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{} line {line}", self.part),
            None => write!(f, "{}[{}]", self.part, self.index),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_win_over_indexes() {
        let mut position = SourcePosition { part: "a.csv".into(), index: 3, line: Some(5) };
        assert_eq!(position.to_string(), "a.csv line 5");
        position.line = None;
        assert_eq!(position.to_string(), "a.csv[3]");
    }
}
