//! One record in the ledger. Pure; pseudonymous: keyed hashes and the Clinch id only.

use std::fmt;

use crate::domain::ClinchId;

macro_rules! short_hash {
    ($(#[doc = $doc:literal])* $name:ident, $bytes:literal) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $name(pub [u8; $bytes]);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), hex::encode(self.0))
            }
        }
    };
}

short_hash! {
    /// Keyed hash of a match key: identifies a person within one account.
    KeyHash, 16
}
short_hash! {
    /// Keyed digest of the candidate as mapped.
    PayloadDigest, 16
}
short_hash! {
    /// Keyed digest of what another step sent. With six bytes, a change goes unnoticed with a
    /// probability of 2^-48.
    StepDigest, 6
}

/// A set of the steps that bring one record to Clinch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Steps(u8);

impl Steps {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// The candidate was created or updated as mapped.
    pub const CANDIDATE: Self = Self(1);
    /// The candidate was added to the job and stage.
    pub const APPLICATION: Self = Self(2);
    /// The resume was attached.
    pub const RESUME: Self = Self(4);
    /// The tags were written to the activity field.
    pub const ACTIVITY: Self = Self(8);
    /// All of them.
    pub const ALL: Self = Self(15);

    /// The set with these bits; `None` when a bit is not known.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        if bits & !Self::ALL.0 == 0 { Some(Self(bits)) } else { None }
    }

    /// The set as bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether every step of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// This set and the steps of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without the steps of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether no step is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            (Self::CANDIDATE, "candidate"),
            (Self::APPLICATION, "application"),
            (Self::RESUME, "resume"),
            (Self::ACTIVITY, "activity"),
        ];
        let done = words.iter().filter(|(step, _)| self.contains(*step)).map(|(_, word)| word);
        f.debug_set().entries(done).finish()
    }
}

/// What an export has done to a person in Clinch, over all its runs. The spellings are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Effect {
    /// Not recorded: an earlier version wrote the entry, or a run was cut off before it knew.
    #[default]
    Unknown,
    /// It created them.
    Created,
    /// They were there, and it has changed them.
    Updated,
    /// They were there, and it has changed nothing.
    Unchanged,
}

impl Effect {
    /// Every effect, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Created, Self::Updated, Self::Unchanged];

    /// The effect with this number.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::Unknown),
            1 => Some(Self::Created),
            2 => Some(Self::Updated),
            3 => Some(Self::Unchanged),
            _ => None,
        }
    }

    /// Its number, of two bits.
    pub const fn bits(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Created => 1,
            Self::Updated => 2,
            Self::Unchanged => 3,
        }
    }

    /// The spelling; none of what is not recorded.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Unknown => None,
            Self::Created => Some("Created"),
            Self::Updated => Some("Updated"),
            Self::Unchanged => Some("Unchanged"),
        }
    }

    /// The effect of this and what followed, on the same person.
    #[must_use]
    pub const fn then(self, next: Self) -> Self {
        match (self, next) {
            // A person whom the export created stays so; what was not recorded is not found out later.
            (Self::Unchanged, Self::Updated) => Self::Updated,
            (before, _) => before,
        }
    }
}

/// What the steps after the candidate sent; each digest counts only if its step is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extras {
    /// Job and stage.
    pub application: StepDigest,
    /// The resume.
    pub resume: StepDigest,
    /// The tags.
    pub activity: StepDigest,
}

impl Extras {
    /// The steps and their digests, in the order of the segment format.
    pub(super) fn by_step(&mut self) -> [(Steps, &mut StepDigest); 3] {
        [
            (Steps::APPLICATION, &mut self.application),
            (Steps::RESUME, &mut self.resume),
            (Steps::ACTIVITY, &mut self.activity),
        ]
    }

    /// Keeps the digests of these steps, and blanks the others.
    #[must_use]
    pub(super) fn only(mut self, steps: Steps) -> Self {
        for (step, digest) in self.by_step() {
            if !steps.contains(step) {
                *digest = StepDigest::default();
            }
        }
        self
    }

    /// The steps whose digests differ from those of `other`.
    pub(super) fn differing(mut self, mut other: Self) -> Steps {
        let pairs = self.by_step().into_iter().zip(other.by_step());
        pairs
            .filter(|((_, mine), (_, theirs))| mine != theirs)
            .fold(Steps::NONE, |steps, ((step, _), _)| steps.with(step))
    }
}

/// One record: the person, their id in Clinch, and which steps were done with which data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Keyed hash of the match key.
    pub key: KeyHash,
    /// Digest of the candidate as last written; counts if `steps` contains the candidate step.
    pub payload: PayloadDigest,
    /// Digests of the other steps.
    pub extras: Extras,
    /// The person in Clinch.
    pub clinch_id: ClinchId,
    /// Steps done.
    pub steps: Steps,
    /// What the export has done to the person, as far as it was recorded.
    pub effect: Effect,
}
