//! What can go wrong with a call, as its caller sees it. Pure.
//!
//! Errors never hold text of a response: only status codes, attribute names and counts.

use std::time::Duration;

use thiserror::Error;

use super::contract::Unsupported;
use crate::{
    domain::{Disposition, Reason},
    network::NoAnswer,
};

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClinchError {
    /// 401, or an earlier 401 with the same credential.
    #[error("Clinch rejects the API credential (401); check key and secret, or issue new ones")]
    Unauthorized,
    /// 401 to one request, while a plain read with the same credential is accepted.
    #[error(
        "Clinch refuses the signature of {request} (401) and accepts that of a plain read: something in \
         between, such as a proxy or gateway, rewrites the URL or the headers of such requests, which a \
         signature does not survive"
    )]
    SignatureRefused {
        /// Method, path and names of the parameters.
        request: String,
    },
    /// Clinch does not accept the signature's time.
    #[error(
        "this clock and Clinch's differ by {seconds} s; a signature is valid for at most 900 s"
    )]
    ClockSkew {
        /// Clinch's time minus ours, in seconds.
        seconds: i64,
    },
    /// 403
    #[error("the API credential is not permitted to do this (403)")]
    Forbidden,
    /// 404. For one person: in the words of the application, so that they do not exist.
    #[error("Clinch does not have it (404)")]
    NotFound,
    /// 429, or our own bucket is paused because of one.
    #[error("Clinch limits the request rate (429)")]
    RateLimited {
        /// The requested delay.
        retry_after: Option<Duration>,
    },
    /// 5xx, or so many failures that the circuit breaker is open.
    #[error("Clinch is unavailable{}", shown(*.status))]
    Unavailable {
        /// The code; `None`: nothing was sent, because the earlier calls all failed.
        status: Option<u16>,
        /// The requested delay, or until the next call is admitted.
        retry_after: Option<Duration>,
    },
    /// No response in time, and nothing can have been created.
    #[error("Clinch did not answer in time")]
    Timeout,
    /// No connection, or it was lost.
    #[error("the endpoint {0}")]
    Unreachable(NoAnswer),
    /// No TLS session.
    #[error("TLS with the endpoint failed; check its certificate and the trusted roots")]
    Tls,
    /// The endpoint is not on the allow-list, or resolves to a private address.
    #[error("the endpoint is not in --allowed-endpoints, or resolves to a private address")]
    EndpointNotAllowed,
    /// A response that the Clinch API never sends.
    #[error("the endpoint does not answer as the Clinch API: {0}")]
    NotClinch(NotClinchSign),
    /// A 4xx about the content of the request.
    #[error("Clinch refused the record ({status}){}", listed(.fields))]
    Rejected {
        /// The code.
        status: u16,
        /// Names of sent attributes that the response points at.
        fields: Vec<String>,
    },
    /// 409
    #[error("Clinch already has it, or it changed meanwhile (409)")]
    Conflict,
    /// A create counts as a change of a person with another e-mail address.
    #[error(
        "Clinch answers the create with somebody who has another e-mail address, and finds nobody by that \
         of the record"
    )]
    OtherPerson,
    /// It is unknown whether something was created: look it up before creating again.
    #[error("it is not known whether Clinch carried this out: {0}")]
    Ambiguous(Doubt),
    /// 5xx to each attempt to create something, which is not there: nothing is in doubt.
    #[error("Clinch answers it with server error {status} each time")]
    Errored {
        /// The code of the last answer.
        status: u16,
    },
    /// Clinch refuses the size of the request (413), or a list has too many pages.
    #[error("the request or its response is too large")]
    TooLarge,
    /// The response exceeds its limit.
    #[error("the answer to {request} is larger than {} MiB{}", .limit >> 20, smaller_pages(*.list))]
    AnswerTooLarge {
        /// The operation.
        request: &'static str,
        /// The limit in bytes.
        limit: usize,
        /// Whether it is a list, whose pages can be made smaller.
        list: bool,
    },
    /// The contract does not allow the operation.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// The candidate filter is not offered, or not honoured: a full scan has to serve as the index.
    #[error("Clinch does not filter candidates by the match attribute")]
    FilterIgnored,
    /// This process may not write now.
    #[error("this process does not hold the right to write")]
    Fenced,
    /// The caller may no longer use the account.
    #[error("access to this account was revoked")]
    GrantRevoked,
    /// The caller could not use the account for a moment. The request was not sent; what it was
    /// based on may have changed meanwhile.
    #[error("access to this account was paused")]
    GrantPaused,
}

