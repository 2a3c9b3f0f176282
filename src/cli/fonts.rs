//! Fonts of the admin, read once when the process starts.

#[cfg(feature = "pdf")]
use std::path::Path;
use std::path::PathBuf;

use crate::pipeline::Renderer;

/// A renderer with the fonts of these folders. What is wrong with single fonts is logged.
#[cfg(feature = "pdf")]
pub(super) fn renderer(folders: &[PathBuf]) -> anyhow::Result<Renderer> {
    if folders.is_empty() {
        return Ok(Renderer::default());
    }
    let mut files = Vec::new();
    for folder in folders {
        let of_folder = files_of(folder)?;
        if of_folder.is_empty() {
            tracing::warn!("--font-path: {}", no_fonts(folder));
        }
        files.extend(of_folder);
    }
    let count = files.len();
    let (renderer, faults) = Renderer::with(files);
    tracing::info!(files = count, families = renderer.families(), "fonts read");
    for fault in faults {
        tracing::warn!("--font-path: {fault}");
    }
    Ok(renderer)
}

/// The files of a folder that are fonts by their names, with their content.
#[cfg(feature = "pdf")]
fn files_of(folder: &Path) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    use anyhow::Context as _;

    const SUFFIXES: [&str; 4] = ["ttf", "otf", "ttc", "otc"];
    let mut files = Vec::new();
    let unreadable = || format!("cannot read {}", folder.display());
    for entry in std::fs::read_dir(folder).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        let suffix = path.extension().and_then(|suffix| suffix.to_str()).unwrap_or_default();
        if SUFFIXES.contains(&suffix.to_ascii_lowercase().as_str()) && path.is_file() {
            let bytes =
                std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            files.push((path.display().to_string(), bytes));
        }
    }
    Ok(files)
}

/// What is wrong with a folder of fonts in which there is none.
#[cfg(feature = "pdf")]
fn no_fonts(folder: &Path) -> String {
    let has_folders = std::fs::read_dir(folder).is_ok_and(|mut entries| {
        entries.any(|entry| entry.is_ok_and(|entry| entry.path().is_dir()))
    });
    let subfolders = if has_folders { "; subfolders are not read: name each" } else { "" };
    format!("no file of {} ends in ttf, otf, ttc or otc{subfolders}", folder.display())
}

/// Without the feature `pdf` there is nothing to use fonts for.
#[cfg(not(feature = "pdf"))]
pub(super) fn renderer(folders: &[PathBuf]) -> anyhow::Result<Renderer> {
    anyhow::ensure!(folders.is_empty(), "this program is built without the feature `pdf`");
    Ok(Renderer::default())
}

#[cfg(all(test, feature = "pdf"))]
mod tests {
    use super::*;

    #[test]
    fn fonts_of_folders_are_added_and_a_folder_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let font = include_bytes!("../../tests/data/fonts/arabic.ttf");
        std::fs::write(folder.path().join("arabic.TTF"), font).unwrap();
        std::fs::write(folder.path().join("README"), "no font").unwrap();
        let renderer = renderer(&[folder.path().to_owned()]).unwrap();
        assert_eq!(renderer.families(), 2);
        let missing = folder.path().join("missing");
        let error = super::renderer(std::slice::from_ref(&missing)).unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
        let above = tempfile::tempdir().unwrap();
        assert!(no_fonts(above.path()).ends_with("otc"), "{}", no_fonts(above.path()));
        std::fs::create_dir(above.path().join("noto")).unwrap();
        assert!(super::renderer(&[above.path().to_owned()]).is_ok(), "a warning, no error");
        assert!(files_of(above.path()).unwrap().is_empty());
        assert!(no_fonts(above.path()).ends_with("subfolders are not read: name each"));
    }
}
