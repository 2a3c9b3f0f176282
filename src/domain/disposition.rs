//! What happens next after a failure. Pure.

use std::time::Duration;

use super::Reason;

/// What the owner of a failed attempt does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Transient: try again by itself, not before `after` (zero: the usual backoff).
    Retry {
        /// Why, for status and Events.
        reason: Reason,
        /// The least delay the other side asked for.
        after: Duration,
    },
    /// Nothing is wrong here; another object or event has to come first.
    Wait {
        /// What is waited for.
        reason: Reason,
    },
    /// Only a change made by a person helps.
    Stalled {
        /// What has to change.
        reason: Reason,
    },
}

impl Disposition {
    /// Transient, with the usual backoff.
    pub const fn retry(reason: Reason) -> Self {
        Self::Retry { reason, after: Duration::ZERO }
    }

    /// The reason shown for it.
    pub const fn reason(self) -> Reason {
        match self {
            Self::Retry { reason, .. } | Self::Wait { reason } | Self::Stalled { reason } => reason,
        }
    }
}
