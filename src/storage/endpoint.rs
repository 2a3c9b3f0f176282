//! An HTTP endpoint that takes what is sent to it with POST: one URL of an allowed server, with the headers
//! of a Secret. Does network I/O. Nothing of an answer but its status and `Retry-After` is kept.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};
use tokio::{sync::OnceCell, time::timeout};

use super::{
    CredentialError, Location, Place, PlaceError, ReadFault, StoragePolicy, WriteFault, connect,
    place::Access, server::ServerFault,
};
use crate::network::Reach;

/// How long one request may take, with its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The most of an answer that is read, so that its connection can be used again.
const MAX_ANSWER: usize = 64 << 10;
/// What the sender sets itself.
const OWN_HEADERS: &[HeaderName] = &[header::CONTENT_TYPE];
const OWN_PREFIX: &str = "webhook-";
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What an endpoint answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The HTTP status.
    pub status: u16,
    /// The `Retry-After` header.
    pub retry_after: Option<String>,
}

/// A URL to send to, at an allowed place. `Debug` and `Display` leave out its query.
#[derive(Clone)]
pub struct Endpoint {
    place: Place,
    headers: HeaderMap,
    http: Arc<OnceCell<reqwest::Client>>,
}

impl Endpoint {
    /// Checks everything that can be checked without a request. `secret`: the fields of the Secret that the
    /// spec names for the headers. `policy`: of destinations, with
    /// [`AllowedPlaces::destinations`](super::AllowedPlaces::destinations).
    pub fn open(
        url: &str,
        secret: Option<&BTreeMap<String, Bytes>>,
        policy: &Arc<StoragePolicy>,
    ) -> Result<Self, PlaceError> {
        let location = Location::web(url).map_err(PlaceError::Url)?;
        let place = Place::open(location, secret, policy)?;
        let headers = match &place.access {
            Access::Headers(headers) => headers.clone(),
            // `Place::open` makes no other pair.
            _ => HeaderMap::new(),
        };
        let own = |name: &&HeaderName| {
            OWN_HEADERS.contains(name)
                || name.as_str().starts_with(OWN_PREFIX)
                || name.as_str() == IDEMPOTENCY_KEY
        };
        if let Some(own) = headers.keys().find(own) {
            let why = "the operator sets this header itself";
            let error = CredentialError::Unknown(own.to_string(), why);
            return Err(PlaceError::Credentials(error));
        }
        Ok(Self { place, headers, http: Arc::default() })
    }

    /// Sends a body with these headers beside those of the Secret; one request. An answer of any status is
    /// no fault here.
    pub async fn post(&self, headers: HeaderMap, body: Bytes) -> Result<Posted, WriteFault> {
        let sent = timeout(REQUEST_TIMEOUT, self.send(headers, body)).await;
        sent.unwrap_or(Err(WriteFault::TimedOut(REQUEST_TIMEOUT)))
    }

    async fn send(&self, headers: HeaderMap, body: Bytes) -> Result<Posted, WriteFault> {
        let Location::Web(url) = self.place.location() else { return Err(WriteFault::Denied) };
        let http = self
            .http
            // The allow-list has been checked, and names the origin.
            .get_or_try_init(async || connect::client(Reach::Any, &self.place.policy.proxy))
            .await?;
        let mut all = self.headers.clone();
        all.extend(headers);
        let sent = http.post(url.clone()).headers(all).body(body).send().await;
        let mut answer = sent.map_err(|error| ReadFault::no_answer(&error))?;
        let status = answer.status().as_u16();
        if status == 407 {
            return Err(WriteFault::Server(ServerFault::of_status(status)));
        }
        let retry_after = answer.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut read = 0;
        // The status decides. A body that breaks off takes nothing back.
        while let Ok(Some(chunk)) = answer.chunk().await {
            read += chunk.len();
            if read > MAX_ANSWER {
                break;
            }
        }
        Ok(Posted { status, retry_after })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place.location())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::AllowedPlaces;

    fn opened(url: &str, header: &str) -> Result<Endpoint, PlaceError> {
        let allowed = AllowedPlaces::destinations(["https://hooks.example.com/in"]).unwrap();
        let policy = Arc::new(StoragePolicy { allowed, ..StoragePolicy::default() });
        let secret = [(header.to_owned(), Bytes::from_static(b"hunter2"))].into();
        Endpoint::open(url, Some(&secret), &policy)
    }

    #[test]
    fn an_endpoint_is_listed_and_shows_neither_query_nor_header() {
        let url = "https://hooks.example.com/in/people?token=marked";
        let endpoint = opened(url, "Authorization").unwrap();
        assert_eq!(endpoint.to_string(), "https://hooks.example.com/in/people");
        assert!(!format!("{endpoint:?}").contains("marked"));
        for url in ["https://hooks.example.com/out", "https://hooks.example.com.evil.example/in/x"]
        {
            assert!(matches!(opened(url, "A"), Err(PlaceError::NotAllowed(..))), "{url}");
        }
        assert!(matches!(opened("s3://bucket/x", "A"), Err(PlaceError::Url(_))));
    }

    #[test]
    fn a_secret_sets_no_header_that_the_receiver_relies_on() {
        for own in ["Content-Type", "webhook-signature", "Webhook-Id", "Idempotency-Key", "Host"] {
            let refused = opened("https://hooks.example.com/in/x", own).unwrap_err();
            assert!(matches!(refused, PlaceError::Credentials(_)), "{own}: {refused}");
            assert!(!refused.to_string().contains("hunter2"));
        }
    }
}
