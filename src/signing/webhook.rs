//! Signatures of requests to other systems, as Standard Webhooks 1.0 defines them: HMAC-SHA256 over id, time
//! and body. Pure; time is an argument.

use std::{collections::BTreeMap, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

/// The field with the key that receivers should know by now.
const KEY: &str = "key";
/// The field with the key before it, while it is being replaced.
const PREVIOUS_KEY: &str = "previousKey";
/// Keys in the notation of Standard Webhooks begin with it; the rest is Base64.
const PREFIX: &str = "whsec_";
/// The least length of a key, in bytes: less can be guessed.
const MIN_BYTES: usize = 24;

/// Why the fields of a Secret are no signing keys. Names fields, never values.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WebhookKeyError {
    /// There is no key.
    #[error("it has no field {0}")]
    Missing(&'static str),
    /// A field that is not used here.
    #[error("its field {0} is not used; a signing Secret takes {KEY} and {PREVIOUS_KEY}")]
    Unknown(String),
    /// A key that cannot be used.
    #[error(
        "its field {0} is no key: at least {MIN_BYTES} bytes, or {PREFIX} and so many bytes in Base64"
    )]
    Malformed(&'static str),
}

/// The keys of a sender: the one in use, and the one before it while receivers change over.
#[derive(Clone)]
pub struct WebhookKeys(Vec<Zeroizing<Vec<u8>>>);

impl WebhookKeys {
    /// Reads the keys from the fields of a Secret.
    pub fn of_fields(fields: &BTreeMap<String, Bytes>) -> Result<Self, WebhookKeyError> {
        let known = |name: &&String| ![KEY, PREVIOUS_KEY].contains(&name.as_str());
        if let Some(unknown) = fields.keys().find(known) {
            return Err(WebhookKeyError::Unknown(unknown.clone()));
        }
        Self::of_named(fields, KEY, PREVIOUS_KEY)
    }

    /// Reads the keys from two fields of a Secret that has others, too.
    pub fn of_named(
        fields: &BTreeMap<String, Bytes>,
        current: &'static str,
        previous: &'static str,
    ) -> Result<Self, WebhookKeyError> {
        let value = fields.get(current).ok_or(WebhookKeyError::Missing(current))?;
        let mut keys = vec![key(value).ok_or(WebhookKeyError::Malformed(current))?];
        if let Some(value) = fields.get(previous) {
            keys.push(key(value).ok_or(WebhookKeyError::Malformed(previous))?);
        }
        Ok(Self(keys))
    }

    /// The headers of a request with this JSON. `at`: seconds since 1970.
    pub fn headers(&self, id: &str, at: i64, body: &[u8]) -> HeaderMap {
        let named = HeaderName::from_static;
        [
            (header::CONTENT_TYPE, "application/json".to_owned()),
            (named("webhook-id"), id.to_owned()),
            (named("webhook-timestamp"), at.to_string()),
            (named("webhook-signature"), self.sign(id, at, body)),
            // A string of structured fields.
            (named("idempotency-key"), format!("\"{id}\"")),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?)))
        .collect()
    }

    /// The value of `webhook-signature`: a signature by each key. `at`: seconds since 1970, as in
    /// `webhook-timestamp`.
    pub fn sign(&self, id: &str, at: i64, body: &[u8]) -> String {
        let signatures = self.0.iter().map(|key| {
            let mut mac =
                Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
            for part in [id.as_bytes(), b".", at.to_string().as_bytes(), b".", body] {
                mac.update(part);
            }
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Debug for WebhookKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookKeys({})", self.0.len())
    }
}

fn key(value: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let value = value.trim_ascii();
    let key = match value.strip_prefix(PREFIX.as_bytes()) {
        Some(encoded) => STANDARD.decode(encoded).ok()?,
        None => value.to_vec(),
    };
    (key.len() >= MIN_BYTES).then(|| Zeroizing::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(fields: &[(&str, &str)]) -> Result<WebhookKeys, WebhookKeyError> {
        let fields = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Bytes::copy_from_slice(value.as_bytes())));
        WebhookKeys::of_fields(&fields.collect())
    }

    const PUBLISHED: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_published_vector_of_standard_webhooks_is_met() {
        let signed = keys(&[("key", PUBLISHED)]).unwrap().sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_keys_give_two_signatures_and_a_plain_key_is_its_bytes() {
        let plain = "0123456789abcdef01234567";
        let both = keys(&[("key", PUBLISHED), ("previousKey", plain)]).unwrap();
        let signed = both.sign("id", 1, b"body");
        let one = |key| keys(&[("key", key)]).unwrap().sign("id", 1, b"body");
        assert_eq!(signed, format!("{} {}", one(PUBLISHED), one(plain)));
        assert!(!format!("{both:?}").contains("0123"));
    }

    #[test]
    fn what_is_no_key_is_refused_without_its_value() {
        let refused = |fields: &[(&str, &str)]| keys(fields).unwrap_err();
        assert_eq!(refused(&[]), WebhookKeyError::Missing("key"));
        assert_eq!(refused(&[("key", "short")]), WebhookKeyError::Malformed("key"));
        assert_eq!(refused(&[("key", "whsec_c2hvcnQ=")]), WebhookKeyError::Malformed("key"));
        assert_eq!(refused(&[("key", "whsec_?")]), WebhookKeyError::Malformed("key"));
        let previous = refused(&[("key", PUBLISHED), ("previousKey", "")]);
        assert_eq!(previous, WebhookKeyError::Malformed("previousKey"));
        let unknown = refused(&[("key", PUBLISHED), ("token", "secret-value")]);
        assert_eq!(unknown, WebhookKeyError::Unknown("token".into()));
        assert!(!unknown.to_string().contains("secret-value"));
    }
}
