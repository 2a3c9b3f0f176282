//! What can go wrong with a place. Pure. No fault carries a URL or the text of an answer.

use std::{error::Error, sync::Arc, time::Duration};

use object_store::{Error as StoreError, client::HttpError};
use thiserror::Error;

use super::server::ServerFault;
use crate::{
    domain::{Disposition, Reason},
    network::NoAnswer,
};

/// How long to wait, at least, before checking again for something that did not exist.
const RECHECK_MISSING: Duration = Duration::from_secs(60);

/// Why something cannot be read from a place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadFault {
    /// Nothing of that name.
    #[error("does not exist")]
    Missing,
    /// The pattern matches nothing.
    #[error("matches nothing{}", .skipped.then_some(" but empty files and names that are skipped").unwrap_or_default())]
    NoMatch {
        /// Whether something was skipped.
        skipped: bool,
    },
    /// The pattern matches too much.
    #[error("matches more than {limit} files: narrow the pattern, or split the export")]
    TooMany {
        /// Files accepted.
        limit: usize,
    },
    /// The pattern selects a name that means more than one thing.
    #[error(
        "selects {0}, whose name has an empty, . or .. segment or a control character: rename it, or \
         narrow the pattern"
    )]
    OddName(Arc<str>),
    /// A folder instead of a file.
    #[error("is a folder: name a file, or a pattern such as FOLDER/*.csv")]
    IsAFolder,
    /// A pipe, a socket or a device.
    #[error("is not a file but a pipe, a socket or a device: write the records to a file")]
    NotAFile,
    /// It differs from what was listed when the run started.
    #[error("changed while it was read: the run starts again with the new content")]
    Changed,
    /// The operator may not read it, or a link leads out of the allowed folder.
    #[error("may not be read: check its permissions, and links that lead out of the listed folder")]
    Denied,
    /// The server answers with HTML.
    #[error(
        "is answered with a web page (text/html) instead of data: does the server ask for a sign-in, or \
         report an error?"
    )]
    WebPage,
    /// The file system fails.
    #[error("cannot be read for now")]
    Unreachable,
    /// The server breaks the protocol.
    #[error("is answered with other bytes than requested")]
    WrongBytes,
    /// The server or store does not do what it is asked.
    #[error("cannot be read: {0}")]
    Server(ServerFault),
}

impl ReadFault {
    /// The pattern selects an object with an odd name, which is shown with its control characters
    /// escaped.
    pub(super) fn odd_name(name: &str) -> Self {
        let shown: String = name.escape_debug().take(200).collect();
        Self::OddName(shown.into())
    }

    /// What the owner of the run does next.
    pub fn disposition(&self) -> Disposition {
        let stalled = |reason| Disposition::Stalled { reason };
        match self {
            Self::Missing | Self::NoMatch { .. } | Self::Server(ServerFault::BucketMissing) => {
                Disposition::Retry { reason: Reason::SourceNotFound, after: RECHECK_MISSING }
            }
            Self::Changed => Disposition::retry(Reason::SourceChanged),
            Self::Unreachable | Self::WrongBytes => Disposition::retry(Reason::SourceUnreachable),
            Self::Denied => stalled(Reason::SourceDenied),
            Self::Server(ServerFault::NoAnswer(NoAnswer::AddressRefused)) => {
                stalled(Reason::SourceNotAllowed)
            }
            Self::Server(fault) if fault.is_transient() => {
                Disposition::retry(Reason::SourceUnreachable)
            }
            Self::Server(fault) if fault.is_denial() => stalled(Reason::SourceDenied),
            Self::TooMany { .. }
            | Self::OddName(_)
            | Self::IsAFolder
            | Self::NotAFile
            | Self::WebPage
            | Self::Server(_) => stalled(Reason::SourceInvalid),
        }
    }

    /// Whether another attempt may succeed before anybody changes something.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.disposition(),
            Disposition::Retry { reason: Reason::SourceUnreachable | Reason::SourceChanged, .. }
        )
    }

    /// The fault behind an HTTP status of a file server, other than success.
    pub(super) fn of_status(status: u16) -> Self {
        match status {
            404 | 410 => Self::Missing,
            412 | 416 => Self::Changed,
            _ => Self::Server(ServerFault::of_status(status)),
        }
    }

    /// The fault behind a request to a file server that got no answer.
    pub(super) fn no_answer(error: &(dyn Error + 'static)) -> Self {
        Self::Server(ServerFault::NoAnswer(NoAnswer::of(error)))
    }
}

/// The fault of ours in the causes of a store client's error. `sent`: whether any request was sent.
pub(super) fn fault_in(error: &StoreError, sent: bool) -> ReadFault {
    let error: &(dyn Error + 'static) = error;
    let mut causes = std::iter::successors(Some(error), |cause| (*cause).source());
    let ours = causes.clone().find_map(|cause| {
        let server = cause.downcast_ref().cloned().map(ReadFault::Server);
        server.or_else(|| cause.downcast_ref().cloned())
    });
    match ours {
        Some(fault) => fault,
        None if causes.any(<dyn Error>::is::<HttpError>) => ReadFault::no_answer(error),
        None if !sent => ReadFault::Server(ServerFault::IdentityUnusable),
        None => ReadFault::Server(ServerFault::NotAStore),
    }
}

/// Why a request for a whole object failed. What that means is for the caller to say.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ObjectFault {
    /// An object of that name exists.
    #[error("the object exists already")]
    AlreadyExists,
    /// The bucket does not exist; for a read, the object may be what is missing.
    #[error("there is no such bucket or container, or no such object")]
    Missing,
    /// The store cannot create an object only if none of its name exists.
    #[error("the object store has no conditional writes")]
    NoConditionalWrites,
    /// Larger than the caller accepts.
    #[error("the object is too large")]
    TooLarge,
    /// No answer in time; whether a write took place is not known.
    #[error("the server does not answer within 60 s")]
    TimedOut,
    /// The store does not do what it is asked. Unless it refuses, whether a write took place is not
    /// known.
    #[error("{0}")]
    Server(ServerFault),
}

impl ObjectFault {
    pub(super) fn of(error: &StoreError, sent: bool) -> Self {
        match (error, fault_in(error, sent)) {
            (StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }, _) => {
                Self::AlreadyExists
            }
            (StoreError::NotSupported { .. } | StoreError::NotImplemented { .. }, _)
            | (_, ReadFault::Server(ServerFault::Failing(501))) => Self::NoConditionalWrites,
            (StoreError::NotFound { .. }, _) => Self::Missing,
            (_, ReadFault::Server(fault)) => Self::Server(fault),
            (_, _) => Self::Server(ServerFault::NotAStore),
        }
    }
}

/// Why a URL of the admin's names no folder that can be used. Does not carry the URL.
#[derive(Debug, Error)]
pub enum FolderError {
    /// Another scheme.
    #[error("the scheme must be s3://, gs://, az://, abfss:// or file://, not {0}://")]
    Scheme(String),
    /// A local folder that is not given from the root.
    #[error("a file:// URL must name an absolute folder: file:///path")]
    Relative,
    /// Credentials or a query in the URL.
    #[error(
        "the URL must hold no password, query or fragment; credentials come from the environment"
    )]
    NotPlain,
    /// The HTTP client cannot be set up.
    #[error("cannot set up the HTTP client; are there trusted root certificates on this machine?")]
    Client,
    /// The client cannot be set up.
    #[error("the object store cannot be set up; check the AWS_, GOOGLE_ or AZURE_ variables")]
    SetUp(#[source] object_store::Error),
}
