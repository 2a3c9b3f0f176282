//! Why a server or store does not do what it is asked, from its answer: the HTTP status, and the public
//! error code of the store. Only codes of the table below are shown, so that no answer can bring
//! a text of its own into a message. Pure.

use std::{fmt, sync::Arc};

use http::{HeaderMap, StatusCode, header};
use thiserror::Error;

use crate::network::NoAnswer;

/// The most bytes of an error answer that are read.
pub(super) const MAX_ERROR_BYTES: usize = 64 << 10;

/// Why a server or store does not do what it is asked. The messages say what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ServerFault {
    /// No answer.
    #[error("the server {0}")]
    NoAnswer(NoAnswer),
    /// No credentials are given, and the service of the machine that could give some is not there.
    #[error(
        "there are no credentials: name a Secret, or give the operator an identity (the service that \
         gives this machine credentials does not answer)"
    )]
    NoIdentity,
    /// The service that gives credentials refuses to.
    #[error(
        "the service that gives credentials refuses{0}: check the Secret, or the operator's identity"
    )]
    IdentityRefused(Code),
    /// The operator's identity is configured, and cannot be used.
    #[error("the operator's identity cannot be used: check its AWS_, GOOGLE_ or AZURE_ variables")]
    IdentityUnusable,
    /// The bucket is in another region than the client assumes.
    #[error("the bucket is in {}: set AWS_REGION to it", .0.as_ref().map_or("another region", Region::as_str))]
    WrongRegion(Option<Region>),
    /// The signature is too old or too new.
    #[error("the clock of the store and the clock of this host differ: check both (NTP)")]
    ClockSkew,
    /// The object is in cold storage.
    #[error("an object is archived: restore it, or leave it out of the pattern")]
    Archived,
    /// The credentials may read objects, perhaps, but not list them.
    #[error(
        "the credentials may not list the bucket{0}: grant it (s3:ListBucket, \
         storage.objects.list, Microsoft.Storage/.../blobs/read or SAS permission l)"
    )]
    ListDenied(Code),
    /// The credentials are wrong, or do not allow it.
    #[error("the credentials are refused{0}: check them, and what they permit")]
    Denied(Code),
    /// The credentials were valid once.
    #[error("the credentials have expired{0}: issue new ones")]
    Expired(Code),
    /// No bucket or container of that name.
    #[error("there is no such bucket or container: check its name, and endpoint and account")]
    BucketMissing,
    /// No space is left, or a quota is used up.
    #[error("the store has no space left, or a quota is used up{0}")]
    Full(Code),
    /// Too many requests.
    #[error("the server asks for fewer requests; retried later")]
    Throttled,
    /// 5xx, 408.
    #[error("the server fails (status {0})")]
    Failing(u16),
    /// An HTML page.
    #[error(
        "the server answers with an HTML page (status {0}), as a proxy, a login or a console does: \
         check the endpoint"
    )]
    Page(u16),
    /// Plain http at a port for TLS.
    #[error("the server wants TLS at this port: write https://")]
    WantsTls,
    /// Plain http that the operator's environment does not allow.
    #[error(
        "the endpoint of the operator's environment is plain http: write https://, or set \
         AWS_ALLOW_HTTP (AZURE_ALLOW_HTTP) to true"
    )]
    PlainHttp,
    /// A redirect.
    #[error("the server redirects, which is not followed: give the final URL")]
    Redirected,
    /// Another refusal.
    #[error("the server refuses the request (status {0}{1})")]
    Refused(u16, Code),
    /// An answer that no store gives.
    #[error("the server does not answer as an object store: check the endpoint")]
    NotAStore,
}

/// The public error code of a store, for messages; empty if it gave none that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Code(Option<&'static str>);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |code| write!(f, " ({code})"))
    }
}

/// The name of a region, as AWS writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region(Arc<str>);

