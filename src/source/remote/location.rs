//! Where a source lies, and which places may be read at all. Pure: nothing is contacted here.
//!
//! A URL of a spec is taken apart once; what is contacted afterwards is made from its parts, so
//! that no second reading of the text can come to another host or folder.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use thiserror::Error;
use url::Url;

/// Why a URL is no place to read candidates from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LocationError {
    /// Another scheme than those of its field.
    #[error("the URL must begin with s3://, gs://, az:// or file:///")]
    NotObjects,
    /// Another scheme than those of its field.
    #[error("the URL must begin with https:// (or http://) and name a host")]
    NotWeb,
    /// No bucket, container or root.
    #[error("the URL names no bucket or container; write s3://BUCKET/KEY")]
    NoBucket,
    /// Nothing below the bucket or root.
    #[error("the URL names no object; write the key of a file, or a pattern such as exports/*.csv")]
    NoObject,
    /// Something that is not read the same everywhere.
    #[error(
        "the URL holds user info, a fragment, a backslash, a control character or a .. segment"
    )]
    NotPlain,
    /// A pattern that cannot be used.
    #[error(
        "the pattern in the URL is not valid: * stands for any text within a segment, ** for any folders"
    )]
    Pattern,
}

/// The kind of object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// Amazon S3, or a server that speaks like it.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
}

impl StoreKind {
    const fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gs",
            Self::Azure => "az",
        }
    }
}

/// A place that candidates are read from. `Debug` and `Display` leave out a URL's query.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// Objects of a bucket or container.
    Objects {
        /// Of which store.
        kind: StoreKind,
        /// Bucket or container.
        bucket: String,
        /// Which of its objects.
        wanted: Wanted,
    },
    /// Files of this machine.
    Files(Wanted),
    /// What an HTTP server answers.
    Web(Url),
}

/// One name, or a pattern of names; without a leading slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The name, or the pattern.
    pub text: String,
    /// The pattern, where it is one.
    pub pattern: Option<glob::Pattern>,
}

/// How patterns are matched: `*` stays within a segment.
const MATCHING: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

impl Wanted {
    fn parse(text: &str) -> Result<Self, LocationError> {
        if text.is_empty() || text.ends_with('/') {
            return Err(LocationError::NoObject);
        }
        let odd = |c: char| c.is_control() || c == '\\';
        if text.contains(odd) || text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(LocationError::NotPlain);
        }
        let pattern = text
            .contains(['*', '?', '['])
            .then(|| glob::Pattern::new(text))
            .transpose()
            .map_err(|_| LocationError::Pattern)?;
        Ok(Self { text: text.to_owned(), pattern })
    }

    /// The folder that everything wanted lies in: empty, or ending with a slash.
    pub fn folder(&self) -> &str {
        let fixed = match self.pattern {
            Some(_) => self.text.find(['*', '?', '[']).map_or("", |at| &self.text[..at]),
            None => &self.text,
        };
        fixed.rfind('/').map_or("", |at| &fixed[..=at])
    }

    /// Whether a name is wanted.
    pub fn matches(&self, name: &str) -> bool {
        match &self.pattern {
            Some(pattern) => pattern.matches_with(name, MATCHING),
            None => self.text == name,
        }
    }
}

impl Location {
    /// Reads the URL of an `objectStore` source.
    pub fn objects(url: &str) -> Result<Self, LocationError> {
        if let Some(path) = url.strip_prefix("file:///") {
            return Ok(Self::Files(Wanted::parse(path)?));
        }
        let (kind, rest) = [StoreKind::S3, StoreKind::Gcs, StoreKind::Azure]
            .into_iter()
            .find_map(|kind| Some((kind, url.strip_prefix(kind.scheme())?.strip_prefix("://")?)))
            .ok_or(LocationError::NotObjects)?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if !is_bucket(bucket) {
            return Err(LocationError::NoBucket);
        }
        Ok(Self::Objects { kind, bucket: bucket.to_owned(), wanted: Wanted::parse(key)? })
    }

    /// Reads the URL of an `http` source.
    pub fn web(text: &str) -> Result<Self, LocationError> {
        let url = Url::parse(text).map_err(|_| LocationError::NotWeb)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(LocationError::NotWeb);
        }
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
            && !text.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\')
            && text.to_ascii_lowercase().starts_with(&url.origin().ascii_serialization());
        if plain { Ok(Self::Web(url)) } else { Err(LocationError::NotPlain) }
    }

    /// What a Secret's `allowed-origin` has to name for it to be used here.
    pub fn origin(&self) -> String {
        match self {
            Self::Objects { kind, bucket, .. } => format!("{}://{bucket}", kind.scheme()),
            Self::Files(_) => "file://".to_owned(),
            Self::Web(url) => url.origin().ascii_serialization(),
        }
    }
}

fn is_bucket(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=222).contains(&name.len())
        && name.chars().all(inner)
        && name.starts_with(edge)
        && name.ends_with(edge)
        && !name.contains("..")
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Objects { wanted, .. } => write!(f, "{}/{}", self.origin(), wanted.text),
            Self::Files(wanted) => write!(f, "file:///{}", wanted.text),
            Self::Web(url) => write!(f, "{}{}", self.origin(), url.path()),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}

/// Why an entry of the operator's list is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0} is no place for sources: write https://HOST, s3://BUCKET/FOLDER, gs://BUCKET, \
     az://CONTAINER or file:///FOLDER, without pattern, query or user info"
)]
pub struct AllowedSourceError(String);

