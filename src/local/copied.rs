//! A copy of a state folder, for work that must not change the folder. Does file I/O.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::state::{LOCK, OpenError, check_folder};

/// A copy that only its user may read. It is deleted on drop.
#[derive(Debug)]
pub struct StateCopy(TempDir);

impl StateCopy {
    /// Copies a state folder, which has to exist and must not be in use by another process.
    pub fn of(dir: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::UseFolder { dir: dir.to_owned(), source };
        check_folder(dir).map_err(failed)?;
        // Held until everything is copied. A folder without this file was never in use.
        let lock = match File::open(dir.join(LOCK)) {
            Ok(lock) => Some(lock),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        match lock.as_ref().map(File::try_lock) {
            None | Some(Ok(())) => {}
            Some(Err(TryLockError::WouldBlock)) => {
                return Err(OpenError::Locked { dir: dir.to_owned() });
            }
            Some(Err(TryLockError::Error(error))) => return Err(failed(error)),
        }
        let copy = tempfile::tempdir().map_err(failed)?;
        copy_folder(dir, copy.path()).map_err(failed)?;
        Ok(Self(copy))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    let mut folders: Vec<(PathBuf, PathBuf)> = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = folders.pop() {
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
            if kind.is_dir() {
                fs::create_dir(&target)?;
                folders.push((entry.path(), target));
            } else if kind.is_file() {
                fs::copy(entry.path(), target)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::state::StateFolder;

    #[test]
    fn everything_is_copied_and_the_folder_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("state");
        assert!(matches!(StateCopy::of(&dir), Err(OpenError::UseFolder { .. })), "it must exist");
        drop(StateFolder::open(&dir).unwrap());
        fs::create_dir(dir.join("ledger/uid")).unwrap();
        fs::write(dir.join("ledger/uid/1"), "segment").unwrap();
        let copy = StateCopy::of(&dir).unwrap();
        assert_eq!(fs::read(copy.path().join("ledger/uid/1")).unwrap(), b"segment");
        fs::write(copy.path().join("ledger/uid/2"), "another").unwrap();
        assert!(!dir.join("ledger/uid/2").exists());
        let path = copy.path().to_owned();
        drop(copy);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_in_use_is_not_copied() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::open(folder.path()).unwrap();
        assert!(matches!(StateCopy::of(folder.path()), Err(OpenError::Locked { .. })));
        drop(state);
        StateCopy::of(folder.path()).unwrap();
    }
}