/// What shows that an endpoint is not Clinch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotClinchSign {
    /// It redirects.
    #[error("it redirects")]
    Redirect,
    /// It answers with an HTML page: a proxy, a challenge, a maintenance notice.
    #[error("it answers with HTML")]
    Html,
    /// Success without JSON:API data.
    #[error("its response holds no JSON:API data")]
    NoData,
    /// 404 on the candidate list itself.
    #[error("it has no candidate list (404); check region, endpoint and apiVersion")]
    NoList,
    /// 404 for one person, with an HTML page: from something in between, perhaps.
    #[error("it answers 404 for a person with an HTML page, as a proxy does")]
    NotFoundPage,
    /// 404 for one person, without a JSON:API error: from something in between, perhaps.
    #[error("it answers 404 for a person without a JSON:API error")]
    BareNotFound,
}

/// Why it is unknown whether a create was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Doubt {
    /// No response in time.
    #[error("no response in time")]
    Timeout,
    /// The connection was lost.
    #[error("the connection was lost")]
    Cut,
    /// A server error, a 4xx without a JSON document, or a 401 or 429 that is not in the words of the
    /// application: a gateway may return it for a request that it has passed on.
    #[error("{}", status_of(*.0))]
    Status(u16),
    /// A response that need not come from the application: an HTML page, a redirect, one that is
    /// too large, one without a JSON:API document, or one that promises to do it later (202).
    #[error("the response does not say")]
    Unclear,
    /// A JSON:API document that reports success but holds no readable id.
    #[error("the response holds no id")]
    NoId,
}

impl Doubt {
    /// A 429 that need not come from the application.
    pub(super) const LIMITED: Self = Self::Status(429);
    /// A 401 that need not come from the application.
    pub(super) const UNSIGNED: Self = Self::Status(401);

    /// The error of a write that was sent several times and is certainly not carried out: it was looked
    /// for after each answer, once it could not be in progress any more. Other doubts stay. `request`:
    /// its method and path.
    pub fn after_the_last_look(self, request: &str) -> ClinchError {
        match self {
            Self::LIMITED => ClinchError::RateLimited { retry_after: None },
            Self::UNSIGNED => ClinchError::SignatureRefused { request: request.to_owned() },
            Self::Status(409) => ClinchError::Conflict,
            Self::Status(status) if self.is_refusal() => {
                ClinchError::Rejected { status, fields: Vec::new() }
            }
            Self::Status(status) => ClinchError::Errored { status },
            Self::Timeout | Self::Cut | Self::Unclear | Self::NoId => ClinchError::Ambiguous(self),
        }
    }

    /// Whether it is a 4xx, which is not sent again: another answer is not to be expected. A 408, 425 or 429 is
    /// about the time alone, and a 401 may be a stray one.
    pub(crate) const fn is_refusal(self) -> bool {
        matches!(self, Self::Status(400..=499))
            && !matches!(self, Self::Status(401 | 408 | 425 | 429))
    }

    /// Whether it is a 401: sent once more, as the credential is accepted otherwise.
    pub(crate) const fn is_unsigned(self) -> bool {
        matches!(self, Self::UNSIGNED)
    }

    /// Whether the request is likely to be in progress still. Only the application's own response
    /// suggests that it finished: a gateway may answer while the request is being carried out.
    pub(super) const fn is_likely_in_progress(self) -> bool {
        match self {
            Self::Timeout | Self::Cut | Self::Status(_) | Self::Unclear => true,
            Self::NoId => false,
        }
    }
}

fn status_of(code: u16) -> String {
    match code {
        401 => {
            "a 401 that need not come from Clinch itself, which accepts a plain read with the same \
                credential: something in between may have answered, or rewrites such requests"
                .to_owned()
        }
        429 => "a 429 that need not come from Clinch itself".to_owned(),
        ..500 => format!("{code} without a JSON document"),
        _ => format!("server error {code}"),
    }
}

fn shown(status: Option<u16>) -> String {
    status
        .map_or_else(|| "; waiting before the next request".to_owned(), |code| format!(" ({code})"))
}

const fn smaller_pages(list: bool) -> &'static str {
    if list {
        "; set spec.contractOverrides.maxPageSize of the ClinchIntegration, or lower it, so that a \
         page holds fewer records"
    } else {
        ""
    }
}

