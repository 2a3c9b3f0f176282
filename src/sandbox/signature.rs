//! The server's own check of request signatures, like the api-auth gem. Pure; shares no code with
//! the client's signing, and is tested against the same independent vectors.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use jiff::{Timestamp, civil, fmt::strtime, tz::TimeZone};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;

/// A date must differ from the clock by less than this many seconds, in either direction.
const WINDOW_SECONDS: u64 = 900;

/// The emulated generation of the gem: they hash the body differently.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
pub enum Generation {
    /// 2.4 and older: `Content-MD5`.
    #[default]
    #[serde(rename = "2.4")]
    Md5,
    /// 2.5 and newer: `X-Authorization-Content-SHA256`.
    #[serde(rename = "2.5")]
    Sha256,
}

/// How signatures are checked.
#[derive(Debug, Clone, Copy, Default)]
pub struct SignatureCheck {
    /// Generation of the gem.
    pub generation: Generation,
    /// Also accept the form of 1.x, which does not sign the method.
    pub legacy: bool,
}

/// The parts of a request that are checked.
#[derive(Debug)]
pub struct SignedRequest<'a> {
    /// The method, upper case.
    pub method: &'a str,
    /// Path and query exactly as received.
    pub path_and_query: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The raw body.
    pub body: &'a [u8],
}

impl SignatureCheck {
    /// The access key that signed the request, if the signature is valid. `secret_of` returns the
    /// secret of an access key.
    pub fn verify<'k>(
        &self,
        request: &SignedRequest<'_>,
        secret_of: impl Fn(&str) -> Option<&'k str>,
        now: Timestamp,
    ) -> Option<String> {
        let header = |names: &[&str]| {
            names.iter().find_map(|name| request.headers.get(*name)?.to_str().ok())
        };
        let authorization = header(&["x-hmac-authorization", "x-authorization", "authorization"])?;
        let (digest, access_key, given) = parse_authorization(authorization)?;
        let date = header(&["x-hmac-date", "x-date", "date"])?;
        let content_type =
            header(&["x-hmac-content-type", "x-content-type", "content-type"]).unwrap_or_default();
        let uri = header(&["x-hmac-original-uri", "x-original-uri"]);
        let uri = uri.unwrap_or(request.path_and_query);
        let hash = match self.generation {
            Generation::Md5 => header(&["x-hmac-content-md5", "x-content-md5", "content-md5"]),
            Generation::Sha256 => header(&["x-authorization-content-sha256"]),
        };
        if let (Some(hash), "POST" | "PUT") = (hash, request.method)
            && hash != self.body_hash(request.body)
        {
            return None;
        }
        let secret = secret_of(access_key)?;
        let hash = hash.unwrap_or_default();
        let without_method = format!("{content_type},{hash},{uri},{date}");
        let full = format!("{},{without_method}", request.method);
        let valid = matches(digest, secret, &full, given)
            || (self.legacy && matches(digest, secret, &without_method, given));
        // The gem compares whole seconds: a fraction of the current second does not widen the window.
        let age = parse_http_date(date)?.as_second().abs_diff(now.as_second());
        (valid && age < WINDOW_SECONDS).then(|| access_key.to_owned())
    }

    fn body_hash(self, body: &[u8]) -> String {
        match self.generation {
            Generation::Md5 => STANDARD.encode(Md5::digest(body)),
            Generation::Sha256 => STANDARD.encode(Sha256::digest(body)),
        }
    }
}

/// `APIAuth[-HMAC-DIGEST] key:signature`
fn parse_authorization(header: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = header.split_once(' ')?;
    let digest = match scheme.strip_prefix("APIAuth")? {
        "" => "SHA1",
        suffix => suffix.strip_prefix("-HMAC-")?,
    };
    let (access_key, signature) = rest.split_once(':')?;
    Some((digest, access_key, signature))
}

fn matches(digest: &str, secret: &str, canonical: &str, given: &str) -> bool {
    let computed = match digest {
        "SHA" | "SHA1" => mac::<Hmac<Sha1>>(secret, canonical),
        "MD5" => mac::<Hmac<Md5>>(secret, canonical),
        "SHA224" => mac::<Hmac<Sha224>>(secret, canonical),
        "SHA256" => mac::<Hmac<Sha256>>(secret, canonical),
        "SHA384" => mac::<Hmac<Sha384>>(secret, canonical),
        "SHA512" => mac::<Hmac<Sha512>>(secret, canonical),
        _ => return false,
    };
    computed.as_bytes().ct_eq(given.as_bytes()).into()
}

fn mac<M: Mac + KeyInit>(secret: &str, canonical: &str) -> String {
    let mut mac = <M as KeyInit>::new_from_slice(secret.as_bytes()).expect("HMAC takes any key");
    mac.update(canonical.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Parses the three forms of an HTTP date, and nothing else (no ISO 8601).
pub(super) fn parse_http_date(text: &str) -> Option<Timestamp> {
    const FORMS: [&str; 3] =
        ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    FORMS.iter().find_map(|form| {
        let parsed = strtime::parse(form, text).ok()?.to_datetime().ok()?;
        civil::DateTime::to_zoned(parsed, TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })
}

/// An RFC 1123 date.
pub(super) fn http_date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
