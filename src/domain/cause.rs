//! Why something is as it is: a word for machines and a sentence for people. Pure.

use std::fmt;

use super::Reason;

/// A reason, and one sentence that says what it means here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The reason: part of the API.
    pub reason: Reason,
    /// What is the case, and what to do about it. Holds no value of a candidate.
    pub message: String,
}

impl Cause {
    /// A cause.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}
