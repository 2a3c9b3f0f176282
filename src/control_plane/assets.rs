//! Finds the binaries. Runs `hack/control-plane.sh --print-only`, so that only the script knows the
//! rule (`KUBEBUILDER_ASSETS`, else the cached build of the pinned versions). Never builds.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::StartError;

/// The script in the source tree that this launcher was built from.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hack/control-plane.sh");
const BINARIES: [&str; 3] = ["kube-apiserver", "etcd", "kubectl"];

/// The folder with the binaries.
#[derive(Debug, Clone)]
pub(super) struct Assets {
    folder: PathBuf,
}

impl Assets {
    /// Uses the named folder, or else the one that the script prints.
    pub(super) fn locate(named: Option<PathBuf>) -> Result<Self, StartError> {
        let folder = named.map_or_else(|| ask(Path::new(SCRIPT)), Ok)?;
        match BINARIES.iter().find(|binary| !folder.join(binary).is_file()) {
            None => Ok(Self { folder }),
            Some(lacking) => Err(StartError::MissingAssets {
                detail: format!("{} has no {lacking}", folder.display()),
            }),
        }
    }

    pub(super) fn kube_apiserver(&self) -> PathBuf {
        self.folder.join("kube-apiserver")
    }

    pub(super) fn etcd(&self) -> PathBuf {
        self.folder.join("etcd")
    }

    pub(super) fn kubectl(&self) -> PathBuf {
        self.folder.join("kubectl")
    }
}

fn ask(script: &Path) -> Result<PathBuf, StartError> {
    let missing = |detail: String| StartError::MissingAssets { detail };
    let answer = Command::new("sh")
        .arg(script)
        .arg("--print-only")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| missing(format!("cannot run {}: {error}", script.display())))?;
    if !answer.status.success() {
        let reason = String::from_utf8_lossy(&answer.stderr);
        return Err(missing(reason.trim().replace('\n', "; ")));
    }
    let line = answer.stdout.trim_ascii_end().rsplit(|byte| *byte == b'\n').next();
    Ok(PathBuf::from(OsString::from_vec(line.unwrap_or_default().to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_folder_without_binaries_says_what_lacks() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = Assets::locate(Some(folder.path().to_owned())).expect_err("empty folder");
        assert!(error.to_string().contains("has no kube-apiserver"), "{error}");
        assert!(error.to_string().contains("hack/control-plane.sh"), "{error}");
    }

    #[test]
    fn the_last_line_of_the_script_is_the_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let script = folder.path().join("script.sh");
        std::fs::write(&script, "echo noise\necho '/some where'\n").expect("written");
        assert_eq!(ask(&script).expect("answers"), PathBuf::from("/some where"));
    }

    #[test]
    fn a_refusing_script_is_quoted_on_one_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let script = folder.path().join("script.sh");
        std::fs::write(&script, "echo one >&2; echo two >&2; exit 4\n").expect("written");
        let error = ask(&script).expect_err("exit 4").to_string();
        assert!(error.contains("one; two"), "{error}");
    }
}
