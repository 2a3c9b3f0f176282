//! Why a file cannot be written. Pure. No fault carries a URL or the text of an answer.

use std::{io, time::Duration};

use object_store::Error as StoreError;
use thiserror::Error;

use super::{ObjectFault, ReadFault, fault::fault_in, server::ServerFault};
use crate::{
    domain::{Disposition, Reason},
    network::NoAnswer,
};

/// How long to wait, at least, before checking again for a bucket or folder that did not exist.
const RECHECK_MISSING: Duration = Duration::from_secs(60);

/// Why a file cannot be written. Whatever it is: the file that was there before is still there.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WriteFault {
    /// The permissions of this machine, or a link that leads out of the listed folder.
    #[error(
        "may not be written: check the permissions of its folder, and links that lead out of the \
         listed folder"
    )]
    Denied,
    /// A file system that is mounted read-only.
    #[error("may not be written: its file system is read-only")]
    ReadOnly,
    /// A folder has the name of the file.
    #[error("is a folder: choose the name of a file in it, or remove the folder")]
    IsAFolder,
    /// A link, device or socket has the name of the file.
    #[error("is a link, a device or a socket, which is not written to: name the file itself")]
    NotAFile,
    /// A file has the name of one of its folders.
    #[error("is below something that is a file, not a folder: rename one of them")]
    BelowAFile,
    /// A name that the file system does not accept.
    #[error("has a name that its file system does not accept, for its length or a character")]
    BadName,
    /// More than a store accepts in one object.
    #[error("is larger than {limit} bytes, the most that can be uploaded: split the export")]
    TooLarge {
        /// Bytes accepted.
        limit: u64,
    },
    /// The listed folder is not there, e.g. because nothing is mounted.
    #[error("is below a listed folder that does not exist: create it, or mount the volume")]
    NoFolder,
    /// The file system is full, or a quota is used up.
    #[error("cannot be written: no space is left, or a quota is used up")]
    NoSpace,
    /// The file system fails.
    #[error("cannot be written for now")]
    Unreachable,
    /// Another program removed what was written so far, or replaces the file at the same time.
    #[error("was interrupted by another program or by a rule of the store: it is written again")]
    Interrupted,
    /// The store cannot create an object only if none of its name exists.
    #[error("cannot be written safely: the object store has no conditional writes")]
    NoConditionalWrites,
    /// A request took too long.
    #[error("cannot be written: the server does not answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The store does not do what it is asked.
    #[error("cannot be written: {0}")]
    Server(ServerFault),
}

impl WriteFault {
    /// What the owner of the run does next.
    pub fn disposition(&self) -> Disposition {
        let stalled = |reason| Disposition::Stalled { reason };
        match self {
            Self::NoFolder | Self::Server(ServerFault::BucketMissing) => {
                let reason = Reason::DestinationUnreachable;
                Disposition::Retry { reason, after: RECHECK_MISSING }
            }
            Self::NoSpace | Self::Unreachable | Self::Interrupted | Self::TimedOut(_) => {
                Disposition::retry(Reason::DestinationUnreachable)
            }
            Self::Server(ServerFault::NoAnswer(NoAnswer::AddressRefused)) => {
                stalled(Reason::DestinationNotAllowed)
            }
            Self::Server(fault) if fault.is_transient() => {
                Disposition::retry(Reason::DestinationUnreachable)
            }
            Self::TooLarge { .. } => stalled(Reason::TooLarge),
            Self::Server(_)
            | Self::NoConditionalWrites
            | Self::Denied
            | Self::ReadOnly
            | Self::IsAFolder
            | Self::NotAFile
            | Self::BelowAFile
            | Self::BadName => stalled(Reason::DestinationDenied),
        }
    }

    /// Whether another attempt may succeed before anybody changes something.
    pub fn is_transient(&self) -> bool {
        matches!(self.disposition(), Disposition::Retry { .. })
    }

