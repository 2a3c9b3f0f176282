//! Files that data names by URL, such as the resume of a profile. The author of the data is trusted
//! with less than the author of a spec: the allow-list of specs applies, a Secret is sent only where
//! its owner wrote that it may be, and the operator's own identity reads nothing but the bucket that
//! the spec itself names. Does I/O.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use object_store::path::Path;
use thiserror::Error;
use tokio::time::timeout;
use url::Url;

use super::{
    Bucket, FileRead, FileVersion, Location, ObjectFault, Place, PlaceError, ReadFault,
    ServerFault, StoragePolicy, connect, files, place::Access, web,
};
use crate::network::{NoAnswer, Reach};

/// The longest URL that is read; signed URLs are long.
const MAX_URL: usize = 8 << 10;
/// How long one file may take.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// The fields of a Secret, and where its owner wrote that they may be sent.
#[derive(Clone)]
pub struct SecretFields {
    /// The fields.
    pub fields: BTreeMap<String, Bytes>,
    /// Origins: `https://HOST`, `s3://BUCKET`.
    pub origins: Vec<String>,
}

/// Reads files that data names. Clones share their connections. `Debug` shows no place.
#[derive(Clone, Default)]
pub struct NamedFiles(Arc<Inner>);

#[derive(Default)]
struct Inner {
    policy: Arc<StoragePolicy>,
    /// The remote source of the export, and the Secret for it.
    source: Option<(Location, Option<SecretFields>)>,
    http: OnceLock<reqwest::Client>,
    buckets: Mutex<HashMap<String, Bucket>>,
}

/// A file that data names and that may be read. `Debug` does not show where it is.
#[derive(Clone)]
pub struct NamedFile(Location);

/// Why a file that data names is not read. Never carries its URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameError {
    /// It is not the URL of one file.
    #[error("is not a usable https://, s3://, gs://, az:// or file:/// URL of one file")]
    NotAFile,
    /// It is not on the list.
    #[error("is not under any place listed in the operator's --allowed-sources")]
    NotAllowed,
    /// Nothing says that credentials may be used for it.
    #[error(
        "is in a bucket or folder that this export may not read: the Secret of its source must name \
         the bucket in clinch.hireez.dev/allowed-origin, or the source must be there itself"
    )]
    NoCredentials,
}

/// Why a file that data names cannot be read. Never carries its URL.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NamedFault {
    /// It may not be read.
    #[error("{0}")]
    Name(NameError),
    /// The Secret cannot be used for it.
    #[error("cannot be read: the Secret of the source cannot be used for it")]
    Credentials,
    /// Its place cannot be read.
    #[error("{0}")]
    Read(ReadFault),
}

impl NamedFault {
    /// Whether another attempt may succeed before anybody changes something.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Read(fault) if fault.is_transient())
    }
}

impl From<ReadFault> for NamedFault {
    fn from(fault: ReadFault) -> Self {
        Self::Read(fault)
    }
}

impl NamedFiles {
    /// Under a policy, for data from a source. `source`: where the spec names a remote one, and the
    /// Secret that the spec names for it.
    pub fn of(
        policy: Arc<StoragePolicy>,
        source: Option<(Location, Option<SecretFields>)>,
    ) -> Self {
        Self(Arc::new(Inner { policy, source, ..Inner::default() }))
    }

    /// The file at a URL, if it may be read. Sends no request.
    pub fn find(&self, url: &str) -> Result<NamedFile, NameError> {
        let url = url.trim();
        if url.len() > MAX_URL {
            return Err(NameError::NotAFile);
        }
        let location = Location::web(url).or_else(|_| Location::file(url));
        let location = location.map_err(|_| NameError::NotAFile)?;
        if !self.0.policy.allowed.may_allow(&location) {
            return Err(NameError::NotAllowed);
        }
        self.secret(&location)?;
        Ok(NamedFile(location))
    }

