//! kubectl against a control plane of a test or benchmark.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use clinch_operator::control_plane::ControlPlane;

/// What one call of kubectl came to.
pub struct Answer {
    pub succeeded: bool,
    pub output: String,
    pub errors: String,
}

/// kubectl with one kubeconfig.
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// As admin.
    pub fn admin(plane: &ControlPlane) -> Self {
        Self::with(plane, plane.kubeconfig_path())
    }

    /// As the user of a kubeconfig.
    pub fn with(plane: &ControlPlane, kubeconfig: &Path) -> Self {
        Self { program: plane.kubectl(), kubeconfig: kubeconfig.to_owned() }
    }

    /// Runs it with this standard input; it may fail.
    pub fn call(&self, arguments: &[&str], input: &str) -> Answer {
        let mut child = Command::new(&self.program)
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl runs");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(input.as_bytes()).expect("kubectl reads");
        drop(stdin);
        let ended = child.wait_with_output().expect("kubectl ends");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Answer {
            succeeded: ended.status.success(),
            output: text(ended.stdout),
            errors: text(ended.stderr),
        }
    }

    /// Runs it; it must not fail.
    pub fn run(&self, arguments: &[&str]) -> String {
        self.run_with(arguments, "")
    }

    /// Server-side apply of these manifests; it must not fail.
    pub fn apply(&self, manifests: &str) {
        self.run_with(&["apply", "--server-side", "-f", "-"], manifests);
    }

    fn run_with(&self, arguments: &[&str], input: &str) -> String {
        let answer = self.call(arguments, input);
        assert!(answer.succeeded, "kubectl {} failed: {}", arguments.join(" "), answer.errors);
        answer.output
    }
}
