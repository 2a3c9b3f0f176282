//! URLs of specs, parsed into locations. Pure.
//!
//! A URL is parsed once, and requests are built from its parts: no second parser can arrive at
//! another host or folder.

use std::fmt;

use thiserror::Error;
use url::Url;

/// Why a URL of a spec cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LocationError {
    /// Not a scheme of an `objectStore` field.
    #[error("the URL must begin with s3://, gs://, az:// or file:///")]
    NotObjects,
    /// Not a scheme of an `http` field.
    #[error("the URL must begin with https:// (or http://) and name a host")]
    NotWeb,
    /// No bucket, container or root.
    #[error("the URL names no bucket or container; write s3://BUCKET/KEY")]
    NoBucket,
    /// Nothing below the bucket or root.
    #[error("the URL names no object; write the key of a file, or a pattern such as exports/*.csv")]
    NoObject,
    /// Something that parsers disagree about.
    #[error(
        "the URL holds user info, a fragment, a backslash, a control character, or an empty, . or .. \
         segment"
    )]
    NotPlain,
    /// The URL of a folder to write to that ends with no slash.
    #[error("the URL names no folder: end it with a slash, e.g. s3://BUCKET/FOLDER/")]
    NotAFolder,
    /// The URL of a file to write that ends with a slash.
    #[error("the URL ends in a slash: name a file, e.g. s3://BUCKET/FOLDER/people.csv")]
    Folder,
    /// The URL of a file to write with a segment that means another folder.
    #[error("the URL holds a . or .. segment: write the path out")]
    Dots,
    /// The URL of a file to write with a character of patterns or placeholders.
    #[error(
        "the URL holds one of * ? [ ] {{ }}, which the name of a file to write may not have, or a \
         placeholder that is not known"
    )]
    NotOneFile,
    /// A pattern that cannot be used.
    #[error(
        "the pattern in the URL is not valid: * stands for any text within a segment, ** for any folders, \
         ? for one character, [a-z] and [!a-z] for one of a set; write [[], [?] and [*] for the \
         characters themselves"
    )]
    Pattern,
}

/// The kind of object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// Amazon S3, or a compatible server.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
}

impl StoreKind {
    /// The URL schemes. Specs and the allow-list use the first one only, so that they spell a bucket
    /// in one way; the admin may also use the others.
    const fn schemes(self) -> &'static [&'static str] {
        match self {
            Self::S3 => &["s3", "s3a"],
            Self::Gcs => &["gs"],
            Self::Azure => &["az", "abfs", "abfss"],
        }
    }

    /// The kind behind a scheme of the admin's.
    pub(super) fn of_scheme(scheme: &str) -> Option<Self> {
        [Self::S3, Self::Gcs, Self::Azure].into_iter().find(|kind| kind.schemes().contains(&scheme))
    }

    const fn scheme(self) -> &'static str {
        self.schemes()[0]
    }
}

/// Where something is. `Debug` and `Display` leave out a URL's query.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// Objects of a bucket or container.
    Objects {
        /// The kind of store.
        kind: StoreKind,
        /// Bucket or container.
        bucket: String,
        /// The objects.
        pattern: PathPattern,
    },
    /// Files of this machine.
    Files(PathPattern),
    /// A file of an HTTP server.
    Web(Url),
}

/// One path, or a pattern of paths; without a leading slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    /// As written.
    pub text: String,
    /// The compiled pattern; `None` for one path.
    pub glob: Option<glob::Pattern>,
}

/// How patterns are matched: `*` stays within a segment.
const MATCHING: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

impl PathPattern {
    fn parse(text: &str) -> Result<Self, LocationError> {
        if text.is_empty() || text.ends_with('/') {
            return Err(LocationError::NoObject);
        }
        let odd = |c: char| c.is_control() || c == '\\';
        if text.contains(odd) || text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(LocationError::NotPlain);
        }
        let glob = text
            .contains(['*', '?', '['])
            .then(|| glob::Pattern::new(text))
            .transpose()
            .map_err(|_| LocationError::Pattern)?;
        Ok(Self { text: text.to_owned(), glob })
    }

    /// The folder that holds every match: empty, or ending with a slash.
    pub fn folder(&self) -> &str {
        let fixed = match self.glob {
            Some(_) => self.text.find(['*', '?', '[']).map_or("", |at| &self.text[..at]),
            None => &self.text,
        };
        fixed.rfind('/').map_or("", |at| &fixed[..=at])
    }

    /// Whether a path matches.
    pub fn matches(&self, path: &str) -> bool {
        match &self.glob {
            Some(glob) => glob.matches_with(path, MATCHING),
            None => self.text == path,
        }
    }
}

