//! Sources that lie elsewhere: objects of a bucket, files of a listed folder, what an HTTP server
//! answers. Does I/O. Only places that the operator's list names are contacted, nothing is
//! followed anywhere else, and what is read is of one version from its beginning to its end.

mod blocks;
mod connect;
mod credentials;
mod fault;
mod files;
mod listing;
mod location;
mod objects;
mod web;

use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;
use http::HeaderMap;
use thiserror::Error;

pub use credentials::{CredentialError, StoreOptions};
pub use fault::RemoteFault;
use listing::Found;
pub use listing::{Listing, Opening, Reader};
pub use location::{AllowedSourceError, AllowedSources, Location, LocationError, StoreKind};

/// What whoever runs the operator allows and gives. `Debug` shows no value of the environment.
#[derive(Clone, Default)]
pub struct SourcePolicy {
    /// The places that may be read.
    pub allowed: AllowedSources,
    /// The operator's environment, in which its own identity at a store is looked for.
    pub environment: Arc<[(String, String)]>,
}

impl fmt::Debug for SourcePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourcePolicy({:?})", self.allowed)
    }
}

/// Why a place is not read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RemoteError {
    /// It is not on the list.
    #[error("{0} is not under any place that the operator's --allowed-sources lists")]
    NotAllowed(String),
    /// The Secret cannot be used.
    #[error("the Secret cannot be used: {0}")]
    Credentials(CredentialError),
}

/// A place that may be read, with what is needed to read it. `Debug` shows the place only.
#[derive(Clone)]
pub struct Remote {
    location: Location,
    policy: Arc<SourcePolicy>,
    access: Access,
}

#[derive(Clone)]
enum Access {
    Store(StoreOptions),
    Headers(HeaderMap),
    None,
}

impl Remote {
    /// Checks everything that can be checked without contacting anybody. `secret`: the fields of
    /// the Secret that belongs to it.
    pub fn new(
        location: Location,
        secret: Option<&BTreeMap<String, Bytes>>,
        policy: &Arc<SourcePolicy>,
    ) -> Result<Self, RemoteError> {
        if !policy.allowed.allows(&location) {
            return Err(RemoteError::NotAllowed(location.to_string()));
        }
        let access = match (&location, secret) {
            (Location::Objects { kind, .. }, Some(data)) => Access::Store(
                StoreOptions::of_secret(*kind, data, &policy.allowed)
                    .map_err(RemoteError::Credentials)?,
            ),
            (Location::Objects { .. }, None) => {
                Access::Store(StoreOptions::of_environment(&policy.environment))
            }
            (Location::Web(_), Some(data)) => {
                Access::Headers(credentials::headers(data).map_err(RemoteError::Credentials)?)
            }
            (Location::Web(_), None) => Access::Headers(HeaderMap::new()),
            (Location::Files(_), _) => Access::None,
        };
        Ok(Self { location, policy: policy.clone(), access })
    }

    /// Where it lies.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// What tells two places apart, for digests; a URL's query is part of it.
    pub fn identity(&self) -> String {
        match &self.location {
            Location::Web(url) => url.to_string(),
            other => other.to_string(),
        }
    }

    /// Looks at what is there now. Contacts the place.
    pub async fn list(&self) -> Result<Listing, RemoteFault> {
        let found = match (&self.location, &self.access) {
            (Location::Objects { kind, bucket, wanted }, Access::Store(options)) => {
                objects::Bucket::open(*kind, bucket, options)?.list(wanted).await?
            }
            (Location::Web(url), Access::Headers(headers)) => {
                vec![web::Page::new(url.clone(), headers.clone())?.look().await?]
            }
            (Location::Files(wanted), _) => {
                let root = self.policy.allowed.root_of(wanted).ok_or(RemoteFault::Denied)?;
                let wanted = wanted.clone();
                let listed = tokio::task::spawn_blocking(move || files::list(&root, &wanted));
                listed.await.map_err(|_| RemoteFault::Unreachable)??
            }
            // `new` makes no other pairs.
            _ => return Err(RemoteFault::Denied),
        };
        Ok(Listing::of(found))
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote({})", self.location)
    }
}
