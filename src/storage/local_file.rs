//! A file of this machine that is written beside its name and appears under it as a whole. Names are
//! resolved inside the allowed folder, so that no link leads out. Does I/O; blocks.

use std::{
    fmt,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use cap_std::{
    ambient_authority,
    fs::{Dir, File, OpenOptions},
};
use sha2::{Digest as _, Sha256};

use super::{WriteFault, files::version};

/// The longest name that is part of the temporary one: file systems accept 255 bytes.
const MAX_NAME: usize = 220;

/// The name of a file to write, below an allowed folder.
#[derive(Debug, Clone)]
pub(super) struct LocalTarget {
    root: PathBuf,
    /// Below the root; empty for the root itself.
    folder: PathBuf,
    pub(super) name: String,
}

impl LocalTarget {
    /// `path`: from the root of the file system, without its leading slash. It is below `root`.
    pub(super) fn new(root: &Path, path: &str) -> Self {
        let path = Path::new("/").join(path);
        let below = path.strip_prefix(root).unwrap_or(&path);
        let folder = below.parent().unwrap_or(Path::new("")).to_owned();
        let name = below.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { root: root.to_owned(), folder, name }
    }

    /// Version and size of the file, if there is one.
    pub(super) fn seen(&self) -> Result<Option<(String, u64)>, WriteFault> {
        let root = self.open_root()?;
        match self.open_folder(&root) {
            Ok(folder) => self.look(&folder),
            // Created with the file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(WriteFault::of_io(&error)),
        }
    }

    /// Begins to write the file, for an owner. Missing folders are created.
    pub(super) fn create(&self, owner: &str) -> Result<LocalFile, WriteFault> {
        let fault = |error| WriteFault::of_io(&error);
        let root = self.open_root()?;
        let folder = match self.open_folder(&root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                root.create_dir_all(&self.folder).map_err(fault)?;
                // Durable, like the file in it.
                for above in self.folder.ancestors().skip(1) {
                    let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
                    sync(&root.open_dir(above).map_err(fault)?).map_err(fault)?;
                }
                self.open_folder(&root).map_err(fault)?
            }
            opened => opened.map_err(fault)?,
        };
        self.look(&folder)?;
        let start = if self.name.len() > MAX_NAME {
            hex::encode(Sha256::digest(&self.name))
        } else {
            self.name.clone()
        };
        let temporary = format!(".{start}.{}.{:08x}.tmp", mark(owner), fastrand::u32(..));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use cap_std::fs::OpenOptionsExt as _;
            // The people in it are not everybody's to read.
            options.mode(0o640);
        }
        let file = folder.open_with(&temporary, &options).map_err(fault)?;
        Ok(LocalFile { folder, file, temporary, name: self.name.clone(), in_place: false })
    }

    /// Removes what killed processes left in the folder for this owner; how many files.
    pub(super) fn clean_up(&self, owner: &str) -> Result<usize, WriteFault> {
        let fault = |error| WriteFault::of_io(&error);
        let root = self.open_root()?;
        let folder = match self.open_folder(&root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            opened => opened.map_err(fault)?,
        };
        let mark = mark(owner);
        let mut removed = 0;
        for entry in folder.entries().map_err(fault)? {
            let name = entry.map_err(fault)?.file_name();
            if name.to_str().is_some_and(|name| is_leftover(name, &mark)) {
                match folder.remove_file(&name) {
                    Ok(()) => removed += 1,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(fault(error)),
                }
            }
        }
        Ok(removed)
    }

    pub(super) fn open_root(&self) -> Result<Dir, WriteFault> {
        Dir::open_ambient_dir(&self.root, ambient_authority()).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => WriteFault::NoFolder,
            _ => WriteFault::of_io(&error),
        })
    }

    pub(super) fn open_folder(&self, root: &Dir) -> io::Result<Dir> {
        if self.folder.as_os_str().is_empty() {
            root.try_clone()
        } else {
            root.open_dir(&self.folder)
        }
    }

    /// What has the name of the file, which nothing but a file may have.
    pub(super) fn look(&self, folder: &Dir) -> Result<Option<(String, u64)>, WriteFault> {
        match folder.symlink_metadata(&self.name) {
            Ok(metadata) if metadata.is_dir() => Err(WriteFault::IsAFolder),
            Ok(metadata) if !metadata.is_file() => Err(WriteFault::NotAFile),
            Ok(metadata) => Ok(Some((version(&metadata), metadata.len()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(WriteFault::of_io(&error)),
        }
    }
}

/// Distinguishes the temporary files of owners.
fn mark(owner: &str) -> String {
    hex::encode(&Sha256::digest(owner)[..4])
}

/// Whether it is the name of a temporary file with this mark.
fn is_leftover(name: &str, mark: &str) -> bool {
    let parts = || {
        let (rest, random) = name.strip_prefix('.')?.strip_suffix(".tmp")?.rsplit_once('.')?;
        let hex = random.len() == 8 && random.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(hex && rest.rsplit_once('.')?.1 == mark)
    };
    parts().unwrap_or(false)
}

/// Makes the names in a folder durable. The folder is opened again: `Dir` has it for looking up names only.
fn sync(folder: &Dir) -> io::Result<()> {
    folder.open(".")?.sync_all()
}

/// A file that is being written. Dropping it removes what was written.
pub(super) struct LocalFile {
    folder: Dir,
    file: File,
    temporary: String,
    name: String,
    in_place: bool,
}

impl LocalFile {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), WriteFault> {
        self.file.write_all(bytes).map_err(|error| WriteFault::of_io(&error))
    }

    /// Makes the file durable and gives it its name; its version.
    pub(super) fn finish(mut self) -> Result<String, WriteFault> {
        let fault = |error| WriteFault::of_io(&error);
        self.file.sync_all().map_err(fault)?;
        let version = version(&self.file.metadata().map_err(fault)?);
        self.folder.rename(&self.temporary, &self.folder, &self.name).map_err(fault)?;
        self.in_place = true;
        sync(&self.folder).map_err(fault)?;
        Ok(version)
    }
}

impl Drop for LocalFile {
    fn drop(&mut self) {
        if self.in_place {
            return;
        }
        if let Err(error) = self.folder.remove_file(&self.temporary) {
            // The next run of its owner removes it.
            tracing::debug!(kind = ?error.kind(), "a temporary file stays");
        }
    }
}

impl fmt::Debug for LocalFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalFile").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn target(&self, below: &str) -> LocalTarget {
            let path = self.0.path().join(below);
            LocalTarget::new(self.0.path(), path.to_str().unwrap().trim_start_matches('/'))
        }

        fn write(&self, below: &str, text: &str) -> Result<String, WriteFault> {
            let mut file = self.target(below).create("owner")?;
            file.write(text.as_bytes())?;
            file.finish()
        }

        fn text(&self, below: &str) -> String {
            fs::read_to_string(self.0.path().join(below)).unwrap()
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(self.0.path()).unwrap();
            let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
            let mut names: Vec<_> =
                entries.map(|entry| name(entry).into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    #[test]
    fn a_file_appears_as_a_whole_and_replaces_the_one_before() {
        let folder = Folder::new();
        assert_eq!(folder.target("a/b/x.csv").seen(), Ok(None));
        let version = folder.write("a/b/x.csv", "one").unwrap();
        assert_eq!(folder.target("a/b/x.csv").seen(), Ok(Some((version.clone(), 3))));
        let mut file = folder.target("a/b/x.csv").create("owner").unwrap();
        file.write(b"two and").unwrap();
        assert_eq!(folder.text("a/b/x.csv"), "one", "not yet");
        file.write(b" more").unwrap();
        let next = file.finish().unwrap();
        assert_eq!(folder.text("a/b/x.csv"), "two and more");
        assert!(next != version);
        drop(folder.target("a/b/x.csv").create("owner").unwrap());
        assert_eq!(folder.text("a/b/x.csv"), "two and more");
        assert_eq!(fs::read_dir(folder.0.path().join("a/b")).unwrap().count(), 1, "nothing else");
        let long = "n".repeat(250);
        folder.write(&long, "x").unwrap();
        assert_eq!(folder.text(&long), "x");
        assert_eq!(folder.write(&"n".repeat(256), "x"), Err(WriteFault::BadName));
    }

    #[test]
    fn an_owner_cleans_up_after_itself_alone() {
        let folder = Folder::new();
        let left_by = |owner: &str| {
            let file = folder.target("x.csv").create(owner).unwrap();
            // As if the process had been killed.
            std::mem::forget(file);
        };
        left_by("one");
        left_by("one");
        left_by("two");
        for other in [".x.csv.tmp", "x.tmp", ".x.csv.00000000.tmp", ".vimrc"] {
            fs::write(folder.0.path().join(other), "x").unwrap();
        }
        assert_eq!(folder.target("y.csv").clean_up("one"), Ok(2));
        assert_eq!(folder.names().len(), 5, "{:?}", folder.names());
        assert_eq!(folder.target("x.csv").clean_up("one"), Ok(0));
        assert_eq!(folder.target("none/x.csv").clean_up("one"), Ok(0));
    }

    #[test]
    fn a_writer_whose_file_was_cleaned_up_puts_nothing_in_place() {
        let folder = Folder::new();
        folder.write("x.csv", "old").unwrap();
        let mut slow = folder.target("x.csv").create("one").unwrap();
        slow.write(b"half").unwrap();
        folder.target("x.csv").clean_up("one").unwrap();
        let mut next = folder.target("x.csv").create("one").unwrap();
        next.write(b"ne").unwrap();
        assert_eq!(slow.finish(), Err(WriteFault::Interrupted));
        assert_eq!(folder.text("x.csv"), "old");
        next.write(b"w").unwrap();
        next.finish().unwrap();
        assert_eq!(folder.text("x.csv"), "new");
    }

    #[test]
    fn what_is_in_the_way_is_named_and_stays() {
        let folder = Folder::new();
        fs::create_dir(folder.0.path().join("taken")).unwrap();
        fs::write(folder.0.path().join("file"), "x").unwrap();
        assert_eq!(folder.target("taken").seen(), Err(WriteFault::IsAFolder));
        assert_eq!(folder.write("taken", "x"), Err(WriteFault::IsAFolder));
        assert_eq!(folder.write("file/x.csv", "x"), Err(WriteFault::BelowAFile));
        let gone = LocalTarget::new(&folder.0.path().join("gone"), "gone/x.csv");
        assert_eq!(gone.seen(), Err(WriteFault::NoFolder));
        // A folder that takes the name while the file is written.
        let file = folder.target("late").create("owner").unwrap();
        fs::create_dir(folder.0.path().join("late")).unwrap();
        assert_eq!(file.finish(), Err(WriteFault::IsAFolder));
        assert_eq!(folder.names(), ["file", "late", "taken"]);
    }

    #[cfg(unix)]
    #[test]
    fn no_link_is_written_through() {
        use std::os::unix::fs::symlink;
        let (folder, outside) = (Folder::new(), Folder::new());
        fs::write(outside.0.path().join("secret"), "kept").unwrap();
        symlink(outside.0.path().join("secret"), folder.0.path().join("link.csv")).unwrap();
        symlink(outside.0.path(), folder.0.path().join("out")).unwrap();
        symlink("link.csv", folder.0.path().join("inside.csv")).unwrap();
        assert_eq!(folder.write("link.csv", "x"), Err(WriteFault::NotAFile));
        assert_eq!(folder.target("link.csv").seen(), Err(WriteFault::NotAFile));
        assert_eq!(folder.write("inside.csv", "x"), Err(WriteFault::NotAFile));
        assert_eq!(folder.write("out/secret", "x"), Err(WriteFault::Outside));
        assert_eq!(folder.write("out/new/x.csv", "x"), Err(WriteFault::Outside));
        assert_eq!(folder.target("out/x.csv").seen(), Err(WriteFault::Outside));
        // A link that takes the name while the file is written is replaced, not followed.
        let mut file = folder.target("late.csv").create("owner").unwrap();
        file.write(b"new").unwrap();
        symlink(outside.0.path().join("secret"), folder.0.path().join("late.csv")).unwrap();
        file.finish().unwrap();
        assert_eq!(folder.text("late.csv"), "new");
        assert_eq!((outside.text("secret").as_str(), outside.names().len()), ("kept", 1));
    }
}
