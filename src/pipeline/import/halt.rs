//! Why a run ends early. Pure.

use super::{feed::FeedFault, sink::SinkFault};
use crate::{
    domain::{Cause, Disposition},
    ledger::{JournalError, SuppressionError},
};

/// Why a run ends early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Halt {
    /// It was ended, or may not continue. The one who ended it reports why.
    Stopped,
    /// Clinch cannot be read. What was delivered so far can be closed.
    Unread { disposition: Disposition, message: String },
    /// What is delivered or known cannot be stored.
    Unstored { disposition: Disposition, message: String },
}

impl From<FeedFault> for Halt {
    fn from(fault: FeedFault) -> Self {
        match fault {
            // Callers who can leave a person out do.
            FeedFault::Person(Cause { reason, message }) => {
                Self::Unread { disposition: Disposition::retry(reason), message }
            }
            FeedFault::Withdrawn => Self::Stopped,
            FeedFault::Everything { disposition, message } => Self::Unread { disposition, message },
        }
    }
}

impl From<SinkFault> for Halt {
    fn from(fault: SinkFault) -> Self {
        match fault {
            SinkFault::Stopped => Self::Stopped,
            SinkFault::Failed { disposition, message } => Self::Unstored { disposition, message },
        }
    }
}

impl From<JournalError> for Halt {
    fn from(error: JournalError) -> Self {
        Self::Unstored { disposition: error.disposition(), message: error.to_string() }
    }
}

impl From<SuppressionError> for Halt {
    fn from(error: SuppressionError) -> Self {
        let message = format!("an anonymised person cannot be recorded: {error}");
        Self::Unstored { disposition: error.disposition(), message }
    }
}
