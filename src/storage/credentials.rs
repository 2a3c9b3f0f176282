//! Settings that a Secret or the operator's environment may give the client of a store or server:
//! credentials, and nothing that selects another host. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;
use url::Url;

use super::{AllowedPlaces, StoreKind};

/// Why a Secret cannot be used. Names fields, never values.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CredentialError {
    /// A required field is missing.
    #[error("it has no field {0}")]
    Missing(&'static str),
    /// A field that is not used here.
    #[error("its field {0} is not used; {1}")]
    Unknown(String, &'static str),
    /// A value that cannot be one of its field.
    #[error("its field {0} has a malformed value")]
    Malformed(String),
    /// An endpoint that is not in the allow-list.
    #[error("its field {0} names an origin that is not listed in --allowed-sources")]
    Endpoint(&'static str),
}

const S3: &str = "S3 takes AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION and AWS_ENDPOINT_URL";
const GCS: &str = "Google Cloud Storage takes GOOGLE_SERVICE_ACCOUNT_KEY";
const AZURE: &str = "Azure takes AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or \
                     AZURE_STORAGE_SAS_KEY, or with AZURE_CLIENT_ID, AZURE_CLIENT_SECRET and AZURE_TENANT_ID";

/// Headers that the client sets itself, or that would redirect the request.
const RESERVED_HEADERS: &[&str] = &[
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "range",
    "if-match",
    "if-none-match",
    "if-range",
    "if-modified-since",
    "if-unmodified-since",
    "accept-encoding",
    "expect",
    "proxy-authorization",
];

/// The settings of a store's client. `Debug` shows no value.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct StoreOptions {
    pub(super) settings: Vec<(String, String)>,
    /// Whether the admin set all of this.
    pub(super) trusted: bool,
    /// Whether an allowed endpoint is named, which may have any address.
    pub(super) listed_endpoint: bool,
}

impl StoreOptions {
    /// The operator's own identity: variables with a store's prefix. The client would also accept a
    /// plain `ENDPOINT` or `TOKEN`, which may be meant for another program.
    pub(super) fn of_environment(environment: impl IntoIterator<Item = (String, String)>) -> Self {
        let has_prefix = |(name, _): &(String, String)| {
            ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|prefix| name.starts_with(prefix))
        };
        let settings = environment.into_iter().filter(has_prefix).collect();
        Self { settings, trusted: true, listed_endpoint: true }
    }

    /// The fields of a Secret, all of which must be known.
    pub(super) fn of_secret(
        kind: StoreKind,
        data: &BTreeMap<String, Bytes>,
        allowed: &AllowedPlaces,
    ) -> Result<Self, CredentialError> {
        let mut settings = Vec::with_capacity(data.len());
        let mut listed_endpoint = false;
        for (field, value) in data {
            let malformed = || CredentialError::Malformed(field.clone());
            let text = std::str::from_utf8(value).map_err(|_| malformed())?.trim();
            let is = |fits: bool| fits.then_some(()).ok_or_else(malformed);
            match (kind, field.as_str()) {
                (
                    StoreKind::S3,
                    "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" | "AWS_SESSION_TOKEN",
                ) => {
                    is(is_token(text))?;
                }
                // It becomes part of a host name or a path.
                (StoreKind::S3, "AWS_REGION") | (StoreKind::Azure, "AZURE_TENANT_ID") => {
                    is(is_label(text))?;
                }
                (StoreKind::S3, "AWS_ENDPOINT_URL") => {
                    let url = Url::parse(text).map_err(|_| malformed())?;
                    is(url.path() == "/" && url.query().is_none() && url.username().is_empty())?;
                    if !allowed.allows_origin(&url.origin().ascii_serialization()) {
                        return Err(CredentialError::Endpoint("AWS_ENDPOINT_URL"));
                    }
                    listed_endpoint = true;
                    settings
                        .push(("AWS_ALLOW_HTTP".to_owned(), (url.scheme() == "http").to_string()));
                }
                (StoreKind::Gcs, "GOOGLE_SERVICE_ACCOUNT_KEY") => is(is_service_account(text))?,
                (StoreKind::Azure, "AZURE_STORAGE_ACCOUNT_NAME") => {
                    // It becomes part of the host name.
                    is(is_label(text) && !text.contains('-'))?;
                }
                (
                    StoreKind::Azure,
                    "AZURE_STORAGE_ACCOUNT_KEY"
                    | "AZURE_STORAGE_SAS_KEY"
                    | "AZURE_CLIENT_ID"
                    | "AZURE_CLIENT_SECRET",
                ) => is(is_token(text))?,
                (StoreKind::S3, other) => {
                    return Err(CredentialError::Unknown(other.to_owned(), S3));
                }
                (StoreKind::Gcs, other) => {
                    return Err(CredentialError::Unknown(other.to_owned(), GCS));
                }
                (StoreKind::Azure, other) => {
                    return Err(CredentialError::Unknown(other.to_owned(), AZURE));
                }
            }
            settings.push((field.clone(), text.to_owned()));
        }
        // Without them the client would use the identity of the machine it runs on.
        for needed in needed(kind, data) {
            if !data.contains_key(*needed) {
                return Err(CredentialError::Missing(needed));
            }
        }
        Ok(Self { settings, trusted: false, listed_endpoint })
    }
}

impl std::fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.settings.iter().map(|(name, _)| name);
        f.debug_set().entries(names).finish()
    }
}

