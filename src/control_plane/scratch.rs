//! The folder of one control plane, and its removal.
//!
//! Writes files. A temporary folder is removed when the control plane stops, also when the launcher
//! dies or never drops it (a `static` in a test binary): a small `sh` waits until a pipe that the
//! launcher and every component hold is closed, and then deletes the folder. A folder that the
//! caller named is kept.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::StartError;

const JANITOR: &str = r#"while read -r _; do :; done; rm -rf -- "$1""#;

/// The folder of etcd's data.
const ETCD_DATA: &str = "etcd";

/// The folder of one control plane.
#[derive(Debug)]
pub(super) struct Scratch {
    root: PathBuf,
    janitor: Option<Janitor>,
    /// Locked while a folder that the caller named is in use.
    _lock: Option<File>,
    /// Whether an earlier control plane left its data.
    holds_data: bool,
}

#[derive(Debug)]
struct Janitor {
    process: Child,
    /// Dropped to let the janitor proceed.
    hold: Option<OwnedFd>,
}

impl Scratch {
    /// Opens `named`, with the data that an earlier control plane left there, or a private temporary folder that is removed at the end.
    pub(super) fn open(named: Option<PathBuf>) -> Result<Self, StartError> {
        let Some(root) = named else { return Self::temporary() };
        let failed = |source| StartError::Folder { path: root.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&root).map_err(failed)?;
        // Components get paths as arguments; a relative one would depend on their folder.
        let root = fs::canonicalize(&root).map_err(failed)?;
        let lock = File::create(root.join("lock")).map_err(failed_in(&root))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StartError::FolderInUse { path: root }),
            Err(TryLockError::Error(error)) => return Err(failed_in(&root)(error)),
        }
        let holds_data = root.join(ETCD_DATA).join("member").exists();
        Ok(Self { root, janitor: None, _lock: Some(lock), holds_data })
    }

    fn temporary() -> Result<Self, StartError> {
        let failed = |source| StartError::Folder { path: std::env::temp_dir(), source };
        let folder =
            tempfile::Builder::new().prefix("clinch-control-plane-").tempdir().map_err(failed)?;
        let janitor = Janitor::start(folder.path()).map_err(failed)?;
        let (root, janitor) = (folder.keep(), Some(janitor));
        Ok(Self { root, janitor, _lock: None, holds_data: false })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn etcd_data(&self) -> PathBuf {
        self.root.join(ETCD_DATA)
    }

    /// Whether an earlier control plane left its data.
    pub(super) fn holds_data(&self) -> bool {
        self.holds_data
    }

    pub(super) fn audit_log(&self) -> PathBuf {
        self.root.join("audit.jsonl")
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Writes a file that only this user can read.
    pub(super) fn write(&self, name: &str, content: &str) -> Result<PathBuf, StartError> {
        let path = self.file(name);
        match write_private(&path, content) {
            Ok(()) => Ok(path),
            Err(source) => Err(StartError::Folder { path, source }),
        }
    }

    /// The pipe that a component keeps open while it lives.
    pub(super) fn hold(&self) -> io::Result<Stdio> {
        match self.janitor.as_ref().and_then(|janitor| janitor.hold.as_ref()) {
            Some(pipe) => Ok(Stdio::from(pipe.try_clone()?)),
            None => Ok(Stdio::null()),
        }
    }
}

fn failed_in(path: &Path) -> impl Fn(io::Error) -> StartError + use<> {
    let path = path.to_owned();
    move |source| StartError::Folder { path: path.clone(), source }
}

/// Writes `content` to `path` with access for this user only.
pub(super) fn write_private(path: &Path, content: &str) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content.as_bytes())
}

impl Janitor {
    fn start(folder: &Path) -> io::Result<Self> {
        let mut process = Command::new("sh")
            .arg("-c")
            .arg(JANITOR)
            .arg("control-plane-janitor")
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let hold = process.stdin.take().map(OwnedFd::from);
        Ok(Self { process, hold })
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        self.hold = None;
        // Components are dropped first, so the janitor only has to remove the folder.
        let _ = self.process.wait();
    }
}
