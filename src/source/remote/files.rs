//! Files of this machine, below a listed folder and nowhere else: every name is resolved inside of
//! it, so that no link leads out. Does I/O.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use cap_std::{
    ambient_authority,
    fs::{Dir, File, Metadata},
};

use super::{
    Found, RemoteFault,
    listing::{MOST_FILES, MOST_LISTED, Opening},
    location::Wanted,
};

/// What is wanted below a root, by name.
pub(super) fn list(root: &Path, wanted: &Wanted) -> Result<Vec<Found>, RemoteFault> {
    let dir = Dir::open_ambient_dir(root, ambient_authority()).map_err(|error| fault(&error))?;
    let below = root.to_string_lossy();
    let below = below.trim_start_matches('/');
    let below =
        if below.is_empty() { String::new() } else { format!("{}/", below.trim_end_matches('/')) };
    let mut names = Vec::new();
    if wanted.pattern.is_some() {
        let start = wanted.folder().strip_prefix(&below).unwrap_or_default().trim_end_matches('/');
        let mut seen = 0;
        walk(&dir, Path::new(start), &mut seen, &mut |name| {
            if wanted.matches(&format!("{below}{name}")) {
                names.push(name.to_owned());
            }
            names.len() <= MOST_FILES
        })?;
        if names.len() > MOST_FILES || seen > MOST_LISTED {
            return Err(RemoteFault::TooMany { limit: MOST_FILES });
        }
        if names.is_empty() {
            return Err(RemoteFault::NoMatch);
        }
    } else {
        names.push(wanted.text.strip_prefix(&below).unwrap_or_default().to_owned());
    }
    names.sort();
    names.into_iter().map(|name| found(&dir, &name)).collect()
}

fn found(dir: &Dir, name: &str) -> Result<Found, RemoteFault> {
    let metadata = dir.metadata(name).map_err(|error| fault(&error))?;
    if !metadata.is_file() {
        return Err(RemoteFault::NotAFile);
    }
    let version = version(&metadata);
    let (dir, path, same) = (dir.try_clone(), PathBuf::from(name), version.clone());
    let dir = dir.map_err(|error| fault(&error))?;
    let open = move || {
        let file = dir.open(&path).map_err(|error| match fault(&error) {
            RemoteFault::Missing => RemoteFault::Changed,
            other => other,
        })?;
        let reader = Same { file, version: same.clone() };
        reader.check()?;
        Ok(Box::new(io::BufReader::with_capacity(64 << 10, reader)) as super::Reader)
    };
    Ok(Found {
        opening: Opening::new(name, open),
        version: Some(version),
        size: Some(metadata.len()),
    })
}

fn version(metadata: &Metadata) -> String {
    let modified = metadata.modified().map_or(UNIX_EPOCH, cap_std::time::SystemTime::into_std);
    let since = SystemTime::duration_since(&modified, UNIX_EPOCH).unwrap_or_default();
    format!("{} {}", since.as_nanos(), metadata.len())
}

/// A file that has to stay as it is while it is read.
struct Same {
    file: File,
    version: String,
}

impl Same {
    fn check(&self) -> Result<(), RemoteFault> {
        let metadata = self.file.metadata().map_err(|error| fault(&error))?;
        if version(&metadata) == self.version { Ok(()) } else { Err(RemoteFault::Changed) }
    }
}

impl Read for Same {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        if count == 0 {
            self.check().map_err(io::Error::other)?;
        }
        Ok(count)
    }
}

