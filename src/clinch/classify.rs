//! What a response means: for the retry loop, and for the caller. Pure tables.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use serde::de::IgnoredAny;

use super::{
    contract::{Effect, Op, is_safe_name},
    error::{ClinchError, Doubt, NotClinchSign},
    wire::{CallError, Response},
};
use crate::{jsonapi, network::NoAnswer};

/// A clock difference beyond this explains a refusal: a signature is valid for 900 s, minus some
/// time in transit.
const SKEW_TOLERANCE_SECONDS: i64 = 840;
/// The longest `Retry-After` accepted.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// How one attempt ended, as far as the retry loop is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A response that a retry would not change, or a failure on our side.
    Final,
    /// 429 in the words of the application: certainly not carried out.
    RateLimited,
    /// 429 that need not come from the application: possibly carried out.
    Throttled,
    /// 401 that need not come from the application: possibly carried out.
    Unsigned,
    /// 3xx: not followed. From a gateway, perhaps once only.
    Redirected,
    /// 408, 425, or a transient 5xx: possibly carried out.
    ServerError(u16),
    /// A 5xx that a retry would not change: possibly carried out.
    LastingError(u16),
    /// Another 4xx without a JSON document, so that it need not come from the application: possibly carried
    /// out.
    Refused(u16),
    /// Certainly not sent.
    NotSent,
    /// Sent, no response: possibly carried out.
    Lost(Doubt),
    /// A response that is too large to read, as it will be on every retry.
    Unreadable,
    /// A success with an HTML page: from something in between.
    Html,
    /// A success without a JSON document: cut off, perhaps.
    Garbled,
}

/// What the retry loop does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Return the result.
    Stop,
    /// Retry, if budget, attempts and deadline allow.
    Again,
    /// Report that the outcome is unknown.
    InDoubt(Doubt),
}

impl Outcome {
    /// Classifies the result of an attempt.
    pub fn of(result: &Result<Response, CallError>) -> Self {
        match result {
            Ok(response) => match response.status.as_u16() {
                429 if is_of_application(response) => Self::RateLimited,
                429 => Self::Throttled,
                401 if !is_of_application(response) => Self::Unsigned,
                300..=399 => Self::Redirected,
                code @ (408 | 425 | 500 | 502..=504 | 507 | 520..=599) => Self::ServerError(code),
                code @ 500.. => Self::LastingError(code),
                // Of these it is known what they mean, also if something in between sends them.
                401 | 403 | 404 | 410 | 413 => Self::Final,
                code @ 400..=499 if is_html(&response.headers) || !is_json(&response.body) => {
                    Self::Refused(code)
                }
                200..=299 if is_html(&response.headers) => Self::Html,
                200..=299 if !is_json(&response.body) => Self::Garbled,
                _ => Self::Final,
            },
            Err(CallError::NoConnection(_)) => Self::NotSent,
            Err(CallError::TimedOut) => Self::Lost(Doubt::Timeout),
            Err(CallError::Cut) => Self::Lost(Doubt::Cut),
            Err(CallError::ResponseTooLarge) => Self::Unreadable,
            Err(
                CallError::AddressRefused
                | CallError::Tls
                | CallError::NoPermit { .. }
                | CallError::Deadline
                | CallError::Fenced
                | CallError::GrantRevoked
                | CallError::GrantPaused
                | CallError::Outdated
                | CallError::CredentialRejected
                | CallError::InDoubt(_),
            ) => Self::Final,
        }
    }

