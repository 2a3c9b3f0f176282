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
    /// The permissions of this machine.
    #[error("may not be written: check the permissions of its folder")]
    Denied,
    /// A link on its way leads out of the listed folder.
    #[error(
        "is behind a link that leads out of the listed folder: name the folder itself, or list it"
    )]
    Outside,
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

/// What a fault means for a person who looks at it. Each kind has a reason.
enum Kind {
    Unreachable,
    Full,
    Missing,
    Denied,
    ReadOnly,
    Invalid,
    NotAllowed,
    TooLarge,
}

impl WriteFault {
    /// What the owner of the run does next.
    pub fn disposition(&self) -> Disposition {
        let stalled = |reason| Disposition::Stalled { reason };
        match self.kind() {
            Kind::Unreachable => Disposition::retry(Reason::DestinationUnreachable),
            Kind::Full => Disposition::retry(Reason::DestinationFull),
            Kind::Missing => {
                Disposition::Retry { reason: Reason::DestinationMissing, after: RECHECK_MISSING }
            }
            Kind::Denied => stalled(Reason::DestinationDenied),
            Kind::ReadOnly => stalled(Reason::DestinationReadOnly),
            Kind::Invalid => stalled(Reason::DestinationInvalid),
            Kind::NotAllowed => stalled(Reason::DestinationNotAllowed),
            Kind::TooLarge => stalled(Reason::TooLarge),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NoFolder | Self::Server(ServerFault::BucketMissing) => Kind::Missing,
            Self::NoSpace | Self::Server(ServerFault::Full(_)) => Kind::Full,
            Self::Unreachable | Self::Interrupted | Self::TimedOut(_) => Kind::Unreachable,
            Self::Server(ServerFault::NoAnswer(NoAnswer::AddressRefused)) => Kind::NotAllowed,
            Self::Server(fault) if fault.is_transient() => Kind::Unreachable,
            Self::Server(fault) if fault.is_denial() => Kind::Denied,
            Self::Denied | Self::ReadOnly => Kind::ReadOnly,
            Self::TooLarge { .. } => Kind::TooLarge,
            Self::Server(_)
            | Self::NoConditionalWrites
            | Self::Outside
            | Self::IsAFolder
            | Self::NotAFile
            | Self::BelowAFile
            | Self::BadName => Kind::Invalid,
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
            // Not the system's word, but that of the library which resolves names inside the folder.
            io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => Self::Outside,
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
        let server = |status| WriteFault::Server(ServerFault::of_status(status));
        let retried = [
            (WriteFault::NoFolder, Reason::DestinationMissing),
            (WriteFault::Server(ServerFault::BucketMissing), Reason::DestinationMissing),
            (WriteFault::NoSpace, Reason::DestinationFull),
            (server(507), Reason::DestinationFull),
            (WriteFault::Unreachable, Reason::DestinationUnreachable),
            (WriteFault::Interrupted, Reason::DestinationUnreachable),
            (WriteFault::TimedOut(Duration::from_secs(60)), Reason::DestinationUnreachable),
            (server(503), Reason::DestinationUnreachable),
            (server(429), Reason::DestinationUnreachable),
        ];
        let refused = ServerFault::NoAnswer(NoAnswer::AddressRefused);
        let stalled = [
            (server(403), Reason::DestinationDenied),
            (WriteFault::Denied, Reason::DestinationReadOnly),
            (WriteFault::ReadOnly, Reason::DestinationReadOnly),
            (WriteFault::Outside, Reason::DestinationInvalid),
            (WriteFault::IsAFolder, Reason::DestinationInvalid),
            (WriteFault::NotAFile, Reason::DestinationInvalid),
            (WriteFault::BelowAFile, Reason::DestinationInvalid),
            (WriteFault::BadName, Reason::DestinationInvalid),
            (WriteFault::NoConditionalWrites, Reason::DestinationInvalid),
            (server(400), Reason::DestinationInvalid),
            (WriteFault::Server(refused), Reason::DestinationNotAllowed),
            (WriteFault::TooLarge { limit: 1 }, Reason::TooLarge),
        ];
        let retried = retried.map(|(fault, of)| (fault, of, true)).into_iter();
        for (fault, of, passes) in retried.chain(stalled.map(|(fault, of)| (fault, of, false))) {
            assert_eq!(reason(&fault), (of, passes), "{fault}");
        }
    }

    #[test]
    fn errors_of_the_file_system_are_told_apart() {
        let led_out = io::Error::new(io::ErrorKind::PermissionDenied, "led outside");
        assert_eq!(WriteFault::of_io(&led_out), WriteFault::Outside);
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
