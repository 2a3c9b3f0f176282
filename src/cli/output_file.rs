//! A file that a command writes when its work has ended: it appears complete or not at all, and only
//! its user may read it. Does file I/O.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

/// A file that is still to be written.
#[derive(Debug)]
pub(super) struct OutputFile {
    /// How messages name it.
    what: &'static str,
    path: PathBuf,
}

impl OutputFile {
    /// Prepares a file, so that a place that cannot be written is noticed before any work is done.
    /// Nothing appears there yet. Also returns an open file without a name in the same folder, for what
    /// has to be kept until then.
    pub(super) fn prepare(what: &'static str, path: &Path) -> anyhow::Result<(Self, File)> {
        let failed = || message(what, path);
        let path = match fs::metadata(path) {
            Ok(found) if found.is_file() => fs::canonicalize(path).with_context(failed)?,
            Ok(_) => bail!("{}: it exists and is not a file", failed()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
            Err(error) => return Err(error).with_context(failed),
        };
        let name = beside(&path, "lines").with_context(failed)?;
        let kept = private(&name).with_context(failed)?;
        // It goes away with this process.
        fs::remove_file(&name).with_context(failed)?;
        Ok((Self { what, path }, kept))
    }

    /// Writes it, in place of a file of this name.
    pub(super) fn write(
        &self,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        let failed = || message(self.what, &self.path);
        let name = beside(&self.path, "tmp").with_context(failed)?;
        let written = write_new(&name, content).and_then(|()| fs::rename(&name, &self.path));
        if written.is_err() {
            // The error that counts is the one above.
            let _ = fs::remove_file(&name);
        }
        written.with_context(failed)
    }

    /// The error to report where its content could not be kept.
    pub(super) fn failed(&self, error: io::Error) -> anyhow::Error {
        anyhow::Error::new(error).context(message(self.what, &self.path))
    }
}

fn message(what: &str, path: &Path) -> String {
    format!("cannot write {what} {}", path.display())
}

fn write_new(
    name: &Path,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = BufWriter::new(private(name)?);
    content(&mut file)?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// A hidden name in the same folder, of this process.
fn beside(path: &Path, suffix: &str) -> anyhow::Result<PathBuf> {
    let Some(name) = path.file_name() else { bail!("it has no file name") };
    let name = format!(".{}.{}.{suffix}", name.to_string_lossy(), std::process::id());
    Ok(path.with_file_name(name))
}

/// A new file that only this user may read.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}