    /// The fault behind an error of a store's client. `sent`: whether any request was sent.
    pub(super) fn of_store(error: &StoreError, sent: bool) -> Self {
        match (error, fault_in(error, sent)) {
            (_, ReadFault::Server(fault @ ServerFault::BucketMissing)) => Self::Server(fault),
            // A 404 or 409 whose code says nothing more: the upload, or its part, is gone.
            (
                StoreError::NotFound { .. }
                | StoreError::AlreadyExists { .. }
                | StoreError::Precondition { .. },
                _,
            ) => Self::Interrupted,
            (_, fault) => Self::from(fault),
        }
    }

    /// The fault behind an error of this machine's file system.
    pub(super) fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            io::ErrorKind::IsADirectory => Self::IsAFolder,
            io::ErrorKind::NotADirectory => Self::BelowAFile,
            io::ErrorKind::InvalidFilename => Self::BadName,
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::NoSpace,
            io::ErrorKind::NotFound => Self::Interrupted,
            _ => Self::Unreachable,
        }
    }
}

impl From<ObjectFault> for WriteFault {
    fn from(fault: ObjectFault) -> Self {
        match fault {
            ObjectFault::Missing => Self::Server(ServerFault::BucketMissing),
            ObjectFault::NoConditionalWrites => Self::NoConditionalWrites,
            ObjectFault::TimedOut => Self::TimedOut(Duration::from_secs(60)),
            ObjectFault::Server(fault) => Self::Server(fault),
            // Callers who ask for either handle it.
            ObjectFault::AlreadyExists | ObjectFault::TooLarge => Self::Interrupted,
        }
    }
}

impl From<ReadFault> for WriteFault {
    fn from(fault: ReadFault) -> Self {
        match fault {
            ReadFault::Server(fault) => Self::Server(fault),
            ReadFault::Denied => Self::Denied,
            _ => Self::Unreachable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(fault: &WriteFault) -> (Reason, bool) {
        (fault.disposition().reason(), fault.is_transient())
    }

    #[test]
    fn what_passes_by_itself_is_retried_and_the_rest_waits_for_somebody() {
        use Reason::{DestinationDenied, DestinationNotAllowed, DestinationUnreachable};
        for fault in [
            WriteFault::NoFolder,
            WriteFault::NoSpace,
            WriteFault::Unreachable,
            WriteFault::Interrupted,
            WriteFault::TimedOut(Duration::from_secs(60)),
            WriteFault::Server(ServerFault::BucketMissing),
            WriteFault::Server(ServerFault::Failing(503)),
            WriteFault::Server(ServerFault::Throttled),
        ] {
            assert_eq!(reason(&fault), (DestinationUnreachable, true), "{fault}");
        }
        for fault in [
            WriteFault::Denied,
            WriteFault::ReadOnly,
            WriteFault::IsAFolder,
            WriteFault::NotAFile,
            WriteFault::BelowAFile,
            WriteFault::BadName,
            WriteFault::NoConditionalWrites,
            WriteFault::Server(ServerFault::of_status(403)),
            WriteFault::Server(ServerFault::of_status(400)),
        ] {
            assert_eq!(reason(&fault), (DestinationDenied, false), "{fault}");
        }
        let refused = WriteFault::Server(ServerFault::NoAnswer(NoAnswer::AddressRefused));
        assert_eq!(reason(&refused), (DestinationNotAllowed, false));
        let large = WriteFault::TooLarge { limit: 1 };
        assert_eq!(reason(&large), (Reason::TooLarge, false));
    }

    #[test]
    fn errors_of_the_file_system_are_told_apart() {
        // The numbers of Linux.
        for (number, fault) in [
            (1, WriteFault::Denied),
            (13, WriteFault::Denied),
            (2, WriteFault::Interrupted),
            (5, WriteFault::Unreachable),
            (20, WriteFault::BelowAFile),
            (21, WriteFault::IsAFolder),
            (27, WriteFault::NoSpace),
            (28, WriteFault::NoSpace),
            (30, WriteFault::ReadOnly),
            (36, WriteFault::BadName),
            (122, WriteFault::NoSpace),
        ] {
            assert_eq!(WriteFault::of_io(&io::Error::from_raw_os_error(number)), fault, "{number}");
        }
    }
}