    /// The table: a lost request may be sent again, unless that could create a second resource.
    pub const fn verdict(self, effect: Effect) -> Verdict {
        match (self, effect) {
            (Self::Final, _)
            | (
                Self::LastingError(_) | Self::Refused(_) | Self::Unsigned | Self::Unreadable,
                Effect::Read | Effect::Idempotent,
            )
            // The caller has to find out what became of it.
            | (Self::Redirected | Self::Html | Self::Garbled, Effect::Create)
            // Carried out, as far as can be seen; the rest of the response is not needed.
            | (Self::Garbled, Effect::Idempotent) => Verdict::Stop,
            (Self::Unreadable, Effect::Create) => Verdict::InDoubt(Doubt::Unclear),
            (Self::RateLimited | Self::NotSent, _)
            | (Self::Garbled, Effect::Read)
            | (
                Self::Redirected
                | Self::Html
                | Self::ServerError(_)
                | Self::Throttled
                | Self::Lost(_),
                Effect::Read | Effect::Idempotent,
            ) => Verdict::Again,
            (
                Self::ServerError(code) | Self::LastingError(code) | Self::Refused(code),
                Effect::Create,
            ) => Verdict::InDoubt(Doubt::Status(code)),
            (Self::Throttled, Effect::Create) => Verdict::InDoubt(Doubt::LIMITED),
            (Self::Unsigned, Effect::Create) => Verdict::InDoubt(Doubt::UNSIGNED),
            (Self::Lost(doubt), Effect::Create) => Verdict::InDoubt(doubt),
        }
    }
}

/// `Retry-After`, in seconds or as an HTTP date (RFC 9110, 10.2.3); of several, the longest.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let all = headers.get_all(header::RETRY_AFTER).into_iter();
    let delays = all.filter_map(|value| delay(value.to_str().ok()?.trim(), now));
    delays.max().map(|delay| delay.min(LONGEST_RETRY_AFTER))
}

fn delay(text: &str, now: Timestamp) -> Option<Duration> {
    // A proxy joins several headers with commas.
    let numbers: Option<Vec<_>> = text.split(',').map(|part| seconds(part.trim())).collect();
    if let Some(longest) = numbers.and_then(|numbers| numbers.into_iter().max()) {
        return Some(longest);
    }
    let at = http_date(text)?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

/// A number of seconds; a part of a second counts as a whole one.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(part) {
        return None;
    }
    // A number that is too long to read is a long delay.
    let whole = whole.parse().map_or(LONGEST_RETRY_AFTER, Duration::from_secs);
    let more = u64::from(part.bytes().any(|byte| byte != b'0'));
    Some(whole.saturating_add(Duration::from_secs(more)))
}

/// An HTTP date in any of its three formats (RFC 9110, 5.6.7), or as in an e-mail.
fn http_date(text: &str) -> Option<Timestamp> {
    if let Ok(at) = httpdate::parse_http_date(text) {
        // Beyond what a timestamp can hold is far in the future.
        return Some(Timestamp::try_from(at).unwrap_or(Timestamp::MAX));
    }
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp())
}

/// The delay that a response asks everybody for: any response that is not a success, and one that
/// promises to do it later (202). That of a 429 is the bucket's own concern.
pub fn postpones(response: &Response, now: Timestamp) -> Option<Duration> {
    let status = response.status;
    if status == StatusCode::TOO_MANY_REQUESTS
        || (status.is_success() && status != StatusCode::ACCEPTED)
    {
        return None;
    }
    retry_after(&response.headers, now).filter(|delay| !delay.is_zero())
}

/// Clinch's time minus ours in seconds, from a response's `Date`.
pub fn skew_seconds(headers: &HeaderMap, now: Timestamp) -> Option<i64> {
    Some(answered_at(headers)?.as_second() - now.as_second())
}

/// When a response was made, by the server's clock.
pub fn answered_at(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers.get(header::DATE)?.to_str().ok()?)
}