fn listed(fields: &[String]) -> String {
    if fields.is_empty() { String::new() } else { format!(": {}", fields.join(", ")) }
}

impl ClinchError {
    /// What the caller should do next.
    pub fn disposition(&self) -> Disposition {
        let retry = |reason, after: Option<Duration>| Disposition::Retry {
            reason,
            after: after.unwrap_or_default(),
        };
        match self {
            Self::RateLimited { retry_after } => retry(Reason::RateLimited, *retry_after),
            Self::Ambiguous(Doubt::LIMITED) => Disposition::retry(Reason::RateLimited),
            Self::Ambiguous(Doubt::UNSIGNED) => Disposition::retry(Reason::RequestAltered),
            Self::Unavailable { retry_after, .. } => retry(Reason::VendorUnavailable, *retry_after),
            // Somebody has to set the clock, but after that no other action is needed.
            Self::ClockSkew { .. } => Disposition::retry(Reason::ClockSkew),
            Self::Timeout | Self::Ambiguous(Doubt::Timeout) => Disposition::retry(Reason::Timeout),
            Self::Ambiguous(Doubt::Cut | Doubt::Status(_) | Doubt::Unclear | Doubt::NoId)
            | Self::Errored { .. } => Disposition::retry(Reason::VendorUnavailable),
            Self::Unreachable(_) => Disposition::retry(Reason::EndpointUnreachable),
            Self::Tls => Disposition::retry(Reason::TlsFailed),
            // Maintenance pages and truncated bodies are transient; a redirect and a missing list
            // are not.
            Self::NotClinch(
                NotClinchSign::Html
                | NotClinchSign::NoData
                | NotClinchSign::NotFoundPage
                | NotClinchSign::BareNotFound,
            ) => Disposition::retry(Reason::EndpointNotClinch),
            Self::NotClinch(NotClinchSign::Redirect | NotClinchSign::NoList) => {
                Disposition::Stalled { reason: Reason::EndpointNotClinch }
            }
            Self::Unauthorized => Disposition::Stalled { reason: Reason::CredentialsRejected },
            Self::SignatureRefused { .. } => {
                Disposition::Stalled { reason: Reason::RequestAltered }
            }
            Self::Forbidden => Disposition::Stalled { reason: Reason::PermissionDenied },
            Self::NotFound => Disposition::Stalled { reason: Reason::DestinationNotFound },
            Self::EndpointNotAllowed => Disposition::Stalled { reason: Reason::EndpointNotAllowed },
            Self::Rejected { .. } | Self::OtherPerson => {
                Disposition::Stalled { reason: Reason::RecordRejected }
            }
            Self::Conflict => Disposition::Stalled { reason: Reason::AlreadyExists },
            Self::TooLarge | Self::AnswerTooLarge { .. } => {
                Disposition::Stalled { reason: Reason::TooLarge }
            }
            Self::Unsupported(_) | Self::FilterIgnored => {
                Disposition::Stalled { reason: Reason::ContractUnsupported }
            }
            Self::Fenced | Self::GrantRevoked | Self::GrantPaused => {
                Disposition::Wait { reason: Reason::DependencyNotReady }
            }
        }
    }

    /// The reason shown in status.
    pub fn reason(&self) -> Reason {
        self.disposition().reason()
    }

    /// Whether Clinch itself is down, as opposed to refusing this one request.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Self::Unavailable { .. }
            | Self::Timeout
            | Self::Unreachable(_)
            | Self::Errored { .. }
            | Self::Ambiguous(Doubt::Timeout | Doubt::Cut) => true,
            Self::Ambiguous(Doubt::Status(code)) => *code >= 500 || matches!(*code, 408 | 425),
            Self::Unauthorized
            | Self::SignatureRefused { .. }
            | Self::ClockSkew { .. }
            | Self::Forbidden
            | Self::NotFound
            | Self::RateLimited { .. }
            | Self::Tls
            | Self::EndpointNotAllowed
            | Self::NotClinch(_)
            | Self::Rejected { .. }
            | Self::Conflict
            | Self::OtherPerson
            | Self::Ambiguous(Doubt::Unclear | Doubt::NoId)
            | Self::TooLarge
            | Self::AnswerTooLarge { .. }
            | Self::Unsupported(_)
            | Self::FilterIgnored
            | Self::Fenced
            | Self::GrantRevoked
            | Self::GrantPaused => false,
        }
    }
}
