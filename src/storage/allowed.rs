//! The admin's list of places that specs may name. Pure.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{Location, PathPattern};

/// An entry of the list that names no place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0} does not name a place: write https://HOST, s3://BUCKET/FOLDER, gs://BUCKET, \
     az://CONTAINER or file:///FOLDER, without pattern, query or user info"
)]
pub struct AllowedPlaceError(String);

/// The places that specs may name; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedPlaces(Vec<Entry>);

/// Allows everything below a folder of an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    origin: String,
    /// Empty, or ending with a slash; without a leading one.
    folder: String,
}

impl AllowedPlaces {
    /// Parses the list.
    pub fn listed<'a>(
        entries: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, AllowedPlaceError> {
        entries.into_iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether specs may name a location.
    pub fn allows(&self, location: &Location) -> bool {
        let origin = location.origin();
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
        self.0.iter().any(|entry| entry.origin == origin && folder.starts_with(&entry.folder))
    }

    /// Whether a whole origin is allowed, e.g. that of an S3-compatible server.
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.0.iter().any(|entry| entry.origin == origin && entry.folder.is_empty())
    }

    /// The longest listed folder of this machine that holds every match.
    pub(super) fn root_of(&self, pattern: &PathPattern) -> Option<PathBuf> {
        let holds = |entry: &&Entry| {
            entry.origin == "file://" && pattern.folder().starts_with(&entry.folder)
        };
        let entry = self.0.iter().filter(holds).max_by_key(|entry| entry.folder.len())?;
        Some(Path::new("/").join(&entry.folder))
    }
}

fn parse(entry: &str) -> Result<Entry, AllowedPlaceError> {
    let refused = || AllowedPlaceError(entry.split('?').next().unwrap_or_default().to_owned());
    let trimmed = entry.trim_end_matches('/');
    // With a name below it, the folder parses as a location.
    let below = format!("{trimmed}/x");
    let (origin, folder) = if entry.starts_with("file://") {
        let path = if trimmed == "file:" { "file:///x" } else { &below };
        match Location::objects(path).map_err(|_| refused())? {
            Location::Files(pattern) if pattern.glob.is_none() => {
                ("file://".to_owned(), pattern.folder().to_owned())
            }
            _ => return Err(refused()),
        }
    } else if let Ok(location) = Location::web(&below) {
        let Location::Web(url) = &location else { return Err(refused()) };
        if url.query().is_some() {
            return Err(refused());
        }
        let path = url.path().trim_start_matches('/');
        (location.origin(), path.strip_suffix('x').unwrap_or_default().to_owned())
    } else {
        match Location::objects(&below).map_err(|_| refused())? {
            location @ Location::Objects { .. } => {
                let Location::Objects { pattern, .. } = &location else { return Err(refused()) };
                if pattern.glob.is_some() {
                    return Err(refused());
                }
                (location.origin(), pattern.folder().to_owned())
            }
            _ => return Err(refused()),
        }
    };
    Ok(Entry { origin, folder })
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
        let objects = |url: &str| allowed.allows(&Location::objects(url).unwrap());
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
        let web = |url: &str| allowed.allows(&Location::web(url).unwrap());
        assert!(
            web("https://files.example.com/public/x.csv?a=b") && web("http://127.0.0.1:9000/x")
        );
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
        assert!(!none.allows(&Location::web("https://files.example.com/x").unwrap()));
    }

    #[test]
    fn entries_that_name_no_place_are_refused() {
        for entry in ["", "bucket", "s3://", "s3://b/*", "https://h/?q=1", "file://host/x", "*"] {
            assert!(AllowedPlaces::listed([entry]).is_err(), "{entry:?}");
        }
        let root = AllowedPlaces::listed(["file:///"]).unwrap();
        assert!(root.allows(&Location::objects("file:///etc/x").unwrap()));
    }
}