/// Every file below a folder, until `wants_more` says no. Links are not followed here.
fn walk(
    dir: &Dir,
    folder: &Path,
    seen: &mut usize,
    wants_more: &mut impl FnMut(&str) -> bool,
) -> Result<(), RemoteFault> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            if folder.as_os_str().is_empty() { dir.entries() } else { dir.read_dir(&folder) };
        let entries = match entries.map_err(|error| fault(&error)) {
            // A folder that is not there holds nothing.
            Err(RemoteFault::Missing) => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry.map_err(|error| fault(&error))?;
            let path = folder.join(entry.file_name());
            *seen += 1;
            if *seen > MOST_LISTED {
                return Ok(());
            }
            let kind = entry.file_type().map_err(|error| fault(&error))?;
            if kind.is_dir() {
                folders.push(path);
            } else if let Some(name) = path.to_str()
                && kind.is_file()
                && !wants_more(name)
            {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn fault(error: &io::Error) -> RemoteFault {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => RemoteFault::Missing,
        // Also what leads out of the folder.
        io::ErrorKind::PermissionDenied => RemoteFault::Denied,
        io::ErrorKind::IsADirectory => RemoteFault::NotAFile,
        _ => RemoteFault::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::remote::{AllowedSources, Listing, Location};

    fn listed(root: &Path, below: &str) -> Result<Listing, RemoteFault> {
        let entry = format!("file://{}", root.display());
        let allowed = AllowedSources::listed([entry.as_str()]).unwrap();
        let Location::Files(wanted) = Location::objects(&format!("{entry}/{below}")).unwrap()
        else {
            panic!("files")
        };
        list(&allowed.root_of(&wanted).unwrap(), &wanted).map(Listing::of)
    }

    fn text(listing: &Listing, at: usize) -> Result<String, RemoteFault> {
        let mut text = String::new();
        listing.openings[at]
            .open()?
            .read_to_string(&mut text)
            .map_err(|error| *error.get_ref().unwrap().downcast_ref::<RemoteFault>().unwrap())?;
        Ok(text)
    }

    #[test]
    fn files_are_found_by_name_and_pattern_and_read_more_than_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        for (name, content) in [("a/2.csv", "two"), ("a/1.csv", "one"), ("a/b/3.csv", "three")] {
            std::fs::write(root.join(name), content).unwrap();
        }
        let names = |below: &str| -> Vec<String> {
            let listing = listed(root, below).unwrap();
            listing.openings.iter().map(|opening| opening.name.to_string()).collect()
        };
        assert_eq!(names("a/1.csv"), ["a/1.csv"]);
        assert_eq!(names("a/*.csv"), ["a/1.csv", "a/2.csv"]);
        assert_eq!(names("**/*.csv"), ["a/1.csv", "a/2.csv", "a/b/3.csv"]);
        let listing = listed(root, "a/*.csv").unwrap();
        assert_eq!(
            (text(&listing, 0).unwrap(), text(&listing, 0).unwrap()),
            ("one".into(), "one".into())
        );
        assert_eq!(listing.bytes, Some(6));
        assert_eq!(listed(root, "a").unwrap_err(), RemoteFault::NotAFile);
        assert_eq!(listed(root, "a/9.csv").unwrap_err(), RemoteFault::Missing);
        assert_eq!(listed(root, "z/*.csv").unwrap_err(), RemoteFault::NoMatch);
        std::fs::write(root.join("a/1.csv"), "one more").unwrap();
        assert_eq!(text(&listing, 0).unwrap_err(), RemoteFault::Changed);
        let again = listed(root, "a/*.csv").unwrap();
        assert_ne!(again.version, listing.version);
        assert_eq!(listed(root, "a/*.csv").unwrap().version, again.version);
    }

    #[cfg(unix)]
    #[test]
    fn no_link_leads_out_of_a_listed_folder() {
        use std::os::unix::fs::symlink;
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("secret.csv"), "x").unwrap();
        symlink(outside.path().join("secret.csv"), folder.path().join("link.csv")).unwrap();
        symlink(outside.path(), folder.path().join("folder")).unwrap();
        std::fs::write(folder.path().join("plain.csv"), "x").unwrap();
        symlink("plain.csv", folder.path().join("inside.csv")).unwrap();
        assert_eq!(listed(folder.path(), "link.csv").unwrap_err(), RemoteFault::Denied);
        assert_eq!(listed(folder.path(), "folder/secret.csv").unwrap_err(), RemoteFault::Denied);
        assert_eq!(listed(folder.path(), "**/*.csv").unwrap().openings.len(), 1);
        assert!(listed(folder.path(), "inside.csv").is_ok(), "a link that stays inside");
    }
}
