//! What can be wrong with a place that candidates are read from. Pure. Carries no URL, no answer.

use std::time::Duration;

use thiserror::Error;

use crate::domain::{Disposition, Reason};

/// How long until a place where nothing lay is looked at again, at least.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Why something cannot be read from where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RemoteFault {
    /// There is nothing of that name.
    #[error("does not exist")]
    Missing,
    /// The pattern matches nothing.
    #[error("matches nothing")]
    NoMatch,
    /// The pattern matches more than any export.
    #[error("matches more than {limit} files: narrow the pattern, or split the export")]
    TooMany {
        /// Files accepted.
        limit: usize,
    },
    /// A folder where a file should be.
    #[error("is a folder: name a file, or a pattern such as FOLDER/*.csv")]
    NotAFile,
    /// It is not what it was when the run began.
    #[error("changed while it was read: the run begins again with what is there now")]
    Changed,
    /// The credentials do not allow it, or are no longer valid.
    #[error("may not be read with these credentials: check them, and whether they have expired")]
    Denied,
    /// The server sends elsewhere.
    #[error("is answered with a redirect, which is not followed: give the final URL")]
    Redirected,
    /// The server refuses the request.
    #[error("is answered with status {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// The server does not answer, or breaks off, or fails.
    #[error("cannot be reached for now")]
    Unreachable,
    /// The host resolves to a private address.
    #[error("lies at a private address, which is not listed in --allowed-sources")]
    AddressRefused,
    /// The server does not keep to what it promised.
    #[error("is answered with other bytes than were asked for")]
    NotAsAsked,
}

impl RemoteFault {
    /// What the owner of the run does next.
    pub const fn disposition(self) -> Disposition {
        match self {
            Self::Missing | Self::NoMatch => {
                Disposition::Retry { reason: Reason::SourceNotFound, after: LOOK_AGAIN }
            }
            Self::Changed => Disposition::retry(Reason::SourceChanged),
            Self::Unreachable | Self::NotAsAsked => Disposition::retry(Reason::SourceUnreachable),
            Self::Denied => Disposition::Stalled { reason: Reason::SourceDenied },
            Self::AddressRefused => Disposition::Stalled { reason: Reason::SourceNotAllowed },
            Self::TooMany { .. } | Self::NotAFile | Self::Redirected | Self::Refused { .. } => {
                Disposition::Stalled { reason: Reason::SourceInvalid }
            }
        }
    }

    /// The fault behind an HTTP status that is no success.
    pub(super) const fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::Denied,
            404 | 410 => Self::Missing,
            412 | 416 => Self::Changed,
            408 | 425 | 429 | 500..=599 => Self::Unreachable,
            300..=399 => Self::Redirected,
            _ => Self::Refused { status },
        }
    }
}
