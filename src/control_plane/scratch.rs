//! The folder of one control plane, and its removal.
//!
//! Writes files. A temporary folder is removed when the control plane stops, also when the launcher
//! dies or never drops it (a `static` in a test binary): a small `sh` waits until a pipe that the
//! launcher and every component hold is closed, and then deletes the folder. A folder that the
//! caller named is kept.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::StartError;

const JANITOR: &str = r#"while read -r _; do :; done; rm -rf -- "$1""#;

/// The folder of one control plane.
#[derive(Debug)]
pub(super) struct Scratch {
    root: PathBuf,
    janitor: Option<Janitor>,
}

#[derive(Debug)]
struct Janitor {
    process: Child,
    /// Dropped to let the janitor proceed.
    hold: Option<OwnedFd>,
}

impl Scratch {
    /// Opens `named`, or a private temporary folder that is removed at the end.
    pub(super) fn open(named: Option<PathBuf>) -> Result<Self, StartError> {
        let Some(root) = named else { return Self::temporary() };
        let failed = |source| StartError::Folder { path: root.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&root).map_err(failed)?;
        // Components get paths as arguments; a relative one would depend on their folder.
        let root = fs::canonicalize(&root).map_err(failed)?;
        let scratch = Self { root, janitor: None };
        if scratch.etcd_data().exists() {
            return Err(StartError::FolderInUse { path: scratch.root });
        }
        Ok(scratch)
    }

    fn temporary() -> Result<Self, StartError> {
        let failed = |source| StartError::Folder { path: std::env::temp_dir(), source };
        let folder =
            tempfile::Builder::new().prefix("clinch-control-plane-").tempdir().map_err(failed)?;
        let janitor = Janitor::start(folder.path()).map_err(failed)?;
        Ok(Self { root: folder.keep(), janitor: Some(janitor) })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn etcd_data(&self) -> PathBuf {
        self.root.join("etcd")
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
