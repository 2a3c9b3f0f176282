//! Files of this machine, below an allowed folder only: every name is resolved inside of it, so that
//! no link leads out. Does I/O.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use cap_std::{
    ambient_authority,
    fs::{Dir, File, Metadata},
};

use super::{
    PathPattern, ReadFault,
    listing::{Found, ListedFile, MAX_FILES, MAX_LISTED, Opening},
    page::unusable,
};

/// The files below a root that a pattern selects, sorted by name. `has_format`: whether a name tells
/// what a file holds.
pub(super) fn list(
    root: &Path,
    pattern: &PathPattern,
    has_format: fn(&str) -> bool,
) -> Result<Found, ReadFault> {
    let dir = Dir::open_ambient_dir(root, ambient_authority()).map_err(|error| fault(&error))?;
    let below = root.to_string_lossy();
    let below = below.trim_start_matches('/');
    let below =
        if below.is_empty() { String::new() } else { format!("{}/", below.trim_end_matches('/')) };
    let mut found = Found::default();
    if pattern.glob.is_none() {
        let name = pattern.text.strip_prefix(&below).unwrap_or_default();
        found.files.push(listed(&dir, name)?);
        return Ok(found);
    }
    let start = pattern.folder().strip_prefix(&below).unwrap_or_default().trim_end_matches('/');
    let (mut names, mut seen, mut odd) = (Vec::new(), 0, None);
    walk(&dir, Path::new(start), &mut seen, &mut |path| {
        let name = path.to_string_lossy();
        let selected = pattern.matches(&format!("{below}{name}"));
        if path.to_str().is_none() || unusable(&name).is_some() {
            found.skipped.odd_names += 1;
            if selected {
                odd = Some(ReadFault::odd_name(&name));
            }
        } else if selected {
            names.push(name.into_owned());
        }
        odd.is_none() && names.len() <= MAX_FILES
    })?;
    if let Some(odd) = odd {
        return Err(odd);
    }
    if names.len() > MAX_FILES || seen > MAX_LISTED {
        return Err(ReadFault::TooMany { limit: MAX_FILES });
    }
    names.sort();
    found.files = names.iter().map(|name| listed(&dir, name)).collect::<Result<_, _>>()?;
    found.without_empty(has_format).of_pattern()
}

/// The bytes of the one file that a pattern without wildcards names; `None` if there are more than
/// `max_bytes`.
pub(super) fn whole(
    root: &Path,
    pattern: &PathPattern,
    max_bytes: usize,
) -> Result<Option<Bytes>, ReadFault> {
    let file = list(root, pattern, |_| true)?.files.pop().ok_or(ReadFault::Missing)?;
    let mut bytes = Vec::new();
    let mut reader = file.opening.open()?.take(max_bytes as u64 + 1);
    reader.read_to_end(&mut bytes).map_err(|error| {
        let ours = error.get_ref().and_then(|inner| inner.downcast_ref::<ReadFault>());
        ours.cloned().unwrap_or_else(|| fault(&error))
    })?;
    Ok((bytes.len() <= max_bytes).then(|| bytes.into()))
}

fn listed(dir: &Dir, name: &str) -> Result<ListedFile, ReadFault> {
    let metadata = dir.metadata(name).map_err(|error| fault(&error))?;
    if metadata.is_dir() {
        return Err(ReadFault::IsAFolder);
    }
    // It may have no end, and cannot be read a second time.
    if !metadata.is_file() {
        return Err(ReadFault::NotAFile);
    }
    let version = read_version(&metadata);
    let (dir, path, same) = (dir.try_clone(), PathBuf::from(name), version.clone());
    let dir = dir.map_err(|error| fault(&error))?;
    let open = move || {
        let file = dir.open(&path).map_err(|error| match fault(&error) {
            ReadFault::Missing => ReadFault::Changed,
            other => other,
        })?;
        let reader = Unchanged { file, version: same.clone() };
        reader.check()?;
        Ok(Box::new(io::BufReader::with_capacity(64 << 10, reader)) as super::Reader)
    };
    Ok(ListedFile {
        opening: Opening::new(name, open),
        version: Some(version),
        size: Some(metadata.len()),
    })
}

