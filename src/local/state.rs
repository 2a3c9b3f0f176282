//! The state folder of a local cluster: one record for each object, the ledger key, the folders of
//! ledgers and of accounts' anonymised people, one lock. Files are replaced atomically. A damaged
//! file is reported, set aside and never fatal: without it, everything is checked again.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value as Json;
use thiserror::Error;

use super::problem::Problem;
use crate::{
    cluster::{ClusterError, Kind, ObjectKey},
    ledger::AccountName,
};

/// Why a local cluster cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The state folder cannot be created or written.
    #[error("cannot use the state folder {}", dir.display())]
    UseFolder {
        /// The folder.
        dir: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Another process uses the folder.
    #[error(
        "the state folder {} is in use by another process; wait for it, or name another folder with --state",
        dir.display()
    )]
    Locked {
        /// The folder.
        dir: PathBuf,
    },
    /// The manifests change immutable fields.
    #[error("the manifests change immutable fields: {} problem(s)", .0.len())]
    RefuseChange(Vec<Problem>),
    /// An object cannot be assembled.
    #[error("cannot assemble {0} from its manifest and its record")]
    Assemble(String),
}

/// What is stored of an object between runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    /// Kind, namespace and name, for people who read the file.
    pub object: String,
    pub generation: i64,
    pub spec_digest: String,
    pub created_at: Timestamp,
    /// Only for kinds with transition rules; never for exports, whose specs may hold profiles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Json>,
    /// Of an export, the fields that name other objects, for those who read the folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refers: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Json>,
}

/// The file that is locked by the process that works on the folder.
pub(super) const LOCK: &str = "lock";
/// The file of the ledger key.
pub(super) const ROOT_KEY: &str = "ledger.key";

/// Who only looks whether a folder is in use holds its lock for an instant. So many instants are waited.
const LOOKS: u32 = 10;
const LOOK: Duration = Duration::from_millis(20);

/// Whether a process works on a state folder.
pub fn is_in_use(dir: &Path) -> io::Result<bool> {
    // A folder without this file was never in use.
    let lock = match File::open(dir.join(LOCK)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        lock => lock?,
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A locked state folder; unlocked on drop and when the process ends.
#[derive(Debug)]
pub(super) struct StateFolder {
    dir: PathBuf,
    _lock: File,
}

impl StateFolder {
    pub(super) fn open(dir: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::UseFolder { dir: dir.to_owned(), source };
        check_folder(dir).map_err(failed)?;
        private_folder(dir).map_err(failed)?;
        for part in ["objects", "ledger"] {
            private_folder(&dir.join(part)).map_err(failed)?;
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(dir.join(LOCK))
            .map_err(failed)?;
        for _try in 0..LOOKS {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { dir: dir.to_owned(), _lock: lock }),
                Err(TryLockError::WouldBlock) => thread::sleep(LOOK),
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
        Err(OpenError::Locked { dir: dir.to_owned() })
    }

    /// Where the ledger of an export is kept.
    pub(super) fn segments_dir(&self, uid: &str) -> PathBuf {
        self.dir.join("ledger").join(uid)
    }

    /// Where an account's anonymised people are kept. Separate from the ledgers: it belongs to no
    /// object, so that removing objects never removes it.
    pub(super) fn suppression_dir(&self, account: AccountName) -> PathBuf {
        self.suppressions_dir().join(account.to_string())
    }

    /// Where the folders of all accounts are.
    pub(super) fn suppressions_dir(&self) -> PathBuf {
        self.dir.join("suppression")
    }

    fn record_path(&self, uid: &str) -> PathBuf {
        self.dir.join("objects").join(format!("{uid}.json"))
    }

    /// The record of an object, if there is a readable one.
    pub(super) fn record<T: DeserializeOwned>(&self, uid: &str) -> Option<T> {
        let path = self.record_path(uid);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| set_aside(&path)).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(_) => {
                set_aside(&path);
                None
            }
        }
    }

    /// The objects of a kind that have a record, whether or not they are applied now.
    pub(super) fn names(&self, kind: Kind) -> Vec<ObjectKey> {
        let Ok(entries) = fs::read_dir(self.dir.join("objects")) else { return Vec::new() };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let records = paths.filter(|path| path.extension().is_some_and(|end| end == "json"));
        let name = |path: PathBuf| {
            let record: Record = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
            let (named, key) = record.object.split_once(' ')?;
            let (namespace, name) = key.split_once('/')?;
            (named == kind.as_str()).then(|| ObjectKey::new(namespace, name))
        };
        records.filter_map(name).collect()
    }

    /// Sets an unusable record aside.
    pub(super) fn set_record_aside(&self, uid: &str) {
        set_aside(&self.record_path(uid));
    }

    pub(super) fn write_record(&self, uid: &str, record: &Record) -> Result<(), ClusterError> {
        let path = self.record_path(uid);
        let bytes = serde_json::to_vec_pretty(record).expect("a record serialises to JSON");
        replace(&path, &bytes).map_err(|error| io_error("write", &path, &error))
    }

    /// The ledger key; stores `fresh` if there is none yet.
    pub(super) fn root_key(&self, fresh: [u8; 32]) -> Result<[u8; 32], ClusterError> {
        let path = self.dir.join(ROOT_KEY);
        match fs::read_to_string(&path) {
            Ok(text) => {
                let mut key = [0; 32];
                if hex::decode_to_slice(text.trim(), &mut key).is_ok() {
                    return Ok(key);
                }
                set_aside(&path);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => set_aside(&path),
            Err(error) => return Err(io_error("read", &path, &error)),
        }
        replace(&path, format!("{}\n", hex::encode(fresh)).as_bytes())
            .map_err(|error| io_error("write", &path, &error))?;
        Ok(fresh)
    }
}

fn io_error(verb: &'static str, path: &Path, error: &io::Error) -> ClusterError {
    ClusterError::Io { verb, what: path.display().to_string(), kind: error.kind().to_string() }
}

/// Renames a damaged file to `*.corrupt`, in place of an earlier one.
fn set_aside(path: &Path) {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".corrupt");
    let moved = fs::rename(path, &aside);
    let outcome = if moved.is_ok() { "set aside as *.corrupt" } else { "left in place" };
    tracing::warn!(file = %path.display(), outcome, "damaged state file; its state is lost");
}

/// Refuses what exists and is not a folder; the system says only that the file exists.
pub(super) fn check_folder(dir: &Path) -> io::Result<()> {
    if dir.exists() && !dir.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, "it is not a folder"));
    }
    Ok(())
}

fn private_folder(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Writes a file of mode 0600 beside `path`, then renames it over `path`.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&temporary, path)
}
