//! A place that a spec names, checked against the allow-list and opened with a Secret's fields.
//! Opening sends no request; everything else does I/O.

use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;
use http::HeaderMap;
use thiserror::Error;

use super::{
    AllowedPlaces, Bucket, CredentialError, Listing, Location, LocationError, PlaceList, ReadFault,
    credentials::{StoreOptions, headers},
    files,
    listing::Found,
    web,
};
use crate::network::OutboundProxy;

/// What the admin allows and provides. `Debug` shows no value of the environment.
#[derive(Clone, Default)]
pub struct StoragePolicy {
    /// The places that specs may name.
    pub allowed: AllowedPlaces,
    /// The operator's environment, which may hold its own identity at a store.
    pub environment: Arc<[(String, String)]>,
    /// The proxy, if the admin chose one.
    pub proxy: OutboundProxy,
}

impl fmt::Debug for StoragePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoragePolicy({:?})", self.allowed)
    }
}

/// Why a place cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlaceError {
    /// The URL of a file to write cannot be used.
    #[error("{0}")]
    Url(LocationError),
    /// It is not on the list.
    #[error("{0} is not under any place listed in the operator's {1}")]
    NotAllowed(String, PlaceList),
    /// Its container is on the list, of another account.
    #[error(
        "{0} in the storage account {1} is not under any place listed in the operator's {2} \
         (az://ACCOUNT/CONTAINER)"
    )]
    AccountNotAllowed(String, String, PlaceList),
    /// A container of no account.
    #[error(
        "{0} is in no storage account: set AZURE_STORAGE_ACCOUNT_NAME in a Secret, or for the operator"
    )]
    NoAccount(String),
    /// The Secret cannot be used.
    #[error("the Secret cannot be used: {0}")]
    Credentials(CredentialError),
}

/// An allowed place, with the credentials to use it. `Debug` shows the place only.
#[derive(Clone)]
pub struct Place {
    pub(super) location: Location,
    pub(super) policy: Arc<StoragePolicy>,
    pub(super) access: Access,
}

/// The credentials of a place.
#[derive(Clone)]
pub(super) enum Access {
    Store(StoreOptions),
    Headers(HeaderMap),
    None,
}

impl Place {
    /// Checks everything that can be checked without a request. `secret`: the fields of the Secret
    /// that the spec names for this place.
    pub fn open(
        location: Location,
        secret: Option<&BTreeMap<String, Bytes>>,
        policy: &Arc<StoragePolicy>,
    ) -> Result<Self, PlaceError> {
        let list = policy.allowed.list();
        let refused = || PlaceError::NotAllowed(location.to_string(), list);
        // Before the Secret is looked at: its faults are not shown to those who may not read the place.
        if !policy.allowed.may_allow(&location) {
            return Err(refused());
        }
        let access = match (&location, secret) {
            (Location::Objects { kind, .. }, Some(fields)) => Access::Store(
                StoreOptions::of_secret(*kind, fields, &policy.allowed)
                    .map_err(PlaceError::Credentials)?,
            ),
            (Location::Objects { .. }, None) => {
                Access::Store(StoreOptions::of_environment(policy.environment.iter().cloned()))
            }
            (Location::Web(_), Some(fields)) => {
                Access::Headers(headers(fields).map_err(PlaceError::Credentials)?)
            }
            (Location::Web(_), None) => Access::Headers(HeaderMap::new()),
            (Location::Files(_), _) => Access::None,
        };
        let account = match &access {
            Access::Store(options) => options.account(),
            _ => None,
        };
        let account = account.filter(|_| location.is_azure());
        if location.is_azure() && account.is_none() {
            return Err(PlaceError::NoAccount(location.to_string()));
        }
        if !policy.allowed.allows(&location, account) {
            return Err(account.map_or_else(refused, |account| {
                PlaceError::AccountNotAllowed(location.to_string(), account.to_owned(), list)
            }));
        }
        Ok(Self { location, policy: policy.clone(), access })
    }

    /// Its location.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Distinguishes places in digests; includes a URL's query.
    pub fn identity(&self) -> String {
        match &self.location {
            Location::Web(url) => url.to_string(),
            other => other.to_string(),
        }
    }

    /// Lists the files that the location selects now. Contacts the place. `has_format`: whether a name
    /// tells what a file holds; empty files whose names do not are left out of patterns.
    pub async fn list(&self, has_format: fn(&str) -> bool) -> Result<Listing, ReadFault> {
        let found = match (&self.location, &self.access) {
            (Location::Objects { kind, bucket, pattern }, Access::Store(options)) => {
                let opened = Bucket::open(*kind, bucket, pattern, options, &self.policy.proxy)?;
                opened.list(pattern, has_format).await?
            }
            (Location::Web(url), Access::Headers(headers)) => {
                let page = web::Page::new(url.clone(), headers.clone(), &self.policy.proxy)?;
                Found { files: vec![page.look().await?], ..Found::default() }
            }
            (Location::Files(pattern), _) => {
                let root = self.policy.allowed.root_of(pattern).ok_or(ReadFault::Denied)?;
                let pattern = pattern.clone();
                let listed =
                    tokio::task::spawn_blocking(move || files::list(&root, &pattern, has_format));
                listed.await.map_err(|_| ReadFault::Unreachable)??
            }
            // `open` makes no other pairs.
            _ => return Err(ReadFault::Denied),
        };
        Ok(Listing::of(found))
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({})", self.location)
    }
}