    /// The fields that may be sent to a location. A Secret for another kind of place is not sent: its
    /// fields would mean something else there.
    fn secret(&self, to: &Location) -> Result<Option<&BTreeMap<String, Bytes>>, NameError> {
        let source = self.0.source.as_ref();
        let own = source.filter(|(source, _)| source.is_like(to));
        let secret = own.and_then(|(_, secret)| secret.as_ref());
        let named = secret.filter(|secret| secret.origins.contains(&to.origin()));
        match (to, named, own) {
            (_, Some(named), _) => Ok(Some(&named.fields)),
            // Without credentials it is what anybody can read who knows the URL.
            (Location::Web(_), None, _) => Ok(None),
            (_, None, Some((source, None))) if source.origin() == to.origin() => Ok(None),
            (_, None, _) => Err(NameError::NoCredentials),
        }
    }

    /// Reads a file, unless it has more than `max_bytes`, or the version that is known.
    pub async fn read(
        &self,
        file: &NamedFile,
        max_bytes: usize,
        known: Option<&FileVersion>,
    ) -> Result<FileRead, NamedFault> {
        let secret = self.secret(&file.0).map_err(NamedFault::Name)?;
        let place = Place::open(file.0.clone(), secret, &self.0.policy);
        let place = place.map_err(|error| match error {
            PlaceError::Credentials(_) => NamedFault::Credentials,
            PlaceError::Url(_) => NamedFault::Name(NameError::NotAFile),
            PlaceError::NotAllowed(..)
            | PlaceError::AccountNotAllowed(..)
            | PlaceError::NoAccount(_) => NamedFault::Name(NameError::NotAllowed),
        })?;
        let read = timeout(READ_TIMEOUT, self.read_at(place, max_bytes, known)).await;
        let late = || ReadFault::Server(ServerFault::NoAnswer(NoAnswer::TimedOut));
        Ok(match read.map_err(|_| late())?? {
            FileRead::Whole(bytes, version) if bytes.len() > max_bytes => {
                FileRead::TooLarge(version)
            }
            read => read,
        })
    }

    async fn read_at(
        &self,
        place: Place,
        max_bytes: usize,
        known: Option<&FileVersion>,
    ) -> Result<FileRead, ReadFault> {
        match (&place.location, &place.access) {
            (Location::Web(url), Access::Headers(headers)) => {
                let page = web::Page::with(self.http()?, url.clone(), headers.clone());
                page.read(max_bytes, known).await
            }
            (Location::Objects { pattern, .. }, Access::Store(_)) => {
                let path = Path::parse(&pattern.text).map_err(|_| ReadFault::Missing)?;
                match self.bucket(&place)?.read_again(&path, max_bytes, known).await {
                    Ok(Some(read)) => Ok(read),
                    Ok(None) | Err(ObjectFault::Missing) => Err(ReadFault::Missing),
                    Err(ObjectFault::Server(fault)) => Err(ReadFault::Server(fault)),
                    Err(ObjectFault::TimedOut) => {
                        Err(ReadFault::Server(ServerFault::NoAnswer(NoAnswer::TimedOut)))
                    }
                    // Nothing else is said of such a read.
                    Err(
                        ObjectFault::AlreadyExists
                        | ObjectFault::NoConditionalWrites
                        | ObjectFault::TooLarge,
                    ) => Err(ReadFault::WrongBytes),
                }
            }
            (Location::Files(pattern), _) => {
                let root = self.0.policy.allowed.root_of(pattern).ok_or(ReadFault::Denied)?;
                let pattern = pattern.clone();
                let read =
                    tokio::task::spawn_blocking(move || files::whole(&root, &pattern, max_bytes));
                let read = read.await.map_err(|_| ReadFault::Unreachable)??;
                Ok(read.map_or(FileRead::TooLarge(None), |bytes| FileRead::Whole(bytes, None)))
            }
            // `Place::open` makes no other pairs.
            _ => Err(ReadFault::Denied),
        }
    }

    /// The client for servers. The allow-list names their origins.
    fn http(&self) -> Result<reqwest::Client, ReadFault> {
        if let Some(client) = self.0.http.get() {
            return Ok(client.clone());
        }
        let client = connect::client(Reach::Any, &self.0.policy.proxy)?;
        Ok(self.0.http.get_or_init(|| client).clone())
    }