impl Region {
    /// Takes names such as `eu-west-1` and `us-gov-east-1` only.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-').rev();
        let number = parts.next()?;
        let words: Vec<&str> = parts.collect();
        let is_word = |word: &&str| word.bytes().all(|b| b.is_ascii_lowercase()) && word.len() > 1;
        let fits = (2..=3).contains(&words.len())
            && text.len() <= 24
            && words.iter().all(is_word)
            && (1..=2).contains(&number.len())
            && number.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| Self(text.into()))
    }

    fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a code stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Denied,
    Expired,
    ClockSkew,
    Region,
    Archived,
    NoBucket,
    Full,
    Throttled,
    Failing,
    Other,
}

/// The error codes that stores document, as far as they say what to do.
const CODES: &[(&str, Meaning)] = {
    use Meaning::{
        Archived, ClockSkew, Denied, Expired, Failing, Full, NoBucket, Other, Region, Throttled,
    };
    &[
        // S3 and the stores that speak its language; Google Cloud Storage's XML API
        ("AccessDenied", Denied),
        ("AllAccessDisabled", Denied),
        ("AccountProblem", Denied),
        ("AuthenticationRequired", Denied),
        ("AuthorizationHeaderMalformed", Region),
        ("ExpiredToken", Expired),
        ("IllegalLocationConstraintException", Region),
        ("InternalError", Failing),
        ("InvalidAccessKeyId", Denied),
        ("InvalidBucketName", Other),
        ("InvalidObjectState", Archived),
        ("InvalidSecurity", Denied),
        ("InvalidToken", Expired),
        ("KMS.DisabledException", Denied),
        ("KMS.NotFoundException", Denied),
        ("MethodNotAllowed", Other),
        ("NoSuchBucket", NoBucket),
        ("NotSignedUp", Denied),
        ("PermanentRedirect", Region),
        ("QuotaExceeded", Full),
        ("RequestExpired", ClockSkew),
        ("RequestTimeTooSkewed", ClockSkew),
        ("RequestTimeout", Failing),
        ("ServiceUnavailable", Throttled),
        ("SignatureDoesNotMatch", Denied),
        ("SlowDown", Throttled),
        ("TemporaryRedirect", Region),
        ("TokenRefreshRequired", Expired),
        ("TooManyRequests", Throttled),
        ("UserProjectAccountProblem", Denied),
        ("UserProjectMissing", Other),
        ("XMinioAdminBucketQuotaExceeded", Full),
        ("XMinioStorageFull", Full),
        // Azure Blob Storage
        ("AccountIsDisabled", Denied),
        ("AuthenticationFailed", Denied),
        ("AuthorizationFailure", Denied),
        ("AuthorizationPermissionMismatch", Denied),
        ("AuthorizationProtocolMismatch", Denied),
        ("AuthorizationResourceTypeMismatch", Denied),
        ("AuthorizationServiceMismatch", Denied),
        ("AuthorizationSourceIPMismatch", Denied),
        ("BlobArchived", Archived),
        ("BlobBeingRehydrated", Archived),
        ("ContainerBeingDeleted", NoBucket),
        ("ContainerDisabled", NoBucket),
        ("ContainerNotFound", NoBucket),
        ("InsufficientAccountPermissions", Denied),
        ("InvalidAuthenticationInfo", Denied),
        ("NoAuthenticationInformation", Denied),
        ("OperationTimedOut", Failing),
        ("PublicAccessNotPermitted", Denied),
        ("ServerBusy", Throttled),
        // services that give credentials
        ("ExpiredTokenException", Expired),
        ("InvalidIdentityToken", Denied),
        ("access_denied", Denied),
        ("invalid_client", Denied),
        ("invalid_grant", Denied),
        ("invalid_request", Other),
        ("invalid_scope", Other),
        ("unauthorized_client", Denied),
    ]
};