/// Changes with the content of a file.
pub(super) fn version(metadata: &Metadata) -> String {
    let modified = metadata.modified().map_or(UNIX_EPOCH, cap_std::time::SystemTime::into_std);
    let since = SystemTime::duration_since(&modified, UNIX_EPOCH).unwrap_or_default();
    format!("{} {}", since.as_nanos(), metadata.len())
}

/// As `version`. Also changes if the file is replaced by another one of the same size and time, as archives
/// and reproducible builds make them.
fn read_version(metadata: &Metadata) -> String {
    let version = version(metadata);
    #[cfg(unix)]
    {
        use cap_std::fs::MetadataExt as _;
        format!("{version} {}.{:09}", metadata.ctime(), metadata.ctime_nsec())
    }
    #[cfg(not(unix))]
    version
}

/// A file that must not change while it is read.
struct Unchanged {
    file: File,
    version: String,
}

impl Unchanged {
    fn check(&self) -> Result<(), ReadFault> {
        let metadata = self.file.metadata().map_err(|error| fault(&error))?;
        if read_version(&metadata) == self.version { Ok(()) } else { Err(ReadFault::Changed) }
    }
}

impl Read for Unchanged {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        if count == 0 {
            self.check().map_err(io::Error::other)?;
        }
        Ok(count)
    }
}

