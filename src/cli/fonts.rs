//! Fonts of the admin, read once when the process starts.

use std::path::PathBuf;

use crate::pipeline::Renderer;

/// A renderer with the fonts of these folders. What is wrong with single fonts is logged.
#[cfg(feature = "pdf")]
pub(super) fn renderer(folders: &[PathBuf]) -> anyhow::Result<Renderer> {
    use anyhow::Context as _;

    const SUFFIXES: [&str; 4] = ["ttf", "otf", "ttc", "otc"];
    if folders.is_empty() {
        return Ok(Renderer::default());
    }
    let mut files = Vec::new();
    for folder in folders {
        let unreadable = || format!("cannot read {}", folder.display());
        for entry in std::fs::read_dir(folder).with_context(unreadable)? {
            let path = entry.with_context(unreadable)?.path();
            let suffix = path.extension().and_then(|suffix| suffix.to_str()).unwrap_or_default();
            if SUFFIXES.contains(&suffix.to_ascii_lowercase().as_str()) && path.is_file() {
                let bytes = std::fs::read(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                files.push((path.display().to_string(), bytes));
            }
        }
    }
    let count = files.len();
    let (renderer, faults) = Renderer::with(files);
    tracing::info!(files = count, families = renderer.families(), "fonts read");
    for fault in faults {
        tracing::warn!("--font-path: {fault}");
    }
    Ok(renderer)
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
    }
}