impl ServerFault {
    /// Whether it may pass without anybody changing an object.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NoAnswer(NoAnswer::AddressRefused | NoAnswer::NotTls) => false,
            Self::Page(status) => *status >= 500,
            Self::NoAnswer(_)
            | Self::NoIdentity
            | Self::ClockSkew
            | Self::Full(_)
            | Self::Throttled
            | Self::Failing(_)
            | Self::NotAStore => true,
            _ => false,
        }
    }

    /// Whether the credentials are at fault.
    pub fn is_denial(&self) -> bool {
        matches!(
            self,
            Self::IdentityRefused(_)
                | Self::IdentityUnusable
                | Self::ListDenied(_)
                | Self::Denied(_)
                | Self::Expired(_)
        )
    }

    /// Whether credentials that are refused so for an object's metadata may be good for writing it.
    pub(super) fn may_concern_reading(&self) -> bool {
        let permission = ["AccessDenied", "AuthorizationPermissionMismatch"];
        match self {
            Self::Denied(Code(Some(code))) => permission.contains(code),
            other => other.needs_a_code(),
        }
    }

    /// Whether a body, with a code, would say more than this.
    pub(super) fn needs_a_code(&self) -> bool {
        match self {
            Self::Denied(code) | Self::Refused(_, code) => code.0.is_none(),
            Self::WrongRegion(region) => region.is_none(),
            Self::Redirected => true,
            _ => false,
        }
    }

    /// The same fault of a request for a list: a credential that is refused there may be good for
    /// objects.
    pub(super) fn of_list(self) -> Self {
        let for_lists = [None, Some("AccessDenied"), Some("AuthorizationPermissionMismatch")];
        match self {
            Self::Denied(code) if for_lists.contains(&code.0) => Self::ListDenied(code),
            other => other,
        }
    }

    /// Whether another attempt right away may succeed.
    pub(super) fn is_worth_a_retry(status: StatusCode) -> bool {
        matches!(status.as_u16(), 408 | 429 | 500 | 502..=599)
    }

    /// The fault behind a status alone, e.g. of a file server.
    pub(super) fn of_status(status: u16) -> Self {
        Self::of_meaning(status, None, Code::default(), None)
    }

    /// The fault behind an error answer of a store, from its status, headers and first bytes.
    pub(super) fn of_answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(&body[..body.len().min(MAX_ERROR_BYTES)]);
        let status = status.as_u16();
        // Written by nginx, and by Go's server.
        let wants_tls = ["HTTP request was sent to HTTPS port", "HTTP request to an HTTPS server"];
        if status == 400 && wants_tls.iter().any(|sign| text.contains(sign)) {
            return Self::WantsTls;
        }
        if is_page(headers, body) {
            return Self::Page(status);
        }
        let known = code(headers, &text);
        let meaning = known.map(|(_, meaning)| *meaning);
        let code = Code(known.map(|(code, _)| *code));
        if code.0 == Some("AuthenticationFailed") && text.contains("Request date header too old") {
            return Self::ClockSkew;
        }
        Self::of_meaning(status, meaning, code, region(headers, &text))
    }

    fn of_meaning(
        status: u16,
        meaning: Option<Meaning>,
        code: Code,
        region: Option<Region>,
    ) -> Self {
        match (meaning, status) {
            (_, 407) => Self::NoAnswer(NoAnswer::ProxyCredentials),
            (Some(Meaning::ClockSkew), _) => Self::ClockSkew,
            (Some(Meaning::Archived), _) => Self::Archived,
            (Some(Meaning::NoBucket), _) => Self::BucketMissing,
            (Some(Meaning::Expired), _) => Self::Expired(code),
            (Some(Meaning::Full), _) | (None, 507) => Self::Full(code),
            (Some(Meaning::Throttled), _) | (_, 429) => Self::Throttled,
            (Some(Meaning::Region), 300..=399) => Self::WrongRegion(region),
            // A store other than Amazon's may also mean another part of the header.
            (Some(Meaning::Region), _) | (None, 300..=399) if region.is_some() => {
                Self::WrongRegion(region)
            }
            (Some(Meaning::Denied | Meaning::Region), _) | (None, 401 | 403) => Self::Denied(code),
            (Some(Meaning::Failing), _) | (_, 408 | 425 | 500..=599) => Self::Failing(status),
            (_, 300..=399) => Self::Redirected,
            _ => Self::Refused(status, code),
        }
    }
}

