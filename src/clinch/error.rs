//! What can go wrong with a call, seen by whoever made it. Pure.
//!
//! No answer's body, title or detail ever gets in here: status codes, attribute names and counts
//! only.

use std::time::Duration;

use thiserror::Error;

use super::contract::Unsupported;
use crate::domain::{Disposition, Reason};

/// Why a call gave no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClinchError {
    /// 401, or an earlier 401 with the same credential.
    #[error("Clinch rejects the API credential (401); check key and secret, or issue new ones")]
    Unauthorized,
    /// The signature's time is not believed.
    #[error("this clock and Clinch's differ by {seconds} s; signatures stand 900 s at most")]
    ClockSkew {
        /// Clinch's time minus ours, in seconds.
        seconds: i64,
    },
    /// 403
    #[error("the API credential is not permitted to do this (403)")]
    Forbidden,
    /// 404
    #[error("Clinch does not have it (404)")]
    NotFound,
    /// 429, or our own bucket is paused because of one.
    #[error("Clinch limits the request rate (429)")]
    RateLimited {
        /// The delay asked for.
        retry_after: Option<Duration>,
    },
    /// 5xx, or so many failures that nothing is sent for a while.
    #[error("Clinch is unavailable{}", shown(*.status))]
    Unavailable {
        /// The code; `None`: nothing was sent, the earlier calls all failed.
        status: Option<u16>,
        /// The delay asked for, or until the next try is let through.
        retry_after: Option<Duration>,
    },
    /// No answer in time, and nothing can have been created.
    #[error("Clinch did not answer in time")]
    Timeout,
    /// No connection.
    #[error("the endpoint cannot be reached (name look-up, connect, or connection cut)")]
    Unreachable,
    /// No TLS session.
    #[error("TLS with the endpoint failed; check its certificate and the trusted roots")]
    Tls,
    /// The allow-list does not name the endpoint, or it resolves to a private address.
    #[error("the endpoint is not in --allowed-endpoints, or resolves to a private address")]
    EndpointNotAllowed,
    /// An answer that the Clinch API does not give.
    #[error("the endpoint does not answer as the Clinch API: {0}")]
    NotClinch(NotClinchSign),
    /// A 4xx that speaks about what was sent.
    #[error("Clinch refused the record ({status}){}", listed(.fields))]
    Rejected {
        /// The code.
        status: u16,
        /// Names of attributes that were sent and that the answer points at.
        fields: Vec<String>,
    },
    /// 409
    #[error("Clinch already has it, or it changed meanwhile (409)")]
    Conflict,
    /// It is not known whether something was created: look it up before creating again.
    #[error("it is not known whether Clinch carried this out: {0}")]
    Ambiguous(Doubt),
    /// The answer is larger than read, or the request larger than taken (413).
    #[error("the request or its answer is too large")]
    TooLarge,
    /// The contract does not allow the operation.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// The candidate filter is not offered, or not honoured: a full scan has to be the index.
    #[error("Clinch does not filter candidates by the match attribute")]
    FilterIgnored,
    /// This process may not write now.
    #[error("this process does not hold the right to write")]
    Fenced,
    /// Whoever asks may no longer use the account.
    #[error("the leave to use this account was withdrawn")]
    Withdrawn,
}

/// What gives an endpoint away as something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotClinchSign {
    /// It redirects.
    #[error("it redirects")]
    Redirect,
    /// It answers with a page: a proxy, a challenge, a maintenance notice.
    #[error("it answers with HTML")]
    Html,
    /// Success without JSON:API data.
    #[error("its answer holds no JSON:API data")]
    NoData,
    /// 404 on the candidate list itself.
    #[error("it has no candidate list (404); check region, endpoint and apiVersion")]
    NoList,
}

/// Why it is not known whether a create was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Doubt {
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection was cut.
    #[error("the connection was cut")]
    Cut,
    /// A server error: a gateway says this of a request that it may have passed on.
    #[error("server error {0}")]
    Status(u16),
    /// An answer that need not come from the application: a page, a redirect, one that is too
    /// large, one without a JSON:API document, or one that promises to do it later (202).
    #[error("the answer does not tell")]
    Unclear,
    /// A JSON:API document that tells of success, but holds no readable id.
    #[error("the answer holds no id")]
    NoId,
}

