//! Settings that a Secret or the operator's environment may give the client of a store or server:
//! credentials, and nothing that selects another host. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;
use url::Url;

use super::{AllowedPlaces, PlaceList, StoreKind, allowed::is_account};
use crate::network::Reach;

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
    #[error("its field {0} names an origin that is not listed in {1}")]
    Endpoint(String, PlaceList),
}

const S3: &str = "S3 takes AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION and AWS_ENDPOINT_URL";
const GCS: &str = "Google Cloud Storage takes GOOGLE_SERVICE_ACCOUNT_KEY, GOOGLE_BASE_URL and, for \
                   emulators, GOOGLE_SKIP_SIGNATURE";
const AZURE: &str = "Azure takes AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or \
                     AZURE_STORAGE_SAS_KEY, or with AZURE_CLIENT_ID, AZURE_CLIENT_SECRET and \
                     AZURE_TENANT_ID; and AZURE_STORAGE_ENDPOINT and AZURE_AUTHORITY_HOST";

/// The Blob hosts and sign-in hosts of Azure's national clouds: the account's own host in one of them
/// need not be listed.
const AZURE_BLOB_HOSTS: &[&str] =
    &["blob.core.windows.net", "blob.core.usgovcloudapi.net", "blob.core.chinacloudapi.cn"];
