//! The admin's list of places that specs may name. Pure.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{Location, PathPattern};

/// An entry of the list that names no place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AllowedPlaceError {
    /// Of a list of places.
    #[error(
        "{0} does not name a place: write https://HOST, s3://BUCKET/FOLDER, gs://BUCKET, \
         az://ACCOUNT/CONTAINER or file:///FOLDER, without pattern, query or user info"
    )]
    Place(String),
    /// Of a list of servers.
    #[error(
        "{0} does not name a server: write https://HOST or https://HOST/FOLDER, without query or user info"
    )]
    Server(String),
}

/// The option that lists the places. `Display` shows its name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PlaceList {
    /// Places to read from.
    #[default]
    Sources,
    /// Places to write to.
    Destinations,
    /// Receivers of notifications.
    Notify,
}

impl fmt::Display for PlaceList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sources => "--allowed-sources",
            Self::Destinations => "--allowed-destinations",
            Self::Notify => "--allowed-notify",
        })
    }
}

/// The places that specs may name; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedPlaces {
    entries: Vec<Entry>,
    list: PlaceList,
}

/// Allows everything below a folder of an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    origin: String,
    /// The storage account, for Azure: a container of the same name in another account is not meant.
    account: Option<String>,
    /// Empty, or ending with a slash; without a leading one.
    folder: String,
}

impl AllowedPlaces {
    /// Parses the list of places to read from.
    pub fn listed<'a>(
        entries: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, AllowedPlaceError> {
        let entries = entries.into_iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Self { entries, list: PlaceList::Sources })
    }

    /// Parses the list of places to write to.
    pub fn destinations<'a>(
        entries: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, AllowedPlaceError> {
        Ok(Self { list: PlaceList::Destinations, ..Self::listed(entries)? })
    }

    /// Parses the list of receivers of notifications.
    pub fn notify<'a>(
        entries: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, AllowedPlaceError> {
        let server = |entry: &'a str| match parse(entry) {
            Ok(entry) if entry.origin.starts_with("http") => Ok(entry),
            _ => Err(AllowedPlaceError::Server(shown(entry))),
        };
        let entries = entries.into_iter().map(server).collect::<Result<_, _>>()?;
        Ok(Self { entries, list: PlaceList::Notify })
    }

    /// The option that the list comes from.
    pub fn list(&self) -> PlaceList {
        self.list
    }

    /// Distinguishes lists in digests, whatever their order.
    pub fn identity(&self) -> Vec<(&str, Option<&str>, &str)> {
        let entries = self.entries.iter();
        let mut places: Vec<_> = entries
            .map(|entry| (&*entry.origin, entry.account.as_deref(), &*entry.folder))
            .collect();
        places.sort_unstable();
        places
    }

    /// Whether no place is allowed.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether specs may name a location. `account`: the storage account, for Azure.
    pub fn allows(&self, location: &Location, account: Option<&str>) -> bool {
        self.any(location, |entry| entry.account.as_deref() == account)
    }

    /// Whether specs may name a location in some account.
    pub fn may_allow(&self, location: &Location) -> bool {
        self.any(location, |_| true)
    }

    fn any(&self, location: &Location, also: impl Fn(&Entry) -> bool) -> bool {
        let origin = location.origin();
        // An endpoint may be listed itself.
        let is_web = matches!(location, Location::Web(_));
        let folder = match location {
            Location::Objects { pattern, .. } | Location::Files(pattern) => pattern.folder(),
            Location::Web(url) => {
                // Servers decode slashes and dots differently.
                let path = url.path().trim_start_matches('/');
                let lower = path.to_ascii_lowercase();
                if lower.contains("%2f") || lower.contains("%2e") || lower.contains("%5c") {
                    return self.allows_origin(&origin);
                }
                path
            }
        };
        self.entries.iter().any(|entry| {
            let is_it = is_web && entry.folder.strip_suffix('/') == Some(folder);
            entry.origin == origin && (is_it || folder.starts_with(&entry.folder)) && also(entry)
        })
    }

    /// Whether a whole origin is allowed, e.g. that of an S3-compatible server.
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.entries.iter().any(|entry| entry.origin == origin && entry.folder.is_empty())
    }

    /// The longest listed folder of this machine that holds every match.
    pub(super) fn root_of(&self, pattern: &PathPattern) -> Option<PathBuf> {
        let holds = |entry: &&Entry| {
            entry.origin == "file://" && pattern.folder().starts_with(&entry.folder)
        };
        let entry = self.entries.iter().filter(holds).max_by_key(|entry| entry.folder.len())?;
        Some(Path::new("/").join(&entry.folder))
    }
}

fn parse(entry: &str) -> Result<Entry, AllowedPlaceError> {
    let refused = || AllowedPlaceError::Place(shown(entry));
    let (account, entry) = match entry.strip_prefix("az://") {
        Some(rest) => {
            let (account, container) = rest.split_once('/').ok_or_else(refused)?;
            if !is_account(account) {
                return Err(refused());
            }
            (Some(account.to_owned()), format!("az://{container}"))
        }
        None => (None, entry.to_owned()),
    };
    let (origin, folder) = place(&entry).ok_or_else(refused)?;
    Ok(Entry { origin, account, folder })
}

