//! What an answer means: for the retry loop, and for the caller. Pure tables.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;

use super::{
    contract::{Effect, Op, is_safe_name},
    error::{ClinchError, Doubt, NotClinchSign},
    wire::{Answer, Failure},
};
use crate::jsonapi;

/// A clock difference beyond this explains a refusal: signatures stand 900 s, less some travel.
const SKEW_TOLERANCE_SECONDS: i64 = 840;
/// The longest delay believed.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// What became of one attempt, as far as repeating it is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// An answer that repeating would not change, or a failure of ours.
    Final,
    /// 429: surely not carried out.
    RateLimited,
    /// 408, or a 5xx that may pass: perhaps carried out.
    ServerError(u16),
    /// A 5xx that repeating would not change: perhaps carried out all the same.
    LastingError(u16),
    /// Surely not sent.
    NotSent,
    /// Sent, no answer: perhaps carried out.
    Lost(Doubt),
    /// An answer that is not read to its end: as it is, again and again.
    Unreadable,
}

/// What the retry loop does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Hand the result on.
    Stop,
    /// Try again, if budget, attempts and deadline allow.
    Again,
    /// Hand on that the outcome is unknown.
    InDoubt(Doubt),
}

impl Outcome {
    /// Sorts the result of an attempt.
    pub fn of(result: &Result<Answer, Failure>) -> Self {
        match result {
            Ok(answer) => match answer.status.as_u16() {
                429 => Self::RateLimited,
                code @ (408 | 500 | 502..=504 | 507 | 520..=599) => Self::ServerError(code),
                code @ 500.. => Self::LastingError(code),
                _ => Self::Final,
            },
            Err(Failure::NoConnection) => Self::NotSent,
            Err(Failure::TimedOut) => Self::Lost(Doubt::Timeout),
            Err(Failure::Cut) => Self::Lost(Doubt::Cut),
            Err(Failure::AnswerTooLarge) => Self::Unreadable,
            Err(
                Failure::AddressRefused
                | Failure::Tls
                | Failure::NoPermit { .. }
                | Failure::Deadline
                | Failure::Fenced
                | Failure::Withdrawn
                | Failure::Shut
                | Failure::InDoubt(_),
            ) => Self::Final,
        }
    }

    /// The table: what may be lost may be repeated, unless repeating it could make a second one.
    pub const fn verdict(self, effect: Effect) -> Verdict {
        match (self, effect) {
            (Self::Final, _)
            | (Self::LastingError(_) | Self::Unreadable, Effect::Read | Effect::Idempotent) => {
                Verdict::Stop
            }
            (Self::Unreadable, Effect::Create) => Verdict::InDoubt(Doubt::Unclear),
            (Self::RateLimited | Self::NotSent, _)
            | (Self::ServerError(_) | Self::Lost(_), Effect::Read | Effect::Idempotent) => {
                Verdict::Again
            }
            (Self::ServerError(code) | Self::LastingError(code), Effect::Create) => {
                Verdict::InDoubt(Doubt::Status(code))
            }
            (Self::Lost(doubt), Effect::Create) => Verdict::InDoubt(doubt),
        }
    }
}

/// `Retry-After`, in seconds or as an HTTP date.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let delay = if let Ok(seconds) = text.parse() {
        Duration::from_secs(seconds)
    } else {
        let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        Duration::try_from(at.duration_since(now)).unwrap_or_default()
    };
    Some(delay.min(LONGEST_RETRY_AFTER))
}

/// Clinch's time minus ours in seconds, from an answer's `Date`.
pub fn skew_seconds(headers: &HeaderMap, now: Timestamp) -> Option<i64> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    let at = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Some(at.as_second() - now.as_second())
}

/// What an answer means to the caller: itself when it is a success, else the error. `op` is
/// `None` for the API document.
pub fn interpret(answer: Answer, op: Option<Op>, now: Timestamp) -> Result<Answer, ClinchError> {
    let status = answer.status;
    if status.is_success() {
        return if is_html(&answer.headers) {
            Err(ClinchError::NotClinch(NotClinchSign::Html))
        } else {
            Ok(answer)
        };
    }
    if status.is_redirection() || status.is_informational() {
        return Err(ClinchError::NotClinch(NotClinchSign::Redirect));
    }
    // A wrong clock shows as 401, but may as well show as another refusal.
    if matches!(status.as_u16(), 400 | 401 | 403)
        && let Some(seconds) = skew_seconds(&answer.headers, now)
        && seconds.abs() > SKEW_TOLERANCE_SECONDS
    {
        return Err(ClinchError::ClockSkew { seconds });
    }
    let delay = retry_after(&answer.headers, now);
    Err(match status {
        StatusCode::UNAUTHORIZED => ClinchError::Unauthorized,
        StatusCode::FORBIDDEN if is_html(&answer.headers) => {
            ClinchError::NotClinch(NotClinchSign::Html)
        }
        StatusCode::FORBIDDEN => ClinchError::Forbidden,
        StatusCode::NOT_FOUND | StatusCode::GONE
            if matches!(op, Some(Op::ListCandidates | Op::CreateCandidate)) =>
        {
            ClinchError::NotClinch(NotClinchSign::NoList)
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => ClinchError::NotFound,
        StatusCode::CONFLICT => ClinchError::Conflict,
        StatusCode::PAYLOAD_TOO_LARGE => ClinchError::TooLarge,
        StatusCode::TOO_MANY_REQUESTS => ClinchError::RateLimited { retry_after: delay },
        code if code.as_u16() >= 500 || code == StatusCode::REQUEST_TIMEOUT => {
            ClinchError::Unavailable { status: Some(code.as_u16()), retry_after: delay }
        }
        code => rejected(code, &answer.body),
    })
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

fn is_html(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"))
}

impl From<Failure> for ClinchError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::AddressRefused => Self::EndpointNotAllowed,
            Failure::NoConnection | Failure::Cut => Self::Unreachable,
            Failure::Tls => Self::Tls,
            Failure::TimedOut | Failure::Deadline => Self::Timeout,
            Failure::AnswerTooLarge => Self::TooLarge,
            Failure::NoPermit { retry_after } => {
                Self::RateLimited { retry_after: Some(retry_after) }
            }
            Failure::Fenced => Self::Fenced,
            Failure::Withdrawn => Self::Withdrawn,
            Failure::Shut => Self::Unauthorized,
            Failure::InDoubt(doubt) => Self::Ambiguous(doubt),
        }
    }
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
