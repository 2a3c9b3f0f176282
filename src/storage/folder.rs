//! A folder that the admin names for the operator's own data, e.g. `--ledger-url`. Not subject to
//! the allow-list, which limits what *specs* may name; its credentials are the operator's own.
//! Opening sends no request; everything else does network I/O.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use jiff::Timestamp;
use object_store::{ObjectStore, path::Path};
use url::Url;

use super::{Bucket, FolderError, ObjectFault, StoreKind, credentials::StoreOptions};
use crate::network::OutboundProxy;

/// An opened folder.
#[derive(Clone, Debug)]
pub enum AdminFolder {
    /// A folder of this machine.
    Local(PathBuf),
    /// A folder of a bucket.
    Objects(ObjectFolder),
}

/// Opens the folder at a URL. `environment`: of its variables, only those of the store's client
/// are used. `proxy`: the proxy that the admin chose, if any.
pub fn open_folder(
    url: &Url,
    environment: impl IntoIterator<Item = (String, String)>,
    proxy: &OutboundProxy,
) -> Result<AdminFolder, FolderError> {
    if url.query().is_some() || url.fragment().is_some() || url.password().is_some() {
        return Err(FolderError::NotPlain);
    }
    match url.scheme() {
        "file" => {
            let folder = url.to_file_path().map_err(|()| FolderError::Relative)?;
            Ok(AdminFolder::Local(folder))
        }
        scheme => {
            let kind = StoreKind::of_scheme(scheme)
                .ok_or_else(|| FolderError::Scheme(scheme.to_owned()))?;
            let options = StoreOptions::of_environment(environment);
            let (bucket, path) = Bucket::of_admin(kind, url, &options, proxy)?;
            Ok(AdminFolder::Objects(ObjectFolder { bucket, path }))
        }
    }
}

/// A folder of a bucket, and the objects directly in it by name.
#[derive(Clone, Debug)]
pub struct ObjectFolder {
    bucket: Bucket,
    path: Path,
}

impl ObjectFolder {
    /// A folder of a store that is set up already.
    pub fn within(store: Arc<dyn ObjectStore>, path: &str) -> Self {
        Self { bucket: Bucket::of_store(store), path: Path::from(path) }
    }

    /// A folder in this one.
    #[must_use]
    pub fn folder(&self, name: &str) -> Self {
        Self { bucket: self.bucket.clone(), path: self.path.clone().join(name) }
    }

    fn object(&self, name: &str) -> Path {
        self.path.clone().join(name)
    }

    /// The names of the folders directly in this one, in any order.
    pub async fn folders(&self) -> Result<Vec<String>, ObjectFault> {
        self.bucket.folders(&self.path).await
    }

    /// The names of all objects, in any order.
    pub async fn names(&self) -> Result<Vec<String>, ObjectFault> {
        let paths = self.bucket.paths(&self.path).await?;
        Ok(paths.iter().filter_map(|path| path.filename().map(str::to_owned)).collect())
    }

    /// The bytes of an object of at most `max_bytes`; `None` when there is none.
    pub async fn read(&self, name: &str, max_bytes: usize) -> Result<Option<Bytes>, ObjectFault> {
        self.bucket.read(&self.object(name), max_bytes).await
    }

    /// When an object was stored; `None` when there is none.
    pub async fn stored_at(&self, name: &str) -> Result<Option<Timestamp>, ObjectFault> {
        self.bucket.stored_at(&self.object(name)).await
    }

    /// Writes an object, durably once it returns, unless one of its name exists.
    pub async fn create(&self, name: &str, bytes: Bytes) -> Result<(), ObjectFault> {
        self.bucket.create(&self.object(name), bytes).await
    }

    /// Deletes an object; one that does not exist counts as deleted.
    pub async fn delete(&self, name: &str) -> Result<(), ObjectFault> {
        self.bucket.delete(&self.object(name)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(url: &str) -> Result<AdminFolder, FolderError> {
        open_folder(&Url::parse(url).unwrap(), [], &OutboundProxy::default())
    }

    #[test]
    fn urls_that_name_more_or_less_than_a_folder_are_refused() {
        let message = |url: &str| opened(url).unwrap_err().to_string();
        assert!(message("https://ledgers.example.com/").contains("not https://"));
        assert!(message("memory:///").contains("not memory://"));
        assert!(message("s3://bucket/a?key=secret").contains("environment"));
        assert!(message("s3://user:secret@bucket/a").contains("environment"));
        assert!(opened("s3://bucket/ledgers").is_ok(), "credentials are looked up when needed");
        for alias in ["s3a://bucket/a", "abfs://container@account.dfs.core.windows.net/a"] {
            let options = [("AZURE_STORAGE_ACCOUNT_NAME".to_owned(), "account".to_owned())];
            let url = Url::parse(alias).unwrap();
            assert!(open_folder(&url, options, &OutboundProxy::default()).is_ok(), "{alias}");
        }
    }

    #[test]
    fn debug_shows_no_credential() {
        let url = Url::parse("s3://bucket/a").unwrap();
        let secret = |name: &str| (name.to_owned(), "s3cr3t".to_owned());
        let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(secret);
        let folder = open_folder(&url, keys, &OutboundProxy::default()).unwrap();
        assert!(!format!("{folder:?}").contains("s3cr3t"));
    }
}
