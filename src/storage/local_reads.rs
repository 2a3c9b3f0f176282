//! Looking at and removing files of this machine that were written here. Names are resolved inside the
//! allowed folder, so that no link leads out. Does I/O; blocks.

use std::io::{self, Read as _};

use bytes::Bytes;
use cap_std::fs::Dir;

use super::{WriteFault, local_file::LocalTarget};

impl LocalTarget {
    /// The bytes of the file; `None` when there is none.
    pub(super) fn read(&self, max_bytes: usize) -> Result<Option<Bytes>, WriteFault> {
        let Some(folder) = self.folder_if_there()? else { return Ok(None) };
        if self.look(&folder)?.is_none() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX);
        let read = folder
            .open(&self.name)
            .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes));
        match read {
            Ok(_) if bytes.len() > max_bytes => Err(WriteFault::TooLarge { limit }),
            Ok(_) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(WriteFault::of_io(&error)),
        }
    }

    /// The names of everything in its folder.
    pub(super) fn names(&self) -> Result<Vec<String>, WriteFault> {
        let Some(folder) = self.folder_if_there()? else { return Ok(Vec::new()) };
        let name = |entry: io::Result<cap_std::fs::DirEntry>| Ok(entry?.file_name());
        let names: io::Result<Vec<_>> = folder.entries().and_then(|all| all.map(name).collect());
        let names = names.map_err(|error| WriteFault::of_io(&error))?;
        Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
    }

    /// Removes the file, if it is there.
    pub(super) fn delete(&self) -> Result<(), WriteFault> {
        let Some(folder) = self.folder_if_there()? else { return Ok(()) };
        match folder.remove_file(&self.name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(WriteFault::of_io(&error)),
            _ => Ok(()),
        }
    }

    fn folder_if_there(&self) -> Result<Option<Dir>, WriteFault> {
        let root = self.open_root()?;
        match self.open_folder(&root) {
            Ok(folder) => Ok(Some(folder)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(WriteFault::of_io(&error)),
        }
    }
}
