//! Request signing: canonical string and HMAC to header instructions. Pure; time is an argument.
//! `webhook.rs` signs requests to other systems than Clinch.
//!
//! The one form that every known server version accepts: five fields, HMAC-SHA1, the plain `APIAuth`
//! scheme, the third field (content hash) empty and no content hash header sent. The signature
//! covers the `Date` text, so a request is signed again for every attempt.

mod webhook;

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderValue;
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use sha1::Sha1;

use crate::domain::Credentials;

pub use webhook::{WebhookKeyError, WebhookKeys};

/// Length of a SHA-1 digest in Base64, padded.
const SIGNATURE_LEN: usize = 28;

/// The parts of a request that the signature covers, exactly as they are sent.
#[derive(Debug, Clone, Copy)]
pub struct Unsigned<'a> {
    /// Upper-case method.
    pub method: &'a str,
    /// Path and, where there is one, `?` and the query: percent-encoding untouched.
    pub path_and_query: &'a str,
    /// The `Content-Type` header, parameters included; `None` when it is not sent.
    pub content_type: Option<&'a str>,
}

/// The headers to set on the request.
#[derive(Clone)]
pub struct Signature {
    /// `Date`, in the format of HTTP.
    pub date: HeaderValue,
    /// `Authorization`, marked sensitive.
    pub authorization: HeaderValue,
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature([redacted])")
    }
}

/// Signs a request as sent at `at`.
pub fn sign(request: &Unsigned<'_>, credentials: &Credentials, at: Timestamp) -> Signature {
    let date = http_date(at);
    let mut mac = Hmac::<Sha1>::new_from_slice(credentials.secret_bytes())
        .expect("HMAC takes a key of any length");
    for part in [
        request.method,
        ",",
        request.content_type.unwrap_or_default(),
        ",,",
        request.path_and_query,
        ",",
        &date,
    ] {
        mac.update(part.as_bytes());
    }
    let key = credentials.access_key();
    let mut text = String::with_capacity("APIAuth :".len() + key.len() + SIGNATURE_LEN);
    text.push_str("APIAuth ");
    text.push_str(key);
    text.push(':');
    STANDARD.encode_string(mac.finalize().into_bytes(), &mut text);

    let mut authorization =
        HeaderValue::try_from(text).expect("an access key is printable ASCII, checked when parsed");
    authorization.set_sensitive(true);
    Signature {
        date: HeaderValue::try_from(date).expect("an HTTP date is printable ASCII"),
        authorization,
    }
}

/// A time in the format of HTTP: `Thu, 28 Nov 2019 09:44:23 GMT`. The format has no years outside
/// 0..=9999: they give the epoch, which no server accepts.
fn http_date(at: Timestamp) -> String {
    let printer = DateTimePrinter::new();
    printer.timestamp_to_rfc9110_string(&at).unwrap_or_else(|_| {
        printer
            .timestamp_to_rfc9110_string(&Timestamp::UNIX_EPOCH)
            .expect("the epoch has an HTTP date")
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        vectors: Vec<Vector>,
        clinch_js_client_vectors: Vec<Vector>,
    }

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        method: String,
        uri: String,
        headers: std::collections::BTreeMap<String, String>,
        digest: String,
        access_id: String,
        secret: String,
        authorization: String,
    }

    impl Vector {
        /// The form this module produces: SHA-1, five fields, no content hash.
        fn applies(&self) -> bool {
            let hashed = ["Content-MD5", "X-Authorization-Content-SHA256", "x-hmac-date"];
            self.digest == "sha1"
                && self.headers.contains_key("Date")
                && !self
                    .headers
                    .keys()
                    .any(|name| hashed.iter().any(|h| name.eq_ignore_ascii_case(h)))
        }
    }

    fn signed(vector: &Vector) -> Signature {
        let at = jiff::fmt::rfc2822::parse(&vector.headers["Date"]).unwrap().timestamp();
        let request = Unsigned {
            method: &vector.method,
            path_and_query: &vector.uri,
            content_type: vector.headers.get("Content-Type").map(String::as_str),
        };
        sign(&request, &Credentials::parse(&vector.access_id, &vector.secret).unwrap(), at)
    }

    #[test]
    fn every_independent_vector_of_this_form_is_reproduced() {
        let text = include_str!("../../tests/data/hmac-vectors.json");
        let all: Vectors = serde_json::from_str(text).unwrap();
        let mut checked = 0;
        for vector in all.vectors.iter().chain(&all.clinch_js_client_vectors) {
            if !vector.applies() {
                continue;
            }
            let signature = signed(vector);
            assert_eq!(signature.date.to_str().unwrap(), vector.headers["Date"], "{}", vector.name);
            assert_eq!(
                signature.authorization.to_str().unwrap(),
                vector.authorization,
                "{}",
                vector.name
            );
            checked += 1;
        }
        assert_eq!(checked, 14, "the vector file has changed its shape");
    }

    #[test]
    fn the_day_of_the_month_has_two_digits_and_nothing_is_shown_by_debug() {
        let credentials = Credentials::parse("AKID", "secret").unwrap();
        let request =
            Unsigned { method: "GET", path_and_query: "/v2/candidates", content_type: None };
        let signature = sign(&request, &credentials, "2026-03-05T01:02:03Z".parse().unwrap());
        assert_eq!(signature.date, "Thu, 05 Mar 2026 01:02:03 GMT");
        assert!(signature.authorization.is_sensitive());
        assert!(!format!("{signature:?}").contains("AKID"));
    }
}