impl Location {
    /// Parses the URL of an `objectStore` field.
    pub fn objects(url: &str) -> Result<Self, LocationError> {
        if let Some(path) = url.strip_prefix("file:///") {
            return Ok(Self::Files(PathPattern::parse(path)?));
        }
        let (scheme, rest) = url.split_once("://").ok_or(LocationError::NotObjects)?;
        let kind = StoreKind::of_scheme(scheme)
            .filter(|kind| kind.scheme() == scheme)
            .ok_or(LocationError::NotObjects)?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if !is_bucket(bucket) {
            return Err(LocationError::NoBucket);
        }
        Ok(Self::Objects { kind, bucket: bucket.to_owned(), pattern: PathPattern::parse(key)? })
    }

    /// Parses the URL of a file to write, in which placeholders are replaced already.
    pub fn file(url: &str) -> Result<Self, LocationError> {
        let path = url.split_once("://").map_or("", |(_, rest)| rest);
        if path.contains(['*', '?', '[', ']', '{', '}']) {
            return Err(LocationError::NotOneFile);
        }
        if path.split('/').skip(1).any(|segment| matches!(segment, "." | "..")) {
            return Err(LocationError::Dots);
        }
        // Without anything in front of it, the slash is all there is of the path.
        if path.ends_with('/') && path.trim_end_matches('/').contains('/') {
            return Err(LocationError::Folder);
        }
        Self::objects(url)
    }

    /// Parses the URL of an `http` field.
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

    /// Whether it is in an account of Azure.
    pub(super) fn is_azure(&self) -> bool {
        matches!(self, Self::Objects { kind: StoreKind::Azure, .. })
    }

    /// Whether credentials for one have the same fields as those for the other.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Objects { kind, .. }, Self::Objects { kind: other, .. }) => kind == other,
            (Self::Files(_), Self::Files(_)) | (Self::Web(_), Self::Web(_)) => true,
            _ => false,
        }
    }

    /// What the `allowed-origin` annotation of a Secret has to name for use here.
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
            Self::Objects { pattern, .. } => write!(f, "{}/{}", self.origin(), pattern.text),
            Self::Files(pattern) => write!(f, "file:///{}", pattern.text),
            Self::Web(url) => write!(f, "{}{}", self.origin(), url.path()),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_a_file_to_write_names_one_file() {
        for (url, shown) in [
            ("s3://bucket/a/people.csv", "s3://bucket/a/people.csv"),
            ("file:///srv/out/people.pdf", "file:///srv/out/people.pdf"),
            ("az://people/%2e%2e/x", "az://people/%2e%2e/x"),
        ] {
            assert_eq!(Location::file(url).unwrap().to_string(), shown);
        }
        for (url, error) in [
            ("s3://bucket/a/*.csv", LocationError::NotOneFile),
            ("s3://bucket/{nobody}.csv", LocationError::NotOneFile),
            ("s3://bucket/a/../b", LocationError::Dots),
            ("file:///srv/./b", LocationError::Dots),
            ("file:///..", LocationError::Dots),
            ("s3://bucket/a/", LocationError::Folder),
            ("file:///srv/", LocationError::Folder),
            ("s3://bucket/", LocationError::NoObject),
            ("s3://bucket", LocationError::NoObject),
            ("file:///", LocationError::NoObject),
            // As in `a/{namespace}//x.csv`.
            ("s3://bucket/a//b", LocationError::NotPlain),
            ("https://host/a.csv", LocationError::NotObjects),
            ("people.csv", LocationError::NotObjects),
        ] {
            assert_eq!(Location::file(url).unwrap_err(), error, "{url}");
        }
    }

    #[test]
    fn urls_are_parsed_into_plain_parts_or_refused() {
        let location = Location::objects("s3://bucket/a/2026-*/part-?.ndjson.gz").unwrap();
        assert_eq!(location.origin(), "s3://bucket");
        let Location::Objects { pattern, .. } = &location else { panic!("objects") };
        assert_eq!(pattern.folder(), "a/");
        assert!(pattern.matches("a/2026-11/part-1.ndjson.gz"));
        assert!(!pattern.matches("a/2026-11/x/part-1.ndjson.gz"), "* stays within a segment");
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
            ("s3a://bucket/a", LocationError::NotObjects),
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
}
