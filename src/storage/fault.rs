//! What can go wrong with a place. Pure. No fault carries a URL or the text of an answer.

use std::time::Duration;

use object_store::Error as StoreError;
use thiserror::Error;

use crate::domain::{Disposition, Reason};

/// How long to wait, at least, before checking again for something that did not exist.
const RECHECK_MISSING: Duration = Duration::from_secs(60);

/// Why something cannot be read from a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReadFault {
    /// Nothing of that name.
    #[error("does not exist")]
    Missing,
    /// The pattern matches nothing.
    #[error("matches nothing")]
    NoMatch,
    /// The pattern matches too much.
    #[error("matches more than {limit} files: narrow the pattern, or split the export")]
    TooMany {
        /// Files accepted.
        limit: usize,
    },
    /// A folder instead of a file.
    #[error("is a folder: name a file, or a pattern such as FOLDER/*.csv")]
    NotAFile,
    /// It differs from what was listed when the run started.
    #[error("changed while it was read: the run starts again with the new content")]
    Changed,
    /// The credentials do not allow it, or are no longer valid.
    #[error("may not be read with these credentials: check them, and whether they have expired")]
    Denied,
    /// The server redirects.
    #[error("is answered with a redirect, which is not followed: give the final URL")]
    Redirected,
    /// The server answers with HTML.
    #[error(
        "is answered with a web page (text/html) instead of data: does the server ask for a sign-in, or \
         report an error?"
    )]
    WebPage,
    /// The server refuses the request.
    #[error("is answered with status {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// The server does not answer, breaks off or fails.
    #[error("cannot be reached for now")]
    Unreachable,
    /// The host resolves to a private address.
    #[error("is at a private address, which is not listed in --allowed-sources")]
    AddressRefused,
    /// The server breaks the protocol.
    #[error("is answered with other bytes than requested")]
    WrongBytes,
}

impl ReadFault {
    /// What the owner of the run does next.
    pub const fn disposition(self) -> Disposition {
        match self {
            Self::Missing | Self::NoMatch => {
                Disposition::Retry { reason: Reason::SourceNotFound, after: RECHECK_MISSING }
            }
            Self::Changed => Disposition::retry(Reason::SourceChanged),
            Self::Unreachable | Self::WrongBytes => Disposition::retry(Reason::SourceUnreachable),
            Self::Denied => Disposition::Stalled { reason: Reason::SourceDenied },
            Self::AddressRefused => Disposition::Stalled { reason: Reason::SourceNotAllowed },
            Self::TooMany { .. }
            | Self::NotAFile
            | Self::Redirected
            | Self::WebPage
            | Self::Refused { .. } => Disposition::Stalled { reason: Reason::SourceInvalid },
        }
    }

    /// The fault behind an HTTP status other than success.
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

/// Why a request for a whole object failed. What that means is for the caller to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ObjectFault {
    /// An object of that name exists.
    #[error("the object exists already")]
    AlreadyExists,
    /// The bucket does not exist; for a read, the object may be what is missing.
    #[error("the bucket does not exist")]
    Missing,
    /// The credentials do not allow it.
    #[error("the credentials do not allow the request")]
    Denied,
    /// The store cannot create an object only if none of its name exists.
    #[error("the object store has no conditional writes")]
    NoConditionalWrites,
    /// Larger than the caller accepts.
    #[error("the object is too large")]
    TooLarge,
    /// No answer in time; whether a write took place is not known.
    #[error("no answer in 60 s")]
    TimedOut,
    /// Anything else; whether a write took place is not known.
    #[error("the object store failed")]
    Failed,
}

impl ObjectFault {
    pub(super) fn of(error: &StoreError) -> Self {
        match error {
            StoreError::AlreadyExists { .. } | StoreError::Precondition { .. } => {
                Self::AlreadyExists
            }
            StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => {
                Self::Denied
            }
            StoreError::NotSupported { .. } | StoreError::NotImplemented { .. } => {
                Self::NoConditionalWrites
            }
            StoreError::NotFound { .. } => Self::Missing,
            _ => Self::Failed,
        }
    }
}