/// Whether an answer is a page for people.
pub(super) fn is_page(headers: &HeaderMap, body: &[u8]) -> bool {
    let typed = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let start = &body.trim_ascii_start()[..body.trim_ascii_start().len().min(14)];
    let start = start.to_ascii_lowercase();
    typed.is_some_and(|value| value.trim_start().starts_with("text/html"))
        || start.starts_with(b"<!doctype html")
        || start.starts_with(b"<html")
}

/// The error code of an answer, if it is known.
fn code(headers: &HeaderMap, text: &str) -> Option<&'static (&'static str, Meaning)> {
    let header = headers.get("x-ms-error-code").and_then(|value| value.to_str().ok());
    let written = header.or_else(|| between(text, "<Code>", "</Code>")).or_else(|| {
        // OAuth services answer in JSON.
        text.split_once("\"error\":")?.1.split('"').nth(1)
    })?;
    CODES.iter().find(|(known, _)| *known == written.trim())
}

/// The region of the bucket, if the answer names it.
fn region(headers: &HeaderMap, text: &str) -> Option<Region> {
    let header = headers.get("x-amz-bucket-region").and_then(|value| value.to_str().ok());
    header
        .and_then(Region::parse)
        .or_else(|| Region::parse(between(text, "<Region>", "</Region>")?))
        .or_else(|| Region::parse(between(text, "expecting '", "'")?))
        .or_else(|| Region::parse(between(text, "expecting &apos;", "&apos;")?))
        .or_else(|| Region::parse(between(text, "expecting &#39;", "&#39;")?))
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = text.split_once(before)?.1;
    Some(rest.split_once(after)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> ServerFault {
        let headers = headers.iter().map(|(name, value)| {
            (header::HeaderName::from_static(name), header::HeaderValue::from_static(value))
        });
        let status = StatusCode::from_u16(status).unwrap();
        ServerFault::of_answer(status, &headers.collect(), body.as_bytes())
    }

    fn error(code: &str) -> String {
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>")
    }

    #[test]
    fn the_public_code_of_a_store_decides_before_the_status() {
        let region = |text: &str| ServerFault::WrongRegion(Region::parse(text));
        let code = |code| Code(Some(code));
        for (status, name, fault) in [
            (403, "RequestTimeTooSkewed", ServerFault::ClockSkew),
            (403, "InvalidObjectState", ServerFault::Archived),
            (404, "NoSuchBucket", ServerFault::BucketMissing),
            (400, "ExpiredToken", ServerFault::Expired(code("ExpiredToken"))),
            (403, "SignatureDoesNotMatch", ServerFault::Denied(code("SignatureDoesNotMatch"))),
            (503, "SlowDown", ServerFault::Throttled),
            (400, "RequestTimeout", ServerFault::Failing(400)),
            (507, "XMinioStorageFull", ServerFault::Full(code("XMinioStorageFull"))),
            (403, "QuotaExceeded", ServerFault::Full(code("QuotaExceeded"))),
            (507, "OfAnotherStore", ServerFault::Full(Code::default())),
            (301, "PermanentRedirect", ServerFault::WrongRegion(None)),
            (409, "BlobArchived", ServerFault::Archived),
            (400, "UserProjectMissing", ServerFault::Refused(400, code("UserProjectMissing"))),
            (418, "SecretOfSomebody", ServerFault::Refused(418, Code::default())),
            (500, "XMinioServerNotInitialized", ServerFault::Failing(500)),
        ] {
            assert_eq!(of(status, &[], &error(name)), fault, "{name}");
        }
        let header = [("x-amz-bucket-region", "eu-west-1")];
        assert_eq!(of(301, &header, ""), region("eu-west-1"));
        assert_eq!(of(400, &header, &error("AuthorizationHeaderMalformed")), region("eu-west-1"));
        let expecting = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>The region \
             'us-east-1' is wrong; expecting 'us-gov-west-1'</Message></Error>";
        assert_eq!(of(400, &[], expecting), region("us-gov-west-1"));
        assert!(region("eu-west-1").to_string().contains("in eu-west-1: set AWS_REGION"));
        assert_eq!(of(404, &[("x-ms-error-code", "ContainerNotFound")], ""), {
            ServerFault::BucketMissing
        });
        let old = "<Error><Code>AuthenticationFailed</Code><AuthenticationErrorDetail>Request date \
             header too old: 'x'</AuthenticationErrorDetail></Error>";
        assert_eq!(of(403, &[], old), ServerFault::ClockSkew);
        let grant = r#"{"error": "invalid_grant", "error_description": "x"}"#;
        assert_eq!(of(400, &[], grant), ServerFault::Denied(code("invalid_grant")));
    }

    #[test]
    fn answers_that_no_store_gives_are_told_apart() {
        let html = [("content-type", "text/html; charset=utf-8")];
        assert_eq!(of(403, &html, "<p>"), ServerFault::Page(403));
        assert_eq!(of(502, &[], "\n<!DOCTYPE HTML>"), ServerFault::Page(502));
        let nginx = "<html><title>400 The plain HTTP request was sent to HTTPS port</title>";
        assert_eq!(of(400, &html, nginx), ServerFault::WantsTls);
        let go = "Client sent an HTTP request to an HTTPS server.\n";
        assert_eq!(of(400, &[], go), ServerFault::WantsTls);
        assert_eq!(of(302, &[], ""), ServerFault::Redirected);
        assert_eq!(of(407, &[], ""), ServerFault::NoAnswer(NoAnswer::ProxyCredentials));
        assert_eq!(of(400, &[], "what?"), ServerFault::Refused(400, Code::default()));
    }

    #[test]
    fn nothing_that_an_answer_says_comes_into_a_message() {
        let marked = "jane-5309";
        let header = [("x-amz-bucket-region", "jane-5309"), ("x-ms-error-code", "jane-5309")];
        for status in [301, 400, 403, 404, 409, 429, 500] {
            for body in [error(marked), format!("<Region>{marked}</Region>"), marked.to_owned()] {
                let fault = of(status, &header, &body);
                assert!(!format!("{fault} {fault:?}").contains("jane"), "{fault:?}");
            }
        }
        for not in ["", "eu", "EU-WEST-1", "eu-west-1x", "a-b-1", "eu--1", "eu-west-123"] {
            assert_eq!(Region::parse(not), None, "{not}");
        }
        for region in ["eu-west-1", "us-gov-east-1", "ap-southeast-2", "il-central-1"] {
            assert!(Region::parse(region).is_some(), "{region}");
        }
    }

    #[test]
    fn what_passes_by_itself_stalls_nobody() {
        for passes in [
            ServerFault::Throttled,
            ServerFault::Failing(503),
            ServerFault::ClockSkew,
            ServerFault::NoAnswer(NoAnswer::ConnectionRefused),
            ServerFault::NoAnswer(NoAnswer::NoSuchHost),
            ServerFault::NoAnswer(NoAnswer::UnknownAuthority),
            ServerFault::Page(503),
        ] {
            assert!(passes.is_transient() && !passes.is_denial(), "{passes:?}");
        }
        for stays in [
            ServerFault::WrongRegion(None),
            ServerFault::Archived,
            ServerFault::WantsTls,
            ServerFault::Page(200),
            ServerFault::Denied(Code::default()),
            ServerFault::NoAnswer(NoAnswer::NotTls),
        ] {
            assert!(!stays.is_transient(), "{stays:?}");
        }
    }
}