fn needed(kind: StoreKind, data: &BTreeMap<String, Bytes>) -> &'static [&'static str] {
    match kind {
        StoreKind::S3 => &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
        StoreKind::Gcs => &["GOOGLE_SERVICE_ACCOUNT_KEY"],
        StoreKind::Azure if data.contains_key("AZURE_STORAGE_SAS_KEY") => {
            &["AZURE_STORAGE_ACCOUNT_NAME"]
        }
        StoreKind::Azure if data.contains_key("AZURE_CLIENT_ID") => {
            &["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"]
        }
        StoreKind::Azure => &["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY"],
    }
}

fn is_token(text: &str) -> bool {
    (1..=8192).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic())
}

fn is_label(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Whether it is a service account key that names no server.
fn is_service_account(text: &str) -> bool {
    let key: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_str(text);
    key.is_ok_and(|key| {
        key.contains_key("private_key")
            && !key.contains_key("gcs_base_url")
            && !key.contains_key("disable_oauth")
    })
}

/// The headers in a Secret, one for each field.
pub(super) fn headers(data: &BTreeMap<String, Bytes>) -> Result<HeaderMap, CredentialError> {
    let mut headers = HeaderMap::new();
    for (field, value) in data {
        let malformed = || CredentialError::Malformed(field.clone());
        let name = HeaderName::from_bytes(field.as_bytes()).map_err(|_| malformed())?;
        if RESERVED_HEADERS.contains(&name.as_str()) {
            let why = "headers of the connection itself cannot be set";
            return Err(CredentialError::Unknown(field.clone(), why));
        }
        let mut value = HeaderValue::from_bytes(value.trim_ascii()).map_err(|_| malformed())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_variables_with_a_stores_prefix_are_used() {
        let names = ["AWS_REGION", "ENDPOINT", "TOKEN", "GOOGLE_SERVICE_ACCOUNT", "PATH"];
        let environment = names.map(|name| (name.to_owned(), "value".to_owned()));
        let options = StoreOptions::of_environment(environment);
        let names: Vec<String> = options.settings.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["AWS_REGION", "GOOGLE_SERVICE_ACCOUNT"]);
    }

    fn data(fields: &[(&str, &str)]) -> BTreeMap<String, Bytes> {
        fields
            .iter()
            .map(|(k, v)| ((*k).to_owned(), Bytes::copy_from_slice(v.as_bytes())))
            .collect()
    }

    fn s3(more: &[(&str, &str)]) -> Result<StoreOptions, CredentialError> {
        let mut fields = vec![("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];
        fields.extend(more);
        let allowed = AllowedPlaces::listed(["s3://b", "http://127.0.0.1:9000"]).unwrap();
        StoreOptions::of_secret(StoreKind::S3, &data(&fields), &allowed)
    }

    #[test]
    fn a_secret_gives_credentials_and_selects_no_host() {
        assert!(!s3(&[]).unwrap().listed_endpoint);
        assert!(!format!("{:?}", s3(&[]).unwrap()).contains("hunter2"));
        assert!(s3(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")]).unwrap().listed_endpoint);
        let endpoint = CredentialError::Endpoint("AWS_ENDPOINT_URL");
        assert_eq!(s3(&[("AWS_ENDPOINT_URL", "http://169.254.169.254")]).unwrap_err(), endpoint);
        for region in ["x.evil.example/", "eu-west-1.evil", "EU", ""] {
            let malformed = CredentialError::Malformed("AWS_REGION".into());
            assert_eq!(s3(&[("AWS_REGION", region)]).unwrap_err(), malformed, "{region}");
        }
        for field in ["AWS_METADATA_ENDPOINT", "AWS_ROLE_ARN", "endpoint", "AWS_SKIP_SIGNATURE"] {
            assert!(matches!(s3(&[(field, "x")]), Err(CredentialError::Unknown(..))), "{field}");
        }
        let none = AllowedPlaces::default();
        let missing = StoreOptions::of_secret(StoreKind::S3, &data(&[]), &none);
        assert_eq!(missing.unwrap_err(), CredentialError::Missing("AWS_ACCESS_KEY_ID"));
        let gcs = |key: &str| {
            let data = data(&[("GOOGLE_SERVICE_ACCOUNT_KEY", key)]);
            StoreOptions::of_secret(StoreKind::Gcs, &data, &none).is_ok()
        };
        assert!(gcs(r#"{"private_key": "k"}"#));
        assert!(!gcs(r#"{"private_key": "k", "gcs_base_url": "http://10.0.0.1"}"#));
        let azure =
            data(&[("AZURE_STORAGE_ACCOUNT_NAME", "a.evil"), ("AZURE_STORAGE_SAS_KEY", "s")]);
        assert!(StoreOptions::of_secret(StoreKind::Azure, &azure, &none).is_err());
    }

    #[test]
    fn headers_are_sensitive_and_leave_the_connection_alone() {
        let given = headers(&data(&[("Authorization", "Bearer x\n"), ("X-Tenant", "a")])).unwrap();
        assert!(given["authorization"].is_sensitive());
        assert_eq!(given["authorization"], "Bearer x");
        for (name, value) in [("Host", "x"), ("Range", "x"), ("bad name", "x"), ("A", "a\nb")] {
            assert!(headers(&data(&[(name, value)])).is_err(), "{name}");
        }
    }
}