/// The places that may be read, as whoever runs the operator listed them; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedSources(Vec<Place>);

/// What lies under a place may be read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    origin: String,
    /// Empty, or ending with a slash; without a leading one.
    folder: String,
}

impl AllowedSources {
    /// Reads the list.
    pub fn listed<'a>(
        entries: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, AllowedSourceError> {
        entries.into_iter().map(place).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a place may be read.
    pub fn allows(&self, location: &Location) -> bool {
        let origin = location.origin();
        let folder = match location {
            Location::Objects { wanted, .. } | Location::Files(wanted) => wanted.folder(),
            Location::Web(url) => {
                // Servers differ in what they make of an encoded slash or dot.
                let path = url.path().trim_start_matches('/');
                let lower = path.to_ascii_lowercase();
                if lower.contains("%2f") || lower.contains("%2e") || lower.contains("%5c") {
                    return self.0.iter().any(|p| p.origin == origin && p.folder.is_empty());
                }
                path
            }
        };
        self.0.iter().any(|place| place.origin == origin && folder.starts_with(&place.folder))
    }

    /// Whether a whole origin may be read, e.g. that of a server that speaks like S3.
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.0.iter().any(|place| place.origin == origin && place.folder.is_empty())
    }

    /// The longest listed folder of this machine that a file lies under.
    pub(super) fn root_of(&self, wanted: &Wanted) -> Option<PathBuf> {
        let under = |place: &&Place| {
            place.origin == "file://" && wanted.folder().starts_with(&place.folder)
        };
        let place = self.0.iter().filter(under).max_by_key(|place| place.folder.len())?;
        Some(Path::new("/").join(&place.folder))
    }
}

fn place(entry: &str) -> Result<Place, AllowedSourceError> {
    let refused = || AllowedSourceError(entry.split('?').next().unwrap_or_default().to_owned());
    let trimmed = entry.trim_end_matches('/');
    // A name below the folder makes a location of it, whose parts are then the place's.
    let below = format!("{trimmed}/x");
    let (origin, folder) = if entry.starts_with("file://") {
        let path = if trimmed == "file:" { "file:///x" } else { &below };
        match Location::objects(path).map_err(|_| refused())? {
            Location::Files(wanted) if wanted.pattern.is_none() => {
                ("file://".to_owned(), wanted.folder().to_owned())
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
            found @ Location::Objects { .. } => {
                let Location::Objects { wanted, .. } = &found else { return Err(refused()) };
                if wanted.pattern.is_some() {
                    return Err(refused());
                }
                (found.origin(), wanted.folder().to_owned())
            }
            _ => return Err(refused()),
        }
    };
    Ok(Place { origin, folder })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart_once() {
        let location = Location::objects("s3://bucket/a/2026-*/part-?.ndjson.gz").unwrap();
        assert_eq!(location.origin(), "s3://bucket");
        let Location::Objects { wanted, .. } = &location else { panic!("objects") };
        assert_eq!(wanted.folder(), "a/");
        assert!(wanted.matches("a/2026-11/part-1.ndjson.gz"));
        assert!(!wanted.matches("a/2026-11/x/part-1.ndjson.gz"), "* stays within a segment");
        let web = Location::web("https://files.example.com/a/b.csv?token=secret").unwrap();
        assert_eq!(web.to_string(), "https://files.example.com/a/b.csv");
        assert!(!format!("{web:?}").contains("secret"));
        for (url, error) in [
            ("s3:///key", LocationError::NoBucket),
            ("s3://Bucket/key", LocationError::NoBucket),
            ("s3://user@bucket/key", LocationError::NoBucket),
            ("s3://bucket", LocationError::NoObject),
            ("s3://bucket/folder/", LocationError::NoObject),
            ("s3://bucket/a/../b", LocationError::NotPlain),
            ("file:///a/../../etc/shadow", LocationError::NotPlain),
            ("file://host/a", LocationError::NotObjects),
            ("s3://bucket/a[", LocationError::Pattern),
            ("ftp://bucket/a", LocationError::NotObjects),
        ] {
            assert_eq!(Location::objects(url).unwrap_err(), error, "{url}");
        }
        for (url, error) in [
            ("ftp://host/a", LocationError::NotWeb),
            ("https://user:pw@host/a", LocationError::NotPlain),
            ("https://host/a#b", LocationError::NotPlain),
            ("https:\\\\host/a", LocationError::NotPlain),
            ("https://ho\tst/a", LocationError::NotPlain),
            ("http://0x7f000001/a", LocationError::NotPlain),
            ("https://h%6fst/a", LocationError::NotPlain),
        ] {
            assert_eq!(Location::web(url).unwrap_err(), error, "{url}");
        }
    }

    #[test]
    fn only_what_lies_under_a_listed_place_may_be_read() {
        let allowed = AllowedSources::listed([
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
        let none = AllowedSources::default();
        assert!(!none.allows(&Location::web("https://files.example.com/x").unwrap()));
    }

    #[test]
    fn what_is_no_place_is_refused_by_the_list() {
        for entry in ["", "bucket", "s3://", "s3://b/*", "https://h/?q=1", "file://host/x", "*"] {
            assert!(AllowedSources::listed([entry]).is_err(), "{entry:?}");
        }
        let root = AllowedSources::listed(["file:///"]).unwrap();
        assert!(root.allows(&Location::objects("file:///etc/x").unwrap()));
    }
}
