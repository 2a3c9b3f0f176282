//! Sets up the client of one bucket or container. What the URL names is set last: no variable of the
//! environment leads to another bucket, container or account. Pure.

use std::{sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, Error, ObjectStore, RetryConfig, StaticCredentialProvider,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    azure::MicrosoftAzureBuilder,
    gcp::{GcpCredential, GoogleCloudStorageBuilder, GoogleConfigKey},
};
use url::Url;

use super::{StoreKind, connect::Guarded, credentials::StoreOptions};

type Store = Arc<dyn ObjectStore>;

/// A bucket or container, as a URL names it.
pub(super) enum Named<'a> {
    /// By name alone, as specs do.
    Bucket(&'a str),
    /// By a URL of the admin's, which may also name an account.
    Url(&'a Url),
}

/// The client of a bucket.
pub(super) fn open(
    kind: StoreKind,
    named: &Named<'_>,
    options: &StoreOptions,
    guarded: &Guarded,
) -> Result<Store, Error> {
    // A request that fails for longer is the caller's to repeat.
    let retry = RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: 3,
        retry_timeout: Duration::from_secs(30),
    };
    macro_rules! built {
        ($builder:expr, $named:expr) => {{
            let mut builder = $builder.with_retry(retry).with_http_connector(guarded.clone());
            for (field, value) in &options.settings {
                // The environment holds variables of other programs, too.
                if let Ok(key) = field.to_ascii_lowercase().parse() {
                    builder = builder.with_config(key, value);
                }
            }
            let builder = match named {
                Named::Bucket(name) => $named(builder, *name),
                // The URL is applied when the client is built, after every setting.
                Named::Url(url) => {
                    $named(builder, url.host_str().unwrap_or_default()).with_url(url.as_str())
                }
            };
            Ok(Arc::new(builder.build()?) as Store)
        }};
    }
    match kind {
        StoreKind::S3 => {
            built!(AmazonS3Builder::new(), |builder: AmazonS3Builder, name| {
                // Of one request for many objects, a refusal is not recognised as one.
                let builder = builder.with_disable_bulk_delete(true);
                of_this_bucket(builder, name).with_bucket_name(name)
            })
        }
        StoreKind::Gcs => {
            built!(GoogleCloudStorageBuilder::new(), |builder: GoogleCloudStorageBuilder, name| {
                unsigned(builder).with_bucket_name(name)
            })
        }
        StoreKind::Azure => {
            built!(MicrosoftAzureBuilder::new(), |builder: MicrosoftAzureBuilder, name| {
                let builder = builder.with_container_name(name);
                match options.account() {
                    Some(account) => builder.with_account(account),
                    None => builder,
                }
            })
        }
    }
}

/// With virtual hosting the client takes the bucket from the endpoint: it must be the one of the URL.
fn of_this_bucket(mut builder: AmazonS3Builder, bucket: &str) -> AmazonS3Builder {
    let hosted = builder.get_config_value(&AmazonS3ConfigKey::VirtualHostedStyleRequest);
    if hosted.as_deref() != Some("true") {
        return builder;
    }
    for key in [AmazonS3ConfigKey::Endpoint, AmazonS3ConfigKey::S3Endpoint] {
        let Some(endpoint) = builder.get_config_value(&key) else { continue };
        let Some((scheme, host)) = endpoint.split_once("://") else { continue };
        let host = host.strip_prefix(&format!("{bucket}.")).unwrap_or(host);
        builder = builder.with_config(key, format!("{scheme}://{bucket}.{host}"));
    }
    builder
}

/// Without a signature no credentials are looked for: the client would ask the machine for some.
fn unsigned(builder: GoogleCloudStorageBuilder) -> GoogleCloudStorageBuilder {
    let skips = builder.get_config_value(&GoogleConfigKey::SkipSignature);
    if skips.as_deref() != Some("true") {
        return builder;
    }
    let none = GcpCredential { bearer: String::new() };
    builder.with_credentials(Arc::new(StaticCredentialProvider::new(none)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{OutboundProxy, Reach};

    fn opened(kind: StoreKind, named: &Named<'_>, settings: &[(&str, &str)]) -> String {
        let settings = settings.iter().map(|(name, to)| ((*name).to_owned(), (*to).to_owned()));
        let options = StoreOptions::of_environment(settings);
        let guarded = Guarded::new(Reach::Any, &OutboundProxy::default(), None).unwrap();
        open(kind, named, &options, &guarded).unwrap().to_string()
    }

    #[test]
    fn a_bucket_of_the_environment_never_replaces_that_of_the_url() {
        let s3 = [("AWS_BUCKET", "other"), ("AWS_BUCKET_NAME", "other")];
        let gcs = [("GOOGLE_BUCKET", "other"), ("GOOGLE_BUCKET_NAME", "other")];
        let azure = [("AZURE_CONTAINER_NAME", "other"), ("AZURE_STORAGE_ACCOUNT_NAME", "account")];
        for (kind, scheme, settings) in [
            (StoreKind::S3, "s3", s3),
            (StoreKind::Gcs, "gs", gcs),
            (StoreKind::Azure, "az", azure),
        ] {
            let url = Url::parse(&format!("{scheme}://people/folder")).unwrap();
            for named in [Named::Bucket("people"), Named::Url(&url)] {
                let store = opened(kind, &named, &settings);
                assert!(store.contains("people") && !store.contains("other"), "{store}");
            }
        }
        let url = Url::parse("abfss://people@mine.dfs.core.windows.net/x").unwrap();
        let store = opened(StoreKind::Azure, &Named::Url(&url), &azure);
        assert!(store.contains("people") && store.contains("mine"), "{store}");
    }

    #[test]
    fn a_virtual_host_is_that_of_the_bucket() {
        let of = |endpoint: &str| {
            let builder = AmazonS3Builder::new()
                .with_endpoint(endpoint)
                .with_virtual_hosted_style_request(true);
            of_this_bucket(builder, "people").get_config_value(&AmazonS3ConfigKey::Endpoint)
        };
        let people = Some("https://people.oss.example".to_owned());
        assert_eq!(of("https://oss.example"), people);
        assert_eq!(of("https://people.oss.example"), people);
        let of_another = of("https://other.oss.example");
        assert_eq!(of_another.as_deref(), Some("https://people.other.oss.example"));
        let builder = AmazonS3Builder::new().with_endpoint("https://oss.example");
        let same = of_this_bucket(builder, "people");
        let endpoint = same.get_config_value(&AmazonS3ConfigKey::Endpoint);
        assert_eq!(endpoint.as_deref(), Some("https://oss.example"));
    }
}