impl Doubt {
    /// Whether the request may still be under way. Only the application itself can say that it
    /// is over: whatever stands before it may answer while the request is being carried out.
    pub(super) const fn may_be_under_way(self) -> bool {
        match self {
            Self::Timeout | Self::Cut | Self::Status(_) | Self::Unclear => true,
            Self::NoId => false,
        }
    }
}

fn shown(status: Option<u16>) -> String {
    status.map_or_else(|| "; not asked again yet".to_owned(), |code| format!(" ({code})"))
}

fn listed(fields: &[String]) -> String {
    if fields.is_empty() { String::new() } else { format!(": {}", fields.join(", ")) }
}

impl ClinchError {
    /// What the caller does next.
    pub fn disposition(&self) -> Disposition {
        let retry = |reason, after: Option<Duration>| Disposition::Retry {
            reason,
            after: after.unwrap_or_default(),
        };
        match self {
            Self::RateLimited { retry_after } => retry(Reason::RateLimited, *retry_after),
            Self::Unavailable { retry_after, .. } => retry(Reason::VendorUnavailable, *retry_after),
            // A person has to set the clock, but then it goes on by itself.
            Self::ClockSkew { .. } => Disposition::retry(Reason::ClockSkew),
            Self::Timeout | Self::Ambiguous(Doubt::Timeout) => Disposition::retry(Reason::Timeout),
            Self::Ambiguous(Doubt::Cut | Doubt::Status(_) | Doubt::Unclear | Doubt::NoId) => {
                Disposition::retry(Reason::VendorUnavailable)
            }
            Self::Unreachable => Disposition::retry(Reason::EndpointUnreachable),
            Self::Tls => Disposition::retry(Reason::TlsFailed),
            // Maintenance pages and cut bodies pass; a redirect and a missing list do not.
            Self::NotClinch(NotClinchSign::Html | NotClinchSign::NoData) => {
                Disposition::retry(Reason::EndpointNotClinch)
            }
            Self::NotClinch(NotClinchSign::Redirect | NotClinchSign::NoList) => {
                Disposition::Stalled { reason: Reason::EndpointNotClinch }
            }
            Self::Unauthorized => Disposition::Stalled { reason: Reason::CredentialsRejected },
            Self::Forbidden => Disposition::Stalled { reason: Reason::PermissionDenied },
            Self::NotFound => Disposition::Stalled { reason: Reason::DestinationNotFound },
            Self::EndpointNotAllowed => Disposition::Stalled { reason: Reason::EndpointNotAllowed },
            Self::Rejected { .. } => Disposition::Stalled { reason: Reason::RecordRejected },
            Self::Conflict => Disposition::Stalled { reason: Reason::AlreadyExists },
            Self::TooLarge => Disposition::Stalled { reason: Reason::TooLarge },
            Self::Unsupported(_) | Self::FilterIgnored => {
                Disposition::Stalled { reason: Reason::ContractUnsupported }
            }
            Self::Fenced | Self::Withdrawn => {
                Disposition::Wait { reason: Reason::DependencyNotReady }
            }
        }
    }

    /// The reason shown for it.
    pub fn reason(&self) -> Reason {
        self.disposition().reason()
    }

    /// Whether it says that Clinch itself is down, as opposed to refusing this one request.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Self::Unavailable { .. }
            | Self::Timeout
            | Self::Unreachable
            | Self::Ambiguous(Doubt::Timeout | Doubt::Cut | Doubt::Status(_)) => true,
            Self::Unauthorized
            | Self::ClockSkew { .. }
            | Self::Forbidden
            | Self::NotFound
            | Self::RateLimited { .. }
            | Self::Tls
            | Self::EndpointNotAllowed
            | Self::NotClinch(_)
            | Self::Rejected { .. }
            | Self::Conflict
            | Self::Ambiguous(Doubt::Unclear | Doubt::NoId)
            | Self::TooLarge
            | Self::Unsupported(_)
            | Self::FilterIgnored
            | Self::Fenced
            | Self::Withdrawn => false,
        }
    }
}
