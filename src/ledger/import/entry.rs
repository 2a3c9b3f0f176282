//! One person in the state of an import. Pure; pseudonymous: keyed hashes and the Clinch id only.

use std::fmt;

use crate::{domain::ClinchId, ledger::KeyHash};

/// Keyed digest of the profile that was emitted last.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Revision(pub [u8; 16]);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revision({self})")
    }
}

/// What became of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImportMarks(u8);

impl ImportMarks {
    /// They were emitted.
    pub const EMITTED: Self = Self(1);
    /// They are gone, and a tombstone says so where they were known.
    pub const TOMBSTONED: Self = Self(2);
    /// They were as an export of the account wrote them, and were not emitted.
    pub const OWN: Self = Self(4);

    /// Exports knew them when they were emitted last. Follows from [`ImportEntry::trace`].
    pub(super) const TRACED: Self = Self(8);

    /// The destination refused what was offered of them last: the person of this revision, or, if it is
    /// all zero, their tombstone. The other marks are those of what it took.
    pub const REFUSED: Self = Self(16);

    const KNOWN: u8 = 31;

    /// The marks with these bits; `None` when a bit is not known.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        if bits & !Self::KNOWN == 0 { Some(Self(bits)) } else { None }
    }

    /// The marks as bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// These marks without those of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether every mark of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These marks and those of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the person was emitted, and is not gone as far as the receiver knows.
    pub const fn is_live(self) -> bool {
        self.contains(Self::EMITTED) && !self.contains(Self::TOMBSTONED)
    }
}

/// What exports had written of a person when they were emitted last, and what else they were. Keyed hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportTrace {
    /// Of what is in the ledgers of the exports that know the person.
    pub written: [u8; 4],
    /// Of the attributes that none of these exports writes.
    pub rest: [u8; 4],
}

impl ImportTrace {
    /// The bytes that it takes.
    pub(super) const BYTES: usize = 8;

    pub(super) fn bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&self.written);
        bytes[4..].copy_from_slice(&self.rest);
        bytes
    }

    pub(super) fn of(bytes: [u8; Self::BYTES]) -> Self {
        let (mut written, mut rest) = ([0; 4], [0; 4]);
        written.copy_from_slice(&bytes[..4]);
        rest.copy_from_slice(&bytes[4..]);
        Self { written, rest }
    }
}

/// What is known of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportEntry {
    /// Their id in Clinch.
    pub id: ClinchId,
    /// What was emitted, or seen, last.
    pub revision: Revision,
    /// The hash of their match key, which is the same in ledgers and suppression lists of the account.
    /// `None`: they had no match key.
    pub person: Option<KeyHash>,
    /// What became of them.
    pub marks: ImportMarks,
    /// What exports had written of them; `None`: no export knew them.
    pub trace: Option<ImportTrace>,
}

impl ImportEntry {
    /// The marks as they are stored.
    pub(super) fn stored_marks(&self) -> u8 {
        let marks = self.marks.without(ImportMarks::TRACED);
        if self.trace.is_some() { marks.with(ImportMarks::TRACED) } else { marks }.bits()
    }
}
