//! What passes between the layers: a request to send, an answer, or a failure to get one. Pure.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use thiserror::Error;
use tokio::time::Instant;
use url::{Position, Url};

use super::{contract::Effect, error::Doubt};
use crate::domain::Leave;

/// A request before it is signed. Cheap to clone: one clone per attempt.
#[derive(Clone)]
pub struct Outgoing {
    /// Operation name, for observation.
    pub operation: &'static str,
    /// What it does to Clinch.
    pub effect: Effect,
    /// The method.
    pub method: Method,
    /// The whole URL, exactly as sent: the signature covers its path and query.
    pub url: Url,
    /// The JSON:API body.
    pub body: Option<Bytes>,
    /// Most bytes read of the answer, after decompression.
    pub answer_cap: usize,
    /// When the whole operation has to be over.
    pub deadline: Instant,
    /// How long the operation may take at most, where that is less than usual.
    pub patience: Option<Duration>,
    /// Asked before each attempt: whether whoever asks may still use the account.
    pub leave: Option<Leave>,
    /// A deliberate check: sent although the credential is known as rejected.
    pub asked: bool,
    sent: Arc<AtomicBool>,
}

impl Outgoing {
    /// A request whose deadline is set by the outermost layer.
    pub fn new(operation: &'static str, effect: Effect, method: Method, url: Url) -> Self {
        let far = Instant::now() + Duration::from_secs(3600);
        Self {
            operation,
            effect,
            method,
            url,
            body: None,
            answer_cap: 1024 * 1024,
            deadline: far,
            patience: None,
            leave: None,
            asked: false,
            sent: Arc::default(),
        }
    }

    /// Whether the leave to ask was withdrawn.
    pub(super) fn is_withdrawn(&self) -> bool {
        self.leave.as_ref().is_some_and(|leave| !leave.holds())
    }

    /// Path and query as sent.
    pub fn path_and_query(&self) -> &str {
        &self.url[Position::BeforePath..Position::AfterQuery]
    }

    /// Notes that bytes may be on their way, or that their fate is known again.
    pub(super) fn set_in_doubt(&self, doubt: bool) {
        self.sent.store(doubt, Ordering::Relaxed);
    }

    /// Whether bytes may have reached Clinch without an answer.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Outgoing({} {})", self.method, self.operation)
    }
}

/// An answer of whatever status, with its whole body.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body. Personal data: never shown.
    pub body: Bytes,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status.as_u16(), self.body.len())
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Failure {
    /// The host resolves to an address that may not be used. Nothing was sent.
    #[error("address refused")]
    AddressRefused,
    /// No connection. Nothing was sent.
    #[error("no connection")]
    NoConnection,
    /// No TLS session. Nothing was sent.
    #[error("no TLS session")]
    Tls,
    /// The attempt took too long after it was sent.
    #[error("attempt timed out")]
    TimedOut,
    /// The connection was cut after the request was sent.
    #[error("connection cut")]
    Cut,
    /// The answer is larger than its cap.
    #[error("answer too large")]
    AnswerTooLarge,
    /// The rate bucket gives no permit before the deadline. Nothing was sent.
    #[error("no rate permit before the deadline")]
    NoPermit {
        /// Until the bucket may give one.
        retry_after: Duration,
    },
    /// The whole operation took too long; nothing is in doubt.
    #[error("operation timed out")]
    Deadline,
    /// This process may not write now. Nothing was sent.
    #[error("not permitted to write")]
    Fenced,
    /// The run that asks may no longer use the account. Nothing was sent.
    #[error("leave withdrawn")]
    Withdrawn,
    /// The credential was rejected while this waited for its permit. Nothing was sent.
    #[error("credential rejected meanwhile")]
    Shut,
    /// It is not known whether a create was carried out.
    #[error("outcome unknown")]
    InDoubt(Doubt),
}