/// An entry without its query.
fn shown(entry: &str) -> String {
    entry.split('?').next().unwrap_or_default().to_owned()
}

/// The origin and folder of an entry without account.
fn place(entry: &str) -> Option<(String, String)> {
    let trimmed = entry.trim_end_matches('/');
    // With a name below it, the folder parses as a location.
    let below = format!("{trimmed}/x");
    if entry.starts_with("file://") {
        let path = if trimmed == "file:" { "file:///x" } else { &below };
        return match Location::objects(path).ok()? {
            Location::Files(pattern) if pattern.glob.is_none() => {
                Some(("file://".to_owned(), pattern.folder().to_owned()))
            }
            _ => None,
        };
    }
    if let Ok(location) = Location::web(&below) {
        let Location::Web(url) = &location else { return None };
        let path = url.path().trim_start_matches('/');
        let folder = path.strip_suffix('x').unwrap_or_default().to_owned();
        return url.query().is_none().then(|| (location.origin(), folder));
    }
    match Location::objects(&below).ok()? {
        location @ Location::Objects { .. } => {
            let Location::Objects { pattern, .. } = &location else { return None };
            let folder = pattern.folder().to_owned();
            pattern.glob.is_none().then(|| (location.origin(), folder))
        }
        _ => None,
    }
}

/// Whether it can be the name of a storage account.
pub(super) fn is_account(name: &str) -> bool {
    (3..=24).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_locations_below_a_listed_place_are_allowed() {
        let allowed = AllowedPlaces::listed([
            "s3://bucket/team-a/",
            "gs://other",
            "file:///srv/exports",
            "https://files.example.com/public",
            "http://127.0.0.1:9000",
        ])
        .unwrap();
        let objects = |url: &str| allowed.allows(&Location::objects(url).unwrap(), None);
        assert!(objects("s3://bucket/team-a/x.csv") && objects("s3://bucket/team-a/b/*.csv"));
        assert!(objects("gs://other/x.csv") && objects("file:///srv/exports/a/x.csv"));
        for not in [
            "s3://bucket/team-b/x.csv",
            "s3://bucket/team-abc/x.csv",
            "s3://bucket/team-*/x.csv",
            "s3://bucket/*/x.csv",
            "s3://bucket2/team-a/x.csv",
            "gs://bucket/team-a/x.csv",
            "file:///srv/exports2/x.csv",
            "file:///srv/x.csv",
            "file:///etc/*",
        ] {
            assert!(!objects(not), "{not}");
        }
        let web = |url: &str| allowed.allows(&Location::web(url).unwrap(), None);
        assert!(
            web("https://files.example.com/public/x.csv?a=b") && web("http://127.0.0.1:9000/x")
        );
        assert!(web("https://files.example.com/public"), "itself");
        for not in [
            "https://files.example.com/private/x.csv",
            "https://files.example.com/public/../private/x.csv",
            "https://files.example.com/public/%2e%2e%2fprivate/x.csv",
            "https://files.example.com:8443/public/x.csv",
            "http://files.example.com/public/x.csv",
            "https://files.example.com.evil.example/public/x.csv",
        ] {
            assert!(!web(not), "{not}");
        }
        let none = AllowedPlaces::default();
        assert!(!none.allows(&Location::web("https://files.example.com/x").unwrap(), None));
    }

    #[test]
    fn a_container_is_allowed_in_its_account_only() {
        let allowed = AllowedPlaces::listed(["az://account/people/eu"]).unwrap();
        let location = Location::objects("az://people/eu/x.csv").unwrap();
        assert!(allowed.allows(&location, Some("account")) && allowed.may_allow(&location));
        assert!(!allowed.allows(&location, Some("another")) && !allowed.allows(&location, None));
        let other = Location::objects("az://people/us/x.csv").unwrap();
        assert!(!allowed.may_allow(&other) && !allowed.allows(&other, Some("account")));
    }

    #[test]
    fn entries_that_name_no_place_are_refused() {
        for entry in [
            "",
            "bucket",
            "s3://",
            "s3://b/*",
            "https://h/?q=1",
            "file://host/x",
            "*",
            "az://container",
            "az://container/",
            "az://Account/container",
            "az://account/container/*",
        ] {
            assert!(AllowedPlaces::listed([entry]).is_err(), "{entry:?}");
        }
        for entry in ["s3://bucket", "file:///srv", "hooks.example.com", "https://h/?token=x"] {
            let error = AllowedPlaces::notify([entry]).unwrap_err().to_string();
            assert!(error.contains("name a server") && !error.contains("token"), "{error}");
        }
        assert!(AllowedPlaces::notify(["https://hooks.example.com/services"]).is_ok());
        let root = AllowedPlaces::listed(["file:///"]).unwrap();
        assert!(root.allows(&Location::objects("file:///etc/x").unwrap(), None));
    }
}