    /// The bucket of a place. Each is opened once: all files of a source are read with one Secret.
    fn bucket(&self, place: &Place) -> Result<Bucket, ReadFault> {
        let (Location::Objects { kind, bucket, pattern }, Access::Store(options)) =
            (&place.location, &place.access)
        else {
            return Err(ReadFault::Denied);
        };
        let mut opened = self.0.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = opened.get(&place.location.origin()) {
            return Ok(bucket.clone());
        }
        let found = Bucket::open(*kind, bucket, pattern, options, &self.0.policy.proxy)?;
        opened.insert(place.location.origin(), found.clone());
        Ok(found)
    }
}

impl NamedFile {
    /// Where it is, without the key: one server or bucket.
    pub fn origin(&self) -> String {
        self.0.origin()
    }

    /// Distinguishes files in digests. The signature in a URL is not part of it: a file whose URL is
    /// signed again is the same file.
    pub fn identity(&self) -> String {
        match &self.0 {
            Location::Web(url) => unsigned(url),
            other => other.to_string(),
        }
    }
}

impl fmt::Debug for NamedFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NamedFiles")
    }
}

impl fmt::Debug for NamedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NamedFile")
    }
}

/// A URL without the parameters of a signature, as S3, Google, Azure and CloudFront write them.
fn unsigned(url: &Url) -> String {
    const AZURE: &[&str] = &[
        "sv", "ss", "srt", "sr", "sp", "st", "se", "spr", "sip", "si", "sig", "skoid", "sktid",
        "skt", "ske", "sks", "skv",
    ];
    const CLOUDFRONT: &[&str] = &["Expires", "Policy", "Signature", "Key-Pair-Id"];
    let has = |wanted: &str| url.query_pairs().any(|(name, _)| name == wanted);
    let is_signature: &dyn Fn(&str) -> bool = if has("X-Amz-Signature") {
        &|name| name.starts_with("X-Amz-")
    } else if has("X-Goog-Signature") {
        &|name| name.starts_with("X-Goog-")
    } else if has("sig") && has("se") && has("sv") {
        &|name| AZURE.contains(&name)
    } else if has("Signature") && has("Key-Pair-Id") {
        &|name| CLOUDFRONT.contains(&name)
    } else {
        return url.to_string();
    };
    let kept: Vec<_> = url.query_pairs().filter(|(name, _)| !is_signature(name)).collect();
    let mut plain = url.clone();
    plain.set_query(None);
    if !kept.is_empty() {
        plain.query_pairs_mut().extend_pairs(kept);
    }
    plain.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::AllowedPlaces;

    fn secret(origins: &[&str]) -> SecretFields {
        let fields = [("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.into()));
        let origins = origins.iter().map(|&origin| origin.to_owned()).collect();
        SecretFields { fields: fields.into(), origins }
    }

    fn files(source: Option<(&str, Option<SecretFields>)>) -> NamedFiles {
        let allowed = AllowedPlaces::listed([
            "https://cv.example.com/people",
            "s3://exports",
            "s3://resumes",
            "gs://exports",
            "file:///srv/exports",
        ]);
        let policy = StoragePolicy { allowed: allowed.unwrap(), ..StoragePolicy::default() };
        let parsed = |url| Location::web(url).or_else(|_| Location::objects(url)).unwrap();
        NamedFiles::of(policy.into(), source.map(|(url, secret)| (parsed(url), secret)))
    }

    #[test]
    fn only_one_file_of_a_listed_place_is_read() {
        let files = files(None);
        assert!(files.find(" https://cv.example.com/people/a.pdf?t=1 ").is_ok());
        for not in [
            "https://cv.example.com/other/a.pdf",
            "https://cv.example.com/people/..%2fa.pdf",
            "https://cv.example.com.evil.example/people/a.pdf",
            "http://cv.example.com/people/a.pdf",
            "http://169.254.169.254/people/a.pdf",
            "file:///etc/passwd",
        ] {
            assert_eq!(files.find(not).unwrap_err(), NameError::NotAllowed, "{not}");
        }
        let long = format!("https://cv.example.com/people/{}", "a".repeat(MAX_URL));
        for not in [
            "",
            "cv.pdf",
            "javascript:alert(1)",
            "https://user:pass@cv.example.com/people/a.pdf",
            "s3://resumes/*.pdf",
            "s3://resumes/../x.pdf",
            "s3://resumes/people/",
            &long,
        ] {
            assert_eq!(files.find(not).unwrap_err(), NameError::NotAFile, "{not}");
        }
    }

    #[test]
    fn a_secret_is_sent_only_where_its_owner_wrote_and_the_operator_reads_only_the_sources_bucket()
    {
        let sent = |files: &NamedFiles, url| files.secret(&files.find(url)?.0).map(|s| s.is_some());
        let with =
            files(Some(("s3://exports/x.csv", Some(secret(&["s3://exports", "s3://resumes"])))));
        assert_eq!(sent(&with, "s3://resumes/a.pdf"), Ok(true));
        assert_eq!(sent(&with, "https://cv.example.com/people/a.pdf"), Ok(false));
        assert_eq!(sent(&with, "gs://exports/a.pdf"), Err(NameError::NoCredentials));
        assert_eq!(sent(&with, "file:///srv/exports/a.pdf"), Err(NameError::NoCredentials));
        // The Secret names a server, too, but its fields are those of a bucket.
        let both = files(Some((
            "s3://exports/x.csv",
            Some(secret(&["s3://exports", "https://cv.example.com"])),
        )));
        assert_eq!(sent(&both, "https://cv.example.com/people/a.pdf"), Ok(false));
        // Never the operator's identity instead of a Secret that does not fit.
        assert_eq!(sent(&both, "s3://resumes/a.pdf"), Err(NameError::NoCredentials));
        let own = files(Some(("s3://exports/x.csv", None)));
        assert_eq!(sent(&own, "s3://exports/cv/a.pdf"), Ok(false));
        assert_eq!(sent(&own, "s3://resumes/a.pdf"), Err(NameError::NoCredentials));
        let local = files(Some(("file:///srv/exports/x.csv", None)));
        assert_eq!(sent(&local, "file:///srv/exports/cv/a.pdf"), Ok(false));
        assert_eq!(sent(&local, "file:///srv/x/a.pdf"), Err(NameError::NotAllowed));
        let inline = files(None);
        assert_eq!(sent(&inline, "s3://exports/a.pdf"), Err(NameError::NoCredentials));
        let web = files(Some((
            "https://cv.example.com/people/x.csv",
            Some(secret(&["https://cv.example.com"])),
        )));
        assert_eq!(sent(&web, "https://cv.example.com/people/a.pdf"), Ok(true));
        assert_eq!(sent(&web, "s3://exports/a.pdf"), Err(NameError::NoCredentials));
    }

    #[test]
    fn a_url_that_is_signed_again_is_the_same_file() {
        let identity = |query: &str| {
            let url = format!("https://cv.example.com/people/a.pdf{query}");
            files(None).find(&url).unwrap().identity()
        };
        let plain = "https://cv.example.com/people/a.pdf";
        for signed in [
            "?X-Amz-Algorithm=a&X-Amz-Date=2&X-Amz-Expires=3&X-Amz-Signature=f",
            "?X-Goog-Date=1&X-Goog-Signature=f",
            "?sv=2022&se=2026&sr=b&sp=r&sig=f%2B",
            "?Expires=1&Signature=f&Key-Pair-Id=K",
        ] {
            assert_eq!(identity(signed), plain, "{signed}");
        }
        let version = identity("?versionId=7&X-Amz-Date=2&X-Amz-Signature=f");
        assert_eq!(version, format!("{plain}?versionId=7"));
        assert_eq!(identity("?id=7&sig=x"), format!("{plain}?id=7&sig=x"), "not a signature");
        assert!(!format!("{:?}", files(None).find(plain)).contains("cv.example.com"));
    }
}
