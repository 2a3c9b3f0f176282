//! What a ledger remembers of runs, besides people. Pure.

/// What a ledger remembers of the runs of its export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunFacts {
    /// How many records the last completed push read from its source.
    pub read: Option<u64>,
    /// Names the approved plan that a push has started to carry out, or has carried out, and its inputs.
    pub admitted: Option<[u8; 16]>,
}

const READ: u8 = 1;
const ADMITTED: u8 = 2;

impl RunFacts {
    /// The size in a segment.
    pub(super) const BYTES: usize = 1 + 8 + 16;

    /// Flags, the number, the name; zero where absent.
    pub(super) fn bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        if let Some(read) = self.read {
            bytes[0] |= READ;
            bytes[1..9].copy_from_slice(&read.to_be_bytes());
        }
        if let Some(admitted) = self.admitted {
            bytes[0] |= ADMITTED;
            bytes[9..].copy_from_slice(&admitted);
        }
        bytes
    }

    /// `None` when they are not facts as this version writes them.
    pub(super) fn parse(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let (read, admitted) = (bytes[1..9].try_into().ok()?, bytes[9..].try_into().ok()?);
        let facts = Self {
            read: (bytes[0] & READ != 0).then(|| u64::from_be_bytes(read)),
            admitted: (bytes[0] & ADMITTED != 0).then_some(admitted),
        };
        (facts.bytes() == *bytes).then_some(facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_as_written_and_nothing_else_is() {
        for read in [None, Some(0), Some(u64::MAX)] {
            for admitted in [None, Some([7; 16])] {
                let facts = RunFacts { read, admitted };
                assert_eq!(RunFacts::parse(&facts.bytes()), Some(facts));
            }
        }
        let mut unknown = RunFacts::default().bytes();
        unknown[0] = 4;
        assert_eq!(RunFacts::parse(&unknown), None);
        let mut stray = RunFacts::default().bytes();
        stray[9] = 1;
        assert_eq!(RunFacts::parse(&stray), None, "absent and not zero");
    }
}