/// What a response means to the caller: the response itself if it is a success, otherwise the
/// error. `op` is `None` for the API document.
pub fn interpret(
    response: Response,
    op: Option<Op>,
    now: Timestamp,
) -> Result<Response, ClinchError> {
    let status = response.status;
    if status.is_success() {
        return if is_html(&response.headers) {
            Err(ClinchError::NotClinch(NotClinchSign::Html))
        } else {
            Ok(response)
        };
    }
    if status.is_redirection() || status.is_informational() {
        return Err(ClinchError::NotClinch(NotClinchSign::Redirect));
    }
    // A wrong clock usually shows as a 401, but may show as another refusal.
    if matches!(status.as_u16(), 400 | 401 | 403)
        && let Some(seconds) = skew_seconds(&response.headers, now)
        && seconds.abs() > SKEW_TOLERANCE_SECONDS
    {
        return Err(ClinchError::ClockSkew { seconds });
    }
    let delay = retry_after(&response.headers, now);
    Err(match status {
        StatusCode::UNAUTHORIZED => ClinchError::Unauthorized,
        StatusCode::FORBIDDEN if is_html(&response.headers) => {
            ClinchError::NotClinch(NotClinchSign::Html)
        }
        StatusCode::FORBIDDEN => ClinchError::Forbidden,
        StatusCode::NOT_FOUND | StatusCode::GONE
            if matches!(op, Some(Op::ListCandidates | Op::CreateCandidate)) =>
        {
            ClinchError::NotClinch(NotClinchSign::NoList)
        }
        StatusCode::NOT_FOUND | StatusCode::GONE
            if matches!(op, Some(Op::GetCandidate | Op::UpdateCandidate)) =>
        {
            no_person(&response)
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => ClinchError::NotFound,
        StatusCode::CONFLICT => ClinchError::Conflict,
        StatusCode::PAYLOAD_TOO_LARGE => ClinchError::TooLarge,
        StatusCode::TOO_MANY_REQUESTS => ClinchError::RateLimited { retry_after: delay },
        code if code.as_u16() >= 500 || matches!(code.as_u16(), 408 | 425) => {
            ClinchError::Unavailable { status: Some(code.as_u16()), retry_after: delay }
        }
        code => rejected(code, &response.body),
    })
}

/// A person is gone if the application says so. Anything in between may answer 404, too.
fn no_person(response: &Response) -> ClinchError {
    if is_html(&response.headers) {
        ClinchError::NotClinch(NotClinchSign::NotFoundPage)
    } else if jsonapi::has_errors(&response.body) {
        ClinchError::NotFound
    } else {
        ClinchError::NotClinch(NotClinchSign::BareNotFound)
    }
}

fn rejected(status: StatusCode, body: &[u8]) -> ClinchError {
    let field = |pointer: &str| {
        let name = pointer.strip_prefix("/data/attributes/")?.split('/').next()?;
        is_safe_name(name).then(|| name.to_owned())
    };
    let pointers = jsonapi::error_pointers(body);
    let mut fields: Vec<String> = pointers.iter().filter_map(|pointer| field(pointer)).collect();
    fields.sort_unstable();
    fields.dedup();
    ClinchError::Rejected { status: status.as_u16(), fields }
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

/// Whether an answer certainly comes from the application: it holds a JSON:API error, or at least a JSON
/// document with the media type of JSON:API, which nothing in between uses.
fn is_of_application(response: &Response) -> bool {
    let Response { headers, body, .. } = response;
    let is_typed = || has_type(headers, jsonapi::MEDIA_TYPE) && is_json(body);
    (!is_html(headers) && jsonapi::has_errors(body)) || is_typed()
}

fn is_html(headers: &HeaderMap) -> bool {
    has_type(headers, "text/html")
}

fn has_type(headers: &HeaderMap, expected: &str) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with(expected))
}

impl From<CallError> for ClinchError {
    fn from(failure: CallError) -> Self {
        match failure {
            CallError::AddressRefused => Self::EndpointNotAllowed,
            CallError::NoConnection(why) => Self::Unreachable(why),
            CallError::Cut => Self::Unreachable(NoAnswer::Cut),
            CallError::Tls => Self::Tls,
            CallError::TimedOut | CallError::Deadline => Self::Timeout,
            CallError::ResponseTooLarge => Self::TooLarge,
            CallError::NoPermit { retry_after, limited: true } => {
                Self::RateLimited { retry_after: Some(retry_after) }
            }
            CallError::NoPermit { retry_after, limited: false } => {
                Self::Unavailable { status: None, retry_after: Some(retry_after) }
            }
            CallError::Fenced => Self::Fenced,
            CallError::GrantRevoked => Self::GrantRevoked,
            // The caller starts over as after a pause.
            CallError::GrantPaused | CallError::Outdated => Self::GrantPaused,
            CallError::CredentialRejected => Self::Unauthorized,
            CallError::InDoubt(doubt) => Self::Ambiguous(doubt),
        }
    }
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