/// Visits every file below a folder, until `visit` returns false. Links are not followed.
fn walk(
    dir: &Dir,
    folder: &Path,
    seen: &mut usize,
    visit: &mut impl FnMut(&Path) -> bool,
) -> Result<(), ReadFault> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            if folder.as_os_str().is_empty() { dir.entries() } else { dir.read_dir(&folder) };
        let entries = match entries.map_err(|error| fault(&error)) {
            // A missing folder holds nothing.
            Err(ReadFault::Missing) => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry.map_err(|error| fault(&error))?;
            let path = folder.join(entry.file_name());
            *seen += 1;
            if *seen > MAX_LISTED {
                return Ok(());
            }
            let kind = entry.file_type().map_err(|error| fault(&error))?;
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && !visit(&path) {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn fault(error: &io::Error) -> ReadFault {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ReadFault::Missing,
        // Also for links that lead out of the folder.
        io::ErrorKind::PermissionDenied => ReadFault::Denied,
        io::ErrorKind::IsADirectory => ReadFault::IsAFolder,
        _ => ReadFault::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{AllowedPlaces, Listing, Location};

    fn list_below(root: &Path, below: &str) -> Result<Listing, ReadFault> {
        let entry = format!("file://{}", root.display());
        let allowed = AllowedPlaces::listed([entry.as_str()]).unwrap();
        let Location::Files(pattern) = Location::objects(&format!("{entry}/{below}")).unwrap()
        else {
            panic!("files")
        };
        let has_format = |name: &str| name.contains('.');
        list(&allowed.root_of(&pattern).unwrap(), &pattern, has_format).map(Listing::of)
    }

    fn text(listing: &Listing, at: usize) -> Result<String, ReadFault> {
        let mut text = String::new();
        listing.openings[at]
            .open()?
            .read_to_string(&mut text)
            .map_err(|error| error.downcast::<ReadFault>().unwrap())?;
        Ok(text)
    }

    #[test]
    fn files_are_listed_by_name_and_pattern_and_can_be_read_twice() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        for (name, content) in [("a/2.csv", "two"), ("a/1.csv", "one"), ("a/b/3.csv", "three")] {
            std::fs::write(root.join(name), content).unwrap();
        }
        let names = |below: &str| -> Vec<String> {
            let listing = list_below(root, below).unwrap();
            listing.openings.iter().map(|opening| opening.name.to_string()).collect()
        };
        assert_eq!(names("a/1.csv"), ["a/1.csv"]);
        assert_eq!(names("a/*.csv"), ["a/1.csv", "a/2.csv"]);
        assert_eq!(names("**/*.csv"), ["a/1.csv", "a/2.csv", "a/b/3.csv"]);
        let listing = list_below(root, "a/*.csv").unwrap();
        assert_eq!(
            (text(&listing, 0).unwrap(), text(&listing, 0).unwrap()),
            ("one".into(), "one".into())
        );
        assert_eq!(listing.bytes, Some(6));
        assert_eq!(list_below(root, "a").unwrap_err(), ReadFault::IsAFolder);
        assert_eq!(list_below(root, "a/9.csv").unwrap_err(), ReadFault::Missing);
        assert_eq!(list_below(root, "z/*.csv").unwrap_err(), ReadFault::NoMatch { skipped: false });
        std::fs::write(root.join("a/1.csv"), "one more").unwrap();
        assert_eq!(text(&listing, 0).unwrap_err(), ReadFault::Changed);
        let again = list_below(root, "a/*.csv").unwrap();
        assert_ne!(again.version, listing.version);
        assert_eq!(list_below(root, "a/*.csv").unwrap().version, again.version);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_was_replaced_by_one_of_the_same_size_and_time_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.csv");
        std::fs::write(&file, "one").unwrap();
        let modified = std::fs::metadata(&file).unwrap().modified().unwrap();
        let version = || list_below(folder.path(), "a.csv").unwrap().version;
        let before = version();
        // The clock of a file system has its own steps.
        let replaced = (0..100).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            std::fs::write(&file, "two").unwrap();
            let opened = std::fs::File::options().write(true).open(&file).unwrap();
            opened.set_modified(modified).unwrap();
            version() != before
        });
        assert!(replaced);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_neither_file_nor_folder_is_named_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("a.csv")).unwrap();
        assert_eq!(list_below(folder.path(), "a.csv").unwrap_err(), ReadFault::NotAFile);
    }

    #[cfg(unix)]
    #[test]
    fn what_holds_no_records_is_skipped_and_an_odd_name_is_named() {
        use std::os::unix::ffi::OsStrExt as _;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir(root.join("a")).unwrap();
        for name in ["a/_SUCCESS", "a/empty.csv", "a/odd\nname.txt", "a/1.csv"] {
            std::fs::write(root.join(name), if name == "a/1.csv" { "x" } else { "" }).unwrap();
        }
        let not_utf8 = std::ffi::OsStr::from_bytes(b"a/\xff.txt");
        std::fs::write(root.join(not_utf8), "x").unwrap();
        let listing = list_below(root, "a/*.csv").unwrap();
        assert_eq!((listing.openings.len(), listing.skipped.odd_names), (2, 2));
        let without = list_below(root, "a/[!.]*[CS]").unwrap_err();
        assert_eq!(without, ReadFault::NoMatch { skipped: true }, "only _SUCCESS is selected");
        assert_eq!(list_below(root, "a/_SUCCESS").unwrap().openings.len(), 1, "named, not skipped");
        std::fs::remove_file(root.join(not_utf8)).unwrap();
        let odd = list_below(root, "a/*").unwrap_err();
        assert_eq!(odd, ReadFault::OddName("a/odd\\nname.txt".into()));
        assert!(odd.to_string().contains("rename it"), "{odd}");
    }

    #[cfg(unix)]
    #[test]
    fn no_link_leads_out_of_an_allowed_folder() {
        use std::os::unix::fs::symlink;
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("secret.csv"), "x").unwrap();
        symlink(outside.path().join("secret.csv"), folder.path().join("link.csv")).unwrap();
        symlink(outside.path(), folder.path().join("folder")).unwrap();
        std::fs::write(folder.path().join("plain.csv"), "x").unwrap();
        symlink("plain.csv", folder.path().join("inside.csv")).unwrap();
        assert_eq!(list_below(folder.path(), "link.csv").unwrap_err(), ReadFault::Denied);
        assert_eq!(list_below(folder.path(), "folder/secret.csv").unwrap_err(), ReadFault::Denied);
        assert_eq!(list_below(folder.path(), "**/*.csv").unwrap().openings.len(), 1);
        assert!(list_below(folder.path(), "inside.csv").is_ok(), "a link that stays inside");
    }
}
