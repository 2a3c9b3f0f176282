//! The receiver's own check of signatures, as Standard Webhooks 1.0 describes it. Pure; shares no code with
//! the operator.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use jiff::Timestamp;
use sha2::Sha256;

/// How far a timestamp may be from the receiver's clock, in seconds.
const TOLERANCE_SECONDS: u64 = 300;

/// The bytes of a key: `whsec_` and Base64, or the text itself.
pub(super) fn key_bytes(text: &str) -> Option<Vec<u8>> {
    match text.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).ok(),
        None => Some(text.as_bytes().to_vec()),
    }
}

/// The id of a request, if one of the keys has signed it and its idempotency key is the same.
pub(super) fn verified(
    headers: &HeaderMap,
    body: &[u8],
    keys: &[Vec<u8>],
    now: Timestamp,
) -> Result<String, &'static str> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let id = header("webhook-id").ok_or("there is no webhook-id")?;
    let timestamp = header("webhook-timestamp").ok_or("there is no webhook-timestamp")?;
    let signatures = header("webhook-signature").ok_or("there is no webhook-signature")?;
    let seconds: i64 = timestamp.parse().map_err(|_| "webhook-timestamp is no number")?;
    if seconds.abs_diff(now.as_second()) > TOLERANCE_SECONDS {
        return Err("webhook-timestamp is too far from the receiver's clock");
    }
    let signed = [id.as_bytes(), timestamp.as_bytes(), body].join(&b'.');
    let is_by = |key: &Vec<u8>, signature: &[u8]| {
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key);
        mac.is_ok_and(|mac| mac.chain_update(&signed).verify_slice(signature).is_ok())
    };
    let given = signatures.split(' ').filter_map(|one| one.strip_prefix("v1,"));
    let mut given = given.filter_map(|encoded| STANDARD.decode(encoded).ok());
    if !given.any(|signature| keys.iter().any(|key| is_by(key, &signature))) {
        return Err("no signature is by a known key");
    }
    if header("idempotency-key") != Some(&format!("\"{id}\"")) {
        return Err("Idempotency-Key is not the webhook-id as a string");
    }
    Ok(id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published by Standard Webhooks.
    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const AT: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn check(change: impl FnOnce(&mut HeaderMap), body: &[u8], now: i64) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("webhook-id", ID),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", SIGNATURE),
            ("idempotency-key", "\"msg_p5jXN8AQM9LWM0D4loKWxJek\""),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        change(&mut headers);
        let now = Timestamp::from_second(now).unwrap();
        verified(&headers, body, &[b"other".to_vec(), key_bytes(KEY).unwrap()], now).is_ok()
    }

    #[test]
    fn the_published_vector_is_accepted_and_nothing_else() {
        assert!(check(|_| {}, BODY, AT) && check(|_| {}, BODY, AT + 300));
        assert!(!check(|_| {}, BODY, AT + 301) && !check(|_| {}, b"{}", AT));
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature", "idempotency-key"] {
            let without = |headers: &mut HeaderMap| drop(headers.remove(name));
            assert!(!check(without, BODY, AT), "{name}");
        }
        let two = |headers: &mut HeaderMap| {
            let both = format!("v1,AAAA v2,x {SIGNATURE}");
            headers.insert("webhook-signature", both.parse().unwrap());
        };
        assert!(check(two, BODY, AT));
    }
}