const AZURE_AUTHORITIES: &[&str] = &[
    "https://login.microsoftonline.com",
    "https://login.microsoftonline.us",
    "https://login.chinacloudapi.cn",
    "https://login.partner.microsoftonline.cn",
];

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

    /// The addresses that its client may connect to.
    pub(super) fn reach(&self) -> Reach {
        if self.trusted || self.listed_endpoint { Reach::Any } else { Reach::Public }
    }

    /// The storage account, for Azure.
    pub(super) fn account(&self) -> Option<&str> {
        let of = |name: &str| {
            let mut found = self.settings.iter().rev().filter(|(field, _)| field == name);
            found.next().map(|(_, value)| value.as_str())
        };
        // The account that every emulator has.
        let emulated = of("AZURE_STORAGE_USE_EMULATOR") == Some("true");
        of("AZURE_STORAGE_ACCOUNT_NAME").or(emulated.then_some("devstoreaccount1"))
    }

    /// The configured endpoint, if there is one.
    pub(super) fn endpoint(&self) -> Option<&str> {
        let endpoints = [
            "AWS_ENDPOINT_URL_S3",
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT",
            "GOOGLE_BASE_URL",
            "AZURE_STORAGE_ENDPOINT",
        ];
        let named = |name: &&str| self.settings.iter().rev().find(|(field, _)| field == name);
        endpoints.iter().find_map(named).map(|(_, value)| value.trim_end_matches('/'))
    }

    /// The fields of a Secret, all of which must be known.
    pub(super) fn of_secret(
        kind: StoreKind,
        data: &BTreeMap<String, Bytes>,
        allowed: &AllowedPlaces,
    ) -> Result<Self, CredentialError> {
        let mut options = Self { settings: Vec::new(), trusted: false, listed_endpoint: false };
        for (field, value) in data {
            let malformed = || CredentialError::Malformed(field.clone());
            let text = std::str::from_utf8(value).map_err(|_| malformed())?.trim();
            let fits = match (kind, field.as_str()) {
                (
                    StoreKind::S3,
                    "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" | "AWS_SESSION_TOKEN",
                )
                | (
                    StoreKind::Azure,
                    "AZURE_STORAGE_ACCOUNT_KEY"
                    | "AZURE_STORAGE_SAS_KEY"
                    | "AZURE_CLIENT_ID"
                    | "AZURE_CLIENT_SECRET",
                ) => is_token(text),
                // It becomes part of a host name or a path.
                (StoreKind::S3, "AWS_REGION") | (StoreKind::Azure, "AZURE_TENANT_ID") => {
                    is_label(text)
                }
                // It becomes part of the host name.
                (StoreKind::Azure, "AZURE_STORAGE_ACCOUNT_NAME") => is_account(text),
                (StoreKind::Azure, "AZURE_AUTHORITY_HOST") => {
                    AZURE_AUTHORITIES.contains(&text.trim_end_matches('/'))
                }
                (StoreKind::Gcs, "GOOGLE_SERVICE_ACCOUNT_KEY") => is_service_account(text),
                // Without a signature only what the admin listed is asked.
                (StoreKind::Gcs, "GOOGLE_SKIP_SIGNATURE") => {
                    matches!(text, "true" | "false") && data.contains_key("GOOGLE_BASE_URL")
                }
                (StoreKind::S3, "AWS_ENDPOINT_URL")
                | (StoreKind::Gcs, "GOOGLE_BASE_URL")
                | (StoreKind::Azure, "AZURE_STORAGE_ENDPOINT") => {
                    options.take_endpoint(kind, field, text, data, allowed)?;
                    true
                }
                (kind, other) => {
                    let used = match kind {
                        StoreKind::S3 => S3,
                        StoreKind::Gcs => GCS,
                        StoreKind::Azure => AZURE,
                    };
                    return Err(CredentialError::Unknown(other.to_owned(), used));
                }
            };
            if !fits {
                return Err(malformed());
            }
            options.settings.push((field.clone(), text.to_owned()));
        }
        // Without them the client would use the identity of the machine it runs on.
        for needed in needed(kind, data) {
            if !data.contains_key(*needed) {
                return Err(CredentialError::Missing(needed));
            }
        }
        Ok(options)
    }

    /// Checks the endpoint of a Secret: it must be listed, or be the account's own host in a cloud of
    /// Azure.
    fn take_endpoint(
        &mut self,
        kind: StoreKind,
        field: &str,
        text: &str,
        data: &BTreeMap<String, Bytes>,
        allowed: &AllowedPlaces,
    ) -> Result<(), CredentialError> {
        let malformed = || CredentialError::Malformed(field.to_owned());
        let url = Url::parse(text).map_err(|_| malformed())?;
        let account = data.get("AZURE_STORAGE_ACCOUNT_NAME");
        let account = account.and_then(|name| std::str::from_utf8(name.trim_ascii()).ok());
        let in_path = |account| kind == StoreKind::Azure && url.path() == format!("/{account}");
        let plain = (url.path() == "/" || account.is_some_and(in_path))
            && matches!(url.scheme(), "http" | "https")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if !plain {
            return Err(malformed());
        }
        let own = |host: &&str| {
            let own = account.map(|account| format!("https://{account}.{host}"));
            own == Some(url.origin().ascii_serialization())
        };
        if kind == StoreKind::Azure && AZURE_BLOB_HOSTS.iter().any(own) {
            return Ok(());
        }
        if !allowed.allows_origin(&url.origin().ascii_serialization()) {
            return Err(CredentialError::Endpoint(field.to_owned(), allowed.list()));
        }
        self.listed_endpoint = true;
        let prefix = match kind {
            StoreKind::S3 => "AWS",
            StoreKind::Gcs => "GOOGLE",
            StoreKind::Azure => "AZURE",
        };
        let plain_http = (url.scheme() == "http").to_string();
        self.settings.push((format!("{prefix}_ALLOW_HTTP"), plain_http));
        Ok(())
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
        StoreKind::Gcs if data.get("GOOGLE_SKIP_SIGNATURE").is_some_and(|skip| skip == "true") => {
            &["GOOGLE_BASE_URL"]
        }
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
        let endpoint = CredentialError::Endpoint("AWS_ENDPOINT_URL".into(), PlaceList::Sources);
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
    fn endpoints_are_listed_or_the_accounts_own_host_in_a_cloud_of_azure() {
        let allowed = AllowedPlaces::listed(["http://127.0.0.1:10000"]).unwrap();
        let azure = |more: &[(&str, &str)]| {
            let mut fields =
                vec![("AZURE_STORAGE_ACCOUNT_NAME", "acme"), ("AZURE_STORAGE_SAS_KEY", "s")];
            fields.extend(more);
            StoreOptions::of_secret(StoreKind::Azure, &data(&fields), &allowed)
        };
        assert_eq!(azure(&[]).unwrap().account(), Some("acme"));
        for (endpoint, listed) in [
            ("https://acme.blob.core.usgovcloudapi.net", false),
            ("https://acme.blob.core.chinacloudapi.cn/", false),
            ("http://127.0.0.1:10000/acme", true),
        ] {
            let options = azure(&[("AZURE_STORAGE_ENDPOINT", endpoint)]).unwrap();
            assert_eq!(options.listed_endpoint, listed, "{endpoint}");
        }
        for endpoint in [
            "https://other.blob.core.usgovcloudapi.net",
            "http://acme.blob.core.usgovcloudapi.net",
            "https://acme.blob.core.usgovcloudapi.net.evil.example",
            "http://127.0.0.1:10001/acme",
            "http://127.0.0.1:10000/other",
            "http://acme@127.0.0.1:10000/",
            "ftp://127.0.0.1:10000",
        ] {
            assert!(azure(&[("AZURE_STORAGE_ENDPOINT", endpoint)]).is_err(), "{endpoint}");
        }
        assert!(azure(&[("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/")]).is_ok());
        assert!(azure(&[("AZURE_AUTHORITY_HOST", "https://login.evil.example")]).is_err());

        let gcs = |fields: &[(&str, &str)]| {
            StoreOptions::of_secret(StoreKind::Gcs, &data(fields), &allowed)
        };
        let (url, skip) = ("GOOGLE_BASE_URL", "GOOGLE_SKIP_SIGNATURE");
        let emulated = gcs(&[(url, "http://127.0.0.1:10000"), (skip, "true")]).unwrap();
        assert!(emulated.listed_endpoint);
        assert!(gcs(&[(skip, "true")]).is_err(), "not at Google");
        let unsigned = gcs(&[(url, "http://127.0.0.1:10000"), (skip, "false")]).unwrap_err();
        assert_eq!(unsigned, CredentialError::Missing("GOOGLE_SERVICE_ACCOUNT_KEY"));
        let elsewhere = gcs(&[(url, "https://storage.evil.example"), (skip, "true")]).unwrap_err();
        assert_eq!(
            elsewhere,
            CredentialError::Endpoint("GOOGLE_BASE_URL".into(), PlaceList::Sources)
        );
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
