//! The API key and secret of one Clinch account. Pure.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

/// Why two texts are not usable as Clinch credentials. Never carries the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CredentialError {
    /// The access key is empty once surrounding white space is removed.
    #[error("the access key is empty")]
    EmptyAccessKey,
    /// The secret is empty once surrounding white space is removed.
    #[error("the secret is empty")]
    EmptySecret,
    /// The access key is not valid in an Authorization header.
    #[error("the access key holds a colon, white space or a character outside printable ASCII")]
    UnprintableAccessKey,
}

/// Access key and secret, trimmed: a trailing newline is the most common credential fault.
///
/// The bytes of the secret's text are the HMAC key; it is never Base64-decoded.
#[derive(Clone)]
pub struct Credentials {
    access_key: String,
    secret: SecretString,
}

impl Credentials {
    /// Trims both texts and checks that they can be used.
    pub fn parse(access_key: &str, secret: &str) -> Result<Self, CredentialError> {
        let (access_key, secret) = (access_key.trim(), secret.trim());
        if access_key.is_empty() {
            return Err(CredentialError::EmptyAccessKey);
        }
        if secret.is_empty() {
            return Err(CredentialError::EmptySecret);
        }
        if !access_key.bytes().all(|b| b.is_ascii_graphic() && b != b':') {
            return Err(CredentialError::UnprintableAccessKey);
        }
        Ok(Self {
            access_key: access_key.to_owned(),
            secret: SecretString::from(secret.to_owned()),
        })
    }

    /// The access key as it goes into the Authorization header. Not for logs or status.
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// The bytes of the HMAC key.
    pub fn secret_bytes(&self) -> &[u8] {
        self.secret.expose_secret().as_bytes()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surrounding_white_space_is_dropped_and_debug_is_redacted() {
        let parsed = Credentials::parse(" AKID\n", "s3cr3t\r\n").unwrap();
        assert_eq!(parsed.access_key(), "AKID");
        assert_eq!(parsed.secret_bytes(), b"s3cr3t");
        let shown = format!("{parsed:?}");
        assert!(!shown.contains("AKID") && !shown.contains("s3cr3t"), "{shown}");
    }

    #[test]
    fn empty_and_unusable_values_are_told_apart() {
        assert_eq!(Credentials::parse(" \n", "s").unwrap_err(), CredentialError::EmptyAccessKey);
        assert_eq!(Credentials::parse("k", "\t").unwrap_err(), CredentialError::EmptySecret);
        for bad in ["a:b", "a b", "a\u{e9}"] {
            let error = Credentials::parse(bad, "s").unwrap_err();
            assert_eq!(error, CredentialError::UnprintableAccessKey, "{bad:?}");
        }
    }
}
