//! What can go wrong at the cluster port.

use thiserror::Error;

use crate::domain::{Disposition, Reason};

/// A failed request to the cluster. Display names the attempt, never object content.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClusterError {
    /// The operator's role does not allow it.
    #[error("the operator may not {verb} {what}: {}", remedy(.what))]
    Forbidden {
        /// The verb, e.g. `get`.
        verb: &'static str,
        /// What was requested, e.g. `secrets crm/clinch`.
        what: String,
    },
    /// The object was changed or deleted concurrently.
    #[error("{what} was changed concurrently")]
    Conflict {
        /// What was written.
        what: String,
    },
    /// The API server refused the object as too large or over quota.
    #[error("the API server refused {what}: {why}")]
    Refused {
        /// What was written.
        what: String,
        /// A short class of refusal, e.g. `quota`.
        why: &'static str,
    },
    /// The API server cannot be reached, or failed.
    #[error("the API server failed to {verb} {what} ({code})")]
    Unavailable {
        /// The verb.
        verb: &'static str,
        /// What was requested.
        what: String,
        /// HTTP status, or why there is none.
        code: String,
    },
    /// A local file could not be read or written.
    #[error("cannot {verb} {what}: {kind}")]
    Io {
        /// The verb.
        verb: &'static str,
        /// The file.
        what: String,
        /// The kind of I/O error.
        kind: String,
    },
}

/// What a person has to do about a right that is missing.
fn remedy(what: &str) -> String {
    let grant = "grant it in the operator's role";
    match what.strip_prefix("secrets ").and_then(|secret| secret.split_once('/')) {
        Some((namespace, name)) => {
            format!("{grant}; with the chart, add {name} to secretNames.{namespace}")
        }
        None => grant.to_owned(),
    }
}

impl ClusterError {
    /// Whether the API server answered 429 or 5xx, as it does while it starts.
    pub fn is_busy(&self) -> bool {
        let Self::Unavailable { code, .. } = self else { return false };
        code.parse().is_ok_and(|code: u16| code == 429 || (500..600).contains(&code))
    }

    /// What the caller does next.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Forbidden { .. }
            | Self::Conflict { .. }
            | Self::Unavailable { .. }
            | Self::Io { .. } => Disposition::retry(Reason::InternalError),
            Self::Refused { .. } => Disposition::retry(Reason::LedgerRefused),
        }
    }
}
